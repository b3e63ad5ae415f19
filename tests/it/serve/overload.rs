//! More calls than the server can take, and one call that is much larger than others.

use std::time::Duration;

use tonic::Code;

use super::load::{Load, call, connect, quantile};
use super::process::{SCORE, Server, patient};
use crate::support;

/// Calls at once and, beside them, how the server does under ten times as many.
async fn overload(connections: usize, lasts: Duration) -> (u64, super::load::Tally) {
    let server = Server::start(&[]);
    let body = patient(1_500);
    let peak = Load::new(body.clone(), 8, lasts).run(server.address).await;
    assert_eq!(peak.others(&[Code::Ok]), 0, "{:?}", peak.codes);
    let rss_kib = server.rss_kib();
    let load = Load {
        connections,
        backs_off: Some(Duration::from_millis(20)),
        ..Load::new(body, 1_600, lasts)
    };
    let over = load.run(server.address).await;
    assert!(server.rss_kib() < rss_kib + (64 << 10) + 1_600 * 64, "memory is bounded");
    (peak.count(Code::Ok), over)
}

fn assert_refusals_are_named(over: &super::load::Tally) {
    assert_eq!(over.others(&[Code::Ok, Code::ResourceExhausted]), 0, "{:?}", over.codes);
    assert_eq!(over.with_retry, over.count(Code::ResourceExhausted), "each says when to retry");
    assert!(over.count(Code::Ok) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_by_name_over_many_connections() {
    let (_, over) = overload(50, Duration::from_secs(2)).await;
    assert_refusals_are_named(&over);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long, and its figures need a quiet machine and --release"]
async fn goodput_stays_and_refusals_are_quick_under_ten_times_the_load() {
    for connections in [16, 200] {
        let lasts = Duration::from_secs(10);
        let (peak, over) = overload(connections, lasts).await;
        assert_refusals_are_named(&over);
        let goodput = over.count(Code::Ok) as f64 / peak as f64;
        let refused = quantile(&over.refused, 0.99);
        eprintln!(
            "{connections} connections: peak {peak}, goodput {goodput:.2}, {} refused, p99 of a \
             refusal {refused:?}, p99 of an answer {:?}",
            over.refused.len(),
            quantile(&over.ok, 0.99)
        );
        assert!(goodput >= 0.8, "{goodput}");
        assert!(refused <= Duration::from_millis(50), "{refused:?}");
    }
}

/// How long health takes beside 400 calls at once.
async fn health_in_a_crowd() -> Duration {
    let server = Server::start(&[]);
    let load = Load { connections: 20, ..Load::new(patient(1_500), 400, Duration::from_secs(3)) };
    let address = server.address;
    let crowd = tokio::spawn(async move { load.run(address).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let health = Load {
        path: "/grpc.health.v1.Health/Check",
        ..Load::new(
            super::process::framed(&tonic_health::pb::HealthCheckRequest::default()),
            1,
            Duration::from_secs(2),
        )
    };
    let health = health.run(address).await;
    assert_eq!(health.others(&[Code::Ok]), 0, "{:?}", health.codes);
    crowd.await.unwrap();
    quantile(&health.ok, 0.99)
}

#[tokio::test(flavor = "multi_thread")]
async fn health_answers_while_calls_crowd_in() {
    health_in_a_crowd().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "its figure needs a quiet machine and --release"]
async fn health_answers_at_once_while_calls_crowd_in() {
    let slow = health_in_a_crowd().await;
    eprintln!("p99 of health {slow:?}");
    assert!(slow <= Duration::from_millis(100), "{slow:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_record_is_scored_and_a_larger_one_refused_while_others_are_answered() {
    let server = Server::start(&[("LIMITS__MESSAGE_BYTES_MAX", "67108864")]);
    let mut sender = connect(server.address).await.unwrap();
    let rss_kib = server.rss_kib();
    let others = Load::new(patient(150), 2, Duration::from_secs(4));
    let address = server.address;
    let others = tokio::spawn(async move { others.run(address).await });
    let largest = call(&mut sender, SCORE, &patient(200_000), None).await.unwrap();
    assert_eq!(super::load::code_of(&largest), 0);
    let beyond = call(&mut sender, SCORE, &patient(1_000_000), None).await.unwrap();
    assert_eq!(super::load::code_of(&beyond), i32::from(Code::InvalidArgument));
    let others = others.await.unwrap();
    assert_eq!(others.others(&[Code::Ok]), 0, "{:?}", others.codes);
    assert!(server.rss_kib() < rss_kib + (300 << 10), "{} KiB", server.rss_kib());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_message_is_refused_without_being_held() {
    let server = Server::start(&[]);
    let rss_kib = server.rss_kib();
    let mut sender = connect(server.address).await.unwrap();
    // 100 MB, by the length that the frame says.
    let mut body = vec![0];
    body.extend(100_000_000_u32.to_be_bytes());
    body.resize(1 << 20, 0);
    let head = call(&mut sender, SCORE, &body.into(), None).await.unwrap();
    assert_eq!(super::load::code_of(&head), i32::from(Code::ResourceExhausted));
    assert!(server.rss_kib() < rss_kib + (16 << 10));
}

/// Calls for a minute at about two thirds of what the server can take.
async fn steady(lasts: Duration) {
    let server = Server::start(&[]);
    let body = patient(150);
    Load::new(body.clone(), 2, lasts / 5).run(server.address).await;
    let (rss_kib, open_files) = (server.rss_kib(), server.open_files());
    let mut fifths = Vec::new();
    for _ in 0..5 {
        let tally = Load::new(body.clone(), 2, lasts / 5).run(server.address).await;
        assert_eq!(tally.others(&[Code::Ok]), 0, "{:?}", tally.codes);
        fifths.push(quantile(&tally.ok, 0.99));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let grown_kib = server.rss_kib().saturating_sub(rss_kib);
    eprintln!("p99 by fifth {fifths:?}, memory grew by {grown_kib} KiB");
    assert!(grown_kib <= 4 << 10, "{grown_kib} KiB");
    assert!(server.open_files() <= open_files + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn steady_calls_leave_nothing_behind() {
    steady(Duration::from_secs(3)).await;
    assert!(support::root().is_dir());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: a minute of calls"]
async fn a_minute_of_calls_leaves_nothing_behind() {
    steady(Duration::from_secs(60)).await;
}
