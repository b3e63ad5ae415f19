//! One score as the rules see it: what tier it is in, and what a flag looks like with it.

use super::rules::{DayUse, FlagRules};
use super::{CoursePoint, Flag, FlagId, FlagState, Sighting};
use crate::bundle::{Sufficiency, TierCut};
use crate::record::Time;

/// A score as the rules see it.
pub(super) struct Scene<'a> {
    pub(super) sighting: &'a Sighting,
    pub(super) rules: &'a FlagRules,
    pub(super) now: Time,
    pub(super) day: DayUse,
    /// The tiers that raise.
    pub(super) raising: &'a [TierCut],
    /// The calibrated probability, where the record suffices and it is one.
    pub(super) probability: Option<f64>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        sighting: &'a Sighting,
        rules: &'a FlagRules,
        now: Time,
        day: DayUse,
    ) -> Scene<'a> {
        let raising = rules.raising(&sighting.cuts);
        let is_one = |probability: &f64| (0.0..=1.0).contains(probability);
        let probability =
            sighting.probability.filter(is_one).filter(|_| sighting.sufficiency != Sufficiency::D);
        Scene { sighting, rules, now, day, raising, probability }
    }

    /// The raising tier that the probability lies in: its rank from the highest, and the probability.
    pub(super) fn tier(&self) -> Option<(u8, f64)> {
        let probability = self.probability?;
        let rank = self.raising.iter().position(|tier| probability >= tier.from)?;
        Some((u8::try_from(rank).ok()?, probability))
    }

    /// Where the raising tier of that rank begins; of the lowest one for tiers that do not raise now.
    pub(super) fn cut(&self, rank: u8) -> f64 {
        let tier = self.raising.get(usize::from(rank)).or(self.raising.last());
        tier.map_or(1.0, |tier| tier.from)
    }

    /// Where a flag in the raising tier of that rank ends.
    pub(super) fn clear_cut(&self, rank: u8) -> f64 {
        self.cut(rank) * self.rules.params.clear_ratio
    }

    /// When what the score speaks of is over.
    pub(super) fn expires_time(&self) -> Time {
        self.sighting.index_time.plus_days(self.sighting.horizon_days.into())
    }

    /// A flag that this score raises.
    pub(super) fn new_flag(
        &self,
        id: FlagId,
        tier_rank: u8,
        probability: f64,
        course: Vec<CoursePoint>,
    ) -> Flag {
        let sighting = self.sighting;
        let tier = self.raising.get(usize::from(tier_rank));
        Flag {
            id,
            patient_id: sighting.patient_id.clone(),
            task: sighting.task.clone(),
            place: sighting.place.clone(),
            state: FlagState::Raised,
            tier: tier.map(|tier| tier.name.clone()).unwrap_or_default(),
            tier_rank,
            is_provisional: sighting.is_provisional,
            is_synthetic: sighting.is_synthetic,
            probability,
            raised_probability: probability,
            horizon_days: sighting.horizon_days,
            index_time: sighting.index_time,
            raised_time: self.now,
            expires_time: self.expires_time(),
            scored_time: sighting.time,
            history_used_until: sighting.history_used_until,
            sufficiency: sighting.sufficiency,
            model_version: sighting.model_version.clone(),
            bundle_digest: sighting.bundle_digest.clone(),
            reasons: sighting.reasons.clone(),
            course,
            assignee: None,
            snoozed_until: None,
            dismissal: None,
            action: None,
            held: None,
            changed_time: self.now,
            version: 1,
            change_number: 0,
        }
    }

    /// The course with this score at its end.
    pub(super) fn course(
        &self,
        mut course: Vec<CoursePoint>,
        probability: f64,
    ) -> Vec<CoursePoint> {
        let params = &self.rules.params;
        course.retain(|point| point.time != self.sighting.time);
        course.push(CoursePoint { time: self.sighting.time, probability });
        let from = self.sighting.time.plus_days(-i64::from(params.course_days));
        let points_max = usize::try_from(params.course_points_max).unwrap_or(usize::MAX);
        let too_many = course.len().saturating_sub(points_max);
        let points = course.into_iter().skip(too_many);
        points.filter(|point| point.time >= from).collect()
    }

    /// The flag with this score in it.
    pub(super) fn scored(&self, flag: &Flag, probability: f64) -> Flag {
        let course = self.course(flag.course.clone(), probability);
        let new = self.new_flag(flag.id, flag.tier_rank, probability, course);
        let changed = flag.changed(self.now);
        Flag {
            state: flag.state,
            // The name of a tier that does not raise any more stays.
            tier: if new.tier.is_empty() { changed.tier } else { new.tier.clone() },
            // Reasons are there only where somebody asked for them.
            reasons: if new.reasons.is_empty() { changed.reasons } else { new.reasons.clone() },
            raised_probability: flag.raised_probability,
            raised_time: flag.raised_time,
            assignee: changed.assignee,
            snoozed_until: flag.snoozed_until,
            held: flag.held,
            version: changed.version,
            change_number: flag.change_number,
            ..new
        }
    }
}
