//! `ScoreStream`: one answer for each request, in their order, read on only as answers are taken.

use tokio::sync::OwnedSemaphorePermit;
use tonic::{Code, Status, Streaming};

use super::answers::{self, Answers, Bounds, Taken};
use super::request::ScoreStreamRequest;
use super::scoring::{Asker, Scoring};
use super::{proto, status};
use crate::access::Outcome;

/// The answers to `requests`; `place` is held until the last one.
pub(super) fn answers(
    scoring: Scoring,
    asker: Asker,
    requests: Streaming<ScoreStreamRequest>,
    place: OwnedSemaphorePermit,
) -> Taken<proto::ScoreStreamResponse> {
    let (end_by, idle_max) = (asker.call.end_by, scoring.gate.limits().idle_max);
    answers::begin(Bounds { end_by, idle_max, place }, |answers| {
        answer_all(scoring, asker, requests, answers)
    })
}

/// Answers until the client has no more requests.
async fn answer_all(
    scoring: Scoring,
    asker: Asker,
    mut requests: Streaming<ScoreStreamRequest>,
    answers: Answers<proto::ScoreStreamResponse>,
) -> Result<(), Status> {
    let mut draining = scoring.draining.clone();
    loop {
        let request = tokio::select! {
            biased;
            _ = draining.wait_for(|is_draining| *is_draining) => return Err(status::draining()),
            request = requests.message() => request?,
        };
        let Some(request) = request else { return Ok(()) };
        if !answers.give(answer(&scoring, &asker, request).await).await? {
            return Ok(());
        }
        // Single calls that came meanwhile go first.
        tokio::task::yield_now().await;
    }
}

/// One answer, once the access log has it.
async fn answer(
    scoring: &Scoring,
    asker: &Asker,
    request: ScoreStreamRequest,
) -> proto::ScoreStreamResponse {
    let request = request.request;
    let request_id = request.request_id().to_owned();
    let asker = asker.of_item(scoring);
    // The semaphore is never closed.
    let turn = scoring.items.acquire().await;
    let share = scoring.service.take_share(&asker.call.visit.caller);
    let scored = match share {
        Ok(()) => scoring.scored(&asker, request).await,
        Err(error) => Err(status::of(&error)),
    };
    // Others are scored while this one's flags go to disk.
    drop(turn);
    let mut answered = match scored {
        Ok(scored) => scoring.flagged(&asker, scored).await,
        Err(status) => Err(status),
    };
    if let Some(recorded) = &asker.call.recorded {
        let code = answered.as_ref().map_or_else(Status::code, |_| Code::Ok);
        if let Err(error) = recorded.end(Outcome::of_code(code.into())).await {
            answered = Err(status::of(&error));
        }
    }
    let result = match answered {
        Ok(response) => proto::score_stream_response::Result::Response(response),
        Err(status) => proto::score_stream_response::Result::Error(status::of_item(&status)),
    };
    proto::ScoreStreamResponse { request_id, result: Some(result) }
}
