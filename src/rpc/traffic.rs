//! What one connection does: its calls, its silence, and whether what it sends is of any use. A
//! connection that sends frame after frame and no calls is cut.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::meters::{self, Shed};

/// What a connection may send beyond its calls: the data that flow control lets it send ahead of
/// being read (1 MiB), and frames of no call (PING, SETTINGS, WINDOW_UPDATE ...).
const ALLOWANCE_BYTES: u64 = (1 << 20) + (256 << 10);
/// What each call may take in headers and frames of its own.
const CALL_BYTES: u64 = 32 << 10;

/// The calls and bytes of one connection.
#[derive(Debug)]
pub(super) struct Traffic {
    began: Instant,
    read_bytes: AtomicU64,
    useful_bytes: AtomicU64,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    next: u64,
    /// When each open call must have been answered and its answer taken; `None` for streams, whose
    /// handlers keep their own time.
    open: BTreeMap<u64, Option<Instant>>,
    /// When the last one ended.
    ended: Option<Instant>,
}

impl Traffic {
    pub(super) fn new() -> Arc<Traffic> {
        Arc::new(Traffic {
            began: Instant::now(),
            read_bytes: AtomicU64::new(0),
            useful_bytes: AtomicU64::new(ALLOWANCE_BYTES),
            calls: Mutex::default(),
        })
    }

    /// Counts a call in until what is returned is dropped.
    pub(super) fn call(self: &Arc<Traffic>, end_by: Option<Instant>) -> OpenCall {
        self.useful(CALL_BYTES);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let id = calls.next;
        calls.next += 1;
        calls.open.insert(id, end_by);
        OpenCall { traffic: Arc::clone(self), id }
    }

    fn useful(&self, bytes: u64) {
        self.useful_bytes.fetch_add(bytes, Relaxed);
    }

    /// How long there has been no call at all; zero while one is open.
    pub(super) fn idle(&self) -> Duration {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        match calls.open.is_empty() {
            true => calls.ended.unwrap_or(self.began).elapsed(),
            false => Duration::ZERO,
        }
    }

    /// Whether an answer should have been taken long ago.
    pub(super) fn is_stuck(&self) -> bool {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        calls.open.values().flatten().any(|end_by| *end_by < now)
    }

    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }
}

/// A call that is not over before its answer is taken, or given up.
#[derive(Debug)]
pub(super) struct OpenCall {
    traffic: Arc<Traffic>,
    id: u64,
}

impl OpenCall {
    /// Counts bytes of the request's body as of use.
    pub(super) fn received(&self, bytes: usize) {
        self.traffic.useful(bytes as u64);
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let mut calls = self.traffic.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.open.remove(&self.id);
        if calls.open.is_empty() {
            calls.ended = Some(Instant::now());
        }
    }
}

/// An answer on its way: its call is open until it is gone.
#[derive(Debug)]
pub(super) struct Answer<B> {
    body: B,
    _call: Arc<OpenCall>,
}

impl<B> Answer<B> {
    pub(super) fn new(body: B, call: Arc<OpenCall>) -> Answer<B> {
        Answer { body, _call: call }
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection's bytes: what was read ahead comes first, and what is read is counted.
#[derive(Debug)]
pub(super) struct Counted<S> {
    ahead: Cursor<[u8; super::connection::PREFACE_BYTES]>,
    stream: S,
    traffic: Arc<Traffic>,
}

impl<S> Counted<S> {
    pub(super) fn new(
        ahead: [u8; super::connection::PREFACE_BYTES],
        stream: S,
        traffic: Arc<Traffic>,
    ) -> Counted<S> {
        Counted { ahead: Cursor::new(ahead), stream, traffic }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let taken = self.ahead.read(buffer.initialize_unfilled())?;
        if taken > 0 {
            buffer.advance(taken);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = (buffer.filled().len() - before) as u64;
        if read > 0 {
            let all = self.traffic.read_bytes.fetch_add(read, Relaxed) + read;
            if all > self.traffic.useful_bytes.load(Relaxed) {
                meters::process().shed(Shed::Traffic);
                return Poll::Ready(Err(io::Error::other("frames without calls")));
            }
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
