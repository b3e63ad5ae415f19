//! The probability computed again from the features that a model gets: the truth must be a function
//! of what is on record, as this program itself reads the record.

use prodrome::feature::{FeatureParams, Spec, extract};
use prodrome::record::{History, KnownAfter};
use prodrome::simulate::KnownTask;
use serde::Deserialize;

use super::plain;
use crate::support::concepts;

const AT_A_DISCHARGE: &str = r#"
[[feature]]
name = "age"
from = "age"
text = "{value}"
[[feature]]
name = "stays"
text = "{value}"
from.encounters = { classes = ["IMP"], window_days = 365 }
[[feature]]
name = "visits"
text = "{value}"
from.encounters = { classes = ["EMER"], window_days = 365 }
[[feature]]
name = "days"
from = "stay_days"
text = "{value}"
[[feature]]
name = "known"
text = "{level}"
from.concepts = { concepts = ["heart_failure", "charlson_pulmonary", "diabetes", "charlson_renal", "charlson_cancer"], window = "ever", kinds = ["diagnosis", "problem"] }
[[feature]]
name = "admission"
text = "{level}"
from.stay_code = { field = "admission_type", levels = ["admission_emergency", "admission_urgent", "admission_elective"] }
[[feature]]
name = "discharge"
text = "{level}"
from.stay_code = { field = "discharge_disposition", levels = ["discharge_nursing", "discharge_home_health", "discharge_home", "discharge_rehabilitation"] }
[[feature]]
name = "haemoglobin"
text = "{value}"
from.measurement = { concept = "haemoglobin", window = "stay", aggregate = ["last"] }
[[feature]]
name = "sodium"
text = "{value}"
from.measurement = { concept = "sodium", window = "stay", aggregate = ["last"] }
[[feature]]
name = "creatinine"
text = "{value}"
from.measurement = { concept = "creatinine", window = "stay", aggregate = ["last"] }
"#;

/// The weight of each column, and from where on it counts; a missing value counts as nothing.
const WEIGHTS: [(f64, f64); 17] = [
    (0.012, 60.0),
    (0.40, 0.0),
    (0.20, 0.0),
    (0.05, 0.0),
    (0.45, 0.0),
    (0.35, 0.0),
    (0.20, 0.0),
    (0.35, 0.0),
    (0.45, 0.0),
    (0.30, 0.0),
    (0.0, 0.0),
    (0.0, 0.0),
    (0.35, 0.0),
    (0.20, 0.0),
    (0.0, 0.0),
    (0.0, 0.0),
    (-0.15, 12.5),
];
const SODIUM: (f64, f64) = (-0.05, 139.0);
const CREATININE: (f64, f64) = (0.30, 1.0);
const INTERCEPT: f64 = -3.10;
/// The place of the stays, and from how many on more of them change nothing.
const STAYS: (usize, f64) = (1, 5.0);

#[derive(Deserialize)]
struct Features {
    feature: Vec<FeatureParams>,
}

#[test]
fn the_probability_of_a_readmission_follows_from_the_features_that_models_read() {
    let concepts = concepts();
    let features: Features = toml::from_str(AT_A_DISCHARGE).unwrap();
    let spec = Spec::check(&features.feature, &concepts).unwrap();
    let (mut rows, mut missing) = (0, 0);
    for patient in plain() {
        let built = History::build(&patient.record, &concepts, &KnownAfter::default()).unwrap();
        let truth = patient.truth.iter().filter(|row| row.task == KnownTask::Readmit30);
        for row in truth {
            let facts = extract(&built.history.view(row.prediction_time), &spec, false);
            let weights = WEIGHTS.iter().chain([&SODIUM, &CREATININE]);
            assert_eq!(facts.values.len(), weights.clone().count());
            let counted = |(place, value): (usize, &f32)| match place == STAYS.0 {
                true => f64::from(*value).min(STAYS.1),
                false => f64::from(*value),
            };
            let values = facts.values.iter().enumerate().map(counted);
            let terms =
                values.zip(weights).map(
                    |(value, (weight, from))| {
                        if value.is_nan() { 0.0 } else { weight * (value - from) }
                    },
                );
            let log_odds = INTERCEPT + terms.sum::<f64>();
            let probability = 1.0 / (1.0 + (-log_odds).exp());
            assert!(
                (probability - row.probability).abs() < 1e-3,
                "patient {}: {probability} and {}",
                patient.record.patient_id,
                row.probability
            );
            rows += 1;
            missing += facts.values.iter().filter(|value| value.is_nan()).count();
        }
    }
    assert!(rows > 3_000 && missing > 300, "{rows} rows, {missing} missing values");
}
