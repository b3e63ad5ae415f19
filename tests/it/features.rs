//! Features counted again by brute force, straight from the records' events.

mod recount;
mod richer;

use std::collections::BTreeSet;

use prodrome::feature::{FeatureParams, Spec, Vocabulary, extract};
use prodrome::import::Subject;
use prodrome::record::{
    Code, Encounter, EncounterClass, Event, EventKind, History, KnownAfter, Record, Time,
    TimePrecision, Value,
};
use prodrome::task::Task;

use crate::support::{concepts, sample, task_folder, time};

fn task() -> Task {
    let text = std::fs::read_to_string(task_folder().join("task.toml")).unwrap();
    Task::parse(&text, &concepts()).unwrap()
}

fn same(extracted: f32, recounted: f64) -> bool {
    (extracted.is_nan() && recounted.is_nan()) || extracted == recounted as f32
}

fn indicator(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// What a column of the Diabetes-130 task must be, from the record alone.
fn recount(column: &str, subject: &Subject) -> Option<f64> {
    let record = &subject.record;
    let stay = record.encounters.iter().find(|e| !e.synthetic).unwrap();
    let earlier = |class| {
        let of_class = record.encounters.iter().filter(|e| e.synthetic && e.class == class);
        of_class.count() as f64
    };
    let codes = |prefix: &str| -> Vec<&Event> {
        let fits = |e: &&Event| e.code.system == "D130" && e.code.code.starts_with(prefix);
        record.events.iter().filter(fits).collect()
    };
    let number = |name: &str| {
        let found = codes(name).into_iter().find_map(|e| match e.value {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        });
        found.unwrap_or(f64::NAN)
    };
    let coded = |event: &Event, wanted: &str| matches!(&event.value, Some(Value::Coded(text)) if text.eq_ignore_ascii_case(wanted));
    let category = |rank: Option<u32>, low: u32, high: u32| {
        let diagnoses: Vec<&Event> = record
            .events
            .iter()
            .filter(|e| e.kind == EventKind::Diagnosis && (rank.is_none() || e.rank == rank))
            .collect();
        let inside = |e: &&Event| {
            let head: String = e.code.code.chars().take(3).collect();
            head.parse::<u32>().is_ok_and(|head| (low..=high).contains(&head))
        };
        let found = diagnoses.iter().any(inside);
        if diagnoses.is_empty() { f64::NAN } else { indicator(found) }
    };
    Some(match column {
        "age_years" => {
            let year: f64 = record.birth_date.unwrap().to_string().parse().unwrap();
            2005.0 - year
        }
        "stay_days" => stay.end.unwrap().days_since(stay.start),
        "inpatient_stays_365d" => earlier(EncounterClass::Inpatient),
        "earlier_stays" => number("earlier_rows"),
        "emergency_visits_365d" => earlier(EncounterClass::Emergency),
        "outpatient_visits_365d" => earlier(EncounterClass::Ambulatory),
        "stay_lab_tests" => number("num_lab_procedures"),
        "stay_medications" => number("num_medications"),
        "stay_diagnoses" => number("number_diagnoses"),
        "principal_diagnosis=dx_circulatory" => category(Some(1), 390, 459),
        "diagnosis=dx_genitourinary" => category(None, 580, 629),
        "drug=drug_insulin" => indicator(!codes("insulin").is_empty()),
        "insulin_change=up" => indicator(codes("insulin").iter().any(|e| coded(e, "up"))),
        "drugs_lowered" => {
            let lowered = record.events.iter().filter(|e| coded(e, "down"));
            lowered.map(|e| &e.code.code).collect::<BTreeSet<_>>().len() as f64
        }
        "discharge_disposition=discharge_home" => match stay.discharge_disposition.as_deref() {
            // Those who died or went to hospice are in no level: the task leaves them out.
            None | Some("20" | "40" | "41" | "42" | "50" | "51") => f64::NAN,
            Some(code) => indicator(code == "01"),
        },
        _ => return None,
    })
}

#[test]
fn features_of_the_sample_are_what_a_recount_of_its_events_gives() {
    let (task, concepts) = (task(), concepts());
    let columns = task.spec().fixed_columns();
    let mut compared = BTreeSet::new();
    for subject in sample().iter().step_by(7) {
        let built = History::build(&subject.record, &concepts, &KnownAfter::default()).unwrap();
        let view = built.history.view(subject.label.unwrap().prediction_time);
        let facts = extract(&view, task.spec(), false);
        for (column, value) in columns.iter().zip(&facts.values) {
            let Some(recounted) = recount(&column.name, subject) else { continue };
            compared.insert(column.name.clone());
            let line = subject.line;
            assert!(same(*value, recounted), "{} on line {line}: {value} {recounted}", column.name);
        }
    }
    assert_eq!(compared.len(), 15, "{compared:?}");
}

const SPEC: &str = r#"
[[feature]]
name = "glucose"
text = "{value}"
from.measurement = { concept = "glucose", window = { days = 90 }, aggregate = ["last", "min", "max", "mean"] }
[[feature]]
name = "insulin_orders"
text = "{value}"
from.events = { concepts = ["drug_insulin"], window = { days = 180 } }
[[feature]]
name = "days_since_insulin"
text = "{value}"
from.days_since_event = { concepts = ["drug_insulin"], window = "ever" }
[[feature]]
name = "emergency_30d"
text = "{value}"
from.encounters = { classes = ["EMER"], window_days = 30 }
[[feature]]
name = "days_since_emergency"
text = "{value}"
from.days_since_encounter = { classes = ["EMER"], window_days = 365 }
[[feature]]
name = "glucose_trend"
text = "{value}"
from.measurement = { concept = "glucose", window = { days = 180 }, aggregate = ["slope_per_year"] }
[[feature]]
name = "glucose_trend_daily_lows"
text = "{value}"
from.measurement = { concept = "glucose", window = { days = 60 }, aggregate = ["slope_per_day"], per_day = "lowest" }
[[feature]]
name = "glucose_variability"
text = "{value}"
from.measurement = { concept = "glucose", window = { days = 90 }, aggregate = ["sd"] }
[[feature]]
name = "glucose_change"
text = "{value}"
from.measurement = { concept = "glucose", window = { days = 120 }, aggregate = ["change"] }
[[feature]]
name = "glucose_age"
text = "{value}"
from.measurement = { concept = "glucose", window = "ever", aggregate = ["days_since"] }
[[feature]]
name = "drugs_started"
text = "{value}"
from.drug_changes = { concepts = ["drug_insulin", "drug_metformin", "drug_sulfonylurea"], change = "started", recent_days = 7, before_days = 20 }
[[feature]]
name = "drugs_stopped"
text = "{value}"
from.drug_changes = { concepts = ["drug_insulin", "drug_metformin", "drug_sulfonylurea"], change = "stopped", recent_days = 7, before_days = 20 }
[[feature]]
name = "drug_classes"
text = "{value}"
from.concept_count = { concepts = ["drug_insulin", "drug_metformin", "drug_sulfonylurea"], kinds = ["drug_order"], window = { days = 14 }, missing_without_any = true }
[[feature]]
name = "drug_codes"
text = "{value}"
from.distinct_codes = { kinds = ["drug_order", "drug_given"], window = { days = 30 } }
"#;

#[derive(serde::Deserialize)]
struct SpecFile {
    feature: Vec<FeatureParams>,
}

/// Two insulins, metformin, a sulfonylurea, and a drug of no concept that is asked for.
const DRUGS: [&str; 5] =
    ["ATC//A10AB05", "ATC//A10AE04", "ATC//A10BA02", "ATC//A10BB01", "ATC//C03CA01"];

/// A made-up record: many events, several at one instant, some after the index time.
fn made_up(rng: &mut fastrand::Rng, t0: Time) -> Record {
    let mut record = Record { patient_id: "made-up".into(), ..Record::default() };
    for number in 0..rng.usize(0..60) {
        let at = t0.plus_hours(12 * rng.i64(-400..40));
        let id = Some(format!("e{number}"));
        let event = match rng.bool() {
            true => {
                let mut event =
                    Event::new(EventKind::Measurement, Code::parse("LOINC//2345-7").unwrap(), at);
                event.value = Some(Value::Number(f64::from(rng.u32(50..400))));
                event.unit = Some("mg/dL".into());
                event
            }
            false => {
                let code = DRUGS[rng.usize(..DRUGS.len())];
                let kind = [EventKind::DrugOrder, EventKind::DrugGiven][rng.usize(..2)];
                Event::new(kind, Code::parse(code).unwrap(), at)
            }
        };
        record.events.push(Event { id, ..event });
    }
    for number in 0..rng.usize(0..8) {
        let start = t0.plus_hours(6 * rng.i64(-1600..40));
        let end = Some(start.plus_hours(rng.i64(1..20)));
        let id = format!("v{number}");
        record.encounters.push(Encounter::new(&id, EncounterClass::Emergency, start, end));
    }
    record
}

/// The columns of `SPEC` from the record alone.
fn recount_made_up(record: &Record, t0: Time) -> Vec<f64> {
    let back = |days: i64| t0.plus_days(-days);
    let events = |code: &str, from: Option<Time>| -> Vec<&Event> {
        let mut found: Vec<&Event> = record
            .events
            .iter()
            .filter(|e| e.code.code == code && e.time.unwrap() <= t0)
            .filter(|e| from.is_none_or(|from| e.time.unwrap() > from))
            .collect();
        found.sort_by_key(|e| e.time);
        found
    };
    let insulin = |from: Option<Time>| -> Vec<&Event> {
        let mut found = [events("A10AB05", from), events("A10AE04", from)].concat();
        found.sort_by_key(|e| e.time);
        found
    };
    let number = |event: &&Event| match event.value {
        Some(Value::Number(number)) => number,
        _ => f64::NAN,
    };
    let glucose = events("2345-7", Some(back(90)));
    let values: Vec<f64> = glucose.iter().map(number).collect();
    let latest = glucose.last().map(|e| e.time);
    // Of several values at the latest instant the largest is taken: the order is by content.
    let at_latest = glucose.iter().filter(|e| Some(e.time) == latest).map(number);
    let fold = |start: f64, by: fn(f64, f64) -> f64| {
        if values.is_empty() { f64::NAN } else { values.iter().copied().fold(start, by) }
    };
    let visits: Vec<&Encounter> = record.encounters.iter().filter(|e| e.start <= t0).collect();
    let recent = visits.iter().filter(|e| e.start > back(30)).count();
    let ended = visits.iter().filter_map(|e| e.end).filter(|end| *end <= t0 && *end > back(365));
    vec![
        at_latest.reduce(f64::max).unwrap_or(f64::NAN),
        fold(f64::INFINITY, f64::min),
        fold(f64::NEG_INFINITY, f64::max),
        values.iter().sum::<f64>() / values.len() as f64,
        insulin(Some(back(180))).len() as f64,
        insulin(None).last().map_or(f64::NAN, |e| t0.days_since(e.time.unwrap())),
        if recent == 0 { f64::NAN } else { recent as f64 },
        ended.max().map_or(f64::NAN, |end| t0.days_since(end)),
    ]
    .into_iter()
    .chain(recount::trends(record, t0))
    .chain(recount::drugs(record, t0))
    .collect()
}

#[test]
fn windows_values_and_days_since_are_what_a_recount_gives() {
    let concepts = concepts();
    let file: SpecFile = toml::from_str(SPEC).unwrap();
    let spec = Spec::check(&file.feature, &concepts).unwrap();
    let names: Vec<String> = spec.fixed_columns().into_iter().map(|column| column.name).collect();
    let t0 = time("2024-05-01T12:00:00Z");
    let mut rng = fastrand::Rng::with_seed(20_260);
    let mut seen = vec![0_usize; names.len()];
    for round in 0..2_000 {
        let record = made_up(&mut rng, t0);
        let built = History::build(&record, &concepts, &KnownAfter::default()).unwrap();
        let facts = extract(&built.history.view(t0), &spec, false);
        let mut turned = record.clone();
        rng.shuffle(&mut turned.events);
        let turned = History::build(&turned, &concepts, &KnownAfter::default()).unwrap();
        let turned = extract(&turned.history.view(t0), &spec, false);
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&facts.values), bits(&turned.values), "round {round}, in another order");
        let recounted = recount_made_up(&record, t0);
        for (place, (value, again)) in facts.values.iter().zip(&recounted).enumerate() {
            let name = &names[place];
            // Other sums of a slope and of squares are rounded otherwise.
            let rounded = ["glucose_trend", "glucose_variability", "glucose_change"];
            let rounded = rounded.iter().any(|of| name.starts_with(of));
            let near = rounded && (f64::from(*value) - again).abs() <= 1e-5 * again.abs().max(0.01);
            assert!(near || same(*value, *again), "round {round}, {name}: {value} and {again}");
            seen[place] += usize::from(!value.is_nan());
        }
    }
    assert!(seen.iter().all(|count| *count > 200), "every column was there often: {seen:?}");
}

