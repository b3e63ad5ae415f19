//! A folder of FHIR R4 Bulk Data: `*.ndjson` files, plain or packed, one resource a line.

use std::ops::ControlFlow;
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
    each_line(file, reading, meter, |line, said| {
        match said {
            Ok(Told::Item(item)) => sink.item(line, *item),
            Ok(Told::Medication { id, code }) => sink.medication(id, code),
            Ok(Told::Nothing(kind)) => sink.skip(kind),
            Err((path, reason)) => sink.quarantine(line, path, reason),
        }
        if sink.has_failed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

/// What a line says, or the field at fault, where one is, and what is wrong.
pub(in crate::import) type Said = Result<Told, (Option<&'static str>, &'static str)>;

/// Gives each line of `file` to `each`, with its number, until `each` has enough.
pub(in crate::import) fn each_line(
    file: &InputFile,
    reading: &Reading,
    meter: &Meter,
    mut each: impl FnMut(u64, Said) -> ControlFlow<()>,
) -> Result<(), ImportError> {
    let mut lines = Lines::open(file, LINE_BYTES_MAX, meter)?;
    let context = Context { known_as: None, reading };
    let mut text = Vec::new();
    while let Some((line, found)) = lines.next_into(&mut text) {
        let said = match found {
            Ok(()) => read_line(&text, context),
            Err(fault) => Err((None, line_reason(fault))),
        };
        if each(line, said).is_break() {
            break;
        }
    }
    Ok(())
}

/// Reads one line that stands alone.
pub(in crate::import) fn read_one(bytes: &[u8], reading: &Reading) -> Said {
    read_line(bytes, Context { known_as: None, reading })
}

fn read_line(bytes: &[u8], context: Context<'_>) -> Said {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Told::Nothing("blank line"));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Err((None, "not UTF-8")) };
    resource::read(text, context).map_err(|fault| fault.parts())
}

fn line_reason(fault: LineFault) -> &'static str {
    match fault {
        LineFault::TooLong => "a line longer than 16 MiB",
        LineFault::Broken => "the file breaks off or is damaged: it is not read from here on",
    }
}
