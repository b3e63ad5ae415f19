//! Versions that are not for patients, and versions without a model of our own.

use std::path::Path;

use prodrome::bundle::{Files, Manifest, Sufficiency, sealed};
use prodrome::command::{
    self, CommandError, PromoteRequest, Promoted, PublishedRequest, TaskSource,
};
use prodrome::record::{
    Code, Encounter, EncounterClass, Event, EventKind, PartialDate, Record, Sex,
};
use prodrome::record::{Time, Value};
use prodrome::registry::{self, RegistryError, Stage};
use prodrome::service::{Answer, ScoreOptions, ScoreRequest, Service, TaskRef};

use crate::support::{self, discharge, patient, root, shipped_files, time};

/// The shipped bundle as it would be, had it been fitted on a simulated population.
fn synthetic_files() -> Files {
    let files = shipped_files();
    let mut manifest: Manifest = serde_json::from_slice(&files["manifest.json"]).unwrap();
    manifest.development.as_mut().unwrap().synthetic_training_data = true;
    sealed(manifest, files).unwrap()
}

fn publish(models: &Path, files: &Files) {
    registry::publish(models, "readmit30_diabetes", "1", files).unwrap();
}

fn promote(models: &Path, stage: Stage) -> Result<Promoted, CommandError> {
    let (task, version) = ("readmit30_diabetes".to_owned(), "1".to_owned());
    command::promote(&PromoteRequest { stage, ..PromoteRequest::new(models, task, version) })
}

fn request(record: Record, task: &str, at: Time) -> ScoreRequest {
    ScoreRequest {
        record,
        issues: Vec::new(),
        only_allowed: false,
        tasks: vec![TaskRef { task: task.to_owned(), version: None }],
        prediction_time: Some(at),
        options: ScoreOptions { reasons_max: 5, ..Default::default() },
        team: None,
    }
}

#[test]
fn a_model_of_simulated_people_is_refused_for_patients_and_marked_when_shown() {
    let models = tempfile::tempdir().unwrap();
    publish(models.path(), &synthetic_files());
    let refused = promote(models.path(), Stage::Stable);
    let refused = refused.unwrap_err();
    assert_eq!(refused.exit_code(), 1);
    assert!(refused.to_string().contains("simulated population"), "{refused}");
    promote(models.path(), Stage::Demo).unwrap();
    let registry = support::models(models.path(), false).current();
    assert_eq!((registry.served().len(), registry.refused().len()), (0, 0), "not asked for");

    let service = Service::new(support::models(models.path(), true));
    assert!(service.list_models()[0].synthetic_training_data);
    let at = discharge();
    let answer = service.score(&request(patient(), "readmit30_diabetes", at), at).unwrap();
    assert!(answer.assessments[0].synthetic_training_data);
    assert!(matches!(answer.assessments[0].outcome, Answer::Score(_)));

    // Somebody writes the stage by hand.
    let stages = models.path().join("readmit30_diabetes/stages.json");
    std::fs::write(stages, "{\"stable\": \"1\"}").unwrap();
    let registry = support::models(models.path(), false).current();
    assert!(matches!(registry.refused()[0].error, RegistryError::Synthetic { .. }));
}

#[test]
fn a_demonstration_leaves_the_version_in_service_as_it_is() {
    let models = tempfile::tempdir().unwrap();
    publish(models.path(), &shipped_files());
    promote(models.path(), Stage::Stable).unwrap();
    promote(models.path(), Stage::Demo).unwrap();
    let stages = models.path().join("readmit30_diabetes/stages.json");
    let stages = std::fs::read_to_string(stages).unwrap();
    assert!(stages.contains("\"stable\": \"1\"") && stages.contains("\"demo\": \"1\""), "{stages}");
    let served = support::models(models.path(), false).current();
    assert!(!served.served()[0].manifest().is_synthetic());
}

/// A woman of 50 after a visit with 130/82, who does not smoke; nothing is known of her parents.
fn after_a_visit() -> (Record, Time) {
    let (start, end) = (time("2024-05-06T09:00:00Z"), time("2024-05-06T09:30:00Z"));
    let visit = Encounter::new("visit", EncounterClass::Ambulatory, start, Some(end));
    let measured = |code: &str, number, unit: &str| {
        let mut event = Event::new(EventKind::Measurement, Code::parse(code).unwrap(), start);
        event.value = Some(Value::Number(number));
        event.unit = Some(unit.to_owned());
        event.encounter_id = Some("visit".to_owned());
        event
    };
    let mut smoking = measured("LOINC//72166-2", 0.0, "1");
    smoking.value = Some(Value::Coded("266919005".to_owned()));
    smoking.unit = None;
    let record = Record {
        patient_id: "p".into(),
        birth_date: PartialDate::parse("1974-01-01"),
        sex: Sex::Female,
        encounters: vec![visit],
        events: vec![
            measured("LOINC//8480-6", 130.0, "mm[Hg]"),
            measured("LOINC//8462-4", 82.0, "mm[Hg]"),
            measured("LOINC//39156-5", 28.0, "kg/m2"),
            smoking,
        ],
        ..Record::default()
    };
    (record, end)
}

#[test]
fn the_framingham_score_is_in_service_as_published_and_gives_no_probability_of_its_own() {
    let service = Service::new(support::models(&root().join("models"), false));
    let (record, at) = after_a_visit();
    let answer = service.score(&request(record.clone(), "htn_incident", at), at).unwrap();
    let Answer::Score(score) = &answer.assessments[0].outcome else { panic!("{answer:?}") };
    assert_eq!((score.probability, score.tier.as_deref()), (None, None));
    assert_eq!(score.sufficiency, Sufficiency::A);
    let ids: Vec<&str> = score.published.iter().map(|score| score.id.as_str()).collect();
    assert_eq!(
        ids,
        ["framingham_hypertension_1y", "framingham_hypertension_2y", "framingham_hypertension_4y"]
    );
    // With one parent the paper's formula gives 0.0763 for the first year: none and two lie about it.
    let year = &score.published[0];
    let (low, high) = (year.probability_low.unwrap(), year.probability_high.unwrap());
    assert!(low < 0.0763 && 0.0763 < high && year.probability.is_none(), "{low} {high}");

    let mut diabetic = record;
    let code = Code::parse("ICD10CM//E11.9").unwrap();
    diabetic.events.push(Event::new(EventKind::Problem, code, time("2020-01-01T12:00:00Z")));
    let answer = service.score(&request(diabetic, "htn_incident", at), at).unwrap();
    let Answer::NotEligible(not) = &answer.assessments[0].outcome else { panic!("{answer:?}") };
    assert_eq!(not.criterion, "diabetes");
}

#[test]
fn a_version_without_a_model_is_made_without_records_and_only_of_a_task_without_features() {
    let models = tempfile::tempdir().unwrap();
    let make = |task: &str| {
        let task = TaskSource::new(root().join("models").join(task));
        command::published(&PublishedRequest { task, models: models.path().to_owned() })
    };
    let made = make("htn_incident/framingham.toml").unwrap();
    let shipped = registry::read_files(&root().join("models/htn_incident/1")).unwrap();
    let files = registry::read_files(&made.bundle).unwrap();
    let differ = files.keys().filter(|name| files.get(*name) != shipped.get(*name));
    assert_eq!(differ.collect::<Vec<_>>(), [""; 0], "the shipped one is what the command makes");
    let error = make("htn_incident/task.toml").unwrap_err();
    assert!(error.to_string().contains("`fit` makes its versions"), "{error}");
}
