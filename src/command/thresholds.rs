//! `thresholds`: where a tier of a finished version is to begin, by what a team can follow up; and a
//! version that begins it there, not yet in service.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::evaluate::not_learnt_from;
use super::records::{self, Source};
use super::score::{histories, rows};
use super::{CommandError, io_error, write_json};
use crate::bundle::{Bundle, REPORT};
use crate::import::{Counts, Export, Labels, Meter, Received, Wanted};
use crate::record::{Histories, Time};
use crate::registry;
use crate::task::TierRule;
use crate::train::{
    self, AlertBurden, Cohort, Estimate, GroupFlags, HeldOut, Promise, Thresholds, ThresholdsParams,
};

/// What `thresholds` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdsRequest {
    /// A version folder.
    pub bundle: PathBuf,
    pub source: Source,
    pub concepts: Vec<PathBuf>,
    /// A MEDS label file (or a folder of them) that replaces the task's own index times and outcome.
    pub labels: Option<PathBuf>,
    pub rule: TierRule,
    /// The tier's name; the highest by default.
    pub tier: Option<String>,
    /// As the caller states it; counted in the export by default.
    pub index_times_per_day: Option<f64>,
    /// Whom to judge on and not to find the cut on.
    pub held_out: HeldOut,
    /// Whether the export holds nobody of the fit, so that all of it may be used; else only patients
    /// that the fit held out are.
    pub all_patients: bool,
    /// A folder for `thresholds.json` and `report.html`.
    pub out: Option<PathBuf>,
    /// Whether a version with the cut is made, beside the one it is made from.
    pub write: bool,
}

impl ThresholdsRequest {
    /// A third of the patients: parts in halves and fifths, as fits and recalibrations hold them out,
    /// have people in each third.
    pub const HELD_OUT: HeldOut = HeldOut::Part { part: 0, of: 3 };
}

/// What `thresholds` found and made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThresholdsOutcome {
    pub lines: Counts,
    pub thresholds: Thresholds,
    /// The version with the cut; `None` where none was asked for, or what was asked for does not hold.
    pub written: Option<WrittenVersion>,
    /// What is doubtful about the label file.
    pub label_warnings: Vec<String>,
}

/// A version that was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WrittenVersion {
    pub bundle: PathBuf,
    pub version: String,
    pub digest: String,
}

impl ThresholdsOutcome {
    /// 1 where the patients the cut was not found on do not bear out what was asked for.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.thresholds.promise != Promise::Kept)
    }

    /// What was found, with a table.
    pub fn summary(&self) -> String {
        let found = &self.thresholds;
        let mut text = format!(
            "{} version {}, tier {}: {}\n{}\nfound on {} index times of {} patients, judged on {} of {} \
             others\n",
            found.task,
            found.version,
            found.tier,
            found.rule,
            self.lines.sentence(),
            found.found_on.index_times,
            found.found_on.patients,
            found.judged_on.index_times,
            found.judged_on.patients,
        );
        match found.index_times_per_day {
            Some(rate) => text += &format!("{rate:.1} index times a day\n"),
            None => text += "the records do not tell how many index times a day there are\n",
        }
        text += &table(found);
        text += found.promise.sentence();
        match &self.written {
            Some(WrittenVersion { bundle, digest, .. }) => {
                let bundle = bundle.display();
                text += &format!(
                    "\nwritten: {bundle} (digest {digest})\nnot yet in service: see `promote`"
                );
            }
            None => text += "\nno version was written",
        }
        text
    }

    /// What should be looked at before the cut is used.
    pub fn warnings(&self) -> Vec<String> {
        let found = &self.thresholds;
        let all = [&found.warnings, &self.label_warnings, &self.lines.warnings()];
        all.into_iter().flatten().cloned().collect()
    }
}

