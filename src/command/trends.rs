//! `trends`: what happens in a population, by group and period, as it may be shown to anybody.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::records::{self, Source};
use super::{CommandError, io_error};
use crate::bundle::Bundle;
use crate::import::{Counts, Meter, Received, Wanted};
use crate::private_file;
use crate::published::Formulas;
use crate::record::{ConceptSet, History, Time};
use crate::registry;
use crate::score;
use crate::train::Count;
use crate::trend::{
    Gatherer, MeasureRuleParams, Named, PERIODS_MAX, Privacy, Release, ReleaseNote, Spec,
    TrendParams, publish, report,
};

/// What `trends` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendsRequest {
    pub source: Source,
    /// The specification; tasks and bundles are found from its folder.
    pub spec: PathBuf,
    /// The folder with `concepts.toml`, and the site's own concept files.
    pub models: PathBuf,
    pub concepts: Vec<PathBuf>,
    /// The release to write.
    pub out: PathBuf,
    /// The release before. By default what stands at `out`, if anything does.
    pub previous: Option<PathBuf>,
    /// A page for people.
    pub report: Option<PathBuf>,
    /// The figures as `.csv` or `.parquet`.
    pub table: Option<PathBuf>,
}

/// What `trends` released.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrendsReleased {
    pub out: PathBuf,
    pub lines: Counts,
    /// Names of the first and the last period, and how many there are.
    pub first_period: String,
    pub last_period: String,
    pub periods: usize,
    pub series: usize,
    pub tested: u64,
    /// Id and text of each, the strongest first.
    pub statements: Vec<(String, String)>,
    pub privacy: Privacy,
    #[serde(skip)]
    warnings: Vec<String>,
}

impl TrendsReleased {
    /// What was found, in sentences.
    pub fn summary(&self) -> String {
        let TrendsReleased { first_period, last_period, periods, series, tested, .. } = self;
        let mut text = format!(
            "{}\n{periods} periods ({first_period} to {last_period}), {series} series, {tested} tested for a \
             change\n",
            self.lines.sentence()
        );
        if self.statements.is_empty() {
            text += "no change that could be told from chance\n";
        }
        for (id, statement) in &self.statements {
            text += &format!("  {id}  {statement}\n");
        }
        let Privacy { points, suppressed_small, suppressed_beside, kept_periods } = &self.privacy;
        text += &format!(
            "{points} points, of which {suppressed_small} are not shown because a count is below 11, \
             and {suppressed_beside} so that those cannot be found by subtraction\n"
        );
        if *kept_periods > 0 {
            text += &format!("{kept_periods} periods stand as they were released before\n");
        }
        text + &format!("written: {}", self.out.display())
    }

    /// What is doubtful.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.iter().cloned().chain(self.lines.warnings()).collect()
    }
}

/// A specification with all that it names, read.
pub(super) struct Read {
    pub params: TrendParams,
    pub concepts: ConceptSet,
    pub named: Named,
    pub until: Time,
}

impl Read {
    pub(super) fn new(
        source: &Source,
        spec: &Path,
        models: &Path,
        concepts: &[PathBuf],
    ) -> Result<Read, CommandError> {
        let until = source.reading.data_until.ok_or_else(|| {
            let text = "trends need --data-until DATE: only periods that are over by then count";
            CommandError::Usage(text.to_owned())
        })?;
        let params = TrendParams::parse(&records::read_text(spec)?)
            .map_err(|fault| CommandError::Trends { path: spec.to_owned(), fault })?;
        let set = records::concepts_in(models, concepts)?;
        let folder = spec.parent().unwrap_or(Path::new(""));
        let mut named = Named::default();
        for measure in &params.measure {
            match &measure.rule {
                MeasureRuleParams::Outcome { task } => {
                    let path = folder.join(task);
                    let read = records::task(&path, &set, &Formulas::built_in(), None)?;
                    named.tasks.insert(task.clone(), read);
                }
                MeasureRuleParams::Risk { bundle } => {
                    let read = records::bundle(&folder.join(bundle), concepts)?;
                    named.bundles.insert(bundle.clone(), read);
                }
                MeasureRuleParams::Share { .. }
                | MeasureRuleParams::Mean { .. }
                | MeasureRuleParams::Contacts { .. } => {}
            }
        }
        Ok(Read { params, concepts: set, named, until })
    }

    pub(super) fn spec(&self, path: &Path) -> Result<Spec<'_>, CommandError> {
        let Read { params, concepts, named, until: _ } = self;
        Spec::check(params, concepts, named).map_err(|error| CommandError::Trends {
            path: path.to_owned(),
            fault: error.to_string(),
        })
    }
}

/// The probability at an index time, by the one road.
pub(super) fn scorer(bundle: &Bundle, history: &History, time: Time) -> Option<f64> {
    score::score(bundle, history, time, 0).ok()?.probability
}

