//! Marks in every place of a call that may tell of a patient, through every method and every kind of
//! error, at the most talkative log: none comes out anywhere.

mod ehr;
mod flags;

use prodrome::rpc::proto;
use prost::bytes::Bytes;

use super::marked::{bundle, fields, history, of_bundle, score_request};
use super::marks::Marks;
use super::site::{API_KEY, BREAK_GLASS, Door, PURPOSE, Site, TASK, TREATMENT};
use crate::identity::signer::Signer;
use crate::pages::get;
use crate::serve::load::{Answer, code_of, connect, decode_base64, exchange};
use crate::serve::process::{SCORE, Setup, framed, request};

const STREAM: &str = "/prodrome.v1.RiskScoring/ScoreStream";

/// A call with marks.
struct Call {
    what: &'static str,
    path: String,
    metadata: Vec<(String, String)>,
    body: Bytes,
    /// How it must end, where one way is right.
    code: Option<tonic::Code>,
}

/// Who calls.
struct Keys {
    scorer: String,
    clinician: String,
    bystander: String,
    operator: String,
    other: String,
}

struct Calls<'a> {
    marks: &'a Marks,
    keys: &'a Keys,
    calls: Vec<Call>,
}

impl Calls<'_> {
    /// A call by one who may, with more metadata.
    fn add(&mut self, what: &'static str, path: &str, body: Bytes, more: &[(&str, &str)]) {
        let key = self.keys.scorer.clone();
        let credentials = [(API_KEY, key.as_str()), TREATMENT];
        self.bare(what, path, body, &[&credentials, more].concat());
    }

    /// A call with this metadata, and some that nobody reads.
    fn bare(&mut self, what: &'static str, path: &str, body: Bytes, metadata: &[(&str, &str)]) {
        let [agent, id, note] =
            ["agent", "xrequestid", "header"].map(|place| self.marks.word(place));
        let ignored = [("user-agent", &*agent), ("x-request-id", &id), ("x-note", &note)];
        let metadata = metadata.iter().chain(&ignored);
        let metadata =
            metadata.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        self.calls.push(Call { what, path: path.into(), metadata, body, code: None });
    }

    /// How the last call must end.
    fn ends(&mut self, code: tonic::Code) {
        self.calls.last_mut().unwrap().code = Some(code);
    }
}

/// Calls whose records can or cannot be used.
fn of_records(calls: &mut Calls<'_>) {
    use tonic::Code::{InvalidArgument, Ok, ResourceExhausted};
    let marks = calls.marks;
    let good = || score_request(marks, history(marks));
    calls.add("a score", SCORE, framed(&good()), &[]);
    calls.ends(Ok);
    let mut faulty = history(marks);
    faulty.birth_date = marks.word("birthdate");
    faulty.sex = 99;
    faulty.encounters[0].class = marks.word("class");
    faulty.encounters[0].start = None;
    faulty.events[1].value = Some(proto::event::Value::Number(f64::NAN));
    faulty.events[2].comparator = marks.word("comparator");
    faulty.events[4].time = None;
    faulty.events[3].kind = 99;
    let faulty = score_request(marks, faulty);
    calls.add("fields that cannot be used", SCORE, framed(&faulty), &[]);
    calls.ends(InvalidArgument);
    let mut young = history(marks);
    young.birth_date = marks.text("2031-08-17");
    calls.add("born too late", SCORE, framed(&score_request(marks, young)), &[]);
    calls.ends(InvalidArgument);
    let items = [good(), faulty, proto::ScoreRequest::default()]
        .map(|request| framed(&proto::ScoreStreamRequest { request: Some(request) }));
    calls.add("a stream", STREAM, items.concat().into(), &[]);
    calls.ends(Ok);
    let word = marks.word("garbage");
    calls.add("no protobuf", SCORE, fields(&[(1, word.as_bytes()), (15, &[0xff; 9])]), &[]);
    calls.add("no protobuf either", SCORE, fields(&[(2, word.as_bytes())]), &[]);
    calls.ends(InvalidArgument);
    calls.add("no protobuf in a stream", STREAM, fields(&[(1, word.as_bytes())]), &[]);
    let id = [marks.word("latin").as_bytes(), &[0xe4, 0xff]].concat();
    calls.add("no UTF-8", SCORE, fields(&[(1, &id)]), &[]);
    calls.ends(InvalidArgument);
    calls.add("no frame", SCORE, Bytes::from(marks.word("frame")), &[]);
    calls.add("a cut frame", SCORE, framed(&good()).slice(..200), &[]);
    let mut long = history(marks);
    long.events[4].value = Some(proto::event::Value::Text(marks.word("long").repeat(120_000)));
    calls.add("too long", SCORE, framed(&score_request(marks, long)), &[]);
    calls.ends(ResourceExhausted);
    let mut many = history(marks);
    many.events = vec![many.events[4].clone(); 3_400];
    many.events.iter_mut().for_each(|event| event.value = None);
    calls.add("too many events", SCORE, framed(&score_request(marks, many)), &[]);
    calls.ends(InvalidArgument);
    let start = "2024-03-01T09:46:57Z";
    calls.add("a bundle", SCORE, of_bundle(marks, bundle(marks, start)), &[]);
    calls.ends(Ok);
    let bad = bundle(marks, &marks.word("start"));
    calls.add("a bundle with a fault", SCORE, of_bundle(marks, bad), &[]);
    let whole = bundle(marks, start);
    calls.add("a cut bundle", SCORE, of_bundle(marks, &whole[..whole.len() / 2]), &[]);
    calls.ends(InvalidArgument);
    calls.add(
        "no bundle",
        SCORE,
        of_bundle(marks, whole.replace("\"Bundle\"", "\"Patient\"")),
        &[],
    );
    calls.ends(InvalidArgument);
    let word = format!("{{\"resourceType\": {}}}", marks.word("json"));
    calls.add("no JSON", SCORE, of_bundle(marks, word), &[]);
    calls.ends(InvalidArgument);
}

