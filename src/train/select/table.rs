//! The rows that are learned from, and how they are laid out as inputs.

use crate::feature::{Matrix, RiskWith, Spec, TrainingRow, Vocabulary};
use crate::model::{Binned, Gaps, InputSpec, Member, ModelError, Weights};
use crate::train::Sample;

/// The development rows that count, in the order of the cohort.
pub(in crate::train) struct Table<'a> {
    pub samples: Vec<&'a Sample>,
    pub labels: Vec<bool>,
    pub patients: Vec<u32>,
    /// One a row, above 0; `None` where every row counts once.
    pub weights: Option<Vec<f64>>,
    pub folds: Vec<u8>,
    pub folds_count: u8,
}

/// Learned columns and inputs of one training set, laid out for all rows of the table.
pub(in crate::train) struct Layout {
    pub vocabulary: Vocabulary,
    pub matrix: Matrix,
    pub input: InputSpec,
    /// Of `matrix`, with medians where values are missing.
    pub inputs: Matrix,
    /// How each kept column may move a boosted score.
    pub constraints: Vec<Option<RiskWith>>,
}

impl Layout {
    /// The kept columns of `rows` in bins; missing values stay missing.
    pub(super) fn binned(&self, rows: &[usize], table: &Table<'_>) -> Result<Binned, ModelError> {
        let columns: Vec<usize> = self.input.kept.iter().map(|column| column.index).collect();
        Binned::new(&self.matrix, &columns, rows, &table.patients)
    }

    /// The inputs of `rows`, gaps left as they are.
    pub(super) fn gapped(&self, rows: &[usize]) -> Matrix {
        let mut gapped = Matrix::with_capacity(self.input.inputs(), rows.len());
        let mut buffer = Vec::with_capacity(self.input.inputs());
        for row in rows {
            self.input.apply(self.matrix.row(*row), Gaps::Kept, &mut buffer);
            gapped.push(&buffer);
        }
        gapped
    }
}

impl Table<'_> {
    /// How much each row counts.
    pub(in crate::train) fn weights(&self) -> Weights<'_> {
        Weights::from(&self.weights)
    }

    /// Learns vocabulary and input spec on `rows` and lays out every row of the table with them.
    pub(in crate::train) fn layout(
        &self,
        spec: &Spec,
        rows: &[usize],
    ) -> Result<Layout, ModelError> {
        let learned: Vec<TrainingRow<'_>> = rows
            .iter()
            .map(|row| TrainingRow {
                facts: &self.samples[*row].facts,
                patient: self.patients[*row],
                label: self.labels[*row],
            })
            .collect();
        let vocabulary = Vocabulary::learn(spec, &learned);
        let columns = vocabulary.columns(spec);
        let matrix = vocabulary.matrix(columns.len(), self.samples.iter().map(|s| &s.facts));
        let groups: Vec<u32> = columns.iter().map(|column| column.feature as u32).collect();
        let input = InputSpec::fit(&matrix, rows, &self.patients, &groups)?;
        let inputs = inputs_of(&matrix, &input);
        let risk = |column: &crate::model::Column| {
            let feature = columns.get(column.index)?.feature;
            spec.features().get(feature)?.risk
        };
        let constraints = input.kept.iter().map(risk).collect();
        Ok(Layout { vocabulary, matrix, input, inputs, constraints })
    }

    /// The rows in fold `fold`, or all others.
    pub(super) fn rows(&self, fold: u8, inside: bool) -> Vec<usize> {
        let chosen = |row: &usize| (self.folds[*row] == fold) == inside;
        (0..self.samples.len()).filter(chosen).collect()
    }
}

/// The inputs of every row of `matrix`, no gap left.
fn inputs_of(matrix: &Matrix, input: &InputSpec) -> Matrix {
    let mut inputs = Matrix::with_capacity(input.inputs(), matrix.rows());
    let mut buffer = Vec::with_capacity(input.inputs());
    for row in 0..matrix.rows() {
        input.apply(matrix.row(row), Gaps::Filled, &mut buffer);
        inputs.push(&buffer);
    }
    inputs
}

/// What `member` says of `rows` of `matrix`.
pub(in crate::train) fn margins(
    member: &Member,
    input: &InputSpec,
    matrix: &Matrix,
    rows: &[usize],
) -> Vec<f64> {
    let mut buffer = Vec::with_capacity(input.inputs());
    let margin = |row: &usize| {
        input.apply(matrix.row(*row), member.reads(), &mut buffer);
        member.margin(&buffer)
    };
    rows.iter().map(margin).collect()
}
