//! CDS Hooks 2.0: what its specification demands of a service, a row for each demand.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::patients::{self, discharge, hardly_ill, often_here, view};
use super::{DISCHARGE, VIEW, asked, post, server};

fn cards(answer: &asked::Answer) -> Vec<Json> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["cards"].as_array().unwrap().clone()
}

fn text<'a>(value: &'a Json, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

#[test]
fn discovery_says_what_the_specification_demands() {
    let server = server(&[]);
    let answer = asked::get(server.ehr.unwrap(), "/cds-services", &[]);
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("application/json"));
    let services = answer.body["services"].as_array().unwrap();
    let mut seen = BTreeSet::new();
    for service in services {
        // REQUIRED: hook, description, id. RECOMMENDED: title. OPTIONAL: prefetch, usageRequirements.
        let (id, hook) = (text(service, "id"), text(service, "hook"));
        assert!(!text(service, "description").is_empty() && !text(service, "title").is_empty());
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{id}");
        assert!(seen.insert((id, hook)), "id and hook are one service");
        let prefetch = service["prefetch"].as_object().unwrap();
        for (key, template) in prefetch {
            let template = template.as_str().unwrap();
            // Tokens of the context alone, and none that this hook does not have.
            for token in template.split("{{").skip(1) {
                let token = token.split("}}").next().unwrap();
                let known = match hook {
                    "encounter-discharge" => {
                        ["context.patientId", "context.encounterId"].as_slice()
                    }
                    _ => &["context.patientId"],
                };
                assert!(known.contains(&token), "{key}: {token}");
            }
            let (kind, query) = template.split_once('?').unwrap_or((template, ""));
            assert!(!kind.starts_with('/') && !kind.contains("://"), "relative: {template}");
            for parameter in query.split('&').filter(|each| !each.is_empty()) {
                let (name, _) = parameter.split_once('=').unwrap();
                let plain =
                    ["patient", "code", "category", "_sort", "_count", "_id", "status", "date"];
                assert!(plain.contains(&name), "{key}: {name} is no plain search");
            }
            assert!(template.len() <= 2_000, "{key} is too long for an address");
        }
        assert!(prefetch.contains_key("patient"));
    }
    let ids: BTreeSet<&str> = seen.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, BTreeSet::from(["prodrome-encounter-discharge", "prodrome-patient-view"]));
}

