//! The pages beside gRPC: what they answer, what they refuse, and that their metrics are well-formed,
//! few and free of anything of a patient.

pub(crate) mod exposition;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prodrome::access::Outcome;
use prodrome::bundle::Bundle;
use prodrome::http::{self, NotReady, Pages, Readiness};
use prodrome::meters::{self, Meters, Shed, method_label};
use prodrome::record::{Code, Event, EventKind, Value};
use prodrome::service::{Answer, ScoreOptions, ScoreRequest, Service};
use prodrome::{registry, telemetry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{discharge, patient, service, shipped_files, task_folder};
use exposition::{Exposition, check_with_promtool};

/// Sends `request` and reads to the end of the connection.
async fn ask(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is cut may end in a reset.
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer))
        .await
        .expect("the connection ends");
    String::from_utf8(answer).unwrap()
}

/// The answer to a GET of `path`, head and body.
pub(crate) async fn get(address: std::net::SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n")).await
}

struct Shown {
    address: std::net::SocketAddr,
    readiness: Arc<Readiness>,
    has_model: Arc<AtomicBool>,
    is_writable: Arc<AtomicBool>,
    server: tokio::task::JoinHandle<()>,
}

async fn show() -> Shown {
    let [has_model, is_writable] = [true, true].map(|is_so| Arc::new(AtomicBool::new(is_so)));
    let asked = |flag: &Arc<AtomicBool>| {
        let flag = Arc::clone(flag);
        move || flag.load(Ordering::Relaxed)
    };
    let readiness = Arc::new(Readiness::new(asked(&has_model), asked(&is_writable)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pages = Pages::new(Arc::clone(&readiness), || "prodrome_up 1\n".to_owned());
    let server = tokio::spawn(http::serve(listener, pages, std::future::pending()));
    Shown { address, readiness, has_model, is_writable, server }
}

#[tokio::test]
async fn probes_tell_a_living_server_from_one_that_is_ready() {
    let shown = show().await;
    assert!(get(shown.address, "/livez").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(get(shown.address, "/readyz").await.starts_with("HTTP/1.1 200 OK\r\n"));
    shown.has_model.store(false, Ordering::Relaxed);
    shown.is_writable.store(false, Ordering::Relaxed);
    let answer = get(shown.address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with("no model is in service\nthe access log cannot be written\n"));
    shown.has_model.store(true, Ordering::Relaxed);
    shown.is_writable.store(true, Ordering::Relaxed);
    assert_eq!(shown.readiness.faults(), []);
    shown.readiness.drain();
    assert_eq!(shown.readiness.faults(), [NotReady::Draining]);
    assert!(get(shown.address, "/readyz").await.ends_with("shutting down\n"));
    assert!(get(shown.address, "/livez").await.starts_with("HTTP/1.1 200 OK\r\n"));
    shown.server.abort();
}

#[tokio::test]
async fn nothing_else_is_there_and_nothing_large_is_read() {
    let shown = show().await;
    let metrics = get(shown.address, "/metrics").await;
    assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
    assert!(metrics.ends_with("\r\n\r\nprodrome_up 1\n"), "{metrics}");
    for path in ["/", "/metrics/", "/../etc/passwd", "/debug/pprof", "/metrics%00", "/%2e%2e/x"] {
        assert!(get(shown.address, path).await.starts_with("HTTP/1.1 404 "), "{path}");
    }
    let post = "POST /metrics HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n";
    let answer = ask(shown.address, post).await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    let long = format!("GET /livez HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(64 << 10));
    assert!(!ask(shown.address, &long).await.starts_with("HTTP/1.1 200"));
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(100));
    assert!(!ask(shown.address, &many).await.starts_with("HTTP/1.1 200"));
    assert!(!ask(shown.address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.contains("200 OK"));
    shown.server.abort();
}

#[tokio::test]
async fn silent_connections_are_few_and_end() {
    let shown = show().await;
    let began = std::time::Instant::now();
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(shown.address).await.unwrap());
    }
    let ended = silent.into_iter().map(|mut stream| async move {
        let mut byte = [0];
        let _ = stream.read(&mut byte).await;
        began.elapsed()
    });
    let ended = ended.map(tokio::spawn).collect::<Vec<_>>();
    let mut at_once = 0;
    for end in ended {
        let took = tokio::time::timeout(Duration::from_secs(20), end).await.unwrap().unwrap();
        at_once += usize::from(took < Duration::from_secs(4));
    }
    assert_eq!(at_once, 24, "all beyond sixteen are closed at once");
    assert!(get(shown.address, "/livez").await.starts_with("HTTP/1.1 200 OK\r\n"));
    shown.server.abort();
}

#[test]
fn calls_are_counted_once_and_leave_nothing_in_flight() {
    let meters = Meters::new();
    let score = method_label("/prodrome.v1.RiskScoring/Score");
    meters.call(score).answered(Outcome::Ok, Duration::from_micros(300));
    meters.call(score).answered(Outcome::ResourceExhausted, Duration::from_micros(20));
    drop(meters.call(score));
    let open = meters.call(method_label("/patient/4711"));
    let connection = meters.connection();
    meters.shed(Shed::CallsAtOnce);
    meters.audit_failed();
    meters.tend();
    let page = Exposition::parse(&meters.render());
    let calls =
        |method, code| page.value("prodrome_calls_total", &[("method", method), ("code", code)]);
    assert_eq!(calls("Score", "OK"), Some(1.0));
    assert_eq!(calls("Score", "RESOURCE_EXHAUSTED"), Some(1.0));
    assert_eq!(calls("Score", "CANCELLED"), Some(1.0));
    assert_eq!(page.value("prodrome_calls_in_flight", &[]), Some(1.0));
    assert_eq!(page.value("prodrome_connections", &[]), Some(1.0));
    assert_eq!(page.value("prodrome_sheds_total", &[("reason", "calls_at_once")]), Some(1.0));
    assert_eq!(page.value("prodrome_audit_failures_total", &[]), Some(1.0));
    assert_eq!(page.value("prodrome_break_glass_total", &[]), Some(0.0), "0 is shown too");
    let duration = |le| {
        let labels = [("method", "Score"), ("le", le)];
        page.value("prodrome_call_duration_seconds_bucket", &labels)
    };
    assert_eq!(
        [duration("0.0001"), duration("0.0005"), duration("+Inf")],
        [1.0, 2.0, 2.0].map(Some)
    );
    drop((open, connection));
    let page = Exposition::parse(&meters.render());
    let cancelled = [("method", "unknown"), ("code", "CANCELLED")];
    assert_eq!(page.value("prodrome_calls_total", &cancelled), Some(1.0));
    assert_eq!(page.value("prodrome_calls_in_flight", &[]), Some(0.0));
    assert_eq!(page.value("prodrome_connections", &[]), Some(0.0));
}

#[test]
fn only_methods_of_ours_are_labels() {
    assert_eq!(method_label("/grpc.health.v1.Health/Check"), "Health.Check");
    for path in ["/prodrome.v1.RiskScoring/score", "/x", "", "/prodrome.v1.ModelCatalog/Score"] {
        assert_eq!(method_label(path), "unknown", "{path}");
    }
}

#[test]
fn series_stay_few_whatever_is_served() {
    let meters = Meters::new();
    for number in 0..10_000 {
        let (task, version) = (format!("task{}", number % 300), number.to_string());
        meters.scored(&task, &version, Some("high"));
        meters.not_eligible(&task);
    }
    let page = Exposition::parse(&meters.render());
    assert_eq!(page.sum("prodrome_scores_total"), 10_000.0, "none is lost");
    assert_eq!(page.sum("prodrome_not_eligible_total"), 10_000.0);
    let other = [("task", "other"), ("version", "other"), ("tier", "other")];
    assert!(page.value("prodrome_scores_total", &other).unwrap() > 9_000.0);
    assert!(page.samples() <= 200, "{}", page.samples());
}

/// Answers `count` made-up patients, each with marks of its own in every free field.
fn answer_made_up_patients(service: &Service, count: u32) {
    for number in 0..count {
        let mark = format!("CANARY{number}");
        let mut record = patient();
        record.patient_id = mark.clone();
        record.encounters[1].id = mark.clone();
        record.encounters[1].facility = Some(mark.clone());
        for event in &mut record.events {
            event.encounter_id = Some(mark.clone());
        }
        let code = Code::parse(&format!("{mark}//{mark}")).unwrap();
        let mut text = Event::new(EventKind::Other, code, discharge().plus_hours(-30));
        text.value = Some(Value::Text(mark.clone()));
        text.id = Some(mark.clone());
        let mut blood = record.events[4].clone();
        blood.value = Some(Value::Number(f64::from(number) + 0.4711));
        blood.unit = Some(mark);
        record.events.extend([text, blood]);
        let request = ScoreRequest {
            record,
            issues: Vec::new(),
            only_allowed: false,
            tasks: Vec::new(),
            prediction_time: Some(discharge()),
            options: ScoreOptions::default(),
            team: None,
        };
        let response = service.score(&request, discharge()).unwrap();
        assert!(matches!(response.assessments[0].outcome, Answer::Score(_)));
    }
}

fn metrics_page_after(patients: u32) {
    let service = service();
    let scores = |page: &str| Exposition::parse(page).sum("prodrome_scores_total");
    let registry = service.models().current();
    let bundles = || registry.served().iter().map(|bundle| bundle.as_ref());
    let page = || telemetry::metrics_page(meters::process(), bundles());
    let before = scores(&page());
    answer_made_up_patients(&service, patients);
    let text = page();
    check_with_promtool(&text);
    // Other tests of this process count too.
    assert!(scores(&text) >= before + f64::from(patients));
    assert!(!text.contains("CANARY") && !text.contains(".4711"), "a label holds a patient's word");
    let page = Exposition::parse(&text);
    assert!(page.samples() <= 500, "{} series", page.samples());
    let kind = [("kind", "UNKNOWN_UNIT")];
    assert!(page.value("prodrome_data_issues_total", &kind).unwrap() >= f64::from(patients));
    let digest = registry.served()[0].digest();
    let info = [("task", "readmit30_diabetes"), ("version", "1"), ("digest", digest)];
    assert_eq!(page.value("prodrome_model_info", &info), Some(1.0));
    let score = [("task", "readmit30_diabetes"), ("version", "1"), ("input", "score")];
    let psi = page.value("prodrome_drift_psi", &score).unwrap();
    assert!(psi > 0.25, "one patient again and again is not the development cohort: {psi}");
    assert_eq!(page.count("prodrome_drift_psi"), 21);
    if cfg!(target_os = "linux") {
        let resident = page.value("process_resident_memory_bytes", &[]).unwrap();
        assert!((1e6..1e11).contains(&resident), "{resident}");
        assert!(page.value("process_open_fds", &[]).unwrap() >= 3.0);
        let started = page.value("process_start_time_seconds", &[]).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let age = now.as_secs_f64() - started;
        assert!((-5.0..1e6).contains(&age), "{age}");
    }
}

#[test]
fn many_patients_make_few_series_and_leave_no_word_in_them() {
    metrics_page_after(3_000);
}

#[test]
#[ignore = "a minute: the same with a hundred thousand patients"]
fn a_hundred_thousand_patients_make_few_series() {
    metrics_page_after(100_000);
}

/// The rows that the bundle checks itself with, over and over until there are `rows`.
fn golden(bundle: &Bundle, rows: usize) -> Vec<Vec<f32>> {
    let golden = bundle.manifest().golden.iter();
    golden.cycle().take(rows).map(|golden| golden.values()).collect()
}

#[test]
fn drift_is_said_of_enough_rows_and_forgets_old_ones() {
    let bundle = Bundle::open(&shipped_files()).unwrap();
    let reference = bundle.manifest().drift_reference.clone().unwrap();
    let rows = golden(&bundle, 199);
    for row in &rows {
        bundle.saw_row(row);
        bundle.saw_probability(0.99);
    }
    let early = bundle.drift().unwrap();
    assert_eq!((early.score, early.inputs.len()), (None, 0), "of 199 rows nothing is said");
    bundle.saw_row(&rows[0]);
    bundle.saw_probability(0.99);
    let told = bundle.drift().unwrap();
    assert!(told.score.unwrap() > 0.25);
    assert_eq!(told.inputs.len(), 20);
    assert!(told.inputs.windows(2).all(|pair| pair[0].psi >= pair[1].psi), "the largest first");
    // What the monitor says is what the offline comparison says of the same rows.
    let names: Vec<&str> = bundle.columns().iter().map(|column| column.name.as_str()).collect();
    for input in &told.inputs {
        let place = names.iter().position(|name| *name == input.column).unwrap();
        let bands = &reference.columns[place];
        let values = rows.iter().chain([&rows[0]]).map(|row| row[place]);
        assert_eq!(bands.psi(&bands.counts(values)), Some(input.psi), "{}", input.column);
    }
    // Probabilities as they were then: after a window of them the odd ones are forgotten.
    let bands = &reference.score;
    let ends: Vec<f64> = bands
        .shares
        .iter()
        .scan(0.0, |sum, share| {
            *sum += share;
            Some(*sum)
        })
        .collect();
    for number in 0..12_000 {
        let rank = (f64::from(number) * 0.618_033_988_749_895).fract();
        let band = ends.iter().filter(|end| **end <= rank).count().min(bands.from.len());
        let start = band.checked_sub(1).map_or(0.0, |below| bands.from[below]);
        bundle.saw_probability(f64::from(start));
    }
    let later = bundle.drift().unwrap().score.unwrap();
    assert!(later < 0.01, "{later}");
}

#[test]
fn a_bundle_of_its_own_folder_counts_apart() {
    let [one, other] = [0, 1].map(|_| registry::open(&task_folder().join("1"), &[]).unwrap());
    for row in golden(&one, 300) {
        one.saw_row(&row);
    }
    assert_eq!(one.drift().unwrap().inputs.len(), 20);
    assert_eq!(other.drift().unwrap().inputs.len(), 0, "a version loaded anew begins anew");
}
