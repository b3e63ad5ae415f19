//! The policy alone: calm around the cut, never silent, never above a team's day, the same however
//! scores come in.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use prodrome::bundle::Sufficiency;
use prodrome::flag::{
    Action, ChangeKind, DayUse, Decision, Dismissal, Effect, FlagId, FlagRules, FlagRulesParams,
    FlagState, FlagUpdate, Held, Place, Sighting, Standing, apply, decide, pass_time,
};
use prodrome::record::Time;
use proptest::prelude::*;

use super::made::{CUT, hours, score};

fn rules(params: FlagRulesParams) -> FlagRules {
    FlagRules::new(&params, false).unwrap()
}

/// A standing after scores at these hours, one after the other, and what each did.
fn after(rules: &FlagRules, scores: &[(i64, f64)]) -> (Standing, Vec<Decision>) {
    let mut standing = Standing::default();
    let mut decisions = Vec::new();
    for (at, (hour, risk)) in scores.iter().enumerate() {
        let decision = one(rules, &standing, &score("a", hours(*hour), *risk), at as u128 + 1);
        standing = decision.standing.clone();
        decisions.push(decision);
    }
    (standing, decisions)
}

fn one(rules: &FlagRules, standing: &Standing, sighting: &Sighting, id: u128) -> Decision {
    let id = FlagId::from_random(id.to_be_bytes());
    decide(standing, sighting, rules, sighting.time, DayUse::default(), id)
}

fn kinds(decisions: &[Decision]) -> Vec<ChangeKind> {
    let kind = |decision: &Decision| match decision.effect {
        Effect::Changed(kind) => Some(kind),
        _ => None,
    };
    decisions.iter().filter_map(kind).collect()
}

