//! The client, its settings, and servers that answer otherwise than they should.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Budget, FetchError, FetchLimits, FhirServers, FhirServersSettings, Refused};

/// How long a test's call may take.
const CALL: Duration = Duration::from_millis(600);

/// A server on this machine that answers each request as `answer` does; it ends with the test.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// The heads of the requests, as they came.
    pub(super) asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heads, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, heads) = (stream.unwrap(), Arc::clone(&heads));
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let (mut head, mut line) = (String::new(), String::new());
                    while reader.read_line(&mut line).unwrap_or(0) > 2 {
                        head += &line;
                        line.clear();
                    }
                    heads.lock().unwrap().push(head.clone());
                    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    answer(&target, &mut stream);
                });
            }
        });
        Server { address, asked }
    }

    /// One that answers each target with this head and body.
    pub(super) fn fixed(head: &'static str, body: &'static str) -> Server {
        Server::start(move |_, stream| send(stream, head, body.as_bytes()))
    }

    pub(super) fn base(&self) -> String {
        format!("http://{}/fhir", self.address)
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn get(&self, query: &str) -> Result<Vec<Vec<u8>>, FetchError> {
        self.get_within(query, &limits())
    }

    pub(super) fn get_within(
        &self,
        query: &str,
        limits: &FetchLimits,
    ) -> Result<Vec<Vec<u8>>, FetchError> {
        let server = servers(&[&self.base()]).find(&self.base()).unwrap();
        server.get(query, Some("secret-token"), &budget(limits))
    }
}

pub(super) fn send(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let length = body.len();
    let _ = write!(stream, "{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(body);
}

pub(super) const FHIR: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json; charset=utf-8";
const PATIENT: &str = r#"{"resourceType":"Patient","id":"1"}"#;

pub(super) fn limits() -> FetchLimits {
    FetchLimits { time: CALL, bytes_max: 1 << 20, pages_max: 20 }
}

pub(super) fn budget(limits: &FetchLimits) -> Budget {
    Budget::new(limits, Instant::now() + Duration::from_secs(60))
}

pub(super) fn servers(bases: &[&str]) -> FhirServers {
    let fhir_servers = bases.iter().map(|&base| base.to_owned()).collect();
    FhirServers::new(&FhirServersSettings { fhir_servers, ..Default::default() }).unwrap()
}

#[test]
fn a_resource_comes_with_the_token_and_nothing_else_goes_out() {
    let server = Server::fixed(FHIR, PATIENT);
    assert_eq!(server.get("Patient/1").unwrap(), [PATIENT.as_bytes()]);
    let heads = server.asked();
    let head = heads[0].to_ascii_lowercase();
    assert!(head.starts_with("get /fhir/patient/1 http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: bearer secret-token\r\n"), "{head}");
    assert!(head.contains("\r\naccept: application/fhir+json\r\n"), "{head}");
    assert!(head.contains("\r\naccept-encoding: identity\r\n"), "{head}");
    assert!(!head.contains("cookie") && !head.contains("referer"), "{head}");
}

#[test]
fn only_servers_of_the_settings_are_found() {
    let known = servers(&["https://ehr.example/fhir/r4", "http://localhost:8080/R4"]);
    for text in [
        "https://ehr.example/fhir/r4",
        "https://EHR.example:443/fhir/r4/",
        "HTTP://localhost:8080/R4/",
    ] {
        assert!(known.find(text).is_ok(), "{text}");
    }
    for (text, why) in [
        ("https://ehr.example/fhir/r4/Patient", Refused::NotListed),
        ("https://ehr.example/fhir", Refused::NotListed),
        ("https://ehr.example/FHIR/R4", Refused::NotListed),
        ("https://ehr.example:444/fhir/r4", Refused::NotListed),
        ("http://ehr.example/fhir/r4", Refused::Scheme),
        ("https://ehr.example.evil.example/fhir/r4", Refused::NotListed),
        ("https://evil.example/ehr.example/fhir/r4", Refused::NotListed),
        ("https://ehr.example@evil.example/fhir/r4", Refused::UserInfo),
        ("https://evil.example\\@ehr.example/fhir/r4", Refused::Character),
        ("https://ehr.example/fhir/r4/../../admin", Refused::Path),
        ("https://ehr.example/fhir/%2e%2e/fhir/r4", Refused::Character),
        ("https://ehr.example/fhir/r4?x=https://ehr.example/fhir/r4", Refused::Query),
        ("https://ehr.example/fhir/r4#", Refused::Query),
        ("https://ehr.example./fhir/r4", Refused::Host),
        ("http://127.0.0.1:8080/R4", Refused::NotListed),
        ("http://[::1]:8080/R4", Refused::NotListed),
        ("http://2130706433:8080/R4", Refused::Host),
        ("http://0x7f000001:8080/R4", Refused::Host),
        ("http://017700000001:8080/R4", Refused::Host),
        ("http://127.1:8080/R4", Refused::Host),
        ("http://169.254.169.254/latest/meta-data", Refused::Scheme),
        ("file:///fhir/r4", Refused::Scheme),
        ("ldap://ehr.example/fhir/r4", Refused::Scheme),
        ("//ehr.example/fhir/r4", Refused::Scheme),
        ("", Refused::Scheme),
    ] {
        assert_eq!(known.find(text).err(), Some(why), "{text}");
    }
    assert!(servers(&[]).is_empty());
    assert_eq!(servers(&[]).find("https://ehr.example/fhir/r4").err(), Some(Refused::NotListed));
}

#[test]
fn settings_at_fault_are_named_by_their_key() {
    let settings = FhirServersSettings {
        fhir_servers: vec!["http://ehr.example/fhir".into(), "https://ehr.example".into()],
        fhir_seconds_max: 0,
        fhir_bytes_max: 0,
        fhir_pages_max: 1_000,
        ..Default::default()
    };
    let faults = FhirServers::new(&settings).unwrap_err();
    let keys: Vec<&str> = faults.iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["fhir_servers", "fhir_seconds_max", "fhir_bytes_max", "fhir_pages_max"]);
    assert!(faults[0].reason.starts_with("number 1: must begin with https://"), "{faults:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for content in ["", "no PEM", "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&file, content).unwrap();
        let settings =
            FhirServersSettings { fhir_ca_file: Some(file.clone()), ..Default::default() };
        assert_eq!(FhirServers::new(&settings).unwrap_err()[0].key, "fhir_ca_file");
    }
}

