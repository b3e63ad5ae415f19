//! What changed: the parts are all of the difference, then and now are plain scores, nothing of later
//! reaches an earlier score, and what cannot be compared is said to be so.

use std::sync::OnceLock;

use prodrome::access::Classes;
use prodrome::bundle::{Bundle, Files, Manifest, sealed};
use prodrome::feature::extract;
use prodrome::record::{
    Code, Encounter, EncounterClass, Event, EventKind, Evidence, History, Record, Time,
};
use prodrome::registry;
use prodrome::score::{Change, ChangeKind, Comparison, Difference, Model, Score, change, score};
use prodrome::service::{Answer, ScoreOptions, ScoreRequest, ServiceError, TaskRef};
use prodrome::simulate::{Population, Settings, Simulated};

use crate::support::{discharge, models, patient, root, service, shipped, time};

const REASONS_MAX: usize = 50;

/// The shipped models with a probability of their own.
fn bundles() -> &'static [Bundle] {
    static BUNDLES: OnceLock<Vec<Bundle>> = OnceLock::new();
    BUNDLES.get_or_init(|| {
        let open = |name: &&str| registry::open(&root().join("models").join(name), &[]).unwrap();
        ["htn_incident/2", "bp_rise/1", "readmit30/1", "readmit30_diabetes/1"]
            .iter()
            .map(open)
            .collect()
    })
}

/// Version 2 of the model of new hypertension with another intercept: a version 3 of the same task.
fn another_version() -> (Files, Bundle) {
    let mut files = registry::read_files(&root().join("models/htn_incident/2")).unwrap();
    let mut linear: serde_json::Value = serde_json::from_slice(&files["logistic.json"]).unwrap();
    let intercept = linear["intercept"].as_f64().unwrap();
    linear["intercept"] = (intercept + 0.4).into();
    files.insert("logistic.json".into(), linear.to_string().into_bytes());
    let mut manifest: Manifest = serde_json::from_slice(&files["manifest.json"]).unwrap();
    manifest.version = "3".into();
    let draft = Bundle::draft(&sealed(manifest.clone(), files.clone()).unwrap()).unwrap();
    for golden in &mut manifest.golden {
        golden.probability = draft.predict(&golden.values()).probability;
    }
    let files = sealed(manifest, files).unwrap();
    let bundle = Bundle::open(&files).unwrap();
    (files, bundle)
}

fn people() -> &'static [Simulated] {
    static PEOPLE: OnceLock<Vec<Simulated>> = OnceLock::new();
    PEOPLE.get_or_init(|| {
        let population = Population::new(Settings::new(250, 6, 19)).unwrap();
        (0..250).map(|number| population.patient(number)).collect()
    })
}

fn built(bundle: &Bundle, record: &Record) -> History {
    let known_after = &bundle.task().params().known_after;
    History::build(record, bundle.concepts(), known_after).unwrap().history
}

fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

/// A history with a time at which it is scored and an earlier one, drawn from the simulated people.
fn cases(bundle: &'static Bundle) -> impl Iterator<Item = (&'static Record, Time, Time)> {
    let task = bundle.task().params().name.clone();
    let mut random = fastrand::Rng::with_seed(23);
    people().iter().flat_map(move |person| {
        let times = person.truth.iter().filter(|row| {
            // The diabetes task takes the same stays, with a diagnosis more.
            task.starts_with(row.task.name()) || row.task.name().starts_with(&task)
        });
        let now = times.map(|row| row.prediction_time).max();
        let then = now.map(|now| now.plus_hours(-random.i64(1..24 * 500)));
        now.zip(then).map(|(now, then)| (&person.record, then, now))
    })
}

/// All parts are the whole, by steps and by reasons, for whoever looks.
fn is_whole(change: &Change) -> Option<&Difference> {
    let Comparison::Difference(found) = &change.outcome else { return None };
    let whole = logit(found.probability_now) - logit(found.probability);
    let steps = found.model_contribution + found.time_contribution + found.events_contribution;
    assert!((steps - whole).abs() < 1e-9, "{steps} of {whole}");
    let seen = change.seen_by(Classes::NONE);
    let Comparison::Difference(veiled) = &seen.outcome else { panic!("comparable to one alone") };
    for difference in [&**found, &**veiled] {
        let listed: f64 = difference.reasons.iter().map(|each| each.reason.contribution).sum();
        assert!((listed + difference.other_contribution - whole).abs() < 1e-9);
        for each in &difference.reasons {
            assert!(each.reason.contribution.is_finite() && !each.reason.text.contains('{'));
        }
        // Of each step the reasons are all, but for learned codes that were not there.
        if whole.abs() < 1e-12 {
            assert!(difference.sentence().starts_with("the risk is as it was"));
        }
    }
    assert!(veiled.reasons.iter().all(|each| each.reason.classes.is_empty()));
    Some(found)
}

