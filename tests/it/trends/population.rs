//! Populations drawn at random, and releases made of them, to attack.

use std::collections::BTreeMap;

use prodrome::trend::{
    Cell, Coordinates, FORMAT_VERSION, Figure, FigureKind, Frame, Group, Key, KeyName, KeyValue,
    Masks, Measure, Period, PeriodUnit, Point, Privacy, Release, Rolled, Series, Shown,
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
    pub(crate) fn groups(&self) -> Vec<(usize, Coordinates)> {
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
        shown: &dyn Fn(usize, &(usize, Coordinates)) -> Shown,
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
//! Populations of which it is known what changed, drawn as counts by age band, sex and region: for what
//! is told of changes.

use prodrome::trend::{
    Amount, ChangeParams, Direction, FORMAT_VERSION, FigureKind, Group, Key, KeyName, KeyValue,
    Measure, Period, PeriodUnit, Point, Privacy, Release, Series, Statement, Tally, estimate, tell,
};

use super::sample::group;

const REGIONS: usize = 10;
const BANDS: usize = 10;
const SEXES: [&str; 2] = ["female", "male"];
/// Age, sex and region of the cell in which something may be planted.
const PLANTED: [usize; 3] = [6, 1, 3];

/// What is planted in one cell: so many points (of one) more.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Plant {
    Nothing,
    /// From the first period to the last, as much in each.
    Gradual(f64),
    /// At once, in this period and after.
    Sudden(f64, usize),
}

/// How a population is drawn.
#[derive(Clone)]
pub(crate) struct Population {
    pub(crate) kind: FigureKind,
    pub(crate) periods: usize,
    pub(crate) unit: PeriodUnit,
    /// The share of everybody, or contacts per year, or the mean.
    pub(crate) base: f64,
    pub(crate) plant: Plant,
    /// Standard deviations, on the log-odds (or log), between periods: each cell's own, and common.
    pub(crate) own_shocks: f64,
    pub(crate) common_shocks: f64,
    /// Of the season, on the log-odds.
    pub(crate) season: f64,
    pub(crate) people: (f64, f64),
}

impl Population {
    pub(crate) fn shares(periods: usize) -> Population {
        Population {
            kind: FigureKind::Share,
            periods,
            unit: PeriodUnit::Year,
            base: 0.28,
            plant: Plant::Nothing,
            own_shocks: 0.0,
            common_shocks: 0.0,
            season: 0.0,
            people: (500.0, 20_000.0),
        }
    }

    /// The release of one draw, with all that is told of it.
    pub(crate) fn release(&self, seed: u64, change: &ChangeParams) -> Release {
        let mut draws = Draws(fastrand::Rng::with_seed(seed));
        let mut release = empty(self);
        let cells = self.cells(&mut draws);
        for keys in groupings() {
            let mut groups: Vec<(Group, Vec<Tally>)> = Vec::new();
            for (place, tallies) in &cells {
                let group = group_of(place, &keys);
                match groups.iter_mut().find(|(known, _)| *known == group) {
                    None => groups.push((group, tallies.clone())),
                    Some((_, sums)) => {
                        sums.iter_mut().zip(tallies).for_each(|(sum, more)| sum.join(more));
                    }
                }
            }
            for (group, tallies) in groups {
                let points = tallies.iter().map(|tally| point(tally, self.kind)).collect();
                release.series.push(Series { measure: "measure".into(), group, points });
            }
        }
        tell(&mut release, change);
        release
    }

    /// By place, in age, sex and region: one tally for each period.
    fn cells(&self, draws: &mut Draws) -> Vec<([usize; 3], Vec<Tally>)> {
        let common: Vec<f64> =
            (0..self.periods).map(|_| self.common_shocks * draws.normal()).collect();
        let mut cells = Vec::new();
        for place in (0..BANDS * SEXES.len() * REGIONS)
            .map(|at| [at / (SEXES.len() * REGIONS), at / REGIONS % SEXES.len(), at % REGIONS])
        {
            let (least, most) = self.people;
            let people = match place == PLANTED {
                true => 8000.0,
                false => least * (most / least).powf(draws.0.f64()),
            };
            let level = 0.15 * draws.normal();
            let tallies = (0..self.periods).map(|period| {
                let season = self.season * f64::from(u8::from(period % 4 == 3));
                let shock = common[period] + self.own_shocks * draws.normal();
                let extra =
                    if place == PLANTED { self.plant.at(period, self.periods) } else { 0.0 };
                let people = (people * (1.0 + 0.02 * draws.normal())).round();
                self.tally(people, level + season + shock, extra, draws)
            });
            cells.push((place, tallies.collect()));
        }
        cells
    }

    fn tally(&self, people: f64, shift: f64, extra: f64, draws: &mut Draws) -> Tally {
        let amount = |value: f64| Amount::of(value);
        let mut tally = Tally {
            measured: people as u64,
            x: amount(people),
            xx: amount(people),
            ..Tally::default()
        };
        let base = self.base;
        match self.kind {
            FigureKind::Share => {
                let share = 1.0 / (1.0 + ((1.0 - base) / base * (-shift).exp())) + extra;
                let hits = draws.binomial(people, share);
                tally.hits = hits as u64;
                (tally.y, tally.yy, tally.xy) = (amount(hits), amount(hits), amount(hits));
            }
            FigureKind::Rate => {
                let contacts = draws.poisson(people * (base * shift.exp() + extra));
                tally.hits = contacts.min(people) as u64;
                // People with several contacts: a tenth more squares than contacts.
                let squares = contacts * (1.0 + 0.1);
                (tally.y, tally.yy, tally.xy) =
                    (amount(contacts), amount(squares), amount(contacts));
            }
            _ => {
                let (deviation, mean) = (18.0, base + 2.0 * shift + extra);
                let sum = people * mean + people.sqrt() * deviation * draws.normal();
                let chance = 1.0 + (2.0 / people).sqrt() * draws.normal();
                let squares = sum * sum / people + (people - 1.0) * deviation * deviation * chance;
                (tally.y, tally.yy, tally.xy) = (amount(sum), amount(squares), amount(sum));
            }
        }
        tally
    }
}

impl Plant {
    fn at(self, period: usize, periods: usize) -> f64 {
        match self {
            Plant::Nothing => 0.0,
            Plant::Gradual(rise) => rise * period as f64 / (periods - 1) as f64,
            Plant::Sudden(rise, from) => rise * f64::from(u8::from(period >= from)),
        }
    }
}

/// What the masks let through.
pub(crate) fn masked(masks: &Masks) -> impl Fn(usize, &(usize, Coordinates)) -> Shown + '_ {
    |period, (grouping, coordinates)| masks.shown(period, *grouping, coordinates)
}

