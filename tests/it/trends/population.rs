//! Populations drawn at random, and releases made of them, to attack.

use std::collections::BTreeMap;

use prodrome::trend::{
    Cell, Coordinates, FORMAT_VERSION, Figure, FigureKind, Frame, Group, GroupPlace, Key, KeyName,
    KeyValue, Masks, Measure, Period, PeriodUnit, Point, Privacy, Release, Rolled, Series, Shown,
    ShownMeasure, Table, Tally, roll, suppress,
};

use super::attack::has_hits;

/// What is counted, by which groups.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) frame: Frame,
    pub(crate) kinds: Vec<FigureKind>,
}

const KEYS: [KeyName; 3] = [KeyName::AgeBand, KeyName::Sex, KeyName::Region];

impl World {
    /// One to three keys of one to five values, with no more than `cells_max` cells in all; some of
    /// the groupings; two measures.
    pub(crate) fn draw(rng: &mut fastrand::Rng, cells_max: u16) -> World {
        let sizes = loop {
            let sizes: Vec<u16> = (0..rng.usize(1..=3)).map(|_| rng.u16(1..=5)).collect();
            if sizes.iter().product::<u16>() <= cells_max {
                break sizes;
            }
        };
        let of_bits = |bits: u32| (0..sizes.len()).filter(|key| bits >> key & 1 == 1).collect();
        let mut groupings: Vec<Vec<usize>> = vec![Vec::new()];
        for bits in 1..1 << sizes.len() {
            if rng.u32(..4) > 0 {
                groupings.push(of_bits(bits));
            }
        }
        let with_hits = [FigureKind::Share, FigureKind::Rate, FigureKind::Outcome];
        let second = [FigureKind::Mean, FigureKind::Risk, FigureKind::Share];
        let kinds = vec![with_hits[rng.usize(..3)], second[rng.usize(..3)]];
        World { frame: Frame { sizes, groupings }, kinds }
    }

    /// The places of the full cross.
    pub(crate) fn places(&self) -> Vec<Coordinates> {
        let all: Vec<usize> = (0..self.frame.sizes.len()).collect();
        self.places_of(&all)
    }

    fn places_of(&self, keys: &[usize]) -> Vec<Coordinates> {
        let mut places = vec![Coordinates::new()];
        for key in keys {
            let size = self.frame.sizes[*key];
            let with = |place: &Coordinates, value| [&place[..], &[value]].concat();
            places = places
                .iter()
                .flat_map(|place| (0..size).map(move |value| with(place, value)))
                .collect();
        }
        places
    }

    /// Skewed counts: many zeros and small ones, a few large.
    pub(crate) fn table(&self, rng: &mut fastrand::Rng, periods: usize) -> Table {
        let mut table = Table::default();
        for _ in 0..periods {
            let mut cells = BTreeMap::new();
            for place in self.places() {
                let people = match rng.u32(..10) {
                    0 | 1 => 0,
                    2..=4 => rng.u64(1..=12),
                    5..=8 => rng.u64(5..=80),
                    _ => rng.u64(100..=3000),
                };
                if people > 0 {
                    cells.insert(place, self.cell(rng, people));
                }
            }
            table.periods.push(cells);
        }
        table
    }

    pub(crate) fn cell(&self, rng: &mut fastrand::Rng, people: u64) -> Cell {
        let part = |rng: &mut fastrand::Rng, of: u64| match rng.u32(..6) {
            0 => of,
            1 => 0,
            2 => of.saturating_sub(rng.u64(..14)),
            3 => rng.u64(..14).min(of),
            _ => rng.u64(..=of),
        };
        let tallies = self.kinds.iter().map(|_| {
            let measured = part(rng, people);
            let hits = part(rng, measured);
            Tally { measured, hits, ..Tally::default() }
        });
        Cell { people, tallies: tallies.collect() }
    }

    /// The table as a later export has it: more people in old periods, and one more period.
    pub(crate) fn later(&self, rng: &mut fastrand::Rng, table: &Table) -> Table {
        let mut later = table.clone();
        for cells in &mut later.periods {
            for place in self.places() {
                if rng.u32(..3) == 0 {
                    let people = rng.u64(1..=4);
                    let more = self.cell(rng, people);
                    cells.entry(place).or_default().join(&more);
                }
            }
        }
        later.periods.extend(self.table(rng, 1).periods);
        later
    }

    pub(crate) fn roll(&self, table: &Table) -> Rolled {
        roll(table, &self.frame).unwrap()
    }

    pub(crate) fn group(&self, grouping: usize, coordinates: &Coordinates) -> Group {
        let keys = self.frame.groupings[grouping].iter();
        Group(keys.zip(coordinates).map(|(key, value)| (KEYS[*key], format!("v{value}"))).collect())
    }

    /// All groups of all groupings, those without anybody too.
    pub(crate) fn groups(&self) -> Vec<GroupPlace> {
        let of = |(grouping, keys): (usize, &Vec<usize>)| {
            self.places_of(keys).into_iter().map(move |place| (grouping, place))
        };
        self.frame.groupings.iter().enumerate().flat_map(of).collect()
    }

