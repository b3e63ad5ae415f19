//! Concepts: named sets of codes in any system, with the unit and plausible range of their values.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::concept_check::{check, check_shared_codes};
use super::concept_index::{self, SystemIndex};
use super::unit::Units;
use super::{Code, Concept, sensitive_codes};
use crate::access::Classes;
use crate::strict_toml;

/// The place of a concept in its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConceptId(pub(super) u32);

/// What is wrong with a concept file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConceptError {
    #[error("{0}")]
    Syntax(String),
    #[error("concept {concept}: {reason}")]
    Invalid { concept: String, reason: String },
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConceptFile {
    #[serde(default)]
    concept: BTreeMap<String, Concept>,
}

/// All concepts, with the way from a code to the concepts it belongs to.
#[derive(Debug, Default, Clone)]
pub struct ConceptSet {
    parts: Arc<Parts>,
    /// Concepts of which the first has the greater value in one reading.
    above: Vec<(ConceptId, ConceptId)>,
}

/// What the sets of one text have in common.
#[derive(Debug, Default)]
struct Parts {
    /// The files it was read from, one after the other.
    text: String,
    names: Vec<String>,
    concepts: Vec<Concept>,
    /// For each concept with a unit the ways into it.
    units: Vec<Option<Units>>,
    /// For each concept the classes of sensitive content that it is of.
    classes: Arc<[Classes]>,
    systems: HashMap<String, SystemIndex, RandomState>,
}

impl Parts {
    fn index_codes(&mut self, concept: &Concept, id: ConceptId) -> Result<(), String> {
        for pattern in &concept.codes {
            let (system, pattern) = concept_index::read(pattern)?;
            self.systems.entry(system).or_default().add(pattern, id);
        }
        Ok(())
    }
}

/// A set that somebody may still use.
struct InUse {
    parts: Weak<Parts>,
    above: Vec<(ConceptId, ConceptId)>,
}

/// The sets in use: a set takes megabytes, and the models of a server mostly have the same concepts.
static IN_USE: Mutex<Vec<InUse>> = Mutex::new(Vec::new());

/// The set of `text`, if it is in use.
fn in_use(text: &str) -> Option<ConceptSet> {
    let mut known = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    known.retain(|set| set.parts.strong_count() > 0);
    known.iter().find_map(|set| {
        let parts = set.parts.upgrade().filter(|parts| parts.text == text)?;
        Some(ConceptSet { parts, above: set.above.clone() })
    })
}

/// What stands between the texts of two files; it stands in no TOML.
const BETWEEN_FILES: char = '\0';

impl ConceptSet {
    /// Reads a concept file and checks it.
    ///
    /// # Errors
    /// Syntax, an unknown key, a code pattern that cannot be read, an impossible range or step, a
    /// unit that is no UCUM or has no step, a code under two concepts whose units differ.
    pub fn parse(text: &str) -> Result<ConceptSet, ConceptError> {
        if let Some(known) = in_use(text) {
            return Ok(known);
        }
        let file = strict_toml::parse(text).map_err(ConceptError::Syntax)?;
        ConceptSet::build(file, text.to_owned())
    }

    /// These concepts and those of a further file: codes of a concept known here are added to it,
    /// and a new concept joins the set.
    ///
    /// # Errors
    /// As `parse`.
    pub fn extended(&self, text: &str) -> Result<ConceptSet, ConceptError> {
        let all = format!("{}{BETWEEN_FILES}{text}", self.parts.text);
        if let Some(known) = in_use(&all) {
            return Ok(known);
        }
        let site: ConceptFile = strict_toml::parse(text).map_err(ConceptError::Syntax)?;
        let mut file = self.file();
        for (name, concept) in site.concept {
            match file.concept.get_mut(&name) {
                Some(known) => {
                    let only_adds = Concept {
                        title: known.title.clone(),
                        codes: concept.codes.clone(),
                        accept: concept.accept.clone(),
                        sensitive: concept.sensitive,
                        ..Concept::default()
                    };
                    if concept != only_adds {
                        let reason = "is known already: a site's file may only add codes and \
                                      accepted units to it and say that it is sensitive, under \
                                      the same title";
                        let reason = reason.to_owned();
                        return Err(ConceptError::Invalid { concept: name, reason });
                    }
                    let added = concept.systems();
                    known.absent.retain(|system, _| !added.contains(system));
                    known.sensitive = concept.sensitive.or(known.sensitive);
                    known.codes.extend(concept.codes);
                    known.accept.extend(concept.accept);
                }
                None => {
                    file.concept.insert(name, concept);
                }
            }
        }
        ConceptSet::build(file, all)
    }

    fn file(&self) -> ConceptFile {
        let each = self.parts.names.iter().zip(&self.parts.concepts);
        ConceptFile { concept: each.map(|(name, of)| (name.clone(), of.clone())).collect() }
    }

