//! Parts: what each feature, or each learned code of one, says by itself, and of which classes of
//! sensitive content that is.

use super::answer::Reason;
use super::reasons::each_once;
use super::words;
use crate::access::Classes;
use crate::bundle::Bundle;
use crate::feature::{Facts, Feature, Source, Token};
use crate::record::{ConceptId, Evidence, View};

/// What the reasons of one score are made from.
pub(super) struct Parts<'a> {
    pub view: &'a View<'a>,
    pub bundle: &'a Bundle,
    pub facts: &'a Facts,
    pub row: &'a [f32],
}

/// What one feature says, or one learned code of it, before it is put into words.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    pub theme: &'a str,
    /// Whether the record says anything of it.
    pub recorded: bool,
    pub contribution: f64,
    pub feature: &'a Feature,
    pub said_by: SaidBy<'a>,
}

/// Which columns a part stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum SaidBy<'a> {
    /// Those of a feature.
    Columns(&'a [usize]),
    /// Those of a learned feature that is missing as a whole.
    Nothing,
    /// The one of a learned code; `learned` is the feature's place among the learned ones.
    Code { learned: usize, column: usize },
}

impl<'a> Parts<'a> {
    /// All parts, in the order of the task file, with their shares among `contributions`.
    pub(super) fn all(&self, contributions: &[f64]) -> Vec<Part<'a>> {
        let (mut parts, mut learned) = (Vec::new(), 0);
        for (place, feature) in self.bundle.task().spec().features().iter().enumerate() {
            let columns = self.bundle.columns_of(place);
            match feature.source {
                Source::Learned { .. } => {
                    self.learned(feature, learned, columns, contributions, &mut parts);
                    learned += 1;
                }
                _ => parts.push(Part {
                    theme: &feature.theme,
                    recorded: columns.iter().any(|column| !self.value(*column).is_nan()),
                    contribution: sum(columns, contributions),
                    feature,
                    said_by: SaidBy::Columns(columns),
                }),
            }
        }
        parts
    }

    /// The value of a column; missing where there is none.
    pub(super) fn value(&self, column: usize) -> f32 {
        self.row.get(column).copied().unwrap_or(f32::NAN)
    }

    /// `learned` is the feature's place among the learned ones.
    fn learned(
        &self,
        feature: &'a Feature,
        learned: usize,
        columns: &'a [usize],
        contributions: &[f64],
        parts: &mut Vec<Part<'a>>,
    ) {
        let theme = feature.theme.as_str();
        if columns.iter().all(|column| self.value(*column).is_nan()) {
            let (contribution, said_by) = (sum(columns, contributions), SaidBy::Nothing);
            parts.push(Part { theme, recorded: false, contribution, feature, said_by });
            return;
        }
        for column in columns.iter().copied().filter(|column| self.value(*column) > 0.0) {
            let (contribution, said_by) =
                (sum(&[column], contributions), SaidBy::Code { learned, column });
            parts.push(Part { theme, recorded: true, contribution, feature, said_by });
        }
    }

    /// The reason that a part would be alone, its facts all that were found.
    pub(super) fn said(&self, part: &Part<'a>, contributions: &[f64]) -> Reason {
        let Part { theme, recorded, contribution, feature, said_by } = *part;
        let mut reason = match said_by {
            SaidBy::Columns(columns) => self.fixed(feature, columns, contributions),
            SaidBy::Nothing => Reason {
                text: words::not_recorded(feature),
                features: vec![feature.name.clone()],
                ..Reason::default()
            },
            SaidBy::Code { learned, column } => self.code(feature, learned, column),
        };
        theme.clone_into(&mut reason.theme);
        (reason.recorded, reason.contribution) = (recorded, contribution);
        reason
    }

    fn fixed(&self, feature: &'a Feature, columns: &[usize], contributions: &[f64]) -> Reason {
        let values: Vec<f32> = columns.iter().map(|column| self.value(*column)).collect();
        let events = self.events(columns);
        let single = match values.as_slice() {
            [value] if !value.is_nan() => Some(f64::from(*value)),
            _ => None,
        };
        let mut reason = Reason {
            text: words::fixed(feature, &values) + &words::made_from(feature, &events),
            value: single,
            unit: single.and_then(|_| feature.unit.clone()),
            modifiable: feature.modifiable,
            classes: self.classes_of(&events),
            events,
            features: vec![feature.name.clone()],
            ..Reason::default()
        };
        let own = self.own_classes(feature, &values);
        reason.parts = self.by_class(feature, columns, contributions);
        let of_parts = reason.parts.iter().map(|part| part.classes);
        reason.classes = of_parts.fold(reason.classes.and(own), Classes::and);
        reason
    }

    fn events(&self, columns: &[usize]) -> Vec<Evidence> {
        let of_columns = |(column, _): &&(usize, Evidence)| columns.contains(column);
        let found = self.facts.evidence.iter().filter(of_columns).map(|(_, fact)| *fact);
        each_once(found.collect())
    }

    fn classes_of(&self, events: &[Evidence]) -> Classes {
        events.iter().fold(Classes::NONE, |all, fact| all.and(self.view.classes_of(fact)))
    }

    /// What a feature with these values tells of by itself, whatever it rests on.
    fn own_classes(&self, feature: &Feature, values: &[f32]) -> Classes {
        let concepts = self.bundle.concepts();
        let own = feature.classes(|concept| concepts.classes_of(concept));
        match &feature.source {
            // Of what excludes each other the one that is there is told.
            Source::StayCode { levels, .. } | Source::Concepts { concepts: levels, .. } => {
                let there = levels.iter().zip(values).filter(|(_, value)| **value > 0.0);
                there.fold(own, |all, (level, _)| all.and(concepts.classes_of(*level)))
            }
            // A formula has no facts of its own: they are those of its concepts.
            Source::Published { .. } => own.and(self.view.classes_of_events(&feature.about())),
            _ => own,
        }
    }

    /// The parts of a feature that asks after several concepts one by one, of which some are sensitive:
    /// one for each set of classes. Empty where nothing is to be told apart.
    fn by_class(
        &self,
        feature: &'a Feature,
        columns: &[usize],
        contributions: &[f64],
    ) -> Vec<Reason> {
        let Source::Concepts { concepts, principal: false, .. } = &feature.source else {
            return Vec::new();
        };
        let of = |concept: &ConceptId| self.bundle.concepts().classes_of(*concept);
        let facts = |column: &usize| {
            let evidence = self.facts.evidence.iter().filter(|(of, _)| of == column);
            evidence.fold(Classes::NONE, |all, (_, fact)| all.and(self.view.classes_of(fact)))
        };
        let classes: Vec<Classes> = concepts
            .iter()
            .zip(columns)
            .map(|(concept, column)| of(concept).and(facts(column)))
            .collect();
        let mut sets: Vec<Classes> = classes.clone();
        sets.sort_unstable();
        sets.dedup();
        if sets.len() < 2 {
            return Vec::new();
        }
        let part = |set: Classes| {
            let is_of = |place: usize| classes.get(place) == Some(&set);
            let own: Vec<usize> = columns
                .iter()
                .enumerate()
                .filter_map(|(place, column)| is_of(place).then_some(*column))
                .collect();
            // To the words of the whole feature the others are not there.
            let masked = |(place, column): (usize, &usize)| match self.value(*column) {
                value if is_of(place) || value.is_nan() => value,
                _ => 0.0,
            };
            let values: Vec<f32> = columns.iter().enumerate().map(masked).collect();
            let events = self.events(&own);
            Reason {
                theme: feature.theme.clone(),
                recorded: values.iter().any(|value| !value.is_nan()),
                features: vec![feature.name.clone()],
                text: words::fixed(feature, &values) + &words::made_from(feature, &events),
                contribution: sum(&own, contributions),
                modifiable: feature.modifiable,
                events,
                classes: set,
                ..Reason::default()
            }
        };
        sets.into_iter().map(part).collect()
    }

    fn code(&self, feature: &Feature, learned: usize, column: usize) -> Reason {
        let name = self.bundle.columns().get(column).map_or("", |column| column.name.as_str());
        let token = name.split_once('=').map_or(name, |(_, token)| token);
        let of_token = |found: &&Token| found.learned == learned && found.text == token;
        let found = self.facts.tokens.iter().filter(of_token);
        let events = each_once(found.flat_map(|token| token.evidence.iter().copied()).collect());
        let concepts = self.bundle.concepts();
        let text = words::learned(feature, token, concepts) + &words::made_from(feature, &events);
        let classes = concepts.classes_of_token(token).and(self.classes_of(&events));
        Reason { text, events, classes, features: vec![name.to_owned()], ..Reason::default() }
    }
}

fn sum(columns: &[usize], contributions: &[f64]) -> f64 {
    columns.iter().filter_map(|column| contributions.get(*column)).sum()
}
