//! `score`: a whole population offline, by the same road as the server.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::CommandError;
use super::ndjson::NdjsonFile;
use super::predictions::{PredictionFile, Row};
use super::records::{self, Source};
use crate::access::Classes;
use crate::bundle::Bundle;
use crate::fhir::{Assessed, risk_assessment};
use crate::import::{Counts, Export, Meter, Received, Wanted};
use crate::record::{Histories, History, Time};
use crate::score::Sufficiency;
use crate::task::{Label, index_times, label};
use crate::train::{Case, Count};

/// How many reasons a resource comes with.
const REASONS_MAX: usize = 5;

/// What `score` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScoreFormat {
    /// A prediction file: MEDS labels and predictions side by side, as Parquet.
    #[default]
    Meds,
    /// FHIR R4 RiskAssessment resources, one a line.
    Fhir,
}

impl ScoreFormat {
    /// The format by its name.
    pub fn parse(name: &str) -> Option<ScoreFormat> {
        match name {
            "meds" => Some(ScoreFormat::Meds),
            "fhir" => Some(ScoreFormat::Fhir),
            _ => None,
        }
    }
}

/// What `score` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRequest {
    /// A version folder.
    pub bundle: PathBuf,
    pub source: Source,
    pub concepts: Vec<PathBuf>,
    pub out: PathBuf,
    pub format: ScoreFormat,
}

/// What `score` wrote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scored {
    pub out: PathBuf,
    #[serde(skip)]
    pub format: ScoreFormat,
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
    fn begin(request: &ScoreRequest, bundle: &Bundle) -> Scored {
        Scored {
            out: request.out.clone(),
            format: request.format,
            digest: bundle.digest().to_owned(),
            lines: Counts::default(),
            scored: 0,
            not_scored: 0,
            sufficiency: BTreeMap::new(),
        }
    }

    /// Counts an index time, with how far the record of an eligible patient sufficed.
    fn count(&mut self, has_probability: bool, grade: Option<Sufficiency>) {
        let count = if has_probability { &mut self.scored } else { &mut self.not_scored };
        *count += 1;
        if let Some(grade) = grade {
            let Count(of_it) = self.sufficiency.entry(grade.letter()).or_default();
            *of_it += 1;
        }
    }

    /// What was written, in sentences.
    pub fn summary(&self) -> String {
        let grades = self.sufficiency.iter().map(|(grade, count)| format!("{grade} {count}"));
        format!(
            "{} index times scored, {} not ({})\n\
             how far the records suffice (D: not enough data): {}\n{}\nwritten: {}",
            self.scored,
            self.not_scored,
            match self.format {
                ScoreFormat::Meds => "see column not_eligible",
                ScoreFormat::Fhir => "those who are not eligible have no resource",
            },
            grades.collect::<Vec<_>>().join(", "),
            self.lines.sentence(),
            self.out.display()
        )
    }
}

/// Scores every index time of an export into a file.
///
/// # Errors
/// A bundle that is refused, files that cannot be read or written.
pub fn score(request: &ScoreRequest, meter: &Meter) -> Result<Scored, CommandError> {
    let bundle = records::bundle(&request.bundle, &request.concepts)?;
    let export = records::export(&request.source)?;
    match request.format {
        ScoreFormat::Meds => predictions(request, &bundle, &export, meter),
        ScoreFormat::Fhir => risk_assessments(request, &bundle, &export, meter),
    }
}

/// Into a prediction file, one row for each index time.
fn predictions(
    request: &ScoreRequest,
    bundle: &Bundle,
    export: &Export,
    meter: &Meter,
) -> Result<Scored, CommandError> {
    let mut file = PredictionFile::create(&request.out)?;
    let mut scored = Scored::begin(request, bundle);
    let begin = |_| (Vec::new(), histories(bundle));
    let wanted = Wanted::for_index_times(bundle.task());
    let (parts, lines) = export.fold(meter, &wanted, begin, |(found, histories), subject| {
        let case = records::case(subject);
        match case.history(bundle.task(), histories) {
            Ok(history) => found.extend(history.iter().flat_map(|h| rows(bundle, &case, h))),
            Err(error) => return Received::Quarantined(error.to_string()),
        }
        Received::Used
    })?;
    for row in parts.into_iter().flat_map(|(found, _)| found) {
        scored.count(row.probability.is_some(), row.sufficiency);
        file.push(row);
    }
    file.finish()?;
    Ok(Scored { lines, ..scored })
}

/// Into resources, one for each index time with an answer, in the order of the export; each is written
/// before the next subject is read, so that memory does not grow with the population. Nobody's rights
/// are known here, so that the resources hold what somebody sees who may see no sensitive class.
fn risk_assessments(
    request: &ScoreRequest,
    bundle: &Bundle,
    export: &Export,
    meter: &Meter,
) -> Result<Scored, CommandError> {
    let mut file = NdjsonFile::create(&request.out)?;
    let mut scored = Scored::begin(request, bundle);
    let mut histories = histories(bundle);
    let lines = export.read(meter, |subject| {
        let case = records::case(subject);
        let history = match case.history(bundle.task(), &mut histories) {
            Ok(history) => history,
            Err(error) => return Received::Quarantined(error.to_string()),
        };
        for (time, history) in history.iter().flat_map(|h| times(bundle, &case, h)) {
            let answer = crate::score::score(bundle, history, time, REASONS_MAX);
            let answer = answer.ok().map(|score| score.seen_by(Classes::NONE));
            let probability = answer.as_ref().and_then(|score| score.probability);
            scored.count(probability.is_some(), answer.as_ref().map(|score| score.sufficiency));
            if let Some(score) = &answer {
                file.push(&risk_assessment(&Assessed::by(bundle, &case.record, score)));
            }
        }
        Received::Used
    })?;
    file.finish()?;
    Ok(Scored { lines, ..scored })
}

/// The times that a subject is scored at: those of its given labels, or all its index times.
fn times<'h>(bundle: &Bundle, case: &Case, history: &'h History) -> Vec<(Time, &'h History)> {
    let times = match &case.labels {
        Some(given) => given.iter().map(|label| label.prediction_time).collect(),
        None => index_times(history, bundle.task()),
    };
    times.into_iter().map(|time| (time, history)).collect()
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
