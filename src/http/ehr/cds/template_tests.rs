//! What services ask for: no more than their tasks look at, and no less.

use std::path::Path;

use super::hook::Hook;
use super::templates::{Key, templates};
use crate::bundle::Bundle;
use crate::record::{Code, EventKind, History, Record, Time};
use crate::score::score;
use crate::simulate::{Population, Settings};

fn bundle(name: &str) -> Bundle {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
    crate::registry::open(&folder, &[]).unwrap()
}

fn query(hook: Hook, bundles: &[&Bundle], key: Key) -> Option<String> {
    let found = templates(hook, bundles);
    found.into_iter().find(|template| template.key == key).map(|template| template.query)
}

#[test]
fn the_ids_of_a_call_are_asked_for_in_any_case() {
    let keys = |hook| templates(hook, &[]).iter().map(|template| template.key).collect::<Vec<_>>();
    assert_eq!(keys(Hook::PatientView), [Key::Patient, Key::Encounters, Key::Coverage]);
    let discharge = [Key::Patient, Key::Encounter, Key::Encounters, Key::Coverage];
    assert_eq!(keys(Hook::EncounterDischarge), discharge);
    let encounter = query(Hook::EncounterDischarge, &[], Key::Encounter);
    assert_eq!(encounter.as_deref(), Some("Encounter/{{context.encounterId}}"));
    let patient = query(Hook::PatientView, &[], Key::Patient);
    assert_eq!(patient.as_deref(), Some("Patient/{{context.patientId}}"));
}

#[test]
fn measurements_are_asked_for_by_code_and_all_of_them_where_they_are_counted() {
    let pressure = bundle("htn_incident/2");
    let found = query(Hook::PatientView, &[&pressure], Key::Observations).unwrap();
    assert!(found.starts_with("Observation?patient={{context.patientId}}&code=http://loinc.org|"));
    assert!(found.ends_with("&_sort=-date&_count=500"), "{found}");
    for code in ["8480-6", "8462-4", "85354-9", "39156-5"] {
        assert!(found.contains(&format!("http://loinc.org|{code}")), "{code}: {found}");
    }
    assert!(!found.contains("718-7"), "haemoglobin, which the task does not look at");
    let simple = query(Hook::PatientView, &[&bundle("htn_incident/1")], Key::Observations).unwrap();
    assert!(simple.len() < found.len() && simple.contains("|8480-6"));
    // It counts the laboratory tests of the stay.
    let diabetes = bundle("readmit30_diabetes/1");
    let all = "Observation?patient={{context.patientId}}&_sort=-date&_count=500";
    let found = query(Hook::EncounterDischarge, &[&diabetes], Key::Observations);
    assert_eq!(found.as_deref(), Some(all));
    assert_eq!(query(Hook::PatientView, &[&bundle("htn_incident/1")], Key::Procedures), None);
}

#[test]
fn templates_stay_within_what_the_specification_recommends() {
    let names = ["htn_incident/2", "bp_rise/1", "readmit30/1", "readmit30_diabetes/1"];
    let bundles = names.map(bundle);
    let all: Vec<&Bundle> = bundles.iter().collect();
    for hook in Hook::ALL {
        for template in templates(hook, &all) {
            let query = &template.query;
            assert!(query.len() <= 1_500, "{query}");
            let Some((_, parameters)) = query.split_once('?') else { continue };
            for parameter in parameters.split('&') {
                let name = parameter.split('=').next().unwrap();
                let known = ["patient", "code", "category", "_sort", "_count"];
                assert!(known.contains(&name), "{query}");
            }
        }
    }
}

/// What an EHR sends of `record` for these templates.
fn sent(record: &Record, bundles: &[&Bundle]) -> Record {
    let found = templates(Hook::PatientView, bundles);
    let asks = |key: Key| found.iter().find(|template| template.key == key);
    let key = |kind| match kind {
        EventKind::Diagnosis | EventKind::Problem => Some(Key::Conditions),
        EventKind::Procedure => Some(Key::Procedures),
        EventKind::Measurement => Some(Key::Observations),
        EventKind::DrugOrder => Some(Key::MedicationRequests),
        EventKind::DrugDispensed => Some(Key::MedicationDispenses),
        EventKind::DrugGiven => Some(Key::MedicationAdministrations),
        EventKind::Allergy => Some(Key::Allergies),
        EventKind::Immunization => Some(Key::Immunizations),
        EventKind::Other => None,
    };
    let is_listed = |query: &str, code: &Code| {
        let list = query.split("&code=").nth(1).map(|rest| rest.split('&').next().unwrap());
        let asked = format!("http://loinc.org|{}", code.code);
        list.is_none_or(|list| list.split(',').any(|each| each == asked))
    };
    let mut record = record.clone();
    record.events.retain(|event| {
        let template = key(event.kind).and_then(asks);
        template.is_some_and(|template| is_listed(&template.query, &event.code))
    });
    record
}

#[test]
fn a_score_of_what_is_sent_is_the_score_of_the_whole_record() {
    let population = Population::new(Settings::new(400, 4, 11)).unwrap();
    let (mut scored, mut left_out) = (0, 0);
    for name in ["htn_incident/2", "htn_incident/1", "bp_rise/1", "readmit30/1"] {
        let bundle = bundle(name);
        let known_after = &bundle.task().params().known_after;
        let answer = |record: &Record, at: Time| {
            let history = History::build(record, bundle.concepts(), known_after).unwrap().history;
            let score = score(&bundle, &history, at, 0);
            score.map(|of| (of.index_time, of.probability.map(f64::to_bits), of.tier))
        };
        for number in 0..400 {
            let patient = population.patient(number);
            let Some(at) = patient.truth.last().map(|row| row.prediction_time) else { continue };
            let sent = sent(&patient.record, &[&bundle]);
            left_out += patient.record.events.len() - sent.events.len();
            let (whole, part) = (answer(&patient.record, at), answer(&sent, at));
            scored += usize::from(whole.is_ok());
            assert_eq!(part, whole, "{name}, patient {number}");
        }
    }
    assert!(scored > 50 && left_out > 100, "{scored} scores, {left_out} events left out");
}
