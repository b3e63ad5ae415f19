//! What the patients were like: the table of characteristics (Table 1; TRIPOD+AI item 20b).

use rayon::prelude::*;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::feature::Matrix;
use crate::train::metrics::enough;

/// The characteristics of the rows of a fit or of an evaluation, column by column. Rows count once
/// each here, whatever their weight in the figures: it describes who was there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// Index times in `development`, or `None` where only one set of rows is described.
    pub development_rows: Option<usize>,
    /// Index times in `judged`; `None` where nobody was held out.
    pub judged_rows: Option<usize>,
    pub columns: Vec<Described>,
}

/// One feature column over the populations; a summary behind which too few patients stand is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Described {
    pub column: String,
    /// The feature the column belongs to.
    pub feature: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Of the rows the model was fitted on.
    pub development: Option<Summary>,
    pub development_with_outcome: Option<Summary>,
    pub development_without_outcome: Option<Summary>,
    /// Of the rows it was judged on: the held-out patients in a fit, all rows in an evaluation.
    pub judged: Option<Summary>,
    pub judged_with_outcome: Option<Summary>,
    pub judged_without_outcome: Option<Summary>,
    /// Standardised mean difference between the development and the judged rows, pooled standard
    /// deviation (Austin 2009); above 0 the judged have the higher mean.
    pub standardised_difference: Option<f64>,
}

/// The values of one column over some rows; missing values are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Summary {
    /// A column of 0 and 1.
    Share {
        /// Share of 1 among the rows with a value; `None` where it would tell of few patients.
        share: Option<f64>,
        /// Share of rows without a value; `None` where it would tell of few patients.
        missing: Option<f64>,
    },
    /// Any other column, in the feature's unit.
    Spread {
        mean: f64,
        /// Standard deviation.
        sd: f64,
        /// Lower quartile, median and upper quartile; `None` with fewer than eleven patients in one
        /// of the quarters.
        quartiles: Option<[f64; 3]>,
        /// Share of rows without a value; `None` where it would tell of few patients.
        missing: Option<f64>,
    },
    /// Nobody has a value.
    Absent,
}

/// Some rows of a matrix with their outcomes and patients, one for each of `rows`.
pub(in crate::train) struct Population<'a> {
    pub matrix: &'a Matrix,
    pub rows: &'a [usize],
    pub y: &'a [bool],
    pub patients: &'a [u32],
}

/// A value (NaN = missing) with its patient and outcome.
#[derive(Clone, Copy)]
struct Value {
    value: f64,
    patient: u32,
    outcome: bool,
}

impl Population<'_> {
    fn values(&self, column: usize) -> Vec<Value> {
        let each = self.rows.iter().zip(self.y.iter().zip(self.patients));
        let value = |(row, (outcome, patient)): (&usize, (&bool, &u32))| Value {
            value: f64::from(self.matrix.get(*row, column)),
            patient: *patient,
            outcome: *outcome,
        };
        each.map(value).collect()
    }
}

/// Describes the columns of `bundle` over its development rows, the judged rows, or both.
pub(in crate::train) fn description(
    bundle: &Bundle,
    development: Option<&Population<'_>>,
    judged: Option<&Population<'_>>,
) -> Description {
    let features = bundle.task().spec().features();
    let columns = bundle.columns().par_iter().enumerate().map(|(place, column)| {
        let feature = features.get(column.feature);
        let of = |population: Option<&Population<'_>>| population.map(|all| all.values(place));
        let (development, judged) = (of(development), of(judged));
        let all = development.iter().flatten().chain(judged.iter().flatten());
        let mut known = all.filter(|one| !one.value.is_nan());
        let is_share = known.all(|one| one.value == 0.0 || one.value == 1.0);
        let [d, d_with, d_without] = summaries(development.as_deref(), is_share);
        let [j, j_with, j_without] = summaries(judged.as_deref(), is_share);
        Described {
            column: column.name.clone(),
            feature: feature.map_or_else(String::new, |feature| feature.name.clone()),
            unit: feature.and_then(|feature| feature.unit.clone()),
            standardised_difference: standardised(d, j),
            development: d,
            development_with_outcome: d_with,
            development_without_outcome: d_without,
            judged: j,
            judged_with_outcome: j_with,
            judged_without_outcome: j_without,
        }
    });
    Description {
        development_rows: development.map(|population| population.rows.len()),
        judged_rows: judged.map(|population| population.rows.len()),
        columns: columns.collect(),
    }
}

