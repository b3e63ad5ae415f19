//! Splits by patient: all rows of one group fall into the same part, today and in ten years.

use sha2::{Digest, Sha256};

/// The part a source itself puts a subject into (MEDS `subject_splits.parquet`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    Train,
    /// Counts as train: models are chosen by cross-validation.
    Tuning,
    HeldOut,
}

impl Split {
    /// All splits, under MEDS's names.
    const NAMES: [(&str, Split); 3] =
        [("train", Split::Train), ("tuning", Split::Tuning), ("held_out", Split::HeldOut)];

    /// Reads MEDS's name.
    pub fn parse(name: &str) -> Option<Split> {
        Split::NAMES.iter().find(|(known, _)| *known == name).map(|(_, split)| *split)
    }

    /// MEDS's name.
    pub fn name(self) -> &'static str {
        Split::NAMES.iter().find(|(_, split)| *split == self).map_or("", |(name, _)| name)
    }
}

/// Which patients are held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldOut {
    Nobody,
    /// Part `part` of `of`, by a hash of the patient.
    Part {
        part: u32,
        of: u32,
    },
    /// Those that the source itself holds out.
    Source,
}

impl HeldOut {
    /// Reads `k/n` with k below n, `none` or `source`.
    pub fn parse(text: &str) -> Option<HeldOut> {
        match text {
            "none" => return Some(HeldOut::Nobody),
            "source" => return Some(HeldOut::Source),
            _ => {}
        }
        let (part, of) = text.split_once('/')?;
        let (part, of): (u32, u32) = (part.parse().ok()?, of.parse().ok()?);
        (of >= 2 && part < of).then_some(HeldOut::Part { part, of })
    }

    /// Whether the patient of `group`, whom the source puts into `split`, is held out.
    pub fn holds(self, group: &str, split: Option<Split>) -> bool {
        match self {
            HeldOut::Nobody => false,
            HeldOut::Part { part, of } => part_of("split", group, of) == part,
            HeldOut::Source => split == Some(Split::HeldOut),
        }
    }
}

impl std::fmt::Display for HeldOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HeldOut::Nobody => f.write_str("none"),
            HeldOut::Part { part, of } => write!(f, "{part}/{of}"),
            HeldOut::Source => f.write_str("source"),
        }
    }
}

/// The part (0 to `parts` - 1) that `group` falls in: the first eight bytes, big endian, of
/// sha256("prodrome/`purpose`/1/" + group), modulo `parts`.
pub fn part_of(purpose: &str, group: &str, parts: u32) -> u32 {
    let digest = Sha256::digest(format!("prodrome/{purpose}/1/{group}"));
    let head = digest.iter().take(8).fold(0_u64, |head, byte| head << 8 | u64::from(*byte));
    (head % u64::from(parts.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_even_and_never_change() {
        let mut counts = [0; 4];
        (0..4000).for_each(|n| counts[part_of("split", &n.to_string(), 4) as usize] += 1);
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
        let first: Vec<u32> = (0..8).map(|n| part_of("split", &n.to_string(), 10)).collect();
        assert_eq!(first, [2, 3, 9, 1, 4, 0, 9, 6], "the split is part of the contract");
    }

    #[test]
    fn parts_read_as_k_of_n() {
        assert_eq!(HeldOut::parse("0/5"), Some(HeldOut::Part { part: 0, of: 5 }));
        assert!(HeldOut::parse("none").is_some_and(|none| !none.holds("any", None)));
        let source = HeldOut::parse("source").unwrap();
        assert!(source.holds("any", Some(Split::HeldOut)) && !source.holds("any", None));
        for bad in ["5/5", "1/1", "x/4", "1", ""] {
            assert_eq!(HeldOut::parse(bad), None, "{bad}");
        }
    }
}
