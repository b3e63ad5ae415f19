//! Outcomes, risks and contacts of a simulated population: as the other commands find them.

use std::collections::BTreeMap;

use prodrome::bundle::Bundle;
use prodrome::command::{self, ExportFormat, SimulateRequest, Source, TrendsRequest};
use prodrome::import::{Export, Meter, Reading, Received};
use prodrome::record::{EncounterClass, History, KnownAfter, Record, Time};
use prodrome::simulate::Settings;
use prodrome::task::{Label, eligibility, index_times, label};
use prodrome::trend::{Group, PeerScaleOf, Release};

use super::sample::group;
use crate::support::{concepts, root, time};

const SPEC: &str = r#"
name = "simulated"
title = "A simulated population"
age_band_starts_years = [20, 60]
groups = [["age_band", "sex"]]
[period]
unit = "year"
first = "2015-01-01"
[peers]
measurements = ["systolic_bp"]
[[measure]]
name = "rise"
title = "a rise of blood pressure within a year"
rule = { outcome = { task = "MODELS/bp_rise/task.toml" } }
[[measure]]
name = "risk"
title = "predicted risk of a rise of blood pressure"
more_is_worse = true
rule = { risk = { bundle = "MODELS/bp_rise/1" } }
[[measure]]
name = "visits"
title = "visits"
rule = { contacts = { classes = ["AMB"] } }
"#;

/// What a count by hand finds in one year: people, and by measure numerator and denominator.
#[derive(Debug, Default)]
struct Year {
    people: u64,
    positive: u64,
    labelled: u64,
    risks: Vec<f64>,
    visits: u64,
    years: f64,
}

fn data_end() -> Time {
    time("2019-01-01T00:00:00Z")
}

fn is_followed(history: &History, record: &Record, at: Time) -> bool {
    let is_covered = history.coverage().iter().any(|period| {
        period.start.is_none_or(|start| start <= at) && period.end.is_none_or(|end| at <= end)
    });
    is_covered || record.death_time.is_some_and(|death| death <= at)
}

fn count(record: &Record, bundle: &Bundle, years: &mut BTreeMap<i32, Year>) {
    let task = bundle.task();
    let of_task =
        History::build(record, bundle.concepts(), &task.params().known_after).unwrap().history;
    let plain = History::build(record, &concepts(), &KnownAfter::default()).unwrap().history;
    let times = index_times(&of_task, task);
    for (year, sums) in years {
        let (start, end) = (
            time(&format!("{year}-01-01T00:00:00Z")),
            time(&format!("{}-01-01T00:00:00Z", year + 1)),
        );
        let until = record.death_time.unwrap_or(Time::LATEST).min(end);
        let covered: f64 = plain
            .coverage()
            .iter()
            .map(|period| {
                let from = period.start.unwrap_or(start).max(start);
                period.end.unwrap_or(until).min(until).days_since(from).max(0.0)
            })
            .sum();
        let age = record.birth_date.unwrap().age_years_at(start);
        if covered < 0.5 * end.days_since(start) || age < 20 {
            continue;
        }
        sums.people += 1;
        sums.years += covered / 365.2425;
        let is_covered = |at: Time| is_followed(&plain, record, at) && at <= until;
        let ambulatory = record.encounters.iter().filter(|one| {
            let inside = one.start >= start && one.start < end && is_covered(one.start);
            one.class == EncounterClass::Ambulatory && inside
        });
        sums.visits += ambulatory.count() as u64;
        let inside: Vec<Time> =
            times.iter().copied().filter(|time| *time >= start && *time < end).collect();
        for index_time in &inside {
            let end = index_time.plus_days(365);
            if end > data_end() || eligibility(&of_task.view(*index_time), task).is_err() {
                continue;
            }
            match label(&of_task, task, *index_time).map(|outcome| outcome.label) {
                Ok(Label::Positive) if is_followed(&of_task, record, end) => {
                    (sums.positive, sums.labelled) = (sums.positive + 1, sums.labelled + 1)
                }
                Ok(Label::Negative | Label::CompetingDeath) => sums.labelled += 1,
                Ok(Label::Positive | Label::Censored) | Err(_) => {}
            }
        }
        let last = inside.last();
        let scored = last.and_then(|last| prodrome::score::score(bundle, &of_task, *last, 0).ok());
        sums.risks.extend(scored.and_then(|score| score.probability));
    }
}