/// Of all values, of those with the outcome and of those without. What is not told of one of the
/// latter is not told of the other: it is what is left of all.
fn summaries(values: Option<&[Value]>, is_share: bool) -> [Option<Summary>; 3] {
    let Some(values) = values else { return [None; 3] };
    let (with, without): (Vec<Value>, Vec<Value>) = values.iter().partition(|one| one.outcome);
    let all = summary(values, is_share);
    let (with, without) = (summary(&with, is_share), summary(&without, is_share));
    match with.zip(without) {
        Some((with, without)) => [all, Some(with.only(without)), Some(without.only(with))],
        None => [all, None, None],
    }
}

impl Summary {
    /// Without what the other does not tell.
    fn only(self, other: Summary) -> Summary {
        match (self, other) {
            (
                Summary::Share { share, missing },
                Summary::Share { share: other_share, missing: other_missing },
            ) => Summary::Share {
                share: share.filter(|_| other_share.is_some()),
                missing: missing.filter(|_| other_missing.is_some()),
            },
            (
                Summary::Spread { mean, sd, quartiles, missing },
                Summary::Spread { missing: other_missing, .. },
            ) => {
                let missing = missing.filter(|_| other_missing.is_some());
                Summary::Spread { mean, sd, quartiles, missing }
            }
            (one, _) => one,
        }
    }

    /// Mean and variance.
    fn moments(self) -> Option<(f64, f64)> {
        match self {
            Summary::Share { share, .. } => share.map(|share| (share, share * (1.0 - share))),
            Summary::Spread { mean, sd, .. } => Some((mean, sd * sd)),
            Summary::Absent => None,
        }
    }
}

fn standardised(development: Option<Summary>, judged: Option<Summary>) -> Option<f64> {
    let (mean, variance) = development?.moments()?;
    let (judged_mean, judged_variance) = judged?.moments()?;
    let sd = ((variance + judged_variance) / 2.0).sqrt();
    (sd > 0.0).then(|| (judged_mean - mean) / sd)
}

/// `None` where fewer than eleven patients have a value, and some have one.
fn summary(values: &[Value], is_share: bool) -> Option<Summary> {
    let (missing, known): (Vec<Value>, Vec<Value>) =
        values.iter().partition(|one| one.value.is_nan());
    let patients = |of: &[Value]| of.iter().map(|one| one.patient).collect::<Vec<u32>>();
    // Nobody and everybody give no one away.
    let share = |part: &[Value], rest: &[Value]| {
        let told = |of: &[Value]| of.is_empty() || enough(patients(of));
        let share = part.len() as f64 / (part.len() + rest.len()) as f64;
        Some(share).filter(|_| told(part) && told(rest))
    };
    if known.is_empty() {
        return enough(patients(&missing)).then_some(Summary::Absent);
    }
    if !enough(patients(&known)) {
        return None;
    }
    let is_missing = share(&missing, &known);
    if is_share {
        let (with, without): (Vec<Value>, Vec<Value>) =
            known.iter().partition(|one| one.value == 1.0);
        return Some(Summary::Share { share: share(&with, &without), missing: is_missing });
    }
    let count = known.len() as f64;
    let mean = known.iter().map(|one| one.value).sum::<f64>() / count;
    let squares: f64 = known.iter().map(|one| (one.value - mean).powi(2)).sum();
    let sd = (squares / (count - 1.0).max(1.0)).sqrt();
    Some(Summary::Spread { mean, sd, quartiles: quartiles(known), missing: is_missing })
}

/// Linear between neighbouring values, as R's type 7.
fn quartiles(mut known: Vec<Value>) -> Option<[f64; 3]> {
    known.sort_unstable_by(|a, b| a.value.total_cmp(&b.value));
    let at = |share: f64| {
        let place = share * (known.len() - 1) as f64;
        let value = |place: f64| known.get(place as usize).map_or(f64::NAN, |one| one.value);
        let (low, high) = (value(place.floor()), value(place.ceil()));
        low + (high - low) * place.fract()
    };
    let bounds = [0.25, 0.5, 0.75].map(at);
    let quarter = known.len() / 4;
    let mut quarters = known.chunks(quarter.max(1)).take(4);
    quarters.all(|part| enough(part.iter().map(|one| one.patient))).then_some(bounds)
}
