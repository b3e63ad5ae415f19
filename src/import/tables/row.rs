//! One row of a table: its cells, and what fields, templates and times make of them.

use jiff::civil::Date;

use super::lookup::Lookup;
use super::moment::{NOT_A_TIME, Written};
use super::table_set::{
    Cell, CodeTemplate, ColumnRef, Condition, Field, Part, Since, SystemPart, Table, TableSet,
    Template, TimeFormat, TimeRule,
};
use crate::import::Timezone;
use crate::import::csv_rows::Cells;
use crate::import::fact::Doubt;
use crate::import::moment::{Moment, OUTSIDE};
use crate::record::{Code, TEXT_BYTES_MAX, Time, TimePrecision};

const NOT_LISTED: &str = "a value that the mapping does not list";
/// The longest offset: five centuries.
const OFFSET_SECONDS_MAX: f64 = 500.0 * 366.0 * 86_400.0;

/// Why a row or a field of it is not used: a reason without a value, and the column at fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fault {
    pub column: ColumnRef,
    pub reason: &'static str,
}

/// A row under its header.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub set: &'a TableSet,
    pub table: &'a Table,
    pub lookups: &'a [Lookup],
    pub zone: &'a Timezone,
    /// For each column of the table its place in the file; `None` for one that the file lacks.
    pub positions: &'a [Option<usize>],
    pub cells: &'a Cells,
}

