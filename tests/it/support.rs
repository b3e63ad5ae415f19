//! What many tests share: the repository's files, the sample, the shipped model, a fit on the sample.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use prodrome::bundle::{Bundle, Files};
use prodrome::command::{self, FitOutcome, FitRequest, Source, TaskSource};
use prodrome::import::{Counts, Export, ImportError, Mapping, Meter, Received, Subject};
use prodrome::model::Family;
use prodrome::record::{
    Code, ConceptSet, Encounter, EncounterClass, Event, EventKind, Record, Time,
};
use prodrome::registry::{self, ModelSettings, Models};
use prodrome::service::Service;
use prodrome::train::{HeldOut, Search};

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The folder with the full public data, where a machine has it; says so when it has not.
pub(crate) fn full_data(what: &str) -> Option<PathBuf> {
    let given = std::env::var_os("PRODROME_DATA").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| root().join("../shared/data")).join(what);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: the full data `{what}` are not here; name their folder in PRODROME_DATA");
    None
}

pub(crate) fn task_folder() -> PathBuf {
    root().join("models/readmit30_diabetes")
}

pub(crate) fn concepts() -> ConceptSet {
    let text = std::fs::read_to_string(root().join("models/concepts.toml")).unwrap();
    ConceptSet::parse(&text).unwrap()
}

pub(crate) fn mapping() -> Mapping {
    let text = std::fs::read_to_string(task_folder().join("diabetes130.toml")).unwrap();
    Mapping::parse(&text).unwrap()
}

/// Reads the tables in `folder` by `mapping`.
pub(crate) fn read(
    folder: &Path,
    mapping: &Mapping,
    each: impl FnMut(Subject) -> Received,
) -> Result<Counts, ImportError> {
    let export = Export { mapping: Some(mapping.clone()), ..Export::new(folder) };
    export.read(&Meter::default(), each)
}

/// Reads the export in `folder` without a mapping.
pub(crate) fn read_export(
    folder: &Path,
    each: impl FnMut(Subject) -> Received,
) -> Result<Counts, ImportError> {
    Export::new(folder).read(&Meter::default(), each)
}

/// All rows of the committed sample.
pub(crate) fn sample() -> &'static [Subject] {
    static SAMPLE: OnceLock<Vec<Subject>> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let mut subjects = Vec::new();
        let folder = root().join("tests/data/diabetes130");
        read(&folder, &mapping(), |subject| {
            subjects.push(subject);
            Received::Used
        })
        .unwrap();
        subjects
    })
}

/// The bundle in service in this repository.
pub(crate) fn shipped() -> &'static Bundle {
    static SHIPPED: OnceLock<Bundle> = OnceLock::new();
    SHIPPED.get_or_init(|| registry::open(&task_folder().join("1"), &[]).unwrap())
}

pub(crate) fn shipped_files() -> Files {
    registry::read_files(&task_folder().join("1")).unwrap()
}

/// A models folder that holds the shipped readmission task alone.
pub(crate) fn one_task() -> &'static Path {
    static MODELS: OnceLock<tempfile::TempDir> = OnceLock::new();
    let models = MODELS.get_or_init(|| {
        let models = tempfile::tempdir().unwrap();
        for (target, name) in [
            (task_folder(), "readmit30_diabetes"),
            (root().join("models/concepts.toml"), "concepts.toml"),
        ] {
            std::os::unix::fs::symlink(target, models.path().join(name)).unwrap();
        }
        models
    });
    models.path()
}

/// A service over the shipped readmission model alone.
pub(crate) fn service() -> Arc<Service> {
    Arc::new(Service::new(models(one_task(), false)))
}

/// The models of a folder, with the demonstrations or without.
pub(crate) fn models(folder: &Path, demo: bool) -> Arc<Models> {
    let settings = ModelSettings { demo, ..ModelSettings::new(folder) };
    Arc::new(Models::open(settings).unwrap())
}

