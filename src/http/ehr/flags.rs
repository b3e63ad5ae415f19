//! `Flag`: the flags that stand, one or a page of many, as a search of FHIR.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::Ehr;
use super::answer::fhir;
use super::desk::{Call, Endpoint};
use super::parameters::query_path;
use super::refusal::Refusal;
use crate::fhir::{self, Bundle, Resource};
use crate::flag::{Flag, FlagId, FlagQuery, FlagState, PAGE_FLAGS_MAX, PageToken};
use crate::http::listener::Peer;
use crate::record::{Time, Violation};
use crate::service::{ServiceError, TaskRef};

/// The most parameters of one search.
const PARAMETERS_MAX: usize = 64;
const NAMES: [&str; 6] = ["status", "patient", "subject", "code", "_lastUpdated", "_count"];
/// The longest id of a patient, in bytes, as of any text of a record.
const PATIENT_BYTES_MAX: usize = 1_024;

/// Answers a search.
pub(super) async fn search(
    State(ehr): State<Arc<Ehr>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let address = request.uri().query().unwrap_or_default().to_owned();
    ehr.answer(Endpoint::Flags, &peer, request, async |call, _body| {
        let query = query(&address).map_err(Refusal::invalid)?;
        if let Some(id) = &query.patient_id {
            call.patient(id);
        }
        let page = ehr.service.list_flags(&call.visit, &query, (ehr.clock)()).await?;
        if let Some(recorded) = &call.recorded {
            recorded.listed(page.flags.iter().map(|flag| flag.patient_id.as_str()));
        }
        let resources = page.flags.iter().map(|flag| ehr.resource(flag)).collect();
        let own = format!("{}/fhir/Flag{}{address}", ehr.base_url, question(&address));
        let next = page.next.map(|PageToken(token)| ehr.next(&address, &token));
        Ok(fhir(StatusCode::OK, &Bundle::searchset(resources, page.count, own, next)))
    })
    .await
}

/// Answers with one flag.
pub(super) async fn read(
    State(ehr): State<Arc<Ehr>>,
    Extension(peer): Extension<Peer>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    ehr.answer(Endpoint::Flags, &peer, request, async |call: Call, _body| {
        let id = id.ok().and_then(|Path(id)| FlagId::parse(&id).ok());
        let id = id.ok_or(ServiceError::UnknownFlag)?;
        let (flag, _) = ehr.service.flag(&call.visit, id).await?;
        call.patient(&flag.patient_id);
        Ok(fhir(StatusCode::OK, &ehr.resource(&flag)))
    })
    .await
}

impl Ehr {
    fn resource(&self, flag: &Flag) -> Resource {
        fhir::flag(flag, &self.title(&flag.task)).into()
    }

    /// What a task calls itself, where it is in service; else its name.
    fn title(&self, task: &str) -> String {
        let registry = self.service.models().current();
        let served = registry.served().iter().find(|bundle| bundle.manifest().task == task);
        served.map_or_else(|| task.to_owned(), |bundle| bundle.task().params().title.clone())
    }

    /// The address of the page that `token` begins.
    fn next(&self, address: &str, token: &str) -> String {
        let kept = form_urlencoded::parse(address.as_bytes()).filter(|(name, _)| name != "_page");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).append_pair("_page", token);
        format!("{}/fhir/Flag?{}", self.base_url, query.finish())
    }
}

fn question(address: &str) -> &'static str {
    if address.is_empty() { "" } else { "?" }
}

/// The flags that a search asks for.
fn query(address: &str) -> Result<FlagQuery, Vec<Violation>> {
    let mut query = FlagQuery::default();
    let mut faults = Vec::new();
    for (name, value) in form_urlencoded::parse(address.as_bytes()).take(PARAMETERS_MAX) {
        if let Err(reason) = take(&mut query, &name, &value) {
            faults.push(Violation { path: query_path(&name, &NAMES), reason });
        }
    }
    if faults.is_empty() { Ok(query) } else { Err(faults) }
}

fn take(query: &mut FlagQuery, name: &str, value: &str) -> Result<(), &'static str> {
    match name {
        "status" => {
            let (live, over): (Vec<_>, Vec<_>) =
                FlagState::ALL.into_iter().partition(|state| state.is_open());
            query.states = match value {
                "active" => live,
                "inactive" => over,
                "active,inactive" | "inactive,active" => FlagState::ALL.to_vec(),
                _ => return Err("must be active or inactive"),
            };
        }
        "patient" | "subject" => {
            let id = value.strip_prefix("Patient/").unwrap_or(value);
            if id.is_empty() || id.len() > PATIENT_BYTES_MAX || id.contains('/') {
                return Err("must be Patient/ and an id");
            }
            query.patient_id = Some(id.to_owned());
        }
        "code" => {
            let task = value.rsplit_once('|').map_or(value, |(_, code)| code);
            if let Some(reason) = TaskRef::fault_of_name(task) {
                return Err(reason);
            }
            query.tasks.push(task.to_owned());
        }
        "_lastUpdated" => {
            let time = value.strip_prefix("ge").and_then(Time::parse);
            let reason = "must be ge and an instant with its zone, such as ge2024-03-06T15:00:00Z";
            query.changed_since = Some(time.ok_or(reason)?);
        }
        "_count" => {
            let count = value.parse().ok().filter(|count| (1..=PAGE_FLAGS_MAX).contains(count));
            query.page_flags = count.ok_or("must be 1 to 500")?;
        }
        "_page" => query.page = Some(PageToken(value.to_owned())),
        "_format" if value.contains("json") => {}
        _ => return Err("no such parameter: status, patient, code, _lastUpdated, _count"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_asks_for_flags_and_what_it_cannot_ask_is_named() {
        let asked = "status=active&patient=Patient%2Fp1&code=urn:x|readmit30&_count=7\
                     &_lastUpdated=ge2024-03-06T15:00:00Z&_page=t";
        let found = query(asked).unwrap();
        assert!(found.states.iter().all(|state| state.is_open()) && !found.states.is_empty());
        assert_eq!((found.patient_id.as_deref(), found.page_flags), (Some("p1"), 7));
        assert_eq!(
            (found.tasks, found.page),
            (vec!["readmit30".into()], Some(PageToken("t".into())))
        );
        assert!(found.changed_since.is_some());
        assert_eq!(query("Zzyzx=1").unwrap_err()[0].path, "query", "a name of nobody's");
        for wrong in ["status=open", "patient=", "_count=0", "_lastUpdated=2024", "patient=a/b"] {
            let faults = query(wrong).unwrap_err();
            let name = wrong.split('=').next().unwrap();
            assert_eq!(faults[0].path, format!("query.{name}"), "{wrong}");
        }
    }
}
