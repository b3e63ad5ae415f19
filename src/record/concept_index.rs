//! The way from a code to the concepts that list it, for the patterns of one code system.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::Code;
use super::concept::ConceptId;

/// The patterns of one code system. Every import asks it once for each event, and ICD has hundreds
/// of prefixes: they are found by their beginning, one look-up for each length that occurs.
#[derive(Debug, Default)]
pub(super) struct SystemIndex {
    exact: HashMap<String, Vec<ConceptId>, RandomState>,
    prefixes: BTreeMap<usize, HashMap<String, Vec<ConceptId>, RandomState>>,
    ranges: BTreeMap<usize, Ranges>,
    /// How many patterns each concept has.
    patterns: HashMap<ConceptId, usize, RandomState>,
}

/// Ranges of beginnings of one length.
#[derive(Debug, Default)]
struct Ranges {
    /// First, last (both belong), concept.
    given: Vec<(String, String, ConceptId)>,
    /// The ends of all ranges, in order, each once.
    ends: Vec<String>,
    /// The concepts of what lies before the first end, at it, between it and the second, and so on.
    slots: Vec<Vec<ConceptId>>,
}

/// The system of a pattern and how it reads there.
///
/// # Errors
/// A pattern that is not `SYSTEM//code`, or a range that is none.
pub(super) fn read(pattern: &str) -> Result<(String, Pattern), String> {
    let Some(exact) = Code::parse(pattern.trim_end_matches('*')) else {
        return Err(format!("`{pattern}` is not SYSTEM//code"));
    };
    let is_prefix = pattern.ends_with('*');
    // Normalising removes the dots of an ICD code, so a range is split before it.
    let (_, stem) = pattern.trim_end_matches('*').split_once("//").unwrap_or_default();
    let beginning = |part: &str| Code::beginning(&exact.system, part).code;
    let read = match stem.split_once("..") {
        None if is_prefix => Pattern::Prefix(beginning(stem)),
        None => Pattern::Exact(exact.code),
        Some((first, last)) => {
            let (first, last) = (beginning(first), beginning(last));
            if !is_prefix || first.len() != last.len() || first > last {
                let reason = "a range is A..B* with two rising, equally long ends";
                return Err(format!("`{pattern}`: {reason}"));
            }
            Pattern::Range(first, last)
        }
    };
    Ok((exact.system, read))
}

/// What a pattern stands for in its system.
#[derive(Debug)]
pub(super) enum Pattern {
    Exact(String),
    /// Codes that begin so.
    Prefix(String),
    /// Codes whose beginning lies from the first to the last of two equally long ones.
    Range(String, String),
}

impl SystemIndex {
    pub(super) fn add(&mut self, pattern: Pattern, id: ConceptId) {
        *self.patterns.entry(id).or_default() += 1;
        match pattern {
            Pattern::Exact(code) => self.exact.entry(code).or_default().push(id),
            Pattern::Prefix(prefix) => {
                let same_length = self.prefixes.entry(prefix.len()).or_default();
                same_length.entry(prefix).or_default().push(id);
            }
            Pattern::Range(first, last) => {
                self.ranges.entry(first.len()).or_default().given.push((first, last, id));
            }
        }
    }

    /// Makes the ranges ready; to be called once, after the last pattern.
    pub(super) fn finish(&mut self) {
        self.ranges.values_mut().for_each(Ranges::finish);
    }

    /// How many patterns the concept has.
    pub(super) fn patterns_of(&self, id: ConceptId) -> usize {
        self.patterns.get(&id).copied().unwrap_or_default()
    }

    /// The concepts of `code`, in order, each once.
    pub(super) fn concepts_of(&self, code: &str) -> Vec<ConceptId> {
        let mut found = self.exact.get(code).cloned().unwrap_or_default();
        for (length, prefixes) in &self.prefixes {
            let ids = code.get(..*length).and_then(|head| prefixes.get(head));
            found.extend(ids.into_iter().flatten());
        }
        for (length, ranges) in &self.ranges {
            found.extend(code.get(..*length).into_iter().flat_map(|head| ranges.of(head)));
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Ranges {
    fn finish(&mut self) {
        let ends = self.given.iter().flat_map(|(first, last, _)| [first, last]);
        self.ends = ends.cloned().collect();
        self.ends.sort_unstable();
        self.ends.dedup();
        self.slots = vec![Vec::new(); 2 * self.ends.len() + 1];
        for (first, last, id) in &self.given {
            let (from, to) = (self.slot(first), self.slot(last));
            for slot in self.slots.iter_mut().take(to + 1).skip(from) {
                slot.push(*id);
            }
        }
    }

    fn slot(&self, head: &str) -> usize {
        match self.ends.binary_search_by(|end| end.as_str().cmp(head)) {
            Ok(at) => 2 * at + 1,
            Err(before) => 2 * before,
        }
    }

    fn of(&self, head: &str) -> impl Iterator<Item = ConceptId> + '_ {
        self.slots.get(self.slot(head)).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ConceptSet;
    use super::*;

    /// Whether `pattern` holds `code`, read as the file's documentation says it.
    fn plainly_holds(pattern: &str, code: &str) -> bool {
        let pattern = pattern.strip_prefix("X//").unwrap();
        let Some(stem) = pattern.strip_suffix('*') else { return pattern == code };
        match stem.split_once("..") {
            None => code.starts_with(stem),
            Some((first, last)) => {
                code.len() >= first.len() && {
                    let head = &code[..first.len()];
                    first <= head && head <= last
                }
            }
        }
    }

    fn patterns() -> impl Strategy<Value = String> {
        let range = |ends: (String, String)| {
            let (first, last) = if ends.0 <= ends.1 { ends } else { (ends.1, ends.0) };
            format!("X//{first}..{last}*")
        };
        let range = prop_oneof![
            ("[A-C][0-2]", "[A-C][0-2]").prop_map(range),
            ("[A-C][0-2]{2}", "[A-C][0-2]{2}").prop_map(range),
        ];
        prop_oneof!["X//[A-C][0-2]{0,3}", "X//[A-C][0-2]{0,3}\\*", range]
    }

    proptest! {
        /// The look-up finds what a scan of all patterns finds.
        #[test]
        fn a_code_has_the_concepts_that_a_plain_scan_finds(
            concepts in prop::collection::vec(prop::collection::vec(patterns(), 0..6), 1..8),
            codes in prop::collection::vec("[A-D][0-3]{0,4}", 1..40),
        ) {
            let mut file = String::new();
            for (at, patterns) in concepts.iter().enumerate() {
                file += &format!("[concept.c{at}]\ntitle = \"c\"\ncodes = {patterns:?}\n");
            }
            let set = ConceptSet::parse(&file).unwrap();
            for code in codes {
                let holds = |patterns: &&Vec<String>| patterns.iter().any(|p| plainly_holds(p, &code));
                let plain: Vec<String> = concepts
                    .iter()
                    .enumerate()
                    .filter(|(_, patterns)| holds(patterns))
                    .map(|(at, _)| format!("c{at}"))
                    .collect();
                let ids = set.concepts_of(&Code::new("X", &code));
                let names: Vec<&str> = set
                    .iter()
                    .filter(|(id, ..)| ids.contains(id))
                    .map(|(_, name, _)| name)
                    .collect();
                prop_assert_eq!(names, plain);
            }
        }
    }
}
