//! `MedsWriter`: records written as a MEDS 0.4 export that this program reads back the same, and that
//! others read by the five columns they know.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::layout::{COLUMNS, Field};
use super::out_row::{OutRow, append, encounter_rows, event_row, person_rows};
use super::{DATA, METADATA};
use crate::import::{Column, ColumnType, ParquetWriter, Subject, WriteError, subject_id};
use crate::private_file;
use crate::train::Split;

/// The version of MEDS that is written.
const MEDS_VERSION: &str = "0.4.1";
/// How many rows are gathered before they are written.
const BATCH_ROWS: usize = 65_536;
/// After so many rows a new file begins with the next subject.
const SHARD_ROWS: u64 = 1_000_000;

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MedsSummary {
    pub subjects: u64,
    pub rows: u64,
    pub files: u64,
    /// Events that have no place in MEDS: withdrawn, not done, or without any time.
    pub events_left_out: u64,
    /// Labels that are not carried: MEDS data hold none.
    pub labels_left_out: u64,
}

/// A MEDS export being written.
pub struct MedsWriter {
    folder: PathBuf,
    keep_ids: bool,
    rows: Vec<(i64, OutRow)>,
    shard: Option<ParquetWriter>,
    shard_rows: u64,
    codes: BTreeSet<String>,
    splits: Vec<(i64, Split)>,
    summary: MedsSummary,
    failure: Option<WriteError>,
}

impl MedsWriter {
    /// Begins an export in `folder`, which is made, readable by its owner alone. With `keep_ids` the
    /// source's ids that are no integers are kept in a column, so that predictions can be joined.
    ///
    /// # Errors
    /// A folder that holds something, or cannot be made.
    pub fn create(folder: &Path, keep_ids: bool) -> Result<MedsWriter, WriteError> {
        let io = |source| WriteError::Io { path: folder.to_owned(), source };
        private_file::make_empty_folder(folder).map_err(io)?;
        private_file::make_folder(&folder.join(DATA)).map_err(io)?;
        private_file::make_folder(&folder.join(METADATA)).map_err(io)?;
        Ok(MedsWriter {
            folder: folder.to_owned(),
            keep_ids,
            rows: Vec::new(),
            shard: None,
            shard_rows: 0,
            codes: BTreeSet::new(),
            splits: Vec::new(),
            summary: MedsSummary::default(),
            failure: None,
        })
    }

    /// Removes what an export that failed has written in `folder`: half an export is none.
    pub fn discard(folder: &Path) {
        for part in [DATA, METADATA] {
            let _ = fs::remove_dir_all(folder.join(part));
        }
    }

    /// Adds a subject. What the disk does not take is told by `finish`.
    pub fn push(&mut self, subject: &Subject) {
        if self.failure.is_some() {
            return;
        }
        let Subject { subject_id: id, source_id, group, record, label, split, .. } = subject;
        let mut rows = Vec::with_capacity(record.events.len() + 8);
        person_rows(record, &mut rows);
        record.encounters.iter().for_each(|encounter| encounter_rows(encounter, &mut rows));
        let events = record.events.iter().filter_map(event_row);
        let before = rows.len();
        rows.extend(events);
        let written = rows.len() - before;
        self.summary.events_left_out += (record.events.len() - written) as u64;
        self.summary.labels_left_out += u64::from(label.is_some());
        if rows.is_empty() {
            return;
        }
        rows.sort_by_key(|row| row.time);
        let named = self.keep_ids && *source_id != id.to_string();
        let known_as = if self.keep_ids { source_id.clone() } else { id.to_string() };
        let group = match self.keep_ids {
            true => group.clone(),
            false => subject_id(group).to_string(),
        };
        for row in &mut rows {
            if named {
                row.texts.push((Field::Patient, source_id.clone()));
            }
            if group != known_as {
                row.texts.push((Field::Group, group.clone()));
            }
            if !self.codes.contains(&row.code) {
                self.codes.insert(row.code.clone());
            }
        }
        self.splits.extend(split.map(|split| (*id, split)));
        self.summary.subjects += 1;
        self.summary.rows += rows.len() as u64;
        self.shard_rows += rows.len() as u64;
        self.rows.extend(rows.into_iter().map(|row| (*id, row)));
        let written = if self.shard_rows >= SHARD_ROWS {
            self.end_shard()
        } else if self.rows.len() >= BATCH_ROWS {
            self.flush()
        } else {
            Ok(())
        };
        self.failure = written.err();
    }

    /// Whether the disk has not taken something: more need not be pushed.
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Writes what is left and the files beside the data; `title` names the source.
    ///
    /// # Errors
    /// When the disk did not take something.
    pub fn finish(mut self, title: &str) -> Result<MedsSummary, WriteError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        self.end_shard()?;
        let metadata = self.folder.join(METADATA);
        let path = metadata.join("codes.parquet");
        let columns = [
            ("code", ColumnType::Text),
            ("description", ColumnType::Text),
            ("parent_codes", ColumnType::NoTexts),
        ];
        let mut file = ParquetWriter::create(&path, &columns)?;
        let codes: Vec<Option<&str>> = self.codes.iter().map(|code| Some(code.as_str())).collect();
        let none = vec![None; codes.len()];
        file.append(&[Column::Text(&codes), Column::Text(&none), Column::NoTexts(codes.len())])?;
        file.finish()?;
        if !self.splits.is_empty() {
            let path = metadata.join("subject_splits.parquet");
            let columns = [("subject_id", ColumnType::Integer), ("split", ColumnType::Text)];
            let mut file = ParquetWriter::create(&path, &columns)?;
            let (ids, names): (Vec<i64>, Vec<Option<&str>>) =
                self.splits.iter().map(|(id, split)| (*id, Some(split.name()))).unzip();
            file.append(&[Column::Integer(&ids), Column::Text(&names)])?;
            file.finish()?;
        }
        let dataset = serde_json::json!({
            "dataset_name": title,
            "etl_name": "prodrome-train",
            "etl_version": env!("CARGO_PKG_VERSION"),
            "meds_version": MEDS_VERSION,
        });
        let path = metadata.join("dataset.json");
        let text = format!("{dataset:#}\n");
        private_file::write_new(&path, text.as_bytes())
            .map_err(|source| WriteError::Io { path, source })?;
        Ok(self.summary)
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut shard = match self.shard.take() {
            Some(shard) => shard,
            None => {
                let name = format!("{}.parquet", self.summary.files);
                self.summary.files += 1;
                let columns = COLUMNS.map(|(_, name, kind)| (name, kind));
                ParquetWriter::create(&self.folder.join(DATA).join(name), &columns)?
            }
        };
        append(&mut shard, &self.rows)?;
        self.rows.clear();
        self.shard = Some(shard);
        Ok(())
    }

    fn end_shard(&mut self) -> Result<(), WriteError> {
        self.flush()?;
        self.shard_rows = 0;
        self.shard.take().map_or(Ok(()), ParquetWriter::finish)
    }
}
