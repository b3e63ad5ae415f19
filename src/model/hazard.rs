//! The chance of being lost to follow-up before a given day: a discrete-time hazard of censoring,
//! given the inputs, by logistic regression pooled over equal intervals of the horizon.
//!
//! Inverse-probability-of-censoring weights are made of it (Robins and Finkelstein 2000; van der
//! Laan and Robins 2003). A row that leaves within an interval for another reason than censoring
//! was at risk for a part of it: it counts for that share in the fit, and its chance of still being
//! followed falls by that share of the interval's log-survival.

use super::newton::{Problem, Scaled, Spell};
use super::{ModelError, Weights, check_rows, softplus};
use crate::feature::Matrix;

/// Keeps the intercept of an interval finite in which everybody at risk was lost.
const INTERCEPT_ALPHA: f64 = 1e-3;

/// How long a row was followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Followed {
    /// From the start of the time at risk, in days.
    pub days: f64,
    /// Whether it was lost then, before anything that ends the follow-up by itself.
    pub censored: bool,
}

/// A fitted hazard of censoring.
#[derive(Debug, Clone, PartialEq)]
pub struct Hazard {
    interval_days: f64,
    /// Log-odds of being lost in each interval, where all inputs have their mean; `None` where
    /// nobody was.
    intercepts: Vec<Option<f64>>,
    /// Log-odds per unit of each input.
    slopes: Vec<f64>,
    means: Vec<f64>,
}

impl Hazard {
    /// Fits the hazard over `intervals` equal intervals of `horizon_days` days on `rows`;
    /// `followed[i]` belongs to matrix row i. `alpha` is the penalty, as in the linear family.
    ///
    /// # Errors
    /// Arguments that do not fit, values that are not finite, `OneClass` when nobody was lost,
    /// `Separation` when an input tells by itself who is.
    pub fn fit(
        inputs: &Matrix,
        rows: &[usize],
        followed: &[Followed],
        horizon_days: f64,
        intervals: usize,
        alpha: f64,
    ) -> Result<Hazard, ModelError> {
        check_rows(inputs, rows, &[("follow-up times", followed.len())])?;
        super::check_finite(inputs, rows)?;
        let interval_days = horizon_days / intervals as f64;
        if !(interval_days.is_finite() && interval_days > 0.0 && alpha >= 0.0) {
            return Err(ModelError::BadSetting(
                "a horizon, intervals and alpha above 0".to_owned(),
            ));
        }
        let stays: Vec<Stay> =
            rows.iter().map(|row| Stay::of(followed[*row], interval_days, intervals)).collect();
        let mut with_loss = vec![false; intervals];
        for stay in stays.iter().filter(|stay| stay.censored) {
            with_loss.iter_mut().skip(stay.whole).take(1).for_each(|lost| *lost = true);
        }
        // An interval in which nobody was lost has hazard 0 whatever the slopes: it is left out.
        let passed_before: Vec<usize> = (0..=intervals)
            .map(|end| with_loss.iter().take(end).filter(|lost| **lost).count())
            .collect();
        let fitted = passed_before.last().copied().unwrap_or(0);
        if fitted == 0 {
            return Err(ModelError::OneClass);
        }
        let spell = |stay: &Stay| Spell {
            weight: 1.0,
            passed: passed_before.get(stay.whole).copied().unwrap_or(fitted),
            part: if with_loss.get(stay.whole) == Some(&true) { stay.part } else { 0.0 },
            ends: stay.censored,
        };
        let spells: Vec<Spell> = stays.iter().map(spell).collect();
        let scaled = Scaled::new(inputs, rows, Weights::Even);
        let optimum = Problem {
            scaled: &scaled,
            spells: &spells,
            intervals: fitted,
            alpha,
            intercept_alpha: INTERCEPT_ALPHA,
        }
        .solve();
        let numbers = optimum.slopes.iter().chain(&optimum.intercepts);
        if !numbers.clone().all(|number| number.is_finite()) {
            return Err(ModelError::BadPart("a hazard that is not finite".to_owned()));
        }
        let mut found = optimum.intercepts.into_iter();
        let intercepts = with_loss.iter().map(|lost| if *lost { found.next() } else { None });
        let slopes = optimum.slopes.iter().zip(&scaled.scales).map(|(slope, scale)| slope / scale);
        Ok(Hazard {
            interval_days,
            intercepts: intercepts.collect(),
            slopes: slopes.collect(),
            means: scaled.means,
        })
    }

    /// The chance that a row of `inputs` is still followed just before `days` days have passed.
    pub fn still_followed(&self, inputs: &[f32], days: f64) -> f64 {
        let terms = self.slopes.iter().zip(self.means.iter().zip(inputs));
        let base: f64 = terms.map(|(slope, (mean, x))| slope * (f64::from(*x) - mean)).sum();
        let followed = Followed { days, censored: false };
        let stay = Stay::of(followed, self.interval_days, self.intercepts.len());
        let intervals = self.intercepts.iter().enumerate().take(stay.whole + 1);
        let log_survival: f64 = intervals
            .map(|(interval, intercept)| {
                let Some(intercept) = intercept else { return 0.0 };
                let share = if interval < stay.whole { 1.0 } else { stay.part };
                // log(1 - hazard) = -log(1 + e^x), without overflow.
                let x = intercept + base;
                -share * softplus(x)
            })
            .sum();
        log_survival.exp()
    }
}

