//! The known risks: what a record holds at an index time, and the probability that follows from it.
//!
//! All coefficients are made up, so that risks have about the size and the direction that papers
//! report; none is a clinical finding. They are sums of terms that a task file can name as
//! features, so that a model can find them again.

use crate::model::sigmoid;

/// More stays than this raise the risk of a readmission no further: else each would make the next more
/// certain, and a few patients would never leave the hospital.
const STAYS_MAX: f64 = 5.0;

/// What the record holds at a discharge.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Discharge {
    /// Completed years.
    pub age_years: f64,
    /// Earlier episodes that began within 365 days.
    pub stays_365d: f64,
    /// Emergency visits within 365 days that did not end in an admission.
    pub emergency_365d: f64,
    /// Nights of the whole episode.
    pub stay_days: f64,
    pub heart_failure: bool,
    pub lung_disease: bool,
    pub diabetes: bool,
    pub kidney_disease: bool,
    pub cancer: bool,
    pub by_emergency: bool,
    pub to_nursing: bool,
    pub to_home_health: bool,
    /// The last readable value of the episode, in g/dL.
    pub haemoglobin: Option<f64>,
    /// The last readable value of the episode, in mmol/L.
    pub sodium: Option<f64>,
    /// The last readable value of the episode, in mg/dL.
    pub creatinine: Option<f64>,
}

/// What the record holds at a contact with a blood pressure.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Contact {
    /// Completed years.
    pub age_years: f64,
    /// Mean of the day-lowest systolic pressures: of 365 days for a rise, of 730 days for new
    /// hypertension; mm Hg.
    pub systolic: f64,
    /// The same of the diastolic pressures of 730 days; mm Hg.
    pub diastolic: f64,
    /// The lowest systolic pressure of the contact; mm Hg.
    pub last_systolic: f64,
    /// The last body mass index on record, kg/m2.
    pub bmi: Option<f64>,
    pub smoker: bool,
    pub diabetes: bool,
    /// A man from 60 to 69 in the region where the pressure rises.
    pub in_trend: bool,
}

/// `weight` where `is` holds.
fn given(is: bool, weight: f64) -> f64 {
    if is { weight } else { 0.0 }
}

/// The probability of an unplanned admission within 30 days of the discharge, before a planned one
/// or a death.
pub(super) fn readmission(at: &Discharge, drifted: bool) -> f64 {
    let of_stays = if drifted { 0.15 } else { 0.40 };
    let mut sum = -3.10 + given(drifted, 0.75);
    sum += 0.12 * (at.age_years - 60.0) / 10.0;
    sum += of_stays * at.stays_365d.min(STAYS_MAX) + 0.20 * at.emergency_365d + 0.05 * at.stay_days;
    sum += given(at.heart_failure, 0.45) + given(at.lung_disease, 0.35);
    sum += given(at.diabetes, 0.20) + given(at.kidney_disease, 0.35) + given(at.cancer, 0.45);
    sum += given(at.by_emergency, 0.30);
    sum += given(at.to_nursing, 0.35) + given(at.to_home_health, 0.20);
    // A value that is not there counts like the usual one.
    sum += at.haemoglobin.map_or(0.0, |value| 0.15 * (12.5 - value));
    sum += at.sodium.map_or(0.0, |value| 0.05 * (139.0 - value));
    sum += at.creatinine.map_or(0.0, |value| 0.30 * (value - 1.0));
    sigmoid(sum)
}

/// The probability of a sustained rise within 365 days. A high pressure rises less: it regresses to
/// the mean.
pub(super) fn rise(at: &Contact, drifted: bool) -> f64 {
    let mut sum = -1.90 + given(drifted, 0.50);
    sum += -0.045 * (at.systolic - 135.0) + 0.02 * (at.last_systolic - at.systolic);
    sum += 0.020 * (at.age_years - 60.0) + at.bmi.map_or(0.0, |bmi| 0.06 * (bmi - 28.0));
    sum += given(at.smoker, 0.50) + given(at.diabetes, 0.35) + given(at.in_trend, 1.00);
    sigmoid(sum)
}

/// The probability of new hypertension within 365 days.
pub(super) fn hypertension(at: &Contact, drifted: bool) -> f64 {
    let mut sum = -2.45 + given(drifted, 0.50);
    sum += 0.070 * (at.systolic - 120.0) + 0.040 * (at.diastolic - 75.0);
    sum += 0.030 * (at.age_years - 50.0) + at.bmi.map_or(0.0, |bmi| 0.06 * (bmi - 27.0));
    sum += given(at.smoker, 0.40) + given(at.diabetes, 0.40) + given(at.in_trend, 0.80);
    sigmoid(sum)
}
