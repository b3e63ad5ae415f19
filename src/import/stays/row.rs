//! One row made into a subject by the mapping: the record, its group and its label.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::earlier_rows::EarlierRows;
use super::file::EventTime;
use super::stay_table::{
    Anchor, Birth, CellForm, CodePart, CodeTemplate, CodedColumn, ColumnRef, EventTemplate,
    LabelMap, RowOrder, StayTable, ValueColumn, ValueFrom,
};
use crate::import::csv_rows::Cells;
use crate::import::{Label, Subject, ids};
use crate::record::{
    AuditAttributes, Code, Comparator, Encounter, Event, PartialDate, Period, Record, Sex,
    TEXT_BYTES_MAX, Time, Value,
};

/// The most encounters a count may stand for: one a day in a leap year.
const EARLIER_MAX: i64 = 366;
const STAY_DAYS_MAX: i64 = 36_525;
const AGE_YEARS_MAX: i64 = 130;
/// Earlier encounters lie between 31 days before the stay and 365 days before the index time.
const EARLIER_GAP_DAYS: i64 = 31;
const EARLIER_SPAN_DAYS: i64 = 334;

const NOT_LISTED: &str = "a value that the mapping does not list";

/// A value beside a code, and whether it is a bound only.
type CellValue = (Option<Value>, Option<Comparator>);

/// Why a row gives no subject: a reason without a value, and the column at fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fault {
    pub column: ColumnRef,
    pub reason: &'static str,
}

/// A row under its header.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub mapping: &'a StayTable,
    /// For each column of the mapping its place in the file; `None` for an optional one.
    pub positions: &'a [Option<usize>],
    pub cells: &'a Cells,
    pub earlier: &'a EarlierRows,
}

