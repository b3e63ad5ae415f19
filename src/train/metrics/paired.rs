//! Two sets of predictions of the same rows, compared in pairs: both see the same resampled patients.

use serde::Serialize;

use super::groups::enough;
use super::ranking::Ranked;
use super::resampling::{DRAWS, Resampled, Resampling};
use super::{outcome, row_loss, usable};
use crate::model::Weights;

/// The share of the rows whose findings are compared.
const TOP: [f64; 1] = [0.1];

/// How much higher a figure of the first set is than that of the second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// First less second.
    pub difference: f64,
    /// 95% interval of it, patients resampled, both sets on the same draws.
    pub interval: [f64; 2],
    /// Two-sided: twice the share of draws on the rarer side of 0 (Davison and Hinkley 1997), never
    /// below 2 / (draws + 1).
    pub p_value: f64,
}

/// Two sets of predictions on the same rows; every difference is the first set's less the second's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Rows compared.
    pub rows: usize,
    /// Distinct patients among them.
    pub patients: usize,
    /// Rows with the outcome.
    pub events: usize,
    /// Above 0 the first ranks better.
    pub auroc: Difference,
    /// Above 0 the first ranks better at the top.
    pub average_precision: Difference,
    /// Of the tenth of the rows with the highest values, the share of all outcomes found; above 0 the
    /// first finds more.
    pub sensitivity_top_tenth: Difference,
    /// Below 0 the first errs less; `None` where one of the sets holds no probabilities.
    pub brier: Option<Difference>,
    /// Below 0 the first errs less; `None` where one of the sets holds no probabilities.
    pub log_loss: Option<Difference>,
}

/// Compares `first` with `second` on the same rows. `None` with too few patients with or without the
/// outcome, for slices of other lengths, weights that are none or a value that is not finite. Brier
/// score and log loss are compared where both sets lie between 0 and 1.
pub fn paired(
    first: &[f64],
    second: &[f64],
    y: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    seed: u64,
) -> Option<Comparison> {
    let lengths = second.len() == first.len() && patients.len() == first.len();
    if !usable(first, y, weights) || !lengths {
        return None;
    }
    let rows = weights.counted(0..first.len());
    let finite = rows.iter().all(|row| first[*row].is_finite() && second[*row].is_finite());
    let of = |with: bool| rows.iter().filter(move |row| y[**row] == with).map(|row| patients[*row]);
    if !finite || !enough(of(true)) || !enough(of(false)) {
        return None;
    }
    let resampling =
        Resampling::of(&rows.iter().map(|row| patients[*row]).collect::<Vec<_>>(), seed);
    let take = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<f64>>();
    let (first, second) = (take(first), take(second));
    let y: Vec<bool> = rows.iter().map(|row| y[*row]).collect();
    let weights = weights.of_rows(&rows);
    let weights = Weights::from(&weights);
    let ranked = [&first, &second].map(|values| Ranked::of(values, &y, weights, &resampling));
    let is_probability = |values: &[f64]| values.iter().all(|value| (0.0..=1.0).contains(value));
    let probabilities = is_probability(&first) && is_probability(&second);
    let sums = resampling.sums(3, |row, sums| {
        let weight = weights.of(row);
        sums[0] += weight;
        if probabilities {
            let error = |p: f64| (p - outcome(y[row])).powi(2);
            sums[1] += weight * (error(first[row]) - error(second[row]));
            sums[2] += weight * (row_loss(first[row], y[row]) - row_loss(second[row], y[row]));
        }
    });
    let figures = resampling.figures(DRAWS, |times| {
        let [one, other] = ranked.each_ref().map(|ranked| {
            let found = ranked.descent(times, &TOP);
            let top = found.top.first().map_or(f64::NAN, |top| top.with / found.all.with);
            [found.auroc, found.average_precision, top]
        });
        let sums = sums.drawn(times);
        let ranks = one.iter().zip(other).map(|(one, other)| one - other);
        ranks.chain([sums[1] / sums[0], sums[2] / sums[0]]).collect()
    });
    Some(Comparison {
        rows: rows.len(),
        patients: resampling.distinct,
        events: y.iter().filter(|event| **event).count(),
        auroc: difference(&figures, 0)?,
        average_precision: difference(&figures, 1)?,
        sensitivity_top_tenth: difference(&figures, 2)?,
        brier: difference(&figures, 3).filter(|_| probabilities),
        log_loss: difference(&figures, 4).filter(|_| probabilities),
    })
}

fn difference(figures: &Resampled, place: usize) -> Option<Difference> {
    let estimate = figures.estimate(place)?;
    let drawn = figures.draws_of(place);
    let (below, above) = (
        drawn.iter().filter(|value| **value <= 0.0).count(),
        drawn.iter().filter(|value| **value >= 0.0).count(),
    );
    let rarer = (below.min(above) + 1) as f64 / (drawn.len() + 1) as f64;
    Some(Difference {
        difference: estimate.value,
        interval: estimate.interval,
        p_value: (2.0 * rarer).min(1.0),
    })
}
