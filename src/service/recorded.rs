//! One record in the access log for each call that is about a patient, also where the call is refused,
//! fails, or is given up.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{ScoreResponse, Service, ServiceError, Visit};
use crate::access::{Method, Outcome, Purpose};
use crate::audit::{AuditLog, Entry, ModelUsed, PatientKey};
use crate::meters;
use crate::record::Time;

/// Who calls where nobody was recognised.
const NOBODY: &str = "not recognised";
/// How often it is looked whether all records are in the log.
const SETTLED_LOOK: Duration = Duration::from_millis(5);
/// How much of a bundle's digest is recorded, in characters.
const DIGEST_CHARS: usize = 12;

/// What comes to be known of a call while it is worked on.
#[derive(Debug, Default)]
struct Known {
    caller: Option<Visit>,
    user: Option<String>,
    patient_key: Option<PatientKey>,
    listed_keys: Vec<PatientKey>,
    models: Vec<ModelUsed>,
}

/// A call that will have its record: when it ends, or, with outcome CANCELLED, when it is dropped.
#[derive(Debug)]
pub struct Recorded {
    log: Arc<AuditLog>,
    call_id: u64,
    method: Method,
    trace_id: Option<u128>,
    known: Mutex<Known>,
    clock: fn() -> Time,
    is_ended: AtomicBool,
    /// Records that are not yet in the log, of the whole service.
    open: Arc<AtomicUsize>,
}

impl Service {
    /// Begins the record of a call; `None` where the call is about no patient, or no log is kept.
    /// `clock` tells when it ends.
    pub fn record(
        &self,
        call_id: u64,
        method: Method,
        trace_id: Option<u128>,
        clock: fn() -> Time,
    ) -> Option<Arc<Recorded>> {
        let log = self.audit.as_ref().filter(|_| method.touches_patients())?;
        self.open_records.fetch_add(1, Relaxed);
        Some(Arc::new(Recorded {
            log: Arc::clone(log),
            call_id,
            method,
            trace_id,
            known: Mutex::default(),
            clock,
            is_ended: false.into(),
            open: Arc::clone(&self.open_records),
        }))
    }

    /// Waits until no call is left whose record is still to come, but not longer than `wait`.
    pub async fn records_settled(&self, wait: Duration) {
        let settled = async {
            while self.open_records.load(Relaxed) > 0 {
                sleep(SETTLED_LOOK).await;
            }
        };
        if timeout(wait, settled).await.is_err() {
            let calls = self.open_records.load(Relaxed);
            tracing::error!(calls, "calls end without their record in the access log");
        }
    }

    /// Whether the access log takes records, where there is one.
    pub fn is_audit_writable(&self) -> bool {
        self.audit.as_ref().is_none_or(|log| log.figures().is_writing)
    }
}

impl Recorded {
    /// Notes who calls.
    pub fn caller(&self, visit: &Visit) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).caller = Some(visit.clone());
    }

    /// Notes who is at the caller's screen, as the caller says; never a patient's id.
    pub fn user(&self, user: &str) {
        let user = Some(user.to_owned());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).user = user;
    }

    /// Notes whose record it is; the log knows patients by a keyed hash alone.
    pub fn patient(&self, patient_id: &str) {
        let key = self.log.patient_key(patient_id);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).patient_key = Some(key);
    }

    /// Notes whose flags a list shows.
    pub fn listed<'a>(&self, patient_ids: impl IntoIterator<Item = &'a str>) {
        let keys = patient_ids.into_iter().map(|id| self.log.patient_key(id)).collect();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).listed_keys = keys;
    }

    /// Notes the models that answer.
    pub fn answered(&self, response: &ScoreResponse) {
        let models = response.assessments.iter().map(|assessment| ModelUsed {
            task: assessment.task.clone(),
            version: assessment.model_version.clone(),
            digest: assessment.bundle_digest.chars().take(DIGEST_CHARS).collect(),
        });
        self.known.lock().unwrap_or_else(PoisonError::into_inner).models = models.collect();
    }

    /// Leaves the record to the requests of a stream, of which each has its own.
    pub fn leave_to_items(&self) {
        self.is_ended.store(true, Relaxed);
    }

    /// Puts the record into the log.
    ///
    /// # Errors
    /// The log does not take it: then the answer must not leave.
    pub async fn end(&self, outcome: Outcome) -> Result<(), ServiceError> {
        if self.is_ended.swap(true, Relaxed) {
            return Ok(());
        }
        let ended = self.log.append(self.entry(outcome)).await;
        ended.map_err(|error| {
            meters::process().audit_failed();
            ServiceError::NotRecorded(Arc::new(error))
        })
    }

    fn entry(&self, outcome: Outcome) -> Entry {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { caller, user, patient_key, listed_keys, models } = std::mem::take(&mut *known);
        let (caller, purpose, break_glass) = match caller {
            Some(visit) => {
                // To break the glass is a purpose of its own, also where nobody names it.
                let emergency = visit.break_glass.as_ref().map(|_| Purpose::EmergencyTreatment);
                (visit.caller.name.clone(), visit.purpose.or(emergency), visit.break_glass)
            }
            None => (NOBODY.to_owned(), None, None),
        };
        Entry {
            time: (self.clock)(),
            call_id: self.call_id,
            method: self.method,
            caller,
            user,
            purpose,
            break_glass,
            patient_key,
            listed_keys,
            models,
            outcome,
            trace_id: self.trace_id,
        }
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Relaxed);
        if *self.is_ended.get_mut() {
            return;
        }
        let (log, entry) = (Arc::clone(&self.log), self.entry(Outcome::Cancelled));
        // Nobody waits for the answer; the record is written all the same.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let open = Arc::clone(&self.open);
            open.fetch_add(1, Relaxed);
            runtime.spawn(async move {
                if log.append(entry).await.is_err() {
                    meters::process().audit_failed();
                }
                open.fetch_sub(1, Relaxed);
            });
        }
    }
}
