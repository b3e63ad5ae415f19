//! Sums of gradients: whole numbers, so that they are exact and come out the same in any order.
//!
//! A row's gradient and hessian are rounded once to a fixed unit. From then on everything is
//! integer: the sums of one side of a split are the node's less the other side's to the last bit,
//! and the work may be dealt out to any number of threads without a trace in the result.

use std::sync::{Mutex, MutexGuard, PoisonError};

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
const ROWS_ALONE: usize = 2048;

/// The sum over some rows.
pub(super) fn total(gradients: &[Sum], rows: &[u32]) -> Sum {
    let of =
        |rows: &[u32]| rows.iter().fold(Sum::ZERO, |sum, row| sum.plus(gradients[*row as usize]));
    rows.par_chunks(ROWS_ALONE).map(of).reduce(|| Sum::ZERO, Sum::plus)
}

/// Where sums are made and kept; lent again and again, as fresh memory costs more than the sums.
#[derive(Default)]
pub(super) struct Boards {
    boards: Mutex<Vec<Vec<Sum>>>,
    cells: Mutex<Vec<Vec<Sum>>>,
    rows: Mutex<Vec<Vec<u32>>>,
}

impl Boards {
    /// A list with one sum for each cell; what it holds is old.
    pub(super) fn cells(&self, binned: &Binned) -> Vec<Sum> {
        taken(&self.cells).unwrap_or_else(|| vec![Sum::ZERO; binned.cells()])
    }

    /// Takes a list of `cells` back.
    pub(super) fn give(&self, cells: Vec<Sum>) {
        if !cells.is_empty() {
            held(&self.cells).push(cells);
        }
    }

    /// A list with room for `count` rows; what it holds is old.
    pub(super) fn rows(&self, count: usize) -> Vec<u32> {
        let mut rows = taken(&self.rows).unwrap_or_default();
        if rows.len() < count {
            rows.resize(count, 0);
        }
        rows
    }

    /// Takes lists of `rows` back.
    pub(super) fn give_rows(&self, lists: [Vec<u32>; 2]) {
        held(&self.rows).extend(lists);
    }

    /// Sums the gradients of `rows` (places of `binned`) for every cell, into `cells`; `total` is
    /// their sum.
    pub(super) fn sum(
        &self,
        binned: &Binned,
        gradients: &[Sum],
        rows: &[u32],
        total: Sum,
        cells: &mut [Sum],
    ) {
        let parts = (rows.len() / ROWS_ALONE).clamp(1, rayon::current_num_threads());
        for block in binned.blocks() {
            let cells = &mut cells[binned.span(block)];
            let part = |rows: &[u32]| {
                // As long as an entry can name: its untouched part costs nothing.
                let board = taken(&self.boards).unwrap_or_else(|| vec![Sum::ZERO; 1 << 16]);
                add_rows(block, gradients, rows, board, cells.len())
            };
            let boards: Vec<Vec<Sum>> = match parts {
                1 => vec![part(rows)],
                _ => rows.par_chunks(rows.len().div_ceil(parts)).map(part).collect(),
            };
            cells.fill(Sum::ZERO);
            for board in boards {
                cells.iter_mut().zip(&board).for_each(|(cell, more)| *cell = cell.plus(*more));
                held(&self.boards).push(board);
            }
            binned.fill_skipped(block, cells, total);
        }
    }
}

fn held<T>(lists: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    // A list that a panic left half written is only ever overwritten.
    lists.lock().unwrap_or_else(PoisonError::into_inner)
}

fn taken<T>(lists: &Mutex<Vec<T>>) -> Option<T> {
    held(lists).pop()
}

/// Sums the gradients of `rows` for the first `cells` cells of the board.
fn add_rows(
    block: &Block,
    gradients: &[Sum],
    rows: &[u32],
    mut board: Vec<Sum>,
    cells: usize,
) -> Vec<Sum> {
    board[..cells].fill(Sum::ZERO);
    if let Ok(board) = <&mut Board>::try_from(&mut board[..]) {
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
    board
}