    /// The file these concepts would be read from, the same text for the same concepts.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, ConceptError> {
        toml::to_string(&self.file()).map_err(|error| ConceptError::Syntax(error.to_string()))
    }

    fn build(file: ConceptFile, text: String) -> Result<ConceptSet, ConceptError> {
        let mut parts = Parts { text, ..Parts::default() };
        for (name, concept) in file.concept {
            let id = ConceptId(parts.concepts.len() as u32);
            let units = check(&concept)
                .and_then(|units| parts.index_codes(&concept, id).map(|()| units))
                .map_err(|reason| ConceptError::Invalid { concept: name.clone(), reason })?;
            parts.names.push(name);
            parts.concepts.push(concept);
            parts.units.push(units);
        }
        parts.systems.values_mut().for_each(SystemIndex::finish);
        parts.classes = parts.concepts.iter().map(sensitive_codes::of_concept).collect();
        let parts = Arc::new(parts);
        let mut set = ConceptSet { parts: Arc::clone(&parts), above: Vec::new() };
        for (name, concept) in parts.names.iter().zip(&parts.concepts) {
            check_shared_codes(concept, &set)
                .and_then(|()| set.index_above(name, concept))
                .map_err(|reason| ConceptError::Invalid { concept: name.clone(), reason })?;
        }
        let mut known = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        known.push(InUse { parts: Arc::downgrade(&parts), above: set.above.clone() });
        drop(known);
        Ok(set)
    }

    fn index_above(&mut self, name: &str, concept: &Concept) -> Result<(), String> {
        let Some(lower_name) = &concept.above else { return Ok(()) };
        let (Some(upper), Some(lower)) = (self.find(name), self.find(lower_name)) else {
            return Err(format!("above: there is no concept `{lower_name}`"));
        };
        let unit = |id| self.get(id).and_then(|of| of.unit.as_ref());
        if upper == lower || unit(upper).is_none() || unit(upper) != unit(lower) {
            return Err("above names another concept with the same unit".into());
        }
        self.above.push((upper, lower));
        Ok(())
    }

    /// The concept called `name`.
    pub fn find(&self, name: &str) -> Option<ConceptId> {
        let place = self.parts.names.binary_search_by(|known| known.as_str().cmp(name)).ok()?;
        Some(ConceptId(place as u32))
    }

    /// The known name nearest to `name`, for error messages.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let near =
            self.parts.names.iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
        near.min().map(|(_, known)| known.as_str())
    }

    /// The concept with this place; ids of another set may name none.
    pub fn get(&self, id: ConceptId) -> Option<&Concept> {
        self.parts.concepts.get(id.0 as usize)
    }

    /// The ways into the unit of a concept; `None` when it has no unit.
    pub(super) fn units(&self, id: ConceptId) -> Option<&Units> {
        self.parts.units.get(id.0 as usize)?.as_ref()
    }

    /// The classes of sensitive content that a concept is of: named in its file, or told by its codes.
    pub fn classes_of(&self, id: ConceptId) -> Classes {
        self.parts.classes.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// The same for all concepts, by place.
    pub(super) fn classes(&self) -> Arc<[Classes]> {
        Arc::clone(&self.parts.classes)
    }

    /// The classes of a code: its own and those that its concepts name; of a code without any, those that
    /// its concepts have by their other codes.
    pub(super) fn classes_of_code(&self, code: &Code, concepts: &[ConceptId]) -> Classes {
        let own = sensitive_codes::of_code(code);
        let named = |id: &ConceptId| self.get(*id).and_then(|concept| concept.sensitive);
        let counts = |id: &&ConceptId| own.is_empty() || named(id).is_some();
        concepts.iter().filter(counts).fold(own, |all, id| all.and(self.classes_of(*id)))
    }

    /// The classes of what a vocabulary has learned: a code, the beginning of codes, or the name of a
    /// medical service.
    pub fn classes_of_token(&self, token: &str) -> Classes {
        let code = Code::parse(token);
        let of_concepts = code.map(|code| self.classes_of_code(&code, &self.concepts_of(&code)));
        sensitive_codes::of_learned(token).and(of_concepts.unwrap_or_default())
    }

    /// Pairs of concepts of which the first has the greater value in one reading.
    pub fn above(&self) -> &[(ConceptId, ConceptId)] {
        &self.above
    }

    /// How many concepts there are.
    pub fn len(&self) -> usize {
        self.parts.concepts.len()
    }

    /// The concepts that are counts themselves.
    pub fn with_count_rule(&self) -> impl Iterator<Item = ConceptId> {
        let each = self.parts.concepts.iter().enumerate();
        each.filter(|(_, c)| c.count.is_some()).map(|(place, _)| ConceptId(place as u32))
    }

    /// All concepts with their names, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (ConceptId, &str, &Concept)> {
        let each = self.parts.names.iter().zip(&self.parts.concepts).enumerate();
        each.map(|(place, (name, concept))| (ConceptId(place as u32), name.as_str(), concept))
    }

    /// Whether there is no concept at all.
    pub fn is_empty(&self) -> bool {
        self.parts.concepts.is_empty()
    }

    /// All concepts that `code` belongs to, in order, each once.
    pub fn concepts_of(&self, code: &Code) -> Vec<ConceptId> {
        self.parts
            .systems
            .get(&code.system)
            .map(|system| system.concepts_of(&code.code))
            .unwrap_or_default()
    }

    /// Of the concepts that `code` belongs to the one that says so in the fewest patterns of the
    /// code's system: a chapter of the classification, or a disease with codes of its own. For words.
    pub fn group_of(&self, code: &Code) -> Option<&Concept> {
        let system = self.parts.systems.get(&code.system)?;
        let found = system.concepts_of(&code.code);
        found.into_iter().min_by_key(|id| system.patterns_of(*id)).and_then(|id| self.get(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[concept.circulatory]
title = "diseases of the circulatory system"
codes = ["ICD9CM//390..459*", "ICD9CM//785", "ICD10CM//I*"]
[concept.diabetes]
title = "diabetes"
codes = ["ICD9CM//250*", "ICD10CM//E11.9"]
absent = { LOCAL = "not yet asked" }
"#;

    #[test]
    fn exact_prefix_and_range_patterns_match() {
        let set = ConceptSet::parse(FILE).unwrap();
        let names = |code: &str| -> Vec<&str> {
            let ids = set.concepts_of(&Code::parse(code).unwrap());
            ids.iter().map(|id| set.parts.names[id.0 as usize].as_str()).collect()
        };
        assert_eq!(names("ICD9CM//428.0"), ["circulatory"]);
        assert_eq!(names("ICD9CM//459"), ["circulatory"]);
        assert_eq!(names("ICD9CM//460"), [""; 0]);
        assert_eq!(names("ICD9CM//785"), ["circulatory"]);
        assert_eq!(names("ICD9CM//785.1"), [""; 0]);
        assert_eq!(names("ICD9CM//250.02"), ["diabetes"]);
        assert_eq!(names("icd10cm//e119"), ["diabetes"]);
        assert_eq!(names("OTHER//250"), [""; 0]);
    }

    #[test]
    fn a_site_file_adds_codes_and_the_written_file_reads_back_the_same() {
        let set = ConceptSet::parse(FILE).unwrap();
        let site = "[concept.diabetes]\ntitle = \"diabetes\"\ncodes = [\"LOCAL//dm\"]";
        let more = set.extended(site).unwrap();
        assert_eq!(more.concepts_of(&Code::parse("LOCAL//dm").unwrap()).len(), 1);
        assert!(more.get(more.find("diabetes").unwrap()).unwrap().absent.is_empty());
        let site = format!("{site}\nsensitive = \"hiv\"");
        let more = more.extended(&site).unwrap();
        let classes = more.classes_of_token("LOCAL//dm");
        assert_eq!(classes, Classes::of(crate::access::SensitiveClass::Hiv));
        let text = more.to_toml().unwrap();
        assert_eq!(ConceptSet::parse(&text).unwrap().to_toml().unwrap(), text);
    }

    #[test]
    fn sets_of_one_text_are_one_for_as_long_as_one_is_used() {
        let text = FILE.replace("diabetes", "shared");
        let first = ConceptSet::parse(&text).unwrap();
        let again = ConceptSet::parse(&text).unwrap();
        assert!(Arc::ptr_eq(&first.parts, &again.parts));
        let site = "[concept.local]\ntitle = \"local\"\ncodes = [\"LOCAL//x\"]";
        let (one, two) = (first.extended(site).unwrap(), again.extended(site).unwrap());
        assert!(Arc::ptr_eq(&one.parts, &two.parts) && !Arc::ptr_eq(&one.parts, &first.parts));
        assert!(one.find("local").is_some() && first.find("local").is_none());
        let held = Arc::downgrade(&first.parts);
        drop((first, again));
        assert!(held.upgrade().is_none(), "what nobody uses takes no memory");
        assert!(in_use(&text).is_none());
    }

    #[test]
    fn faults_are_named() {
        let fault = |codes: &str| {
            ConceptSet::parse(&format!("[concept.x]\ntitle=\"x\"\ncodes=[{codes}]")).unwrap_err()
        };
        assert!(fault("\"250\"").to_string().contains("concept x: `250` is not SYSTEM//code"));
        assert!(fault("\"ICD9CM//460..390*\"").to_string().contains("rising"));
        assert!(fault("\"ICD9CM//390..459\"").to_string().contains("A..B*"));
        assert!(fault("]\nunit = \"mmHg\"\naccept = [").to_string().contains("mm[Hg]"));
        let site = "[concept.diabetes]\ntitle = \"diabetes\"\ncodes = []\nunit = \"%\"";
        let set = ConceptSet::parse(FILE).unwrap();
        assert!(set.extended(site).unwrap_err().to_string().contains("may only add codes"));
    }
}
