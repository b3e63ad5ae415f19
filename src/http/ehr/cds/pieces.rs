//! What of the data that a service asks for came along with a call, and what is still to be fetched.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::request::HookRequest;
use super::templates::{Key, Template};

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
    #[serde(borrow, default)]
    link: Option<Vec<Link<'a>>>,
}

#[derive(Deserialize)]
struct Link<'a> {
    #[serde(borrow)]
    relation: Option<Cow<'a, str>>,
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
            Some((_, value)) if value.get() == "null" => Piece::Nothing,
            Some((_, value)) if is_whole(value) => Piece::Present(value),
            Some(_) => missing(),
        };
        (template.key, piece)
    };
    templates.iter().map(piece).collect()
}

/// Whether a value is all that there is: no word of why there is none, and no page of several. What cannot
/// be read counts as whole, so that whoever reads it names the fault.
fn is_whole(value: &RawValue) -> bool {
    let Ok(head) = serde_json::from_str::<Head<'_>>(value.get()) else { return true };
    let is_next = |link: &Link<'_>| link.relation.as_deref() == Some("next");
    match head.resource_type.as_deref() {
        Some("OperationOutcome") => false,
        Some("Bundle") => !head.link.is_some_and(|links| links.iter().any(is_next)),
        _ => true,
    }
}
