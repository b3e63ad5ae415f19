//! The section `[telemetry]`: what is logged, and where traces go.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::strict_toml::SettingFault;

/// The section `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// A level (`info`) or levels by module (`info,prodrome::rpc=debug`).
    pub log: String,
    pub log_format: LogFormat,
    /// Where traces go, in OTLP over gRPC, such as `http://127.0.0.1:4317`; nowhere without.
    pub otlp_endpoint: Option<String>,
}

/// What a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for TelemetrySettings {
    fn default() -> TelemetrySettings {
        TelemetrySettings {
            // h2 warns of each connection that it cuts: whoever attacks would fill the log.
            log: "info,h2=error".to_owned(),
            log_format: LogFormat::Text,
            otlp_endpoint: None,
        }
    }
}

impl TelemetrySettings {
    /// Whether the log and the export can begin so.
    ///
    /// # Errors
    /// Each setting that makes no sense.
    pub fn check(&self) -> Result<(), Vec<SettingFault>> {
        let mut faults = Vec::new();
        if let Err(error) = EnvFilter::try_new(&self.log) {
            let reason = format!("no log filter: {error}");
            faults.push(SettingFault { key: "log", reason });
        }
        if let Some(endpoint) = &self.otlp_endpoint
            && let Some(reason) = endpoint_fault(endpoint)
        {
            faults.push(SettingFault { key: "otlp_endpoint", reason: reason.to_owned() });
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

fn endpoint_fault(endpoint: &str) -> Option<&'static str> {
    if !cfg!(feature = "otel") {
        return Some("this program was built without OTLP export: build it with --features otel");
    }
    let host = endpoint.strip_prefix("http://").unwrap_or_default();
    match host.is_empty() || host.contains('@') {
        true => Some(
            "must be http://HOST:PORT of a collector on this machine or beside it; a collector \
             reaches others by TLS",
        ),
        false => None,
    }
}
