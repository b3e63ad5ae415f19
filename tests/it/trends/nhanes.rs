//! NHANES as a survey: weighted shares and their standard errors by the design, and no statement where
//! nothing changed significantly.

use prodrome::command::trends;
use prodrome::import::Meter;
use prodrome::trend::{Figure, KeyName, Release};

use super::people;
use super::sample::group;
use crate::support::{full_data, root};

/// By sex and age: shares and standard errors in percent, first 2009-2010, then 2011-2012.
const KNOWN: [(&str, &str, [f64; 2], [f64; 2]); 6] = [
    ("male", "18-39", [7.3, 6.8], [0.69, 0.73]),
    ("male", "40-59", [16.5, 17.8], [1.00, 1.77]),
    ("male", "60+", [26.8, 29.6], [1.67, 2.26]),
    ("female", "18-39", [2.5, 3.7], [0.52, 0.64]),
    ("female", "40-59", [10.3, 10.9], [1.49, 1.57]),
    ("female", "60+", [30.8, 33.2], [1.70, 2.02]),
];

#[test]
fn shares_and_their_errors_are_those_of_the_design_and_nothing_is_told() {
    let Some(data) = full_data("nhanes") else { return };
    let folder = tempfile::tempdir().unwrap();
    for file in [data.join("nhanes_2009_2012.csv"), root().join("tests/nhanes/cycles.csv")] {
        std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    let out = folder.path().join("release.json");
    let mut call = people::request(folder.path(), "2012-12-31", out.clone());
    call.spec = root().join("tests/nhanes/spec.toml");
    call.source.mapping = Some(root().join("tests/nhanes/mapping.toml"));
    call.concepts = vec![root().join("tests/nhanes/concepts.toml")];
    let released = trends(&call, &Meter::default()).unwrap();
    assert_eq!(released.statements, [], "none of the changes is significant");
    assert!(released.tested >= 6);
    let release: Release = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    let all = &release.series[0];
    let measured: u64 = all.points.iter().filter_map(|point| point.measured).sum();
    assert_eq!(measured, 11_424);
    for (sex, age, shares, errors) in KNOWN {
        let of = group(&[(KeyName::Sex, sex), (KeyName::AgeBand, age)]);
        let series = release.series.iter().find(|series| series.group == of).unwrap();
        for ((point, share), error) in series.points.iter().zip(shares).zip(errors) {
            let Figure { estimate, standard_error, low, high, .. } = point.figure.unwrap();
            assert!((100.0 * estimate - share).abs() <= 0.1, "{sex} {age}: {estimate}");
            assert!(
                (100.0 * standard_error - error).abs() <= 0.02,
                "{sex} {age}: {standard_error}"
            );
            assert!(low < estimate && estimate < high);
        }
    }
}
