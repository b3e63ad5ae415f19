//! `audit-verify`: the first record of an access log that is not what was written there.

use std::path::PathBuf;

use serde::Serialize;

use super::CommandError;
use crate::audit::{self, Evidence, Verdict};

/// What `audit-verify` is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditVerifyRequest {
    /// The folder of the log.
    pub folder: PathBuf,
    pub evidence: Evidence,
}

/// What `audit-verify` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditVerified {
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What is wrong with the first bad record, in words.
    pub reason: Option<String>,
}

impl AuditVerified {
    /// 0, or 1 where a record is not what was written.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.verdict.fault.is_some())
    }

    /// What was found, in a sentence or two.
    pub fn summary(&self) -> String {
        let Verdict { log, files, records, calls, first_seq, last_seq, .. } = &self.verdict;
        let read = format!(
            "access log {log}: {records} records ({first_seq} to {last_seq}) of {calls} calls in \
             {files} files"
        );
        match (&self.verdict.fault, &self.reason) {
            (Some(fault), Some(reason)) => {
                let seq = fault.seq.map(|seq| format!(", record {seq}")).unwrap_or_default();
                let (file, line) = (fault.file.display(), fault.line);
                format!(
                    "{read} are as they were written; then:\n{file}, line {line}{seq}: {reason}"
                )
            }
            _ => format!("{read}, all as they were written"),
        }
    }

    /// What could not be checked, and what the log says about itself.
    pub fn warnings(&self) -> Vec<String> {
        let Verdict { signed_seq, last_seq, is_seal_checked, unrecorded_calls, .. } = &self.verdict;
        let mut warnings = Vec::new();
        if !*is_seal_checked {
            warnings.push(
                "seals are not checked: forged records at the end would not be seen (--key-file)"
                    .to_owned(),
            );
        }
        match signed_seq {
            None => warnings.push(
                "no signature is checked: a missing end may not be seen (--public-key, --checkpoint)"
                    .to_owned(),
            ),
            Some(signed) if signed < last_seq && self.verdict.fault.is_none() => warnings.push(format!(
                "records {} to {last_seq} came after the last signed checkpoint",
                signed.saturating_add(1)
            )),
            Some(_) => {}
        }
        if *unrecorded_calls > 0 {
            warnings.push(format!(
                "{unrecorded_calls} calls are counted without a record of their own"
            ));
        }
        if self.verdict.is_being_written {
            warnings
                .push("a server is writing this log: its last line was not whole yet".to_owned());
        }
        warnings
    }
}

/// Checks an access log, record by record.
///
/// # Errors
/// A folder without a log; files that cannot be read; keys that are none.
pub fn audit_verify(request: &AuditVerifyRequest) -> Result<AuditVerified, CommandError> {
    let verdict = audit::verify(&request.folder, &request.evidence)?;
    let reason = verdict.fault.as_ref().map(|fault| fault.kind.to_string());
    Ok(AuditVerified { verdict, reason })
}
