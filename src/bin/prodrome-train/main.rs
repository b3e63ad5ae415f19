//! `prodrome-train`: the offline trainer. Arguments in, one library call, an exit code out.

mod api_key;
mod arguments;
mod audit_arguments;
mod flags_arguments;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arguments::{
    Arguments, Command, CompareArguments, EvaluateArguments, FitArguments, PromoteArguments,
    ThresholdsArguments, TrendsArguments, TrendsCall, VerifyArguments,
};
use audit_arguments::{AuditExportArguments, AuditVerifyArguments};
use clap::Parser;
use flags_arguments::FlagsRekeyArguments;
use indicatif::{ProgressBar, ProgressStyle};
use prodrome::command::{
    self, CheckRequest, CohortRequest, CommandError, CompareRequest, ConvertRequest,
    EvaluateRequest, FitRequest, LeaksRequest, PublishedRequest, RecalibrateRequest, ScoreRequest,
    SimulateRequest, with_threads,
};
use prodrome::import::Meter;
use prodrome::train::Step;
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many warnings are shown unless more are asked for.
const WARNINGS_SHOWN: usize = 20;

/// How often the bar is drawn.
const TICK: Duration = Duration::from_millis(200);

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

/// Shows a step of a long work on the bar.
fn show(bar: &ProgressBar, step: &Step<'_>) {
    let template = match step.of {
        0 => "{spinner} {elapsed} {msg}",
        _ => "{spinner} {elapsed} {msg} {bar:30} {pos} of {len}",
    };
    let bar = styled(bar.clone(), template);
    bar.set_length(step.of as u64);
    bar.set_position(step.done as u64);
    bar.set_message(step.text.to_owned());
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
        Command::Check { records, task, models, published } => {
            let (source, concepts) = records.parts();
            let request = CheckRequest { source, tasks: task, models, concepts, published };
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
        Command::Fit(arguments) => fit(arguments, bar, meter),
        Command::Leaks { task, records, labels } => {
            let (source, concepts) = records.parts();
            let request = LeaksRequest { task: task.source(concepts), source, labels };
            let found = command::leaks(&request, meter)?;
            let (exit_code, warnings) = (found.exit_code(), found.warnings());
            Ok(Answer { exit_code, ..answer(&found, found.summary(), warnings)? })
        }
        Command::Evaluate(arguments) => evaluate(arguments, meter),
        Command::Compare(arguments) => compare(arguments, meter),
        Command::Convert { records, out, drop_ids } => {
            let (source, _) = records.parts();
            let request = ConvertRequest { source, out, keep_ids: !drop_ids };
            let converted = command::convert(&request, meter)?;
            answer(&converted, converted.summary(), converted.lines.warnings())
        }
        Command::Score { bundle, records, format, out } => {
            let (source, concepts) = records.parts();
            let request = ScoreRequest { bundle, source, concepts, out, format };
            let scored = command::score(&request, meter)?;
            answer(&scored, scored.summary(), scored.lines.warnings())
        }
        Command::Simulate { population, format, out, truth } => {
            let settings = population.settings();
            let request = SimulateRequest { settings, format, out, truth };
            let simulated = command::simulate(&request)?;
            answer(&simulated, simulated.summary(), Vec::new())
        }
        Command::Published { task, concepts, models } => {
            let request = PublishedRequest { task: task.source(concepts), models };
            let made = command::published(&request)?;
            answer(&made, made.summary(), Vec::new())
        }
        Command::ApiKey(arguments) => {
            let made = command::api_key(arguments.request())?;
            answer(&made, made.summary(), Vec::new())
        }
        Command::AuditVerify(arguments) => audit_verify(arguments),
        Command::AuditExport(arguments) => audit_export(arguments),
        Command::Thresholds(arguments) => thresholds(*arguments, meter),
        Command::Trends(arguments) => trends(*arguments, meter),
        Command::FlagsRekey(arguments) => flags_rekey(arguments),
        Command::Promote(arguments) => promote(arguments),
        Command::Sign(arguments) => {
            let signed = command::sign(&arguments.request())?;
            answer(&signed, signed.summary(), Vec::new())
        }
        Command::Verify(arguments) => verify(arguments),
    }
}

