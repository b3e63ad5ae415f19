//! Bins: every value as one byte, and the rows laid out for summing.
//!
//! Each input has up to 255 bins of neighbouring values and one bin for missing values. The codes
//! are kept twice: column by column for dealing rows out to the sides of a split, and row by row
//! for summing gradients. The row form leaves out each input's most frequent bin, whose sum is what
//! the others leave of the node's: a row of flags and counts holds few entries.

use std::ops::Range;

use rayon::prelude::*;

use super::super::{ModelError, check_rows};
use super::sums::Sum;
use crate::SMALL_CELL_PATIENTS;
use crate::feature::Matrix;

/// Most bins of observed values of one input; their codes and that of missing values fill a byte.
const BINS_MAX: usize = 255;
/// Cells of a block: the sums of a block should stay in the processor's nearest caches.
const BLOCK_CELLS: usize = 4096;
/// Rows that one thread packs at a time.
const CHUNK: usize = 8192;
/// How often bins are merged by the sum of their patients before it is done the sure way.
const SUMMED_PASSES: usize = 4;

/// The bins of one input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bins {
    /// Rising; bin b holds the values above cut b - 1 and not above cut b.
    pub(super) cuts: Vec<f32>,
    /// Its first cell in a list of sums; one cell for each bin and one for missing values.
    pub(super) first_cell: usize,
    /// The code that rows do not hold an entry for.
    skipped: u8,
}

impl Bins {
    /// How many cells it has: the bins and the missing values.
    pub(super) fn cells(&self) -> usize {
        self.cuts.len() + 2
    }

    /// The code of missing values: the one after the last bin's.
    pub(super) fn missing(&self) -> u8 {
        (self.cuts.len() + 1) as u8
    }

    /// The code of a value.
    pub(super) fn code(&self, value: f32) -> u8 {
        if value.is_nan() { self.missing() } else { place(&self.cuts, value) }
    }
}

/// Some inputs, row by row: row r has `entries[starts[r]..starts[r + 1]]`, the cells of the block
/// that it counts in, without those of the skipped codes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) inputs: Range<usize>,
    pub(super) starts: Vec<u32>,
    pub(super) entries: Vec<u16>,
}

/// Columns of a matrix as bytes for some of its rows: made once, shared by many fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Binned {
    matrix_rows: usize,
    columns: Vec<usize>,
    rows: Vec<usize>,
    bins: Vec<Bins>,
    codes: Vec<u8>,
    blocks: Vec<Block>,
    cells: usize,
}

impl Binned {
    /// Bins `columns` of `matrix`, which become inputs 0, 1, ... of the trees, on `rows`;
    /// `patients` has the patient number of every matrix row.
    ///
    /// `NaN` is missing and has a bin of its own; infinities count as the greatest and the smallest
    /// finite value. Every other bin holds values of at least `SMALL_CELL_PATIENTS` patients, so
    /// that no cut sets a few patients apart.
    ///
    /// # Errors
    /// `Mismatch` and `TooFewRows` for arguments that do not fit, `NoInputs` without columns.
    pub fn new(
        matrix: &Matrix,
        columns: &[usize],
        rows: &[usize],
        patients: &[u32],
    ) -> Result<Binned, ModelError> {
        check_rows(matrix, rows, &[("patients", patients.len())])?;
        if columns.is_empty() {
            return Err(ModelError::NoInputs);
        }
        if let Some(column) = columns.iter().find(|column| **column >= matrix.columns()) {
            return Err(ModelError::Mismatch(format!("no column {column}")));
        }
        if u32::try_from(rows.len()).is_err() {
            return Err(ModelError::BadSetting("boosted: more rows than can be counted".into()));
        }
        let order = by_patient(rows, patients);
        let learn = |column: &usize| learn(matrix, *column, rows, &order);
        let learned: Vec<(Vec<f32>, Vec<u8>, u8)> = columns.par_iter().map(learn).collect();
        let mut bins: Vec<Bins> = Vec::with_capacity(columns.len());
        let mut codes = Vec::with_capacity(columns.len() * rows.len());
        let mut cells = 0;
        for (cuts, own, skipped) in learned {
            let input = Bins { cuts, first_cell: cells, skipped };
            cells += input.cells();
            bins.push(input);
            codes.extend_from_slice(&own);
        }
        let blocks = blocks(&bins, rows.len());
        let packed = |inputs| packed(&bins, inputs, &codes, rows.len());
        let blocks = blocks.into_par_iter().map(packed).collect();
        let (columns, rows) = (columns.to_vec(), rows.to_vec());
        Ok(Binned { matrix_rows: matrix.rows(), columns, rows, bins, codes, blocks, cells })
    }

    /// How many inputs there are.
    pub fn inputs(&self) -> usize {
        self.bins.len()
    }