/// What an import need read for a specification.
pub(super) fn wanted<'s>(spec: &Spec<'s>, concepts: &'s ConceptSet) -> Wanted<'s> {
    spec.needs().map_or_else(Wanted::everything, |needs| Wanted::for_rules(needs, concepts))
}

/// Gathers the people of an export and writes what may be shown.
///
/// # Errors
/// A specification that makes no sense, files that cannot be read or written, no period that is over,
/// a release before of another specification.
pub fn trends(request: &TrendsRequest, meter: &Meter) -> Result<TrendsReleased, CommandError> {
    let read = Read::new(&request.source, &request.spec, &request.models, &request.concepts)?;
    let spec = read.spec(&request.spec)?;
    let previous = previous(request)?;
    let export = records::export(&request.source)?;
    let gatherer = Gatherer::new(&spec, read.until, &scorer);
    let fault = match gatherer.periods() {
        0 => Some("no period is over by --data-until: period.first lies too late"),
        1..=PERIODS_MAX => None,
        _ => Some("there are more than 600 periods: let period.first be later, or periods longer"),
    };
    if let Some(fault) = fault {
        return Err(CommandError::Data(fault.to_owned()));
    }
    let is_grouped = AtomicBool::new(false);
    let wanted = wanted(&spec, &read.concepts);
    let (parts, lines) = export.fold(
        meter,
        &wanted,
        |_| gatherer.part(),
        |part, subject| match part.add(&subject.record) {
            Ok(()) => {
                is_grouped.fetch_or(subject.group != subject.source_id, Ordering::Relaxed);
                Received::Used
            }
            Err(error) => Received::Quarantined(error.to_string()),
        },
    )?;
    parts.into_iter().for_each(|mut part| part.hand_over());
    if is_grouped.load(Ordering::Relaxed) {
        let fault = "rows of one person stand apart in this export (`group`), and trends count people, \
                     not rows: let one subject be one person";
        return Err(CommandError::Data(fault.to_owned()));
    }
    let source = records::source_params(&export);
    let note = ReleaseNote { source: source.title, synthetic: source.synthetic };
    let release = publish(&spec, &gatherer, note, previous.as_ref())
        .map_err(|error| CommandError::Data(error.to_string()))?;
    registry::check_release(&release).map_err(|fault| {
        CommandError::Data(format!("nothing is written, because it could not be shown: {fault}"))
    })?;
    write(request, &release)?;
    let named =
        |period: Option<&crate::trend::Period>| period.map_or(String::new(), |p| p.name.clone());
    let warnings = warnings(&read, &gatherer);
    Ok(TrendsReleased {
        out: request.out.clone(),
        lines,
        first_period: named(release.periods.first()),
        last_period: named(release.periods.last()),
        periods: release.periods.len(),
        series: release.series.len(),
        tested: release.tested,
        statements: release.statements.iter().map(|s| (s.id.clone(), s.text.clone())).collect(),
        privacy: release.privacy.clone(),
        warnings,
    })
}

/// What is doubtful about a release.
fn warnings(read: &Read, gatherer: &Gatherer<'_, '_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let ageless = gatherer.ageless();
    if ageless > 0 {
        let ageless = Count(ageless);
        warnings.push(format!("{ageless} people have no date of birth: they are in no group"));
    }
    for (path, task) in &read.named.tasks {
        let horizon_days = task.params().time_at_risk.horizon_days;
        if read.params.period.settle_days < horizon_days {
            warnings.push(format!(
                "{path}: index times of the last {horizon_days} days before --data-until do not count, \
                 because what came of them is not known yet; with period.settle_days = {horizon_days} a \
                 period is released when all of its index times count"
            ));
        }
    }
    warnings
}

/// The release before, where there is one.
fn previous(request: &TrendsRequest) -> Result<Option<Release>, CommandError> {
    match &request.previous {
        Some(path) => Ok(Some(registry::read_release(path)?)),
        None if request.out.exists() => Ok(Some(registry::read_release(&request.out)?)),
        None => Ok(None),
    }
}

/// Writes all that was asked for.
fn write(request: &TrendsRequest, release: &Release) -> Result<(), CommandError> {
    let json = serde_json::to_string(release).map_err(|e| CommandError::Json(e.to_string()))?;
    // What could not be read again could not be continued.
    if json.len() as u64 > registry::RELEASE_BYTES_MAX {
        let (size, most) = (json.len() >> 20, registry::RELEASE_BYTES_MAX >> 20);
        return Err(CommandError::Data(format!(
            "nothing is written: the release would have {size} MiB, and at most {most} can be shown and \
             continued: name fewer groups, or longer periods"
        )));
    }
    let text = |path: &Path, text: &str| {
        private_file::write_atomically_for_all(path, text.as_bytes()).map_err(io_error(path))
    };
    if let Some(path) = &request.table {
        super::trend_table::write(path, release)?;
    }
    if let Some(path) = &request.report {
        text(path, &report(release).html())?;
    }
    // Last: who finds it finds the rest.
    text(&request.out, &json)
}
