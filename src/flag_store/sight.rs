//! What scores do to the flags that are stored.

use super::writing::{Hand, Writing, load};
use super::{FlagStore, StoreError};
use crate::flag::{DayUse, Decision, Effect, FlagId, Held, Sighted, Sighting, Standing, decide};
use crate::record::Time;

use super::sql::Sql;

impl FlagStore {
    /// What the scores of one patient, one per task, do: all of it is stored, or nothing. Sent
    /// again, they change nothing. A low score of a patient without a flag stores nothing.
    ///
    /// It takes no longer than `wait_milliseconds` in all: somebody waits for the scores.
    ///
    /// # Errors
    /// A store that cannot be written to; then nothing is stored.
    pub async fn sight(
        &self,
        sightings: &[Sighting],
        now: Time,
    ) -> Result<Vec<Sighted>, StoreError> {
        self.bounded_by(self.wait, async {
            if let Some(nothing) = self.look(sightings, now).await? {
                return Ok(nothing);
            }
            let mut writing = self.begin(now).await?;
            let mut seen = Vec::with_capacity(sightings.len());
            for sighting in sightings {
                seen.push(self.take(&mut writing, sighting).await?);
            }
            writing.commit().await?;
            Ok(seen)
        })
        .await
    }

    /// What the scores do where that is nothing, which most do: without keeping other writers out.
    async fn look(
        &self,
        sightings: &[Sighting],
        now: Time,
    ) -> Result<Option<Vec<Sighted>>, StoreError> {
        let mut connection = self.reader.acquire().await?;
        let mut seen = Vec::with_capacity(sightings.len());
        for sighting in sightings {
            let patient_key = self.index.patient_key(&sighting.patient_id);
            let standing = load(self, &mut connection, &patient_key, &sighting.task).await?;
            let standing = standing.unwrap_or_default();
            let id = FlagId::from_random([0; 16]);
            let decision = decide(&standing, sighting, &self.rules, now, DayUse::default(), id);
            if decision.effect != Effect::Nothing {
                return Ok(None);
            }
            seen.push(sighted(&decision));
        }
        Ok(Some(seen))
    }

    async fn take(
        &self,
        writing: &mut Writing<'_>,
        sighting: &Sighting,
    ) -> Result<Sighted, StoreError> {
        let patient_key = self.index.patient_key(&sighting.patient_id);
        let standing = load(self, writing.connection(), &patient_key, &sighting.task).await?;
        let standing = standing.unwrap_or_default();
        let own = standing.flag.as_ref().map(|flag| flag.id);
        let day = writing.day_use(sighting.place.team.as_deref(), own).await?;
        let id = random_id()?;
        let decision = decide(&standing, sighting, &self.rules, writing.now, day, id);
        let after = &decision.standing;
        match decision.effect {
            Effect::Nothing => {}
            Effect::Noted => writing.remember(&patient_key, &sighting.task, after).await?,
            Effect::Suppressed => {
                self.record_suppressed(writing, &patient_key, sighting, decision.held).await?;
                writing.remember(&patient_key, &sighting.task, after).await?;
            }
            Effect::Changed(kind) => {
                writing.change(after.clone(), kind, Hand::default()).await?;
                writing.remember(&patient_key, &sighting.task, after).await?;
            }
        }
        Ok(sighted(&decision))
    }

    async fn record_suppressed(
        &self,
        writing: &mut Writing<'_>,
        patient_key: &str,
        sighting: &Sighting,
        held: Option<Held>,
    ) -> Result<(), StoreError> {
        let Some(held) = held else { return Ok(()) };
        let now = writing.now.micros();
        let sql = Sql::new("INSERT INTO flag_suppressed (patient_key, task, held, time) VALUES (")
            .value(patient_key)
            .next(sighting.task.clone())
            .next(held.name())
            .next(now)
            .text(")");
        sql.run(writing.connection()).await.map(|_| ())
    }
}

/// What a decision means for whoever asked for the score.
fn sighted(decision: &Decision) -> Sighted {
    let Decision { standing: Standing { flag, .. }, effect, held } = decision;
    let change = match effect {
        Effect::Changed(kind) => Some(*kind),
        Effect::Nothing | Effect::Noted | Effect::Suppressed => None,
    };
    Sighted {
        flag: flag.as_ref().map(|flag| flag.id),
        state: flag.as_ref().map(|flag| flag.state),
        place: flag.as_ref().map(|flag| flag.place.clone()),
        change,
        held: *held,
    }
}

fn random_id() -> Result<FlagId, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|_| StoreError::Unavailable("the system gives no random numbers"))?;
    Ok(FlagId::from_random(bytes))
}
