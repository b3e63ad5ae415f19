//! What a column holds, and its values row by row.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as PhysicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray, Int96};
use parquet::schema::types::ColumnDescriptor;

use super::ColumnInfo;
use super::words::Words;
use crate::record::Time;

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// The longest decimal, in bytes.
const DECIMAL_BYTES_MAX: usize = 16;

/// What a column holds. Any of its values may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::import) enum Holds {
    Integer,
    /// 32 bits without a sign.
    Unsigned,
    Boolean,
    Float,
    Double,
    /// A whole number divided by ten to the power of the scale.
    Decimal(u32),
    /// Text or bytes.
    Text,
    /// A day.
    Date,
    /// An instant, or a wall clock's time where it is not in UTC.
    Instant {
        unit: Unit,
        utc: bool,
    },
    /// A list of texts.
    Texts,
}

/// The unit of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::import) enum Unit {
    Millis,
    Micros,
    Nanos,
    /// A day and a time of the day, in 12 bytes.
    Int96,
}

/// The values of one column in one batch.
#[derive(Debug, Clone)]
pub(in crate::import) enum Values {
    Integers(Vec<Option<i64>>),
    Booleans(Vec<Option<bool>>),
    Floats(Vec<Option<f32>>),
    Doubles(Vec<Option<f64>>),
    Decimals(Vec<Option<i128>>, u32),
    Texts(Vec<Option<ByteArray>>),
    /// Places in the entries of a dictionary.
    Words(Vec<Option<u32>>, Words),
    /// Null in every row.
    Nothing,
    /// Days since 1970-01-01.
    Dates(Vec<Option<i64>>),
    /// Microseconds since 1970-01-01T00:00, finer ones cut off; in UTC or a wall clock's.
    Instants(Vec<Option<i64>>, bool),
    Lists(Vec<Vec<ByteArray>>),
}

impl Values {
    /// The whole number in `row`.
    pub(in crate::import) fn integer(&self, row: usize) -> Option<i64> {
        match self {
            Values::Integers(values) => values.get(row).copied().flatten(),
            _ => None,
        }
    }

    /// The truth value in `row`.
    pub(in crate::import) fn boolean(&self, row: usize) -> Option<bool> {
        match self {
            Values::Booleans(values) => values.get(row).copied().flatten(),
            _ => None,
        }
    }

    /// The number in `row`; one of 32 bits is widened exactly.
    pub(in crate::import) fn number(&self, row: usize) -> Option<f64> {
        match self {
            Values::Floats(values) => values.get(row).copied().flatten().map(f64::from),
            Values::Doubles(values) => values.get(row).copied().flatten(),
            Values::Integers(values) => values.get(row).copied().flatten().map(|n| n as f64),
            Values::Decimals(values, scale) => {
                let unscaled = values.get(row).copied().flatten()?;
                Some(unscaled as f64 / 10_f64.powi(*scale as i32))
            }
            _ => None,
        }
    }

    /// The instant in `row`; of a day its midnight.
    pub(in crate::import) fn time(&self, row: usize) -> Option<Time> {
        let micros = match self {
            Values::Instants(values, _) => values.get(row).copied().flatten(),
            Values::Dates(values) => {
                let days = values.get(row).copied().flatten()?;
                Some(days.saturating_mul(MICROS_PER_DAY))
            }
            _ => None,
        };
        micros.map(Time::from_micros)
    }

    /// The bytes of the text in `row`.
    pub(in crate::import) fn text(&self, row: usize) -> Option<&[u8]> {
        match self {
            Values::Texts(values) => values.get(row)?.as_ref().map(ByteArray::data),
            Values::Words(places, words) => {
                let place = places.get(row).copied().flatten()?;
                words.get(place as usize).map(ByteArray::data)
            }
            _ => None,
        }
    }

    /// The dictionary of the texts, where they are places in one.
    pub(in crate::import) fn words(&self) -> Option<&Words> {
        match self {
            Values::Words(_, words) => Some(words),
            _ => None,
        }
    }

    /// Whether places say all about them.
    pub(in crate::import) fn is_placed(&self) -> bool {
        matches!(self, Values::Words(..) | Values::Nothing)
    }

    /// The place in the dictionary of the text in `row`.
    pub(in crate::import) fn place(&self, row: usize) -> Option<u32> {
        match self {
            Values::Words(places, _) => places.get(row).copied().flatten(),
            _ => None,
        }
    }

