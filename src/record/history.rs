//! `History::build`: from an unchecked record to a checked, sorted, duplicate-free history.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::issue::{DataIssue, IssueKind, Issues, KnownAfter, RecordError, Violation};
use super::known_codes::KnownCodes;
use super::normalize::{self, Context, Entry};
use super::protected::Protected;
use super::{
    Code, ConceptId, ConceptSet, Encounter, EncounterCode, Event, PartialDate, Period, Record, Sex,
    Time, Value, episode, swapped,
};

/// The most events one record may hold.
pub const EVENTS_MAX: usize = 200_000;
/// The most encounters one record may hold.
pub const ENCOUNTERS_MAX: usize = 20_000;
/// The longest text in an id, a code or a coded field, in bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// The concept whose codes say that a patient went on to another acute hospital.
const TRANSFER_CONCEPT: &str = "discharge_acute_transfer";
/// The concept whose codes say that a patient died in the encounter.
const DEATH_CONCEPT: &str = "discharge_died";

/// The checked history of one patient. It shows nothing by itself: see `History::view`.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    pub(super) sex: Sex,
    pub(super) birth_date: Option<PartialDate>,
    pub(super) death_time: Option<Time>,
    pub(super) coverage: Vec<Period>,
    /// Sorted by start.
    pub(super) encounters: Vec<Encounter>,
    /// For each encounter its place in the record.
    pub(super) encounter_sources: Vec<usize>,
    /// Sorted by time, then by content.
    pub(super) entries: Vec<Entry>,
    /// For each encounter the concepts of its coded fields, in the order of `EncounterCode`.
    pub(super) field_concepts: Vec<[Vec<ConceptId>; 3]>,
    /// For each encounter whether it ended with a transfer to another acute hospital.
    pub(super) transfers: Vec<bool>,
    /// For each encounter whether it ended with the patient's death.
    pub(super) deaths: Vec<bool>,
    pub(super) protected: Protected,
}

/// A history and what was doubtful about the record it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    pub history: History,
    pub issues: Vec<DataIssue>,
}

/// What the histories of many records are built by: a code that one of them holds is not looked up
/// again for the next.
#[derive(Debug, Clone)]
pub struct Histories<'a> {
    concepts: &'a ConceptSet,
    known_after: &'a KnownAfter,
    codes: KnownCodes,
}

impl<'a> Histories<'a> {
    /// Histories by these rules.
    pub fn by(concepts: &'a ConceptSet, known_after: &'a KnownAfter) -> Histories<'a> {
        Histories { concepts, known_after, codes: KnownCodes::default() }
    }

    /// As `History::build`.
    ///
    /// # Errors
    /// As `History::build`.
    pub fn build(&mut self, record: &Record) -> Result<Built, RecordError> {
        History::check(record)?;
        Ok(History::of_checked(record, self))
    }
}

impl History {
    /// Builds the history of `record`; importers and requests alike come through here.
    ///
    /// # Errors
    /// Every place of the record that cannot mean anything, with its path; nothing is built then.
    pub fn build(
        record: &Record,
        concepts: &ConceptSet,
        known_after: &KnownAfter,
    ) -> Result<Built, RecordError> {
        Histories::by(concepts, known_after).build(record)
    }

    /// Whether a history can be built of `record`.
    ///
    /// # Errors
    /// As `build`.
    pub fn check(record: &Record) -> Result<(), RecordError> {
        let violations = violations(record);
        if violations.is_empty() { Ok(()) } else { Err(RecordError { violations }) }
    }

    fn of_checked(record: &Record, by: &mut Histories<'_>) -> Built {
        let Histories { concepts, known_after, codes } = by;
        let (concepts, known_after, events) = (*concepts, *known_after, &record.events);
        let mut issues = Issues::default();
        let (encounters, encounter_sources) = sorted_encounters(&record.encounters, &mut issues);
        let places = encounters.iter().enumerate().map(|(place, e)| (e.id.as_str(), place));
        let mut context = Context::new(concepts, known_after, codes, places.collect());
        let mut entries: Vec<Entry> = Vec::with_capacity(record.events.len());
        for (source, event) in record.events.iter().enumerate() {
            if let Some(entry) = normalize::entry(event, source, &mut context, &mut issues) {
                entries.push(entry);
            }
        }
        let mut protected = context.protected;
        protected.encounters(&encounters, &encounter_sources);
        let mut entries = sorted_entries(entries, events);
        entries.dedup_by(|later, kept| {
            let again = later.repeats(kept, events);
            if again {
                issues.count(IssueKind::Duplicate, || format!("events[{}]", later.source));
                protected.repeated(later.source, kept.source);
            }
            again
        });
        swapped::clear(&mut entries, concepts, &mut issues);
        let field_concepts = field_concepts(&encounters, concepts);
        let transfers = episode::discharged_to(TRANSFER_CONCEPT, &field_concepts, concepts);
        let deaths = episode::discharged_to(DEATH_CONCEPT, &field_concepts, concepts);
        let history = History {
            sex: record.sex,
            birth_date: record.birth_date,
            death_time: record.death_time,
            coverage: joined_periods(&record.coverage),
            encounters,
            encounter_sources,
            entries,
            field_concepts,
            transfers,
            deaths,
            protected,
        };
        Built { history, issues: issues.list() }
    }
}

