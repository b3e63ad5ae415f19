//! What has to be done from time to time: flags expire, wake and find room.

use serde::Serialize;

use super::damage::Damage;
use super::sql::{Sql, unsigned};
use super::writing::{Hand, Writing, live_states};
use super::{FlagStore, StoreError};
use crate::flag::{ChangeKind, DayUse, FlagId, pass_time};
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
    /// Flags that were due and cannot be read: they stay as they are.
    pub damaged: u64,
}

impl FlagStore {
    /// Expires, wakes and promotes flags, and removes what is older than the retention. For every
    /// server to call every minute: it does not matter that several do.
    ///
    /// # Errors
    /// A store that cannot be written to; what was done before stays done.
    pub async fn tend(&self, now: Time) -> Result<Tended, StoreError> {
        let mut tended = self.pass_all(now).await?;
        // Also without a limit: what waits may be from when there was one.
        let mut damage = Damage::default();
        for team in self.bounded(self.waiting_teams()).await? {
            tended.promoted += self.bounded(self.promote(&team, now, &mut damage)).await?;
        }
        tended.damaged += damage.tell();
        tended.deleted = self.prune(now).await?;
        Ok(tended)
    }

    /// Expires and wakes what is due.
    pub(super) async fn pass_all(&self, now: Time) -> Result<Tended, StoreError> {
        let (mut tended, mut damage) = (Tended::default(), Damage::default());
        let (mut rounds, mut last) = (0, String::new());
        while rounds < ROUNDS_MAX {
            let passed = self.bounded(self.pass(now, &mut last, &mut damage)).await?;
            let Some(passed) = passed else { break };
            // What is damaged stays due, and takes no turn of what is not.
            rounds += u32::from(passed != Tended::default());
            tended.expired += passed.expired;
            tended.woke += passed.woke;
        }
        tended.damaged = damage.tell();
        Ok(tended)
    }

    /// Expires and wakes a batch of what is due after the id `last`; nothing where there is none.
    async fn pass(
        &self,
        now: Time,
        last: &mut String,
        damage: &mut Damage,
    ) -> Result<Option<Tended>, StoreError> {
        let after = last.clone();
        let due = |sql: &str| {
            Sql::new(sql)
                .text(" FROM flag WHERE id > ")
                .value(after.clone())
                .text(" AND ((state IN ")
                .list(live_states())
                .text(" AND expires_time <= ")
                .value(now.micros())
                .text(") OR (state = 'snoozed' AND snoozed_until <= ")
                .value(now.micros())
                .text("))")
        };
        let mut reading = self.reader.acquire().await?;
        if due("SELECT COUNT(*)").number(&mut reading).await? == 0 {
            return Ok(None);
        }
        drop(reading);
        let mut writing = self.begin(now).await?;
        let sql = due("SELECT id").text(" ORDER BY id LIMIT ").value(BATCH);
        let ids = sql.texts(writing.connection()).await?;
        let mut passed = Tended::default();
        for id in &ids {
            let one = self.pass_one(&mut writing, id, DayUse::default()).await;
            match damage.sound(one)?.flatten() {
                Some(ChangeKind::Expired) => passed.expired += 1,
                Some(ChangeKind::Woke) => passed.woke += 1,
                _ => {}
            }
        }
        writing.commit().await?;
        let end = ids.into_iter().next_back();
        Ok(end.map(|end| {
            *last = end;
            passed
        }))
    }

    /// Lets time pass for one flag; what came of it.
    async fn pass_one(
        &self,
        writing: &mut Writing<'_>,
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

    /// Raises what waits for a team, the highest risk first, while its day has room; how many.
    async fn promote(&self, team: &str, now: Time, damage: &mut Damage) -> Result<u64, StoreError> {
        let mut writing = self.begin(now).await?;
        // The flags come in order: nobody waits before the one that is asked about.
        let mut day = DayUse { first_waiting: None, ..writing.day_use(Some(team), None).await? };
        let limit = self.rules.raises_a_day_per_team();
        let room =
            limit.map_or(BATCH, |limit| i64::from(limit.saturating_sub(day.raises)).min(BATCH));
        let ids = Sql::new(
            "SELECT id FROM flag WHERE state = 'waiting' AND is_falling = 0 \
             AND COALESCE(team, '') = ",
        )
        .value(team)
        .text(" ORDER BY tier_rank, probability DESC, id LIMIT ")
        // Those that cannot be read take no room.
        .value(if room > 0 { BATCH } else { 0 })
        .texts(writing.connection())
        .await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let mut promoted = 0;
        for id in ids {
            let one = self.pass_one(&mut writing, &id, day).await;
            match damage.sound(one)? {
                Some(Some(ChangeKind::Raised)) => {
                    day.raises = day.raises.saturating_add(1);
                    promoted += 1;
                }
                Some(_) => {}
                None => set_aside(&mut writing, &id).await?,
            }
            if promoted == room {
                break;
            }
        }
        writing.commit().await?;
        Ok(unsigned(promoted))
    }
}

/// Nobody is to wait behind a flag that cannot be raised, because it is damaged.
async fn set_aside(writing: &mut Writing<'_>, id: &str) -> Result<(), StoreError> {
    let sql = Sql::new("UPDATE flag SET is_falling = 1 WHERE id = ").value(id);
    sql.run(writing.connection()).await.map(|_| ())
}
