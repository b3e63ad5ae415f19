//! Choosing a model: a small search for each family inside patient-grouped cross-validation, then the
//! simplest of the best, or a blend where it wins.

mod blend;
mod candidate;
mod finalist;
mod search;
mod table;
mod trial;

use rayon::prelude::*;
use serde::Serialize;

use blend::{Blend, blend};
pub use candidate::Candidate;
pub use finalist::Contender;
pub(super) use finalist::{Chosen, Finalist, choose, simplest_first};
pub use search::Search;
pub(super) use table::{Layout, Table, margins};
use trial::{Fold, Trial};

use super::metrics;
use crate::feature::Spec;
use crate::model::{Calibrator, Family, ModelError, Weights};

/// Of a family with more settings than this, the better half goes on after the first fold.
const SCREENED_FROM: usize = 4;

/// A better model has to be better by so many standard errors. One is usual (Breiman, Friedman, Olshen and
/// Stone 1984) where few models are compared; the luckiest of the dozen settings of a search is 2.7 better
/// one time in twenty (Bonferroni), and on the 2,240 rows of a Framingham cohort such luck cost 0.02 of AUROC.
const ERRORS: f64 = 3.0;

/// A step of a long work, for whoever waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    pub text: &'a str,
    /// How much of it is done, of how much; 0 of 0 where that is not known.
    pub done: usize,
    pub of: usize,
}

impl<'a> Step<'a> {
    /// A step without a measure.
    pub fn of(text: &'a str) -> Step<'a> {
        Step { text, done: 0, of: 0 }
    }
}

/// How a long work tells of itself, and hears that its time is over.
#[derive(Clone, Copy)]
pub struct Pace<'a> {
    pub progress: &'a (dyn Fn(&Step<'_>) + Sync),
    /// Once true, nothing new is tried; what has begun is finished.
    pub is_over: &'a (dyn Fn() -> bool + Sync),
}

impl Pace<'_> {
    /// Tells nobody, and has all the time there is.
    pub fn unwatched() -> Pace<'static> {
        Pace { progress: &|_| {}, is_over: &|| false }
    }

    pub(super) fn step(&self, text: &str) {
        (self.progress)(&Step::of(text));
    }
}

/// How a candidate did in cross-validation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CandidateReport {
    pub candidate: Candidate,
    /// Of the cross-fitted calibrated probabilities, weighted; `None` where the candidate was given
    /// up after the first fold.
    pub log_loss: Option<f64>,
    pub auroc_by_fold: Vec<f64>,
}

/// A candidate with what it said of rows it was not fitted on.
pub(super) struct Tried {
    pub report: CandidateReport,
    /// Out-of-fold margins, one a row.
    pub margins: Vec<f64>,
    /// Out-of-fold margins through a calibrator fitted on the other folds, one a row.
    pub probabilities: Vec<f64>,
}

impl Tried {
    /// Log loss in cross-validation.
    pub(super) fn log_loss(&self) -> f64 {
        self.report.log_loss.unwrap_or(f64::INFINITY)
    }
}

/// What cross-validation found.
pub(super) struct Searched {
    /// Those that came through all folds.
    pub tried: Vec<Tried>,
    /// All of them, in the order in which they were tried.
    pub reports: Vec<CandidateReport>,
}

/// Cross-validates every candidate but those that lack their input in a fold. Every step that learns
/// anything (codes, medians, model) is done anew inside each fold.
///
/// When the time is over before the second fold, only the first setting of each family goes on.
pub(super) fn cross_validate(
    table: &Table<'_>,
    spec: &Spec,
    candidates: &[Candidate],
    seed: u64,
    pace: Pace<'_>,
) -> Result<Searched, ModelError> {
    let rows = table.labels.len();
    let mut trials: Vec<Trial> = candidates.iter().map(|of| Trial::new(*of, rows)).collect();
    let folds = usize::from(table.folds_count);
    for number in 0..table.folds_count {
        let fold = Fold::of(table, spec, number, &trials)?;
        let open = trials.iter().filter(|trial| trial.is_open()).count();
        let begun = std::sync::atomic::AtomicUsize::new(0);
        trials.par_iter_mut().filter(|trial| trial.is_open()).try_for_each(|trial| {
            let at = begun.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let text = format!("cross-validation, fold {} of {folds}", number + 1);
            let (done, of) = (usize::from(number) * open + at, folds * open);
            (pace.progress)(&Step { text: &text, done, of });
            trial.run(&fold, table, seed)
        })?;
        if number == 0 {
            screen(&mut trials, (pace.is_over)());
        }
    }
    let mut found = Searched { tried: Vec::new(), reports: Vec::new() };
    for trial in trials {
        let (candidate, first_fold) = (trial.candidate, trial.first_fold_auroc);
        match trial.finish(table)? {
            Some((candidate, margins)) => {
                let tried = tried(table, candidate, margins)?;
                found.reports.push(tried.report.clone());
                found.tried.push(tried);
            }
            None => found.reports.push(CandidateReport {
                candidate,
                log_loss: None,
                auroc_by_fold: first_fold.into_iter().collect(),
            }),
        }
    }
    Ok(found)
}

