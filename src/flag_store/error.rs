//! Why a store does not do what it is asked; never with anything of a patient or a password.

use std::io;
use std::path::{Path, PathBuf};

use crate::flag::{FlagId, InvalidUpdate};

/// Why a store does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("flags: {key}: {reason}")]
    Setting { key: &'static str, reason: String },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// The key file holds no keys.
    #[error("{path}: expected 1 to 16 lines of 64 hexadecimal digits (openssl rand -hex 32)")]
    NoKey { path: PathBuf },
    /// The store was made with a key that the key file does not hold.
    #[error("{path} does not hold the key of this store: bring it back, as a further line")]
    WrongKey { path: PathBuf },
    /// A store of simulated patients is opened for real ones, or the other way round.
    #[error("flags of simulated and of real patients do not belong into one store: name another")]
    Demonstration,
    /// By a newer version of this program.
    #[error("the store was made by a newer version of this program, or is not one of its own")]
    Schema,
    /// What is stored is not what was written there.
    #[error(
        "flag {flag}: `{column}` is damaged, or was sealed with a key that is not in the key file"
    )]
    Damaged { flag: FlagId, column: &'static str },
    /// No such flag within the caller's reach.
    #[error("no such flag")]
    NotFound,
    /// Somebody else changed it first.
    #[error("the flag was changed in the meantime: its version is {version} now")]
    Conflict { version: u64 },
    #[error(transparent)]
    Invalid(#[from] InvalidUpdate),
    #[error("the page token is none of this list's: ask again without one")]
    PageToken,
    /// A list or a watcher that goes on after something that is gone.
    #[error("too long ago, or in another store, to go on from there: begin again")]
    TooOld,
    #[error("the query names more than {max} values")]
    QuerySize { max: usize },
    #[error("the disk of the flag store is full")]
    Full,
    /// Worth another try later.
    #[error("the flag store cannot be reached: {0}")]
    Unavailable(&'static str),
    /// Not worth another try.
    #[error("the flag store refused a statement (code {0})")]
    Refused(String),
}

impl StoreError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Io { path, source }
    }
}

/// The driver's texts may hold values; what is said of them is ours.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        use StoreError::{Full, Refused, Unavailable};
        match &error {
            sqlx::Error::Database(error) => of_code(error.code().as_deref().unwrap_or("unknown")),
            sqlx::Error::PoolTimedOut => Unavailable("no connection became free in time"),
            sqlx::Error::PoolClosed => Unavailable("it is closed"),
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::StorageFull => Full,
            sqlx::Error::Io(_) => Unavailable("the connection is lost, or none is taken"),
            sqlx::Error::Tls(_) => Unavailable("TLS with the database failed"),
            sqlx::Error::WorkerCrashed => Unavailable("the connection is lost"),
            sqlx::Error::Configuration(_) => Refused("address".to_owned()),
            sqlx::Error::Protocol(_) => Unavailable("it does not speak as a database does"),
            _ => Refused("driver".to_owned()),
        }
    }
}

/// By SQLSTATE (five characters) or SQLite's extended result code.
fn of_code(code: &str) -> StoreError {
    use StoreError::{Full, Refused, Unavailable};
    if code.len() == 5 {
        return match code {
            "53100" => Full,
            "57014" | "55P03" | "40P01" | "40001" => Unavailable("it took too long"),
            "28000" | "28P01" => Unavailable("the database refuses the user or the password"),
            "3D000" => Unavailable("there is no such database"),
            "25006" => Unavailable("the database can only be read now"),
            _ => match code.get(..2) {
                Some("08" | "53" | "57") => Unavailable("the database takes no calls now"),
                _ => Refused(code.to_owned()),
            },
        };
    }
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(13) => Full,
        Ok(5 | 6) => Unavailable("another process holds it for too long"),
        Ok(8) => Unavailable("the file can only be read"),
        Ok(10) => Unavailable("the disk does not take it, or does not give it back"),
        Ok(14) => Unavailable("the file cannot be opened"),
        Ok(11 | 26) => Refused("not a sound SQLite file".to_owned()),
        _ => Refused(code.to_owned()),
    }
}
