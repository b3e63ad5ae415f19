//! Data that are fetched from the EHR's own server: whole, in time, and from nowhere else.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::patients::{SEARCHES, bundle, discharge, often_here};
use super::{DISCHARGE, asked, post, server};
use crate::serve::process::Server;

/// How a FHIR server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Answers, searches in pages of seven.
    Good,
    /// Answers with nothing, and never ends the call.
    Silent,
    /// Sends a byte now and then.
    Trickling,
    /// Has a next page for ever.
    Endless,
    /// Leads elsewhere.
    Redirecting,
    /// Names a next page at another server.
    LeadingAway,
    /// Sends more than anybody asked for.
    Huge,
    Failing,
    NotFhir,
}

/// A FHIR server on this machine; it ends with the test.
struct Fake {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn start(manner: Manner) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = Arc::clone(&heard);
                std::thread::spawn(move || answer(stream, address, manner, &heard));
            }
        });
        Fake { address, asked }
    }

    fn base(&self) -> String {
        format!("http://{}/fhir", self.address)
    }
}

fn answer(mut stream: TcpStream, own: SocketAddr, manner: Manner, heard: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        request += &line;
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    heard.lock().unwrap().push(request.clone());
    let mut say = |status: &str, kind: &str, body: &str| {
        let length = body.len();
        let _ = stream.write_all(
            format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").as_bytes(),
        );
    };
    const FHIR: &str = "application/fhir+json";
    match manner {
        Manner::Good => say("200 OK", FHIR, &page(&path, own).to_string()),
        Manner::Silent => std::thread::sleep(Duration::from_secs(20)),
        Manner::Trickling => {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {FHIR}\r\ncontent-length: 100000\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes());
            for _ in 0..200 {
                if stream.write_all(b" ").is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Manner::Endless => {
            let mut body = bundle("searchset", &[]);
            body["link"] = json!([{ "relation": "next", "url": format!("http://{own}/fhir/Condition?page=1") }]);
            say("200 OK", FHIR, &body.to_string());
        }
        Manner::LeadingAway => {
            let mut body = bundle("searchset", &[]);
            body["link"] = json!([{ "relation": "next", "url": format!("http://localhost:{}/fhir/x", own.port()) }]);
            say("200 OK", FHIR, &body.to_string());
        }
        Manner::Redirecting => {
            let head = format!(
                "HTTP/1.1 302 Found\r\nlocation: http://{own}/elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes());
        }
        Manner::Huge => {
            let body =
                format!("{{\"resourceType\":\"Bundle\",\"x\":\"{}\"}}", "y".repeat(20 << 20));
            say("200 OK", FHIR, &body);
        }
        Manner::Failing => say("500 Internal Server Error", "text/plain", "Zzyzx"),
        Manner::NotFhir => say("200 OK", "text/html", "<html>Zzyzx</html>"),
    }
}

/// The answer of a good server: a resource by its id, or a page of a search.
fn page(path: &str, own: SocketAddr) -> Json {
    let resources = often_here();
    let path = path.strip_prefix("/fhir/").unwrap_or_default();
    if let Some((_, id)) = path.split_once('/').filter(|_| !path.contains('?')) {
        return resources.into_iter().find(|each| each["id"] == id).unwrap_or(Json::Null);
    }
    let (kind, query) = path.split_once('?').unwrap();
    let from: usize = query
        .split('&')
        .find_map(|each| each.strip_prefix("from="))
        .map_or(0, |from| from.parse().unwrap());
    let of_kind: Vec<Json> =
        resources.into_iter().filter(|each| each["resourceType"] == kind).collect();
    let shown: Vec<Json> = of_kind.iter().skip(from).take(7).cloned().collect();
    let mut answer = bundle("searchset", &shown);
    if from + 7 < of_kind.len() {
        let next = format!("http://{own}/fhir/{kind}?patient=pat-1&from={}", from + 7);
        answer["link"] = json!([{ "relation": "next", "url": next }]);
    }
    answer
}

/// A call without data that names `fhir_server`.
fn bare(fhir_server: &str) -> Json {
    let mut call = discharge(&often_here());
    call.as_object_mut().unwrap().remove("prefetch");
    call["fhirServer"] = json!(fhir_server);
    call["fhirAuthorization"] = json!({ "access_token": "token-marker", "token_type": "Bearer",
        "expires_in": 300, "scope": "patient/*.rs", "subject": "prodrome" });
    call
}

fn allowing(fake: &Fake, more: &[(&str, &str)]) -> Server {
    let allowed = format!("[\"{}\"]", fake.base());
    let own = [("EHR__FHIR_SERVERS", allowed.as_str())];
    server(&own.iter().chain(more).copied().collect::<Vec<_>>())
}

#[test]
fn what_is_not_prefetched_is_fetched_page_by_page_and_gives_the_same_cards() {
    let fake = Fake::start(Manner::Good);
    let server = allowing(&fake, &[]);
    let fetched = post(&server, DISCHARGE, &bare(&fake.base()));
    assert_eq!(fetched.status, 200, "{}", fetched.body);
    let sent = post(&server, DISCHARGE, &discharge(&often_here()));
    assert_eq!(fetched.body, sent.body);
    assert!(!sent.body["cards"].as_array().unwrap().is_empty());
    let asked = fake.asked.lock().unwrap();
    assert!(asked.len() > SEARCHES.len(), "pages are followed: {}", asked.len());
    for request in asked.iter() {
        let head = request.to_ascii_lowercase();
        assert!(head.contains("authorization: bearer token-marker"), "{head}");
        assert!(head.contains("accept: application/fhir+json"), "{head}");
        assert!(head.starts_with("get /fhir/"), "{head}");
    }
    // Only what did not come is asked for.
    drop(asked);
    fake.asked.lock().unwrap().clear();
    let mut call = bare(&fake.base());
    call["prefetch"] = discharge(&often_here())["prefetch"].clone();
    call["prefetch"].as_object_mut().unwrap().remove("observations");
    let some = post(&server, DISCHARGE, &call);
    assert_eq!(some.body, sent.body);
    assert!(fake.asked.lock().unwrap().iter().all(|each| each.contains("/Observation?")));
    let (_, said) = server.end();
    assert!(!said.contains("token-marker") && !said.contains("pat-1"), "{said}");
}

#[test]
fn a_bad_fhir_server_ends_in_412_in_time_and_its_words_are_not_repeated() {
    for manner in [
        Manner::Silent,
        Manner::Trickling,
        Manner::Endless,
        Manner::Redirecting,
        Manner::LeadingAway,
        Manner::Huge,
        Manner::Failing,
        Manner::NotFhir,
    ] {
        let fake = Fake::start(manner);
        let server = allowing(&fake, &[("EHR__FHIR_SECONDS_MAX", "1")]);
        let began = Instant::now();
        let answer = post(&server, DISCHARGE, &bare(&fake.base()));
        let took = began.elapsed();
        assert_eq!(answer.status, 412, "{manner:?}: {}", answer.body);
        assert!(took < Duration::from_secs(5), "{manner:?}: {took:?}");
        let said = answer.body.to_string();
        assert!(!said.contains("Zzyzx") && !said.contains("elsewhere"), "{manner:?}: {said}");
        let elsewhere = fake.asked.lock().unwrap().iter().any(|each| each.contains("elsewhere"));
        assert!(!elsewhere, "{manner:?}: the redirect was followed");
    }
}

#[test]
fn servers_that_are_not_listed_are_never_asked() {
    let (listed, other) = (Fake::start(Manner::Good), Fake::start(Manner::Good));
    let server = allowing(&listed, &[]);
    let port = other.address.port();
    let own = listed.address;
    for given in [
        other.base(),
        format!("http://localhost:{port}/fhir"),
        format!("http://127.1:{port}/fhir"),
        format!("http://2130706433:{port}/fhir"),
        format!("http://0x7f000001:{port}/fhir"),
        format!("http://[::1]:{port}/fhir"),
        format!("http://[::ffff:127.0.0.1]:{port}/fhir"),
        format!("http://{own}@127.0.0.1:{port}/fhir"),
        format!("http://{own}.evil.example/fhir"),
        format!("http://{own}/fhir/../admin"),
        format!("http://{own}/fhir%2f..%2fadmin"),
        format!("http://{own}/other"),
        format!("https://{own}/fhir"),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1/".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        String::new(),
    ] {
        let answer = post(&server, DISCHARGE, &bare(&given));
        assert!([400, 412].contains(&answer.status), "{given}: {}", answer.status);
        assert!(
            answer.issues().iter().any(|(at, _)| at == "fhirServer" || given.is_empty()),
            "{given}: {}",
            answer.body
        );
    }
    assert!(other.asked.lock().unwrap().is_empty(), "nobody else was asked");
    assert!(listed.asked.lock().unwrap().is_empty(), "nor the listed one");
    let live = asked::get(server.ehr.unwrap(), "/cds-services", &[]);
    assert_eq!(live.status, 200);
}
