//! From one tree to the next: margins, gradients, the draw of rows and inputs, and when to stop.

use rayon::prelude::*;

use super::super::input::enough_at;
use super::super::{ModelError, Weights, check_rows, log_loss_at, renumbered, sigmoid};
use super::bins::Binned;
use super::grow::{Grown, Soil, chosen, grow};
use super::split::Rules;
use super::sums::{Boards, Sum, Units};
use super::tree::Tree;
use super::{BoostedParams, Stopping};

/// The range in which the sum of the weights has to be, far inside what f64 can hold.
const WEIGHT_SUM: std::ops::RangeInclusive<f64> = 1e-100..=1e100;
/// Rows that one thread takes at a time.
const CHUNK: usize = 4096;

/// One training row.
#[derive(Clone, Copy)]
struct Case {
    margin: f64,
    weight: f64,
    label: bool,
}

/// What stays the same over the rounds.
pub(super) struct Data {
    /// The places of `Binned` that count.
    pub(super) rows: Vec<u32>,
    /// Label and weight of every place, at the base margin.
    cases: Vec<Case>,
    /// Patient of every place.
    patients: Vec<u32>,
    /// The sum of the weights.
    pub(super) total: f64,
    /// The weighted log-odds of the outcome.
    pub(super) base: f64,
}

impl Data {
    pub(super) fn new(
        binned: &Binned,
        labels: &[bool],
        patients: &[u32],
        weights: Weights<'_>,
        params: &BoostedParams,
    ) -> Result<Data, ModelError> {
        let need = binned.matrix_rows();
        for (name, have) in [("labels", labels.len()), ("patients", patients.len())] {
            if have != need {
                return Err(ModelError::Mismatch(format!("{name}: {have} for {need} rows")));
            }
        }
        if !weights.fits(need) {
            let reason = format!("{need} finite weights, 0 or more, are needed, one for each row");
            return Err(ModelError::Mismatch(reason));
        }
        let case =
            |row: &usize| Case { margin: 0.0, weight: weights.of(*row), label: labels[*row] };
        let mut cases: Vec<Case> = binned.rows().iter().map(case).collect();
        let counts = |place: &u32| cases[*place as usize].weight > 0.0;
        let rows: Vec<u32> = (0..cases.len() as u32).filter(counts).collect();
        if rows.len() < params.leaf_rows_min.max(2) {
            let need = params.leaf_rows_min.max(2);
            return Err(ModelError::TooFewRows { have: rows.len(), need });
        }
        let patients: Vec<u32> = binned.rows().iter().map(|row| patients[*row]).collect();
        let counted = rows.iter().map(|place| patients[*place as usize]);
        if enough_at(counted.clone(), params.leaf_patients_min).is_none() {
            let (have, need) = (renumbered(counted).1, params.leaf_patients_min);
            return Err(ModelError::TooFewPatients { have, need });
        }
        let total: f64 = cases.iter().map(|case| case.weight).sum();
        let events: f64 = cases.iter().filter(|case| case.label).map(|case| case.weight).sum();
        let others: f64 = cases.iter().filter(|case| !case.label).map(|case| case.weight).sum();
        if !WEIGHT_SUM.contains(&total) {
            return Err(ModelError::BadSetting("the sum of the weights is out of range".into()));
        }
        if events <= 0.0 || others <= 0.0 {
            return Err(ModelError::OneClass);
        }
        let base = (events / others).ln();
        cases.iter_mut().for_each(|case| case.margin = base);
        Ok(Data { rows, cases, patients, total, base })
    }
}

/// What changes from round to round.
pub(super) struct State {
    cases: Vec<Case>,
    gradients: Vec<Sum>,
    boards: Boards,
}

impl State {
    pub(super) fn new(data: &Data) -> State {
        let gradients = vec![Sum::ZERO; data.cases.len()];
        State { cases: data.cases.clone(), gradients, boards: Boards::default() }
    }

    /// Grows the next tree and adds its values to the margins.
    pub(super) fn round(
        &mut self,
        binned: &Binned,
        data: &Data,
        rules: Rules<'_>,
        seed: u64,
    ) -> Tree {
        let cases = self.cases.par_chunks(CHUNK).zip(self.gradients.par_chunks_mut(CHUNK));
        cases.for_each(|(cases, gradients)| differentiate(cases, gradients, rules.units));
        let params = rules.params;
        let mut rng = fastrand::Rng::with_seed(seed);
        let rows = drawn(data, params, &mut rng);
        let is_whole = rows.len() == data.rows.len();
        let count = |share: f64, of: usize| ((share * of as f64).round() as usize).clamp(1, of);
        let every: Vec<usize> = (0..binned.inputs()).collect();
        let inputs = match count(params.features_per_tree, every.len()) {
            all if all == every.len() => every,
            some => chosen(&mut rng, &every, some),
        };
        let inputs_per_split = count(params.features_per_split, inputs.len());
        let (gradients, patients, boards) = (&self.gradients[..], &data.patients[..], &self.boards);
        let inputs = &inputs[..];
        let soil =
            Soil { binned, rules, boards, gradients, patients, inputs, inputs_per_split, seed };
        let mut grown = grow(&soil, rows);
        grown.tree.shrink(params.learning_rate);
        if is_whole {
            self.advance(&grown);
        } else {
            advance_all(&mut self.cases, &grown.tree, binned, |input| binned.codes(input));
        }
        grown.tree
    }

