//! A candidate on its way through the folds.

use std::sync::Arc;

use super::auroc;
use super::candidate::Candidate;
use super::table::{Layout, Table};
use crate::feature::{Matrix, Spec};
use crate::model::{Binned, Boosted, ModelError, Stopping, fit_boosted, log_loss_at, log_odds};

/// A booster that has gained nothing on the judged fold for so many rounds has learnt what it will.
const PATIENCE: usize = 40;

/// One fold, laid out: what is learned on the others, and who is judged.
pub(super) struct Fold {
    layout: Layout,
    training: Vec<usize>,
    judged: Arc<Judged>,
    /// The training rows in bins, where a booster is tried.
    binned: Option<Binned>,
}

/// The rows of a fold that are judged, with their gaps.
struct Judged {
    rows: Vec<usize>,
    /// One row each, of the kept columns; empty where no booster is tried.
    gapped: Matrix,
}

impl Fold {
    pub(super) fn of(
        table: &Table<'_>,
        spec: &Spec,
        number: u8,
        trials: &[Trial],
    ) -> Result<Fold, ModelError> {
        let (training, rows) = (table.rows(number, false), table.rows(number, true));
        let layout = table.layout(spec, &training)?;
        let boosts = |trial: &Trial| matches!(trial.candidate, Candidate::Boosted(_));
        let has_booster = trials.iter().any(|trial| trial.is_open() && boosts(trial));
        let binned = has_booster.then(|| layout.binned(&training, table)).transpose()?;
        let gapped = match has_booster {
            true => layout.gapped(&rows),
            false => Matrix::with_capacity(0, 0),
        };
        Ok(Fold { layout, training, judged: Arc::new(Judged { rows, gapped }), binned })
    }
}

/// A candidate with what it has said so far.
pub(super) struct Trial {
    pub candidate: Candidate,
    /// On the first fold, of margins as they are; comparable within a family.
    pub first_fold_loss: f64,
    pub first_fold_auroc: Option<f64>,
    /// Out-of-fold margins, one a row; those of a booster come at the end.
    margins: Vec<f64>,
    /// A booster's fit of each fold so far.
    staged: Vec<Staged>,
    is_open: bool,
}

/// A booster that was fitted without a fold, and the rows it is judged on.
struct Staged {
    fitted: Boosted,
    judged: Arc<Judged>,
}

impl Trial {
    pub(super) fn new(candidate: Candidate, rows: usize) -> Trial {
        Trial {
            candidate,
            first_fold_loss: f64::INFINITY,
            first_fold_auroc: None,
            margins: vec![0.0; rows],
            staged: Vec::new(),
            is_open: true,
        }
    }

    /// Whether it goes on.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// It does not go on.
    pub(super) fn give_up(&mut self) {
        self.is_open = false;
        self.margins = Vec::new();
        self.staged = Vec::new();
    }

    /// Fits without the fold and notes what it says of it. A candidate without its inputs gives up.
    pub(super) fn run(
        &mut self,
        fold: &Fold,
        table: &Table<'_>,
        seed: u64,
    ) -> Result<(), ModelError> {
        let is_first = self.first_fold_loss == f64::INFINITY;
        let rows = &fold.judged.rows;
        match (&self.candidate, &fold.binned) {
            (Candidate::Boosted(params), Some(binned)) => {
                let stopping = Stopping { rows, matrix: &fold.layout.matrix, patience: PATIENCE };
                let fitted = fit_boosted(
                    binned,
                    &table.labels,
                    &table.patients,
                    table.weights(),
                    &fold.layout.constraints,
                    params,
                    seed,
                    Some(stopping),
                )?;
                let staged = Staged { fitted, judged: Arc::clone(&fold.judged) };
                if is_first {
                    let (rounds, loss) = best_round(&[(1.0, staged.fitted.losses.as_slice())]);
                    staged.write(rounds, &mut self.margins)?;
                    self.first_fold_loss = loss;
                }
                self.staged.push(staged);
            }
            _ if self.candidate.has_inputs(&fold.layout) => {
                let member = self.candidate.fit(&fold.layout, &fold.training, table, seed)?;
                for row in rows {
                    self.margins[*row] = member.margin(fold.layout.inputs.row(*row));
                }
                if is_first {
                    self.first_fold_loss = self.loss_on(rows, table);
                }
            }
            _ => self.give_up(),
        }
        if is_first && self.is_open {
            self.first_fold_auroc = auroc(table, rows, |row| self.margins[row]);
        }
        Ok(())
    }

    fn loss_on(&self, rows: &[usize], table: &Table<'_>) -> f64 {
        let scale = self.candidate.scale();
        let weights = table.weights();
        let loss = |row: &usize| {
            let log_odds = log_odds(self.margins[*row], scale);
            weights.of(*row) * log_loss_at(log_odds, table.labels[*row])
        };
        rows.iter().map(loss).sum::<f64>() / weights.sum(rows)
    }

    /// The candidate, a booster with its best number of rounds, and its out-of-fold margins; `None`
    /// when it was given up.
    pub(super) fn finish(
        mut self,
        table: &Table<'_>,
    ) -> Result<Option<(Candidate, Vec<f64>)>, ModelError> {
        if !self.is_open {
            return Ok(None);
        }
        if let Candidate::Boosted(params) = &mut self.candidate {
            // One number of rounds for all folds: what the final fit can use.
            let weight = |staged: &Staged| table.weights().sum(&staged.judged.rows);
            let each = self.staged.iter();
            let curves: Vec<(f64, &[f64])> =
                each.map(|staged| (weight(staged), staged.fitted.losses.as_slice())).collect();
            params.rounds = best_round(&curves).0;
            for staged in &self.staged {
                staged.write(params.rounds, &mut self.margins)?;
            }
        }
        Ok(Some((self.candidate, self.margins)))
    }
}

impl Staged {
    /// Writes the margins after `rounds` rounds.
    fn write(&self, rounds: usize, margins: &mut [f64]) -> Result<(), ModelError> {
        let trees = self.fitted.trees(rounds)?;
        for (place, row) in self.judged.rows.iter().enumerate() {
            margins[*row] = trees.margin(self.judged.gapped.row(place));
        }
        Ok(())
    }
}

/// The number of rounds, 1 or more, with the lowest mean of weighted loss curves, and that mean. A
/// curve that ended early stays where it ended.
fn best_round(curves: &[(f64, &[f64])]) -> (usize, f64) {
    let rounds = curves.iter().map(|(_, losses)| losses.len()).max().unwrap_or(0);
    let total: f64 = curves.iter().map(|(weight, _)| weight).sum();
    let mean = |round: usize| {
        let at = |losses: &[f64]| losses.get(round).or(losses.last()).copied().unwrap_or(f64::NAN);
        curves.iter().map(|(weight, losses)| weight * at(losses)).sum::<f64>() / total
    };
    let best = (0..rounds).map(|round| (round + 1, mean(round)));
    best.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((1, f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::best_round;

    #[test]
    fn folds_agree_on_one_number_of_rounds() {
        assert_eq!(best_round(&[(1.0, &[3.0, 1.0, 2.0])]), (2, 1.0));
        // The second fold stopped after two rounds and stays where it was.
        let (rounds, loss) = best_round(&[(1.0, &[3.0, 2.0, 1.0]), (3.0, &[3.0, 2.0])]);
        assert_eq!((rounds, loss), (3, 1.75));
        assert_eq!(best_round(&[]).0, 1);
    }
}