/// Gives up the worse half of every family with many settings, by their loss on the first fold; all
/// but the best where the time is over.
fn screen(trials: &mut [Trial], is_over: bool) {
    for family in [Family::Logistic, Family::Forest, Family::Boosted] {
        let of_it = |trial: &&mut Trial| trial.is_open() && trial.candidate.family() == family;
        let mut open: Vec<&mut Trial> = trials.iter_mut().filter(of_it).collect();
        let kept = match (is_over, open.len()) {
            (true, _) => 1,
            (false, many) if many > SCREENED_FROM => many.div_ceil(2),
            (false, few) => few,
        };
        open.sort_by(|a, b| a.first_fold_loss.total_cmp(&b.first_fold_loss));
        open.into_iter().skip(kept).for_each(Trial::give_up);
    }
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
        auroc_by_fold.extend(auroc(table, &judged, |row| margins[row]));
    }
    let log_loss = metrics::log_loss(&probabilities, &table.labels, table.weights());
    let report = CandidateReport { candidate, log_loss, auroc_by_fold };
    Ok(Tried { report, margins, probabilities })
}

fn auroc(table: &Table<'_>, rows: &[usize], margin: impl Fn(usize) -> f64) -> Option<f64> {
    let p: Vec<f64> = rows.iter().map(|row| margin(*row)).collect();
    let y: Vec<bool> = rows.iter().map(|row| table.labels[*row]).collect();
    let weights = table.weights().of_rows(rows);
    metrics::auroc(&p, &y, Weights::from(&weights))
}

/// Of tried candidates by rising log loss the place of the simplest that is no worse than the first by
/// more than `ERRORS` standard errors of the difference, patients taken whole (in the manner of Breiman,
/// Friedman, Olshen and Stone 1984); 0 for none.
fn simplest_of_the_best<'t>(table: &Table<'_>, tried: impl Iterator<Item = &'t Tried>) -> usize {
    let tried: Vec<&Tried> = tried.collect();
    let Some(best) = tried.first() else { return 0 };
    let near = tried.iter().enumerate().filter(|(place, one)| {
        *place == 0 || !is_better(table, &best.probabilities, &one.probabilities)
    });
    let simplest = near.min_by_key(|(_, one)| match one.report.candidate {
        Candidate::Published { .. } => 0,
        Candidate::Logistic { .. } => 1,
        // Neither is simpler than the other.
        Candidate::Forest(_) | Candidate::Boosted(_) => 2,
    });
    simplest.map_or(0, |(place, _)| place)
}

/// Whether the log loss of `one` is lower than that of `other` by more than `ERRORS` standard errors of the
/// difference, patients taken whole.
fn is_better(table: &Table<'_>, one: &[f64], other: &[f64]) -> bool {
    let weights = table.weights();
    let loss = |of: &[f64], row: usize| metrics::row_loss(of[row], table.labels[row]);
    let rows: Vec<usize> = (0..table.labels.len()).collect();
    let total = weights.sum(&rows);
    let less = |row: usize| loss(other, row) - loss(one, row);
    let mean = rows.iter().map(|row| weights.of(*row) * less(*row)).sum::<f64>() / total;
    let of_patient = |rows: &[usize]| {
        rows.iter().map(|row| weights.of(*row) * (less(*row) - mean)).sum::<f64>().powi(2)
    };
    let patients = rows.chunk_by(|a, b| table.patients[*a] == table.patients[*b]);
    mean > ERRORS * patients.map(of_patient).sum::<f64>().sqrt() / total
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
    use crate::model::ForestParams;

    /// A forest that says `forest` of every row beside a logistic regression that says `logistic`.
    fn chosen(forest: &[f64], logistic: &[f64], labels: &[bool]) -> usize {
        let patients = (0..labels.len() as u32).map(|row| row / 2).collect();
        let (samples, folds) = (Vec::new(), vec![0; labels.len()]);
        let labels = labels.to_vec();
        let table = Table { samples, labels, patients, weights: None, folds, folds_count: 1 };
        let tried = |candidate, probabilities: &[f64]| Tried {
            report: CandidateReport { candidate, log_loss: None, auroc_by_fold: Vec::new() },
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
