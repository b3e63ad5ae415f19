//! Answers as messages.

use prost_types::Timestamp;

use super::{flag_message, proto, trend_message};
use crate::published::PublishedScore;
use crate::record::{DataIssue, Evidence, Time};
use crate::registry::{self, ReloadReport};
use crate::score::{
    Change, ChangeKind, ChangeReason, Comparison, Difference, Reason, Score, Sufficiency,
};
use crate::service::{
    Answer, Assessment, ModelCard, ModelInfo, NotEligible, Origin, ScoreResponse,
};

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_MICRO: i64 = 1_000;

/// The response to the request called `request_id`, with places in what the caller sent.
pub(super) fn score_response(
    request_id: String,
    response: ScoreResponse,
    origin: &Origin,
) -> proto::ScoreResponse {
    let ScoreResponse { assessments, data_issues } = response;
    proto::ScoreResponse {
        request_id,
        assessments: assessments.into_iter().map(|each| assessment(each, origin)).collect(),
        data_issues: data_issues.into_iter().map(|issue| data_issue(issue, origin)).collect(),
    }
}

/// A model as the catalog shows it.
pub(super) fn model(info: ModelInfo) -> proto::Model {
    let ModelInfo {
        task,
        title,
        version,
        is_default,
        bundle_digest,
        task_digest,
        families,
        horizon_days,
        auroc,
        synthetic_training_data,
        not_validated,
        forced,
        refused,
    } = info;
    proto::Model {
        task,
        title,
        version,
        bundle_digest,
        task_digest,
        families,
        horizon_days,
        auroc,
        refused,
        synthetic_training_data,
        not_validated,
        forced,
        is_default,
    }
}

/// The card of a model.
pub(super) fn model_card(card: ModelCard) -> proto::GetModelCardResponse {
    let ModelCard { task, version, bundle_digest, markdown, metrics_json } = card;
    proto::GetModelCardResponse {
        task,
        version,
        bundle_digest,
        card: markdown,
        metrics_json: metrics_json.unwrap_or_default(),
    }
}

/// What a reload did.
pub(super) fn reload(report: ReloadReport) -> proto::ReloadModelsResponse {
    let ReloadReport { tasks, fault, .. } = report;
    let tasks = tasks.into_iter().map(|task| {
        let outcome = match (task.change(), &task.after) {
            (_, None) if !task.refused.is_empty() => proto::ReloadOutcome::Refused,
            (registry::Change::Removed, _) => proto::ReloadOutcome::Removed,
            (registry::Change::Added | registry::Change::Swapped, _) => {
                proto::ReloadOutcome::Swapped
            }
            _ if fault.is_some() || !task.refused.is_empty() => proto::ReloadOutcome::Kept,
            _ => proto::ReloadOutcome::Unchanged,
        };
        let reasons = task.refused.into_iter().map(|refused| refused.reason);
        let (version, bundle_digest) =
            task.after.map(|after| (after.version, after.digest)).unwrap_or_default();
        proto::TaskReload {
            task: task.task,
            outcome: outcome.into(),
            version,
            bundle_digest,
            reason: reasons.collect::<Vec<_>>().join("; "),
        }
    });
    let tasks = tasks.collect();
    proto::ReloadModelsResponse { tasks, fault: fault.unwrap_or_default() }
}

fn assessment(assessment: Assessment, origin: &Origin) -> proto::Assessment {
    let Assessment {
        task,
        task_digest,
        model_version,
        bundle_digest,
        synthetic_training_data,
        outcome,
        flag,
        peer,
    } = assessment;
    let outcome = match outcome {
        Answer::Score(given) => {
            let peer = peer.map(|peer| trend_message::peer(*peer));
            proto::assessment::Outcome::Score(proto::Score { peer, ..score(*given, origin) })
        }
        Answer::NotEligible(NotEligible { criterion, text, classes: _ }) => {
            proto::assessment::Outcome::NotEligible(proto::NotEligible { criterion, text })
        }
    };
    proto::Assessment {
        task,
        task_digest,
        model_version,
        bundle_digest,
        synthetic_training_data,
        outcome: Some(outcome),
        flag: flag.map(flag_message::of_assessment),
    }
}

fn score(score: Score, origin: &Origin) -> proto::Score {
    let Score {
        index_time,
        history_used_until,
        is_provisional: _,
        assumptions,
        probability,
        interval,
        horizon_days,
        tier,
        flag_threshold,
        reference_percentile,
        sufficiency,
        sufficiency_notes,
        veiled_notes: _,
        notes_classes: _,
        baseline,
        reasons,
        other_contribution,
        // Told in words among the assumptions.
        explanation_failed: _,
        published,
        change,
    } = score;
    let sufficiency = match sufficiency {
        Sufficiency::A => proto::Sufficiency::A,
        Sufficiency::B => proto::Sufficiency::B,
        Sufficiency::C => proto::Sufficiency::C,
        Sufficiency::D => proto::Sufficiency::D,
    };
    proto::Score {
        index_time: Some(timestamp(index_time)),
        history_used_until: history_used_until.map(timestamp),
        assumptions,
        probability,
        horizon_days,
        tier,
        flag_threshold,
        reference_percentile,
        sufficiency: sufficiency.into(),
        sufficiency_notes,
        baseline,
        reasons: reasons.into_iter().map(|each| reason(each, origin)).collect(),
        other_contribution,
        published: published.into_iter().map(self::published).collect(),
        interval_low: interval.map(|[low, _]| low),
        interval_high: interval.map(|[_, high]| high),
        change: change.map(|each| self::change(*each, origin)),
        // Stands beside the score.
        peer: None,
    }
}

