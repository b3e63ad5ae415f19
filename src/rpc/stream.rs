//! `ScoreStream`: one answer for each request, in their order, read on only as answers are taken.

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::request::ScoreStreamRequest;
use super::scoring::{Asker, Scoring};
use super::{proto, status};
use crate::access::Outcome;
use crate::meters::{self, Shed};

/// Answers that wait to be taken before the next request is read.
const ANSWERS_AHEAD: usize = 4;

type Answers = ReceiverStream<Result<proto::ScoreStreamResponse, Status>>;

/// The answers to `requests`; `place` is held until the last one.
pub(super) fn answers(
    scoring: Scoring,
    asker: Asker,
    requests: Streaming<ScoreStreamRequest>,
    place: OwnedSemaphorePermit,
) -> Answers {
    let (answers, taken) = mpsc::channel(ANSWERS_AHEAD);
    tokio::spawn(async move {
        let _place = place;
        let over = async {
            match asker.call.end_by {
                Some(end_by) => sleep_until(end_by.into()).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = answer_all(&scoring, &asker, requests, &answers) => ended,
            () = over => Err(status::deadline_exceeded()),
            // Nobody is there to take an answer.
            () = answers.closed() => Ok(()),
        };
        if let Err(status) = ended {
            // Where even this is not taken, the stream ends all the same.
            let _ = timeout(scoring.limits.idle_max, answers.send(Err(status))).await;
        }
    });
    ReceiverStream::new(taken)
}

/// Answers until the client has no more requests.
async fn answer_all(
    scoring: &Scoring,
    asker: &Asker,
    mut requests: Streaming<ScoreStreamRequest>,
    answers: &mpsc::Sender<Result<proto::ScoreStreamResponse, Status>>,
) -> Result<(), Status> {
    let mut draining = scoring.draining.clone();
    loop {
        let request = tokio::select! {
            biased;
            _ = draining.wait_for(|is_draining| *is_draining) => return Err(status::draining()),
            request = requests.message() => request?,
        };
        let Some(request) = request else { return Ok(()) };
        let answer = answer(scoring, asker, request).await;
        let taken = timeout(scoring.limits.idle_max, answers.send(Ok(answer))).await;
        match taken {
            Ok(Ok(())) => {}
            Ok(Err(_gone)) => return Ok(()),
            Err(_) => {
                meters::process().shed(Shed::StreamStall);
                return Err(status::too_slow());
            }
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
