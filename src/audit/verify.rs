//! The check of a log from outside: the first record that is not what was written there.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::AuditError;
use super::checkpoint::{self, Checkpoint};
use super::folder;
use super::key::Keys;
use super::line::{FileHead, Head, Kind, Tip, is_sealed};
use super::lines::{Line, Lines};
use crate::signing::PublicKey;

/// What a log is checked against, beside its own chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The log's secret: shows forged records, also at the end.
    pub key_file: Option<PathBuf>,
    /// The key that checkpoints are signed by (PEM).
    pub public_key: Option<PathBuf>,
    /// A copy of `checkpoint.json` kept elsewhere: shows a missing end. By default the one beside the
    /// log, which whoever cuts the log can change too.
    pub checkpoint: Option<PathBuf>,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    #[error(
        "the line has no end: it was cut off, or a server was killed while it wrote (the next start cuts such a rest off)"
    )]
    Torn,
    #[error("not a record: it was changed after it was written")]
    Unreadable,
    #[error(
        "the seal is not that of this record: it was changed after it was written, or never written by the server"
    )]
    Seal,
    #[error("another record stands in its place: it was removed or moved")]
    Missing,
    #[error("it was changed after it was written: the record after it holds another hash")]
    Changed,
    #[error("it does not go on from the record before it")]
    Unchained,
    #[error("the first record of the file does not name this file of this log")]
    FileHead,
    #[error(
        "the records before it are missing, and no record says that they were removed for their age"
    )]
    Beginning,
    #[error("the signature of the checkpoint is not by this key")]
    Signature,
    #[error(
        "the log ends before it, but the checkpoint knows of it: the end of the log was cut off"
    )]
    End,
    #[error("it is not the record that the checkpoint knows")]
    Checkpoint,
    #[error(
        "the log holds checkpoints, but checkpoint.json is missing: the end of the log may be, too"
    )]
    NoCheckpoint,
    #[error("the secret is not the one that the log was written with")]
    OtherKey,
}

/// The first record that is not what was written there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub file: PathBuf,
    /// From 1; for a record that is missing, where it should stand.
    pub line: u64,
    /// The record's number, as far as it can be known.
    pub seq: Option<u64>,
    pub kind: FaultKind,
}

/// What a check of a log found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The log's id.
    pub log: String,
    pub files: u64,
    /// The number of the first file there is; those before it were removed for their age.
    pub first_file: u64,
    pub records: u64,
    pub calls: u64,
    /// Calls that the log only counts, because they could not be recorded one by one.
    pub unrecorded_calls: u64,
    pub first_seq: u64,
    pub last_seq: u64,
    /// The time of the first and of the last record.
    pub first_time: String,
    pub last_time: String,
    pub checkpoints: u64,
    /// The last record that a signature by the given key covers.
    pub signed_seq: Option<u64>,
    /// Whether the seals were checked.
    pub is_seal_checked: bool,
    /// The rest of a record at the end of a log that a server is writing now.
    pub is_being_written: bool,
    pub fault: Option<Fault>,
}

#[derive(Debug, Clone, Default)]
struct Spot {
    file: PathBuf,
    line: u64,
    seq: u64,
}

struct Reader {
    keys: Option<Keys>,
    public_key: Option<PublicKey>,
    checkpoint: Option<Checkpoint>,
    tip: Option<Tip>,
    before: Spot,
    /// The last file that the log says was removed for its age.
    removed: u64,
    verdict: Verdict,
}

