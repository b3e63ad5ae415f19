//! What one score does: raises a flag, keeps it, moves its tier, clears it, or is held back and why.

use super::rules::{DayUse, FlagRules};
use super::scene::Scene;
use super::standing::{Fall, Memory, Standing};
use super::{ChangeKind, CoursePoint, Flag, FlagId, FlagState, Held, Sighting};
use crate::bundle::Sufficiency;
use crate::model::logit;
use crate::record::Time;

/// How far ahead of the server's clock the time of a score may lie, in minutes: clocks of machines
/// that are kept in step differ by less. A score from further ahead would keep those of the time
/// until then from counting.
const AHEAD_MINUTES_MAX: i64 = 10;

/// What a score does, and what is remembered after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub standing: Standing,
    pub effect: Effect,
    /// Why a high score raised no flag.
    pub held: Option<Held>,
}

/// What has to be kept of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: all is as it was.
    Nothing,
    /// The memory alone.
    Noted,
    /// No flag is there to tell it of: the reason of `Decision::held` is recorded by itself.
    Suppressed,
    /// The flag changed so.
    Changed(ChangeKind),
}

/// Decides what `sighting` does. `day` is how much of the team's day is used, and `new_id` names the
/// flag if one is raised. Pure, and total: every score at or above the cut of a raising tier gives a
/// flag that is raised, kept or waits, or a reason in `held`.
pub fn decide(
    standing: &Standing,
    sighting: &Sighting,
    rules: &FlagRules,
    now: Time,
    day: DayUse,
    new_id: FlagId,
) -> Decision {
    let scene = Scene::new(sighting, rules, now, day);
    let memory = &standing.memory;
    if let Some(seen) = memory.seen_time.filter(|seen| sighting.time <= *seen) {
        if sighting.time < seen {
            return scene.pass_over(standing, Held::OutOfOrder);
        }
        // The same time with another probability is a corrected record: a score like any other.
        if memory.seen_probability == scene.probability {
            let held = memory.held.filter(|_| scene.tier().is_some());
            return Decision { standing: standing.clone(), effect: Effect::Nothing, held };
        }
    }
    if let Some(reason) = scene.is_passed_over() {
        return scene.pass_over(standing, reason);
    }
    let seen = Memory {
        seen_time: Some(sighting.time),
        seen_probability: scene.probability,
        ..memory.clone()
    };
    match &standing.flag {
        None => scene.without_flag(memory, seen, new_id),
        Some(flag) if flag.state.is_live() => scene.with_live_flag(flag, seen),
        Some(flag) => scene.after_flag(flag, seen, new_id),
    }
}

/// Whether the odds of `probability` are at least `ratio` times those of `reference`.
fn has_risen(probability: f64, reference: f64, ratio: f64) -> bool {
    logit(probability) - logit(reference) >= ratio.ln()
}

/// What a material rise counts from, for a flag of which `probability` was seen at its end and which
/// was raised at `cut`.
pub(super) fn reference(probability: f64, cut: f64) -> f64 {
    probability.max(cut)
}

