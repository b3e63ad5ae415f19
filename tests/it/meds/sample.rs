//! The committed sample, written by another tool than ours.

use prodrome::import::{Received, Subject};
use prodrome::record::{EncounterClass, EventKind, Sex};
use prodrome::train::Split;

use crate::support::{read_export, root, time};

#[test]
fn an_export_of_another_tool_is_read_whole() {
    let mut subjects: Vec<Subject> = Vec::new();
    let counts = read_export(&root().join("tests/data/meds/made_up"), |subject| {
        subjects.push(subject);
        Received::Used
    });
    let counts = counts.unwrap();
    assert_eq!((counts.read(), counts.used(), counts.quarantined()), (19, 19, 0));
    let [first, second] = subjects.as_slice() else { panic!("two subjects") };
    assert_eq!([first.split, second.split], [Some(Split::Train), Some(Split::HeldOut)]);
    assert_eq!([first.record.sex, second.record.sex], [Sex::Female, Sex::Male]);
    assert_eq!(second.record.death_time, Some(time("2021-02-03T04:05:00Z")));
    let stays = |subject: &Subject| -> Vec<(EncounterClass, Option<String>)> {
        let mut encounters = subject.record.encounters.clone();
        encounters.sort_by_key(|one| one.start);
        let each = encounters.into_iter();
        each.map(|one| (one.class, one.discharge_disposition)).collect()
    };
    let inpatient = |to: &str| (EncounterClass::Inpatient, Some(to.to_owned()));
    assert_eq!(stays(first), [inpatient("home"), inpatient("snf")]);
    assert_eq!(stays(second), [(EncounterClass::Emergency, None), inpatient("exp")]);
    let events = |subject: &Subject| -> Vec<(EventKind, String, Option<String>)> {
        let each = subject.record.events.iter();
        each.map(|one| (one.kind, one.code.to_string(), one.unit.clone())).collect()
    };
    let event = |kind, code: &str| (kind, code.to_owned(), None);
    // Local codes stand under the codes of their parents.
    let expected = [
        event(EventKind::Diagnosis, "SNOMED//44054006"),
        event(EventKind::Measurement, "LOINC//4548-4"),
        (EventKind::Measurement, "LOINC//2345-7".to_owned(), Some("mg/dL".to_owned())),
        event(EventKind::DrugGiven, "RXNORM//5856"),
        event(EventKind::Diagnosis, "ICD10CM//I509"),
    ];
    assert_eq!(events(first), expected);
    assert_eq!(events(second), [event(EventKind::Diagnosis, "ICD10CM//E119")]);
}
