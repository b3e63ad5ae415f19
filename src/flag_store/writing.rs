//! A writing transaction: it has the store to itself from its first statement to its end.

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, Row};

use super::row;
use super::sql::{Sql, signed, unsigned};
use super::{FlagStore, StoreError};
use crate::flag::{ChangeKind, DayUse, Flag, FlagId, FlagState, Held, Standing};
use crate::model::logit;
use crate::record::Time;

/// The end of a position that stands.
pub(super) const OPEN_END: i64 = i64::MAX;
/// Probabilities this near to 0 and 1 have the same rank: log-odds end there.
const RANKED_MIN: f64 = 1e-9;

/// Who made a change, and with what.
#[derive(Debug, Clone, Default)]
pub(super) struct Hand<'h> {
    pub(super) actor: Option<&'h str>,
    pub(super) request: Option<&'h str>,
}

/// A writing transaction. Dropped before `commit`, it leaves nothing behind.
///
/// It is begun and ended here, not by the driver: where SQLite ends a transaction by itself, because
/// the disk is full, the driver counts it as open for ever, and what is written after that would be
/// acknowledged without being committed. So a connection whose transaction did not end well is closed.
pub(super) struct Writing<'s> {
    store: &'s FlagStore,
    connection: PoolConnection<Any>,
    is_committed: bool,
    /// The number of the last change, this transaction's included.
    last_change: u64,
    has_changed: bool,
    pub(super) now: Time,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.is_committed {
            self.connection.close_on_drop();
        }
    }
}

impl FlagStore {
    /// Begins to write, when all others have ended.
    pub(super) async fn begin(&self, now: Time) -> Result<Writing<'_>, StoreError> {
        let connection = self.writer.acquire().await?;
        let (is_committed, has_changed) = (false, false);
        let mut writing =
            Writing { store: self, connection, is_committed, last_change: 0, has_changed, now };
        Sql::new("BEGIN").run(&mut writing.connection).await?;
        let lock = "UPDATE flag_store SET last_change = last_change RETURNING last_change";
        let row = Sql::new(lock).row(&mut writing.connection).await?;
        writing.last_change = unsigned(row.ok_or(StoreError::Schema)?.try_get(0)?);
        Ok(writing)
    }
}

/// A patient's standing for a task, with the key it was found by.
pub(super) async fn load(
    store: &FlagStore,
    connection: &mut AnyConnection,
    patient_key: &str,
    task: &str,
) -> Result<Option<Standing>, StoreError> {
    let columns = row::columns();
    let row = Sql::new(&format!(
        "SELECT s.memory, {columns} FROM flag_standing s LEFT JOIN flag f ON f.id = s.flag_id \
         WHERE s.patient_key = "
    ))
    .value(patient_key)
    .text(" AND s.task = ")
    .value(task)
    .row(connection)
    .await?;
    row.map(|row| row::standing(&store.keys, &row)).transpose()
}

