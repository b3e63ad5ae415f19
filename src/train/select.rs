//! Choosing a model: patient-grouped cross-validation of a few candidates of each family.

use rayon::prelude::*;
use serde::Serialize;

use super::metrics;
use crate::feature::{Matrix, Spec, TrainingRow, Vocabulary};
use crate::model::{
    Binned, BoostedParams, Calibrator, Family, ForestParams, Gaps, InputSpec, Member, ModelError,
    Monotone, Scale, Weights, fit_boosted, fit_forest, fit_logistic, fit_published,
};
use crate::train::Sample;

/// A setting that could be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "family", rename_all = "lowercase")]
pub enum Candidate {
    Logistic {
        alpha: f64,
    },
    Forest(ForestParams),
    Boosted(BoostedParams),
    /// A published score, recalibrated on the task's own outcome.
    Published {
        /// Its feature column.
        column: usize,
        /// `Rate` for a probability, `LogOdds` for points.
        scale: Scale,
    },
}

impl Candidate {
    pub fn family(&self) -> Family {
        match self {
            Candidate::Logistic { .. } => Family::Logistic,
            Candidate::Forest(_) => Family::Forest,
            Candidate::Boosted(_) => Family::Boosted,
            Candidate::Published { .. } => Family::Published,
        }
    }

    fn scale(&self) -> Scale {
        match self {
            Candidate::Logistic { .. } | Candidate::Boosted(_) | Candidate::Published { .. } => {
                Scale::LogOdds
            }
            Candidate::Forest(_) => Scale::Rate,
        }
    }

    /// Whether the inputs it asks for are there: a column that hardly varies is no input.
    pub(super) fn has_inputs(&self, layout: &Layout) -> bool {
        match self {
            Candidate::Logistic { .. } | Candidate::Forest(_) | Candidate::Boosted(_) => true,
            Candidate::Published { column, .. } => layout.input.input_of(*column).is_some(),
        }
    }

    /// Fits the candidate on `rows` of `layout`.
    pub(super) fn fit(
        &self,
        layout: &Layout,
        rows: &[usize],
        table: &Table<'_>,
        seed: u64,
    ) -> Result<Member, ModelError> {
        let Table { labels, patients, .. } = table;
        let (inputs, weights) = (&layout.inputs, table.weights());
        match self {
            Candidate::Logistic { alpha } => {
                fit_logistic(inputs, rows, labels, weights, *alpha).map(Member::Logistic)
            }
            Candidate::Forest(params) => {
                fit_forest(inputs, rows, labels, patients, weights, params, seed)
                    .map(Member::Forest)
            }
            Candidate::Boosted(params) => {
                let columns: Vec<usize> = layout.input.kept.iter().map(|c| c.index).collect();
                let binned = Binned::new(&layout.matrix, &columns, rows, patients)?;
                let free = vec![Monotone::None; columns.len()];
                fit_boosted(&binned, labels, patients, weights, &free, params, seed, None)?
                    .trees(params.rounds)
                    .map(Member::Boosted)
            }
            Candidate::Published { column, scale } => {
                let input = layout.input.input_of(*column).ok_or(ModelError::NoInputs)?;
                fit_published(inputs, rows, labels, weights, input, *scale).map(Member::Published)
            }
        }
    }
}

/// How a candidate did in cross-validation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CandidateReport {
    pub candidate: Candidate,
    /// Of the cross-fitted calibrated probabilities, weighted.
    pub log_loss: f64,
    pub auroc_by_fold: Vec<f64>,
}

/// The development rows that count, in the order of the cohort.
pub(super) struct Table<'a> {
    pub samples: Vec<&'a Sample>,
    pub labels: Vec<bool>,
    pub patients: Vec<u32>,
    /// One a row, above 0; `None` where every row counts once.
    pub weights: Option<Vec<f64>>,
    pub folds: Vec<u8>,
    pub folds_count: u8,
}

/// Learned columns and inputs of one training set, laid out for all rows of the table.
pub(super) struct Layout {
    pub vocabulary: Vocabulary,
    pub matrix: Matrix,
    pub input: InputSpec,
    pub inputs: Matrix,
}

