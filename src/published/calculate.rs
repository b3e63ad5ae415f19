//! From input values to the formula's number, for views and test vectors alike.

use super::formula::{Factor, Form, Formula, Model, Source};
use super::params::{Link, ModelSex};

/// The least and the greatest result; equal when all inputs are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    pub low: f64,
    pub high: f64,
}

impl Formula {
    /// Fills in the inputs that are made from others, in order, where they are not given.
    pub(super) fn derive(&self, place: usize, values: &[Option<f64>]) -> Option<f64> {
        let known = |input: &usize| values.get(*input).copied().flatten();
        self.inputs.get(place)?.sources.iter().find_map(|source| match source {
            Source::AnyOf(inputs) => {
                let found: Vec<f64> = inputs.iter().filter_map(known).collect();
                let any = found.iter().any(|value| *value > 0.0);
                (!found.is_empty()).then_some(f64::from(u8::from(any)))
            }
            Source::Difference(first, second) => Some(known(first)? - known(second)?),
            _ => None,
        })
    }

    /// The result for `values`; `None` when a required input is missing that has no bounds, or when
    /// the result is no number.
    ///
    /// A missing input with bounds is put at both: it stands untransformed in the sum, so that the
    /// least and the greatest result lie there.
    pub(super) fn calculate(&self, values: &[Option<f64>]) -> Option<Outcome> {
        let mut filled = Vec::with_capacity(values.len());
        let mut open = Vec::new();
        for (place, (input, value)) in self.inputs.iter().zip(values).enumerate() {
            filled.push(match (value, input.between, input.required) {
                (Some(value), _, _) => *value,
                (None, Some(bounds), _) => {
                    open.push((place, bounds));
                    bounds[0]
                }
                (None, None, true) => return None,
                (None, None, false) => f64::NAN,
            });
        }
        let mut outcome: Option<Outcome> = None;
        for corner in 0..(1_u32 << open.len()) {
            for (bit, (place, bounds)) in open.iter().enumerate() {
                if let Some(value) = filled.get_mut(*place) {
                    *value = bounds[usize::from(corner & (1 << bit) != 0)];
                }
            }
            let result = self.form.result(&filled)?;
            let so_far = outcome.unwrap_or(Outcome { low: result, high: result });
            outcome = Some(Outcome { low: so_far.low.min(result), high: so_far.high.max(result) });
        }
        outcome
    }

    /// The name of the band that `result` lies in and the probability given for it.
    pub(super) fn band(&self, result: f64) -> Option<(&str, Option<f64>)> {
        let band = self.bands.iter().rfind(|band| result >= band.from)?;
        Some((band.name.as_str(), band.probability))
    }
}

impl Form {
    fn result(&self, values: &[f64]) -> Option<f64> {
        let value = |input: usize| values.get(input).copied().unwrap_or(f64::NAN);
        let result = match self {
            Form::Points(items) => items
                .iter()
                .map(|item| {
                    let value = value(item.input);
                    let passed = item.cuts.iter().filter(|cut| value >= **cut).count();
                    item.points.get(passed).filter(|_| !value.is_nan()).copied()
                })
                .sum::<Option<f64>>()?,
            Form::Comorbidity(groups) => {
                let is_there = |input: usize| value(input) > 0.0;
                let counts = groups.iter().filter(|group| {
                    is_there(group.input) && !group.replaced_by.iter().any(|other| is_there(*other))
                });
                counts.map(|group| group.weight).sum()
            }
            Form::Linear { link, factors, models } => {
                let model = models.iter().find(|model| model.is_for(values))?;
                link.apply(model.sum(factors, values))
            }
        };
        result.is_finite().then_some(result)
    }
}

impl Model {
    fn is_for(&self, values: &[f64]) -> bool {
        self.sex.is_none_or(|(input, sex)| {
            values.get(input).is_some_and(|female| match sex {
                ModelSex::Female => *female == 1.0,
                ModelSex::Male => *female == 0.0,
            })
        })
    }

    fn sum(&self, factors: &[Factor], values: &[f64]) -> f64 {
        let factor = |place: &usize| factors.get(*place).map_or(f64::NAN, |f| f.value(values));
        let terms = self.terms.iter();
        let products =
            terms.map(|term| term.coefficient * term.factors.iter().map(factor).product::<f64>());
        self.constant + products.sum::<f64>()
    }
}

impl Factor {
    fn value(&self, values: &[f64]) -> f64 {
        let mut value = values.get(self.input).copied().unwrap_or(f64::NAN);
        // f64::max would make a number of a NaN.
        if self.at_least.is_some_and(|least| value < least) {
            value = self.at_least.unwrap_or(value);
        }
        if self.at_most.is_some_and(|most| value > most) {
            value = self.at_most.unwrap_or(value);
        }
        value = (value - self.minus) / self.over;
        if self.ln {
            value = value.ln();
        }
        self.power.map_or(value, |power| value.powf(power))
    }
}

impl Link {
    fn apply(self, sum: f64) -> f64 {
        match self {
            Link::None => sum,
            Link::Exp => sum.exp(),
            Link::Logistic => 1.0 / (1.0 + (-sum).exp()),
            Link::Weibull { time, scale } => 1.0 - (-((time.ln() - sum) / scale).exp()).exp(),
        }
    }
}