fn change(change: Change, origin: &Origin) -> proto::Change {
    let Change { index_time, model_version, outcome, assumptions } = change;
    let index_time = index_time.map(timestamp);
    let difference = match outcome {
        Comparison::Difference(difference) => *difference,
        Comparison::Not { reason: not_comparable, classes: _ } => {
            return proto::Change {
                index_time,
                model_version,
                not_comparable,
                assumptions,
                ..proto::Change::default()
            };
        }
    };
    let text = difference.sentence();
    let Difference {
        probability,
        tier,
        // Stands in the score.
        probability_now: _,
        model_contribution,
        time_contribution,
        events_contribution,
        reasons,
        other_contribution,
    } = difference;
    proto::Change {
        index_time,
        model_version,
        probability: Some(probability),
        tier: Some(tier),
        model_contribution,
        time_contribution,
        events_contribution,
        reasons: reasons.into_iter().map(|each| change_reason(each, origin)).collect(),
        other_contribution,
        text,
        not_comparable: String::new(),
        assumptions,
    }
}

fn change_reason(given: ChangeReason, origin: &Origin) -> proto::ChangeReason {
    let kind = match given.kind {
        ChangeKind::Model => proto::ChangeKind::Model,
        ChangeKind::TimePassing => proto::ChangeKind::TimePassing,
        ChangeKind::NewEvents => proto::ChangeKind::NewEvents,
    };
    let Reason { theme, text, contribution, events, .. } = given.reason;
    let events = events.into_iter().map(|evidence| event_ref(evidence, origin)).collect();
    proto::ChangeReason { kind: kind.into(), theme, text, contribution, events }
}

fn published(score: PublishedScore) -> proto::PublishedScore {
    let PublishedScore {
        id,
        title,
        points,
        probability,
        probability_low,
        probability_high,
        band,
        outcome,
        horizon_days,
        applicable,
        reason,
        missing_inputs,
        classes: _,
    } = score;
    proto::PublishedScore {
        id,
        title,
        points,
        probability,
        probability_low,
        probability_high,
        band,
        outcome,
        horizon_days,
        applicable,
        reason,
        missing_inputs,
    }
}

fn reason(reason: Reason, origin: &Origin) -> proto::Reason {
    // What stands beside the contract's fields says who may see them, and was asked before.
    let Reason { theme, features, text, value, unit, contribution, modifiable, events, .. } =
        reason;
    let events = events.into_iter().map(|evidence| event_ref(evidence, origin)).collect();
    proto::Reason { theme, features, text, value, unit, contribution, modifiable, events }
}

fn event_ref(evidence: Evidence, origin: &Origin) -> proto::EventRef {
    // A request cannot hold 2^32 events: a place always fits.
    let place = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    let (place, time) = match evidence {
        Evidence::Event { index, time, .. } => {
            (proto::event_ref::Place::EventIndex(place(origin.event(index))), time)
        }
        Evidence::Encounter { index, time } => {
            (proto::event_ref::Place::EncounterIndex(place(origin.encounter(index))), time)
        }
    };
    proto::EventRef { place: Some(place), time: Some(timestamp(time)) }
}

fn data_issue(issue: DataIssue, origin: &Origin) -> proto::DataIssue {
    let first_path = origin.issue_path(&issue);
    let DataIssue { kind, count, .. } = issue;
    proto::DataIssue {
        kind: kind.name().to_owned(),
        text: kind.text().to_owned(),
        count,
        first_path,
    }
}

pub(super) fn timestamp(time: Time) -> Timestamp {
    let micros = time.micros();
    Timestamp {
        seconds: micros.div_euclid(MICROS_PER_SECOND),
        nanos: (micros.rem_euclid(MICROS_PER_SECOND) * NANOS_PER_MICRO) as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::IssueKind;

    #[test]
    fn instants_before_1970_have_nanos_from_zero_up() {
        let Timestamp { seconds, nanos } = timestamp(Time::from_micros(-1));
        assert_eq!((seconds, nanos), (-1, 999_999_000));
    }

    #[test]
    fn paths_of_issues_begin_at_the_request() {
        let kind = IssueKind::MissingUnit;
        let issue = DataIssue { kind, count: 2, first_path: "events[3].unit".into() };
        let sent = data_issue(issue, &Origin::History);
        assert_eq!(sent.kind, "MISSING_UNIT");
        assert_eq!(sent.first_path, "history.events[3].unit");
    }

    #[test]
    fn evidence_keeps_its_kind_and_place() {
        let time = Time::from_micros(5);
        let sent = event_ref(Evidence::Encounter { index: 7, time }, &Origin::History);
        assert_eq!(sent.place, Some(proto::event_ref::Place::EncounterIndex(7)));
    }
}
