//! The reasons of a change: for each step of its path the differences of the shares, by theme.

use super::answer::Reason;
use super::change::Point;
use super::parts::{Part, SaidBy};
use super::reasons::{SHARE_MIN, together};
use super::seen::merged;
use super::words;
use crate::access::Classes;
use crate::feature::Source;
use crate::record::Evidence;

/// Where a part of a change comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// Another version of the model.
    Model,
    /// The same facts, seen from a later time.
    TimePassing,
    /// What has become known since.
    NewEvents,
}

impl ChangeKind {
    /// All kinds, in the order of the path.
    pub const ALL: [ChangeKind; 3] =
        [ChangeKind::Model, ChangeKind::TimePassing, ChangeKind::NewEvents];
}

/// A part of a change, in words. Its contribution is a difference of shares; its facts are those that
/// were not there before, or with time passing those that no longer count.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeReason {
    pub kind: ChangeKind,
    pub reason: Reason,
}

/// Two points of the path between which one thing changes.
type Step<'p, 'a> = (&'p Point<'a>, &'p Point<'a>);

/// The reasons of all steps: the model's, that of time (`None` where there is none), that of the facts.
pub(super) fn of_steps(
    (time, events): (Option<Step<'_, '_>>, Step<'_, '_>),
    model: f64,
    version_then: &str,
) -> Vec<ChangeReason> {
    let mut reasons = Vec::new();
    if model.abs() >= SHARE_MIN {
        let reason = Reason {
            theme: "the model".to_owned(),
            recorded: true,
            text: words::other_model(version_then, model),
            contribution: model,
            ..Reason::default()
        };
        reasons.push(ChangeReason { kind: ChangeKind::Model, reason });
    }
    let of = |kind, step| differences(kind, step).into_iter();
    let time = time.into_iter().flat_map(|step| of(ChangeKind::TimePassing, step));
    reasons.extend(time.chain(of(ChangeKind::NewEvents, events)));
    reasons
}

/// The largest shares first.
pub(super) fn sort(reasons: &mut [ChangeReason]) {
    let share = |each: &ChangeReason| each.reason.contribution.abs();
    reasons.sort_by(|a, b| share(b).total_cmp(&share(a)));
}

/// The reasons as somebody sees them who may see `allowed`, of each kind one for all that may not be
/// seen; and shares too small for a reason.
pub(super) fn seen_by(reasons: &[ChangeReason], allowed: Classes) -> (Vec<ChangeReason>, f64) {
    let (mut seen, mut rest) = (Vec::new(), 0.0);
    for kind in ChangeKind::ALL {
        let of_kind = reasons.iter().filter(|each| each.kind == kind);
        let of_kind: Vec<Reason> = of_kind.map(|each| each.reason.clone()).collect();
        let (shown, small) = merged(of_kind, allowed, joined, words::protected_change);
        seen.extend(shown.into_iter().map(|reason| ChangeReason { kind, reason }));
        rest += small;
    }
    sort(&mut seen);
    (seen, rest)
}

/// The differences of one step by theme, those of equal themes together.
fn differences(kind: ChangeKind, (before, after): Step<'_, '_>) -> Vec<ChangeReason> {
    let mut themes: Vec<Vec<Reason>> = Vec::new();
    for (was, is) in pairs(before, after) {
        let Some(part) = difference(kind, was.as_ref(), is.as_ref()) else { continue };
        if part.contribution.abs() < SHARE_MIN {
            continue;
        }
        let same =
            |group: &&mut Vec<Reason>| group.first().is_some_and(|first| first.theme == part.theme);
        match themes.iter_mut().find(same) {
            Some(group) => group.push(part),
            None => themes.push(vec![part]),
        }
    }
    let reason = |mut said: Vec<Reason>| {
        said.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        let contribution = said.iter().map(|part| part.contribution).sum::<f64>();
        let reason = joined(said, contribution)?;
        (contribution.abs() >= SHARE_MIN).then_some(ChangeReason { kind, reason })
    };
    themes.into_iter().filter_map(reason).collect()
}

