//! Whether the interval of an answer holds the event rate of the patients with that score, over many
//! fits of simulated populations.

use prodrome::simulate::KnownTask;
use prodrome::train::{Cohort, FitParams, HeldOut, Pace, Search, SourceNote, fit};

use crate::known_truth::{population, settings_of, task};
use crate::support::concepts;

/// The seed of the people who are scored; no fit sees them.
const JUDGED_SEED: u64 = 77;

/// A scored index time: the probability, its interval, and the truth.
type Scored = (f64, [f64; 2], f64);

/// Of `fits` fits of `patients` patients each, how often the mean true probability of a tenth of
/// `judged` other patients, by rising score, lay between the mean bounds.
fn within(known: KnownTask, fits: u64, patients: u64, judged: u64) -> [u64; 10] {
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
    let mut within = [0; 10];
    for seed in 0..fits {
        let (development, _) = cohort(patients, 1_000 + seed);
        let (title, citation, years) = ("simulated".to_owned(), None, None);
        let params = FitParams {
            version: "1".into(),
            seed: 1,
            held_out: HeldOut::Nobody,
            // Two settings of each family: that many fits with all of them take a day.
            search: Search { trials: 2, ..Search::default() },
            source: SourceNote { title, citation, years, synthetic: true },
        };
        let bundle = fit(&development, &params, Pace::unwatched()).unwrap().bundle;
        let scored = people.samples().iter().filter_map(|sample| {
            let key = (sample.group.clone(), sample.prediction_time, known);
            let truth = truth.get(&key)?.probability;
            let row = bundle.manifest().vocabulary.row(&sample.facts);
            let probability = bundle.predict(&row).probability;
            Some((probability, bundle.interval(probability).unwrap(), truth))
        });
        let mut scored: Vec<Scored> = scored.collect();
        scored.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (tenth, rows) in scored.chunks(scored.len().div_ceil(10)).enumerate() {
            let mean =
                |of: &dyn Fn(&Scored) -> f64| rows.iter().map(of).sum::<f64>() / rows.len() as f64;
            let [low, high, truth] =
                [mean(&|row| row.1[0]), mean(&|row| row.1[1]), mean(&|row| row.2)];
            within[tenth] += u64::from(low <= truth && truth <= high);
        }
        eprintln!("{}: within {within:?} of {}", known.name(), seed + 1);
    }
    within
}

#[test]
#[ignore = "an hour without optimisation: cargo test --release --test it intervals -- --ignored"]
fn intervals_hold_the_true_event_rate_in_95_of_100_fits_or_nearly() {
    let fits = std::env::var("PRODROME_FITS").map_or(100, |fits| fits.parse().unwrap());
    let within = within(KnownTask::Readmit30, fits, 3_000, 5_000);
    let share = |within: u64| within as f64 / fits as f64;
    assert!(within.iter().all(|within| (0.85..=0.97).contains(&share(*within))), "{within:?}");
}
