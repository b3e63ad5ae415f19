//! The two panels in which parts of the patients stand side by side: observed over expected outcomes, and
//! AUROC.

use crate::page::{Axis, Extent, Ink, Mark, Panel, Shows};
use crate::train::metrics::Estimate;

/// The panels for these figures; their axes are the same for all parts.
pub(super) fn ratio_and_area(
    ratios: impl Iterator<Item = Estimate>,
    areas: impl Iterator<Item = Estimate>,
) -> Vec<Panel> {
    // A part with a very wide interval must not press the others together.
    let ratios = ratios.flat_map(|of| of.interval).map(|end| end.clamp(0.0, 2.5));
    let areas = areas.flat_map(|of| of.interval).map(|end| end.clamp(0.3, 1.0));
    vec![
        Panel {
            axis: Axis::covering("Observed / expected", Shows::Number, ratios.chain([0.8, 1.2])),
            reference: Some(1.0),
            ink: Ink::Blue,
        },
        Panel {
            axis: Axis::covering("AUROC", Shows::Number, areas.chain([0.5, 0.7])),
            reference: Some(0.5),
            ink: Ink::Vermilion,
        },
    ]
}

/// A figure with its interval, as a panel marks it.
pub(super) fn mark(of: Estimate) -> Mark {
    let [low, high] = of.interval;
    Mark::Estimate(Extent { value: of.value, low, high })
}
