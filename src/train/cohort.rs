//! The cohort: every index time that is eligible and has a label, and a count of all others.

use super::attributes::attributes;
use super::attrition::{Attrition, Joined};
use super::leaks::{Seen, Watch};
use super::split::Split;
use crate::feature::{Facts, extract};
use crate::published::evaluate;
use crate::record::{ConceptSet, Histories, History, Record, RecordError, Time, View};
use crate::task::{Censored, Label, Task, index_times, may_have_index_times};

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
    /// The history of its record; `None` where it has no index time of `task`: most patients of a
    /// hospital have no stay there.
    ///
    /// # Errors
    /// When the record cannot become a history.
    pub fn history(
        &self,
        task: &Task,
        histories: &mut Histories<'_>,
    ) -> Result<Option<History>, RecordError> {
        if self.labels.is_none() && !may_have_index_times(&self.record, task) {
            return History::check(&self.record).map(|()| None);
        }
        Ok(Some(histories.build(&self.record)?.history))
    }

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

/// The samples of a task, in an order that does not depend on the export's.
#[derive(Debug)]
pub struct Cohort<'a> {
    task: &'a Task,
    concepts: &'a ConceptSet,
    samples: Vec<Sample>,
    attrition: Attrition,
    /// What the leak check needs of records, which are not kept.
    watch: Watch,
    histories: Histories<'a>,
}

impl<'a> Cohort<'a> {
    /// An empty cohort of `task`.
    pub fn new(task: &'a Task, concepts: &'a ConceptSet) -> Cohort<'a> {
        let (attrition, watch) = Default::default();
        let histories = Histories::by(concepts, &task.params().known_after);
        Cohort { task, concepts, samples: Vec::new(), attrition, watch, histories }
    }

    /// An empty cohort that is to be one of `parts`, which `joined` makes one.
    pub fn part(task: &'a Task, concepts: &'a ConceptSet, parts: usize) -> Cohort<'a> {
        Cohort { watch: Watch::of_part(parts), ..Cohort::new(task, concepts) }
    }

    /// The finished cohort of all cases of `parts`. It does not depend on how many threads made them;
    /// which index times the leak check replays depends on how the cases were parted.
    pub fn joined(
        task: &'a Task,
        concepts: &'a ConceptSet,
        parts: impl IntoIterator<Item = Cohort<'a>>,
    ) -> Cohort<'a> {
        let mut parts = parts.into_iter();
        let mut all = parts.next().unwrap_or_else(|| Cohort::new(task, concepts));
        for Cohort { task: _, concepts: _, samples, attrition, watch, histories: _ } in parts {
            all.samples.extend(samples);
            all.attrition.join(attrition);
            all.watch.join(watch);
        }
        all.finish();
        all
    }

    /// Adds all samples of one case.
    ///
    /// # Errors
    /// When the record cannot become a history; the cohort is as it was.
    pub fn add(&mut self, case: &Case) -> Result<(), RecordError> {
        if let Some(history) = case.history(self.task, &mut self.histories)? {
            self.add_history(case, &history);
        }
        Ok(())
    }

    /// Adds all samples of one case, of whose record `history` was built by `Case::history`.
    pub fn add_history(&mut self, case: &Case, history: &History) {
        let mut previous = None;
        for (prediction_time, given) in case.index_times(history, self.task) {
            let index_time = self.add_index_time(case, history, prediction_time, given, previous);
            previous = index_time.or(previous);
        }
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

    /// Whether the source itself says who is held out.
    pub fn is_split_by_source(&self) -> bool {
        self.samples.iter().any(|sample| sample.split.is_some())
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
