//! Quantiles of weighted values.

use crate::model::Weights;

/// Values in rising order, each with the summed weight up to and with it.
pub(in crate::train) struct Quantiles {
    ranked: Vec<(f64, f64)>,
}

impl Quantiles {
    pub(in crate::train) fn of(values: &[f64], weights: Weights<'_>) -> Quantiles {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let mut sum = 0.0;
        let with_sum = order.into_iter().map(|row| {
            sum += weights.of(row);
            (values[row], sum)
        });
        Quantiles { ranked: with_sum.collect() }
    }

    /// The value below which `share` of the weight lies; 0 for no values.
    pub(in crate::train) fn at(&self, share: f64) -> f64 {
        let total = self.ranked.last().map_or(0.0, |(_, sum)| *sum);
        let place = self.ranked.partition_point(|(_, sum)| *sum <= share * total);
        self.ranked.get(place).or(self.ranked.last()).map_or(0.0, |(value, _)| *value)
    }
}