#[test]
fn learned_columns_are_one_where_the_code_is_and_nothing_is_learned_from_few_patients() {
    let (task, concepts) = (task(), concepts());
    let facts: Vec<_> = sample()
        .iter()
        .map(|subject| {
            let built = History::build(&subject.record, &concepts, &KnownAfter::default()).unwrap();
            let label = subject.label.unwrap();
            let facts = extract(&built.history.view(label.prediction_time), task.spec(), true);
            (&subject.group, label.boolean_value, facts)
        })
        .collect();
    let mut order: Vec<usize> = (0..facts.len()).collect();
    order.sort_by_key(|row| facts[*row].0);
    let groups: BTreeSet<&String> = facts.iter().map(|row| row.0).collect();
    let groups: Vec<&String> = groups.into_iter().collect();
    let samples: Vec<_> = order
        .iter()
        .map(|row| prodrome::feature::TrainingRow {
            facts: &facts[*row].2,
            patient: groups.binary_search(&facts[*row].0).unwrap() as u32,
            label: facts[*row].1,
        })
        .collect();
    let vocabulary = Vocabulary::learn(task.spec(), &samples);
    let columns = vocabulary.columns(task.spec());
    let fixed = task.spec().fixed_columns().len();
    assert!(columns.len() > fixed + 40, "{} learned columns", columns.len() - fixed);
    for (place, column) in columns.iter().enumerate().skip(fixed) {
        let token = column.name.split_once('=').unwrap().1;
        let mut patients = BTreeSet::new();
        for (group, _, facts) in &facts {
            let value = vocabulary.row(facts)[place];
            // One spec feature each for services, principal codes and all codes.
            let learned = ["service", "principal_code", "code"]
                .iter()
                .position(|name| column.name.starts_with(&format!("{name}=")))
                .unwrap();
            let has = facts.tokens.iter().any(|t| t.learned == learned && t.text == token);
            assert!(value.is_nan() || (value == 1.0) == has, "{}", column.name);
            if has {
                patients.insert(*group);
            }
        }
        assert!(patients.len() >= 11, "{} rests on {} patients", column.name, patients.len());
    }
}

