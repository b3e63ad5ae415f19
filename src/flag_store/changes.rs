//! What changed: after a number, for watchers; of one flag, for whoever looks at it.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::damage::Damage;
use super::list::within;
use super::row;
use super::sql::{Sql, signed, unsigned};
use super::{FlagStore, StoreError};
use crate::flag::{Change, ChangeKind, Changes, FlagId, FlagState, Held, PastChange, Reach};
use crate::record::Time;

/// The most changes of one look.
const CHANGES_MAX: u32 = 1_000;
/// So many numbers of changes at most are gone through in one look, however few of them may be seen.
const NUMBERS_MAX: i64 = 10_000;

impl FlagStore {
    /// The changes after that number of flags within `reach`, `limit` at most (1 to 1,000), oldest
    /// first, each with its flag as it is now; damaged ones are left out.
    ///
    /// # Errors
    /// `TooOld` where some of them are gone, and where the store has not come to that number: it is
    /// another one, or was put back; a store that cannot be read.
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
            let after = if number == 0 { gone } else { signed(number) };
            if !(gone..=last).contains(&after) {
                return Err(StoreError::TooOld);
            }
            let until = last.min(after.saturating_add(NUMBERS_MAX));
            let limit = limit.clamp(1, CHANGES_MAX);
            let columns = row::columns();
            let sql = Sql::new(&format!(
                "SELECT c.number, c.kind, c.time, c.actor, {columns} FROM flag_change c \
                 JOIN flag f ON f.id = c.flag_id WHERE c.number > "
            ))
            .value(after)
            .text(" AND c.number <= ")
            .value(until);
            let rows = within(sql.text(" AND "), "f", reach)
                .text(" ORDER BY c.number LIMIT ")
                .value(i64::from(limit))
                .rows(&mut connection)
                .await?;
            let (mut changes, mut damage) = (Vec::with_capacity(rows.len()), Damage::default());
            for row in &rows {
                changes.extend(damage.sound(self.change_of(row))?);
            }
            damage.tell();
            let is_cut = u32::try_from(rows.len()).is_ok_and(|found| found == limit);
            let last_read = rows.last().filter(|_| is_cut).map(|row| row.try_get("number"));
            let until = last_read.transpose()?.unwrap_or(until);
            Ok(Changes { changes, until: unsigned(until) })
        })
        .await
    }

    /// The change in a row, with its flag.
    fn change_of(&self, row: &AnyRow) -> Result<Change, StoreError> {
        let flag = row::flag(&self.keys, row)?;
        let unknown = |_| StoreError::Damaged { flag: flag.id, column: "kind" };
        Ok(Change {
            number: unsigned(row.try_get("number")?),
            kind: row::name(row, "kind", ChangeKind::parse).map_err(unknown)?,
            time: Time::from_micros(row.try_get("time")?),
            actor: row.try_get("actor")?,
            flag,
        })
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
}
