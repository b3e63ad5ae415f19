//! `Wanted`: which parts of the records of an export are asked for.

use crate::record::{Code, ConceptSet, EncounterClass, EventKind};
use crate::task::{LabelNeeds, Task};

/// Which parts of the records are asked for. An import may give more than that, but not less; what it
/// passes over counts as used, and is looked at no further: a fault in it is not found.
#[derive(Debug)]
pub struct Wanted<'a>(Option<Narrow<'a>>);

#[derive(Debug)]
struct Narrow<'a> {
    concepts: &'a ConceptSet,
    needs: LabelNeeds,
}

/// Whether the events of one code are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Always,
    /// Where they are principal diagnoses.
    AsPrincipal,
    Never,
}

impl<'a> Wanted<'a> {
    /// All that the export holds.
    pub fn everything() -> Wanted<'a> {
        Wanted(None)
    }

    /// What the labels of `task` depend on, by the concepts it was read with.
    pub fn for_labels(task: &Task, concepts: &'a ConceptSet) -> Wanted<'a> {
        Wanted(Some(Narrow { concepts, needs: LabelNeeds::of(task, concepts) }))
    }

    /// Whether all is asked for.
    pub(super) fn is_everything(&self) -> bool {
        self.0.is_none()
    }

    /// Whether events of `kind` with `code` are asked for.
    pub(super) fn event(&self, kind: EventKind, code: &Code) -> Asked {
        let Some(Narrow { concepts, needs }) = &self.0 else { return Asked::Always };
        let is_in = || concepts.concepts_of(code).iter().any(|id| needs.concepts.contains(id));
        // What a history refuses it must refuse here too.
        let has_control = || format!("{code}").chars().any(char::is_control);
        match kind {
            EventKind::Procedure if needs.procedures => Asked::Always,
            _ if is_in() || has_control() => Asked::Always,
            EventKind::Diagnosis if needs.principal_diagnoses => Asked::AsPrincipal,
            _ => Asked::Never,
        }
    }

    /// Whether encounters of `class` are asked for.
    pub(super) fn encounter(&self, class: EncounterClass) -> bool {
        let classes = self.0.as_ref().and_then(|narrow| narrow.needs.classes.as_ref());
        classes.is_none_or(|classes| classes.contains(&class))
    }

    /// Whether a subject's latest event is asked for, whatever it is.
    pub(super) fn latest_event(&self) -> bool {
        self.0.as_ref().is_some_and(|narrow| narrow.needs.latest_event)
    }
}
