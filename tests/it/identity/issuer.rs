//! Keys from an issuer's address: fetched in the background, kept through outages, and asked for again
//! no oftener than allowed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prodrome::identity::{AuthError, AuthKind, Identity, JwtSettings};
use serde_json::json;

use super::signer::{Signer, claims, key_set};
use super::tokens::settings;
use super::{NOW_SECONDS, bearer};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Answers {
    /// What is answered; nothing while the issuer is out of reach.
    body: Option<String>,
    head: String,
    asked: usize,
    ends: bool,
}

/// An issuer on this machine.
struct Server {
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(body: Option<String>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let head = "HTTP/1.1 200 OK".to_owned();
        let answers = Arc::new(Mutex::new(Answers { body, head, ..Answers::default() }));
        let shared = Arc::clone(&answers);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                let mut answers = shared.lock().unwrap();
                if answers.ends {
                    return;
                }
                answers.asked += 1;
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                if let Some(body) = &answers.body {
                    let head = &answers.head;
                    let length = body.len();
                    let _ = write!(
                        stream,
                        "{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                    );
                }
            }
        });
        Server { address, answers, thread: Some(thread) }
    }

    fn set(&self, body: Option<String>) {
        self.answers.lock().unwrap().body = body;
    }

    fn asked(&self) -> usize {
        self.answers.lock().unwrap().asked
    }

    fn identity(&self, refetch_seconds: u32) -> Identity {
        let jwks_url = Some(format!("http://{}/keys", self.address));
        let jwt = JwtSettings { jwks_url, refetch_seconds, ..JwtSettings::default() };
        Identity::open(&settings(jwt)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.answers.lock().unwrap().ends = true;
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

/// Serves a key set for as long as the tests run, and tells where.
pub(super) fn serve_keys(body: String) -> String {
    let server = Server::start(Some(body));
    let address = format!("http://{}/keys", server.address);
    std::mem::forget(server);
    address
}

fn error(identity: &Identity, signer: &Signer) -> Option<AuthError> {
    identity.authenticate(&bearer(&signer.token(&claims())), NOW_SECONDS).err()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn new_keys_are_fetched_when_a_token_names_one_and_an_outage_changes_nothing() {
    let (first, second) = (Signer::es256("first"), Signer::es256("second"));
    let server = Server::start(Some(key_set(&[&first])));
    let identity = server.identity(1);
    assert_eq!(error(&identity, &first), None, "the keys were there from the start");
    server.set(Some(key_set(&[&second])));
    assert_eq!(error(&identity, &second), Some(AuthError::TokenKey), "not fetched yet");
    wait_until("the second key is fetched", || error(&identity, &second).is_none());
    assert_eq!(error(&identity, &first), Some(AuthError::TokenKey), "withdrawn by the issuer");

    let third = Signer::es256("third");
    for body in [None, Some("no keys".to_owned()), Some("x".repeat(2 << 20))] {
        server.set(body);
        let before = server.asked();
        assert_eq!(error(&identity, &third), Some(AuthError::TokenKey));
        wait_until("the issuer is asked", || server.asked() > before);
        assert_eq!(error(&identity, &second), None, "cached keys go on serving");
    }
    server.answers.lock().unwrap().head = "HTTP/1.1 302 Found\r\nlocation: /keys".into();
    server.set(Some(key_set(&[&third])));
    let before = server.asked();
    assert_eq!(error(&identity, &third), Some(AuthError::TokenKey));
    wait_until("the issuer is asked", || server.asked() > before);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(error(&identity, &third), Some(AuthError::TokenKey), "no redirect is followed");
    assert_eq!(error(&identity, &second), None);
}

#[test]
fn however_many_tokens_name_unknown_keys_the_issuer_is_asked_once_a_minute() {
    let known = Signer::es256("known");
    let server = Server::start(Some(key_set(&[&known])));
    let identity = server.identity(60);
    let forger = Signer::es256("forged");
    for number in 0..500 {
        let header = json!({"alg": "ES256", "kid": format!("unknown-{number}")}).to_string();
        let token = forger.sign(&header, &claims().to_string());
        let refused = identity.authenticate(&bearer(&token), NOW_SECONDS);
        assert_eq!(refused.unwrap_err(), AuthError::TokenKey);
    }
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(server.asked(), 1, "that of the start");
    assert_eq!(error(&identity, &known), None);
}

#[test]
fn an_issuer_out_of_reach_at_the_start_is_asked_until_it_answers() {
    let signer = Signer::es256("k");
    let server = Server::start(None);
    let identity = server.identity(1);
    let refused = error(&identity, &signer).unwrap();
    assert_eq!((refused.kind(), &refused), (AuthKind::Unavailable, &AuthError::NoKeysYet));
    server.set(Some(key_set(&[&signer])));
    wait_until("the keys are fetched", || error(&identity, &signer).is_none());
}
