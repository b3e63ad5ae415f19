//! Scoring: from a history and a bundle to an answer in words.

mod answer;

pub use answer::{Reason, Score, Sufficiency};
