//! The policy on random paths of scores and updates, of several patients and teams.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use prodrome::bundle::Sufficiency;
use prodrome::flag::{
    Action, ChangeKind, DayUse, Decision, Dismissal, Effect, FlagId, FlagRules, FlagRulesParams,
    FlagState, FlagUpdate, Held, Place, Sighting, Standing, apply, decide, pass_time,
};
use prodrome::record::Time;
use proptest::prelude::*;

use super::made::{hours, score};
use super::policy::rules;

/// A store in memory: what the store on disk does, without a disk.
struct Ward {
    rules: FlagRules,
    standings: BTreeMap<u8, Standing>,
    raises: BTreeMap<(String, i64), Vec<(u8, u32)>>,
    ids: u128,
}

impl Ward {
    fn new(rules: FlagRules) -> Ward {
        Ward { rules, standings: BTreeMap::new(), raises: BTreeMap::new(), ids: 0 }
    }

    fn day(&self, patient: u8, team: &str, now: Time) -> DayUse {
        let raises = self.raises.get(&(team.to_owned(), now.day())).map_or(0, Vec::len);
        let others = self.standings.iter().filter(|(other, _)| **other != patient);
        let waiting = others.filter_map(|(_, standing)| {
            let flag = standing.flag.as_ref()?;
            let is_next = flag.state == FlagState::Waiting && !standing.memory.holds_back(flag);
            let is_of_team = flag.place.team.as_deref() == Some(team);
            (is_next && is_of_team).then_some((flag.tier_rank, flag.probability))
        });
        let first_waiting = waiting.min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        DayUse { raises: raises as u32, first_waiting }
    }

    fn note(&mut self, patient: u8, standing: &Standing, kind: ChangeKind, used: u32, now: Time) {
        if kind == ChangeKind::Raised {
            let flag = standing.flag.as_ref().unwrap();
            let team = flag.place.team.clone().unwrap();
            self.raises.entry((team, now.day())).or_default().push((flag.tier_rank, used));
        }
        self.standings.insert(patient, standing.clone());
    }

    fn sight(&mut self, patient: u8, sighting: &Sighting) -> (Standing, Decision) {
        self.ids += 1;
        let before = self.standings.get(&patient).cloned().unwrap_or_default();
        let now = sighting.time;
        let day = self.day(patient, sighting.place.team.as_deref().unwrap(), now);
        let id = FlagId::from_random(self.ids.to_be_bytes());
        let decision = decide(&before, sighting, &self.rules, now, day, id);
        match decision.effect {
            Effect::Nothing => assert_eq!(decision.standing, before),
            Effect::Changed(kind) => {
                self.note(patient, &decision.standing, kind, day.raises, now);
            }
            Effect::Noted | Effect::Suppressed => {
                self.standings.insert(patient, decision.standing.clone());
            }
        }
        (before, decision)
    }

