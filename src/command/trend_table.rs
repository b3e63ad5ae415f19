//! The figures of a release as a file for other programs: CSV or Parquet, by its name.

use std::path::Path;

use super::CommandError;
use crate::import::{Column as Written, ColumnType, ParquetWriter};
use crate::private_file;
use crate::trend::{Column, Release, Row, Value, columns, rows};

/// Rows of one batch of a Parquet file.
const BATCH_ROWS: usize = 65_536;

/// Writes the table of `release` to `path`, which ends with `.csv` or `.parquet`.
///
/// # Errors
/// Another ending; a disk that does not take it.
pub fn write(path: &Path, release: &Release) -> Result<(), CommandError> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("csv") => write_csv(path, release),
        Some("parquet") => write_parquet(path, release),
        _ => Err(CommandError::Usage(format!(
            "{}: a table is written as .csv or as .parquet: name the file so",
            path.display()
        ))),
    }
}

/// As RFC 4180 has it, but that lines end as on Unix.
fn write_csv(path: &Path, release: &Release) -> Result<(), CommandError> {
    let columns = columns(release);
    let titles: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    let mut text = titles.join(",") + "\n";
    for row in rows(release) {
        for (place, column) in columns.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            push_cell(&mut text, row.value(*column));
        }
        text.push('\n');
    }
    private_file::write_atomically_for_all(path, text.as_bytes())
        .map_err(|source| CommandError::Io { path: path.to_owned(), source })
}

fn push_cell(text: &mut String, value: Value<'_>) {
    match value {
        Value::Text(Some(words)) => push_words(text, words),
        Value::Count(Some(count)) => text.push_str(&count.to_string()),
        // As few digits as give the same number when they are read.
        Value::Number(Some(number)) => text.push_str(&number.to_string()),
        Value::Truth(truth) => text.push_str(if truth { "true" } else { "false" }),
        Value::Text(None) | Value::Count(None) | Value::Number(None) => {}
    }
}

/// Words that come from records, such as names of regions. A spreadsheet would reckon with what begins
/// as a formula does: an apostrophe before it keeps it words (OWASP, CSV injection).
fn push_words(text: &mut String, words: &str) {
    let is_formula = words.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    let is_plain = !words.contains([',', '"', '\n', '\r']) && words.trim() == words;
    if is_plain && !is_formula {
        text.push_str(words);
        return;
    }
    text.push('"');
    text.push_str(guard);
    text.push_str(&words.replace('"', "\"\""));
    text.push('"');
}

fn write_parquet(path: &Path, release: &Release) -> Result<(), CommandError> {
    let columns = columns(release);
    let titles: Vec<(&str, ColumnType)> =
        columns.iter().map(|column| (column.name(), kind(*column))).collect();
    let mut writer = ParquetWriter::create(path, &titles)?;
    let all: Vec<Row<'_>> = rows(release).collect();
    for batch in all.chunks(BATCH_ROWS) {
        let held: Vec<Held<'_>> = columns.iter().map(|column| Held::of(*column, batch)).collect();
        let batch: Vec<Written<'_>> = held.iter().map(Held::written).collect();
        writer.append(&batch)?;
    }
    Ok(writer.finish()?)
}

fn kind(column: Column) -> ColumnType {
    match column {
        Column::Measure
        | Column::Kind
        | Column::Unit
        | Column::Key(_)
        | Column::Period
        | Column::FirstDay
        | Column::LastDay => ColumnType::Text,
        Column::People | Column::Measured | Column::Hits => ColumnType::NullableInteger,
        Column::Estimate
        | Column::Low
        | Column::High
        | Column::StandardError
        | Column::Standardised
        | Column::StandardisedLow
        | Column::StandardisedHigh
        | Column::Smoothed => ColumnType::Double,
        Column::Suppressed => ColumnType::Boolean,
    }
}

/// The values of a column of some rows.
enum Held<'a> {
    Texts(Vec<Option<&'a str>>),
    Counts(Vec<Option<i64>>),
    Numbers(Vec<Option<f64>>),
    Truths(Vec<Option<bool>>),
}

impl<'a> Held<'a> {
    fn of(column: Column, rows: &[Row<'a>]) -> Held<'a> {
        let values = rows.iter().map(|row| row.value(column));
        match kind(column) {
            ColumnType::NullableInteger => Held::Counts(values.map(count).collect()),
            ColumnType::Double => Held::Numbers(values.map(number).collect()),
            ColumnType::Boolean => Held::Truths(values.map(truth).collect()),
            _ => Held::Texts(values.map(text).collect()),
        }
    }

    fn written(&self) -> Written<'_> {
        match self {
            Held::Texts(values) => Written::Text(values),
            Held::Counts(values) => Written::NullableInteger(values),
            Held::Numbers(values) => Written::Double(values),
            Held::Truths(values) => Written::Boolean(values),
        }
    }
}

fn text(value: Value<'_>) -> Option<&str> {
    if let Value::Text(text) = value { text } else { None }
}

fn count(value: Value<'_>) -> Option<i64> {
    let Value::Count(count) = value else { return None };
    count.and_then(|count| i64::try_from(count).ok())
}

fn number(value: Value<'_>) -> Option<f64> {
    if let Value::Number(number) = value { number } else { None }
}

fn truth(value: Value<'_>) -> Option<bool> {
    if let Value::Truth(truth) = value { Some(truth) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_look_like_formulas_stay_words() {
        for (words, cell) in [
            ("021", "021"),
            ("north, east", "\"north, east\""),
            ("the \"old\" town", "\"the \"\"old\"\" town\""),
            ("=1+1", "\"'=1+1\""),
            ("-021", "\"'-021\""),
            ("@x\n", "\"'@x\n\""),
            (" x", "\" x\""),
        ] {
            let mut text = String::new();
            push_cell(&mut text, Value::Text(Some(words)));
            assert_eq!(text, cell);
        }
        let mut text = String::new();
        push_cell(&mut text, Value::Number(Some(-0.5)));
        assert_eq!(text, "-0.5", "a number is none");
    }
}
