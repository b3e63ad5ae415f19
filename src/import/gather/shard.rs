//! From spills to patients: each shard is unpacked, sorted by patient and made into records, some
//! shards ahead of the one whose patients are being given away.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::spill::{FactRef, Spill, facts, restore};
use super::{Gathered, Place, gathered};
use crate::import::ImportError;
use crate::record::Code;

/// How many facts make a batch of patients that goes from one thread to another.
const BATCH_FACTS: usize = 2_048;
/// How many batches of a shard may wait.
const BATCHES_WAITING: usize = 2;

type Batch = Result<Vec<Gathered>, ImportError>;

/// Gives every patient of the spills to `each`, by the hash of their ids.
///
/// # Errors
/// A spill that cannot be read, and what `each` ends with.
pub(super) fn each_patient(
    spills: &[Spill],
    shards: u32,
    medications: &HashMap<String, Code>,
    mut each: impl FnMut(Gathered) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let threads = (rayon::current_num_threads() as u32).min(shards);
    std::thread::scope(|scope| {
        let mut queues: Vec<Receiver<Batch>> = Vec::new();
        let mut senders: Vec<Vec<(u32, SyncSender<Batch>)>> = vec![Vec::new(); threads as usize];
        for (shard, of) in (0..shards).zip((0..threads as usize).cycle()) {
            let (sender, queue) = sync_channel(BATCHES_WAITING);
            queues.push(queue);
            if let Some(senders) = senders.get_mut(of) {
                senders.push((shard, sender));
            }
        }
        for senders in senders {
            scope.spawn(move || {
                for (shard, sender) in senders {
                    // Nobody receives any more after a fault.
                    if send_shard(spills, shard, medications, &sender).is_none() {
                        return;
                    }
                }
            });
        }
        for queue in queues {
            for batch in queue {
                batch?.into_iter().try_for_each(&mut each)?;
            }
        }
        Ok(())
    })
}

/// Sends all patients of a shard; `None` when nobody receives them.
fn send_shard(
    spills: &[Spill],
    shard: u32,
    medications: &HashMap<String, Code>,
    sender: &SyncSender<Batch>,
) -> Option<()> {
    let mut bytes = Vec::new();
    // The number of the spill, and the fact.
    let mut found: Vec<(usize, FactRef)> = Vec::new();
    for (number, spill) in spills.iter().enumerate() {
        let from = bytes.len();
        if let Err(error) = spill.unpack(shard, &mut bytes) {
            return sender.send(Err(error)).ok();
        }
        found.extend(facts(&bytes, from).map(|fact| (number, fact)));
    }
    // Stable: the facts of a patient stay in the order of files and lines.
    found.sort_by_key(|(_, fact)| fact.hash);
    let mut rest = found.as_slice();
    while !rest.is_empty() {
        let mut end = BATCH_FACTS.min(rest.len());
        // A batch ends where a patient does.
        let hash_at = |at: usize| rest.get(at).map(|(_, fact)| fact.hash);
        while end < rest.len() && hash_at(end) == hash_at(end - 1) {
            end += 1;
        }
        let (batch, later) = rest.split_at_checked(end)?;
        sender.send(patients(spills, batch, &bytes, medications)).ok()?;
        rest = later;
    }
    Some(())
}

/// The patients of a run of facts that is sorted by hash.
fn patients(
    spills: &[Spill],
    batch: &[(usize, FactRef)],
    bytes: &[u8],
    medications: &HashMap<String, Code>,
) -> Batch {
    let mut patients = Vec::new();
    for same in batch.chunk_by(|(_, one), (_, other)| one.hash == other.hash) {
        let mut items = Vec::with_capacity(same.len());
        for (number, fact) in same {
            let Some(spill) = spills.get(*number) else { continue };
            let (line, item) = restore(bytes, *fact).map_err(|error| spill.damaged(error))?;
            items.push((Place { file: spill.number, line }, item));
        }
        // Two patients may have one hash: they come apart here.
        patients.extend(gathered(items, medications));
    }
    Ok(patients)
}
