//! `Convention`: what the codes of a MEDS export mean, from a small TOML file.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::pattern::{Pattern, Slot};
use crate::import::fhir::codes;
use crate::import::mapping::{MappingError, TableSource};
use crate::record::{Code, EncounterClass, EventKind, Sex};
use crate::strict_toml;

/// The convention that is built in.
const DEFAULT: &str = include_str!("../../../models/mappings/meds.toml");
/// The system of a code that has but one part.
const ONE_PART_SYSTEM: &str = "MEDS";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CoverageRule {
    None,
    FirstToLastEvent,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConventionFile {
    #[serde(rename = "kind")]
    _kind: String,
    visit_columns: Vec<String>,
    no_value: Vec<String>,
    coverage: CoverageRule,
    source: TableSource,
    person: PersonFile,
    sexes: SexFile,
    #[serde(default)]
    encounter: Vec<EncounterFile>,
    #[serde(default)]
    event: Vec<EventFile>,
    #[serde(default)]
    system: Vec<SystemFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonFile {
    birth: Option<String>,
    death: Option<String>,
    coverage: Option<String>,
    sex: Option<String>,
    region: Option<String>,
    race: Option<String>,
    ethnicity: Option<String>,
    language: Option<String>,
    insurance: Option<String>,
    gender_identity: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SexFile {
    #[serde(default)]
    female: Vec<String>,
    #[serde(default)]
    male: Vec<String>,
    #[serde(default)]
    other: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncounterFile {
    start: String,
    end: String,
    class: EncounterClass,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventFile {
    codes: Vec<String>,
    system: String,
    kind: EventKind,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SystemFile {
    name: String,
    #[serde(default)]
    spellings: Vec<String>,
    kind: EventKind,
}

/// What is said of a person by a code with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attribute {
    Sex,
    Region,
    Race,
    Ethnicity,
    Language,
    Insurance,
    GenderIdentity,
}

/// How an encounter begins, as its code says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    pub class: EncounterClass,
    pub admission_type: Option<String>,
    pub admission_source: Option<String>,
}

/// What a code means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    Birth,
    Death,
    Coverage,
    Person(Attribute, Option<String>),
    /// The number of the encounter rule, and what the code tells of the encounter.
    Start(usize, Start),
    End(usize, Option<String>),
    Event {
        code: Arc<Code>,
        kind: EventKind,
        unit: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq)]
struct EncounterRule {
    start: Pattern,
    end: Pattern,
    class: EncounterClass,
}

#[derive(Debug, Clone, PartialEq)]
struct EventRule {
    codes: Vec<Pattern>,
    system: String,
    kind: EventKind,
}

/// A checked convention.
#[derive(Debug, Clone, PartialEq)]
pub struct Convention {
    pub(in crate::import) source: TableSource,
    pub(super) visit_columns: Vec<String>,
    pub(super) coverage: CoverageRule,
    no_value: Vec<String>,
    sexes: Vec<(String, Sex)>,
    birth: Option<Pattern>,
    death: Option<Pattern>,
    coverage_rows: Option<Pattern>,
    attributes: Vec<(Pattern, Attribute)>,
    encounters: Vec<EncounterRule>,
    events: Vec<EventRule>,
    /// By a spelling in upper case.
    systems: HashMap<String, (String, EventKind)>,
}

impl Convention {
    /// The convention that is built in: `models/mappings/meds.toml`.
    ///
    /// # Errors
    /// None while the built-in file is a convention, which a test holds.
    pub fn built_in() -> Result<Convention, MappingError> {
        Convention::parse(DEFAULT)
    }

    /// Reads a convention file and checks it.
    ///
    /// # Errors
    /// Syntax, an unknown key with the nearest known one, or a pattern that is none.
    pub fn parse(text: &str) -> Result<Convention, MappingError> {
        let file: ConventionFile = strict_toml::parse(text).map_err(MappingError::Syntax)?;
        let pattern = |place: &str, text: &str| {
            let invalid = |reason| MappingError::Invalid { place: place.to_owned(), reason };
            Pattern::parse(text).map_err(invalid)
        };
        let optional = |place: &str, text: &Option<String>| {
            text.as_deref().map(|text| pattern(place, text)).transpose()
        };
        let person = &file.person;
        let mut attributes = Vec::new();
        for (place, text, attribute) in [
            ("person.sex", &person.sex, Attribute::Sex),
            ("person.region", &person.region, Attribute::Region),
            ("person.race", &person.race, Attribute::Race),
            ("person.ethnicity", &person.ethnicity, Attribute::Ethnicity),
            ("person.language", &person.language, Attribute::Language),
            ("person.insurance", &person.insurance, Attribute::Insurance),
            ("person.gender_identity", &person.gender_identity, Attribute::GenderIdentity),
        ] {
            attributes.extend(optional(place, text)?.map(|pattern| (pattern, attribute)));
        }
        let encounters = file.encounter.iter().enumerate().map(|(at, rule)| {
            let start = pattern(&format!("encounter[{at}].start"), &rule.start)?;
            let end = pattern(&format!("encounter[{at}].end"), &rule.end)?;
            Ok(EncounterRule { start, end, class: rule.class })
        });
        let encounters = encounters.collect::<Result<Vec<_>, MappingError>>()?;
        let mut events = Vec::with_capacity(file.event.len());
        for (at, rule) in file.event.iter().enumerate() {
            events.push(event_rule(&format!("event[{at}]"), rule)?);
        }
        let sexes = [
            (&file.sexes.female, Sex::Female),
            (&file.sexes.male, Sex::Male),
            (&file.sexes.other, Sex::Other),
        ];
        let word = |sex: Sex| move |word: &String| (word.to_ascii_uppercase(), sex);
        let sexes = sexes.into_iter().flat_map(|(words, sex)| words.iter().map(word(sex)));
        let mut systems = HashMap::new();
        for SystemFile { name, spellings, kind } in &file.system {
            for spelling in spellings.iter().chain([name]) {
                systems.insert(spelling.to_ascii_uppercase(), (name.clone(), *kind));
            }
        }
        Ok(Convention {
            birth: optional("person.birth", &person.birth)?,
            death: optional("person.death", &person.death)?,
            coverage_rows: optional("person.coverage", &person.coverage)?,
            attributes,
            encounters,
            events,
            sexes: sexes.collect(),
            systems,
            source: file.source,
            visit_columns: file.visit_columns,
            coverage: file.coverage,
            no_value: file.no_value.iter().map(|word| word.to_ascii_uppercase()).collect(),
        })
    }

    /// What `code` means. `parent` gives the code of a known system above a code that is in none.
    pub(super) fn meaning(&self, code: &str, parent: impl Fn(&str) -> Option<Code>) -> Meaning {
        let fits = |pattern: &Option<Pattern>| {
            pattern.as_ref().is_some_and(|pattern| pattern.parts(code).is_some())
        };
        if fits(&self.birth) {
            return Meaning::Birth;
        }
        if fits(&self.death) {
            return Meaning::Death;
        }
        if fits(&self.coverage_rows) {
            return Meaning::Coverage;
        }
        for (pattern, attribute) in &self.attributes {
            if let Some(parts) = pattern.parts(code) {
                let value = self.said(parts.get(Slot::Value)).map(str::to_owned);
                return Meaning::Person(*attribute, value);
            }
        }
        for (number, rule) in self.encounters.iter().enumerate() {
            if let Some(parts) = rule.start.parts(code) {
                let word = |slot| self.said(parts.get(slot));
                return Meaning::Start(number, start(rule.class, word));
            }
            if let Some(parts) = rule.end.parts(code) {
                let place = self.said(parts.get(Slot::Place)).map(codes::disposition);
                return Meaning::End(number, place.map(str::to_owned));
            }
        }
        self.event(code, parent)
    }

    fn event(&self, code: &str, parent: impl Fn(&str) -> Option<Code>) -> Meaning {
        let mut found = None;
        for rule in &self.events {
            let fit = rule.codes.iter().find_map(|pattern| {
                let parts = pattern.parts(code)?;
                let own = parts.get(Slot::Code).filter(|code| !code.is_empty())?;
                Some((own, parts.get(Slot::Unit)))
            });
            if let Some((own, unit)) = fit {
                let unit = self.said(unit).map(str::to_owned);
                found = Some((Code::new(&rule.system, own), rule.kind, unit));
                break;
            }
        }
        let known = found.is_none().then(|| self.known_code(code)).flatten();
        let known = known.map(|(code, kind)| (code, kind, None));
        let (own, kind, unit) = found.or(known).unwrap_or_else(|| {
            let own = Code::parse(code).unwrap_or_else(|| Code::new(ONE_PART_SYSTEM, code));
            (own, EventKind::Other, None)
        });
        if self.systems.contains_key(&own.system) {
            return Meaning::Event { code: own.into(), kind, unit };
        }
        let parent = parent(code).map(|parent| {
            let of_parent = self.systems.get(&parent.system).map(|(_, kind)| *kind);
            let kind = if kind == EventKind::Other { of_parent.unwrap_or(kind) } else { kind };
            (parent, kind)
        });
        let (code, kind) = parent.unwrap_or((own, kind));
        Meaning::Event { code: code.into(), kind, unit }
    }

    /// `SYSTEM//code` or `SYSTEM/code` in a known system, and what its codes are of.
    pub(super) fn known_code(&self, text: &str) -> Option<(Code, EventKind)> {
        let (system, code) = text.split_once('/')?;
        let code = code.strip_prefix('/').unwrap_or(code);
        let (name, kind) = self.systems.get(&system.trim().to_ascii_uppercase())?;
        let code = Code::new(name, code);
        (!code.code.is_empty()).then_some((code, *kind))
    }

    /// A word, unless it says nothing.
    fn said<'a>(&self, word: Option<&'a str>) -> Option<&'a str> {
        word.filter(|word| !self.no_value.contains(&word.to_ascii_uppercase()))
    }

    /// The sex that `word` means.
    pub(super) fn sex(&self, word: &str) -> Sex {
        let found = self.sexes.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
        found.map_or(Sex::Unknown, |(_, sex)| *sex)
    }
}

fn event_rule(place: &str, rule: &EventFile) -> Result<EventRule, MappingError> {
    let invalid = |reason| MappingError::Invalid { place: place.to_owned(), reason };
    let mut codes = Vec::with_capacity(rule.codes.len());
    for text in &rule.codes {
        let pattern = Pattern::parse(text).map_err(invalid)?;
        if !pattern.has(Slot::Code) {
            return Err(invalid(format!("`{text}`: must have a part `{{code}}`")));
        }
        codes.push(pattern);
    }
    Ok(EventRule { codes, system: rule.system.to_ascii_uppercase(), kind: rule.kind })
}

fn start<'a>(class: EncounterClass, word: impl Fn(Slot) -> Option<&'a str>) -> Start {
    let kind = word(Slot::Type);
    // Only that a stay is an observation is told by its type: `EMERGENCY` is how urgent it was.
    let observed = kind.and_then(codes::class).filter(|c| *c == EncounterClass::Observation);
    let in_code = word(Slot::Class).and_then(EncounterClass::parse);
    let admission_type = kind.and_then(codes::admission_type);
    Start {
        class: in_code.or(observed).unwrap_or(class),
        admission_type: admission_type.map(str::to_owned),
        admission_source: word(Slot::Source).map(codes::admission_source).map(str::to_owned),
    }
}
