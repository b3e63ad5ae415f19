//! Splits by patient: all rows of one group fall into the same part, today and in ten years.

use sha2::{Digest, Sha256};

/// Which part of the patients is held out: part `part` of `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldOut {
    pub part: u32,
    pub of: u32,
}

impl HeldOut {
    /// Reads `k/n` with k below n, or `none`.
    pub fn parse(text: &str) -> Option<HeldOut> {
        if text == "none" {
            return Some(HeldOut { part: 1, of: 1 });
        }
        let (part, of) = text.split_once('/')?;
        let held_out = HeldOut { part: part.parse().ok()?, of: of.parse().ok()? };
        (held_out.of >= 2 && held_out.part < held_out.of).then_some(held_out)
    }

    /// Whether the patient of `group` is held out.
    pub fn holds(self, group: &str) -> bool {
        part_of("split", group, self.of) == self.part
    }
}

impl std::fmt::Display for HeldOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.of == 1 { f.write_str("none") } else { write!(f, "{}/{}", self.part, self.of) }
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
        assert_eq!(HeldOut::parse("0/5"), Some(HeldOut { part: 0, of: 5 }));
        assert!(HeldOut::parse("none").is_some_and(|none| !none.holds("any")));
        for bad in ["5/5", "1/1", "x/4", "1", ""] {
            assert_eq!(HeldOut::parse(bad), None, "{bad}");
        }
    }
}
