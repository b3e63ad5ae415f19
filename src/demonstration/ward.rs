//! The patients of the ward: those of a simulated population who are in care in the last days.

use rayon::prelude::*;

use crate::record::{EncounterClass, Record, Time};
use crate::simulate::{Population, START_YEAR, Settings, SettingsError, YEARS};

/// The population that the ward is drawn from: large enough for some dozen patients a week.
const POPULATION: u64 = 8_000;
const SEED: u64 = 7;
/// The most patients of the ward.
const PATIENTS_MAX: usize = 200;
/// How long before `now` somebody must have been in care to be on the ward.
const DAYS: i64 = 14;
/// How long after the end of a contact somebody is still scored.
const AFTER_DAYS: i64 = 3;

/// A simulated ward.
#[derive(Debug)]
pub struct Ward(Vec<Patient>);

/// A patient of the ward, with all that will ever be written of them.
#[derive(Debug)]
pub struct Patient(Record);

impl Ward {
    /// The ward as it is at `now`, the same one for the same day.
    ///
    /// # Errors
    /// No population goes as far as `now`.
    pub fn draw(now: Time) -> Result<Ward, SettingsError> {
        let years = (i32::from(now.year()) - i32::from(START_YEAR) + 1).max(0) as u32;
        let settings = Settings::new(POPULATION, years.max(YEARS[0]), SEED);
        let population = Population::new(settings)?;
        let drawn = (0..POPULATION).into_par_iter().map(|number| population.patient(number).record);
        let mut patients: Vec<Patient> =
            drawn.map(Patient).filter(|patient| patient.is_in_care(now)).collect();
        // Those who were in a bed first, who are what a ward is made of.
        patients.sort_by_key(|patient| !patient.was_in_a_bed(now));
        patients.truncate(PATIENTS_MAX);
        Ok(Ward(patients))
    }

    /// Its patients.
    pub fn patients(&self) -> &[Patient] {
        &self.0
    }
}

impl Patient {
    fn was_in_a_bed(&self, now: Time) -> bool {
        let since = now.plus_days(-DAYS);
        let mut stays = self.0.encounters.iter().filter(|c| c.class == EncounterClass::Inpatient);
        stays.any(|stay| stay.start <= now && stay.end.is_none_or(|end| end >= since))
    }

    fn is_in_care(&self, now: Time) -> bool {
        self.is_seen(now.plus_days(-DAYS), now) && self.0.death_time.is_none_or(|death| death > now)
    }

    /// Whether some contact, or the days after it, lies between the two.
    fn is_seen(&self, from: Time, to: Time) -> bool {
        self.0.encounters.iter().any(|contact| {
            let end = contact.end.unwrap_or(contact.start);
            contact.start <= to && end.plus_days(AFTER_DAYS) >= from
        })
    }

    /// What is written of the patient at `at`; `None` for one who is not in care then.
    pub fn as_of(&self, at: Time) -> Option<Record> {
        if !self.is_seen(at, at) {
            return None;
        }
        let mut record = self.0.clone();
        record.patient_id = format!("SIM-{:0>6}", record.patient_id);
        record.death_time = None;
        record.encounters.retain(|contact| contact.start <= at);
        for contact in &mut record.encounters {
            if contact.end.is_some_and(|end| end > at) {
                contact.end = None;
                contact.discharge_disposition = None;
            }
        }
        record
            .events
            .retain(|event| event.recorded_time.or(event.time).is_none_or(|time| time <= at));
        for period in &mut record.coverage {
            period.end = period.end.filter(|end| *end <= at);
        }
        Some(record)
    }
}
