//! Whether a record says enough for this model.
//!
//! Three things are asked, each as a share of the model's weight: what lies before the record begins
//! (coverage), what is missing (inputs), and what lies outside all that the fit has seen (novelty).
//! The worst of them gives the grade.

use super::manifest::Manifest;
use super::open::Bundle;
use crate::access::{Classes, PROTECTED};
use crate::feature::{Feature, Source, Window};
use crate::record::View;

/// Shares of the model's weight that may be lacking for each grade. They are this project's own
/// cut points: a quarter, two fifths, and the limit of three fifths beyond which no score is given.
const LACKING_A_MAX: f64 = 0.25;
const LACKING_B_MAX: f64 = 0.40;
const LACKING_C_MAX: f64 = 0.60;

/// How far the record suffices for this model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sufficiency {
    A,
    B,
    C,
    /// Not enough data: no probability is given.
    D,
}

impl Sufficiency {
    /// All grades, the best first.
    pub const ALL: [Sufficiency; 4] =
        [Sufficiency::A, Sufficiency::B, Sufficiency::C, Sufficiency::D];

    /// The grade as one letter.
    pub fn letter(self) -> &'static str {
        match self {
            Sufficiency::A => "A",
            Sufficiency::B => "B",
            Sufficiency::C => "C",
            Sufficiency::D => "D",
        }
    }

    /// The grade of that letter.
    pub fn parse(letter: &str) -> Option<Sufficiency> {
        Sufficiency::ALL.into_iter().find(|grade| grade.letter() == letter)
    }

    /// The grade of a record that lacks this share of the model's weight, where up to `usual` is what
    /// a record normally lacks.
    fn of_lacking(share: f64, usual: f64) -> Sufficiency {
        match share {
            share if share <= usual.max(LACKING_A_MAX) => Sufficiency::A,
            share if share <= usual.max(LACKING_B_MAX) => Sufficiency::B,
            share if share <= usual.max(LACKING_C_MAX) => Sufficiency::C,
            _ => Sufficiency::D,
        }
    }
}

/// A grade and what it rests on, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub grade: Sufficiency,
    /// Why it is less than A, one sentence for each thing that is lacking.
    pub notes: Vec<String>,
    /// The same without a word of what is sensitive.
    pub veiled_notes: Vec<String>,
    /// The classes of sensitive content that the notes tell of.
    pub classes: Classes,
}

impl Judgement {
    /// Takes in one more thing that was looked at.
    fn and(&mut self, grade: Sufficiency, note: impl FnOnce() -> String) {
        if grade > Sufficiency::A {
            let note = note();
            self.veiled_notes.push(note.clone());
            self.notes.push(note);
        }
        self.grade = self.grade.max(grade);
    }

    /// Puts another sentence in the place of the last one, for those who may not see `classes`.
    fn veil_last(&mut self, classes: Classes, note: String) {
        self.classes = self.classes.and(classes);
        if let Some(last) = self.veiled_notes.last_mut() {
            *last = note;
        }
    }
}

impl Bundle {
    /// Judges whether `view` with its `row` suffices for a score.
    pub fn sufficiency(&self, view: &View<'_>, row: &[f32]) -> Judgement {
        let mut found = Judgement {
            grade: Sufficiency::A,
            notes: Vec::new(),
            veiled_notes: Vec::new(),
            classes: Classes::NONE,
        };
        // Only a task of stays has a stay to look into.
        if view.stay().is_some() && !view.entries().any(|entry| view.in_stay(entry)) {
            found.and(Sufficiency::D, || {
                "the index stay has no diagnosis and no other event".into()
            });
        }
        let percent = |share: f64| (share * 100.0).round();
        let missing = self.missing_weight(row);
        found.and(Sufficiency::of_lacking(missing, 0.0), || {
            format!("data carrying {}% of the model's weight are missing", percent(missing))
        });
        if let Some(days) = view.recorded_days() {
            let before = self.weight_before(days, row);
            found.and(Sufficiency::of_lacking(before, 0.0), || {
                format!(
                    "the record begins {days} days before the index time: {}% of the model's weight \
                     looks further back",
                    percent(before)
                )
            });
        }
        if let Some(usual) = self.manifest().novelty_usual {
            let novel = self.manifest().novelty(row);
            // Beyond what is usual a row is unusual at least, however little weight it carries.
            let grade = match Sufficiency::of_lacking(novel, usual) {
                Sufficiency::A if novel > usual => Sufficiency::B,
                grade => grade,
            };
            let note = |names: &[&str]| {
                // Read by people, also on cards.
                let names: Vec<String> = names.iter().map(|name| name.replace('_', " ")).collect();
                format!(
                    "values carrying {}% of the model's weight lie outside what the fit has seen: {}",
                    percent(novel),
                    names.join(", ")
                )
            };
            let novel = self.novel_features(row);
            let names: Vec<&str> = novel.iter().map(|(name, _)| *name).collect();
            found.and(grade, || note(&names));
            let classes = novel.iter().fold(Classes::NONE, |all, (_, classes)| all.and(*classes));
            if grade > Sufficiency::A && !classes.is_empty() {
                let plain = novel.iter().filter(|(_, classes)| classes.is_empty());
                let mut names: Vec<&str> = plain.map(|(name, _)| *name).collect();
                names.push(PROTECTED);
                found.veil_last(classes, note(&names));
            }
        }
        found
    }

