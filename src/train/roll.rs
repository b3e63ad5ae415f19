//! The roll of a task: its index times with their labels, and who was left out, without any feature.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::attrition::{Attrition, AttritionLine, Joined, ShownAttrition};
use super::cohort::Case;
use crate::record::{ConceptSet, Histories, RecordError, Time};
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

/// The labelled index times of a task. It holds some 50 bytes for each, and 8 for each patient.
#[derive(Debug)]
pub struct Roll<'a> {
    task: &'a Task,
    attrition: Attrition,
    patients: HashSet<u64>,
    rows: Vec<RollRow>,
    histories: Histories<'a>,
}

impl<'a> Roll<'a> {
    /// An empty roll of `task`.
    pub fn new(task: &'a Task, concepts: &'a ConceptSet) -> Roll<'a> {
        let (attrition, patients, rows) = Default::default();
        let histories = Histories::by(concepts, &task.params().known_after);
        Roll { task, attrition, patients, rows, histories }
    }

    /// Adds the index times of one case.
    ///
    /// # Errors
    /// When the record cannot become a history; the roll is as it was.
    pub fn add(&mut self, case: &Case) -> Result<(), RecordError> {
        let Some(history) = case.history(self.task, &mut self.histories)? else { return Ok(()) };
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
        let Roll { task: _, attrition, patients, rows, histories: _ } = later;
        self.rows.extend(rows);
        self.patients.extend(patients);
        self.attrition.join(attrition);
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
        self.attrition.shown().table(self.task)
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
