//! The cohort: every index time that is eligible and has a label, and a count of all others.

use std::collections::BTreeMap;

use serde::Serialize;

use super::attributes::attributes;
use super::leaks::{Seen, Watch};
use super::small_cell::{Shown, Tally, nearest_ten};
use super::split::Split;
use crate::SMALL_CELL_PATIENTS;
use crate::feature::{Facts, extract};
use crate::published::evaluate;
use crate::record::{ConceptSet, History, Record, RecordError, Time, View};
use crate::task::{Censored, Label, Outcome, Task, eligibility, index_times, label, latest_index};

/// A label that the source itself gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenLabel {
    pub prediction_time: Time,
    pub boolean_value: bool,
}

/// One subject of an export.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub subject_id: i64,
    /// Rows of one person share it: splits never part them.
    pub group: String,
    pub record: Record,
    /// They replace the task's own index times and outcome: those of the source's rows, or of a label
    /// file.
    pub labels: Option<Vec<GivenLabel>>,
    /// The part the source itself puts it into.
    pub split: Option<Split>,
}

impl Case {
    /// Its index times in order, each with the outcome where it is given.
    pub(super) fn index_times(&self, history: &History, task: &Task) -> Vec<(Time, Option<bool>)> {
        match &self.labels {
            Some(given) => given
                .iter()
                .map(|label| (label.prediction_time, Some(label.boolean_value)))
                .collect(),
            None => index_times(history, task).into_iter().map(|time| (time, None)).collect(),
        }
    }
}

/// One eligible index time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub subject_id: i64,
    /// The source's id.
    pub patient_id: String,
    pub group: String,
    pub prediction_time: Time,
    /// Whether the outcome came; without meaning when `censored`.
    pub boolean_value: bool,
    /// Neither outcome nor competing death nor full follow-up was seen.
    pub censored: bool,
    /// Days from the start of the count to the outcome, the competing death, the end of follow-up or
    /// the end of the time at risk, whichever came first.
    pub followed_days: f64,
    /// The part the source itself puts the subject into.
    pub split: Option<Split>,
    pub facts: Facts,
    /// For each published score of the task the number to rank by; NaN where it gives none.
    pub published: Vec<f64>,
    /// For subgroup figures only, by attribute.
    pub attributes: Vec<(&'static str, String)>,
}

/// An eligible index time with what came of it.
#[derive(Debug)]
pub(super) struct Joined<'h> {
    pub view: View<'h>,
    pub outcome: Outcome,
}

/// Who was left out on the way to the cohort.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attrition {
    pub index_times: Tally,
    /// Index times left out, by the criterion that did it.
    pub left_out: BTreeMap<String, Tally>,
    /// Index times without a full follow-up and without the outcome.
    pub censored: Tally,
    /// Died in the time at risk without the outcome; they count as without.
    pub competing_deaths: Tally,
    /// Index times of which the outcome is known.
    pub samples: Tally,
    pub outcomes: Tally,
    /// The outcomes by the part of the task's outcome that happened first.
    pub parts: BTreeMap<String, Tally>,
    pub patients: u64,
}

/// An attrition as it may be shown: where one count is too small to be told, all others are told to
/// the nearest ten, so that no subtraction gives it back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownAttrition {
    pub index_times: Shown,
    pub left_out: BTreeMap<String, Shown>,
    pub censored: Shown,
    pub competing_deaths: Shown,
    pub samples: Shown,
    pub outcomes: Shown,
    pub parts: BTreeMap<String, Shown>,
    pub patients: Shown,
    /// `None` where a count behind it is too small to be told.
    pub rates: Option<Rates>,
}

/// How often the outcome comes, by what is made of those who died before it. Of index times whose
/// outcome is known, each counting once: censoring is not weighed up here.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rates {
    /// Deaths count as without the outcome.
    pub outcome: f64,
    /// The outcome or death, whichever comes first.
    pub outcome_or_death: f64,
    /// Among those who did not die before it.
    pub outcome_of_survivors: f64,
}