/// The task file `text` in a models folder of its own in `folder`, with the shipped concepts.
pub(crate) fn task_file(folder: &Path, text: &str) -> PathBuf {
    let models = folder.join("models");
    std::fs::create_dir_all(models.join("task")).unwrap();
    std::fs::copy(root().join("models/concepts.toml"), models.join("concepts.toml")).unwrap();
    let file = models.join("task/task.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// The text of a shipped task file.
pub(crate) fn task_text(name: &str) -> String {
    std::fs::read_to_string(root().join("models").join(name).join("task.toml")).unwrap()
}

/// A request to fit the shipped task on `export` into `models`.
pub(crate) fn fit_request(export: PathBuf, models: PathBuf) -> FitRequest {
    FitRequest {
        task: TaskSource::new(task_folder().join("task.toml")),
        source: Source {
            mapping: Some(task_folder().join("diabetes130.toml")),
            ..Source::new(export)
        },
        models,
        labels: None,
        seed: 1,
        held_out: HeldOut::Part { part: 0, of: 5 },
        search: Search { trials: 2, ..Search::default() },
        time_limit: None,
        dump_matrix: None,
    }
}

/// Fits the shipped task on the committed sample.
pub(crate) fn fit_sample(models: PathBuf) -> FitOutcome {
    let request = fit_request(root().join("tests/data/diabetes130"), models);
    command::fit(&request, &Meter::default(), &|_| {}).unwrap()
}

/// A quick fit on the committed sample, of one setting, with the models folder it is in.
pub(crate) fn fitted() -> &'static (tempfile::TempDir, FitOutcome) {
    static FITTED: OnceLock<(tempfile::TempDir, FitOutcome)> = OnceLock::new();
    FITTED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let export = root().join("tests/data/diabetes130");
        let request = fit_request(export, folder.path().join("models"));
        let search = Search { families: vec![Family::Logistic], trials: 1 };
        let request = FitRequest { search, ..request };
        let outcome = command::fit(&request, &Meter::default(), &|_| {}).unwrap();
        (folder, outcome)
    })
}

pub(crate) fn time(text: &str) -> Time {
    Time::parse(text).unwrap()
}

/// A record that the shipped task scores: an adult with diabetes after a stay of five days.
pub(crate) fn patient() -> Record {
    let mut stay = Encounter::new(
        "stay",
        EncounterClass::Inpatient,
        time("2024-03-01T09:00:00Z"),
        Some(time("2024-03-06T15:00:00Z")),
    );
    stay.admission_type = Some("emergency".into());
    stay.admission_source = Some("emd".into());
    stay.discharge_disposition = Some("home".into());
    let mut visit = Encounter::new(
        "visit",
        EncounterClass::Emergency,
        time("2023-12-24T20:00:00Z"),
        Some(time("2023-12-24T23:00:00Z")),
    );
    visit.facility = Some("north".into());
    let event = |kind, code: &str, at: &str| {
        let mut event = Event::new(kind, Code::parse(code).unwrap(), time(at));
        event.encounter_id = Some("stay".into());
        event
    };
    let mut principal = event(EventKind::Diagnosis, "ICD10CM//I50.9", "2024-03-06T12:00:00Z");
    principal.rank = Some(1);
    let mut diabetes = event(EventKind::Diagnosis, "ICD10CM//E11.9", "2024-03-06T12:00:00Z");
    diabetes.rank = Some(2);
    Record {
        patient_id: "p".into(),
        birth_date: prodrome::record::PartialDate::parse("1951-07-08"),
        sex: prodrome::record::Sex::Female,
        encounters: vec![visit, stay],
        events: vec![
            principal,
            diabetes,
            event(EventKind::DrugOrder, "RXNORM//5856", "2024-03-02T08:00:00Z"),
            event(EventKind::Procedure, "CPT//93306", "2024-03-03T10:00:00Z"),
            event(EventKind::Measurement, "LOINC//718-7", "2024-03-03T06:00:00Z"),
        ],
        ..Record::default()
    }
}

/// When `patient` has just been discharged.
pub(crate) fn discharge() -> Time {
    time("2024-03-06T15:00:00Z")
}
