//! Bundles: everything needed to score one task, checked before it is used.
//!
//! A bundle is a set of named files. `Bundle::open` takes them as bytes (reading folders is the
//! registry's work), checks all of them, and gives the one `predict` that both programs use.

mod drift;
mod drift_watch;
mod golden;
mod interval;
mod manifest;
mod open;
mod predict;
mod reference;
mod sufficiency;
mod sums;
mod tier;

pub use drift::{Bands, DriftReference};
pub use drift_watch::{DriftReading, InputDrift};
pub use golden::{Golden, golden_rows};
pub use interval::Interval;
pub use manifest::{
    ColumnEntry, Development, FORMAT_VERSION, FileEntry, Headline, Manifest, MemberEntry,
    Recalibration,
};
pub use open::{Bundle, BundleError, CARD, Files, MANIFEST, METRICS, REPORT, formula_file};
pub use predict::{Explanation, Prediction};
pub use sufficiency::{Judgement, Sufficiency};
pub use sums::{digest, sealed};
pub use tier::{Recut, TierBasis, TierCut};
