//! TOML read strictly: an unknown key is an error that names the nearest known one.

use serde::de::DeserializeOwned;

/// A setting that was read and makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    /// Its key in its section.
    pub key: &'static str,
    /// What is wrong, and how to mend it.
    pub reason: String,
}

/// Reads `text` as a `T`.
///
/// # Errors
/// One sentence with the line, what is wrong, and for a misspelt key the nearest known key.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_of(text, span.start));
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let message = error.message();
        let hint = nearest_key(message).map(|key| format!("; did you mean `{key}`?"));
        format!("{place}{message}{}", hint.unwrap_or_default())
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The known key nearest to the unknown one in the reader's message, when it is near enough to be
/// meant.
fn nearest_key(message: &str) -> Option<&str> {
    let (unknown, known) = in_table(message).or_else(|| in_quotes(message))?;
    nearest(unknown, known)
}

/// The known name nearest to `unknown`, when it is near enough to be meant.
pub(crate) fn nearest<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let distances =
        known.into_iter().map(|known| (strsim::damerau_levenshtein(unknown, known), known));
    let (distance, name) = distances.min()?;
    (distance <= unknown.chars().count().div_ceil(2)).then_some(name)
}

/// The unknown key and the known ones, as the message has it for the tables of enums.
fn in_table(message: &str) -> Option<(&str, Vec<&str>)> {
    let (_, rest) = message.split_once("unexpected keys in table: ")?;
    let (unknown, known) = rest.split_once(", available keys: ")?;
    Some((unknown.split(", ").next()?, known.split(", ").collect()))
}

/// The unknown key and the known ones, as serde has it for all else.
fn in_quotes(message: &str) -> Option<(&str, Vec<&str>)> {
    let (_, rest) =
        message.split_once("unknown field ").or_else(|| message.split_once("unknown variant "))?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    Some((quoted.next()?, quoted.collect()))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[allow(dead_code, reason = "only the key matters here")]
        horizon_days: u32,
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line_and_its_neighbour() {
        let error = super::parse::<Sample>("# a task\nhorizon_day = 30\n").unwrap_err();
        assert!(error.contains("line 2"), "{error}");
        assert!(error.contains("did you mean `horizon_days`?"), "{error}");
    }
}
