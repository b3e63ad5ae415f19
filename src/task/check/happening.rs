//! Checking rules that stand outside of any task.

use std::collections::BTreeMap;

use super::{Finder, invalid};
use crate::record::{ConceptId, ConceptSet, EncounterClass};
use crate::task::definition::{Bound, Hit, TaskError};
use crate::task::happening::{Happening, Values};
use crate::task::params::EventsParams;

impl Happening {
    /// Checks a rule of events; `place` names it in errors.
    ///
    /// # Errors
    /// An unknown concept (with the nearest known one), a number out of its limits, a rule that only has
    /// a meaning before and after an index time.
    pub fn check(
        place: &str,
        params: &EventsParams,
        concepts: &ConceptSet,
    ) -> Result<Happening, TaskError> {
        let (parameters, valid) = (BTreeMap::new(), BTreeMap::new());
        let finder = Finder { concepts, parameters: &parameters, valid: &valid };
        let events = finder.events(place, params)?;
        let needs_index =
            |hit: &Hit| matches!(hit, Hit::Measured { bound: Bound::AtMostShare { .. }, .. });
        if events.any.iter().any(needs_index) {
            let reason = "`at_most_share` compares with the time before an index time, and there is \
                          none here: name `at_least` or `below`";
            return Err(invalid(place, reason));
        }
        Ok(Happening { events })
    }
}

impl Values {
    /// Checks what values are asked for; `place` names it in errors.
    ///
    /// # Errors
    /// A concept that is not known (with the nearest known one) or has no unit.
    pub fn check(
        place: &str,
        concept: &str,
        classes: &[EncounterClass],
        concepts: &ConceptSet,
    ) -> Result<Values, TaskError> {
        let (parameters, valid) = (BTreeMap::new(), BTreeMap::new());
        let finder = Finder { concepts, parameters: &parameters, valid: &valid };
        Ok(Values { readings: finder.readings(place, concept, classes)? })
    }
}

/// The concepts called `names`; `place` stands for them in errors.
///
/// # Errors
/// An unknown concept, with the nearest known one.
pub fn concepts_named(
    place: &str,
    names: &[String],
    concepts: &ConceptSet,
) -> Result<Vec<ConceptId>, TaskError> {
    let (parameters, valid) = (BTreeMap::new(), BTreeMap::new());
    Finder { concepts, parameters: &parameters, valid: &valid }.all(place, names)
}
