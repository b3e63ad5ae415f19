//! HTTP/2 frames by hand, for clients that do not behave.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_HEADERS: u8 = 4;

/// A frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The header block of a `Score` call (HPACK, without the dynamic table).
pub(super) fn score_headers() -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", super::process::SCORE),
        (":authority", "server"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        block.extend(header(name, value));
    }
    block
}

/// A header that the other side is not to remember.
pub(super) fn header(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        // Lengths as HPACK writes them, 7 bits in the first byte.
        let mut rest = text.len();
        if rest < 127 {
            bytes.push(rest as u8);
        } else {
            bytes.push(127);
            rest -= 127;
            while rest >= 128 {
                bytes.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            bytes.push(rest as u8);
        }
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// A connection whose frames are written by hand.
pub(super) struct Raw {
    pub(super) stream: TcpStream,
}

impl Raw {
    /// Connects, and says what HTTP/2 begins with.
    pub(super) async fn open(address: SocketAddr) -> Raw {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        Raw { stream }
    }

    /// Sends `bytes` up to `times` times without reading; how often before the server cut the
    /// connection, or `None` when it took all.
    pub(super) async fn flood(&mut self, bytes: &[u8], times: usize) -> Option<usize> {
        for sent in 0..times {
            match timeout(Duration::from_secs(5), self.stream.write_all(bytes)).await {
                Ok(Ok(())) => {}
                // Cut, or held up for good because the server reads no more: both bound the work.
                _ => return Some(sent),
            }
        }
        None
    }

    /// Reads until the server closes; how long that took, or `None` within `patience`.
    pub(super) async fn closed_within(&mut self, patience: Duration) -> Option<Duration> {
        let began = Instant::now();
        let mut buffer = vec![0; 65_536];
        loop {
            let left = patience.checked_sub(began.elapsed())?;
            match timeout(left, self.stream.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => return Some(began.elapsed()),
                Ok(Ok(_)) => {}
                Err(_) => return None,
            }
        }
    }
}
