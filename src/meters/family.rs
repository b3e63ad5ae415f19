//! Series of one metric, told apart by labels, and never more of them than was agreed.

use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
use metrics::{Key, Label};
use metrics_exporter_prometheus::PrometheusRecorder;

/// What all labels say of the series beyond the agreed number.
const OTHER: &str = "other";

type Series<H, const N: usize> = ([String; N], H);

/// The series of one metric with `N` labels; `H` counts in one of them.
///
/// A series is registered when it is first used and found without a lock or an allocation from then
/// on. There are few of them, so they are looked through one by one.
pub(super) struct Family<H, const N: usize> {
    name: &'static str,
    labels: [&'static str; N],
    series_max: usize,
    register: fn(&PrometheusRecorder, &Key) -> H,
    known: ArcSwap<Vec<Series<H, N>>>,
    adding: Mutex<()>,
}

impl<H: Clone, const N: usize> Family<H, N> {
    pub(super) fn new(
        name: &'static str,
        labels: [&'static str; N],
        series_max: usize,
        register: fn(&PrometheusRecorder, &Key) -> H,
    ) -> Family<H, N> {
        let (known, adding) = (ArcSwap::default(), Mutex::default());
        Family { name, labels, series_max, register, known, adding }
    }

    /// Counts in the series of these labels.
    pub(super) fn with(&self, recorder: &PrometheusRecorder, labels: [&str; N], act: impl Fn(&H)) {
        if let Some(handle) = find(&self.known.load(), &labels) {
            return act(handle);
        }
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known.load_full();
        let labels = match known.len() + 1 < self.series_max {
            true => labels,
            false => [OTHER; N],
        };
        if let Some(handle) = find(&known, &labels) {
            return act(handle);
        }
        let values = labels.map(str::to_owned);
        let pairs = self.labels.iter().zip(&values);
        let pairs: Vec<Label> =
            pairs.map(|(name, value)| Label::new(*name, value.clone())).collect();
        let handle = (self.register)(recorder, &Key::from_parts(self.name, pairs));
        act(&handle);
        let mut more = known.as_ref().clone();
        more.push((values, handle));
        self.known.store(more.into());
    }
}

fn find<'a, H, const N: usize>(known: &'a [Series<H, N>], labels: &[&str; N]) -> Option<&'a H> {
    let found = known.iter().find(|(values, _)| values.iter().zip(labels).all(|(a, b)| a == b));
    found.map(|(_, handle)| handle)
}
