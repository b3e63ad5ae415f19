//! One door to an export: its kind is found by looking.

use std::path::{Path, PathBuf};

use super::{
    Counts, ImportError, Mapping, Meter, Reading, Received, Subject, SyntheticMark, Wanted, fhir,
    meds, stays, tables,
};

/// A folder of exported records, and how to read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    pub folder: PathBuf,
    /// Tables need one; it may say how the codes of a MEDS export are meant. A FHIR export has none.
    pub mapping: Option<Mapping>,
    pub reading: Reading,
    /// A folder for what does not fit into memory. Without one all is kept in memory.
    pub work: Option<PathBuf>,
}

impl Export {
    /// The export in `folder`, read without a mapping, with the usual reading, in memory.
    pub fn new(folder: &Path) -> Export {
        let (mapping, reading, work) = (None, Reading::default(), None);
        Export { folder: folder.to_owned(), mapping, reading, work }
    }

    /// What the export is, in words, where no mapping says it.
    pub fn title(&self) -> &'static str {
        let is_meds = meds::files(&self.folder).is_ok_and(|files| !files.is_empty());
        match (is_meds, self.is_synthetic()) {
            (true, false) => "MEDS export",
            (false, false) => "FHIR R4 Bulk Data export",
            (true, true) => "simulated population (MEDS)",
            (false, true) => "simulated population (FHIR R4 Bulk Data)",
        }
    }

    /// Whether the export holds nobody's records, but a simulated population's.
    pub fn is_synthetic(&self) -> bool {
        SyntheticMark::is_on(&self.folder)
    }

    /// Gives each subject to `each`, which says what it did with it.
    ///
    /// # Errors
    /// A folder or file that cannot be opened, no file of a known kind, a table without its columns,
    /// two source ids with one subject id. Bad rows and lines are counted and never end the run.
    pub fn read(
        &self,
        meter: &Meter,
        mut each: impl FnMut(Subject) -> Received,
    ) -> Result<Counts, ImportError> {
        let each = |mut subject: Subject| {
            self.reading.close(&mut subject.record);
            each(subject)
        };
        match &self.mapping {
            Some(Mapping::Stays(table)) => stays::read(&self.folder, table, meter, each),
            Some(Mapping::Tables(set)) => tables::read(set, self, meter, each),
            Some(Mapping::Meds(_)) => {
                let files = meds::files(&self.folder)?;
                if files.is_empty() {
                    let (folder, pattern) = (self.folder.clone(), "data/**/*.parquet".to_owned());
                    return Err(ImportError::NoFile { folder, pattern });
                }
                meds::read(self, &files, meter, each)
            }
            None => {
                let files = meds::files(&self.folder)?;
                if !files.is_empty() {
                    return meds::read(self, &files, meter, each);
                }
                let files = fhir::files(&self.folder)?;
                if files.is_empty() {
                    return Err(ImportError::NoMapping { folder: self.folder.clone() });
                }
                fhir::read(&files, self, meter, each)
            }
        }
    }

    /// As `read`, into parts: each is begun by `begin`, which is told how many there are, holds subjects
    /// that stand together, and comes back in the order of the export, whatever the number of threads. What is not `wanted` may be left
    /// out of the records. Only the files of a MEDS export are read at one time and passed over in part;
    /// all else makes one part.
    ///
    /// # Errors
    /// As `read`.
    pub fn fold<P: Send>(
        &self,
        meter: &Meter,
        wanted: &Wanted<'_>,
        begin: impl Fn(usize) -> P + Sync,
        each: impl Fn(&mut P, Subject) -> Received + Sync,
    ) -> Result<(Vec<P>, Counts), ImportError> {
        if let Some(Mapping::Meds(_)) | None = &self.mapping {
            let files = meds::files(&self.folder)?;
            if !files.is_empty() {
                let closed = |part: &mut P, mut subject: Subject| {
                    self.reading.close(&mut subject.record);
                    each(part, subject)
                };
                return meds::fold(self, &files, meter, wanted, begin, closed);
            }
        }
        let mut part = begin(1);
        let counts = self.read(meter, |subject| each(&mut part, subject))?;
        Ok((vec![part], counts))
    }
}
