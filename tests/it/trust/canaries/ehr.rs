//! The same marks through the door for EHRs: every address, every kind of error.

use serde_json::{Value as Json, json};

use super::super::marked::bundle;
use super::super::marks::Marks;
use super::super::site::{API_KEY, BREAK_GLASS, Door, PURPOSE, Site, TREATMENT};
use crate::ehr::asked::{self, Answer};
use crate::ehr::{DISCHARGE, SCORE};
use crate::pages::get;
use crate::serve::process::Setup;

/// A call: what it is, where it goes, with which headers and which body.
type Call = (&'static str, String, Vec<(String, String)>, Vec<u8>);

/// The marked patient's Bundle as the prefetched data of a hook.
fn hook(marks: &Marks, text: &str) -> Json {
    let record: Json = serde_json::from_str(text).unwrap();
    let resources: Vec<Json> =
        record["entry"].as_array().unwrap().iter().map(|each| each["resource"].clone()).collect();
    let of = |kind: &'static str| resources.iter().filter(move |each| each["resourceType"] == kind);
    let patient = of("Patient").next().unwrap().clone();
    let stay = of("Encounter").next().unwrap().clone();
    let found = |kind: &'static str| {
        let entry: Vec<Json> = of(kind).map(|each| json!({ "resource": each })).collect();
        json!({ "resourceType": "Bundle", "type": "searchset", "entry": entry })
    };
    json!({ "hook": "encounter-discharge", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": { "userId": format!("Patient/{}", marks.word("user")),
            "patientId": patient["id"], "encounterId": stay["id"] },
        "fhirServer": format!("https://{}.example/fhir", marks.word("fhirserver")),
        "fhirAuthorization": { "access_token": marks.word("accesstoken"), "token_type": "Bearer",
            "subject": marks.word("subject"), "scope": marks.word("scope") },
        "prefetch": { "patient": patient, "encounter": stay, "encounters": found("Encounter"),
            "conditions": found("Condition"), "procedures": found("Procedure"),
            "observations": found("Observation"),
            "medicationRequests": found("MedicationRequest") } })
}

