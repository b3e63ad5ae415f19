//! The cohort: every index time that is eligible and has a label, and a count of all others.

use std::collections::BTreeMap;

use serde::Serialize;

use super::small_cell::{Shown, Tally, nearest_ten};
use super::split::Split;
use crate::SMALL_CELL_PATIENTS;
use crate::feature::{Facts, extract};
use crate::record::{AuditAttributes, ConceptSet, History, Record, RecordError, Sex, Time, View};
use crate::task::{Label, Task, eligibility, index_times, label, latest_index};

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
    /// Replaces the task's own index times and outcome.
    pub label: Option<GivenLabel>,
    /// The part the source itself puts it into.
    pub split: Option<Split>,
}

impl Case {
    /// Its index times in order, each with the outcome where the source gives one.
    pub(super) fn index_times(&self, history: &History) -> Vec<(Time, Option<bool>)> {
        match self.label {
            Some(given) => vec![(given.prediction_time, Some(given.boolean_value))],
            None => index_times(history).into_iter().map(|time| (time, None)).collect(),
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
    /// Says nothing where the sample is censored.
    pub boolean_value: bool,
    /// Days from the start of the time at risk to the outcome, the competing death, the end of
    /// follow-up or the horizon, whichever is first.
    pub followed_days: f64,
    /// Neither outcome nor competing death was seen, and the follow-up ended before the horizon.
    pub censored: bool,
    /// The part the source itself puts the subject into.
    pub split: Option<Split>,
    pub facts: Facts,
    /// For subgroup figures only, by attribute.
    pub attributes: Vec<(&'static str, String)>,
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
    pub samples: Tally,
    pub outcomes: Tally,
    pub patients: u64,
}

/// An attrition as it may be shown: where one count is too small to be told, all others are told to
/// the nearest ten, so that no subtraction gives it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownAttrition {
    pub index_times: Shown,
    pub left_out: BTreeMap<String, Shown>,
    pub censored: Shown,
    pub competing_deaths: Shown,
    pub samples: Shown,
    pub outcomes: Shown,
    pub patients: Shown,
}

impl Attrition {
    /// Counts one index time of the patient of `group`. What is seen there and its outcome (`given`
    /// by the source, or what came after) come back when it belongs to the cohort.
    pub(super) fn add<'h>(
        &mut self,
        group: &str,
        history: &'h History,
        task: &Task,
        prediction_time: Time,
        given: Option<bool>,
    ) -> Option<(View<'h>, bool)> {
        self.index_times.add(group);
        let index = latest_index(history, task, prediction_time);
        let eligible = index.and_then(|index| {
            let view = history.view(index.time);
            eligibility(&view, task).map(|()| view)
        });
        let view = match eligible {
            Ok(view) => view,
            Err(not) => {
                self.left_out.entry(not.criterion).or_default().add(group);
                return None;
            }
        };
        let label = match given {
            Some(true) => Label::Positive,
            Some(false) => Label::Negative,
            None => label(history, task, view.index_time()),
        };
        let boolean_value = match label {
            Label::Positive => true,
            Label::Negative => false,
            Label::CompetingDeath => {
                self.competing_deaths.add(group);
                false
            }
            Label::Censored => {
                self.censored.add(group);
                return None;
            }
        };
        self.samples.add(group);
        if boolean_value {
            self.outcomes.add(group);
        }
        Some((view, boolean_value))
    }

    /// The counts as they may be shown.
    pub fn shown(&self) -> ShownAttrition {
        let Attrition {
            index_times, left_out, censored, competing_deaths, samples, outcomes, ..
        } = self;
        let rounded = left_out.values().chain([censored, competing_deaths]).any(Tally::is_small);
        let patients = match (self.patients, rounded) {
            (few, _) if few < SMALL_CELL_PATIENTS as u64 => Shown::Few,
            (many, true) => Shown::About(nearest_ten(many)),
            (many, false) => Shown::Exactly(many),
        };
        let each = left_out.iter().map(|(name, tally)| (name.clone(), tally.shown(rounded)));
        ShownAttrition {
            index_times: index_times.shown(rounded),
            left_out: each.collect(),
            censored: censored.shown(rounded),
            competing_deaths: competing_deaths.shown(rounded),
            samples: samples.shown(rounded),
            outcomes: outcomes.shown(rounded),
            patients,
        }
    }
}

/// The samples of a task, in an order that does not depend on the export's.
#[derive(Debug)]
pub struct Cohort<'a> {
    task: &'a Task,
    concepts: &'a ConceptSet,
    samples: Vec<Sample>,
    attrition: Attrition,
}

impl<'a> Cohort<'a> {
    /// An empty cohort of `task`.
    pub fn new(task: &'a Task, concepts: &'a ConceptSet) -> Cohort<'a> {
        Cohort { task, concepts, samples: Vec::new(), attrition: Attrition::default() }
    }

    /// Adds all samples of one case.
    ///
    /// # Errors
    /// When the record cannot become a history; the cohort is as it was.
    pub fn add(&mut self, case: &Case) -> Result<(), RecordError> {
        let known_after = &self.task.params().known_after;
        let history = History::build(&case.record, self.concepts, known_after)?.history;
        for (prediction_time, given) in case.index_times(&history) {
            self.add_index_time(case, &history, prediction_time, given);
        }
        Ok(())
    }

    fn add_index_time(
        &mut self,
        case: &Case,
        history: &History,
        prediction_time: Time,
        given: Option<bool>,
    ) {
        let group = &case.group;
        let joined = self.attrition.add(group, history, self.task, prediction_time, given);
        let Some((view, boolean_value)) = joined else { return };
        self.samples.push(Sample {
            subject_id: case.subject_id,
            patient_id: case.record.patient_id.clone(),
            group: case.group.clone(),
            prediction_time,
            boolean_value,
            followed_days: f64::from(self.task.params().time_at_risk.horizon_days),
            censored: false,
            split: case.split,
            facts: extract(&view, self.task.spec(), false),
            attributes: attributes(&case.record, view.age_years()),
        });
    }

    /// Puts the samples in order and counts what is left. Call it once, after the last `add`.
    pub fn finish(&mut self) {
        self.samples.sort_by(|a, b| {
            let key = |s: &Sample| (s.subject_id, s.prediction_time);
            a.group.cmp(&b.group).then_with(|| key(a).cmp(&key(b)))
        });
        let mut patients: Vec<&str> = self.samples.iter().map(|s| s.group.as_str()).collect();
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

fn attributes(record: &Record, age_years: Option<i32>) -> Vec<(&'static str, String)> {
    let sex = match record.sex {
        Sex::Female => "female",
        Sex::Male => "male",
        Sex::Other => "other",
        Sex::Unknown => "unknown",
    };
    let age_band = match age_years {
        Some(age) if age < 40 => "18-39",
        Some(age) if age < 60 => "40-59",
        Some(age) if age < 80 => "60-79",
        Some(_) => "80 and over",
        None => "unknown",
    };
    let mut found = vec![("sex", sex.to_owned()), ("age", age_band.to_owned())];
    let given = &record.audit_attributes;
    let AuditAttributes { race, ethnicity, language, insurance, gender_identity } = given;
    let named = [
        ("race", race),
        ("ethnicity", ethnicity),
        ("language", language),
        ("insurance", insurance),
        ("gender identity", gender_identity),
    ];
    // An attribute that is not recorded makes no group: it would be everybody in most sources.
    let recorded = named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    found.extend(recorded);
    found
}
