//! What an export holds: people, encounters, events, and for how long people were followed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::footprint::{Footprint, Mark, Occurrence, parts};
use crate::SMALL_CELL_PATIENTS;
use crate::record::{
    EncounterClass, Entry, Event, EventKind, Period, Record, Sex, Time, TimePrecision, Value,
};

/// What is counted of an export while its subjects pass by.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// For each fact of a person the subjects with it and those without.
    people: BTreeMap<&'static str, [Footprint; 2]>,
    sexes: BTreeMap<&'static str, Footprint>,
    pub encounters: u64,
    classes: BTreeMap<EncounterClass, Footprint>,
    open: Footprint,
    synthetic: Footprint,
    zero_length: Footprint,
    pub stays: u64,
    pub episodes_ended: u64,
    encounter_years: BTreeMap<i16, Footprint>,
    pub events: u64,
    pub events_used: u64,
    kinds: BTreeMap<EventKind, Footprint>,
    event_years: BTreeMap<i16, Footprint>,
    values: BTreeMap<&'static str, Footprint>,
    precisions: BTreeMap<TimePrecision, Footprint>,
    of_encounter: Footprint,
    recorded: Footprint,
    /// For each subject with a bounded coverage its length in whole days.
    coverage_days: Vec<u32>,
    coverage_open: Footprint,
}

/// The content as it may be shown. Totals are exact.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownContent {
    /// For each fact of a person how many subjects have it, and how many do not.
    pub people: BTreeMap<&'static str, BTreeMap<&'static str, Occurrence>>,
    pub sexes: BTreeMap<&'static str, Occurrence>,
    pub encounters: ShownEncounters,
    pub events: ShownEvents,
    pub coverage: ShownCoverage,
}

/// The encounters of an export.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownEncounters {
    /// By v3-ActCode.
    pub classes: BTreeMap<String, Occurrence>,
    /// Without an end.
    pub open: Occurrence,
    /// Known as a count in a year only.
    pub synthetic: Occurrence,
    pub zero_length: Occurrence,
    /// Inpatient encounters, and the episodes they were joined into as far as those have ended.
    pub stays: u64,
    pub episodes_ended: u64,
    /// First and last year of their starts.
    pub year_range: Option<[i16; 2]>,
    pub years: BTreeMap<i16, Occurrence>,
}

/// The events of an export that are used: counted, with a time, each once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownEvents {
    pub used: u64,
    pub kinds: BTreeMap<String, Occurrence>,
    pub year_range: Option<[i16; 2]>,
    pub years: BTreeMap<i16, Occurrence>,
    pub values: BTreeMap<&'static str, Occurrence>,
    pub time_precisions: BTreeMap<&'static str, Occurrence>,
    pub with_encounter: Occurrence,
    pub with_recorded_time: Occurrence,
}

/// For how long the source would have seen the care of its patients.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownCoverage {
    /// Of the subjects whose coverage has both ends; `None` when they are too few.
    pub median_days: Option<u32>,
    /// Without a start or an end.
    pub open: Occurrence,
}

impl Content {
    pub(super) fn add_person(&mut self, mark: Mark, record: &Record) {
        let facts = [
            ("birth date", record.birth_date.is_some()),
            ("death time", record.death_time.is_some()),
            ("region", record.region.is_some()),
            ("coverage", !record.coverage.is_empty()),
        ];
        for (fact, is_known) in facts {
            let pair = self.people.entry(fact).or_default();
            pair[usize::from(!is_known)].add(mark);
        }
        let sex = match record.sex {
            Sex::Female => "female",
            Sex::Male => "male",
            Sex::Other => "other",
            Sex::Unknown => "unknown",
        };
        self.sexes.entry(sex).or_default().add(mark);
        match covered_days(&record.coverage) {
            _ if record.coverage.is_empty() => {}
            Some(days) => self.coverage_days.push(days),
            None => self.coverage_open.add(mark),
        }
    }

    pub(super) fn add_encounters(&mut self, mark: Mark, record: &Record, episodes_ended: usize) {
        self.episodes_ended += episodes_ended as u64;
        for encounter in &record.encounters {
            self.encounters += 1;
            if encounter.synthetic {
                self.synthetic.add(mark);
            } else if encounter.class.is_stay() {
                self.stays += 1;
            }
            self.classes.entry(encounter.class).or_default().add(mark);
            self.encounter_years.entry(encounter.start.year()).or_default().add(mark);
            match encounter.end {
                None => self.open.add(mark),
                Some(end) if end == encounter.start => self.zero_length.add(mark),
                Some(_) => {}
            }
        }
    }

