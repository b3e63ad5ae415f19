//! The flags that last: one SQLite file, or a PostgreSQL database that several servers share.
//!
//! One schema and one set of statements serve both. What a call acknowledges is on disk. Every
//! writing transaction first updates the one row of `flag_store`, which puts writers in a row on
//! both databases: the numbers of changes are committed in their order, a watcher who reads what
//! comes after a number misses nothing, and two servers agree. Patient ids, reasons and courses are
//! encrypted; patients are looked up by a keyed hash.

mod changes;
mod connect;
mod damage;
mod error;
mod keys;
mod list;
mod place;
mod prune;
mod rekey;
mod row;
mod settings;
mod sight;
mod sql;
mod tend;
mod update;
mod writing;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use sqlx::AnyPool;
use tokio::sync::watch;

pub use error::StoreError;
pub use rekey::Rekeyed;
pub use settings::{FlagSettings, OnFailure};
pub use tend::Tended;

use crate::flag::{FlagRules, FlagRulesParams};
use crate::record::Time;
use keys::{IndexKey, Keys};

/// A store of flags. Its `Debug` shows nothing of what is in it.
pub struct FlagStore {
    /// Writers stand in a row in any case: one connection is enough.
    writer: AnyPool,
    reader: AnyPool,
    keys: Keys,
    index: IndexKey,
    rules: FlagRules,
    retention_days: i64,
    wait: Duration,
    changed: watch::Sender<u64>,
}

impl fmt::Debug for FlagStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagStore").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl FlagStore {
    /// Opens the store of `settings`, makes or renews its tables where that is due, and ends what
    /// expired while no server was there. `now` is the time by the server's clock, as everywhere here.
    ///
    /// # Errors
    /// Settings that make no sense; files that others may read; a key that is not the store's; a
    /// database that cannot be reached.
    pub async fn open(settings: &FlagSettings, now: Time) -> Result<FlagStore, StoreError> {
        let store = connect::open(settings, false).await?;
        store.pass_all(now).await?;
        Ok(store)
    }

    /// Opens a store of simulated patients in `folder`, in which synthetic scores raise flags by
    /// `rules`.
    ///
    /// # Errors
    /// As for `open`.
    pub async fn for_demonstration(
        folder: &Path,
        rules: FlagRulesParams,
        now: Time,
    ) -> Result<FlagStore, StoreError> {
        let store = folder.join("flags.db").to_str().map(str::to_owned);
        let settings = FlagSettings { store, rules, ..FlagSettings::default() };
        let store = connect::open(&settings, true).await?;
        store.pass_all(now).await?;
        Ok(store)
    }

    /// The rules by which this store raises flags.
    pub fn rules(&self) -> &FlagRules {
        &self.rules
    }

    /// The number of the last change that this process made: it moves with every change made here,
    /// not with those of other servers.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Ends all connections, after what is under way.
    pub async fn close(&self) {
        // Bounded: a database that is gone must not keep the server from ending.
        // One after the other: the last connection of SQLite brings its log into the file, which two
        // that end at once leave to each other.
        let closed = async {
            self.reader.close().await;
            self.writer.close().await;
        };
        let _ = tokio::time::timeout(self.wait, closed).await;
    }

    /// `work`, but no longer than the store may take for one call.
    async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        // A connection, a lock and an answer may each take as long as one wait.
        self.bounded_by(self.wait.saturating_mul(3), work).await
    }

    /// `work`, but no longer than `most`.
    async fn bounded_by<T>(
        &self,
        most: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let late = StoreError::Unavailable("it took too long");
        tokio::time::timeout(most, work).await.unwrap_or(Err(late))
    }
}
