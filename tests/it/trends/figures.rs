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
        figure: estimate(tally, kind, None),
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
        region_digits_max: 3,
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
