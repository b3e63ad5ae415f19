//! Published scores: formulas of the literature, read from files and computed from a `View`.
//!
//! A formula is a TOML file: where its numbers come from, for whom it holds, what it reads from the
//! record, how that becomes points or a probability, and test vectors that it must give when it is
//! read. `Formulas` holds the files, those built in and those of a site; `resolve` checks one against
//! the concepts; `evaluate` computes it. Nothing is clamped: outside its validity a formula is not
//! applicable and says why, and what is missing is named.

mod calculate;
mod check;
mod check_form;
mod evaluate;
mod formula;
mod formulas;
mod gather;
mod params;

pub use evaluate::{PublishedScore, evaluate};
pub use formula::Formula;
pub use formulas::Formulas;

/// What is wrong with a formula file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("formula {formula}: {reason}")]
pub struct FormulaError {
    /// The formula's id, or `-` where the file does not show one.
    pub formula: String,
    pub reason: String,
}

#[cfg(test)]
mod tests;
