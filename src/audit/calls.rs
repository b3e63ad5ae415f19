//! The calls of a log, for reading: one by one, in order over all files, each as its caller had it.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::entry::ModelUsed;
use super::line::{FileHead, Head, Kind, Tip};
use super::lines::{Line, Lines};
use super::verify::UnrecordedLine;
use super::{AuditError, FaultKind, folder};
use crate::access::{Method, Outcome, Purpose};
use crate::record::Time;

/// The most answers taken back after their records were written: one for each call that a disk kept
/// waiting. Their numbers are held in memory.
const WITHHELD_MAX: usize = 4_000_000;

/// A call as the log tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedCall {
    /// The log's id.
    pub log: String,
    /// The name and version of the server that wrote the record, where the log still says it.
    pub server: Option<String>,
    /// The record's number.
    pub seq: u64,
    /// When the call ended.
    pub time: Time,
    /// As the caller saw it in `x-request-id`.
    pub call_id: String,
    pub method: Method,
    pub caller: String,
    /// Who was at the caller's screen, as the caller said.
    pub user: Option<String>,
    pub purpose: Option<Purpose>,
    /// Why the caller broke the glass, in the caller's words.
    pub break_glass: Option<String>,
    /// The keyed hash of the patient's id.
    pub patient: Option<String>,
    /// Those of the patients whom a list showed.
    pub listed: Vec<String>,
    pub models: Vec<ModelUsed>,
    /// How it ended for the caller.
    pub outcome: Outcome,
    /// How it had ended before its answer was withheld, for want of a record in time.
    pub withheld: Option<Outcome>,
    /// The trace that the call belongs to (W3C trace id).
    pub trace_id: Option<String>,
}

/// How much of a log was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CallsRead {
    pub calls: u64,
    /// Calls that the log only counts, because they could not be recorded one by one.
    pub unrecorded_calls: u64,
    /// The rest of a record at the end of a log that a server is writing now was left out.
    pub is_being_written: bool,
}