/// Calls of those who may not, and with metadata that cannot be used.
fn of_callers(calls: &mut Calls<'_>, token: &str) {
    use tonic::Code::{DeadlineExceeded, InvalidArgument, Ok, PermissionDenied, Unauthenticated};
    let (marks, keys) = (calls.marks, calls.keys);
    let good = framed(&score_request(marks, history(marks)));
    let bearer = |token: &str| format!("Bearer {token}");
    let made_up = [
        ("authorization", bearer(&marks.word("bearer"))),
        ("authorization", bearer(token)),
        ("authorization", format!("Basic {}", marks.word("basic"))),
        (API_KEY, marks.word("apikey")),
        (API_KEY, format!("pk_0123456789abcdef_{}", marks.word("keysecret"))),
    ];
    for (name, value) in &made_up {
        calls.bare("made up", SCORE, good.clone(), &[(name, value), TREATMENT]);
        calls.bare("made up, a stream", STREAM, good.clone(), &[(name, value), TREATMENT]);
    }
    calls.bare("nobody", SCORE, good.clone(), &[TREATMENT]);
    calls.ends(Unauthenticated);
    calls.bare("denied", SCORE, good.clone(), &[(API_KEY, &keys.bystander), TREATMENT]);
    calls.ends(PermissionDenied);
    let purpose = marks.word("purpose");
    let unknown = [(API_KEY, &*keys.scorer), (PURPOSE, &purpose)];
    calls.bare("an unknown purpose", SCORE, good.clone(), &unknown);
    calls.ends(InvalidArgument);
    calls.bare("elsewhere", SCORE, good.clone(), &[(API_KEY, &keys.clinician), TREATMENT]);
    calls.ends(PermissionDenied);
    let reason = marks.word("reason");
    let emergency = [(API_KEY, &*keys.clinician), (BREAK_GLASS, &reason)];
    calls.bare("break-glass", SCORE, good.clone(), &emergency);
    calls.ends(Ok);
    let denied = [(API_KEY, &*keys.bystander), (BREAK_GLASS, &reason)];
    calls.bare("break-glass by one who may not", SCORE, good.clone(), &denied);
    calls.ends(PermissionDenied);
    // So large that it is not scored at once.
    let mut large = history(marks);
    large.events.extend(vec![large.events[1].clone(); 2_800]);
    let large = framed(&score_request(marks, large));
    calls.add("no time", SCORE, large, &[("grpc-timeout", "1u")]);
    calls.ends(DeadlineExceeded);
    for name in ["grpc-timeout", "grpc-encoding", "traceparent", "content-type", "te", "cookie"] {
        let word = marks.word("header");
        calls.add("an odd header", SCORE, good.clone(), &[(name, &word)]);
    }
}

