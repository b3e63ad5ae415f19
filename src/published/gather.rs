//! The input values of a formula, read from a view.

use super::evaluate::evaluate_in;
use super::formula::{Formula, Presence, Source};
use super::params::Absent;
use crate::access::Classes;
use crate::record::{
    ConceptId, EncounterClass, EncounterCode, Entry, EventKind, Seen, Sex, View, Window,
};

/// A source that covers the last so many days would have sent what there was.
const COVERED_DAYS: i64 = 365;

/// What all inputs of one view look at.
pub(super) struct Scene<'v, 'h> {
    view: &'v View<'h>,
    /// Visible events, by time and content.
    seen: Seen<'v, 'h>,
}

impl<'v, 'h> Scene<'v, 'h> {
    pub(super) fn of(view: &'v View<'h>) -> Scene<'v, 'h> {
        Scene { view, seen: view.seen() }
    }

    /// The classes of sensitive content that a rule on `concepts` tells of.
    pub(super) fn classes_of(&self, concepts: &[ConceptId]) -> Classes {
        self.view.classes_of_concepts(concepts).and(self.view.classes_of_events(concepts))
    }

    /// Whether there is an inpatient stay at the index time.
    pub(super) fn has_stay(&self) -> bool {
        self.view.stay().is_some()
    }

    /// The value of each input; `None` where it is missing.
    pub(super) fn values(&self, formula: &Formula) -> Vec<Option<f64>> {
        let mut values: Vec<Option<f64>> = Vec::with_capacity(formula.inputs.len());
        for (place, input) in formula.inputs.iter().enumerate() {
            let read = input.sources.iter().find_map(|source| self.value(source));
            let value = read.or_else(|| formula.derive(place, &values));
            values.push(value);
        }
        values
    }

    fn value(&self, source: &Source) -> Option<f64> {
        match source {
            Source::Age => self.view.age_years().map(f64::from),
            Source::Female => match self.view.sex() {
                Sex::Female => Some(1.0),
                Sex::Male => Some(0.0),
                Sex::Other | Sex::Unknown => None,
            },
            Source::StayDays => {
                let start = self.view.stay()?.start;
                Some((self.view.index_time().day() - start.day()) as f64)
            }
            Source::Admission { yes, no } => self.admission(yes, no),
            Source::Encounters { classes, window_days } => self.encounters(classes, *window_days),
            Source::Measurement { concept, window } => self
                .latest(*concept, *window)
                .filter(|entry| entry.comparator.is_none())
                .find_map(|entry| entry.number),
            Source::Concepts(presence) => self.presence(presence),
            Source::Coded { concept, window, yes, no } => {
                self.latest(*concept, *window).find_map(|entry| {
                    let coded = entry.coded.as_ref()?;
                    match (yes.contains(coded), no.contains(coded)) {
                        (true, _) => Some(1.0),
                        (false, true) => Some(0.0),
                        (false, false) => None,
                    }
                })
            }
            Source::AnyInStay { concept, kinds, except } => {
                self.any_in_stay(*concept, kinds, except)
            }
            Source::Service { words } => {
                let service = self.view.stay()?.service()?.trim().to_lowercase();
                let found = words.iter().any(|word| service.contains(word.as_str()));
                (!service.is_empty()).then_some(f64::from(u8::from(found)))
            }
            Source::Formula(other) => evaluate_in(self, other).number(),
            // Made from other inputs: see `Formula::derive`.
            Source::AnyOf(_) | Source::Difference(..) => None,
        }
    }

    fn latest(&self, concept: ConceptId, window: Window) -> impl Iterator<Item = &'h Entry> {
        let found = self.seen.of_any(&[concept]).rev().map(|(entry, _)| entry);
        found.filter(move |entry| window.holds(self.view, entry))
    }

    fn admission(&self, yes: &[ConceptId], no: &[ConceptId]) -> Option<f64> {
        let stay = self.view.stay()?;
        let found = stay.concepts(EncounterCode::AdmissionType);
        let is_of = |list: &[ConceptId]| list.iter().any(|concept| found.contains(concept));
        match (is_of(yes), is_of(no)) {
            (true, _) => Some(1.0),
            (false, true) => Some(0.0),
            (false, false) => None,
        }
    }

    /// As the feature `encounters`, but counted back from the start of the stay: missing when
    /// nothing shows that the source would have sent one.
    fn encounters(&self, classes: &[EncounterClass], window_days: u32) -> Option<f64> {
        let index_time = self.view.index_time();
        let until = self.view.stay().map_or(index_time, |stay| stay.start);
        let from = until.plus_days(-i64::from(window_days));
        let (mut any, mut found) = (false, 0_u32);
        for (encounter, _) in self.view.earlier_encounters() {
            if encounter.start > from && encounter.counts_over(window_days) {
                any = true;
                found += u32::from(classes.contains(&encounter.class));
            }
        }
        let covered = || self.view.is_covered(index_time.days_since(from) as i64);
        (any || covered()).then_some(f64::from(found))
    }

    /// Whether an event of the concepts is there.
    pub(super) fn is_present(&self, of: &Presence) -> bool {
        self.seen.of_any(&of.concepts).any(|(entry, _)| {
            of.kinds.contains(&entry.kind)
                && (!of.principal || entry.rank == Some(1))
                && of.window.holds(self.view, entry)
        })
    }

    fn presence(&self, of: &Presence) -> Option<f64> {
        match (self.is_present(of), of.absent) {
            (true, _) => Some(1.0),
            (false, Absent::Missing) => None,
            (false, Absent::No) => self.is_sent(&of.kinds).then_some(0.0),
        }
    }

    /// Whether the source shows that it would have sent events of the kinds.
    fn is_sent(&self, kinds: &[EventKind]) -> bool {
        self.seen.entries().any(|(entry, _)| kinds.contains(&entry.kind))
            || self.view.is_covered(COVERED_DAYS)
    }

    /// As the feature `stay_count`: the source's own count where it sends one, else the events.
    fn any_in_stay(
        &self,
        concept: ConceptId,
        kinds: &[EventKind],
        except: &[ConceptId],
    ) -> Option<f64> {
        self.view.stay()?;
        let sent = self.latest(concept, Window::Stay).find_map(|entry| entry.number);
        let found = match sent {
            Some(number) => number > 0.0,
            None if !self.is_sent(kinds) => return None,
            None => self.seen.entries().any(|(entry, in_stay)| {
                in_stay && kinds.contains(&entry.kind) && !entry.is_any_of(except)
            }),
        };
        Some(f64::from(u8::from(found)))
    }
}
