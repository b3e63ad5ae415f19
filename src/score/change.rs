//! What changed since an earlier time, or comes of another version of the model.
//!
//! The difference of the log-odds is split along one path, of which each step changes one thing:
//!
//! 1. the model of then, the facts of then, the time of then;
//! 2. the model of now, the facts of then, the time of then: the step is the model's;
//! 3. the model of now, the facts of then, the time of now (`View::seen_from`): time passing;
//! 4. the model of now, the facts of now, the time of now: what has become known since.
//!
//! The steps sum to the whole by themselves. Another order would give other parts: this one takes the
//! model first, so that all reasons are those of the model that scores now, and the facts last, so that
//! a new fact counts by what it changes today. Where a step cannot be taken honestly, there is none.

use super::answer::Score;
use super::change_reasons::{self, ChangeReason};
use super::parts::Parts;
use super::reasons::explains;
use super::{stand, words};
use crate::access::{Classes, PROTECTED};
use crate::bundle::{Bundle, Explanation, Sufficiency};
use crate::feature::{Facts, extract};
use crate::model::logit;
use crate::record::{History, Time, View};
use crate::task::{NotEligible, Standing};

/// What is assumed where the score stands at another stay than then.
const INSEPARABLE: &str = "the score stands at another stay than then: what comes of time alone cannot \
                           be told from what is new, and all of it counts as new";

/// A version of a model, with the history built by its rules.
#[derive(Debug, Clone, Copy)]
pub struct Model<'a> {
    pub bundle: &'a Bundle,
    pub history: &'a History,
}

/// What changed, and against what.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The index time of the score then; `None` where there was none.
    pub index_time: Option<Time>,
    /// The version of the model then.
    pub model_version: String,
    pub outcome: Comparison,
    /// What was assumed, in words.
    pub assumptions: Vec<String>,
}

/// How then and now compare.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    Difference(Box<Difference>),
    /// They do not.
    Not {
        /// Why, in words.
        reason: String,
        /// The classes of sensitive content that the reason tells of.
        classes: Classes,
    },
}

/// The difference between two scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The calibrated probability then.
    pub probability: f64,
    /// The tier then.
    pub tier: String,
    /// The calibrated probability now.
    pub probability_now: f64,
    /// The parts of the difference of log-odds, now less then: they are all of it.
    pub model_contribution: f64,
    pub time_contribution: f64,
    pub events_contribution: f64,
    /// The largest shares first; with `other_contribution` they are all of the difference too.
    pub reasons: Vec<ChangeReason>,
    pub other_contribution: f64,
}

impl Difference {
    /// The change in one sentence.
    pub fn sentence(&self) -> String {
        words::change(self.probability, self.probability_now, &self.reasons)
    }
}

impl Change {
    /// The same as somebody sees it who may see `allowed`.
    #[must_use]
    pub fn seen_by(&self, allowed: Classes) -> Change {
        let mut seen = self.clone();
        match &mut seen.outcome {
            Comparison::Difference(difference) => {
                let (reasons, rest) = change_reasons::seen_by(&difference.reasons, allowed);
                difference.reasons = reasons;
                difference.other_contribution += rest;
            }
            Comparison::Not { reason, classes } if !classes.are_within(allowed) => {
                *reason = format!("not scored then, for a reason that is {PROTECTED}");
                *classes = Classes::NONE;
            }
            Comparison::Not { .. } => {}
        }
        seen
    }
}

/// Why then and now do not compare.
struct Incomparable {
    reason: String,
    classes: Classes,
}

impl From<&str> for Incomparable {
    fn from(reason: &str) -> Incomparable {
        Incomparable { reason: reason.to_owned(), classes: Classes::NONE }
    }
}

impl From<NotEligible> for Incomparable {
    fn from(NotEligible { text, classes, .. }: NotEligible) -> Incomparable {
        Incomparable { reason: format!("not scored then: {text}"), classes }
    }
}

