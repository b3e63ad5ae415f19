//! The messages of a Score call as they are given: borrowed from the bytes, read field by field, their
//! meaning not yet looked at.
//!
//! As proto3 has it: the last of a repeated scalar counts, parts of a message that come apart are put
//! together, and of a `oneof` the last counts.

use prost_types::Timestamp;

use super::wire::{Field, Fields, Unreadable};

/// `prodrome.v1.TaskRef`.
#[derive(Debug, Default)]
pub(super) struct TaskRef<'a> {
    pub(super) task: &'a str,
    pub(super) version: &'a str,
}

/// `prodrome.v1.ScoreOptions`.
#[derive(Debug, Default)]
pub(super) struct ScoreOptions<'a> {
    pub(super) max_reasons: u32,
    pub(super) no_reasons: bool,
    pub(super) no_flag: bool,
    pub(super) peers: bool,
    pub(super) compare_to_time: Option<Timestamp>,
    pub(super) compare_to_version: &'a str,
}

/// `prodrome.v1.Period`.
#[derive(Debug, Default)]
pub(super) struct Period {
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
}

/// `prodrome.v1.AuditAttributes`.
#[derive(Debug, Default)]
pub(super) struct AuditAttributes<'a> {
    pub(super) race: &'a str,
    pub(super) ethnicity: &'a str,
    pub(super) language: &'a str,
    pub(super) insurance: &'a str,
    pub(super) gender_identity: &'a str,
}

/// `prodrome.v1.Encounter`.
#[derive(Debug, Default)]
pub(super) struct Encounter<'a> {
    pub(super) id: &'a str,
    pub(super) class: &'a str,
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    pub(super) admission_type: &'a str,
    pub(super) admission_source: &'a str,
    pub(super) discharge_disposition: &'a str,
    pub(super) service: &'a str,
    pub(super) facility: &'a str,
    pub(super) planned: Option<bool>,
    pub(super) synthetic: bool,
    pub(super) security_labels: Vec<&'a str>,
}

/// `prodrome.v1.Event.value`.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Number(f64),
    Coded(&'a str),
    Text(&'a str),
}

/// `prodrome.v1.Event`.
#[derive(Debug, Default)]
pub(super) struct Event<'a> {
    pub(super) id: &'a str,
    pub(super) kind: i32,
    pub(super) time: Option<Timestamp>,
    pub(super) end_time: Option<Timestamp>,
    pub(super) recorded_time: Option<Timestamp>,
    pub(super) time_precision: i32,
    pub(super) system: &'a str,
    pub(super) code: &'a str,
    pub(super) value: Option<Value<'a>>,
    pub(super) comparator: &'a str,
    pub(super) unit: &'a str,
    pub(super) encounter_id: &'a str,
    pub(super) rank: Option<u32>,
    pub(super) status: &'a str,
    pub(super) security_labels: Vec<&'a str>,
}

/// What `prodrome.v1.PatientHistory` says of the person; its lists are read one entry at a time.
#[derive(Debug, Default)]
pub(super) struct Person<'a> {
    pub(super) patient_id: &'a str,
    pub(super) birth_date: &'a str,
    pub(super) sex: i32,
    pub(super) death_time: Option<Timestamp>,
    pub(super) region: &'a str,
    pub(super) audit_attributes: AuditAttributes<'a>,
}

/// Reads each field of the message in `field`, called `name`.
#[inline]
fn each<'a>(
    field: Field<'a>,
    name: &str,
    mut read: impl FnMut(Field<'a>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    for field in Fields::of(field.bytes(name)?) {
        read(field).map_err(|fault| fault.under(name))?;
    }
    Ok(())
}

/// Adds the timestamp in `field` to what is known of it.
pub(super) fn timestamp(
    field: Field<'_>,
    name: &str,
    slot: &mut Option<Timestamp>,
) -> Result<(), Unreadable> {
    let time = slot.get_or_insert_default();
    each(field, name, |field| {
        match field.number {
            1 => time.seconds = field.int64("seconds")?,
            2 => time.nanos = field.int32("nanos")?,
            _ => field.unknown()?,
        }
        Ok(())
    })
}

