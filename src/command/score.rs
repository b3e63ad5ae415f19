//! `score`: a whole population offline, by the same road as the server.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::CommandError;
use super::predictions::{PredictionFile, Row};
use super::records::{self, Source};
use crate::bundle::Bundle;
use crate::import::{Counts, Meter, Received, Wanted};
use crate::record::{Histories, History};
use crate::task::{Label, index_times, label};
use crate::train::{Case, Count};

/// What `score` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRequest {
    /// A version folder.
    pub bundle: PathBuf,
    pub source: Source,
    pub concepts: Vec<PathBuf>,
    pub out: PathBuf,
}

/// What `score` wrote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scored {
    pub out: PathBuf,
    pub digest: String,
    pub lines: Counts,
    /// Index times with a probability.
    pub scored: u64,
    /// Index times without: not eligible, or not enough data.
    pub not_scored: u64,
    /// By grade, how far the records of eligible patients suffice; D is not enough data.
    pub sufficiency: BTreeMap<&'static str, Count>,
}

impl Scored {
    /// What was written, in sentences.
    pub fn summary(&self) -> String {
        let grades = self.sufficiency.iter().map(|(grade, count)| format!("{grade} {count}"));
        format!(
            "{} index times scored, {} not (see column not_eligible)\n\
             how far the records suffice (D: not enough data): {}\n{}\nwritten: {}",
            self.scored,
            self.not_scored,
            grades.collect::<Vec<_>>().join(", "),
            self.lines.sentence(),
            self.out.display()
        )
    }
}

/// Scores every index time of an export into a prediction file.
///
/// # Errors
/// A bundle that is refused, files that cannot be read or written.
pub fn score(request: &ScoreRequest, meter: &Meter) -> Result<Scored, CommandError> {
    let bundle = records::bundle(&request.bundle, &request.concepts)?;
    let export = records::export(&request.source)?;
    let mut file = PredictionFile::create(&request.out)?;
    let (mut scored, mut not_scored) = (0, 0);
    let mut sufficiency = BTreeMap::new();
    let begin = |_| (Vec::new(), histories(&bundle));
    let wanted = Wanted::for_index_times(bundle.task());
    let (parts, lines) = export.fold(meter, &wanted, begin, |(found, histories), subject| {
        let case = records::case(subject);
        match case.history(bundle.task(), histories) {
            Ok(history) => found.extend(history.iter().flat_map(|h| rows(&bundle, &case, h))),
            Err(error) => return Received::Quarantined(error.to_string()),
        }
        Received::Used
    })?;
    for row in parts.into_iter().flat_map(|(found, _)| found) {
        let count = if row.probability.is_some() { &mut scored } else { &mut not_scored };
        *count += 1;
        if let Some(grade) = row.sufficiency {
            let Count(of_it) = sufficiency.entry(grade.letter()).or_default();
            *of_it += 1;
        }
        file.push(row);
    }
    file.finish()?;
    let digest = bundle.digest().to_owned();
    Ok(Scored { out: request.out.clone(), digest, lines, scored, not_scored, sufficiency })
}

/// What the histories that `bundle` scores are built by.
pub(super) fn histories(bundle: &Bundle) -> Histories<'_> {
    Histories::by(bundle.concepts(), &bundle.task().params().known_after)
}

/// The predictions of one subject: at its given labels' times, or at every index time.
pub(super) fn rows(bundle: &Bundle, case: &Case, history: &History) -> Vec<Row> {
    let task = bundle.task();
    let times: Vec<_> = match &case.labels {
        Some(given) => {
            given.iter().map(|label| (label.prediction_time, Some(label.boolean_value))).collect()
        }
        None => {
            let outcome = |time| match label(history, task, time).map(|outcome| outcome.label) {
                Ok(Label::Positive) => Some(true),
                Ok(Label::Negative | Label::CompetingDeath) => Some(false),
                Ok(Label::Censored) | Err(_) => None,
            };
            let times = index_times(history, task).into_iter();
            times.map(|time| (time, outcome(time))).collect()
        }
    };
    let each = times.into_iter().map(|(time, boolean_value)| {
        let answer = crate::score::score(bundle, history, time, 0);
        Row::of(case.subject_id, &case.record.patient_id, time, boolean_value, answer)
    });
    each.collect()
}
