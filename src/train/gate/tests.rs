//! Every way the gate says no, and that it says nothing else.

use serde_json::{Value, json};

use super::*;

/// Figures that pass.
fn good() -> Value {
    json!({
        "task": "t",
        "leaks": {"findings": [{"verdict": "warns", "name": "x"}]},
        "held_out_evaluation": {
            "metrics": {
                "rows": 4000, "patients": 3000, "events": 400, "auroc": 0.70,
                "auroc_interval": [0.67, 0.73],
                "calibration_slope": 1.02, "calibration_slope_interval": [0.9, 1.14]
            },
            "subgroups": [{
                "attribute": "sex", "group": "female", "events_about": 200,
                "observed_over_expected": {"value": 1.3, "interval": [1.2, 1.4]}
            }],
            "published": [{
                "id": "lace",
                "comparison": {"auroc": {"difference": 0.05, "interval": [0.02, 0.08]}}
            }]
        }
    })
}

fn said(figures: Value, served: &Served) -> Vec<String> {
    refusals(&serde_json::from_value(figures).unwrap(), served)
}

/// The good figures with the value at `place` replaced.
fn with(place: &str, value: Value) -> Value {
    let mut figures = good();
    *figures.pointer_mut(place).unwrap() = value;
    figures
}

#[test]
fn each_fault_closes_the_gate_by_itself() {
    assert_eq!(said(good(), &Served::Nothing), [""; 0]);
    let judged = "/held_out_evaluation";
    for (place, value, says) in [
        ("/leaks/findings/0/verdict", json!("blocks"), "`x` knows what no live system would"),
        (judged, Value::Null, "never judged on patients"),
        ("/held_out_evaluation/metrics/events", json!(99), "judged on 99 outcomes"),
        (
            "/held_out_evaluation/metrics/calibration_slope_interval",
            json!([0.5, 0.79]),
            "miscalibrated: the calibration slope is 1.02 (0.5 to 0.79), wholly outside 0.8 to 1.2",
        ),
        (
            "/held_out_evaluation/metrics/calibration_slope_interval",
            json!([1.21, 1.5]),
            "miscalibrated",
        ),
        (
            "/held_out_evaluation/subgroups/0/observed_over_expected/interval",
            json!([1.26, 1.5]),
            "in the group sex female",
        ),
        (
            "/held_out_evaluation/published/0/comparison/auroc/interval",
            json!([-0.08, -0.02]),
            "the published score lace is better",
        ),
    ] {
        let said = said(with(place, value), &Served::Nothing);
        assert_eq!(said.len(), 1, "{place}: {said:?}");
        assert!(said[0].contains(says), "{}", said[0]);
    }
}

#[test]
fn what_may_be_chance_or_tells_of_few_closes_nothing() {
    for (place, value) in [
        ("/held_out_evaluation/metrics/calibration_slope_interval", json!([0.5, 0.81])),
        ("/held_out_evaluation/metrics/calibration_slope_interval", Value::Null),
        ("/held_out_evaluation/metrics/events", json!(100)),
        ("/held_out_evaluation/subgroups/0/observed_over_expected/interval", json!([1.2, 1.9])),
        ("/held_out_evaluation/subgroups/0/observed_over_expected", json!(1.6)),
        ("/held_out_evaluation/subgroups/0/observed_over_expected", Value::Null),
        ("/held_out_evaluation/published/0/comparison/auroc/interval", json!([-0.08, 0.01])),
    ] {
        assert_eq!(said(with(place, value), &Served::Nothing), [""; 0], "{place}");
    }
    let mut few =
        with("/held_out_evaluation/subgroups/0/observed_over_expected/interval", json!([1.3, 1.9]));
    *few.pointer_mut("/held_out_evaluation/subgroups/0/events_about").unwrap() = json!(90);
    assert_eq!(said(few, &Served::Nothing), [""; 0]);
}

#[test]
fn a_worse_version_than_the_one_in_service_is_refused() {
    let compared = |auroc: [f64; 2], log_loss: [f64; 2]| Served::Compared {
        version: "3".into(),
        figures: serde_json::from_value(json!({
            "auroc": {"difference": auroc[0], "interval": auroc},
            "log_loss": {"difference": log_loss[0], "interval": log_loss},
        }))
        .unwrap(),
    };
    assert_eq!(said(good(), &compared([-0.01, 0.01], [-0.01, 0.01])), [""; 0]);
    let worse = said(good(), &compared([-0.03, -0.01], [-0.01, 0.01]));
    assert!(worse[0].contains("worse than version 3 in service: AUROC"), "{worse:?}");
    let worse = said(good(), &compared([-0.01, 0.01], [0.01, 0.02]));
    assert!(worse[0].contains("log loss differs by +0.0100"), "{worse:?}");
}

#[test]
fn without_a_comparison_the_same_held_out_patients_must_tell() {
    let beside = |theirs: Option<Value>| Served::NotCompared {
        version: "3".into(),
        same_rows: theirs.map(|figures| serde_json::from_value(figures).unwrap()),
    };
    assert_eq!(said(good(), &beside(Some(good()))), [""; 0]);
    let better = with("/held_out_evaluation/metrics/auroc_interval", json!([0.74, 0.79]));
    assert!(said(good(), &beside(Some(better)))[0].contains("worse than version 3"));
    let others = with("/held_out_evaluation/metrics/rows", json!(4001));
    for unknown in [beside(Some(others)), beside(None)] {
        let said = said(good(), &unknown);
        assert!(said[0].contains("nothing tells whether"), "{said:?}");
    }
}
