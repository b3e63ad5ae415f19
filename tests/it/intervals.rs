//! Whether the interval of an answer holds the event rate of the patients with that score, over many
//! fits of simulated populations.

use prodrome::simulate::KnownTask;
use prodrome::train::{Cohort, FitParams, HeldOut, SourceNote, fit};

use crate::known_truth::{population, settings_of, task};
use crate::support::concepts;

/// The seed of the people who are scored; no fit sees them.
const JUDGED_SEED: u64 = 77;

/// How often the true event rate of a tenth of the people, by rising score, lay within the mean bounds.
struct Coverage {
    fits: u32,
    within: [u32; 10],
    /// Sums of squares of how far the mean probability was from the truth, in standard errors.
    squares: [f64; 10],
}

fn coverage(known: KnownTask, fits: u32, patients: u64, judged: u64) -> Coverage {
    let concepts = concepts();
    let task = task(known, &concepts);
    let cohort = |patients, seed| {
        let (cases, truth) = population(settings_of(patients, seed));
        let mut cohort = Cohort::new(&task, &concepts);
        cases.iter().for_each(|case| cohort.add(case).unwrap());
        cohort.finish();
        (cohort, truth)
    };
    let (people, truth) = cohort(judged, JUDGED_SEED);
    let rows: Vec<_> = people
        .samples()
        .iter()
        .filter_map(|sample| {
            let key = (sample.group.clone(), sample.prediction_time, known);
            Some((sample, truth.get(&key)?.probability))
        })
        .collect();
    let mut found = Coverage { fits, within: [0; 10], squares: [0.0; 10] };
    for seed in 0..fits {
        let (development, _) = cohort(patients, 1_000 + u64::from(seed));
        let (title, citation, years) = ("simulated".to_owned(), None, None);
        let params = FitParams {
            version: "1".into(),
            seed: 1,
            held_out: HeldOut::Nobody,
            source: SourceNote { title, citation, years, synthetic: true },
        };
        let fitted = fit(&development, &params, &|_| {}).unwrap();
        let mut scored: Vec<(f64, [f64; 2], f64)> = rows
            .iter()
            .map(|(sample, truth)| {
                let row = fitted.bundle.manifest().vocabulary.row(&sample.facts);
                let probability = fitted.bundle.predict(&row).probability;
                (probability, fitted.bundle.interval(probability).unwrap(), *truth)
            })
            .collect();
        scored.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut line = String::new();
        for (tenth, rows) in scored.chunks(scored.len().div_ceil(10)).enumerate() {
            let mean = |of: &dyn Fn(&(f64, [f64; 2], f64)) -> f64| {
                rows.iter().map(of).sum::<f64>() / rows.len() as f64
            };
            let (low, high) = (mean(&|row| row.1[0]), mean(&|row| row.1[1]));
            let (p, truth) = (mean(&|row| row.0), mean(&|row| row.2));
            found.within[tenth] += u32::from(low <= truth && truth <= high);
            let logit = |p: f64| (p / (1.0 - p)).ln();
            let error = (logit(high) - logit(low)) / 3.92;
            let z = (logit(p) - logit(truth)) / error;
            found.squares[tenth] += z * z;
            line += &format!(" {z:+.1}({error:.2})");
        }
        eprintln!("{seed} {} {}{line}", fitted.report.chosen, development.samples().len());
    }
    let rms = found.squares.map(|sum| format!("{:.2}", (sum / f64::from(fits)).sqrt()));
    eprintln!("{}: {:?} of {fits}; rms z {rms:?}", known.name(), found.within);
    found
}

#[test]
#[ignore = "a while"]
fn measure() {
    let env = |name: &str, or: u64| std::env::var(name).ok().map_or(or, |v| v.parse().unwrap());
    let known = KnownTask::ALL[env("KNOWN", 0) as usize];
    coverage(known, env("FITS", 20) as u32, env("PATIENTS", 3000), env("JUDGED", 5000));
}
