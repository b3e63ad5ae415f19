//! Samples made by hand, whose truth is known, for the tests of this room; and tests of whole fits.

use super::{Cohort, Contender, FitParams, HeldOut, Pace, Sample, Search, SourceNote, fit};
use crate::feature::Facts;
use crate::model::Family;
use crate::record::{ConceptSet, Time};
use crate::task::Task;

const CONCEPTS: &str = include_str!("../../models/concepts.toml");
const TASK: &str = include_str!("../../models/readmit30_diabetes/task.toml");
pub(super) const HORIZON_DAYS: f64 = 30.0;

pub(super) fn task() -> (ConceptSet, Task) {
    task_of("")
}

/// The task with one more line at its top.
pub(super) fn task_of(line: &str) -> (ConceptSet, Task) {
    let concepts = ConceptSet::parse(CONCEPTS).unwrap();
    let task = Task::parse(&format!("{line}\n{TASK}"), &concepts).unwrap();
    (concepts, task)
}

/// The task whose two upper tiers begin as these lines say.
pub(super) fn task_of_tiers([high, moderate]: [&str; 2]) -> (ConceptSet, Task) {
    let concepts = ConceptSet::parse(CONCEPTS).unwrap();
    let text = TASK.replacen("top_share = 0.05", high, 1).replacen("top_share = 0.20", moderate, 1);
    let task = Task::parse(&text, &concepts).unwrap();
    (concepts, task)
}

pub(super) struct Draws(pub u64);

impl Draws {
    /// Between 0 and 1, neither included.
    pub(super) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Exponential, with the mean 1.
    fn wait(&mut self) -> f64 {
        -self.uniform().ln()
    }
}

/// A sample with its true risk and what would have been seen with a full follow-up.
pub(super) struct Known {
    pub sample: Sample,
    pub risk: f64,
    pub outcome: bool,
}

/// `patients` samples of a patient each. Two columns move the risk; the first also moves the rate at
/// which patients are lost, unless `lost_rate` is 0.
pub(super) fn population(task: &Task, patients: usize, lost_rate: f64, seed: u64) -> Vec<Known> {
    let mut draws = Draws(seed);
    let columns = task.spec().fixed_columns().len();
    let learned = task.spec().learned().count();
    let each = (0..patients).map(|number| {
        let [a, b] = [0; 2].map(|_| 3.4 * (draws.uniform() - 0.5));
        let risk = 1.0 / (1.0 + (1.8 - 1.1 * a - 0.6 * b).exp());
        let happens = draws.wait() / (-(1.0 - risk).ln() / HORIZON_DAYS);
        let lost = draws.wait() / (lost_rate * (0.9 * a).exp());
        let outcome = happens <= HORIZON_DAYS;
        let end = happens.min(HORIZON_DAYS);
        let censored = lost < end;
        let mut values = vec![f32::NAN; columns];
        values[..3].copy_from_slice(&[a as f32, b as f32, draws.uniform() as f32]);
        let sample = Sample {
            subject_id: number as i64,
            patient_id: number.to_string(),
            group: format!("{number:06}"),
            prediction_time: Time::parse("2024-03-06T15:00:00Z").unwrap(),
            boolean_value: outcome && !censored,
            followed_days: end.min(lost),
            censored,
            split: None,
            facts: Facts { values, learned_missing: vec![true; learned], ..Facts::default() },
            published: vec![f64::NAN; task.published().len()],
            attributes: Vec::new(),
        };
        Known { sample, risk, outcome }
    });
    each.collect()
}

pub(super) fn cohort<'a>(task: &'a Task, concepts: &'a ConceptSet, known: &[Known]) -> Cohort<'a> {
    let samples = known.iter().map(|known| known.sample.clone());
    Cohort::of_samples(task, concepts, samples.collect())
}

pub(super) fn params() -> FitParams {
    FitParams {
        version: "1".into(),
        seed: 1,
        held_out: HeldOut::Part { part: 0, of: 5 },
        search: Search { trials: 2, ..Search::default() },
        source: SourceNote { title: "made".into(), citation: None, years: None, synthetic: false },
    }
}

/// Gives every sample a column of a published score: of its true risk, on the scale of points or as a
/// probability that is far too low, or of nothing.
fn with_score(known: &mut [Known], place: usize, score: impl Fn(&mut Draws, f64) -> f64) {
    let mut draws = Draws(4);
    for (number, known) in known.iter_mut().enumerate() {
        let score = score(&mut draws, known.risk);
        known.sample.facts.values[place] = if number % 9 == 0 { f32::NAN } else { score as f32 };
    }
}

#[test]
fn a_published_score_is_tried_and_wins_only_where_it_is_best() {
    for (id, informative) in [("lace", true), ("prevent_cvd_10y", true), ("lace", false)] {
        let (concepts, _) = task();
        let text = TASK.replacen(
            "from = \"stay_days\"",
            &format!("from = {{ published = {{ score = \"{id}\" }} }}"),
            1,
        );
        let task = Task::parse(&text, &concepts).unwrap();
        let columns = task.spec().fixed_columns();
        let place = columns.iter().position(|column| column.name == "stay_days").unwrap();
        let mut known = population(&task, 4_000, 0.0, 8);
        with_score(&mut known, place, |draws, risk| match (informative, id) {
            (false, _) => (20.0 * draws.uniform()).floor(),
            (true, "lace") => 8.0 + 2.0 * (risk / (1.0 - risk)).ln(),
            (true, _) => risk / 5.0,
        });
        if informative {
            // Nothing else tells of the risk.
            known.iter_mut().for_each(|known| known.sample.facts.values[..2].fill(0.0));
        }
        let cohort = cohort(&task, &concepts, &known);
        let fitted = fit(&cohort, &params(), Pace::unwatched()).unwrap();
        let family = |name| fitted.report.held_out.get(&Contender::Family(name));
        assert!(family(Family::Published).is_some() && family(Family::Logistic).is_some());
        let is_chosen = fitted.report.chosen == Contender::Family(Family::Published);
        assert_eq!(fitted.report.candidates.len(), 7, "{:?}", fitted.report.candidates);
        assert!(is_chosen || !informative);
        let metrics = family(Family::Published).unwrap();
        if informative {
            assert!(metrics.auroc > 0.7 && (metrics.observed_over_expected - 1.0).abs() < 0.2);
            let explained = fitted.bundle.explain(&known[3].sample.facts.values);
            let others = explained.contributions.iter().enumerate().filter(|(at, _)| *at != place);
            assert!(others.into_iter().all(|(_, share)| *share == 0.0));
            assert!(explained.contributions[place] != 0.0);
        } else {
            assert!(metrics.auroc < 0.6 && !is_chosen);
        }
        let page = String::from_utf8(fitted.files["report.html"].clone()).unwrap();
        assert!(page.contains("recalibrated published score"));
        assert_eq!(fitted.files.contains_key("published.json"), is_chosen);
    }
}
