//! How the published scores of a task do beside its model, on the same index times.

use serde::Serialize;

use super::evaluate::{Predicted, enough, weights};
use super::metrics::{self, Comparison, Core, CurvePoint, DRAWS, Estimate, Resampling};
use crate::model::Weights;
use crate::published::Formula;
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
    /// The model against the score, on the same ones.
    pub comparison: Option<Comparison>,
    /// The score as a probability, on those index times; `None` for a score in points, and as for
    /// `score`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<PublishedProbability>,
}

/// How a published probability does on the task's own outcome, not recalibrated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedProbability {
    pub brier: Estimate,
    pub observed_over_expected: Estimate,
    pub calibration_slope: Estimate,
    /// Its curves, net benefit among them, from the highest cut down.
    pub curve: Vec<CurvePoint>,
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
    each.map(|(place, formula)| figures(formula, place, predicted, seed)).collect()
}

fn figures(
    formula: &Formula,
    place: usize,
    predicted: &[Predicted<'_>],
    seed: u64,
) -> PublishedFigures {
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
    let beside = judged.then(|| Beside::of(&with, number, formula.gives_probability()));
    let ranking = |values: &dyn Fn(&Beside) -> &[f64]| {
        beside.as_ref().and_then(|beside| beside.ranking(values(beside), seed))
    };
    PublishedFigures {
        id: formula.id().to_owned(),
        given: Some(given).filter(|_| told(&with) && told(&without)),
        score: ranking(&|beside| &beside.ranks),
        model: ranking(&|beside| &beside.model),
        comparison: beside.as_ref().and_then(|beside| beside.comparison(seed)),
        probability: beside.as_ref().and_then(|beside| beside.probability(seed)),
    }
}

/// The index times for which a score gives a number.
struct Beside {
    model: Vec<f64>,
    /// They stand for the score's numbers, in their order; all above 1, so as to be no probabilities.
    ranks: Vec<f64>,
    /// The numbers of a score that gives probabilities.
    numbers: Option<Vec<f64>>,
    y: Vec<bool>,
    patients: Vec<u32>,
    weights: Option<Vec<f64>>,
}

impl Beside {
    fn of(
        rows: &[&Predicted<'_>],
        number: impl Fn(&Predicted<'_>) -> f64,
        gives_probability: bool,
    ) -> Beside {
        let numbers: Vec<f64> = rows.iter().map(|one| number(one)).collect();
        let mut distinct = numbers.clone();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        let rank = |number: &f64| 2 + distinct.partition_point(|other| other < number);
        Beside {
            model: rows.iter().map(|one| one.probability).collect(),
            ranks: numbers.iter().map(|number| rank(number) as f64).collect(),
            numbers: gives_probability.then_some(numbers),
            y: rows.iter().map(|one| one.sample.boolean_value).collect(),
            patients: rows.iter().map(|one| one.patient).collect(),
            weights: weights(rows.iter().copied()),
        }
    }

    fn ranking(&self, values: &[f64], seed: u64) -> Option<Ranking> {
        let weights = Weights::from(&self.weights);
        let interval = metrics::auroc_interval(values, &self.y, &self.patients, weights, seed)?;
        let auroc = metrics::auroc(values, &self.y, weights)?;
        Some(Ranking { auroc, auroc_interval: interval })
    }

    fn comparison(&self, seed: u64) -> Option<Comparison> {
        let score = self.numbers.as_ref().unwrap_or(&self.ranks);
        let weights = Weights::from(&self.weights);
        metrics::paired(&self.model, score, &self.y, &self.patients, weights, seed)
    }

    fn probability(&self, seed: u64) -> Option<PublishedProbability> {
        let (p, y, patients) = (self.numbers.as_ref()?, &self.y, &self.patients);
        let weights = Weights::from(&self.weights);
        let resampling = Resampling::of(patients, seed);
        let all: Vec<usize> = (0..p.len()).collect();
        let core = Core::of(&all, (p, y, weights), &resampling)?;
        let figures = resampling.figures(DRAWS, |times| core.drawn(times).to_vec());
        Some(PublishedProbability {
            observed_over_expected: figures.estimate(1)?,
            calibration_slope: figures.estimate(2)?,
            brier: figures.estimate(3)?,
            curve: metrics::curve(p, y, patients, weights, &[]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::tests::{population, task_of};

    /// The figures of a score that is given to all but `without` of 600 patients, and says `score` of
    /// their true risk.
    fn figures_of(without: usize, score: impl Fn(f64) -> f64) -> PublishedFigures {
        let (_concepts, task) = task_of("published = [\"lace\"]");
        let mut known = population(&task, 600, 0.0, 3);
        for (place, known) in known.iter_mut().enumerate() {
            let number = if place < without { f64::NAN } else { score(known.risk) };
            known.sample.published = vec![number];
        }
        let predicted = known.iter().enumerate().map(|(place, known)| Predicted {
            sample: &known.sample,
            patient: place as u32,
            probability: known.risk,
            weight: 1.0,
        });
        let mut found = published_figures(&task, &predicted.collect::<Vec<_>>(), 1);
        found.remove(0)
    }

    #[test]
    fn a_score_is_judged_where_it_is_given_and_the_model_on_the_same() {
        let same = figures_of(0, |risk| 100.0 * risk);
        assert_eq!((same.id.as_str(), same.given), ("lace", Some(1.0)));
        assert_eq!(same.score, same.model);
        let against = same.comparison.unwrap();
        assert_eq!((against.auroc.difference, against.auroc.p_value), (0.0, 1.0));
        assert!(against.brier.is_none() && same.probability.is_none(), "points are no probability");
        let [low, high] = same.score.unwrap().auroc_interval;
        assert!(low < same.score.unwrap().auroc && same.score.unwrap().auroc < high);
        let turned = figures_of(150, |risk| -risk);
        assert_eq!(turned.given, Some(0.75));
        let sum = turned.score.unwrap().auroc + turned.model.unwrap().auroc;
        assert!((sum - 1.0).abs() < 1e-12, "the pairs lost are those the other wins");
        let against = turned.comparison.as_ref().unwrap().auroc;
        let gap = turned.model.unwrap().auroc - turned.score.unwrap().auroc;
        assert!((against.difference - gap).abs() < 1e-12 && against.p_value < 0.01);
        assert!(turned.sentence().contains("given at 75.0% of index times: AUROC 0."));
    }

    #[test]
    fn few_patients_are_not_told() {
        assert_eq!(figures_of(10, |risk| risk).given, None, "ten have no number");
        assert!(figures_of(10, |risk| risk).score.is_some());
        let few = figures_of(590, |risk| risk);
        assert_eq!((few.given, few.score, few.model), (None, None, None));
        assert!(few.sentence().ends_with("not judged"));
        let none = figures_of(600, |risk| risk);
        assert_eq!((none.given, none.score), (Some(0.0), None));
    }
}
