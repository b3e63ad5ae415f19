//! Cells by name, while a mapping is checked: columns of the table at hand, and steps through lookups.

use super::table_set::{Cell, ColumnRef, Hop, LookupMap, Part, Template};
use crate::import::mapping::MappingError;

/// The most columns of one table, and the most steps through lookups for one cell.
const COLUMNS_MAX: usize = 1_000;
const HOPS_MAX: usize = 4;
const TEMPLATE_PARTS_MAX: usize = 20;

pub(super) fn invalid<T>(place: &str, reason: impl Into<String>) -> Result<T, MappingError> {
    Err(MappingError::Invalid { place: place.to_owned(), reason: reason.into() })
}

/// The lookups of a mapping, by name.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    names: Vec<(String, Vec<String>)>,
    pub maps: Vec<LookupMap>,
}

impl Lookups {
    pub(super) fn add(
        &mut self,
        place: &str,
        name: String,
        values: Vec<String>,
        map: LookupMap,
    ) -> Result<(), MappingError> {
        if name.is_empty() || name.contains(['.', ' ']) {
            return invalid(place, "a name must not be empty or hold a dot or a space");
        }
        if self.names.iter().any(|(known, _)| *known == name) {
            return invalid(place, format!("`{name}` is named twice"));
        }
        self.names.push((name, values));
        self.maps.push(map);
        Ok(())
    }

    /// The step that `lookup.value` names.
    fn hop(&self, place: &str, text: &str) -> Result<Hop, MappingError> {
        let Some((name, value)) = text.split_once('.') else {
            return invalid(place, format!("`{text}` is not LOOKUP.COLUMN"));
        };
        let known = self.names.iter().map(|(name, _)| name.as_str());
        let Some((lookup, values)) =
            self.names.iter().enumerate().find(|(_, (known, _))| known == name)
        else {
            return invalid(place, format!("no lookup is called `{name}`{}", hint(name, known)));
        };
        let known = values.1.iter().map(String::as_str);
        match values.1.iter().position(|known| known.eq_ignore_ascii_case(value)) {
            Some(value) => Ok(Hop { lookup, value }),
            None => {
                let hint = hint(value, known);
                invalid(place, format!("lookup `{name}` has no value `{value}`{hint}"))
            }
        }
    }
}

fn hint<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    let near = known.map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    match near {
        Some((distance, known)) if distance <= name.chars().count().div_ceil(2) => {
            format!("; did you mean `{known}`?")
        }
        _ => String::new(),
    }
}

/// The columns of one table, in the order they were met; upper and lower case are one.
#[derive(Debug, Default)]
pub(super) struct Columns(Vec<String>);

impl Columns {
    pub(super) fn names(&self) -> &[String] {
        &self.0
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.0
    }

    pub(super) fn find(&self, name: &str) -> Option<ColumnRef> {
        self.0.iter().position(|known| known.eq_ignore_ascii_case(name)).map(ColumnRef)
    }

    pub(super) fn add(&mut self, place: &str, name: &str) -> Result<ColumnRef, MappingError> {
        if name.is_empty() || name.trim() != name || name.contains(['{', '}']) {
            return invalid(place, format!("`{name}` is no column name"));
        }
        if let Some(known) = self.find(name) {
            return Ok(known);
        }
        if self.0.len() == COLUMNS_MAX {
            return invalid(place, format!("more than {COLUMNS_MAX} columns"));
        }
        self.0.push(name.to_owned());
        Ok(ColumnRef(self.0.len() - 1))
    }

    /// Reads `column` or `column -> lookup.value`.
    pub(super) fn cell(
        &mut self,
        place: &str,
        text: &str,
        lookups: &Lookups,
    ) -> Result<Cell, MappingError> {
        let mut steps = text.split("->").map(str::trim);
        let column = self.add(place, steps.next().unwrap_or_default())?;
        let hops = steps.map(|step| lookups.hop(place, step)).collect::<Result<Vec<_>, _>>()?;
        if hops.len() > HOPS_MAX {
            return invalid(place, format!("more than {HOPS_MAX} steps through lookups"));
        }
        Ok(Cell { column, hops })
    }

    /// Reads text with cells in braces.
    pub(super) fn template(
        &mut self,
        place: &str,
        text: &str,
        lookups: &Lookups,
    ) -> Result<Template, MappingError> {
        let mut parts = Vec::new();
        let mut rest = text.trim();
        while let Some((before, after)) = rest.split_once('{') {
            let Some((cell, after)) = after.split_once('}') else {
                return invalid(place, format!("`{text}`: a brace is not closed"));
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Cell(self.cell(place, cell.trim(), lookups)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.is_empty() || parts.len() > TEMPLATE_PARTS_MAX {
            return invalid(place, format!("`{text}` has no part, or too many"));
        }
        Ok(Template(parts))
    }
}