    /// Adds the tree's values to the margins of its own rows.
    fn advance(&mut self, grown: &Grown) {
        let parts = self.cases.par_chunks_mut(CHUNK).enumerate();
        parts.for_each(|(part, cases)| {
            let (from, to) = (part * CHUNK, part * CHUNK + cases.len());
            for (node, rows) in &grown.leaves {
                let value = grown.tree.leaf_value(*node);
                let first = rows.partition_point(|row| (*row as usize) < from);
                for row in rows[first..].iter().take_while(|row| (**row as usize) < to) {
                    cases[*row as usize - from].margin += value;
                }
            }
        });
    }

    /// The margin of every place.
    #[cfg(test)]
    pub(super) fn margins(&self) -> impl Iterator<Item = f64> {
        self.cases.iter().map(|case| case.margin)
    }
}

/// The rows of the next tree, in their order.
fn drawn(data: &Data, params: &BoostedParams, rng: &mut fastrand::Rng) -> Vec<u32> {
    let mut rows = data.rows.clone();
    if params.rows_share < 1.0 {
        rows.retain(|_| rng.f64() < params.rows_share);
    }
    if rows.is_empty() { data.rows.clone() } else { rows }
}

/// Adds the tree's value to the margin of every case; `codes` are those of an input, one a case.
fn advance_all<'c>(
    cases: &mut [Case],
    tree: &Tree,
    binned: &Binned,
    codes: impl Fn(usize) -> &'c [u8] + Sync,
) {
    cases.par_chunks_mut(CHUNK).enumerate().for_each(|(part, cases)| {
        for (place, case) in cases.iter_mut().enumerate() {
            case.margin += tree.value(binned, |input| codes(input)[part * CHUNK + place]);
        }
    });
}

/// Gradient and hessian of the weighted log loss at the margins.
fn differentiate(cases: &[Case], gradients: &mut [Sum], units: Units) {
    for (case, gradient) in cases.iter().zip(gradients) {
        let p = sigmoid(case.margin);
        let beyond = p - f64::from(u8::from(case.label));
        *gradient = units.of(case.weight * beyond, case.weight * p * (1.0 - p));
    }
}

/// Measures the loss on the rows that say when to stop.
pub(super) struct Judge {
    cases: Vec<Case>,
    /// Input by input, one a row.
    codes: Vec<Vec<u8>>,
    total: f64,
    pub(super) patience: usize,
}

impl Judge {
    pub(super) fn new(
        binned: &Binned,
        data: &Data,
        labels: &[bool],
        weights: Weights<'_>,
        stop: Stopping<'_>,
    ) -> Result<Judge, ModelError> {
        check_rows(stop.matrix, stop.rows, &[("labels", labels.len())])?;
        if !binned.fits(stop.matrix) {
            return Err(ModelError::Mismatch("rows to stop at without the columns".to_owned()));
        }
        if stop.patience == 0 {
            return Err(ModelError::BadSetting("boosted: patience must be 1 or more".to_owned()));
        }
        let total = weights.sum(stop.rows);
        if !WEIGHT_SUM.contains(&total) {
            return Err(ModelError::BadSetting("no rows that count to stop at".to_owned()));
        }
        let case =
            |row: &usize| Case { margin: data.base, weight: weights.of(*row), label: labels[*row] };
        let cases = stop.rows.iter().map(case).collect();
        let codes = binned.codes_of(stop.matrix, stop.rows);
        Ok(Judge { cases, codes, total, patience: stop.patience })
    }

    /// Adds the next tree and gives the weighted mean log loss with it.
    pub(super) fn add(&mut self, binned: &Binned, tree: &Tree) -> f64 {
        advance_all(&mut self.cases, tree, binned, |input| &self.codes[input]);
        let loss = |case: &Case| case.weight * log_loss_at(case.margin, case.label);
        // The chunks are the same for any number of threads, and so is the order of their sums.
        let parts = self.cases.par_chunks(CHUNK);
        let losses: Vec<f64> = parts.map(|cases| cases.iter().map(loss).sum()).collect();
        losses.iter().sum::<f64>() / self.total
    }
}

#[cfg(test)]
mod tests;
