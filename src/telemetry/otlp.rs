//! Traces leave by OTLP: one span a call, with method, code and duration.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use super::TelemetryError;
use crate::trace;

/// How long a collector may take for a batch.
const EXPORT_MAX: Duration = Duration::from_secs(5);

/// The export of traces, which has begun.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends what is left.
    pub(super) fn finish(self) {
        if let Err(error) = self.0.shutdown_with_timeout(EXPORT_MAX) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Begins to export to `endpoint`; `None` without one.
pub(super) fn begin<S>(
    endpoint: Option<&str>,
) -> Result<Option<(Traces, impl Layer<S> + Send + Sync + 'static)>, TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let Some(endpoint) = endpoint else { return Ok(None) };
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_MAX)
        .build()
        .map_err(|error| TelemetryError::Export { reason: error.to_string() })?;
    let resource = Resource::builder_empty().with_service_name("prodrome-server").build();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        // Whether a trace is kept is the caller's word; traces of our own are kept.
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .with_resource(resource)
        .build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("prodrome"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(
            filter_fn(|of| of.is_span() && of.target() == trace::TARGET)
                .with_max_level_hint(LevelFilter::INFO),
        );
    Ok(Some((Traces(provider), spans)))
}
