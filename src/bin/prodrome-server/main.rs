//! `prodrome-server`: serves risk scores over gRPC.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use prodrome::audit::AuditLog;
use prodrome::config::{self, Arguments, Errand, Settings};
use prodrome::demonstration::Stage;
use prodrome::flag_store::{FlagStore, OnFailure};
use prodrome::http::Readiness;
use prodrome::identity::{Identity, Rates, Tls};
use prodrome::registry::{Models, Releases};
use prodrome::rpc::{self, now, now_seconds};
use prodrome::service::{Gate, Service};
use prodrome::{meters, telemetry};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

mod doors;

use doors::{bind, show_ehr, show_pages, show_worklist};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: u8 = 2;
const ENVIRONMENT: u8 = 4;
/// How often the files of certificates, keys and policy are looked at.
const GUARDS_EVERY: Duration = Duration::from_secs(2);
/// How often flags are looked at for what time alone does to them.
const FLAGS_EVERY: Duration = Duration::from_secs(60);
/// What calls that were cut have to put their records into the log.
const SETTLED_MAX: Duration = Duration::from_millis(500);
/// What a second signal leaves for the end of the access log.
const LAST_WORD: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    match runtime() {
        Ok(runtime) => {
            let code = runtime.block_on(program());
            // What still waits for another server is not waited for.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            ExitCode::from(ENVIRONMENT)
        }
    }
}

/// Where there is one processor, threads that hand calls to each other only wait for each other.
fn runtime() -> std::io::Result<Runtime> {
    let is_single =
        std::thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
    let mut builder =
        if is_single { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().build()
}

async fn program() -> ExitCode {
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
    let mut faults = Vec::new();
    match Models::open(settings.models.clone()) {
        Ok(models) => {
            let registry = models.current();
            faults.extend(registry.refused().iter().map(|refused| refused.error.to_string()));
        }
        Err(error) => faults.push(format!("the models cannot be loaded: {error}")),
    }
    let trends = Releases::open(settings.trends.clone()).current();
    faults.extend(trends.refused().iter().map(|refused| refused.error.to_string()));
    faults.extend(guards(settings).err().map(|error| format!("{error:#}")));
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    if !faults.is_empty() {
        return ExitCode::from(USAGE);
    }
    say("the settings, and what they name, can be used\n");
    ExitCode::SUCCESS
}

/// Who may come in, and how.
struct Guards {
    tls: Option<Arc<Tls>>,
    identity: Identity,
    rates: Option<Rates>,
}

fn guards(settings: &Settings) -> anyhow::Result<Guards> {
    let tls = match settings.tls.is_off() {
        true => None,
        false => Some(Arc::new(Tls::open(&settings.tls, now_seconds())?)),
    };
    let identity = Identity::open(&settings.identity)?;
    let rates = match identity.is_anonymous() {
        true => None,
        false => Some(Rates::new(&settings.rates)?),
    };
    Ok(Guards { tls, identity, rates })
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let models = Models::open(settings.models.clone());
    let models = Arc::new(models.context("the models cannot be loaded")?);
    let Guards { tls, identity, rates } = guards(&settings)?;
    warn_of_open_doors(&settings, &identity);
    let trends = Arc::new(Releases::open(settings.trends.clone()));
    let mut service = Service::new(models).for_callers(identity, rates).with_trends(trends);
    let log = match &settings.audit {
        None => None,
        Some(audit) => Some(Arc::new(AuditLog::open(audit, now()).context("the access log")?)),
    };
    if let Some(log) = &log {
        service = service.recorded_in(Arc::clone(log));
    }
    let (flags, stage) = flags(&settings).await?;
    if let Some(store) = &flags {
        let on_failure = settings.flags.as_ref().map_or(OnFailure::Score, |flags| flags.on_failure);
        service = service.with_flags(Arc::clone(store), on_failure);
    }
    let service = Arc::new(service);
    let listener = bind(settings.listen.address).await?;
    let readiness = readiness(&service);
    let pages = show_pages(&settings, &service, &readiness).await?;
    tokio::spawn(telemetry::tend(meters::process()));
    let every = Duration::from_secs(settings.models.reload_seconds);
    tokio::spawn(Arc::clone(&service).follow_models(every));
    tokio::spawn(Arc::clone(&service).tend_flags(FLAGS_EVERY, now));
    tokio::spawn(follow_guards(Arc::clone(&service), tls.clone()));
    let list = show_worklist(&settings, &service, tls.clone(), stage.is_some()).await?;
    let (gate, recorded) = (Gate::new(settings.limits), Arc::clone(&service));
    let (ending, ended) = watch::channel(false);
    let ehr = show_ehr(&settings, (&service, &gate), tls.clone(), ended).await?;
    let shutdown = shutdown(readiness, log.clone())?;
    let told = async move {
        shutdown.await;
        let _ = ending.send(true);
    };
    greet(listener.local_addr()?, tls.is_some(), &recorded);
    let served = rpc::serve_through(listener, tls, service, gate, told).await;
    if let Some(ehr) = ehr {
        // It has drained by itself within the same limits.
        let _ = ehr.await;
    }
    if let Some(list) = list {
        list.abort();
    }
    // Calls that were cut have their record too.
    recorded.records_settled(SETTLED_MAX).await;
    if let Some(log) = log {
        log.close(now()).await.context("the access log")?;
    }
    if let Some(store) = flags {
        store.close().await;
    }
    // The pages stay to the end: until then `/readyz` says that calls are to go elsewhere.
    if let Some(pages) = pages {
        pages.abort();
    }
    Ok(served?)
}

fn readiness(service: &Arc<Service>) -> Arc<Readiness> {
    let (served, recorded) = (Arc::clone(service), Arc::clone(service));
    let has_model = move || !served.models().current().served().is_empty();
    Arc::new(Readiness::new(has_model, move || recorded.is_audit_writable()))
}

/// Done at the first signal; a second one ends the program at once, the access log whole.
fn shutdown(
    readiness: Arc<Readiness>,
    log: Option<Arc<AuditLog>>,
) -> anyhow::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        readiness.drain();
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            if let Some(log) = log {
                let _ = tokio::time::timeout(LAST_WORD, log.close(now())).await;
            }
            std::process::exit(1);
        });
    })
}

