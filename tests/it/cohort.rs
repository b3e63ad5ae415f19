//! `prodrome-train cohort` from an export to a label file, and `fit` on such a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use parquet::file::reader::{FileReader, SerializedFileReader};
use prodrome::command::{
    self, CohortRequest, Enrolled, ExportFormat, FitOutcome, FitRequest, SimulateRequest, Source,
    TaskSource,
};
use prodrome::import::{Column, ColumnType, Labels, Meter, ParquetWriter};
use prodrome::record::Time;
use prodrome::simulate::Settings;
use prodrome::train::{HeldOut, Search};
use serde_json::Value;
use tempfile::TempDir;

use crate::meds::{Row, export, read};
use crate::support::{root, task_file, task_text, time};

/// The people of an export made by hand: each has one stay, which ended so.
struct People {
    back_on_day_10: usize,
    stayed_home: usize,
    died: usize,
    to_hospice: usize,
}

impl People {
    fn export(&self) -> TempDir {
        let mut rows: Vec<Row<'static>> = Vec::new();
        let mut id = 0;
        let mut add = |count: usize, place: &'static str, back: bool| {
            for _ in 0..count {
                id += 1;
                let mut row = |at, code| rows.push((id, Some(at), code, None, None, None));
                row("1950-01-01T00:00:00Z", "MEDS_BIRTH");
                row("2020-03-01T10:00:00Z", "HOSPITAL_ADMISSION//EW EMER.//EMERGENCY ROOM");
                row("2020-03-05T12:00:00Z", place);
                if back {
                    row("2020-03-15T10:00:00Z", "HOSPITAL_ADMISSION//EW EMER.//EMERGENCY ROOM");
                    row("2020-03-18T12:00:00Z", "HOSPITAL_DISCHARGE//HOME");
                }
            }
        };
        add(self.back_on_day_10, "HOSPITAL_DISCHARGE//HOME", true);
        add(self.stayed_home, "HOSPITAL_DISCHARGE//HOME", false);
        add(self.died, "HOSPITAL_DISCHARGE//DIED", false);
        add(self.to_hospice, "HOSPITAL_DISCHARGE//HOSPICE", false);
        export(&rows, None)
    }
}

fn plain_task(folder: &Path) -> PathBuf {
    let text = root().join("tests/cases/mimic_readmit30_plain.toml");
    task_file(folder, &std::fs::read_to_string(text).unwrap())
}

fn cohort(task: TaskSource, export: &Path, out: &Path) -> Enrolled {
    let request =
        CohortRequest { task, source: Source::new(export.to_owned()), out: out.to_owned() };
    command::cohort(&request, &Meter::default()).unwrap()
}

fn train(command: &str, task: &Path, export: &Path, more: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_prodrome-train"));
    program.arg(command).arg("--task").arg(task).arg("--export").arg(export).args(more);
    program.current_dir(root()).output().unwrap()
}

fn count(enrolled: &Enrolled, step: &str) -> String {
    let line = enrolled.table.iter().find(|line| line.step == step);
    line.unwrap_or_else(|| panic!("no line `{step}`")).count.to_string()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("exact: {value}"))
}

/// Index times are left out, censored or samples; nothing is lost.
fn assert_adds_up(enrolled: &Enrolled) {
    let shown = serde_json::to_value(&enrolled.attrition).unwrap();
    let left_out = shown["left_out"].as_object().unwrap().values().map(number).sum::<u64>();
    let (censored, samples) = (number(&shown["censored"]), number(&shown["samples"]));
    assert_eq!(number(&shown["index_times"]), left_out + censored + samples);
}

#[test]
fn the_table_says_of_every_index_time_what_became_of_it() {
    let work = tempfile::tempdir().unwrap();
    let (task, out) = (plain_task(work.path()), work.path().join("labels.parquet"));
    let people = People { back_on_day_10: 15, stayed_home: 19, died: 14, to_hospice: 0 };
    let enrolled = cohort(TaskSource::new(task.clone()), people.export().path(), &out);
    let steps = ["index_times", "died_in_stay", "hospice", "censored", "samples", "outcomes"];
    let counts = steps.map(|step| count(&enrolled, step));
    assert_eq!(counts, ["63", "14", "0", "0", "49", "15"]);
    assert_eq!(
        (count(&enrolled, "admission"), count(&enrolled, "patients")),
        ("15".into(), "34".into())
    );
    assert_adds_up(&enrolled);

    // Three people would be told by subtraction.
    let people = People { to_hospice: 3, ..people };
    let enrolled = cohort(TaskSource::new(task), people.export().path(), &out);
    let counts = steps.map(|step| count(&enrolled, step));
    assert_eq!(counts, ["about 70", "about 10", "<11", "0", "about 50", "about 20"]);
    let shown = serde_json::to_string(&enrolled).unwrap();
    assert!(!shown.contains(":66") && !shown.contains(":49"), "{shown}");
}

