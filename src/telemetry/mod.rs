//! How the running server is seen: the log (lines on stderr, text or JSON), the metrics page and, in
//! builds with the feature `otel`, traces. None of them holds anything of a patient.

mod exposition;
#[cfg(feature = "otel")]
mod otlp;
mod process;
mod settings;

use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

pub use exposition::metrics_page;
pub use settings::{LogFormat, TelemetrySettings};

use crate::meters::Meters;

/// What the targets of our own lines begin with.
const OURS: &str = "prodrome";
/// How often durations are sorted into their buckets.
const TEND_EVERY: Duration = Duration::from_secs(5);

/// Why the log could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("`{filter}` is no log filter: {reason}")]
    Filter { filter: String, reason: String },
    #[error("traces cannot be exported: {reason}")]
    Export { reason: String },
    #[error("a log has begun already")]
    Begun,
}

/// What `init` has begun and `finish` ends.
#[derive(Debug)]
#[must_use = "traces that have not yet been sent are lost without `finish`"]
pub struct Telemetry {
    #[cfg(feature = "otel")]
    traces: Option<otlp::Traces>,
}

impl Telemetry {
    /// Sends what is left of traces; waits for a few seconds at most.
    pub fn finish(self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = self.traces {
            traces.finish();
        }
    }
}

/// Begins the log of this process, and the export of traces where there is one (which needs a tokio
/// runtime around).
///
/// Panics are logged by their place alone, since their text may hold a value of a record. Spans are
/// exported and never logged. Of libraries only warnings and errors are logged, whatever the filter
/// says: below that they show bytes and headers as they come.
///
/// # Errors
/// A filter that cannot be read; an exporter that cannot begin; a second call.
pub fn init(settings: &TelemetrySettings) -> Result<Telemetry, TelemetryError> {
    let levels = EnvFilter::try_new(&settings.log).map_err(|error| TelemetryError::Filter {
        filter: settings.log.clone(),
        reason: error.to_string(),
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match settings.log_format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(false).boxed(),
    };
    // A filter without a level makes every `trace!` of every library ask it, many times in a call.
    let events = filter_fn(is_safe).with_max_level_hint(LevelFilter::TRACE);
    let lines = lines.with_filter(levels.and(events));
    #[cfg(feature = "otel")]
    let (traces, spans) = otlp::begin(settings.otlp_endpoint.as_deref())?.unzip();
    #[cfg(not(feature = "otel"))]
    let spans: Option<tracing_subscriber::layer::Identity> = None;
    let layers = tracing_subscriber::registry().with(spans).with(lines);
    layers.try_init().map_err(|_| TelemetryError::Begun)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Ok(Telemetry {
        #[cfg(feature = "otel")]
        traces,
    })
}

/// Whether a line holds nothing of a caller's but what we put there.
fn is_safe(line: &Metadata<'_>) -> bool {
    line.is_event() && (line.target().starts_with(OURS) || *line.level() <= Level::WARN)
}

/// Keeps `meters` small, for as long as it is polled.
pub async fn tend(meters: &Meters) {
    let mut turn = tokio::time::interval(TEND_EVERY);
    loop {
        turn.tick().await;
        meters.tend();
    }
}
