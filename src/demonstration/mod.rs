//! A simulated ward with flags in it, for showing the work list without anyone's records.
//!
//! Its patients are a population of `simulate` by a fixed seed. The last days of some of them are
//! scored, day by day, as an EHR would have asked for them: down the one road through the service,
//! into a store that is for showing alone. So there are flags with a course, some that cleared, some
//! that wait for a place, and provisional ones of those who are still in a bed.

mod stage;
mod ward;

use std::sync::Arc;
use std::time::Duration;

use crate::access::{Caller, Purpose, Scope};
use crate::flag::{Action, Dismissal, Flag, FlagQuery, FlagUpdate, Reach};
use crate::flag_store::StoreError;
use crate::record::{EncounterClass, Record, Time};
use crate::service::{ScoreOptions, ScoreRequest, Service, ServiceError, Visit};
use crate::simulate::SettingsError;

pub use stage::Stage;
pub use ward::{Patient, Ward};

/// How many days are played.
const DAYS: i64 = 12;
/// How many reasons a flag is asked to have.
const REASONS: usize = 5;
/// How long one score waits for the store.
const PATIENCE: Duration = Duration::from_secs(10);
/// Who answers flags in the demonstration.
const NURSE: &str = "nurse.demo";

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum DemonstrationError {
    #[error("the simulated population was not drawn: {0}")]
    Drawing(#[from] tokio::task::JoinError),
    #[error("the simulated population: {0}")]
    Population(#[from] SettingsError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Played {
    /// Patients who were scored.
    pub patients: usize,
    /// Scores of them, in all.
    pub scores: usize,
}

/// Plays the days before `now` on `ward`, into the flags of `service`, which must be ones for showing.
///
/// # Errors
/// A service without flags, or a store that cannot be written.
pub async fn play(service: &Service, ward: &Ward, now: Time) -> Result<Played, DemonstrationError> {
    let mut scores = 0;
    for days_before in (0..DAYS).rev() {
        // The same hour each day, the last one being now.
        let at = now.plus_days(-days_before);
        for patient in ward.patients() {
            if let Some(record) = patient.as_of(at) {
                scores += score(service, record, at).await?;
            }
        }
        service.flag_store()?.tend(at).await?;
        if days_before == 1 {
            answer(service, at).await?;
        }
    }
    Ok(Played { patients: ward.patients().len(), scores })
}

/// Scores a patient for all tasks in service, and gives how many scores there were.
async fn score(service: &Service, record: Record, at: Time) -> Result<usize, DemonstrationError> {
    // Who comes from a bed is for others to follow up than who comes to a practice.
    let latest = record.encounters.iter().max_by_key(|contact| contact.start);
    let is_from_bed = latest.is_some_and(|contact| contact.class == EncounterClass::Inpatient);
    let team = if is_from_bed { "discharge team" } else { "prevention team" };
    let request = ScoreRequest {
        record,
        issues: Vec::new(),
        only_allowed: false,
        tasks: Vec::new(),
        prediction_time: Some(at),
        options: ScoreOptions { reasons_max: REASONS, ..ScoreOptions::default() },
        team: Some(team.to_owned()),
    };
    let registry = service.models().current();
    let mut response = service.score(&request, at)?;
    let visit = visit();
    let sightings = service.sightings(&registry, &visit, &request, &response, at)?;
    service.sight(&visit, sightings, &mut response, (at, PATIENCE)).await?;
    Ok(response.assessments.len())
}

fn visit() -> Visit {
    let caller = Caller { name: NURSE.to_owned(), roles: Vec::new(), scope: Scope::default() };
    Visit { caller: Arc::new(caller), purpose: Some(Purpose::Treatment), break_glass: None }
}

/// Answers some flags as a team would, so that each state can be seen.
async fn answer(service: &Service, at: Time) -> Result<(), DemonstrationError> {
    let store = service.flag_store()?;
    let found = store.list(&FlagQuery::default(), &Reach::everything(), at).await?;
    let updates = [
        FlagUpdate::Acknowledge,
        FlagUpdate::Assign(Some(NURSE.to_owned())),
        FlagUpdate::Snooze { until: at.plus_days(3) },
        FlagUpdate::Dismiss(Dismissal::FollowedElsewhere),
        FlagUpdate::Act(Action::Call),
    ];
    // Every third, so that most of the list stays as it came.
    let some = found.flags.iter().skip(1).step_by(3);
    for (Flag { id, version, .. }, update) in some.zip(updates) {
        store.update(*id, *version, &update, NURSE, &Reach::everything(), at).await?;
    }
    Ok(())
}
