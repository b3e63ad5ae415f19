//! The isotonic way: pooled adjacent violators, joined until enough patients stand behind each knot.

use super::{Calibrator, Sample, effective, events, total, whole};
use crate::SMALL_CELL_PATIENTS;

/// A run of sorted rows: `end` is one past its last; the rest are sums of weights.
pub(super) struct Run {
    pub end: usize,
    events: f64,
    count: f64,
}

impl Run {
    fn rate(&self) -> f64 {
        self.events / self.count
    }

    fn take(&mut self, next: &Run) {
        self.end = next.end;
        self.events += next.events;
        self.count += next.count;
    }
}

/// Pool-adjacent-violators on rows sorted by margin, equal margins pooled first.
pub(super) fn pooled(samples: &[Sample]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut end = 0;
    for ties in samples.chunk_by(|a, b| a.margin == b.margin) {
        end += ties.len();
        let mut run = Run { end, events: events(ties), count: total(ties) };
        while let Some(last) = runs.pop_if(|last| last.rate() >= run.rate()) {
            let mut merged = last;
            merged.take(&run);
            run = merged;
        }
        runs.push(run);
    }
    runs
}

/// Joins neighbouring runs until each holds enough patients; rates stay in order, as a joined
/// rate lies between its parts.
pub(super) fn with_patients(samples: &[Sample], runs: Vec<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    let mut open: Option<Run> = None;
    let (mut start, mut seen) = (0, Vec::with_capacity(SMALL_CELL_PATIENTS));
    for run in runs {
        for sample in &samples[start..run.end] {
            if seen.len() < SMALL_CELL_PATIENTS && !seen.contains(&sample.patient) {
                seen.push(sample.patient);
            }
        }
        start = run.end;
        let current = match open.take() {
            Some(mut before) => {
                before.take(&run);
                before
            }
            None => run,
        };
        if seen.len() == SMALL_CELL_PATIENTS {
            joined.push(current);
            seen.clear();
        } else {
            open = Some(current);
        }
    }
    match (open, joined.last_mut()) {
        (Some(rest), Some(last)) => last.take(&rest),
        (Some(rest), None) => joined.push(rest),
        (None, _) => {}
    }
    joined
}

/// Fits steps with slopes between them on rows sorted by margin.
pub(super) fn fit_isotonic(samples: &[Sample]) -> Calibrator {
    let (mut margins, mut rates) = (Vec::new(), Vec::new());
    let mut start = 0;
    for run in with_patients(samples, pooled(samples)) {
        let own = &samples[start..run.end];
        start = run.end;
        let sum: f64 = own.iter().map(|sample| sample.weight * sample.margin).sum();
        let mean = sum / total(own);
        // Rounding may bring two centres together when margins differ in their last bits only.
        if margins.last().is_none_or(|last| *last < mean) {
            margins.push(mean);
            rates.push(run.rate());
        }
    }
    Calibrator::Isotonic { margins, rates, rows: whole(effective(samples)) }
}

/// The rate at `margin`: a straight line between knots, flat outside.
pub(super) fn interpolated(margins: &[f64], rates: &[f64], margin: f64) -> f64 {
    let above = margins.partition_point(|knot| *knot <= margin);
    let Some(last) = rates.len().checked_sub(1) else { return 0.0 };
    if above == 0 || above > last {
        return rates[above.min(last)];
    }
    let (low, high) = (rates[above - 1], rates[above]);
    let share = (margin - margins[above - 1]) / (margins[above] - margins[above - 1]);
    // Rounding must not lift a point above the next knot: that would break the order.
    (low + share * (high - low)).min(high)
}
