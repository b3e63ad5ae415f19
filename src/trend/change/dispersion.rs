//! How much figures differ between periods beyond the chance of people: weather, holidays, habits.
//!
//! One variance between periods, on the scale of the series, for all series of a measure and a set of
//! keys; estimated by the method of moments (DerSimonian and Laird 1986, for regressions Thompson and
//! Sharp 1999), never below 0. It is a variance that is added and no factor, so that large groups, in
//! which people are little of the chance, are not judged by small ones (Spiegelhalter 2005, Stat Med
//! 24:1185). What a trend, a step at the end and a bend in the middle take up does not count as chance:
//! a real change hides neither itself nor others, and nothing is chosen by looking. Two periods say
//! nothing about it; then it is taken to be 0. A shock that all groups share in one period is a change
//! of the population, and may be told as one.

use super::fit::{centred, fit, is_left, product};
use super::series::Observed;
use super::shape::wide;

/// With fewer degrees of freedom a set of keys is judged with all sets of its measure.
const FREEDOM_MIN: f64 = 30.0;

/// What is known of the variance between periods; adds up over series.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    /// The weighted squares that are left over.
    squares: f64,
    /// As many as people's chance makes of them.
    freedom: f64,
    /// As many more for each unit of variance between periods.
    per_variance: f64,
}

/// A variance between periods with its degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Between {
    pub(super) variance: f64,
    pub(super) freedom: f64,
}

impl Moments {
    pub(super) fn of(observed: &Observed) -> Moments {
        let null = fit(observed, None, 0.0);
        let mut seasons: Vec<usize> = observed.observations.iter().map(|one| one.season).collect();
        seasons.sort_unstable();
        seasons.dedup();
        let mut freedom = observed.observations.len() as f64 - seasons.len() as f64;
        let ones = vec![1.0; null.weights.len()];
        // Of each season sum w less sum w^2 / sum w, which is the trace without its level.
        let squared = |weights: &[f64]| product(weights, weights, &ones);
        let mut per_variance: f64 = seasons
            .iter()
            .map(|season| {
                let inside = observed.observations.iter().zip(&null.weights);
                let weights: Vec<f64> =
                    inside.filter(|(one, _)| one.season == *season).map(|(_, w)| *w).collect();
                let sum: f64 = weights.iter().sum();
                sum - squared(&weights) / sum
            })
            .sum();
        let mut left = centred(observed, &null.weights, &null.residuals);
        let mut taken: Vec<Vec<f64>> = Vec::new();
        for (place, shape) in wide(observed).into_iter().enumerate() {
            // A bend takes up what is left of short series: it goes only where others stay.
            let needed = if place == 2 { 3.0 } else { 2.0 };
            if freedom < needed {
                break;
            }
            let column = shape.column(observed);
            let mut rest = centred(observed, &null.weights, &column);
            for before in &taken {
                take(&null.weights, before, &mut rest);
            }
            if !is_left(&null.weights, &column, &rest) {
                continue;
            }
            take(&null.weights, &rest, &mut left);
            let squares: Vec<f64> = null.weights.iter().map(|weight| weight * weight).collect();
            per_variance -= product(&squares, &rest, &rest) / product(&null.weights, &rest, &rest);
            freedom -= 1.0;
            taken.push(rest);
        }
        let squares = product(&null.weights, &left, &left);
        let is_sound = [squares, freedom, per_variance].iter().all(|number| number.is_finite());
        // Where not even a trend could be taken out, two periods differ by what is looked for.
        let has_rest = !taken.is_empty() && freedom >= 1.0 && per_variance > 0.0;
        let found = Moments { squares, freedom, per_variance };
        if is_sound && has_rest { found } else { Moments::default() }
    }

    pub(super) fn add(&mut self, other: Moments) {
        self.squares += other.squares;
        self.freedom += other.freedom;
        self.per_variance += other.per_variance;
    }

    /// The variance between periods of these series, or of `all` of the measure where these say too
    /// little.
    pub(super) fn between(self, all: Moments) -> Between {
        let of = if self.freedom < FREEDOM_MIN { all } else { self };
        let variance = (of.squares - of.freedom) / of.per_variance;
        let is_more = variance.is_finite() && variance > 0.0;
        Between { variance: if is_more { variance } else { 0.0 }, freedom: of.freedom }
    }
}

/// Takes out of `column` what goes along `direction`.
fn take(weights: &[f64], direction: &[f64], column: &mut [f64]) {
    let along = product(weights, direction, column) / product(weights, direction, direction);
    column.iter_mut().zip(direction).for_each(|(value, direction)| *value -= along * direction);
}