/// A demand on a card, in words, and whether it holds.
type Demand = (&'static str, fn(&Json) -> bool);

const DEMANDS: [Demand; 15] = [
    ("summary is required and shorter than 140 characters", |card| {
        card["summary"].as_str().is_some_and(|text| !text.is_empty() && text.chars().count() < 140)
    }),
    ("indicator is required and one of three words", |card| {
        ["info", "warning", "critical"].contains(&card["indicator"].as_str().unwrap_or_default())
    }),
    ("source is required, with a label", |card| {
        card["source"]["label"].as_str().is_some_and(|label| !label.is_empty())
    }),
    ("the source's url is absolute where it is there", |card| {
        card["source"].get("url").is_none_or(|url| url.as_str().unwrap().starts_with("http"))
    }),
    ("the topic is a Coding", |card| {
        let topic = &card["source"]["topic"];
        topic["code"].is_string() && topic["system"].is_string()
    }),
    ("uuid names the card, for feedback", |card| {
        let uuid = card["uuid"].as_str().unwrap_or_default();
        uuid.len() == 36 && uuid.split('-').map(str::len).eq([8, 4, 4, 4, 12])
    }),
    ("detail is text", |card| card["detail"].is_string()),
    ("selectionBehavior stands with suggestions alone", |card| {
        card.get("suggestions").is_some() || card.get("selectionBehavior").is_none()
    }),
    ("override reasons are Codings with code, system and display", |card| {
        let reasons = card["overrideReasons"].as_array().unwrap();
        let whole =
            |coding: &Json| ["code", "system", "display"].iter().all(|f| coding[f].is_string());
        !reasons.is_empty() && reasons.iter().all(whole)
    }),
    ("override reasons are told apart by their codes", |card| {
        let reasons = card["overrideReasons"].as_array().unwrap();
        let codes: BTreeSet<&str> =
            reasons.iter().map(|each| each["code"].as_str().unwrap()).collect();
        codes.len() == reasons.len()
    }),
    ("links have label, url and type; a link to a page is absolute", |card| {
        let links = card.get("links").and_then(Json::as_array).cloned().unwrap_or_default();
        links.iter().all(|link| {
            link["label"].is_string()
                && link["url"].as_str().is_some_and(|url| url.starts_with("http"))
                && link["type"] == "absolute"
        })
    }),
    ("a card takes no action by itself", |card| {
        card.get("systemActions").is_none() && card.get("suggestions").is_none()
    }),
    ("no field is null", |card| !card.to_string().contains(":null")),
    ("nobody is named", |card| {
        let text = card.to_string();
        !["Zzyzx", "Quillon", "1942-01-05", patients::PATIENT]
            .iter()
            .any(|word| text.contains(word))
    }),
    ("the detail holds no live markup", |card| {
        let detail = card["detail"].as_str().unwrap();
        !detail.contains('<') && !detail.contains("](") && !detail.contains("![")
    }),
];

#[test]
fn a_patient_at_risk_gets_a_card_that_holds_every_demand() {
    let server = server(&[("EHR__WORKLIST_URL", "https://risk.example/list")]);
    let answer = post(&server, DISCHARGE, &discharge(&often_here()));
    let found = cards(&answer);
    assert!(!found.is_empty(), "an open stay of somebody at risk");
    assert_eq!(answer.body.as_object().unwrap().keys().collect::<Vec<_>>(), ["cards"]);
    for card in &found {
        for (demand, holds) in DEMANDS {
            assert!(holds(card), "{demand}: {card}");
        }
        let detail = text(card, "detail");
        assert!(detail.contains("as if discharged now"), "the stay is open: {detail}");
        assert!(text(card, "summary").contains('%'));
    }
    let viewed = cards(&post(&server, VIEW, &view(&often_here())));
    for card in &viewed {
        DEMANDS.iter().for_each(|(demand, holds)| assert!(holds(card), "{demand}: {card}"));
    }
}

#[test]
fn whom_nothing_ails_gets_no_card() {
    let server = server(&[]);
    assert_eq!(cards(&post(&server, DISCHARGE, &discharge(&hardly_ill()))), Vec::<Json>::new());
    assert_eq!(cards(&post(&server, VIEW, &view(&hardly_ill()))), Vec::<Json>::new());
}

#[test]
fn a_card_is_told_once_by_one_name_and_feedback_reaches_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("flags/flags.db");
    let settings = [
        ("FLAGS__STORE", store.to_str().unwrap()),
        ("EHR__WORKLIST_URL", "https://risk.example"),
        // A model of simulated patients raises no flag.
        ("MODELS__DEMO", "false"),
    ];
    let server = server(&settings);
    let call = discharge(&often_here());
    let with_flag = |server: &crate::serve::process::Server| {
        let found = cards(&post(server, DISCHARGE, &call));
        found.into_iter().find(|card| card.get("links").is_some())
    };
    let card = with_flag(&server).expect("a card with a flag");
    let url = text(&card["links"][0], "url").to_owned();
    let flag = url.strip_prefix("https://risk.example/flags/").unwrap().to_owned();
    assert_eq!(text(&card, "uuid").replace('-', ""), flag);
    assert_eq!(with_flag(&server).unwrap()["uuid"], card["uuid"], "the same flag, the same card");

    let read = asked::get(server.ehr.unwrap(), &format!("/fhir/Flag/{flag}"), &[]);
    assert_eq!((read.status, &read.body["status"]), (200, &json!("active")));
    let feedback = |outcome: Json| {
        let mut item = json!({ "card": card["uuid"], "outcomeTimestamp": "2026-11-23T09:30:00Z" });
        item.as_object_mut().unwrap().extend(outcome.as_object().unwrap().clone());
        json!({ "feedback": [item] })
    };
    let path = format!("{DISCHARGE}/feedback");
    let reason = json!({ "reason": { "code": card["overrideReasons"][0]["code"],
        "system": card["overrideReasons"][0]["system"] }, "userComment": "Zzyzx knows" });
    for (body, status) in [
        (feedback(json!({ "outcome": "overridden", "overrideReason": reason })), 200),
        (feedback(json!({ "outcome": "accepted", "acceptedSuggestions": [] })), 200),
        (feedback(json!({ "outcome": "ignored" })), 400),
        (json!({ "feedback": [{ "card": "nonsense", "outcome": "accepted" }] }), 400),
        (json!({}), 400),
    ] {
        let answer = post(&server, &path, &body);
        assert_eq!(answer.status, status, "{body} {}", answer.body);
    }
    let unknown = json!({ "feedback": [{ "card": "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f",
        "outcome": "accepted", "outcomeTimestamp": "2026-11-23T09:30:00Z" }] });
    assert_eq!(post(&server, &path, &unknown).status, 404);
    let (_, said) = server.end();
    for word in ["Zzyzx", patients::PATIENT, "knows"] {
        assert!(!said.contains(word), "in the log: {word}");
    }
}

