//! The log: lines on stderr, text or JSON. No line holds anything of a patient.

use tracing_subscriber::EnvFilter;

/// Why the log could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("`{filter}` is no log filter: {reason}")]
    Filter { filter: String, reason: String },
    #[error("a log has begun already")]
    Begun,
}

/// Begins the log of this process. `filter` is a level (`info`) or levels by module
/// (`info,prodrome::rpc=debug`); with `is_json` each line is a JSON object.
///
/// Panics are logged by their place alone, since their text may hold a value of a record.
///
/// # Errors
/// A filter that cannot be read; a second call.
pub fn init(filter: &str, is_json: bool) -> Result<(), TelemetryError> {
    let levels = EnvFilter::try_new(filter).map_err(|error| TelemetryError::Filter {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(levels).with_writer(std::io::stderr);
    let begun = if is_json {
        lines.json().flatten_event(true).try_init()
    } else {
        lines.with_ansi(false).try_init()
    };
    begun.map_err(|_| TelemetryError::Begun)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Ok(())
}
