//! What changed: after a number, for watchers; of one flag, for whoever looks at it.

use sqlx::Row;

use super::list::within;
use super::row;
use super::sql::{Sql, signed, unsigned};
use super::{FlagStore, StoreError};
use crate::flag::{Change, ChangeKind, Changes, FlagId, FlagState, Held, PastChange, Reach};
use crate::record::Time;

/// The most changes of one look.
const CHANGES_MAX: u32 = 1_000;

impl FlagStore {
    /// The changes after that number of flags within `reach`, `limit` at most (1 to 1,000), oldest
    /// first, each with its flag as it is now.
    ///
    /// # Errors
    /// `TooOld` where some of them are gone; a store that cannot be read.
    pub async fn changes_after(
        &self,
        number: u64,
        limit: u32,
        reach: &Reach,
    ) -> Result<Changes, StoreError> {
        self.bounded(async {
            let mut connection = self.reader.acquire().await?;
            let row = Sql::new("SELECT last_change, changes_gone_to FROM flag_store");
            let row = row.row(&mut connection).await?.ok_or(StoreError::Schema)?;
            let (last, gone): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            // Whoever begins at 0 begins with what is there.
            if number > 0 && signed(number) < gone {
                return Err(StoreError::TooOld);
            }
            let limit = limit.clamp(1, CHANGES_MAX);
            let columns = row::columns();
            let sql = Sql::new(&format!(
                "SELECT c.number, c.kind, c.time, c.actor, {columns} FROM flag_change c \
                 JOIN flag f ON f.id = c.flag_id WHERE c.number > "
            ))
            .value(signed(number))
            .text(" AND c.number <= ")
            .value(last);
            let rows = within(sql.text(" AND "), "f", reach)
                .text(" ORDER BY c.number LIMIT ")
                .value(i64::from(limit))
                .rows(&mut connection)
                .await?;
            let mut changes = Vec::with_capacity(rows.len());
            for row in &rows {
                changes.push(Change {
                    number: unsigned(row.try_get("number")?),
                    kind: row::name(row, "kind", ChangeKind::parse)?,
                    time: Time::from_micros(row.try_get("time")?),
                    actor: row.try_get("actor")?,
                    flag: row::flag(&self.keys, row)?,
                });
            }
            let is_cut = u32::try_from(changes.len()).is_ok_and(|found| found == limit);
            let last_shown = changes.last().map(|change| change.number).filter(|_| is_cut);
            Ok(Changes { changes, until: last_shown.unwrap_or(unsigned(last)) })
        })
        .await
    }

    /// The number of the last change, by whatever server.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn last_change(&self) -> Result<u64, StoreError> {
        self.bounded(async {
            let mut connection = self.reader.acquire().await?;
            let sql = Sql::new("SELECT last_change FROM flag_store");
            sql.number(&mut connection).await.map(unsigned)
        })
        .await
    }

    /// What happened to one flag, oldest first; nothing where it is out of reach.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn history(&self, id: FlagId, reach: &Reach) -> Result<Vec<PastChange>, StoreError> {
        self.bounded(async {
            let mut connection = self.reader.acquire().await?;
            let sql = Sql::new(
                "SELECT c.number, c.kind, c.time, c.actor, c.state, c.held FROM flag_change c \
                 JOIN flag f ON f.id = c.flag_id WHERE c.flag_id = ",
            )
            .value(id.to_string());
            let rows = within(sql.text(" AND "), "f", reach)
                .text(" ORDER BY c.number DESC LIMIT ")
                .value(i64::from(CHANGES_MAX))
                .rows(&mut connection)
                .await?;
            let past = rows.iter().rev().map(|row| {
                Ok(PastChange {
                    number: unsigned(row.try_get("number")?),
                    kind: row::name(row, "kind", ChangeKind::parse)?,
                    time: Time::from_micros(row.try_get("time")?),
                    actor: row.try_get("actor")?,
                    state: row::name(row, "state", FlagState::parse)?,
                    held: row::optional_name(row, "held", Held::parse)?,
                })
            });
            past.collect()
        })
        .await
    }

    /// How many high scores of a task were held back since then although no flag was there to tell
    /// it of, by reason: counted once per patient and change of reason.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn suppressed_since(
        &self,
        since: Time,
    ) -> Result<Vec<(String, Held, u64)>, StoreError> {
        self.bounded(async {
            let mut connection = self.reader.acquire().await?;
            let rows = Sql::new("SELECT task, held, COUNT(*) FROM flag_suppressed WHERE time >= ")
                .value(since.micros())
                .text(" GROUP BY task, held ORDER BY task, held")
                .rows(&mut connection)
                .await?;
            let each = rows.iter().map(|row| {
                let held = row::name(row, "held", Held::parse)?;
                Ok((row.try_get(0)?, held, unsigned(row.try_get(2)?)))
            });
            each.collect()
        })
        .await
    }
}