impl Table<'_> {
    /// How much each row counts.
    pub(super) fn weights(&self) -> Weights<'_> {
        Weights::from(&self.weights)
    }

    /// Learns vocabulary and input spec on `rows` and lays out every row of the table with them.
    pub(super) fn layout(&self, spec: &Spec, rows: &[usize]) -> Result<Layout, ModelError> {
        let learned: Vec<TrainingRow<'_>> = rows
            .iter()
            .map(|row| TrainingRow {
                facts: &self.samples[*row].facts,
                patient: self.patients[*row],
                label: self.labels[*row],
            })
            .collect();
        let vocabulary = Vocabulary::learn(spec, &learned);
        let columns = vocabulary.columns(spec);
        let mut matrix = Matrix::with_capacity(columns.len(), self.samples.len());
        self.samples.iter().for_each(|sample| matrix.push(&vocabulary.row(&sample.facts)));
        let groups: Vec<u32> = columns.iter().map(|column| column.feature as u32).collect();
        let input = InputSpec::fit(&matrix, rows, &self.patients, &groups)?;
        let inputs = inputs_of(&matrix, &input, Gaps::Filled);
        Ok(Layout { vocabulary, matrix, input, inputs })
    }

    /// The rows in fold `fold`, or all others.
    fn rows(&self, fold: u8, inside: bool) -> Vec<usize> {
        let chosen = |row: &usize| (self.folds[*row] == fold) == inside;
        (0..self.samples.len()).filter(chosen).collect()
    }
}

pub(super) fn inputs_of(matrix: &Matrix, input: &InputSpec, gaps: Gaps) -> Matrix {
    let mut inputs = Matrix::with_capacity(input.inputs(), matrix.rows());
    let mut buffer = Vec::with_capacity(input.inputs());
    for row in 0..matrix.rows() {
        input.apply(matrix.row(row), gaps, &mut buffer);
        inputs.push(&buffer);
    }
    inputs
}

/// A candidate with what it said of rows it was not fitted on.
pub(super) struct Tried {
    pub report: CandidateReport,
    /// Out-of-fold margins, one a row.
    pub margins: Vec<f64>,
    /// Out-of-fold margins through a calibrator fitted on the other folds, one a row.
    pub probabilities: Vec<f64>,
}

/// Cross-validates every candidate but those that lack their input in a fold. Every step that learns
/// anything (codes, medians, model) is done anew inside each fold.
pub(super) fn cross_validate(
    table: &Table<'_>,
    spec: &Spec,
    candidates: &[Candidate],
    seed: u64,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Vec<Tried>, ModelError> {
    let mut margins = vec![Some(vec![0.0; table.samples.len()]); candidates.len()];
    for fold in 0..table.folds_count {
        let training = table.rows(fold, false);
        let judged = table.rows(fold, true);
        let layout = table.layout(spec, &training)?;
        let fitted: Result<Vec<Option<Member>>, ModelError> = candidates
            .par_iter()
            .map(|candidate| {
                let has_inputs = candidate.has_inputs(&layout);
                let member = has_inputs.then(|| candidate.fit(&layout, &training, table, seed));
                progress(&format!("fold {} of {}", fold + 1, table.folds_count));
                member.transpose()
            })
            .collect();
        for (member, margins) in fitted?.iter().zip(&mut margins) {
            let (Some(member), Some(found)) = (member, margins.as_mut()) else {
                *margins = None;
                continue;
            };
            let mut inputs = Vec::new();
            for row in &judged {
                layout.input.apply(layout.matrix.row(*row), member.reads(), &mut inputs);
                found[*row] = member.margin(&inputs);
            }
        }
    }
    let each = candidates.iter().zip(margins);
    each.filter_map(|(candidate, margins)| Some(tried(table, *candidate, margins?))).collect()
}

fn tried(table: &Table<'_>, candidate: Candidate, margins: Vec<f64>) -> Result<Tried, ModelError> {
    let mut probabilities = vec![0.0; margins.len()];
    let mut auroc_by_fold = Vec::new();
    for fold in 0..table.folds_count {
        let calibrator = calibrator(table, candidate, &margins, &table.rows(fold, false))?;
        let judged = table.rows(fold, true);
        for row in &judged {
            probabilities[*row] = calibrator.apply(margins[*row]);
        }
        let p: Vec<f64> = judged.iter().map(|row| margins[*row]).collect();
        let y: Vec<bool> = judged.iter().map(|row| table.labels[*row]).collect();
        let weights = table.weights().of_rows(&judged);
        auroc_by_fold.extend(metrics::auroc(&p, &y, Weights::from(&weights)));
    }
    let log_loss = metrics::log_loss(&probabilities, &table.labels, table.weights());
    let log_loss = log_loss.unwrap_or(f64::INFINITY);
    let report = CandidateReport { candidate, log_loss, auroc_by_fold };
    Ok(Tried { report, margins, probabilities })
}

/// Of tried candidates by rising log loss the place of the simplest that is no worse than the first by
/// more than one standard error of the difference, patients taken whole (the rule of Breiman,
/// Friedman, Olshen and Stone 1984); 0 for none.
pub(super) fn simplest_of_the_best<'t>(
    table: &Table<'_>,
    tried: impl Iterator<Item = &'t Tried>,
) -> usize {
    let tried: Vec<&Tried> = tried.collect();
    let Some(best) = tried.first() else { return 0 };
    let near = tried.iter().enumerate().filter(|(place, one)| {
        let (more, error) = loss_beyond(table, one, best);
        *place == 0 || more <= error
    });
    let simplest = near.min_by_key(|(_, one)| match one.report.candidate {
        Candidate::Published { .. } => 0,
        Candidate::Logistic { .. } => 1,
        Candidate::Forest(_) => 2,
        Candidate::Boosted(_) => 3,
    });
    simplest.map_or(0, |(place, _)| place)
}

