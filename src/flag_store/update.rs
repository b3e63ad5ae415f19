//! What people do to the flags that are stored.

use super::sql::{Sql, signed};
use super::writing::{Hand, Writing};
use super::{FlagStore, StoreError};
use crate::flag::{
    ChangeKind, Feedback, Flag, FlagId, FlagUpdate, InvalidUpdate, Reach, Standing, apply,
};
use crate::record::Time;

impl FlagStore {
    /// Makes the change that `actor` asks for, to the `version` of the flag that they saw. The same
    /// asked again after it was made is answered with the flag as it is, and changes nothing.
    ///
    /// # Errors
    /// `NotFound` also where the flag is out of reach; `Conflict` where somebody else was first;
    /// `Invalid` where its state does not allow it.
    pub async fn update(
        &self,
        id: FlagId,
        version: u64,
        update: &FlagUpdate,
        actor: &str,
        reach: &Reach,
        now: Time,
    ) -> Result<Flag, StoreError> {
        self.bounded(async {
            let mut writing = self.begin(now).await?;
            let (standing, is_last) = within(&mut writing, id, reach).await?;
            let flag = standing.flag.clone().ok_or(StoreError::NotFound)?;
            let request = request(update);
            if version != flag.version {
                let was_made = was_made(&mut writing, id, version, actor, &request).await?;
                let conflict = StoreError::Conflict { version: flag.version };
                return if was_made { Ok(flag) } else { Err(conflict) };
            }
            if !is_last {
                return Err(InvalidUpdate::Superseded.into());
            }
            let Some((standing, kind)) = apply(&standing, update, now)? else { return Ok(flag) };
            let hand = Hand { actor: Some(actor), request: Some(&request) };
            let patient_key = self.index.patient_key(&flag.patient_id);
            let changed = writing.change(standing.clone(), kind, hand).await?;
            writing.remember(&patient_key, &flag.task, &standing).await?;
            writing.commit().await?;
            Ok(changed)
        })
        .await
    }

    /// Records what `actor` found of a flag, in whatever state; the same twice is recorded once, and
    /// whether the flag was useful is what they said last.
    ///
    /// # Errors
    /// `NotFound` also where the flag is out of reach.
    pub async fn feedback(
        &self,
        id: FlagId,
        feedback: Feedback,
        actor: &str,
        reach: &Reach,
        now: Time,
    ) -> Result<Flag, StoreError> {
        self.bounded(async {
            let mut writing = self.begin(now).await?;
            let (standing, _) = within(&mut writing, id, reach).await?;
            let flag = standing.flag.ok_or(StoreError::NotFound)?;
            if let Some(opposite) = feedback.opposite() {
                Sql::new("DELETE FROM flag_feedback WHERE flag_id = ")
                    .value(id.to_string())
                    .text(" AND actor = ")
                    .value(actor)
                    .text(" AND feedback = ")
                    .value(opposite.name())
                    .run(writing.connection())
                    .await?;
            }
            let sql =
                Sql::new("INSERT INTO flag_feedback (flag_id, actor, feedback, time) VALUES (")
                    .value(id.to_string())
                    .next(actor)
                    .next(feedback.name())
                    .next(now.micros())
                    .text(") ON CONFLICT DO NOTHING");
            if sql.run(writing.connection()).await? == 0 {
                return Ok(flag);
            }
            let flag = flag.changed(now);
            let standing = Standing { flag: Some(flag), memory: standing.memory };
            let hand = Hand { actor: Some(actor), request: Some(feedback.name()) };
            let changed = writing.change(standing, ChangeKind::Feedback, hand).await?;
            writing.commit().await?;
            Ok(changed)
        })
        .await
    }
}

/// The flag and what is remembered of it, where somebody may see it, and whether it is the last one
/// of its patient and task.
async fn within(
    writing: &mut Writing<'_>,
    id: FlagId,
    reach: &Reach,
) -> Result<(Standing, bool), StoreError> {
    let found = writing.flag(id).await?;
    let is_seen = |standing: &Standing| standing.flag.as_ref().is_some_and(|f| reach.holds(f));
    found.filter(|(standing, _)| is_seen(standing)).ok_or(StoreError::NotFound)
}

/// Whether `actor` made this very change to this version.
async fn was_made(
    writing: &mut Writing<'_>,
    id: FlagId,
    version: u64,
    actor: &str,
    request: &str,
) -> Result<bool, StoreError> {
    let made = Sql::new("SELECT COUNT(*) FROM flag_change WHERE flag_id = ")
        .value(id.to_string())
        .text(" AND version = ")
        .value(signed(version.saturating_add(1)))
        .text(" AND actor = ")
        .value(actor)
        .text(" AND request = ")
        .value(request)
        .number(writing.connection())
        .await?;
    Ok(made > 0)
}

/// An update in one text: what it is known by when it comes again.
fn request(update: &FlagUpdate) -> String {
    match update {
        FlagUpdate::Assign(Some(name)) => format!("assign {name}"),
        FlagUpdate::Assign(None) => "assign".to_owned(),
        FlagUpdate::Acknowledge => "acknowledge".to_owned(),
        FlagUpdate::Snooze { until } => format!("snooze {}", until.micros()),
        FlagUpdate::Dismiss(reason) => format!("dismiss {}", reason.name()),
        FlagUpdate::Act(action) => format!("act {}", action.name()),
        FlagUpdate::Reopen => "reopen".to_owned(),
    }
}
