//! The server's program, started and watched from outside.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prodrome::rpc::proto::{self, score_request::Record};
use prost::Message;
use prost::bytes::{BufMut, Bytes, BytesMut};

use crate::support;

/// How long a test waits before it calls something stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How a server is started.
pub(crate) struct Setup<'a> {
    /// Settings in the environment, such as `LIMITS__CALL_SECONDS`.
    pub(crate) settings: &'a [(&'a str, &'a str)],
    pub(crate) config: Option<&'a Path>,
    pub(crate) models: &'a Path,
    pub(crate) log: &'a str,
    /// Whether what it writes to stderr is kept; it is seen otherwise.
    pub(crate) is_heard: bool,
    /// A program that becomes the server's, with its own arguments.
    pub(crate) under: &'a [&'a str],
    /// Further variables of its environment.
    pub(crate) variables: &'a [(&'a str, &'a str)],
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Setup {
            settings: &[],
            config: None,
            models: support::one_task(),
            log: "warn",
            is_heard: false,
            under: &[],
            variables: &[],
        }
    }
}

/// A running server; it is killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Where metrics and probes are, when the settings name an address for them.
    pub(crate) pages: Option<SocketAddr>,
    /// Where the work list is, when the settings name an address for it.
    pub(crate) worklist: Option<SocketAddr>,
    /// Where FHIR and CDS Hooks are, when the settings name an address for them.
    pub(crate) ehr: Option<SocketAddr>,
    said: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts the server on a free port with the shipped readmission task and `settings`, such as
    /// `LIMITS__CALL_SECONDS`.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Server {
        Server::set_up(&Setup { settings, ..Setup::default() })
    }

    /// Starts the server on a free port.
    pub(crate) fn set_up(setup: &Setup<'_>) -> Server {
        let program = [env!("CARGO_BIN_EXE_prodrome-server")];
        let mut words = setup.under.iter().chain(&program);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["--listen", "127.0.0.1:0", "--log", setup.log, "--models"]);
        command.arg(setup.models);
        if let Some(config) = setup.config {
            command.arg("--config").arg(config);
        }
        let settings = setup.settings.iter().map(|(key, value)| (format!("PRODROME_{key}"), value));
        command
            .env("PRODROME_HTTP__LISTEN", "")
            .envs(settings)
            .envs(setup.variables.iter().copied());
        command.stdout(Stdio::piped());
        if setup.is_heard {
            command.stderr(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (lines, from_lines) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        let mut readers = vec![hear(stdout, Arc::clone(&said), Some(lines))];
        readers.extend(child.stderr.take().map(|stderr| hear(stderr, Arc::clone(&said), None)));
        let (mut pages, mut worklist, mut ehr) = (None, None, None);
        let address = loop {
            let line: String = from_lines.recv().expect("the server ended before it listened");
            let behind = |start: &str| line.strip_prefix(start)?.trim_end().split("//").nth(1);
            if let Some(address) = behind("metrics and probes on ") {
                pages = Some(address.parse().unwrap());
            }
            if let Some(address) = behind("FHIR and CDS Hooks on ") {
                ehr = Some(address.parse().unwrap());
            }
            if let Some(address) = behind("work list on ") {
                worklist = Some(address.parse().unwrap());
            }
            if let Some(address) = behind("listening on ") {
                break address.parse().unwrap();
            }
        };
        Server { child, address, pages, worklist, ehr, said, readers }
    }

    /// What it has written so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has written a line that begins so, and gives the rest of it.
    pub(crate) fn wait_for(&self, start: &str) -> String {
        let began = Instant::now();
        loop {
            let said = self.said();
            let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(rest) = whole.lines().find_map(|line| line.strip_prefix(start)) {
                return rest.to_owned();
            }
            assert!(began.elapsed() < PATIENCE, "the server does not say: {start}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it in order, and gives how it ended and all that it wrote.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        self.terminate();
        let status = self.ended();
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        (status, self.said())
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "the server does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory, in KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Open files and sockets.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads what a server writes, so that it never fills the pipe.
fn hear(
    from: impl Read + Send + 'static,
    said: Arc<Mutex<String>>,
    lines: Option<mpsc::Sender<String>>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            said.lock().unwrap().push_str(&text);
            if let Some(lines) = &lines {
                let _ = lines.send(text);
            }
            line.clear();
        }
    })
}

/// The path of `Score`.
pub(crate) const SCORE: &str = "/prodrome.v1.RiskScoring/Score";

/// A patient with one stay and so many measurements, as a gRPC message with its frame.
pub(crate) fn patient(events: usize) -> Bytes {
    framed(&request(events))
}

/// The same as a message.
pub(crate) fn request(events: usize) -> proto::ScoreRequest {
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
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.encoded_len());
    framed.put_u8(0);
    framed.put_u32(message.encoded_len() as u32);
    message.encode(&mut framed).unwrap();
    framed.freeze()
}
