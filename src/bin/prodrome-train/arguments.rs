//! The arguments of `prodrome-train`, and how they become requests.

mod thresholds;
mod trends;
mod versions;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use prodrome::command::{ExportFormat, ScoreFormat, Source, TaskSource};
use prodrome::import::{Reading, RegionFrom, Timezone};
use prodrome::model::Family;
use prodrome::record::{PartialDate, Time};
use prodrome::simulate::Settings;
use prodrome::train::{HeldOut, Search};
pub(crate) use thresholds::ThresholdsArguments;
pub(crate) use trends::{TrendsArguments, TrendsCall};
pub(crate) use versions::{PromoteArguments, SignArguments, VerifyArguments};

use crate::api_key::ApiKeyArguments;
use crate::audit_arguments::{AuditExportArguments, AuditVerifyArguments};
use crate::flags_arguments::FlagsRekeyArguments;

/// Fits, judges and applies clinical risk models.
///
/// Exit codes: 0 done, 1 a check said no, 2 the call is wrong, 3 the data are, 4 the environment is.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// One JSON object on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Threads to use; the machine's by default. The result does not depend on it.
    #[arg(long, global = true)]
    pub(crate) threads: Option<usize>,
    /// Say less on standard error.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more on standard error.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what is in an export, what is wrong with it, and why a task finds no cohort.
    Check {
        #[command(flatten)]
        records: Records,
        /// A task file; may be given more than once. All of the models folder by default.
        #[arg(long)]
        task: Vec<PathBuf>,
        /// A formula file of your site, which tasks may name under `published`; may be given more
        /// than once.
        #[arg(long, value_name = "FILE")]
        published: Vec<PathBuf>,
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
    Fit(FitArguments),
    /// Look for features that know what no live system would: exit code 1 when one forbids a bundle.
    /// A fit does the same.
    Leaks {
        #[command(flatten)]
        task: TaskArguments,
        #[command(flatten)]
        records: Records,
        /// A MEDS label file, or a folder of them, as for a fit.
        #[arg(long, value_name = "FILE")]
        labels: Option<PathBuf>,
    },
    /// Judge a bundle on an export: metrics.json, report.html and predictions.parquet.
    Evaluate(EvaluateArguments),
    /// Compare two bundles on an export, on the same index times: comparison.json, with the paired
    /// differences between them.
    Compare(CompareArguments),
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
        /// What to write: meds (labels and predictions, as Parquet) or fhir (R4 RiskAssessment
        /// resources with their reasons, one a line).
        #[arg(long, default_value = "meds", value_parser = score_format)]
        format: ScoreFormat,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write a simulated population of which the true risks are known: for trying out, for tests and
    /// for demonstrations. A model of it is of no use for real patients.
    Simulate {
        #[command(flatten)]
        population: PopulationArguments,
        /// What to write: fhir or meds.
        #[arg(long, value_parser = export_format)]
        format: ExportFormat,
        /// The folder to write to; it must be empty or not there.
        #[arg(long)]
        out: PathBuf,
        /// Where the true probabilities go; truth.parquet in the folder by default.
        #[arg(long, value_name = "FILE")]
        truth: Option<PathBuf>,
    },
    /// Make a version of a task without features, which shows published scores; no records are read.
    Published {
        #[command(flatten)]
        task: TaskArguments,
        /// Concept files of your site, added to the task's own; may be given more than once.
        #[arg(long)]
        concepts: Vec<PathBuf>,
        /// The models folder that gets the new version.
        #[arg(long, default_value = "models")]
        models: PathBuf,
    },
    /// Make a key for a program that calls the server; its hash goes into the server's key file.
    ApiKey(ApiKeyArguments),
    /// Find the first record of a server's access log that is not what was written there: exit code 1
    /// when there is one.
    AuditVerify(AuditVerifyArguments),
    /// Write the calls of a server's access log as FHIR AuditEvent resources, one a line.
    AuditExport(AuditExportArguments),
    /// Find where a tier is to begin by what your team can follow up, and see what that finds and
    /// misses; exit code 1 when what you ask for does not hold on patients it was not found on.
    Thresholds(Box<ThresholdsArguments>),
    /// Count what happens in a population, by group and period, and say what rises: a release that may
    /// be shown to anybody.
    Trends(Box<TrendsArguments>),
    /// Encrypt what a flag store holds with the first key of its key file; servers may go on that were
    /// started with that key.
    FlagsRekey(FlagsRekeyArguments),
    /// Put a version into service; a running server takes it up within seconds.
    Promote(PromoteArguments),
    /// Sign a version, for servers that ask for signatures.
    Sign(SignArguments),
    /// Check that a version is whole and signed: exit code 1 when it is not.
    Verify(VerifyArguments),
}

