//! How fast the labels of a task are found in a MEDS export: rows a second and the most memory held.
//!
//! It makes a simulated population in a temporary folder (`PRODROME_PATIENTS`, default 5,000, each of
//! about 200 rows; or `PRODROME_MEDS` names an export that is there), and then writes the label file of
//! each task named in `PRODROME_TASKS` (default `readmit30`) `PRODROME_ROUNDS` times (default 5), with
//! as many threads as there are cores. The memory is that of the whole process at its highest, as Linux
//! counts it, so that an export that is there gives the better figure. Peers are measured on the same
//! export by their own programs.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use prodrome::command::{
    self, CohortRequest, ExportFormat, SimulateRequest, Source, TaskSource, with_threads,
};
use prodrome::import::Meter;
use prodrome::simulate::Settings;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let export = std::env::var_os("PRODROME_MEDS").map(PathBuf::from);
    let export = export.unwrap_or_else(|| simulated(&folder.path().join("export")));
    let tasks = std::env::var("PRODROME_TASKS").unwrap_or_else(|_| "readmit30".to_owned());
    let rounds = number("PRODROME_ROUNDS").unwrap_or(5);
    let before = most_memory();
    for name in tasks.split(',') {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let request = CohortRequest {
            task: TaskSource::new(models.join(name).join("task.toml")),
            source: Source::new(export.clone()),
            out: folder.path().join(format!("{name}.parquet")),
        };
        let (mut seconds, mut rows) = (Vec::new(), 0);
        for _ in 0..rounds {
            let began = Instant::now();
            let found = with_threads(None, || command::cohort(&request, &Meter::default()));
            rows = found.unwrap().unwrap().lines.read();
            seconds.push(began.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN);
        println!(
            "{name}: {rows} rows in {median:.3} s (median of {rounds}): {:.1} million rows/s, {seconds:.3?}",
            rows as f64 / median / 1e6
        );
    }
    println!("most memory: {before} MB before, {} MB after", most_memory());
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn simulated(out: &Path) -> PathBuf {
    let settings = Settings::new(number("PRODROME_PATIENTS").unwrap_or(5_000), 10, 7);
    let (format, out) = (ExportFormat::Meds, out.to_owned());
    command::simulate(&SimulateRequest { settings, format, out: out.clone(), truth: None })
        .unwrap();
    out
}

/// The most memory that the process has held, in MB; 0 where the system does not say.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1_024
}
