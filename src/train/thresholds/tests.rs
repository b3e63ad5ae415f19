//! Tests of whole searches, on samples made by hand: fitted, cut anew, opened again.

use std::sync::OnceLock;

use super::*;
use crate::bundle::Files;
use crate::model::Family;
use crate::record::ConceptSet;
use crate::task::Task;
use crate::train::tests::{Known, cohort, params, population, task_of_tiers};
use crate::train::{CutFault, FitParams, Fitted, Pace, Search, fit};

/// Patients of a task whose tiers begin as `rules` say, five on each of so many days.
fn people(rules: [&str; 2], days: i64) -> (ConceptSet, Task, Vec<Known>) {
    let (concepts, task) = task_of_tiers(rules);
    let mut known = population(&task, 5 * days as usize, 0.0, 21);
    for (number, known) in known.iter_mut().enumerate() {
        let sample = &mut known.sample;
        sample.prediction_time = sample.prediction_time.plus_days(number as i64 % days);
        sample.attributes = vec![("sex", ["female", "male"][number % 2].to_owned())];
    }
    (concepts, task, known)
}

fn one_setting() -> FitParams {
    let search = Search { families: vec![Family::Logistic], trials: 1 };
    FitParams { search, ..params() }
}

/// Patients, and a version of a task by shares that was fitted on them.
fn parent() -> &'static (ConceptSet, Task, Vec<Known>, Fitted) {
    static PARENT: OnceLock<(ConceptSet, Task, Vec<Known>, Fitted)> = OnceLock::new();
    PARENT.get_or_init(|| {
        let (concepts, task, known) = people(["top_share = 0.05", "top_share = 0.20"], 1_200);
        let made = fit_of(&cohort(&task, &concepts, &known));
        (concepts, task, known, made)
    })
}

fn fit_of(cohort: &Cohort<'_>) -> Fitted {
    fit(cohort, &one_setting(), Pace::unwatched()).unwrap()
}

fn asked(rule: TierRule) -> ThresholdsParams {
    ThresholdsParams {
        tier: 0,
        rule,
        held_out: HeldOut::Part { part: 0, of: 3 },
        not_learnt_from: vec![HeldOut::Part { part: 0, of: 5 }],
        index_times_per_day: None,
        source: one_setting().source,
    }
}

fn said(bundle: &Bundle, sample: &Sample) -> f64 {
    bundle.predict(&bundle.manifest().vocabulary.row(&sample.facts)).probability
}

#[test]
fn a_fit_begins_its_tiers_where_the_task_says_and_tells_what_that_does() {
    let (concepts, task, known) = people(["flags_per_day = 0.4", "cost_ratio = 4.0"], 800);
    let cohort = cohort(&task, &concepts, &known);
    let made = fit_of(&cohort);
    let tiers = &made.bundle.manifest().tiers;
    let basis = tiers[0].basis.as_ref().unwrap();
    assert_eq!(basis.rule, TierRule::FlagsPerDay(0.4));
    assert_eq!(basis.index_times_per_day, Some(5.0), "five on each day");
    assert_eq!((tiers[1].from, tiers[2].from), (0.2, 0.0));
    // Of patients who were held out 0.4 / 5 are to be flagged.
    let evaluation = made.report.held_out_evaluation.as_ref().unwrap();
    let flagged = evaluation.tiers["high"].flagged.unwrap();
    assert!(flagged.interval[0] <= 0.08 && flagged.value > 0.05, "{flagged:?}");
    assert_eq!(evaluation.index_times_per_day, Some(5.0));
    assert!(evaluation.tier_groups["moderate"].iter().any(|of| of.missed.is_some()));
    for file in ["report.html", "card.md"] {
        let text = String::from_utf8(made.files[file].clone()).unwrap();
        for words in [
            "by the rule \u{201c}at most 0.4 flags a day\u{201d}",
            "flags a day at 5.0 index times a day",
            "a missed outcome costs as much as 4 needless flags",
            "of the outcomes and misses",
            "What flagging from tier moderate upwards does in each group",
        ] {
            assert!(text.contains(words), "{file} says `{words}`");
        }
    }
    let again = fit_of(&cohort);
    assert_eq!(again.bundle.digest(), made.bundle.digest(), "same seed, same digest");

    // Where all index times stand at one time, nothing tells how many come a day.
    let still: Vec<Known> = population(&task, 2_000, 0.0, 21);
    let still = crate::train::tests::cohort(&task, &concepts, &still);
    let error = fit(&still, &one_setting(), Pace::unwatched()).unwrap_err();
    let fault = CutFault::NoRate;
    let rule = TierRule::FlagsPerDay(0.4);
    assert_eq!(error, TrainError::Tier { tier: "high".into(), rule, fault });
}

