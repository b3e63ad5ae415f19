//! The body of a call: within its time and its length, and passed over where the call is refused, so that
//! its sender gets to hear why.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::refusal::Refusal;
use crate::service::Gate;

/// From when on a sender is slow: what a server under load has not read yet is work that waits.
const SLOW: Duration = Duration::from_secs(1);
/// For the rest of a call that was refused.
const PASS_OVER_MAX: Duration = Duration::from_secs(2);

/// The whole body.
///
/// # Errors
/// Longer or slower than the server allows, or cut short.
pub(super) async fn whole(body: Body, gate: &Gate) -> Result<Bytes, Refusal> {
    let limits = gate.limits();
    let began = Instant::now();
    let mut reading = Reading { body, bytes: Vec::new(), bytes_max: limits.message_bytes_max };
    let slow = SLOW.min(limits.body_max);
    let read = match timeout_at(began + slow, reading.on()).await {
        Ok(read) => read,
        Err(_) => {
            // Who sends slowly keeps no processor busy.
            let _awaited = gate.admission().awaits();
            let read = timeout_at(began + limits.body_max, reading.on()).await;
            read.map_err(|_| Refusal::too_slow())?
        }
    };
    match read {
        Ok(()) => Ok(reading.bytes.into()),
        Err(Fault::TooLong) => {
            pass_over(reading.body, limits.message_bytes_max).await;
            Err(Refusal::too_long())
        }
        Err(Fault::Broken) => Err(Refusal::at("", "the body breaks off")),
    }
}

/// Reads on without keeping anything, up to `bytes_max`: a connection that is closed while its client
/// still sends loses the answer on the way.
pub(super) async fn pass_over(mut body: Body, bytes_max: usize) {
    let end = Instant::now() + PASS_OVER_MAX;
    let mut bytes = 0;
    while let Ok(Some(Ok(frame))) = timeout_at(end, body.frame()).await {
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > bytes_max {
            return;
        }
    }
}

enum Fault {
    TooLong,
    Broken,
}

/// A body as far as it has come in.
struct Reading {
    body: Body,
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Reading {
    /// Reads to the end; where it is given up in between, it can be gone on with.
    async fn on(&mut self) -> Result<(), Fault> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|_gone| Fault::Broken)?;
            let Some(data) = frame.data_ref() else { continue };
            if self.bytes.len() + data.len() > self.bytes_max {
                return Err(Fault::TooLong);
            }
            self.bytes.extend_from_slice(data);
        }
        Ok(())
    }
}