fn calls(marks: &Marks, scorer: &str, bystander: &str) -> Vec<Call> {
    let start = "2024-03-01T09:46:57Z";
    let whole = bundle(marks, start);
    let known = [(API_KEY, scorer), TREATMENT];
    let mut all = Vec::new();
    let mut add = |what: &'static str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        let mut owned: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        owned.push(("x-note".into(), marks.word("header")));
        owned.push(("user-agent".into(), marks.word("agent")));
        all.push((what, path.to_owned(), owned, body.to_vec()));
    };
    add("a score", SCORE, &known, whole.as_bytes());
    add("a cut bundle", SCORE, &known, &whole.as_bytes()[..whole.len() / 2]);
    add("a start that is none", SCORE, &known, bundle(marks, &marks.word("start")).as_bytes());
    let other = whole.replacen("Condition", &marks.word("kindof"), 1);
    add("a type of nobody", SCORE, &known, other.as_bytes());
    let turned: Json = serde_json::from_str(&whole).unwrap();
    let mut turned = turned;
    turned["entry"][0]["resource"]["birthDate"] = json!(marks.word("birthdate"));
    add("a birth date that is none", SCORE, &known, turned.to_string().as_bytes());
    turned["entry"][1]["resource"]["subject"] = json!({ "reference": marks.word("stranger") });
    add("somebody else", SCORE, &known, turned.to_string().as_bytes());
    for name in ["task", "predictionTime", "team", "unknown"] {
        let path = format!("{SCORE}?{name}={}", marks.word("asked"));
        add("an odd parameter", &path, &known, whole.as_bytes());
    }
    let value = marks.word("value");
    let parameters = json!({ "resourceType": "Parameters", "parameter": [
        { "name": marks.word("parameter"), "valueString": value }] });
    add("odd parameters", SCORE, &known, parameters.to_string().as_bytes());
    add("denied", SCORE, &[(API_KEY, bystander), TREATMENT], whole.as_bytes());
    add("nobody", SCORE, &[], whole.as_bytes());
    let token = format!("Bearer {}", marks.word("bearer"));
    add("a token that is none", SCORE, &[("authorization", &token)], whole.as_bytes());
    add("a key that is none", SCORE, &[(API_KEY, &marks.word("key"))], whole.as_bytes());
    let purpose = marks.word("purpose");
    add("an odd purpose", SCORE, &[(API_KEY, scorer), (PURPOSE, &purpose)], whole.as_bytes());
    let reason = marks.word("reason");
    add("a glass", SCORE, &[(API_KEY, bystander), (BREAK_GLASS, &reason)], whole.as_bytes());
    let call = hook(marks, &whole);
    let key = [(API_KEY, scorer)];
    add("a hook", DISCHARGE, &key, call.to_string().as_bytes());
    let mut bare = call.clone();
    bare.as_object_mut().unwrap().remove("prefetch");
    add("a hook without data", DISCHARGE, &key, bare.to_string().as_bytes());
    let mut odd = call;
    odd["hookInstance"] = json!(marks.word("instance"));
    odd["context"]["userId"] = json!(marks.word("userid"));
    odd["context"]["encounterId"] = json!(marks.word("encounter"));
    add("an odd hook", DISCHARGE, &key, odd.to_string().as_bytes());
    let feedback = json!({ "feedback": [{ "card": marks.word("card"), "outcome": marks.word("outcome"),
        "overrideReason": { "userComment": marks.word("comment") } }] });
    let path = format!("{DISCHARGE}/feedback");
    add("odd feedback", &path, &key, feedback.to_string().as_bytes());
    let word = marks.word("path");
    for path in [
        format!("/{word}"),
        format!("/cds-services/{word}"),
        format!("/fhir/Patient/{word}?name={word}"),
    ] {
        add("no such page", &path, &known, whole.as_bytes());
    }
    all
}

fn all_of(answer: &Answer) -> Vec<u8> {
    [answer.head.as_bytes(), answer.body.to_string().as_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_patient_comes_out_by_the_door_for_ehrs() {
    let mut site = Site::new(Door::Plain);
    let scorer = site.key("svc-scorer", "scorer", None);
    let bystander = site.key("svc-bystander", "bystander", None);
    let marks = Marks::default();
    let calls = calls(&marks, &scorer, &bystander);
    assert!(marks.len() >= 30 && calls.len() >= 22, "{} {}", marks.len(), calls.len());
    let store = site.store();
    let settings = [("EHR__LISTEN", "127.0.0.1:0"), ("FLAGS__STORE", store.as_str())];
    let server = site.start(&settings, &Setup { log: "trace", is_heard: true, ..Setup::default() });
    let mut faults = Vec::new();
    let mut answered = 0;
    for (what, path, headers, body) in &calls {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let answer = asked::post(server.ehr.unwrap(), path, &headers, body);
        answered += usize::from(answer.status == 200);
        // A score names the patient and the resources it rests on to whoever sent them; an error nobody.
        if answer.status != 200 && !marks.found(&all_of(&answer)).is_empty() {
            faults.push(format!("{what}: repeats {:?}", marks.found(&all_of(&answer))));
        }
    }
    assert!(answered >= 2, "{answered}");
    let metrics = get(server.pages.unwrap(), "/metrics").await;
    faults.extend(marks.found(metrics.as_bytes()));
    let (status, said) = server.end();
    assert!(status.success());
    faults.extend(marks.found(said.as_bytes()).into_iter().map(|mark| format!("log: {mark}")));
    faults.extend(marks.found_under(&site.log()).into_iter().filter(|mark| {
        // The reason for breaking the glass is what the access log is for.
        !mark.contains("reason")
    }));
    assert!(faults.is_empty(), "{faults:#?}");
}
