//! The table of figures: both files, read back, are the release.

use std::fs::File;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, RowAccessor};
use prodrome::command::write_trend_table;
use prodrome::trend::{KeyName, Release, Value, columns, rows};

use super::sample::{group, release};

/// The release with a region whose name would trouble a file, and with figures of every kind.
fn troubled() -> Release {
    let mut release = release();
    for series in &mut release.series {
        if let Some(region) = series.group.0.get_mut(&KeyName::Region)
            && region == "022"
        {
            *region = "=cmd,\"x\"\nsouth".to_owned();
        }
        let figure = series.points[0].figure;
        series.points[0].standardised = figure;
        series.points[0].smoothed = figure.map(|figure| figure.estimate / 3.0);
        if let Some(figure) = &mut series.points[4].figure {
            figure.low = -1e-17;
        }
    }
    release
}

/// Lines of a CSV file by RFC 4180, read independently of what wrote them.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut line, mut cell, mut is_quoted) =
        (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                cell.push('"');
                letters.next();
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => line.push(std::mem::take(&mut cell)),
            '\n' if !is_quoted => {
                line.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut line));
            }
            other => cell.push(other),
        }
    }
    assert!(cell.is_empty() && line.is_empty(), "the last line ends");
    lines
}

#[test]
fn a_csv_file_read_back_is_the_release() {
    let release = troubled();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.CSV");
    write_trend_table(&path, &release).unwrap();
    let lines = csv(&std::fs::read_to_string(&path).unwrap());
    let columns = columns(&release);
    let titles: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    assert_eq!(lines[0], titles);
    assert!(
        titles.starts_with(&["measure", "kind", "unit", "age_band", "sex", "region", "period"])
    );
    assert_eq!(lines.len(), 1 + release.series.len() * release.periods.len());
    for (line, row) in lines[1..].iter().zip(rows(&release)) {
        for (cell, column) in line.iter().zip(&columns) {
            match row.value(*column) {
                Value::Text(text) => {
                    let text = text.unwrap_or_default();
                    let guarded = format!("'{text}");
                    let expected = if text.starts_with('=') { &guarded } else { text };
                    assert_eq!(cell, expected);
                }
                Value::Count(count) => assert_eq!(cell.parse().ok(), count, "{column:?}"),
                Value::Number(number) => {
                    let bits = |number: f64| number.to_bits();
                    assert_eq!(cell.parse().ok().map(bits), number.map(bits), "{column:?}");
                }
                Value::Truth(truth) => assert_eq!(cell.parse(), Ok(truth)),
            }
        }
    }
}

#[test]
fn a_parquet_file_read_back_is_the_release() {
    let release = troubled();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write_trend_table(&path, &release).unwrap();
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let columns = columns(&release);
    let mut count = 0;
    for (found, row) in reader.get_row_iter(None).unwrap().zip(rows(&release)) {
        let found = found.unwrap();
        count += 1;
        for (place, (column, (title, field))) in
            columns.iter().zip(found.get_column_iter()).enumerate()
        {
            assert_eq!(title, column.name());
            match (row.value(*column), field) {
                (Value::Text(None) | Value::Count(None) | Value::Number(None), field) => {
                    assert_eq!(field, &Field::Null);
                }
                (Value::Text(Some(text)), _) => assert_eq!(found.get_string(place).unwrap(), text),
                (Value::Count(Some(count)), _) => {
                    assert_eq!(found.get_long(place).unwrap() as u64, count);
                }
                (Value::Number(Some(number)), _) => {
                    assert_eq!(found.get_double(place).unwrap().to_bits(), number.to_bits());
                }
                (Value::Truth(truth), _) => assert_eq!(found.get_bool(place).unwrap(), truth),
            }
        }
    }
    assert_eq!(count, release.series.len() * release.periods.len());
}

#[test]
fn what_is_kept_back_is_marked_and_empty() {
    let release = release();
    let other = group(&[(KeyName::Region, "other")]);
    let is_marked = |row: prodrome::trend::Row<'_>| {
        row.value(prodrome::trend::Column::Suppressed) == Value::Truth(true)
    };
    let marked: Vec<&str> = rows(&release)
        .filter(|row| row.group == &other && row.measure.name == "raised_bp")
        .filter(|row| is_marked(*row))
        .map(|row| row.period.name.as_str())
        .collect();
    assert_eq!(marked, ["2021", "2022"]);
    let hidden: Vec<_> = rows(&release).filter(|row| is_marked(*row)).collect();
    assert!(hidden.len() > 20 && hidden.iter().all(|row| row.point.figure.is_none()));
}

#[test]
fn a_table_of_another_kind_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["t.xlsx", "t"] {
        let error = write_trend_table(&folder.path().join(name), &release()).unwrap_err();
        assert!(error.to_string().contains(".csv or as .parquet"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