impl Attrition {
    /// Counts one index time of the patient of `group`. What is seen there and its outcome (`given`,
    /// or what came after) come back when it belongs to the cohort, censored or not.
    pub(super) fn add<'h>(
        &mut self,
        group: &str,
        history: &'h History,
        task: &Task,
        prediction_time: Time,
        given: Option<bool>,
    ) -> Option<Joined<'h>> {
        self.index_times.add(group);
        let index = latest_index(history, task, prediction_time);
        let eligible = index.and_then(|index| {
            let view = history.view(index.time);
            eligibility(&view, task)?;
            let outcome = match given {
                Some(value) => given_outcome(value, task),
                None => label(history, task, index.time)?,
            };
            Ok(Joined { view, outcome })
        });
        match eligible {
            Ok(joined) => {
                self.count(group, &joined.outcome, task);
                Some(joined)
            }
            Err(not) => {
                self.left_out.entry(not.criterion).or_default().add(group);
                None
            }
        }
    }

    fn count(&mut self, group: &str, outcome: &Outcome, task: &Task) {
        match outcome.label {
            Label::Censored => return self.censored.add(group),
            Label::CompetingDeath => self.competing_deaths.add(group),
            Label::Positive => {
                self.outcomes.add(group);
                let part = outcome.part.and_then(|part| task.outcome().get(part));
                if let Some(part) = part {
                    self.parts.entry(part.name.clone()).or_default().add(group);
                }
            }
            Label::Negative => {}
        }
        self.samples.add(group);
    }

    /// The counts as they may be shown.
    pub fn shown(&self) -> ShownAttrition {
        let Attrition {
            index_times,
            left_out,
            censored,
            competing_deaths,
            samples,
            outcomes,
            parts,
            patients,
        } = self;
        let counts = left_out.values().chain(parts.values()).chain([censored, competing_deaths]);
        let rounded = counts.clone().any(Tally::is_small);
        let patients = match (*patients, rounded) {
            (0, _) => Shown::Exactly(0),
            (few, _) if few < SMALL_CELL_PATIENTS as u64 => Shown::Few,
            (many, true) => Shown::About(nearest_ten(many)),
            (many, false) => Shown::Exactly(many),
        };
        let each = |tallies: &BTreeMap<String, Tally>| {
            let shown = |(name, tally): (&String, &Tally)| (name.clone(), tally.shown(rounded));
            tallies.iter().map(shown).collect()
        };
        ShownAttrition {
            index_times: index_times.shown(rounded),
            left_out: each(left_out),
            censored: censored.shown(rounded),
            competing_deaths: competing_deaths.shown(rounded),
            samples: samples.shown(rounded),
            outcomes: outcomes.shown(rounded),
            parts: each(parts),
            patients,
            rates: self.rates(),
        }
    }

    fn rates(&self) -> Option<Rates> {
        let Attrition { competing_deaths, samples, outcomes, .. } = self;
        let told = [competing_deaths, samples, outcomes].iter().all(|tally| !tally.is_small());
        let (n, with) = (samples.count() as f64, outcomes.count() as f64);
        let died = competing_deaths.count() as f64;
        (told && n > died).then(|| Rates {
            outcome: with / n,
            outcome_or_death: (with + died) / n,
            outcome_of_survivors: with / (n - died),
        })
    }
}

/// The outcome that is given: whoever gave it followed the patient to the end.
fn given_outcome(value: bool, task: &Task) -> Outcome {
    Outcome {
        label: if value { Label::Positive } else { Label::Negative },
        followed_days: f64::from(task.params().time_at_risk.horizon_days),
        part: None,
    }
}

/// The samples of a task, in an order that does not depend on the export's.
#[derive(Debug)]
pub struct Cohort<'a> {
    task: &'a Task,
    concepts: &'a ConceptSet,
    samples: Vec<Sample>,
    attrition: Attrition,
    /// What the leak check needs of records, which are not kept.
    watch: Watch,
}