/// Calls that are about no patient, and of what is not there.
fn of_no_patient(calls: &mut Calls<'_>) {
    use tonic::Code::{NotFound, Ok, PermissionDenied, Unimplemented};
    let (marks, keys) = (calls.marks, calls.keys);
    let [task, version] = ["task", "version"].map(|place| marks.word(place));
    let asked = |task: &str, version: &str| {
        let task = proto::TaskRef { task: task.into(), version: version.into() };
        let request = score_request(marks, history(marks));
        framed(&proto::ScoreRequest { tasks: vec![task], ..request })
    };
    calls.add("an unknown version", SCORE, asked(TASK, &version), &[]);
    calls.ends(NotFound);
    calls.add("a task that is not allowed", SCORE, asked(&task, ""), &[]);
    calls.ends(PermissionDenied);
    let here = [(API_KEY, &*keys.clinician), (BREAK_GLASS, &*marks.word("reason"))];
    calls.bare("an unknown task", SCORE, asked(&task, ""), &here);
    calls.ends(NotFound);
    let note = marks.word("unknownfield");
    for method in ["ListModels", "ReloadModels"] {
        let path = format!("/prodrome.v1.ModelCatalog/{method}");
        let body = fields(&[(15, note.as_bytes())]);
        calls.bare("of models", &path, body.clone(), &[(API_KEY, &keys.operator)]);
        calls.ends(Ok);
        calls.bare("of models, denied", &path, body, &[(API_KEY, &keys.clinician)]);
        calls.ends(PermissionDenied);
    }
    let trends = "/prodrome.v1.PopulationTrends/GetTrends";
    let body = fields(&[(1, task.as_bytes()), (4, version.as_bytes()), (11, note.as_bytes())]);
    calls.bare("of trends", trends, body.clone(), &[(API_KEY, &keys.operator)]);
    calls.ends(Unimplemented);
    calls.bare("of trends, denied", trends, body, &[(API_KEY, &keys.clinician)]);
    calls.ends(PermissionDenied);
    let card = "/prodrome.v1.ModelCatalog/GetModelCard";
    let body = fields(&[(1, task.as_bytes()), (2, version.as_bytes())]);
    calls.bare("a card", card, body, &[(API_KEY, &keys.operator)]);
    let service = fields(&[(1, marks.word("healthof").as_bytes())]);
    calls.bare("health", "/grpc.health.v1.Health/Check", service, &[]);
    calls.ends(NotFound);
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        calls.bare("reflection", &path, fields(&[(4, marks.word("symbol").as_bytes())]), &[]);
    }
    let word = marks.word("path");
    for path in [
        format!("/{word}"),
        format!("/patients/{word}?mrn={word}"),
        format!("/prodrome.v1.RiskScoring/{word}"),
        format!("/prodrome.v1.{word}/Score"),
    ] {
        calls.add("an unknown path", &path, framed(&score_request(marks, history(marks))), &[]);
        calls.ends(Unimplemented);
    }
}

/// All that an answer says, its details too.
fn all_of(answer: &Answer) -> Vec<u8> {
    let headers = answer.head.iter().chain(&answer.status);
    let mut all: Vec<u8> = headers
        .flat_map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes()].concat())
        .collect();
    let details = answer.status.get("grpc-status-details-bin");
    all.extend(details.map(|details| decode_base64(details.as_bytes())).unwrap_or_default());
    all.extend_from_slice(&answer.body);
    all
}

/// A call's path, message and metadata.
type Plain = (&'static str, Bytes, Vec<(&'static str, String)>);

/// Calls of somebody else, without marks: one that is answered and some that fail.
fn of_another(key: &str) -> Vec<Plain> {
    let known = || vec![(API_KEY, key.to_owned()), (PURPOSE, "TREATMENT".to_owned())];
    let mut faulty = request(20);
    faulty.prediction_time = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
    let unknown = proto::TaskRef { task: "nonsense".into(), version: String::new() };
    let unknown = proto::ScoreRequest { tasks: vec![unknown], ..request(20) };
    let item = framed(&proto::ScoreStreamRequest { request: Some(request(20)) });
    vec![
        (SCORE, framed(&request(20)), known()),
        (SCORE, framed(&faulty), known()),
        (SCORE, framed(&unknown), known()),
        (STREAM, item, known()),
        ("/nowhere", framed(&request(20)), Vec::new()),
        (SCORE, framed(&request(20)), Vec::new()),
    ]
}

