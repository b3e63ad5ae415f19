//! `prodrome-server`: serves risk scores over gRPC.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use prodrome::config::{self, Arguments, Errand, Settings};
use prodrome::http::{self, Pages, Readiness};
use prodrome::service::Service;
use prodrome::{meters, registry, rpc, telemetry};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: u8 = 2;
const ENVIRONMENT: u8 = 4;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = match config::load(&arguments, std::env::vars_os()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    match arguments.errand() {
        Errand::Serve => {}
        Errand::PrintConfig => {
            say(settings.to_toml());
            return ExitCode::SUCCESS;
        }
        Errand::CheckConfig => return check_config(&settings),
    }
    let telemetry = match telemetry::init(&settings.telemetry) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    let served = run(settings).await;
    telemetry.finish();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(ENVIRONMENT)
        }
    }
}

/// Tries what the settings name, and says what is wrong with it.
fn check_config(settings: &Settings) -> ExitCode {
    let models = &settings.models;
    let loaded = registry::load(&models.folder, &models.concepts, models.demo);
    let faults: Vec<String> = match loaded {
        Ok(registry) => {
            registry.refused().iter().map(|refused| refused.error.to_string()).collect()
        }
        Err(error) => vec![format!("the models cannot be loaded: {error}")],
    };
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    if !faults.is_empty() {
        return ExitCode::from(USAGE);
    }
    say("the settings, and what they name, can be used\n");
    ExitCode::SUCCESS
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let Settings { listen, models, limits, .. } = &settings;
    let registry = registry::load(&models.folder, &models.concepts, models.demo)
        .context("the models cannot be loaded")?;
    let service = Arc::new(Service::new(registry));
    let listener = bind(listen.address).await?;
    let address = listener.local_addr()?;
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let served = Arc::clone(&service);
    let has_model = move || !served.registry().served().is_empty();
    let readiness = Arc::new(Readiness::new(has_model, || true));
    let pages = show_pages(&settings, &service, &readiness).await?;
    tokio::spawn(telemetry::tend(meters::process()));
    greet(address, &service);
    let shutdown = async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        readiness.drain();
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            std::process::exit(1);
        });
    };
    let served = rpc::serve(listener, service, *limits, shutdown).await;
    // The pages stay to the end: until then `/readyz` says that calls are to go elsewhere.
    if let Some(pages) = pages {
        pages.abort();
    }
    Ok(served?)
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Begins to show the pages, where the settings want them.
async fn show_pages(
    settings: &Settings,
    service: &Arc<Service>,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<Option<tokio::task::JoinHandle<()>>> {
    let Some(address) = settings.http else { return Ok(None) };
    let listener = bind(address).await.context("`http.listen` (empty for no pages)")?;
    say(&format!("metrics and probes on http://{}\n", listener.local_addr()?));
    let service = Arc::clone(service);
    let metrics = move || telemetry::metrics_page(meters::process(), service.registry().served());
    let pages = Pages::new(Arc::clone(readiness), metrics);
    Ok(Some(tokio::spawn(http::serve(listener, pages, std::future::pending()))))
}

/// Writes to stdout; a closed one is no reason not to serve.
fn say(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Says what is served and how to try it.
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
    say(&lines);
}