/// Entries in the order of their content. An entry is large and most share their time with no other:
/// so their places are sorted by time, each entry is moved once, and those of one time are put in order
/// among themselves.
fn sorted_entries(entries: Vec<Entry>, events: &[Event]) -> Vec<Entry> {
    let mut places: Vec<(Time, u32)> =
        entries.iter().enumerate().map(|(place, entry)| (entry.time, place as u32)).collect();
    let mut sorted = entries;
    if !places.is_sorted() {
        places.sort_unstable();
        let mut given: Vec<Option<Entry>> = sorted.into_iter().map(Some).collect();
        let taken = |(_, place): &(Time, u32)| given.get_mut(*place as usize)?.take();
        sorted = places.iter().filter_map(taken).collect();
    }
    for same in sorted.chunk_by_mut(|a, b| a.time == b.time).filter(|same| same.len() > 1) {
        same.sort_by(|a, b| a.order(b, events));
    }
    sorted
}

/// For each encounter the concepts of its coded fields; encounters often say the same.
fn field_concepts(encounters: &[Encounter], concepts: &ConceptSet) -> Vec<[Vec<ConceptId>; 3]> {
    let mut met: HashMap<(EncounterCode, &str), Vec<ConceptId>, RandomState> = HashMap::default();
    let mut of_field = |encounter, field| -> Vec<ConceptId> {
        let Some(text) = Encounter::coded(encounter, field) else { return Vec::new() };
        let look_up = || concepts.concepts_of(&Code::new(EncounterCode::system(field), text));
        met.entry((field, text)).or_insert_with(look_up).clone()
    };
    let each = encounters.iter();
    each.map(|encounter| EncounterCode::ALL.map(|field| of_field(encounter, field))).collect()
}

/// Encounters by start and id, exact repeats once, each with its place in the record.
fn sorted_encounters(given: &[Encounter], issues: &mut Issues) -> (Vec<Encounter>, Vec<usize>) {
    let mut order: Vec<usize> = (0..given.len()).collect();
    order.sort_by(|a, b| {
        // The end must not matter: it may lie after the index time. Ids are unique.
        let key = |place: usize| (given[place].start, &given[place].id);
        key(*a).cmp(&key(*b)).then(a.cmp(b))
    });
    order.dedup_by(|later, kept| {
        let again = given[*later] == given[*kept];
        if again {
            issues.count(IssueKind::Duplicate, || format!("encounters[{later}]"));
        }
        again
    });
    (order.iter().map(|place| given[*place].clone()).collect(), order)
}

/// Periods by start; those that touch or overlap are one.
fn joined_periods(given: &[Period]) -> Vec<Period> {
    let mut periods = given.to_vec();
    periods.sort_by_key(|period| (period.start, period.end.is_none(), period.end));
    let mut joined: Vec<Period> = Vec::with_capacity(periods.len());
    for period in periods {
        // Coverage is often given by whole days: the next day continues it.
        let continues = |last: &Period| match (last.end, period.start) {
            (None, _) | (_, None) => true,
            (Some(end), Some(start)) => start <= end.plus_days(1),
        };
        match joined.last_mut().filter(|last| continues(last)) {
            Some(last) if last.end.is_none() || period.end.is_none() => last.end = None,
            Some(last) => last.end = last.end.max(period.end),
            None => joined.push(period),
        }
    }
    joined
}

fn violations(record: &Record) -> Vec<Violation> {
    let mut found = Found::default();
    found.text(|| "patient_id".into(), Some(&record.patient_id));
    if record.patient_id.trim().is_empty() {
        found.at("patient_id", "must not be empty");
    }
    if record.encounters.len() > ENCOUNTERS_MAX {
        found.at("encounters", "more than 20000 encounters");
        return found.0;
    }
    if record.events.len() > EVENTS_MAX {
        found.at("events", "more than 200000 events");
        return found.0;
    }
    let birth = record.birth_date.and_then(PartialDate::earliest);
    found.time(|| "birth_date".into(), birth);
    found.time(|| "death_time".into(), record.death_time);
    if birth.zip(record.death_time).is_some_and(|(birth, death)| death < birth) {
        found.at("death_time", "before birth_date");
    }
    for (place, period) in record.coverage.iter().enumerate() {
        let path = |field| format!("coverage[{place}].{field}");
        found.time(|| path("start"), period.start);
        found.time(|| path("end"), period.end);
        if period.start.zip(period.end).is_some_and(|(start, end)| end < start) {
            found.at(&path("end"), "before start");
        }
    }
    let mut ids: HashMap<&str, &Encounter, RandomState> = HashMap::default();
    for (place, encounter) in record.encounters.iter().enumerate() {
        found.encounter(encounter, |field| format!("encounters[{place}].{field}"));
        let other = ids.insert(&encounter.id, encounter);
        if other.is_some_and(|other| other != encounter) {
            found.at(&format!("encounters[{place}].id"), "used by another encounter");
        }
    }
    for (place, event) in record.events.iter().enumerate() {
        found.event(event, |field| format!("events[{place}].{field}"));
    }
    found.0
}

