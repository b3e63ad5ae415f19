//! What is counted of people: whole numbers alone, so that any order of adding gives the same sums.

use std::collections::BTreeMap;

/// Where people stand: for each key of the specification the place of its value.
pub type Coordinates = Vec<u16>;

/// The largest number of a person that is counted, in the unit of its measure. Platelets per litre are
/// at 1e12; the squares of more people than live do not reach the end of an `Amount`.
const NUMBER_MAX: f64 = 1e14;
/// A weight times a number, or a number's square.
const AMOUNT_MAX: f64 = NUMBER_MAX * NUMBER_MAX;
/// How many parts a whole has: 2^128, to which the largest count of them is rounded here.
const PARTS: f64 = u128::MAX as f64;

/// A number of fixed point: `whole` and so many parts of 2^128. Everything a floating-point number
/// from 1e-22 to 1e28 holds is in it, so that sums are exact, those of squares of small risks (1e-12)
/// as well as those of platelets per litre (1e23), and do not depend on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Amount {
    /// Rounded down.
    whole: i128,
    part: u128,
}

impl Amount {
    /// `value` as it is; nothing for what is no number or beyond 1e28.
    pub fn of(value: f64) -> Amount {
        let size = value.abs();
        if size.is_nan() || size > AMOUNT_MAX {
            return Amount::default();
        }
        let amount = Amount { whole: size.trunc() as i128, part: (size.fract() * PARTS) as u128 };
        if value < 0.0 { amount.negative() } else { amount }
    }

    pub fn value(self) -> f64 {
        if self.whole < 0 {
            return -self.negative().value();
        }
        self.whole as f64 + self.part as f64 / PARTS
    }

    pub fn add(&mut self, other: Amount) {
        let (part, is_whole) = self.part.overflowing_add(other.part);
        let whole = self.whole.saturating_add(other.whole);
        *self = Amount { whole: whole.saturating_add(i128::from(is_whole)), part };
    }

    fn negative(self) -> Amount {
        let below = i128::from(self.part != 0);
        let whole = self.whole.saturating_neg().saturating_sub(below);
        Amount { whole, part: self.part.wrapping_neg() }
    }
}

/// Whether a number can be counted.
fn fits(number: f64) -> bool {
    number.abs() <= NUMBER_MAX
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
    /// Adds one person; nobody where a number is none, or beyond 1e14.
    pub fn person(&mut self, y: f64, x: f64) {
        if !(fits(y) && fits(x)) {
            return;
        }
        self.measured += 1;
        self.hits += u64::from(y > 0.0);
        self.y.add(Amount::of(y));
        self.x.add(Amount::of(x));
        self.yy.add(Amount::of(y * y));
        self.xy.add(Amount::of(x * y));
        self.xx.add(Amount::of(x * x));
    }

    /// Adds one person's part in a survey; nothing where a number is none, or beyond 1e14.
    pub fn weighted(&mut self, y: f64, x: f64, weight: f64, unit: (i64, i64)) {
        if !(fits(y) && fits(x) && fits(weight)) {
            return;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_holds_its_number_and_is_ordered_by_it() {
        let numbers = [
            -2.5e11, -7.1, -1.0, -0.3, -2.5e-13, 0.0, 1e-12, 2.5e-7, 0.1, 0.3, 1.0, 7.1, 131.7,
            6.25e22,
        ];
        for number in numbers {
            assert_eq!(Amount::of(number).value(), number);
        }
        assert!(numbers.map(Amount::of).is_sorted());
        for none in [f64::NAN, f64::INFINITY, -1e29] {
            assert_eq!(Amount::of(none), Amount::default());
        }
    }

    /// Numbers of all sizes and both signs: in any order, and by parts, the same sum, which is exact.
    #[test]
    fn sums_do_not_depend_on_their_order() {
        let numbers: Vec<f64> = (0..1_000_i32)
            .map(|n| f64::from(n * 7_919 % 1_009 - 504) * 10_f64.powi(n % 30 - 12))
            .collect();
        let sum = |numbers: &mut dyn Iterator<Item = &f64>| {
            let mut sum = Amount::default();
            numbers.for_each(|number| sum.add(Amount::of(*number)));
            sum
        };
        let all = sum(&mut numbers.iter());
        assert_eq!(all, sum(&mut numbers.iter().rev()));
        let mut parts = sum(&mut numbers.iter().step_by(2));
        parts.add(sum(&mut numbers.iter().skip(1).step_by(2)));
        assert_eq!(all, parts);
        let nothing = numbers.iter().map(|number| -number).collect::<Vec<_>>();
        parts.add(sum(&mut nothing.iter()));
        assert_eq!(parts, Amount::default());
    }

    /// A million people whose numbers are 8, 10 or 12 of some size: of small risks as of platelets.
    #[test]
    fn squares_of_any_size_keep_their_digits() {
        for size in [1e-7, 5e-5, 1.0, 2.5e10, 1e12] {
            let mut tally = Tally::default();
            for person in 0..1_000_000 {
                tally.person(size * [8.0, 10.0, 12.0, 10.0][person % 4], 1.0);
            }
            let close = |found: Amount, expected: f64| {
                assert!((found.value() / expected - 1.0).abs() < 1e-12, "{size} {found:?}");
            };
            close(tally.y, 1e7 * size);
            close(tally.xy, 1e7 * size);
            close(tally.yy, 1.02e8 * size * size);
            assert_eq!((tally.measured, tally.x.value()), (1_000_000, 1e6));
        }
    }

    #[test]
    fn what_is_no_number_makes_nobody_measured() {
        let mut tally = Tally::default();
        for (y, x) in [(f64::NAN, 1.0), (1.0, f64::INFINITY), (-2e14, 1.0)] {
            tally.person(y, x);
            tally.weighted(y, x, 1.0, (1, 1));
        }
        tally.weighted(1.0, 1.0, f64::NAN, (1, 1));
        assert_eq!(tally, Tally::default());
    }
}