impl Writing<'_> {
    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }

    /// What is known of a flag: where it is the last one of its patient and task, all.
    pub(super) async fn flag(
        &mut self,
        id: FlagId,
    ) -> Result<Option<(Standing, bool)>, StoreError> {
        let columns = row::columns();
        let row = Sql::new(&format!(
            "SELECT s.memory, {columns} FROM flag f LEFT JOIN flag_standing s \
             ON s.flag_id = f.id WHERE f.id = "
        ))
        .value(id.to_string())
        .row(&mut self.connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let memory: Option<String> = row.try_get("memory")?;
        Ok(Some((row::standing(&self.store.keys, &row)?, memory.is_some())))
    }

    /// How much of the day of `flag`'s team is used, and who waits before it.
    pub(super) async fn day_use(
        &mut self,
        team: Option<&str>,
        task_of_own: Option<FlagId>,
    ) -> Result<DayUse, StoreError> {
        if self.store.rules.raises_a_day_per_team().is_none() {
            return Ok(DayUse::default());
        }
        let raises = Sql::new("SELECT COUNT(*) FROM flag_raise WHERE day = ")
            .value(self.now.day())
            .text(" AND team = ")
            .value(team.unwrap_or_default())
            .number(&mut self.connection)
            .await?;
        let own = task_of_own.map(|id| id.to_string()).unwrap_or_default();
        let first = Sql::new(
            "SELECT tier_rank, probability FROM flag WHERE state = 'waiting' AND is_falling = 0 \
             AND COALESCE(team, '') = ",
        )
        .value(team.unwrap_or_default())
        .text(" AND id <> ")
        .value(own)
        .text(" ORDER BY tier_rank, probability DESC LIMIT 1")
        .row(&mut self.connection)
        .await?;
        let read = |row: sqlx::any::AnyRow| -> Result<(u8, f64), StoreError> {
            let rank: i64 = row.try_get(0)?;
            Ok((u8::try_from(rank).unwrap_or(u8::MAX), row.try_get(1)?))
        };
        let first_waiting = first.map(read).transpose()?;
        Ok(DayUse { raises: u32::try_from(raises).unwrap_or(u32::MAX), first_waiting })
    }

    /// Keeps what is remembered of a patient and task.
    pub(super) async fn remember(
        &mut self,
        patient_key: &str,
        task: &str,
        standing: &Standing,
    ) -> Result<(), StoreError> {
        let sql = Sql::new(
            "INSERT INTO flag_standing (patient_key, task, flag_id, memory, changed_time) VALUES (",
        )
        .value(patient_key)
        .next(task)
        .next(standing.flag.as_ref().map(|flag| flag.id.to_string()))
        .next(row::memory_text(&standing.memory)?)
        .next(self.now.micros())
        .text(
            ") ON CONFLICT (patient_key, task) DO UPDATE SET flag_id = excluded.flag_id, \
             memory = excluded.memory, changed_time = excluded.changed_time",
        );
        sql.run(&mut self.connection).await.map(|_| ())
    }

    /// Keeps a change: the flag, its place in the list, the change itself and what is remembered.
    /// Gives the flag with the number of the change.
    pub(super) async fn change(
        &mut self,
        standing: Standing,
        kind: ChangeKind,
        hand: Hand<'_>,
    ) -> Result<Flag, StoreError> {
        let Standing { flag, memory } = standing;
        let flag = flag.ok_or(StoreError::NotFound)?;
        self.last_change = self.last_change.saturating_add(1);
        self.has_changed = true;
        let flag = Flag { change_number: self.last_change, ..flag };
        let patient_key = self.store.index.patient_key(&flag.patient_id);
        let upsert = row::upsert(&self.store.keys, &flag, &memory, &patient_key)?;
        upsert.run(&mut self.connection).await?;
        if kind == ChangeKind::Raised {
            self.count_raise(&flag).await?;
        }
        self.place(&flag, &patient_key).await?;
        Sql::new(
            "INSERT INTO flag_change (number, flag_id, version, kind, state, held, time, actor, \
             request) VALUES (",
        )
        .value(signed(self.last_change))
        .next(flag.id.to_string())
        .next(signed(flag.version))
        .next(kind.name())
        .next(flag.state.name())
        .next(flag.held.filter(|_| kind == ChangeKind::Held).map(Held::name))
        .next(self.now.micros())
        .next(hand.actor.map(str::to_owned))
        .next(hand.request.map(str::to_owned))
        .text(")")
        .run(&mut self.connection)
        .await?;
        Ok(flag)
    }

    /// The flag's share of its team's day.
    async fn count_raise(&mut self, flag: &Flag) -> Result<(), StoreError> {
        let sql = Sql::new("INSERT INTO flag_raise (flag_id, team, day) VALUES (")
            .value(flag.id.to_string())
            .next(flag.place.team.clone().unwrap_or_default())
            .next(self.now.day())
            .text(") ON CONFLICT (flag_id) DO NOTHING");
        sql.run(&mut self.connection).await.map(|_| ())
    }

    /// Moves the flag to its new place in the list.
    async fn place(&mut self, flag: &Flag, patient_key: &str) -> Result<(), StoreError> {
        Sql::new("UPDATE flag_position SET until_change = ")
            .value(signed(self.last_change))
            .text(", until_time = ")
            .value(self.now.micros())
            .text(" WHERE flag_id = ")
            .value(flag.id.to_string())
            .text(" AND until_change = ")
            .value(OPEN_END)
            .run(&mut self.connection)
            .await?;
        let ranked = |risk: f64| logit(risk.clamp(RANKED_MIN, 1.0 - RANKED_MIN));
        let rise = ranked(flag.probability) - ranked(flag.raised_probability);
        let sql = Sql::new(
            "INSERT INTO flag_position (flag_id, from_change, until_change, until_time, is_live, \
             state, task, facility, unit, team, tier, patient_key, assignee, changed_time, \
             tier_rank, rise_rank, risk_rank) VALUES (",
        )
        .value(flag.id.to_string())
        .next(signed(self.last_change))
        .next(OPEN_END)
        .next(OPEN_END)
        .next(i64::from(flag.state.is_live()))
        .next(flag.state.name())
        .next(flag.task.clone())
        .next(flag.place.facility.clone())
        .next(flag.place.unit.clone())
        .next(flag.place.team.clone())
        .next(flag.tier.clone())
        .next(patient_key)
        .next(flag.assignee.clone())
        .next(flag.changed_time.micros())
        .next(i64::from(flag.tier_rank))
        // 0 rather than -0, which one database prints otherwise than the other.
        .next(0.0 - rise)
        .next(0.0 - flag.probability)
        .text(")");
        sql.run(&mut self.connection).await.map(|_| ())
    }

    /// Brings all of it to disk, and tells watchers of this process.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        if self.has_changed {
            let sql = Sql::new("UPDATE flag_store SET last_change = ");
            sql.value(signed(self.last_change)).run(&mut self.connection).await?;
        }
        Sql::new("COMMIT").run(&mut self.connection).await?;
        self.is_committed = true;
        if self.has_changed {
            let number = self.last_change;
            self.store.changed.send_if_modified(|last| {
                let is_newer = number > *last;
                *last = number.max(*last);
                is_newer
            });
        }
        Ok(())
    }
}

/// The states whose names go into statements that look for flags which scores still move.
pub(super) fn live_states() -> impl Iterator<Item = &'static str> {
    FlagState::ALL.into_iter().filter(|state| state.is_live()).map(FlagState::name)
}
