//! What is recorded of a call.

use std::borrow::Cow;

use serde::Serialize;

use super::PatientKey;
use crate::access::{Method, Outcome, Purpose};
use crate::record::Time;

/// The longest words of a caller that are kept, in bytes.
pub const REASON_BYTES_MAX: usize = 200;
/// The longest name of a caller, task or version that is kept, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// The most models named in one record.
const MODELS_MAX: usize = 256;
/// The most patients of a list named in one record.
const LISTED_MAX: usize = 500;

/// A model that a call was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelUsed {
    pub task: String,
    pub version: String,
    /// The first 12 digits of the bundle's digest.
    pub digest: String,
}

/// One call, as it is to be recorded: who asked for whose scores, what for, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When the call ended.
    pub time: Time,
    /// Made by the server, one for each call (and each request in a stream).
    pub call_id: u64,
    pub method: Method,
    /// The caller's stable name; never a secret.
    pub caller: String,
    /// Who was at the caller's screen, as the caller says, such as `Practitioner/7`; never a patient.
    pub user: Option<String>,
    pub purpose: Option<Purpose>,
    /// Why the caller broke the glass, in the caller's words; what is beyond 200 bytes is cut, and
    /// control characters are escaped.
    pub break_glass: Option<String>,
    /// From `AuditLog::patient_key`; a call that was refused early may not know its patient.
    pub patient_key: Option<PatientKey>,
    /// Those whom a list showed, at most 500 of them.
    pub listed_keys: Vec<PatientKey>,
    pub models: Vec<ModelUsed>,
    pub outcome: Outcome,
    /// The trace that the call belongs to (W3C trace id).
    pub trace_id: Option<u128>,
}

/// An entry as it stands in the log.
#[derive(Debug, Serialize)]
pub(super) struct CallLine<'a> {
    call: String,
    method: Method,
    caller: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<Purpose>,
    #[serde(skip_serializing_if = "Option::is_none")]
    break_glass: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    listed: Vec<String>,
    models: Vec<ModelLine<'a>>,
    outcome: Outcome,
    /// How the call had ended before its answer was withheld because this record came too late.
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

#[derive(Debug, Serialize)]
struct ModelLine<'a> {
    task: Cow<'a, str>,
    version: Cow<'a, str>,
    digest: Cow<'a, str>,
}

impl Entry {
    /// The entry as it stands in the log; the answer of a call that was withheld never left.
    pub(super) fn line(&self, is_withheld: bool) -> CallLine<'_> {
        let models = self.models.iter().take(MODELS_MAX).map(|model| ModelLine {
            task: plain(&model.task, NAME_BYTES_MAX),
            version: plain(&model.version, NAME_BYTES_MAX),
            digest: plain(&model.digest, NAME_BYTES_MAX),
        });
        let reason = self.break_glass.as_deref();
        CallLine {
            call: format!("{:016x}", self.call_id),
            method: self.method,
            caller: plain(&self.caller, NAME_BYTES_MAX),
            user: self.user.as_deref().map(|user| plain(user, NAME_BYTES_MAX)),
            purpose: self.purpose,
            break_glass: reason.map(|reason| plain(reason, REASON_BYTES_MAX)),
            patient: self.patient_key.map(|key| key.to_string()),
            listed: self.listed_keys.iter().take(LISTED_MAX).map(PatientKey::to_string).collect(),
            models: models.collect(),
            outcome: if is_withheld { Outcome::Unavailable } else { self.outcome },
            withheld: is_withheld.then_some(self.outcome),
            trace: self.trace_id.map(|trace| format!("{trace:032x}")),
        }
    }
}

/// Whether a character would move the cursor, hide itself or turn the line around in whatever shows
/// the log.
fn is_unruly(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The first `bytes_max` bytes of a text, unruly characters escaped.
fn plain(text: &str, bytes_max: usize) -> Cow<'_, str> {
    let kept = text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default();
    if !kept.chars().any(is_unruly) {
        return Cow::Borrowed(kept);
    }
    let escaped = |letter: char| match is_unruly(letter) {
        true => letter.escape_unicode().to_string(),
        false => letter.to_string(),
    };
    Cow::Owned(kept.chars().map(escaped).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_caller_are_cut_and_cannot_play_tricks() {
        assert_eq!(plain("a\nb\u{1b}[2J\u{202e}c", 200), "a\\u{a}b\\u{1b}[2J\\u{202e}c");
        assert_eq!(plain(&"ä".repeat(200), 201).len(), 200);
        assert_eq!(plain("cardiac arrest", 200), "cardiac arrest");
    }
}
