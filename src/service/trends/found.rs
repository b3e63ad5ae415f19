//! What of a release was found, by its places there.

use std::ops::Range;
use std::sync::Arc;

use crate::registry::LoadedRelease;
use crate::trend::{Measure, Period, Point, Series, Statement};

/// A statement that was found.
#[derive(Debug, Clone)]
pub struct FoundStatement {
    pub release: Arc<LoadedRelease>,
    pub(super) place: usize,
}

impl FoundStatement {
    pub fn statement(&self) -> Option<&Statement> {
        self.release.release().statements.get(self.place)
    }
}

/// A series that was found, with the periods that were asked for.
#[derive(Debug, Clone)]
pub struct FoundSeries {
    pub release: Arc<LoadedRelease>,
    pub(super) place: usize,
    pub(super) periods: Range<usize>,
}

impl FoundSeries {
    pub fn series(&self) -> Option<&Series> {
        self.release.release().series.get(self.place)
    }

    /// The measure of the series.
    pub fn measure(&self) -> Option<&Measure> {
        let series = self.series()?;
        self.release.release().measures.iter().find(|measure| measure.name == series.measure)
    }

    /// Each period with its point.
    pub fn points(&self) -> impl Iterator<Item = (&Period, &Point)> {
        let points = self.series().map(|series| series.points.as_slice()).unwrap_or_default();
        let each = self.release.release().periods.iter().zip(points);
        each.skip(self.periods.start).take(self.periods.len())
    }
}

/// A release that an answer is from.
#[derive(Debug, Clone)]
pub struct FoundRelease {
    pub release: Arc<LoadedRelease>,
    /// Places of the measures that the visitor may see.
    measures: Vec<usize>,
}

impl FoundRelease {
    pub(super) fn of(
        release: Arc<LoadedRelease>,
        allowed: &dyn Fn(&Measure) -> bool,
    ) -> FoundRelease {
        let each = release.release().measures.iter().enumerate();
        let measures = each.filter(|(_, of)| allowed(of)).map(|(place, _)| place).collect();
        FoundRelease { release, measures }
    }

    /// The measures that the visitor may see.
    pub fn measures(&self) -> impl Iterator<Item = &Measure> {
        let all = &self.release.release().measures;
        self.measures.iter().filter_map(|place| all.get(*place))
    }
}
