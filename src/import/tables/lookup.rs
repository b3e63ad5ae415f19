//! `Lookup`: a table in memory that other tables refer to by a key, packed into one buffer.

use sha2::{Digest, Sha256};

use super::table_set::LookupMap;
use crate::import::input::InputFile;
use crate::import::table_file::{self, Found, Told, Wanted};
use crate::import::{Counts, ImportError, Meter};
use crate::record::TEXT_BYTES_MAX;

/// The most rows a lookup may hold: an OMOP vocabulary in full has some 10 million.
const ROWS_MAX: usize = 20_000_000;
/// The most bytes of text.
const BYTES_MAX: usize = 1 << 30;

/// The rows of a lookup, sorted by key. Some 40 bytes a row and no allocation of its own for any.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    text: String,
    /// Where each key and value ends in `text`; a row has `width` of them.
    ends: Vec<u32>,
    width: usize,
    /// Rows by key.
    order: Vec<u32>,
}

impl Lookup {
    /// Value number `value` of the row with `key`.
    pub(super) fn get(&self, key: &str, value: usize) -> Option<&str> {
        let place = self.order.binary_search_by(|row| self.cell(*row, 0).cmp(key)).ok()?;
        let row = self.order.get(place)?;
        Some(self.cell(*row, value + 1)).filter(|text| !text.is_empty())
    }

    /// A fingerprint of all that the lookup says.
    pub(super) fn digest(&self) -> String {
        let ends = self.ends.iter().flat_map(|end| end.to_le_bytes()).collect::<Vec<u8>>();
        let digest = Sha256::new().chain_update(&self.text).chain_update(&ends).finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn cell(&self, row: u32, column: usize) -> &str {
        let at = row as usize * self.width + column;
        let end = |at: usize| self.ends.get(at).map_or(0, |end| *end as usize);
        let start = at.checked_sub(1).map_or(0, end);
        self.text.get(start..end(at)).unwrap_or_default()
    }

    /// Reads all `files` of the lookup and counts their lines.
    ///
    /// # Errors
    /// A file that cannot be opened, a header without a column, more rows than fit.
    pub(super) fn read(
        map: &LookupMap,
        missing: &[String],
        files: &[&InputFile],
        meter: &Meter,
        counts: &mut Counts,
    ) -> Result<Lookup, ImportError> {
        let mut lookup = Lookup { width: map.values + 1, ..Lookup::default() };
        let wanted = Wanted {
            columns: &map.form.columns,
            optional: &|place| map.form.optional_columns.iter().any(|one| one.0 == place),
            any_case: true,
        };
        for file in files {
            table_file::read(file, map.form.dialect, &wanted, meter, |line, told| {
                match told {
                    Told::Skipped(kind) => counts.skip_one(kind),
                    Told::Quarantined(reason) => {
                        counts.quarantine_one(|| file.quarantined(line, None, reason));
                    }
                    Told::Row(found) => match lookup.add(map, missing, found) {
                        Ok(true) => counts.use_one(),
                        Ok(false) => counts.skip_one("lookup row not kept"),
                        Err((column, reason)) => {
                            let column = map.form.columns.get(column).map(String::as_str);
                            let row = || file.quarantined(line, column, reason.to_owned());
                            counts.quarantine_one(row);
                        }
                    },
                }
                if lookup.is_full() {
                    let file = file.name.to_string();
                    return Err(ImportError::LookupTooLarge { file, rows: ROWS_MAX });
                }
                Ok(())
            })?;
        }
        lookup.sort();
        Ok(lookup)
    }

    fn is_full(&self) -> bool {
        self.rows() > ROWS_MAX || self.text.len() > BYTES_MAX
    }

    fn rows(&self) -> usize {
        self.ends.len() / self.width.max(1)
    }

    /// Adds a row; whether it is one to be held. A key that stands twice keeps its first row.
    fn add(
        &mut self,
        map: &LookupMap,
        missing: &[String],
        found: Found<'_>,
    ) -> Result<bool, (usize, &'static str)> {
        let text = |column: usize| {
            let place = found.positions.get(column).copied().flatten();
            let bytes = place.map_or(&b""[..], |place| found.cells.get(place));
            let text = str::from_utf8(bytes).map_err(|_| (column, "not UTF-8"))?.trim();
            if text.len() > TEXT_BYTES_MAX {
                return Err((column, "longer than 1024 bytes"));
            }
            Ok(if missing.iter().any(|one| one == text) { "" } else { text })
        };
        for (column, values) in &map.keep {
            let cell = text(column.0)?;
            if !values.iter().any(|value| value == cell) {
                return Ok(false);
            }
        }
        let key = text(0)?;
        if key.is_empty() {
            return Err((0, "missing"));
        }
        let rest = (1..self.width).map(text).collect::<Result<Vec<_>, _>>()?;
        for cell in std::iter::once(key).chain(rest) {
            self.text.push_str(cell);
            self.ends.push(self.text.len() as u32);
        }
        Ok(true)
    }

    fn sort(&mut self) {
        let mut order: Vec<u32> = (0..self.rows() as u32).collect();
        order.sort_by(|a, b| self.cell(*a, 0).cmp(self.cell(*b, 0)));
        order.dedup_by(|later, kept| self.cell(*later, 0) == self.cell(*kept, 0));
        self.order = order;
    }
}
