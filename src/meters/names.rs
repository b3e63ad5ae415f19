//! The names of the metrics, in one list: what each counts, and in which unit.

use metrics::{KeyName, Recorder, Unit};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusRecorder};

pub(super) const CALLS: &str = "prodrome_calls_total";
pub(super) const CALL_DURATION: &str = "prodrome_call_duration_seconds";
pub(super) const CALLS_IN_FLIGHT: &str = "prodrome_calls_in_flight";
pub(super) const CONNECTIONS: &str = "prodrome_connections";
pub(super) const SHEDS: &str = "prodrome_sheds_total";
pub(super) const PANICS: &str = "prodrome_panics_total";
pub(super) const SCORES: &str = "prodrome_scores_total";
pub(super) const NOT_ELIGIBLE: &str = "prodrome_not_eligible_total";
pub(super) const DATA_ISSUES: &str = "prodrome_data_issues_total";
pub(super) const AUDIT_FAILURES: &str = "prodrome_audit_failures_total";
pub(super) const FLAG_FAILURES: &str = "prodrome_flag_failures_total";
pub(super) const FLAGS: &str = "prodrome_flag_changes_total";
pub(super) const FLAGS_HELD: &str = "prodrome_flags_held_total";
pub(super) const CARD_ANSWERS: &str = "prodrome_card_answers_total";
pub(super) const BREAK_GLASS: &str = "prodrome_break_glass_total";
pub(super) const RELOAD_FAILURES: &str = "prodrome_reload_failures_total";

/// Upper ends of the buckets of call durations, in seconds: a score takes well below a millisecond, a
/// history of 10,000 events some, and the longest call is cut by its limit.
const DURATION_SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

const COUNTERS: [(&str, &str); 13] = [
    (CALLS, "Calls answered, by method and gRPC code"),
    (SHEDS, "Calls and connections refused, by what there was too much of"),
    (PANICS, "Calls that ended in a panic"),
    (SCORES, "Scores given, by task, version and tier"),
    (NOT_ELIGIBLE, "Answers that the patient is not one of those the task is about"),
    (DATA_ISSUES, "Entries of records that were left out or taken with a doubt, by kind"),
    (AUDIT_FAILURES, "Records that the access log did not take in time"),
    (FLAG_FAILURES, "Scores whose flags could not be recorded"),
    (FLAGS, "Changes of flags by scores, by kind"),
    (FLAGS_HELD, "High scores that raised no flag, by reason"),
    (CARD_ANSWERS, "Cards of CDS Hooks that were accepted or overridden, by reason"),
    (BREAK_GLASS, "Calls by break-glass"),
    (RELOAD_FAILURES, "Model versions refused at a reload"),
];

const GAUGES: [(&str, &str); 2] =
    [(CALLS_IN_FLIGHT, "Calls in work"), (CONNECTIONS, "Open gRPC connections")];

/// A recorder of our metrics, of which none has been counted yet.
pub(super) fn recorder() -> PrometheusRecorder {
    let builder: Result<PrometheusBuilder, BuildError> = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(CALL_DURATION.to_owned()), &DURATION_SECONDS);
    // It fails without buckets alone.
    let recorder = builder.unwrap_or_default().build_recorder();
    for (name, help) in COUNTERS {
        recorder.describe_counter(KeyName::from(name), None, help.into());
    }
    for (name, help) in GAUGES {
        recorder.describe_gauge(KeyName::from(name), None, help.into());
    }
    let help = "Time from a call's headers to its answer, by method";
    recorder.describe_histogram(KeyName::from(CALL_DURATION), Some(Unit::Seconds), help.into());
    recorder
}
