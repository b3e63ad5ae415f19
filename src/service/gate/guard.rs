//! A panic ends its call alone: with a number that the caller can quote and the log has too.

use std::fmt;
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::meters;

/// A fault of the server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident(String);

impl Incident {
    /// Notes a panic of a call.
    pub fn of_panic() -> Incident {
        let incident = format!("{:016x}", RandomState::new().hash_one(()));
        tracing::error!(incident, "a call panicked");
        meters::process().panicked();
        Incident(incident)
    }

    /// Work that the runtime ended, as where the server is torn down.
    pub(super) fn ended() -> Incident {
        Incident("ended".to_owned())
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs the work of a call.
///
/// # Errors
/// When it panicked.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Incident> {
    // Nothing that `work` borrows is changed by it, so a panic leaves nothing half done behind.
    // The payload is dropped unread: its text may hold a value of the record.
    catch_unwind(AssertUnwindSafe(work)).map_err(|_payload| Incident::of_panic())
}

/// The same for work that waits in between.
///
/// # Errors
/// When it panicked.
pub async fn guarded_future<F: Future>(work: F) -> Result<F::Output, Incident> {
    let mut work = pin!(work);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(_payload) => Poll::Ready(Err(Incident::of_panic())),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_incident_without_its_text() {
        let incident = guarded::<()>(|| panic!("patient 17")).unwrap_err();
        assert!(!incident.to_string().contains("patient"));
        assert_eq!(incident.to_string().len(), 16);
        assert_eq!(guarded(|| 7), Ok(7));
    }
}
