//! What is counted while the server runs: one typed function for each fact, one place for all names
//! and labels. A label is a word of ours, of the contract or of a model's files, never one of a
//! caller or a patient, and each metric has a bounded number of series.

mod family;
mod names;

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, Level, Metadata, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;

use crate::access::{Method, Outcome};
use family::Family;

/// Required by the recorder, which does not use it.
const METADATA: Metadata<'static> = Metadata::new("prodrome", Level::INFO, None);

/// Labels of calls: those of `method_label`, and those of the door for EHRs.
const CALL_LABELS: usize = 20;

/// What there was too much of, so that something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    /// Calls in work, in the whole process.
    CallsAtOnce,
    /// Waiting for a processor.
    Queue,
    /// Large records, in work and in waiting.
    LargeRecords,
    /// Streams of scores.
    Streams,
    /// Calls that wait for a FHIR server.
    Fetches,
    /// Calls of one caller.
    CallerRate,
    /// Open connections.
    Connections,
    /// Frames or bytes of one connection that were no calls.
    Traffic,
    /// Time that a stream's client took to send or to take a message.
    StreamStall,
}

impl Shed {
    fn name(self) -> &'static str {
        match self {
            Shed::CallsAtOnce => "calls_at_once",
            Shed::Queue => "queue",
            Shed::LargeRecords => "large_records",
            Shed::Streams => "streams",
            Shed::Fetches => "fetches",
            Shed::CallerRate => "caller_rate",
            Shed::Connections => "connections",
            Shed::Traffic => "traffic",
            Shed::StreamStall => "stream_stall",
        }
    }
}

