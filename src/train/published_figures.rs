//! How the published scores of a task do beside its model, on the same index times.

use serde::Serialize;

use super::evaluate::{Predicted, enough, weights};
use super::metrics;
use crate::model::Weights;
use crate::task::Task;

/// How a published score ranks patients by the task's own outcome, and the model beside it. The score
/// is as its paper has it; where an unknown input leaves a range, its lower end ranks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedFigures {
    /// The formula's id.
    pub id: String,
    /// Weighted share of the index times for which the score gives a number; `None` where fewer than
    /// eleven patients stand behind those with one, or behind those without.
    pub given: Option<f64>,
    /// The score on those index times; `None` where fewer than eleven patients with or without the
    /// outcome are among them.
    pub score: Option<Ranking>,
    /// The model on the same ones.
    pub model: Option<Ranking>,
}

/// How well something ranks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ranking {
    pub auroc: f64,
    /// 95%, patients resampled.
    pub auroc_interval: [f64; 2],
}

impl PublishedFigures {
    /// The figures in words.
    pub fn sentence(&self) -> String {
        let area = |ranking: &Ranking| {
            let Ranking { auroc, auroc_interval: [low, high] } = ranking;
            format!("AUROC {auroc:.4} ({low:.4} to {high:.4})")
        };
        let given = match self.given {
            Some(share) => format!("given at {:.1}% of index times", share * 100.0),
            None => {
                "given at a share that is not shown, for few patients stand behind it".to_owned()
            }
        };
        match self.score.as_ref().zip(self.model.as_ref()) {
            Some((score, model)) => format!(
                "published {}, {given}: {}; the model on the same: {}",
                self.id,
                area(score),
                area(model)
            ),
            None => format!("published {}, {given}: not judged", self.id),
        }
    }
}

/// The figures of each published score of `task`, in its order.
pub(super) fn published_figures(
    task: &Task,
    predicted: &[Predicted<'_>],
    seed: u64,
) -> Vec<PublishedFigures> {
    let each = task.published().iter().enumerate();
    each.map(|(place, formula)| figures(formula.id(), place, predicted, seed)).collect()
}

fn figures(id: &str, place: usize, predicted: &[Predicted<'_>], seed: u64) -> PublishedFigures {
    let number = |one: &Predicted<'_>| one.sample.published.get(place).copied().unwrap_or(f64::NAN);
    let rows: Vec<&Predicted<'_>> = predicted.iter().collect();
    let (with, without): (Vec<&Predicted<'_>>, Vec<&Predicted<'_>>) =
        rows.into_iter().partition(|one| !number(one).is_nan());
    // A share of nothing or of all tells of nobody.
    let told = |rows: &[&Predicted<'_>]| rows.is_empty() || enough(rows, |_| true);
    let weight = |rows: &[&Predicted<'_>]| rows.iter().map(|one| one.weight).sum::<f64>();
    let given = weight(&with) / (weight(&with) + weight(&without));
    let judged = [true, false]
        .iter()
        .all(|outcome| enough(&with, |one| one.sample.boolean_value == *outcome));
    let ranking = |value: &dyn Fn(&Predicted<'_>) -> f64| {
        judged.then(|| ranking(&with, value, seed)).flatten()
    };
    PublishedFigures {
        id: id.to_owned(),
        given: Some(given).filter(|_| told(&with) && told(&without)),
        score: ranking(&number),
        model: ranking(&|one| one.probability),
    }
}

fn ranking(
    rows: &[&Predicted<'_>],
    value: &dyn Fn(&Predicted<'_>) -> f64,
    seed: u64,
) -> Option<Ranking> {
    let values: Vec<f64> = rows.iter().map(|one| value(one)).collect();
    let y: Vec<bool> = rows.iter().map(|one| one.sample.boolean_value).collect();
    let patients: Vec<u32> = rows.iter().map(|one| one.patient).collect();
    let weights = weights(rows.iter().copied());
    let weights = Weights::from(&weights);
    Some(Ranking {
        auroc: metrics::auroc(&values, &y, weights)?,
        auroc_interval: metrics::auroc_interval(&values, &y, &patients, weights, seed)?,
    })
}