    /// What may be shown of `table` as a release.
    pub(crate) fn release(&self, table: &Table) -> Release {
        let rolled = self.roll(table);
        let masks = suppress(&rolled, &self.kinds);
        let mut release = self.show(&rolled, &masked(&masks));
        release.privacy = masks.privacy(0);
        release
    }

    /// A release of what `shown` lets through.
    pub(crate) fn show(
        &self,
        rolled: &Rolled,
        shown: &dyn Fn(usize, &GroupPlace) -> Shown,
    ) -> Release {
        let mut series = Vec::new();
        for (measure, kind) in self.kinds.iter().enumerate() {
            for place in self.groups() {
                let points = (0..rolled.period_count()).map(|period| {
                    let nobody = Cell { tallies: vec![Tally::default(); 2], ..Cell::default() };
                    let cell = rolled.cell(period, &place).unwrap_or(&nobody);
                    point(cell, measure, *kind, &shown(period, &place))
                });
                let points = points.collect();
                let group = self.group(place.0, &place.1);
                series.push(Series { measure: format!("m{measure}"), group, points });
            }
        }
        series.sort_by(|one, next| (&one.measure, &one.group).cmp(&(&next.measure, &next.group)));
        Release { series, ..self.frame_of_release(rolled.period_count()) }
    }

    fn frame_of_release(&self, periods: usize) -> Release {
        let period = |at: usize| Period {
            name: (2001 + at).to_string(),
            first_day: format!("{}-01-01", 2001 + at),
            last_day: format!("{}-12-31", 2001 + at),
        };
        let value = |value: u16| KeyValue {
            name: format!("v{value}"),
            age_years_min: None,
            age_years_max: None,
        };
        let measure = |(at, kind): (usize, &FigureKind)| Measure {
            name: format!("m{at}"),
            title: format!("measure {at}"),
            kind: *kind,
            unit: None,
            more_is_worse: None,
            task: None,
            bundle_digest: None,
            concepts: Vec::new(),
            is_measured_in_part: true,
            coding_changes: Vec::new(),
        };
        let keys = self.frame.sizes.iter().zip(KEYS);
        Release {
            format_version: FORMAT_VERSION,
            name: "random".to_owned(),
            title: "Drawn at random".to_owned(),
            spec_digest: "cd".repeat(32),
            source: "drawn".to_owned(),
            synthetic: true,
            period_unit: PeriodUnit::Year,
            period_count: 1,
            periods: (0..periods).map(period).collect(),
            region_digits_max: 3,
            keys: keys
                .map(|(size, name)| Key { name, values: (0..*size).map(value).collect() })
                .collect(),
            measures: self.kinds.iter().enumerate().map(measure).collect(),
            standard: None,
            series: Vec::new(),
            statements: Vec::new(),
            tested: 0,
            false_discovery_rate: 0.05,
            peers: Vec::new(),
            privacy: Privacy::default(),
        }
    }
}

/// What the masks let through.
fn masked(masks: &Masks) -> impl Fn(usize, &GroupPlace) -> Shown + '_ {
    |period, (grouping, coordinates)| masks.shown(period, *grouping, coordinates)
}

pub(crate) fn is_small(count: u64) -> bool {
    (1..=10).contains(&count)
}

/// What one who suppresses small counts, and nothing beside, lets through.
pub(crate) fn careless(world: &World, rolled: &Rolled) -> impl Fn(usize, &GroupPlace) -> Shown {
    move |period, place| {
        let Some(cell) = rolled.cell(period, place) else {
            let measures =
                vec![
                    ShownMeasure { measured: true, hits: true, figure: true, is_small: false };
                    world.kinds.len()
                ];
            return Shown { people: true, measures };
        };
        let people = !is_small(cell.people);
        let of = |(tally, kind): (&Tally, &FigureKind)| {
            let rest = cell.people - tally.measured;
            let measured = people && !is_small(tally.measured) && !is_small(rest);
            let hits = measured && !is_small(tally.hits) && !is_small(tally.measured - tally.hits);
            let figure = if has_hits(*kind) { hits } else { measured };
            ShownMeasure { measured, hits, figure, is_small: false }
        };
        Shown { people, measures: cell.tallies.iter().zip(&world.kinds).map(of).collect() }
    }
}

fn point(cell: &Cell, measure: usize, kind: FigureKind, shown: &Shown) -> Point {
    let (tally, may) = (&cell.tallies[measure], shown.measures[measure]);
    let estimate =
        if tally.measured == 0 { 0.0 } else { tally.hits as f64 / tally.measured as f64 };
    let figure =
        Figure { estimate, low: estimate, high: estimate, standard_error: 0.0, freedom: None };
    Point {
        people: shown.people.then_some(cell.people),
        measured: may.measured.then_some(tally.measured),
        hits: (may.hits && has_hits(kind)).then_some(tally.hits),
        figure: may.figure.then_some(figure),
        standardised: None,
        smoothed: None,
    }
}
