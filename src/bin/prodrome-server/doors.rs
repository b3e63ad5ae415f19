//! The doors beside gRPC: metrics and probes, the work list, FHIR and CDS Hooks.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use prodrome::config::Settings;
use prodrome::demonstration::{self, DemonstrationError, Played, Ward};
use prodrome::http::{self, Ehr, Pages, Readiness, Worklist};
use prodrome::identity::Tls;
use prodrome::rpc::now;
use prodrome::service::{Gate, Service};
use prodrome::{meters, telemetry};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::say;

pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Begins to show the pages, where the settings want them.
pub(crate) async fn show_pages(
    settings: &Settings,
    service: &Arc<Service>,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(address) = settings.http else { return Ok(None) };
    let listener = bind(address).await.context("`http.listen` (empty for no pages)")?;
    say(&format!("metrics and probes on http://{}\n", listener.local_addr()?));
    let service = Arc::clone(service);
    let metrics = move || {
        let registry = service.models().current();
        telemetry::metrics_page(meters::process(), registry.served().iter().map(Arc::as_ref))
    };
    let pages = Pages::new(Arc::clone(readiness), metrics);
    Ok(Some(tokio::spawn(http::serve(listener, pages, std::future::pending()))))
}

/// Begins to serve the work list, where the settings want one; `is_shown` says that its patients are
/// simulated and still have to be played.
pub(crate) async fn show_worklist(
    settings: &Settings,
    service: &Arc<Service>,
    tls: Option<Arc<Tls>>,
    is_shown: bool,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(plan) = settings.worklist.clone() else { return Ok(None) };
    if !service.has_flags() && !service.has_trends() {
        anyhow::bail!(
            "`worklist.listen` is set, and there is nothing to show: set `flags.store` or `trends.files` \
             as well"
        );
    }
    let listener =
        bind(plan.address).await.context("`worklist.listen` (empty for no work list)")?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = format!("work list on {scheme}://{}\n", listener.local_addr()?);
    let list = Worklist::new(Arc::clone(service), plan, now, settings.models.demo)?;
    let served = tokio::spawn(list.serve(listener, tls, std::future::pending()));
    if !is_shown {
        say(&address);
        return Ok(Some(served));
    }
    let service = Arc::clone(service);
    tokio::spawn(async move {
        match play(&service).await {
            Ok(played) => say(&format!("{address}simulated patients in it: {}\n", played.patients)),
            Err(error) => eprintln!("warning: the work list stays empty: {error}"),
        }
    });
    Ok(Some(served))
}

/// Begins to serve FHIR and CDS Hooks, where the settings want them, until `ended` says so.
pub(crate) async fn show_ehr(
    settings: &Settings,
    (service, gate): (&Arc<Service>, &Arc<Gate>),
    tls: Option<Arc<Tls>>,
    mut ended: watch::Receiver<bool>,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(plan) = settings.ehr.clone() else { return Ok(None) };
    let listener = bind(plan.address).await.context("`ehr.listen` (empty for no such door)")?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    say(&format!("FHIR and CDS Hooks on {scheme}://{}\n", listener.local_addr()?));
    let ehr = Ehr::new(Arc::clone(service), Arc::clone(gate), plan, now);
    let told = async move {
        let _ = ended.wait_for(|has_ended| *has_ended).await;
    };
    Ok(Some(tokio::spawn(ehr.serve(listener, tls, told))))
}

/// Plays the last days of a simulated ward.
async fn play(service: &Service) -> Result<Played, DemonstrationError> {
    let now = now();
    let ward = tokio::task::spawn_blocking(move || Ward::draw(now)).await??;
    demonstration::play(service, &ward, now).await
}