fn audit_verify(arguments: AuditVerifyArguments) -> Result<Answer, CommandError> {
    let checked = command::audit_verify(&arguments.request())?;
    let (exit_code, warnings) = (checked.exit_code(), checked.warnings());
    Ok(Answer { exit_code, ..answer(&checked, checked.summary(), warnings)? })
}

fn audit_export(arguments: AuditExportArguments) -> Result<Answer, CommandError> {
    let exported = command::audit_export(&arguments.request())?;
    answer(&exported, exported.summary(), exported.warnings())
}

fn trends(arguments: TrendsArguments, meter: &Meter) -> Result<Answer, CommandError> {
    match arguments.call() {
        TrendsCall::Release(request) => {
            let released = command::trends(&request, meter)?;
            answer(&released, released.summary(), released.warnings())
        }
        TrendsCall::List(request) => {
            let listed = command::trends_list(&request, prodrome::rpc::now(), meter)?;
            answer(&listed, listed.summary(), listed.lines.warnings())
        }
    }
}

fn flags_rekey(arguments: FlagsRekeyArguments) -> Result<Answer, CommandError> {
    let rekeyed = command::flags_rekey(&arguments.request(), prodrome::rpc::now())?;
    answer(&rekeyed, rekeyed.summary(), Vec::new())
}

fn promote(arguments: PromoteArguments) -> Result<Answer, CommandError> {
    let request = arguments.request();
    let promoted = command::promote(&request)?;
    answer(&promoted, promoted.summary(request.stage), promoted.warnings())
}

fn thresholds(arguments: ThresholdsArguments, meter: &Meter) -> Result<Answer, CommandError> {
    let found = command::thresholds(&arguments.request(), meter)?;
    let (exit_code, warnings) = (found.exit_code(), found.warnings());
    Ok(Answer { exit_code, ..answer(&found, found.summary(), warnings)? })
}

fn verify(arguments: VerifyArguments) -> Result<Answer, CommandError> {
    let verified = command::verify(&arguments.request())?;
    let exit_code = verified.exit_code();
    Ok(Answer { exit_code, ..answer(&verified, verified.summary(), Vec::new())? })
}

fn fit(arguments: FitArguments, bar: &ProgressBar, meter: &Meter) -> Result<Answer, CommandError> {
    let FitArguments { task, records, labels, models, seed, held_out, search, dump_matrix } =
        arguments;
    let (source, concepts) = records.parts();
    let task = task.source(concepts);
    let (search, time_limit) = search.parts();
    let request = FitRequest {
        task,
        source,
        labels,
        models,
        seed,
        held_out,
        search,
        time_limit,
        dump_matrix,
    };
    let fitted = command::fit(&request, meter, &|step| show(bar, step))?;
    answer(&fitted, fitted.summary(), fitted.warnings())
}

fn compare(arguments: CompareArguments, meter: &Meter) -> Result<Answer, CommandError> {
    let CompareArguments { first, second, records, out, only_held_out } = arguments;
    let (source, concepts) = records.parts();
    let bundles = [first, second];
    let request = CompareRequest { bundles, source, concepts, out, only_held_out };
    let compared = command::compare(&request, meter)?;
    answer(&compared, compared.summary(), compared.lines.warnings())
}

fn evaluate(arguments: EvaluateArguments, meter: &Meter) -> Result<Answer, CommandError> {
    let EvaluateArguments { bundle, records, out, only_held_out, recalibrate, models, held_out } =
        arguments;
    let (source, concepts) = records.parts();
    let evaluate = EvaluateRequest { bundle, source, concepts, out, only_held_out };
    let Some(models) = models.filter(|_| recalibrate) else {
        let evaluated = command::evaluate(&evaluate, meter)?;
        return answer(&evaluated, evaluated.summary(), evaluated.lines.warnings());
    };
    let held_out = held_out.unwrap_or(RecalibrateRequest::HELD_OUT);
    let made = command::recalibrate(&RecalibrateRequest { evaluate, models, held_out }, meter)?;
    answer(&made, made.summary(), made.lines.warnings())
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