    fn tend(&mut self, now: Time) {
        let patients: Vec<u8> = self.standings.keys().copied().collect();
        for patient in patients {
            let standing = self.standings[&patient].clone();
            let Some(flag) = &standing.flag else { continue };
            let day = self.day(patient, flag.place.team.as_deref().unwrap(), now);
            if let Some((after, kind)) = pass_time(&standing, &self.rules, now, day) {
                self.note(patient, &after, kind, day.raises, now);
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Score { patient: u8, risk: f64, team: u8, is_known: bool },
    Update { patient: u8, update: u8 },
    Tend,
}

fn steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
    let risk = prop_oneof![0.0..0.5_f64, 0.07..0.13_f64, 0.14..0.26_f64];
    let score = (0..6_u8, risk, 0..2_u8, 0..20_u8).prop_map(|(patient, risk, team, known)| {
        Step::Score { patient, risk, team, is_known: known > 0 }
    });
    let update = (0..6_u8, 0..6_u8).prop_map(|(patient, update)| Step::Update { patient, update });
    let step = prop_oneof![8 => score, 2 => update, 1 => Just(Step::Tend)];
    prop::collection::vec((0..30_i64, step), 1..120)
}

fn sighting(patient: u8, risk: f64, team: u8, is_known: bool, now: Time) -> Sighting {
    let place = Place { team: Some(format!("team {team}")), ..Place::default() };
    Sighting {
        place,
        sufficiency: if is_known { Sufficiency::A } else { Sufficiency::D },
        ..score(&format!("p{patient}"), now, risk)
    }
}

fn update(number: u8, now: Time) -> FlagUpdate {
    match number {
        0 => FlagUpdate::Assign(Some("ada".into())),
        1 => FlagUpdate::Acknowledge,
        2 => FlagUpdate::Snooze { until: now.plus_hours(60) },
        3 => FlagUpdate::Dismiss(Dismissal::AlreadyKnown),
        4 => FlagUpdate::Act(Action::Call),
        _ => FlagUpdate::Reopen,
    }
}

/// Nothing of a high score is lost: there is a flag that is up, or one that waits or is quiet with a
/// reason, or the reason is recorded.
fn check_not_silent(risk: f64, lowest: f64, before: &Standing, decision: &Decision) {
    if risk < lowest {
        return;
    }
    let state = decision.standing.flag.as_ref().map(|flag| flag.state);
    match state {
        Some(FlagState::Raised | FlagState::Acknowledged) => {}
        Some(FlagState::Waiting) => assert_eq!(decision.held, Some(Held::Capacity)),
        Some(FlagState::Snoozed) => assert_eq!(decision.held, Some(Held::Snoozed)),
        _ => {
            let held = decision.held.expect("a reason");
            assert_eq!(decision.standing.memory.held, Some(held));
            let is_said = matches!(decision.effect, Effect::Changed(ChangeKind::Held));
            assert_eq!(is_said, before.memory.held != Some(held), "said once per reason");
        }
    }
}

/// An older score moves nothing; where it is high and no flag is up, that is said once.
fn check_out_of_order(before: &Standing, decision: &Decision) {
    let state = |standing: &Standing| standing.flag.as_ref().map(|flag| flag.state);
    assert_eq!(state(before), state(&decision.standing));
    let is_up = state(before).is_some_and(FlagState::is_live);
    let is_said = decision.effect != Effect::Nothing;
    let is_new = before.memory.held != Some(Held::OutOfOrder);
    assert_eq!(is_said, !is_up && is_new && decision.held == Some(Held::OutOfOrder));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_path_of_scores_is_calm_and_nothing_is_lost(
        steps in steps(), raising_tiers in 1..3_u8, limit in 0..3_u32,
    ) {
        let limit = if raising_tiers == 1 { 0 } else { limit };
        let params = FlagRulesParams {
            raising_tiers,
            raises_a_day_per_team: limit,
            ..FlagRulesParams::default()
        };
        let lowest = if raising_tiers == 1 { 0.2 } else { 0.1 };
        let mut ward = Ward::new(rules(params));
        let mut ids = BTreeSet::new();
        let mut now = hours(0);
        for (gap, step) in steps {
            now = now.plus_hours(gap).plus_hours(1);
            match step {
                Step::Tend => ward.tend(now),
                Step::Score { patient, risk, team, is_known } => {
                    let sighting = sighting(patient, risk, team, is_known, now);
                    let (before, decision) = ward.sight(patient, &sighting);
                    if is_known {
                        check_not_silent(risk, lowest, &before, &decision);
                    } else {
                        let id = |standing: &Standing| standing.flag.as_ref().map(|flag| flag.id);
                        prop_assert_eq!(id(&before), id(&decision.standing), "grade D raises none");
                    }
                    if risk < lowest && before.flag.is_none() {
                        prop_assert_eq!(decision.effect, Effect::Nothing);
                    }
                    if decision.effect == Effect::Changed(ChangeKind::Raised)
                        && before.flag.as_ref().map(|f| f.id) != decision.standing.flag.as_ref().map(|f| f.id)
                    {
                        prop_assert!(before.flag.is_none_or(|flag| !flag.state.is_live()));
                        prop_assert!(ids.insert(decision.standing.flag.as_ref().unwrap().id));
                    }
                    // The same again, and an older one, change nothing.
                    let (_, again) = ward.sight(patient, &sighting);
                    if decision.effect != Effect::Nothing {
                        prop_assert_eq!(again.effect, Effect::Nothing);
                        let older = Sighting { time: now.plus_hours(-1), ..sighting };
                        let (before, decision) = ward.sight(patient, &older);
                        check_out_of_order(&before, &decision);
                    }
                }
                Step::Update { patient, update: number } => {
                    let standing = ward.standings.get(&patient).cloned().unwrap_or_default();
                    if let Ok(Some((after, kind))) = apply(&standing, &update(number, now), now) {
                        prop_assert_eq!(after.flag.as_ref().unwrap().version, standing.flag.unwrap().version + 1);
                        ward.note(patient, &after, kind, 0, now);
                    }
                }
            }
        }
        if limit > 0 {
            for ((team, day), raises) in &ward.raises {
                for (rank, used) in raises {
                    prop_assert!(*rank == 0 || *used < limit, "{team}, day {day}: {raises:?}");
                }
            }
        }
    }

    #[test]
    fn patients_do_not_sway_each_other(steps in steps(), seed in any::<u64>()) {
        let scores = steps.into_iter().enumerate().filter_map(|(at, (_, step))| match step {
            Step::Score { patient, risk, team, is_known } => {
                Some((patient, sighting(patient, risk, team, is_known, hours(3 * at as i64))))
            }
            _ => None,
        });
        let mut one_way: Vec<(u8, Sighting)> = scores.collect();
        // The same scores of each patient in their order, otherwise mixed.
        let mut other_way: Vec<(u8, Sighting)> = Vec::new();
        let mut rest = one_way.clone();
        let mut random = Rng::with_seed(seed);
        while !rest.is_empty() {
            let patient = rest[random.usize(..rest.len())].0;
            let at = rest.iter().position(|(other, _)| *other == patient).unwrap();
            other_way.push(rest.remove(at));
        }
        let end = |scores: &mut Vec<(u8, Sighting)>| {
            let mut ward = Ward::new(rules(FlagRulesParams::default()));
            for (patient, sighting) in scores.drain(..) {
                ward.sight(patient, &sighting);
            }
            // Ids are drawn in order.
            let named = ward.standings.into_iter().map(|(patient, mut standing)| {
                if let Some(flag) = &mut standing.flag {
                    flag.id = FlagId::from_random([0; 16]);
                }
                (patient, standing)
            });
            named.collect::<Vec<_>>()
        };
        prop_assert_eq!(end(&mut one_way), end(&mut other_way));
    }
}
