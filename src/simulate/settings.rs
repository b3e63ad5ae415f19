//! `Settings`: how large a simulated population is and what is wrong with its records.

use serde::Serialize;

use crate::record::Time;

/// The most patients of one population.
pub const PATIENTS_MAX: u64 = 10_000_000;
/// The shortest and the longest span of records, in years: an index time needs a year before it.
pub const YEARS: [u32; 2] = [2, 40];
/// The largest share of lost or wrong values, and of index times that are left early.
pub const SHARE_MAX: f64 = 0.9;

/// The year with which the records of every population begin.
pub const START_YEAR: i16 = 2014;
/// 2014-01-01, in days since 1970-01-01: when the records of every population begin.
const START_DAY: i64 = 16_071;
/// Days of a mean Gregorian year.
const YEAR_DAYS: f64 = 365.2425;

/// What a population is asked to be. All draws depend on these and on nothing else.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// From 1 to `PATIENTS_MAX`.
    pub patients: u64,
    /// How long the records go, in years.
    pub years: u32,
    pub seed: u64,
    /// After so many years the risks change; `None`: never.
    pub drift_after_years: Option<u32>,
    /// The share of creatinine and haemoglobin values that stand under the wrong unit.
    pub wrong_units: f64,
    /// The share of laboratory values that are missing.
    pub missing: f64,
    /// The share of index times inside whose window the patient leaves the source, for reasons that
    /// the record holds; 0: nobody leaves before the end of the records.
    pub censoring: f64,
}

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: must be {wanted}")]
pub struct SettingsError {
    setting: &'static str,
    wanted: String,
}

impl Settings {
    /// `patients` over `years`, with the usual faults in their records: 1% of wrong units, 5% of
    /// missing values.
    pub fn new(patients: u64, years: u32, seed: u64) -> Settings {
        let (wrong_units, missing, censoring) = (0.01, 0.05, 0.0);
        Settings { patients, years, seed, drift_after_years: None, wrong_units, missing, censoring }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let within = |setting, fits: bool, wanted: String| {
            if fits { Ok(()) } else { Err(SettingsError { setting, wanted }) }
        };
        let [low, high] = YEARS;
        let patients = (1..=PATIENTS_MAX).contains(&self.patients);
        within("patients", patients, format!("1 to {PATIENTS_MAX}"))?;
        within("years", (low..=high).contains(&self.years), format!("{low} to {high}"))?;
        let drift = self.drift_after_years.is_none_or(|years| (1..self.years).contains(&years));
        within("drift", drift, "a number of years from 1 to below `years`".to_owned())?;
        for (setting, share) in [
            ("wrong-units", self.wrong_units),
            ("missing", self.missing),
            ("censoring", self.censoring),
        ] {
            // A share that is no number is in no range.
            let fits = (0.0..=SHARE_MAX).contains(&share);
            within(setting, fits, format!("a share from 0 to {SHARE_MAX}"))?;
        }
        Ok(())
    }

    /// The first day of the records, in days since 1970-01-01.
    pub(super) fn start_day(&self) -> i64 {
        START_DAY
    }

    /// The day after the last of the records, in days since 1970-01-01.
    pub(super) fn end_day(&self) -> i64 {
        START_DAY + (f64::from(self.years) * YEAR_DAYS).round() as i64
    }

    /// Whether the risks have changed at `time`.
    pub(super) fn has_drifted(&self, time: Time) -> bool {
        let since = |years: u32| START_DAY + (f64::from(years) * YEAR_DAYS).round() as i64;
        self.drift_after_years.is_some_and(|years| time.day() >= since(years))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_named() {
        let base = Settings::new(10, 5, 1);
        assert_eq!(base.check(), Ok(()));
        let faults = [
            Settings { patients: 0, ..base.clone() },
            Settings { years: 1, ..base.clone() },
            Settings { drift_after_years: Some(5), ..base.clone() },
            Settings { wrong_units: f64::NAN, ..base.clone() },
            Settings { missing: -0.1, ..base.clone() },
            Settings { censoring: 0.95, ..base },
        ];
        let said: Vec<String> =
            faults.iter().filter_map(|s| s.check().err()).map(|e| e.to_string()).collect();
        let names = ["patients", "years", "drift", "wrong-units", "missing", "censoring"];
        assert_eq!(said.len(), names.len());
        for (said, name) in said.iter().zip(names) {
            assert!(said.starts_with(&format!("{name}: must be ")), "{said}");
        }
    }
}