    /// The texts of the list in `row`.
    pub(in crate::import) fn texts(&self, row: usize) -> impl Iterator<Item = &[u8]> {
        let list = match self {
            Values::Lists(values) => values.get(row).map(Vec::as_slice),
            _ => None,
        };
        list.unwrap_or_default().iter().map(ByteArray::data)
    }
}

/// What a leaf of the schema is as a column.
pub(super) fn info(column: &ColumnDescriptor) -> ColumnInfo {
    let name = column.path().parts().first().cloned().unwrap_or_default();
    let levels = (column.max_rep_level(), column.max_def_level(), column.path().parts().len());
    let holds = holds(column).and_then(|holds| match (levels, holds) {
        ((0, 0 | 1, 1), holds) => Some(holds),
        ((1, _, 3), Holds::Text) => Some(Holds::Texts),
        _ => None,
    });
    ColumnInfo { name, holds }
}

fn holds(column: &ColumnDescriptor) -> Option<Holds> {
    let scale = u32::try_from(column.type_scale()).unwrap_or_default();
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::MILLIS => Unit::Millis,
        TimeUnit::MICROS => Unit::Micros,
        TimeUnit::NANOS => Unit::Nanos,
    };
    let converted = column.converted_type();
    let is_decimal = converted == ConvertedType::DECIMAL
        || matches!(column.logical_type_ref(), Some(LogicalType::Decimal { .. }));
    // Scales beyond this are none of a number that somebody measured.
    if is_decimal && scale > 38 {
        return None;
    }
    Some(match (column.physical_type(), column.logical_type_ref(), converted) {
        (PhysicalType::INT32 | PhysicalType::INT64, _, _) if is_decimal => Holds::Decimal(scale),
        (PhysicalType::FIXED_LEN_BYTE_ARRAY | PhysicalType::BYTE_ARRAY, _, _) if is_decimal => {
            Holds::Decimal(scale)
        }
        (PhysicalType::INT64, Some(LogicalType::Timestamp(stamp)), _) => {
            Holds::Instant { unit: unit(&stamp.unit), utc: stamp.is_adjusted_to_u_t_c }
        }
        (PhysicalType::INT64, None, ConvertedType::TIMESTAMP_MILLIS) => {
            Holds::Instant { unit: Unit::Millis, utc: true }
        }
        (PhysicalType::INT64, None, ConvertedType::TIMESTAMP_MICROS) => {
            Holds::Instant { unit: Unit::Micros, utc: true }
        }
        (PhysicalType::INT96, _, _) => Holds::Instant { unit: Unit::Int96, utc: false },
        (PhysicalType::INT32, Some(LogicalType::Date), _) => Holds::Date,
        (PhysicalType::INT32, None, ConvertedType::DATE) => Holds::Date,
        (_, Some(LogicalType::Time(_)), _)
        | (_, _, ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS) => return None,
        (PhysicalType::INT32, _, ConvertedType::UINT_32) => Holds::Unsigned,
        (PhysicalType::INT32 | PhysicalType::INT64, _, _) => Holds::Integer,
        (PhysicalType::BOOLEAN, _, _) => Holds::Boolean,
        (PhysicalType::FLOAT, _, _) => Holds::Float,
        (PhysicalType::DOUBLE, _, _) => Holds::Double,
        (PhysicalType::BYTE_ARRAY, _, _) => Holds::Text,
        (PhysicalType::FIXED_LEN_BYTE_ARRAY, _, _) => return None,
    })
}

/// Reads the values of `rows` rows; `None` where there are not so many, or what they are made of is damaged.
pub(super) fn read(reader: &mut ColumnReader, holds: Holds, rows: usize) -> Option<Values> {
    Some(match (reader, holds) {
        (ColumnReader::Int32ColumnReader(reader), holds) => {
            let number = |n: i32| match holds {
                Holds::Unsigned => i64::from(n as u32),
                _ => i64::from(n),
            };
            integers(column(reader, rows, number)?, holds)
        }
        (ColumnReader::Int64ColumnReader(reader), holds) => {
            integers(column(reader, rows, |n| n)?, holds)
        }
        (ColumnReader::Int96ColumnReader(reader), _) => {
            Values::Instants(column(reader, rows, micros_of)?, false)
        }
        (ColumnReader::BoolColumnReader(reader), _) => {
            Values::Booleans(column(reader, rows, |value| value)?)
        }
        (ColumnReader::FloatColumnReader(reader), _) => {
            Values::Floats(column(reader, rows, |value| value)?)
        }
        (ColumnReader::DoubleColumnReader(reader), _) => {
            Values::Doubles(column(reader, rows, |value| value)?)
        }
        (ColumnReader::ByteArrayColumnReader(reader), Holds::Texts) => {
            Values::Lists(lists(reader, rows)?)
        }
        (ColumnReader::ByteArrayColumnReader(reader), Holds::Decimal(scale)) => {
            let unscaled = column(reader, rows, |value: ByteArray| decimal(value.data()))?;
            Values::Decimals(unscaled, scale)
        }
        (ColumnReader::FixedLenByteArrayColumnReader(reader), Holds::Decimal(scale)) => {
            let unscaled = column(reader, rows, |value: FixedLenByteArray| decimal(value.data()))?;
            Values::Decimals(unscaled, scale)
        }
        (ColumnReader::ByteArrayColumnReader(reader), _) => {
            Values::Texts(column(reader, rows, |value| value)?)
        }
        (ColumnReader::FixedLenByteArrayColumnReader(_), _) => return None,
    })
}