/// A follow-up in whole intervals.
struct Stay {
    whole: usize,
    /// The share of the next interval.
    part: f64,
    censored: bool,
}

impl Stay {
    fn of(followed: Followed, interval_days: f64, intervals: usize) -> Stay {
        // A time that is no number counts as none; the cast saturates.
        let passed = (followed.days / interval_days).max(0.0).min(intervals as f64);
        let whole = passed.floor();
        // Whoever is lost at the very end is lost in the last interval.
        let last = if followed.censored { intervals.saturating_sub(1) } else { intervals };
        Stay {
            whole: (whole as usize).min(last),
            part: passed - whole,
            censored: followed.censored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::draws;

    /// Rows lost at a constant rate that depends on the first input; some leave before, by an event.
    fn table(rows: usize) -> (Matrix, Vec<Followed>) {
        let mut uniform = draws(5);
        let mut matrix = Matrix::with_capacity(2, rows);
        let mut followed = Vec::new();
        for _ in 0..rows {
            let x = (2.0 * uniform() - 1.0) as f32;
            matrix.push(&[x, uniform() as f32]);
            let rate = 0.02 * f64::from(x).exp();
            let lost = -(1.0 - uniform()).ln() / rate;
            let event = -(1.0 - uniform()).ln() / 0.01;
            let days = lost.min(event).min(30.0);
            followed.push(Followed { days, censored: lost < event && lost < 30.0 });
        }
        (matrix, followed)
    }

    #[test]
    fn finds_the_chance_of_still_being_followed() {
        let (matrix, followed) = table(40_000);
        let rows: Vec<usize> = (0..40_000).collect();
        let hazard = Hazard::fit(&matrix, &rows, &followed, 30.0, 10, 1.0).unwrap();
        for x in [-0.9f32, 0.0, 0.9] {
            for days in [1.0, 10.0, 19.5, 30.0] {
                let truth = (-0.02 * f64::from(x).exp() * days).exp();
                let said = hazard.still_followed(&[x, 0.5], days);
                assert!((said - truth).abs() < 0.015, "{x} {days}: {said} {truth}");
            }
        }
        assert_eq!(hazard.still_followed(&[0.0, 0.5], -3.0), 1.0);
        assert_eq!(hazard.still_followed(&[0.0, 0.5], f64::NAN), 1.0);
        let end = hazard.still_followed(&[0.0, 0.5], 30.0);
        assert_eq!(hazard.still_followed(&[0.0, 0.5], 1e300), end);
    }

    #[test]
    fn intervals_without_a_loss_cost_nothing() {
        let (matrix, mut followed) = table(4000);
        for one in followed.iter_mut().filter(|one| one.censored) {
            one.days = 14.0;
        }
        let rows: Vec<usize> = (0..4000).collect();
        let hazard = Hazard::fit(&matrix, &rows, &followed, 30.0, 10, 1.0).unwrap();
        assert_eq!(hazard.still_followed(&[0.1, 0.5], 12.0), 1.0);
        let after = hazard.still_followed(&[0.1, 0.5], 15.0);
        assert!(after < 0.7);
        assert_eq!(hazard.still_followed(&[0.1, 0.5], 30.0), after);
    }

    #[test]
    fn faults_are_named() {
        let (matrix, mut followed) = table(200);
        let rows: Vec<usize> = (0..200).collect();
        let fit =
            |followed: &[Followed], days| Hazard::fit(&matrix, &rows, followed, days, 10, 1.0);
        assert!(matches!(fit(&followed, f64::NAN), Err(ModelError::BadSetting(_))));
        assert!(matches!(fit(&followed[..9], 30.0), Err(ModelError::Mismatch(_))));
        followed.iter_mut().for_each(|one| one.censored = false);
        assert_eq!(fit(&followed, 30.0), Err(ModelError::OneClass));
        followed.iter_mut().for_each(|one| *one = Followed { days: 30.0, censored: true });
        let all_lost = fit(&followed, 30.0).unwrap().still_followed(&[0.0, 0.5], 30.0);
        assert!(all_lost < 0.01, "{all_lost}");
        let mut gaps = Matrix::with_capacity(1, 2);
        gaps.push(&[f32::NAN]);
        gaps.push(&[1.0]);
        let lost = [Followed { days: 3.0, censored: true }; 2];
        let error = Hazard::fit(&gaps, &[0, 1], &lost, 30.0, 10, 1.0);
        assert_eq!(error, Err(ModelError::NotFinite { column: 0 }));
    }
}
