//! The server's program, started and watched from outside.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use prodrome::rpc::proto::{self, score_request::Record};
use prost::Message;
use prost::bytes::{BufMut, Bytes, BytesMut};

use crate::support;

/// How long a test waits before it calls something stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; it is killed when dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    /// Where metrics and probes are, when the settings name an address for them.
    pub(super) pages: Option<SocketAddr>,
}

impl Server {
    /// Starts the server on a free port with the shipped readmission task and `settings`, such as
    /// `LIMITS__CALL_SECONDS`.
    pub(super) fn start(settings: &[(&str, &str)]) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_prodrome-server"))
            .args(["--listen", "127.0.0.1:0", "--models"])
            .arg(support::one_task())
            .args(["--log", "warn"])
            .env("PRODROME_HTTP__LISTEN", "")
            .envs(settings.iter().map(|(key, value)| (format!("PRODROME_{key}"), value)))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut pages = None;
        let address = loop {
            let line = lines.next().expect("the server ended before it listened").unwrap();
            if let Some(address) = line.strip_prefix("metrics and probes on http://") {
                pages = Some(address.parse().unwrap());
            }
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.parse().unwrap();
            }
        };
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, address, pages }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub(super) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Waits for the end.
    pub(super) fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "the server does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory, in KiB.
    pub(super) fn rss_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Open files and sockets.
    pub(super) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of `Score`.
pub(super) const SCORE: &str = "/prodrome.v1.RiskScoring/Score";

/// A patient with one stay and so many measurements, as a gRPC message with its frame.
pub(super) fn patient(events: usize) -> Bytes {
    framed(&request(events))
}

/// The same as a message.
pub(super) fn request(events: usize) -> proto::ScoreRequest {
    let at = |seconds: i64| Some(prost_types::Timestamp { seconds, nanos: 0 });
    const ADMITTED: i64 = 1_709_000_000;
    let event = |index: usize| proto::Event {
        kind: proto::EventKind::Measurement.into(),
        time: at(ADMITTED + 60 * (index % 1_000) as i64),
        system: "LOINC".into(),
        code: ["718-7", "2951-2", "2160-0", "8480-6"][index % 4].into(),
        value: Some(proto::event::Value::Number(100.0 + (index % 37) as f64)),
        ..Default::default()
    };
    let diabetes = proto::Event {
        kind: proto::EventKind::Diagnosis.into(),
        time: at(ADMITTED),
        system: "ICD10CM".into(),
        code: "E11.9".into(),
        ..Default::default()
    };
    let stay = proto::Encounter {
        id: "stay".into(),
        class: "IMP".into(),
        start: at(ADMITTED),
        end: at(ADMITTED + 86_400 * 3),
        ..Default::default()
    };
    let history = proto::PatientHistory {
        patient_id: "p-1".into(),
        birth_date: "1951-07-08".into(),
        encounters: vec![stay],
        events: std::iter::once(diabetes).chain((1..events).map(event)).collect(),
        ..Default::default()
    };
    proto::ScoreRequest {
        record: Some(Record::History(history)),
        prediction_time: at(ADMITTED + 86_400 * 3 + 3_600),
        ..Default::default()
    }
}

/// A message with the five bytes that gRPC puts before it.
pub(super) fn framed(message: &impl Message) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.encoded_len());
    framed.put_u8(0);
    framed.put_u32(message.encoded_len() as u32);
    message.encode(&mut framed).unwrap();
    framed.freeze()
}
