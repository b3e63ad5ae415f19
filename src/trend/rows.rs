//! The figures of a release as a flat table: one row for each series and period.

use super::{FigureKind, Group, KeyName, Measure, Period, Point, Release};

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Measure,
    Kind,
    /// UCUM; of means alone.
    Unit,
    /// The value of a key; nothing where all of its values are together.
    Key(KeyName),
    Period,
    FirstDay,
    LastDay,
    People,
    Measured,
    Hits,
    Estimate,
    Low,
    High,
    StandardError,
    Standardised,
    StandardisedLow,
    StandardisedHigh,
    Smoothed,
    /// Whether something of the row is kept back.
    Suppressed,
}

/// What stands in a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Text(Option<&'a str>),
    Count(Option<u64>),
    Number(Option<f64>),
    Truth(bool),
}

/// One period of one series.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub measure: &'a Measure,
    pub group: &'a Group,
    pub period: &'a Period,
    pub point: &'a Point,
}

/// The columns of the table of `release`, in order.
pub fn columns(release: &Release) -> Vec<Column> {
    let keys = release.keys.iter().map(|key| Column::Key(key.name));
    let before = [Column::Measure, Column::Kind, Column::Unit];
    let after = [
        Column::Period,
        Column::FirstDay,
        Column::LastDay,
        Column::People,
        Column::Measured,
        Column::Hits,
        Column::Estimate,
        Column::Low,
        Column::High,
        Column::StandardError,
        Column::Standardised,
        Column::StandardisedLow,
        Column::StandardisedHigh,
        Column::Smoothed,
        Column::Suppressed,
    ];
    before.into_iter().chain(keys).chain(after).collect()
}

/// The rows of the table of `release`, in the order of its series.
pub fn rows(release: &Release) -> impl Iterator<Item = Row<'_>> {
    release.series.iter().flat_map(|series| {
        let measure = release.measure(&series.measure);
        let points = release.periods.iter().zip(&series.points);
        points.filter_map(move |(period, point)| {
            Some(Row { measure: measure?, group: &series.group, period, point })
        })
    })
}

impl Column {
    /// Its title in files.
    pub fn name(self) -> &'static str {
        match self {
            Column::Measure => "measure",
            Column::Kind => "kind",
            Column::Unit => "unit",
            Column::Key(key) => key.name(),
            Column::Period => "period",
            Column::FirstDay => "first_day",
            Column::LastDay => "last_day",
            Column::People => "people",
            Column::Measured => "measured",
            Column::Hits => "hits",
            Column::Estimate => "estimate",
            Column::Low => "low",
            Column::High => "high",
            Column::StandardError => "standard_error",
            Column::Standardised => "standardised",
            Column::StandardisedLow => "standardised_low",
            Column::StandardisedHigh => "standardised_high",
            Column::Smoothed => "smoothed",
            Column::Suppressed => "suppressed",
        }
    }
}

impl<'a> Row<'a> {
    /// What stands in `column`. What is kept back, and what there is nothing to make of, is empty.
    pub fn value(&self, column: Column) -> Value<'a> {
        let Row { measure, group, period, point } = *self;
        let (figure, standardised) = (point.figure, point.standardised);
        match column {
            Column::Measure => Value::Text(Some(&measure.name)),
            Column::Kind => Value::Text(Some(measure.kind.name())),
            Column::Unit => Value::Text(measure.unit.as_deref()),
            Column::Key(key) => Value::Text(group.0.get(&key).map(String::as_str)),
            Column::Period => Value::Text(Some(&period.name)),
            Column::FirstDay => Value::Text(Some(&period.first_day)),
            Column::LastDay => Value::Text(Some(&period.last_day)),
            Column::People => Value::Count(point.people),
            Column::Measured => Value::Count(point.measured),
            Column::Hits => Value::Count(point.hits),
            Column::Estimate => Value::Number(figure.map(|figure| figure.estimate)),
            Column::Low => Value::Number(figure.map(|figure| figure.low)),
            Column::High => Value::Number(figure.map(|figure| figure.high)),
            Column::StandardError => Value::Number(figure.map(|figure| figure.standard_error)),
            Column::Standardised => Value::Number(standardised.map(|figure| figure.estimate)),
            Column::StandardisedLow => Value::Number(standardised.map(|figure| figure.low)),
            Column::StandardisedHigh => Value::Number(standardised.map(|figure| figure.high)),
            Column::Smoothed => Value::Number(point.smoothed),
            Column::Suppressed => Value::Truth(point.is_suppressed(measure.kind)),
        }
    }
}

impl FigureKind {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            FigureKind::Share => "share",
            FigureKind::Mean => "mean",
            FigureKind::Rate => "rate",
            FigureKind::Outcome => "outcome",
            FigureKind::Risk => "risk",
        }
    }
}
