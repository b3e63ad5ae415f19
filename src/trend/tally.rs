//! What is counted of people: whole numbers alone, so that any order of adding gives the same sums.

use std::collections::BTreeMap;

/// Where people stand: for each key of the specification the place of its value.
pub type Coordinates = Vec<u16>;

/// A number in millionths. Sums of these are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Amount(pub i128);

impl Amount {
    /// `value` to the nearest millionth; nothing for what is no number or beyond 1e15.
    pub fn of(value: f64) -> Amount {
        let scaled = (value * 1e6).round();
        if scaled.abs() <= 1e21 { Amount(scaled as i128) } else { Amount::default() }
    }

    pub fn value(self) -> f64 {
        self.0 as f64 / 1e6
    }

    pub fn add(&mut self, other: Amount) {
        self.0 = self.0.saturating_add(other.0);
    }
}

/// What is known of one measure in one group and one period. For each measured person there are a
/// numerator y and a denominator x: a share has y = 0 or 1 and x = 1, a mean the person's mean and 1,
/// a rate contacts and years, an outcome positive and all index times. The figure is sum y / sum x.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// People who could be judged.
    pub measured: u64,
    /// Those of them to whom it happened: y > 0. Meaningless for means and risks.
    pub hits: u64,
    pub y: Amount,
    pub x: Amount,
    pub yy: Amount,
    pub xy: Amount,
    pub xx: Amount,
    /// For surveys: sums with weights, by sampling unit. Empty without a design.
    pub design: Design,
}

/// For each (stratum, primary sampling unit) the weighted sums of y and x.
pub type Design = BTreeMap<(i64, i64), (Amount, Amount)>;

impl Tally {
    /// Adds one person.
    pub fn person(&mut self, y: f64, x: f64) {
        self.measured += 1;
        self.hits += u64::from(y > 0.0);
        self.y.add(Amount::of(y));
        self.x.add(Amount::of(x));
        self.yy.add(Amount::of(y * y));
        self.xy.add(Amount::of(x * y));
        self.xx.add(Amount::of(x * x));
    }

    /// Adds one person's part in a survey.
    pub fn weighted(&mut self, y: f64, x: f64, weight: f64, unit: (i64, i64)) {
        let (of_y, of_x) = self.design.entry(unit).or_default();
        of_y.add(Amount::of(weight * y));
        of_x.add(Amount::of(weight * x));
    }

    /// Adds the people of another tally.
    pub fn join(&mut self, other: &Tally) {
        self.measured += other.measured;
        self.hits += other.hits;
        for (sum, more) in [
            (&mut self.y, other.y),
            (&mut self.x, other.x),
            (&mut self.yy, other.yy),
            (&mut self.xy, other.xy),
            (&mut self.xx, other.xx),
        ] {
            sum.add(more);
        }
        for (unit, (y, x)) in &other.design {
            let (of_y, of_x) = self.design.entry(*unit).or_default();
            of_y.add(*y);
            of_x.add(*x);
        }
    }
}

/// The people of one period who stand at one place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// People under observation.
    pub people: u64,
    /// For each measure of the specification, in its order.
    pub tallies: Vec<Tally>,
}

impl Cell {
    /// Adds the people of another cell.
    pub fn join(&mut self, other: &Cell) {
        self.people += other.people;
        let measures = self.tallies.len().max(other.tallies.len());
        self.tallies.resize_with(measures, Tally::default);
        self.tallies.iter_mut().zip(&other.tallies).for_each(|(tally, more)| tally.join(more));
    }
}

/// All that was counted: who stands nowhere else is in the cell of all keys of the specification.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// By period, then by place.
    pub periods: Vec<BTreeMap<Coordinates, Cell>>,
}

/// Which groups are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// For each key how many values it has.
    pub sizes: Vec<u16>,
    /// Each by the places of its keys, rising; the empty one, which is everybody, among them.
    pub groupings: Vec<Vec<usize>>,
}
