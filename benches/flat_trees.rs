//! What trees cost to score and to explain: 300 trees of depth 8, some values missing, one thread.
//!
//! `benches/peers/flat_trees.py` makes the model and the rows, runs this program and its peers turn
//! by turn, and prints the ratios. The folder with the files is the first argument that is one; the
//! last line printed is JSON: microseconds a row in each short window, for one row at a time, for a
//! batch of 256, and for an explanation. Scores and explanations are first compared with the peers'.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may fail")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use prodrome::model::FlatTrees;

#[path = "../tests/it/shap/trees.rs"]
mod trees;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let Some(folder) = std::env::args().skip(1).find(|argument| Path::new(argument).is_dir())
    else {
        println!("no folder: see benches/peers/flat_trees.py");
        return;
    };
    let read = |name: &str| std::fs::read(Path::new(&folder).join(name)).unwrap();
    let trees = trees::read(&read("trees.json"));
    let inputs = trees.inputs();
    let rows: Vec<f32> =
        read("rows.f32").as_chunks().0.iter().copied().map(f32::from_le_bytes).collect();
    let doubles = |name: &str| -> Vec<f64> {
        read(name).as_chunks().0.iter().copied().map(f64::from_le_bytes).collect()
    };
    let (margins, shares) = (doubles("margins.f64"), doubles("shares.f64"));
    let reference: Vec<f32> =
        read("reference.f32").as_chunks().0.iter().copied().map(f32::from_le_bytes).collect();
    compare(&trees, &rows, &reference, &margins, &shares);
    println!(
        "{} trees, {} nodes, depth {}, {} bytes stored",
        trees.trees(),
        trees.nodes(),
        trees.depth(),
        trees.to_bytes().len()
    );
    let row = |at: usize| &rows[at * inputs..(at + 1) * inputs];
    let one = windows(200, 50, |at| {
        black_box(trees.margin(black_box(row(at))));
    });
    let mut sums = vec![0.0; 256];
    let batch = windows(100, 1, |at| {
        let at = at * 256 % (margins.len() - 256);
        trees.margins(black_box(&rows[at * inputs..(at + 256) * inputs]), &mut sums);
        black_box(&sums);
    });
    let batch: Vec<f64> = batch.iter().map(|time| time / 256.0).collect();
    let mut out = vec![0.0; inputs];
    let shap = windows(100, 4, |at| {
        trees.contributions(black_box(row(at)), &reference, &mut out);
        black_box(&out);
    });
    println!("{{\"one\": {one:?}, \"batch\": {batch:?}, \"shap\": {shap:?}}}");
}

/// Microseconds a call, in each of so many windows.
fn windows(windows: usize, calls: usize, mut call: impl FnMut(usize)) -> Vec<f64> {
    let window = |window: usize| {
        let began = Instant::now();
        (0..calls).for_each(|at| call((window * calls + at) % 4000));
        began.elapsed().as_secs_f64() * 1e6 / calls as f64
    };
    (0..windows).map(window).collect()
}

/// Our margins and shares must be the peers'.
fn compare(trees: &FlatTrees, rows: &[f32], reference: &[f32], margins: &[f64], shares: &[f64]) {
    let inputs = trees.inputs();
    let mut ours = vec![0.0; margins.len()];
    trees.margins(rows, &mut ours);
    let gap =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let of_margins = gap(&ours, margins);
    let mut of_shares = 0.0f64;
    let mut out = vec![0.0; inputs];
    for (x, theirs) in rows.chunks(inputs).zip(shares.chunks(inputs)) {
        trees.contributions(x, reference, &mut out);
        of_shares = of_shares.max(gap(&out, theirs));
    }
    println!("largest difference of a margin {of_margins:.1e}, of a share {of_shares:.1e}");
    assert!(of_margins < 1e-6 && of_shares < 1e-5);
}
