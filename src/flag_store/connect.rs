//! Opening a store: connections, tables, key.

use std::borrow::Cow;
use std::fs;
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{
    AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection, Executor, Row, SqlSafeStr,
    SqlStr,
};
use tokio::sync::watch;

use super::keys::{IndexKey, Keys};
use super::place::Place;
use super::sql::{Sql, unsigned};
use super::{FlagSettings, FlagStore, StoreError};
use crate::private_file;

/// Connections that read at the same time.
const READERS: u32 = 4;
/// How often the tables are tried to be made, when another server makes them at the same time.
const MIGRATION_TRIES: u32 = 20;

/// The tables, in the order in which they came to be. What is shipped is never changed, only added
/// to.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "flags", include_str!("migrations/1_flags.sql")),
    (2, "indexes", include_str!("migrations/2_indexes.sql")),
];

/// # Errors
/// Settings that make no sense; files that others may read; a key that is not the store's; a
/// database that cannot be reached.
pub(super) async fn open(
    settings: &FlagSettings,
    is_demonstration: bool,
) -> Result<FlagStore, StoreError> {
    let checked = settings
        .checked(is_demonstration)
        .map_err(|fault| StoreError::Setting { key: fault.key, reason: fault.reason })?;
    if let Place::Sqlite(path) = &checked.place {
        private_file::prepare(path).map_err(StoreError::io(path))?;
        // A file that is empty holds nothing under another key: whoever made it was stopped.
        let is_empty = fs::metadata(path).map_err(StoreError::io(path))?.len() == 0;
        if is_empty && !checked.key_file.exists() {
            Keys::create(&checked.key_file)?;
        }
    }
    let keys = Keys::read(&checked.key_file)?;
    let writer = pool(&checked.place, 1, checked.wait).await?;
    migrate(&writer).await?;
    let reader = pool(&checked.place, READERS, checked.wait).await?;
    let (sealed, last_change) = own_row(&writer, &keys, is_demonstration).await?;
    let index = IndexKey::open(&keys, &sealed)
        .ok_or_else(|| StoreError::WrongKey { path: checked.key_file.clone() })?;
    Ok(FlagStore {
        writer,
        reader,
        keys,
        index,
        rules: checked.rules,
        retention_days: checked.retention_days,
        wait: checked.wait,
        changed: watch::Sender::new(last_change),
    })
}

/// Connections to the database at `place`, each told how to behave.
async fn pool(place: &Place, connections: u32, wait: Duration) -> Result<AnyPool, StoreError> {
    sqlx::any::install_default_drivers();
    // Statements hold no values, but nobody asked for them in the log either.
    let options = AnyConnectOptions::from_str(&place.url())?.disable_statement_logging();
    let setup = AssertSqlSafe(setup(place, wait)).into_sql_str();
    // A pool tries again until its time is over, and then says no more than that.
    let probe = async {
        let mut connection = options.connect().await?;
        connection.execute(setup.clone()).await?;
        connection.close().await
    };
    let late = StoreError::Unavailable("it does not answer in time");
    tokio::time::timeout(wait, probe).await.map_err(|_| late)??;
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(wait)
        .after_connect(move |connection, _| {
            let setup = setup.clone();
            Box::pin(async move { connection.execute(setup).await.map(|_| ()) })
        });
    Ok(pool.connect_with(options).await?)
}

/// What a connection is told first: to acknowledge nothing that is not on disk, and to wait no
/// longer than it may. Writers who waited for each other must see what the other wrote, whatever
/// isolation the database has by default.
fn setup(place: &Place, wait: Duration) -> String {
    let wait = wait.as_millis();
    match place {
        Place::Sqlite(_) => format!(
            "PRAGMA busy_timeout = {wait}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 67108864;"
        ),
        Place::Postgres(_) => format!(
            "SET default_transaction_isolation = 'read committed'; \
             SET statement_timeout = {wait}; SET lock_timeout = {wait}; \
             SET idle_in_transaction_session_timeout = {}; \
             SELECT set_config('synchronous_commit', 'on', false)::text \
             WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');",
            wait.saturating_mul(4)
        ),
    }
}

/// Brings the tables to where this program wants them.
async fn migrate(pool: &AnyPool) -> Result<(), StoreError> {
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        let sql = SqlStr::from_static(sql);
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(migrations.to_vec());
    migrator.dangerous_set_table_name("flag_migrations");
    let mut tries = 1;
    loop {
        let fault = match migrator.run(pool).await {
            Ok(()) => return Ok(()),
            Err(MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_)) => {
                return Err(StoreError::Schema);
            }
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                StoreError::from(error)
            }
            Err(_) => StoreError::Schema,
        };
        if tries == MIGRATION_TRIES || matches!(fault, StoreError::Full) {
            return Err(fault);
        }
        // Two servers that start at once both want to make the tables: the one who comes second
        // finds them made.
        tokio::time::sleep(Duration::from_millis(100)).await;
        tries += 1;
    }
}

/// The sealed index key and the number of the last change, of a store that may be new.
async fn own_row(
    pool: &AnyPool,
    keys: &Keys,
    is_demonstration: bool,
) -> Result<(String, u64), StoreError> {
    let mut connection = pool.acquire().await?;
    let connection: &mut AnyConnection = &mut connection;
    let found = read_own_row(connection).await?;
    let (sealed, last_change, was) = match found {
        Some(found) => found,
        None => {
            Sql::new(
                "INSERT INTO flag_store (one, last_change, changes_gone_to, positions_gone_to, \
                 is_demonstration, sealed_index_key) VALUES (1, 0, 0, 0, ",
            )
            .value(i64::from(is_demonstration))
            .next(IndexKey::generate(keys)?)
            .text(") ON CONFLICT (one) DO NOTHING")
            .run(connection)
            .await?;
            read_own_row(connection).await?.ok_or(StoreError::Schema)?
        }
    };
    match was == is_demonstration {
        true => Ok((sealed, last_change)),
        false => Err(StoreError::Demonstration),
    }
}

async fn read_own_row(
    connection: &mut AnyConnection,
) -> Result<Option<(String, u64, bool)>, StoreError> {
    let sql = Sql::new("SELECT sealed_index_key, last_change, is_demonstration FROM flag_store");
    let Some(row) = sql.row(connection).await? else { return Ok(None) };
    let is_demonstration: i64 = row.try_get(2)?;
    Ok(Some((row.try_get(0)?, unsigned(row.try_get(1)?), is_demonstration != 0)))
}
