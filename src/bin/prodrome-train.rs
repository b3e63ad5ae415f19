//! `prodrome-train`: the offline trainer. Arguments in, one library call, an exit code out.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use prodrome::command::{
    self, CheckRequest, CohortRequest, CommandError, ConvertRequest, EvaluateRequest, FitRequest,
    ScoreRequest, Source, TaskSource, with_threads,
};
use prodrome::import::{Meter, Reading, RegionFrom, Timezone};
use prodrome::train::HeldOut;
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many warnings are shown unless more are asked for.
const WARNINGS_SHOWN: usize = 20;

/// How often the bar is drawn.
const TICK: Duration = Duration::from_millis(200);

/// Fits, judges and applies clinical risk models.
///
/// Exit codes: 0 done, 1 a check said no, 2 the call is wrong, 3 the data are, 4 the environment is.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// One JSON object on standard output.
    #[arg(long, global = true)]
    json: bool,
    /// Threads to use; the machine's by default. The result does not depend on it.
    #[arg(long, global = true)]
    threads: Option<usize>,
    /// Say less on standard error.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more on standard error.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is in an export, what is wrong with it, and why a task finds no cohort.
    Check {
        #[command(flatten)]
        records: Records,
        /// A task file; may be given more than once. All of the models folder by default.
        #[arg(long)]
        task: Vec<PathBuf>,
        /// The models folder, with the tasks to check.
        #[arg(long, default_value = "models")]
        models: PathBuf,
    },
    /// Find a task's cohort in an export: who is left out and why, and a MEDS label file.
    Cohort {
        #[command(flatten)]
        task: TaskArguments,
        #[command(flatten)]
        records: Records,
        /// The label file to write, as Parquet. It holds patient data.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Fit a task's models on an export; a new version folder, not yet in service.
    Fit {
        #[command(flatten)]
        task: TaskArguments,
        #[command(flatten)]
        records: Records,
        /// A MEDS label file, or a folder of them, made by any tool: it replaces the task's own index
        /// times and outcome; the task's criteria still apply.
        #[arg(long, value_name = "FILE")]
        labels: Option<PathBuf>,
        /// The models folder that gets the new version.
        #[arg(long, default_value = "models")]
        models: PathBuf,
        /// Seed of every draw: same seed, same records, same bundle.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Part of the patients to judge on and not to learn from: `k/n`, or `none`. A source that
        /// splits its subjects itself (MEDS) goes before `k/n`.
        #[arg(long, default_value = "0/5", value_parser = held_out)]
        held_out: HeldOut,
        /// Write the fitted matrix as Parquet. It holds patient data.
        #[arg(long, value_name = "FILE")]
        dump_matrix: Option<PathBuf>,
    },
    /// Judge a bundle on an export: metrics.json and predictions.parquet.
    Evaluate {
        /// A version folder, such as models/readmit30_diabetes/1.
        #[arg(long)]
        bundle: PathBuf,
        #[command(flatten)]
        records: Records,
        /// The folder to write to.
        #[arg(long)]
        out: PathBuf,
        /// Only the patients that the fit held out: an export that the fit has seen judges nothing.
        #[arg(long)]
        only_held_out: bool,
    },
    /// Write an export as MEDS 0.4, for pandas, ACES or MEDS-Tab, and for this program.
    Convert {
        #[command(flatten)]
        records: Records,
        /// The folder to write to; it must be empty or not there.
        #[arg(long)]
        out: PathBuf,
        /// Leave out the source's patient ids where they are no integers. They are kept (column
        /// patient_id) unless you say so: without them predictions cannot be joined back.
        #[arg(long)]
        drop_ids: bool,
    },
    /// Score every index time of an export by the same road as the server.
    Score {
        /// A version folder, such as models/readmit30_diabetes/1.
        #[arg(long)]
        bundle: PathBuf,
        #[command(flatten)]
        records: Records,
        /// The Parquet file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Put a version into service; a server takes it up when it starts.
    Promote {
        /// The task's name.
        #[arg(long)]
        task: String,
        /// The version's number.
        #[arg(long)]
        version: String,
        /// The models folder.
        #[arg(long, default_value = "models")]
        models: PathBuf,
    },
}

#[derive(Debug, Args)]
struct TaskArguments {
    /// The task file; `concepts.toml` beside its folder is read with it.
    #[arg(long)]
    task: PathBuf,
    /// A formula file of your site, which the task may name under `published`; may be given more
    /// than once. A bundle carries it.
    #[arg(long, value_name = "FILE")]
    published: Vec<PathBuf>,
    /// Your own rules of planned stays, in place of the task's.
    #[arg(long, value_name = "FILE")]
    planned_rules: Option<PathBuf>,
}

impl TaskArguments {
    fn source(self, concepts: Vec<PathBuf>) -> TaskSource {
        let TaskArguments { task: file, published, planned_rules } = self;
        TaskSource { file, concepts, published, planned_rules }
    }
}

#[derive(Debug, Args)]
struct Records {
    /// The folder with the exported records.
    #[arg(long)]
    export: PathBuf,
    /// How the rows of tables become records; a FHIR export (*.ndjson) and a MEDS one need none.
    #[arg(long)]
    mapping: Option<PathBuf>,
    /// A folder for what does not fit into memory. It gets patient data, readable by you alone, and
    /// is emptied at the end; after an interruption the same command goes on from it.
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// The part of an address that is the patient's region.
    #[arg(long, value_name = "PART", default_value = "postal-prefix", value_parser = region_from)]
    region_from: RegionFrom,
    /// The zone of times that come without one, such as Europe/Berlin.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = timezone)]
    timezone: Timezone,
    /// Concept files of your site, added to the task's own; may be given more than once.
    #[arg(long)]
    concepts: Vec<PathBuf>,
}

impl Records {
    fn parts(self) -> (Source, Vec<PathBuf>) {
        let Records { export, mapping, work, region_from, timezone, concepts } = self;
        let reading = Reading { region_from, timezone };
        (Source { export, mapping, reading, work }, concepts)
    }
}

fn region_from(text: &str) -> Result<RegionFrom, String> {
    let names = RegionFrom::NAMES.map(|(name, _)| name).join(", ");
    RegionFrom::parse(text).ok_or_else(|| format!("must be one of {names}"))
}

fn timezone(text: &str) -> Result<Timezone, String> {
    Timezone::parse(text).ok_or_else(|| "must be an IANA name such as Europe/Berlin".to_owned())
}

fn held_out(text: &str) -> Result<HeldOut, String> {
    HeldOut::parse(text).ok_or_else(|| "must be k/n with k below n, or none".to_owned())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let bar = bar(&arguments);
    let (json, threads) = (arguments.json, arguments.threads);
    let warnings_max = match (arguments.quiet, arguments.verbose) {
        (true, _) => 0,
        (false, false) => WARNINGS_SHOWN,
        (false, true) => usize::MAX,
    };
    let meter = Arc::new(Meter::default());
    watch(&bar, &meter);
    let result = with_threads(threads, || run(arguments.command, &bar, &meter));
    let result = result.and_then(|result| result);
    bar.finish_and_clear();
    match result {
        Ok(answer) => match print(&answer, json, warnings_max) {
            Ok(()) => ExitCode::from(answer.exit_code),
            Err(_) => ExitCode::from(4),
        },
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// A bar on standard error, hidden unless a person watches.
fn bar(arguments: &Arguments) -> ProgressBar {
    if arguments.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(TICK);
    styled(bar, "{spinner} {elapsed} {msg}")
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Shows on the bar how far the reading has come, from a thread that ends with the bar.
fn watch(bar: &ProgressBar, meter: &Arc<Meter>) {
    if bar.is_hidden() {
        return;
    }
    let (bar, meter) = (bar.clone(), Arc::clone(meter));
    std::thread::spawn(move || {
        let reading = "{spinner} {elapsed} {msg} {bar:30} {bytes} of {total_bytes}, \
                       {bytes_per_sec}, {eta} left";
        let mut begun = false;
        while !bar.is_finished() {
            std::thread::sleep(TICK);
            let (total, read) = (meter.total_bytes(), meter.read_bytes());
            if total > 0 && !begun {
                begun = true;
                styled(bar.clone(), reading).set_length(total);
            }
            if begun && read < total {
                bar.set_position(read);
            } else if begun {
                styled(bar.clone(), "{spinner} {elapsed} {msg}");
                return;
            }
        }
    });
}

/// What a command says: an object for programs, sentences for people, warnings for both.
struct Answer {
    json: serde_json::Value,
    text: String,
    warnings: Vec<String>,
    exit_code: u8,
}

fn run(command: Command, bar: &ProgressBar, meter: &Meter) -> Result<Answer, CommandError> {
    match command {
        Command::Check { records, task, models } => {
            let (source, concepts) = records.parts();
            let request = CheckRequest { source, tasks: task, models, concepts };
            let checked = command::check(&request, meter)?;
            let exit_code = checked.exit_code();
            // The answer itself says what is wrong.
            Ok(Answer { exit_code, ..answer(&checked, checked.text(), Vec::new())? })
        }
        Command::Cohort { task, records, out } => {
            let (source, concepts) = records.parts();
            let request = CohortRequest { task: task.source(concepts), source, out };
            let enrolled = command::cohort(&request, meter)?;
            let (exit_code, warnings) = (enrolled.exit_code(), enrolled.lines.warnings());
            Ok(Answer { exit_code, ..answer(&enrolled, enrolled.summary(), warnings)? })
        }
        Command::Fit { task, records, labels, models, seed, held_out, dump_matrix } => {
            let (source, concepts) = records.parts();
            let task = task.source(concepts);
            let request = FitRequest { task, source, labels, models, seed, held_out, dump_matrix };
            let fitted = command::fit(&request, meter, &|step| bar.set_message(step.to_owned()))?;
            answer(&fitted, fitted.summary(), fitted.warnings())
        }
        Command::Evaluate { bundle, records, out, only_held_out } => {
            let (source, concepts) = records.parts();
            let request = EvaluateRequest { bundle, source, concepts, out, only_held_out };
            let evaluated = command::evaluate(&request, meter)?;
            answer(&evaluated, evaluated.summary(), evaluated.lines.warnings())
        }
        Command::Convert { records, out, drop_ids } => {
            let (source, _) = records.parts();
            let request = ConvertRequest { source, out, keep_ids: !drop_ids };
            let converted = command::convert(&request, meter)?;
            answer(&converted, converted.summary(), converted.lines.warnings())
        }
        Command::Score { bundle, records, out } => {
            let (source, concepts) = records.parts();
            let request = ScoreRequest { bundle, source, concepts, out };
            let scored = command::score(&request, meter)?;
            answer(&scored, scored.summary(), scored.lines.warnings())
        }
        Command::Promote { task, version, models } => {
            let promoted = command::promote(&models, &task, &version)?;
            let text = format!("version {version} of {task} is in service once a server starts");
            answer(&promoted, text, Vec::new())
        }
    }
}

fn answer<T: Serialize>(
    value: &T,
    text: String,
    warnings: Vec<String>,
) -> Result<Answer, CommandError> {
    let json = serde_json::to_value(value).map_err(|e| CommandError::Json(e.to_string()))?;
    Ok(Answer { json, text, warnings, exit_code: 0 })
}

fn print(answer: &Answer, json: bool, warnings_max: usize) -> std::io::Result<()> {
    let mut stderr = std::io::stderr().lock();
    let shown = answer.warnings.iter().take(warnings_max);
    shown.clone().try_for_each(|line| writeln!(stderr, "warning: {line}"))?;
    let more = answer.warnings.len() - shown.count();
    if more > 0 && warnings_max > 0 {
        writeln!(stderr, "warning: {more} more; --verbose shows them")?;
    }
    let mut stdout = std::io::stdout().lock();
    if json { writeln!(stdout, "{}", answer.json) } else { writeln!(stdout, "{}", answer.text) }
}
