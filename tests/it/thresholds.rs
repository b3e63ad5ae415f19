//! Cuts by what a team can follow up: the command as its users run it, and what it leaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use prodrome::command::{
    self, ExportFormat, FitRequest, SimulateRequest, Source, ThresholdsRequest,
};
use prodrome::import::Meter;
use prodrome::model::Family;
use prodrome::registry;
use prodrome::simulate::Settings;
use prodrome::task::TierRule;
use prodrome::train::{Promise, Search};
use serde_json::Value;

use crate::support::{
    fit_request, full_data, root, shipped, shipped_files, task_file, task_folder, task_text,
};

const SAMPLE: &str = "tests/data/diabetes130";

fn thresholds(bundle: &Path, export: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_prodrome-train");
    let mut call = Command::new(program);
    call.arg("thresholds").arg("--bundle").arg(bundle).arg("--export").arg(export);
    call.arg("--mapping").arg(task_folder().join("diabetes130.toml"));
    call.args(arguments).current_dir(root()).output().unwrap()
}

/// A models folder of its own with the shipped version, and the version's folder.
fn models() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    let version = registry::publish(&models, "readmit30_diabetes", "1", &shipped_files()).unwrap();
    (folder, version)
}

/// The models folder that a version folder is in.
fn models_of(version: &Path) -> PathBuf {
    version.parent().unwrap().parent().unwrap().to_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The line of the rule that was asked for.
fn asked(found: &Value) -> &Value {
    let rules = found["thresholds"]["rules"].as_array().unwrap();
    &rules.iter().find(|row| row["is_asked"] == true).unwrap()["burden"]
}

fn holds(figure: &Value, value: f64) -> bool {
    let end = |place: usize| figure["interval"][place].as_f64().unwrap();
    end(0) <= value && value <= end(1)
}

#[test]
fn a_version_with_the_cut_is_made_beside_the_old_which_stays_as_it_is() {
    let (folder, version) = models();
    let out = folder.path().join("out");
    let arguments = ["--flags-per-100", "8", "--all-patients", "--write", "--json", "--out"];
    let arguments = [&arguments[..], &[out.to_str().unwrap()]].concat();
    let found = json(&thresholds(&version, &root().join(SAMPLE), &arguments));
    assert_eq!(found["thresholds"]["promise"], "kept");
    assert!(asked(&found)["flags_per_100"]["interval"][0].as_f64().unwrap() <= 8.0);
    let cut = found["thresholds"]["cut"].as_f64().unwrap();

    assert_eq!(registry::read_files(&version).unwrap(), shipped_files(), "never in place");
    let written = version.parent().unwrap().join("2");
    assert_eq!(Path::new(found["written"]["bundle"].as_str().unwrap()), written);
    let bundle = registry::open(&written, &[]).unwrap();
    assert_eq!(found["written"]["digest"], bundle.digest());
    let tiers = &bundle.manifest().tiers;
    assert_eq!(tiers[0].from, cut);
    assert_eq!(tiers[0].basis.as_ref().unwrap().rule, TierRule::FlagsPer100(8.0));
    assert_eq!(tiers[0].recut().unwrap().parent_digest, shipped().digest());
    assert_eq!(tiers[1..], shipped().manifest().tiers[1..]);
    for golden in &bundle.manifest().golden {
        let row = golden.values();
        assert_eq!(bundle.predict(&row), shipped().predict(&row), "the same models");
    }
    assert_eq!(bundle.tier(cut), "high");
    let files = registry::read_files(&written).unwrap();
    let text = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    for name in ["card.md", "report.html"] {
        let said = "by the rule \u{201c}at most 8 flags per 100 index times\u{201d}";
        assert!(text(name).contains(said), "{name}");
    }
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("asked for: at most 8 flags per 100 index times"), "{page}");
    let told: Value =
        serde_json::from_slice(&fs::read(out.join("thresholds.json")).unwrap()).unwrap();
    assert_eq!(told, found["thresholds"]);

    // Whatever the gate says of so few patients: it does not ask for a comparison with its parent.
    let promote = |version: &str| {
        let models = models_of(&written);
        let task = "readmit30_diabetes".to_owned();
        command::promote(&command::PromoteRequest::new(&models, task, version.to_owned()))
    };
    promote("1").unwrap();
    let refused = promote("2").unwrap_err().to_string();
    assert!(
        refused.contains("the gate says no") && !refused.contains("nothing tells"),
        "{refused}"
    );

    // The same call finds the same, and makes the version after it.
    let again = json(&thresholds(&version, &root().join(SAMPLE), &arguments));
    assert_eq!(again["thresholds"], found["thresholds"]);
    assert_eq!(again["written"]["version"], "3");
}

#[test]
fn every_way_to_fail_has_its_exit_code_and_says_how_to_mend_it() {
    let (folder, version) = models();
    let ends = |arguments: &[&str], code: i32, says: &str| {
        let output = thresholds(&version, &root().join(SAMPLE), arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{error}");
        let said = error + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(says), "{says}: {said}");
    };
    ends(&[], 2, "--flags-per-100");
    ends(&["--flags-per-100", "8", "--ppv-min", "0.2"], 2, "cannot be used with");
    ends(&["--flags-per-100", "100"], 2, "flags_per_100 must be above 0 and below 100");
    ends(&["--ppv-min", "nan"], 2, "ppv_min must be");
    ends(&["--flags-per-100", "8", "--tier", "highest"], 2, "it has high, moderate");
    ends(&["--flags-per-100", "8", "--tier", "low"], 2, "it has high, moderate");
    ends(&["--flags-per-100", "8", "--held-out", "none"], 2, "left to judge");
    ends(&["--flags-per-day", "8", "--index-times-per-day", "0"], 2, "must be above 0");
    // All stays of this table stand at one time.
    ends(&["--flags-per-day", "1", "--all-patients"], 3, "--index-times-per-day");
    ends(&["--flags-per-100", "0.2", "--all-patients"], 3, "fewer than 11 patients");
    ends(&["--ppv-min", "0.9", "--all-patients"], 3, "beyond chance");
    ends(&["--flags-per-100", "8", "--held-out", "0/90"], 3, "--held-out");
    // Too few are judged to tell: a check that says no, and no version.
    let few = ["--flags-per-100", "2", "--all-patients", "--held-out", "0/5", "--write"];
    ends(&few, 1, "no version was written");
    let versions = fs::read_dir(folder.path().join("models/readmit30_diabetes")).unwrap();
    let names: Vec<_> = versions.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name == "2"), "{names:?}");
}

