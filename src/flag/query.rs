//! Which flags are asked for, and in which pages.

use std::fmt;

use super::{Flag, FlagState};
use crate::record::Time;

/// The most flags of one page.
pub const PAGE_FLAGS_MAX: u32 = 500;

/// Which flags to list: those that fit every field. An empty list means any.
#[derive(Clone, PartialEq)]
pub struct FlagQuery {
    pub states: Vec<FlagState>,
    pub tasks: Vec<String>,
    /// Names of tiers.
    pub tiers: Vec<String>,
    pub teams: Vec<String>,
    pub units: Vec<String>,
    /// Of one patient.
    pub patient_id: Option<String>,
    /// Of one assignee.
    pub assignee: Option<String>,
    /// Changed at or after this time.
    pub changed_since: Option<Time>,
    /// 1 to `PAGE_FLAGS_MAX`.
    pub page_flags: u32,
    pub page: Option<PageToken>,
}

/// Without the patient.
impl fmt::Debug for FlagQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagQuery").field("states", &self.states).finish_non_exhaustive()
    }
}

impl Default for FlagQuery {
    fn default() -> FlagQuery {
        FlagQuery {
            states: vec![FlagState::Raised, FlagState::Acknowledged],
            tasks: Vec::new(),
            tiers: Vec::new(),
            teams: Vec::new(),
            units: Vec::new(),
            patient_id: None,
            assignee: None,
            changed_since: None,
            page_flags: 50,
            page: None,
        }
    }
}

/// Where the next page begins: opaque to callers, and of no use with another query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(pub String);

/// One page of flags: by tier from the highest, then by how much the risk rose, then by risk. The
/// order and the members are those of the moment of the first page; the flags are as they are now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FlagPage {
    pub flags: Vec<Flag>,
    pub next: Option<PageToken>,
    /// How many flags of the query the caller may see, all pages together.
    pub count: u64,
    /// The number of the store's last change: a watcher who goes on after it misses nothing.
    pub change_number: u64,
}
