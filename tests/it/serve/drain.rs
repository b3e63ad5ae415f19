//! Shutdowns: under load, with clients that say nothing, and twice.

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tonic::Code;

use super::frames::{self, Raw, frame};
use super::load::{call, code_of, connect};
use super::process::{SCORE, Server, patient};

/// Ends one of two servers under load; callers go to the other when a call was not taken, as gRPC
/// clients do. Gives the number of calls that were lost.
async fn end_under_load() -> u64 {
    let mut ending = Server::start(&[("LIMITS__DRAIN_SECONDS", "5")]);
    let other = Server::start(&[]);
    let lost = Arc::new(AtomicU64::new(0));
    let answered = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + Duration::from_secs(2);
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (first, second) = (ending.address, other.address);
            let (lost, answered) = (Arc::clone(&lost), Arc::clone(&answered));
            tokio::spawn(async move {
                let body = patient(150);
                let mut sender = connect(first).await.unwrap();
                let mut has_moved = false;
                while Instant::now() < until {
                    let status = call(&mut sender, SCORE, &body, None).await.map(|h| code_of(&h));
                    match status {
                        Some(0) => _ = answered.fetch_add(1, Relaxed),
                        // Never taken, or said to be for another server: the only kinds to retry.
                        None if sender.clone().ready().await.is_err() && !has_moved => {
                            has_moved = true;
                            sender = connect(second).await.unwrap();
                        }
                        Some(code) if code == i32::from(Code::Unavailable) => {}
                        _ => _ = lost.fetch_add(1, Relaxed),
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    ending.terminate();
    let status = tokio::task::spawn_blocking(move || ending.ended()).await.unwrap();
    assert!(status.success(), "{status}");
    assert!(began.elapsed() < Duration::from_secs(6 + 3));
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(answered.load(Relaxed) > 100);
    lost.load(Relaxed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_under_load_loses_no_call() {
    assert_eq!(end_under_load().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: twenty shutdowns"]
async fn twenty_shutdowns_under_load_lose_no_call() {
    for round in 0..20 {
        assert_eq!(end_under_load().await, 0, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_do_not_hold_up_the_end() {
    let mut server = Server::start(&[("LIMITS__DRAIN_SECONDS", "1")]);
    let silent = TcpStream::connect(server.address).await.unwrap();
    let idle = Raw::open(server.address).await;
    let mut half = Raw::open(server.address).await;
    let headers = frame(frames::HEADERS, frames::END_HEADERS, 1, &frames::score_headers());
    half.stream.write_all(&headers).await.unwrap();
    half.stream.write_all(&frame(frames::DATA, 0, 1, &[0, 0, 0, 1, 0, 7])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    server.terminate();
    let status = tokio::task::spawn_blocking(move || server.ended()).await.unwrap();
    assert!(status.success());
    // The notice of half a second, the drain limit, and one more for the end itself.
    assert!(began.elapsed() < Duration::from_millis(2_500 + 2_000), "{:?}", began.elapsed());
    drop((silent, idle, half));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start(&[("LIMITS__DRAIN_SECONDS", "20")]);
    let mut half = Raw::open(server.address).await;
    let headers = frame(frames::HEADERS, frames::END_HEADERS, 1, &frames::score_headers());
    half.stream.write_all(&headers).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.terminate();
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(server.is_running(), "it waits for the call");
    let began = Instant::now();
    server.terminate();
    let status = tokio::task::spawn_blocking(move || server.ended()).await.unwrap();
    assert_eq!((status.code(), status.signal()), (Some(1), None));
    assert!(began.elapsed() < Duration::from_secs(3));
}
