//! The thread that writes: many records with one call to the system, in the order they came.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::AuditError;
use super::checkpoint::Sealer;
use super::disk::{Disk, DiskFault, Faults};
use super::entry::Entry;
use super::flusher::Flusher;
use super::folder::{Lock, remove};
use super::key::Keys;
use super::line::{Tip, What};
use super::log::Counts;
use super::queue::{Message, QUEUE_MAX, Queued, gather};
use super::rotation::Volume;
use super::settings::{OnFailure, Rules, SyncRule};
use crate::record::Time;

/// The most entries kept in memory until they can be written; the same as wait in the queue.
const LATE_MAX: usize = QUEUE_MAX;
/// How far apart tries to write are while the disk takes nothing.
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// A checkpoint is made after so many records, however little time has passed.
const CHECKPOINT_RECORDS: u64 = 10_000;

/// An entry that is written late.
#[derive(Debug)]
struct Late {
    entry: Entry,
    is_withheld: bool,
}

#[derive(Debug)]
struct Trouble {
    fault: DiskFault,
    tried: Instant,
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) rules: Rules,
    pub(super) keys: Arc<Keys>,
    pub(super) sealer: Sealer,
    pub(super) counts: Arc<Counts>,
    pub(super) faults: Faults,
    disk: Disk,
    /// The number of the file that is written.
    number: u64,
    tip: Tip,
    /// The time of the last record; what the writer itself records carries it.
    time: Time,
    flusher: Option<Flusher>,
    buffer: Vec<u8>,
    trouble: Option<Trouble>,
    late: VecDeque<Late>,
    /// Records of calls whose answers were withheld while they were written.
    withheld: Vec<u64>,
    /// Records since the last checkpoint.
    unsealed: u64,
    sealed: Instant,
    /// Keeps other servers from the folder.
    _lock: Lock,
}

/// What a writer goes on from.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) disk: Disk,
    pub(super) number: u64,
    pub(super) tip: Tip,
    pub(super) time: Time,
    pub(super) lock: Lock,
}

impl Writer {
    pub(super) fn new(
        (rules, keys, sealer): (Rules, Arc<Keys>, Sealer),
        place: Place,
        (counts, faults): (Arc<Counts>, Faults),
    ) -> Result<Writer, AuditError> {
        let Place { disk, number, tip, time, lock } = place;
        let flusher = match rules.sync {
            SyncRule::Interval => Some(Flusher::start()?),
            SyncRule::Each => None,
        };
        Ok(Writer {
            rules,
            keys,
            sealer,
            counts,
            faults,
            disk,
            number,
            tip,
            time,
            flusher,
            buffer: Vec::new(),
            trouble: None,
            late: VecDeque::new(),
            withheld: Vec::new(),
            unsealed: 0,
            sealed: Instant::now(),
            _lock: lock,
        })
    }