#[test]
fn a_redirect_is_named_and_not_followed_and_the_token_goes_nowhere_else() {
    let elsewhere = Server::fixed(FHIR, PATIENT);
    let target = elsewhere.address;
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start(move |_, stream| {
            let head =
                format!("HTTP/1.1 {status} Moved\r\nlocation: http://{target}/fhir/Patient/1");
            send(stream, &head, b"");
        });
        assert_eq!(server.get("Patient/1"), Err(FetchError::Redirect(status)));
    }
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn what_is_no_answer_is_named() {
    let none = "";
    for (head, body, error) in [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-type: application/fhir+json",
            PATIENT,
            FetchError::Status(404),
        ),
        ("HTTP/1.1 401 Unauthorized", none, FetchError::Status(401)),
        ("HTTP/1.1 500 Oops", none, FetchError::Status(500)),
        ("HTTP/1.1 204 No Content", none, FetchError::Status(204)),
        ("HTTP/1.1 200 OK\r\ncontent-type: text/html", "<html>", FetchError::NotFhir),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/fhir+xml",
            "<Patient/>",
            FetchError::NotFhir,
        ),
        ("HTTP/1.1 200 OK", PATIENT, FetchError::NotFhir),
        (FHIR, "", FetchError::NotFhir),
        (FHIR, "[]", FetchError::NotFhir),
        (FHIR, "{}", FetchError::NotFhir),
        (FHIR, "{\"resourceType\":\"Patient\"", FetchError::NotFhir),
        (FHIR, "{\"resourceType\":1}", FetchError::NotFhir),
        (FHIR, r#"{"resourceType":"OperationOutcome"}"#, FetchError::NotFhir),
        (FHIR, r#"{"resourceType":"Bundle","link":{}}"#, FetchError::NotFhir),
        (FHIR, r#"{"resourceType":"Bundle","link":[{"relation":"next"}]}"#, FetchError::NextPage),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-encoding: gzip",
            PATIENT,
            FetchError::Compressed,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-encoding: br",
            PATIENT,
            FetchError::Compressed,
        ),
        ("nonsense", none, FetchError::NotHttp),
    ] {
        let server = Server::start(move |_, stream| send(stream, head, body.as_bytes()));
        assert_eq!(server.get("Patient/1"), Err(error), "{head} {body}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base = format!("http://{closed}/fhir");
    let got = servers(&[&base]).find(&base).unwrap().get("Patient/1", None, &budget(&limits()));
    assert_eq!(got, Err(FetchError::NoConnection));
}

#[test]
fn deep_nesting_is_no_stack_overflow() {
    let body = format!(
        r#"{{"resourceType":"Patient","x":{}{}}}"#,
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    let server = Server::start(move |_, stream| send(stream, FHIR, body.as_bytes()));
    assert_eq!(server.get("Patient/1").unwrap().len(), 1, "whoever reads it judges it");
}

#[test]
fn questions_stay_inside_the_server_and_tokens_inside_a_header() {
    let server = Server::fixed(FHIR, PATIENT);
    for query in ["/Patient/1", "../admin", "https://evil.example/x", "Patient/%2e%2e/x", "a b"] {
        assert_eq!(server.get(query), Err(FetchError::Query), "{query}");
    }
    let allowed = servers(&[&server.base()]).find(&server.base()).unwrap();
    for token in ["", "a b", "a\r\nx-evil: 1", "\u{e9}", &"a".repeat(20_000)] {
        let got = allowed.get("Patient/1", Some(token), &budget(&limits()));
        assert_eq!(got, Err(FetchError::Token));
    }
    assert!(server.asked().is_empty());
}

#[test]
fn a_server_without_its_certificate_gets_no_token() {
    let server = Server::fixed(FHIR, PATIENT);
    let base = format!("https://127.0.0.1:{}/fhir", server.address.port());
    let allowed = servers(&[&base]).find(&base).unwrap();
    assert!(allowed.get("Patient/1", Some("secret-token"), &budget(&limits())).is_err());
    assert!(server.asked().iter().all(|head| !head.contains("secret-token")));
}

#[test]
fn no_words_hold_an_address_or_a_token() {
    let server =
        Server::fixed("HTTP/1.1 302 Found\r\nlocation: https://evil.example/secret-place", "");
    let error = server.get("Observation?patient=secret-patient").unwrap_err();
    let words = format!("{error} {error:?}");
    assert!(!words.contains("secret") && !words.contains("evil"), "{words}");
    assert_eq!(
        error.to_string(),
        "the FHIR server answered with a redirect (status 302), which is never followed"
    );
}
