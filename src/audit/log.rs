//! The log as a server holds it: opened once, appended to from everywhere.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::AuditError;
use super::checkpoint::{self, Checkpoint, Sealer};
use super::disk::{Disk, Faults};
use super::entry::Entry;
use super::folder;
use super::key::{Keys, PatientKey, hex};
use super::line::{Tip, What};
use super::queue::{Message, QUEUE_MAX, Queued};
use super::rotation::Volume;
use super::settings::{AuditSettings, OnFailure, Rules};
use super::writer::{Place, Writer};
use crate::private_file;
use crate::record::Time;

/// The longest that closing waits for the disk.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// What a log has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditFigures {
    /// Records written, those of the log itself included.
    pub records: u64,
    /// Calls that were refused because they could not be recorded in time.
    pub refused: u64,
    /// Calls that have no record of their own, only a place in a count.
    pub unrecorded: u64,
    /// Whether the log takes records, as far as it knows.
    pub is_writing: bool,
}

/// The counts that the writer and the callers share.
#[derive(Debug)]
pub(super) struct Counts {
    records: AtomicU64,
    refused: AtomicU64,
    unrecorded: AtomicU64,
    /// Calls without a record of their own that no record counts yet.
    uncounted: AtomicU64,
    is_writing: AtomicBool,
}

impl Counts {
    fn new() -> Counts {
        let [records, refused, unrecorded, uncounted] = [const { AtomicU64::new(0) }; 4];
        Counts { records, refused, unrecorded, uncounted, is_writing: AtomicBool::new(true) }
    }

    pub(super) fn written(&self, records: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn unrecorded(&self, calls: u64) {
        self.unrecorded.fetch_add(calls, Ordering::Relaxed);
        self.uncounted.fetch_add(calls, Ordering::Relaxed);
    }

    pub(super) fn take_uncounted(&self) -> u64 {
        self.uncounted.swap(0, Ordering::Relaxed)
    }

    pub(super) fn give_back(&self, calls: u64) {
        self.uncounted.fetch_add(calls, Ordering::Relaxed);
    }

    pub(super) fn writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Ordering::Relaxed);
    }
}

/// Counts a call that ends before its entry is in the queue, also where its caller goes away.
struct Unqueued<'a>(Option<&'a Counts>);

impl Drop for Unqueued<'_> {
    fn drop(&mut self) {
        if let Some(counts) = self.0 {
            counts.unrecorded(1);
        }
    }
}

/// An access log, open for writing. Its folder is locked until it is closed.
#[derive(Debug)]
pub struct AuditLog {
    messages: Sender<Message>,
    places: Arc<Semaphore>,
    wait: Duration,
    on_failure: OnFailure,
    keys: Arc<Keys>,
    counts: Arc<Counts>,
}

impl AuditLog {
    /// Opens the log in a folder, and makes it when there is none; goes on after its last whole
    /// record. What a crash left of a record is cut off, and the log says so.
    ///
    /// # Errors
    /// Settings out of range; a folder or key that cannot be used; another server in the folder; a log
    /// whose end is damaged or missing.
    pub fn open(settings: &AuditSettings, now: Time) -> Result<AuditLog, AuditError> {
        AuditLog::open_with(settings, now, Faults::default())
    }

