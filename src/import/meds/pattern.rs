//! `Pattern`: the form of a MEDS code, parted by `//`.

/// What a part of a code is, where it is no fixed word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Code,
    Unit,
    Type,
    Source,
    Place,
    Class,
    Value,
    Other,
}

const SLOTS: [(&str, Slot); 8] = [
    ("{code}", Slot::Code),
    ("{unit}", Slot::Unit),
    ("{type}", Slot::Type),
    ("{source}", Slot::Source),
    ("{place}", Slot::Place),
    ("{class}", Slot::Class),
    ("{value}", Slot::Value),
    ("{other}", Slot::Other),
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Word(String),
    Slot(Slot),
}

/// The form of a code: fixed words, and parts with a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

/// The parts of a code that fits a pattern.
#[derive(Debug, Default)]
pub(super) struct Parts<'a>([Option<&'a str>; SLOTS.len()]);

impl<'a> Parts<'a> {
    pub(super) fn get(&self, slot: Slot) -> Option<&'a str> {
        self.0.get(slot as usize).copied().flatten()
    }
}

impl Pattern {
    /// Reads `WORD//{slot}`; the reason when it is none.
    pub(super) fn parse(text: &str) -> Result<Pattern, String> {
        let part = |part: &str| match SLOTS.iter().find(|(name, _)| *name == part) {
            Some((_, slot)) => Ok(Part::Slot(*slot)),
            None if part.contains(['{', '}']) => {
                let names = SLOTS.map(|(name, _)| name).join(" ");
                Err(format!("`{text}`: `{part}` is none of {names}"))
            }
            None => Ok(Part::Word(part.to_owned())),
        };
        let parts = text.split("//").map(part).collect::<Result<Vec<Part>, String>>()?;
        match parts.first() {
            Some(Part::Word(word)) if !word.is_empty() => Ok(Pattern(parts)),
            _ => Err(format!("`{text}`: must begin with a word")),
        }
    }

    /// The parts of `code`, if it has this form. Parts at its end may be missing, unless they are words,
    /// and further ones belong to the last slot where the pattern ends with one.
    pub(super) fn parts<'a>(&self, code: &'a str) -> Option<Parts<'a>> {
        let mut parts = Parts::default();
        let mut rest = Some(code);
        for (at, part) in self.0.iter().enumerate() {
            let is_last = at + 1 == self.0.len();
            let (head, tail) = match rest {
                None => (None, None),
                Some(text) if is_last && matches!(part, Part::Slot(_)) => (Some(text), None),
                Some(text) => match text.split_once("//") {
                    Some((head, tail)) => (Some(head), Some(tail)),
                    None => (Some(text), None),
                },
            };
            match part {
                Part::Word(word) if head != Some(word.as_str()) => return None,
                Part::Word(_) => {}
                Part::Slot(slot) => {
                    if let Some(place) = parts.0.get_mut(*slot as usize) {
                        *place = head.map(str::trim);
                    }
                }
            }
            rest = tail;
        }
        Some(parts)
    }

    /// Whether `slot` is one of its parts.
    pub(super) fn has(&self, slot: Slot) -> bool {
        self.0.contains(&Part::Slot(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_parted_and_the_last_part_takes_the_rest() {
        let parts = |pattern: &str, code: &'static str, slots: &[Slot]| {
            let found = Pattern::parse(pattern).unwrap().parts(code)?;
            Some(slots.iter().map(|slot| found.get(*slot)).collect::<Vec<_>>())
        };
        let admission = "HOSPITAL_ADMISSION//{type}//{source}";
        let slots = [Slot::Type, Slot::Source];
        assert_eq!(
            parts(admission, "HOSPITAL_ADMISSION//EW EMER.//A//B", &slots),
            Some(vec![Some("EW EMER."), Some("A//B")])
        );
        assert_eq!(parts(admission, "HOSPITAL_ADMISSION", &slots), Some(vec![None, None]));
        assert_eq!(parts(admission, "HOSPITAL_ADMISSIONS//x", &slots), None);
        assert_eq!(parts("MEDS_BIRTH", "MEDS_BIRTH//x", &[]), Some(vec![]));
        assert_eq!(parts("A//{code}//B", "A//x", &[Slot::Code]), None);
        assert!(Pattern::parse("{code}//x").is_err() && Pattern::parse("A//{cod}").is_err());
    }
}