impl<'a> Cohort<'a> {
    /// An empty cohort of `task`.
    pub fn new(task: &'a Task, concepts: &'a ConceptSet) -> Cohort<'a> {
        let (attrition, watch) = Default::default();
        Cohort { task, concepts, samples: Vec::new(), attrition, watch }
    }

    /// Adds all samples of one case.
    ///
    /// # Errors
    /// When the record cannot become a history; the cohort is as it was.
    pub fn add(&mut self, case: &Case) -> Result<(), RecordError> {
        let known_after = &self.task.params().known_after;
        let history = History::build(&case.record, self.concepts, known_after)?.history;
        let mut previous = None;
        for (prediction_time, given) in case.index_times(&history, self.task) {
            let index_time = self.add_index_time(case, &history, prediction_time, given, previous);
            previous = index_time.or(previous);
        }
        Ok(())
    }

    /// The index time itself comes back when it belongs to the cohort.
    fn add_index_time(
        &mut self,
        case: &Case,
        history: &History,
        prediction_time: Time,
        given: Option<bool>,
        previous: Option<Time>,
    ) -> Option<Time> {
        let group = &case.group;
        let joined = self.attrition.add(group, history, self.task, prediction_time, given);
        let Joined { view, outcome } = joined?;
        let censored = outcome.label == Label::Censored;
        if censored && self.task.params().follow_up.censored == Censored::Dropped {
            return None;
        }
        let facts = extract(&view, self.task.spec(), false);
        let seen = Seen { case, view: &view, facts: &facts, previous };
        self.watch.see(self.task, self.concepts, &seen);
        self.samples.push(Sample {
            subject_id: case.subject_id,
            patient_id: case.record.patient_id.clone(),
            group: case.group.clone(),
            prediction_time,
            boolean_value: outcome.label == Label::Positive,
            censored,
            followed_days: outcome.followed_days,
            split: case.split,
            facts,
            published: published(&view, self.task),
            attributes: attributes(&case.record, view.age_years()),
        });
        Some(view.index_time())
    }

    /// Puts the samples in order and counts what is left. Call it once, after the last `add`.
    pub fn finish(&mut self) {
        let mut numbered: Vec<(usize, Sample)> = self.samples.drain(..).enumerate().collect();
        numbered.sort_by(|(_, a), (_, b)| {
            let key = |s: &Sample| (s.subject_id, s.prediction_time);
            a.group.cmp(&b.group).then_with(|| key(a).cmp(&key(b)))
        });
        let (order, samples): (Vec<usize>, Vec<Sample>) = numbered.into_iter().unzip();
        self.samples = samples;
        self.watch.reorder(&order);
        let known = self.samples.iter().filter(|sample| !sample.censored);
        let mut patients: Vec<&str> = known.map(|sample| sample.group.as_str()).collect();
        patients.dedup();
        self.attrition.patients = patients.len() as u64;
    }

    /// A cohort of samples made by hand, which must be in order.
    #[cfg(test)]
    pub(super) fn of_samples(
        task: &'a Task,
        concepts: &'a ConceptSet,
        samples: Vec<Sample>,
    ) -> Cohort<'a> {
        let mut cohort = Cohort { samples, ..Cohort::new(task, concepts) };
        cohort.finish();
        cohort
    }

    /// The samples, by group, subject and time.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    pub fn attrition(&self) -> &Attrition {
        &self.attrition
    }

    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    pub fn task(&self) -> &'a Task {
        self.task
    }

    pub fn concepts(&self) -> &'a ConceptSet {
        self.concepts
    }

    /// For each sample the number of its patient, rising.
    pub fn patient_numbers(&self) -> Vec<u32> {
        let mut number = 0;
        let mut last: Option<&str> = None;
        let each = self.samples.iter().map(|sample| {
            if last.is_some_and(|group| group != sample.group) {
                number += 1;
            }
            last = Some(&sample.group);
            number
        });
        each.collect()
    }
}

fn published(view: &View<'_>, task: &Task) -> Vec<f64> {
    let each = task.published().iter().map(|formula| evaluate(view, formula).rank_number());
    each.map(|number| number.unwrap_or(f64::NAN)).collect()
}
