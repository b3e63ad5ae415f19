//! The body of a request, which must keep coming: a client that sends a byte now and then holds no
//! place for long.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;

use super::status;
use super::traffic::OpenCall;
use crate::service::{Admission, Awaited};

/// What a client may send of a body before it is read: hyper's window of a stream.
const WINDOW_BYTES: usize = 1 << 20;
/// From when on a sender is slow: what a server under load has not read yet is work that waits.
const SLOW: Duration = Duration::from_secs(1);

/// A body with a time limit: of a single request for the whole, of a stream from message to message.
#[derive(Debug)]
pub(super) struct RequestBody {
    body: Incoming,
    call: Arc<OpenCall>,
    limit: Duration,
    is_stream: bool,
    is_over: bool,
    admission: Arc<Admission>,
    /// Held from when a single request is slow until it is there.
    awaited: Option<Awaited>,
    /// Made at the first wait: most requests are there whole when they are first looked for.
    wait: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(super) fn new(
        body: Incoming,
        call: Arc<OpenCall>,
        limit: Duration,
        is_stream: bool,
        admission: Arc<Admission>,
    ) -> RequestBody {
        let (is_over, awaited, wait) = (false, None, None);
        RequestBody { body, call, limit, is_stream, is_over, admission, awaited, wait }
    }

    /// Takes in what the client goes on sending of a call that was refused, `bytes_max` at the most:
    /// HTTP/2 counts data of a stream that was reset as a fault, and a connection with many faults is
    /// cut, with the calls on it that were not refused.
    pub(super) async fn read_on(mut self, bytes_max: usize) {
        let mut bytes = 0;
        while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut self).poll_frame(context)).await
        {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > bytes_max {
                return;
            }
        }
    }

    /// Whether the time for the body is over. Before that, one that is slow counts as no work.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let slow = if self.is_stream { self.limit } else { self.limit.min(SLOW) };
        let wait = self.wait.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + slow)));
        if wait.as_mut().poll(context).is_pending() {
            return false;
        }
        if self.awaited.is_some() || slow == self.limit {
            return true;
        }
        self.awaited = Some(self.admission.awaits());
        wait.as_mut().reset(Instant::now() + (self.limit - slow));
        wait.as_mut().poll(context).is_ready()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // What flow control let the client send of a call that was refused or cut is no fault of its.
        if !self.is_over && !self.body.is_end_stream() {
            self.call.received(WINDOW_BYTES);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending() {
            if self.is_late(context) {
                return Poll::Ready(Some(Err(status::too_slow())));
            }
            return Poll::Pending;
        }
        if self.is_stream {
            self.wait = None;
        }
        let frame = ready!(polled);
        self.is_over = frame.is_none();
        if self.is_over {
            self.awaited = None;
        }
        if let Some(Ok(frame)) = &frame {
            self.call.received(frame.data_ref().map_or(0, Bytes::len));
        }
        // The client went away, which nobody will hear of.
        Poll::Ready(frame.map(|frame| frame.map_err(|_gone| Status::cancelled("gone"))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