#[derive(Debug, Args)]
pub(crate) struct FitArguments {
    #[command(flatten)]
    pub(crate) task: TaskArguments,
    #[command(flatten)]
    pub(crate) records: Records,
    /// A MEDS label file, or a folder of them, made by any tool: it replaces the task's own index
    /// times and outcome; the task's criteria still apply.
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    /// The models folder that gets the new version.
    #[arg(long, default_value = "models")]
    pub(crate) models: PathBuf,
    /// Seed of every draw: same seed, same records, same bundle.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Part of the patients to judge on and not to learn from: `k/n`, or `none`. A source that
    /// splits its subjects itself (MEDS) goes before `k/n`.
    #[arg(long, default_value = "0/5", value_parser = held_out)]
    pub(crate) held_out: HeldOut,
    #[command(flatten)]
    pub(crate) search: SearchArguments,
    /// Write the fitted matrix as Parquet. It holds patient data.
    #[arg(long, value_name = "FILE")]
    pub(crate) dump_matrix: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// A version folder: the new one.
    pub(crate) first: PathBuf,
    /// A version folder: the one it is compared with. Every difference is the first's less the
    /// second's.
    pub(crate) second: PathBuf,
    #[command(flatten)]
    pub(crate) records: Records,
    /// The folder to write to.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Only the patients that the fits of both held out: an export that a fit has seen judges
    /// nothing.
    #[arg(long)]
    pub(crate) only_held_out: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateArguments {
    /// A version folder, such as models/readmit30_diabetes/1.
    #[arg(long)]
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) records: Records,
    /// The folder to write to.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Only the patients that the fit held out: an export that the fit has seen judges nothing.
    #[arg(long)]
    pub(crate) only_held_out: bool,
    /// Make a version of the bundle for these patients: the same models, their probabilities moved
    /// by the outcomes of one part of the patients, judged on the other.
    #[arg(long, requires = "models")]
    pub(crate) recalibrate: bool,
    /// With --recalibrate: the models folder that gets the new version, not yet in service.
    #[arg(long, requires = "recalibrate")]
    pub(crate) models: Option<PathBuf>,
    /// With --recalibrate: the part of the patients to judge on, `k/n`; half of them by default.
    #[arg(long, requires = "recalibrate", value_parser = held_out)]
    pub(crate) held_out: Option<HeldOut>,
}

#[derive(Debug, Args)]
pub(crate) struct TaskArguments {
    /// The task file; `concepts.toml` beside its folder is read with it.
    #[arg(long)]
    pub(crate) task: PathBuf,
    /// A formula file of your site, which the task may name under `published`; may be given more
    /// than once. A bundle carries it.
    #[arg(long, value_name = "FILE")]
    pub(crate) published: Vec<PathBuf>,
    /// Your own rules of planned stays, in place of the task's.
    #[arg(long, value_name = "FILE")]
    pub(crate) planned_rules: Option<PathBuf>,
}

impl TaskArguments {
    pub(crate) fn source(self, concepts: Vec<PathBuf>) -> TaskSource {
        let TaskArguments { task: file, published, planned_rules } = self;
        TaskSource { file, concepts, published, planned_rules }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    /// The families to try, with commas between: boosted, forest, logistic. All by default; published
    /// scores among the features are always tried.
    #[arg(long, value_delimiter = ',', value_parser = family)]
    families: Vec<Family>,
    /// Most settings of a family to try.
    #[arg(long, default_value_t = Search::default().trials, value_parser = trials)]
    trials: usize,
    /// Try nothing new after so many minutes. What is found then depends on the machine.
    #[arg(long, value_name = "MINUTES")]
    time_limit: Option<u32>,
}

impl SearchArguments {
    pub(crate) fn parts(self) -> (Search, Option<Duration>) {
        let SearchArguments { families, trials, time_limit } = self;
        let limit = time_limit.map(|minutes| Duration::from_secs(60 * u64::from(minutes)));
        (Search { families, trials }, limit)
    }
}

fn family(text: &str) -> Result<Family, String> {
    let known = [Family::Boosted, Family::Forest, Family::Logistic];
    let found = known.into_iter().find(|family| family.to_string() == text);
    found.ok_or_else(|| "must be boosted, forest or logistic".to_owned())
}

fn trials(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|trials| (1..=Search::TRIALS_MAX).contains(trials));
    number.ok_or_else(|| format!("must be 1 to {}", Search::TRIALS_MAX))
}

