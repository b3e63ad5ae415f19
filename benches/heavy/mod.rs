//! A model as large as the service is judged with, and a request as long: 300 boosted trees of depth 8
//! in the place of the shipped model's, and one made-up patient with 150 events.
//!
//! The trees are fitted on made-up rows: what they say is of no use, and what they cost is that of any
//! trees of their size.

use std::fs;
use std::path::Path;

use prodrome::bundle::{Bundle, Files, Golden, golden_rows, sealed};
use prodrome::feature::Matrix;
use prodrome::model::{
    Binned, BoostedParams, Combine, Family, FlatTrees, Gaps, InputSpec, Weights, fit_boosted,
};
use prodrome::registry;
use prodrome::rpc::proto::{self, event::Value, score_request};
use prost_types::Timestamp;

/// The task whose shipped bundle is enlarged.
pub(crate) const TASK: &str = "readmit30_diabetes";
const TREES: usize = 300;
const DEPTH: u16 = 8;
const ROWS: usize = 8_000;
const GOLDEN_ROWS: usize = 16;
const DAY_SECONDS: i64 = 86_400;
/// 2024-03-01T08:00:00Z, when the stay begins.
const BEGIN_SECONDS: i64 = 1_709_280_000;

/// The files of the shipped bundle with trees of at most `leaves` leaves in it, as the task `name`.
pub(crate) fn bundle(name: &str, leaves: usize) -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = registry::read_files(&root.join("models").join(TASK).join("1")).unwrap();
    let task = String::from_utf8(files["task.toml"].clone()).unwrap();
    let renamed = task.replacen(&format!("name = \"{TASK}\""), &format!("name = \"{name}\""), 1);
    files.insert("task.toml".to_owned(), renamed.into_bytes());
    let shipped =
        Bundle::draft(&registry::read_files(&root.join("models").join(TASK).join("1")).unwrap());
    let shipped = shipped.unwrap();
    let mut manifest = shipped.manifest().clone();
    let trees = trees(&manifest.input, shipped.columns().len(), leaves);
    files.insert("boosted.bin".to_owned(), trees.to_bytes());
    for member in &mut manifest.members {
        member.weight = f64::from(u8::from(member.family == Family::Boosted));
    }
    manifest.task = name.to_owned();
    manifest.task_digest = digest(&files, &shipped);
    manifest.golden.clear();
    let rows = golden_rows(&manifest.input, shipped.columns().len(), GOLDEN_ROWS, 1);
    let draft = Bundle::draft(&sealed(manifest.clone(), files.clone()).unwrap()).unwrap();
    let golden = |row: &Vec<f32>| Golden {
        row: row.iter().map(|value| (!value.is_nan()).then_some(*value)).collect(),
        probability: draft.predict(row).probability,
    };
    manifest.golden = rows.iter().map(golden).collect();
    sealed(manifest, files).unwrap()
}

/// The digest of the task file, which names the formulas it shows.
fn digest(files: &Files, shipped: &Bundle) -> String {
    let text = std::str::from_utf8(&files["task.toml"]).unwrap();
    let mut formulas = prodrome::published::Formulas::default();
    for (file, text) in files.iter().filter(|(file, _)| file.starts_with("published/")) {
        assert!(file.ends_with(".toml"));
        formulas.add(std::str::from_utf8(text).unwrap()).unwrap();
    }
    let task = prodrome::task::Task::parse_with(text, shipped.concepts(), &formulas).unwrap();
    task.digest().to_owned()
}

/// Trees over made-up rows: every input matters a little, some with others.
fn trees(input: &InputSpec, columns: usize, leaves: usize) -> FlatTrees {
    let mut random = fastrand::Rng::with_seed(7);
    // Boosted trees read the values, and no indicators of missing ones.
    let width = input.kept.len();
    let mut matrix = Matrix::with_capacity(width, ROWS);
    let (mut labels, mut inputs) = (Vec::with_capacity(ROWS), Vec::new());
    let pulls: Vec<f64> = (0..width).map(|_| random.f64() - 0.5).collect();
    for _ in 0..ROWS {
        let mut row = vec![f32::NAN; columns];
        for column in &input.kept {
            let share = random.f32();
            row[column.index] = match random.u8(0..10) {
                0 => f32::NAN,
                1..=2 => column.median,
                _ => (column.clip_low + share * (column.clip_high - column.clip_low)).round(),
            };
        }
        input.apply(&row, Gaps::Kept, &mut inputs);
        inputs.truncate(width);
        let there = inputs.iter().zip(&pulls).filter(|(value, _)| !value.is_nan());
        let sum: f64 = there.map(|(value, pull)| pull * f64::from(*value).signum()).sum();
        labels.push(random.f64() < 1.0 / (1.0 + (-sum).exp()));
        matrix.push(&inputs);
    }
    let (rows, columns): (Vec<usize>, Vec<usize>) = ((0..ROWS).collect(), (0..width).collect());
    let patients: Vec<u32> = (0..ROWS as u32).collect();
    let params = BoostedParams {
        rounds: TREES,
        leaves,
        depth: DEPTH,
        features_per_split: 0.3,
        ..BoostedParams::default()
    };
    let binned = Binned::new(&matrix, &columns, &rows, &patients).unwrap();
    let free = vec![None; columns.len()];
    let fitted = fit_boosted(&binned, &labels, &patients, Weights::Even, &free, &params, 1, None);
    let trees = fitted.unwrap().trees(TREES).unwrap();
    assert!(matches!(trees.combine(), Combine::Sum { .. }));
    assert_eq!((trees.trees(), trees.depth()), (TREES, usize::from(DEPTH)));
    trees
}

