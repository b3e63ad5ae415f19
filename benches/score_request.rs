//! Where the time of one Score goes, without transport: reading the message, building the history,
//! extracting the features, evaluating and explaining 300 trees of depth 8, and the whole call from
//! bytes to bytes. One patient with 150 events, one thread.
//!
//! Microseconds a call, the median of `PRODROME_ROUNDS` windows (default 30). Given a folder
//! (`--models DIR`), it writes five such models and the request as a gRPC body there instead, for
//! `benches/peers/serving`; `--part NAME` runs that part alone for some seconds, for a profiler.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may fail")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prodrome::bundle::Bundle;
use prodrome::feature::extract;
use prodrome::record::{History, Time};
use prodrome::registry::{ModelSettings, Models};
use prodrome::rpc::{proto, read_record, score_message};
use prodrome::score::score;
use prodrome::service::Service;
use prost::Message;

mod heavy;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Leaves of a tree: as our own fits grow them, and as serving.md's LightGBM model has on average.
const LEAVES: [usize; 2] = [31, 120];

/// How long one part runs for a profiler.
const PROFILED: Duration = Duration::from_secs(5);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)
    };
    if let Some(folder) = given("--models") {
        return write(Path::new(folder));
    }
    let rounds = std::env::var("PRODROME_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds: usize = rounds.unwrap_or(30);
    for leaves in LEAVES {
        println!("-- 300 trees of depth 8, up to {leaves} leaves");
        parts(leaves, rounds, given("--part").map(String::as_str));
    }
}

fn parts(leaves: usize, rounds: usize, only: Option<&str>) {
    let models = tempfile::tempdir().unwrap();
    let files = heavy::bundle(heavy::TASK, leaves);
    heavy::write(models.path(), heavy::TASK, &files);
    let bundle = Bundle::open(&files).unwrap();
    let settings = ModelSettings::new(models.path());
    let service = Service::new(Arc::new(Models::open(settings).unwrap()));
    let message = |events, task, no_reasons| {
        Bytes::from(heavy::request(events, task, no_reasons).encode_to_vec())
    };
    let [with, without] = [false, true].map(|no| message(150, heavy::TASK, no));
    println!("   a request of {} bytes", with.len());
    let now = Time::from_micros(0);
    let (record, at) = read_record(with.clone()).unwrap();
    let at = at.unwrap();
    let known_after = &bundle.task().params().known_after;
    let build = || History::build(&record, bundle.concepts(), known_after).unwrap().history;
    let history = build();
    let view = history.view(at);
    let spec = bundle.task().spec();
    let facts = extract(&view, spec, true);
    let row = bundle.manifest().vocabulary.row(&facts);
    assert_eq!(score(&bundle, &history, at, 5).unwrap().reasons.len(), 5);
    let long = message(10_000, heavy::TASK, false);
    let longest = message(200_000, heavy::TASK, false);
    let parts: [(&str, usize, &dyn Fn()); 13] = [
        ("prost decode, owned strings", 200, &|| {
            black_box(proto::ScoreRequest::decode(with.clone()).unwrap());
        }),
        ("read to a record", 200, &|| {
            black_box(read_record(with.clone()).unwrap());
        }),
        ("history", 200, &|| {
            black_box(build());
        }),
        ("view and features", 200, &|| {
            black_box(extract(&history.view(at), spec, false));
        }),
        ("view and features, evidence", 200, &|| {
            black_box(extract(&history.view(at), spec, true));
        }),
        ("row", 1_000, &|| {
            black_box(bundle.manifest().vocabulary.row(&facts));
        }),
        ("trees", 1_000, &|| {
            black_box(bundle.predict(&row));
        }),
        ("explain", 100, &|| {
            black_box(bundle.explain(&row));
        }),
        ("score of a history, no reasons", 100, &|| {
            black_box(score(&bundle, &history, at, 0).unwrap());
        }),
        ("score of a history, 5 reasons", 100, &|| {
            black_box(score(&bundle, &history, at, 5).unwrap());
        }),
        ("bytes to bytes, no reasons", 100, &|| {
            black_box(score_message(&service, without.clone(), now).unwrap());
        }),
        ("bytes to bytes, 5 reasons", 100, &|| {
            black_box(score_message(&service, with.clone(), now).unwrap());
        }),
        ("10,000 events, bytes to bytes, 5 reasons", 1, &|| {
            black_box(score_message(&service, long.clone(), now).unwrap());
        }),
    ];
    for (name, calls, call) in parts {
        match only {
            Some(only) if only != name => {}
            Some(_) => {
                let began = Instant::now();
                while began.elapsed() < PROFILED {
                    call();
                }
            }
            None => println!("{:>10.2} us  {name}", median(rounds, calls, call)),
        }
    }
    if only.is_none() {
        let call = || {
            black_box(score_message(&service, longest.clone(), now).unwrap());
        };
        println!("{:>10.0} us  200,000 events, bytes to bytes, 5 reasons", median(3, 1, &call));
    }
}

/// Microseconds a call.
fn median(windows: usize, calls: usize, call: &dyn Fn()) -> f64 {
    (0..calls).for_each(|_| call());
    let window = |_| {
        let began = Instant::now();
        (0..calls).for_each(|_| call());
        began.elapsed().as_secs_f64() * 1e6 / calls as f64
    };
    let mut times: Vec<f64> = (0..windows).map(window).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Five models, and the request framed as gRPC does it: a zero, the length, the message.
fn write(folder: &Path) {
    let models = folder.join("models");
    let names: Vec<String> = (1..=5).map(|place| format!("{}_{place}", heavy::TASK)).collect();
    for name in &names {
        heavy::write(&models, name, &heavy::bundle(name, LEAVES[1]));
    }
    let bodies =
        [("score.grpc", 150, false), ("plain.grpc", 150, true), ("long.grpc", 10_000, false)];
    for (file, events, no_reasons) in bodies {
        let message = heavy::request(events, &names[0], no_reasons).encode_to_vec();
        let mut body = vec![0];
        body.extend((message.len() as u32).to_be_bytes());
        body.extend(message);
        let path: PathBuf = folder.join(file);
        std::fs::write(path, body).unwrap();
    }
}