#[test]
fn a_label_file_has_the_columns_of_meds_and_reads_again() {
    let work = tempfile::tempdir().unwrap();
    let (task, out) = (plain_task(work.path()), work.path().join("labels.parquet"));
    let people = People { back_on_day_10: 2, stayed_home: 3, died: 1, to_hospice: 0 };
    let records = people.export();
    assert_eq!(cohort(TaskSource::new(task), records.path(), &out).out.as_ref(), Some(&out));
    let reader = SerializedFileReader::new(File::open(&out).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let columns: Vec<String> = schema
        .columns()
        .iter()
        .map(|c| format!("{} {} {:?}", c.name(), c.physical_type(), c.logical_type_ref()))
        .collect();
    assert_eq!(columns.len(), 3, "{columns:?}");
    assert!(columns[0].starts_with("subject_id INT64"), "{columns:?}");
    assert!(columns[1].starts_with("prediction_time INT64 Some(Timestamp"), "{columns:?}");
    assert!(columns[1].contains("MICROS") && columns[1].contains("u_t_c: false"), "{columns:?}");
    assert!(columns[2].starts_with("boolean_value BOOLEAN"), "{columns:?}");

    let (subjects, _) = read(records.path(), None).unwrap();
    let labels = Labels::read(&out).unwrap();
    let of: Vec<Vec<(Time, bool)>> = subjects
        .iter()
        .map(|s| labels.of(s).iter().map(|l| (l.prediction_time, l.boolean_value)).collect())
        .collect();
    let (first, second) = (time("2020-03-05T12:00:00Z"), time("2020-03-18T12:00:00Z"));
    let back = vec![(first, true), (second, false)];
    let home = vec![(first, false)];
    assert_eq!(of, [back.clone(), back, home.clone(), home.clone(), home, vec![]]);
}

#[test]
fn nothing_to_learn_from_ends_with_exit_3_and_the_reason() {
    let work = tempfile::tempdir().unwrap();
    let (task, out) = (plain_task(work.path()), work.path().join("labels.parquet"));
    let ends = |people: People, task: &Path, says: &str| {
        let out_text = out.to_str().unwrap();
        let output = train("cohort", task, people.export().path(), &["--out", out_text]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("<11"), "nobody is no small count: {text}");
        assert!(!out.exists(), "no label file is left");
    };
    let none = People { back_on_day_10: 0, stayed_home: 0, died: 0, to_hospice: 0 };
    ends(
        People { died: 20, ..none },
        &task,
        "the cohort is empty; most are left out by `died_in_stay`",
    );
    ends(People { stayed_home: 20, ..none }, &task, "has the outcome: one class only");
    // Without coverage nobody is followed.
    let recorded = root().join("models/readmit30_diabetes/task.toml");
    ends(People { stayed_home: 20, ..none }, &recorded, "the cohort is empty");
    let unfollowed = std::fs::read_to_string(&task).unwrap().replace("\"assumed\"", "\"recorded\"");
    let other = work.path().join("other");
    let unfollowed = task_file(&other, &unfollowed);
    ends(People { stayed_home: 20, ..none }, &unfollowed, "every index time left is censored");
    // Contacts of another class than any in the records.
    let text = std::fs::read_to_string(&task).unwrap();
    let none_there = text.replace("\"IMP\", \"ACUTE\", \"NONAC\", \"OBSENC\"", "\"FLD\"");
    let none_there = task_file(&other, &none_there);
    ends(People { stayed_home: 20, ..none }, &none_there, "hold no index time of the task");
}

/// A simulated export of 2,000 patients over four years.
fn simulated(folder: &Path) -> PathBuf {
    let out = folder.join("export");
    let settings = Settings::new(2_000, 4, 11);
    let request = SimulateRequest {
        settings,
        format: ExportFormat::Meds,
        out: out.clone(),
        truth: Some(folder.join("truth.parquet")),
    };
    command::simulate(&request).unwrap();
    out
}

fn fit(task: &Path, export: &Path, models: PathBuf, labels: Option<PathBuf>) -> FitOutcome {
    let request = FitRequest {
        task: TaskSource::new(task.to_owned()),
        source: Source::new(export.to_owned()),
        models,
        labels,
        seed: 1,
        held_out: HeldOut::Part { part: 0, of: 5 },
        search: Search { trials: 2, ..Search::default() },
        time_limit: None,
        dump_matrix: None,
    };
    command::fit(&request, &Meter::default(), &|_| {}).unwrap()
}

/// A count to the nearest ten: what is told of it where another is too small to be told.
fn to_ten(shown: &Value) -> u64 {
    let text = shown.as_str().map(|text| text.trim_start_matches("about ").parse().unwrap());
    let count = text.or(shown.as_u64()).unwrap();
    (count + 5) / 10 * 10
}

/// The figures of a fit; of the index times met on the way only how many came through.
fn figures(outcome: &FitOutcome) -> Value {
    let mut figures = serde_json::to_value(&outcome.metrics).unwrap();
    let attrition = figures["attrition"].take();
    for kept in ["samples", "outcomes", "patients"] {
        figures[kept] = to_ten(&attrition[kept]).into();
    }
    figures
}

#[test]
fn a_fit_on_the_labels_of_cohort_is_the_fit_on_the_task_itself() {
    let work = tempfile::tempdir().unwrap();
    let export = simulated(work.path());
    // A label file holds no censored index times, so the task leaves them out as well.
    let dropped = "washout_days = 365\ncensored = \"dropped\"";
    let text = task_text("readmit30").replacen("washout_days = 365", dropped, 1);
    let task = task_file(work.path(), &text);
    let labels = work.path().join("labels.parquet");
    let enrolled = cohort(TaskSource::new(task.clone()), &export, &labels);
    assert_eq!(enrolled.problem, None);

    let own = fit(&task, &export, work.path().join("own"), None);
    let given = fit(&task, &export, work.path().join("given"), Some(labels.clone()));
    assert_eq!(figures(&own), figures(&given));
    assert!(given.label_warnings.is_empty(), "{:?}", given.label_warnings);

    planned_rules_replace_the_tasks(&task, &export, work.path(), &enrolled);
    labels_of_nobody(&task, &export, work.path());
}

fn planned_rules_replace_the_tasks(task: &Path, export: &Path, work: &Path, own: &Enrolled) {
    let rules = work.join("planned.toml");
    let all = "name = \"all-planned\"\n[[rule]]\nadmission = [\"admission_emergency\", \"admission_urgent\"]\n";
    std::fs::write(&rules, all).unwrap();
    let with =
        TaskSource { planned_rules: Some(rules.clone()), ..TaskSource::new(task.to_owned()) };
    let enrolled = cohort(with, export, &work.join("planned.parquet"));
    let outcomes = |enrolled: &Enrolled| {
        let text = count(enrolled, "outcomes");
        text.trim_start_matches("about ").parse::<u64>().unwrap_or(0)
    };
    assert!(outcomes(own) > 50, "{}", outcomes(own));
    assert!(outcomes(&enrolled) * 2 < outcomes(own), "emergencies count as planned by these rules");

    std::fs::write(&rules, "name = \"x\"\n[[rule]]\nadmission = [\"admission_urgently\"]\n")
        .unwrap();
    let more = ["--planned-rules", rules.to_str().unwrap(), "--out", "nowhere.parquet"];
    let output = train("cohort", task, export, &more);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("planned `x`") && error.contains("did you mean `admission_urgent`?"),
        "{error}"
    );
}