    /// The share of the model's weight whose columns are missing in `row`.
    fn missing_weight(&self, row: &[f32]) -> f64 {
        let weights = self.manifest().columns.iter().map(|column| column.weight);
        let missing = weights.zip(row).filter(|(_, value)| value.is_nan());
        missing.map(|(weight, _)| weight).sum()
    }

    /// The share of the model's weight that counts what happened before a record of `days` days
    /// begins; columns that are missing altogether are left to `missing_weight`.
    fn weight_before(&self, days: i64, row: &[f32]) -> f64 {
        let features = self.task().spec().features();
        let columns = self.manifest().columns.iter().zip(row);
        let there = columns.filter(|(_, value)| !value.is_nan());
        let before = there.map(|(column, _)| {
            let looks_back = features.get(column.feature).and_then(look_back_days);
            let unseen = |needed: u32| (1.0 - days as f64 / f64::from(needed)).max(0.0);
            column.weight * looks_back.map_or(0.0, unseen)
        });
        before.sum()
    }

    /// The features outside the usual, in the order of the task, with the classes that they are about.
    fn novel_features(&self, row: &[f32]) -> Vec<(&str, Classes)> {
        let features = self.task().spec().features();
        let columns = self
            .manifest()
            .novel_columns(row)
            .filter_map(|place| self.manifest().columns.get(place));
        let classes_of = |concept| self.concepts().classes_of(concept);
        let mut named: Vec<(&str, Classes)> = columns
            .filter_map(|column| features.get(column.feature))
            .map(|feature| (feature.name.as_str(), feature.classes(classes_of)))
            .collect();
        named.dedup();
        named
    }
}

impl Manifest {
    /// The share of the model's weight whose columns lie outside what all but a few of the
    /// development rows hold (the bounds of the inputs: the middle 99%).
    pub fn novelty(&self, row: &[f32]) -> f64 {
        let weight = |column: usize| self.columns.get(column).map_or(0.0, |column| column.weight);
        self.novel_columns(row).map(weight).sum()
    }

    fn novel_columns(&self, row: &[f32]) -> impl Iterator<Item = usize> {
        let outside = |column: &&crate::model::Column| {
            let value = row.get(column.index).copied().unwrap_or(f32::NAN);
            value < column.clip_low || value > column.clip_high
        };
        self.input.kept.iter().filter(outside).map(|column| column.index)
    }
}

/// How far back a feature counts what happened; `None` for one that looks at the stay, at the person
/// or at a measurement, of which a short record holds as much as a long one or nothing.
fn look_back_days(feature: &Feature) -> Option<u32> {
    let window = match &feature.source {
        Source::Encounters { window_days, .. } | Source::DaysSinceEncounter { window_days, .. } => {
            return Some(*window_days);
        }
        Source::Events { window, .. }
        | Source::DaysSinceEvent { window, .. }
        | Source::Concepts { window, .. }
        | Source::CodedCount { window, .. }
        | Source::CodedLevels { window, .. }
        | Source::Learned { window, .. } => *window,
        _ => return None,
    };
    match window {
        Window::Days(days) => Some(days),
        Window::Stay | Window::Ever => None,
    }
}