    pub(super) fn open_with(
        settings: &AuditSettings,
        now: Time,
        faults: Faults,
    ) -> Result<AuditLog, AuditError> {
        let rules = settings.rules()?;
        private_file::make_folder(&rules.folder).map_err(AuditError::io(&rules.folder))?;
        let lock = folder::lock(&rules.folder)?;
        let signing = rules.signing_key_file.as_deref().map(checkpoint::read_signing_key);
        let signing = signing.transpose()?;
        let is_new = folder::files(&rules.folder)?.is_empty();
        let keys = Arc::new(keys(&rules, is_new)?);
        let Found { log, place, cut } = if is_new {
            begin(&rules, &keys, (now, lock), &faults)?
        } else {
            go_on(&rules, &keys, (now, lock), &faults)?
        };
        let (wait, on_failure) = (rules.append_wait, rules.on_failure);
        let counts = Arc::new(Counts::new());
        let mut records = Vec::new();
        records.extend(cut.map(|(file, bytes_cut)| What::Recovered { file, bytes_cut }));
        records.push(What::Opened { server: concat!("prodrome ", env!("CARGO_PKG_VERSION")) });
        let sealer = Sealer::new(signing, log);
        let made_of = (rules, Arc::clone(&keys), sealer);
        let mut writer = Writer::new(made_of, place, (Arc::clone(&counts), faults))?;
        writer.begin(records)?;
        let (messages, taken) = channel();
        let thread = thread::Builder::new().name("audit-write".into());
        thread.spawn(move || writer.run(&taken)).map_err(AuditError::Thread)?;
        let places = Arc::new(Semaphore::new(QUEUE_MAX));
        Ok(AuditLog { messages, places, wait, on_failure, keys, counts })
    }

    /// What a patient is known by in the log.
    pub fn patient_key(&self, patient_id: &str) -> PatientKey {
        self.keys.patient(patient_id)
    }

    /// Records a call; `Ok` once the record is in the file (and on the disk, where the settings say
    /// so). Returns within the wait of the settings, whatever the disk does. Dropping the future
    /// before it is done is a caller who went away: the record says that the answer was withheld.
    ///
    /// # Errors
    /// There is no record: the call must be refused, not answered. Where the settings say `serve`,
    /// only `Closed` is an error.
    pub async fn append(&self, entry: Entry) -> Result<(), AuditError> {
        let (reply, mut answer) = oneshot::channel();
        let mut unqueued = Unqueued(Some(&self.counts));
        let written = timeout(self.wait, async {
            let place = Arc::clone(&self.places).acquire_owned().await;
            let place = place.map_err(|_| AuditError::Closed)?;
            let queued = Queued { entry, reply, place };
            let sent = self.messages.send(Message::Record(Box::new(queued)));
            unqueued.0 = None;
            sent.map_err(|_| AuditError::Closed)?;
            (&mut answer).await.map_err(|_| AuditError::Closed)?
        });
        let Ok(written) = written.await.map_err(|_| ()) else {
            // Either the reply is here already, or the writer will find that nobody waits.
            answer.close();
            return match (answer.try_recv(), self.on_failure) {
                (Ok(answer), _) => answer,
                (Err(_), OnFailure::Serve) => Ok(()),
                (Err(_), OnFailure::Refuse) => {
                    self.counts.refused();
                    Err(AuditError::TimedOut { milliseconds: self.wait.as_millis() })
                }
            };
        };
        written
    }

    /// Writes what is left, says in the log that it ends in order, signs it, and gives up the folder.
    /// Waits five seconds at most. All records that were acknowledged are in the file before this.
    ///
    /// # Errors
    /// A disk that does not take it, or is too slow.
    pub async fn close(&self, now: Time) -> Result<(), AuditError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.messages.send(Message::Close { now, reply });
        sent.map_err(|_| AuditError::Closed)?;
        let milliseconds = CLOSE_WAIT.as_millis();
        let closed = timeout(CLOSE_WAIT, answer).await;
        let closed = closed.map_err(|_| AuditError::TimedOut { milliseconds })?;
        closed.map_err(|_| AuditError::Closed)??;
        Ok(())
    }

    /// What the log has done since it was opened.
    pub fn figures(&self) -> AuditFigures {
        let Counts { records, refused, unrecorded, is_writing, .. } = &*self.counts;
        AuditFigures {
            records: records.load(Ordering::Relaxed),
            refused: refused.load(Ordering::Relaxed),
            unrecorded: unrecorded.load(Ordering::Relaxed),
            is_writing: is_writing.load(Ordering::Relaxed),
        }
    }
}

