//! What chance can do: quantiles and tails of the distributions that intervals and tests rest on.

use statrs::distribution::{ContinuousCDF, Gamma, Normal, StudentsT};

/// From so many degrees of freedom on, Student's t is the normal distribution to six digits.
const NORMAL_FREEDOM: f64 = 1e6;

/// An interval in the unit of its figure, low before high.
pub(super) type Bounds = (f64, f64);

/// The number that a standard Student's t variable exceeds in size with the probability `alpha`. Of
/// infinite `freedom`: the normal distribution's.
pub(super) fn two_sided_quantile(alpha: f64, freedom: f64) -> f64 {
    // statrs cannot go further out, and nothing here rests on more.
    let tail = (alpha / 2.0).clamp(1e-12, 0.5);
    let below = match freedom < NORMAL_FREEDOM {
        // Below one degree of freedom nothing is known; one is as wide as it gets.
        true => StudentsT::new(0.0, 1.0, freedom.max(1.0)).map(|t| t.inverse_cdf(tail)).ok(),
        false => Some(Normal::standard().inverse_cdf(tail)),
    };
    below.map_or(f64::INFINITY, f64::abs)
}

/// The probability that a standard Student's t variable is further from 0 than `statistic`.
pub(super) fn two_sided_p(statistic: f64, freedom: f64) -> f64 {
    if !statistic.is_finite() {
        return 1.0;
    }
    let below = match freedom < NORMAL_FREEDOM {
        true => StudentsT::new(0.0, 1.0, freedom.max(1.0)).map(|t| t.cdf(-statistic.abs())).ok(),
        false => Some(Normal::standard().cdf(-statistic.abs())),
    };
    below.map_or(1.0, |tail| (2.0 * tail).min(1.0))
}

/// 95% interval of a mean; of a `standard_error` with so many degrees of freedom.
pub(super) fn around(estimate: f64, standard_error: f64, freedom: f64) -> Bounds {
    let reach = two_sided_quantile(0.05, freedom) * standard_error;
    (estimate - reach, estimate + reach)
}

/// Wilson's 95% score interval of a share (Wilson 1927, J Am Stat Assoc 22:209); `count` need not be
/// whole.
pub(super) fn wilson(share: f64, count: f64) -> Bounds {
    let z = two_sided_quantile(0.05, f64::INFINITY);
    let scale = 1.0 + z * z / count;
    let centre = (share + z * z / (2.0 * count)) / scale;
    let spread = share * (1.0 - share) / count + z * z / (4.0 * count * count);
    let reach = z / scale * spread.sqrt();
    ((centre - reach).max(0.0), (centre + reach).min(1.0))
}

/// Clopper and Pearson's exact 95% interval (1934, Biometrika 26:404) of a share that is 0 or 1, where
/// its beta distribution has a closed form.
pub(super) fn at_the_end(share: f64, count: f64) -> Bounds {
    let reach = -(0.025f64.ln() / count).exp_m1();
    if share < 0.5 { (0.0, reach) } else { (1.0 - reach, 1.0) }
}

/// The exact 95% interval of a Poisson mean of which `count` was seen (Garwood 1936, Biometrika
/// 28:437); `count` need not be whole.
pub(super) fn garwood(count: f64) -> Bounds {
    (gamma_quantile(count, 0.025), gamma_quantile(count + 1.0, 0.975))
}

/// A quantile of the gamma distribution of this shape and scale 1; no number where it is as good as
/// unknown.
pub(super) fn gamma_quantile(shape: f64, probability: f64) -> f64 {
    // Nearly all of so flat a distribution is at 0, and its tail is beyond what can be reckoned.
    if shape < 1e-3 {
        return if probability < 0.5 { 0.0 } else { f64::NAN };
    }
    // Beyond this the exact quantile costs much and differs from this one in the sixth digit (Wilson
    // and Hilferty 1931, PNAS 17:684).
    if shape > 1e3 {
        let z = Normal::standard().inverse_cdf(probability);
        return shape * (1.0 - 1.0 / (9.0 * shape) + z / (3.0 * shape.sqrt())).powi(3);
    }
    Gamma::new(shape, 1.0).map_or(f64::NAN, |gamma| gamma.inverse_cdf(probability))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1e-3), "{found} {expected}");
    }

    /// Against printed tables (t and normal), R's `qgamma` and `binom.test`.
    #[test]
    fn quantiles_and_tails_are_those_of_the_tables() {
        close(two_sided_quantile(0.05, f64::INFINITY), 1.959_964);
        close(two_sided_quantile(0.05, 1.0), 12.706_205);
        close(two_sided_quantile(0.05, 16.0), 2.119_905);
        close(two_sided_quantile(0.01, 30.0), 2.749_996);
        close(two_sided_p(2.119_905, 16.0), 0.05);
        close(two_sided_p(-3.290_527, f64::INFINITY), 0.001);
        assert!(two_sided_p(f64::NAN, 3.0) == 1.0 && two_sided_p(40.0, f64::INFINITY) >= 0.0);
        let (low, high) = garwood(10.0);
        close(low, 4.795_389);
        close(high, 18.390_356);
        close(garwood(0.0).1, 3.688_879);
        // 1 - 0.025^(1/20)
        close(at_the_end(0.0, 20.0).1, 0.168_433_5);
        close(at_the_end(1.0, 20.0).0, 1.0 - 0.168_433_5);
        let (low, high) = wilson(0.15, 20.0);
        close(low, 0.052_369);
        close(high, 0.360_419);
    }

    #[test]
    fn the_quantile_of_large_counts_joins_the_exact_one() {
        let (below, above) = (gamma_quantile(999.999, 0.975), gamma_quantile(1_000.001, 0.975));
        assert!((above - below).abs() < 0.01, "{below} {above}");
        assert!(gamma_quantile(1e9, 0.025) > 0.9999e9);
    }
}
