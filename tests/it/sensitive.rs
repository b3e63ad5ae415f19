//! Sensitive classes: what a caller sees who may not see some of them. Codes are caught by themselves,
//! labels by their class; sums stay, and nothing of the class is in what is left.

use prodrome::access::{Classes, PROTECTED, SensitiveClass};
use prodrome::record::{Code, Event, EventKind, History, Period, Record, Time};
use prodrome::score::{Reason, Score, score};

use crate::support::{discharge, patient, sample, shipped, time};

fn scored_at(record: &Record, at: Time) -> Option<Score> {
    let bundle = shipped();
    let known_after = &bundle.task().params().known_after;
    let built = History::build(record, bundle.concepts(), known_after).unwrap();
    score(bundle, &built.history, at, 50).ok()
}

fn scored(record: &Record) -> Score {
    scored_at(record, discharge()).unwrap()
}

/// The patient with one more diagnosis of the stay.
fn with_diagnosis(code: &str, labels: Classes) -> Record {
    let mut record = patient();
    let time = record.encounters[1].start.plus_hours(5);
    let mut event = Event::new(EventKind::Diagnosis, Code::parse(code).unwrap(), time);
    event.encounter_id = Some("stay".into());
    event.rank = Some(2);
    event.sensitive = labels;
    record.events.push(event);
    record
}

/// Checks the sum of what is seen, and that who may see all sees it as it is.
fn sums_hold(score: &Score, allowed: Classes) -> Score {
    let seen = score.clone().seen_by(allowed);
    let sum = |score: &Score| {
        let listed: f64 = score.reasons.iter().map(|reason| reason.contribution).sum();
        score.baseline + listed + score.other_contribution
    };
    assert!((sum(&seen) - sum(score)).abs() < 1e-9);
    let probability = seen.probability.unwrap();
    assert!((sum(&seen) - (probability / (1.0 - probability)).ln()).abs() < 1e-6);
    assert_eq!((seen.probability, &seen.tier), (score.probability, &score.tier));
    assert!(seen.reasons.iter().filter(|reason| reason.theme == PROTECTED).count() <= 1);
    for reason in &seen.reasons {
        assert!(reason.classes.are_within(allowed), "{}", reason.text);
    }
    assert_eq!(&score.clone().seen_by(Classes::ALL), score);
    // Who may see less sees no more by way of somebody who may see more.
    assert_eq!(
        seen.clone().seen_by(Classes::NONE).reasons.len(),
        score.clone().seen_by(Classes::NONE).reasons.len()
    );
    seen
}

fn protected(score: &Score) -> Option<&Reason> {
    score.reasons.iter().find(|reason| reason.theme == PROTECTED)
}

/// A code of each class that has codes, and a word that tells of it.
const CODES: [(SensitiveClass, &str); 6] = [
    (SensitiveClass::SubstanceUse, "ICD9CM//303.91"),
    (SensitiveClass::SubstanceUse, "ICD10CM//F10.20"),
    (SensitiveClass::Hiv, "ICD9CM//042"),
    (SensitiveClass::MentalHealth, "ICD9CM//296.20"),
    (SensitiveClass::MentalHealth, "ICD10CM//F32.1"),
    (SensitiveClass::Reproductive, "ICD9CM//648.01"),
];

#[test]
fn a_code_of_each_class_is_shown_to_those_alone_who_may_see_it() {
    for (class, code) in CODES {
        let record = with_diagnosis(code, Classes::NONE);
        let full = scored(&record);
        let index = record.events.len() - 1;
        let rests_on =
            |reason: &Reason| format!("{:?}", reason.events).contains(&format!("index: {index},"));
        assert!(full.reasons.iter().any(|r| rests_on(r) && r.classes.holds(class)), "{code}");
        assert!(sums_hold(&full, Classes::ALL).reasons.iter().any(rests_on), "{code}");
        for missing in SensitiveClass::ALL {
            let all_but = |known: &SensitiveClass| *known != missing;
            let allowed: Classes = SensitiveClass::ALL.into_iter().filter(all_but).collect();
            for allowed in [allowed, Classes::NONE] {
                let seen = sums_hold(&full, allowed);
                if allowed.holds(class) {
                    continue;
                }
                assert!(!seen.reasons.iter().any(rests_on), "{code} to {allowed:?}");
                let merged = protected(&seen).unwrap();
                assert!(merged.events.is_empty() && merged.features.is_empty());
                assert!(merged.value.is_none() && merged.parts.is_empty());
                let category = code.split_once("//").unwrap().1.split('.').next().unwrap();
                let mut telling = vec![category.to_lowercase(), class.name().replace('_', " ")];
                match class {
                    SensitiveClass::Reproductive => telling.push("pregnan".into()),
                    SensitiveClass::MentalHealth => telling.push("mental".into()),
                    _ => {}
                }
                let text = format!("{:?}", seen.reasons).to_lowercase();
                let told = telling.iter().find(|word| text.contains(word.as_str()));
                assert_eq!(told, None, "{code} to {allowed:?}: {text}");
            }
        }
    }
}

