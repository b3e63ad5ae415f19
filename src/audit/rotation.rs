//! Files follow one another: how one is begun, and which are old enough to go.

use std::fs;
use std::path::Path;

use super::AuditError;
use super::disk::{Disk, DiskFault, Faults};
use super::folder::{file_head, files, path_of};
use super::key::Keys;
use super::line::{Tip, What};
use super::settings::Rules;
use crate::private_file;
use crate::record::Time;

/// What all files of a log have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volume<'a> {
    pub(super) rules: &'a Rules,
    pub(super) keys: &'a Keys,
    /// The log's id.
    pub(super) log: &'a str,
}

impl Volume<'_> {
    /// Makes file `number`, which goes on at `tip`; it is there with its first record, or not at all
    /// as far as that can be had.
    ///
    /// # Errors
    /// A folder that takes no file.
    pub(super) fn begin(
        &self,
        number: u64,
        mut tip: Tip,
        time: Time,
        faults: &Faults,
    ) -> Result<(Disk, Tip), AuditError> {
        let folder = &self.rules.folder;
        let path = path_of(folder, number);
        let what = What::Log { log: self.log, file: number, patient_key_id: self.keys.id() };
        let mut line = Vec::new();
        let pushed = tip.push(&mut line, self.keys, time, &what);
        pushed.map_err(|error| AuditError::io(&path)(error.into()))?;
        let file = private_file::create(&path).map_err(AuditError::io(&path))?;
        let mut disk = Disk::new(file, 0, faults.clone());
        let written = disk.write(&line).and_then(|()| disk.flushable().flush());
        let written = written.map_err(|fault| match fault {
            DiskFault::NotNow(kind) | DiskFault::Broken(kind) => kind.into(),
        });
        let done = written.and_then(|()| private_file::sync_folder(folder));
        if let Err(error) = done {
            // One that stays is found without a whole record, and removed, by the next start.
            let _ = fs::remove_file(&path);
            return Err(AuditError::io(&path)(error));
        }
        Ok((disk, tip))
    }

    /// The files whose records are all older than the retention.
    ///
    /// Age is counted to the start of the newest finished file, not to the clock: a clock that jumps
    /// years ahead must not cost the log.
    ///
    /// # Errors
    /// A folder or file that cannot be read.
    pub(super) fn old(&self) -> Result<Vec<u64>, AuditError> {
        let all: Vec<_> = files(&self.rules.folder)?.into_iter().collect();
        let finished = all.split_last().map(|(_, finished)| finished).unwrap_or_default();
        let begun = |path: &Path| -> Result<Option<Time>, AuditError> {
            let head = file_head(path)?;
            Ok(head.and_then(|head| Time::parse(&head.time)))
        };
        let Some((_, newest)) = finished.last() else { return Ok(Vec::new()) };
        let Some(now) = begun(newest)? else { return Ok(Vec::new()) };
        let limit = now.plus_days(-self.rules.retention_days);
        let mut old = Vec::new();
        for pair in finished.windows(2) {
            let [(number, _), (_, next)] = pair else { continue };
            if begun(next)?.is_none_or(|begun| begun >= limit) {
                break;
            }
            old.push(*number);
        }
        Ok(old)
    }
}
