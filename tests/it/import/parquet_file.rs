//! Parquet files as they are written.

use std::fs;

use prodrome::import::{Column, ColumnType, ParquetWriter};
use prodrome::record::Time;

#[test]
fn a_parquet_file_appears_whole_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let columns = [
        ("subject_id", ColumnType::Integer),
        ("prediction_time", ColumnType::Time),
        ("boolean_value", ColumnType::Boolean),
        ("predicted_boolean_probability", ColumnType::Double),
        ("feature", ColumnType::Float),
        ("tier", ColumnType::Text),
    ];
    let time = Time::parse("2005-01-01T12:00:00Z");
    let rows: Vec<i64> = (0..70_000).collect();
    let mut writer = ParquetWriter::create(&path, &columns).unwrap();
    let (times, truths) = (vec![time; rows.len()], vec![None; rows.len()]);
    let (odds, values) = (vec![Some(0.125); rows.len()], vec![f32::NAN; rows.len()]);
    let tiers = vec![Some("high"); rows.len()];
    let batch = [
        Column::Integer(&rows),
        Column::Time(&times),
        Column::Boolean(&truths),
        Column::Double(&odds),
        Column::Float(&values),
        Column::Text(&tiers),
    ];
    writer.append(&batch).unwrap();
    let error = writer.append(&batch[..5]).unwrap_err().to_string();
    assert!(error.ends_with("column 5 of a batch has the wrong type or length"), "{error}");
    assert!(!path.exists(), "not before it is complete");
    writer.finish().unwrap();

    let file = fs::File::open(&path).unwrap();
    let reader = parquet::file::reader::SerializedFileReader::new(file).unwrap();
    let metadata = parquet::file::reader::FileReader::metadata(&reader);
    let groups: Vec<i64> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [65_536, 4_464], "row groups are bounded");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    drop(ParquetWriter::create(&path, &columns).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}