/// Checks the log in a folder, record by record, up to the first that is wrong.
///
/// # Errors
/// A folder without a log; files that cannot be read; keys that are none.
pub fn verify(folder: &Path, evidence: &Evidence) -> Result<Verdict, AuditError> {
    let files = folder::files(folder)?;
    let Some((first_file, first_path)) = files.iter().next() else {
        return Err(AuditError::NoLog { folder: folder.to_owned() });
    };
    let keys = evidence.key_file.as_deref().map(Keys::read).transpose()?;
    let public_key = evidence.public_key.as_deref().map(checkpoint::read_public_key).transpose()?;
    let beside = folder.join(checkpoint::FILE);
    let given = evidence.checkpoint.as_deref();
    let found = Checkpoint::read(given.unwrap_or(&beside))?;
    if let (None, Some(path)) = (&found, given) {
        return Err(AuditError::NoCheckpoint { path: path.to_owned() });
    }
    let is_seal_checked = keys.is_some();
    let verdict = Verdict { first_file: *first_file, is_seal_checked, ..Verdict::default() };
    let mut reader = Reader {
        keys,
        public_key,
        checkpoint: found,
        tip: (*first_file == 1).then(Tip::genesis),
        before: Spot::default(),
        removed: 0,
        verdict,
    };
    for (number, path) in &files {
        let is_last = files.last_key_value().is_some_and(|(last, _)| last == number);
        if let Some(fault) = reader.file(folder, *number, path, is_last)? {
            return Ok(Verdict { fault: Some(fault), ..reader.verdict });
        }
    }
    let fault = reader.end(*first_file, first_path);
    Ok(Verdict { fault, ..reader.verdict })
}

impl Reader {
    fn file(
        &mut self,
        folder: &Path,
        number: u64,
        path: &Path,
        is_last: bool,
    ) -> Result<Option<Fault>, AuditError> {
        self.verdict.files += 1;
        let mut lines = Lines::open(path)?;
        let mut spot = Spot { file: path.to_owned(), line: 0, seq: 0 };
        loop {
            let before = lines.number();
            let Some(line) = lines.read()? else { break };
            spot.line = before + 1;
            let expected = self.tip.as_ref().map(|tip| tip.seq.saturating_add(1));
            let line = match line {
                Line::Whole(line) => line,
                Line::Rest if is_last && folder::is_locked(folder) => {
                    self.verdict.is_being_written = true;
                    return Ok(None);
                }
                Line::Rest | Line::TooLong => {
                    return Ok(Some(spot.fault(expected, FaultKind::Torn)));
                }
            };
            let fault = self.line(line, &mut spot, number);
            if fault.is_some() {
                return Ok(fault);
            }
        }
        let is_empty = spot.line == 0;
        let expected = self.tip.as_ref().map(|tip| tip.seq.saturating_add(1));
        spot.line = 1;
        Ok(is_empty.then(|| spot.fault(expected, FaultKind::Torn)))
    }

    /// Checks a line, and goes on to it.
    fn line(&mut self, line: &[u8], spot: &mut Spot, number: u64) -> Option<Fault> {
        let expected = self.tip.as_ref().map(|tip| tip.seq.saturating_add(1));
        let Some(head) = Head::read(line) else {
            return Some(spot.fault(expected, FaultKind::Unreadable));
        };
        if spot.line == 1
            && let Some(kind) = self.file_head(line, number)
        {
            return Some(spot.fault(expected.or(Some(head.seq)), kind));
        }
        if self.keys.as_ref().is_some_and(|keys| !is_sealed(line, keys)) {
            return Some(spot.fault(expected.or(Some(head.seq)), FaultKind::Seal));
        }
        if let Some(tip) = &self.tip {
            if head.seq != tip.seq.saturating_add(1) {
                return Some(spot.fault(expected, FaultKind::Missing));
            }
            if head.prev != tip.hash && self.keys.is_some() {
                return Some(spot.fault(expected, FaultKind::Unchained));
            }
            if head.prev != tip.hash {
                // Without the secret one of the two was changed: the one before has no other witness.
                let before = if self.before.line == 0 { &*spot } else { &self.before };
                return Some(before.fault(Some(tip.seq), FaultKind::Changed));
            }
        }
        spot.seq = head.seq;
        let kind = self.meaning(&head, line);
        self.tip = Some(Tip::after(head.seq, line));
        let kind = kind.or_else(|| self.against_checkpoint());
        self.note(&head);
        self.before.clone_from(spot);
        kind.map(|kind| spot.fault(Some(spot.seq), kind))
    }

    /// The first line of a file names the file and the log.
    fn file_head(&mut self, line: &[u8], number: u64) -> Option<FaultKind> {
        let head = FileHead::read(line);
        let is_first = self.verdict.log.is_empty();
        let head = head.filter(|head| {
            head.file == number
                && !head.log.is_empty()
                && (is_first || head.log == self.verdict.log)
        });
        let Some(head) = head else { return Some(FaultKind::FileHead) };
        if self.keys.as_ref().is_some_and(|keys| keys.id() != head.patient_key_id) {
            return Some(FaultKind::OtherKey);
        }
        self.verdict.log = head.log;
        None
    }