/// The label of a call at an HTTP path: `unknown` where it is none of ours, because such a path is
/// the caller's own text.
pub fn method_label(path: &str) -> &'static str {
    match (Method::of_path(path), path) {
        (Some(method), _) => method.name(),
        (None, "/grpc.health.v1.Health/Check") => "Health.Check",
        (None, "/grpc.health.v1.Health/Watch") => "Health.Watch",
        (None, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo") => "Reflection",
        (None, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo") => "Reflection",
        _ => "unknown",
    }
}

/// The meters of a server.
pub struct Meters {
    recorder: PrometheusRecorder,
    calls: Family<Counter, 2>,
    durations: Family<Histogram, 1>,
    in_flight: Gauge,
    connections: Gauge,
    sheds: Family<Counter, 1>,
    scores: Family<Counter, 3>,
    not_eligible: Family<Counter, 1>,
    data_issues: Family<Counter, 1>,
    panics: Counter,
    audit_failures: Counter,
    flag_failures: Counter,
    flags: Family<Counter, 1>,
    flags_held: Family<Counter, 1>,
    card_answers: Family<Counter, 1>,
    break_glass: Counter,
    reload_failures: Counter,
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

impl Default for Meters {
    fn default() -> Meters {
        Meters::new()
    }
}

/// The meters of this process.
pub fn process() -> &'static Meters {
    static PROCESS: LazyLock<Meters> = LazyLock::new(Meters::new);
    &PROCESS
}

impl Meters {
    /// Meters that stand at 0.
    pub fn new() -> Meters {
        let recorder = names::recorder();
        let counter = |name| counter(&recorder, &Key::from_static_name(name));
        let gauge = |name| recorder.register_gauge(&Key::from_static_name(name), &METADATA);
        Meters {
            calls: Family::new(
                names::CALLS,
                ["method", "code"],
                CALL_LABELS * Outcome::ALL.len(),
                self::counter,
            ),
            durations: Family::new(names::CALL_DURATION, ["method"], CALL_LABELS, histogram),
            in_flight: gauge(names::CALLS_IN_FLIGHT),
            connections: gauge(names::CONNECTIONS),
            sheds: Family::new(names::SHEDS, ["reason"], 16, self::counter),
            scores: Family::new(names::SCORES, ["task", "version", "tier"], 128, self::counter),
            not_eligible: Family::new(names::NOT_ELIGIBLE, ["task"], 32, self::counter),
            data_issues: Family::new(names::DATA_ISSUES, ["kind"], 24, self::counter),
            panics: counter(names::PANICS),
            audit_failures: counter(names::AUDIT_FAILURES),
            flag_failures: counter(names::FLAG_FAILURES),
            flags: Family::new(names::FLAGS, ["change"], 16, self::counter),
            flags_held: Family::new(names::FLAGS_HELD, ["reason"], 12, self::counter),
            card_answers: Family::new(names::CARD_ANSWERS, ["answer"], 10, self::counter),
            break_glass: counter(names::BREAK_GLASS),
            reload_failures: counter(names::RELOAD_FAILURES),
            recorder,
        }
    }

    /// A call of `method` (a `method_label`) has begun.
    pub fn call(&self, method: &'static str) -> OpenCall<'_> {
        self.in_flight.increment(1.0);
        OpenCall { meters: self, method, is_counted: false }
    }

    fn call_ended(&self, method: &'static str, outcome: Outcome) {
        let code = outcome.name();
        self.calls.with(&self.recorder, [method, code], |calls| calls.increment(1));
    }

    /// A connection has been accepted.
    pub fn connection(&self) -> OpenConnection<'_> {
        self.connections.increment(1.0);
        OpenConnection { meters: self }
    }

    /// Something was refused, because there was too much of `what`.
    pub fn shed(&self, what: Shed) {
        self.sheds.with(&self.recorder, [what.name()], |sheds| sheds.increment(1));
    }

    /// A call ended in a panic.
    pub fn panicked(&self) {
        self.panics.increment(1);
    }

    /// A score was given; `tier` is `None` where the record did not suffice for a probability.
    pub fn scored(&self, task: &str, version: &str, tier: Option<&str>) {
        let labels = [task, version, tier.unwrap_or("none")];
        self.scores.with(&self.recorder, labels, |scores| scores.increment(1));
    }

    /// The patient was not one of those that `task` is about.
    pub fn not_eligible(&self, task: &str) {
        self.not_eligible.with(&self.recorder, [task], |answers| answers.increment(1));
    }

    /// `count` entries of a record were left out or taken with a doubt; `kind` is the stable name of
    /// the kind.
    pub fn data_issue(&self, kind: &'static str, count: u32) {
        self.data_issues.with(&self.recorder, [kind], |issues| issues.increment(count.into()));
    }

    /// The access log did not take a record in time.
    pub fn audit_failed(&self) {
        self.audit_failures.increment(1);
    }

    /// A score changed a flag; `change` is the stable name of the kind.
    pub fn flag_changed(&self, change: &'static str) {
        self.flags.with(&self.recorder, [change], |flags| flags.increment(1));
    }

    /// A high score raised no flag; `reason` is its stable name.
    pub fn flag_held(&self, reason: &'static str) {
        self.flags_held.with(&self.recorder, [reason], |flags| flags.increment(1));
    }

    /// The store of the flags could not be written.
    pub fn flags_failed(&self) {
        self.flag_failures.increment(1);
    }

    /// Somebody accepted or overrode a card; `answer` is a word of ours.
    pub fn card_answered(&self, answer: &'static str) {
        self.card_answers.with(&self.recorder, [answer], |answers| answers.increment(1));
    }

    /// A call was let through by break-glass.
    pub fn broke_glass(&self) {
        self.break_glass.increment(1);
    }

    /// A model version, or a release of trends, was refused at a reload.
    pub fn reload_failed(&self) {
        self.reload_failures.increment(1);
    }

    /// Sorts the durations into their buckets; to be called every few seconds, or they pile up until
    /// the next `render`.
    pub fn tend(&self) {
        self.recorder.handle().run_upkeep();
    }

    /// All meters, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.recorder.handle().render()
    }
}

fn counter(recorder: &PrometheusRecorder, key: &Key) -> Counter {
    recorder.register_counter(key, &METADATA)
}

fn histogram(recorder: &PrometheusRecorder, key: &Key) -> Histogram {
    recorder.register_histogram(key, &METADATA)
}

/// A call in work. Dropped without an answer it counts as CANCELLED: nobody waits for it any more.
#[derive(Debug)]
pub struct OpenCall<'a> {
    meters: &'a Meters,
    method: &'static str,
    is_counted: bool,
}

impl OpenCall<'_> {
    /// It was answered with `outcome`, after `took`.
    pub fn answered(mut self, outcome: Outcome, took: Duration) {
        self.is_counted = true;
        let Meters { recorder, durations, .. } = self.meters;
        durations.with(recorder, [self.method], |seconds| seconds.record(took.as_secs_f64()));
        self.meters.call_ended(self.method, outcome);
    }
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        self.meters.in_flight.decrement(1.0);
        if !self.is_counted {
            self.meters.call_ended(self.method, Outcome::Cancelled);
        }
    }
}

/// An open connection, until it is dropped.
#[derive(Debug)]
pub struct OpenConnection<'a> {
    meters: &'a Meters,
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.meters.connections.decrement(1.0);
    }
}
