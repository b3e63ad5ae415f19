//! Bundles that were made to hurt, by `$score`: an OperationOutcome that names the place, and a server
//! that lives on.

use serde_json::{Value as Json, json};

use super::patients::{bundle, often_here};
use super::{SCORE, asked, post, server};

/// What an answer says beside the scores.
fn outcome(answer: &asked::Answer) -> Vec<Json> {
    let entries = answer.body["entry"].as_array().unwrap();
    let found = entries.iter().find(|each| each["resource"]["resourceType"] == "OperationOutcome");
    found.map_or_else(Vec::new, |each| each["resource"]["issue"].as_array().unwrap().clone())
}

#[test]
fn a_hostile_bundle_is_refused_by_its_place_and_the_server_lives_on() {
    let server = server(&[]);
    let address = server.ehr.unwrap();
    let with = |change: &dyn Fn(&mut Vec<Json>)| {
        let mut all = often_here();
        change(&mut all);
        bundle("collection", &all)
    };
    let place = |all: &[Json], id: &str| all.iter().position(|each| each["id"] == id).unwrap();
    let lab = place(&often_here(), "lab-0");
    for (name, body, at) in [
        ("no entries", with(&|all| all.truncate(0)), "Bundle.entry".to_owned()),
        ("no patient", with(&|all| drop(all.remove(0))), "Bundle.entry".to_owned()),
        (
            "another patient",
            with(&|all| all[lab]["subject"]["reference"] = json!("Patient/other")),
            format!("Bundle.entry[{lab}].resource"),
        ),
        (
            "a wrong type",
            with(&|all| all[0]["birthDate"] = json!({ "year": 1942 })),
            "Bundle.entry[0].resource.birthDate".to_owned(),
        ),
        ("no bundle", often_here()[0].clone(), "resourceType".to_owned()),
    ] {
        let answer = post(&server, SCORE, &body);
        let issues = answer.issues();
        assert_eq!(answer.status, 400, "{name}: {issues:?}");
        assert!(issues.iter().any(|(path, _)| *path == at), "{name}: {issues:?}");
        assert!(!answer.body.to_string().contains("pat-1"), "{name}");
    }
    // What is wrong with one resource costs that resource, and is told with the score.
    for (name, body, at) in [
        (
            "a contained patient",
            with(&|all| all[lab]["subject"]["reference"] = json!("#inside")),
            format!("Bundle.entry[{lab}].resource.subject"),
        ),
        (
            "a time without its zone",
            with(&|all| all[lab]["effectiveDateTime"] = json!("2026-11-14T08:00:00")),
            format!("Bundle.entry[{lab}].resource.effectiveDateTime"),
        ),
        (
            "a time that is none",
            with(&|all| all[lab]["effectiveDateTime"] = json!("2026-02-30")),
            format!("Bundle.entry[{lab}].resource.effectiveDateTime"),
        ),
        (
            "a class of the house's own",
            with(&|all| all[2]["class"]["code"] = json!("WARD7")),
            "Bundle.entry[2].resource.class".to_owned(),
        ),
        (
            "a number that is a text",
            with(&|all| all[lab]["valueQuantity"] = json!("8.1 g/dL")),
            format!("Bundle.entry[{lab}].resource.valueQuantity"),
        ),
    ] {
        let answer = post(&server, SCORE, &body);
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        let told = outcome(&answer);
        let told = told.iter().find(|issue| issue["diagnostics"] == "UNUSABLE_RESOURCE");
        assert_eq!(told.expect(name)["expression"][0], at, "{name}");
    }
    let huge = r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","id":"o",
        "subject":{"reference":"Patient/p"},"status":"final","effectiveDateTime":"2024-01-01",
        "code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},
        "valueQuantity":{"value":1e99999,"unit":"mmHg"}}}]}"#;
    let deep = format!(
        r#"{{"resourceType":"Bundle","entry":{}1{}}}"#,
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    let twice = r#"{"resourceType":"Bundle","resourceType":"Bundle","entry":[]}"#;
    let many = {
        let entry = r#"{"resource":{"resourceType":"Condition","id":"x"}},"#.repeat(100_000);
        format!(r#"{{"resourceType":"Bundle","entry":[{}{{}}]}}"#, entry)
    };
    for (name, body, status) in [
        ("huge numbers", huge.as_bytes(), 400),
        ("nine thousand levels", deep.as_bytes(), 400),
        ("a key twice", twice.as_bytes(), 400),
        ("a hundred thousand entries", many.as_bytes(), 413),
        ("not JSON", b"{\"resourceType\":", 400),
        ("not UTF-8", b"\xff\xfe", 400),
        ("an array", b"[]", 400),
        ("nothing", b"", 400),
    ] {
        let answer = asked::post(address, SCORE, &[], body);
        assert!(!answer.issues().is_empty(), "{name}");
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
    }
    let long = "x".repeat(5 << 20);
    assert_eq!(asked::post(address, SCORE, &[], long.as_bytes()).status, 413);
    // Resources that refer to themselves and to each other.
    let circle = with(&|all| {
        all[1]["partOf"] = json!({ "reference": "Encounter/stay-0" });
        all[1]["diagnosis"] = json!([{ "condition": { "reference": "Condition/dx-0" } }]);
        let dx = place(all, "dx-0");
        all[dx]["encounter"]["reference"] = json!("Encounter/stay-0");
        all[dx]["contained"] = json!([{ "resourceType": "Patient", "id": "inside" }]);
    });
    assert_eq!(post(&server, SCORE, &circle).status, 200);
    let (status, said) = server.end();
    assert!(status.success());
    assert!(!said.contains("panicked") && !said.contains("pat-1"), "{said}");
}

#[test]
fn what_is_wrong_with_a_record_but_can_be_used_is_told_with_its_place() {
    let server = server(&[]);
    let mut all = often_here();
    let lab = all.iter().position(|each| each["id"] == "lab-0").unwrap();
    all[lab]["valueQuantity"]["value"] = json!(9_999.0);
    all.push(all[lab].clone());
    let mut body = bundle("searchset", &all);
    body["link"] = json!([{ "relation": "next", "url": "https://ehr.example/page/2" }]);
    let answer = post(&server, SCORE, &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let issues = outcome(&answer);
    let told = |name: &str| issues.iter().find(|issue| issue["diagnostics"] == name).cloned();
    let implausible = told("IMPLAUSIBLE_VALUE").expect("a haemoglobin of 9999");
    assert!(implausible["expression"][0].as_str().unwrap().starts_with("Bundle.entry["));
    assert_eq!(told("PARTIAL_BUNDLE").unwrap()["expression"][0], "Bundle");
    assert_eq!(implausible["severity"], "warning");
}