    /// Writes until the log is closed, or nobody holds it any more.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let patience =
                if self.trouble.is_some() { TRY_AGAIN } else { self.rules.checkpoint_every };
            match messages.recv_timeout(patience) {
                Ok(first) => {
                    let (batch, close) = gather(first, messages);
                    self.record(batch);
                    if let Some((now, reply)) = close {
                        let closed = self.close(now);
                        // Gives up the folder first.
                        drop(self);
                        let _ = reply.send(closed);
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.is_ready();
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.close(self.time);
                    return;
                }
            }
            self.follow_up();
        }
    }

    fn record(&mut self, batch: Vec<Queued>) {
        if batch.is_empty() {
            return;
        }
        if !self.is_ready() {
            return self.refuse(batch);
        }
        let refuses = self.rules.on_failure == OnFailure::Refuse;
        let first = self.tip.seq.saturating_add(1);
        let gone: Vec<bool> = batch.iter().map(|each| refuses && each.reply.is_closed()).collect();
        let each = batch.iter().zip(&gone);
        let lines = each.map(|(each, gone)| (each.entry.time, What::Call(each.entry.line(*gone))));
        if let Err(fault) = self.put(lines) {
            self.meet(fault);
            return self.refuse(batch);
        }
        for ((queued, was_gone), seq) in batch.into_iter().zip(gone).zip(first..) {
            let Queued { entry, reply, place } = queued;
            self.time = entry.time;
            drop(place);
            let is_gone = reply.send(Ok(())).is_err();
            if refuses && is_gone && !was_gone {
                self.withheld.push(seq);
            }
        }
    }

    /// Tells who waits that there is no record now, and keeps the entries for later.
    fn refuse(&mut self, batch: Vec<Queued>) {
        let refuses = self.rules.on_failure == OnFailure::Refuse;
        let fault = self.trouble.as_ref().map(|trouble| trouble.fault);
        for Queued { entry, reply, place } in batch {
            drop(place);
            let is_lost = matches!(fault, Some(DiskFault::Broken(_)));
            if is_lost || self.late.len() >= LATE_MAX {
                self.counts.unrecorded(1);
            } else {
                self.late.push_back(Late { entry, is_withheld: refuses });
            }
            let answer = match fault {
                Some(fault) if refuses => {
                    self.counts.refused();
                    Err(fault.into())
                }
                _ => Ok(()),
            };
            let _ = reply.send(answer);
        }
    }

    /// Whether records can be written, as far as one knows; tries again after a while.
    fn is_ready(&mut self) -> bool {
        match &self.trouble {
            None => true,
            Some(Trouble { fault: DiskFault::NotNow(_), tried })
                if tried.elapsed() >= TRY_AGAIN =>
            {
                match self.catch_up() {
                    Ok(()) => {
                        self.trouble = None;
                        self.counts.writing(true);
                        tracing::warn!("the access log takes records again");
                        true
                    }
                    Err(fault) => {
                        self.meet(fault);
                        false
                    }
                }
            }
            Some(_) => false,
        }
    }

    fn meet(&mut self, fault: DiskFault) {
        if self.trouble.as_ref().is_none_or(|trouble| trouble.fault != fault) {
            tracing::error!(?fault, "the access log takes no records");
        }
        self.counts.writing(false);
        self.trouble = Some(Trouble { fault, tried: Instant::now() });
    }

    /// Writes what could not be written before.
    fn catch_up(&mut self) -> Result<(), DiskFault> {
        let calls = self.counts.take_uncounted();
        let time = self.time;
        let withheld = std::mem::take(&mut self.withheld);
        let late = std::mem::take(&mut self.late);
        let amended = withheld.iter().map(|of| (time, What::Withheld { of: *of }));
        let uncounted = (calls > 0).then_some((time, What::Unrecorded { calls }));
        let calls_late = late
            .iter()
            .map(|late| (late.entry.time, What::Call(late.entry.line(late.is_withheld))));
        let put = self.put(amended.chain(uncounted).chain(calls_late));
        if put.is_err() {
            self.counts.give_back(calls);
            self.withheld = withheld;
            self.late = late;
        }
        put
    }

    /// Adds records: all of them or, where it fails, none.
    fn put<'a>(
        &mut self,
        records: impl Iterator<Item = (Time, What<'a>)>,
    ) -> Result<(), DiskFault> {
        let mut tip = self.tip.clone();
        self.buffer.clear();
        for (time, what) in records {
            let pushed = tip.push(&mut self.buffer, &self.keys, time, &what);
            pushed.map_err(|_| DiskFault::NotNow(ErrorKind::InvalidData))?;
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.disk.write(&self.buffer)?;
        match &self.flusher {
            Some(flusher) if flusher.has_failed() => {
                return Err(DiskFault::Broken(ErrorKind::Other));
            }
            Some(flusher) => flusher.ask(|| self.disk.flushable()),
            None => self.disk.flushable().flush()?,
        }
        let added = tip.seq.saturating_sub(self.tip.seq);
        self.unsealed = self.unsealed.saturating_add(added);
        self.counts.written(added);
        self.tip = tip;
        Ok(())
    }

    /// What is due once nobody waits.
    fn follow_up(&mut self) {
        if self.trouble.is_some() {
            return;
        }
        let is_due = self.unsealed >= CHECKPOINT_RECORDS
            || (self.unsealed > 0 && self.sealed.elapsed() >= self.rules.checkpoint_every);
        let mut done = self.catch_up();
        if done.is_ok() && is_due {
            done = self.checkpoint();
        }
        if done.is_ok() && self.disk.bytes >= self.rules.rotate_bytes {
            done = self.rotate();
        }
        if let Err(fault) = done {
            self.meet(fault);
        }
    }

    /// Signs the state of the log, in it and beside it.
    fn checkpoint(&mut self) -> Result<(), DiskFault> {
        let (time, signature) = (self.time, self.sealer.signature(&self.tip, self.time));
        self.put(std::iter::once((time, What::Checkpoint { signature })))?;
        self.flush()?;
        self.unsealed = 0;
        self.sealed = Instant::now();
        match self.sealer.write(&self.rules.folder, &self.tip, time) {
            Ok(()) => tracing::info!(
                log = self.sealer.log,
                seq = self.tip.seq,
                hash = self.tip.hash,
                "checkpoint of the access log"
            ),
            Err(error) => tracing::error!(%error, "the checkpoint cannot be kept beside the log"),
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskFault> {
        if let Some(flusher) = &self.flusher {
            flusher.forget();
        }
        self.disk.flushable().flush()
    }

    /// Goes on in a new file, and removes those that are older than the retention. Where no file can
    /// be made, the one there is grows on.
    fn rotate(&mut self) -> Result<(), DiskFault> {
        self.flush()?;
        let number = self.number.saturating_add(1);
        let begun = self.volume().begin(number, self.tip.clone(), self.time, &self.faults);
        match begun {
            Ok((disk, tip)) => {
                (self.disk, self.tip, self.number) = (disk, tip, number);
                self.counts.written(1);
                self.unsealed = self.unsealed.saturating_add(1);
                self.remove_old()
            }
            Err(error) => {
                tracing::error!(%error, "no new file of the access log can be made");
                Ok(())
            }
        }
    }

    fn volume(&self) -> Volume<'_> {
        Volume { rules: &self.rules, keys: &self.keys, log: &self.sealer.log }
    }

    /// Removes the files that are older than the retention, once the log says so.
    pub(super) fn remove_old(&mut self) -> Result<(), DiskFault> {
        let old = match self.volume().old() {
            Ok(old) => old,
            Err(error) => {
                tracing::error!(%error, "old files of the access log cannot be found");
                return Ok(());
            }
        };
        let Some(through_file) = old.last().copied() else { return Ok(()) };
        self.put(std::iter::once((self.time, What::Removed { through_file })))?;
        self.flush()?;
        match remove(&self.rules.folder, &old) {
            Ok(()) => tracing::info!(through_file, "old files of the access log are removed"),
            Err(error) => tracing::error!(%error, "old files of the access log cannot be removed"),
        }
        Ok(())
    }

    /// Adds records of the writer's own, before there are calls.
    ///
    /// # Errors
    /// A disk that does not take them.
    pub(super) fn begin(&mut self, records: Vec<What<'_>>) -> Result<(), DiskFault> {
        let time = self.time;
        self.put(records.into_iter().map(|what| (time, what)))?;
        self.remove_old()
    }

    fn close(&mut self, now: Time) -> Result<(), AuditError> {
        self.time = now;
        if let Some(Trouble { fault: fault @ DiskFault::Broken(_), .. }) = self.trouble {
            return Err(fault.into());
        }
        self.catch_up()?;
        self.put(std::iter::once((now, What::Closed {})))?;
        Ok(self.checkpoint()?)
    }
}