/// What changed between the score of `then` at `then_time` and `score`, which `now` gives at
/// `now_time`; with at most `reasons_max` reasons. The history of both is of the same record.
pub fn change(
    (then, then_time): (Model<'_>, Time),
    (now, now_time): (Model<'_>, Time),
    score: &Score,
    reasons_max: usize,
) -> Change {
    let mut change = Change {
        index_time: None,
        model_version: then.bundle.manifest().version.clone(),
        outcome: Comparison::Not { reason: String::new(), classes: Classes::NONE },
        assumptions: Vec::new(),
    };
    let compared = compared((then, then_time), (now, now_time), score, reasons_max, &mut change);
    change.outcome = match compared {
        Ok(difference) => Comparison::Difference(Box::new(difference)),
        Err(Incomparable { reason, classes }) => Comparison::Not { reason, classes },
    };
    change
}

fn compared(
    (then, then_time): (Model<'_>, Time),
    (now, now_time): (Model<'_>, Time),
    score: &Score,
    reasons_max: usize,
    change: &mut Change,
) -> Result<Difference, Incomparable> {
    let is_same_model = std::ptr::eq(then.bundle, now.bundle);
    if !is_same_model {
        predicts_the_same(then.bundle, now.bundle)?;
    }
    let (old, standing) = scored_then(then, then_time)?;
    change.index_time = Some(old.index_time());
    let first = match is_same_model {
        true => old.clone(),
        false => scored_then(now, then_time)?.0,
    };
    let (last, _) = stand(now.bundle, now.history, now_time)?;
    let Some(probability_now) = score.probability else {
        return Err("not enough data now for a score".into());
    };
    check_open_stay(&old, standing, &last, change)?;

    let with_evidence = reasons_max > 0;
    let before = Point::of(now.bundle, &first, with_evidence);
    let after = Point::of(now.bundle, &last, with_evidence);
    let probability = match is_same_model {
        true => before.probability,
        false => Point::of(then.bundle, &old, false).probability,
    };
    let stay = |view: &View<'_>| view.stay().map(|stay| stay.start);
    let between = (stay(&first) == stay(&last)).then(|| first.seen_from(last.index_time()));
    if between.is_none() {
        change.assumptions.push(INSEPARABLE.to_owned());
    }
    let between = between.as_ref().map(|view| Point::of(now.bundle, view, with_evidence));
    let turning = between.as_ref().unwrap_or(&before);
    let [old_odds, before_odds, turning_odds, after_odds] =
        [probability, before.probability, turning.probability, after.probability].map(logit);
    let (model, time) = (before_odds - old_odds, turning_odds - before_odds);
    let events = after_odds - turning_odds;
    let total = after_odds - old_odds;
    if !total.is_finite() || after.probability != probability_now {
        return Err("the two scores have no difference of log-odds".into());
    }
    let mut reasons = Vec::new();
    if with_evidence && [&before, turning, &after].iter().all(|point| point.is_explained()) {
        let steps = (between.as_ref().map(|point| (&before, point)), (turning, &after));
        reasons = change_reasons::of_steps(steps, model, &then.bundle.manifest().version);
    } else if with_evidence {
        let note = "no reasons are given: they did not add up to the scores";
        change.assumptions.push(note.to_owned());
    }
    change_reasons::sort(&mut reasons);
    reasons.truncate(reasons_max);
    let listed: f64 = reasons.iter().map(|each| each.reason.contribution).sum();
    Ok(Difference {
        probability,
        tier: then.bundle.tier(probability).to_owned(),
        probability_now,
        model_contribution: model,
        time_contribution: time,
        events_contribution: events,
        reasons,
        other_contribution: total - listed,
    })
}

/// Whether two versions predict one thing.
fn predicts_the_same(then: &Bundle, now: &Bundle) -> Result<(), Incomparable> {
    if then.is_published_only() || now.is_published_only() {
        return Err("a version with published scores alone gives no probability of its own".into());
    }
    let risk = |bundle: &Bundle| bundle.task().params().time_at_risk;
    let outcome = |bundle: &Bundle| bundle.task().params().outcome.clone();
    if risk(then) != risk(now) || outcome(then) != outcome(now) {
        return Err("the two versions predict another outcome, or over other days".into());
    }
    Ok(())
}

/// The view that a model scored then, with data enough.
fn scored_then<'a>(
    Model { bundle, history }: Model<'a>,
    time: Time,
) -> Result<(View<'a>, Standing), Incomparable> {
    if bundle.is_published_only() {
        return Err("published scores alone give no probability that could be compared".into());
    }
    if history.view(time).age_years().is_some_and(|age| age < 0) {
        return Err("not born then".into());
    }
    let (view, standing) = stand(bundle, history, time)?;
    let row = bundle.manifest().vocabulary.row(&extract(&view, bundle.task().spec(), false));
    if bundle.sufficiency(&view, &row).grade == Sufficiency::D {
        return Err("not enough data then for a score".into());
    }
    Ok((view, standing))
}

/// A stay that was open then and has ended since would be open for ever in what was known then. The same
/// stay, open then and now, is one that both scores stand in.
fn check_open_stay(
    then: &View<'_>,
    standing: Standing,
    now: &View<'_>,
    change: &mut Change,
) -> Result<(), Incomparable> {
    if standing == Standing::AsIfContactOver {
        return Err("a contact was open then: the score took it to be over".into());
    }
    if then.has_open_episode() && then.open_episode_start() != now.open_episode_start() {
        return Err("a hospital stay was open then that has ended since".into());
    }
    if standing == Standing::AsIfDischarged {
        let note = "the stay was open then, too: scored as if discharged at that time";
        change.assumptions.push(note.to_owned());
    }
    Ok(())
}

/// A point of the path: what the model of now makes of a view.
pub(super) struct Point<'a> {
    bundle: &'a Bundle,
    view: &'a View<'a>,
    facts: Facts,
    row: Vec<f32>,
    pub probability: f64,
    /// The shares, where they are asked for.
    explanation: Option<Explanation>,
}

impl<'a> Point<'a> {
    fn of(bundle: &'a Bundle, view: &'a View<'a>, with_evidence: bool) -> Point<'a> {
        let facts = extract(view, bundle.task().spec(), with_evidence);
        let row = bundle.manifest().vocabulary.row(&facts);
        let probability = bundle.predict(&row).probability;
        let explanation = with_evidence.then(|| bundle.explain(&row));
        Point { bundle, view, facts, row, probability, explanation }
    }

    fn is_explained(&self) -> bool {
        self.explanation.as_ref().is_some_and(|shares| explains(shares, self.probability))
    }

    /// The share of each column; none where they were not asked for.
    pub(super) fn contributions(&self) -> &[f64] {
        self.explanation.as_ref().map_or(&[], |shares| shares.contributions.as_slice())
    }

    pub(super) fn parts(&self) -> Parts<'_> {
        Parts { view: self.view, bundle: self.bundle, facts: &self.facts, row: &self.row }
    }
}
