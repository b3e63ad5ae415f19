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

use prodrome::model::{Combine, FlatTrees, Node};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let Some(folder) = std::env::args().skip(1).find(|argument| Path::new(argument).is_dir())
    else {
        println!("no folder: see benches/peers/flat_trees.py");
        return;
    };
    let read = |name: &str| std::fs::read(Path::new(&folder).join(name)).unwrap();
    let trees = read_trees(&read("trees.bin"));
    let inputs = trees.inputs();
    let floats = |bytes: &[u8]| bytes.chunks_exact(4).map(|four| f32_at(four, 0)).collect();
    let rows: Vec<f32> = floats(&read("rows.f32"));
    let doubles = |bytes: &[u8]| bytes.chunks_exact(8).map(|eight| f64_at(eight, 0)).collect();
    let (margins, shares): (Vec<f64>, Vec<f64>) =
        (doubles(&read("margins.f64")), doubles(&read("shares.f64")));
    compare(&trees, &rows, &margins, &shares);
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
        trees.contributions(black_box(row(at)), &mut out);
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
fn compare(trees: &FlatTrees, rows: &[f32], margins: &[f64], shares: &[f64]) {
    let inputs = trees.inputs();
    let mut ours = vec![0.0; margins.len()];
    trees.margins(rows, &mut ours);
    let gap =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let of_margins = gap(&ours, margins);
    let mut of_shares = 0.0f64;
    let mut out = vec![0.0; inputs];
    for (x, theirs) in rows.chunks(inputs).zip(shares.chunks(inputs)) {
        trees.contributions(x, &mut out);
        of_shares = of_shares.max(gap(&out, theirs));
    }
    println!("largest difference of a margin {of_margins:.1e}, of a share {of_shares:.1e}");
    assert!(of_margins < 1e-6 && of_shares < 1e-5);
}

/// The form that `benches/peers/flat_trees.py` writes: nodes in the order of a walk, which become
/// siblings side by side here.
fn read_trees(bytes: &[u8]) -> FlatTrees {
    let (trees, inputs) = (u32_at(bytes, 0), u32_at(bytes, 4));
    let mut from = 8;
    let tree = |_| {
        let nodes = u32_at(bytes, from) as usize;
        let records: Vec<&[u8]> = bytes[from + 4..].chunks_exact(25).take(nodes).collect();
        from += 4 + 25 * nodes;
        let mut order = vec![0];
        let mut built = Vec::new();
        while let Some(record) = order.get(built.len()).map(|index| records[*index]) {
            let (number, cover) = (f64_at(record, 13), u32_at(record, 21));
            built.push(match u32_at(record, 0).cast_signed() {
                -1 => Node::Leaf { value: number, cover },
                input => {
                    let left = order.len() as u32;
                    order.extend([u32_at(record, 5) as usize, u32_at(record, 9) as usize]);
                    // The greatest f32 that is not above: rows are f32, so each goes its way.
                    let near = number as f32;
                    let threshold = if f64::from(near) > number { near.next_down() } else { near };
                    let (input, missing_left) = (input as u32, record[4] == 1);
                    Node::Branch { left, input, threshold, missing_left, cover }
                }
            });
        }
        built
    };
    let trees: Vec<Vec<Node>> = (0..trees).map(tree).collect();
    FlatTrees::new(inputs as usize, Combine::Sum { base: 0.0 }, &trees).unwrap()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn f32_at(bytes: &[u8], at: usize) -> f32 {
    f32::from_bits(u32_at(bytes, at))
}

fn f64_at(bytes: &[u8], at: usize) -> f64 {
    f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
