//! Trends of measured values and changes of drugs, counted again from the record alone.

use std::collections::BTreeSet;

use prodrome::record::{Event, EventKind, Record, Time, Value};

/// Times (in days before `t0`, so falling) and values of glucose in the last `days`.
fn glucose(record: &Record, t0: Time, days: f64) -> Vec<(f64, f64)> {
    let of_glucose = record.events.iter().filter(|e| e.code.code == "2345-7");
    let each = of_glucose.filter_map(|e| match e.value {
        Some(Value::Number(number)) => Some((t0.days_since(e.time.unwrap()), number)),
        _ => None,
    });
    let mut found: Vec<(f64, f64)> = each.filter(|(back, _)| (0.0..days).contains(back)).collect();
    // Latest last; of one instant the largest last.
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
    found
}

/// The day (UTC) that lies so many days before `t0`, which is noon.
fn day(back: f64) -> i64 {
    (0.5 - back).floor() as i64
}

/// Least squares by the textbook's sums, in a form other than that of the crate.
fn slope(points: &[(f64, f64)]) -> f64 {
    let days: BTreeSet<i64> = points.iter().map(|(back, _)| day(*back)).collect();
    let n = points.len() as f64;
    let sum = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>();
    let (x, y) = (sum(|p| -p.0), sum(|p| p.1));
    let (xy, xx) = (sum(|p| -p.0 * p.1), sum(|p| p.0 * p.0));
    if days.len() < 3 { f64::NAN } else { (n * xy - x * y) / (n * xx - x * x) }
}

pub(super) fn trends(record: &Record, t0: Time) -> [f64; 5] {
    let mut lows: Vec<(f64, f64)> = Vec::new();
    for (back, value) in glucose(record, t0, 60.0) {
        match lows.iter_mut().find(|low| day(low.0) == day(back)) {
            Some(low) if value < low.1 => *low = (back, value),
            Some(_) => {}
            None => lows.push((back, value)),
        }
    }
    let values: Vec<f64> = glucose(record, t0, 90.0).into_iter().map(|point| point.1).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let sd = if n < 3.0 { f64::NAN } else { (squares / (n - 1.0)).sqrt() };
    let points = glucose(record, t0, 120.0);
    let change = match points.as_slice() {
        [first, .., last] => {
            let before: Vec<f64> =
                points.iter().filter(|p| p.0 - last.0 >= 30.0).map(|p| p.1).collect();
            let mean = before.iter().sum::<f64>() / before.len() as f64;
            last.1 - if before.is_empty() { first.1 } else { mean }
        }
        _ => f64::NAN,
    };
    let age = glucose(record, t0, f64::INFINITY).last().map_or(f64::NAN, |point| point.0);
    [slope(&glucose(record, t0, 180.0)) * 365.25, slope(&lows), sd, change, age]
}

pub(super) fn drugs(record: &Record, t0: Time) -> [f64; 4] {
    let back = |event: &Event| t0.days_since(event.time.unwrap());
    let taken = |from: f64, to: f64, kinds: &[EventKind]| -> BTreeSet<String> {
        let inside = |e: &&Event| (from..to).contains(&back(e)) && kinds.contains(&e.kind);
        record.events.iter().filter(inside).map(|e| e.code.to_string()).collect()
    };
    let all = [EventKind::DrugOrder, EventKind::DrugGiven];
    let classes = |codes: &BTreeSet<String>| -> BTreeSet<String> {
        let listed = ["ATC//A10A", "ATC//A10BA", "ATC//A10BB"];
        let of = |code: &String| listed.iter().find(|class| code.starts_with(**class));
        codes.iter().filter_map(of).map(|class| (*class).to_owned()).collect()
    };
    let recent = classes(&taken(0.0, 7.0, &all));
    let before = classes(&taken(7.0, 27.0, &all));
    let is_known = record.events.iter().any(|event| back(event) >= 7.0);
    let count = |number: usize, known: bool| if known { number as f64 } else { f64::NAN };
    let ordered = taken(0.0, 14.0, &[EventKind::DrugOrder]);
    [
        count(recent.difference(&before).count(), is_known),
        count(before.difference(&recent).count(), is_known),
        count(classes(&ordered).len(), !ordered.is_empty()),
        taken(0.0, 30.0, &all).len() as f64,
    ]
}