fn has_control(text: &str) -> bool {
    // Nearly every text is of plain ASCII, which is seen by eight bytes at once.
    !is_plain(text.as_bytes()) && text.chars().any(char::is_control)
}

/// Whether all bytes are printable ASCII.
fn is_plain(bytes: &[u8]) -> bool {
    let (eights, rest) = bytes.as_chunks::<8>();
    let are_plain = |eight: &[u8; 8]| {
        let bytes = u64::from_le_bytes(*eight);
        const ONES: u64 = u64::from_le_bytes([1; 8]);
        const TOPS: u64 = ONES << 7;
        // With its top bit clear a byte plus 1 reaches the top bit only from 0x7f, and the top bit
        // less 0x20 - byte stays only for bytes of at least 0x20.
        let low = bytes & !TOPS;
        (bytes | (low + ONES) | !((low | TOPS) - 0x20 * ONES)) & TOPS == 0
    };
    eights.iter().all(are_plain) && rest.iter().all(|byte| (b' '..0x7f).contains(byte))
}

/// Violations found so far; at most `Found::MAX`, so that a bad record gets a short answer.
#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    const MAX: usize = 20;

    fn at(&mut self, path: &str, reason: &'static str) {
        if self.0.len() < Found::MAX {
            self.0.push(Violation { path: path.to_owned(), reason });
        }
    }

    fn time(&mut self, path: impl Fn() -> String, time: Option<Time>) {
        if time.is_some_and(|time| !time.is_believable()) {
            self.at(&path(), "outside the years 1800 to 2299");
        }
    }

    fn text(&mut self, path: impl Fn() -> String, text: Option<&String>) {
        let Some(text) = text else { return };
        if text.len() > TEXT_BYTES_MAX {
            self.at(&path(), "longer than 1024 bytes");
        }
        if has_control(text) {
            self.at(&path(), "holds a control character");
        }
    }

    fn encounter(&mut self, encounter: &Encounter, path: impl Fn(&str) -> String) {
        let Encounter {
            id,
            class: _,
            start,
            end,
            admission_type,
            admission_source,
            discharge_disposition,
            service,
            facility,
            planned: _,
            synthetic,
            sensitive: _,
        } = encounter;
        if id.is_empty() {
            self.at(&path("id"), "must not be empty");
        }
        self.text(|| path("id"), Some(id));
        self.time(|| path("start"), Some(*start));
        self.time(|| path("end"), *end);
        if end.is_some_and(|end| end < *start) {
            self.at(&path("end"), "before start");
        }
        if *synthetic && end.is_none() {
            self.at(&path("end"), "a synthetic encounter needs an end");
        }
        self.text(|| path("admission_type"), admission_type.as_ref());
        self.text(|| path("admission_source"), admission_source.as_ref());
        self.text(|| path("discharge_disposition"), discharge_disposition.as_ref());
        self.text(|| path("service"), service.as_ref());
        self.text(|| path("facility"), facility.as_ref());
    }

    fn event(&mut self, event: &Event, path: impl Fn(&str) -> String) {
        if event.code.system.is_empty() {
            self.at(&path("system"), "must not be empty");
        }
        if event.code.code.is_empty() {
            self.at(&path("code"), "must not be empty");
        }
        self.text(|| path("system"), Some(&event.code.system));
        self.text(|| path("code"), Some(&event.code.code));
        self.text(|| path("id"), event.id.as_ref());
        self.text(|| path("encounter_id"), event.encounter_id.as_ref());
        self.text(|| path("unit"), event.unit.as_ref());
        self.time(|| path("time"), event.time);
        self.time(|| path("end_time"), event.end_time);
        self.time(|| path("recorded_time"), event.recorded_time);
        if event.time.zip(event.end_time).is_some_and(|(start, end)| end < start) {
            self.at(&path("end_time"), "before time");
        }
        if event.rank == Some(0) {
            self.at(&path("rank"), "ranks begin at 1");
        }
        match &event.value {
            Some(Value::Number(number)) if !number.is_finite() => {
                self.at(&path("value"), "not a finite number");
            }
            Some(Value::Coded(text)) => self.text(|| path("value"), Some(text)),
            _ => {}
        }
    }
}
