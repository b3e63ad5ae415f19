//! Criteria: whether the patient seen at an index time may be scored.

use std::cell::OnceCell;

use super::definition::{Criterion, Measure, Rule, Task};
use super::params::CoverageBy;
use super::part::Past;
use super::reading::mean_lowest;
use crate::access::{Classes, PROTECTED};
use crate::record::{ConceptId, Dated, EncounterCode, Entry, EventKind, View};

/// The criterion of `prior_outcome`.
pub const PRIOR_OUTCOME: &str = "prior_outcome";
/// The criterion of `follow_up.washout_days`.
pub const WASHOUT: &str = "washout";

/// Why a patient is not scored. An answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotEligible {
    /// Stable name for programs: the criterion's name in the task file, or one of `no_index_stay`,
    /// `no_index_contact`, `no_index_month`, `washout`, `prior_outcome`, `died`; `protected` for one that the
    /// caller may not see.
    pub criterion: String,
    pub text: String,
    /// The classes of sensitive content that the criterion tells of.
    pub classes: Classes,
}

impl NotEligible {
    /// A reason that tells of nothing sensitive.
    pub(super) fn new(criterion: &str, text: impl Into<String>) -> NotEligible {
        NotEligible { criterion: criterion.into(), text: text.into(), classes: Classes::NONE }
    }

    /// The same as somebody sees it who may see `allowed`.
    #[must_use]
    pub fn seen_by(&self, allowed: Classes) -> NotEligible {
        if self.classes.are_within(allowed) {
            return self.clone();
        }
        NotEligible {
            criterion: "protected".into(),
            text: format!("left out for a reason that is {PROTECTED}"),
            classes: Classes::NONE,
        }
    }
}

/// What the criteria of one index time look at; the dated events are made when first asked for.
struct Scene<'v, 'h> {
    view: &'v View<'h>,
    dated: OnceCell<Vec<Dated<'h>>>,
}

impl<'h> Scene<'_, 'h> {
    fn dated(&self) -> &[Dated<'h>] {
        self.dated.get_or_init(|| self.view.dated())
    }
}

/// Whether the patient seen in `view` may be scored.
///
/// # Errors
/// `NotEligible` with the first criterion that leaves them out: washout, then those of the task file
/// in its order, then the prior outcome.
pub fn eligibility(view: &View<'_>, task: &Task) -> Result<(), NotEligible> {
    let scene = Scene { view, dated: OnceCell::new() };
    let params = task.params();
    let washout_days = params.follow_up.washout_days;
    let recorded = params.follow_up.coverage == CoverageBy::Recorded;
    if washout_days > 0 && recorded && !view.is_covered(i64::from(washout_days)) {
        let text = format!("not covered by the source over all of the last {washout_days} days");
        return Err(NotEligible::new(WASHOUT, text));
    }
    let left_out = |criterion: &Criterion| NotEligible {
        criterion: criterion.name.clone(),
        text: criterion.text.clone(),
        classes: told_by(view, &criterion.rule.concepts()),
    };
    if let Some(failed) = task.include().iter().find(|criterion| !scene.holds(&criterion.rule)) {
        return Err(left_out(failed));
    }
    if let Some(met) = task.exclude().iter().find(|criterion| scene.holds(&criterion.rule)) {
        return Err(left_out(met));
    }
    let Some(prior) = &params.prior_outcome else { return Ok(()) };
    let past = Past { view, dated: scene.dated(), look_back_days: prior.look_back_days };
    let Some(met) = task.outcome().iter().find(|part| past.has(&part.rule)) else { return Ok(()) };
    let classes = told_by(view, &met.rule.outcome_concepts());
    Err(NotEligible { criterion: PRIOR_OUTCOME.into(), text: prior.text.clone(), classes })
}

/// The classes that a rule on `concepts` tells of: their own, and those of what the record has of them.
fn told_by(view: &View<'_>, concepts: &[ConceptId]) -> Classes {
    view.classes_of_concepts(concepts).and(view.classes_of_events(concepts))
}

impl Scene<'_, '_> {
    fn holds(&self, rule: &Rule) -> bool {
        let view = self.view;
        match rule {
            Rule::AgeYearsMin(years) => view.age_years().is_some_and(|age| age >= *years),
            Rule::AgeYearsMax(years) => view.age_years().is_some_and(|age| age <= *years),
            Rule::Event { concepts, kinds, within_days } => view.entries().any(|entry| {
                entry.is_any_of(concepts)
                    && (kinds.is_empty() || kinds.contains(&entry.kind))
                    && within_days.is_none_or(|days| view.within_days(entry, i64::from(days)))
            }),
            Rule::Discharge(concepts) => {
                let found = match view.stay() {
                    Some(stay) => stay.concepts(EncounterCode::DischargeDisposition),
                    None => view.contact_discharge(),
                };
                concepts.iter().any(|concept| found.contains(concept))
            }
            Rule::Principal(concepts) => view.entries().any(|e| self.is_principal(e, concepts)),
            Rule::StayClass(classes) => {
                let class = view.stay().and_then(|stay| stay.class());
                class.is_some_and(|class| classes.contains(&class))
            }
            Rule::StayDaysMin(days) => {
                view.stay().is_some_and(|stay| view.index_time().day() - stay.start.day() >= *days)
            }
            Rule::Died => view.is_dead(),
            Rule::InStay => view.has_open_episode(),
            Rule::Contact { classes, within_days } => {
                let from = view.index_time().plus_days(-i64::from(*within_days));
                view.contacts(classes).any(|contact| contact.encounter.start > from)
            }
            Rule::MeasuredDays { concepts, days_min } => self.days_with(concepts) >= *days_min,
            Rule::MeanAtLeast { measure, value } => {
                mean_lowest(&measure.by_day(view, self.dated()), 1).is_some_and(|m| m >= *value)
            }
            Rule::SpanDaysMin { measure, days } => {
                let found = measure.by_day(view, self.dated());
                let ends = found.keys().next().zip(found.keys().next_back());
                ends.is_some_and(|(first, last)| last - first >= *days)
            }
        }
    }

    fn is_principal(&self, entry: &Entry, concepts: &[ConceptId]) -> bool {
        entry.kind == EventKind::Diagnosis
            && entry.rank == Some(1)
            && entry.is_any_of(concepts)
            && self.view.in_stay(entry)
    }

    /// On how many days all of these were measured.
    fn days_with(&self, measures: &[Measure]) -> usize {
        let mut days = measures.iter().map(|measure| measure.by_day(self.view, self.dated()));
        let Some(mut common) = days.next() else { return 0 };
        for other in days {
            common.retain(|day, _| other.contains_key(day));
        }
        common.len()
    }
}