/// The secret of the log; made for a log that is new.
fn keys(rules: &Rules, is_new: bool) -> Result<Keys, AuditError> {
    let Rules { key_file, folder, .. } = rules;
    match (Keys::read(key_file), is_new) {
        (Err(AuditError::Io { source, .. }), true) if source.kind() == io::ErrorKind::NotFound => {
            Keys::create(key_file)
        }
        (Err(AuditError::Io { source, .. }), false) if source.kind() == io::ErrorKind::NotFound => {
            Err(AuditError::KeyGone { path: key_file.clone(), folder: folder.clone() })
        }
        (read, _) => read,
    }
}

/// A log, where it goes on, and what was cut off (file, bytes).
struct Found {
    log: String,
    place: Place,
    cut: Option<(u64, u64)>,
}

fn begin(
    rules: &Rules,
    keys: &Keys,
    (now, lock): (Time, folder::Lock),
    faults: &Faults,
) -> Result<Found, AuditError> {
    let mut id = [0; 8];
    let random = getrandom::fill(&mut id);
    random.map_err(|error| AuditError::io(&rules.folder)(io::Error::other(error.to_string())))?;
    let log = hex(&id);
    let (disk, tip) = Volume { rules, keys, log: &log }.begin(1, Tip::genesis(), now, faults)?;
    Ok(Found { log, place: Place { disk, number: 1, tip, time: now, lock }, cut: None })
}

fn go_on(
    rules: &Rules,
    keys: &Keys,
    (now, lock): (Time, folder::Lock),
    faults: &Faults,
) -> Result<Found, AuditError> {
    let mut cut = None;
    for (number, path) in folder::files(&rules.folder)?.into_iter().rev() {
        let Some(last) = folder::last_record(&path, keys).map_err(named(rules, &path))? else {
            // A crash came between the making of the file and its first record.
            let bytes = std::fs::metadata(&path).map_err(AuditError::io(&path))?.len();
            folder::remove(&rules.folder, &[number]).map_err(AuditError::io(&path))?;
            cut = Some((number, bytes));
            continue;
        };
        if last.torn_bytes > 0 {
            folder::cut(&path, last.bytes)?;
            cut = Some((number, last.torn_bytes));
        }
        let head = folder::file_head(&path)?;
        let head = head.ok_or_else(|| AuditError::Damaged { path: path.clone() })?;
        known(rules, &head.log, &last.tip)?;
        let disk = Disk::open(&path, faults.clone()).map_err(AuditError::io(&path))?;
        let place = Place { disk, number, tip: last.tip, time: now, lock };
        return Ok(Found { log: head.log, place, cut });
    }
    Ok(Found { cut, ..begin(rules, keys, (now, lock), faults)? })
}

/// A record that this secret did not seal: either the secret is another one, or the file is damaged.
fn named<'a>(rules: &'a Rules, path: &'a Path) -> impl Fn(AuditError) -> AuditError + 'a {
    move |error| {
        let keys = Keys::read(&rules.key_file);
        let head = folder::file_head(path).ok().flatten();
        let is_other = match (keys, head) {
            (Ok(keys), Some(head)) => keys.id() != head.patient_key_id,
            _ => false,
        };
        if !is_other {
            return error;
        }
        AuditError::OtherKey { path: rules.key_file.clone(), folder: rules.folder.clone() }
    }
}

/// Compares the end of a log with the checkpoint beside it: a log never ends before it.
fn known(rules: &Rules, log: &str, tip: &Tip) -> Result<(), AuditError> {
    let path = rules.folder.join(checkpoint::FILE);
    let Some(checkpoint) = Checkpoint::read(&path)? else { return Ok(()) };
    if checkpoint.log == log && checkpoint.seq > tip.seq {
        let (folder, last, known) = (rules.folder.clone(), tip.seq, checkpoint.seq);
        return Err(AuditError::Shortened { folder, last, known });
    }
    Ok(())
}
