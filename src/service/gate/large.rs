//! Large records: scored beside the threads that serve connections, few at once, few waiting.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Incident, Shed, guarded};
use crate::meters;

/// How many large records are scored at once.
const AT_ONCE: usize = 2;
/// How many large records wait for their turn; their requests are held meanwhile.
const WAITING_MAX: usize = 14;
/// What the caller of a large record that finds no place is told to wait.
const RETRY: Duration = Duration::from_millis(200);

/// The turns of large records.
#[derive(Debug)]
pub(super) struct Large {
    turns: Arc<Semaphore>,
    /// Places in work and in waiting.
    places: Arc<Semaphore>,
}

impl Default for Large {
    fn default() -> Large {
        Large {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(AT_ONCE + WAITING_MAX)),
        }
    }
}

impl Large {
    /// Does `work` in its turn.
    ///
    /// # Errors
    /// All places are taken.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Result<T, Incident>, Shed> {
        let shed = Shed { what: meters::Shed::LargeRecords, retry_after: RETRY };
        let _place = Arc::clone(&self.places).try_acquire_owned().map_err(|_full| shed)?;
        // Who waits here and is given up, by a deadline or the caller, is never scored.
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            guarded(work)
        });
        Ok(done.await.unwrap_or_else(|_| Err(Incident::ended())))
    }
}
