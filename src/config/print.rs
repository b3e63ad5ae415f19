//! All settings as TOML, each with where it came from; secrets are masked.

use std::fmt::Write;

use figment::Figment;
use figment::value::{Dict, Value};

use super::layer::{Origin, at, leaves};

/// What stands in the place of a secret.
const MASK: &str = "(masked)";
/// A key that ends so holds a secret; one that ends in `_file` only names where it is.
const SECRET_ENDINGS: [&str; 6] =
    ["secret", "password", "passphrase", "token", "private_key", "api_key"];

/// Whether the value at `path` must not be shown.
pub(super) fn is_secret(path: &str) -> bool {
    SECRET_ENDINGS.iter().any(|ending| path.ends_with(ending))
}

/// `tree` as a settings file; the origins are those of `layers`. Keys that a site chooses itself are not
/// in the tree of defaults, `known`, and stand in one line with what they belong to.
pub(super) fn as_toml(tree: &Dict, known: &Dict, layers: &Figment) -> String {
    let mut text = String::new();
    for (section, settings) in known {
        let Value::Dict(_, settings) = settings else { continue };
        let gap = if text.is_empty() { "" } else { "\n" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{gap}[{section}]");
        let mut paths = Vec::new();
        leaves("", settings, &mut paths);
        for path in paths {
            let full = format!("{section}.{path}");
            let origin = Origin::of(layers.find_metadata(&full)).describe(&full);
            let _ = match at(tree, &full).and_then(|value| shown(&full, value)) {
                Some(value) => writeln!(text, "{path} = {value}  # {origin}"),
                None => writeln!(text, "# {path} is not set"),
            };
        }
    }
    text
}

/// `value` in TOML; `None` where there is none.
fn shown(path: &str, value: &Value) -> Option<String> {
    if matches!(value, Value::Empty(..)) {
        return None;
    }
    if is_secret(path) {
        return Some(format!("\"{MASK}\""));
    }
    let value = toml::Value::try_from(value).ok()?;
    Some(masked("", value).to_string())
}

/// `value` without the secrets that stand in its tables and its addresses.
fn masked(key: &str, value: toml::Value) -> toml::Value {
    match value {
        _ if is_secret(key) => MASK.into(),
        toml::Value::String(text) => without_password(text).into(),
        toml::Value::Array(items) => {
            items.into_iter().map(|item| masked(key, item)).collect::<Vec<_>>().into()
        }
        toml::Value::Table(table) => {
            let each = table.into_iter().map(|(key, value)| {
                let value = masked(&key, value);
                (key, value)
            });
            toml::Value::Table(each.collect())
        }
        other => other,
    }
}

/// An address such as `https://user:password@host` without what stands before the host.
fn without_password(text: String) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text };
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest.get(..host).and_then(|authority| authority.rfind('@')) {
        Some(at) => format!("{scheme}://{MASK}{}", rest.get(at..).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;

    #[derive(Default, Serialize)]
    struct Keys {
        proxy: String,
        signing_secret: String,
        signing_secret_file: String,
        callers: BTreeMap<String, Caller>,
        unset: Option<Caller>,
    }

    #[derive(Serialize)]
    struct Caller {
        burst: u32,
        api_key: String,
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let caller = || Caller { burst: 3, api_key: "hunter2".into() };
        let keys = Keys {
            proxy: "https://user:hunter2@proxy:8080/a@b".into(),
            signing_secret: "hunter2".into(),
            signing_secret_file: "/run/secret".into(),
            callers: BTreeMap::from([("spiffe://a.b/c d".to_owned(), caller())]),
            unset: None,
        };
        let tree = |keys| Dict::from([("keys".to_owned(), Value::serialize(keys).unwrap())]);
        let text = as_toml(&tree(keys), &tree(Keys::default()), &Figment::new());
        assert!(!text.contains("hunter2") && !text.contains("user"), "{text}");
        assert!(text.contains("proxy = \"https://(masked)@proxy:8080/a@b\"  # default"), "{text}");
        assert!(text.contains("signing_secret = \"(masked)\""), "{text}");
        assert!(text.contains("signing_secret_file = \"/run/secret\""), "{text}");
        assert!(text.contains("# unset is not set\n"), "{text}");
        let read: toml::Table = toml::from_str(&text).unwrap();
        let caller = &read["keys"]["callers"]["spiffe://a.b/c d"];
        assert_eq!(caller["api_key"].as_str(), Some(MASK));
        assert_eq!(caller["burst"].as_integer(), Some(3));
    }
}