#[test]
fn a_version_with_a_new_cut_differs_in_nothing_else() {
    let (concepts, task, known, made) = parent();
    let cohort = cohort(task, concepts, known);
    let (parent, files) = (&made.bundle, &made.files);
    let search = |params| thresholds(parent, &cohort, params, |sample| Some(said(parent, sample)));
    let found = search(asked(TierRule::FlagsPer100(8.0))).map_err(|e| e.to_string()).unwrap();
    let report = found.report();
    assert_eq!((report.promise, report.tier.as_str()), (Promise::Kept, "high"));
    assert_eq!(report.index_times_per_day, Some(5.0), "of all patients, not of those held out");
    // Counted by hand, on patients of neither part of the other.
    let part = |sample: &Sample, judged: bool| {
        HeldOut::Part { part: 0, of: 5 }.holds(&sample.group, None)
            && HeldOut::Part { part: 0, of: 3 }.holds(&sample.group, None) == judged
    };
    let of = |judged: bool| -> Vec<&Sample> {
        known.iter().map(|known| &known.sample).filter(|one| part(one, judged)).collect()
    };
    let share = |samples: &[&Sample]| {
        let flagged = samples.iter().filter(|one| said(parent, one) >= report.cut).count();
        100.0 * flagged as f64 / samples.len() as f64
    };
    let (own, judged) = (of(false), of(true));
    let next = own.iter().map(|one| said(parent, one)).filter(|p| *p < report.cut);
    let next = next.fold(0.0, f64::max);
    let lower = own.iter().filter(|one| said(parent, one) >= next).count();
    assert!(share(&own) <= 8.0 && 100.0 * lower as f64 / own.len() as f64 > 8.0);
    let line = report.rules.iter().find(|row| row.is_asked).unwrap();
    assert!((line.burden.flags_per_100.unwrap().value - share(&judged)).abs() < 1e-9);
    assert_eq!(report.groups.len(), 2);

    let version = found.recut(files, "2").unwrap();
    let opened = Bundle::open(&version.files).unwrap();
    assert_eq!(opened.digest(), found.recut(files, "2").unwrap().bundle.digest());
    let (new, old) = (opened.manifest(), parent.manifest());
    assert_eq!((new.tiers[0].from, &new.tiers[1..]), (report.cut, &old.tiers[1..]));
    assert_eq!((new.version.as_str(), old.version.as_str()), ("2", "1"));
    let recut = new.tiers[0].recut().unwrap();
    assert_eq!(recut.parent_digest, parent.digest());
    assert_eq!(recut.index_times, own.len() as u64);
    assert_eq!(
        (&new.golden, &new.members, &new.reference),
        (&old.golden, &old.members, &old.reference)
    );
    let written = |files: &Files| -> Vec<String> { files.keys().cloned().collect() };
    assert_eq!(written(&version.files), written(files));
    for (name, bytes) in files {
        let is_account = ["manifest.json", "metrics.json", "card.md", "report.html"];
        let same = version.files[name] == *bytes;
        assert_eq!(same, !is_account.contains(&name.as_str()), "{name}");
    }
    let card = String::from_utf8(version.files["card.md"].clone()).unwrap();
    assert!(
        card.contains("at most 8 flags per 100 index times") && card.contains("other than those")
    );
    let evaluation = version.report.held_out_evaluation.unwrap();
    assert_eq!(evaluation.tiers["high"].cut, report.cut);

    // The gate compares it with its parent and finds no fault in the models, which are the same.
    let beside = version.report.beside.unwrap();
    assert_eq!(
        (beside.comparison.auroc.difference, beside.digest.as_str()),
        (0.0, parent.digest())
    );

    // A rule is followed when the version moves to other patients.
    let rules = crate::train::tier_cut::named_rules(task, new);
    assert_eq!(rules[0], ("high".to_owned(), Some(TierRule::FlagsPer100(8.0))));
}

