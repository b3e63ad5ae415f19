//! `Wanted`: which subjects of an export, and which parts of their records, are asked for.

use crate::record::{Code, ConceptSet, EncounterClass, EventKind};
use crate::task::{LabelNeeds, Task, makes_index_times, needs_encounters};

/// Which parts of the records are asked for. An import may give more than that, but not less; what it
/// passes over counts as used, and is looked at no further: a fault in it is not found.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// What is asked for of a record; all when absent.
    narrow: Option<Narrow<'a>>,
    /// The task without an index time of which a subject is not asked for.
    index_times_of: Option<&'a Task>,
}

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
        Wanted { narrow: None, index_times_of: None }
    }

    /// All that the export holds of those subjects that may have an index time of `task`, and of the others
    /// no events.
    pub fn for_index_times(task: &'a Task) -> Wanted<'a> {
        Wanted { narrow: None, index_times_of: Some(task).filter(|task| needs_encounters(task)) }
    }

    /// What the labels of `task` depend on, by the concepts it was read with.
    pub fn for_labels(task: &'a Task, concepts: &'a ConceptSet) -> Wanted<'a> {
        let narrow = Narrow { concepts, needs: LabelNeeds::of(task, concepts) };
        Wanted { narrow: Some(narrow), ..Wanted::for_index_times(task) }
    }

    /// What rules outside of any task depend on, by the concepts they were read with.
    pub fn for_rules(needs: LabelNeeds, concepts: &'a ConceptSet) -> Wanted<'a> {
        Wanted { narrow: Some(Narrow { concepts, needs }), index_times_of: None }
    }

    /// Whether all of a record is asked for.
    pub(super) fn is_whole(&self) -> bool {
        self.narrow.is_none()
    }

    /// Whether the events of some subjects are not asked for.
    pub(super) fn passes_subjects(&self) -> bool {
        self.index_times_of.is_some()
    }

    /// Whether a subject's events are asked for because it has an encounter of `class`.
    pub(super) fn subject_with(&self, class: EncounterClass) -> bool {
        self.index_times_of.is_none_or(|task| makes_index_times(class, task))
    }

    /// Whether events of `kind` with `code` are asked for.
    pub(super) fn event(&self, kind: EventKind, code: &Code) -> Asked {
        let Some(Narrow { concepts, needs }) = &self.narrow else { return Asked::Always };
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
        let classes = self.narrow.as_ref().and_then(|narrow| narrow.needs.classes.as_ref());
        classes.is_none_or(|classes| classes.contains(&class))
    }

    /// Whether a subject's latest event is asked for, whatever it is.
    pub(super) fn latest_event(&self) -> bool {
        self.narrow.as_ref().is_some_and(|narrow| narrow.needs.latest_event)
    }
}
