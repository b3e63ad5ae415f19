//! The roll of a task: its index times with their labels, and who was left out, without any feature.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use super::cohort::{Attrition, Case, Joined, ShownAttrition};
use super::small_cell::Shown;
use crate::record::{ConceptSet, History, RecordError, Time};
use crate::task::{Label, Task};

/// One labelled index time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollRow {
    pub subject_id: i64,
    /// The source's id, where it is another than `subject_id`.
    pub patient_id: Option<String>,
    pub prediction_time: Time,
    pub boolean_value: bool,
}

/// One line of the attrition table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttritionLine {
    /// The criterion's name, as programs see it.
    pub step: String,
    pub text: String,
    pub count: Shown,
}

/// The labelled index times of a task. It holds some 50 bytes for each, and 8 for each patient.
#[derive(Debug)]
pub struct Roll<'a> {
    task: &'a Task,
    concepts: &'a ConceptSet,
    attrition: Attrition,
    patients: HashSet<u64>,
    rows: Vec<RollRow>,
}

impl<'a> Roll<'a> {
    /// An empty roll of `task`.
    pub fn new(task: &'a Task, concepts: &'a ConceptSet) -> Roll<'a> {
        let (attrition, patients, rows) = Default::default();
        Roll { task, concepts, attrition, patients, rows }
    }

    /// Adds the index times of one case.
    ///
    /// # Errors
    /// When the record cannot become a history; the roll is as it was.
    pub fn add(&mut self, case: &Case) -> Result<(), RecordError> {
        let known_after = &self.task.params().known_after;
        let history = History::build(&case.record, self.concepts, known_after)?.history;
        for (time, given) in case.index_times(&history, self.task) {
            let joined = self.attrition.add(&case.group, &history, self.task, time, given);
            let Some(Joined { outcome, .. }) = joined else { continue };
            if outcome.label == Label::Censored {
                continue;
            }
            let mut hasher = DefaultHasher::new();
            case.group.hash(&mut hasher);
            self.patients.insert(hasher.finish());
            let id = &case.record.patient_id;
            self.rows.push(RollRow {
                subject_id: case.subject_id,
                patient_id: (*id != case.subject_id.to_string()).then(|| id.clone()),
                prediction_time: time,
                boolean_value: outcome.label == Label::Positive,
            });
        }
        Ok(())
    }

    /// Adds a roll of the same task whose cases come after these.
    pub fn join(&mut self, later: Roll<'_>) {
        let Roll { task: _, concepts: _, attrition, patients, rows } = later;
        self.rows.extend(rows);
        self.patients.extend(patients);
        join(&mut self.attrition, attrition);
    }

    /// Puts the rows in order and counts what is left. Call it once, after the last `add`.
    pub fn finish(&mut self) {
        self.rows.sort_by(|a, b| {
            let key = |row: &RollRow| (row.subject_id, row.prediction_time);
            key(a).cmp(&key(b))
        });
        self.attrition.patients = self.patients.len() as u64;
    }

    /// The labelled index times, by subject and time.
    pub fn rows(&self) -> &[RollRow] {
        &self.rows
    }

    /// The counts as they may be shown.
    pub fn attrition(&self) -> ShownAttrition {
        self.attrition.shown()
    }

    /// The counts step by step, in the order in which they are taken.
    pub fn table(&self) -> Vec<AttritionLine> {
        table(&self.attrition.shown(), self.task)
    }

    /// Why nothing can be learned from the roll, where that is so.
    pub fn problem(&self) -> Option<String> {
        let (all, with) = (self.attrition.samples.count(), self.attrition.outcomes.count());
        let most = self.attrition.left_out.iter().max_by_key(|(_, tally)| tally.count());
        let why = most.map(|(name, _)| format!("; most are left out by `{name}`"));
        let censored = self.attrition.censored.count() > 0;
        match (self.attrition.index_times.count(), all, with) {
            (0, ..) => Some(
                "the cohort is empty: the records hold no index time of the task (see `check`)".into(),
            ),
            (_, 0, _) if censored => Some(
                "the cohort is empty: every index time left is censored, because no coverage lasts \
                 to the end of the time at risk"
                    .into(),
            ),
            (_, 0, _) => Some(format!("the cohort is empty{}", why.unwrap_or_default())),
            (_, _, 0) => Some("no index time of the cohort has the outcome: one class only".into()),
            (_, all, with) if all == with => {
                Some("every index time of the cohort has the outcome: one class only".into())
            }
            _ => None,
        }
    }
}

/// Adds the counts of what comes after; patients are counted by whoever knows them.
fn join(counts: &mut Attrition, later: Attrition) {
    let Attrition {
        index_times,
        left_out,
        censored,
        competing_deaths,
        samples,
        outcomes,
        parts,
        patients: _,
    } = later;
    counts.index_times.join(index_times);
    counts.censored.join(censored);
    counts.competing_deaths.join(competing_deaths);
    counts.samples.join(samples);
    counts.outcomes.join(outcomes);
    for (name, tally) in left_out {
        counts.left_out.entry(name).or_default().join(tally);
    }
    for (name, tally) in parts {
        counts.parts.entry(name).or_default().join(tally);
    }
}

/// The counts of an attrition step by step: criteria of the task that left nobody out are there too.
fn table(shown: &ShownAttrition, task: &Task) -> Vec<AttritionLine> {
    let line = |step: &str, text: &str, count: Shown| AttritionLine {
        step: step.to_owned(),
        text: text.to_owned(),
        count,
    };
    let mut lines = vec![line("index_times", "index times", shown.index_times)];
    let mut told: Vec<&str> = Vec::new();
    let criteria = task.include().iter().chain(task.exclude());
    let named = criteria.map(|criterion| (criterion.name.as_str(), criterion.text.as_str()));
    let washout = [("washout", "not covered by the source for long enough before")];
    let prior = task.params().prior_outcome.as_ref();
    let prior = prior.map(|prior| ("prior_outcome", prior.text.as_str()));
    let washed = washout.into_iter().filter(|_| task.params().follow_up.washout_days > 0);
    for (name, text) in washed.chain(named).chain(prior) {
        told.push(name);
        let count = shown.left_out.get(name).copied().unwrap_or(Shown::Exactly(0));
        lines.push(line(name, &format!("left out: {text}"), count));
    }
    for (name, count) in shown.left_out.iter().filter(|(name, _)| !told.contains(&name.as_str())) {
        lines.push(line(name, &format!("left out: {}", name.replace('_', " ")), *count));
    }
    lines.push(line("censored", "not followed to the end of the time at risk", shown.censored));
    lines.push(line("samples", "in the cohort", shown.samples));
    lines.push(line("outcomes", "of them with the outcome", shown.outcomes));
    for (name, count) in &shown.parts {
        lines.push(line(name, &format!("of these first by: {}", name.replace('_', " ")), *count));
    }
    let died = "of them without, because they died before";
    lines.push(line("competing_deaths", died, shown.competing_deaths));
    lines.push(line("patients", "patients in the cohort", shown.patients));
    lines
}
