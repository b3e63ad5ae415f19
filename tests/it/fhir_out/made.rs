//! Resources of every kind, as they come of the pure builders.

use prodrome::bundle::{Bundle as Model, Sufficiency};
use prodrome::fhir::{
    Assessed, Bundle, ISSUES_MAX, Issue, IssueCode, IssueSeverity, References, RelativeRisk,
    Resource, RiskAssessment, flag, operation_outcome, risk_assessment,
};
use prodrome::flag::{Flag, FlagId, FlagState, Place};
use prodrome::record::{EventKind, History, Record, Time};
use prodrome::registry;
use prodrome::score::{Score, score};

use super::{assert_valid, file};
use crate::simulate::drawn;
use crate::support::{discharge, patient, root, sample, shipped, time};

fn scored(bundle: &Model, record: &Record, at: Time) -> Option<Score> {
    let known_after = &bundle.task().params().known_after;
    let history = History::build(record, bundle.concepts(), known_after).unwrap().history;
    score(bundle, &history, at, 5).ok()
}

/// The usual patient, whose events have names.
fn named() -> Record {
    let mut record = patient();
    for (place, event) in record.events.iter_mut().enumerate() {
        event.id = Some(format!("event-{place}"));
    }
    record
}

/// The resource of the usual patient.
pub(super) fn assessment() -> RiskAssessment {
    let record = named();
    let score = scored(shipped(), &record, discharge()).unwrap();
    risk_assessment(&Assessed::by(shipped(), &record, &score))
}

#[test]
fn a_risk_assessment_says_what_the_score_says() {
    let record = named();
    let score = scored(shipped(), &record, discharge()).unwrap();
    let made = serde_json::to_value(assessment()).unwrap();
    let prediction = &made["prediction"][0];
    let exact = prediction["extension"][0]["valueDecimal"].as_f64().unwrap();
    assert_eq!(exact.to_bits(), score.probability.unwrap().to_bits());
    assert_eq!(made["encounter"]["reference"], "Encounter/stay");
    assert_eq!(prediction["qualitativeRisk"]["text"], score.tier.clone().unwrap());
    let rationale = prediction["rationale"].as_str().unwrap();
    assert_eq!(rationale.lines().count(), score.reasons.len());
    assert!(score.reasons.iter().all(|reason| rationale.contains(&reason.text)));
    let basis = made["basis"].as_array().unwrap();
    assert!(basis.iter().any(|of| of["reference"] == "Encounter/visit"), "{basis:?}");
    let kinds = [
        "Encounter/",
        "Condition/event-",
        "MedicationRequest/event-",
        "Procedure/event-",
        "Observation/event-",
    ];
    for reference in basis {
        let reference = reference["reference"].as_str().unwrap();
        assert!(kinds.iter().any(|kind| reference.starts_with(kind)), "{reference}");
    }
}

#[test]
fn the_library_reads_the_assessments_of_a_real_sample() {
    let (folder, mut made) = (tempfile::tempdir().unwrap(), Vec::new());
    for subject in sample().iter().step_by(40) {
        let at = subject.label.as_ref().unwrap().prediction_time;
        let Some(score) = scored(shipped(), &subject.record, at) else { continue };
        let compared_with = "people of the same age and sex";
        let value = 10.0 * score.probability.unwrap_or_default() + 1e-7;
        made.push(risk_assessment(&Assessed {
            relative_risk: Some(RelativeRisk { value, compared_with }),
            ..Assessed::by(shipped(), &subject.record, &score)
        }));
    }
    assert!(made.len() > 20, "{}", made.len());
    let path = file(folder.path(), "assessments.ndjson", &made);
    assert_valid(&path, "RiskAssessment", made.len());
}

#[test]
fn the_library_reads_assessments_of_every_sort() {
    let open = {
        let mut record = named();
        record.encounters[1].end = None;
        record.events[1].time = Some(time("2024-03-01T10:00:00Z"));
        record
    };
    let little = {
        let mut record = named();
        record.events.truncate(2);
        for event in &mut record.events {
            (event.encounter_id, event.time) = (None, Some(time("2019-05-05T10:00:00Z")));
        }
        record
    };
    let odd = {
        let mut record = named();
        record.patient_id = "MRN 4711/ä".into();
        record.encounters.iter_mut().for_each(|encounter| encounter.id.push('_'));
        for event in &mut record.events {
            event.id = Some("urn:oid:1.2 <3>".replace(['<', '>'], "|"));
            event.encounter_id.iter_mut().for_each(|id| id.push('_'));
        }
        record
    };
    let folder = tempfile::tempdir().unwrap();
    let mut made = vec![assessment()];
    for (record, at) in
        [(&open, time("2024-03-04T09:00:00Z")), (&little, discharge()), (&odd, discharge())]
    {
        let score = scored(shipped(), record, at).unwrap();
        made.push(risk_assessment(&Assessed::by(shipped(), record, &score)));
    }
    assert_eq!((made[1].status, made[2].prediction[0].probability_decimal), ("preliminary", None));
    assert_eq!(made[3].subject.identifier.as_ref().unwrap().value, "MRN 4711/ä");
    // Under the names by which a request sent them.
    let record = named();
    let uuid = |place: usize| Some(format!("urn:uuid:00000000-0000-4000-8000-{place:012}"));
    let references = References {
        patient: uuid(0),
        events: (1..=record.events.len()).map(uuid).collect(),
        encounters: vec![uuid(101), uuid(102)],
    };
    let score = scored(shipped(), &record, discharge()).unwrap();
    let given =
        Assessed { references: Some(&references), ..Assessed::by(shipped(), &record, &score) };
    let given = risk_assessment(&given);
    assert_eq!(given.encounter.as_ref().unwrap().reference, uuid(102));
    made.push(given);
    // A task that shows published scores alone.
    let published = registry::open(&root().join("models/htn_incident/1"), &[]).unwrap();
    let simulated = drawn(prodrome::simulate::Settings::new(40, 6, 11));
    let mut with_published = 0;
    for person in &simulated {
        for row in person.truth.iter().filter(|row| row.task.name() == "htn_incident") {
            let Some(score) = scored(&published, &person.record, row.prediction_time) else {
                continue;
            };
            made.push(risk_assessment(&Assessed::by(&published, &person.record, &score)));
            with_published += 1;
        }
    }
    assert!(with_published > 0, "somebody has a published score");
    let path = file(folder.path(), "assessments.ndjson", &made);
    assert_valid(&path, "RiskAssessment", made.len());
}