/// A record of a call, as it stands in the log.
#[derive(Debug, Deserialize)]
struct CallLine {
    call: String,
    method: Method,
    caller: String,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    purpose: Option<Purpose>,
    #[serde(default)]
    break_glass: Option<String>,
    #[serde(default)]
    patient: Option<String>,
    #[serde(default)]
    listed: Vec<String>,
    models: Vec<ModelLine>,
    outcome: Outcome,
    #[serde(default)]
    withheld: Option<Outcome>,
    #[serde(default)]
    trace: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ModelLine {
    task: String,
    version: String,
    digest: String,
}

#[derive(Debug, Deserialize)]
struct WithheldLine {
    of: u64,
}

#[derive(Debug, Deserialize)]
struct OpenedLine {
    server: String,
}

/// Gives each call of the log in a folder to `each`.
///
/// A call whose answer was withheld after its record was written is given with what its caller got:
/// outcome `UNAVAILABLE`. That is known from a later record, so the log is read twice: first whole, when
/// also the chain of its records is checked, then up to the same record. Seals, signatures and a missing
/// end are for `verify`.
///
/// # Errors
/// A folder without a log, files that cannot be read, and the first line that is no record or does not
/// go on from the one before: then no call is given at all.
pub fn calls(folder: &Path, mut each: impl FnMut(AuditedCall)) -> Result<CallsRead, AuditError> {
    let mut survey = Survey::default();
    let is_being_written = walk(folder, |head, line, at| survey.see(folder, head, line, at))?;
    let (mut log, mut server) = (String::new(), None);
    let mut calls = 0;
    walk(folder, |head, line, at| {
        match head.kind {
            _ if head.seq > survey.last_seq => return Ok(ControlFlow::Break(())),
            Kind::Log => log = read::<FileHead>(line, at)?.log,
            Kind::Opened => server = Some(read::<OpenedLine>(line, at)?.server),
            Kind::Call => {
                let call = audited(head, line, at, survey.withheld.contains(&head.seq))?;
                calls += 1;
                each(AuditedCall { log: log.clone(), server: server.clone(), ..call });
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(CallsRead { calls, unrecorded_calls: survey.unrecorded_calls, is_being_written })
}

/// Where a line is.
#[derive(Debug, Clone, Copy)]
struct At<'a> {
    file: &'a Path,
    line: u64,
}

impl At<'_> {
    fn bad(self, kind: FaultKind) -> AuditError {
        AuditError::BadRecord { file: self.file.to_owned(), line: self.line, kind }
    }
}

/// What the first reading finds.
#[derive(Debug, Default)]
struct Survey {
    tip: Option<Tip>,
    last_seq: u64,
    withheld: HashSet<u64>,
    unrecorded_calls: u64,
}

impl Survey {
    fn see(
        &mut self,
        folder: &Path,
        head: &Head<'_>,
        line: &[u8],
        at: At<'_>,
    ) -> Result<ControlFlow<()>, AuditError> {
        if let Some(tip) = &self.tip {
            if head.seq != tip.seq.saturating_add(1) {
                return Err(at.bad(FaultKind::Missing));
            }
            if head.prev != tip.hash {
                return Err(at.bad(FaultKind::Unchained));
            }
        }
        self.tip = Some(Tip::after(head.seq, line));
        self.last_seq = head.seq;
        match head.kind {
            Kind::Withheld => {
                self.withheld.insert(read::<WithheldLine>(line, at)?.of);
                if self.withheld.len() > WITHHELD_MAX {
                    let (folder, max) = (folder.to_owned(), WITHHELD_MAX);
                    return Err(AuditError::TooManyWithheld { folder, max });
                }
            }
            Kind::Unrecorded => {
                let calls = read::<UnrecordedLine>(line, at)?.calls;
                self.unrecorded_calls = self.unrecorded_calls.saturating_add(calls);
            }
            // That it can be read as a call shows here, before the first call is given.
            Kind::Call => drop(audited(head, line, at, false)?),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Gives each record of a log to `each`; says whether the last is being written now.
fn walk(
    folder: &Path,
    mut each: impl FnMut(&Head<'_>, &[u8], At<'_>) -> Result<ControlFlow<()>, AuditError>,
) -> Result<bool, AuditError> {
    let files = folder::files(folder)?;
    let Some((last, _)) = files.last_key_value() else {
        return Err(AuditError::NoLog { folder: folder.to_owned() });
    };
    for (number, file) in &files {
        let mut lines = Lines::open(file)?;
        loop {
            let at = At { file, line: lines.number() + 1 };
            let line = match lines.read()? {
                None => break,
                Some(Line::Whole(line)) => line,
                Some(Line::Rest) if number == last && folder::is_locked(folder) => return Ok(true),
                Some(Line::Rest | Line::TooLong) => return Err(at.bad(FaultKind::Torn)),
            };
            let head = Head::read(line).ok_or_else(|| at.bad(FaultKind::Unreadable))?;
            if (at.line == 1) != (head.kind == Kind::Log) {
                return Err(at.bad(FaultKind::FileHead));
            }
            if each(&head, line, at)?.is_break() {
                return Ok(false);
            }
        }
    }
    Ok(false)
}

fn read<'l, T: Deserialize<'l>>(line: &'l [u8], at: At<'_>) -> Result<T, AuditError> {
    serde_json::from_slice(line).map_err(|_| at.bad(FaultKind::Unreadable))
}

/// The call of a record, but for what other records say of it.
fn audited(
    head: &Head<'_>,
    line: &[u8],
    at: At<'_>,
    is_withheld: bool,
) -> Result<AuditedCall, AuditError> {
    let given: CallLine = read(line, at)?;
    let time = Time::parse(head.time).ok_or_else(|| at.bad(FaultKind::Unreadable))?;
    let (outcome, withheld) = match (is_withheld, given.withheld) {
        (true, before) => (Outcome::Unavailable, Some(before.unwrap_or(given.outcome))),
        (false, before) => (given.outcome, before),
    };
    let models = given.models.into_iter().map(|model| {
        let ModelLine { task, version, digest } = model;
        ModelUsed { task, version, digest }
    });
    Ok(AuditedCall {
        log: String::new(),
        server: None,
        seq: head.seq,
        time,
        call_id: given.call,
        method: given.method,
        caller: given.caller,
        user: given.user,
        purpose: given.purpose,
        break_glass: given.break_glass,
        patient: given.patient,
        listed: given.listed,
        models: models.collect(),
        outcome,
        withheld,
        trace_id: given.trace,
    })
}
