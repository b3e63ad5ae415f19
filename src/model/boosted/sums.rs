//! Sums of gradients: whole numbers, so that they are exact and come out the same in any order.
//!
//! A row's gradient and hessian are rounded once to a fixed unit. From then on everything is
//! integer: the sums of one side of a split are the node's less the other side's to the last bit,
//! and the work may be dealt out to any number of threads without a trace in the result.

use rayon::prelude::*;

use super::bins::{Binned, Block};

/// The sums over some rows, in the units of `Units`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    gradient: i64,
    /// The hessian in the upper bits, the number of rows in the lower ones: one addition for both.
    hessian_and_rows: i64,
}

impl Sum {
    pub(super) const ZERO: Sum = Sum { gradient: 0, hessian_and_rows: 0 };

    pub(super) fn plus(self, other: Sum) -> Sum {
        Sum {
            gradient: self.gradient.wrapping_add(other.gradient),
            hessian_and_rows: self.hessian_and_rows.wrapping_add(other.hessian_and_rows),
        }
    }

    pub(super) fn minus(self, other: Sum) -> Sum {
        Sum {
            gradient: self.gradient.wrapping_sub(other.gradient),
            hessian_and_rows: self.hessian_and_rows.wrapping_sub(other.hessian_and_rows),
        }
    }
}

/// What one step of a sum stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Units {
    gradient: f64,
    hessian: f64,
    rows_bits: u32,
}

impl Units {
    /// Units in which the sums over `rows` rows of weight `total` altogether cannot overflow.
    pub(super) fn new(rows: usize, total: f64) -> Units {
        let rows_bits = usize::BITS - rows.leading_zeros();
        // A gradient is at most the row's weight, a hessian a quarter of it. Powers of two, so that
        // nothing but the rounding to whole steps is lost; two bits are left for that.
        let step = |bits: u32, sum: f64| 2f64.powi(bits as i32 - 2 - sum.log2().ceil() as i32);
        Units { gradient: step(63, total), hessian: step(63 - rows_bits, total / 4.0), rows_bits }
    }

    /// The sum over one row.
    pub(super) fn of(&self, gradient: f64, hessian: f64) -> Sum {
        let hessian = (hessian * self.hessian + 0.5) as i64;
        Sum {
            gradient: (gradient * self.gradient) as i64,
            hessian_and_rows: (hessian << self.rows_bits) | 1,
        }
    }

    pub(super) fn gradient(&self, sum: Sum) -> f64 {
        sum.gradient as f64 / self.gradient
    }

    pub(super) fn hessian(&self, sum: Sum) -> f64 {
        (sum.hessian_and_rows >> self.rows_bits) as f64 / self.hessian
    }

    pub(super) fn rows(&self, sum: Sum) -> usize {
        (sum.hessian_and_rows & ((1 << self.rows_bits) - 1)) as usize
    }
}

/// As many cells as an entry of a block can name: no entry needs a check.
type Board = [Sum; 1 << 16];

/// Rows that one thread sums by itself: fewer are not worth waking another thread for.
const ROWS_ALONE: usize = 4096;

/// Where sums are made; kept, because it is large and its untouched part costs nothing.
pub(super) struct Boards(Vec<Box<[Sum]>>);

impl Boards {
    pub(super) fn new() -> Boards {
        Boards(Vec::new())
    }

    /// Sums the gradients of `rows` (places of `binned`) for every cell, into `cells`; `total` is
    /// their sum.
    pub(super) fn sum(
        &mut self,
        binned: &Binned,
        gradients: &[Sum],
        rows: &[u32],
        total: Sum,
        cells: &mut [Sum],
    ) {
        let parts = (rows.len() / ROWS_ALONE).clamp(1, rayon::current_num_threads());
        let share = rows.len().div_ceil(parts).max(1);
        let parts = rows.len().div_ceil(share).max(1);
        while self.0.len() < parts {
            self.0.push(vec![Sum::ZERO; 1 << 16].into_boxed_slice());
        }
        for block in binned.blocks() {
            let span = binned.span(block);
            let cells = &mut cells[span];
            let boards = &mut self.0[..parts];
            if let [board] = boards {
                add_rows(block, gradients, rows, &mut board[..], cells.len());
            } else {
                boards.par_iter_mut().zip(rows.par_chunks(share)).for_each(|(board, rows)| {
                    add_rows(block, gradients, rows, &mut board[..], cells.len());
                });
            }
            let (first, others) = boards.split_at(1);
            cells.copy_from_slice(&first[0][..cells.len()]);
            for board in others {
                cells.iter_mut().zip(board).for_each(|(cell, more)| *cell = cell.plus(*more));
            }
            binned.fill_skipped(block, cells, total);
        }
    }
}

/// Sums the gradients of `rows` for the first `cells` cells of the board.
fn add_rows(block: &Block, gradients: &[Sum], rows: &[u32], board: &mut [Sum], cells: usize) {
    board[..cells].fill(Sum::ZERO);
    let Ok(board) = <&mut Board>::try_from(board) else { return };
    for row in rows {
        let row = *row as usize;
        let (from, to) = (block.starts[row] as usize, block.starts[row + 1] as usize);
        let own = gradients[row];
        for entry in &block.entries[from..to] {
            let cell = &mut board[usize::from(*entry)];
            *cell = cell.plus(own);
        }
    }
}
