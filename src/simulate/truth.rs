//! `TruthRow`: what is known of an index time because it was drawn, beside what the records say.

use crate::record::Time;

/// The tasks of which the risk is known, by the names of their task files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KnownTask {
    /// Unplanned readmission within 30 days of a discharge.
    Readmit30,
    /// A sustained rise of the systolic blood pressure within 365 days.
    BpRise,
    /// New hypertension within 365 days.
    HtnIncident,
}

impl KnownTask {
    /// All of them.
    pub const ALL: [KnownTask; 3] =
        [KnownTask::Readmit30, KnownTask::BpRise, KnownTask::HtnIncident];

    /// The task's name.
    pub fn name(self) -> &'static str {
        match self {
            KnownTask::Readmit30 => "readmit30",
            KnownTask::BpRise => "bp_rise",
            KnownTask::HtnIncident => "htn_incident",
        }
    }

    /// The length of the time at risk, in days.
    pub fn horizon_days(self) -> i64 {
        match self {
            KnownTask::Readmit30 => 30,
            KnownTask::BpRise | KnownTask::HtnIncident => 365,
        }
    }
}

/// One index time of one patient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TruthRow {
    pub task: KnownTask,
    pub prediction_time: Time,
    /// The probability of the outcome, given everything that the record holds at `prediction_time`.
    pub probability: f64,
    /// What the records as they are written say; `None` where the patient left the source before
    /// it came out.
    pub boolean_value: Option<bool>,
    /// What came of it, seen or not.
    pub true_value: bool,
}

/// An index time before it is known when the patient leaves the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexTime {
    pub task: KnownTask,
    pub time: Time,
    pub probability: f64,
    /// From when on the records show the outcome.
    pub outcome: Option<Time>,
    /// From when on the records show that the outcome does not come: a planned admission or a death
    /// came first.
    pub closed: Option<Time>,
    /// How much more often than others such a patient leaves inside the window.
    pub leaving: f64,
}

impl IndexTime {
    /// The end of the time at risk.
    pub(super) fn end(&self) -> Time {
        self.time.plus_days(self.task.horizon_days())
    }

    /// The mean probability of leaving inside the window for reasons of this index time, so that `share`
    /// of the windows see it happen.
    pub(super) fn leaves(&self, share: f64) -> f64 {
        match self.task {
            KnownTask::Readmit30 | KnownTask::HtnIncident => share,
            // The next index time lies within the window too, with about 0.4 of its own in it.
            KnownTask::BpRise => share / (1.0 + 0.4 * (1.0 - share)),
        }
    }

    /// The row as seen in records that end at `until`.
    pub(super) fn row(&self, until: Time) -> TruthRow {
        let seen = |time: Option<Time>| time.is_some_and(|time| time <= until);
        let boolean_value = if seen(self.outcome) {
            Some(true)
        } else if seen(self.closed) || self.end() <= until {
            Some(false)
        } else {
            None
        };
        TruthRow {
            task: self.task,
            prediction_time: self.time,
            probability: self.probability,
            boolean_value,
            true_value: self.outcome.is_some(),
        }
    }
}
