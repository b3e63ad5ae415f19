//! Metrics and probes of the running program.

use std::time::Duration;

use tokio::time::sleep;

use super::load::{call, code_of, connect};
use super::process::{SCORE, Server, patient};
use crate::pages::exposition::{Exposition, check_with_promtool};
use crate::pages::get;

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_seen_in_the_metrics_and_probes_fail_before_the_door_closes() {
    // A long notice, so that a slow machine has time for the probes in it.
    let settings = [("HTTP__LISTEN", "127.0.0.1:0"), ("LIMITS__NOTICE_MILLISECONDS", "8000")];
    let mut server = Server::start(&settings);
    let pages = server.pages.expect("the program says where the pages are");
    assert!(get(pages, "/readyz").await.starts_with("HTTP/1.1 200 OK\r\n"));

    let mut sender = connect(server.address).await.unwrap();
    let answer = call(&mut sender, SCORE, &patient(20), None).await.unwrap();
    assert_eq!(code_of(&answer), 0);
    call(&mut sender, "/patients/4711", &patient(20), None).await.unwrap();
    let answer = get(pages, "/metrics").await;
    let text = answer.split_once("\r\n\r\n").unwrap().1;
    check_with_promtool(text);
    let page = Exposition::parse(text);
    let calls =
        |method, code| page.value("prodrome_calls_total", &[("method", method), ("code", code)]);
    assert_eq!(calls("Score", "OK"), Some(1.0));
    assert_eq!(calls("unknown", "UNIMPLEMENTED"), Some(1.0));
    assert_eq!(page.value("prodrome_connections", &[]), Some(1.0));
    assert_eq!(page.value("prodrome_calls_in_flight", &[]), Some(0.0));
    let duration = page.value("prodrome_call_duration_seconds_count", &[("method", "Score")]);
    assert_eq!(duration, Some(1.0));
    assert_eq!(page.sum("prodrome_scores_total"), 1.0);
    assert!(!text.contains("4711") && !text.contains("p-1"), "nothing of a caller or a patient");

    server.terminate();
    let mut answer = get(pages, "/readyz").await;
    while answer.starts_with("HTTP/1.1 200") {
        sleep(Duration::from_millis(20)).await;
        answer = get(pages, "/readyz").await;
    }
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("shutting down\n"), "{answer}");
    let mut late = connect(server.address).await.expect("the door is still open");
    let answer = call(&mut late, SCORE, &patient(20), None).await.unwrap();
    assert_eq!(code_of(&answer), 0, "who came before the probe told is still answered");
    drop((sender, late));
    let ended = tokio::task::spawn_blocking(move || server.ended()).await.unwrap();
    assert!(ended.success());
}