    pub(super) fn add_event(&mut self, mark: Mark, entry: &Entry, event: &Event) {
        self.events_used += 1;
        self.kinds.entry(entry.kind).or_default().add(mark);
        self.event_years.entry(entry.time.year()).or_default().add(mark);
        let value = match event.value {
            Some(Value::Number(_)) => "number",
            Some(Value::Coded(_)) => "coded",
            Some(Value::Text(_)) => "text",
            None => "none",
        };
        self.values.entry(value).or_default().add(mark);
        self.precisions.entry(entry.precision).or_default().add(mark);
        if event.encounter_id.is_some() {
            self.of_encounter.add(mark);
        }
        if event.recorded_time.is_some() {
            self.recorded.add(mark);
        }
    }

    /// Whether there is an event of one of `kinds`.
    pub(super) fn has_events_of(&self, kinds: &[EventKind]) -> bool {
        kinds.iter().any(|kind| self.kinds.contains_key(kind))
    }

    /// How many subjects have this fact, of those named in `people`.
    pub(super) fn subjects_with(&self, fact: &str) -> u64 {
        self.people.get(fact).map_or(0, |[with, _]| with.subjects())
    }

    pub(super) fn shown(&self) -> ShownContent {
        let people = self.people.iter().map(|(fact, [with, without])| {
            let both = BTreeMap::from([("with", with.clone()), ("without", without.clone())]);
            (*fact, parts(&both, |name| *name))
        });
        let range = |years: &BTreeMap<i16, Footprint>| {
            Some([*years.first_key_value()?.0, *years.last_key_value()?.0])
        };
        ShownContent {
            people: people.collect(),
            sexes: parts(&self.sexes, |sex| *sex),
            encounters: ShownEncounters {
                classes: parts(&self.classes, code_of),
                open: self.open.shown(false),
                synthetic: self.synthetic.shown(false),
                zero_length: self.zero_length.shown(false),
                stays: self.stays,
                episodes_ended: self.episodes_ended,
                year_range: range(&self.encounter_years),
                years: parts(&self.encounter_years, |year| *year),
            },
            events: ShownEvents {
                used: self.events_used,
                kinds: parts(&self.kinds, code_of),
                year_range: range(&self.event_years),
                years: parts(&self.event_years, |year| *year),
                values: parts(&self.values, |value| *value),
                time_precisions: parts(&self.precisions, precision_name),
                with_encounter: self.of_encounter.shown(false),
                with_recorded_time: self.recorded.shown(false),
            },
            coverage: self.shown_coverage(),
        }
    }

    fn shown_coverage(&self) -> ShownCoverage {
        let mut days = self.coverage_days.clone();
        days.sort_unstable();
        let is_told = days.len() >= SMALL_CELL_PATIENTS;
        let median_days = days.get(days.len() / 2).copied().filter(|_| is_told);
        ShownCoverage { median_days, open: self.coverage_open.shown(false) }
    }
}

/// The name a unit variant has in files.
pub(super) fn code_of<T: Serialize>(variant: &T) -> String {
    let name = serde_json::to_value(variant).ok();
    name.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_owned()
}

fn precision_name(precision: &TimePrecision) -> &'static str {
    match precision {
        TimePrecision::Instant => "instant",
        TimePrecision::Day => "day",
        TimePrecision::Month => "month",
        TimePrecision::Year => "year",
    }
}

/// The days that periods cover together; `None` when one has no start or no end.
fn covered_days(periods: &[Period]) -> Option<u32> {
    let ends = periods.iter().map(|period| Some((period.start?, period.end?)));
    let mut ends: Vec<(Time, Time)> = ends.collect::<Option<_>>()?;
    ends.sort_unstable();
    let mut days = 0.0;
    let mut covered_to: Option<Time> = None;
    for (start, end) in ends {
        let from = covered_to.map_or(start, |to| start.max(to));
        days += end.days_since(from).max(0.0);
        covered_to = Some(covered_to.map_or(end, |to| end.max(to)));
    }
    Some(days as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_coverage_counts_once_and_an_open_end_has_no_length() {
        let time = |text: &str| Time::parse(&format!("2020-01-{text}T00:00:00Z"));
        let period =
            |start, end: Option<&str>| Period { start: time(start), end: end.and_then(time) };
        let two = [period("01", Some("11")), period("06", Some("16")), period("21", Some("22"))];
        assert_eq!(covered_days(&two), Some(16));
        assert_eq!(covered_days(&[period("01", None)]), None);
    }
}
