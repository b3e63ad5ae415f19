//! A closed-loop load client: so many calls at a time, each begun when another ended. It sends one framed
//! message again and again, looks at the grpc-status of every reply, and prints one JSON line.
//! `load ADDRESS PATH BODY CALLS_AT_ONCE SECONDS WARMUP_SECONDS`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};

/// Calls on one connection.
const CALLS_PER_CONNECTION: usize = 16;

#[derive(Default)]
struct Seen {
    latencies_us: Vec<f64>,
    /// How often each grpc-status came, or why none did.
    ends: BTreeMap<String, u64>,
}

/// Sends one call, and waits for its grpc-status.
async fn call(sender: &mut SendRequest<Bytes>, uri: &str, body: &Bytes) -> Result<String, Box<dyn Error>> {
    let request = http::Request::post(uri)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    *sender = sender.clone().ready().await?;
    let (response, mut stream) = sender.send_request(request, false)?;
    stream.send_data(body.clone(), true)?;
    let (head, mut body) = response.await?.into_parts();
    while let Some(chunk) = body.data().await {
        let length = chunk?.len();
        body.flow_control().release_capacity(length)?;
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let status = trailers.get("grpc-status").or(head.headers.get("grpc-status"));
    Ok(status.map_or("none", |status| status.to_str().unwrap_or("unreadable")).to_owned())
}

/// Calls until `end`; calls begun before `begin` are not counted.
async fn calls(
    mut sender: SendRequest<Bytes>,
    uri: String,
    body: Bytes,
    (begin, end): (Instant, Instant),
    seen: Rc<RefCell<Seen>>,
) {
    loop {
        let began = Instant::now();
        if began >= end {
            return;
        }
        let ended = call(&mut sender, &uri, &body).await;
        let took = began.elapsed();
        let mut seen = seen.borrow_mut();
        match ended {
            Ok(_) if began < begin => {}
            Ok(status) => {
                if status == "0" {
                    seen.latencies_us.push(took.as_secs_f64() * 1e6);
                }
                *seen.ends.entry(status).or_default() += 1;
            }
            Err(error) => {
                *seen.ends.entry(error.to_string()).or_default() += 1;
                return;
            }
        }
    }
}

async fn load(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [address, path, body, at_once, seconds, warmup] = arguments else {
        return Err("load ADDRESS PATH BODY CALLS_AT_ONCE SECONDS WARMUP_SECONDS".into());
    };
    let body = Bytes::from(std::fs::read(body)?);
    let (at_once, uri): (usize, _) = (at_once.parse()?, format!("http://{address}{path}"));
    let mut senders = Vec::new();
    for _ in 0..at_once.div_ceil(CALLS_PER_CONNECTION) {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let (sender, connection) = h2::client::Builder::new().handshake(tcp).await?;
        spawn_local(async move {
            let _ = connection.await;
        });
        senders.push(sender);
    }
    let begin = Instant::now() + Duration::from_secs_f64(warmup.parse()?);
    let end = begin + Duration::from_secs_f64(seconds.parse()?);
    let seen = Rc::new(RefCell::new(Seen::default()));
    let tasks: Vec<_> = (0..at_once)
        .map(|place| {
            let sender = senders[place % senders.len()].clone();
            spawn_local(calls(sender, uri.clone(), body.clone(), (begin, end), Rc::clone(&seen)))
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    let took = begin.elapsed().as_secs_f64();
    let mut seen = seen.borrow_mut();
    let Seen { latencies_us, ends } = &mut *seen;
    latencies_us.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (latencies_us.len() as f64 * share) as usize;
        latencies_us.get(place).or(latencies_us.last()).copied().unwrap_or(-1.0)
    };
    let (good, rate) = (latencies_us.len(), latencies_us.len() as f64 / took);
    println!(
        "{{\"good\":{good},\"per_second\":{rate:.1},\"p50_us\":{:.1},\"p99_us\":{:.1},\"ends\":{ends:?}}}",
        at(0.5),
        at(0.99)
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, load(&arguments))
}
