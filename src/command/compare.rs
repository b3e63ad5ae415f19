//! `compare`: two bundles on one export, on the same index times, in pairs.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;

use super::evaluate::held_out;
use super::records::{self, Source};
use super::{CommandError, io_error, score};
use crate::bundle::Bundle;
use crate::import::{Counts, Meter, Received};
use crate::record::Time;
use crate::train::{
    self, Cohort, Comparison, Difference, Estimate, Metrics, ShownAttrition, Versus,
};

/// What `compare` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareRequest {
    /// Two version folders: the new one, and the one it is compared with.
    pub bundles: [PathBuf; 2],
    pub source: Source,
    pub concepts: Vec<PathBuf>,
    /// A folder for `comparison.json`.
    pub out: PathBuf,
    /// Only patients that the fits of both held out.
    pub only_held_out: bool,
}

/// One of the bundles that were compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedBundle {
    pub task: String,
    pub version: String,
    pub digest: String,
    /// Its figures on the index times that both score.
    pub metrics: Metrics,
}

/// What `compare` found; `comparison.json`. Every difference is the first's less the second's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    pub first: ComparedBundle,
    pub second: ComparedBundle,
    pub only_held_out: bool,
    pub lines: Counts,
    pub attrition: ShownAttrition,
    pub comparison: Comparison,
    pub net_benefit: Vec<train::NetBenefit>,
    pub reclassification: Vec<train::Reclassification>,
}

impl Compared {
    /// What was found, in sentences.
    pub fn summary(&self) -> String {
        let Comparison { rows, patients, auroc, average_precision, brier, log_loss, .. } =
            &self.comparison;
        let name = |of: &ComparedBundle| format!("{} version {}", of.task, of.version);
        let (first, second) = (name(&self.first), name(&self.second));
        let mut text = format!(
            "{first} less {second}, on {rows} index times of {patients} patients\n{}\n{}\n{}\n",
            self.lines.sentence(),
            difference("AUROC", auroc, "above 0 the first is better"),
            difference("average precision", average_precision, "above 0 the first is better"),
        );
        for (name, by) in [("Brier", brier), ("log loss", log_loss)] {
            let line = by.as_ref().map(|by| difference(name, by, "below 0 the first is better"));
            text.extend(line.map(|line| line + "\n"));
        }
        for row in &self.net_benefit {
            let per_1000 = |of: &Option<Estimate>| {
                of.map_or("not shown".to_owned(), |Estimate { value, interval: [low, high] }| {
                    let [value, low, high] = [value, low, high].map(|one| one * 1000.0);
                    format!("{value:+.1} ({low:+.1} to {high:+.1})")
                })
            };
            text += &format!(
                "net benefit from tier {} ({:.3}) per 1000: first {}, second {}, difference {}\n",
                row.tier,
                row.cut,
                per_1000(&row.first),
                per_1000(&row.second),
                per_1000(&row.difference)
            );
        }
        for row in &self.reclassification {
            let with = if row.outcome { "with" } else { "without" };
            let percent = |share: Option<f64>| {
                share.map_or("-".to_owned(), |share| format!("{:.1}%", share * 100.0))
            };
            text += &format!(
                "{with} the outcome, in a higher tier by the first {}, in a lower one {}\n",
                percent(row.up),
                percent(row.down)
            );
        }
        text += &format!("{first}: {}\n", self.first.metrics.sentence());
        text + &format!("{second}: {}", self.second.metrics.sentence())
    }
}

fn difference(name: &str, by: &Difference, better: &str) -> String {
    let Difference { difference, interval: [low, high], p_value } = by;
    format!("{name} {difference:+.4} ({low:+.4} to {high:+.4}), p {p_value:.3}; {better}")
}