/// How much higher the mean loss of `one` is than that of `other`, and the standard error of that.
fn loss_beyond(table: &Table<'_>, one: &Tried, other: &Tried) -> (f64, f64) {
    let weights = table.weights();
    let loss = |of: &Tried, row: usize| metrics::row_loss(of.probabilities[row], table.labels[row]);
    let rows: Vec<usize> = (0..table.labels.len()).collect();
    let total = weights.sum(&rows);
    let more = |row: usize| loss(one, row) - loss(other, row);
    let mean = rows.iter().map(|row| weights.of(*row) * more(*row)).sum::<f64>() / total;
    let of_patient = |rows: &[usize]| {
        rows.iter().map(|row| weights.of(*row) * (more(*row) - mean)).sum::<f64>().powi(2)
    };
    let patients = rows.chunk_by(|a, b| table.patients[*a] == table.patients[*b]);
    (mean, patients.map(of_patient).sum::<f64>().sqrt() / total)
}

/// The calibrator of `candidate` on the out-of-fold margins of `rows`.
pub(super) fn calibrator(
    table: &Table<'_>,
    candidate: Candidate,
    margins: &[f64],
    rows: &[usize],
) -> Result<Calibrator, ModelError> {
    let margins: Vec<f64> = rows.iter().map(|row| margins[*row]).collect();
    let labels: Vec<bool> = rows.iter().map(|row| table.labels[*row]).collect();
    let patients: Vec<u32> = rows.iter().map(|row| table.patients[*row]).collect();
    let folds: Vec<u8> = rows.iter().map(|row| table.folds[*row]).collect();
    let weights = table.weights().of_rows(rows);
    let weights = Weights::from(&weights);
    Calibrator::fit(&margins, &labels, &patients, &folds, weights, candidate.scale())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A forest that says `forest` of every row beside a logistic regression that says `logistic`.
    fn chosen(forest: &[f64], logistic: &[f64], labels: &[bool]) -> usize {
        let patients = (0..labels.len() as u32).map(|row| row / 2).collect();
        let (samples, folds) = (Vec::new(), vec![0; labels.len()]);
        let labels = labels.to_vec();
        let table = Table { samples, labels, patients, weights: None, folds, folds_count: 1 };
        let tried = |candidate, probabilities: &[f64]| Tried {
            report: CandidateReport { candidate, log_loss: 0.0, auroc_by_fold: Vec::new() },
            margins: Vec::new(),
            probabilities: probabilities.to_vec(),
        };
        let trees = ForestParams {
            trees: 1,
            depth: 1,
            leaf_rows_min: 1,
            leaf_patients_min: 1,
            features_per_split: 1,
        };
        let [forest, logistic] = [
            tried(Candidate::Forest(trees), forest),
            tried(Candidate::Logistic { alpha: 1.0 }, logistic),
        ];
        simplest_of_the_best(&table, [&forest, &logistic].into_iter())
    }

    #[test]
    fn the_simpler_model_is_taken_unless_the_other_is_better_beyond_chance() {
        let labels: Vec<bool> = (0..400).map(|row| row % 4 == 0).collect();
        let said = |with: f64, without: f64| -> Vec<f64> {
            labels.iter().map(|label| if *label { with } else { without }).collect()
        };
        let plain = vec![0.25; 400];
        assert_eq!(chosen(&said(0.6, 0.1), &plain, &labels), 0, "clearly better");
        // Better for one row in twenty, worse for as many others: by chance.
        let mut lucky = plain.clone();
        for row in (0..400).step_by(20) {
            lucky[row] = 0.30;
            lucky[row + 4] = 0.21;
        }
        assert_eq!(chosen(&lucky, &plain, &labels), 1, "no better beyond chance");
    }
}
