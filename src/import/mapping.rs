//! `Mapping`: how an export that does not explain itself is to be read, from a TOML file.

use serde::Deserialize;

use super::meds::Convention;
use super::stays::StayTable;
use super::tables::TableSet;

/// What is wrong with a mapping file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    #[error("{0}")]
    Syntax(String),
    #[error("{place}: {reason}")]
    Invalid { place: String, reason: String },
}

/// Where a table comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSource {
    pub title: String,
    /// How to cite it.
    #[serde(default)]
    pub citation: Option<String>,
    /// First and last year of the records; those of the index times where it is not said.
    #[serde(default)]
    pub years: Option<[i32; 2]>,
}

/// A checked mapping, by the kind of export it explains.
#[derive(Debug, Clone, PartialEq)]
pub enum Mapping {
    /// One table with one row per stay (`kind = "stays"`, which need not be said).
    Stays(Box<StayTable>),
    /// What the codes of a MEDS export mean (`kind = "meds"`).
    Meds(Box<Convention>),
    /// Several tables that are joined by the patient's id (`kind = "tables"`).
    Tables(Box<TableSet>),
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Stays,
    Meds,
    Tables,
}

/// The one key that is read before the rest of the file is.
#[derive(Debug, Deserialize)]
struct Head {
    #[serde(default)]
    kind: Kind,
}

impl Mapping {
    /// Reads a mapping file and checks it.
    ///
    /// # Errors
    /// Syntax, an unknown key with the nearest known one, or the place of a rule that is broken.
    pub fn parse(text: &str) -> Result<Mapping, MappingError> {
        let Head { kind } =
            toml::from_str(text).map_err(|error| MappingError::Syntax(error.to_string()))?;
        match kind {
            Kind::Stays => StayTable::parse(text).map(Box::new).map(Mapping::Stays),
            Kind::Meds => Convention::parse(text).map(Box::new).map(Mapping::Meds),
            Kind::Tables => TableSet::parse(text).map(Box::new).map(Mapping::Tables),
        }
    }

    /// Where the records come from.
    pub fn source(&self) -> &TableSource {
        match self {
            Mapping::Stays(table) => &table.source,
            Mapping::Meds(convention) => &convention.source,
            Mapping::Tables(set) => &set.source,
        }
    }
}