impl<'a> Row<'a> {
    /// The text of a cell, or what the lookups say of it; `None` when it is missing.
    pub(super) fn text(&self, cell: &Cell) -> Result<Option<&'a str>, Fault> {
        let fault = |reason| Fault { column: cell.column, reason };
        let place = self.positions.get(cell.column.0).copied().flatten();
        let Some(place) = place else { return Ok(None) };
        let text = str::from_utf8(self.cells.get(place)).map_err(|_| fault("not UTF-8"))?.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(fault("longer than 1024 bytes"));
        }
        let mut text = text;
        for hop in &cell.hops {
            if self.is_missing(text) {
                return Ok(None);
            }
            let found = self.lookups.get(hop.lookup).and_then(|one| one.get(text, hop.value));
            let Some(found) = found else { return Ok(None) };
            text = found;
        }
        if text.chars().any(char::is_control) {
            return Err(fault("holds a control character or a line break"));
        }
        Ok((!self.is_missing(text)).then_some(text))
    }

    fn is_missing(&self, text: &str) -> bool {
        text.is_empty() || self.set.missing.iter().any(|one| one == text)
    }

    pub(super) fn required(&self, cell: &Cell) -> Result<&'a str, Fault> {
        self.text(cell)?.ok_or(Fault { column: cell.column, reason: "missing" })
    }

    /// Whether the row gives what stands under `condition`.
    pub(super) fn meets(&self, condition: &Condition) -> Result<bool, Fault> {
        for cell in &condition.needs {
            if self.text(cell)?.is_none() {
                return Ok(false);
            }
        }
        for (cell, values) in &condition.only {
            let text = self.text(cell)?;
            if !text.is_some_and(|text| values.iter().any(|value| value == text)) {
                return Ok(false);
            }
        }
        for (cell, values) in &condition.except {
            let text = self.text(cell)?;
            if text.is_some_and(|text| values.iter().any(|value| value == text)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the first cell that is there and known stands for. A value that is not listed is read by
    /// `as_is`, where that can read it.
    pub(super) fn field<T: Clone>(
        &self,
        field: &Field<T>,
        as_is: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let mut unlisted = None;
        for cell in &field.cells {
            let Some(text) = self.text(cell)? else { continue };
            if field.unknown.iter().any(|one| one == text) {
                continue;
            }
            match field.values.get(text).cloned().or_else(|| as_is(text)) {
                Some(value) => return Ok(Some(value)),
                None => unlisted = unlisted.or(Some(cell.column)),
            }
        }
        match (&field.otherwise, unlisted) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, Some(column)) => Err(Fault { column, reason: NOT_LISTED }),
            (None, None) => Ok(None),
        }
    }

    /// A text field: values are taken as they are where none are listed.
    pub(super) fn words(&self, field: &Option<Field<String>>) -> Result<Option<String>, Fault> {
        let Some(field) = field else { return Ok(None) };
        let is_open = field.values.is_empty();
        self.field(field, |text| is_open.then(|| text.to_owned()))
    }

    /// The text of a template; `None` when one of its cells is missing.
    pub(super) fn template(&self, template: &Template) -> Result<Option<String>, Fault> {
        let mut made = String::new();
        let mut last = ColumnRef(0);
        for part in &template.0 {
            match part {
                Part::Text(text) => made.push_str(text),
                Part::Cell(cell) => {
                    let Some(text) = self.text(cell)? else { return Ok(None) };
                    made.push_str(text);
                    last = cell.column;
                }
            }
        }
        if made.len() > TEXT_BYTES_MAX {
            return Err(Fault { column: last, reason: "longer than 1024 bytes" });
        }
        Ok(Some(made))
    }

    /// The code of the first template that gives one.
    pub(super) fn code(&self, templates: &[CodeTemplate]) -> Result<Option<Code>, Fault> {
        for template in templates {
            let system = match &template.system {
                SystemPart::Fixed(system) => Some(system),
                SystemPart::Cell(cell) => {
                    self.text(cell)?.and_then(|text| self.set.systems.get(text))
                }
            };
            let Some(system) = system else { continue };
            let Some(text) = self.template(&template.code)? else { continue };
            let code = Code::new(system, &text);
            if !code.code.is_empty() {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    /// When something happened; `None` when no cell says it.
    pub(super) fn moment(&self, rule: &TimeRule) -> Result<Option<Moment>, Fault> {
        match rule {
            TimeRule::Cells { .. } => {
                let Some((column, written)) = self.written(rule)? else { return Ok(None) };
                self.place(column, written).map(Some)
            }
            TimeRule::Offset { offset, unit, since, formats } => {
                let Some(number) = self.text(offset)? else { return Ok(None) };
                let column = offset.column;
                let since = match since {
                    Since::Fixed(time) => *time,
                    Since::Cell(cell) => {
                        let Some(text) = self.text(cell)? else { return Ok(None) };
                        let written = self.read_time(text, formats);
                        let column = cell.column;
                        let written = written.ok_or(Fault { column, reason: NOT_A_TIME })?;
                        self.place(column, written)?.time
                    }
                };
                let seconds = number.parse().ok().map(|number: f64| number * unit.seconds());
                let seconds = seconds.filter(|seconds| seconds.abs() <= OFFSET_SECONDS_MAX);
                let seconds = seconds.ok_or(Fault { column, reason: "not an offset" })?;
                let micros = since.micros().saturating_add((seconds * 1e6).round() as i64);
                let time = Some(Time::from_micros(micros)).filter(|time| time.is_believable());
                let time = time.ok_or(Fault { column, reason: OUTSIDE })?;
                Ok(Some(Moment { time, precision: TimePrecision::Instant }))
            }
        }
    }

    /// The calendar day of a time, as it is written.
    pub(super) fn date(&self, rule: &TimeRule) -> Result<Option<Date>, Fault> {
        let Some((column, written)) = self.written(rule)? else { return Ok(None) };
        self.place(column, written)?;
        Ok(Some(written.date()))
    }

    fn place(&self, column: ColumnRef, written: Written) -> Result<Moment, Fault> {
        written.moment(self.zone).map_err(|reason| Fault { column, reason })
    }

    /// The first cell that is there, read as a time; with its clock, where that is there.
    fn written(&self, rule: &TimeRule) -> Result<Option<(ColumnRef, Written)>, Fault> {
        let TimeRule::Cells { cells, clock, formats } = rule else { return Ok(None) };
        let clock = clock.as_ref().map(|clock| self.text(clock)).transpose()?.flatten();
        for cell in cells {
            let Some(text) = self.text(cell)? else { continue };
            let written = match clock {
                // A date that a source writes with a midnight is still a date.
                Some(clock) => {
                    let date = text.split(' ').next().unwrap_or_default();
                    self.read_time(&format!("{date} {clock}"), formats)
                }
                None => self.read_time(text, formats),
            };
            let fault = Fault { column: cell.column, reason: NOT_A_TIME };
            return Ok(Some((cell.column, written.ok_or(fault)?)));
        }
        Ok(None)
    }

    fn read_time(&self, text: &str, formats: &[TimeFormat]) -> Option<Written> {
        let written = formats.iter().find_map(|format| format.read(text))?;
        Some(if self.table.midnight_is_day { written.without_midnight() } else { written })
    }

    /// What `read` gives; a fault costs the field alone and is noted.
    pub(super) fn softly<T>(
        &self,
        read: Result<Option<T>, Fault>,
        doubts: &mut Vec<Doubt>,
    ) -> Option<T> {
        read.unwrap_or_else(|fault| {
            self.doubt(fault, doubts);
            None
        })
    }

    pub(super) fn doubt(&self, fault: Fault, doubts: &mut Vec<Doubt>) {
        let path = self.table.form.columns.get(fault.column.0).cloned().unwrap_or_default();
        doubts.push(Doubt { path, reason: fault.reason });
    }
}
