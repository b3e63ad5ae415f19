//! Parquet files with typed columns by name: predictions, labels and dumped matrices.
//!
//! A file is written under a temporary name in its own folder, readable by its owner alone, and
//! takes its name only when it is complete on disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use crate::private_file::Incoming;
use crate::record::Time;

/// The most rows in one row group, which bounds what a writer holds in memory.
const ROW_GROUP_ROWS_MAX: usize = 65_536;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    Integer,
    /// May be null.
    NullableInteger,
    /// `timestamp[us]` without zone, as MEDS has it; in UTC. May be null.
    Time,
    /// May be null.
    Boolean,
    /// May be null.
    Double,
    /// 32 bits; `NaN` stands for missing.
    Float,
    /// 32 bits; may be null.
    NullableFloat,
    /// May be null.
    Text,
    /// A list of texts that is null in every row.
    NoTexts,
}

/// The values of one column in one batch.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    Integer(&'a [i64]),
    NullableInteger(&'a [Option<i64>]),
    Time(&'a [Option<Time>]),
    Boolean(&'a [Option<bool>]),
    Double(&'a [Option<f64>]),
    Float(&'a [f32]),
    NullableFloat(&'a [Option<f32>]),
    Text(&'a [Option<&'a str>]),
    /// So many rows.
    NoTexts(usize),
}

/// Why a file was not written. Nothing stands under its name then that was not there before.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Encode { path: PathBuf, source: ParquetError },
    /// A batch whose columns are not those of the file, or not of one length.
    #[error("{path}: column {column} of a batch has the wrong type or length")]
    Shape { path: PathBuf, column: usize },
}

/// A Parquet file being written.
pub struct ParquetWriter {
    path: PathBuf,
    columns: Vec<ColumnType>,
    writer: SerializedFileWriter<File>,
    incoming: Incoming,
}

impl ParquetWriter {
    /// Begins a file with these columns, in order. A file of that name stays until `finish`.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn create(
        path: &Path,
        columns: &[(&str, ColumnType)],
    ) -> Result<ParquetWriter, WriteError> {
        let encode = |source| WriteError::Encode { path: path.to_owned(), source };
        let fields = columns.iter().map(|(name, kind)| kind.field(name).map(Arc::new));
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(encode)?;
        let schema = Type::group_type_builder("schema").with_fields(fields).build();
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let schema = Arc::new(schema.map_err(encode)?);
        let (incoming, file) = Incoming::create(path)
            .map_err(|source| WriteError::Io { path: path.to_owned(), source })?;
        let writer =
            SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(encode)?;
        let columns = columns.iter().map(|(_, kind)| *kind).collect();
        Ok(ParquetWriter { path: path.to_owned(), columns, writer, incoming })
    }

    /// Adds rows: one slice for each column, all of one length. Every batch becomes at least one
    /// row group, so that large batches make better files.
    ///
    /// # Errors
    /// A batch of another shape, or a disk that does not take it.
    pub fn append(&mut self, batch: &[Column<'_>]) -> Result<(), WriteError> {
        let rows = batch.first().map_or(0, Column::len);
        let wrong = |(at, column): (usize, &Column<'_>)| {
            let fits = self.columns.get(at) == Some(&column.kind()) && column.len() == rows;
            (!fits).then_some(at)
        };
        let wrong = batch.iter().enumerate().find_map(wrong);
        let wrong = wrong.or((batch.len() != self.columns.len()).then_some(batch.len()));
        if let Some(column) = wrong {
            return Err(WriteError::Shape { path: self.path.clone(), column });
        }
        for start in (0..rows).step_by(ROW_GROUP_ROWS_MAX) {
            let range = start..rows.min(start + ROW_GROUP_ROWS_MAX);
            self.append_group(batch, range)
                .map_err(|source| WriteError::Encode { path: self.path.clone(), source })?;
        }
        Ok(())
    }

    fn append_group(
        &mut self,
        batch: &[Column<'_>],
        range: Range<usize>,
    ) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for column in batch {
            let Some(mut writer) = group.next_column()? else { break };
            column.write(range.clone(), &mut writer)?;
            writer.close()?;
        }
        group.close().map(|_| ())
    }

    /// Completes the file, brings it to disk and gives it its name.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn finish(self) -> Result<(), WriteError> {
        let ParquetWriter { path, columns: _, writer, incoming } = self;
        let file = writer
            .into_inner()
            .map_err(|source| WriteError::Encode { path: path.clone(), source })?;
        incoming.keep(&file).map_err(|source| WriteError::Io { path, source })
    }
}

impl ColumnType {
    fn field(self, name: &str) -> Result<Type, ParquetError> {
        let (physical, logical, repetition) = match self {
            ColumnType::Integer => (PhysicalType::INT64, None, Repetition::REQUIRED),
            ColumnType::NullableInteger => (PhysicalType::INT64, None, Repetition::OPTIONAL),
            ColumnType::Time => {
                let instant = LogicalType::timestamp(false, TimeUnit::MICROS);
                (PhysicalType::INT64, Some(instant), Repetition::OPTIONAL)
            }
            ColumnType::Boolean => (PhysicalType::BOOLEAN, None, Repetition::OPTIONAL),
            ColumnType::Double => (PhysicalType::DOUBLE, None, Repetition::OPTIONAL),
            ColumnType::Float => (PhysicalType::FLOAT, None, Repetition::REQUIRED),
            ColumnType::NullableFloat => (PhysicalType::FLOAT, None, Repetition::OPTIONAL),
            ColumnType::Text => {
                (PhysicalType::BYTE_ARRAY, Some(LogicalType::String), Repetition::OPTIONAL)
            }
            ColumnType::NoTexts => return list_of_texts(name),
        };
        let field = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        field.with_logical_type(logical).build()
    }
}

impl Column<'_> {
    fn kind(&self) -> ColumnType {
        match self {
            Column::Integer(_) => ColumnType::Integer,
            Column::NullableInteger(_) => ColumnType::NullableInteger,
            Column::Time(_) => ColumnType::Time,
            Column::Boolean(_) => ColumnType::Boolean,
            Column::Double(_) => ColumnType::Double,
            Column::Float(_) => ColumnType::Float,
            Column::NullableFloat(_) => ColumnType::NullableFloat,
            Column::Text(_) => ColumnType::Text,
            Column::NoTexts(_) => ColumnType::NoTexts,
        }
    }

    fn len(&self) -> usize {
        match self {
            Column::Integer(values) => values.len(),
            Column::NullableInteger(values) => values.len(),
            Column::Time(values) => values.len(),
            Column::Boolean(values) => values.len(),
            Column::Double(values) => values.len(),
            Column::Float(values) => values.len(),
            Column::NullableFloat(values) => values.len(),
            Column::Text(values) => values.len(),
            Column::NoTexts(rows) => *rows,
        }
    }

    fn write(
        &self,
        range: Range<usize>,
        writer: &mut SerializedColumnWriter<'_>,
    ) -> Result<(), ParquetError> {
        match self {
            Column::Integer(values) => {
                writer.typed::<Int64Type>().write_batch(&values[range], None, None).map(|_| ())
            }
            Column::NullableInteger(values) => {
                write_nullable::<Int64Type, _>(&values[range], |value| value, writer)
            }
            Column::Float(values) => {
                writer.typed::<FloatType>().write_batch(&values[range], None, None).map(|_| ())
            }
            Column::Time(values) => {
                write_nullable::<Int64Type, _>(&values[range], |time| time.micros(), writer)
            }
            Column::Boolean(values) => {
                write_nullable::<BoolType, _>(&values[range], |value| value, writer)
            }
            Column::Double(values) => {
                write_nullable::<DoubleType, _>(&values[range], |value| value, writer)
            }
            Column::NullableFloat(values) => {
                write_nullable::<FloatType, _>(&values[range], |value| value, writer)
            }
            Column::NoTexts(_) => {
                let levels = vec![0; range.len()];
                let writer = &mut writer.typed::<ByteArrayType>();
                writer.write_batch(&[], Some(&levels), Some(&levels)).map(|_| ())
            }
            Column::Text(values) => {
                write_nullable::<ByteArrayType, _>(&values[range], ByteArray::from, writer)
            }
        }
    }
}

/// The field of a list of texts, in the three levels that Parquet wants.
fn list_of_texts(name: &str) -> Result<Type, ParquetError> {
    let element = ColumnType::Text.field("element")?;
    let list = Type::group_type_builder("list").with_repetition(Repetition::REPEATED);
    let list = list.with_fields(vec![Arc::new(element)]).build()?;
    let field = Type::group_type_builder(name).with_repetition(Repetition::OPTIONAL);
    let field = field.with_logical_type(Some(LogicalType::List));
    field.with_fields(vec![Arc::new(list)]).build()
}

fn write_nullable<D: DataType, V: Copy>(
    values: &[Option<V>],
    encode: impl Fn(V) -> D::T,
    writer: &mut SerializedColumnWriter<'_>,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let present: Vec<D::T> = values.iter().flatten().map(|value| encode(*value)).collect();
    writer.typed::<D>().write_batch(&present, Some(&levels), None).map(|_| ())
}
