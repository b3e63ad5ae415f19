//! Weighted regression of a series on one column, beside a level for each season.
//!
//! A generalised linear model in the canonical link of its scale, fitted by iteratively reweighted
//! least squares, with a variance between periods added to that of people (as in meta-regression:
//! Thompson and Sharp 1999, Stat Med 18:2693). Levels of seasons are taken out by centring within
//! season (Frisch and Waugh), so that one slope is left and no system of equations is to be solved.

use super::series::{Observation, Observed};

/// Least squares are weighed again so often at most.
const ROUNDS_MAX: usize = 40;
/// Less than this part of a column beside the levels is rounding.
const LEFT_MIN: f64 = 1e-9;

/// A regression.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    /// By observation: on the scale of the series, the inverse of the variance.
    pub(super) weights: Vec<f64>,
    /// By observation: what is seen less what is fitted, on the scale of the series.
    pub(super) residuals: Vec<f64>,
    pub(super) linear: Vec<f64>,
    pub(super) slope: f64,
}

/// Fits the levels of seasons and, where there is a column, its slope. `between`: the variance between
/// periods on the scale of the series.
pub(super) fn fit(observed: &Observed, column: Option<&[f64]>, between: f64) -> Fit {
    let (scale, observations) = (observed.scale, &observed.observations);
    // Without a column no figure runs to the end of its scale; with one a whole side may.
    let values: Vec<f64> = match column {
        None => observations.iter().map(|one| one.value).collect(),
        Some(_) => observations.iter().map(|one| one.inside(scale)).collect(),
    };
    let mut linear: Vec<f64> = match column {
        None => levels(observations, &values, observed.seasons),
        Some(_) => values.clone(),
    };
    linear.iter_mut().for_each(|value| *value = scale.linear(*value));
    let (mut weights, mut working) = (Vec::new(), Vec::new());
    let mut slope = 0.0;
    for _ in 0..ROUNDS_MAX {
        (weights, working) = (Vec::new(), Vec::new());
        for ((one, value), linear) in observations.iter().zip(&values).zip(&linear) {
            let fitted = scale.value(*linear);
            let variance = 1.0 / (one.count * scale.slope(fitted));
            weights.push(1.0 / (variance + between));
            working.push(linear + (value - fitted) / scale.slope(fitted));
        }
        let away = centred(observed, &weights, &working);
        let mut next: Vec<f64> =
            working.iter().zip(&away).map(|(value, away)| value - away).collect();
        if let Some(column) = column {
            let column = centred(observed, &weights, column);
            slope = product(&weights, &column, &away) / product(&weights, &column, &column);
            next.iter_mut().zip(&column).for_each(|(level, column)| *level += slope * column);
        }
        let bounded = next.iter().map(|value| scale.linear(scale.value(*value)));
        let next: Vec<f64> = bounded.collect();
        let moved = next.iter().zip(&linear).map(|(next, before)| (next - before).abs());
        let moved = moved.fold(0.0, f64::max);
        linear = next;
        if moved < 1e-10 {
            break;
        }
    }
    let residuals = working.iter().zip(&linear).map(|(seen, fitted)| seen - fitted).collect();
    Fit { weights, residuals, linear, slope }
}

/// Each season's share of all that happened in it.
fn levels(observations: &[Observation], values: &[f64], seasons: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); seasons];
    for (one, value) in observations.iter().zip(values) {
        if let Some((of_values, of_counts)) = sums.get_mut(one.season) {
            *of_values += one.count * value;
            *of_counts += one.count;
        }
    }
    let level = |one: &Observation| sums.get(one.season).map_or(f64::NAN, |(y, n)| y / n);
    observations.iter().map(level).collect()
}

/// A column less its weighted mean in each season.
pub(super) fn centred(observed: &Observed, weights: &[f64], column: &[f64]) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); observed.seasons];
    for ((one, weight), value) in observed.observations.iter().zip(weights).zip(column) {
        if let Some((of_values, of_weights)) = sums.get_mut(one.season) {
            *of_values += weight * value;
            *of_weights += weight;
        }
    }
    let away = |(one, value): (&Observation, &f64)| {
        sums.get(one.season).map_or(0.0, |(of_values, of_weights)| value - of_values / of_weights)
    };
    observed.observations.iter().zip(column).map(away).collect()
}

/// The weighted inner product.
pub(super) fn product(weights: &[f64], one: &[f64], other: &[f64]) -> f64 {
    weights.iter().zip(one).zip(other).map(|((weight, one), other)| weight * one * other).sum()
}

/// Whether something of the column is left once the levels of seasons are taken out.
pub(super) fn is_left(weights: &[f64], column: &[f64], centred: &[f64]) -> bool {
    product(weights, centred, centred) > LEFT_MIN * product(weights, column, column)
}
