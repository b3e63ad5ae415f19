//! What a request asks for: the tasks, and what is to be seen of each score.

use super::{Faults, MISSING, filled};
use crate::record::Violation;
use crate::rpc::given;
use crate::service::{ScoreOptions, ScoreRequest, TaskRef};

/// The tasks that a request names.
pub(super) fn task_refs(given: &[given::TaskRef<'_>], faults: &mut Faults) -> Vec<TaskRef> {
    if given.len() > ScoreRequest::TASKS_MAX {
        faults.at(|| "tasks".into(), "more than 64 tasks");
        return Vec::new();
    }
    let each = given.iter().enumerate();
    each.map(|(place, given)| named_task(given, &|field| format!("tasks[{place}].{field}"), faults))
        .collect()
}

fn named_task(
    given: &given::TaskRef<'_>,
    path: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) -> TaskRef {
    let given::TaskRef { task, version } = *given;
    if task.is_empty() {
        faults.at(|| path("task"), MISSING);
    }
    faults.name(task, || path("task"));
    faults.name(version, || path("version"));
    TaskRef { task: task.to_owned(), version: filled(version) }
}

/// A task and a version that are a request's own fields.
///
/// # Errors
/// The fields that cannot be used.
pub(in crate::rpc) fn task_ref(given: &given::TaskRef<'_>) -> Result<TaskRef, Vec<Violation>> {
    let mut faults = Faults::default();
    let named = named_task(given, &str::to_owned, &mut faults);
    if faults.0.is_empty() { Ok(named) } else { Err(faults.0) }
}

/// What the caller wants to see.
pub(super) fn score_options(given: &given::ScoreOptions<'_>, faults: &mut Faults) -> ScoreOptions {
    let given::ScoreOptions {
        max_reasons,
        no_reasons,
        no_flag,
        peers,
        compare_to_time,
        compare_to_version,
    } = *given;
    let max_reasons = max_reasons as usize;
    if max_reasons > ScoreOptions::REASONS_MAX {
        faults.at(|| "options.max_reasons".into(), "more than 50");
    }
    let reasons_max = match (no_reasons, max_reasons) {
        (true, _) => 0,
        (false, 0) => ScoreOptions::REASONS_DEFAULT,
        (false, some) => some,
    };
    faults.name(compare_to_version, || "options.compare_to_version".into());
    let compare_to_time = faults.time(compare_to_time, || "options.compare_to_time".into());
    let compare_to_version = filled(compare_to_version);
    ScoreOptions { reasons_max, no_flag, peers, compare_to_time, compare_to_version }
}