pub(crate) fn is_small(count: u64) -> bool {
    (1..=10).contains(&count)
}

/// What one who suppresses small counts, and nothing beside, lets through.
pub(crate) fn careless(
    world: &World,
    rolled: &Rolled,
) -> impl Fn(usize, &(usize, Coordinates)) -> Shown {
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
struct Draws(fastrand::Rng);

impl Draws {
    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        let (one, other) = (1.0 - self.0.f64(), self.0.f64());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    }

    fn binomial(&mut self, people: f64, share: f64) -> f64 {
        let variance = people * share * (1.0 - share);
        if variance > 60.0 {
            let drawn = people * share + variance.sqrt() * self.normal();
            return drawn.round().clamp(0.0, people);
        }
        (0..people as u64).map(|_| f64::from(u8::from(self.0.f64() < share))).sum()
    }

    fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 60.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (mut count, mut waited) = (-1.0, 0.0);
        while waited <= mean {
            waited -= (1.0 - self.0.f64()).ln();
            count += 1.0;
        }
        count
    }
}

/// The groups that are shown, by key: age, sex, region.
fn groupings() -> Vec<Vec<usize>> {
    vec![vec![], vec![0], vec![1], vec![2], vec![0, 1], vec![0, 1, 2]]
}

fn value(key: usize, place: usize) -> String {
    match key {
        0 if place + 1 == BANDS => "90+".to_owned(),
        0 => format!("{}-{}", 10 * place, 10 * place + 9),
        1 => SEXES[place].to_owned(),
        _ => format!("{place:03}"),
    }
}

