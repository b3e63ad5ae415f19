//! A version that shows published scores and nothing of our own: no data are needed for it.

use super::account::published_only_card;
use super::assemble::described;
use super::report::TrainError;
use crate::bundle::{Bundle, CARD, FORMAT_VERSION, Files, Manifest, sealed};
use crate::feature::Vocabulary;
use crate::model::InputSpec;
use crate::record::ConceptSet;
use crate::task::Task;

/// The files of a bundle of `task`, which must have no feature of its own.
///
/// # Errors
/// A task with features, or one that cannot be written.
pub fn published_only(
    task: &Task,
    concepts: &ConceptSet,
    version: &str,
) -> Result<(Files, Bundle), TrainError> {
    let mut files = described(task, concepts)?;
    files.insert(CARD.into(), published_only_card(task).into_bytes());
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        task: task.params().name.clone(),
        version: version.to_owned(),
        task_digest: task.digest().to_owned(),
        seed: 0,
        development: None,
        recalibrated: None,
        columns: Vec::new(),
        vocabulary: Vocabulary::learn(task.spec(), &[]),
        input: InputSpec { kept: Vec::new(), indicators: Vec::new() },
        members: Vec::new(),
        tiers: Vec::new(),
        drift_reference: None,
        reference: Vec::new(),
        interval: None,
        novelty_usual: None,
        held_out: None,
        golden: Vec::new(),
        files: Default::default(),
    };
    let files = sealed(manifest, files)?;
    let bundle = Bundle::open(&files)?;
    Ok((files, bundle))
}
