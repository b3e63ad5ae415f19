//! `Release`: trends as they may be shown to anybody. It is the file that `prodrome-train trends`
//! writes and the server reads; reports, tables and answers are made of it and of nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::params::{KeyName, PeriodUnit, StandardName};

/// Of the file; another one is refused.
pub const FORMAT_VERSION: u32 = 1;

/// Trends that may be shown. What is suppressed is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub format_version: u32,
    /// Name and title of the specification.
    pub name: String,
    pub title: String,
    /// sha256 of the specification's content. Releases of another one are another matter.
    pub spec_digest: String,
    /// What the export says it is, and whether it holds nobody's records.
    pub source: String,
    pub synthetic: bool,
    pub period_unit: PeriodUnit,
    pub period_count: u32,
    /// In order, without gaps.
    pub periods: Vec<Period>,
    /// In the order in which the specification first names them.
    pub keys: Vec<Key>,
    /// How many digits of a region's code are told.
    pub region_digits_max: u32,
    pub measures: Vec<Measure>,
    pub standard: Option<StandardName>,
    /// For each measure and each group one, ordered by measure (as in `measures`), then by group.
    pub series: Vec<Series>,
    /// Ranked: the strongest first.
    pub statements: Vec<Statement>,
    /// How many changes were tested for the statements, and the share of false ones allowed.
    pub tested: u64,
    pub false_discovery_rate: f64,
    pub peers: Vec<PeerGroup>,
    pub privacy: Privacy,
}

/// A span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// `2024`, `2024-Q1`, `2024-03`; of several years `2009-2010`.
    pub name: String,
    /// The first day (`2024-01-01`).
    pub first_day: String,
    /// The last day.
    pub last_day: String,
}

/// What groups are made by, with its values in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    pub name: KeyName,
    pub values: Vec<KeyValue>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyValue {
    /// As in `Group`: `60-69`, `80+`, `male`, `021`, `other`.
    pub name: String,
    /// Of an age band: its youngest and oldest age in completed years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_years_min: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_years_max: Option<u32>,
}

/// The value that stands for all that are too few, or too telling, to be shown by themselves; of a sex
/// what is neither female nor male.
pub const OTHER: &str = "other";
/// The value that stands for what a record does not hold.
pub const UNKNOWN: &str = "unknown";

/// The values that make a group, by key; nothing stands for everybody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Group(pub BTreeMap<KeyName, String>);

/// What a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureKind {
    /// From 0 to 1, of people.
    Share,
    /// In the unit of the measure, per person.
    Mean,
    /// Per 1,000 person-years.
    Rate,
    /// From 0 to 1, of index times.
    Outcome,
    /// A mean predicted probability.
    Risk,
}

impl FigureKind {
    /// Whether people to whom it happened are counted (`Point::hits`).
    pub fn counts_hits(self) -> bool {
        match self {
            FigureKind::Share | FigureKind::Rate | FigureKind::Outcome => true,
            FigureKind::Mean | FigureKind::Risk => false,
        }
    }
}

/// What is counted or measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    pub name: String,
    pub title: String,
    pub kind: FigureKind,
    /// UCUM; of means alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_is_worse: Option<bool>,
    /// The task of an outcome or a risk, and of a risk the digest of its bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_digest: Option<String>,
    /// The concepts it rests on, by name.
    pub concepts: Vec<String>,
    /// Whether not everybody under observation is measured.
    pub is_measured_in_part: bool,
    /// Periods (by place) from which on the codes come from another system than before, with both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coding_changes: Vec<CodingChange>,
}

/// A change of the code system that most people of a measure are found by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodingChange {
    pub period: usize,
    pub from_system: String,
    pub to_system: String,
}

/// One measure in one group over all periods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// By name.
    pub measure: String,
    pub group: Group,
    /// One for each period.
    pub points: Vec<Point>,
}

/// One period of a series. A count that is `None` is suppressed; a figure is `None` where there is
/// nothing to make it of, or where it is suppressed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// People under observation.
    pub people: Option<u64>,
    /// People who could be judged.
    pub measured: Option<u64>,
    /// People to whom it happened; of means and risks always `None`.
    pub hits: Option<u64>,
    pub figure: Option<Figure>,
    /// Directly standardised by age and sex to the release's standard population.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standardised: Option<Figure>,
    /// Drawn towards the mean of the groups that differ in region or facility alone, the more the
    /// smaller the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoothed: Option<f64>,
}

/// A figure with its 95% interval, in the unit of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
    /// Of the estimate; of a survey by its design.
    pub standard_error: f64,
    /// Degrees of freedom of the standard error, where they are few (a survey's design).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freedom: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// A rise or fall over all periods.
    Trend,
    /// A bend: level before, rising or falling since.
    Turn,
    /// The last period against those before, by season where there are seasons.
    Latest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Rising,
    Falling,
    /// No change that could be told from chance.
    NoClearChange,
    /// Too few people, or too few periods, to say.
    NotKnown,
}

/// A change that is hardly chance, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The same for the same measure, group and last period of one specification.
    pub id: String,
    pub measure: String,
    pub group: Group,
    pub kind: StatementKind,
    pub direction: Direction,
    /// Whether this is for the worse; `None` where neither is.
    pub is_worse: Option<bool>,
    /// Places in `Release::periods`.
    pub first_period: usize,
    pub last_period: usize,
    /// As fitted for the first and the last of these periods, in the season of the last; for a latest
    /// period what the earlier ones lead to expect, and what it is.
    pub before: f64,
    pub after: f64,
    /// Of the change, in the unit of the figure, with its 95% interval.
    pub change: f64,
    pub change_low: f64,
    pub change_high: f64,
    pub p_value: f64,
    /// After the correction for all that were tested.
    pub q_value: f64,
    /// What the ranking goes by: the end nearer to no change of the interval, on a scale that all kinds
    /// of figures share (log-odds, or what compares with them), by the level at which the intervals of
    /// all that was found hold together.
    pub strength: f64,
    /// The statement in one sentence.
    pub text: String,
    /// What else changed at the same time and may explain it: measuring, coding, people.
    pub cautions: Vec<String>,
}

/// What a patient can be compared with: people of one age band and sex, and of one region where there
/// are enough, in the last period. Only groups of which the release shows how many people they have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerGroup {
    /// Of `age_band` and `sex`, or of these and `region`.
    pub group: Group,
    pub scales: Vec<PeerScale>,
}

/// How one number lies among the people of a peer group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerScale {
    pub of: PeerScaleOf,
    /// The least that people with a value may be, by coarse classes (`peer_class`): 50, 100, 200, 500,
    /// 1,000, 2,000, 5,000 and so on.
    pub people: u64,
    /// Equally spaced quantiles without both ends, as many as go with the class: with n of them the
    /// share between two neighbours is 1 / (n + 1), and no fewer than 11 people.
    pub quantiles: Vec<f64>,
    /// Where the group goes.
    pub direction: Direction,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PeerScaleOf {
    /// Of the bundle with this digest, for this task.
    Risk { task: String, bundle_digest: String },
    /// Of the concept with this name, in this unit (UCUM).
    Measurement { concept: String, title: String, unit: Option<String> },
}

/// What was done so that nobody can be found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// Points of series: all, those with a count or its complement from 1 to 10, and those suppressed
    /// so that they cannot be found by subtraction.
    pub points: u64,
    pub suppressed_small: u64,
    pub suppressed_beside: u64,
    /// Periods that were taken over from the release before.
    pub kept_periods: u64,
}
