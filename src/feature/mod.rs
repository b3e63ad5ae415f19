//! Features: from a view to the row of numbers that models read.
//!
//! `extract` is the only way, for training and serving alike. It gives the fixed columns of the
//! spec and the tokens (codes, services) it met; a `Vocabulary`, learned inside a training fold,
//! turns the tokens into the learned columns. `NaN` means missing, and missing is not zero: zero
//! says that the source would have shown it.

mod aggregate;
mod check;
mod condition;
mod extract;
mod matrix;
mod measurement;
mod params;
mod scene;
mod spec;
mod theme;
mod utilization;
mod vocabulary;

pub use extract::extract;
pub use matrix::Matrix;
pub use params::{
    Aggregate, DrugChange, DrugChangeParams, FeatureParams, LearnedFrom, MeasuredParams,
    ObservedByParams, PerDay, RiskWith, SourceParams, Window,
};
pub use scene::{Facts, Token};
pub use spec::{Column, Counted, Feature, ObservedBy, Source, Spec, SpecError};
pub use vocabulary::{TrainingRow, Vocabulary};