    /// What records of the log itself say.
    fn meaning(&mut self, head: &Head<'_>, line: &[u8]) -> Option<FaultKind> {
        match head.kind {
            Kind::Checkpoint => {
                self.verdict.checkpoints += 1;
                let (Some(key), Some(tip)) = (&self.public_key, &self.tip) else { return None };
                let signed: SignedLine<'_> = serde_json::from_slice(line).ok()?;
                let log = &self.verdict.log;
                if !checkpoint::is_signature(key, log, tip, head.time, signed.signature) {
                    return Some(FaultKind::Signature);
                }
                self.verdict.signed_seq = Some(tip.seq);
            }
            Kind::Removed => {
                let removed: Option<RemovedLine> = serde_json::from_slice(line).ok();
                self.removed = removed.map_or(0, |removed| removed.through_file).max(self.removed);
            }
            Kind::Unrecorded => {
                let counted: Option<UnrecordedLine> = serde_json::from_slice(line).ok();
                let calls = counted.map_or(0, |counted| counted.calls);
                self.verdict.unrecorded_calls = self.verdict.unrecorded_calls.saturating_add(calls);
            }
            Kind::Call => self.verdict.calls += 1,
            Kind::Log | Kind::Opened | Kind::Recovered | Kind::Withheld | Kind::Closed => {}
        }
        None
    }

    /// Whether the record just read is the one that the checkpoint knows under its number.
    fn against_checkpoint(&mut self) -> Option<FaultKind> {
        let (checkpoint, tip) = (self.checkpoint.as_ref()?, self.tip.as_ref()?);
        let is_it = checkpoint.log == self.verdict.log && checkpoint.seq == tip.seq;
        (is_it && checkpoint.hash != tip.hash).then_some(FaultKind::Checkpoint)
    }

    fn note(&mut self, head: &Head<'_>) {
        let verdict = &mut self.verdict;
        if verdict.records == 0 {
            verdict.first_seq = head.seq;
            verdict.first_time = head.time.to_owned();
        }
        verdict.records += 1;
        verdict.last_seq = head.seq;
        verdict.last_time.clear();
        verdict.last_time.push_str(head.time);
    }

    /// What can only be known at the end: whether the log begins and ends where it should.
    fn end(&mut self, first_file: u64, first_path: &Path) -> Option<Fault> {
        if first_file > self.removed.saturating_add(1) {
            let spot = Spot { file: first_path.to_owned(), line: 1, seq: 0 };
            return Some(spot.fault(Some(self.verdict.first_seq), FaultKind::Beginning));
        }
        let after = Spot { line: self.before.line + 1, ..self.before.clone() };
        let next = Some(self.before.seq.saturating_add(1));
        let Some(checkpoint) = &self.checkpoint else {
            return (self.verdict.checkpoints > 0)
                .then(|| after.fault(next, FaultKind::NoCheckpoint));
        };
        if checkpoint.log != self.verdict.log {
            return Some(after.fault(next, FaultKind::Checkpoint));
        }
        if let Some(key) = &self.public_key {
            if !checkpoint.is_signed_by(key) {
                return Some(after.fault(next, FaultKind::Signature));
            }
            self.verdict.signed_seq = self.verdict.signed_seq.max(Some(checkpoint.seq));
        }
        (checkpoint.seq > self.before.seq).then(|| after.fault(next, FaultKind::End))
    }
}

impl Spot {
    fn fault(&self, seq: Option<u64>, kind: FaultKind) -> Fault {
        Fault { file: self.file.clone(), line: self.line, seq, kind }
    }
}

#[derive(Debug, Deserialize)]
struct SignedLine<'a> {
    #[serde(default, borrow)]
    signature: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct RemovedLine {
    through_file: u64,
}

/// How many calls a record of kind `unrecorded` counts.
#[derive(Debug, Deserialize)]
pub(super) struct UnrecordedLine {
    pub(super) calls: u64,
}
