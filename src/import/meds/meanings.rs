//! `Meanings`: what the codes of rows mean and whether they are asked for, found once for each code.

use std::collections::HashMap;
use std::sync::Arc;

use super::convention::{Convention, Meaning};
use super::layout::{self, Columns, Field, NoText, Row};
use super::metadata::Metadata;
use super::subject::LeftOut;
use crate::import::parquet_in::{Batch, Words};
use crate::import::wanted::{Asked, Wanted};

/// How many codes are remembered with their meaning.
const MEANINGS_MAX: usize = 100_000;
/// What decides the meaning of a row.
const DECIDING: [Field; 3] = [Field::Code, Field::Kind, Field::System];

/// What a code means, and whether its rows are asked for.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub meaning: Arc<Meaning>,
    pub asked: Asked,
}

/// The meaning of one entry of a dictionary of codes, for rows of this kind and system.
struct Placed {
    kind: Option<u32>,
    system: Option<u32>,
    known: Known,
}

/// The meanings of codes met so far.
pub(super) struct Meanings<'a> {
    convention: &'a Convention,
    metadata: &'a Metadata,
    wanted: &'a Wanted<'a>,
    by_code: HashMap<String, Known>,
    /// The dictionaries of the batch at hand, in the order of `DECIDING`.
    dictionaries: [Option<Words>; 3],
    /// By place in the dictionary of codes. Nothing where the columns have no dictionaries.
    by_place: Vec<Option<Placed>>,
    /// Of the last row that no place decides.
    last: Option<Known>,
}

impl<'a> Meanings<'a> {
    pub(super) fn new(
        convention: &'a Convention,
        metadata: &'a Metadata,
        wanted: &'a Wanted<'a>,
    ) -> Meanings<'a> {
        let (by_code, dictionaries, by_place, last) = Default::default();
        Meanings { convention, metadata, wanted, by_code, dictionaries, by_place, last }
    }

    /// Makes ready for the rows of `batch`.
    pub(super) fn begin(&mut self, batch: &Batch, columns: &Columns) {
        let values = DECIDING.map(|field| columns.values(batch, field));
        let now = values.map(|values| values.and_then(|values| values.words().cloned()));
        let is_same = |(a, b): (&Option<Words>, &Option<Words>)| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let unchanged = now.iter().zip(&self.dictionaries).all(is_same);
        let decided = values.iter().flatten().all(|values| values.is_placed());
        if unchanged && decided {
            return;
        }
        let codes = now.first().and_then(Option::as_ref).map_or(0, |words| words.len());
        self.by_place.clear();
        self.by_place.resize_with(if decided { codes } else { 0 }, || None);
        self.dictionaries = now;
    }

    /// What the code of a row of the batch at hand means.
    ///
    /// # Errors
    /// A row without a code, or with a text that cannot be one.
    pub(super) fn of(&mut self, row: Row<'_>) -> Result<&Known, LeftOut> {
        let place = row.place(Field::Code).map(|place| place as usize);
        let Some(place) = place.filter(|place| *place < self.by_place.len()) else {
            let known = self.find(row)?;
            return Ok(self.last.insert(known));
        };
        let (kind, system) = (row.place(Field::Kind), row.place(Field::System));
        let is_known = self.by_place.get(place).and_then(Option::as_ref);
        let is_known = is_known.is_some_and(|p| (p.kind, p.system) == (kind, system));
        let found = if is_known { None } else { Some(self.find(row)?) };
        let Some(slot) = self.by_place.get_mut(place) else {
            return Err(quarantine(Field::Code, "missing"));
        };
        if let Some(known) = found {
            return Ok(&slot.insert(Placed { kind, system, known }).known);
        }
        let placed = slot.as_ref().ok_or_else(|| quarantine(Field::Code, "missing"))?;
        Ok(&placed.known)
    }

    fn find(&mut self, row: Row<'_>) -> Result<Known, LeftOut> {
        let no_text =
            |NoText(field)| quarantine(field, "not UTF-8 text, or longer than 1024 bytes");
        let code = row.text(Field::Code).map_err(no_text)?;
        let code = code.filter(|code| !code.trim().is_empty());
        let code = code.ok_or_else(|| quarantine(Field::Code, "missing"))?;
        if let Some(kind) = row.text(Field::Kind).map_err(no_text)?.and_then(layout::kind) {
            let system = row.text(Field::System).map_err(no_text)?;
            return layout::own_event(code, system, kind).map(|meaning| self.known(meaning));
        }
        if let Some(known) = self.by_code.get(code) {
            return Ok(known.clone());
        }
        let parents = &self.metadata.parents;
        let meaning = self.convention.meaning(code, |code| parents.get(code).cloned());
        let known = self.known(meaning);
        if self.by_code.len() >= MEANINGS_MAX {
            self.by_code.clear();
        }
        self.by_code.insert(code.to_owned(), known.clone());
        Ok(known)
    }

    fn known(&self, meaning: Meaning) -> Known {
        let asked = match &meaning {
            Meaning::Event { code, kind, .. } => self.wanted.event(*kind, code),
            _ => Asked::Always,
        };
        Known { meaning: Arc::new(meaning), asked }
    }
}

pub(super) fn quarantine(field: Field, reason: &'static str) -> LeftOut {
    LeftOut::Quarantined { field, reason }
}
