//! Index times and labels, on cases written by hand.

use prodrome::record::{
    ConceptSet, Encounter, EncounterClass, History, KnownAfter, Period, Record, Time,
};
use prodrome::task::{Label, Standing, Task, index_times, label, latest_index};

use crate::support::{concepts, task_folder, time};

fn task(concepts: &ConceptSet) -> Task {
    Task::parse(&std::fs::read_to_string(task_folder().join("task.toml")).unwrap(), concepts)
        .unwrap()
}

/// A stay from day `from` to day `to` of 2020, noon to noon.
fn stay(id: &str, from: i64, to: Option<i64>) -> Encounter {
    Encounter::new(id, EncounterClass::Inpatient, day(from), to.map(day))
}

fn day(day: i64) -> Time {
    time("2020-01-01T12:00:00Z").plus_days(day)
}

fn history(encounters: Vec<Encounter>, followed_until: Option<i64>, died: Option<i64>) -> History {
    let record = Record {
        patient_id: "p".into(),
        encounters,
        coverage: followed_until
            .map(|until| Period { start: Some(day(-400)), end: Some(day(until)) })
            .into_iter()
            .collect(),
        death_time: died.map(day),
        ..Record::default()
    };
    History::build(&record, &concepts(), &KnownAfter::default()).unwrap().history
}

#[test]
fn a_return_under_thirty_days_is_the_outcome_and_on_day_thirty_it_is_not() {
    let task = task(&concepts());
    let case = |back: i64| {
        let history =
            history(vec![stay("a", 0, Some(5)), stay("b", 5 + back, Some(80))], Some(90), None);
        label(&history, &task, day(5)).unwrap().label
    };
    assert_eq!(case(29), Label::Positive);
    assert_eq!(case(30), Label::Negative, "under 30 days, as the source counts");
    assert_eq!(case(1), Label::Positive);
}

#[test]
fn follow_up_comes_from_coverage_and_never_from_later_events() {
    let task = task(&concepts());
    let label_of = |until, later: Option<i64>, died| {
        let mut encounters = vec![stay("a", 0, Some(5))];
        encounters.extend(later.map(|from| stay("b", from, Some(from + 1))));
        label(&history(encounters, until, died), &task, day(5)).unwrap().label
    };
    assert_eq!(label_of(Some(35), None, None), Label::Negative);
    assert_eq!(label_of(Some(34), None, None), Label::Censored);
    assert_eq!(label_of(None, None, None), Label::Censored, "no coverage is recorded");
    assert_eq!(label_of(None, Some(200), None), Label::Censored, "a later stay is no follow-up");
    assert_eq!(
        label_of(Some(10), Some(20), None),
        Label::Censored,
        "whoever is still seen after the follow-up must not stand for those who are not"
    );
    assert_eq!(label_of(Some(90), None, Some(20)), Label::CompetingDeath);
    assert_eq!(label_of(Some(90), Some(10), Some(20)), Label::Positive);
    assert_eq!(label_of(Some(90), Some(60), Some(50)), Label::Negative, "death after the horizon");
}

#[test]
fn a_transfer_is_one_stay_and_an_emergency_visit_is_no_readmission() {
    let task = task(&concepts());
    let mut first = stay("a", 0, Some(5));
    first.discharge_disposition = Some("02".into());
    let moved = history(vec![first, stay("b", 6, Some(9))], Some(90), None);
    assert_eq!(index_times(&moved, &task), [day(9)]);

    let mut visit = stay("v", 10, Some(11));
    visit.class = EncounterClass::Emergency;
    let visited = history(vec![stay("a", 0, Some(5)), visit], Some(90), None);
    assert_eq!(label(&visited, &task, day(5)).unwrap().label, Label::Negative);
}

#[test]
fn the_server_uses_the_latest_stay_that_is_open_or_not_too_old() {
    let task = task(&concepts());
    let two = || vec![stay("a", 0, Some(5)), stay("b", 50, Some(55))];
    let at = |encounters: Vec<Encounter>, now: Time| {
        latest_index(&history(encounters, None, None).view(now), &task)
    };
    let index = at(two(), day(55).plus_hours(72)).unwrap();
    assert_eq!((index.time, index.standing), (day(55), Standing::Over));
    let too_old = at(two(), day(55).plus_hours(73)).unwrap_err();
    assert_eq!(too_old.criterion, "no_index_stay");
    let index = at(two(), day(52)).unwrap();
    assert_eq!(
        (index.time, index.standing),
        (day(52), Standing::AsIfDischarged),
        "open at that time"
    );
    let index = at(two(), day(6)).unwrap();
    assert_eq!(index.time, day(5), "what comes later is not there yet");
    let open = at(vec![stay("a", 0, None)], day(3)).unwrap();
    assert_eq!(open.standing, Standing::AsIfDischarged);
    assert_eq!(at(vec![], day(3)).unwrap_err().criterion, "no_index_stay");
}

#[test]
fn a_misspelt_key_or_concept_in_a_task_file_is_named_with_its_neighbour() {
    let text = std::fs::read_to_string(task_folder().join("task.toml")).unwrap();
    let fault = |from: &str, to: &str| {
        assert!(text.contains(from));
        Task::parse(&text.replacen(from, to, 1), &concepts()).unwrap_err().to_string()
    };
    assert!(fault("max_age_hours", "max_age_hour").contains("did you mean `max_age_hours`?"));
    assert!(fault("\"diabetes\" }", "\"diabetis\" }").contains("did you mean `diabetes`?"));
    assert!(fault("drug_insulin", "drug_insuline").contains("did you mean `drug_insulin`?"));
    assert!(fault("horizon_days = 30", "horizon_days = 0").contains("horizon_days"));
    assert!(fault("top_share = 0.20", "top_share = 0.01").contains("top_share"));
}