#[test]
fn a_date_of_another_contact_counts_when_its_day_is_over_everywhere() {
    let mut record = Record { patient_id: "p".into(), ..Record::default() };
    let (start, end) = (time("2019-12-30T10:00:00Z"), time("2020-01-02T00:30:00Z"));
    record.encounters.push(Encounter::new("stay", EncounterClass::Inpatient, start, Some(end)));
    let mut event = |encounter: Option<&str>| {
        let code = Code::parse("ICD10CM//I10").unwrap();
        let mut event = Event::new(EventKind::Diagnosis, code, time("2020-01-01T00:00:00Z"));
        event.time_precision = TimePrecision::Day;
        event.encounter_id = encounter.map(str::to_owned);
        record.events.push(event);
    };
    // An emergency visit on the evening of the discharge, in a zone west of Greenwich.
    event(None);
    event(Some("stay"));
    let history = History::build(&record, &concepts(), &KnownAfter::default()).unwrap().history;
    let seen = |at: &str| history.view(time(at)).entries().count();
    assert_eq!(seen("2020-01-02T00:30:00Z"), 1, "that of the stay alone");
    // No stay is scored then, so that both are of other contacts.
    assert_eq!(seen("2020-01-02T11:59:00Z"), 0);
    assert_eq!(seen("2020-01-02T12:00:00Z"), 2);
}
