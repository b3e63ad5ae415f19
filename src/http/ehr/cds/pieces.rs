//! What of the data that a service asks for came along with a call, and what is still to be fetched.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::request::HookRequest;
use super::templates::{Key, Template};
use crate::import::is_partial;

/// What came of one template.
#[derive(Clone)]
pub(super) enum Piece<'a> {
    /// A resource, or a Bundle of them: all there is.
    Present(&'a RawValue),
    /// The EHR says that there is nothing.
    Nothing,
    /// Nothing came, or a part alone; this question asks for it.
    Missing { query: String },
}

/// Without data.
impl fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Piece::Present(_) => "Present",
            Piece::Nothing => "Nothing",
            Piece::Missing { .. } => "Missing",
        })
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "resourceType")]
    resource_type: Option<Cow<'a, str>>,
}

/// What came of each template, in their order.
pub(super) fn pieces<'a>(
    templates: &[Template],
    request: &HookRequest<'a>,
) -> Vec<(Key, Piece<'a>)> {
    let piece = |template: &Template| {
        let given = request.prefetch.iter().find(|(key, _)| key == template.key.name());
        let missing = || Piece::Missing { query: template.fill(request) };
        let piece = match given {
            None => missing(),
            // Somebody is looked at, and some stay ends: of these there is something.
            Some((_, value)) if value.get() == "null" => match template.key {
                Key::Patient | Key::Encounter => missing(),
                _ => Piece::Nothing,
            },
            Some((_, value)) if is_whole(template.key, value) => Piece::Present(value),
            Some(_) => missing(),
        };
        (template.key, piece)
    };
    templates.iter().map(piece).collect()
}

/// Whether a value is what was asked for, and all of it: a resource of that type or a Bundle, no word of why
/// there is none, no page of several, and no search that failed.
fn is_whole(key: Key, value: &RawValue) -> bool {
    let Ok(head) = serde_json::from_str::<Head<'_>>(value.get()) else { return false };
    match head.resource_type.as_deref() {
        Some("Bundle") => !is_partial(value.get()),
        Some(kind) => kind == key.resource_type(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::hook::Hook;
    use super::*;

    /// What comes of one prefetched value; `None` where the key is not there.
    fn piece_of(value: Option<Value>) -> String {
        let mut body = json!({
            "hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "context": {"userId": "Practitioner/1", "patientId": "p-1"}, "prefetch": {"other": 1},
        });
        if let Some(value) = value {
            body["prefetch"]["conditions"] = value;
        }
        let text = body.to_string();
        let request = HookRequest::read(text.as_bytes(), Hook::PatientView).unwrap();
        let query = "Condition?patient={{context.patientId}}&code=http://snomed.info/sct|1";
        let templates = [Template { key: Key::Conditions, query: query.into() }];
        match pieces(&templates, &request).as_slice() {
            [(Key::Conditions, Piece::Present(value))] => value.get().to_owned(),
            [(Key::Conditions, Piece::Missing { query })] => format!("fetch {query}"),
            [(Key::Conditions, Piece::Nothing)] => "nothing".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_whole_is_taken_and_what_is_not_is_fetched() {
        let fetched = "fetch Condition?patient=p-1&code=http://snomed.info/sct%7C1";
        assert_eq!(piece_of(None), fetched);
        assert_eq!(piece_of(Some(Value::Null)), "nothing");
        assert_eq!(piece_of(Some(json!({"resourceType": "OperationOutcome"}))), fetched);
        let page = |relation: &str| json!({"resourceType": "Bundle", "link": [{"relation": relation, "url": "x"}]});
        assert_eq!(piece_of(Some(page("next"))), fetched);
        let whole = [
            page("self"),
            page("previous"),
            json!({"resourceType": "Bundle", "type": "collection"}),
            json!({"resourceType": "Bundle", "link": null}),
            json!({"resourceType": "Condition", "link": "of another form"}),
        ];
        for value in whole {
            assert_eq!(piece_of(Some(value.clone())), value.to_string());
        }
        let denied = json!({"resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": "forbidden"}]});
        for value in [
            json!("denied"),
            json!([1]),
            json!({}),
            json!({"resourceType": "Basic"}),
            json!({"resourceType": "Bundle", "entry": [{"resource": denied}]}),
            json!({"resourceType": "Bundle", "entry": [{"response": {"status": "500"}}]}),
        ] {
            assert_eq!(piece_of(Some(value.clone())), fetched, "{value}");
        }
    }
}
