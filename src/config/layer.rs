//! One layer of settings, before it is laid over those below: from the file, the environment or the
//! flags. Its keys are checked against the tree of defaults, so that a misspelt one is found with its
//! origin.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider, Source};

use super::{ConfigError, Fault, arguments};
use crate::strict_toml;

/// What the names of our environment variables begin with.
const PREFIX: &str = "PRODROME_";
/// What stands between a section and a key in them.
const BETWEEN: &str = "__";
/// A longer settings file is none.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    File(PathBuf),
    Environment,
    Flag,
}

impl Origin {
    /// The origin that `metadata` of a layer tells of.
    pub(super) fn of(metadata: Option<&Metadata>) -> Origin {
        let Some(metadata) = metadata else { return Origin::Default };
        match (metadata.name.as_ref(), metadata.source.as_ref().and_then(Source::file_path)) {
            ("file", Some(path)) => Origin::File(path.to_owned()),
            ("environment", _) => Origin::Environment,
            ("flag", _) => Origin::Flag,
            _ => Origin::Default,
        }
    }

    /// In words, for the value at `path`.
    pub(super) fn describe(&self, path: &str) -> String {
        match self {
            Origin::Default => "default".to_owned(),
            Origin::File(file) => format!("file {}", file.display()),
            Origin::Environment => format!("environment {}", variable(path)),
            Origin::Flag => format!("flag {}", arguments::flag_of(path)),
        }
    }
}

/// The environment variable that sets the value at `path`.
fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', BETWEEN).to_uppercase())
}

/// Settings of one origin.
pub(super) struct Layer {
    pub(super) origin: Origin,
    pub(super) tree: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        match &self.origin {
            Origin::Default => Metadata::named("default"),
            Origin::File(path) => Metadata::from("file", path.as_path()),
            Origin::Environment => Metadata::named("environment"),
            Origin::Flag => Metadata::named("flag"),
        }
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.tree.clone())]))
    }
}

