//! The door for EHRs under the same identities, policy, access log, limits and metrics as gRPC.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use super::site::{API_KEY, BREAK_GLASS, Door, PURPOSE, Site, TREATMENT, calls};
use crate::ehr::asked::{self, Answer};
use crate::ehr::patients::{self, bundle, discharge, often_here};
use crate::ehr::{DISCHARGE, SCORE};
use crate::identity::signer::{Signer, key_set};
use crate::pages::get;
use crate::serve::process::{PATIENCE, Server, Setup};

const DOOR: (&str, &str) = ("EHR__LISTEN", "127.0.0.1:0");

fn start(site: &Site, more: &[(&str, &str)]) -> Server {
    let settings: Vec<_> = [DOOR].iter().chain(more).copied().collect();
    site.start(&settings, &Setup { log: "trace", is_heard: true, ..Setup::default() })
}

fn post(server: &Server, path: &str, headers: &[(&str, &str)], body: &Json) -> Answer {
    asked::post(server.ehr.unwrap(), path, headers, body.to_string().as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_score_by_grpc_may_by_http_and_each_call_has_one_record() {
    let mut site = Site::new(Door::Plain);
    let scorer = site.key("ehr", "scorer", None);
    let other = site.key("other", "other_task", None);
    let nobody = site.key("bystander", "bystander", None);
    let nurse = site.key("nurse", "clinician", Some(&["north"]));
    let token = format!("Bearer {}", site.token(&site.issuer, "svc-ehr", "scorer"));
    let forged = format!("Bearer {}x", &token[7..]);
    let server = start(&site, &[("FLAGS__STORE", &site.store())]);
    let (record, call) = (bundle("collection", &often_here()), discharge(&often_here()));
    let by = |key: &'static str, value: &str| (key, value.to_owned());
    let feedback = json!({ "feedback": [{ "card": "70726f64-0000-8000-8000-000000000000",
        "outcome": "accepted", "outcomeTimestamp": "2026-11-23T09:30:00Z" }] });
    let noted = format!("{DISCHARGE}/feedback");
    let mut expected = Vec::new();
    for (path, body, credential, purpose, status, method, outcome, caller, is_known) in [
        (SCORE, &record, by(API_KEY, &scorer), true, 200, "Score", "OK", "ehr", true),
        (SCORE, &record, by("authorization", &token), true, 200, "Score", "OK", "svc-ehr", true),
        // Who may not score at all is refused before the record is read: whose it is stays unknown.
        // Over FHIR a call says what it is for, as over gRPC; CDS Hooks fires in care alone.
        (
            SCORE,
            &record,
            by(API_KEY, &scorer),
            false,
            403,
            "Score",
            "PERMISSION_DENIED",
            "ehr",
            false,
        ),
        (DISCHARGE, &call, by(API_KEY, &scorer), false, 200, "Score", "OK", "ehr", true),
        (DISCHARGE, &call, by("authorization", &token), false, 200, "Score", "OK", "svc-ehr", true),
        (
            DISCHARGE,
            &call,
            by("authorization", &forged),
            false,
            401,
            "Score",
            "UNAUTHENTICATED",
            "not recognised",
            false,
        ),
        (
            DISCHARGE,
            &call,
            by("x-none", "x"),
            false,
            401,
            "Score",
            "UNAUTHENTICATED",
            "not recognised",
            false,
        ),
        (
            SCORE,
            &record,
            by(API_KEY, "pk_0011223344556677_x"),
            true,
            401,
            "Score",
            "UNAUTHENTICATED",
            "not recognised",
            false,
        ),
        (
            SCORE,
            &record,
            by(API_KEY, &nobody),
            true,
            403,
            "Score",
            "PERMISSION_DENIED",
            "bystander",
            false,
        ),
        (
            DISCHARGE,
            &call,
            by(API_KEY, &other),
            false,
            403,
            "Score",
            "PERMISSION_DENIED",
            "other",
            true,
        ),
        // The record says nothing of where the patient lies.
        (
            SCORE,
            &record,
            by(API_KEY, &nurse),
            true,
            403,
            "Score",
            "PERMISSION_DENIED",
            "nurse",
            true,
        ),
        (
            SCORE,
            &json!([]),
            by(API_KEY, &scorer),
            true,
            400,
            "Score",
            "INVALID_ARGUMENT",
            "ehr",
            false,
        ),
        (
            &noted,
            &feedback,
            by(API_KEY, &nurse),
            false,
            200,
            "RecordFeedback",
            "OK",
            "nurse",
            false,
        ),
    ] {
        let mut headers = vec![(credential.0, credential.1.as_str())];
        headers.extend(purpose.then_some(TREATMENT));
        let answer = post(&server, path, &headers, body);
        assert_eq!(answer.status, status, "{caller} {path}: {}", answer.body);
        assert_eq!(answer.header("x-request-id").map(str::len), Some(16));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        expected.push((method, outcome, caller, is_known));
    }
    let glass = [(API_KEY, nurse.as_str()), (BREAK_GLASS, "found unconscious")];
    let broken = post(&server, SCORE, &glass, &record);
    assert_eq!(broken.status, 200, "{}", broken.body);
    expected.push(("Score", "OK", "nurse", true));
    let odd = [(API_KEY, scorer.as_str()), (PURPOSE, "CURIOSITY")];
    assert_eq!(post(&server, SCORE, &odd, &record).issues()[0].0, "metadata.prodrome-purpose");
    expected.push(("Score", "INVALID_ARGUMENT", "ehr", false));
    let flags = asked::get(
        server.ehr.unwrap(),
        "/fhir/Flag?status=active",
        &[(API_KEY, &nurse), TREATMENT],
    );
    assert_eq!(flags.status, 200);
    assert_eq!(flags.body["total"], 0, "flags of others are neither listed nor counted");
    expected.push(("ListFlags", "OK", "nurse", false));
    // What shows nothing of a patient asks nobody who they are, and has no record.
    for path in
        ["/cds-services", "/fhir/metadata", "/fhir/OperationDefinition/RiskAssessment-score"]
    {
        assert_eq!(asked::get(server.ehr.unwrap(), path, &[]).status, 200, "{path}");
    }

    let metrics = get(server.pages.unwrap(), "/metrics").await;
    for sample in [
        r#"prodrome_calls_total{method="fhir.score",code="OK"} 3"#,
        r#"prodrome_calls_total{method="cds.encounter_discharge",code="UNAUTHENTICATED"} 2"#,
        r#"prodrome_calls_total{method="cds.feedback",code="OK"} 1"#,
        r#"prodrome_card_answers_total{answer="accepted"} 1"#,
    ] {
        assert!(metrics.contains(sample), "{sample}\n{metrics}");
    }
    let (status, said) = server.end();
    assert!(status.success());
    for secret in
        [patients::PATIENT, "Zzyzx", "1942-01-05", &scorer, &token[7..], "found unconscious"]
    {
        assert!(!said.contains(secret), "in the log: {secret}");
    }
    let records = calls(&site.log());
    let text = |record: &Json, name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let found: Vec<_> = records
        .iter()
        .map(|each| {
            let is_known = each["patient"].is_string();
            (text(each, "method"), text(each, "outcome"), text(each, "caller"), is_known)
        })
        .collect();
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(method, outcome, caller, is_known)| {
            (method.to_owned(), outcome.to_owned(), caller.to_owned(), is_known)
        })
        .collect();
    assert_eq!(found, expected);
    let hooked: Vec<&Json> =
        records.iter().filter(|each| each["user"] == "Practitioner/7").collect();
    assert_eq!(hooked.len(), 3, "who was at the screen, once the caller is known");
    assert!(!records.iter().any(|each| each.to_string().contains(patients::PATIENT)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_is_used_up_and_a_full_server_say_when_to_come_again() {
    let mut site = Site::new(Door::Plain);
    site.more = "[rates]\ncalls_per_second = 0.1\nburst = 2\n".to_owned();
    let scorer = site.key("ehr", "scorer", None);
    let server = start(&site, &[]);
    let record = bundle("collection", &often_here());
    let headers = [(API_KEY, scorer.as_str()), TREATMENT];
    let statuses: Vec<Answer> = (0..3).map(|_| post(&server, SCORE, &headers, &record)).collect();
    assert_eq!(statuses.iter().map(|each| each.status).collect::<Vec<_>>(), [200, 200, 429]);
    let wait: u64 = statuses[2].header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    drop(server);

    let site = Site::new(Door::Plain);
    let server = start(&site, &[("LIMITS__CALLS_AT_ONCE_MAX", "1"), ("LIMITS__BODY_SECONDS", "2")]);
    // One who sends slowly has the only place, until the time for a body is over.
    let mut slow = TcpStream::connect(server.ehr.unwrap()).unwrap();
    let token = site.token(&site.issuer, "svc-ehr", "scorer");
    let head = format!(
        "POST {SCORE} HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {token}\r\n\
         {PURPOSE}: TREATMENT\r\ncontent-length: 100\r\n\r\n{{"
    );
    slow.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), TREATMENT];
    let full = post(&server, SCORE, &headers, &record);
    assert_eq!(full.status, 503, "{}", full.body);
    assert!(full.header("retry-after").is_some() && began.elapsed() < Duration::from_secs(1));
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = String::new();
    let _ = slow.read_to_string(&mut said);
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    assert_eq!(post(&server, SCORE, &headers, &record).status, 200, "the place is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_listed_origins_may_call_and_no_others() {
    let site = Site::new(Door::Plain);
    let server = start(&site, &[("EHR__ALLOWED_ORIGINS", "[\"https://ehr.example\"]")]);
    let ask = |origin: &str| {
        let request = format!(
            "OPTIONS {DISCHARGE} HTTP/1.1\r\nhost: here\r\nconnection: close\r\norigin: {origin}\r\n\
             access-control-request-method: POST\r\n\
             access-control-request-headers: content-type,authorization\r\n\r\n"
        );
        asked::send(server.ehr.unwrap(), request.as_bytes())
    };
    let listed = ask("https://ehr.example");
    assert_eq!(listed.status, 200);
    assert_eq!(listed.header("access-control-allow-origin"), Some("https://ehr.example"));
    let allowed = listed.header("access-control-allow-headers").unwrap();
    assert!(allowed.contains("content-type") && allowed.contains("authorization"), "{allowed}");
    assert_eq!(listed.header("access-control-allow-credentials"), None);
    for origin in ["https://evil.example", "null", "https://ehr.example.evil.example"] {
        assert_eq!(ask(origin).header("access-control-allow-origin"), None, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_work_at_the_shutdown_is_answered() {
    let site = Site::new(Door::Plain);
    let mut server =
        start(&site, &[("LIMITS__NOTICE_MILLISECONDS", "100"), ("LIMITS__DRAIN_SECONDS", "10")]);
    let token = site.token(&site.issuer, "svc-ehr", "scorer");
    let body = discharge(&often_here()).to_string();
    let mut stream = TcpStream::connect(server.ehr.unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST {DISCHARGE} HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let (first, rest) = body.split_at(body.len() / 2);
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(first.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let silent = TcpStream::connect(server.ehr.unwrap()).unwrap();
    server.terminate();
    std::thread::sleep(Duration::from_millis(600));
    assert!(TcpStream::connect(server.ehr.unwrap()).is_err(), "nobody new is let in");
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let began = Instant::now();
    assert!(server.ended().success());
    assert!(began.elapsed() < Duration::from_secs(11), "silent connections hold nothing up");
    drop(silent);
    assert_eq!(calls(&site.log()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ehr_shows_who_it_is_by_a_token_for_this_very_address_once() {
    let mut site = Site::new(Door::Plain);
    let ehr = Signer::es384("ehr-1");
    std::fs::write(site.path("ehr.json"), key_set(&[&ehr])).unwrap();
    site.more = format!(
        "[[identity.cds_clients]]\nissuer = \"https://ehr.example\"\njwks_file = {}\nroles = [\"scorer\"]\n",
        toml::Value::from(site.path("ehr.json").to_str().unwrap())
    );
    let server = start(&site, &[("EHR__BASE_URL", "https://risk.example/prodrome")]);
    let now_seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let own = format!("https://risk.example/prodrome{DISCHARGE}");
    let token = |audience: &str, jti: &str, signer: &Signer| {
        let claims = json!({ "iss": "https://ehr.example", "aud": audience, "jti": jti,
            "iat": now_seconds - 5, "exp": now_seconds + 120 });
        format!("Bearer {}", signer.token(&claims))
    };
    let call = discharge(&often_here());
    let good = token(&own, "one", &ehr);
    let feedback = json!({ "feedback": [{ "card": "70726f64-0000-8000-8000-000000000000",
        "outcome": "accepted", "outcomeTimestamp": "2026-11-23T09:30:00Z" }] });
    let noted = format!("{DISCHARGE}/feedback");
    for (what, path, body, token, status) in [
        ("its own address", DISCHARGE, &call, good.clone(), 200),
        ("the same once more", DISCHARGE, &call, good, 401),
        ("another once", DISCHARGE, &call, token(&own, "two", &ehr), 200),
        (
            "another address",
            DISCHARGE,
            &call,
            token(&format!("{own}/feedback"), "three", &ehr),
            401,
        ),
        ("the name of gRPC", DISCHARGE, &call, token("prodrome", "four", &ehr), 401),
        ("another's key", DISCHARGE, &call, token(&own, "five", &Signer::es384("ehr-1")), 401),
        (
            "no CDS Hooks",
            SCORE,
            &bundle("collection", &often_here()),
            token(&own, "six", &ehr),
            401,
        ),
        // Its role scores, and answers for no flag.
        ("feedback", &noted, &feedback, token(&format!("{own}/feedback"), "seven", &ehr), 403),
    ] {
        let answer = post(&server, path, &[("authorization", &token)], body);
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
    }
    let (_, said) = server.end();
    assert!(!said.contains("eyJ"), "a token in the log");
    let callers: Vec<String> = calls(&site.log())
        .iter()
        .filter(|each| each["outcome"] == "OK")
        .map(|each| each["caller"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(callers, ["https://ehr.example"; 2]);
}
