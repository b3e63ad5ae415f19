//! `cohort`: who is in a task's cohort and who is not, and the labels as a MEDS label file.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::CommandError;
use super::records::{self, Source};
use super::task_source::TaskSource;
use crate::import::{Column, ColumnType, Counts, Meter, ParquetWriter, Received, Wanted};
use crate::train::{AttritionLine, Rates, Roll, RollRow, ShownAttrition};

/// How many rows are written at a time.
const BATCH_ROWS: usize = 65_536;

/// What `cohort` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct CohortRequest {
    pub task: TaskSource,
    pub source: Source,
    /// The label file to write.
    pub out: PathBuf,
}

/// What `cohort` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Enrolled {
    pub task: String,
    /// `None` where there was nothing to learn from: no file is written then.
    pub out: Option<PathBuf>,
    pub problem: Option<String>,
    pub lines: Counts,
    pub attrition: ShownAttrition,
    pub table: Vec<AttritionLine>,
}

impl Enrolled {
    /// 0, or 3 for a cohort from which nothing can be learned.
    pub fn exit_code(&self) -> u8 {
        if self.problem.is_some() { 3 } else { 0 }
    }

    /// What was found, in sentences.
    pub fn summary(&self) -> String {
        let mut text = format!("{}\n{}\n", self.task, self.lines.sentence());
        let widest = self.table.iter().map(|line| line.text.chars().count()).max().unwrap_or(0);
        for AttritionLine { text: what, count, .. } in &self.table {
            text += &format!("  {what:<widest$}  {:>10}\n", count.to_string());
        }
        if let Some(Rates { outcome, outcome_or_death, outcome_of_survivors }) =
            self.attrition.rates
        {
            text += &format!(
                "outcome {:.2}% (deaths count as without), outcome or death {:.2}%, outcome of those \
                 who did not die before it {:.2}%\n",
                outcome * 100.0,
                outcome_or_death * 100.0,
                outcome_of_survivors * 100.0
            );
        }
        match (&self.problem, &self.out) {
            (Some(problem), _) => text += &format!("no label file: {problem}"),
            (None, Some(out)) => text += &format!("written: {}", out.display()),
            (None, None) => {}
        }
        text
    }
}

/// Finds the cohort of a task in an export and writes its labels.
///
/// # Errors
/// Files that cannot be read or written.
pub fn cohort(request: &CohortRequest, meter: &Meter) -> Result<Enrolled, CommandError> {
    let (task, concepts) = request.task.read()?;
    let export = records::export(&request.source)?;
    let wanted = Wanted::for_labels(&task, &concepts);
    let begin = |_| Roll::new(&task, &concepts);
    let (rolls, lines) = export.fold(meter, &wanted, begin, |roll, subject| {
        match roll.add(&records::case(subject)) {
            Ok(()) => Received::Used,
            Err(error) => Received::Quarantined(error.to_string()),
        }
    })?;
    let mut roll = begin(1);
    rolls.into_iter().for_each(|part| roll.join(part));
    roll.finish();
    let problem = roll.problem();
    if problem.is_none() {
        write(&request.out, roll.rows())?;
    }
    Ok(Enrolled {
        task: task.params().name.clone(),
        out: problem.is_none().then(|| request.out.clone()),
        problem,
        lines,
        attrition: roll.attrition(),
        table: roll.table(),
    })
}

/// Writes a MEDS label file. The column `patient_id` is there only where the source's ids are no
/// integers: the schema knows no other columns, and joins by `subject_id` need none.
fn write(path: &Path, rows: &[RollRow]) -> Result<(), CommandError> {
    let with_ids = rows.iter().any(|row| row.patient_id.is_some());
    let mut columns = vec![
        ("subject_id", ColumnType::Integer),
        ("prediction_time", ColumnType::Time),
        ("boolean_value", ColumnType::Boolean),
    ];
    if with_ids {
        columns.push(("patient_id", ColumnType::Text));
    }
    let mut writer = ParquetWriter::create(path, &columns)?;
    for rows in rows.chunks(BATCH_ROWS) {
        let subjects: Vec<i64> = rows.iter().map(|row| row.subject_id).collect();
        let times: Vec<_> = rows.iter().map(|row| Some(row.prediction_time)).collect();
        let values: Vec<_> = rows.iter().map(|row| Some(row.boolean_value)).collect();
        let numbers: Vec<String> = rows.iter().map(|row| row.subject_id.to_string()).collect();
        let ids = rows.iter().zip(&numbers);
        let ids: Vec<_> =
            ids.map(|(row, number)| Some(row.patient_id.as_deref().unwrap_or(number))).collect();
        let mut batch =
            vec![Column::Integer(&subjects), Column::Time(&times), Column::Boolean(&values)];
        if with_ids {
            batch.push(Column::Text(&ids));
        }
        writer.append(&batch)?;
    }
    Ok(writer.finish()?)
}
