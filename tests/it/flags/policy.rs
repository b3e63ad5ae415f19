//! The policy alone: calm around the cut, and what each rule does.

use std::collections::BTreeMap;

use fastrand::Rng;
use prodrome::bundle::Sufficiency;
use prodrome::flag::{
    Action, ChangeKind, DayUse, Decision, Dismissal, Effect, FlagId, FlagRules, FlagRulesParams,
    FlagState, FlagUpdate, Held, Sighting, Standing, apply, decide, pass_time,
};
use prodrome::record::Time;

use super::made::{CUT, hours, score};

pub(super) fn rules(params: FlagRulesParams) -> FlagRules {
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
    assert_eq!(decide(hours(24)).held, None);
    for nonsense in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        let decision = one(&rules, &Standing::default(), &score("a", hours(0), nonsense), 1);
        assert_eq!(decision.effect, Effect::Nothing, "{nonsense}");
    }
}

#[test]
fn a_score_of_a_time_to_come_does_not_keep_those_before_it_from_counting() {
    let rules = rules(FlagRulesParams::default());
    let at = |sighting: &Sighting, standing: &Standing, now: Time| {
        decide(standing, sighting, &rules, now, DayUse::default(), FlagId::from_random([1; 16]))
    };
    let (up, _) = after(&rules, &[(0, 0.3)]);
    let minutes = |minutes: i64| Time::from_micros(hours(1).micros() + minutes * 60_000_000);
    for (ahead, held) in [(11, Some(Held::NotOfNow)), (10, None)] {
        let early = at(&score("a", minutes(ahead), 0.9), &up, hours(1));
        assert_eq!(early.held, held, "{ahead} minutes");
        assert_eq!(early.effect == Effect::Nothing, held.is_some());
        let next = at(&score("a", hours(2), 0.4), &early.standing, hours(2));
        assert_eq!(next.standing.flag.unwrap().probability, 0.4, "{ahead} minutes");
    }
    let none = at(&score("b", minutes(30), 0.9), &Standing::default(), hours(1));
    assert_eq!((none.effect, none.held), (Effect::Suppressed, Some(Held::NotOfNow)));
}

#[test]
fn a_corrected_score_of_the_same_time_counts_and_an_older_one_is_told_of() {
    let rules = rules(FlagRulesParams::default());
    let (up, _) = after(&rules, &[(0, 0.3)]);
    let corrected = one(&rules, &up, &score("a", hours(0), 0.5), 2);
    let flag = corrected.standing.flag.as_ref().unwrap();
    assert_eq!(corrected.effect, Effect::Changed(ChangeKind::Scored));
    assert_eq!((flag.probability, flag.course.len()), (0.5, 1), "one point for one time");
    let again = one(&rules, &corrected.standing, &score("a", hours(0), 0.5), 3);
    assert_eq!(again.effect, Effect::Nothing);
    let (cleared, _) = after(&rules, &[(0, 0.3), (24, 0.05), (72, 0.05)]);
    let older = score("a", hours(71), 0.9);
    let told = one(&rules, &cleared, &older, 4);
    assert_eq!(told.effect, Effect::Changed(ChangeKind::Held));
    assert_eq!(told.held, Some(Held::OutOfOrder));
    let flag = told.standing.flag.as_ref().unwrap();
    assert_eq!((flag.state, flag.probability), (FlagState::Cleared, 0.05));
    assert_eq!(one(&rules, &told.standing, &older, 5).effect, Effect::Nothing, "said once");
}

/// A flag of the lower of two tiers that waits since hour 0: one a day, and that one is used up.
fn waiting() -> (FlagRules, Standing, DayUse) {
    let params = FlagRulesParams {
        raising_tiers: 2,
        raises_a_day_per_team: 1,
        ..FlagRulesParams::default()
    };
    let rules = rules(params);
    let full = DayUse { raises: 1, ..DayUse::default() };
    let id = FlagId::from_random([1; 16]);
    let high = score("a", hours(0), 0.15);
    let standing = decide(&Standing::default(), &high, &rules, hours(0), full, id).standing;
    assert_eq!(standing.flag.as_ref().unwrap().state, FlagState::Waiting);
    (rules, standing, full)
}

#[test]
fn a_flag_that_nobody_saw_holds_nothing_back_when_it_clears() {
    let (rules, mut standing, full) = waiting();
    for hour in [24, 72] {
        let low = score("a", hours(hour), 0.02);
        let id = FlagId::from_random([2; 16]);
        standing = decide(&standing, &low, &rules, hours(hour), full, id).standing;
    }
    assert_eq!(standing.flag.as_ref().unwrap().state, FlagState::Cleared);
    let back = one(&rules, &standing, &score("a", hours(96), 0.15), 3);
    assert_eq!((back.effect, back.held), (Effect::Changed(ChangeKind::Raised), None));
}

#[test]
fn room_raises_only_what_still_lies_in_its_tier() {
    let (rules, standing, full) = waiting();
    let room = DayUse::default();
    let is_raised = |standing: &Standing| pass_time(standing, &rules, hours(3), room).is_some();
    assert!(is_raised(&standing));
    let id = FlagId::from_random([2; 16]);
    // Below the cut of 0.1, above the 0.08 where it would begin to clear.
    let below = score("a", hours(1), 0.09);
    let unknown = Sighting { sufficiency: Sufficiency::D, ..score("a", hours(1), 0.15) };
    for sighting in [below, unknown] {
        let after = decide(&standing, &sighting, &rules, hours(1), full, id).standing;
        assert!(!is_raised(&after), "{:?}", sighting.sufficiency);
        let back = decide(&after, &score("a", hours(2), 0.12), &rules, hours(2), full, id).standing;
        assert!(is_raised(&back));
    }
}

#[test]
fn an_expired_flag_holds_back_the_same_stay_alone() {
    let rules = rules(FlagRulesParams::default());
    let (up, _) = after(&rules, &[(0, 0.3)]);
    let end = 30 * 24;
    let (expired, kind) = pass_time(&up, &rules, hours(end), DayUse::default()).unwrap();
    assert_eq!(kind, ChangeKind::Expired);
    let of = |index_time, risk, hour| {
        // Another version of the model looks further ahead.
        let sighting = Sighting { index_time, horizon_days: 90, ..score("a", hours(hour), risk) };
        one(&rules, &expired, &sighting, 2)
    };
    assert_eq!(of(hours(0), 0.31, end + 1).held, Some(Held::CoolDown));
    assert_eq!(of(hours(0), 0.55, end + 1).held, None, "a material rise, twice over");
    assert_eq!(of(hours(0), 0.31, 2 * end).held, None, "after the cool-down");
    assert_eq!(of(hours(end), 0.31, end + 1).effect, Effect::Changed(ChangeKind::Raised));
}

#[test]
fn a_score_without_reasons_leaves_those_that_are_known() {
    let rules = rules(FlagRulesParams::default());
    let (up, _) = after(&rules, &[(0, 0.3)]);
    let bare = Sighting { reasons: Vec::new(), ..score("a", hours(1), 0.1) };
    let flag = one(&rules, &up, &bare, 2).standing.flag.unwrap();
    assert_eq!((flag.probability, flag.reasons.len()), (0.1, 1));
    let mut others = score("a", hours(1), 0.1);
    others.reasons[0].theme = "kidneys".into();
    let flag = one(&rules, &up, &others, 2).standing.flag.unwrap();
    assert_eq!(flag.reasons, others.reasons);
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
