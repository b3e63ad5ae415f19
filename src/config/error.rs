//! What is wrong with settings, where it came from and how to mend it; never a value that may be a
//! secret.

use std::path::PathBuf;

use figment::Figment;
use figment::error::{Actual, Kind};

use super::layer::Origin;
use super::print;
use crate::strict_toml;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("settings file {path}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("{}", sentences(.0))]
    Faults(Vec<Fault>),
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Section and key, such as `limits.call_seconds`.
    pub path: String,
    /// Such as `environment PRODROME_LIMITS__CALL_SECONDS`.
    pub origin: String,
    /// What is wrong, and how to mend it.
    pub reason: String,
}

fn sentences(faults: &[Fault]) -> String {
    let each = faults.iter().map(|fault| {
        let Fault { path, origin, reason } = fault;
        format!("`{path}` ({origin}): {reason}")
    });
    each.collect::<Vec<_>>().join("\n")
}

impl ConfigError {
    /// Of values that are of the wrong kind, as the reader of `layers` has it.
    pub(super) fn of_values(error: figment::Error, layers: &Figment) -> ConfigError {
        let faults = error.into_iter().map(|error| {
            let path = error.path.join(".");
            let metadata = error.metadata.as_ref().or_else(|| layers.find_metadata(&path));
            let origin = Origin::of(metadata).describe(&path);
            let reason = match print::is_secret(&path) {
                true => "cannot be read".to_owned(),
                false => reason(&error.kind),
            };
            Fault { path, origin, reason }
        });
        ConfigError::Faults(faults.collect())
    }
}

/// What is wrong with a value, without the value.
fn reason(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.clone(),
        Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) => {
            format!("expected {}, found {}", in_words(wanted), kind_of(found))
        }
        Kind::UnknownVariant(found, known) | Kind::UnknownField(found, known) => {
            let nearest = strict_toml::nearest(found, known.iter().copied());
            let hint = nearest.map(|name| format!("; did you mean `{name}`?"));
            let (known, hint) = (known.join(", "), hint.unwrap_or_default());
            format!("`{found}` is not known; known here: {known}{hint}")
        }
        Kind::MissingField(name) => format!("`{name}` is missing"),
        _ => "outside what can be read here".to_owned(),
    }
}

fn in_words(wanted: &str) -> &str {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        other => other,
    }
}

fn kind_of(found: &Actual) -> &'static str {
    match found {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) => "a whole number",
        Actual::Signed(_) => "a whole number (below 0, or too large)",
        Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}
