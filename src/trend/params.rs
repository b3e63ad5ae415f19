//! The specification of trends as its file gives it: unchecked.

use serde::{Deserialize, Serialize};

use crate::record::EncounterClass;
use crate::strict_toml;
use crate::task::EventsParams;

/// What is counted, in whom, by which groups, over which periods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrendParams {
    /// Lower case letters, digits and `_`.
    pub name: String,
    pub title: String,
    pub period: PeriodParams,
    #[serde(default)]
    pub population: PopulationParams,
    #[serde(default)]
    pub observed: ObservedParams,
    /// The groups that are shown, each by the keys that make it; everybody together is always shown.
    #[serde(default)]
    pub groups: Vec<Vec<KeyName>>,
    /// The ages at which the bands begin, rising; the last has no end. For the key `age_band`.
    #[serde(default)]
    pub age_band_starts_years: Vec<u32>,
    #[serde(default)]
    pub region: RegionParams,
    pub measure: Vec<MeasureParams>,
    #[serde(default)]
    pub survey: Option<SurveyParams>,
    #[serde(default)]
    pub standard: Option<StandardParams>,
    #[serde(default)]
    pub change: ChangeParams,
    #[serde(default)]
    pub peers: Option<PeersParams>,
}

impl TrendParams {
    /// Reads a specification file.
    ///
    /// # Errors
    /// Syntax, or an unknown key, with the nearest known one.
    pub fn parse(text: &str) -> Result<TrendParams, String> {
        strict_toml::parse(text)
    }
}

/// How time is cut. Periods end where the export does: only whole ones count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodParams {
    pub unit: PeriodUnit,
    /// So many units are one period: 2 years for the cycles of a survey.
    #[serde(default = "one")]
    pub count: u32,
    /// The first day of the first period (`2015-01-01`): the first of a month, a quarter or a year.
    pub first: String,
    /// So many days after its end a period is taken as complete in the export.
    #[serde(default)]
    pub settle_days: u32,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodUnit {
    Month,
    Quarter,
    Year,
}

/// Who belongs to the population.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PopulationParams {
    /// At the start of the period.
    #[serde(default)]
    pub age_years_min: Option<u32>,
    #[serde(default)]
    pub age_years_max: Option<u32>,
    /// Only people with an event of one of these concepts up to the end of the period.
    #[serde(default)]
    pub concepts: Vec<String>,
}

/// Who is under observation in a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedParams {
    pub by: ObservedBy,
    /// The share of the days of a period that must be observed.
    #[serde(default = "half")]
    pub share_min: f64,
}

impl Default for ObservedParams {
    fn default() -> ObservedParams {
        ObservedParams { by: ObservedBy::Coverage, share_min: half() }
    }
}

fn half() -> f64 {
    0.5
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservedBy {
    /// Recorded coverage.
    Coverage,
    /// Any encounter or event in the period, for sources without coverage, such as surveys: then the
    /// whole period counts.
    Contact,
    /// From the first thing on record to the last; a claim you must be able to defend.
    Record,
}

/// What people are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyName {
    /// Age in completed years at the start of the period.
    AgeBand,
    Sex,
    /// The coarse region of the record.
    Region,
    /// Of the latest encounter that begins by the end of the period.
    Facility,
    Race,
    Ethnicity,
    Language,
    Insurance,
}

impl KeyName {
    /// All keys.
    pub const ALL: [KeyName; 8] = [
        KeyName::AgeBand,
        KeyName::Sex,
        KeyName::Region,
        KeyName::Facility,
        KeyName::Race,
        KeyName::Ethnicity,
        KeyName::Language,
        KeyName::Insurance,
    ];

    /// Its name in files and addresses.
    pub fn name(self) -> &'static str {
        match self {
            KeyName::AgeBand => "age_band",
            KeyName::Sex => "sex",
            KeyName::Region => "region",
            KeyName::Facility => "facility",
            KeyName::Race => "race",
            KeyName::Ethnicity => "ethnicity",
            KeyName::Language => "language",
            KeyName::Insurance => "insurance",
        }
    }
}

/// How fine regions may be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionParams {
    /// Regions whose names are all digits (postal codes) are cut to so many.
    pub digits_max: u32,
    /// Regions (and facilities, races, ethnicities, languages and insurances) with fewer people than
    /// this in every period are shown together, as `other`.
    pub people_min: u64,
}

impl Default for RegionParams {
    fn default() -> RegionParams {
        RegionParams { digits_max: 3, people_min: 100 }
    }
}

/// Something that is counted or measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureParams {
    /// Lower case letters, digits and `_`.
    pub name: String,
    /// What is counted, for sentences: "raised blood pressure", "treated for influenza".
    pub title: String,
    /// Whether more of it is worse. Absent: neither.
    #[serde(default)]
    pub more_is_worse: Option<bool>,
    pub rule: MeasureRuleParams,
    /// People with one of these drugs or diagnoses are looked after already: `--list` leaves them out.
    #[serde(default)]
    pub treated_concepts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MeasureRuleParams {
    /// The share of people to whom something happened in the period, by the words of a task's outcome.
    Share {
        events: EventsParams,
        /// Only people with a value of one of these concepts in the period can be judged. Empty:
        /// everybody under observation.
        #[serde(default)]
        measured_by: Vec<String>,
    },
    /// The mean over people of each one's mean of the day-lowest values in the period.
    Mean {
        concept: String,
        #[serde(default)]
        classes: Vec<EncounterClass>,
    },
    /// Contacts of these classes per 1,000 person-years.
    Contacts { classes: Vec<EncounterClass> },
    /// The share of a task's index times with the outcome; those who were lost are not counted.
    Outcome {
        /// A task file, from the folder of the specification.
        task: String,
    },
    /// The mean predicted risk at each person's latest index time of the period.
    Risk {
        /// A version folder of a bundle, from the folder of the specification.
        bundle: String,
    },
}

/// Where a survey's design stands: concepts whose number is on each person's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurveyParams {
    pub weight: String,
    #[serde(default)]
    pub stratum: Option<String>,
    /// The primary sampling unit within the stratum.
    #[serde(default)]
    pub psu: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardParams {
    pub population: StandardName,
}

/// A published standard population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandardName {
    /// WHO World Standard 2000-2025.
    Who2000,
    /// European Standard Population 2013 (Eurostat).
    Europe2013,
    /// United States standard million 2000.
    Us2000,
}

/// When a change is worth a statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeParams {
    /// The share of statements that may be chance.
    #[serde(default = "five_percent")]
    pub false_discovery_rate: f64,
    /// Smaller changes of shares and risks are not told, in points (percent).
    #[serde(default = "one_point")]
    pub points_min: f64,
    /// Smaller changes of means and rates are not told, as a share of the value before.
    #[serde(default = "two_percent")]
    pub relative_min: f64,
}

impl Default for ChangeParams {
    fn default() -> ChangeParams {
        ChangeParams {
            false_discovery_rate: five_percent(),
            points_min: one_point(),
            relative_min: two_percent(),
        }
    }
}

fn five_percent() -> f64 {
    0.05
}

fn one_point() -> f64 {
    1.0
}

fn two_percent() -> f64 {
    0.02
}

/// What a patient may be compared with among people of the same age band, sex and region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeersParams {
    /// Concepts with a number; the latest value of the last period counts. Risks are those of the
    /// `risk` measures.
    #[serde(default)]
    pub measurements: Vec<String>,
}