    /// The matrix rows that were binned, in their order.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// How many rows the matrix had.
    pub(super) fn matrix_rows(&self) -> usize {
        self.matrix_rows
    }

    /// The bins of every input.
    pub(super) fn bins(&self) -> &[Bins] {
        &self.bins
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// How many cells a list of sums has.
    pub(super) fn cells(&self) -> usize {
        self.cells
    }

    /// The codes of one input, one a row.
    pub(super) fn codes(&self, input: usize) -> &[u8] {
        let rows = self.rows.len();
        &self.codes[input * rows..(input + 1) * rows]
    }

    /// The codes of other rows of a matrix of the same columns: input by input, one a row.
    pub(super) fn codes_of(&self, matrix: &Matrix, rows: &[usize]) -> Vec<Vec<u8>> {
        let inputs = self.bins.par_iter().zip(&self.columns);
        let of = |(bins, column): (&Bins, &usize)| {
            rows.iter().map(|row| bins.code(matrix.get(*row, *column))).collect()
        };
        inputs.map(of).collect()
    }

    /// Whether a matrix has all the columns.
    pub(super) fn fits(&self, matrix: &Matrix) -> bool {
        self.columns.iter().all(|column| *column < matrix.columns())
    }

    /// Sums what rows did not count: of each input in `block`, the cell of the skipped code is what
    /// the others leave of `total`. `cells` are those of the block.
    pub(super) fn fill_skipped(&self, block: &Block, cells: &mut [Sum], total: Sum) {
        let mut rest = cells;
        for bins in &self.bins[block.inputs.clone()] {
            let (own, after) = rest.split_at_mut(bins.cells());
            let skipped = usize::from(bins.skipped);
            own[skipped] = Sum::ZERO;
            let counted = own.iter().fold(Sum::ZERO, |sum, cell| sum.plus(*cell));
            own[skipped] = total.minus(counted);
            rest = after;
        }
    }

    /// The first cell of a block and the end of its cells.
    pub(super) fn span(&self, block: &Block) -> Range<usize> {
        let first = self.bins[block.inputs.start].first_cell;
        let last = &self.bins[block.inputs.end - 1];
        first..last.first_cell + last.cells()
    }
}

/// Places of `rows` with their patients, the rows of a patient together.
fn by_patient(rows: &[usize], patients: &[u32]) -> Vec<(u32, u32)> {
    let mut order: Vec<(u32, u32)> = rows.iter().map(|row| patients[*row]).zip(0..).collect();
    order.par_sort_unstable();
    order
}

/// The bin of a value that is there.
fn place(cuts: &[f32], value: f32) -> u8 {
    cuts.partition_point(|cut| *cut < value) as u8
}

/// The cuts of one column, the code of every row, and the most frequent code.
fn learn(
    matrix: &Matrix,
    column: usize,
    rows: &[usize],
    order: &[(u32, u32)],
) -> (Vec<f32>, Vec<u8>, u8) {
    // Adding 0 turns -0 into 0: one number, one bin.
    let read = |row: &usize| matrix.get(*row, column).clamp(f32::MIN, f32::MAX) + 0.0;
    let values: Vec<f32> = rows.iter().map(read).collect();
    let mut sorted: Vec<f32> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let mut cuts = cuts_of(&sorted);
    let code = |cuts: &[f32], value: f32| {
        if value.is_nan() { (cuts.len() + 1) as u8 } else { place(cuts, value) }
    };
    let mut codes: Vec<u8> = values.iter().map(|value| code(&cuts, *value)).collect();
    for pass in 0.. {
        let patients = patients_of(&codes, order, cuts.len() + 1);
        let Some(kept) = merged(&patients, pass < SUMMED_PASSES) else { break };
        cuts = kept.into_iter().map(|bin| cuts[bin]).collect();
        codes.iter_mut().zip(&values).for_each(|(own, value)| *own = code(&cuts, *value));
    }
    let mut counts = [0u32; 256];
    codes.iter().for_each(|code| counts[usize::from(*code)] += 1);
    let most = counts.iter().copied().max().unwrap_or(0);
    let skipped = counts.iter().position(|count| *count == most).unwrap_or(0) as u8;
    (cuts, codes, skipped)
}

/// Cuts between neighbouring distinct values; with more than `BINS_MAX` values, so that the bins
/// hold about as many rows each.
fn cuts_of(sorted: &[f32]) -> Vec<f32> {
    let groups: Vec<&[f32]> = sorted.chunk_by(|a, b| a == b).collect();
    let mut cuts = Vec::new();
    let (mut left, mut bins, mut held) = (sorted.len(), BINS_MAX, 0);
    for pair in groups.windows(2) {
        held += pair[0].len();
        let share = left.div_ceil(bins);
        // A value that fills a bin by itself does not share one with the smaller values.
        let is_full = groups.len() <= BINS_MAX || held >= share || pair[1].len() >= share;
        if is_full && bins > 1 {
            cuts.push(between(pair[0][0], pair[1][0]));
            left -= held;
            (bins, held) = (bins - 1, 0);
        }
    }
    cuts
}

/// A threshold t with `low <= t < high`, half way where there is room.
fn between(low: f32, high: f32) -> f32 {
    let middle = ((f64::from(low) + f64::from(high)) / 2.0) as f32;
    if low <= middle && middle < high { middle } else { low }
}

/// How many patients each bin holds, missing values left out.
fn patients_of(codes: &[u8], order: &[(u32, u32)], bins: usize) -> Vec<usize> {
    let (mut counts, mut last) = ([0usize; 256], [None; 256]);
    for (patient, place) in order {
        let code = usize::from(codes[*place as usize]);
        counts[code] += usize::from(last[code] != Some(*patient));
        last[code] = Some(*patient);
    }
    counts[..bins].to_vec()
}

/// Which cuts to keep so that every bin may hold enough patients; `None` when every bin does.
///
/// A patient may be in two bins that are merged, so merging by the sum of patients may have to be
/// done again; merging until one of the bins has enough patients by itself is sure.
fn merged(patients: &[usize], by_sum: bool) -> Option<Vec<usize>> {
    if patients.len() == 1 || patients.iter().all(|count| *count >= SMALL_CELL_PATIENTS) {
        return None;
    }
    let (mut kept, mut held) = (Vec::new(), 0);
    for (bin, count) in patients.iter().enumerate() {
        held = if by_sum { held + count } else { held.max(*count) };
        if held >= SMALL_CELL_PATIENTS && bin + 1 < patients.len() {
            kept.push(bin);
            held = 0;
        }
    }
    if held < SMALL_CELL_PATIENTS {
        // What is left at the end joins the bin before it.
        kept.pop();
    }
    Some(kept)
}

/// Which inputs make a block each.
fn blocks(bins: &[Bins], rows: usize) -> Vec<Range<usize>> {
    let inputs_max = (u32::MAX as usize / rows.max(1)).max(1);
    let (mut blocks, mut start) = (Vec::new(), 0);
    for (input, own) in bins.iter().enumerate() {
        let cells = own.first_cell + own.cells() - bins[start].first_cell;
        if input > start && (cells > BLOCK_CELLS || input - start >= inputs_max) {
            blocks.push(start..input);
            start = input;
        }
    }
    blocks.push(start..bins.len());
    blocks
}

/// The row form of some inputs.
fn packed(bins: &[Bins], inputs: Range<usize>, codes: &[u8], rows: usize) -> Block {
    let parts: Vec<Range<usize>> =
        (0..rows).step_by(CHUNK).map(|from| from..rows.min(from + CHUNK)).collect();
    let part = |part: Range<usize>| packed_part(bins, inputs.clone(), codes, rows, part);
    let parts: Vec<(Vec<u32>, Vec<u16>)> = parts.into_par_iter().map(part).collect();
    let mut starts = Vec::with_capacity(rows + 1);
    let mut total = 0;
    for (own, entries) in &parts {
        starts.extend(own.iter().map(|start| total + start));
        total += entries.len() as u32;
    }
    starts.push(total);
    let entries: Vec<&[u16]> = parts.iter().map(|(_, entries)| entries.as_slice()).collect();
    Block { inputs, starts, entries: entries.concat() }
}

/// The starts and the entries of some rows, as if there were no rows before them.
fn packed_part(
    bins: &[Bins],
    inputs: Range<usize>,
    codes: &[u8],
    rows: usize,
    part: Range<usize>,
) -> (Vec<u32>, Vec<u16>) {
    let columns = || {
        let codes = |input: usize| &codes[input * rows..][part.clone()];
        inputs.clone().map(move |input| (&bins[input], codes(input)))
    };
    let mut starts = vec![0u32; part.len() + 1];
    for (own, codes) in columns() {
        for (start, code) in starts[1..].iter_mut().zip(codes) {
            *start += u32::from(*code != own.skipped);
        }
    }
    let mut total = 0;
    for start in &mut starts {
        total += *start;
        *start = total;
    }
    starts.pop();
    let mut next = starts.clone();
    let mut entries = vec![0u16; total as usize];
    let first = bins[inputs.start].first_cell;
    for (own, codes) in columns() {
        for (next, code) in next.iter_mut().zip(codes) {
            if *code != own.skipped {
                entries[*next as usize] = (own.first_cell - first + usize::from(*code)) as u16;
                *next += 1;
            }
        }
    }
    (starts, entries)
}

#[cfg(test)]
mod tests;
