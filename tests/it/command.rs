//! The trainer as its users run it: what it prints, what it leaves, how it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{full_data, root};

fn train(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_prodrome-train");
    Command::new(program).args(arguments).current_dir(root()).output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const TASK: [&str; 2] = ["--task", "models/readmit30_diabetes/task.toml"];
const MAPPING: [&str; 2] = ["--mapping", "models/readmit30_diabetes/diabetes130.toml"];
const SAMPLE: [&str; 2] = ["--export", "tests/data/diabetes130"];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn fit_evaluate_score_and_promote_work_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (models, matrix) = (folder.path().join("models"), folder.path().join("matrix.parquet"));
    let paths = ["--models", text(&models), "--dump-matrix", text(&matrix), "--json"];
    let fitted = train(&[&["fit"], &TASK[..], &SAMPLE, &MAPPING, &paths].concat());
    let warnings = String::from_utf8(fitted.stderr.clone()).unwrap();
    assert!(warnings.contains("column days_since_inpatient_stay is empty"), "{warnings}");
    let fitted = json(&fitted);
    assert_eq!(fitted["version"], "1");
    assert_eq!(fitted["lines"]["read"], 2000);
    assert!(fitted["metrics"]["held_out"]["forest"]["auroc"].as_f64().unwrap() > 0.5);
    assert_eq!(mode(&matrix), 0o600, "the matrix holds patient data");
    let bundle = fitted["bundle"].as_str().unwrap();

    let out = folder.path().join("judged");
    let judge = ["--bundle", bundle, "--out", text(&out), "--only-held-out", "--json"];
    let judged = json(&train(&[&["evaluate"], &SAMPLE[..], &MAPPING, &judge].concat()));
    let family = fitted["metrics"]["chosen"].as_str().unwrap();
    let by_fit = &fitted["metrics"]["held_out"][family]["auroc"];
    assert_eq!(&judged["evaluation"]["metrics"]["auroc"], by_fit, "the same road, the same figure");
    let written: Value =
        serde_json::from_slice(&fs::read(out.join("metrics.json")).unwrap()).unwrap();
    assert_eq!(written, judged);
    assert_eq!(mode(&out.join("predictions.parquet")), 0o600);

    let predictions = folder.path().join("predictions.parquet");
    let score = ["--bundle", bundle, "--out", text(&predictions), "--json"];
    let scored = json(&train(&[&["score"], &SAMPLE[..], &MAPPING, &score].concat()));
    assert_eq!(scored["scored"].as_u64().unwrap() + scored["not_scored"].as_u64().unwrap(), 2000);
    assert_eq!(mode(&predictions), 0o600);

    let promote = ["--task", "readmit30_diabetes", "--version", "1", "--models", text(&models)];
    let refused = train(&[&["promote"], &promote[..]].concat());
    assert_eq!(
        refused.status.code(),
        Some(1),
        "2,000 stays hold too few patients out to be judged"
    );
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("the gate says no") && said.contains(" outcomes; fewer than 100"),
        "{said}"
    );
    let forced = ["--force", "--reason", "a test"];
    let promoted = json(&train(&[&["promote", "--json"], &promote[..], &forced].concat()));
    assert_eq!(promoted["digest"], fitted["digest"]);
    let stages = fs::read_to_string(models.join("readmit30_diabetes/stages.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&stages).unwrap()["stable"], "1");
}

#[test]
fn every_way_to_fail_has_its_exit_code_and_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let models = ["--models", text(folder.path())];
    let ends = |arguments: &[&[&str]], code: i32, says: &str| {
        let output = train(&arguments.concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(says), "{error}");
        assert!(output.stdout.is_empty());
    };
    ends(&[&["fit"], &TASK], 2, "--export");
    ends(&[&["fit"], &TASK, &SAMPLE, &models], 2, "--mapping");
    ends(&[&["fit"], &TASK, &SAMPLE, &MAPPING, &models, &["--held-out", "5/5"]], 2, "k/n");
    let wrong = folder.path().join("task.toml");
    let task = fs::read_to_string(root().join(TASK[1])).unwrap();
    fs::write(&wrong, task.replace("title =", "tilte =")).unwrap();
    fs::create_dir_all(folder.path().join("models/x")).unwrap();
    let placed = folder.path().join("models/x/task.toml");
    fs::rename(&wrong, &placed).unwrap();
    fs::copy(root().join("models/concepts.toml"), folder.path().join("models/concepts.toml"))
        .unwrap();
    let misspelt = ["--task", text(&placed)];
    ends(&[&["fit"], &misspelt, &SAMPLE, &MAPPING, &models], 2, "did you mean `title`?");
    ends(&[&["fit"], &TASK, &["--export", "nowhere"], &MAPPING, &models], 4, "nowhere");
    ends(&[&["fit"], &TASK, &["--export", "proto"], &MAPPING, &models], 3, "diabetic_data*.csv*");
    // Everybody in this export is a child.
    let children = tempfile::tempdir().unwrap();
    let rows = fs::read_to_string(root().join(SAMPLE[1]).join("diabetic_data.sample.csv")).unwrap();
    let young: String = rows.lines().map(|row| young(row) + "\n").collect();
    fs::write(children.path().join("diabetic_data.csv"), young).unwrap();
    let export = ["--export", text(children.path())];
    ends(&[&["fit"], &TASK, &export, &MAPPING, &models], 3, "left out: adult 2000");
    let bundle = ["--bundle", "tests/data", "--out", text(folder.path())];
    ends(&[&["evaluate"], &SAMPLE, &MAPPING, &bundle], 3, "tests/data");
}

fn young(row: &str) -> String {
    let cells = row.split(',').map(|cell| if cell.starts_with('[') { "[0-10)" } else { cell });
    cells.collect::<Vec<_>>().join(",")
}

#[test]
fn the_full_table_reads_with_counts_that_add_up() {
    let Some(export) = full_data("diabetes130") else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("predictions.parquet");
    let bundle = ["--bundle", "models/readmit30_diabetes/1", "--out", text(&out), "--json"];
    let export = ["--export", text(&export)];
    let scored = json(&train(&[&["score"], &export[..], &MAPPING, &bundle].concat()));
    let lines = &scored["lines"];
    assert_eq!(lines["read"], 76_391);
    assert_eq!(lines["skipped"]["unknown gender"], 1);
    assert_eq!(lines["used"], 76_390);
    // 609 minors, 1,283 died, 594 went to hospice.
    assert_eq!(scored["not_scored"], 2_486);
    assert_eq!(scored["scored"], 76_390 - 2_486);
}
