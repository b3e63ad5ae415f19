//! Whether a record says enough for this model.

use super::open::Bundle;
use crate::record::View;

/// Shares of the model's weight that may be missing for each grade. They are this project's own
/// cut points: a quarter, two fifths, and the limit of three fifths beyond which no score is given.
const MISSING_A_MAX: f64 = 0.25;
const MISSING_B_MAX: f64 = 0.40;
const MISSING_C_MAX: f64 = 0.60;

/// How far the record suffices for this model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sufficiency {
    A,
    B,
    C,
    /// Not enough data: no probability is given.
    D,
}

/// A grade and what it rests on, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub grade: Sufficiency,
    pub notes: Vec<String>,
}

impl Bundle {
    /// Judges whether `view` with its `row` suffices for a score.
    pub fn sufficiency(&self, view: &View<'_>, row: &[f32]) -> Judgement {
        let missing = self.missing_weight(row);
        let mut notes = Vec::new();
        // Only a task of stays has a stay to look into.
        let empty_stay = view.stay().is_some() && !view.entries().any(|entry| view.in_stay(entry));
        if empty_stay {
            notes.push("the index stay has no diagnosis and no other event".to_owned());
        }
        let by_weight = match missing {
            m if m <= MISSING_A_MAX => Sufficiency::A,
            m if m <= MISSING_B_MAX => Sufficiency::B,
            m if m <= MISSING_C_MAX => Sufficiency::C,
            _ => Sufficiency::D,
        };
        if by_weight > Sufficiency::A {
            let percent = (missing * 100.0).round();
            notes.push(format!("data carrying {percent}% of the model's weight are missing"));
        }
        Judgement { grade: if empty_stay { Sufficiency::D } else { by_weight }, notes }
    }

    /// The share of the model's weight whose columns are missing in `row`.
    fn missing_weight(&self, row: &[f32]) -> f64 {
        let weights = self.manifest().columns.iter().map(|column| column.weight);
        let missing = weights.zip(row).filter(|(_, value)| value.is_nan());
        missing.map(|(weight, _)| weight).sum()
    }
}
