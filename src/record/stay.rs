//! `Stay`: the hospital stay that a view stands at.

use super::{ConceptId, EncounterClass, EncounterCode, Evidence, History, Time};

/// The episode a view stands at: the one that ends at the index time, or that is open there.
#[derive(Debug, Clone, Copy)]
pub struct Stay<'a> {
    pub start: Time,
    /// The index time, or `None` when the stay is open and scored as if it ended there.
    pub end: Option<Time>,
    pub(super) history: &'a History,
    pub(super) first: usize,
    pub(super) last: usize,
}

impl<'a> Stay<'a> {
    /// The class of the stay that began it.
    pub fn class(&self) -> Option<EncounterClass> {
        self.history.encounters.get(self.first).map(|first| first.class)
    }

    /// The concepts of a coded field: of admission from the first stay, of discharge from the last,
    /// once it is over.
    pub fn concepts(&self, field: EncounterCode) -> &'a [ConceptId] {
        let place = match field {
            EncounterCode::AdmissionType | EncounterCode::AdmissionSource => self.first,
            EncounterCode::DischargeDisposition if self.end.is_some() => self.last,
            EncounterCode::DischargeDisposition => return &[],
        };
        let fields = self.history.field_concepts.get(place);
        fields.map_or(&[], |fields| fields[field as usize].as_slice())
    }

    /// The encounter in which the patient came in.
    pub fn admission(&self) -> Evidence {
        Evidence::Encounter { index: self.source(self.first), time: self.start }
    }

    /// The encounter from which the patient left, or is expected to leave.
    pub fn discharge(&self) -> Evidence {
        let begun = self.history.encounters.get(self.last).map(|encounter| encounter.start);
        let time = self.end.or(begun).unwrap_or(self.start);
        Evidence::Encounter { index: self.source(self.last), time }
    }

    fn source(&self, place: usize) -> usize {
        self.history.encounter_sources.get(place).copied().unwrap_or_default()
    }

    /// The medical service the patient was under at the end.
    pub fn service(&self) -> Option<&'a str> {
        self.history.encounters.get(self.last)?.service.as_deref()
    }
}