impl Layer {
    /// The layer of the settings file at `path`.
    pub(super) fn of_file(path: &Path) -> Result<Layer, ConfigError> {
        let failed = |reason: String| ConfigError::File { path: path.to_owned(), reason };
        let length = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
        if length > FILE_BYTES_MAX {
            return Err(failed(format!("longer than {FILE_BYTES_MAX} bytes: no settings file")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let table: toml::Table = strict_toml::parse(&text).map_err(failed)?;
        match Value::serialize(table) {
            Ok(Value::Dict(_, tree)) => Ok(Layer { origin: Origin::File(path.to_owned()), tree }),
            _ => Err(failed("not a table of settings".to_owned())),
        }
    }

    /// The layer of the variables of ours in `environment`; text is read as what the default at its
    /// place is.
    pub(super) fn of_environment(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        known: &Dict,
    ) -> Result<Layer, ConfigError> {
        let mut tree = Dict::new();
        let mut faults = Vec::new();
        for (name, value) in environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            let origin = format!("environment {name}");
            let path = name.trim_start_matches(PREFIX).to_lowercase().replace(BETWEEN, ".");
            if !path.contains('.') {
                // Names with one `_` may be anybody's (Kubernetes sets PRODROME_PORT for a service of
                // that name), unless they are all but a setting.
                faults.extend(meant(&path, known).map(|meant| Fault {
                    path: path.clone(),
                    origin,
                    reason: format!("no setting; did you mean `{}`?", variable(&meant)),
                }));
                continue;
            }
            match value.to_str() {
                Some(text) => plant(&mut tree, &path, typed(text, at(known, &path))),
                None => {
                    faults.push(Fault { path, origin, reason: "not valid UTF-8".to_owned() });
                }
            }
        }
        match faults.is_empty() {
            true => Ok(Layer { origin: Origin::Environment, tree }),
            false => Err(ConfigError::Faults(faults)),
        }
    }

    /// The keys that no section knows, each with the known one nearest to it.
    pub(super) fn unknown_keys(&self, known: &Dict) -> Vec<Fault> {
        let mut all = Vec::new();
        leaves("", known, &mut all);
        let mut faults = Vec::new();
        self.compare("", &self.tree, known, &all, &mut faults);
        faults
    }

    fn compare(
        &self,
        above: &str,
        given: &Dict,
        known: &Dict,
        all: &[String],
        faults: &mut Vec<Fault>,
    ) {
        for (key, value) in given {
            let path = join(above, key);
            let mut fault = |reason| {
                let origin = self.origin.describe(&path);
                faults.push(Fault { path: path.clone(), origin, reason });
            };
            match (known.get(key), value) {
                // An empty table among the defaults is one whose keys the site chooses.
                (Some(Value::Dict(_, inner)), _) if inner.is_empty() => {}
                (Some(Value::Dict(_, inner)), Value::Dict(_, given)) => {
                    self.compare(&path, given, inner, all, faults);
                }
                (Some(Value::Dict(..)), _) => fault("a section, not a value".to_owned()),
                (Some(_), _) => {}
                (None, _) => fault(match nearest(above, key, known, all) {
                    Some(nearest) => format!("no setting; did you mean `{nearest}`?"),
                    None => format!("no setting; known here: {}", names(known)),
                }),
            }
        }
    }
}

fn join(above: &str, key: &str) -> String {
    if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") }
}

fn names(known: &Dict) -> String {
    known.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The known path that was meant: a key of the same section, or the same key of another one.
fn nearest(above: &str, key: &str, known: &Dict, all: &[String]) -> Option<String> {
    let same = |path: &&String| path.rsplit('.').next() == Some(key);
    let here = strict_toml::nearest(key, known.keys().map(String::as_str));
    here.map(|key| join(above, key)).or_else(|| all.iter().find(same).cloned())
}

/// The setting whose variable is `name` (in lower case, without the prefix) but for doubled `_`.
fn meant(name: &str, known: &Dict) -> Option<String> {
    let mut all = Vec::new();
    leaves("", known, &mut all);
    all.into_iter().find(|path| path.replace('.', "_") == name)
}

/// The paths of all values below `above`.
pub(super) fn leaves(above: &str, tree: &Dict, found: &mut Vec<String>) {
    for (key, value) in tree {
        let path = join(above, key);
        match value {
            Value::Dict(_, inner) if !inner.is_empty() => leaves(&path, inner, found),
            _ => found.push(path),
        }
    }
}

/// The value at `path`.
pub(super) fn at<'a>(tree: &'a Dict, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    match (tree.get(first)?, rest) {
        (value, None) => Some(value),
        (Value::Dict(_, inner), Some(rest)) => at(inner, rest),
        _ => None,
    }
}

/// Puts `value` into `tree` at `path`.
pub(super) fn plant(tree: &mut Dict, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        tree.insert(path.to_owned(), value);
        return;
    };
    let inner = tree.entry(first.to_owned()).or_insert_with(|| Value::from(Dict::new()));
    match inner {
        Value::Dict(_, inner) => plant(inner, rest, value),
        other => *other = value,
    }
}

/// `text` as a value of the kind of `default`: a list is `a,b` or a TOML list; where the default says
/// nothing, a number or a truth value in TOML is one, and all else is text.
fn typed(text: &str, default: Option<&Value>) -> Value {
    match default {
        Some(Value::String(..)) => Value::from(text),
        Some(Value::Array(..)) => as_toml(text).unwrap_or_else(|| {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(Value::from).collect::<Vec<_>>().into()
        }),
        _ => as_toml(text).unwrap_or_else(|| Value::from(text)),
    }
}

fn as_toml(text: &str) -> Option<Value> {
    let table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
    if table.len() != 1 {
        return None;
    }
    Value::serialize(table.get("value")?).ok()
}