#[test]
fn the_parts_are_the_whole_and_then_and_now_are_plain_scores() {
    let (mut compared, mut by_time, mut by_events, mut not) = (0, 0, 0, 0);
    for bundle in bundles() {
        for (record, then, now) in cases(bundle) {
            let history = built(bundle, record);
            let Ok(plain_now) = score(bundle, &history, now, 0) else { continue };
            let model = Model { bundle, history: &history };
            let change = change((model, then), (model, now), &plain_now, REASONS_MAX);
            let plain_then =
                score(bundle, &history, then, 0).ok().filter(|s| s.probability.is_some());
            let Some(difference) = is_whole(&change) else {
                not += 1;
                continue;
            };
            let plain_then = plain_then.expect("a score then");
            assert_eq!(Some(difference.probability), plain_then.probability);
            assert_eq!(Some(&difference.tier), plain_then.tier.as_ref());
            assert_eq!(change.index_time, Some(plain_then.index_time));
            assert_eq!(Some(difference.probability_now), plain_now.probability);
            assert_eq!(difference.model_contribution, 0.0);
            compared += 1;
            by_time += usize::from(difference.time_contribution != 0.0);
            by_events += usize::from(difference.events_contribution != 0.0);
        }
    }
    assert!(
        compared > 60 && by_time > 30 && by_events > 30 && not > 10,
        "{compared} {by_time} {by_events} {not}"
    );
}

