//! `audit-export`: the calls of an access log as AuditEvent resources, one a line.

use std::path::PathBuf;

use serde::Serialize;

use super::CommandError;
use super::ndjson::NdjsonFile;
use crate::audit::{self, CallsRead};
use crate::fhir::audit_event;
use crate::record::Time;

/// What `audit-export` is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditExportRequest {
    /// The folder of the log.
    pub folder: PathBuf,
    pub out: PathBuf,
    /// Calls that ended before this time are left out.
    pub since: Option<Time>,
    /// Calls that ended at this time or later are left out.
    pub until: Option<Time>,
}

/// What `audit-export` wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditExported {
    pub out: PathBuf,
    /// Resources written: one for each call within the times.
    pub events: u64,
    #[serde(flatten)]
    pub read: CallsRead,
}

impl AuditExported {
    /// What was written, in a sentence.
    pub fn summary(&self) -> String {
        let (events, calls) = (self.events, self.read.calls);
        format!("{events} of {calls} calls\nwritten: {}", self.out.display())
    }

    /// What the resources do not hold.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.read.unrecorded_calls > 0 {
            let calls = self.read.unrecorded_calls;
            warnings.push(format!(
                "{calls} calls are counted in the log without a record of their own: no resource \
                 stands for them"
            ));
        }
        if self.read.is_being_written {
            warnings
                .push("a server is writing this log: its last line was not whole yet".to_owned());
        }
        warnings
    }
}

/// Writes the calls of an access log as resources.
///
/// # Errors
/// A folder without a log, a line of it that is no record, files that cannot be read or written: then
/// there is no file.
pub fn audit_export(request: &AuditExportRequest) -> Result<AuditExported, CommandError> {
    let AuditExportRequest { folder, out, since, until } = request;
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        return Err(CommandError::Usage("--since must be before --until".to_owned()));
    }
    let mut file = NdjsonFile::create(out)?;
    let mut events = 0;
    let read = audit::calls(folder, |call| {
        let is_late = until.is_some_and(|until| call.time >= until);
        if !is_late && since.is_none_or(|since| call.time >= since) {
            events += 1;
            file.push(&audit_event(&call));
        }
    })?;
    file.finish()?;
    Ok(AuditExported { out: out.clone(), events, read })
}