/// A server at the most talkative log, in one format, and all the calls.
async fn nothing_comes_out(format: &str) {
    let mut site = Site::new(Door::Plain);
    let keys = Keys {
        scorer: site.key("svc-scorer", "scorer", None),
        clinician: site.key("svc-clinician", "clinician", Some(&["elsewhere"])),
        bystander: site.key("svc-bystander", "bystander", None),
        operator: site.key("svc-operator", "operator", None),
        other: site.key("svc-other", "scorer", None),
    };
    let marks = Marks::default();
    for key in [&keys.scorer, &keys.clinician, &keys.bystander, &keys.operator, &keys.other] {
        marks.text(key.splitn(3, '_').nth(2).unwrap());
    }
    let token = site.token(&Signer::es384(&marks.word("kid")), &marks.word("subject"), "scorer");
    let mut calls = Calls { marks: &marks, keys: &keys, calls: Vec::new() };
    of_records(&mut calls);
    of_callers(&mut calls, &token);
    of_no_patient(&mut calls);
    flags::of_flags(&mut calls);
    let calls = calls.calls;
    assert!(marks.len() >= 50 && calls.len() >= 45, "{} {}", marks.len(), calls.len());

    let temporary = tempfile::tempdir().unwrap();
    let store = site.store();
    let server = Setup { log: "trace", is_heard: true, ..Setup::default() };
    let settings = [
        ("TELEMETRY__LOG_FORMAT", format),
        ("LIMITS__MESSAGE_BYTES_MAX", "1000000"),
        ("LIMITS__EVENTS_MAX", "3000"),
        ("FLAGS__STORE", store.as_str()),
    ];
    // Where files for a while would go.
    let under = format!("TMPDIR={}", temporary.path().display());
    let server = site.start(&settings, &Setup { under: &["env", &under], ..server });
    let (mut sender, mut other) =
        (connect(server.address).await.unwrap(), connect(server.address).await.unwrap());
    // What a caller asks for by name may be in the answer to that caller.
    let own = marks.without(&["task", "version", "healthof", "symbol"].map(|p| marks.word(p)));
    let mut faults = Vec::new();
    for Call { what, path, metadata, body, code } in &calls {
        let metadata: Vec<_> = metadata.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let answer = exchange(&mut sender, path, &metadata, body).await;
        let Some(answer) = answer else {
            // HTTP/2 itself knows no such header.
            assert!(code.is_none(), "{what}: the connection broke");
            sender = connect(server.address).await.unwrap();
            continue;
        };
        let found = code_of(&answer.status);
        if code.is_some_and(|code| found != i32::from(code)) {
            faults.push(format!("{what}: {:?}", answer.status));
        }
        if found != 0 && !own.found(&all_of(&answer)).is_empty() {
            faults.push(format!("{what}: repeats {:?}", answer.status));
        }
        for (path, body, metadata) in of_another(&keys.other) {
            let metadata: Vec<_> = metadata.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let answer = exchange(&mut other, path, &metadata, &body).await.unwrap();
            if !marks.found(&all_of(&answer)).is_empty() {
                faults.push(format!("{what}: told to another"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let pages = server.pages.unwrap();
    for page in ["/metrics", "/readyz", "/livez", "/nowhere"] {
        let answer = get(pages, page).await;
        assert_eq!(marks.found(answer.as_bytes()), [""; 0], "{page}");
    }
    drop((sender, other));
    let (status, said) = tokio::task::spawn_blocking(|| server.end()).await.unwrap();
    assert!(status.success());
    assert_eq!(marks.found(said.as_bytes()), [""; 0]);
    assert!(said.matches("InvalidArgument").count() > 10, "the log has the calls");
    let foreign = said.lines().find(|line| is_foreign(line));
    assert!(foreign.is_none(), "what libraries log of bytes and headers: {foreign:?}");
    assert_eq!(marks.found_under(temporary.path()), [""; 0]);
    // What is kept of a flag is sealed.
    assert!(site.path("flags").join("flags.db").exists());
    assert_eq!(marks.found_under(&site.path("flags")), [""; 0]);
    let log = marks.without(&[marks.word("reason")]);
    assert_eq!(log.found_under(&site.log()), [""; 0]);
    assert!(!marks.found_under(&site.log()).is_empty(), "the reason belongs there");
}

/// Whether a line is what a library logs below a warning.
fn is_foreign(line: &str) -> bool {
    let talks = ["TRACE", "DEBUG", " INFO", "\"INFO"].iter().any(|level| line.contains(level));
    talks && !line.contains("prodrome")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_patient_comes_out_of_the_server_that_logs_text() {
    nothing_comes_out("text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_patient_comes_out_of_the_server_that_logs_json() {
    nothing_comes_out("json").await;
}
