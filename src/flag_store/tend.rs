//! What has to be done from time to time: flags expire, wake and find room; what is old is removed.

use serde::Serialize;

use super::list::PAGES_DAYS;
use super::sql::{Sql, unsigned};
use super::writing::{Hand, OPEN_END, live_states};
use super::{FlagStore, StoreError};
use crate::flag::{ChangeKind, DayUse, FlagId, FlagState, pass_time};
use crate::record::Time;

/// So many flags at most in one transaction, so that nobody waits for long.
const BATCH: i64 = 200;
/// So many transactions at most in one call: the next call goes on.
const ROUNDS_MAX: u32 = 50;

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tended {
    /// Flags of which the horizon is over.
    pub expired: u64,
    /// Flags whose snooze is over.
    pub woke: u64,
    /// Flags that waited and found room.
    pub promoted: u64,
    /// Flags removed for their age.
    pub deleted: u64,
}

impl FlagStore {
    /// Expires, wakes and promotes flags, and removes what is older than the retention. For every
    /// server to call every minute: it does not matter that several do.
    ///
    /// # Errors
    /// A store that cannot be written to; what was done before stays done.
    pub async fn tend(&self, now: Time) -> Result<Tended, StoreError> {
        let mut tended = self.pass_all(now).await?;
        if self.rules.raises_a_day_per_team().is_some() {
            for team in self.bounded(self.waiting_teams()).await? {
                self.bounded(self.promote(&team, now, &mut tended)).await?;
            }
        }
        for _ in 0..ROUNDS_MAX {
            let deleted = self.bounded(self.forget(now)).await?;
            tended.deleted = tended.deleted.saturating_add(deleted);
            if deleted == 0 {
                break;
            }
        }
        self.bounded(self.prune(now)).await?;
        Ok(tended)
    }

    /// Expires and wakes what is due.
    pub(super) async fn pass_all(&self, now: Time) -> Result<Tended, StoreError> {
        let mut tended = Tended::default();
        for _ in 0..ROUNDS_MAX {
            if !self.bounded(self.pass(now, &mut tended)).await? {
                break;
            }
        }
        Ok(tended)
    }

    /// Expires and wakes a batch; whether there may be more.
    async fn pass(&self, now: Time, tended: &mut Tended) -> Result<bool, StoreError> {
        let due = |sql: &str| {
            Sql::new(sql)
                .text(" FROM flag WHERE (state IN ")
                .list(live_states())
                .text(" AND expires_time <= ")
                .value(now.micros())
                .text(") OR (state = 'snoozed' AND snoozed_until <= ")
                .value(now.micros())
                .text(")")
        };
        let mut reading = self.reader.acquire().await?;
        if due("SELECT COUNT(*)").number(&mut reading).await? == 0 {
            return Ok(false);
        }
        drop(reading);
        let mut writing = self.begin(now).await?;
        let sql = due("SELECT id").text(" LIMIT ").value(BATCH);
        let ids = sql.texts(writing.connection()).await?;
        let mut passed = Tended::default();
        for id in &ids {
            match self.pass_one(&mut writing, id, DayUse::default()).await? {
                Some(ChangeKind::Expired) => passed.expired += 1,
                Some(ChangeKind::Woke) => passed.woke += 1,
                _ => {}
            }
        }
        writing.commit().await?;
        tended.expired += passed.expired;
        tended.woke += passed.woke;
        Ok(!ids.is_empty())
    }

    /// Lets time pass for one flag; what came of it.
    async fn pass_one(
        &self,
        writing: &mut super::writing::Writing<'_>,
        id: &str,
        day: DayUse,
    ) -> Result<Option<ChangeKind>, StoreError> {
        let Ok(id) = FlagId::parse(id) else { return Ok(None) };
        let Some((standing, _)) = writing.flag(id).await? else { return Ok(None) };
        let Some((after, kind)) = pass_time(&standing, &self.rules, writing.now, day) else {
            return Ok(None);
        };
        let flag = writing.change(after.clone(), kind, Hand::default()).await?;
        let patient_key = self.index.patient_key(&flag.patient_id);
        writing.remember(&patient_key, &flag.task, &after).await?;
        Ok(Some(kind))
    }

    /// The teams for which flags wait; the empty name is for flags without a team.
    async fn waiting_teams(&self) -> Result<Vec<String>, StoreError> {
        let mut reading = self.reader.acquire().await?;
        let teams = "SELECT DISTINCT COALESCE(team, '') FROM flag WHERE state = 'waiting'";
        Sql::new(teams).texts(&mut reading).await
    }

