//! What one row says of an encounter or of an event.

use std::sync::Arc;

use super::convention::Start;
use super::layout::{Field, NoText, Row};
use crate::record::{
    Code, Comparator, Encounter, EncounterClass, Event, EventKind, Time, TimePrecision, Value,
};

/// The class of the encounter that a row begins.
pub(super) fn class_of(row: Row<'_>, start: &Start) -> Result<EncounterClass, NoText> {
    Ok(row.text(Field::VisitClass)?.and_then(EncounterClass::parse).unwrap_or(start.class))
}

/// The encounter that a row begins: by its own columns, or by what its code says.
pub(super) fn begun(row: Row<'_>, start: &Start, time: Time) -> Result<Encounter, NoText> {
    let mut encounter = Encounter::new("", start.class, time, None);
    match row.text(Field::VisitClass)?.and_then(EncounterClass::parse) {
        Some(class) => {
            encounter.class = class;
            encounter.admission_type = row.owned(Field::AdmissionType)?;
            encounter.admission_source = row.owned(Field::AdmissionSource)?;
            encounter.planned = row.truth(Field::Planned);
            encounter.synthetic = row.truth(Field::Synthetic).unwrap_or_default();
        }
        None => {
            encounter.admission_type = start.admission_type.clone();
            encounter.admission_source = start.admission_source.clone();
        }
    }
    encounter.service = row.owned(Field::Service)?;
    encounter.facility = row.owned(Field::Facility)?;
    Ok(encounter)
}

/// The event of a row.
pub(super) fn event(
    row: Row<'_>,
    code: &Arc<Code>,
    kind: EventKind,
    unit: &Option<String>,
    time: Time,
) -> Result<Event, NoText> {
    let mut event = Event::new(kind, Arc::clone(code), time);
    let text = row.owned(Field::Text)?;
    let coded = row.owned(Field::Coded)?.map(Value::Coded);
    let number = row.float(Field::Exact).or_else(|| row.float(Field::Number));
    event.value = number.map(Value::Number).or(coded).or(text.map(Value::Text));
    event.comparator = row.text(Field::Comparator)?.and_then(Comparator::parse);
    event.unit = row.owned(Field::Unit)?.or_else(|| unit.clone());
    event.unit = event.unit.filter(|_| number.is_some());
    event.id = row.owned(Field::EventId)?;
    event.end_time = row.time(Field::EndTime);
    event.recorded_time = row.time(Field::RecordedTime);
    event.time_precision = match row.text(Field::Precision)? {
        Some("day") => TimePrecision::Day,
        Some("month") => TimePrecision::Month,
        Some("year") => TimePrecision::Year,
        _ => TimePrecision::Instant,
    };
    let rank = row.float(Field::Rank).filter(|rank| (1.0..=f64::from(u32::MAX)).contains(rank));
    event.rank = rank.map(|rank| rank as u32);
    event.encounter_id = row.visit()?;
    Ok(event)
}
