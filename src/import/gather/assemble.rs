//! The record of one patient, made of facts that came in any order.

use std::collections::HashMap;

use super::Place;
use crate::import::fact::{Content, Doubt, Item, Kind, Person, Ranked};
use crate::record::{AuditAttributes, Code, Event, EventKind, Record, Sex, Time};

/// A `meta.lastUpdated` so many days after the event is a reload of the source or a late correction,
/// and says nothing of when the fact became known.
const RELOAD_DAYS: i64 = 31;

/// Why an order is left out whose drug is not told.
pub(in crate::import) const NO_MEDICATION: &str = "no such Medication";

/// Why a resource is not in its patient's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::import) enum LeftOut {
    Skipped(&'static str),
    Quarantined { path: &'static str, reason: &'static str },
}

/// A patient's record, and what became of every resource about the patient.
#[derive(Debug, Default)]
pub(in crate::import) struct Gathered {
    pub record: Record,
    /// The places of those that are in the record: at least one.
    pub used: Vec<Place>,
    pub left_out: Vec<(Place, LeftOut)>,
    pub doubts: Vec<(Place, Kind, Doubt)>,
    /// The place of the Patient resource.
    pub patient: Option<Place>,
    /// For each event and encounter of the record its place.
    pub events: Vec<Place>,
    pub encounters: Vec<Place>,
}

/// For each condition the encounters that list it, and its rank in each.
type Ranks = HashMap<String, Vec<(String, Option<u32>)>>;

/// Makes the record of one patient. The order of its entries is that of types and ids, so that the
/// order of lines and files cannot matter.
pub(super) fn assemble(
    patient: String,
    mut items: Vec<(Place, Item)>,
    medications: &HashMap<String, Code>,
) -> Gathered {
    items.sort_by(|(place, item), (other_place, other)| {
        (item.kind, &item.id, item.updated, place).cmp(&(
            other.kind,
            &other.id,
            other.updated,
            other_place,
        ))
    });
    let mut made = Gathered::default();
    made.record.patient_id = patient;
    let mut updates = Vec::new();
    let mut ranks = Ranks::new();
    let mut items = items.into_iter().peekable();
    while let Some((place, item)) = items.next() {
        let again = |(_, next): &(Place, Item)| {
            item.id.is_some() && (next.kind, &next.id) == (item.kind, &item.id)
        };
        if items.peek().is_some_and(again) {
            made.left_out.push((place, LeftOut::Skipped("earlier version of a resource")));
            continue;
        }
        let Item { patient: _, kind, id: _, updated, content, doubts } = item;
        if let Some(left_out) = made.take(place, content, medications, &mut ranks) {
            made.left_out.push((place, left_out));
            continue;
        }
        updates.resize(made.record.events.len(), updated);
        made.used.push(place);
        made.doubts.extend(doubts.into_iter().map(|doubt| (place, kind, doubt)));
    }
    made.complete(&updates, &ranks);
    made
}

impl Gathered {
    /// Adds one resource to the record, or says why it has no place there.
    fn take(
        &mut self,
        place: Place,
        content: Content,
        medications: &HashMap<String, Code>,
        ranks: &mut Ranks,
    ) -> Option<LeftOut> {
        match content {
            Content::Withdrawn(why) => return Some(LeftOut::Skipped(why.text())),
            Content::Person(person) => {
                self.take_person(*person);
                self.patient.get_or_insert(place);
            }
            Content::Encounter { encounter, diagnoses } => {
                for Ranked { condition, rank } in diagnoses {
                    let ranked = ranks.entry(condition).or_default();
                    // A condition may stand in several roles: its best rank counts.
                    match ranked.iter_mut().find(|(id, _)| *id == encounter.id) {
                        Some((_, best)) => *best = best.iter().copied().chain(rank).min(),
                        None => ranked.push((encounter.id.clone(), rank)),
                    }
                }
                self.record.encounters.push(*encounter);
                self.encounters.push(place);
            }
            Content::Events(events) => {
                self.events.resize(self.events.len() + events.len(), place);
                self.record.events.extend(events);
            }
            Content::Drug { mut event, medication } => {
                let Some(code) = medications.get(&medication) else {
                    let (path, reason) = ("medicationReference", NO_MEDICATION);
                    return Some(LeftOut::Quarantined { path, reason });
                };
                event.code = code.clone().into();
                self.record.events.push(*event);
                self.events.push(place);
            }
            Content::Several(contents) => {
                for content in contents {
                    let left_out = self.take(place, content, medications, ranks);
                    if left_out.is_some() {
                        return left_out;
                    }
                }
            }
            Content::Coverage { period, insurance } => {
                self.record.coverage.push(period);
                let known = &mut self.record.audit_attributes.insurance;
                *known = known.take().or(insurance);
            }
        }
        None
    }

    /// Adds what is said of the person and was not said before.
    fn take_person(&mut self, person: Person) {
        let Person { birth_date, sex, death_time, region, audit_attributes } = person;
        let record = &mut self.record;
        record.birth_date = record.birth_date.or(birth_date);
        if record.sex == Sex::Unknown {
            record.sex = sex.unwrap_or_default();
        }
        record.death_time = record.death_time.or(death_time);
        record.region = record.region.take().or(region);
        let known = &mut record.audit_attributes;
        let AuditAttributes { race, ethnicity, language, insurance, gender_identity } =
            audit_attributes;
        known.race = known.race.take().or(race);
        known.ethnicity = known.ethnicity.take().or(ethnicity);
        known.language = known.language.take().or(language);
        known.insurance = known.insurance.take().or(insurance);
        known.gender_identity = known.gender_identity.take().or(gender_identity);
    }

    /// Says of each event what other resources know of it: its rank, its encounter, its time.
    fn complete(&mut self, updates: &[Option<Time>], ranks: &Ranks) {
        let encounters = self.record.encounters.iter();
        // A diagnosis without a date is coded when the stay is over.
        let times: HashMap<&str, Time> =
            encounters.map(|e| (e.id.as_str(), e.end.unwrap_or(e.start))).collect();
        for (event, updated) in self.record.events.iter_mut().zip(updates) {
            let is_condition = matches!(event.kind, EventKind::Diagnosis | EventKind::Problem);
            let ranked = event.id.as_ref().filter(|_| is_condition);
            if let Some(listed) = ranked.and_then(|id| ranks.get(id)) {
                if event.encounter_id.is_none() {
                    event.encounter_id = listed.first().map(|(encounter, _)| encounter.clone());
                }
                let own = listed.iter().find(|(id, _)| Some(id) == event.encounter_id.as_ref());
                event.rank = own.map_or(event.rank, |(_, rank)| *rank);
            }
            if event.time.is_none() {
                let encounter = event.encounter_id.as_deref();
                event.time = encounter.and_then(|id| times.get(id)).copied();
                let time = event.time;
                event.end_time = event.end_time.filter(|end| Some(*end) >= time);
            }
            if event.recorded_time.is_none() {
                event.recorded_time = updated.filter(|updated| is_recording(event, *updated));
            }
        }
    }
}

/// Whether a resource's last update can be when its event became known.
fn is_recording(event: &Event, updated: Time) -> bool {
    let Some(time) = event.time else { return updated.is_believable() };
    (time..=time.plus_days(RELOAD_DAYS)).contains(&updated)
}
