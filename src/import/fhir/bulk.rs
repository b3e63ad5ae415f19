//! A folder of FHIR R4 Bulk Data: `*.ndjson` files, plain or packed, one resource a line.

use std::path::Path;

use super::resource::{self, Context, Told};
use crate::import::export::Export;
use crate::import::gather::{self, Keep, Sink};
use crate::import::input::{self, InputFile};
use crate::import::lines::{LineFault, Lines};
use crate::import::{Counts, ImportError, Meter, Reading, Received, Subject};

/// The longest line, in bytes: a resource may carry whole documents.
const LINE_BYTES_MAX: usize = 16 << 20;
const ENDINGS: [&str; 3] = [".ndjson", ".ndjson.gz", ".ndjson.zst"];

/// The files of an export by name; none where it is no FHIR export. What is in them their lines say:
/// names and numbers of parts do not matter.
///
/// # Errors
/// A folder that cannot be read.
pub(in crate::import) fn files(export: &Path) -> Result<Vec<InputFile>, ImportError> {
    input::files(export, |name| ENDINGS.iter().any(|ending| name.ends_with(ending)))
}

/// Reads all files, then gives the patients to `each` one by one. What `each` says of a patient
/// counts for all lines about the patient.
///
/// # Errors
/// A file that cannot be opened, two patients with one subject id.
pub(in crate::import) fn read(
    files: &[InputFile],
    export: &Export,
    meter: &Meter,
    each: impl FnMut(Subject) -> Received,
) -> Result<Counts, ImportError> {
    let read_file =
        |file: &InputFile, sink: &mut Sink<'_>| read_file(file, &export.reading, meter, sink);
    let read_as = format!("fhir {:?}", export.reading);
    let keep = Keep { work: export.work.as_deref(), read_as: &read_as };
    gather::import(files, keep, meter, read_file, each)
}

fn read_file(
    file: &InputFile,
    reading: &Reading,
    meter: &Meter,
    sink: &mut Sink<'_>,
) -> Result<(), ImportError> {
    let mut lines = Lines::open(file, LINE_BYTES_MAX, meter)?;
    let context = Context { known_as: None, reading };
    let mut text = Vec::new();
    while let Some((line, found)) = lines.next_into(&mut text) {
        if sink.has_failed() {
            break;
        }
        match found {
            Ok(()) => read_line(line, &text, context, sink),
            Err(fault) => sink.quarantine(line, None, line_reason(fault)),
        }
    }
    Ok(())
}

fn read_line(line: u64, bytes: &[u8], context: Context<'_>, sink: &mut Sink<'_>) {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return sink.skip("blank line");
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return sink.quarantine(line, None, "not UTF-8");
    };
    match resource::read(text, context) {
        Ok(Told::Item(item)) => sink.item(line, *item),
        Ok(Told::Medication { id, code }) => sink.medication(id, code),
        Ok(Told::Nothing(kind)) => sink.skip(kind),
        Err(fault) => {
            let (path, reason) = fault.parts();
            sink.quarantine(line, path, reason);
        }
    }
}

fn line_reason(fault: LineFault) -> &'static str {
    match fault {
        LineFault::TooLong => "a line longer than 16 MiB",
        LineFault::Broken => "the file breaks off or is damaged: it is not read from here on",
    }
}
