//! What is remembered of one patient and task: the last flag, and what the next score is judged by.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Flag, Held};
use crate::bundle::Sufficiency;
use crate::record::Time;

/// One patient's standing for one task. The default is that of a patient of whom nothing is kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Standing {
    /// The last flag, open or over.
    pub flag: Option<Flag>,
    pub memory: Memory,
}

/// What the next score is judged by, beside the flag.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The prediction time of the last score that counted; an older one changes nothing.
    pub seen_time: Option<Time>,
    /// Its probability; `None` where there was none.
    pub seen_probability: Option<f64>,
    /// Where the flag's tier begins, by the last score.
    pub cut: Option<f64>,
    /// Since when all scores lie below where the flag's tier ends.
    pub fall: Option<Fall>,
    /// What a material rise counts from: the probability when the flag was answered, dismissed,
    /// snoozed or cleared or when it expired, or the cut where that was higher.
    pub reference: Option<f64>,
    /// When the flag was cleared or expired, by the server's clock: the cool-down counts from it.
    /// `None` where nobody had seen the flag.
    pub cleared_time: Option<Time>,
    /// Whether the risk came back, since then, to where no flag is cleared.
    pub came_back: bool,
    /// Why the last high score raised nothing: recorded again only when the reason changes.
    pub held: Option<Held>,
}

/// A risk that lies below where its tier ends.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fall {
    /// The prediction time of the first of these scores.
    pub since: Time,
    /// The highest of these scores.
    pub highest: f64,
}

impl Memory {
    /// Whether `flag`, if it waits, is not to be raised now even where its team has room: the last
    /// score lies below its tier, or the record did not suffice for one.
    pub fn holds_back(&self, flag: &Flag) -> bool {
        self.fall.is_some()
            || flag.sufficiency == Sufficiency::D
            || self.cut.is_some_and(|cut| flag.probability < cut)
    }
}

/// Without risks and dates, which belong in no log.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("held", &self.held).finish_non_exhaustive()
    }
}

/// Without risk and date.
impl fmt::Debug for Fall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fall")
    }
}