#[derive(Debug, Args)]
pub(crate) struct PopulationArguments {
    /// How many patients.
    #[arg(long)]
    pub(crate) patients: u64,
    /// How many years the records go.
    #[arg(long)]
    pub(crate) years: u32,
    /// Seed of every draw: same seed, same population.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// After so many years the risks change.
    #[arg(long, value_name = "YEARS")]
    pub(crate) drift: Option<u32>,
    /// The share of creatinine and haemoglobin values under the wrong unit.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    pub(crate) wrong_units: f64,
    /// The share of laboratory values that are missing.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub(crate) missing: f64,
    /// The share of index times inside whose window the patient leaves the source, by what the record
    /// holds (informative censoring).
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub(crate) censoring: f64,
}

impl PopulationArguments {
    pub(crate) fn settings(self) -> Settings {
        let PopulationArguments { patients, years, seed, drift, wrong_units, missing, censoring } =
            self;
        let drift_after_years = drift;
        Settings { patients, years, seed, drift_after_years, wrong_units, missing, censoring }
    }
}

fn score_format(text: &str) -> Result<ScoreFormat, String> {
    ScoreFormat::parse(text).ok_or_else(|| "must be meds or fhir".to_owned())
}

fn export_format(text: &str) -> Result<ExportFormat, String> {
    ExportFormat::parse(text).ok_or_else(|| "must be fhir or meds".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Records {
    /// The folder with the exported records.
    #[arg(long)]
    pub(crate) export: PathBuf,
    /// How the rows of tables become records; a FHIR export (*.ndjson) and a MEDS one need none.
    #[arg(long)]
    pub(crate) mapping: Option<PathBuf>,
    /// A folder for what does not fit into memory. It gets patient data, readable by you alone, and
    /// is emptied at the end; after an interruption the same command goes on from it.
    #[arg(long, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,
    /// The part of an address that is the patient's region.
    #[arg(long, value_name = "PART", default_value = "postal-prefix", value_parser = region_from)]
    pub(crate) region_from: RegionFrom,
    /// The zone of times that come without one, such as Europe/Berlin.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = timezone)]
    pub(crate) timezone: Timezone,
    /// The day of the export (the end of it, UTC). Coverage without an end, or with a later one, ends
    /// there: without it everybody who is insured still counts as followed for ever.
    #[arg(long, value_name = "DATE", value_parser = data_until)]
    pub(crate) data_until: Option<Time>,
    /// Concept files of your site, added to the task's own; may be given more than once.
    #[arg(long)]
    pub(crate) concepts: Vec<PathBuf>,
}

impl Records {
    pub(crate) fn parts(self) -> (Source, Vec<PathBuf>) {
        let Records { export, mapping, work, region_from, timezone, data_until, concepts } = self;
        let reading = Reading { region_from, timezone, data_until };
        (Source { export, mapping, reading, work }, concepts)
    }
}

fn region_from(text: &str) -> Result<RegionFrom, String> {
    let names = RegionFrom::NAMES.map(|(name, _)| name).join(", ");
    RegionFrom::parse(text).ok_or_else(|| format!("must be one of {names}"))
}

fn data_until(text: &str) -> Result<Time, String> {
    let day = PartialDate::parse(text).filter(|_| text.trim().len() == "2000-01-01".len());
    let start = day.and_then(PartialDate::earliest).filter(|time| time.is_believable());
    start
        .map(|start| start.plus_days(1))
        .ok_or_else(|| "must be a day such as 2024-06-30".to_owned())
}

fn timezone(text: &str) -> Result<Timezone, String> {
    Timezone::parse(text).ok_or_else(|| "must be an IANA name such as Europe/Berlin".to_owned())
}

fn held_out(text: &str) -> Result<HeldOut, String> {
    HeldOut::parse(text).ok_or_else(|| "must be k/n with k below n, or none".to_owned())
}
