//! Statements that are put together: text with numbered places, and what stands there. Both databases
//! take `$1`.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Any, AnyConnection, Arguments, AssertSqlSafe, Encode, Row, Type};

use super::StoreError;

/// A statement in the making. Text of callers goes in as values alone.
#[derive(Default)]
pub(super) struct Sql {
    text: String,
    values: AnyArguments,
}

impl Sql {
    pub(super) fn new(text: &str) -> Sql {
        Sql { text: text.to_owned(), ..Sql::default() }
    }

    /// More text of the statement.
    pub(super) fn text(mut self, text: &str) -> Sql {
        self.text.push_str(text);
        self
    }

    /// A value where the text ends now.
    pub(super) fn value<'v>(mut self, value: impl Encode<'v, Any> + Type<Any>) -> Sql {
        // Numbers and texts are always taken; a value that were not would leave a place empty, which
        // the database refuses.
        let _ = self.values.add(value);
        self.text.push_str(&format!("${}", self.values.len()));
        self
    }

    /// A further value, after a comma.
    pub(super) fn next<'v>(self, value: impl Encode<'v, Any> + Type<Any>) -> Sql {
        self.text(", ").value(value)
    }

    /// Values in brackets, with commas.
    pub(super) fn list<'v, V: Encode<'v, Any> + Type<Any>>(
        self,
        values: impl IntoIterator<Item = V>,
    ) -> Sql {
        let mut sql = self.text("(");
        for (at, value) in values.into_iter().enumerate() {
            sql = sql.text(if at == 0 { "" } else { ", " }).value(value);
        }
        sql.text(")")
    }

    /// How many rows it changed.
    pub(super) async fn run(self, connection: &mut AnyConnection) -> Result<u64, StoreError> {
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.values);
        Ok(query.execute(connection).await?.rows_affected())
    }

    /// All rows.
    pub(super) async fn rows(
        self,
        connection: &mut AnyConnection,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.values);
        Ok(query.fetch_all(connection).await?)
    }

    /// The one row, where there is one.
    pub(super) async fn row(
        self,
        connection: &mut AnyConnection,
    ) -> Result<Option<AnyRow>, StoreError> {
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.values);
        Ok(query.fetch_optional(connection).await?)
    }

    /// The number in the one row's first column; 0 without a row.
    pub(super) async fn number(self, connection: &mut AnyConnection) -> Result<i64, StoreError> {
        let row = self.row(connection).await?;
        Ok(row.map_or(Ok(0), |row| row.try_get(0))?)
    }

    /// The texts in the rows' first column.
    pub(super) async fn texts(
        self,
        connection: &mut AnyConnection,
    ) -> Result<Vec<String>, StoreError> {
        let rows = self.rows(connection).await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }
}

/// A count or a number of a change, which are never below 0.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A number that the databases hold, which stop at 2^63 - 1.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