/// A flag in that state.
fn of_state(state: FlagState, place: u8) -> Flag {
    let raised = time("2026-03-01T08:00:00.5Z");
    Flag {
        id: FlagId::from_random([place; 16]),
        patient_id: "4711".into(),
        task: "readmit30".into(),
        place: Place::default(),
        state,
        tier: "high".into(),
        tier_rank: 0,
        is_provisional: place.is_multiple_of(2),
        is_synthetic: place.is_multiple_of(3),
        probability: 0.4,
        raised_probability: 0.4,
        horizon_days: 30,
        index_time: raised,
        raised_time: raised,
        expires_time: raised.plus_days(30),
        scored_time: raised,
        history_used_until: None,
        sufficiency: Sufficiency::A,
        model_version: "1".into(),
        bundle_digest: "0123456789ab".into(),
        reasons: Vec::new(),
        course: Vec::new(),
        assignee: Some("nurse.jones".into()),
        snoozed_until: None,
        dismissal: None,
        action: None,
        held: None,
        changed_time: raised.plus_days(2),
        version: 2,
        change_number: 9,
    }
}

fn flags() -> Vec<prodrome::fhir::Flag> {
    let each = FlagState::ALL.into_iter().zip(1..);
    each.map(|(state, place)| flag(&of_state(state, place), "30-day unplanned readmission"))
        .collect()
}

fn outcomes() -> Vec<prodrome::fhir::OperationOutcome> {
    let severities = [
        IssueSeverity::Fatal,
        IssueSeverity::Error,
        IssueSeverity::Warning,
        IssueSeverity::Information,
    ];
    let of = |code: &IssueCode| {
        let issues = severities.map(|severity| Issue {
            diagnostics: Some("incident 0011223344556677".into()),
            ..Issue::new(severity, *code, "must be a day").at("Bundle.entry[3].resource.birthDate")
        });
        operation_outcome(issues)
    };
    let many = Issue::new(IssueSeverity::Error, IssueCode::Value, "");
    let more = [operation_outcome([]), operation_outcome(vec![many; ISSUES_MAX + 1])];
    IssueCode::ALL.iter().map(of).chain(more).collect()
}

#[test]
fn the_library_reads_flags_in_every_state_and_outcomes_of_every_sort() {
    let folder = tempfile::tempdir().unwrap();
    let (flags, outcomes) = (flags(), outcomes());
    assert_valid(&file(folder.path(), "flags.ndjson", &flags), "Flag", FlagState::ALL.len());
    let path = file(folder.path(), "outcomes.ndjson", &outcomes);
    assert_valid(&path, "OperationOutcome", IssueCode::ALL.len() + 2);
}

#[test]
fn the_library_reads_bundles_of_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut resources: Vec<Resource> = flags().into_iter().map(Resource::from).collect();
    resources.push(assessment().into());
    resources.extend(outcomes().into_iter().take(1).map(Resource::from));
    let own = "https://prodrome.example/fhir/Flag?_count=10".to_owned();
    let next = Some("https://prodrome.example/fhir/Flag?_count=10&page=2".to_owned());
    let bundles = [
        Bundle::collection(resources.clone()),
        Bundle::searchset(resources, 17, own.clone(), next),
        Bundle::searchset(Vec::new(), 0, own, None),
    ];
    assert_valid(&file(folder.path(), "bundles.ndjson", &bundles), "Bundle", 3);
}

#[test]
fn what_somebody_may_not_see_is_not_in_the_resource() {
    use prodrome::access::Classes;
    use prodrome::record::{Code, Event};
    let mut record = named();
    let code = Code::parse("ICD10CM//F11.20").unwrap();
    let mut secret = Event::new(EventKind::Diagnosis, code, time("2024-03-06T12:00:00Z"));
    secret.id = Some("secret".into());
    secret.encounter_id = Some("stay".into());
    record.events.push(secret);
    let bundle = shipped();
    let whole = scored(bundle, &record, discharge()).unwrap();
    let of = |score: &Score| {
        serde_json::to_string(&risk_assessment(&Assessed::by(bundle, &record, score))).unwrap()
    };
    let seen = of(&whole.clone().seen_by(Classes::NONE));
    assert!(!seen.contains("Condition/secret") && !seen.contains("F11"), "{seen}");
    // The record's sensitive event counts in the whole, or this test would show nothing.
    let all = whole.reasons.iter().any(|reason| !reason.classes.is_empty());
    assert!(all && seen.contains("other protected information"), "{seen}");
}