/// The rules and their figures; below, what the rule that was asked for does in each group.
fn table(found: &Thresholds) -> String {
    let titles = [
        "flags/100",
        "flags/day",
        "PPV %",
        "found %",
        "missed %",
        "seen per found",
        "benefit/1000",
    ];
    let mut lines = vec![row("from probability", &titles.map(str::to_owned))];
    for line in found.lines() {
        let name = format!("{} ({:.4})", line.name, line.burden.cut);
        lines.push(row(&name, &cells(&line.burden)));
    }
    let mut attribute = "";
    let is_told =
        |of: &&GroupFlags| of.flagged.is_some() || of.ppv.is_some() || of.missed.is_some();
    for group in found.groups.iter().filter(is_told) {
        if group.attribute != attribute {
            attribute = group.attribute;
            let titles = ["flags/100", "PPV %", "found %", "missed %"];
            lines.push(row(&format!("by {attribute}"), &titles.map(str::to_owned)));
        }
        let shares = [group.flagged, group.ppv, group.sensitivity, group.missed];
        lines.push(row(&format!("  {}", group.group), &shares.map(|share| told(share, 100.0))));
    }
    lines.concat()
}

fn row(name: &str, cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!("  {cell:>19}")).collect();
    format!("{name:<56}{cells}\n")
}

fn cells(burden: &AlertBurden) -> [String; 7] {
    let is_known = burden.flags_per_100.is_none() || burden.flags_per_day.is_some();
    let a_day = told(burden.flags_per_day, 1.0);
    [
        told(burden.flags_per_100, 1.0),
        if is_known { a_day } else { "not known".to_owned() },
        told(burden.ppv, 100.0),
        told(burden.sensitivity, 100.0),
        told(burden.missed, 100.0),
        told(burden.number_needed_to_evaluate, 1.0),
        told(burden.net_benefit_per_100, 10.0),
    ]
}

fn told(figure: Option<Estimate>, unit: f64) -> String {
    figure.map_or("not shown".to_owned(), |Estimate { value, interval: [low, high] }| {
        let [value, low, high] = [value, low, high].map(|one| one * unit);
        format!("{value:.1} ({low:.1} to {high:.1})")
    })
}

/// Finds the cut that a rule gives on one part of the patients and judges it on the other; with
/// `write`, publishes the bundle with that cut as a new version beside the old.
///
/// # Errors
/// A bundle without a model or without the tier, a rule that makes no sense or gives no cut here,
/// files that cannot be read or written.
pub fn thresholds(
    request: &ThresholdsRequest,
    meter: &Meter,
) -> Result<ThresholdsOutcome, CommandError> {
    let bundle = records::bundle(&request.bundle, &request.concepts)?;
    let tier = checked(&bundle, request)?;
    let home = request.write.then(|| models_folder(&bundle, &request.bundle)).transpose()?;
    let files = home.is_some().then(|| registry::read_files(&request.bundle)).transpose()?;
    let not_learnt_from = match request.all_patients {
        true => Vec::new(),
        false => not_learnt_from(&bundle)?,
    };
    let export = records::export(&request.source)?;
    let Replayed { cohort, given, lines, label_warnings } =
        replayed(&bundle, &export, request, &not_learnt_from, meter)?;
    let params = ThresholdsParams {
        tier,
        rule: request.rule,
        held_out: request.held_out,
        not_learnt_from,
        index_times_per_day: request.index_times_per_day,
        source: records::source_params(&export),
    };
    let search = train::thresholds(&bundle, &cohort, params, |sample| {
        given.get(&(sample.subject_id, sample.prediction_time)).copied().flatten()
    })?;
    let found = search.report();
    if let Some(out) = &request.out {
        std::fs::create_dir_all(out).map_err(io_error(out))?;
        write_json(&out.join("thresholds.json"), found)?;
        let path = out.join(REPORT);
        std::fs::write(&path, found.html(&bundle)).map_err(io_error(&path))?;
    }
    let kept = found.promise == Promise::Kept;
    let written = match home.zip(files).filter(|_| kept) {
        None => None,
        Some((models, files)) => {
            let task = &bundle.manifest().task;
            let version = registry::next_version(&models, task)?;
            let made = search.recut(&files, &version)?;
            let folder = registry::publish(&models, task, &version, &made.files)?;
            let digest = made.bundle.digest().to_owned();
            Some(WrittenVersion { bundle: folder, version, digest })
        }
    };
    Ok(ThresholdsOutcome { lines, thresholds: found.clone(), written, label_warnings })
}

