//! The `RiskScoring` service.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::admission::Shed;
use super::limits::Limits;
use super::proto::risk_scoring_server::RiskScoring;
use super::{call, from_wire, proto, status, stream, to_wire};
use crate::record::{Time, Violation};
use crate::service::Service;

/// Larger records are scored beside the threads that serve connections, which they would hold up.
const INLINE_ENTRIES_MAX: usize = 2_000;
/// About the least that an entry of a Bundle takes.
const ENTRY_BYTES: usize = 256;
/// How many large records are scored at once.
const LARGE_AT_ONCE: usize = 2;
/// How many large records wait for their turn; their requests are held meanwhile.
const LARGE_WAITING_MAX: usize = 14;
/// What the caller of a large record that finds no place is told to wait.
const LARGE_RETRY: std::time::Duration = std::time::Duration::from_millis(200);

/// The handlers of `RiskScoring`.
#[derive(Clone)]
pub(super) struct Scoring {
    service: Arc<Service>,
    limits: Limits,
    large: Arc<Semaphore>,
    /// Places of large records in work and in waiting.
    large_places: Arc<Semaphore>,
    /// Requests of streams in work.
    pub(super) items: Arc<Semaphore>,
    /// Streams.
    streams: Arc<Semaphore>,
    pub(super) draining: watch::Receiver<bool>,
}

impl Scoring {
    pub(super) fn new(
        service: Arc<Service>,
        limits: Limits,
        draining: watch::Receiver<bool>,
    ) -> Scoring {
        Scoring {
            service,
            limits,
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
            large_places: Arc::new(Semaphore::new(LARGE_AT_ONCE + LARGE_WAITING_MAX)),
            items: Arc::new(Semaphore::new(limits.stream_items_at_once)),
            streams: Arc::new(Semaphore::new(limits.score_streams_max)),
            draining,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Scores one request: at once, or in its turn where the record is large.
    pub(super) async fn answer(
        &self,
        request: proto::ScoreRequest,
    ) -> Result<proto::ScoreResponse, Status> {
        let now = now();
        let entries = entries(&request);
        if entries > self.limits.events_max {
            return Err(too_many_entries(&request));
        }
        if entries <= INLINE_ENTRIES_MAX {
            return score(&self.service, request, now);
        }
        let _place = place(&self.large_places, "TOO_MANY_LARGE_RECORDS")?;
        // Who waits here and is given up, by a deadline or the caller, is never scored.
        let turn = Arc::clone(&self.large).acquire_owned().await;
        let service = Arc::clone(&self.service);
        let scored = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            score(&service, request, now)
        });
        scored.await.unwrap_or_else(|_| Err(status::internal("ended")))
    }
}

/// A place that is free now.
fn place(places: &Arc<Semaphore>, reason: &'static str) -> Result<OwnedSemaphorePermit, Status> {
    let shed = Shed { reason, retry_after: LARGE_RETRY };
    Arc::clone(places).try_acquire_owned().map_err(|_full| status::shed(shed))
}

#[tonic::async_trait]
impl RiskScoring for Scoring {
    async fn score(
        &self,
        request: Request<proto::ScoreRequest>,
    ) -> Result<Response<proto::ScoreResponse>, Status> {
        self.answer(request.into_inner()).await.map(Response::new)
    }

    type ScoreStreamStream = ReceiverStream<Result<proto::ScoreStreamResponse, Status>>;

    async fn score_stream(
        &self,
        request: Request<Streaming<proto::ScoreStreamRequest>>,
    ) -> Result<Response<Self::ScoreStreamStream>, Status> {
        let place = place(&self.streams, "TOO_MANY_STREAMS")?;
        let end_by = request.extensions().get::<call::Call>().and_then(|call| call.end_by);
        let answers = stream::answers(self.clone(), request.into_inner(), end_by, place);
        Ok(Response::new(answers))
    }
}

fn score(
    service: &Service,
    request: proto::ScoreRequest,
    now: Time,
) -> Result<proto::ScoreResponse, Status> {
    call::guarded(|| {
        let (request_id, origin, request) =
            from_wire::score_request(request).map_err(|violations| status::invalid(&violations))?;
        let response = service.score(&request, now);
        let response = response.map_err(|error| status::of(&origin.error(error)))?;
        Ok(to_wire::score_response(request_id, response, &origin))
    })
}

fn entries(request: &proto::ScoreRequest) -> usize {
    match &request.record {
        Some(proto::score_request::Record::History(history)) => {
            history.events.len() + history.encounters.len()
        }
        Some(proto::score_request::Record::FhirBundleJson(json)) => json.len() / ENTRY_BYTES,
        None => 0,
    }
}

fn too_many_entries(request: &proto::ScoreRequest) -> Status {
    let path = match &request.record {
        Some(proto::score_request::Record::FhirBundleJson(_)) => "fhir_bundle_json",
        _ => "history.events",
    };
    let reason = "more entries than this server takes; send the last years alone";
    status::invalid(&[Violation { path: path.into(), reason }])
}

/// The wall clock; a clock set before 1970 counts as 1970.
fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
