//! How many patients a model of this size needs (Riley et al. 2020, BMJ 368:m441).

use serde::Serialize;

/// How near the overall risk must be (criterion 1).
const RISK_MARGIN: f64 = 0.05;
/// The mean absolute error of the probabilities (criterion 2).
const MEAN_ERROR: f64 = 0.05;
/// The formula of criterion 2 was made for no more parameters (van Smeden et al. 2019).
const MEAN_ERROR_PARAMETERS_MAX: usize = 30;
/// What is left of the effects after shrinkage (criterion 3).
const SHRINKAGE: f64 = 0.9;
/// The optimism in Nagelkerke's R squared (criterion 4).
const OPTIMISM: f64 = 0.05;
/// Of the largest possible Cox-Snell R squared, what is anticipated where nothing is known.
const R2_SHARE: f64 = 0.15;

/// The minimum sample size for a binary outcome by the four criteria of Riley et al. 2020, and what
/// the development cohort has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleSize {
    /// Candidate predictor parameters: the inputs of the model.
    pub parameters: usize,
    /// Weighted share of the development rows with the outcome.
    pub prevalence: f64,
    /// The anticipated Cox-Snell R squared.
    pub r2_cox_snell: f64,
    /// Whether that was cross-validated; else it is 15% of the largest possible (Riley's default).
    pub r2_is_cross_validated: bool,
    /// Criterion 1: the overall risk within 0.05.
    pub for_overall_risk: u64,
    /// Criterion 2: a mean absolute error of the probabilities of 0.05; `None` for more than 30
    /// parameters, for which its formula was not made (van Smeden et al. 2019).
    pub for_mean_error: Option<u64>,
    /// Criterion 3: a shrinkage of the effects of at most 10%.
    pub for_shrinkage: u64,
    /// Criterion 4: an optimism of at most 0.05 in Nagelkerke's R squared.
    pub for_optimism: u64,
    /// The largest of the four.
    pub needed: u64,
    /// Outcomes that many rows are expected to hold.
    pub events_needed: u64,
    /// How many rows of even weight the development cohort is worth.
    pub have: f64,
}

impl SampleSize {
    /// For `parameters` inputs and an outcome of share `prevalence`, of rows that are worth `have`
    /// even ones. `log_loss` is the mean cross-validated loss (natural logarithm) of the chosen
    /// candidate, from which the anticipated R squared comes if it is better than that of the
    /// prevalence. `None` for no parameters or a prevalence outside 0 to 1.
    pub(in crate::train) fn of(
        parameters: usize,
        prevalence: f64,
        log_loss: Option<f64>,
        have: f64,
    ) -> Option<SampleSize> {
        if parameters == 0 || !(prevalence > 0.0 && prevalence < 1.0) {
            return None;
        }
        let others = 1.0 - prevalence;
        let loss_of_prevalence = -(prevalence * prevalence.ln() + others * others.ln());
        let r2_max = 1.0 - (-2.0 * loss_of_prevalence).exp();
        let found = log_loss.map(|loss| 1.0 - (-2.0 * (loss_of_prevalence - loss)).exp());
        let found = found.filter(|r2| *r2 > 0.0);
        let r2 = found.unwrap_or(R2_SHARE * r2_max);
        let shrunk_to =
            |share: f64| ceiling(parameters as f64 / ((share - 1.0) * (1.0 - r2 / share).ln()));
        let for_overall_risk = ceiling((1.96 / RISK_MARGIN).powi(2) * prevalence * others);
        let for_mean_error = (parameters <= MEAN_ERROR_PARAMETERS_MAX).then(|| {
            // The coefficients of van Smeden et al. 2019, as in Riley et al. 2020, figure 3.
            let size =
                -0.508 + 0.259 * prevalence.min(others).ln() + 0.504 * (parameters as f64).ln();
            ceiling(((size - MEAN_ERROR.ln()) / 0.544).exp())
        });
        let for_shrinkage = shrunk_to(SHRINKAGE);
        let for_optimism = shrunk_to(r2 / (r2 + OPTIMISM * r2_max));
        let each = [for_overall_risk, for_mean_error.unwrap_or(0), for_shrinkage, for_optimism];
        let needed = each.into_iter().max().unwrap_or(0);
        Some(SampleSize {
            parameters,
            prevalence,
            r2_cox_snell: r2,
            r2_is_cross_validated: found.is_some(),
            for_overall_risk,
            for_mean_error,
            for_shrinkage,
            for_optimism,
            needed,
            events_needed: ceiling(needed as f64 * prevalence),
            have,
        })
    }
}

fn ceiling(rows: f64) -> u64 {
    // Beyond the largest whole number it stays there.
    rows.ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::SampleSize;

    /// The example of Riley et al. 2019 (Statistics in Medicine 38:1276) and 2020: 30 parameters, a
    /// prevalence of 5%, a Cox-Snell R squared of 0.05.
    #[test]
    fn the_papers_example_comes_out() {
        let prevalence: f64 = 0.05;
        let null = -(prevalence * prevalence.ln() + 0.95 * 0.95f64.ln());
        let loss = null + 0.5 * (1.0 - 0.05f64).ln();
        let size = SampleSize::of(30, prevalence, Some(loss), 4_000.0).unwrap();
        assert!((size.r2_cox_snell - 0.05).abs() < 1e-12 && size.r2_is_cross_validated);
        assert_eq!((size.for_overall_risk, size.for_shrinkage, size.needed), (73, 5249, 5249));
        assert_eq!(size.events_needed, 263);
        // exp((-0.508 + 0.259 ln 0.05 + 0.504 ln 30 - ln 0.05) / 0.544).
        assert_eq!(size.for_mean_error, Some(544));
        // The largest R squared is 0.3277, so S = 0.05 / (0.05 + 0.05 x 0.3277) = 0.75317.
        assert_eq!(size.for_optimism, 1_770);
    }

    #[test]
    fn what_is_not_known_is_15_percent_of_the_most() {
        let size = SampleSize::of(40, 0.5, None, 100.0).unwrap();
        // At one in two the largest is 1 - (0.5)^2 = 0.75.
        assert!((size.r2_cox_snell - 0.1125).abs() < 1e-12 && !size.r2_is_cross_validated);
        assert_eq!((size.for_overall_risk, size.for_mean_error), (385, None));
        let worse = SampleSize::of(40, 0.5, Some(0.7), 100.0).unwrap();
        assert_eq!(worse.r2_cox_snell, size.r2_cox_snell);
        for (parameters, prevalence) in [(0, 0.1), (3, 0.0), (3, 1.0), (3, f64::NAN)] {
            assert_eq!(SampleSize::of(parameters, prevalence, None, 1.0), None);
        }
    }
}