fn group_of(place: &[usize; 3], keys: &[usize]) -> Group {
    let names = [KeyName::AgeBand, KeyName::Sex, KeyName::Region];
    let values: Vec<(KeyName, String)> =
        keys.iter().map(|key| (names[*key], value(*key, place[*key]))).collect();
    let values: Vec<(KeyName, &str)> = values.iter().map(|(k, v)| (*k, v.as_str())).collect();
    group(&values)
}

/// The cell in which something may be planted.
pub(crate) fn planted() -> Group {
    group_of(&PLANTED, &[0, 1, 2])
}

pub(crate) fn is_told(statement: &Statement) -> bool {
    statement.group == planted() && statement.direction == Direction::Rising
}

/// The point of a tally.
pub(crate) fn point(tally: &Tally, kind: FigureKind) -> Point {
    let has_hits = !matches!(kind, FigureKind::Mean | FigureKind::Risk);
    Point {
        people: Some(tally.measured),
        measured: Some(tally.measured),
        hits: has_hits.then_some(tally.hits),
        figure: estimate(tally, kind, false),
        ..Point::default()
    }
}

/// A release without series.
pub(crate) fn empty(population: &Population) -> Release {
    let year = |at: usize| if population.unit == PeriodUnit::Year { at } else { at / 4 };
    let period = |at: usize| Period {
        name: match population.unit {
            PeriodUnit::Year => format!("{}", 2000 + at),
            _ => format!("{}-Q{}", 2000 + year(at), at % 4 + 1),
        },
        first_day: format!("{}-01-01", 2000 + year(at)),
        last_day: format!("{}-12-31", 2000 + year(at)),
    };
    let key = |name: KeyName, at: usize, count: usize| Key {
        name,
        values: (0..count).map(|place| key_value(name, value(at, place))).collect(),
    };
    Release {
        format_version: FORMAT_VERSION,
        name: "population".into(),
        title: "Population".into(),
        spec_digest: "cd".repeat(32),
        source: "drawn".into(),
        synthetic: true,
        period_unit: population.unit,
        period_count: 1,
        periods: (0..population.periods).map(period).collect(),
        keys: vec![
            key(KeyName::AgeBand, 0, BANDS),
            key(KeyName::Sex, 1, SEXES.len()),
            key(KeyName::Region, 2, REGIONS),
        ],
        measures: vec![Measure {
            name: "measure".into(),
            title: "raised blood pressure".into(),
            kind: population.kind,
            unit: None,
            more_is_worse: Some(true),
            task: None,
            bundle_digest: None,
            concepts: vec![],
            is_measured_in_part: false,
            coding_changes: vec![],
        }],
        standard: None,
        series: vec![],
        statements: vec![],
        tested: 0,
        false_discovery_rate: 0.05,
        peers: vec![],
        privacy: Privacy::default(),
    }
}

fn key_value(key: KeyName, name: String) -> KeyValue {
    let ages = name.split_once('-').map(|(low, high)| (low.parse().ok(), high.parse().ok()));
    let (low, high) = ages.unwrap_or_else(|| (name.trim_end_matches('+').parse().ok(), None));
    let is_band = key == KeyName::AgeBand;
    KeyValue {
        name,
        age_years_min: low.filter(|_| is_band),
        age_years_max: high.filter(|_| is_band),
    }
}