/// What each feature, or each learned code that is there at one of two points, says at both.
fn pairs(before: &Point<'_>, after: &Point<'_>) -> Vec<(Option<Reason>, Option<Reason>)> {
    let (was, is) = (before.parts(), after.parts());
    let (was_shares, is_shares) = (before.contributions(), after.contributions());
    let mut pairs = Vec::new();
    let mut learned = 0;
    for (place, feature) in is.bundle.task().spec().features().iter().enumerate() {
        let columns = is.bundle.columns_of(place);
        let part = |said_by| Part {
            theme: &feature.theme,
            recorded: true,
            contribution: 0.0,
            feature,
            said_by,
        };
        let share = |columns: &[usize]| {
            let of = |shares: &[f64]| -> f64 {
                columns.iter().filter_map(|column| shares.get(*column)).sum()
            };
            (of(was_shares), of(is_shares))
        };
        // What is alike at both points has nothing to say, and is not put into words.
        let is_small = |columns: &[usize]| {
            let (was, is) = share(columns);
            (is - was).abs() < SHARE_MIN
        };
        let mut pair = |said_by, columns: &[usize], was_there, is_there| {
            let (was_share, is_share) = share(columns);
            let said = |parts: &super::Parts<'_>, shares: &[f64], share, there| {
                let part = Part { contribution: share, ..part(said_by) };
                // A learned code that is not there says nothing, and still has a share.
                let silent = Reason {
                    theme: feature.theme.clone(),
                    contribution: share,
                    recorded: true,
                    ..Reason::default()
                };
                if there { parts.said(&part, shares) } else { silent }
            };
            pairs.push((
                Some(said(&was, was_shares, was_share, was_there)),
                Some(said(&is, is_shares, is_share, is_there)),
            ));
        };
        match feature.source {
            Source::Learned { .. } => {
                for column in columns {
                    let there = |parts: &super::Parts<'_>| parts.value(*column) > 0.0;
                    let (was_there, is_there) = (there(&was), there(&is));
                    if (was_there || is_there) && !is_small(&[*column]) {
                        let said_by = SaidBy::Code { learned, column: *column };
                        pair(said_by, &[*column], was_there, is_there);
                    }
                }
                learned += 1;
            }
            _ if is_small(columns) => {}
            _ => pair(SaidBy::Columns(columns), columns, true, true),
        }
    }
    pairs
}

/// What differs between what was said and what is.
fn difference(kind: ChangeKind, was: Option<&Reason>, is: Option<&Reason>) -> Option<Reason> {
    let told = is.or(was)?;
    let share = |said: Option<&Reason>| said.map_or(0.0, |said| said.contribution);
    let facts = |said: Option<&Reason>| said.map(|said| said.events.clone()).unwrap_or_default();
    let (gone, come) = match kind {
        ChangeKind::TimePassing => (facts(is), facts(was)),
        ChangeKind::NewEvents | ChangeKind::Model => (facts(was), facts(is)),
    };
    let events: Vec<Evidence> = come.into_iter().filter(|fact| !gone.contains(fact)).collect();
    let text =
        |said: Option<&Reason>| said.map(|said| said.text.as_str()).unwrap_or_default().to_owned();
    let classes = |said: Option<&Reason>| said.map(|said| said.classes).unwrap_or_default();
    let mut features = told.features.clone();
    if features.is_empty() {
        features = was.map(|was| was.features.clone()).unwrap_or_default();
    }
    Some(Reason {
        theme: told.theme.clone(),
        recorded: true,
        features,
        text: words::changed(&text(was), &text(is)),
        contribution: share(is) - share(was),
        modifiable: told.modifiable,
        events,
        classes: classes(was).and(classes(is)),
        parts: piecewise(kind, was, is),
        ..Reason::default()
    })
}

/// The differences of the pieces of a feature, by their classes; a side without pieces is one itself.
fn piecewise(kind: ChangeKind, was: Option<&Reason>, is: Option<&Reason>) -> Vec<Reason> {
    let pieces = |said: Option<&Reason>| -> Vec<Reason> {
        match said {
            Some(said) if !said.parts.is_empty() => said.parts.clone(),
            other => other.cloned().into_iter().collect(),
        }
    };
    let has_pieces = |said: Option<&Reason>| said.is_some_and(|said| !said.parts.is_empty());
    if !has_pieces(was) && !has_pieces(is) {
        return Vec::new();
    }
    let (was, is) = (pieces(was), pieces(is));
    let mut sets: Vec<Classes> = was.iter().chain(&is).map(|piece| piece.classes).collect();
    sets.sort_unstable();
    sets.dedup();
    let of =
        |pieces: &[Reason], set: Classes| pieces.iter().find(|piece| piece.classes == set).cloned();
    let piece = |set: Classes| {
        let (was, is) = (of(&was, set), of(&is, set));
        difference(kind, was.as_ref(), is.as_ref())
    };
    sets.into_iter().filter_map(piece).collect()
}

/// The reason that the differences of one theme make; `None` without any.
fn joined(said: Vec<Reason>, contribution: f64) -> Option<Reason> {
    let texts: Vec<String> = said.iter().map(|part| part.text.clone()).collect();
    let mut reason = together(said)?;
    reason.contribution = contribution;
    (reason.value, reason.unit) = (None, None);
    reason.text = words::change_sentence(&reason.theme, &texts, contribution);
    Some(reason)
}
