//! Doors to single parts of the readers, for the benchmark and the fuzz targets. No program uses them.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::fact::Content;
use super::fhir::{self, Told};
use super::input::InputFile;
use super::{ImportError, Meter, Reading};

/// What the lines of a file said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub lines: u64,
    pub items: u64,
    pub events: u64,
    /// Lines that would be quarantined.
    pub faults: u64,
}

impl Tally {
    fn add(&mut self, said: fhir::Said) {
        self.lines += 1;
        match said {
            Ok(Told::Item(item)) => {
                self.items += 1;
                if let Content::Events(events) = &item.content {
                    self.events += events.len() as u64;
                }
            }
            Ok(Told::Medication { .. } | Told::Nothing(_)) => {}
            Err(_) => self.faults += 1,
        }
    }
}

/// Reads a file of FHIR lines as an import does, and drops what each line tells.
///
/// # Errors
/// A file that cannot be opened.
pub fn fhir_file(path: &Path) -> Result<Tally, ImportError> {
    let file = InputFile { name: Arc::from(""), path: path.to_owned(), bytes: 0 };
    let mut tally = Tally::default();
    fhir::each_line(&file, &Reading::default(), &Meter::default(), |_, said| {
        tally.add(said);
        ControlFlow::Continue(())
    })?;
    Ok(tally)
}

/// Reads one FHIR line.
pub fn fhir_line(line: &[u8]) -> Tally {
    let mut tally = Tally::default();
    tally.add(fhir::read_one(line, &Reading::default()));
    tally
}
