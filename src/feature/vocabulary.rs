//! Learned columns: which codes get a column of their own, chosen inside a training fold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::matrix::Matrix;
use super::scene::Facts;
use super::spec::{Column, Source, Spec};

/// What a vocabulary learns from: the facts of one training row, whose it is, how it ended.
#[derive(Debug, Clone, Copy)]
pub struct TrainingRow<'a> {
    pub facts: &'a Facts,
    /// Number of the patient; rows of one patient have the same.
    pub patient: u32,
    pub label: bool,
}

/// The tokens that have a column, for each learned feature of a spec in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vocabulary {
    learned: Vec<Vec<String>>,
}

/// How often a token was seen, for choosing.
#[derive(Default)]
struct Seen {
    rows: u64,
    positives: u64,
    patients: u64,
    last_patient: Option<u32>,
}

impl Vocabulary {
    /// Chooses for each learned feature the tokens of enough patients whose outcome rate differs
    /// most surely from the rest (two-proportion z). `samples` must be ordered by patient.
    pub fn learn(spec: &Spec, samples: &[TrainingRow<'_>]) -> Vocabulary {
        debug_assert!(samples.is_sorted_by_key(|sample| sample.patient));
        let mut seen: Vec<BTreeMap<&str, Seen>> = spec.learned().map(|_| BTreeMap::new()).collect();
        for sample in samples {
            for token in &sample.facts.tokens {
                let Some(tokens) = seen.get_mut(token.learned) else { continue };
                let entry = tokens.entry(token.text.as_str()).or_default();
                entry.rows += 1;
                entry.positives += u64::from(sample.label);
                if entry.last_patient != Some(sample.patient) {
                    entry.patients += 1;
                    entry.last_patient = Some(sample.patient);
                }
            }
        }
        let rows = samples.len() as u64;
        let positives = samples.iter().filter(|sample| sample.label).count() as u64;
        let chosen = spec.learned().zip(seen).map(|((_, feature), tokens)| {
            let (codes_max, patients_min) = match feature.source {
                Source::Learned { codes_max, patients_min, .. } => (codes_max, patients_min as u64),
                _ => (0, u64::MAX),
            };
            let enough = tokens.into_iter().filter(|(_, seen)| seen.patients >= patients_min);
            let mut ranked: Vec<(f64, &str)> =
                enough.map(|(text, seen)| (surprise(&seen, rows, positives), text)).collect();
            // Ties by name, so that the choice depends on nothing else.
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
            ranked.truncate(codes_max);
            let mut texts: Vec<String> = ranked.into_iter().map(|(_, t)| t.to_owned()).collect();
            texts.sort_unstable();
            texts
        });
        Vocabulary { learned: chosen.collect() }
    }

    /// Whether the vocabulary has one list for each learned feature of `spec`, each sorted and of a
    /// size the spec allows.
    pub fn fits(&self, spec: &Spec) -> bool {
        let lists_fit = spec.learned().zip(&self.learned).all(|((_, feature), texts)| {
            matches!(feature.source, Source::Learned { codes_max, .. } if texts.len() <= codes_max)
                && texts.windows(2).all(|pair| pair[0] < pair[1])
        });
        spec.learned().count() == self.learned.len() && lists_fit
    }

    /// All columns: the fixed ones of `spec`, then the learned ones.
    pub fn columns(&self, spec: &Spec) -> Vec<Column> {
        let mut columns = spec.fixed_columns();
        for ((place, feature), texts) in spec.learned().zip(&self.learned) {
            columns.extend(
                texts.iter().map(|text| Column {
                    name: format!("{}={text}", feature.name),
                    feature: place,
                }),
            );
        }
        columns
    }

    /// The rows of all `facts`, of `columns` columns.
    pub fn matrix<'f>(
        &self,
        columns: usize,
        facts: impl ExactSizeIterator<Item = &'f Facts>,
    ) -> Matrix {
        let mut matrix = Matrix::with_capacity(columns, facts.len());
        facts.for_each(|facts| matrix.push(&self.row(facts)));
        matrix
    }

    /// The row of `facts`: its fixed values, then a 0/1 for each learned token.
    pub fn row(&self, facts: &Facts) -> Vec<f32> {
        let learned: usize = self.learned.iter().map(Vec::len).sum();
        let mut row = Vec::with_capacity(facts.values.len() + learned);
        row.extend_from_slice(&facts.values);
        for (texts, missing) in self.learned.iter().zip(&facts.learned_missing) {
            let from = row.len();
            row.resize(from + texts.len(), if *missing { f32::NAN } else { 0.0 });
        }
        let mut from = facts.values.len();
        let starts: Vec<usize> = self
            .learned
            .iter()
            .map(|texts| {
                let start = from;
                from += texts.len();
                start
            })
            .collect();
        for token in &facts.tokens {
            let Some(texts) = self.learned.get(token.learned) else { continue };
            if let Ok(place) = texts.binary_search(&token.text) {
                row[starts[token.learned] + place] = 1.0;
            }
        }
        row
    }
}

/// How surely the outcome rate with the token differs from the rate without: |z|.
fn surprise(seen: &Seen, rows: u64, positives: u64) -> f64 {
    let (with, without) = (seen.rows as f64, (rows - seen.rows) as f64);
    if with == 0.0 || without == 0.0 {
        return 0.0;
    }
    let overall = positives as f64 / rows as f64;
    let difference = seen.positives as f64 / with - (positives - seen.positives) as f64 / without;
    let variance = overall * (1.0 - overall) * (1.0 / with + 1.0 / without);
    if variance > 0.0 { (difference * difference / variance).sqrt() } else { 0.0 }
}
