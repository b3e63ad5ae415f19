//! The `RiskScoring` service.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::call::Call;
use super::request::{ScoreRequest, ScoreStreamRequest};
use super::serving::risk_scoring_server::RiskScoring;
use super::{call, clock, from_wire, proto, status, stream, to_wire};
use crate::access::Method;
use crate::meters;
use crate::record::Violation;
use crate::registry::Registry;
use crate::service::{Gate, Origin, ScoreResponse, Service, Shed, Sightings};

/// What the caller of a stream that finds no place is told to wait.
const STREAM_RETRY: Duration = Duration::from_millis(200);

/// The handlers of `RiskScoring`.
#[derive(Clone)]
pub(super) struct Scoring {
    pub(super) service: Arc<Service>,
    pub(super) gate: Arc<Gate>,
    /// Requests of streams in work.
    pub(super) items: Arc<Semaphore>,
    /// Streams.
    streams: Arc<Semaphore>,
    pub(super) draining: watch::Receiver<bool>,
}

/// Who asks, and the models that answer: of a stream the same for all its requests.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) call: Call,
    registry: Arc<Registry>,
}

impl Asker {
    /// The same caller with one request of a stream, which has a record of its own.
    pub(super) fn of_item(&self, scoring: &Scoring) -> Asker {
        let Asker { call, registry } = self;
        let id = scoring.gate.next_id().0;
        let recorded = scoring.service.record(id, call.method, call.trace_id, clock::now);
        if let Some(recorded) = &recorded {
            recorded.caller(&call.visit);
        }
        Asker { call: Call { recorded, ..call.clone() }, registry: Arc::clone(registry) }
    }
}

impl Scoring {
    pub(super) fn new(
        service: Arc<Service>,
        gate: Arc<Gate>,
        draining: watch::Receiver<bool>,
    ) -> Scoring {
        let items = Arc::new(Semaphore::new(gate.limits().stream_items_at_once));
        let streams = Arc::new(Semaphore::new(gate.limits().score_streams_max));
        Scoring { service, gate, items, streams, draining }
    }

    fn asker<T>(&self, request: &Request<T>) -> Result<Asker, Status> {
        Ok(Asker { call: call::of(request)?.clone(), registry: self.service.models().current() })
    }

    /// Scores one request, and raises the flags that follow.
    async fn answer(
        &self,
        asker: &Asker,
        request: ScoreRequest,
    ) -> Result<proto::ScoreResponse, Status> {
        let scored = self.scored(asker, request).await?;
        // Who waits for a disk keeps no processor busy.
        let _awaited = self.gate.admission().awaits();
        self.flagged(asker, scored).await
    }

    /// Scores one request: at once, or in its turn where the record is large.
    pub(super) async fn scored(
        &self,
        asker: &Asker,
        request: ScoreRequest,
    ) -> Result<Scored, Status> {
        // Whose record it was is kept also of one that cannot be used.
        if let (Some(recorded), Some(id)) = (&asker.call.recorded, request.patient_id()) {
            recorded.patient(id);
        }
        let entries = request.entries();
        if self.gate.is_too_many(entries) {
            return Err(too_many_entries(&request));
        }
        let (service, asker) = (Arc::clone(&self.service), asker.clone());
        let work = move || score(&service, &asker, request);
        let done = self.gate.work(entries, work).await.map_err(status::shed)?;
        done.unwrap_or_else(|incident| Err(status::fault(&incident)))
    }

    /// The answer, once the flags that follow from it are on disk.
    pub(super) async fn flagged(
        &self,
        asker: &Asker,
        scored: Scored,
    ) -> Result<proto::ScoreResponse, Status> {
        let Scored { request_id, origin, mut response, sightings } = scored;
        let call = &asker.call;
        let end_by = call.end_by.filter(|_| call.method == Method::Score);
        let left = end_by.map(|end_by| end_by.saturating_duration_since(Instant::now()));
        let wait = self.gate.flag_wait(left);
        let visit = &call.visit;
        let sighted = self.service.sight(visit, sightings, &mut response, (clock::now(), wait));
        let sighted = sighted.await;
        sighted.map_err(|error| status::of(&error))?;
        Ok(to_wire::score_response(request_id, response, &origin))
    }
}

/// One request that has its scores.
pub(super) struct Scored {
    request_id: String,
    origin: Origin,
    response: ScoreResponse,
    sightings: Sightings,
}

#[tonic::async_trait]
impl RiskScoring for Scoring {
    async fn score(
        &self,
        request: Request<ScoreRequest>,
    ) -> Result<Response<proto::ScoreResponse>, Status> {
        let asker = self.asker(&request)?;
        self.answer(&asker, request.into_inner()).await.map(Response::new)
    }

    type ScoreStreamStream = ReceiverStream<Result<proto::ScoreStreamResponse, Status>>;

    async fn score_stream(
        &self,
        request: Request<Streaming<ScoreStreamRequest>>,
    ) -> Result<Response<Self::ScoreStreamStream>, Status> {
        let shed = Shed { what: meters::Shed::Streams, retry_after: STREAM_RETRY };
        let place = Arc::clone(&self.streams).try_acquire_owned();
        let place = place.map_err(|_full| status::shed(shed))?;
        let asker = self.asker(&request)?;
        let answers = stream::answers(self.clone(), asker, request.into_inner(), place);
        Ok(Response::new(answers))
    }
}

fn score(
    service: &Service,
    Asker { call, registry }: &Asker,
    request: ScoreRequest,
) -> Result<Scored, Status> {
    let is_bundle = request.is_bundle();
    let (request_id, origin, request) =
        from_wire::score_request(&request).map_err(|violations| status::invalid(&violations))?;
    if let Some(recorded) = call.recorded.as_ref().filter(|_| is_bundle) {
        recorded.patient(&request.record.patient_id);
    }
    let (visit, now) = (&call.visit, clock::now());
    let scored = service.score_for(registry, visit, call.method, &request, now);
    let (response, sightings) = scored.map_err(|error| status::of(&origin.error(error)))?;
    if let Some(recorded) = &call.recorded {
        recorded.answered(&response);
    }
    Ok(Scored { request_id, origin, response, sightings })
}

fn too_many_entries(request: &ScoreRequest) -> Status {
    let path = if request.is_bundle() { "fhir_bundle_json" } else { "history.events" };
    let reason = "more entries than this server takes; send the last years alone";
    status::invalid(&[Violation { path: path.into(), reason }])
}