impl<'a> TaskRef<'a> {
    pub(super) fn read(field: Field<'a>, name: &str) -> Result<TaskRef<'a>, Unreadable> {
        let mut read = TaskRef::default();
        each(field, name, |field| {
            match field.number {
                1 => read.task = field.text("task")?,
                2 => read.version = field.text("version")?,
                _ => field.unknown()?,
            }
            Ok(())
        })?;
        Ok(read)
    }
}

impl<'a> ScoreOptions<'a> {
    /// Takes in what `field` says.
    pub(super) fn add(&mut self, field: Field<'a>, name: &str) -> Result<(), Unreadable> {
        each(field, name, |field| {
            match field.number {
                1 => self.max_reasons = field.uint32("max_reasons")?,
                2 => self.no_reasons = field.bool("no_reasons")?,
                5 => self.no_flag = field.bool("no_flag")?,
                3 => timestamp(field, "compare_to_time", &mut self.compare_to_time)?,
                4 => self.compare_to_version = field.text("compare_to_version")?,
                6 => self.peers = field.bool("peers")?,
                _ => field.unknown()?,
            }
            Ok(())
        })
    }
}

impl Period {
    pub(super) fn read(field: Field<'_>, name: &str) -> Result<Period, Unreadable> {
        let mut read = Period::default();
        each(field, name, |field| match field.number {
            1 => timestamp(field, "start", &mut read.start),
            2 => timestamp(field, "end", &mut read.end),
            _ => field.unknown(),
        })?;
        Ok(read)
    }
}

impl<'a> AuditAttributes<'a> {
    /// Takes in what `field` says.
    pub(super) fn add(&mut self, field: Field<'a>, name: &str) -> Result<(), Unreadable> {
        each(field, name, |field| {
            match field.number {
                1 => self.race = field.text("race")?,
                2 => self.ethnicity = field.text("ethnicity")?,
                3 => self.language = field.text("language")?,
                4 => self.insurance = field.text("insurance")?,
                5 => self.gender_identity = field.text("gender_identity")?,
                _ => field.unknown()?,
            }
            Ok(())
        })
    }
}

impl<'a> Encounter<'a> {
    pub(super) fn read(field: Field<'a>, name: &str) -> Result<Encounter<'a>, Unreadable> {
        let mut read = Encounter::default();
        each(field, name, |field| {
            match field.number {
                1 => read.id = field.text("id")?,
                2 => read.class = field.text("class")?,
                3 => timestamp(field, "start", &mut read.start)?,
                4 => timestamp(field, "end", &mut read.end)?,
                5 => read.admission_type = field.text("admission_type")?,
                6 => read.admission_source = field.text("admission_source")?,
                7 => read.discharge_disposition = field.text("discharge_disposition")?,
                8 => read.service = field.text("service")?,
                9 => read.facility = field.text("facility")?,
                10 => read.planned = Some(field.bool("planned")?),
                11 => read.synthetic = field.bool("synthetic")?,
                12 => read.security_labels.push(field.text("security_labels")?),
                _ => field.unknown()?,
            }
            Ok(())
        })?;
        Ok(read)
    }
}

impl<'a> Event<'a> {
    /// Turns into the event in `field`. There are many events, and each is large: those of a history
    /// are read into one place, one after the other.
    pub(super) fn fill(&mut self, field: Field<'a>, name: &str) -> Result<(), Unreadable> {
        *self = Event::default();
        each(field, name, |field| {
            match field.number {
                1 => self.id = field.text("id")?,
                2 => self.kind = field.int32("kind")?,
                3 => timestamp(field, "time", &mut self.time)?,
                4 => timestamp(field, "end_time", &mut self.end_time)?,
                5 => timestamp(field, "recorded_time", &mut self.recorded_time)?,
                6 => self.time_precision = field.int32("time_precision")?,
                7 => self.system = field.text("system")?,
                8 => self.code = field.text("code")?,
                9 => self.value = Some(Value::Number(field.double("number")?)),
                10 => self.value = Some(Value::Coded(field.text("coded")?)),
                11 => self.value = Some(Value::Text(field.text("text")?)),
                12 => self.comparator = field.text("comparator")?,
                13 => self.unit = field.text("unit")?,
                14 => self.encounter_id = field.text("encounter_id")?,
                15 => self.rank = Some(field.uint32("rank")?),
                16 => self.status = field.text("status")?,
                17 => self.security_labels.push(field.text("security_labels")?),
                _ => field.unknown()?,
            }
            Ok(())
        })
    }
}

/// An entry of one of a history's lists.
#[derive(Debug)]
pub(super) enum Entry<'e, 'a> {
    Coverage(Period),
    Encounter(&'e Encounter<'a>),
    Event(&'e Event<'a>),
}

impl<'a> Person<'a> {
    /// Takes in what the history in `field` says of the person, and hands over its entries.
    pub(super) fn add(
        &mut self,
        field: Field<'a>,
        name: &str,
        mut take: impl FnMut(Entry<'_, 'a>),
    ) -> Result<(), Unreadable> {
        let mut event = Event::default();
        each(field, name, |field| {
            match field.number {
                1 => self.patient_id = field.text("patient_id")?,
                2 => self.birth_date = field.text("birth_date")?,
                3 => self.sex = field.int32("sex")?,
                4 => timestamp(field, "death_time", &mut self.death_time)?,
                5 => self.region = field.text("region")?,
                6 => take(Entry::Coverage(Period::read(field, "coverage")?)),
                7 => take(Entry::Encounter(&Encounter::read(field, "encounters")?)),
                8 => {
                    event.fill(field, "events")?;
                    take(Entry::Event(&event));
                }
                9 => self.audit_attributes.add(field, "audit_attributes")?,
                _ => field.unknown()?,
            }
            Ok(())
        })
    }
}
