//! How likely chance is to make a group so pure: Fisher's exact test, by logarithms of factorials.

use std::f64::consts::PI;

/// From here on Stirling's series is exact to the last digit.
const STIRLING_FROM: u64 = 32;
/// A tail is summed until its terms are this small a part of it.
const NEGLIGIBLE: f64 = 1e-17;

/// Natural logarithm of `n`!.
fn ln_factorial(n: u64) -> f64 {
    if n < STIRLING_FROM {
        return (2..=n).map(|factor| (factor as f64).ln()).sum();
    }
    let x = n as f64;
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series =
        inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    x * x.ln() - x + 0.5 * (2.0 * PI * x).ln() + series
}

/// Natural logarithm of the number of ways to choose `k` of `n`.
fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n.saturating_sub(k))
}

/// `of` drawn at random from `all`, of whom `with` have something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    pub all: u64,
    pub with: u64,
    pub of: u64,
}

impl Draw {
    /// Natural logarithm of the probability that at least `found` of those drawn have it: the upper
    /// tail of the hypergeometric distribution, Fisher's one-sided exact p. `None` for counts that
    /// cannot be.
    pub(super) fn ln_at_least(self, found: u64) -> Option<f64> {
        let Draw { all, with, of } = self;
        let most = with.min(of);
        if with > all || of > all || found > most {
            return None;
        }
        let least = (with + of).saturating_sub(all);
        if found <= least {
            return Some(0.0);
        }
        let mode = ((of + 1) as f64 * (with + 1) as f64 / (all + 2) as f64).floor();
        if found as f64 > mode {
            let more = |x: u64| {
                (with - x) as f64 * (of - x) as f64
                    / ((x + 1) as f64 * (all + x + 1 - with - of) as f64)
            };
            return Some(self.ln_term(found) + relative(found..most, more).ln());
        }
        // Below the mode the terms rise: the other tail is summed, and taken from 1.
        let fewer = |x: u64| {
            x as f64 * (all + x - with - of) as f64 / ((with - x + 1) as f64 * (of - x + 1) as f64)
        };
        let lower = self.ln_term(found - 1).exp() * relative((least + 1..found).rev(), fewer);
        Some((1.0 - lower).max(f64::MIN_POSITIVE).ln())
    }

    fn ln_term(self, x: u64) -> f64 {
        let Draw { all, with, of } = self;
        ln_choose(with, x) + ln_choose(all - with, of - x) - ln_choose(all, of)
    }
}

/// The sum of falling terms of which the first is 1, each by its ratio to the one before.
fn relative(steps: impl Iterator<Item = u64>, ratio: impl Fn(u64) -> f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for step in steps {
        term *= ratio(step);
        sum += term;
        if term < sum * NEGLIGIBLE {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::{Draw, ln_factorial};

    #[test]
    fn factorials_are_right_on_both_sides_of_the_seam() {
        let mut ln = 0.0;
        for n in 1..=2_000_u64 {
            ln += (n as f64).ln();
            assert!((ln_factorial(n) - ln).abs() <= 1e-12 * ln.max(1.0), "{n}");
        }
        // ln(1000000!) to 17 digits.
        assert!((ln_factorial(1_000_000) - 12_815_518.384658169).abs() < 1e-6);
        assert_eq!(ln_factorial(0), 0.0);
    }

    /// The probability by adding up all terms with whole numbers.
    fn plain(draw: Draw, found: u64) -> f64 {
        let choose = |n: u64, k: u64| -> u128 {
            if k > n { 0 } else { (0..k).fold(1, |c, i| c * u128::from(n - i) / u128::from(i + 1)) }
        };
        let Draw { all, with, of } = draw;
        let ways = |x: u64| choose(with, x) * choose(all - with, of - x);
        let hits: u128 = (found..=of.min(with)).map(ways).sum();
        hits as f64 / choose(all, of) as f64
    }

    #[test]
    fn every_tail_of_small_draws_is_the_counted_one() {
        let mut compared = 0;
        for all in 1..=18 {
            for with in 0..=all {
                for of in 0..=all {
                    let draw = Draw { all, with, of };
                    for found in 0..=with.min(of) {
                        let p = draw.ln_at_least(found).unwrap().exp();
                        let expected = plain(draw, found);
                        assert!(
                            (p - expected).abs() < 1e-11 * expected.max(1e-3),
                            "{draw:?} {found}"
                        );
                        compared += 1;
                    }
                }
            }
        }
        assert!(compared > 5_000);
    }

    #[test]
    fn known_values_and_large_draws() {
        // Fisher's tea: 4 of 4 right is 1 in 70, at least 3 is 17 in 70.
        let tea = Draw { all: 8, with: 4, of: 4 };
        assert!((tea.ln_at_least(4).unwrap().exp() - 1.0 / 70.0).abs() < 1e-15);
        assert!((tea.ln_at_least(3).unwrap().exp() - 17.0 / 70.0).abs() < 1e-15);
        // 40 of 40 from a million of whom a tenth have it: close to 0.1^40, and a little below.
        let many = Draw { all: 1_000_000, with: 100_000, of: 40 };
        let exact: f64 =
            (0..40).map(|i| (f64::from(100_000 - i) / f64::from(1_000_000 - i)).ln()).sum();
        assert!((many.ln_at_least(40).unwrap() - exact).abs() < 1e-7);
        // Half of a large draw is about a half, on either side of the mode.
        let half = Draw { all: 1_000_000, with: 500_000, of: 100_000 };
        let (at, after) = (half.ln_at_least(50_000).unwrap(), half.ln_at_least(50_001).unwrap());
        assert!((at.exp() + after.exp() - 1.0).abs() < 1e-6, "{at} {after}");
        assert_eq!(tea.ln_at_least(5), None);
        assert_eq!(Draw { all: 3, with: 4, of: 1 }.ln_at_least(0), None);
        assert_eq!(Draw { all: 5, with: 5, of: 3 }.ln_at_least(3), Some(0.0));
    }
}
