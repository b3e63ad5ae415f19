//! `convert`: any export, written as MEDS.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::CommandError;
use super::records::{self, Source};
use crate::import::{Counts, Export, MedsSummary, MedsWriter, Meter, Received, SyntheticMark};

/// What `convert` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvertRequest {
    pub source: Source,
    /// The folder to write to; it must be empty or not there.
    pub out: PathBuf,
    /// Whether ids of the source that are no integers are kept in a column of their own.
    pub keep_ids: bool,
}

/// What `convert` wrote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Converted {
    pub out: PathBuf,
    pub lines: Counts,
    pub written: MedsSummary,
}

impl Converted {
    /// What was written, in sentences.
    pub fn summary(&self) -> String {
        let MedsSummary { subjects, rows, files, events_left_out, labels_left_out } = self.written;
        let mut text = format!(
            "{}\nwritten: {rows} rows of {subjects} subjects in {files} files in {}",
            self.lines.sentence(),
            self.out.display()
        );
        if events_left_out > 0 {
            text +=
                &format!("\n{events_left_out} events without a time, or withdrawn, are left out");
        }
        if labels_left_out > 0 {
            text += &format!("\n{labels_left_out} labels are left out: MEDS data hold none");
        }
        text
    }
}

/// Writes an export as MEDS 0.4.
///
/// # Errors
/// A folder that is not empty, files that cannot be read or written.
pub fn convert(request: &ConvertRequest, meter: &Meter) -> Result<Converted, CommandError> {
    let export = records::export(&request.source)?;
    let writer = MedsWriter::create(&request.out, request.keep_ids)?;
    let converted = fill(writer, &request.out, &export, meter);
    if converted.is_err() {
        MedsWriter::discard(&request.out);
        SyntheticMark::discard(&request.out);
    }
    converted
}

fn fill(
    mut writer: MedsWriter,
    out: &Path,
    export: &Export,
    meter: &Meter,
) -> Result<Converted, CommandError> {
    let lines = export.read(meter, |subject| {
        writer.push(&subject);
        Received::Used
    })?;
    let written = writer.finish(&records::source_params(export).title)?;
    SyntheticMark::carry(&export.folder, out)?;
    Ok(Converted { out: out.to_owned(), lines, written })
}
