//! What changed since an earlier time, or comes of another version, where a request asks for it.

use super::{ScoreOptions, ServiceError, catalog, under_history};
use crate::record::{History, Record, Time, Violation};
use crate::registry::Registry;
use crate::score::{Change, Model, Score};

/// Checks that the time to compare with lies before the prediction time.
pub(super) fn check(options: &ScoreOptions, prediction_time: Time) -> Result<(), ServiceError> {
    match options.compare_to_time {
        Some(then) if then >= prediction_time => {
            let path = "options.compare_to_time".to_owned();
            let reason = "not before the prediction time";
            Err(ServiceError::Invalid(vec![Violation { path, reason }]))
        }
        _ => Ok(()),
    }
}

/// What changed between the score of `record` that `options` want to be compared with and `score`,
/// which `now` gave; `None` where they want none.
pub(super) fn change(
    registry: &Registry,
    (record, options): (&Record, &ScoreOptions),
    now: Model<'_>,
    prediction_time: Time,
    score: &Score,
) -> Result<Option<Change>, ServiceError> {
    if options.compare_to_time.is_none() && options.compare_to_version.is_none() {
        return Ok(None);
    }
    let now_time = (now, prediction_time);
    let then_time = options.compare_to_time.unwrap_or(prediction_time);
    let manifest = now.bundle.manifest();
    let version = options.compare_to_version.as_deref();
    let Some(version) = version.filter(|version| *version != manifest.version) else {
        let then_time = (now, then_time);
        return Ok(Some(crate::score::change(then_time, now_time, score, options.reasons_max)));
    };
    let bundle = catalog::find(registry, &manifest.task, Some(version))?.bundle();
    let known_after = &bundle.task().params().known_after;
    let built = History::build(record, bundle.concepts(), known_after)
        .map_err(|error| ServiceError::Invalid(under_history(error.violations)))?;
    let then = Model { bundle, history: &built.history };
    Ok(Some(crate::score::change((then, then_time), now_time, score, options.reasons_max)))
}
