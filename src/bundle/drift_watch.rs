//! How far the rows of late are from the development rows, while a bundle is in service.
//!
//! Rows are counted into the bands of the reference: each of the first thousand, then each eighth,
//! so that it costs a call next to nothing. The count covers the last 5,000 to 10,000 rows that were
//! counted: one half fills up while the other stands, then the older one is forgotten. No row is
//! kept.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::drift::{Bands, DriftReference};
use super::open::Bundle;

/// So many rows are counted one by one.
const EACH_UNTIL: u64 = 1_000;
/// From then on one of so many is.
const EVERY: u64 = 8;
/// Rows of half a window.
const HALF_ROWS: u32 = 5_000;
/// Of fewer rows than this nothing is said: by chance alone ten bands of 200 rows that are alike
/// have an index of about 0.05, (bands - 1) / rows (Yurdakul and Naranjo 2020).
const ROWS_MIN: u64 = 200;
/// So many inputs are named, those with the largest index.
const INPUTS_MAX: usize = 20;

/// How far the rows of late are from the development rows.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftReading {
    /// Population stability index of the probabilities; `None` for fewer than 200 of them.
    pub score: Option<f64>,
    /// Of the inputs with the largest index, the largest first; none of fewer than 200 rows.
    pub inputs: Vec<InputDrift>,
}

/// How far one input is from what it was.
#[derive(Debug, Clone, PartialEq)]
pub struct InputDrift {
    pub column: String,
    /// Population stability index over the missing and the bands of the reference.
    pub psi: f64,
}

/// Counts the rows and probabilities of a bundle in service.
#[derive(Debug)]
pub(super) struct DriftWatch {
    rows_seen: AtomicU64,
    columns: Window,
    score: Window,
}

impl DriftWatch {
    pub(super) fn new(reference: &DriftReference) -> DriftWatch {
        let columns = Window::new(&reference.columns);
        let score = Window::new(std::slice::from_ref(&reference.score));
        DriftWatch { rows_seen: AtomicU64::new(0), columns, score }
    }
}

/// Counts in the bands of some columns, over the rows of late.
#[derive(Debug)]
struct Window {
    /// For each column its place in the counts.
    starts: Vec<usize>,
    now: Vec<AtomicU32>,
    before: Vec<AtomicU32>,
    rows_now: AtomicU32,
    turning: Mutex<()>,
}

impl Window {
    fn new(columns: &[Bands]) -> Window {
        let mut starts = vec![0];
        for bands in columns {
            starts.push(starts.last().copied().unwrap_or(0) + bands.places());
        }
        let places = starts.last().copied().unwrap_or(0);
        let zeros = || (0..places).map(|_| AtomicU32::new(0)).collect();
        let (rows_now, turning) = (AtomicU32::new(0), Mutex::new(()));
        Window { starts, now: zeros(), before: zeros(), rows_now, turning }
    }

    fn count(&self, columns: &[Bands], row: &[f32]) {
        for ((bands, start), value) in columns.iter().zip(&self.starts).zip(row) {
            if let Some(count) = self.now.get(start + bands.place(*value)) {
                count.fetch_add(1, Relaxed);
            }
        }
        if self.rows_now.fetch_add(1, Relaxed) + 1 >= HALF_ROWS {
            self.turn();
        }
    }

    /// Forgets the older half. A row that is being counted meanwhile may fall into both; one in
    /// thousands does not matter.
    fn turn(&self) {
        let Ok(_turning) = self.turning.try_lock() else { return };
        if self.rows_now.load(Relaxed) < HALF_ROWS {
            return;
        }
        for (now, before) in self.now.iter().zip(&self.before) {
            before.store(now.swap(0, Relaxed), Relaxed);
        }
        self.rows_now.store(0, Relaxed);
    }

    /// The index of `bands`, which are those of column `place`.
    fn psi(&self, place: usize, bands: &Bands) -> Option<f64> {
        let start = *self.starts.get(place)?;
        let places = start..start + bands.places();
        let (now, before) = (self.now.get(places.clone())?, self.before.get(places)?);
        let both = now.iter().zip(before);
        let counts: Vec<u64> = both
            .map(|(now, before)| u64::from(now.load(Relaxed)) + u64::from(before.load(Relaxed)))
            .collect();
        let enough = counts.iter().sum::<u64>() >= ROWS_MIN;
        enough.then(|| bands.psi(&counts)).flatten()
    }
}

impl Bundle {
    /// Counts a row that is about to be scored, for `drift`.
    pub fn saw_row(&self, row: &[f32]) {
        let Some((watch, reference)) = self.watched() else { return };
        let seen = watch.rows_seen.fetch_add(1, Relaxed);
        if seen < EACH_UNTIL || seen.is_multiple_of(EVERY) {
            watch.columns.count(&reference.columns, row);
        }
    }

    /// Counts a probability that was given, for `drift`.
    pub fn saw_probability(&self, probability: f64) {
        if let Some((watch, reference)) = self.watched() {
            watch.score.count(std::slice::from_ref(&reference.score), &[probability as f32]);
        }
    }

    /// How far the rows that this bundle saw of late are from those it was made from; `None` where it
    /// does not hold how those were.
    pub fn drift(&self) -> Option<DriftReading> {
        let (watch, reference) = self.watched()?;
        let each = reference.columns.iter().zip(self.columns()).enumerate();
        let mut inputs: Vec<InputDrift> = each
            .filter_map(|(place, (bands, column))| {
                let psi = watch.columns.psi(place, bands)?;
                Some(InputDrift { column: column.name.clone(), psi })
            })
            .collect();
        inputs.sort_by(|a, b| b.psi.total_cmp(&a.psi).then_with(|| a.column.cmp(&b.column)));
        inputs.truncate(INPUTS_MAX);
        Some(DriftReading { score: watch.score.psi(0, &reference.score), inputs })
    }

    fn watched(&self) -> Option<(&DriftWatch, &DriftReference)> {
        self.drift_watch().zip(self.manifest().drift_reference.as_ref())
    }
}