#[test]
fn calls_that_are_not_as_the_specification_says_are_refused_with_their_place() {
    let server = server(&[]);
    let with = |field: &str, value: Json| {
        let mut call = discharge(&often_here());
        match field.split_once('.') {
            Some((outer, inner)) => call[outer][inner] = value,
            None => call[field] = value,
        }
        call
    };
    for (call, place) in [
        (with("hook", json!("patient-view")), "hook"),
        (with("hook", Json::Null), "hook"),
        (with("hookInstance", json!("7")), "hookInstance"),
        (with("context", json!({})), "context.userId"),
        (with("context.patientId", json!("Patient/pat-1")), "context.patientId"),
        (with("context.encounterId", Json::Null), "context.encounterId"),
        (with("context.userId", json!("Device/1")), "context.userId"),
        (with("prefetch", json!([])), "prefetch"),
        (
            with("fhirAuthorization", json!({ "access_token": "x", "token_type": "Bearer" })),
            "fhirServer",
        ),
        (with("fhirServer", json!("file:///etc/passwd")), "fhirServer"),
    ] {
        let answer = post(&server, DISCHARGE, &call);
        let issues = answer.issues();
        assert_eq!(answer.status, 400, "{place}: {issues:?}");
        assert!(issues.iter().any(|(at, _)| at == place), "{place}: {issues:?}");
    }
    // Data that cannot be had: 412 (CDS Hooks 2.0, HTTP status codes).
    let mut bare = discharge(&often_here());
    bare.as_object_mut().unwrap().remove("prefetch");
    let answer = post(&server, DISCHARGE, &bare);
    assert_eq!(answer.status, 412);
    assert!(answer.issues().iter().any(|(at, _)| at == "prefetch.conditions"));
    // A page of a search is not what was asked for, and nobody can be asked for the rest.
    let mut paged = discharge(&often_here());
    paged["prefetch"]["conditions"]["link"] =
        json!([{ "relation": "next", "url": "https://ehr.example/2" }]);
    assert_eq!(post(&server, DISCHARGE, &paged).status, 412);
    // The EHR says that there is none.
    let mut none = discharge(&hardly_ill());
    none["prefetch"]["procedures"] = Json::Null;
    assert_eq!(post(&server, DISCHARGE, &none).status, 200);
    // Another patient's data are refused, and named.
    let mut other = discharge(&often_here());
    other["prefetch"]["observations"]["entry"][2]["resource"]["subject"]["reference"] =
        json!("Patient/other");
    let answer = post(&server, DISCHARGE, &other);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.issues()[0].0, "prefetch.observations.entry[2].resource");
    let mut moved = discharge(&often_here());
    moved["context"]["patientId"] = json!("other");
    assert_eq!(post(&server, DISCHARGE, &moved).status, 400);
    // A stay that is over, and another one since: the score would be of that one.
    let mut earlier = discharge(&often_here());
    earlier["context"]["encounterId"] = json!("stay-3");
    let answer = post(&server, DISCHARGE, &earlier);
    assert_eq!((answer.status, &*answer.issues()[0].0), (400, "context.encounterId"));
    // What is no stay has no end that the tasks are about.
    earlier["context"]["encounterId"] = json!("er-0");
    earlier["prefetch"]["encounter"] =
        earlier["prefetch"]["encounters"]["entry"][3]["resource"].clone();
    let answer = post(&server, DISCHARGE, &earlier);
    assert_eq!((answer.status, &answer.body), (200, &json!({ "cards": [] })));
    // An error in the place of data is no data.
    for (key, value) in [
        ("conditions", json!("denied")),
        ("patient", Json::Null),
        (
            "observations",
            json!({ "resourceType": "Bundle", "type": "searchset", "entry": [{
            "search": { "mode": "outcome" }, "resource": { "resourceType": "OperationOutcome",
                "issue": [{ "severity": "error", "code": "forbidden" }] } }] }),
        ),
    ] {
        let mut call = discharge(&often_here());
        call["prefetch"][key] = value;
        let answer = post(&server, DISCHARGE, &call);
        assert_eq!(
            (answer.status, answer.issues()[0].0.as_str()),
            (412, &*format!("prefetch.{key}"))
        );
    }
    // What could not be used is said on the card.
    let mut faulty = discharge(&often_here());
    faulty["prefetch"]["observations"]["entry"][0]["resource"]["effectiveDateTime"] =
        json!("2026-11-20T08:00:00");
    for card in cards(&post(&server, DISCHARGE, &faulty)) {
        assert!(
            text(&card, "detail").contains("1 entries of the record could not be used"),
            "{card}"
        );
    }
    earlier["context"]["encounterId"] = json!("never");
    let answer = post(&server, DISCHARGE, &earlier);
    assert_eq!((answer.status, &*answer.issues()[0].0), (412, "context.encounterId"));
    for (path, status) in [("/cds-services/nonsense", 404), ("/cds-services/x/feedback", 404)] {
        assert_eq!(post(&server, path, &json!({})).status, status, "{path}");
    }
    assert_eq!(asked::get(server.ehr.unwrap(), DISCHARGE, &[]).status, 405);
}

#[test]
fn where_everybody_may_call_pages_of_other_sites_may_not() {
    let server = server(&[("EHR__ALLOWED_ORIGINS", "[\"https://ehr.example\"]")]);
    let address = server.ehr.unwrap();
    let body = discharge(&hardly_ill()).to_string();
    let own = format!("http://{address}");
    for (origin, status) in [
        ("https://evil.example", 403),
        ("null", 403),
        ("https://ehr.example", 200),
        (own.as_str(), 200),
    ] {
        let answer = asked::post(address, DISCHARGE, &[("origin", origin)], body.as_bytes());
        assert_eq!(answer.status, status, "{origin}");
    }
    let request = "GET /fhir/Flag HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(asked::send(address, request.as_bytes()).status, 421);
    for path in ["/fhir/Flag/%ff", "/fhir/RiskAssessment/%24nothing"] {
        assert!(!asked::get(address, path, &[]).issues().is_empty(), "{path}");
    }
    let escaped = "/fhir/RiskAssessment/%24score";
    let sent = patients::bundle("collection", &hardly_ill());
    assert_eq!(post(&server, escaped, &sent).status, 200);
}