impl Scene<'_> {
    /// Why the score is of no account at all.
    fn is_passed_over(&self) -> Option<Held> {
        let fresh_hours = i64::from(self.rules.params.fresh_hours);
        let ahead = self.now.micros().saturating_add(AHEAD_MINUTES_MAX * 60_000_000);
        let is_of_now = self.sighting.time.micros() <= ahead
            && self.sighting.time >= self.now.plus_hours(-fresh_hours)
            && self.expires_time() > self.now;
        match () {
            () if self.sighting.is_synthetic && !self.rules.is_demonstration => {
                Some(Held::Synthetic)
            }
            () if !is_of_now => Some(Held::NotOfNow),
            () => None,
        }
    }

    /// Changes nothing, and records the reason where the score lies high and no flag is up.
    fn pass_over(&self, standing: &Standing, reason: Held) -> Decision {
        let held = self.tier().map(|_| reason);
        let is_up = standing.flag.as_ref().is_some_and(|flag| flag.state.is_live());
        if held.is_none() || is_up || standing.memory.held == held {
            return Decision { standing: standing.clone(), effect: Effect::Nothing, held };
        }
        self.hold(standing.flag.as_ref(), standing.memory.clone(), reason)
    }

    /// Holds a high score back, and says so once per reason.
    fn hold(&self, flag: Option<&Flag>, memory: Memory, reason: Held) -> Decision {
        let is_new = memory.held != Some(reason);
        let memory = Memory { held: Some(reason), ..memory };
        let effect = match (is_new, flag) {
            (false, _) => Effect::Noted,
            (true, None) => Effect::Suppressed,
            (true, Some(_)) => Effect::Changed(ChangeKind::Held),
        };
        let flag = flag.map(|flag| match is_new {
            true => Flag { held: Some(reason), ..flag.changed(self.now) },
            false => flag.clone(),
        });
        Decision { standing: Standing { flag, memory }, effect, held: Some(reason) }
    }

    /// A patient for whom no flag was ever raised. Nothing at all is kept of low scores, but where an
    /// earlier high one was held back.
    fn without_flag(&self, before: &Memory, memory: Memory, new_id: FlagId) -> Decision {
        if let Some((rank, probability)) = self.tier() {
            return self.raise(rank, probability, new_id, Vec::new());
        }
        let (memory, effect) = match before.held {
            Some(_) => (memory, Effect::Noted),
            None => (before.clone(), Effect::Nothing),
        };
        Decision { standing: Standing { flag: None, memory }, effect, held: None }
    }

    /// A new flag, or one that waits for room.
    fn raise(&self, rank: u8, probability: f64, id: FlagId, course: Vec<CoursePoint>) -> Decision {
        let has_room = self.day.has_room(self.rules, rank, probability);
        let (state, held, kind) = match has_room {
            true => (FlagState::Raised, None, ChangeKind::Raised),
            false => (FlagState::Waiting, Some(Held::Capacity), ChangeKind::Held),
        };
        let flag = Flag {
            state,
            held,
            ..self.new_flag(id, rank, probability, self.course(course, probability))
        };
        let memory = Memory {
            seen_time: Some(self.sighting.time),
            seen_probability: Some(probability),
            cut: Some(self.cut(rank)),
            held,
            ..Memory::default()
        };
        let standing = Standing { flag: Some(flag), memory };
        Decision { standing, effect: Effect::Changed(kind), held }
    }

    /// A score of a patient whose flag waits or is up.
    fn with_live_flag(&self, flag: &Flag, memory: Memory) -> Decision {
        let Some(probability) = self.probability else {
            // It stays, and says that the record does not suffice now.
            let flag = Flag {
                sufficiency: Sufficiency::D,
                scored_time: self.sighting.time,
                history_used_until: self.sighting.history_used_until,
                is_provisional: self.sighting.is_provisional,
                place: self.sighting.place.clone(),
                ..flag.changed(self.now)
            };
            let standing = Standing { flag: Some(flag), memory };
            let held = Some(Held::NotEnoughData);
            return Decision { standing, effect: Effect::Changed(ChangeKind::Scored), held };
        };
        let scored = self.scored(flag, probability);
        match self.tier() {
            Some((rank, _)) if rank < flag.tier_rank => self.rise(scored, memory, rank),
            _ if probability >= self.clear_cut(flag.tier_rank) => self.keep(scored, memory),
            _ => self.fall(scored, memory, probability),
        }
    }

    /// The tier rises, at once.
    fn rise(&self, flag: Flag, memory: Memory, rank: u8) -> Decision {
        let tier = self.raising.get(usize::from(rank));
        let flag = Flag {
            tier: tier.map(|tier| tier.name.clone()).unwrap_or_default(),
            tier_rank: rank,
            raised_probability: flag.probability,
            ..flag
        };
        let memory = Memory { fall: None, ..memory };
        match flag.state {
            FlagState::Waiting => self.keep(flag, memory),
            FlagState::Snoozed => self.kept(woken(flag), memory.woken(), ChangeKind::TierRose),
            _ => self.kept(flag, memory, ChangeKind::TierRose),
        }
    }

    /// The risk lies where a flag of this tier stays.
    fn keep(&self, flag: Flag, memory: Memory) -> Decision {
        let (rank, risk) = (flag.tier_rank, flag.probability);
        let memory = Memory { fall: None, cut: Some(self.cut(rank)), ..memory };
        let has_risen =
            |reference: f64| has_risen(risk, reference, self.rules.params.material_rise);
        match flag.state {
            FlagState::Waiting
                if !memory.holds_back(&flag) && self.day.has_room(self.rules, rank, risk) =>
            {
                let memory = Memory { held: None, ..memory };
                self.kept(raised(flag, self.now), memory, ChangeKind::Raised)
            }
            FlagState::Snoozed if memory.reference.is_some_and(has_risen) => {
                self.kept(woken(flag), memory.woken(), ChangeKind::Woke)
            }
            _ => self.kept(flag, memory, ChangeKind::Scored),
        }
    }

    fn kept(&self, flag: Flag, memory: Memory, kind: ChangeKind) -> Decision {
        let held = match flag.state {
            FlagState::Waiting => Some(Held::Capacity),
            FlagState::Snoozed => self.tier().map(|_| Held::Snoozed),
            _ => None,
        };
        let memory = Memory { cut: Some(self.cut(flag.tier_rank)), ..memory };
        let standing = Standing { flag: Some(flag), memory };
        Decision { standing, effect: Effect::Changed(kind), held }
    }

    /// The risk lies below where the flag's tier ends: it clears or falls when it stays there.
    fn fall(&self, flag: Flag, memory: Memory, probability: f64) -> Decision {
        let params = &self.rules.params;
        let begun = memory.fall.unwrap_or(Fall { since: self.sighting.time, highest: 0.0 });
        let fall = Fall { highest: begun.highest.max(probability), ..begun };
        let is_long = self.sighting.time >= fall.since.plus_hours(params.clear_after_hours.into());
        let stood = flag.raised_time.plus_hours(params.dwell_hours_min.into());
        let may_go = flag.state == FlagState::Waiting || self.now >= stood;
        if !is_long || !may_go {
            return self.kept(flag, Memory { fall: Some(fall), ..memory }, ChangeKind::Scored);
        }
        let ranks = usize::from(flag.tier_rank).saturating_add(1)..self.raising.len();
        let lower = ranks.filter_map(|rank| u8::try_from(rank).ok());
        let falls_to = lower.into_iter().find(|rank| fall.highest >= self.clear_cut(*rank));
        let Some(rank) = falls_to else {
            let memory = memory.over(&flag, self.cut(u8::MAX), self.now);
            let flag = Flag { state: FlagState::Cleared, snoozed_until: None, held: None, ..flag };
            let standing = Standing { flag: Some(flag), memory };
            let effect = Effect::Changed(ChangeKind::Cleared);
            return Decision { standing, effect, held: None };
        };
        let tier = self.raising.get(usize::from(rank));
        let tier = tier.map(|tier| tier.name.clone()).unwrap_or_default();
        let below = probability < self.clear_cut(rank);
        let fall = below.then_some(Fall { since: self.sighting.time, highest: probability });
        let flag = Flag { tier, tier_rank: rank, ..flag };
        self.kept(flag, Memory { fall, ..memory }, ChangeKind::TierFell)
    }

    /// A score of a patient whose last flag is over.
    fn after_flag(&self, flag: &Flag, memory: Memory, new_id: FlagId) -> Decision {
        let is_back =
            self.probability.is_some_and(|probability| probability >= self.clear_cut(u8::MAX));
        let came_back = memory.came_back || is_back;
        let Some((rank, probability)) = self.tier() else {
            let standing =
                Standing { flag: Some(flag.clone()), memory: Memory { came_back, ..memory } };
            return Decision { standing, effect: Effect::Noted, held: None };
        };
        match self.held_after(flag, &memory, rank, probability) {
            Some(reason) => self.hold(Some(flag), Memory { came_back, ..memory }, reason),
            None => self.raise(rank, probability, new_id, flag.course.clone()),
        }
    }

    /// Why a high score raises no new flag after `flag`, which is over.
    fn held_after(&self, flag: &Flag, memory: &Memory, rank: u8, probability: f64) -> Option<Held> {
        let params = &self.rules.params;
        if rank < flag.tier_rank {
            return None;
        }
        let rise = |ratio: f64| {
            memory.reference.is_none_or(|reference| has_risen(probability, reference, ratio))
        };
        let until_horizon = |reason: Held| {
            let is_free = self.now >= flag.expires_time || rise(params.material_rise);
            (!is_free).then_some(reason)
        };
        match flag.state {
            FlagState::Dismissed => until_horizon(Held::Dismissed),
            FlagState::Answered => until_horizon(Held::Answered),
            // Another index time is another stay, of which nobody was told yet.
            FlagState::Expired if self.sighting.index_time != flag.index_time => None,
            FlagState::Cleared | FlagState::Expired => {
                let days = i64::from(params.cool_down_days) * if memory.came_back { 2 } else { 1 };
                let is_over =
                    memory.cleared_time.is_none_or(|cleared| self.now >= cleared.plus_days(days));
                // Twice over: swings around the cut are what cleared it.
                let has_risen = rise(params.material_rise * params.material_rise);
                (!is_over && !has_risen).then_some(Held::CoolDown)
            }
            FlagState::Waiting
            | FlagState::Raised
            | FlagState::Acknowledged
            | FlagState::Snoozed => None,
        }
    }
}

/// A flag that waited, raised.
pub(super) fn raised(flag: Flag, now: Time) -> Flag {
    Flag {
        state: FlagState::Raised,
        held: None,
        raised_time: now,
        raised_probability: flag.probability,
        ..flag
    }
}

/// A flag that was snoozed, up again.
pub(super) fn woken(flag: Flag) -> Flag {
    Flag { state: FlagState::Raised, snoozed_until: None, ..flag }
}

impl Memory {
    /// After `flag` was cleared or expired by itself. One that waited was seen by nobody: it holds
    /// nothing back.
    pub(super) fn over(self, flag: &Flag, cut: f64, now: Time) -> Memory {
        let was_seen = flag.state != FlagState::Waiting;
        Memory {
            fall: None,
            reference: was_seen.then_some(reference(flag.probability, cut)),
            cleared_time: was_seen.then_some(now),
            came_back: false,
            held: None,
            ..self
        }
    }

    /// After a snooze.
    pub(super) fn woken(self) -> Memory {
        Memory { reference: None, held: None, ..self }
    }
}
