//! An axis: from where to where, its ticks, and how its numbers are written.

/// How the numbers of an axis are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// Shares, as percent.
    Percent,
    Number,
}

/// An axis of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub label: String,
    pub from: f64,
    /// Above `from`.
    pub to: f64,
    pub shows: Shows,
}

impl Axis {
    /// From end to end; ends that leave no room are moved apart.
    pub fn new(label: impl Into<String>, shows: Shows, from: f64, to: f64) -> Axis {
        let is_usable = from.is_finite() && to.is_finite() && to > from;
        let (from, to) = match (is_usable, from.is_finite()) {
            (true, _) => (from, to),
            (false, true) => (from, from + 1.0),
            (false, false) => (0.0, 1.0),
        };
        Axis { label: label.into(), from, to, shows }
    }

    /// An axis with even ends that covers all of `values`.
    pub fn covering(
        label: impl Into<String>,
        shows: Shows,
        values: impl Iterator<Item = f64>,
    ) -> Axis {
        let (mut from, mut to) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            from = from.min(value);
            to = to.max(value);
        }
        if from > to {
            (from, to) = (0.0, 1.0);
        }
        if to - from < 1e-9 {
            (from, to) = (from - 0.5, to + 0.5);
        }
        let step = step(to - from, 5);
        Axis::new(label, shows, (from / step).floor() * step, (to / step).ceil() * step)
    }

    /// Where `value` lies between the ends: 0 at `from`, 1 at `to`.
    pub(super) fn share(&self, value: f64) -> f64 {
        (value - self.from) / (self.to - self.from)
    }

    /// Whether `value` lies on the axis.
    pub(super) fn holds(&self, value: f64) -> bool {
        value >= self.from && value <= self.to
    }

    /// About `count` even numbers with their texts.
    pub(super) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let step = step(self.to - self.from, count);
        let first = (self.from / step - 1e-6).ceil() as i64;
        let last = (self.to / step + 1e-6).floor() as i64;
        // No axis has more than a few ticks, whatever its ends are.
        let each = (first..=last.min(first.saturating_add(20))).map(|number| number as f64 * step);
        each.map(|value| (value, self.text(value, step))).collect()
    }

    /// `value` with as many digits as tell neighbouring ticks apart.
    fn text(&self, value: f64, step: f64) -> String {
        let (value, step, unit) = match self.shows {
            Shows::Percent => (100.0 * value, 100.0 * step, "%"),
            Shows::Number => (value, step, ""),
        };
        let digits = (-(step.log10() + 1e-9).floor()).clamp(0.0, 6.0) as usize;
        format!("{}{unit}", signed(&format!("{value:.digits$}")))
    }

    /// A figure of this axis in words.
    pub(super) fn figure(&self, value: f64) -> String {
        signed(&match self.shows {
            Shows::Percent => format!("{:.1}%", 100.0 * value),
            Shows::Number if value.abs() < 0.1 && value != 0.0 => format!("{value:.4}"),
            Shows::Number => format!("{value:.2}"),
        })
    }
}

/// A number with a minus sign where it has one: minus nothing is nothing.
fn signed(text: &str) -> String {
    let is_zero = text.chars().all(|character| !('1'..='9').contains(&character));
    let text = if is_zero { text.trim_start_matches('-') } else { text };
    text.replace('-', "\u{2212}")
}

/// An even step (1, 2 or 5 times a power of ten) that goes about `count` times into `span`.
fn step(span: f64, count: usize) -> f64 {
    let rough = (span / count.max(1) as f64).max(f64::MIN_POSITIVE);
    let unit = 10f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * unit >= rough * 0.999);
    times.unwrap_or(10.0) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_even_and_told_apart() {
        let texts = |axis: &Axis| -> Vec<String> {
            axis.ticks(5).into_iter().map(|(_, text)| text).collect()
        };
        let all = Axis::new("", Shows::Percent, 0.0, 1.0);
        assert_eq!(texts(&all), ["0%", "20%", "40%", "60%", "80%", "100%"]);
        let small = Axis::covering("", Shows::Number, [-0.003, 0.0112].into_iter());
        assert_eq!((small.from, small.to), (-0.005, 0.015));
        assert_eq!(texts(&small), ["\u{2212}0.005", "0.000", "0.005", "0.010", "0.015"]);
        let open = Axis::covering("", Shows::Number, [f64::NAN, f64::INFINITY].into_iter());
        assert_eq!((open.from, open.to), (0.0, 1.0));
        let even = Axis::covering("", Shows::Number, [2.0, 2.0].into_iter());
        assert!(even.from < 2.0 && 2.0 < even.to && even.ticks(5).len() > 2);
    }
}
