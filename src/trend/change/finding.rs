//! Whether a series changed: the best of the shapes, its probability by chance, and how large it is.

use super::dispersion::Between;
use super::fit::{Fit, centred, fit, is_left, product};
use super::series::Observed;
use super::shape::{Shape, shapes};
use crate::trend::chance::two_sided_p;

/// The best shape of a series.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) shape: Shape,
    /// By chance as far from no change, in any of the shapes.
    pub(super) p_value: f64,
    pub(super) change: Change,
}

/// How large a change is, season adjusted: between the first period of the shape and its last, both in
/// the season of the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) first_period: usize,
    pub(super) last_period: usize,
    /// As fitted, in the unit of the figure.
    pub(super) before: f64,
    pub(super) after: f64,
    pub(super) standard_error: f64,
    /// On the scale of the series.
    pub(super) linear: f64,
    pub(super) linear_error: f64,
    pub(super) freedom: f64,
}

/// The best shape of the series; `None` where no shape can be told from the seasons.
///
/// The shape is the one whose score is furthest from 0. Its probability is the greater of the score
/// test's (which holds for small counts) and that of the fitted slope, and is corrected for the number
/// of shapes by Sidak's inequality, which holds for any correlation between normal scores.
pub(super) fn finding(observed: &Observed, between: Between) -> Option<Finding> {
    let null = fit(observed, None, between.variance);
    let scores = shapes(observed).into_iter().filter_map(|shape| {
        let column = shape.column(observed);
        let rest = centred(observed, &null.weights, &column);
        let information = product(&null.weights, &rest, &rest);
        let score = product(&null.weights, &rest, &null.residuals) / information.sqrt();
        let is_sound = is_left(&null.weights, &column, &rest) && score.is_finite();
        is_sound.then_some((shape, score, freedom(observed, &null, &rest, between)))
    });
    let scores: Vec<(Shape, f64, f64)> = scores.collect();
    let best = scores.iter().max_by(|one, other| one.1.abs().total_cmp(&other.1.abs()))?;
    let (shape, score, by_score) = *best;
    let change = change(observed, shape, between)?;
    let by_slope = change.linear / change.linear_error;
    // A slope the other way, which rounding or an empty period can make, is no sign of a change.
    let is_same_way = by_slope * score > 0.0;
    let single = two_sided_p(score, by_score).max(two_sided_p(by_slope, change.freedom));
    let single = if is_same_way { single } else { 1.0 };
    let p_value = -(scores.len() as f64 * (-single).ln_1p()).exp_m1();
    Some(Finding { shape, p_value: p_value.clamp(0.0, 1.0), change })
}

/// The degrees of freedom of a slope's variance (Satterthwaite): people's chance is known, that between
/// periods is estimated.
fn freedom(observed: &Observed, fit: &Fit, rest: &[f64], between: Between) -> f64 {
    let all = product(&fit.weights, rest, rest);
    let squares: Vec<f64> = fit.weights.iter().map(|weight| weight * weight).collect();
    let part = between.variance * product(&squares, rest, rest) / all;
    let of_between = if part > 0.0 { between.freedom / (part * part) } else { f64::INFINITY };
    of_between.min(observed.freedom)
}

fn change(observed: &Observed, shape: Shape, between: Between) -> Option<Change> {
    let (scale, column) = (observed.scale, shape.column(observed));
    let fit = fit(observed, Some(&column), between.variance);
    let rest = centred(observed, &fit.weights, &column);
    let slope_variance = 1.0 / product(&fit.weights, &rest, &rest);
    let first = observed.observations.first()?;
    let first_period = match shape {
        Shape::Turn { level_until } => level_until,
        Shape::Trend | Shape::Latest { .. } => first.period,
    };
    let last_place = observed.observations.len() - 1;
    let last = observed.observations.get(last_place)?;
    let (after_linear, last_rest) = (fit.linear.get(last_place)?, rest.get(last_place)?);
    let reach = shape.at(last.period) - shape.at(first_period);
    let before_linear = after_linear - fit.slope * reach;
    let (before, after) = (scale.value(before_linear), scale.value(*after_linear));
    // The level of a season and the slope beside it vary independently.
    let inside = observed.observations.iter().zip(&fit.weights);
    let level: f64 = inside.filter(|(one, _)| one.season == last.season).map(|(_, w)| w).sum();
    let (before_slope, after_slope) = (scale.slope(before), scale.slope(after));
    let by_level = (after_slope - before_slope).powi(2) / level;
    let by_slope = (after_slope * last_rest - before_slope * (last_rest - reach)).powi(2);
    let change = Change {
        first_period,
        last_period: last.period,
        before,
        after,
        standard_error: (by_level + by_slope * slope_variance).sqrt(),
        linear: fit.slope * reach,
        linear_error: reach.abs() * slope_variance.sqrt(),
        freedom: freedom(observed, &fit, &rest, between),
    };
    let Change { standard_error, linear, linear_error, .. } = change;
    let numbers = [before, after, standard_error, linear, linear_error];
    (numbers.iter().all(|number| number.is_finite()) && linear_error > 0.0).then_some(change)
}
