//! One connection: its handshake, its calls, and its end: by itself, idle, old, stuck, or because the
//! server drains.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, Sleep, interval, sleep, timeout};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::call::{Desk, Peer};
use super::traffic::{Counted, Traffic};
use crate::identity::peer_name;
use crate::meters;

/// `PRI * HTTP/2.0`, two empty lines and `SM`: what a client sends before all else.
pub(super) const PREFACE_BYTES: usize = 24;
/// How often a connection is looked at, at least and at most.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Serves one connection until it closes, or until its calls are answered once the drain began.
/// `opened` is told when the handshake is done.
pub(super) async fn serve(
    stream: TcpStream,
    desk: Arc<Desk>,
    mut draining: watch::Receiver<bool>,
    opened: impl FnOnce(),
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let limit = desk.limits().handshake_max;
    let tls = desk.tls.as_ref().map(|tls| TlsAcceptor::from(tls.config()));
    let begun = tokio::select! {
        begun = timeout(limit, begin(stream, tls)) => begun.ok().flatten(),
        _ = draining.wait_for(|is_draining| *is_draining) => None,
    };
    let Some((stream, preface)) = begun else { return };
    opened();
    let _counted = meters::process().connection();
    let traffic = Traffic::new();
    let name = match &stream {
        Stream::Plain(_) => None,
        Stream::Encrypted(tls) => tls.get_ref().1.peer_certificates().and_then(peer_name),
    };
    let peer = Arc::new(Peer { name, traffic: Arc::clone(&traffic) });
    match stream {
        Stream::Plain(tcp) => {
            calls(Counted::new(preface, tcp, traffic), desk, peer, draining).await;
        }
        Stream::Encrypted(tls) => {
            calls(Counted::new(preface, tls, traffic), desk, peer, draining).await;
        }
    }
}

/// A connection in the clear, or encrypted.
enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// The handshake, if there is one, and what HTTP/2 begins with.
async fn begin(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
) -> Option<(Stream, [u8; PREFACE_BYTES])> {
    let mut stream = match tls {
        None => Stream::Plain(stream),
        Some(tls) => Stream::Encrypted(Box::new(tls.accept(stream).await.ok()?)),
    };
    let mut preface = [0; PREFACE_BYTES];
    match &mut stream {
        Stream::Plain(tcp) => tcp.read_exact(&mut preface).await.ok()?,
        Stream::Encrypted(tls) => tls.read_exact(&mut preface).await.ok()?,
    };
    Some((stream, preface))
}

async fn calls<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: Counted<S>,
    desk: Arc<Desk>,
    peer: Arc<Peer>,
    mut draining: watch::Receiver<bool>,
) {
    let limits = *desk.limits();
    let traffic = Arc::clone(&peer.traffic);
    let answer = service_fn(move |request: Request<Incoming>| {
        Arc::clone(&desk).answer(request, Arc::clone(&peer))
    });
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(limits.header_bytes_max)
            .keep_alive_interval(limits.keepalive_interval)
            .keep_alive_timeout(limits.keepalive_timeout)
            .serve_connection(TokioIo::new(stream), answer)
    );
    let every = (limits.idle_max.min(limits.call_max).min(limits.age_max) / 4)
        .clamp(LOOK_EVERY.0, LOOK_EVERY.1);
    let mut looks = interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_leaving = false;
    let mut cut: Pin<&mut Option<Sleep>> = pin!(None);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            _ = draining.wait_for(|is_draining| *is_draining), if !is_leaving => {
                connection.as_mut().graceful_shutdown();
                is_leaving = true;
            }
            _ = looks.tick() => {
                if traffic.is_stuck() {
                    tracing::debug!("a connection is cut: it does not take its answers");
                    return;
                }
                let is_over = traffic.idle() > limits.idle_max || traffic.age() > limits.age_max;
                if is_over && !is_leaving {
                    connection.as_mut().graceful_shutdown();
                    is_leaving = true;
                    cut.set(Some(sleep(limits.call_max + limits.drain_max)));
                }
            }
            () = poll_fn(|context| match cut.as_mut().as_pin_mut() {
                Some(end) => end.poll(context),
                None => Poll::Pending,
            }) => return,
        }
    }
}