/// The place of the tier, where the request makes sense for the bundle.
fn checked(bundle: &Bundle, request: &ThresholdsRequest) -> Result<usize, CommandError> {
    let usage = |reason: String| Err(CommandError::Usage(reason));
    if let Some(fault) = request.rule.fault() {
        return usage(fault);
    }
    if request.held_out == HeldOut::Nobody {
        return usage("--held-out: some patients must be left to judge the cut on".to_owned());
    }
    if request.index_times_per_day.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
        return usage("--index-times-per-day: must be above 0".to_owned());
    }
    let task = &bundle.manifest().task;
    let upper = bundle.manifest().upper_tiers();
    if upper.is_empty() {
        return usage(format!("this version of {task} has no tier that begins at a cut"));
    }
    let Some(wanted) = &request.tier else { return Ok(0) };
    let place = upper.iter().position(|cut| cut.name == *wanted);
    place.ok_or_else(|| {
        let names: Vec<&str> = upper.iter().map(|cut| cut.name.as_str()).collect();
        CommandError::Usage(format!(
            "--tier: {task} has no tier `{wanted}` that begins at a cut; it has {}",
            names.join(", ")
        ))
    })
}

/// The models folder that a version folder is in, which gets the new version.
fn models_folder(bundle: &Bundle, folder: &Path) -> Result<PathBuf, CommandError> {
    let folder = folder.canonicalize().map_err(io_error(folder))?;
    let task = folder.parent().filter(|parent| parent.ends_with(&bundle.manifest().task));
    let models = task.and_then(Path::parent).map(Path::to_owned);
    models.ok_or_else(|| {
        CommandError::Usage(format!(
            "--write: the version must lie in a models folder, as models/{}/1 does",
            bundle.manifest().task
        ))
    })
}

/// The cohort of an export, with what the bundle says of the patients it has not learnt from.
struct Replayed<'a> {
    cohort: Cohort<'a>,
    given: Given,
    lines: Counts,
    label_warnings: Vec<String>,
}

/// The probability of each index time; `None` without enough data.
type Given = HashMap<(i64, Time), Option<f64>>;

/// What one part of an export gives.
struct Part<'a> {
    cohort: Cohort<'a>,
    given: Given,
    histories: Histories<'a>,
}

fn replayed<'a>(
    bundle: &'a Bundle,
    export: &Export,
    request: &ThresholdsRequest,
    not_learnt_from: &[HeldOut],
    meter: &Meter,
) -> Result<Replayed<'a>, CommandError> {
    let labels = request.labels.as_deref().map(Labels::read).transpose()?;
    let wanted = match &labels {
        Some(_) => Wanted::everything(),
        None => Wanted::for_index_times(bundle.task()),
    };
    let begin = |parts| Part {
        cohort: Cohort::part(bundle.task(), bundle.concepts(), parts),
        given: Given::new(),
        histories: histories(bundle),
    };
    let (parts, lines) = export.fold(meter, &wanted, begin, |part, subject| {
        let is_new = not_learnt_from.iter().all(|of| of.holds(&subject.group, subject.split));
        let case = records::labelled_case(subject, labels.as_ref());
        match case.history(bundle.task(), &mut part.histories) {
            Ok(None) => {}
            Ok(Some(history)) => {
                // All are counted, as all come to the site; only the new ones are scored.
                if is_new {
                    let rows = rows(bundle, &case, &history).into_iter();
                    let each =
                        rows.map(|row| ((row.subject_id, row.prediction_time), row.probability));
                    part.given.extend(each);
                }
                part.cohort.add_history(&case, &history);
            }
            Err(error) => return Received::Quarantined(error.to_string()),
        }
        Received::Used
    })?;
    let mut given = Given::new();
    let mut cohorts = Vec::with_capacity(parts.len());
    for part in parts {
        cohorts.push(part.cohort);
        given.extend(part.given);
    }
    let cohort = Cohort::joined(bundle.task(), bundle.concepts(), cohorts);
    let label_warnings = records::label_warnings(labels)?;
    Ok(Replayed { cohort, given, lines, label_warnings })
}