/// Reads the places of `rows` rows in a dictionary; `None` where there are not so many, or one is in none.
pub(super) fn read_places(reader: &mut ColumnReader, words: &Words, rows: usize) -> Option<Values> {
    let ColumnReader::Int32ColumnReader(reader) = reader else { return None };
    let places = column(reader, rows, |place| place as u32)?;
    let is_in = |place: &u32| (*place as usize) < words.len();
    places.iter().flatten().all(is_in).then(|| Values::Words(places, words.clone()))
}

fn integers(values: Vec<Option<i64>>, holds: Holds) -> Values {
    let each = |change: fn(i64) -> i64| values.iter().map(|value| value.map(change)).collect();
    match holds {
        Holds::Instant { unit, utc } => Values::Instants(
            match unit {
                Unit::Millis => each(|millis| millis.saturating_mul(1_000)),
                Unit::Nanos => each(|nanos| nanos.div_euclid(1_000)),
                Unit::Micros | Unit::Int96 => values,
            },
            utc,
        ),
        Holds::Date => Values::Dates(values),
        Holds::Decimal(scale) => {
            Values::Decimals(values.into_iter().map(|n| n.map(i128::from)).collect(), scale)
        }
        _ => Values::Integers(values),
    }
}

/// A Julian day and the nanoseconds of the day, as microseconds since 1970.
fn micros_of(value: Int96) -> i64 {
    let [low, high, day] = match value.data() {
        [low, high, day] => [*low, *high, *day],
        _ => [0; 3],
    };
    let nanos = (u64::from(high) << 32 | u64::from(low)) as i64;
    let days = i64::from(day) - 2_440_588;
    days.saturating_mul(MICROS_PER_DAY).saturating_add(nanos.div_euclid(1_000))
}

/// A big-endian whole number; one longer than any decimal is 0.
fn decimal(bytes: &[u8]) -> i128 {
    if bytes.len() > DECIMAL_BYTES_MAX {
        return 0;
    }
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(sign, |number, byte| (number << 8) | i128::from(*byte))
}

fn column<D: DataType, V>(
    reader: &mut ColumnReaderImpl<D>,
    rows: usize,
    change: impl Fn(D::T) -> V,
) -> Option<Vec<Option<V>>> {
    let (mut levels, mut values) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let (found, _, _) = reader.read_records(rows, Some(&mut levels), None, &mut values).ok()?;
    if found != rows {
        return None;
    }
    // Where nothing may be null there are no levels.
    if levels.is_empty() {
        return Some(values.into_iter().map(|value| Some(change(value))).collect());
    }
    let mut values = values.into_iter();
    let each = levels.iter().map(|level| (*level > 0).then(|| values.next().map(&change)));
    Some(each.map(Option::flatten).collect())
}

/// Lists of texts: a level of repetition of 0 begins a row.
fn lists(
    reader: &mut ColumnReaderImpl<parquet::data_type::ByteArrayType>,
    rows: usize,
) -> Option<Vec<Vec<ByteArray>>> {
    let (mut levels, mut repeats, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let (found, _, _) =
        reader.read_records(rows, Some(&mut levels), Some(&mut repeats), &mut values).ok()?;
    if found != rows {
        return None;
    }
    // Only a text that is there has the highest level; the lower ones say how it is missing.
    let present = levels.iter().copied().max().unwrap_or_default();
    let is_any_there = !values.is_empty();
    let mut values = values.into_iter();
    let mut lists: Vec<Vec<ByteArray>> = Vec::with_capacity(rows);
    for (repeat, level) in repeats.iter().zip(&levels) {
        if *repeat == 0 {
            lists.push(Vec::new());
        }
        if is_any_there && *level == present {
            lists.last_mut()?.extend(values.next());
        }
    }
    Some(lists)
}
