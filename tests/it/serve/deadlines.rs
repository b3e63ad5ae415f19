//! Deadlines and calls that their callers give up.

use std::time::{Duration, Instant};

use tonic::Code;
use tonic::codegen::http::Request;

use super::load::{Load, call, code_of, connect};
use super::process::{SCORE, Server, patient};

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_answered_by_its_deadline_or_told_that_it_has_passed() {
    let server = Server::start(&[("LIMITS__MESSAGE_BYTES_MAX", "16777216")]);
    let bodies = [patient(150), patient(20_000)];
    let mut sender = connect(server.address).await.unwrap();
    // More work than there are processors, so that deadlines do pass.
    let crowd = Load::new(patient(20_000), 6, Duration::from_secs(3));
    let address = server.address;
    let crowd = tokio::spawn(async move { crowd.run(address).await });
    for milliseconds in [1, 2, 5, 10, 20, 50, 100, 200, 500] {
        for body in &bodies {
            let began = Instant::now();
            let headers = call(&mut sender, SCORE, body, Some(milliseconds)).await.unwrap();
            let took = began.elapsed();
            let code = code_of(&headers);
            let allowed = [Code::Ok, Code::DeadlineExceeded].map(i32::from);
            assert!(allowed.contains(&code), "{milliseconds} ms: {code}");
            let limit = Duration::from_millis(u64::from(milliseconds) + 1_000);
            assert!(took <= limit, "{milliseconds} ms: answered after {took:?}");
        }
    }
    crowd.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_given_up_leave_no_place_taken() {
    let server = Server::start(&[("LIMITS__CALLS_AT_ONCE_MAX", "32")]);
    let mut sender = connect(server.address).await.unwrap();
    let half = patient(150).slice(..100);
    for _ in 0..500 {
        let request = Request::post(format!("http://server{SCORE}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        // A connection that takes calls back too fast is cut; a caller then has another.
        let Ok(mut ready) = sender.clone().ready().await else {
            sender = connect(server.address).await.unwrap();
            continue;
        };
        // Half a message, and then the caller goes.
        let (_response, mut stream) = ready.send_request(request.body(()).unwrap(), false).unwrap();
        if stream.send_data(half.clone(), false).is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            stream.send_reset(h2::Reason::CANCEL);
        }
    }
    let mut sender = connect(server.address).await.unwrap();
    let body = patient(150);
    let began = Instant::now();
    let mut answered = 0;
    // All 32 places must come back, so that 32 calls at once find theirs.
    while answered < 32 {
        assert!(began.elapsed() < Duration::from_secs(10), "{answered} of 32 places");
        let calls = (0..32).map(|_| {
            let (mut sender, body) = (sender.clone(), body.clone());
            tokio::spawn(
                async move { call(&mut sender, SCORE, &body, None).await.map(|h| code_of(&h)) },
            )
        });
        answered = 0;
        for call in calls.collect::<Vec<_>>() {
            answered += u32::from(call.await.unwrap() == Some(0));
        }
    }
    assert_eq!(code_of(&call(&mut sender, SCORE, &body, None).await.unwrap()), 0);
}
