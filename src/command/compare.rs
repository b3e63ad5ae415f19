//! `compare`: two bundles on one export, on the same index times, in pairs.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;

use super::evaluate::held_out;
use super::records::{self, Source};
use super::{CommandError, io_error, score, write_json};
use crate::bundle::Bundle;
use crate::import::{Counts, Meter, Received, Wanted};
use crate::record::{Histories, RecordError, Time};
use crate::train::{
    self, Case, Cohort, Comparison, Difference, Estimate, Metrics, ShownAttrition, Versus,
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

/// What both bundles say of an index time of a subject.
type Given = HashMap<(i64, Time), [Option<f64>; 2]>;

/// What one part of an export gives.
struct Part<'a> {
    cohort: Cohort<'a>,
    given: Given,
    /// By the rules of the first bundle, and of the second.
    histories: [Histories<'a>; 2],
}

impl Part<'_> {
    fn add(&mut self, case: &Case, bundles: [&Bundle; 2]) -> Result<(), RecordError> {
        let Part { cohort, given, histories } = self;
        for (place, (bundle, histories)) in bundles.into_iter().zip(histories).enumerate() {
            let Some(history) = case.history(bundle.task(), histories)? else { continue };
            for row in score::rows(bundle, case, &history) {
                let key = (row.subject_id, row.prediction_time);
                given.entry(key).or_default()[place] = row.probability;
            }
            if place == 0 {
                cohort.add_history(case, &history);
            }
        }
        Ok(())
    }
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
    let begin = |parts| Part {
        cohort: Cohort::part(first.task(), first.concepts(), parts),
        given: HashMap::new(),
        histories: [&first, &second].map(|bundle| score::histories(bundle)),
    };
    let wanted = Wanted::for_index_times(first.task());
    let (parts, lines) = export.fold(meter, &wanted, begin, |part, subject| {
        if held_out.iter().any(|held_out| !held_out.holds(&subject.group, subject.split)) {
            return Received::Skipped("not held out of both".to_owned());
        }
        match part.add(&records::case(subject), [&first, &second]) {
            Ok(()) => Received::Used,
            Err(error) => Received::Quarantined(error.to_string()),
        }
    })?;
    let mut given: Given = HashMap::new();
    let mut cohorts = Vec::with_capacity(parts.len());
    for part in parts {
        given.extend(part.given);
        cohorts.push(part.cohort);
    }
    let cohort = Cohort::joined(first.task(), first.concepts(), cohorts);
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
    write_json(&request.out.join("comparison.json"), &compared)?;
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
