//! Where a store is: an SQLite file, or a PostgreSQL database that is reached safely.

use std::fmt;
use std::path::PathBuf;

/// What a PostgreSQL address may ask for; a password there would not be masked where settings are
/// shown.
const PARAMETERS: [&str; 6] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "application_name", "host"];

/// Modes in which nothing goes over the network in the clear.
const ENCRYPTED_MODES: [&str; 3] = ["require", "verify-ca", "verify-full"];

/// Where the flags are kept.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Sqlite(PathBuf),
    /// The whole address, which may hold a password.
    Postgres(String),
}

/// Without the address, which may hold a password.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Sqlite(_) => "SQLite",
            Place::Postgres(_) => "PostgreSQL",
        })
    }
}

impl Place {
    /// # Errors
    /// In words that show nothing of the address.
    pub(super) fn parse(text: &str) -> Result<Place, &'static str> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            check_postgres(text)?;
            return Ok(Place::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite://").unwrap_or(text);
        if path.contains("://") || path.starts_with("sqlite:") {
            return Err("expected a path, sqlite:///path or postgres://user@host/database");
        }
        if path.is_empty() || path.contains(['?', '\0']) {
            return Err("expected the path of a file, without parameters");
        }
        Ok(Place::Sqlite(PathBuf::from(path)))
    }

    /// The address for the driver.
    pub(super) fn url(&self) -> String {
        match self {
            Place::Sqlite(path) => {
                let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
                let encoded = path.as_os_str().as_encoded_bytes().iter().map(|byte| {
                    if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
                });
                format!("sqlite://{}?mode=rwc", encoded.collect::<String>())
            }
            Place::Postgres(url) => url.clone(),
        }
    }
}

fn check_postgres(text: &str) -> Result<(), &'static str> {
    let uri: http::Uri = text.parse().map_err(|_| {
        "no such address: expected postgres://user@host/database, with other characters in the \
         password percent-encoded"
    })?;
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let pairs: Vec<(&str, &str)> =
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    if pairs.iter().any(|(key, _)| !PARAMETERS.contains(key)) {
        return Err("known after the `?` of the address: sslmode, sslrootcert, sslcert, sslkey, \
                    application_name, and host for the folder of a socket");
    }
    let value = |key: &str| pairs.iter().rev().find(|(known, _)| *known == key).map(|(_, v)| *v);
    let socket = value("host");
    if socket.is_some_and(|folder| !folder.starts_with('/') && !folder.starts_with("%2F")) {
        return Err("host after the `?` of the address is for the folder of a socket");
    }
    let host = uri.host().unwrap_or_default();
    let is_local = socket.is_some() || matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let is_encrypted = value("sslmode").is_some_and(|mode| ENCRYPTED_MODES.contains(&mode));
    if !is_local && !is_encrypted {
        return Err(
            "the database is on another machine, and its address does not ask for TLS: add \
                    ?sslmode=verify-full (or require)",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_file_or_a_database_that_is_reached_safely() {
        for good in [
            "flags.db",
            "/var/lib/prodrome/flags.db",
            "sqlite:///var/lib/prodrome/flags.db",
            "postgres://prodrome@localhost/flags",
            "postgresql://prodrome:p%40ss@127.0.0.1:5433/flags",
            "postgres://prodrome@[::1]/flags",
            "postgres://prodrome@db/flags?host=/run/postgresql",
            "postgres://prodrome@db.example.org/flags?sslmode=verify-full",
        ] {
            assert!(Place::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "mysql://host/db",
            "sqlite::memory:",
            "flags.db?mode=memory",
            "postgres://prodrome@db.example.org/flags",
            "postgres://prodrome@db.example.org/flags?sslmode=prefer",
            "postgres://prodrome@localhost/flags?password=hunter2",
            "postgres://prodrome@localhost/flags?host=db.example.org",
            "postgres:///flags",
        ] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_of_any_name_is_a_path() {
        let place = Place::Sqlite(PathBuf::from("/tmp/a b%?#ä.db"));
        assert_eq!(place.url(), "sqlite:///tmp/a%20b%25%3F%23%C3%A4.db?mode=rwc");
    }
}
