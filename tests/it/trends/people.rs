//! A made-up population as tables, with what a count by hand finds in it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use prodrome::command::{Source, TrendsRequest};
use prodrome::import::Reading;
use prodrome::trend::{Group, KeyName};

use crate::support::{root, time};

/// The years of the population.
pub(crate) const YEARS: std::ops::Range<i32> = 2019..2024;
/// Where it rises: men of 60 to 69 in this region.
pub(crate) const RISING: &str = "021";

/// One person.
pub(crate) struct Somebody {
    pub id: String,
    pub birth_year: i32,
    pub is_male: bool,
    pub region: &'static str,
    /// By year the systolic pressure, where it was measured.
    pub pressures: BTreeMap<i32, u32>,
    /// The year of the first drug.
    pub treated_from: Option<i32>,
    /// The first year without coverage.
    pub left: Option<i32>,
}

impl Somebody {
    /// Age at the start of a year: birthdays are on 2 January.
    pub(crate) fn band(&self, year: i32) -> Option<&'static str> {
        match year - self.birth_year - 1 {
            ..40 => None,
            40..60 => Some("40-59"),
            60..70 => Some("60-69"),
            _ => Some("70+"),
        }
    }

    pub(crate) fn is_observed(&self, year: i32) -> bool {
        self.left.is_none_or(|left| year < left)
    }

    pub(crate) fn is_raised(&self, year: i32) -> bool {
        self.pressures.get(&year).is_some_and(|pressure| *pressure >= 140)
    }

    /// Whether the person is of a group in a year.
    pub(crate) fn is_in(&self, group: &Group, year: i32) -> bool {
        let Some(band) = self.band(year).filter(|_| self.is_observed(year)) else { return false };
        group.0.iter().all(|(key, value)| match key {
            KeyName::AgeBand => value == band,
            KeyName::Sex => value == if self.is_male { "male" } else { "female" },
            KeyName::Region => value == self.region,
            _ => false,
        })
    }
}

/// The whole population: `(region, people)`, of which the last is too small to be named.
pub(crate) fn people() -> Vec<Somebody> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut people = Vec::new();
    for (region, count) in [(RISING, 2_400), ("022", 1_500), ("026", 130), ("036", 60)] {
        for number in 0..count {
            let birth_year = random.i32(1935..1985);
            let is_male = random.bool();
            let treated_from = (random.f64() < 0.2).then(|| random.i32(YEARS));
            let left = (random.f64() < 0.1).then(|| random.i32(2020..2025));
            let mut somebody = Somebody {
                id: format!("who-{region}-{number}"),
                birth_year,
                is_male,
                region,
                pressures: BTreeMap::new(),
                treated_from,
                left,
            };
            for year in YEARS {
                let rises = region == RISING && is_male && somebody.band(year) == Some("60-69");
                let share = 0.25 + if rises { 0.09 * f64::from(year - 2019) } else { 0.0 };
                if random.f64() < 0.8 && somebody.is_observed(year) {
                    let pressure = match random.f64() < share {
                        true => random.u32(140..180),
                        false => random.u32(100..140),
                    };
                    somebody.pressures.insert(year, pressure);
                }
            }
            people.push(somebody);
        }
    }
    people
}

/// Writes the tables into `folder`.
pub(crate) fn write<'p>(folder: &Path, people: impl IntoIterator<Item = &'p Somebody>) {
    let mut persons = "id,birth,sex,region,from,to\n".to_owned();
    let mut pressures = "id,day,systolic\n".to_owned();
    let mut drugs = "id,day,code\n".to_owned();
    for somebody in people {
        let Somebody { id, birth_year, is_male, region, left, .. } = somebody;
        let sex = if *is_male { "m" } else { "f" };
        let to = left.unwrap_or(2030);
        writeln!(persons, "{id},{birth_year}-01-02,{sex},{region},2010-01-01,{to}-01-01").unwrap();
        for (year, pressure) in &somebody.pressures {
            writeln!(pressures, "{id},{year}-05-04T10:00:00Z,{pressure}").unwrap();
        }
        if let Some(year) = somebody.treated_from {
            writeln!(drugs, "{id},{year}-06-01T10:00:00Z,C09AA05").unwrap();
        }
    }
    for (name, text) in
        [("people.csv", persons), ("pressures.csv", pressures), ("drugs.csv", drugs)]
    {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

/// How its tables are read, up to the end of a day.
pub(crate) fn source(export: &Path, until: &str) -> Source {
    let until = time(&format!("{until}T00:00:00Z")).plus_days(1);
    Source {
        mapping: Some(root().join("tests/data/trends/mapping.toml")),
        reading: Reading { data_until: Some(until), ..Reading::default() },
        ..Source::new(export.to_owned())
    }
}

/// A release of it into `out`.
pub(crate) fn request(export: &Path, until: &str, out: PathBuf) -> TrendsRequest {
    TrendsRequest {
        source: source(export, until),
        spec: root().join("tests/data/trends/spec.toml"),
        models: root().join("models"),
        concepts: Vec::new(),
        out,
        previous: None,
        report: None,
        table: None,
    }
}
