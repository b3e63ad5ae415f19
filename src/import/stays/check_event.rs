//! Checking the events of a mapping file: their codes, and where their values come from.

use std::collections::BTreeMap;

use super::check::{Check, invalid, is_record_text};
use super::file::{EventFile, MappedFile, ValueForm};
use super::stay_table::{
    CellForm, CodePart, CodeTemplate, EventTemplate, MappedValue, ValueColumn, ValueFrom,
};
use crate::import::mapping::MappingError;
use crate::record::{Code, Comparator, Value};

impl Check {
    /// Adds the templates of `file`: one, or one for each of its columns.
    pub(super) fn event(
        &mut self,
        place: &str,
        file: EventFile,
        events: &mut Vec<EventTemplate>,
    ) -> Result<(), MappingError> {
        if file.rank == Some(0) {
            return invalid(place, "ranks begin at 1");
        }
        if file.value == Some(ValueForm::EarlierRows) {
            return self.earlier_rows(place, file, events);
        }
        let has_cell = file.value.is_some() || !file.values.is_empty() || !file.no_event.is_empty();
        if file.columns.is_empty() && has_cell {
            return invalid(place, "`value`, `values` and `no_event` need `columns`");
        }
        let listed = file.values.keys().chain(&file.no_event);
        self.distinct(place, listed.map(String::as_str))?;
        let form = cell_form(place, &file)?;
        if file.unit.is_some() && !has_numbers(&form) {
            return invalid(place, "a `unit` needs numbers");
        }
        let unit = file.unit.filter(|unit| !unit.is_empty());
        let (kind, rank, time) = (file.kind, file.rank, file.time);
        if file.columns.is_empty() {
            let code = self.code(place, &file.code, None)?;
            events.push(EventTemplate { kind, code, value: None, unit, rank, time });
            return Ok(());
        }
        for name in &file.columns {
            let column = self.column(place, name)?;
            let code = self.code(place, &file.code, Some(name))?;
            let (no_event, form) = (file.no_event.clone(), form.clone());
            let value = Some(ValueFrom::Column(ValueColumn { column, no_event, form }));
            events.push(EventTemplate { kind, code, value, unit: unit.clone(), rank, time });
        }
        Ok(())
    }

    /// Adds the template of the count of earlier rows.
    fn earlier_rows(
        &mut self,
        place: &str,
        file: EventFile,
        events: &mut Vec<EventTemplate>,
    ) -> Result<(), MappingError> {
        if !(file.columns.is_empty() && file.values.is_empty() && file.no_event.is_empty()) {
            return invalid(place, "`value = \"earlier_rows\"` reads no cell: leave out `columns`");
        }
        let code = self.code(place, &file.code, None)?;
        let EventFile { kind, unit, rank, time, .. } = file;
        let value = Some(ValueFrom::EarlierRows);
        events.push(EventTemplate { kind, code, value, unit, rank, time });
        Ok(())
    }

    fn code(
        &mut self,
        place: &str,
        template: &str,
        column: Option<&str>,
    ) -> Result<CodeTemplate, MappingError> {
        let Some((system, code)) = template.split_once("//").filter(|(system, code)| {
            !system.trim().is_empty() && !system.contains(['{', '}']) && !code.trim().is_empty()
        }) else {
            return invalid(place, format!("`{template}` is not SYSTEM//code"));
        };
        let mut parts = Vec::new();
        let mut rest = code;
        while let Some((text, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return invalid(place, format!("`{template}`: a brace is not closed"));
            };
            push_text(&mut parts, text);
            match (name, column) {
                ("column_name", Some(column)) => push_text(&mut parts, column),
                ("column_value", Some(column)) => {
                    parts.push(CodePart::Cell(self.column(place, column)?));
                }
                ("column_name" | "column_value", None) => {
                    return invalid(place, format!("`{template}` needs `columns`"));
                }
                _ => parts.push(CodePart::Cell(self.column(place, name)?)),
            }
            rest = after;
        }
        push_text(&mut parts, rest);
        match parts.as_slice() {
            [CodePart::Text(code)] => Ok(CodeTemplate::Fixed(Code::new(system, code))),
            _ => Ok(CodeTemplate::Parts { system: system.to_owned(), parts }),
        }
    }
}

/// That the order of rows and the event it is for stand together.
pub(super) fn check_earlier_rows(
    ordered: bool,
    events: &[EventTemplate],
) -> Result<(), MappingError> {
    let wanted = events.iter().any(|event| event.value == Some(ValueFrom::EarlierRows));
    match (ordered, wanted) {
        (true, false) => {
            invalid("subject.earlier_rows_by", "needs an event with `value = \"earlier_rows\"`")
        }
        (false, true) => {
            invalid("event", "`value = \"earlier_rows\"` needs `subject.earlier_rows_by`")
        }
        _ => Ok(()),
    }
}

fn push_text(parts: &mut Vec<CodePart>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(CodePart::Text(before)) => before.push_str(text),
        _ => parts.push(CodePart::Text(text.to_owned())),
    }
}

fn cell_form(place: &str, file: &EventFile) -> Result<CellForm, MappingError> {
    match (file.value, file.values.is_empty()) {
        (None, true) => Ok(CellForm::Unused),
        (Some(ValueForm::Number), true) => Ok(CellForm::Number),
        (Some(ValueForm::Coded), true) => Ok(CellForm::Coded),
        (Some(_), _) => invalid(place, "needs either `value` or `values`"),
        (None, false) => {
            let values = file.values.iter();
            let values = values.map(|(key, value)| Ok((key.clone(), mapped(place, value)?)));
            Ok(CellForm::Listed(values.collect::<Result<BTreeMap<_, _>, MappingError>>()?))
        }
    }
}

fn mapped(place: &str, file: &MappedFile) -> Result<MappedValue, MappingError> {
    let comparator = match file.comparator.as_deref().map(Comparator::parse) {
        Some(None) => return invalid(place, "a comparator is <, <=, >= or >"),
        read => read.flatten(),
    };
    match (file.number, &file.coded) {
        (Some(number), None) if number.is_finite() => {
            Ok(MappedValue { value: Value::Number(number), comparator })
        }
        (None, Some(text)) if comparator.is_none() && is_record_text(text) => {
            Ok(MappedValue { value: Value::Coded(text.clone()), comparator })
        }
        _ => invalid(place, "a value stands for a finite `number` or for a `coded` text"),
    }
}

fn has_numbers(form: &CellForm) -> bool {
    let is_number = |mapped: &MappedValue| matches!(mapped.value, Value::Number(_));
    match form {
        CellForm::Number => true,
        CellForm::Listed(values) => values.values().any(is_number),
        CellForm::Unused | CellForm::Coded => false,
    }
}