#[test]
fn another_version_has_its_own_part() {
    let (now, (_, then)) = (&bundles()[0], another_version());
    let mut compared = 0;
    for (record, earlier, at) in cases(now).take(120) {
        let (history, other) = (built(now, record), built(&then, record));
        let Ok(plain) = score(now, &history, at, 0) else { continue };
        let [now_model, then_model] =
            [Model { bundle: now, history: &history }, Model { bundle: &then, history: &other }];
        // The same time: the model is all.
        let same = change((then_model, at), (now_model, at), &plain, REASONS_MAX);
        if let Some(difference) = is_whole(&same) {
            let whole = logit(difference.probability_now) - logit(difference.probability);
            assert!((difference.model_contribution - whole).abs() < 1e-9 && whole < -0.1);
            assert_eq!((difference.time_contribution, difference.events_contribution), (0.0, 0.0));
            assert_eq!(difference.reasons[0].kind, ChangeKind::Model);
            assert_eq!(
                difference.probability,
                score(&then, &other, at, 0).unwrap().probability.unwrap()
            );
            assert!(difference.sentence().contains("another version of the model"));
        }
        let both = change((then_model, earlier), (now_model, at), &plain, REASONS_MAX);
        let Some(difference) = is_whole(&both) else { continue };
        let between = score(now, &history, earlier, 0).unwrap().probability.unwrap();
        let by_model = logit(between) - logit(difference.probability);
        assert!((difference.model_contribution - by_model).abs() < 1e-9);
        assert_eq!(both.model_version, "3");
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}

/// The record as it would be, had the source been asked then: of what `history` shows then all, of
/// encounters those begun, without ends to come.
fn as_known(record: &Record, history: &History, then: Time) -> Record {
    let view = history.view(then);
    let shown: Vec<usize> = view
        .entries()
        .filter_map(|entry| match view.evidence(entry) {
            Evidence::Event { index, .. } => Some(index),
            Evidence::Encounter { .. } => None,
        })
        .collect();
    let mut known = record.clone();
    known.events = shown.iter().filter_map(|index| record.events.get(*index)).cloned().collect();
    known.encounters.retain(|encounter| encounter.start <= then);
    for encounter in &mut known.encounters {
        encounter.end = encounter.end.filter(|end| *end <= then);
        if encounter.end.is_none() {
            encounter.discharge_disposition = None;
        }
    }
    known.death_time = known.death_time.filter(|death| *death <= then);
    known
}

/// The facts of then, seen from now, give the features of a record that holds nothing more; and what
/// came later never reaches the score of then.
#[test]
fn nothing_of_later_reaches_what_was_known_then() {
    let mut compared = 0;
    for bundle in bundles() {
        for (record, then, now) in cases(bundle) {
            let history = built(bundle, record);
            let known = built(bundle, &as_known(record, &history, then));
            let spec = bundle.task().spec();
            let row = |facts| bundle.manifest().vocabulary.row(&facts);
            let again = row(extract(&history.view(then).seen_from(now), spec, false));
            let alone = row(extract(&known.view(now), spec, false));
            let bits = |row: &[f32]| row.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&again), bits(&alone), "{}", bundle.task().params().name);
            let at_then = |history| score(bundle, history, then, 5).map(|score| score.probability);
            assert_eq!(at_then(&history).ok(), at_then(&known).ok());
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}

fn reason_of(change: &Change) -> &str {
    match &change.outcome {
        Comparison::Not { reason, .. } => reason,
        Comparison::Difference(difference) => panic!("comparable: {}", difference.sentence()),
    }
}

#[test]
fn what_cannot_be_compared_is_said_and_never_guessed() {
    let bundle = shipped();
    let compared = |record: &Record, then: Time, now: Time| {
        let history = built(bundle, record);
        let plain = score(bundle, &history, now, 5).unwrap();
        let model = Model { bundle, history: &history };
        change((model, then), (model, now), &plain, 5)
    };
    let now = discharge();
    let no_stay = compared(&patient(), time("2024-01-01T00:00:00Z"), now);
    assert!(reason_of(&no_stay).contains("not scored then: no inpatient stay"), "{no_stay:?}");
    assert_eq!(no_stay.index_time, None);
    // Open then, ended since: its end would have to be guessed.
    let mut record = patient();
    for event in &mut record.events {
        event.time = Some(time("2024-03-01T10:00:00Z"));
    }
    let open = compared(&record, time("2024-03-03T09:00:00Z"), now);
    assert!(reason_of(&open).contains("open then that has ended since"), "{open:?}");
    // The same stay, open then and now, is one.
    record.encounters[1].end = None;
    record.encounters[1].discharge_disposition = None;
    let both_open = compared(&record, time("2024-03-03T09:00:00Z"), time("2024-03-05T09:00:00Z"));
    let difference = is_whole(&both_open).unwrap();
    assert!(both_open.assumptions[0].contains("open then, too"));
    assert_eq!(difference.events_contribution, 0.0);
    assert_ne!(difference.time_contribution, 0.0, "two more nights");
    let mut unborn = patient();
    unborn.birth_date = prodrome::record::PartialDate::parse("1999-07-08");
    let unborn = compared(&unborn, time("1990-01-01T00:00:00Z"), now);
    assert_eq!(reason_of(&unborn), "not born then");
    let published = registry::open(&root().join("models/htn_incident/1"), &[]).unwrap();
    let (record, _, at) = cases(&bundles()[0])
        .find(|(record, _, at)| score(&bundles()[0], &built(&bundles()[0], record), *at, 0).is_ok())
        .unwrap();
    let (history, other) = (built(&bundles()[0], record), built(&published, record));
    let plain = score(&bundles()[0], &history, at, 0).unwrap();
    let then = Model { bundle: &published, history: &other };
    let now = Model { bundle: &bundles()[0], history: &history };
    assert!(
        reason_of(&change((then, at), (now, at), &plain, 5)).contains("published scores alone")
    );
}

/// A second stay after the first: time and news cannot be told apart, and the answer says so.
#[test]
fn a_new_emergency_visit_and_a_new_stay_are_told_in_words() {
    let bundle = shipped();
    let mut record = patient();
    let (start, end) = (time("2024-05-01T09:00:00Z"), time("2024-05-04T15:00:00Z"));
    let mut again = Encounter::new("again", EncounterClass::Inpatient, start, Some(end));
    again.discharge_disposition = Some("home".into());
    let visit = Encounter::new(
        "another visit",
        EncounterClass::Emergency,
        time("2024-04-02T20:00:00Z"),
        Some(time("2024-04-02T23:00:00Z")),
    );
    record.encounters.extend([visit, again]);
    let code = Code::parse("ICD10CM//E11.9").unwrap();
    let mut event = Event::new(EventKind::Diagnosis, code, start.plus_hours(3));
    event.encounter_id = Some("again".into());
    record.events.push(event);
    let history = built(bundle, &record);
    let plain = score(bundle, &history, end, 5).unwrap();
    let model = Model { bundle, history: &history };
    let found = change((model, discharge()), (model, end), &plain, REASONS_MAX);
    let difference = is_whole(&found).unwrap();
    assert!(found.assumptions[0].contains("another stay than then"));
    assert_eq!(difference.time_contribution, 0.0);
    let of_visits =
        difference.reasons.iter().find(|r| r.reason.theme == "earlier use of care").unwrap();
    assert_eq!(of_visits.kind, ChangeKind::NewEvents);
    assert!(of_visits.reason.text.contains("2024-04-02"), "{}", of_visits.reason.text);
    assert!(of_visits.reason.text.contains("before: "), "{}", of_visits.reason.text);
    let new: Vec<&Evidence> = of_visits.reason.events.iter().collect();
    assert!(new.iter().any(|fact| matches!(fact, Evidence::Encounter { index: 2, .. })), "{new:?}");
    assert!(
        !new.iter().any(|fact| matches!(fact, Evidence::Encounter { index: 0, .. })),
        "{new:?}"
    );
    let sentence = difference.sentence();
    assert!(sentence.starts_with("the risk ") && sentence.contains('%'), "{sentence}");
}

fn asked(options: ScoreOptions, version: Option<&str>) -> ScoreRequest {
    ScoreRequest {
        record: patient(),
        issues: Vec::new(),
        only_allowed: false,
        tasks: vec![TaskRef {
            task: "readmit30_diabetes".into(),
            version: version.map(str::to_owned),
        }],
        prediction_time: Some(discharge()),
        options: ScoreOptions { reasons_max: 5, ..options },
        team: None,
    }
}

#[test]
fn a_request_names_a_time_that_lies_before_and_a_version_in_service() {
    let service = service();
    let at = |then| ScoreOptions { compare_to_time: Some(then), ..ScoreOptions::default() };
    for then in [discharge(), discharge().plus_hours(1)] {
        let Err(ServiceError::Invalid(found)) = service.score(&asked(at(then), None), discharge())
        else {
            panic!("a time that does not lie before")
        };
        assert_eq!(found[0].path, "options.compare_to_time");
        assert_eq!(found[0].reason, "not before the prediction time");
    }
    let version = |name: &str| ScoreOptions {
        compare_to_version: Some(name.into()),
        ..ScoreOptions::default()
    };
    let unknown = service.score(&asked(version("9"), None), discharge()).unwrap_err();
    assert!(matches!(unknown, ServiceError::UnknownVersion { .. }));
    let of = |options| {
        let response = service.score(&asked(options, None), discharge()).unwrap();
        let Answer::Score(score) = &response.assessments[0].outcome else { panic!("no score") };
        (**score).clone()
    };
    let same = of(version("1"));
    let difference = is_whole(same.change.as_ref().unwrap()).unwrap().clone();
    assert_eq!(difference.model_contribution, 0.0);
    // Who does not ask gets the same score without it.
    let plain = of(ScoreOptions::default());
    assert_eq!(plain, Score { change: None, ..same });
    let earlier = of(at(time("2024-01-01T00:00:00Z")));
    assert!(reason_of(earlier.change.as_ref().unwrap()).starts_with("not scored then"));
}

/// Both versions in one models folder, as a caller compares them.
#[test]
fn versions_in_service_are_compared_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let files = registry::read_files(&root().join("models/htn_incident/2")).unwrap();
    registry::publish(folder.path(), "htn_incident", "2", &files).unwrap();
    registry::publish(folder.path(), "htn_incident", "3", &another_version().0).unwrap();
    std::fs::copy(root().join("models/concepts.toml"), folder.path().join("concepts.toml"))
        .unwrap();
    std::fs::write(
        folder.path().join("htn_incident/stages.json"),
        "{ \"demo\": \"2\", \"kept\": [\"3\"] }",
    )
    .unwrap();
    let service = prodrome::service::Service::new(models(folder.path(), true));
    let (record, _, at) = cases(&bundles()[0])
        .find(|(record, _, at)| {
            let history = built(&bundles()[0], record);
            score(&bundles()[0], &history, *at, 0).is_ok_and(|score| score.probability.is_some())
        })
        .unwrap();
    let request = |compare: &str| ScoreRequest {
        record: record.clone(),
        issues: Vec::new(),
        only_allowed: false,
        tasks: vec![TaskRef { task: "htn_incident".into(), version: Some("2".into()) }],
        prediction_time: Some(at),
        options: ScoreOptions {
            reasons_max: 5,
            compare_to_version: Some(compare.into()),
            ..ScoreOptions::default()
        },
        team: None,
    };
    let response = service.score(&request("3"), at).unwrap();
    let Answer::Score(score) = &response.assessments[0].outcome else { panic!("no score") };
    let difference = is_whole(score.change.as_ref().unwrap()).unwrap();
    assert!(difference.model_contribution < -0.1, "{difference:?}");
    let unknown = service.score(&request("4"), at).unwrap_err();
    assert!(matches!(unknown, ServiceError::UnknownVersion { .. }));
}
