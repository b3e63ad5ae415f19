//! `prodrome-server`: serves risk scores over gRPC.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use prodrome::registry::{ModelSettings, Models};
use prodrome::rpc::{self, Limits};
use prodrome::service::Service;
use prodrome::telemetry;
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: u8 = 2;
const ENVIRONMENT: u8 = 4;

/// Serves risk scores over gRPC.
///
/// Exit codes: 0 done, 1 ended by a second signal, 2 usage, 4 environment (a port in use ...).
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:50051")]
    listen: SocketAddr,
    /// Folder of the models
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// File of further concepts; may be given several times
    #[arg(long, value_name = "FILE")]
    concepts: Vec<PathBuf>,
    /// Seconds that open calls have to end after SIGTERM or SIGINT
    #[arg(long, default_value_t = 25)]
    drain_seconds: u64,
    /// Open connections; further ones are refused
    #[arg(long, default_value_t = 1024)]
    connections_max: usize,
    /// What to log: a level, or levels by module such as `info,prodrome::rpc=debug`
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
    /// Log in JSON, one object a line
    #[arg(long)]
    log_json: bool,
    /// Serve demonstration versions, fitted on a simulated population, where a task has one; never for
    /// patients
    #[arg(long)]
    demo: bool,
    /// Listen on an address that other machines reach, although nothing is encrypted
    #[arg(long)]
    plaintext_on_network: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.listen.ip().is_loopback() && !arguments.plaintext_on_network {
        eprintln!(
            "error: {} can be reached from other machines, and this server does not encrypt: \
             patients' records would cross the network in the clear, and anyone could ask for \
             scores. Listen on 127.0.0.1 behind a proxy that does TLS and checks callers, or pass \
             --plaintext-on-network if the network itself is protected.",
            arguments.listen
        );
        return ExitCode::from(USAGE);
    }
    if let Err(error) = telemetry::init(&arguments.log, arguments.log_json) {
        eprintln!("error: --log: {error}");
        return ExitCode::from(USAGE);
    }
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(ENVIRONMENT)
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { listen, models, concepts, drain_seconds, connections_max, demo, .. } =
        arguments;
    let settings = ModelSettings { concepts, demo, ..ModelSettings::new(&models) };
    let models = Models::open(settings).context("the models cannot be loaded")?;
    let service = Arc::new(Service::new(Arc::new(models)));
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    greet(listener.local_addr()?, &service);
    let shutdown = async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            std::process::exit(1);
        });
    };
    let drain_max = Duration::from_secs(drain_seconds);
    let limits = Limits { connections_max, drain_max, ..Limits::default() };
    Ok(rpc::serve(listener, service, limits, shutdown).await?)
}

/// Says what is served and how to try it; a closed stdout is no reason not to serve.
fn greet(address: SocketAddr, service: &Service) {
    let mut lines = format!("listening on http://{address}\n");
    let models = service.list_models();
    for model in &models {
        match &model.refused {
            None => {
                let mark = if model.synthetic_training_data {
                    " (demonstration: fitted on a simulated population)"
                } else {
                    ""
                };
                lines += &format!("in service: {} {}{mark}\n", model.task, model.version);
            }
            Some(reason) => eprintln!("refused: {}: {reason}", model.task),
        }
    }
    if models.iter().all(|model| model.refused.is_some()) {
        eprintln!("warning: no model is in service; health says NOT_SERVING");
    }
    let other = match address.port() {
        50051 => String::new(),
        _ => format!(" --address http://{address}"),
    };
    lines += "score a sample patient:\n  cargo run --release --example score -- ";
    lines += &format!("tests/cases/readmission/request.json{other}\n");
    let _ = std::io::stdout().lock().write_all(lines.as_bytes());
}
