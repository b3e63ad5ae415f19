//! The answers of a stream: given as they are taken, within the time of the call.

use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::status;
use crate::meters::{self, Shed};

/// Answers that wait to be taken before more work is done.
const AHEAD: usize = 4;

/// What a stream is answered with, from outside.
pub(super) type Taken<T> = ReceiverStream<Result<T, Status>>;

/// Where the answers of one stream go to.
#[derive(Debug)]
pub(super) struct Answers<T> {
    given: mpsc::Sender<Result<T, Status>>,
    /// How long the client may take for one.
    idle_max: Duration,
}

/// What bounds a stream.
pub(super) struct Bounds {
    /// When it must be over; `None` for a stream whose caller gives no time.
    pub(super) end_by: Option<Instant>,
    pub(super) idle_max: Duration,
    /// Held until the last answer.
    pub(super) place: OwnedSemaphorePermit,
}

impl<T> Answers<T> {
    /// Gives one answer; says whether anybody is there to take more.
    ///
    /// # Errors
    /// The client takes none.
    pub(super) async fn give(&self, answer: T) -> Result<bool, Status> {
        match timeout(self.idle_max, self.given.send(Ok(answer))).await {
            Ok(given) => Ok(given.is_ok()),
            Err(_) => {
                meters::process().shed(Shed::StreamStall);
                Err(status::too_slow())
            }
        }
    }
}

/// The answers that `work` gives, until it ends, its time is over, or nobody is there to take one.
pub(super) fn begin<T: Send + 'static, W>(
    Bounds { end_by, idle_max, place }: Bounds,
    work: impl FnOnce(Answers<T>) -> W,
) -> Taken<T>
where
    W: Future<Output = Result<(), Status>> + Send + 'static,
{
    let (given, taken) = mpsc::channel(AHEAD);
    let work = work(Answers { given: given.clone(), idle_max });
    tokio::spawn(async move {
        let _place = place;
        let over = async {
            match end_by {
                Some(end_by) => sleep_until(end_by.into()).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = work => ended,
            () = over => Err(status::deadline_exceeded()),
            () = given.closed() => Ok(()),
        };
        if let Err(status) = ended {
            // Where even this is not taken, the stream ends all the same.
            let _ = timeout(idle_max, given.send(Err(status))).await;
        }
    });
    ReceiverStream::new(taken)
}
