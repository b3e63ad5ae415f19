//! Between probabilities and log-odds.

/// The probability of log-odds.
pub fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// The log-odds of a probability; infinite at 0 and 1.
pub fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

/// log(1 + e^x) without overflow: with `x` in log-odds, the negative log-likelihood of no outcome; an
/// outcome's is `x` less.
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The negative log-likelihood (natural logarithm) of an outcome under log-odds, without a probability
/// that could round to 0 or 1.
pub fn log_loss_at(log_odds: f64, event: bool) -> f64 {
    softplus(if event { -log_odds } else { log_odds })
}
