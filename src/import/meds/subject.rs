//! The rows of one subject, and the record they make.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::convention::{Attribute, Convention, CoverageRule, Meaning};
use super::in_row::{begun, event};
use super::layout::{Field, NoText, Row, column_name};
use super::meanings::Known;
use super::passed::{Ids, Passed};
use crate::import::wanted::Wanted;
use crate::record::{Encounter, EncounterClass, PartialDate, Period, Record, Sex, Time};

/// The most rows of one subject that are kept: more than a record may hold.
const ROWS_MAX: u64 = 250_000;
/// How many encounters that began before an event are looked at for the one it belongs to.
const OPEN_MAX: usize = 64;

/// Why a row is not in its subject's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftOut {
    Skipped(&'static str),
    Quarantined { field: Field, reason: &'static str },
}

/// A row that begins or ends an encounter.
struct Bound {
    row: u64,
    rule: usize,
    time: Time,
    visit: Option<String>,
    encounter: Encounter,
}

/// What the rows of one subject have said so far.
pub(super) struct Gathering {
    pub subject_id: i64,
    /// The number of its first row.
    pub row: u64,
    /// How many rows are in the record.
    used: u64,
    /// Whether rows of it are lost, or too many: then it cannot be used.
    pub fault: Option<&'static str>,
    /// Whether nobody asks for its events.
    pub without_events: bool,
    patient_id: Option<String>,
    group: Option<String>,
    record: Record,
    births: Vec<(Time, Option<PartialDate>)>,
    attributes: Vec<(Attribute, Option<Time>, u64, String)>,
    starts: Vec<Bound>,
    ends: Vec<Bound>,
    has_visits: bool,
    first_and_last: Option<(Time, Time)>,
    passed: Passed,
}

impl Gathering {
    pub(super) fn new(subject_id: i64, row: u64, has_visits: bool) -> Gathering {
        Gathering {
            subject_id,
            row,
            used: 0,
            fault: None,
            without_events: false,
            patient_id: None,
            group: None,
            record: Record::default(),
            births: Vec::new(),
            attributes: Vec::new(),
            starts: Vec::new(),
            ends: Vec::new(),
            has_visits,
            first_and_last: None,
            passed: Passed::default(),
        }
    }

    /// Takes one row; says why it is left out when it is. A row that bounds an encounter may yet be
    /// left out by `finish`.
    pub(super) fn take(
        &mut self,
        row: Row<'_>,
        known: &Known,
        wanted: &Wanted<'_>,
    ) -> Option<LeftOut> {
        if self.used >= ROWS_MAX {
            self.fault = Some("it has more than 250000 rows");
            // What is not kept is counted with the subject all the same.
            self.used += 1;
            return None;
        }
        match self.read(row, known, wanted) {
            Ok(None) => {
                self.used += 1;
                None
            }
            Ok(Some(left_out)) => Some(left_out),
            Err(NoText(field)) => Some(LeftOut::Quarantined { field, reason: "not UTF-8 text" }),
        }
    }

    fn read(
        &mut self,
        row: Row<'_>,
        known: &Known,
        wanted: &Wanted<'_>,
    ) -> Result<Option<LeftOut>, NoText> {
        if self.patient_id.is_none() {
            self.patient_id = row.owned(Field::Patient)?;
            self.group = row.owned(Field::Group)?;
        }
        let unbelievable = |field| {
            let reason = "outside the years 1800 to 2299";
            let fault = LeftOut::Quarantined { field, reason };
            row.time(field).filter(|time| !time.is_believable()).map(|_| fault)
        };
        if let Some(left_out) = unbelievable(Field::Time) {
            return Ok(Some(left_out));
        }
        if let Some(time) = row.time(Field::Time)
            && self.passed.takes(row, known, wanted, time, self.has_visits)?
        {
            self.seen_at(time);
            return Ok(None);
        }
        if let Some(left_out) =
            unbelievable(Field::EndTime).or_else(|| unbelievable(Field::RecordedTime))
        {
            return Ok(Some(left_out));
        }
        for field in [Field::Number, Field::Exact] {
            if row.float(field).is_some_and(|number| !number.is_finite()) {
                let reason = "not a finite number";
                return Ok(Some(LeftOut::Quarantined { field, reason }));
            }
        }
        self.say(row, &known.meaning)
    }

    fn say(&mut self, row: Row<'_>, meaning: &Meaning) -> Result<Option<LeftOut>, NoText> {
        match (meaning, row.time(Field::Time)) {
            (Meaning::Person(attribute, value), time) => {
                let Some(value) = value else {
                    return Ok(Some(LeftOut::Skipped("a person's attribute that says nothing")));
                };
                self.attributes.push((*attribute, time, row.number(), value.clone()));
            }
            (Meaning::Coverage, start) => {
                let end = row.time(Field::EndTime);
                self.record.coverage.push(Period { start, end });
            }
            (_, None) => return Ok(Some(LeftOut::Skipped("a row without a time"))),
            (Meaning::Birth, Some(time)) => {
                let date = row.text(Field::Text)?.and_then(PartialDate::parse);
                self.births.push((time, date));
            }
            (Meaning::Death, Some(time)) => {
                let known = self.record.death_time;
                self.record.death_time = Some(known.map_or(time, |known| known.min(time)));
            }
            (Meaning::Start(rule, start), Some(time)) => {
                self.seen_at(time);
                let encounter = begun(row, start, time)?;
                let (visit, rule) = (row.visit()?, *rule);
                self.starts.push(Bound { row: row.number(), rule, time, visit, encounter });
            }
            (Meaning::End(rule, place), Some(time)) => {
                self.seen_at(time);
                let mut encounter = Encounter::new("", EncounterClass::Field, time, Some(time));
                encounter.discharge_disposition = match row.text(Field::VisitClass)? {
                    Some(_) => row.owned(Field::Disposition)?,
                    None => place.clone(),
                };
                let (visit, rule) = (row.visit()?, *rule);
                self.ends.push(Bound { row: row.number(), rule, time, visit, encounter });
            }
            (Meaning::Event { code, kind, unit }, Some(time)) => {
                self.seen_at(time);
                if self.without_events {
                    return Ok(None);
                }
                let event = event(row, code, *kind, unit, time)?;
                self.record.events.push(event);
            }
        }
        Ok(None)
    }

    fn seen_at(&mut self, time: Time) {
        let (first, last) = self.first_and_last.unwrap_or((time, time));
        self.first_and_last = Some((first.min(time), last.max(time)));
    }

    /// The record, and the rows that are left out after all.
    pub(super) fn finish(mut self, convention: &Convention) -> Finished {
        let source_id = self.patient_id.take().unwrap_or_else(|| self.subject_id.to_string());
        self.record.patient_id = source_id;
        self.births.sort_by_key(|(time, date)| (*time, date.is_none()));
        self.record.birth_date = self.births.first().and_then(|(time, date)| {
            date.or_else(|| PartialDate::parse(time.to_string().get(..10)?))
        });
        self.say_attributes(convention);
        if convention.coverage == CoverageRule::FirstToLastEvent
            && let Some((start, end)) = self.first_and_last
        {
            self.record.coverage.push(Period { start: Some(start), end: Some(end) });
        }
        let left_out = self.pair();
        self.place_events();
        if self.passed.is_too_much(&self.record) {
            self.fault = Some("it has more events or encounters than a record may hold");
        }
        self.record.events.extend(self.passed.latest());
        let Gathering { subject_id, row, used, fault, group, record, .. } = self;
        let used = used.saturating_sub(left_out.len() as u64);
        Finished { subject_id, row, used, fault, group, record, left_out }
    }

    /// Of what is said twice the first counts.
    fn say_attributes(&mut self, convention: &Convention) {
        self.attributes.sort_by_key(|(attribute, time, row, _)| (*attribute, *time, *row));
        let known = &mut self.record.audit_attributes;
        for (attribute, _, _, value) in std::mem::take(&mut self.attributes) {
            let place = match attribute {
                Attribute::Sex => {
                    if self.record.sex == Sex::Unknown {
                        self.record.sex = convention.sex(&value);
                    }
                    continue;
                }
                Attribute::Region => &mut self.record.region,
                Attribute::Race => &mut known.race,
                Attribute::Ethnicity => &mut known.ethnicity,
                Attribute::Language => &mut known.language,
                Attribute::Insurance => &mut known.insurance,
                Attribute::GenderIdentity => &mut known.gender_identity,
            };
            place.get_or_insert(value);
        }
    }

    /// Makes encounters of starts and ends: by the encounter's id, or each end with the last start before
    /// it. A start without an end is an open encounter when it is the last of its rule.
    fn pair(&mut self) -> Vec<(u64, LeftOut)> {
        let mut left_out = Vec::new();
        let mut starts = std::mem::take(&mut self.starts);
        let mut ends = std::mem::take(&mut self.ends);
        starts.sort_by_key(|bound| (bound.rule, bound.time, bound.row));
        ends.sort_by_key(|bound| (bound.rule, bound.time, bound.row));
        let mut end_of: Vec<Option<usize>> = vec![None; starts.len()];
        let mut by_visit: HashMap<(usize, &str), usize, RandomState> = HashMap::default();
        // Why a start is no encounter where it has no end.
        let mut unfit: Vec<Option<&'static str>> = vec![None; starts.len()];
        for (at, start) in starts.iter().enumerate() {
            if let Some(visit) = &start.visit {
                let first = *by_visit.entry((start.rule, visit)).or_insert(at);
                unfit[at] = (first != at).then_some("a second start of a visit");
            }
        }
        // Starts without an id that are still open, the last one on top.
        let mut open: Vec<usize> = Vec::new();
        let mut next = 0;
        let mut rule = 0;
        for (number, end) in ends.iter().enumerate() {
            if end.rule != rule {
                open.clear();
                rule = end.rule;
            }
            while let Some(start) = starts.get(next)
                && (start.rule, start.time) <= (end.rule, end.time)
            {
                if start.rule == end.rule && start.visit.is_none() {
                    open.push(next);
                }
                next += 1;
            }
            let start = match &end.visit {
                Some(visit) => by_visit.get(&(end.rule, visit.as_str())).copied(),
                None => last_before(&mut open, &starts, end.time),
            };
            // Of several ends of one encounter the last counts.
            if let Some(reversed) = start.filter(|start| starts[*start].time > end.time) {
                // Taken for an open stay it would take in every later one.
                unfit[reversed] = Some("a visit that ends before it starts");
                left_out.push((end.row, LeftOut::Skipped("a visit that ends before it starts")));
                continue;
            }
            match start.map(|start| end_of[start].replace(number)) {
                Some(None) => {}
                Some(Some(earlier)) => {
                    left_out
                        .push((ends[earlier].row, LeftOut::Skipped("an earlier end of a visit")));
                }
                None => left_out.push((end.row, LeftOut::Skipped("an end without a start"))),
            }
        }
        self.make_encounters(starts, &ends, &end_of, &unfit, &mut left_out);
        left_out
    }

    fn make_encounters(
        &mut self,
        starts: Vec<Bound>,
        ends: &[Bound],
        end_of: &[Option<usize>],
        unfit: &[Option<&'static str>],
        left_out: &mut Vec<(u64, LeftOut)>,
    ) {
        let rules: Vec<usize> = starts.iter().map(|start| start.rule).collect();
        let mut taken: HashMap<String, u32, RandomState> = HashMap::default();
        for (at, start) in starts.into_iter().enumerate() {
            let Bound { row, rule, visit, mut encounter, .. } = start;
            let end = end_of.get(at).copied().flatten().and_then(|end| ends.get(end));
            if let Some(reason) = unfit.get(at).copied().flatten().filter(|_| end.is_none()) {
                left_out.push((row, LeftOut::Skipped(reason)));
                continue;
            }
            let is_last = rules.get(at + 1) != Some(&rule);
            if end.is_none() && visit.is_none() && !is_last {
                left_out.push((row, LeftOut::Skipped("a start without an end")));
                continue;
            }
            if let Some(end) = end {
                encounter.end = Some(end.time);
                encounter.discharge_disposition = end.encounter.discharge_disposition.clone();
            }
            let id = visit.unwrap_or_else(|| format!("{:?}", encounter.class));
            let count = taken.entry(id.clone()).or_insert(0);
            *count += 1;
            // One id may name a stay and the visit to the emergency room before it.
            let is_named = self.has_visits && *count == 1;
            encounter.id = if is_named { id } else { format!("{id}/{count}") };
            self.record.encounters.push(encounter);
        }
    }

    /// Says of each event which encounter it belongs to: by its id, or where the export has none by time.
    fn place_events(&mut self) {
        let Record { encounters, events, .. } = &mut self.record;
        if events.is_empty() {
            return;
        }
        if self.has_visits {
            let known: Ids<'_> = encounters.iter().map(|e| e.id.as_str()).collect();
            let ids = events.iter().filter_map(|event| event.encounter_id.as_deref());
            let passed = self.passed.named(ids.filter(|id| !known.contains(id)));
            let more: Ids<'_> = passed.iter().map(|e| e.id.as_str()).collect();
            for event in events.iter_mut() {
                let id = event.encounter_id.take();
                event.encounter_id =
                    id.filter(|id| known.contains(id.as_str()) || more.contains(id.as_str()));
            }
            encounters.extend(passed);
            return;
        }
        let mut order: Vec<&Encounter> = encounters.iter().collect();
        order.sort_by_key(|encounter| encounter.start);
        for event in events.iter_mut() {
            let Some(time) = event.time else { continue };
            let begun = order.partition_point(|encounter| encounter.start <= time);
            let looked_at = order.iter().take(begun).rev().take(OPEN_MAX);
            let open = looked_at.filter(|encounter| encounter.end.is_none_or(|end| end >= time));
            // A stay rather than the visit it began with, and of two the later one.
            let found = open.min_by_key(|encounter| !encounter.class.is_stay());
            event.encounter_id = found.map(|encounter| encounter.id.clone());
        }
    }
}

/// A subject whose rows are all there.
pub(super) struct Finished {
    pub subject_id: i64,
    pub row: u64,
    /// How many rows are in the record.
    pub used: u64,
    pub fault: Option<&'static str>,
    pub group: Option<String>,
    pub record: Record,
    pub left_out: Vec<(u64, LeftOut)>,
}

/// The last open start before `time`, or one at it; it is not open any more.
fn last_before(open: &mut Vec<usize>, starts: &[Bound], time: Time) -> Option<usize> {
    let before = |at: &usize| starts.get(*at).is_some_and(|start| start.time < time);
    let place = open.iter().rposition(before).or_else(|| open.len().checked_sub(1))?;
    Some(open.remove(place))
}

impl LeftOut {
    /// The column at fault.
    pub(super) fn column(self) -> Option<&'static str> {
        match self {
            LeftOut::Skipped(_) => None,
            LeftOut::Quarantined { field, .. } => Some(column_name(field)),
        }
    }
}
