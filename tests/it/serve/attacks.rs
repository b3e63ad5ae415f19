//! Clients that mean harm: each attack ends bounded, and meanwhile others are answered.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::frames::{self, Raw, frame};
use super::load::{call, code_of, connect};
use super::process::{SCORE, Server, patient};

/// Whether a well-behaved caller is answered, and memory has not grown by more than 64 MB.
async fn assert_unharmed(server: &mut Server, rss_kib: u64, attack: &str) {
    assert!(server.is_running(), "{attack}: the server is gone");
    let answered = tokio::time::timeout(Duration::from_secs(5), async {
        let mut sender = connect(server.address).await?;
        call(&mut sender, SCORE, &patient(150), None).await
    });
    let headers = answered.await.expect("not answered in time");
    assert_eq!(headers.map(|headers| code_of(&headers)), Some(0), "{attack}");
    let grown_kib = server.rss_kib().saturating_sub(rss_kib);
    assert!(grown_kib < 64 << 10, "{attack}: {grown_kib} KiB more");
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_frames_are_cut_after_a_bounded_number() {
    let mut server = Server::start(&[]);
    assert_unharmed(&mut server, u64::MAX >> 8, "before").await;
    let rss_kib = server.rss_kib();
    let headers =
        |stream| frame(frames::HEADERS, frames::END_HEADERS, stream, &frames::score_headers());

    let mut raw = Raw::open(server.address).await;
    let resets: Vec<u8> = (0..5_000_u32)
        .flat_map(|n| [headers(2 * n + 1), frame(frames::RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8])])
        .flatten()
        .collect();
    let _ = raw.flood(&resets, 1).await;
    assert!(raw.closed_within(Duration::from_secs(10)).await.is_some(), "rapid resets go on");
    assert_unharmed(&mut server, rss_kib, "rapid reset").await;

    let mut raw = Raw::open(server.address).await;
    raw.stream.write_all(&frame(frames::HEADERS, 0, 1, &frames::score_headers())).await.unwrap();
    let more = frame(frames::CONTINUATION, 0, 1, &frames::header("x-a", &"b".repeat(100)));
    assert!(raw.flood(&more, 200_000).await.is_some(), "CONTINUATION goes on");
    assert_unharmed(&mut server, rss_kib, "CONTINUATION").await;

    // Many frames in each write, or the sender is the slow one. The attacker reads nothing.
    for (name, one) in [
        ("PING", frame(frames::PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(frames::SETTINGS, 0, 0, &[])),
    ] {
        let mut raw = Raw::open(server.address).await;
        assert!(raw.flood(&one.repeat(1_000), 2_000).await.is_some(), "{name} goes on");
        assert_unharmed(&mut server, rss_kib, name).await;
    }

    let mut raw = Raw::open(server.address).await;
    raw.stream.write_all(&headers(1)).await.unwrap();
    let empty = frame(frames::DATA, 0, 1, &[]);
    assert!(raw.flood(&empty.repeat(1_000), 1_000).await.is_some(), "empty DATA goes on");
    assert_unharmed(&mut server, rss_kib, "empty DATA").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swollen_header_is_refused() {
    let mut server = Server::start(&[]);
    let rss_kib = server.rss_kib();
    let mut raw = Raw::open(server.address).await;
    let mut block = frames::score_headers();
    for key in 0..1_000 {
        block.extend(frames::header(&format!("x-{key}"), &"v".repeat(60)));
    }
    let mut bytes = Vec::new();
    let mut parts = block.chunks(16_000).peekable();
    let mut kind = frames::HEADERS;
    while let Some(part) = parts.next() {
        let flags = if parts.peek().is_none() { frames::END_HEADERS } else { 0 };
        bytes.extend(frame(kind, flags, 1, part));
        kind = frames::CONTINUATION;
    }
    let _ = raw.flood(&bytes, 1).await;
    assert_unharmed(&mut server, rss_kib, "a swollen header").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_are_cut_and_silent_connections_make_room() {
    let mut server =
        Server::start(&[("LIMITS__BODY_SECONDS", "1"), ("LIMITS__CONNECTIONS_MAX", "20")]);
    let rss_kib = server.rss_kib();
    let mut raw = Raw::open(server.address).await;
    let headers = frame(frames::HEADERS, frames::END_HEADERS, 1, &frames::score_headers());
    raw.stream.write_all(&headers).await.unwrap();
    let began = std::time::Instant::now();
    let mut answer = Vec::new();
    // A byte every 100 ms: the call ends all the same.
    while began.elapsed() < Duration::from_secs(10) {
        let _ = raw.stream.write_all(&frame(frames::DATA, 0, 1, &[0])).await;
        let mut buffer = [0; 4_096];
        let read = tokio::io::AsyncReadExt::read(&mut raw.stream, &mut buffer);
        if let Ok(Ok(count)) = tokio::time::timeout(Duration::from_millis(100), read).await {
            answer.extend(&buffer[..count]);
            if count == 0
                || answer.windows(16).any(|w| w == b"REQUEST_TOO_SLOW")
                || has_headers(&answer)
            {
                break;
            }
        }
    }
    assert!(began.elapsed() < Duration::from_secs(8), "a slow body is held for ever");
    let mut silent = Vec::new();
    for _ in 0..60 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    assert_unharmed(&mut server, rss_kib, "silent connections").await;
    drop(silent);
}

/// Whether a HEADERS frame of stream 1 has come: the answer to the call.
fn has_headers(mut bytes: &[u8]) -> bool {
    while let [a, b, c, kind, _, _, _, _, stream, rest @ ..] = bytes {
        if *kind == frames::HEADERS && *stream == 1 {
            return true;
        }
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        bytes = rest.get(length..).unwrap_or_default();
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_answers_holds_little() {
    let mut server = Server::start(&[]);
    let rss_kib = server.rss_kib();
    // No window at all for answers: INITIAL_WINDOW_SIZE = 0.
    let mut raw = Raw::open(server.address).await;
    raw.stream.write_all(&frame(frames::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await.unwrap();
    let body = patient(150);
    for number in 0..50_u32 {
        let stream = 2 * number + 1;
        let headers = frame(frames::HEADERS, frames::END_HEADERS, stream, &frames::score_headers());
        let call = [headers, frame(frames::DATA, 1, stream, &body)].concat();
        // A server that has had enough of it may cut the connection.
        if raw.stream.write_all(&call).await.is_err() {
            assert!(number > 0, "cut at once");
            break;
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_unharmed(&mut server, rss_kib, "answers that are not taken").await;
}
