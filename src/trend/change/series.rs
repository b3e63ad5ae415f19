//! A series as change is sought in it: released figures, each with the number of independent people
//! (or units of person-time) that it is worth.

use crate::model::{logit, sigmoid};
use crate::trend::release::{Figure, FigureKind, Release, Series};
use crate::trend::standard::one_more;

/// Beyond this a linear predictor is as good as infinite.
const LINEAR_MAX: f64 = 30.0;
/// More than this counts as this, so that sums of counts stay finite.
const COUNT_MAX: f64 = 1e15;

/// The scale on which changes add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    LogOdds,
    Log,
    Plain,
}

impl Scale {
    pub(super) fn of(kind: FigureKind) -> Scale {
        match kind {
            FigureKind::Share | FigureKind::Outcome | FigureKind::Risk => Scale::LogOdds,
            FigureKind::Rate => Scale::Log,
            FigureKind::Mean => Scale::Plain,
        }
    }

    /// From a figure to this scale.
    pub(super) fn linear(self, value: f64) -> f64 {
        match self {
            Scale::LogOdds => logit(value.clamp(0.0, 1.0)).clamp(-LINEAR_MAX, LINEAR_MAX),
            Scale::Log => value.max(0.0).ln().clamp(-LINEAR_MAX, LINEAR_MAX),
            Scale::Plain => value,
        }
    }

    /// From this scale to a figure.
    pub(super) fn value(self, linear: f64) -> f64 {
        match self {
            Scale::LogOdds => sigmoid(linear.clamp(-LINEAR_MAX, LINEAR_MAX)),
            Scale::Log => linear.clamp(-LINEAR_MAX, LINEAR_MAX).exp(),
            Scale::Plain => linear,
        }
    }

    /// How fast the figure goes with this scale; on these scales it is also the variance of one
    /// independent person.
    pub(super) fn slope(self, value: f64) -> f64 {
        match self {
            Scale::LogOdds => (value * (1.0 - value)).max(1e-12),
            Scale::Log => value.max(1e-12),
            Scale::Plain => 1.0,
        }
    }
}

/// One figure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observation {
    /// Its place in `Release::periods`.
    pub(super) period: usize,
    pub(super) season: usize,
    pub(super) value: f64,
    /// The number of independent people or units that it is worth.
    pub(super) count: f64,
}

impl Observation {
    /// The value, away from the ends of its scale by half of a person.
    pub(super) fn inside(&self, scale: Scale) -> f64 {
        match scale {
            Scale::LogOdds if self.value <= 0.0 || self.value >= 1.0 => {
                (self.value * self.count + 0.5) / (self.count + 1.0)
            }
            Scale::Log if self.value <= 0.0 => 0.5 / self.count,
            _ => self.value,
        }
    }
}

/// The figures of a series that can be compared, two at least.
#[derive(Debug, Clone)]
pub(super) struct Observed {
    pub(super) scale: Scale,
    pub(super) observations: Vec<Observation>,
    /// How many seasons a year has; 1 where they are not told apart.
    pub(super) seasons: usize,
    /// Degrees of freedom of the figures' standard errors.
    pub(super) freedom: f64,
    /// Of a mean: the standard deviation between people.
    pub(super) deviation: Option<f64>,
}

/// How many seasons are told apart: those of a year where periods are parts of one and two whole years
/// are there, else one.
pub(super) fn seasons(release: &Release) -> usize {
    let parts = parts_of_a_year(release);
    if parts > 1 && release.periods.len() >= 2 * parts { parts } else { 1 }
}

/// How many periods make a year; 1 where years are not so divided.
pub(in crate::trend) fn parts_of_a_year(release: &Release) -> usize {
    let months = u64::from(release.period_count.max(1)) * u64::from(release.period_unit.months());
    if months < 12 && 12 % months == 0 { 12 / months as usize } else { 1 }
}

/// What can be compared in a series; `None` with fewer than two figures of which the chance is known.
pub(super) fn observed(series: &Series, kind: FigureKind, seasons: usize) -> Option<Observed> {
    let scale = Scale::of(kind);
    let shown: Vec<(usize, Figure, f64)> = series
        .points
        .iter()
        .enumerate()
        .filter_map(|(period, point)| {
            let (figure, measured) = (point.figure?, point.measured.filter(|people| *people > 0)?);
            let is_sound = figure.estimate.is_finite() && figure.standard_error.is_finite();
            let is_inside = match scale {
                Scale::LogOdds => (0.0..=1.0).contains(&figure.estimate),
                Scale::Log => figure.estimate >= 0.0,
                Scale::Plain => true,
            };
            (is_sound && is_inside).then_some((period, figure, measured as f64))
        })
        .collect();
    let by_design = shown.iter().filter_map(|(_, figure, _)| figure.freedom).min();
    let per_person = per_person(&shown, kind);
    let observation = |(period, figure, measured): &(usize, Figure, f64)| {
        let count = match by_design {
            Some(_) => worth(figure, kind).unwrap_or(*measured),
            None => measured / per_person?,
        };
        let (count, season) = (count.min(COUNT_MAX), period % seasons.max(1));
        (count.is_finite() && count > 0.0).then_some(Observation {
            period: *period,
            season,
            value: figure.estimate,
            count,
        })
    };
    let observations: Vec<Observation> = shown.iter().filter_map(observation).collect();
    let people: f64 = shown.iter().map(|(_, _, measured)| measured).sum();
    let freedom = match (by_design, kind) {
        (Some(freedom), _) => f64::from(freedom.max(1)),
        (None, FigureKind::Mean) => (people - shown.len() as f64).max(1.0),
        (None, _) => f64::INFINITY,
    };
    let deviation = (kind == FigureKind::Mean).then(|| between_people(&shown));
    (observations.len() >= 2).then_some(Observed {
        scale,
        observations,
        seasons,
        freedom,
        deviation,
    })
}

/// How many independent people, or units of person-time, a figure is worth by its own standard error;
/// `None` where that says nothing.
pub(in crate::trend) fn worth(figure: &Figure, kind: FigureKind) -> Option<f64> {
    let variance = match Scale::of(kind) {
        Scale::Log => return Some(1.0 / one_more(figure)).filter(|worth| worth.is_finite()),
        Scale::LogOdds | Scale::Plain => figure.standard_error.powi(2),
    };
    (variance > 0.0).then(|| Scale::of(kind).slope(figure.estimate) / variance)
}

/// How many people make one independent one, over all periods of a series: a figure that is high by
/// chance has a standard error that is high by chance, and would have the wrong weight by its own.
fn per_person(shown: &[(usize, Figure, f64)], kind: FigureKind) -> Option<f64> {
    if kind == FigureKind::Share {
        return Some(1.0);
    }
    let (mut people, mut sum) = (0.0, 0.0);
    for (_, figure, measured) in shown {
        if let Some(worth) = worth(figure, kind) {
            people += measured;
            sum += measured * measured / worth;
        }
    }
    if people > 0.0 {
        Some(sum / people)
    } else {
        (Scale::of(kind) == Scale::LogOdds).then_some(1.0)
    }
}

/// The standard deviation between people, pooled over periods.
fn between_people(shown: &[(usize, Figure, f64)]) -> f64 {
    let people: f64 = shown.iter().map(|(_, _, measured)| measured).sum();
    let squares = |(_, figure, measured): &(usize, Figure, f64)| {
        measured * measured * figure.standard_error.powi(2)
    };
    (shown.iter().map(squares).sum::<f64>() / people).sqrt()
}