/// A draw of the normal distribution with mean 0 and standard deviation 1.
fn normal(random: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

#[test]
fn a_noisy_score_around_the_cut_gives_one_raise_and_one_clear_in_60_days() {
    let rules = rules(FlagRulesParams::default());
    let (mut raised, mut cleared) = (0, 0);
    for seed in 0..300 {
        for (mean, noise) in
            [(0.9, 0.15), (0.95, 0.15), (1.0, 0.15), (1.05, 0.15), (1.1, 0.15), (1.0, 0.05)]
        {
            let mut random = Rng::with_seed(seed);
            let mut risk = || CUT * (mean + noise * normal(&mut random)).clamp(0.0, 4.0);
            let scores: Vec<(i64, f64)> = (0..60).map(|day| (24 * day, risk())).collect();
            let (_, decisions) = after(&rules, &scores);
            let kinds = kinds(&decisions);
            let count = |wanted| kinds.iter().filter(|kind| **kind == wanted).count();
            let (raises, clears) = (count(ChangeKind::Raised), count(ChangeKind::Cleared));
            assert!(raises <= 1 && clears <= 1, "seed {seed}, mean {mean}: {raises}, {clears}");
            raised += raises;
            cleared += clears;
        }
    }
    assert!(raised > 1_000 && cleared > 100, "the paths do cross: {raised}, {cleared}");
}

#[test]
fn a_flag_rises_at_once_and_goes_slowly() {
    let two = FlagRulesParams { raising_tiers: 2, ..FlagRulesParams::default() };
    // 0.16 is where the highest tier ends, 0.08 where the one below it does.
    let scores =
        [(0, 0.15), (6, 0.25), (12, 0.15), (36, 0.155), (60, 0.14), (61, 0.05), (109, 0.07)];
    let (standing, decisions) = after(&rules(two), &scores);
    use ChangeKind::{Cleared, Raised, Scored, TierFell, TierRose};
    assert_eq!(kinds(&decisions), [Raised, TierRose, Scored, Scored, TierFell, Scored, Cleared]);
    let tiers: Vec<u8> =
        decisions.iter().filter_map(|d| Some(d.standing.flag.as_ref()?.tier_rank)).collect();
    assert_eq!(tiers, [1, 0, 0, 0, 1, 1, 1]);
    assert_eq!(standing.flag.unwrap().raised_probability, 0.25, "of the rise to the tier");
    // One score above in between, and the time begins anew.
    let scores = [(0, 0.3), (24, 0.1), (48, 0.17), (72, 0.1), (119, 0.1), (120, 0.1)];
    let (_, decisions) = after(&rules(FlagRulesParams::default()), &scores);
    assert_eq!(kinds(&decisions), [Raised, Scored, Scored, Scored, Scored, Cleared]);
}

#[test]
fn a_flag_stands_for_its_least_time() {
    let slow =
        FlagRulesParams { clear_after_hours: 1, dwell_hours_min: 24, ..FlagRulesParams::default() };
    let (_, decisions) = after(&rules(slow), &[(0, 0.3), (1, 0.01), (23, 0.01), (24, 0.01)]);
    assert_eq!(kinds(&decisions).last(), Some(&ChangeKind::Cleared));
    assert_eq!(kinds(&decisions).len(), 4, "not at hour 23");
}

#[test]
fn after_a_clear_only_time_or_a_real_rise_raises_again() {
    let rules = rules(FlagRulesParams::default());
    let cleared = [(0, 0.3), (24, 0.05), (72, 0.05)];
    let with = |more: &[(i64, f64)]| after(&rules, &[&cleared[..], more].concat()).1;
    let held = with(&[(96, 0.3), (120, 0.31)]);
    assert_eq!(held[3].held, Some(Held::CoolDown));
    assert_eq!(held[3].effect, Effect::Changed(ChangeKind::Held));
    assert_eq!((held[4].held, held[4].effect), (Some(Held::CoolDown), Effect::Noted), "said once");
    // 1.5 x 1.5 times the odds of 0.2 are those of 0.36.
    assert_eq!(with(&[(96, 0.37)])[3].effect, Effect::Changed(ChangeKind::Raised));
    let day = 24;
    assert_eq!(with(&[(72 + 30 * day, 0.21)])[3].held, None, "quiet for 30 days");
    let back = with(&[(96, 0.17), (72 + 40 * day, 0.21), (72 + 60 * day, 0.21)]);
    assert_eq!(back[4].held, Some(Held::CoolDown), "it came back: 60 days");
    assert_eq!(back[5].effect, Effect::Changed(ChangeKind::Raised));
}

#[test]
fn an_answer_holds_until_a_material_rise_or_the_horizon() {
    let rules = rules(FlagRulesParams::default());
    let (standing, _) = after(&rules, &[(0, 0.3)]);
    for (update, reason) in [
        (FlagUpdate::Dismiss(Dismissal::RecordWrong), Held::Dismissed),
        (FlagUpdate::Act(Action::Referral), Held::Answered),
    ] {
        let (standing, _) = apply(&standing, &update, hours(1)).unwrap().unwrap();
        let decided = |hour, risk| one(&rules, &standing, &score("a", hours(hour), risk), 9);
        assert_eq!(decided(24, 0.39).held, Some(reason), "odds 1.49 times those of 0.3");
        assert_eq!(decided(24, 0.40).effect, Effect::Changed(ChangeKind::Raised));
        assert_eq!(decided(30 * 24 - 1, 0.3).held, Some(reason));
        assert_eq!(decided(30 * 24, 0.3).held, None, "the horizon has passed");
        assert_eq!(decided(24, 0.05).effect, Effect::Noted);
    }
}

#[test]
fn a_snooze_is_quiet_until_its_time_or_a_material_rise() {
    let rules = rules(FlagRulesParams::default());
    let (standing, _) = after(&rules, &[(0, 0.3)]);
    let snooze = FlagUpdate::Snooze { until: hours(100) };
    let (standing, _) = apply(&standing, &snooze, hours(1)).unwrap().unwrap();
    let decided = |risk| one(&rules, &standing, &score("a", hours(24), risk), 9);
    assert_eq!(decided(0.32).held, Some(Held::Snoozed));
    assert_eq!(decided(0.45).effect, Effect::Changed(ChangeKind::Woke));
    assert_eq!(pass_time(&standing, &rules, hours(99), DayUse::default()), None);
    let (woken, kind) = pass_time(&standing, &rules, hours(100), DayUse::default()).unwrap();
    assert_eq!((woken.flag.unwrap().state, kind), (FlagState::Raised, ChangeKind::Woke));
    for until in [hours(1), hours(30 * 24)] {
        assert!(apply(&standing, &FlagUpdate::Snooze { until }, hours(1)).is_err());
    }
}

#[test]
fn what_does_not_suffice_is_said_and_changes_no_tier() {
    let rules = rules(FlagRulesParams::default());
    let unknown = |hour| Sighting {
        probability: None,
        sufficiency: Sufficiency::D,
        ..score("a", hours(hour), 0.0)
    };
    let nothing = one(&rules, &Standing::default(), &unknown(0), 1);
    assert_eq!((nothing.effect, nothing.standing.flag), (Effect::Nothing, None));
    let (standing, _) = after(&rules, &[(0, 0.3), (24, 0.05)]);
    let marked = one(&rules, &standing, &unknown(72), 1);
    let flag = marked.standing.flag.as_ref().unwrap();
    assert_eq!(
        (flag.state, flag.sufficiency, flag.probability),
        (FlagState::Raised, Sufficiency::D, 0.05)
    );
    assert_eq!(marked.held, Some(Held::NotEnoughData));
    let stale = Sighting { time: hours(0), ..score("b", hours(0), 0.9) };
    let decide = |now| {
        let id = FlagId::from_random([1; 16]);
        decide(&Standing::default(), &stale, &rules, now, DayUse::default(), id)
    };
    assert_eq!(decide(hours(25)).held, Some(Held::NotOfNow));
    assert_eq!(decide(hours(-25)).held, Some(Held::NotOfNow));
    assert_eq!(decide(hours(24)).held, None);
    for nonsense in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        let decision = one(&rules, &Standing::default(), &score("a", hours(0), nonsense), 1);
        assert_eq!(decision.effect, Effect::Nothing, "{nonsense}");
    }
}

