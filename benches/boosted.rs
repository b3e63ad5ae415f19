//! What a fit of boosted trees costs: 200 rounds of 31 leaves on about 75,000 rows of 62 columns, with
//! one thread and with two; the bins are made anew each time.
//!
//! `PRODROME_TABLE` names a folder with `x.f32` and `x_test.f32` (row by row), `y.u8`, `y_test.u8` and
//! `patients.u32`; when it holds none, a made-up table is written there, so that
//! `benches/peers/boosted_peers.py` can fit its peers on the same rows. Rounds alternate, and
//! `PRODROME_ROUNDS` says how often (default 5), `PRODROME_THREADS` with how many threads (default 1,2).
//! The time of the processor is that of all threads.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use prodrome::feature::Matrix;
use prodrome::model::{Binned, Boosted, BoostedParams, Weights, fit_boosted};
use rayon::ThreadPoolBuilder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Table {
    x: Matrix,
    y: Vec<bool>,
    patients: Vec<u32>,
    x_test: Matrix,
    y_test: Vec<bool>,
}

fn main() {
    let folder = std::env::var_os("PRODROME_TABLE").map(PathBuf::from);
    let table = match &folder {
        Some(folder) if folder.join("x.f32").exists() => read(folder),
        _ => made_up(),
    };
    if let Some(folder) = folder.filter(|folder| !folder.join("x.f32").exists()) {
        write(&table, &folder);
    }
    let rounds = std::env::var("PRODROME_ROUNDS").ok().and_then(|text| text.parse().ok());
    let threads = std::env::var("PRODROME_THREADS").unwrap_or_else(|_| "1,2".to_owned());
    let mut costs: Vec<(usize, Vec<(f64, f64)>)> =
        threads.split(',').map(|threads| (threads.parse().unwrap(), Vec::new())).collect();
    let mut last = None;
    for _ in 0..rounds.unwrap_or(5) {
        for (threads, costs) in &mut costs {
            let pool = ThreadPoolBuilder::new().num_threads(*threads).build().unwrap();
            let (began, used) = (Instant::now(), processor_seconds());
            last = Some(pool.install(|| fit(&table)));
            costs.push((processor_seconds() - used, began.elapsed().as_secs_f64()));
        }
    }
    let (rows, columns) = (table.x.rows(), table.x.columns());
    for (threads, costs) in &costs {
        let (mut processor, mut wall): (Vec<f64>, Vec<f64>) = costs.iter().copied().unzip();
        processor.sort_by(f64::total_cmp);
        wall.sort_by(f64::total_cmp);
        let (middle, least) = (costs.len() / 2, 0);
        println!(
            "{rows} x {columns}, {threads} threads: processor {:.2} s (least {:.2}), wall {:.2} s (least {:.2})",
            processor[middle], processor[least], wall[middle], wall[least]
        );
    }
    println!("AUROC on {} other rows: {:.4}", table.y_test.len(), auroc(&last.unwrap(), &table));
}

fn fit(table: &Table) -> Boosted {
    let (rows, columns): (Vec<usize>, Vec<usize>) =
        ((0..table.x.rows()).collect(), (0..table.x.columns()).collect());
    let binned = Binned::new(&table.x, &columns, &rows, &table.patients).unwrap();
    let free = vec![None; columns.len()];
    let params = BoostedParams::default();
    fit_boosted(&binned, &table.y, &table.patients, Weights::Even, &free, &params, 1, None).unwrap()
}

/// Seconds that the processors spent on this process, as Linux counts them.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn auroc(fitted: &Boosted, table: &Table) -> f64 {
    let trees = fitted.trees(fitted.rounds()).unwrap();
    let margin = |row: usize| trees.margin(table.x_test.row(row));
    let mut said: Vec<(f64, bool)> =
        table.y_test.iter().enumerate().map(|(row, y)| (margin(row), *y)).collect();
    said.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut others, mut pairs) = (0.0, 0.0);
    for (_, label) in &said {
        if *label { pairs += others } else { others += 1.0 }
    }
    pairs / (others * (said.len() as f64 - others))
}

/// Counts, measurements, flags and one-of-several columns, some often missing, as hospital tables hold.
fn made_up() -> Table {
    let mut random = fastrand::Rng::with_seed(1);
    let (columns, rows, others) = (62, 75_000, 25_000);
    let (mut x, mut x_test) =
        (Matrix::with_capacity(columns, rows), Matrix::with_capacity(columns, others));
    let (mut y, mut y_test) = (Vec::new(), Vec::new());
    let mut row = vec![0.0; columns];
    for place in 0..rows + others {
        row.fill(0.0);
        row[..6].fill_with(|| (random.f32() * random.f32() * 120.0).floor());
        row[6..10].fill_with(|| (4.0 * random.f32().powi(4)).floor());
        row[10..12].fill_with(|| if random.f32() < 0.8 { f32::NAN } else { random.f32() * 10.0 });
        row[12..22].fill_with(|| f32::from(u8::from(random.f32() < 0.2)));
        // Five groups of eight columns, of which one at the most is 1.
        for group in 0..5 {
            if let Some(flag) = row.get_mut(22 + 8 * group + random.usize(..11)) {
                *flag = if random.f32() < 0.8 { 1.0 } else { 0.0 };
            }
        }
        let lab = if row[10].is_nan() { 0.0 } else { 0.06 * row[10] };
        let sum =
            0.015 * row[0] - 0.01 * row[1] + 0.4 * row[6] * row[12] + 0.3 * row[22] + lab - 2.6;
        let outcome = random.f32() < 1.0 / (1.0 + (-sum).exp());
        if place < rows {
            x.push(&row);
            y.push(outcome);
        } else {
            x_test.push(&row);
            y_test.push(outcome);
        }
    }
    let patients = (0..rows as u32).map(|row| row * 2 / 3).collect();
    Table { x, y, patients, x_test, y_test }
}

fn read(folder: &Path) -> Table {
    let bytes = |name: &str| fs::read(folder.join(name)).unwrap();
    let words = |name: &str| -> Vec<[u8; 4]> { bytes(name).as_chunks().0.to_vec() };
    let labels = |name: &str| -> Vec<bool> { bytes(name).iter().map(|y| *y == 1).collect() };
    let (y, y_test) = (labels("y.u8"), labels("y_test.u8"));
    let values = |name: &str, rows: usize| {
        let values: Vec<f32> = words(name).into_iter().map(f32::from_le_bytes).collect();
        let columns = values.len() / rows;
        let mut matrix = Matrix::with_capacity(columns, rows);
        values.chunks_exact(columns).for_each(|row| matrix.push(row));
        matrix
    };
    let patients = words("patients.u32").into_iter().map(u32::from_le_bytes).collect();
    let (x, x_test) = (values("x.f32", y.len()), values("x_test.f32", y_test.len()));
    Table { x, y, patients, x_test, y_test }
}

fn write(table: &Table, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let values = |matrix: &Matrix| -> Vec<u8> {
        (0..matrix.rows()).flat_map(|row| matrix.row(row)).flat_map(|x| x.to_le_bytes()).collect()
    };
    let labels = |labels: &[bool]| -> Vec<u8> { labels.iter().map(|y| u8::from(*y)).collect() };
    let put = |name: &str, bytes: Vec<u8>| fs::write(folder.join(name), bytes).unwrap();
    put("x.f32", values(&table.x));
    put("x_test.f32", values(&table.x_test));
    put("y.u8", labels(&table.y));
    put("y_test.u8", labels(&table.y_test));
    put("patients.u32", table.patients.iter().flat_map(|patient| patient.to_le_bytes()).collect());
}
