//! The client against servers that mean it no good: slow, huge, endless, and names that lead elsewhere.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::address::Lookup;
use super::tests::{FHIR, Server, budget, limits, send, servers};
use super::{FetchError, FetchLimits, FhirServers, FhirServersSettings};

/// How long a test waits for the end of a call.
const IN_TIME: Duration = Duration::from_secs(3);

/// Asks a server that never gives a whole answer, and sees that the call ends in time.
fn ends_in_time(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) {
    let server = Server::start(answer);
    let begun = Instant::now();
    assert_eq!(server.get("Patient/1"), Err(FetchError::TooSlow));
    assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
}

#[test]
fn slow_and_trickling_servers_end_in_time() {
    let nap = || std::thread::sleep(Duration::from_millis(20));
    ends_in_time(|_, stream| {
        let _ = stream.read(&mut [0; 1]);
    });
    ends_in_time(move |_, stream| {
        let mut head = FHIR.bytes().chain(*b"\r\nx: ").chain(std::iter::repeat(b'a'));
        while stream.write_all(&[head.next().unwrap()]).is_ok() {
            nap();
        }
    });
    ends_in_time(move |_, stream| {
        let _ = write!(stream, "{FHIR}\r\ncontent-length: 100000\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            nap();
        }
    });
    ends_in_time(move |_, stream| {
        let _ = write!(stream, "{FHIR}\r\ntransfer-encoding: chunked\r\n\r\n");
        while stream.write_all(b"1\r\n \r\n").is_ok() {
            nap();
        }
    });
}

#[test]
fn huge_answers_end_where_the_budget_does() {
    let small = FetchLimits { bytes_max: 100_000, time: Duration::from_secs(20), ..limits() };
    let promised = Server::start(|_, stream| {
        let _ = write!(stream, "{FHIR}\r\ncontent-length: 100001\r\n\r\n");
        let _ = stream.read(&mut [0; 1]);
    });
    assert_eq!(promised.get_within("Patient/1", &small), Err(FetchError::TooLarge));
    let endless = Server::start(|_, stream| {
        let _ = write!(stream, "{FHIR}\r\nconnection: close\r\n\r\n");
        while stream.write_all(&[b' '; 4096]).is_ok() {}
    });
    assert_eq!(endless.get_within("Patient/1", &small), Err(FetchError::TooLarge));
    let head = Server::start(|_, stream| {
        let _ = write!(stream, "{FHIR}\r\nx: ");
        while stream.write_all(&[b'a'; 4096]).is_ok() {}
    });
    assert_eq!(head.get_within("Patient/1", &small), Err(FetchError::NotHttp));
}

/// A Bundle with a link to the next page.
fn page(next: &str) -> String {
    format!(
        r#"{{"resourceType":"Bundle","link":[{{"relation":"self","url":"x"}},{{"relation":"next","url":"{next}"}}]}}"#
    )
}

#[test]
fn pages_are_followed_to_their_end_within_the_server() {
    let server = Server::start(|target, stream| {
        let body = match target {
            "/fhir/Condition?patient=1" => page("?_getpages=a"),
            "/fhir?_getpages=a" => page("Condition?page=3"),
            _ => {
                r#"{"resourceType":"Bundle","link":[{"relation":"previous","url":"x"}]}"#.to_owned()
            }
        };
        send(stream, FHIR, body.as_bytes());
    });
    assert_eq!(server.get("Condition?patient=1").unwrap().len(), 3);
    assert_eq!(server.asked().len(), 3);
    assert!(server.asked().iter().all(|head| head.contains("secret-token")), "inside the server");
}

#[test]
fn a_next_page_elsewhere_is_refused_and_the_token_stays() {
    let elsewhere = Server::fixed(FHIR, r#"{"resourceType":"Bundle"}"#);
    let port = elsewhere.address.port();
    for next in [
        format!("http://127.0.0.1:{port}/fhir?page=2"),
        format!("http://localhost:{port}/fhir?page=2"),
        format!("//127.0.0.1:{port}/fhir"),
        "file:///etc/passwd".to_owned(),
        "/other?page=2".to_owned(),
        "../other?page=2".to_owned(),
    ] {
        let server = Server::start(move |_, stream| send(stream, FHIR, page(&next).as_bytes()));
        assert_eq!(server.get("Condition?patient=1"), Err(FetchError::NextPage));
        assert_eq!(server.asked().len(), 1);
    }
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn endless_paging_ends_with_the_pages_of_one_call() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_, stream| {
        let number = count.fetch_add(1, SeqCst);
        send(stream, FHIR, page(&format!("?page={number}")).as_bytes());
    });
    let limits = FetchLimits { time: Duration::from_secs(20), pages_max: 7, ..limits() };
    let got = server.get_within("Condition?patient=1", &limits);
    assert_eq!(got, Err(FetchError::TooManyPages));
    assert_eq!(server.asked().len(), 7);
}

#[test]
fn several_questions_go_at_most_four_at_once_in_one_budget() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, highest) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::start(move |target, stream| {
        highest.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
        std::thread::sleep(Duration::from_millis(100));
        running.fetch_sub(1, SeqCst);
        match target.ends_with("/3") {
            true => send(stream, "HTTP/1.1 404 Not Found", b""),
            false => {
                send(stream, FHIR, format!(r#"{{"resourceType":"X","t":"{target}"}}"#).as_bytes())
            }
        }
    });
    let allowed = servers(&[&server.base()]).find(&server.base()).unwrap();
    let queries: Vec<String> = (0..10).map(|number| format!("Patient/{number}")).collect();
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    let wide = FetchLimits { time: Duration::from_secs(20), ..limits() };
    let answers = allowed.get_all(&queries, None, &budget(&wide));
    for (place, answer) in answers.iter().enumerate() {
        match answer {
            Err(error) => assert_eq!((place, error), (3, &FetchError::Status(404))),
            Ok(pages) => {
                let text = String::from_utf8(pages[0].clone()).unwrap();
                assert!(text.contains(&format!("/Patient/{place}\"")), "{text}");
            }
        }
    }
    assert!((2..=4).contains(&most.load(SeqCst)), "{most:?}");
    let few = FetchLimits { pages_max: 6, ..wide };
    let answers = allowed.get_all(&queries, None, &budget(&few));
    let refused = answers.iter().filter(|answer| **answer == Err(FetchError::TooManyPages)).count();
    assert_eq!((answers.len(), refused), (10, 4), "all use up one budget");
    assert_eq!(allowed.get_all(&[], None, &budget(&few)), []);
}

#[test]
fn a_name_that_leads_here_is_not_connected_to() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port();
    let base = format!("https://ehr.example:{port}/fhir");
    for ip in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254"] {
        let lookup: Lookup = Arc::new(move |name, port| {
            assert_eq!(name, "ehr.example");
            Ok(vec![SocketAddr::new(ip.parse().unwrap(), port)])
        });
        let settings =
            FhirServersSettings { fhir_servers: vec![base.clone()], ..Default::default() };
        let servers = FhirServers::with_lookup(&settings, lookup).unwrap();
        let got = servers.find(&base).unwrap().get("Patient/1", Some("t"), &budget(&limits()));
        assert_eq!(got, Err(FetchError::AddressRefused), "{ip}");
    }
    assert!(trap.accept().is_err(), "nobody came");
}