/// Reads certificates, keys and policy again when their files change.
async fn follow_guards(service: Arc<Service>, tls: Option<Arc<Tls>>) {
    let mut looks = tokio::time::interval(GUARDS_EVERY);
    loop {
        looks.tick().await;
        let (service, tls) = (Arc::clone(&service), tls.clone());
        let look = move || {
            let reloaded = service.identity().reload();
            for path in reloaded.changed {
                tracing::info!(path = %path.display(), "read again");
            }
            for fault in reloaded.faults {
                tracing::error!(%fault, "not read again: what was in force stays");
            }
            let Some(tls) = tls else { return };
            match tls.reload(now_seconds()) {
                Ok(true) => tracing::info!("new connections get the new certificate"),
                Ok(false) => {}
                Err(fault) => tracing::error!(%fault, "the certificate stays as it was"),
            }
        };
        if tokio::task::spawn_blocking(look).await.is_err() {
            tracing::error!("a look at the files of identity failed");
        }
    }
}

/// What whoever runs the server should know of where it stands open.
fn warn_of_open_doors(settings: &Settings, identity: &Identity) {
    let others = [settings.ehr.as_ref().map(|ehr| ehr.address)];
    let mut doors = std::iter::once(settings.listen.address).chain(others.into_iter().flatten());
    if doors.all(|door| door.ip().is_loopback()) {
        return;
    }
    if identity.is_anonymous() {
        eprintln!(
            "warning: whoever reaches this server may ask for scores: set `identity.policy_file`"
        );
    }
    if settings.audit.is_none() {
        eprintln!("warning: nobody records who asks for scores: set `audit.folder`");
    }
}

/// The flags of the settings; for showing, those of simulated patients on a stage of their own.
async fn flags(settings: &Settings) -> anyhow::Result<(Option<Arc<FlagStore>>, Option<Stage>)> {
    if let Some(flags) = &settings.flags {
        let store = FlagStore::open(flags, now()).await.context("the flags")?;
        return Ok((Some(Arc::new(store)), None));
    }
    if !settings.models.demo || settings.worklist.is_none() {
        return Ok((None, None));
    }
    let stage = Stage::build(&std::env::temp_dir()).context("a folder for flags to show")?;
    let store = stage.store(now()).await.context("flags to show")?;
    Ok((Some(Arc::new(store)), Some(stage)))
}

/// Writes to stdout; a closed one is no reason not to serve.
fn say(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Says what is served and how to try it.
fn greet(address: SocketAddr, is_encrypted: bool, service: &Service) {
    let scheme = if is_encrypted { "https" } else { "http" };
    let mut lines = format!("listening on {scheme}://{address}\n");
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
    let trends = service.trends();
    for release in trends.releases() {
        lines += &format!("trends: {}\n", release.release().name);
    }
    for refused in trends.refused() {
        eprintln!("refused: {}", refused.error);
    }
    if models.iter().all(|model| model.refused.is_some()) {
        eprintln!("warning: no model is in service; health says NOT_SERVING");
    }
    let other = match address.port() {
        50051 => String::new(),
        _ => format!(" --address {scheme}://{address}"),
    };
    lines += "score a sample patient:\n  cargo run --release --example score -- ";
    lines += &format!("tests/cases/readmission/request.json{other}\n");
    say(&lines);
}