#[test]
fn outcomes_risks_and_contacts_are_those_of_a_count_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let export = folder.path().join("export");
    let simulate = SimulateRequest {
        settings: Settings::new(2_500, 5, 11),
        format: ExportFormat::Meds,
        out: export.clone(),
        truth: None,
    };
    command::simulate(&simulate).unwrap();
    let spec = folder.path().join("spec.toml");
    let models = root().join("models");
    std::fs::write(&spec, SPEC.replace("MODELS", models.to_str().unwrap())).unwrap();
    let until = Some(data_end());
    let reading = Reading { data_until: until, ..Reading::default() };
    let out = folder.path().join("release.json");
    let request = TrendsRequest {
        source: Source { reading: reading.clone(), ..Source::new(export.clone()) },
        spec,
        models: models.clone(),
        concepts: Vec::new(),
        out: out.clone(),
        previous: None,
        report: None,
        table: None,
    };
    command::trends(&request, &Meter::default()).unwrap();
    let release: Release = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert!(release.synthetic);

    let bundle = prodrome::registry::open(&models.join("bp_rise/1"), &[]).unwrap();
    let mut years: BTreeMap<i32, Year> = (2015..2019).map(|year| (year, Year::default())).collect();
    let read = Export { reading, ..Export::new(&export) };
    read.read(&Meter::default(), |subject| {
        count(&subject.record, &bundle, &mut years);
        Received::Used
    })
    .unwrap();
    assert_eq!(release.periods.len(), years.len());
    let mut compared = 0;
    for (place, year) in years.values().enumerate() {
        let point = |measure: &str| {
            let all = |series: &&prodrome::trend::Series| {
                series.measure == measure && series.group == Group::default()
            };
            release.series.iter().find(all).unwrap().points[place].clone()
        };
        let (rise, risk, visits) = (point("rise"), point("risk"), point("visits"));
        assert_eq!(rise.people, Some(year.people));
        // Nobody is followed through the year after the last one.
        assert_eq!(rise.figure.is_none(), year.labelled == 0, "{year:?}");
        if let Some(figure) = rise.figure {
            let rate = year.positive as f64 / year.labelled as f64;
            assert!((figure.estimate - rate).abs() < 1e-9, "{rise:?} {rate}");
            compared += 1;
        }
        assert_eq!(risk.measured, Some(year.risks.len() as u64));
        let mean = year.risks.iter().sum::<f64>() / year.risks.len() as f64;
        assert!((risk.figure.unwrap().estimate - mean).abs() < 1e-6, "{risk:?} {mean}");
        let rate = 1_000.0 * year.visits as f64 / year.years;
        assert!((visits.figure.unwrap().estimate / rate - 1.0).abs() < 1e-6, "{visits:?} {rate}");
    }
    assert_eq!(compared, 3);
    // Peers by risk are those of the bundle in use.
    let of = group(&[
        (prodrome::trend::KeyName::AgeBand, "60+"),
        (prodrome::trend::KeyName::Sex, "male"),
    ]);
    let peers = release.peers.iter().find(|peers| peers.group == of).unwrap();
    let is_risk = |of: &PeerScaleOf| matches!(of, PeerScaleOf::Risk { bundle_digest, .. } if bundle_digest == bundle.digest());
    assert!(peers.scales.iter().any(|scale| is_risk(&scale.of)), "{peers:?}");
}
