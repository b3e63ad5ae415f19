//! An answer as a caller sees it who may see some classes of sensitive content and not others.
//!
//! What tells of a class that the caller may not see goes into one reason without a name, a value or a
//! fact; all sums stay as they are. What is hidden: which class it is, which features, codes, values,
//! dates and places in the record. What is not: that some protected information counts, how much in sum
//! and in which direction, and the probability, which rests on it. The reason is there whenever a feature
//! about a sensitive concept has a share among the reasons that are listed, also where the record says
//! that there is nothing of it; by its being there nobody can tell that something was found. A count over
//! all codes (such as the number of diagnoses) goes into it only where a sensitive fact is among those
//! counted, and its absence from the other reasons can be noticed.

use super::answer::{Reason, Score};
use super::reasons::{SHARE_MIN, joined};
use super::words;
use crate::access::{Classes, PROTECTED};
use crate::published::PublishedScore;

impl Score {
    /// The same score as somebody sees it who may see `allowed`: reasons that tell of other classes are
    /// merged into one, and baseline, contributions and the rest have the same sum.
    #[must_use]
    pub fn seen_by(self, allowed: Classes) -> Score {
        let mut seen = self;
        let (reasons, rest) = merged(seen.reasons, allowed, joined, words::protected);
        seen.reasons = reasons;
        seen.other_contribution += rest;
        let published = seen.published.into_iter();
        seen.published = published.map(|each: PublishedScore| each.seen_by(allowed)).collect();
        seen.change = seen.change.map(|change| Box::new(change.seen_by(allowed)));
        if !seen.notes_classes.are_within(allowed) {
            seen.sufficiency_notes.clone_from(&seen.veiled_notes);
            seen.notes_classes = Classes::NONE;
        }
        seen
    }
}

/// The reasons that may be seen, the largest shares first, with one for all that may not be; and a share
/// of it that is too small for a reason. `join` puts parts of one theme together again.
pub(super) fn merged(
    reasons: Vec<Reason>,
    allowed: Classes,
    join: fn(Vec<Reason>, f64) -> Option<Reason>,
    words: fn(f64) -> String,
) -> (Vec<Reason>, f64) {
    if reasons.iter().all(|reason| reason.classes.are_within(allowed)) {
        return (reasons, 0.0);
    }
    let mut seen: Vec<Reason> =
        reasons.iter().filter_map(|reason| visible(reason, allowed, join)).collect();
    let sum = |of: &[Reason]| of.iter().map(|reason| reason.contribution).sum::<f64>();
    let hidden = sum(&reasons) - sum(&seen);
    let is_reason = hidden.abs() >= SHARE_MIN;
    if is_reason {
        seen.push(Reason {
            theme: PROTECTED.to_owned(),
            recorded: true,
            text: words(hidden),
            contribution: hidden,
            ..Reason::default()
        });
    }
    seen.sort_by(|a, b| {
        let by_share = || b.contribution.abs().total_cmp(&a.contribution.abs());
        b.recorded.cmp(&a.recorded).then_with(by_share)
    });
    (seen, if is_reason { 0.0 } else { hidden })
}

/// What of a reason may be seen; `None` for nothing, and for what was merged before.
fn visible(
    reason: &Reason,
    allowed: Classes,
    join: fn(Vec<Reason>, f64) -> Option<Reason>,
) -> Option<Reason> {
    if reason.theme == PROTECTED {
        return None;
    }
    if reason.classes.are_within(allowed) {
        return Some(reason.clone());
    }
    let of_part = |part: &Reason| match part.classes.are_within(allowed) {
        true => vec![part.clone()],
        // A feature in parts of its own: each says by itself what it is about.
        false => part.parts.iter().filter(|p| p.classes.are_within(allowed)).cloned().collect(),
    };
    let seen: Vec<Reason> = reason.parts.iter().flat_map(of_part).collect();
    let contribution = seen.iter().map(|part| part.contribution).sum::<f64>();
    if contribution.abs() < SHARE_MIN {
        return None;
    }
    join(seen, contribution)
}