#[test]
fn a_label_protects_an_event_whose_code_tells_nothing() {
    for class in SensitiveClass::ALL {
        let labelled = scored(&with_diagnosis("ICD9CM//401.9", Classes::of(class)));
        let plain = scored(&with_diagnosis("ICD9CM//401.9", Classes::NONE));
        assert_eq!(labelled.probability, plain.probability);
        let text = |score: &Score| {
            format!("{:?}", score.reasons.iter().map(|r| &r.text).collect::<Vec<_>>())
        };
        assert_eq!(text(&labelled), text(&plain), "who may see all sees the same");
        let (hidden, open) =
            (sums_hold(&labelled, Classes::NONE), sums_hold(&plain, Classes::NONE));
        let share = |score: &Score| protected(score).map_or(0.0, |reason| reason.contribution);
        assert_ne!(share(&hidden), share(&open), "{class}");
        sums_hold(&labelled, Classes::of(class));
    }
}

#[test]
fn a_labelled_stay_is_named_by_no_reason() {
    let mut record = patient();
    record.encounters[1].sensitive = Classes::of(SensitiveClass::Restricted);
    let full = scored(&record);
    let names_stay = |reason: &Reason| {
        reason
            .events
            .iter()
            .any(|fact| matches!(fact, prodrome::record::Evidence::Encounter { index: 1, .. }))
    };
    assert!(full.reasons.iter().any(names_stay));
    let seen = sums_hold(&full, Classes::NONE);
    assert!(!seen.reasons.iter().any(names_stay) && protected(&seen).is_some());
}

#[test]
fn a_reason_for_no_score_is_protected_too() {
    let folder = crate::support::root().join("models/readmit30/1");
    let bundle = prodrome::registry::open(&folder, &[]).unwrap();
    let refused = |code: &str| {
        let mut record = patient();
        record.events[0].code = Code::parse(code).unwrap().into();
        record.coverage = vec![Period { start: Some(time("2015-01-01T00:00:00Z")), end: None }];
        let known_after = &bundle.task().params().known_after;
        let built = History::build(&record, bundle.concepts(), known_after).unwrap();
        score(&bundle, &built.history, discharge(), 5).unwrap_err()
    };
    for (code, criterion, class) in [
        ("ICD10CM//O80", "pregnancy", SensitiveClass::Reproductive),
        ("ICD10CM//F20.9", "psychiatric", SensitiveClass::MentalHealth),
    ] {
        let not = refused(code);
        assert_eq!((not.criterion.as_str(), not.classes.holds(class)), (criterion, true));
        assert_eq!(not.seen_by(Classes::of(class)), not);
        let seen = not.seen_by(Classes::NONE);
        assert_eq!(seen.criterion, "protected");
        assert!(seen.text.contains(PROTECTED) && !seen.text.contains("psychi"), "{}", seen.text);
    }
}

#[test]
fn an_event_sent_twice_keeps_the_labels_of_both() {
    let mut record = with_diagnosis("ICD9CM//401.9", Classes::NONE);
    let mut again = record.events.last().unwrap().clone();
    again.sensitive = Classes::of(SensitiveClass::Hiv);
    record.events.push(again);
    let classes =
        |score: &Score| score.reasons.iter().fold(Classes::NONE, |all, r| all.and(r.classes));
    let before = classes(&scored(&with_diagnosis("ICD9CM//401.9", Classes::NONE)));
    assert!(!before.holds(SensitiveClass::Hiv));
    assert!(classes(&scored(&record)).holds(SensitiveClass::Hiv));
}

#[test]
fn sums_hold_over_the_sample_for_every_set_of_classes() {
    let mut merged = 0;
    for (at, subject) in sample().iter().step_by(83).enumerate() {
        let time = subject.label.unwrap().prediction_time;
        let Some(full) = scored_at(&subject.record, time) else { continue };
        let allowed: Classes = SensitiveClass::ALL
            .into_iter()
            .filter(|class| at >> *class as usize & 1 == 1)
            .collect();
        for allowed in [allowed, Classes::NONE] {
            merged += usize::from(protected(&sums_hold(&full, allowed)).is_some());
        }
    }
    assert!(merged > 5, "{merged}");
}
