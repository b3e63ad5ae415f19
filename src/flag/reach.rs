//! Which flags somebody may see: by task and by place.

use super::{Flag, Place};

/// What one row of the policy lets the caller see. `None` means any; an empty list means none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReachRow {
    pub tasks: Option<Vec<String>>,
    pub facilities: Option<Vec<String>>,
    pub units: Option<Vec<String>>,
    pub teams: Option<Vec<String>>,
}

/// The flags within one row or another. Without rows: none at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    pub rows: Vec<ReachRow>,
}

impl Reach {
    /// All flags.
    pub fn everything() -> Reach {
        Reach { rows: vec![ReachRow::default()] }
    }

    /// Whether the flag is within it.
    pub fn holds(&self, flag: &Flag) -> bool {
        self.covers(&flag.task, &flag.place)
    }

    /// Whether flags of `task` at `place` are within it.
    pub fn covers(&self, task: &str, place: &Place) -> bool {
        self.rows.iter().any(|row| row.covers(task, place))
    }
}

impl ReachRow {
    fn covers(&self, task: &str, place: &Place) -> bool {
        let is_in = |allowed: &Option<Vec<String>>, own: Option<&str>| match allowed {
            None => true,
            Some(allowed) => own.is_some_and(|own| allowed.iter().any(|name| name == own)),
        };
        is_in(&self.tasks, Some(task))
            && is_in(&self.facilities, place.facility.as_deref())
            && is_in(&self.units, place.unit.as_deref())
            && is_in(&self.teams, place.team.as_deref())
    }
}
