//! Which trace a call belongs to: W3C Trace Context's `traceparent`, read strictly, and ids of our
//! own. No clock, and nothing of a request but these ids.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Length of a `traceparent` of version 00.
const CHARACTERS: usize = 55;

/// The target of the span of a call; exported, never logged.
pub const TARGET: &str = "prodrome::span";

/// The place of a call in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent {
    trace_id: u128,
    span_id: u64,
    is_sampled: bool,
}

impl Traceparent {
    /// The start of a trace of our own; `is_sampled` says whether it is to be kept.
    pub fn new(is_sampled: bool) -> Traceparent {
        let trace_id = u128::from(fresh_id()) << 64 | u128::from(fresh_id());
        Traceparent { trace_id, span_id: fresh_id(), is_sampled }
    }

    /// The place that `text` names (the header `traceparent`); `None` for text that is none, upon
    /// which a trace is begun anew, as the standard says.
    pub fn parse(text: &str) -> Option<Traceparent> {
        let [version, trace_id, span_id, flags] = fields(text)?;
        let is_known = match version {
            0xff => false,
            0 => text.len() == CHARACTERS,
            // A later version may say more, behind one more hyphen.
            _ => text.len() == CHARACTERS || text.as_bytes().get(CHARACTERS) == Some(&b'-'),
        };
        let is_whole = is_known && trace_id != 0 && span_id != 0;
        let is_sampled = flags & 1 == 1;
        is_whole.then_some(Traceparent { trace_id, span_id: span_id as u64, is_sampled })
    }

    /// The place of a call that is made on behalf of this one.
    pub fn child(self) -> Traceparent {
        Traceparent { span_id: fresh_id(), ..self }
    }

    /// The trace, the same in all its calls.
    pub fn trace_id(self) -> u128 {
        self.trace_id
    }

    /// The call in the trace.
    pub fn span_id(self) -> u64 {
        self.span_id
    }

    /// Whether the caller keeps the trace.
    pub fn is_sampled(self) -> bool {
        self.is_sampled
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.is_sampled);
        write!(f, "00-{:032x}-{:016x}-{flags:02x}", self.trace_id, self.span_id)
    }
}

/// The four fields, each of its length in lower-case hexadecimal digits.
fn fields(text: &str) -> Option<[u128; 4]> {
    let text = text.as_bytes();
    let hyphens = [2, 35, 52];
    if hyphens.iter().any(|at| text.get(*at) != Some(&b'-')) {
        return None;
    }
    let field = |from, to| -> Option<u128> {
        text.get(from..to)?.iter().try_fold(0, |sum: u128, digit| {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            Some(sum << 4 | u128::from(value))
        })
    };
    Some([field(0, 2)?, field(3, 35)?, field(36, 52)?, field(53, CHARACTERS)?])
}

/// An id that no other call has: a keyed hash of a counter, never 0.
fn fresh_id() -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    KEY.hash_one(NEXT.fetch_add(1, Relaxed)).max(1)
}

/// The span of a call of `method` at `place`, a child of what the caller sent; none at all in builds
/// that export no traces, since nothing else looks at spans.
#[cfg(feature = "otel")]
pub fn call_span(method: &'static str, caller: Option<Traceparent>) -> tracing::Span {
    let span = tracing::info_span!(
        target: TARGET,
        "call",
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.method = method,
        rpc.grpc.status_code = tracing::field::Empty,
    );
    if let Some(caller) = caller.filter(|_| !span.is_disabled()) {
        adopt(&span, caller);
    }
    span
}

/// No span: nothing looks at one in builds that export no traces.
#[cfg(not(feature = "otel"))]
pub fn call_span(_method: &'static str, _caller: Option<Traceparent>) -> tracing::Span {
    tracing::Span::none()
}

/// Notes how the call of `span` ended, by gRPC's code.
pub fn call_ended(span: &tracing::Span, code: i32) {
    span.record("rpc.grpc.status_code", code);
}

#[cfg(feature = "otel")]
fn adopt(span: &tracing::Span, caller: Traceparent) {
    use opentelemetry::trace::{
        SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
    };
    use tracing_opentelemetry::OpenTelemetrySpanExt;
    let flags = if caller.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    let context = SpanContext::new(
        TraceId::from(caller.trace_id),
        SpanId::from(caller.span_id),
        flags,
        true,
        TraceState::NONE,
    );
    // Without an exporter there is nothing to adopt.
    let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(context));
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written_as_it_was() {
        let place = Traceparent::parse(GOOD).unwrap();
        assert_eq!(place.trace_id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((place.span_id(), place.is_sampled()), (0x00f0_67aa_0ba9_02b7, true));
        assert_eq!(place.to_string(), GOOD);
        let child = place.child();
        assert_eq!(child.trace_id(), place.trace_id());
        assert_ne!(child.span_id(), place.span_id());
        let own = Traceparent::new(false);
        assert_eq!(Traceparent::parse(&own.to_string()), Some(own));
        assert_ne!(own.trace_id(), Traceparent::new(false).trace_id());
        assert!(Traceparent::parse(&GOOD.replacen("00-", "42-", 1)).is_some());
        let later = format!("{}-more", GOOD.replacen("00-", "42-", 1));
        assert!(Traceparent::parse(&later).is_some(), "a later version may say more");
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        let mut bad = vec![
            String::new(),
            GOOD.to_uppercase(),
            format!("{GOOD}0"),
            format!("{GOOD}-more"),
            GOOD.replacen("00-", "ff-", 1),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace('-', "_"),
            GOOD.replace("4bf9", "4bé"),
            "x".repeat(1 << 20),
        ];
        bad.extend((0..GOOD.len()).map(|length| GOOD[..length].to_owned()));
        for text in bad {
            assert_eq!(Traceparent::parse(&text), None, "{:.60}", text);
        }
    }
}