#[test]
fn a_flag_is_provisional_until_the_stay_is_over() {
    let rules = rules(FlagRulesParams::default());
    let open_stay = Sighting { is_provisional: true, ..score("a", hours(0), 0.3) };
    let raised = one(&rules, &Standing::default(), &open_stay, 1).standing;
    assert!(raised.flag.as_ref().unwrap().is_provisional);
    let firm = one(&rules, &raised, &score("a", hours(30), 0.3), 2).standing;
    assert!(!firm.flag.unwrap().is_provisional);
}

#[test]
fn each_state_takes_the_updates_that_make_sense_and_refuses_the_others() {
    let rules = rules(FlagRulesParams::default());
    let updates = [
        FlagUpdate::Assign(Some("ada".into())),
        FlagUpdate::Acknowledge,
        FlagUpdate::Snooze { until: hours(50) },
        FlagUpdate::Dismiss(Dismissal::NotApplicable),
        FlagUpdate::Act(Action::VisitBooked),
        FlagUpdate::Reopen,
    ];
    let (standing, _) = after(&rules, &[(0, 0.3)]);
    // Assign, acknowledge, snooze, dismiss, act, reopen.
    let expected = BTreeMap::from([
        (FlagState::Waiting, [true, false, false, true, true, false]),
        (FlagState::Raised, [true, true, true, true, true, false]),
        (FlagState::Acknowledged, [true, true, true, true, true, false]),
        (FlagState::Snoozed, [true, true, true, true, true, true]),
        (FlagState::Answered, [false, false, false, false, true, true]),
        (FlagState::Dismissed, [false, false, false, true, false, true]),
        (FlagState::Cleared, [false; 6]),
        (FlagState::Expired, [false; 6]),
    ]);
    for state in FlagState::ALL {
        let mut flag = standing.flag.clone().unwrap();
        flag.state = state;
        let standing = Standing { flag: Some(flag), ..standing.clone() };
        let taken = updates.clone().map(|update| apply(&standing, &update, hours(2)).is_ok());
        assert_eq!(taken, expected[&state], "{state:?}");
    }
    for name in ["", "  ", "a\nb", &"x".repeat(129)] {
        assert!(apply(&standing, &FlagUpdate::Assign(Some(name.into())), hours(2)).is_err());
    }
    let (assigned, _) = apply(&standing, &updates[0], hours(2)).unwrap().unwrap();
    assert_eq!(apply(&assigned, &updates[0], hours(3)), Ok(None), "it is so already");
}

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
            let is_next = flag.state == FlagState::Waiting && standing.memory.fall.is_none();
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
                        prop_assert_eq!(ward.sight(patient, &older).1.effect, Effect::Nothing);
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