    /// Raises what waits for a team, the highest risk first, while its day has room.
    async fn promote(&self, team: &str, now: Time, tended: &mut Tended) -> Result<(), StoreError> {
        let Some(limit) = self.rules.raises_a_day_per_team() else { return Ok(()) };
        let mut writing = self.begin(now).await?;
        // The flags come in order: nobody waits before the one that is asked about.
        let mut day = DayUse { first_waiting: None, ..writing.day_use(Some(team), None).await? };
        let room = i64::from(limit.saturating_sub(day.raises)).min(BATCH);
        let ids = Sql::new(
            "SELECT id FROM flag WHERE state = 'waiting' AND is_falling = 0 \
             AND COALESCE(team, '') = ",
        )
        .value(team)
        .text(" ORDER BY tier_rank, probability DESC, id LIMIT ")
        .value(room)
        .texts(writing.connection())
        .await?;
        if ids.is_empty() {
            return Ok(());
        }
        let mut promoted = 0;
        for id in ids {
            if self.pass_one(&mut writing, &id, day).await? == Some(ChangeKind::Raised) {
                day.raises = day.raises.saturating_add(1);
                promoted += 1;
            }
        }
        writing.commit().await?;
        tended.promoted += promoted;
        Ok(())
    }

    /// Removes a batch of flags that have been over for longer than the retention, with all that
    /// hangs on them; how many.
    async fn forget(&self, now: Time) -> Result<u64, StoreError> {
        let before = now.plus_days(-self.retention_days).micros();
        let old = |sql: &str| {
            // A flag that still holds back others stays until its horizon has passed.
            Sql::new(sql)
                .text(" FROM flag WHERE state NOT IN ")
                .list(live_states())
                .text(" AND expires_time < ")
                .value(before)
                .text(" AND changed_time < ")
                .value(before)
        };
        let mut reading = self.reader.acquire().await?;
        if old("SELECT COUNT(*)").number(&mut reading).await? == 0 {
            return Ok(0);
        }
        drop(reading);
        let mut writing = self.begin(now).await?;
        let ids = old("SELECT id").text(" LIMIT ").value(BATCH).texts(writing.connection()).await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let gone = Sql::new("SELECT MAX(number) FROM flag_change WHERE flag_id IN ")
            .list(ids.clone())
            .number(writing.connection())
            .await?;
        Sql::new("UPDATE flag_store SET changes_gone_to = ")
            .value(gone)
            .text(" WHERE changes_gone_to < ")
            .value(gone)
            .run(writing.connection())
            .await?;
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

    /// Removes places in lists that nobody can ask for any more, and old suppressions and standings
    /// of patients without a flag.
    async fn prune(&self, now: Time) -> Result<(), StoreError> {
        let pages = now.plus_days(-PAGES_DAYS).micros();
        let before = now.plus_days(-self.retention_days).micros();
        let mut reading = self.reader.acquire().await?;
        let due = Sql::new("SELECT (SELECT COUNT(*) FROM flag_position WHERE until_time < ")
            .value(pages)
            .text(") + (SELECT COUNT(*) FROM flag_suppressed WHERE time < ")
            .value(before)
            .text(
                ") + (SELECT COUNT(*) FROM flag_standing WHERE flag_id IS NULL AND changed_time < ",
            )
            .value(before)
            .text(")");
        if due.number(&mut reading).await? == 0 {
            return Ok(());
        }
        drop(reading);
        let mut writing = self.begin(now).await?;
        let gone = Sql::new("SELECT MAX(until_change) FROM flag_position WHERE until_change < ")
            .value(OPEN_END)
            .text(" AND until_time < ")
            .value(pages)
            .row(writing.connection())
            .await?;
        if let Some(gone) = gone.map(|row| sqlx::Row::try_get::<Option<i64>, _>(&row, 0)) {
            let gone = gone?.unwrap_or(0);
            Sql::new("UPDATE flag_store SET positions_gone_to = ")
                .value(gone)
                .text(" WHERE positions_gone_to < ")
                .value(gone)
                .run(writing.connection())
                .await?;
        }
        let positions = Sql::new("DELETE FROM flag_position WHERE until_time < ").value(pages);
        positions.run(writing.connection()).await?;
        let suppressed = Sql::new("DELETE FROM flag_suppressed WHERE time < ").value(before);
        suppressed.run(writing.connection()).await?;
        Sql::new("DELETE FROM flag_standing WHERE flag_id IS NULL AND changed_time < ")
            .value(before)
            .run(writing.connection())
            .await?;
        writing.commit().await
    }

    /// How many flags are in each state, over all of the store.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn counts(&self) -> Result<Vec<(FlagState, u64)>, StoreError> {
        self.bounded(async {
            let mut reading = self.reader.acquire().await?;
            let sql = Sql::new("SELECT state, COUNT(*) FROM flag GROUP BY state ORDER BY state");
            let rows = sql.rows(&mut reading).await?;
            let each = rows.iter().map(|row| {
                let state = super::row::name(row, "state", FlagState::parse)?;
                Ok((state, unsigned(sqlx::Row::try_get(row, 1)?)))
            });
            each.collect()
        })
        .await
    }
}