/// The promise: of patients the cut was not found on, no more are flagged than were asked.
#[test]
fn the_promised_alert_rate_holds_on_held_out_patients_of_diabetes_130() {
    let Some(export) = full_data("diabetes130") else { return };
    let (_folder, version) = models();
    let found = json(&thresholds(&version, &export, &["--flags-per-100", "8", "--json"]));
    let told = &found["thresholds"];
    assert_eq!(told["promise"], "kept");
    let flags = &asked(&found)["flags_per_100"];
    eprintln!("at most 8 flags per 100: {flags}, PPV {}", asked(&found)["ppv"]);
    assert!(holds(flags, 8.0) || flags["interval"][1].as_f64().unwrap() < 8.0, "{flags}");
    // A fifth was held out of the fit, and a third of them judged.
    let rows = |part: &str| told[part]["index_times"].as_u64().unwrap();
    assert!((13_000..17_000).contains(&(rows("found_on") + rows("judged_on"))));
    assert!(told["rules"].as_array().unwrap().len() > 3, "and what its neighbours would bring");
    let groups = told["groups"].as_array().unwrap();
    assert!(groups.iter().any(|group| !group["missed"].is_null()), "and what groups it misses");
}

#[test]
fn flags_a_day_are_counted_at_the_rate_of_the_whole_export() {
    let folder = tempfile::tempdir().unwrap();
    let export = folder.path().join("export");
    let simulate = SimulateRequest {
        settings: Settings::new(4_000, 10, 12),
        format: ExportFormat::Meds,
        out: export.clone(),
        truth: None,
    };
    command::simulate(&simulate).unwrap();
    let models = folder.path().join("models");
    let version = registry::publish(&models, "readmit30_diabetes", "1", &shipped_files()).unwrap();
    let request = ThresholdsRequest {
        bundle: version,
        source: Source::new(export),
        concepts: Vec::new(),
        labels: None,
        rule: TierRule::FlagsPerDay(0.05),
        tier: Some("moderate".to_owned()),
        index_times_per_day: None,
        held_out: ThresholdsRequest::HELD_OUT,
        all_patients: true,
        out: None,
        write: false,
    };
    let meter = Meter::default();
    let counted = command::thresholds(&request, &meter).unwrap().thresholds;
    let rate = counted.index_times_per_day.unwrap();
    assert!(rate > 0.1, "{rate}");
    let burden = counted.rules.iter().find(|row| row.is_asked).unwrap().burden;
    let (a_day, per_100) = (burden.flags_per_day.unwrap(), burden.flags_per_100.unwrap());
    assert!((a_day.value - rate * per_100.value / 100.0).abs() < 1e-12);
    assert!(counted.promise == Promise::Kept && a_day.interval[0] <= 0.05, "{a_day:?}");
    // Twice as many come a day as the export has: half as many of them can be flagged.
    let busier = ThresholdsRequest {
        index_times_per_day: Some(2.0 * rate),
        tier: None,
        write: true,
        ..request
    };
    let found = command::thresholds(&busier, &meter).unwrap();
    assert!(found.thresholds.cut > counted.cut);
    let written = found.written.unwrap();
    let bundle = registry::open(&written.bundle, &[]).unwrap();
    let basis = bundle.manifest().tiers[0].basis.clone().unwrap();
    assert_eq!(basis.index_times_per_day, Some(2.0 * rate));
    assert!(basis.recut.unwrap().synthetic_training_data && bundle.manifest().is_synthetic());
    // Simulated patients are nobody: their cut decides nothing for patients.
    let request = command::PromoteRequest::new(&models, "readmit30_diabetes".into(), "2".into());
    let refused = command::promote(&request).unwrap_err();
    assert!(refused.to_string().contains("simulated population"), "{refused}");
}

#[test]
fn a_fit_follows_the_rules_of_its_task() {
    let folder = tempfile::tempdir().unwrap();
    let text = task_text("readmit30_diabetes")
        .replacen("top_share = 0.05", "flags_per_100 = 8.0", 1)
        .replacen("top_share = 0.20", "cost_ratio = 9.0", 1);
    let task = task_file(folder.path(), &text);
    let request = fit_request(root().join(SAMPLE), folder.path().join("made"));
    let request = FitRequest {
        task: command::TaskSource::new(task),
        search: Search { families: vec![Family::Logistic], trials: 1 },
        ..request
    };
    let made = command::fit(&request, &Meter::default(), &|_| {}).unwrap();
    let bundle = registry::open(&made.bundle, &[]).unwrap();
    let rules: Vec<TierRule> =
        bundle.manifest().tiers.iter().filter_map(|cut| Some(cut.basis.as_ref()?.rule)).collect();
    assert_eq!(rules, [TierRule::FlagsPer100(8.0), TierRule::CostRatio(9.0)]);
    assert_eq!(bundle.manifest().tiers[1].from, 0.1);
    assert!(bundle.task().to_toml().unwrap().contains("flags_per_100 = 8.0"));
}