/// Compares two bundles on every index time of an export that both score.
///
/// # Errors
/// Bundles that cannot be compared, files that cannot be read or written, a cohort without both outcomes.
pub fn compare(request: &CompareRequest, meter: &Meter) -> Result<Compared, CommandError> {
    let [first, second] = &request.bundles;
    let first = records::bundle(first, &request.concepts)?;
    let second = records::bundle(second, &request.concepts)?;
    check_comparable(&first, &second)?;
    let held_out = match request.only_held_out {
        true => [held_out(&first)?, held_out(&second)?].concat(),
        false => Vec::new(),
    };
    let export = records::export(&request.source)?;
    std::fs::create_dir_all(&request.out).map_err(io_error(&request.out))?;
    let mut cohort = Cohort::new(first.task(), first.concepts());
    let mut given: HashMap<(i64, Time), [Option<f64>; 2]> = HashMap::new();
    let lines = export.read(meter, |subject| {
        if held_out.iter().any(|held_out| !held_out.holds(&subject.group, subject.split)) {
            return Received::Skipped("not held out of both".to_owned());
        }
        for (place, bundle) in [&first, &second].into_iter().enumerate() {
            match score::rows(bundle, &subject) {
                Ok(rows) => rows.into_iter().for_each(|row| {
                    let key = (row.subject_id, row.prediction_time);
                    given.entry(key).or_default()[place] = row.probability;
                }),
                Err(error) => return Received::Quarantined(error.to_string()),
            }
        }
        match cohort.add(&records::case(subject)) {
            Ok(()) => Received::Used,
            Err(error) => Received::Quarantined(error.to_string()),
        }
    })?;
    cohort.finish();
    let versus = train::versus([&first, &second], &cohort, |sample| {
        let [first, second] = *given.get(&(sample.subject_id, sample.prediction_time))?;
        first.zip(second).map(|(first, second)| [first, second])
    });
    let Some(versus) = versus else { return Err(nothing_in_common(&cohort)) };
    let Versus { comparison, first: ours, second: theirs, net_benefit, reclassification } = versus;
    let compared = Compared {
        first: named(&first, ours),
        second: named(&second, theirs),
        only_held_out: request.only_held_out,
        lines,
        attrition: cohort.attrition().shown(),
        comparison,
        net_benefit,
        reclassification,
    };
    let path = request.out.join("comparison.json");
    let text = serde_json::to_string_pretty(&compared)
        .map_err(|error| CommandError::Json(error.to_string()))?;
    std::fs::write(&path, text + "\n").map_err(io_error(&path))?;
    Ok(compared)
}

fn nothing_in_common(cohort: &Cohort<'_>) -> CommandError {
    CommandError::Data(format!(
        "among the {} index times of the cohort too few have a probability by both bundles, with the \
         outcome and without: nothing can be compared",
        train::Count(cohort.samples().len() as u64)
    ))
}

fn named(bundle: &Bundle, metrics: Metrics) -> ComparedBundle {
    let manifest = bundle.manifest();
    ComparedBundle {
        task: manifest.task.clone(),
        version: manifest.version.clone(),
        digest: bundle.digest().to_owned(),
        metrics,
    }
}

/// Both must give probabilities of the same outcome at the same index times.
fn check_comparable(first: &Bundle, second: &Bundle) -> Result<(), CommandError> {
    let wrong = |why: String| Err(CommandError::Usage(why));
    for bundle in [first, second] {
        if bundle.is_published_only() {
            let manifest = bundle.manifest();
            return wrong(format!(
                "{} version {} shows published scores alone: `evaluate` sets them beside a model",
                manifest.task, manifest.version
            ));
        }
    }
    let [one, other] = [first, second].map(|bundle| bundle.task().params());
    let differs = [
        ("index times", one.index != other.index),
        ("outcomes", one.outcome != other.outcome),
        ("times at risk", one.time_at_risk != other.time_at_risk),
        ("follow-ups", one.follow_up != other.follow_up),
    ];
    match differs.iter().find(|(_, differs)| *differs) {
        Some((what, _)) => wrong(format!(
            "the tasks of the two versions have different {what}: what they say cannot be compared"
        )),
        None => Ok(()),
    }
}
