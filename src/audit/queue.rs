//! What waits to be written, and who waits for it.

use std::sync::mpsc::Receiver;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::AuditError;
use super::entry::Entry;
use crate::record::Time;

/// The most entries that wait to be written.
pub(super) const QUEUE_MAX: usize = 8_192;
/// The most records written with one call to the system.
const BATCH_MAX: usize = 512;

pub(super) type Reply = oneshot::Sender<Result<(), AuditError>>;

/// An entry, who waits for it, and its place in the queue.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) entry: Entry,
    pub(super) reply: Reply,
    pub(super) place: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub(super) enum Message {
    Record(Box<Queued>),
    Close { now: Time, reply: Reply },
}

/// The records that have come, up to a batch, and the wish to close where it comes among them.
pub(super) fn gather(
    first: Message,
    messages: &Receiver<Message>,
) -> (Vec<Queued>, Option<(Time, Reply)>) {
    let mut batch = Vec::new();
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Record(queued) => batch.push(*queued),
            Message::Close { now, reply } => return (batch, Some((now, reply))),
        }
        next = if batch.len() < BATCH_MAX { messages.try_recv().ok() } else { None };
    }
    (batch, None)
}
