//! Gathering: exports whose files are not sorted by patient, put together patient by patient.
//!
//! A reader takes one file and tells a `Sink` what each line says. The sink packs the facts into the
//! file's `Spill`, sorted into shards by a hash of the patient's id. When all files are read, shard
//! after shard is unpacked, and the record of each patient is made of all that was told of the
//! patient, whatever file and order it came in. So memory holds one shard and never one export; the
//! spills lie in memory as well, packed, or in the work folder where there is one.

mod assemble;
mod report;
mod shard;
mod sink;
mod spill;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

pub(super) use assemble::{Gathered, LeftOut, NO_MEDICATION};
use rayon::prelude::*;
use report::Report;
pub(super) use sink::Sink;
use spill::Spill;
use work::Work;

use super::fact::Item;
use super::input::{self, InputFile};
use super::{Counts, ImportError, Meter, Received, Subject};
use crate::record::Code;

/// Where a resource stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The number of the file; 0 for a Bundle.
    pub file: usize,
    /// The line, from 1; for a Bundle the entry, from 0.
    pub line: u64,
}

/// Where spills are kept, and under which name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep<'a> {
    /// `None`: in memory.
    pub work: Option<&'a Path>,
    /// All that decides what the lines of these files tell, beside the files: a run that was
    /// interrupted is gone on with only where nothing of it has changed.
    pub read_as: &'a str,
}

/// Reads all files with `read_file`, in parallel, then gives the patients to `each` one by one, in an
/// order that depends on their ids alone. What `each` says of a patient counts for all lines about
/// the patient.
///
/// # Errors
/// What `read_file` ends with, a work folder that cannot be used, an export too large for memory
/// where there is no work folder, two patients with one subject id.
pub(super) fn import(
    files: &[InputFile],
    keep: Keep<'_>,
    meter: &Meter,
    read_file: impl Fn(&InputFile, &mut Sink<'_>) -> Result<(), ImportError> + Sync,
    mut each: impl FnMut(Subject) -> Received,
) -> Result<Counts, ImportError> {
    input::announce(files, meter);
    let work = keep.work.map(|folder| Work::open(folder, files, keep.read_as)).transpose()?;
    let shards = spill::shards(files);
    let mut spilled: Vec<Spill> = files
        .par_iter()
        .enumerate()
        // One file at a time to a thread: in larger pieces one thread could get all large files.
        .with_max_len(1)
        .map(|(number, file)| {
            if let Some(done) = work.as_ref().map(|work| work.done(number)).transpose()?.flatten() {
                meter.add(file.bytes);
                return Ok(done);
            }
            let mut sink = Sink::new(number, file, shards, work.as_ref())?;
            read_file(file, &mut sink)?;
            sink.finish()
        })
        .collect::<Result<_, ImportError>>()?;
    let mut report = Report::new(files);
    let mut medications = HashMap::new();
    for spill in &mut spilled {
        report.counts.add(std::mem::take(&mut spill.told.counts));
        medications.extend(std::mem::take(&mut spill.told.medications));
    }
    shard::each_patient(&spilled, shards, &medications, |gathered| {
        report.patient(gathered, &mut each)
    })?;
    let counts = report.counts;
    work.map(Work::remove).transpose()?;
    Ok(counts)
}

/// The patients of `items`, by id.
pub(super) fn gathered(
    items: Vec<(Place, Item)>,
    medications: &HashMap<String, Code>,
) -> impl Iterator<Item = Gathered> {
    let mut patients: BTreeMap<String, Vec<(Place, Item)>> = BTreeMap::new();
    for (place, item) in items {
        match patients.get_mut(&item.patient) {
            Some(items) => items.push((place, item)),
            None => {
                patients.insert(item.patient.clone(), vec![(place, item)]);
            }
        }
    }
    let each = patients.into_iter();
    each.map(move |(patient, items)| assemble::assemble(patient, items, medications))
}
