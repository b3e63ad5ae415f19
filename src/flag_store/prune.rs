//! What is old goes: flags that have been over for longer than the retention, and places in lists that
//! nobody can ask for any more. In batches, each in a transaction of its own, so that nobody waits for
//! long.

use super::list::PAGES_DAYS;
use super::sql::Sql;
use super::writing::Writing;
use super::{FlagStore, StoreError};
use crate::record::Time;

/// Flags of one batch, each with all that hangs on it.
const FLAGS_AT_ONCE: i64 = 200;
/// Rows of one batch.
const ROWS_AT_ONCE: i64 = 1_000;
/// So many batches of a kind at most in one call: the next call goes on.
const ROUNDS_MAX: u32 = 50;

/// Rows of a table that go when they are old.
struct Old {
    table: &'static str,
    /// What a row is known by.
    key: &'static str,
    /// What else holds of the rows that may go.
    filter: &'static str,
    /// The column of the time that counts, and what is old by it.
    time: &'static str,
    before: Time,
}

impl FlagStore {
    /// Removes what is old; how many flags.
    pub(super) async fn prune(&self, now: Time) -> Result<u64, StoreError> {
        let mut flags: u64 = 0;
        for _ in 0..ROUNDS_MAX {
            let deleted = self.bounded(self.prune_flags(now)).await?;
            flags = flags.saturating_add(deleted);
            if deleted == 0 {
                break;
            }
        }
        let before = now.plus_days(-self.retention_days);
        let positions = Old {
            table: "flag_position",
            key: "flag_id, from_change",
            filter: "",
            time: "until_time",
            before: now.plus_days(-PAGES_DAYS),
        };
        let suppressed =
            Old { table: "flag_suppressed", key: "time", filter: "", time: "time", before };
        let standings = Old {
            table: "flag_standing",
            key: "patient_key, task",
            filter: "flag_id IS NULL AND ",
            time: "changed_time",
            before,
        };
        for old in [positions, suppressed, standings] {
            for _ in 0..ROUNDS_MAX {
                if !self.bounded(self.prune_rows(&old, now)).await? {
                    break;
                }
            }
        }
        Ok(flags)
    }

    /// Removes a batch of flags that have been over for longer than the retention, with all that
    /// hangs on them; how many. A flag that still holds back others stays until its horizon has
    /// passed; one that was never expired, because it is damaged, goes as well.
    async fn prune_flags(&self, now: Time) -> Result<u64, StoreError> {
        let before = now.plus_days(-self.retention_days).micros();
        let old = |limit: i64| {
            Sql::new("SELECT id FROM flag WHERE expires_time < ")
                .value(before)
                .text(" AND changed_time < ")
                .value(before)
                .text(" LIMIT ")
                .value(limit)
        };
        let mut reading = self.reader.acquire().await?;
        if old(1).row(&mut reading).await?.is_none() {
            return Ok(0);
        }
        drop(reading);
        let mut writing = self.begin(now).await?;
        let ids = old(FLAGS_AT_ONCE).texts(writing.connection()).await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let gone = Sql::new("SELECT COALESCE(MAX(number), 0) FROM flag_change WHERE flag_id IN ")
            .list(ids.clone())
            .number(writing.connection())
            .await?;
        gone_to(&mut writing, "changes_gone_to", gone).await?;
        for table in
            ["flag_change", "flag_feedback", "flag_position", "flag_raise", "flag_standing"]
        {
            let sql = Sql::new(&format!("DELETE FROM {table} WHERE flag_id IN ")).list(ids.clone());
            sql.run(writing.connection()).await?;
        }
        let flags = Sql::new("DELETE FROM flag WHERE id IN ").list(ids);
        let deleted = flags.run(writing.connection()).await?;
        writing.commit().await?;
        Ok(deleted)
    }

    /// Removes a batch of old rows; whether there may be more.
    async fn prune_rows(&self, what: &Old, now: Time) -> Result<bool, StoreError> {
        let Old { table, key, filter, time, before } = what;
        let batch = |start: &str, columns: &str, limit: i64| {
            Sql::new(&format!("{start}SELECT {columns} FROM {table} WHERE {filter}{time} < "))
                .value(before.micros())
                .text(&format!(" ORDER BY {time}, {key} LIMIT "))
                .value(limit)
        };
        let mut reading = self.reader.acquire().await?;
        if batch("", key, 1).row(&mut reading).await?.is_none() {
            return Ok(false);
        }
        drop(reading);
        let mut writing = self.begin(now).await?;
        if *table == "flag_position" {
            let start = "SELECT COALESCE(MAX(until_change), 0) FROM (";
            let sql = batch(start, "until_change", ROWS_AT_ONCE).text(") AS old");
            let gone = sql.number(writing.connection()).await?;
            gone_to(&mut writing, "positions_gone_to", gone).await?;
        }
        let start = format!("DELETE FROM {table} WHERE ({key}) IN (");
        let sql = batch(&start, key, ROWS_AT_ONCE).text(")");
        sql.run(writing.connection()).await?;
        writing.commit().await?;
        Ok(true)
    }
}

/// Notes that what came to be at or before the change of this number may be gone.
async fn gone_to(
    writing: &mut Writing<'_>,
    column: &'static str,
    number: i64,
) -> Result<(), StoreError> {
    Sql::new(&format!("UPDATE flag_store SET {column} = "))
        .value(number)
        .text(&format!(" WHERE {column} < "))
        .value(number)
        .run(writing.connection())
        .await
        .map(|_| ())
}