#[test]
fn what_cannot_be_promised_is_not_written() {
    let (concepts, task, known, made) = parent();
    let cohort = cohort(task, concepts, known);
    let parent = &made.bundle;
    let given = |sample: &Sample| Some(said(parent, sample));
    let search =
        |params| thresholds(parent, &cohort, params, given).map_err(|error| error.to_string());
    // Those who judge have other probabilities than those the cut is found on.
    let moved = |sample: &Sample| {
        let p = said(parent, sample);
        let judges = HeldOut::Part { part: 0, of: 3 }.holds(&sample.group, None);
        Some(if judges { p.sqrt() } else { p })
    };
    let params = asked(TierRule::FlagsPer100(8.0));
    let found =
        thresholds(parent, &cohort, params.clone(), moved).map_err(|e| e.to_string()).unwrap();
    assert_eq!(found.report().promise, Promise::Broken);
    assert_eq!(found.recut(&made.files, "2").unwrap_err(), TrainError::PromiseNotKept);

    let few = ThresholdsParams { held_out: HeldOut::Part { part: 0, of: 200 }, ..params.clone() };
    let error = search(few).err().unwrap();
    assert!(error.contains("to judge it on") && error.contains("--held-out"), "{error}");
    let nobody = ThresholdsParams { not_learnt_from: vec![HeldOut::Source], ..params.clone() };
    let error = search(nobody).err().unwrap();
    assert!(error.contains("to find the cut on"), "{error}");
    let none = ThresholdsParams { tier: 2, ..params.clone() };
    assert_eq!(search(none).err().unwrap(), TrainError::NoTier.to_string());

    // Neighbours from the highest cut down, each with enough patients apart from all others.
    let all = ThresholdsParams { not_learnt_from: Vec::new(), ..params };
    let all = search(all).unwrap();
    let rules = &all.report().rules;
    assert!(rules.len() > 2 && rules.iter().filter(|row| row.is_asked).count() == 1, "{rules:?}");
    for pair in rules.windows(2) {
        let [one, other] = [pair[0].burden, pair[1].burden];
        let flags = [one, other].map(|of| of.flags_per_100.unwrap().value);
        assert!(one.cut > other.cut && flags[0] < flags[1], "{rules:?}");
    }

    // The highest tier may not begin below the one under it.
    let wide = search(asked(TierRule::FlagsPer100(40.0))).unwrap();
    assert!(wide.report().warnings[0].contains("`moderate`"), "{:?}", wide.report().warnings);
    let error = wide.recut(&made.files, "2").unwrap_err().to_string();
    assert!(error.contains("tier `high`") && error.contains("tier `moderate`"), "{error}");

    // A cost ratio takes the probabilities at their word; these are half of what is true.
    let halved = |sample: &Sample| given(sample).map(|p| p / 2.0);
    let found = thresholds(parent, &cohort, asked(TierRule::CostRatio(9.0)), halved);
    let found = found.map_err(|e| e.to_string()).unwrap();
    assert!(found.report().warnings.iter().any(|line| line.contains("--recalibrate")));
    let fair = search(asked(TierRule::CostRatio(4.0))).unwrap();
    assert!((fair.report().cut - 0.2).abs() < 1e-12);
    assert!(!fair.report().warnings.iter().any(|line| line.contains("--recalibrate")));
}
