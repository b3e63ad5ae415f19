//! Lines, files and Bundles that are wrong: no panic, no loss, and no value in any reason.

use std::fs;
use std::io::Write;

use prodrome::import::{Counts, Part, Received, Subject, read_bundle, read_parts};
use prodrome::record::IssueKind;
use serde_json::json;

use super::{bundle, read_all, read_violations, resources};
use crate::support::read_export;

/// Reads one file of these bytes.
fn read_bytes(name: &str, bytes: &[u8]) -> (Vec<Subject>, Counts) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    read_all(folder.path())
}

fn places(counts: &Counts) -> Vec<(u64, Option<&str>, &str)> {
    counts.examples().iter().map(|r| (r.line, r.column.as_deref(), r.reason.as_str())).collect()
}

const NOT_JSON: &str = "not a JSON object, nested too deep, or a number out of range";

#[test]
fn a_bad_line_costs_that_line_alone() {
    let observation = |field: &str, value: &str| {
        let rest = r#""code":{"coding":[{"system":"http://loinc.org","code":"1-1"}]}"#;
        let subject = r#""subject":{"reference":"Patient/p"}"#;
        format!(r#"{{"resourceType":"Observation",{rest},{subject},"{field}":{value}}}"#)
    };
    let mut bytes = b"\xef\xbb\xbf".to_vec();
    let lines: Vec<Vec<u8>> = vec![
        br#"{"resourceType":"Patient","id":"p"}"#.to_vec(),
        b"{\"resourceType\":\"Patient\",\"id\":\"SECRET".to_vec(),
        b"SECRET".to_vec(),
        br#"["Patient","SECRET"]"#.to_vec(),
        b"{\"resourceType\":\"Patient\",\"id\":\"SECRET\xff\"}".to_vec(),
        vec![b'['; 200_000],
        observation("valueQuantity", r#"{"value":1e999}"#).into_bytes(),
        observation("effectiveDateTime", r#""0001-01-01""#).into_bytes(),
        observation("effectiveDateTime", r#""9999-12-31T00:00:00Z""#).into_bytes(),
        observation("effectiveDateTime", r#""SECRET""#).into_bytes(),
        observation("component", &"[".repeat(100_000)).into_bytes(),
        observation("valueQuantity", r#"{"value":5,"comparator":"SECRET"}"#).into_bytes(),
        br#"{"resourceType":"Observation","subject":{"reference":"Patient?name=SECRET"},
            "code":{"coding":[{"system":"a:b","code":"c"}]}}"#
            .iter()
            .filter(|byte| **byte != b'\n')
            .copied()
            .collect(),
        br#"{"id":"SECRET"}"#.to_vec(),
        br#"{"resourceType":"SECRET"}"#.to_vec(),
        br#"{"id":"p2","resourceType":"Patient"}"#.to_vec(),
    ];
    for line in &lines {
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    let (subjects, counts) = read_bytes("a.ndjson", &bytes);
    assert_eq!(counts.read(), lines.len() as u64);
    assert_eq!(subjects.len(), 2);
    assert_eq!(counts.skipped()["unknown resource type"], 1);
    let mut found = places(&counts);
    found.sort_unstable();
    let outside = "outside the years 1800 to 2299";
    let expected = [
        (2, None, NOT_JSON),
        (3, None, NOT_JSON),
        (4, None, NOT_JSON),
        (5, None, "not UTF-8"),
        (6, None, NOT_JSON),
        (7, None, NOT_JSON),
        (8, Some("effectiveDateTime"), outside),
        (9, Some("effectiveDateTime"), outside),
        (10, Some("effectiveDateTime"), "not a FHIR date or dateTime"),
        (11, None, NOT_JSON),
        (12, Some("valueQuantity.comparator"), "not one of <, <=, >= and >"),
        (13, Some("subject"), "not a reference to a patient"),
        (14, Some("resourceType"), "missing"),
    ];
    assert_eq!(found, expected);
    let report = serde_json::to_string(&counts).unwrap();
    assert!(!report.contains("SECRET"), "{report}");
}

#[test]
fn a_field_of_a_wrong_type_costs_that_field_alone() {
    let patient = json!({ "resourceType": "Patient", "id": "p", "gender": "male",
        "birthDate": 19500101, "address": "SECRET", "deceasedBoolean": true });
    let (subjects, counts) = read_bytes("a.ndjson", patient.to_string().as_bytes());
    assert_eq!((counts.read(), counts.used()), (1, 1));
    assert_eq!(subjects[0].record.sex, prodrome::record::Sex::Male);
    let issues: Vec<(&str, u64)> = counts.issues().iter().map(|(k, n)| (k.as_str(), *n)).collect();
    let expected = [
        ("Patient.address: not of its FHIR type", 1),
        ("Patient.birthDate: not of its FHIR type", 1),
        ("Patient.deceasedBoolean: deceased, but no date says when", 1),
    ];
    assert_eq!(issues, expected);
}

#[test]
fn a_file_that_breaks_off_is_read_up_to_there() {
    let line = |i: u32| format!("{{\"resourceType\":\"Patient\",\"id\":\"{i:08x}\"}}\n");
    let text: String = (0..20_000_u32).map(|i| line(i.wrapping_mul(2_654_435_761))).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let packed = [
        ("a.ndjson.gz", gzip.finish().unwrap()),
        ("a.ndjson.zst", zstd::encode_all(text.as_bytes(), 1).unwrap()),
    ];
    for (name, bytes) in packed {
        let (subjects, counts) = read_bytes(name, &bytes);
        assert_eq!((subjects.len(), counts.quarantined()), (20_000, 0), "{name}");
        let (subjects, counts) = read_bytes(name, &bytes[..bytes.len() - 9]);
        let reason = "the file breaks off or is damaged: it is not read from here on";
        assert_eq!(places(&counts), [(counts.read(), None, reason)], "{name}");
        assert_eq!(subjects.len() as u64, counts.used(), "{name}");
    }
}

#[test]
fn a_line_that_is_too_long_is_passed_over() {
    let mut bytes = br#"{"resourceType":"Patient","id":""#.to_vec();
    bytes.resize(17 << 20, b'x');
    bytes.extend_from_slice(b"\"}\n{\"resourceType\":\"Patient\",\"id\":\"p\"}");
    let (subjects, counts) = read_bytes("a.ndjson", &bytes);
    assert_eq!((subjects.len(), counts.read()), (1, 2));
    assert_eq!(places(&counts), [(1, None, "a line longer than 16 MiB")]);
}

#[test]
fn an_order_without_its_medication_is_quarantined() {
    let lines: String = resources()
        .iter()
        .filter(|r| r["id"] == "insulin" || r["id"] == "p")
        .map(|r| format!("{r}\n"))
        .collect();
    let (_, counts) = read_bytes("a.ndjson", lines.as_bytes());
    let found = places(&counts);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].1, found[0].2), (Some("medicationReference"), "no such Medication"));
}

/// The sample with one field of one resource changed, as a Bundle, and where that field is.
fn with(id: &str, field: &str, value: serde_json::Value) -> (Vec<u8>, String) {
    let mut all = resources();
    let place = all.iter().position(|r| r["id"] == id).unwrap();
    all[place][field] = value;
    (bundle(all), format!("entry[{place}].resource.{field}"))
}

#[test]
fn what_of_a_bundle_cannot_be_used_is_left_out_and_told_as_of_an_export() {
    let whole = read_bundle(&bundle(resources())).unwrap().record;
    for (id, field, value) in [
        ("a1c", "effectiveDateTime", json!("0001-01-01")),
        ("stay", "class", json!({ "code": "BED" })),
        ("insulin", "medicationReference", json!({ "reference": "Medication/none" })),
    ] {
        let (json, place) = with(id, field, value);
        let read = read_bundle(&json).unwrap();
        let [issue] = read.issues.as_slice() else { panic!("{:?}", read.issues) };
        assert_eq!((issue.count, &issue.first_path), (1, &place));
        assert!(["UNUSABLE_RESOURCE", "UNKNOWN_MEDICATION"].contains(&issue.kind.name()));
        assert!(read.record != whole, "{place}");
    }
    let turned = json!({ "start": "2024-03-06", "end": "2024-03-01" });
    let read = read_bundle(&with("stay", "period", turned).0).unwrap();
    assert!(read.issues[0].first_path.ends_with(".resource.period.end"), "{:?}", read.issues);
}

#[test]
fn a_bundle_without_a_patient_beyond_doubt_is_refused_with_its_paths() {
    for value in [json!("1951-13-01"), json!(7)] {
        let (json, place) = with("p", "birthDate", value);
        let paths: Vec<String> = read_violations(&json).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, [place]);
    }
    let others = resources().into_iter().filter(|r| r["resourceType"] != "Patient");
    assert!(read_violations(&bundle(others))[0].1.starts_with("no Patient"));
    let whole = |json: &[u8]| read_violations(json).remove(0);
    assert_eq!(whole(b"{"), (String::new(), NOT_JSON));
    assert_eq!(whole(b"\xff"), (String::new(), "not UTF-8"));
    assert_eq!(whole(br#"{"resourceType":"Patient"}"#).1, "must be Bundle");
    assert!(whole(&bundle([])).1.starts_with("no Patient"));
    let patient = |id: &str| json!({ "resourceType": "Patient", "id": id });
    let (path, reason) = whole(&bundle([patient("a"), patient("b")]));
    assert_eq!(path, "entry[1].resource");
    assert!(reason.starts_with("about another patient"), "{reason}");
    assert!(read_bundle(&bundle([patient("a"), patient("a")])).is_ok());
}

#[test]
fn a_folder_of_neither_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = read_export(folder.path(), |_| Received::Used).unwrap_err().to_string();
    assert!(error.contains("neither a FHIR export (*.ndjson)"), "{error}");
}

#[test]
fn one_observation_cannot_become_a_flood() {
    let component = r#"{"code":{"coding":[{"system":"a:b","code":"c"}]}}"#;
    let line = |id: &str, components: usize| {
        format!(
            r#"{{"resourceType":"Observation","id":"{id}","subject":{{"reference":"Patient/p"}},"effectiveDateTime":"2020-01-01","component":[{}]}}"#,
            vec![component; components].join(",")
        )
    };
    let lines = [line("a", 1_000), line("b", 1_001), line(&"x".repeat(1 << 20), 1_000)];
    let (subjects, counts) = read_bytes("a.ndjson", lines.join("\n").as_bytes());
    assert_eq!(subjects[0].record.events.len(), 1_000);
    let expected = [
        (2, Some("component"), "more than 1000 components"),
        (3, Some("id"), "an id longer than 256 bytes"),
    ];
    assert_eq!(places(&counts), expected);
}

#[test]
fn a_condition_that_two_encounters_list_has_its_rank_in_each() {
    let subject = json!({ "reference": "Patient/p" });
    let encounter = |id: &str, rank: u32| {
        json!({ "resourceType": "Encounter", "id": id, "class": { "code": "IMP" }, "subject": subject,
            "period": { "start": "2020-01-01T10:00:00Z", "end": "2020-01-02T10:00:00Z" },
            "diagnosis": [{ "condition": { "reference": "Condition/c" }, "rank": rank }] })
    };
    let condition = json!({ "resourceType": "Condition", "id": "c", "subject": subject,
        "encounter": { "reference": "Encounter/b" },
        "code": { "coding": [{ "system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I50.9" }] } });
    let patient = json!({ "resourceType": "Patient", "id": "p" });
    let all = [patient, encounter("a", 2), encounter("b", 1), condition];
    let read = read_bundle(&bundle(all)).unwrap();
    let [event] = read.record.events.as_slice() else { panic!("one event") };
    assert_eq!((event.encounter_id.as_deref(), event.rank), (Some("b"), Some(1)));
}

#[test]
fn pages_batches_and_single_resources_are_read_and_what_is_missing_is_named() {
    let search = |all: Vec<serde_json::Value>, link: serde_json::Value| {
        let entry: Vec<_> =
            all.into_iter().map(|resource| json!({ "resource": resource })).collect();
        json!({ "resourceType": "Bundle", "type": "searchset", "link": link, "entry": entry })
    };
    let whole = read_bundle(&bundle(resources())).unwrap();
    let none = json!([{ "relation": "self", "url": "https://ehr.example/Encounter" }]);
    let next = json!([{ "relation": "next", "url": "https://ehr.example/Encounter?page=2" }]);
    let (people, others): (Vec<_>, Vec<_>) =
        resources().into_iter().partition(|r| r["resourceType"] == "Patient");
    let batch = |link: &serde_json::Value| {
        bundle([people[0].clone(), search(others.clone(), link.clone())])
    };
    let read = read_bundle(&batch(&none)).unwrap();
    assert_eq!((&read.record, read.issues.len()), (&whole.record, 0));
    assert_eq!(read.encounters[0].path().split('[').next(), Some("entry"));
    assert!(read.encounters[0].path().starts_with("entry[1].resource.entry["));
    let read = read_bundle(&batch(&next)).unwrap();
    assert_eq!(read.issues[0].kind, IssueKind::PartialBundle);
    assert_eq!(read.issues[0].first_path, "entry[1].resource");

    let (person, rest) = (people[0].to_string(), search(others, next).to_string());
    let part = |path, json| Part { path, json, must_be_bundle: false, is_page_of_all: false };
    let parts = [part("prefetch.patient", &person), part("prefetch.all", &rest)];
    let read = read_parts(&parts, Some("p")).unwrap();
    assert_eq!((&read.record, &*read.issues[0].first_path), (&whole.record, "prefetch.all"));
    let found = read_parts(&parts, Some("q")).unwrap_err();
    assert_eq!(found[0].path, "prefetch.patient");
    assert!(found[1].path.starts_with("prefetch.all.entry["), "{}", found[1].path);
    let broken =
        r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Bundle","entry":7}}]}"#;
    let found = read_parts(&[part("prefetch.all", broken)], None).unwrap_err();
    assert_eq!(found[0].path, "prefetch.all.entry[0].resource");
}

#[test]
fn a_time_without_its_zone_is_no_time_in_a_request() {
    let mut all = resources();
    let place = all.iter().position(|r| r["id"] == "stay").unwrap();
    all[place]["period"]["start"] = json!("2024-03-01T09:00:00");
    let read = read_bundle(&bundle(all)).unwrap();
    let issue = &read.issues[0];
    assert_eq!(issue.first_path, format!("entry[{place}].resource.period.start"));
    assert!(issue.kind.text().contains("zone"), "{}", issue.kind.text());
    assert!(read.record.encounters.iter().all(|encounter| encounter.id != "stay"));
}

#[test]
fn a_bundle_that_was_made_to_hurt_is_refused_or_read_and_never_more() {
    let patient = json!({ "resourceType": "Patient", "id": "p" });
    let about = |id: String, more: serde_json::Value| {
        let mut resource = json!({ "resourceType": "Condition", "id": id,
            "subject": { "reference": "Patient/p" }, "onsetDateTime": "2020-01-01",
            "code": { "coding": [{ "system": "http://snomed.info/sct", "code": "38341003" }] } });
        resource.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        resource
    };
    // Resources that refer to each other and to themselves.
    let circle = [
        patient.clone(),
        json!({ "resourceType": "Encounter", "id": "a", "status": "finished",
            "class": { "code": "IMP" }, "subject": { "reference": "Patient/p" },
            "period": { "start": "2024-01-01", "end": "2024-01-02" },
            "partOf": { "reference": "Encounter/a" },
            "diagnosis": [{ "condition": { "reference": "Condition/x" } }] }),
        about(
            "x".into(),
            json!({ "encounter": { "reference": "Encounter/a" },
            "stage": [{ "assessment": [{ "reference": "Condition/x" }] }],
            "contained": [{ "resourceType": "Patient", "id": "p2" }] }),
        ),
    ];
    assert_eq!(read_bundle(&bundle(circle)).unwrap().record.encounters.len(), 1);
    // A patient that is contained is nobody who can be followed.
    let contained = about(
        "x".into(),
        json!({ "subject": { "reference": "#p2" },
        "contained": [{ "resourceType": "Patient", "id": "p2" }] }),
    );
    let read = read_bundle(&bundle([patient.clone(), contained])).unwrap();
    assert_eq!(read.issues[0].first_path, "entry[1].resource.subject");
    assert!(read.record.events.is_empty());
    // A hundred thousand entries.
    let many = (0..100_000).map(|number| about(number.to_string(), json!({})));
    let read = read_bundle(&bundle(std::iter::once(patient.clone()).chain(many))).unwrap();
    assert_eq!(read.record.events.len(), 100_000);
    // Numbers beyond all measure, and a thousand levels.
    let huge = br#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation",
        "id":"o","subject":{"reference":"Patient/p"},"status":"final","effectiveDateTime":"2024-01-01",
        "code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},
        "valueQuantity":{"value":1e999,"unit":"mmHg"}}}]}"#;
    assert!(!read_violations(huge).is_empty());
    let deep = format!(
        r#"{{"resourceType":"Bundle","entry":{}{}}}"#,
        "[".repeat(1_000),
        "]".repeat(1_000)
    );
    assert!(!read_violations(deep.as_bytes()).is_empty());
}

#[test]
fn no_entry_can_make_somebody_else_the_patient() {
    let whole = read_bundle(&bundle(resources())).unwrap();
    let sent = |url: &str| {
        let entries = resources().into_iter().map(|resource| match resource["id"] == "dx-1" {
            true => json!({ "fullUrl": url, "resource": resource }),
            false => json!({ "resource": resource }),
        });
        let all: Vec<_> = entries.collect();
        let json = json!({ "resourceType": "Bundle", "type": "collection", "entry": all });
        read_bundle(&serde_json::to_vec(&json).unwrap()).unwrap().record
    };
    for url in
        ["https://other.example/fhir/Patient/p", "urn:uuid:p", "https://ehr.example/Condition/x"]
    {
        assert_eq!(sent(url), whole.record, "{url}");
    }
}