/// Labels of subjects that the export does not know: some are a warning, all are an error.
fn labels_of_nobody(task: &Path, export: &Path, work: &Path) {
    let written = |name: &str, ids: &[i64]| {
        let path = work.join(name);
        let columns = [
            ("subject_id", ColumnType::Integer),
            ("prediction_time", ColumnType::Time),
            ("boolean_value", ColumnType::Boolean),
        ];
        let mut writer = ParquetWriter::create(&path, &columns).unwrap();
        let times = vec![Some(time("2016-01-01T12:00:00Z")); ids.len()];
        let values = vec![Some(true); ids.len()];
        let batch = [Column::Integer(ids), Column::Time(&times), Column::Boolean(&values)];
        writer.append(&batch).unwrap();
        writer.finish().unwrap();
        path
    };
    let models = work.join("nobody");
    let run = |labels: &Path| {
        let more = ["--models", models.to_str().unwrap(), "--labels", labels.to_str().unwrap()];
        let output = train("fit", task, export, &more);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, error) = run(&written("nobody.parquet", &[-1, -2, -3]));
    assert_eq!(code, Some(3), "{error}");
    assert!(error.contains("no label is of a subject of the export"), "{error}");

    // A folder of label files: the cohort's own and two rows of nobody.
    let folder = work.join("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(work.join("labels.parquet"), folder.join("a.parquet")).unwrap();
    std::fs::rename(written("two.parquet", &[-1, -2]), folder.join("b.parquet")).unwrap();
    let given = fit(task, export, work.join("warned"), Some(folder));
    assert_eq!(given.label_warnings, ["1-10 labels are of subjects that are not in the export"]);
    assert!(given.warnings().contains(&given.label_warnings[0]), "the program prints it");
}
