//! A client that calls again and again over many connections and looks at every answer's status.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use h2::client::SendRequest;
use prost::bytes::Bytes;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::Code;
use tonic::codegen::http::{HeaderMap, Request};

/// What came of many calls.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How often each status came.
    pub(super) codes: BTreeMap<i32, u64>,
    /// Calls that ended without any status, such as by a closed connection.
    pub(super) broken: u64,
    /// How long the calls took that were answered OK.
    pub(super) ok: Vec<Duration>,
    /// How long the refused ones took.
    pub(super) refused: Vec<Duration>,
    /// Refusals that say when to come again.
    pub(super) with_retry: u64,
}

impl Tally {
    pub(super) fn count(&self, code: Code) -> u64 {
        self.codes.get(&i32::from(code)).copied().unwrap_or(0)
    }

    /// Calls whose status is none of `codes`, the broken ones included.
    pub(super) fn others(&self, codes: &[Code]) -> u64 {
        let is_other = |code: &i32| !codes.iter().any(|known| i32::from(*known) == *code);
        let other = self.codes.iter().filter(|(code, _)| is_other(code));
        other.map(|(_, count)| count).sum::<u64>() + self.broken
    }

    fn add(&mut self, other: Tally) {
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
        self.broken += other.broken;
        self.ok.extend(other.ok);
        self.refused.extend(other.refused);
        self.with_retry += other.with_retry;
    }
}

/// The value at `share` (0 to 1) of `times`.
pub(super) fn quantile(times: &[Duration], share: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// A kind of load.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) path: &'static str,
    pub(super) body: Bytes,
    pub(super) connections: usize,
    /// Calls in work at once, over all connections.
    pub(super) at_once: usize,
    pub(super) lasts: Duration,
    /// Sent as `grpc-timeout`.
    pub(super) timeout_milliseconds: Option<u32>,
    /// Whether a refused caller waits before its next call, as a well-behaved one does.
    pub(super) backs_off: Option<Duration>,
}

impl Load {
    pub(super) fn new(body: Bytes, at_once: usize, lasts: Duration) -> Load {
        Load {
            path: super::process::SCORE,
            body,
            connections: 1,
            at_once,
            lasts,
            timeout_milliseconds: None,
            backs_off: None,
        }
    }

    /// Calls `address` for as long as the load lasts, and ends the last calls in peace.
    pub(super) async fn run(&self, address: SocketAddr) -> Tally {
        let end = Instant::now() + self.lasts;
        let mut workers = JoinSet::new();
        for connection in 0..self.connections {
            let share = (self.at_once + connection) / self.connections;
            let load = self.clone();
            workers.spawn(async move { load.connection(address, share, end).await });
        }
        let mut tally = Tally::default();
        while let Some(each) = workers.join_next().await {
            tally.add(each.unwrap());
        }
        tally
    }

    async fn connection(self, address: SocketAddr, at_once: usize, end: Instant) -> Tally {
        let mut tally = Tally::default();
        let Some(sender) = connect(address).await else {
            tally.broken += 1;
            return tally;
        };
        let mut workers = JoinSet::new();
        for _ in 0..at_once {
            let (load, mut sender) = (self.clone(), sender.clone());
            workers.spawn(async move {
                let mut tally = Tally::default();
                while Instant::now() < end && load.once(&mut sender, &mut tally).await {}
                tally
            });
        }
        while let Some(each) = workers.join_next().await {
            tally.add(each.unwrap());
        }
        tally
    }

    /// One call; whether the connection can take another.
    async fn once(&self, sender: &mut SendRequest<Bytes>, tally: &mut Tally) -> bool {
        let began = Instant::now();
        let Some(headers) = call(sender, self.path, &self.body, self.timeout_milliseconds).await
        else {
            tally.broken += 1;
            return false;
        };
        let code = code_of(&headers);
        *tally.codes.entry(code).or_default() += 1;
        if code == i32::from(Code::Ok) {
            tally.ok.push(began.elapsed());
        } else {
            tally.refused.push(began.elapsed());
            let details = headers.get("grpc-status-details-bin");
            let says = |text: &[u8]| contains(&decode_base64(text), b"RetryInfo");
            tally.with_retry += u64::from(details.is_some_and(|d| says(d.as_bytes())));
            if let Some(rest) = self.backs_off {
                tokio::time::sleep(rest).await;
            }
        }
        true
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

pub(crate) fn decode_base64(text: &[u8]) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(text).unwrap_or_default()
}

/// The `grpc-status` of an answer.
pub(crate) fn code_of(headers: &HeaderMap) -> i32 {
    let status = headers.get("grpc-status").and_then(|status| status.to_str().ok());
    status.and_then(|status| status.parse().ok()).unwrap_or(-1)
}

/// A connection to `address`, driven in the background.
pub(crate) async fn connect(address: SocketAddr) -> Option<SendRequest<Bytes>> {
    let stream = TcpStream::connect(address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let (sender, connection) = h2::client::handshake(stream).await.ok()?;
    tokio::spawn(connection);
    Some(sender)
}

/// One call; the headers that hold its status, or `None` where the connection broke.
pub(super) async fn call(
    sender: &mut SendRequest<Bytes>,
    path: &str,
    body: &Bytes,
    timeout_milliseconds: Option<u32>,
) -> Option<HeaderMap> {
    let timeout = timeout_milliseconds.map(|milliseconds| format!("{milliseconds}m"));
    let timeout = timeout.as_deref().map(|timeout| ("grpc-timeout", timeout));
    exchange(sender, path, timeout.as_slice(), body).await.map(|answer| answer.status)
}

/// What came back for one call.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The headers at its beginning.
    pub(crate) head: HeaderMap,
    /// The message with its frame, if there is one.
    pub(crate) body: Vec<u8>,
    /// The headers that hold its status: those at its end, or at its beginning where there is no more.
    pub(crate) status: HeaderMap,
}

/// One call with `metadata`; `None` where the connection broke.
pub(crate) async fn exchange(
    sender: &mut SendRequest<Bytes>,
    path: &str,
    metadata: &[(&str, &str)],
    body: &Bytes,
) -> Option<Answer> {
    let mut request = Request::post(format!("http://server{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in metadata {
        request = request.header(*name, *value);
    }
    let mut ready = sender.clone().ready().await.ok()?;
    let (response, mut stream) = ready.send_request(request.body(()).unwrap(), false).ok()?;
    // Whoever is refused before the whole message is there may no longer take it.
    let _ = stream.send_data(body.clone(), true);
    let (head, mut answer) = response.await.ok()?.into_parts();
    let head = head.headers;
    let mut body = Vec::new();
    if head.contains_key("grpc-status") {
        return Some(Answer { status: head.clone(), head, body });
    }
    while let Some(data) = answer.data().await {
        let data = data.ok()?;
        body.extend_from_slice(&data);
        answer.flow_control().release_capacity(data.len()).ok()?;
    }
    let status = answer.trailers().await.ok()??;
    Some(Answer { head, body, status })
}
