//! `Random`: the draws of one patient, which depend on the seed and the patient's number alone.

use std::f64::consts::TAU;

/// A stream of draws.
#[derive(Debug, Clone)]
pub(super) struct Random(fastrand::Rng);

impl Random {
    /// The stream of patient `number` in the population of `seed`.
    pub(super) fn of(seed: u64, number: u64) -> Random {
        Random(fastrand::Rng::with_seed(mixed(mixed(seed) ^ number)))
    }

    /// A number from 0 to below 1.
    pub(super) fn share(&mut self) -> f64 {
        self.0.f64()
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    /// A whole number, both ends included; `low` where the ends are the wrong way round.
    pub(super) fn whole(&mut self, low: i64, high: i64) -> i64 {
        self.0.i64(low..=high.max(low))
    }

    pub(super) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        // Box and Muller; 1 - share is never 0, so that the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        mean + deviation * radius * (TAU * self.share()).cos()
    }

    /// A waiting time of which the mean is given, in the unit of the mean.
    pub(super) fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.share()).ln()
    }

    pub(super) fn pick<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.0.usize(..N)]
    }

    /// One of `of` by its share; the last one where the shares leave something over.
    pub(super) fn weighted<T: Copy, const N: usize>(&mut self, of: [(T, f64); N]) -> T {
        let mut left = self.share();
        for (one, share) in of {
            if left < share {
                return one;
            }
            left -= share;
        }
        of[N - 1].0
    }
}

/// SplitMix64's mixing of a counter into random bits, so that neighbours have nothing in common.
fn mixed(counter: u64) -> u64 {
    let a = counter.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let a = (a ^ (a >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let a = (a ^ (a >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    a ^ (a >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_moments_they_should() {
        let mut random = Random::of(1, 2);
        let count = 100_000;
        let mean = |draw: &mut dyn FnMut() -> f64| (0..count).map(|_| draw()).sum::<f64>() / 1e5;
        assert!((mean(&mut || random.normal(3.0, 2.0)) - 3.0).abs() < 0.03);
        assert!((mean(&mut || random.normal(0.0, 2.0).powi(2)) - 4.0).abs() < 0.08);
        assert!((mean(&mut || random.wait(7.0)) - 7.0).abs() < 0.1);
        let of = [(0.0, 0.5), (1.0, 0.3), (2.0, 0.2)];
        assert!((mean(&mut || random.weighted(of)) - 0.7).abs() < 0.02);
    }

    #[test]
    fn streams_of_neighbours_differ_and_one_stream_repeats() {
        let first = |seed, number| Random::of(seed, number).share();
        assert_eq!(first(1, 2).to_bits(), first(1, 2).to_bits());
        assert_ne!(first(1, 2).to_bits(), first(1, 3).to_bits());
        assert_ne!(first(1, 2).to_bits(), first(2, 2).to_bits());
        assert_ne!(first(1, 2).to_bits(), first(2, 1).to_bits());
    }
}
