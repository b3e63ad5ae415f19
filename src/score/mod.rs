//! Scoring: from a history and a bundle to an answer in words.

mod answer;
mod change;
mod change_reasons;
mod parts;
mod reasons;
mod seen;
mod words;

pub use crate::bundle::Sufficiency;
pub use answer::{Reason, Score};
pub use change::{Change, Comparison, Difference, Model, change};
pub use change_reasons::{ChangeKind, ChangeReason};
use parts::Parts;

use crate::access::Classes;
use crate::bundle::{Bundle, Explanation};

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
    let (view, standing) = stand(bundle, history, prediction_time)?;
    let facts = extract(&view, task.spec(), reasons_max > 0);
    let row = bundle.manifest().vocabulary.row(&facts);
    bundle.saw_row(&row);
    let judgement = bundle.sufficiency(&view, &row);
    let assumptions = assumption(standing).map(str::to_owned).into_iter().collect();
    let mut score = Score {
        index_time: view.index_time(),
        history_used_until: latest_fact(&view),
        is_provisional: standing != Standing::Over,
        assumptions,
        probability: None,
        interval: None,
        horizon_days: task.params().time_at_risk.horizon_days,
        tier: None,
        flag_threshold: bundle.manifest().tiers.first().map_or(1.0, |cut| cut.from),
        reference_percentile: None,
        sufficiency: judgement.grade,
        sufficiency_notes: judgement.notes,
        veiled_notes: judgement.veiled_notes,
        notes_classes: judgement.classes,
        baseline: 0.0,
        reasons: Vec::new(),
        explanation_failed: false,
        other_contribution: 0.0,
        published: task.published().iter().map(|formula| evaluate(&view, formula)).collect(),
        change: None,
    };
    if bundle.is_published_only() {
        let veiled: Vec<PublishedScore> =
            score.published.iter().map(|each| each.clone().seen_by(Classes::NONE)).collect();
        score.veiled_notes = of_published(&veiled).1;
        score.notes_classes =
            score.published.iter().fold(Classes::NONE, |all, each| all.and(each.classes));
        (score.sufficiency, score.sufficiency_notes) = of_published(&score.published);
        return Ok(score);
    }
    if score.sufficiency == Sufficiency::D {
        return Ok(score);
    }
    let probability = bundle.predict(&row).probability;
    bundle.saw_probability(probability);
    score.probability = Some(probability);
    score.interval = bundle.interval(probability);
    score.tier = Some(bundle.tier(probability).to_owned());
    score.reference_percentile = Some(bundle.reference_percentile(probability));
    if reasons_max > 0 {
        let parts = Parts { view: &view, bundle, facts: &facts, row: &row };
        explained(&mut score, &parts, &bundle.explain(&row), reasons_max);
    }
    Ok(score)
}

/// The view that a score at `prediction_time` stands on, and how its time stands to a stay.
fn stand<'h>(
    bundle: &Bundle,
    history: &'h History,
    prediction_time: Time,
) -> Result<(View<'h>, Standing), NotEligible> {
    let view = history.view(prediction_time);
    let index = latest_index(&view, bundle.task())?;
    let view = view.at(index.time);
    eligibility(&view, bundle.task())?;
    Ok((view, index.standing))
}

/// Adds the reasons, unless the explanation is not one of the score: a score never waits for it.
fn explained(score: &mut Score, parts: &Parts<'_>, explanation: &Explanation, reasons_max: usize) {
    if !score.probability.is_some_and(|probability| reasons::explains(explanation, probability)) {
        score.explanation_failed = true;
        let note = "no reasons are given: they did not add up to the score, which stands by itself";
        score.assumptions.push(note.to_owned());
        return;
    }
    let (reasons, other) = reasons::reasons(parts, &explanation.contributions, reasons_max);
    score.baseline = explanation.baseline;
    score.reasons = reasons;
    score.other_contribution = other;
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::record::{Code, Encounter, EncounterClass, Event, EventKind, PartialDate, Record};

    /// An adult with diabetes after a stay of five days.
    fn record() -> Record {
        let time = |text| Time::parse(text).unwrap();
        let [begin, end] = ["2024-03-01T09:00:00Z", "2024-03-06T15:00:00Z"].map(time);
        let mut stay = Encounter::new("stay", EncounterClass::Inpatient, begin, Some(end));
        stay.admission_type = Some("emergency".into());
        stay.admission_source = Some("emd".into());
        stay.discharge_disposition = Some("home".into());
        let of_stay = |kind, code| {
            let mut event = Event::new(kind, Code::parse(code).unwrap(), begin.plus_hours(3));
            event.encounter_id = Some("stay".into());
            event
        };
        Record {
            patient_id: "p".into(),
            birth_date: PartialDate::parse("1951-07-08"),
            encounters: vec![stay],
            events: vec![
                of_stay(EventKind::Diagnosis, "ICD10CM//E11.9"),
                of_stay(EventKind::DrugOrder, "RXNORM//5856"),
                of_stay(EventKind::Procedure, "CPT//93306"),
                of_stay(EventKind::Measurement, "LOINC//718-7"),
            ],
            ..Record::default()
        }
    }

    #[test]
    fn a_broken_explanation_leaves_the_score_without_reasons() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/readmit30_diabetes/1");
        let bundle = crate::registry::open(&folder, &[]).unwrap();
        let record = record();
        let known_after = &bundle.task().params().known_after;
        let history = History::build(&record, bundle.concepts(), known_after).unwrap().history;
        let at = record.encounters[0].end.unwrap();
        let plain = score(&bundle, &history, at, 0).unwrap();
        assert!(plain.probability.is_some() && plain.assumptions.is_empty());

        let view = history.view(at);
        let facts = extract(&view, bundle.task().spec(), true);
        let row = bundle.manifest().vocabulary.row(&facts);
        let with = |change: &dyn Fn(&mut Explanation)| {
            let mut explanation = bundle.explain(&row);
            change(&mut explanation);
            let mut score = plain.clone();
            let parts = Parts { view: &view, bundle: &bundle, facts: &facts, row: &row };
            explained(&mut score, &parts, &explanation, 5);
            score
        };
        let whole = with(&|_| {});
        assert!(!whole.explanation_failed && !whole.reasons.is_empty());
        let breaks: [&dyn Fn(&mut Explanation); 4] = [
            &|e| e.contributions[0] += 2e-6,
            &|e| e.baseline = f64::NAN,
            &|e| e.contributions[1] = f64::INFINITY,
            &|e| e.contributions.clear(),
        ];
        for change in breaks {
            let broken = with(change);
            assert!(broken.explanation_failed && broken.reasons.is_empty());
            assert_eq!((broken.probability, &broken.tier), (plain.probability, &plain.tier));
            assert_eq!((broken.baseline, broken.other_contribution), (0.0, 0.0));
            assert!(broken.assumptions[0].starts_with("no reasons are given"));
        }
    }
}
