//! The shapes of change that are looked for, each one column of a regression.

use super::series::Observed;
use crate::trend::release::StatementKind;

/// A bend is looked for at so many places at most: more would make each less likely to be told from
/// chance.
const TURNS_MAX: usize = 5;
/// A bend has so many figures on either side.
const TURN_SIDE_MIN: usize = 2;

/// What may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As much more in each period.
    Trend,
    /// Level up to and in this period, as much more in each since.
    Turn { level_until: usize },
    /// The period of the last figure unlike those before.
    Latest { period: usize },
}

impl Shape {
    pub(super) fn kind(self) -> StatementKind {
        match self {
            Shape::Trend => StatementKind::Trend,
            Shape::Turn { .. } => StatementKind::Turn,
            Shape::Latest { .. } => StatementKind::Latest,
        }
    }

    /// How far the change has gone in a period.
    pub(super) fn at(self, period: usize) -> f64 {
        match self {
            Shape::Trend => period as f64,
            Shape::Turn { level_until } => period.saturating_sub(level_until) as f64,
            Shape::Latest { period: last } => f64::from(u8::from(period >= last)),
        }
    }

    pub(super) fn column(self, observed: &Observed) -> Vec<f64> {
        observed.observations.iter().map(|one| self.at(one.period)).collect()
    }
}

/// The shapes that the figures of a series can show. Of two figures there is but their difference.
pub(super) fn shapes(observed: &Observed) -> Vec<Shape> {
    let periods: Vec<usize> = observed.observations.iter().map(|one| one.period).collect();
    let mut shapes = vec![Shape::Trend];
    if let [_, .., _, last] = periods.as_slice() {
        shapes.push(Shape::Latest { period: *last });
    }
    let bends = periods.len().saturating_sub(TURN_SIDE_MIN);
    let places = periods.get(TURN_SIDE_MIN - 1..bends).unwrap_or_default();
    let step = places.len().div_ceil(TURNS_MAX).max(1);
    // From the middle of each stretch, so that the places lie evenly.
    let chosen = places.iter().skip((step - 1) / 2).step_by(step);
    shapes.extend(chosen.map(|period| Shape::Turn { level_until: *period }));
    shapes
}

/// Shapes that take up real changes, so that what is left over is between periods by chance: as many
/// as leave something over.
pub(super) fn wide(observed: &Observed) -> Vec<Shape> {
    let all = shapes(observed);
    let turns = || all.iter().filter(|shape| matches!(shape, Shape::Turn { .. }));
    let middle = turns().nth(turns().count() / 2).copied();
    let ends = all.iter().filter(|shape| !matches!(shape, Shape::Turn { .. })).copied();
    ends.chain(middle).collect()
}