impl<'a> Row<'a> {
    /// The reason to leave the row out on purpose, if there is one.
    pub(super) fn exclusion(&self) -> Result<Option<&'a str>, Fault> {
        for rule in &self.mapping.exclusions {
            let cell = self.cell(rule.column)?;
            if rule.values.iter().any(|value| value == cell) {
                return Ok(Some(&rule.reason));
            }
        }
        Ok(None)
    }

    /// The subject of the row.
    pub(super) fn subject(&self, file: &Arc<str>, line: u64) -> Result<Subject, Fault> {
        let mapping = self.mapping;
        let source_id = self.id(mapping.subject_id)?;
        let group = mapping.group.map_or(Ok(source_id), |column| self.id(column))?;
        let index_time = match mapping.anchor {
            Anchor::Fixed(time) => time,
            Anchor::Column(column) => self.time(column)?,
        };
        let stay = self.stay(index_time)?;
        let mut encounters = Vec::new();
        self.add_earlier(&stay, index_time, &mut encounters)?;
        let mut events = Vec::with_capacity(mapping.events.len());
        for template in &mapping.events {
            events.extend(self.event(template, &stay, index_time)?);
        }
        encounters.push(stay);
        let coverage = mapping
            .coverage_days
            .map(|days| Period { start: Some(index_time.plus_days(-days)), end: Some(index_time) });
        let record = Record {
            patient_id: source_id.to_owned(),
            birth_date: self.birth_date(index_time)?,
            sex: self.coded(mapping.sex.as_ref(), |_| Sex::Unknown)?.unwrap_or_default(),
            death_time: None,
            region: None,
            coverage: coverage.into_iter().collect(),
            encounters,
            events,
            audit_attributes: self.audit_attributes()?,
        };
        let label = mapping.label.as_ref().map(|label| self.label(label, index_time));
        Ok(Subject {
            subject_id: ids::subject_id(source_id),
            source_id: source_id.to_owned(),
            group: group.to_owned(),
            record,
            label: label.transpose()?.flatten(),
            split: None,
            file: Arc::clone(file),
            line,
        })
    }

    /// The cell as it stands, without the spaces around it; empty in a file without the column.
    fn cell(&self, column: ColumnRef) -> Result<&'a str, Fault> {
        let fault = |reason| Fault { column, reason };
        let Some(place) = self.positions.get(column.0).copied().flatten() else { return Ok("") };
        let text = str::from_utf8(self.cells.get(place)).map_err(|_| fault("not UTF-8"))?.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(fault("longer than 1024 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(fault("holds a control character or a line break"));
        }
        Ok(text)
    }

    /// The cell, or `None` when it is missing.
    fn text(&self, column: ColumnRef) -> Result<Option<&'a str>, Fault> {
        let text = self.cell(column)?;
        let missing = text.is_empty() || self.mapping.missing.iter().any(|one| one == text);
        Ok((!missing).then_some(text))
    }

    fn required(&self, column: ColumnRef) -> Result<&'a str, Fault> {
        self.text(column)?.ok_or(Fault { column, reason: "missing" })
    }

    fn id(&self, column: ColumnRef) -> Result<&'a str, Fault> {
        let id = self.required(column)?;
        if id.len() > self.mapping.id_bytes_max {
            return Err(Fault { column, reason: "an id longer than the mapping allows" });
        }
        Ok(id)
    }

    fn time(&self, column: ColumnRef) -> Result<Time, Fault> {
        let time = Time::parse(self.required(column)?).filter(|time| time.is_believable());
        time.ok_or(Fault { column, reason: "not an instant such as 2005-01-01T12:00:00Z" })
    }

    fn whole_number(
        &self,
        column: ColumnRef,
        most: i64,
        reason: &'static str,
    ) -> Result<i64, Fault> {
        let number = self.required(column)?.parse().ok();
        number.filter(|number| (0..=most).contains(number)).ok_or(Fault { column, reason })
    }

    /// The value that the cell stands for; `None` when it is missing or not known.
    fn coded<T: Clone>(
        &self,
        map: Option<&CodedColumn<T>>,
        as_is: impl Fn(&str) -> T,
    ) -> Result<Option<T>, Fault> {
        let Some(map) = map else { return Ok(None) };
        let Some(text) = self.text(map.column)? else { return Ok(None) };
        if map.unknown.iter().any(|one| one == text) {
            return Ok(None);
        }
        match &map.values {
            None => Ok(Some(as_is(text))),
            Some(values) => listed(values, text, map.column).cloned().map(Some),
        }
    }

    fn stay(&self, index_time: Time) -> Result<Encounter, Fault> {
        let map = &self.mapping.stay;
        let reason = "not a whole number of days from 0 to 36525";
        let days = self.whole_number(map.length_days, STAY_DAYS_MAX, reason)?;
        let start = index_time.plus_days(-days);
        if !start.is_believable() {
            return Err(Fault { column: map.length_days, reason: "begins before the year 1800" });
        }
        let mut stay = Encounter::new(self.id(map.id)?, map.class, start, Some(index_time));
        stay.admission_type = self.coded(map.admission_type.as_ref(), str::to_owned)?;
        stay.admission_source = self.coded(map.admission_source.as_ref(), str::to_owned)?;
        stay.discharge_disposition =
            self.coded(map.discharge_disposition.as_ref(), str::to_owned)?;
        stay.service = self.coded(map.service.as_ref(), str::to_owned)?;
        Ok(stay)
    }

    /// Adds the encounters that the counts stand for, spread evenly over the year before.
    fn add_earlier(
        &self,
        stay: &Encounter,
        index_time: Time,
        encounters: &mut Vec<Encounter>,
    ) -> Result<(), Fault> {
        let days = index_time.day() - stay.start.day();
        for earlier in &self.mapping.earlier {
            let reason = "not a whole number from 0 to 366";
            let count = self.whole_number(earlier.count, EARLIER_MAX, reason)?;
            let span = EARLIER_SPAN_DAYS - days;
            if count > 0 && span <= 0 {
                let column = self.mapping.stay.length_days;
                let reason = "a stay so long leaves no room for encounters in the year before";
                return Err(Fault { column, reason });
            }
            let name = self.mapping.columns.get(earlier.count.0).map_or("", String::as_str);
            for i in 0..count {
                // floor((i + 0.5) * span / count), in whole numbers.
                let back = days + EARLIER_GAP_DAYS + (2 * i + 1) * span / (2 * count);
                let start = index_time.plus_days(-back);
                let id = format!("{}/{name}/{i}", stay.id);
                let mut one = Encounter::new(&id, earlier.class, start, Some(start.plus_hours(1)));
                one.synthetic = true;
                encounters.push(one);
            }
        }
        Ok(())
    }

    fn birth_date(&self, index_time: Time) -> Result<Option<PartialDate>, Fault> {
        let (column, age) = match self.mapping.birth {
            None => return Ok(None),
            Some(Birth::AgeBand(column)) => (column, self.text(column)?.map(middle_of_band)),
            Some(Birth::AgeYears(column)) => {
                let years = |text: &str| {
                    text.parse().ok().filter(|years| (0..=AGE_YEARS_MAX).contains(years))
                };
                (column, self.text(column)?.map(years))
            }
        };
        let Some(age) = age else { return Ok(None) };
        let age =
            age.ok_or(Fault { column, reason: "not an age, or not a band such as [50-60)" })?;
        let year = i64::from(index_time.year()) - age;
        Ok(i16::try_from(year).ok().and_then(PartialDate::from_year))
    }

    fn event(
        &self,
        template: &EventTemplate,
        stay: &Encounter,
        index_time: Time,
    ) -> Result<Option<Event>, Fault> {
        let (mut value, mut comparator) = (None, None);
        match &template.value {
            None => {}
            Some(ValueFrom::EarlierRows) => value = self.earlier_rows()?.map(Value::Number),
            Some(ValueFrom::Column(map)) => {
                let Some(found) = self.cell_value(map)? else { return Ok(None) };
                (value, comparator) = found;
            }
        }
        let Some(code) = self.code(&template.code)? else { return Ok(None) };
        let time = match template.time {
            EventTime::StayStart => stay.start,
            EventTime::StayEnd => index_time,
        };
        let mut event = Event::new(template.kind, code, time);
        event.unit = template.unit.clone().filter(|_| matches!(value, Some(Value::Number(_))));
        event.value = value;
        event.comparator = comparator;
        event.encounter_id = Some(stay.id.clone());
        event.rank = template.rank;
        Ok(Some(event))
    }

    /// What the cell gives an event; `None` when there is no event.
    fn cell_value(&self, map: &ValueColumn) -> Result<Option<CellValue>, Fault> {
        let Some(text) = self.text(map.column)? else { return Ok(None) };
        if map.no_event.iter().any(|one| one == text) {
            return Ok(None);
        }
        Ok(Some(match &map.form {
            CellForm::Unused => (None, None),
            CellForm::Number => (Some(Value::Number(number(text, map.column)?)), None),
            CellForm::Coded => (Some(Value::Coded(text.to_owned())), None),
            CellForm::Listed(values) => {
                let mapped = listed(values, text, map.column)?;
                (Some(mapped.value.clone()), mapped.comparator)
            }
        }))
    }

    /// The person and the place of the row among theirs; `None` where the mapping orders no rows.
    pub(super) fn order(&self) -> Result<Option<(&'a str, i64)>, Fault> {
        let Some(RowOrder { group, by }) = self.mapping.earlier_rows else { return Ok(None) };
        let order = self.required(by)?.parse().ok();
        let reason = "not a whole number that rows can be ordered by";
        Ok(Some((self.id(group)?, order.ok_or(Fault { column: by, reason })?)))
    }

    fn earlier_rows(&self) -> Result<Option<f64>, Fault> {
        let order = self.order()?;
        Ok(order.map(|(group, order)| self.earlier.before(group, order) as f64))
    }

    /// The code of an event; `None` when a cell it is made of is missing.
    fn code(&self, template: &CodeTemplate) -> Result<Option<Code>, Fault> {
        let (system, parts) = match template {
            CodeTemplate::Fixed(code) => return Ok(Some(code.clone())),
            CodeTemplate::Parts { system, parts } => (system, parts),
        };
        let mut text = String::new();
        let mut last = None;
        for part in parts {
            match part {
                CodePart::Text(part) => text.push_str(part),
                CodePart::Cell(column) => {
                    let Some(cell) = self.text(*column)? else { return Ok(None) };
                    text.push_str(cell);
                    last = Some(*column);
                }
            }
        }
        let code = Code::new(system, &text);
        match last {
            Some(column) if code.code.is_empty() || code.code.len() > TEXT_BYTES_MAX => {
                Err(Fault { column, reason: "gives no code, or one longer than 1024 bytes" })
            }
            _ => Ok(Some(code)),
        }
    }

    fn label(&self, map: &LabelMap, index_time: Time) -> Result<Option<Label>, Fault> {
        if self.positions.get(map.column.0).copied().flatten().is_none() {
            return Ok(None);
        }
        let text = self.required(map.column)?;
        let is_in = |values: &[String]| values.iter().any(|one| one == text);
        let boolean_value = is_in(&map.positive);
        if !boolean_value && !is_in(&map.negative) {
            return Err(Fault { column: map.column, reason: NOT_LISTED });
        }
        Ok(Some(Label { prediction_time: index_time, boolean_value }))
    }

    fn audit_attributes(&self) -> Result<AuditAttributes, Fault> {
        let map = &self.mapping.audit;
        let text = |column: Option<ColumnRef>| -> Result<Option<String>, Fault> {
            let Some(column) = column else { return Ok(None) };
            Ok(self.text(column)?.map(str::to_owned))
        };
        Ok(AuditAttributes {
            race: text(map.race)?,
            ethnicity: text(map.ethnicity)?,
            language: text(map.language)?,
            insurance: text(map.insurance)?,
            gender_identity: text(map.gender_identity)?,
        })
    }
}

fn listed<'m, T>(
    values: &'m BTreeMap<String, T>,
    text: &str,
    column: ColumnRef,
) -> Result<&'m T, Fault> {
    values.get(text).ok_or(Fault { column, reason: NOT_LISTED })
}

fn number(text: &str, column: ColumnRef) -> Result<f64, Fault> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or(Fault { column, reason: "not a number" })
}

/// The middle of `[50-60)`, 55.
fn middle_of_band(text: &str) -> Option<i64> {
    let (low, high) = text.strip_prefix('[')?.strip_suffix(')')?.split_once('-')?;
    let (low, high): (i64, i64) = (low.parse().ok()?, high.parse().ok()?);
    (0 <= low && low < high && high <= AGE_YEARS_MAX).then_some((low + high) / 2)
}
