//! Scoring: from a history and a bundle to an answer in words.

mod answer;
mod reasons;
mod words;

pub use crate::bundle::Sufficiency;
pub use answer::{Reason, Score};

use crate::bundle::Bundle;
use crate::feature::extract;
use crate::published::{PublishedScore, evaluate};
use crate::record::{History, Time, View};
use crate::task::{NotEligible, Standing, eligibility, latest_index};

/// Scores `history` as it stood at `prediction_time`, with at most `reasons_max` reasons.
///
/// # Errors
/// `NotEligible` when the task has no index time there or a criterion leaves the patient out.
pub fn score(
    bundle: &Bundle,
    history: &History,
    prediction_time: Time,
    reasons_max: usize,
) -> Result<Score, NotEligible> {
    let task = bundle.task();
    let view = history.view(prediction_time);
    let index = latest_index(&view, task)?;
    let view = view.at(index.time);
    eligibility(&view, task)?;
    let facts = extract(&view, task.spec(), reasons_max > 0);
    let row = bundle.manifest().vocabulary.row(&facts);
    let judgement = bundle.sufficiency(&view, &row);
    let assumptions = assumption(index.standing).map(str::to_owned).into_iter().collect();
    let mut score = Score {
        index_time: index.time,
        history_used_until: latest_fact(&view),
        assumptions,
        probability: None,
        interval: None,
        horizon_days: task.params().time_at_risk.horizon_days,
        tier: None,
        flag_threshold: bundle.manifest().tiers.first().map_or(1.0, |cut| cut.from),
        reference_percentile: None,
        sufficiency: judgement.grade,
        sufficiency_notes: judgement.notes,
        baseline: 0.0,
        reasons: Vec::new(),
        other_contribution: 0.0,
        published: task.published().iter().map(|formula| evaluate(&view, formula)).collect(),
    };
    if bundle.is_published_only() {
        let (grade, notes) = of_published(&score.published);
        score.sufficiency = grade;
        score.sufficiency_notes = notes;
        return Ok(score);
    }
    if score.sufficiency == Sufficiency::D {
        return Ok(score);
    }
    let probability = bundle.predict(&row).probability;
    score.probability = Some(probability);
    score.interval = bundle.interval(probability);
    score.tier = Some(bundle.tier(probability).to_owned());
    score.reference_percentile = Some(bundle.reference_percentile(probability));
    if reasons_max > 0 {
        let explanation = bundle.explain(&row);
        score.baseline = explanation.baseline;
        let (reasons, other) =
            reasons::reasons(bundle, &facts, &row, &explanation.contributions, reasons_max);
        score.reasons = reasons;
        score.other_contribution = other;
    }
    Ok(score)
}

/// Whether the record suffices for published scores: for one of them it does, or for none.
fn of_published(scores: &[PublishedScore]) -> (Sufficiency, Vec<String>) {
    let given = |score: &PublishedScore| {
        score.points.is_some() || score.probability.is_some() || score.probability_low.is_some()
    };
    if scores.iter().all(given) {
        return (Sufficiency::A, Vec::new());
    }
    let note = |score: &PublishedScore| match &score.reason {
        Some(reason) => format!("{}: {reason}", score.title),
        None => format!("{}: missing {}", score.title, score.missing_inputs.join(", ")),
    };
    let notes = scores.iter().filter(|score| !given(score)).map(note).collect();
    (if scores.iter().any(given) { Sufficiency::B } else { Sufficiency::D }, notes)
}

/// What a score at an index time of this standing takes for granted.
fn assumption(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Over => None,
        Standing::AsIfDischarged => Some("the inpatient stay is open: scored as if discharged now"),
        Standing::AsIfContactOver => Some("the contact is open: scored as if it ended now"),
        Standing::InStay => {
            Some("the inpatient stay goes on: the days count from the discharge that is to come")
        }
    }
}

/// The latest time of an event or encounter that the view shows.
fn latest_fact(view: &View<'_>) -> Option<Time> {
    let events = view.entries().map(|entry| entry.time.min(view.index_time())).max();
    let earlier = view.earlier_encounters().map(|(encounter, _)| encounter.start).max();
    let stay = view.stay().map(|stay| stay.end.unwrap_or(stay.start));
    events.max(earlier).max(stay)
}