/// Writes `files` as version 1 of the task `name` in the models folder, in service.
pub(crate) fn write(models: &Path, name: &str, files: &Files) {
    let folder = models.join(name).join("1");
    for (file, bytes) in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    fs::write(models.join(name).join("stages.json"), "{ \"stable\": \"1\" }\n").unwrap();
}

/// One patient: a stay, five earlier contacts, and so many events in them.
pub(crate) fn request(events: usize, task: &str, no_reasons: bool) -> proto::ScoreRequest {
    let mut random = fastrand::Rng::with_seed(3);
    let contacts: Vec<(String, &str, i64, i64)> = (0..6)
        .map(|place| {
            let (class, days) = if place % 2 == 0 { ("IMP", 5) } else { ("AMB", 0) };
            let begin = BEGIN_SECONDS - place * 40 * DAY_SECONDS;
            (format!("enc-{:08}", 70_311 + place), class, begin, begin + days * DAY_SECONDS + 3_600)
        })
        .collect();
    let end = contacts[0].3;
    let encounters = contacts.iter().map(|(id, class, begin, end)| proto::Encounter {
        id: id.clone(),
        class: (*class).to_owned(),
        start: at(*begin),
        end: at(*end),
        admission_type: "emergency".to_owned(),
        admission_source: "emd".to_owned(),
        discharge_disposition: "home".to_owned(),
        service: "Internal medicine".to_owned(),
        ..Default::default()
    });
    let history = proto::PatientHistory {
        patient_id: "made-up-1".to_owned(),
        birth_date: "1951-07-08".to_owned(),
        sex: proto::Sex::Female.into(),
        encounters: encounters.collect(),
        events: (0..events).map(|place| event(place, &contacts, &mut random)).collect(),
        ..Default::default()
    };
    proto::ScoreRequest {
        request_id: "bench".to_owned(),
        record: Some(score_request::Record::History(history)),
        tasks: vec![proto::TaskRef { task: task.to_owned(), version: String::new() }],
        prediction_time: at(end),
        options: Some(proto::ScoreOptions { max_reasons: 5, no_reasons, ..Default::default() }),
        ..Default::default()
    }
}

/// Two fifths measurements, the rest diagnoses, drugs and procedures.
fn event(
    place: usize,
    contacts: &[(String, &str, i64, i64)],
    random: &mut fastrand::Rng,
) -> proto::Event {
    const LABS: [(&str, &str, f64); 8] = [
        ("2345-7", "mg/dL", 160.0),
        ("4548-4", "%", 7.5),
        ("2160-0", "mg/dL", 1.1),
        ("2823-3", "mmol/L", 4.2),
        ("2951-2", "mmol/L", 139.0),
        ("718-7", "g/dL", 12.5),
        ("8480-6", "mm[Hg]", 135.0),
        ("6690-2", "10*3/uL", 8.1),
    ];
    const DIAGNOSES: [&str; 8] =
        ["E11.9", "I10", "I50.9", "N18.3", "J44.1", "E78.5", "I25.10", "F32.9"];
    const DRUGS: [&str; 6] = ["6809", "5856", "29046", "83367", "197361", "855332"];
    let (id, _, begin, end) = &contacts[random.usize(0..contacts.len())];
    let (kind, system, code, value, unit) = match place % 5 {
        0 | 1 => {
            let (code, unit, middle) = LABS[random.usize(0..LABS.len())];
            let number = (middle * (0.8 + 0.4 * random.f64()) * 10.0).round() / 10.0;
            (proto::EventKind::Measurement, "LOINC", code, Some(Value::Number(number)), unit)
        }
        2 => (proto::EventKind::Diagnosis, "ICD10CM", DIAGNOSES[random.usize(0..8)], None, ""),
        3 => (proto::EventKind::DrugOrder, "RXNORM", DRUGS[random.usize(0..6)], None, ""),
        _ => (proto::EventKind::Procedure, "CPT", "93306", None, ""),
    };
    proto::Event {
        kind: kind.into(),
        time: at(random.i64(*begin..*end)),
        system: system.to_owned(),
        code: code.to_owned(),
        value,
        unit: unit.to_owned(),
        encounter_id: id.clone(),
        ..Default::default()
    }
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}
