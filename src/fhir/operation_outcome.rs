//! `OperationOutcome`: what is wrong with a request or a record, with the places at fault.

use serde::Serialize;

use super::element::CodeableConcept;

/// The most issues in one resource; how many more there are is said instead of them.
pub const ISSUES_MAX: usize = 100;

/// How bad an issue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssueSeverity {
    /// Nothing could be checked beyond it.
    Fatal,
    /// What was asked for was not done.
    Error,
    /// It was done, and this may make it worth less.
    Warning,
    /// To be known.
    Information,
}

/// What sort of issue it is: the codes of FHIR's IssueType that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssueCode {
    Invalid,
    Structure,
    Required,
    Value,
    NotSupported,
    TooLong,
    Login,
    Forbidden,
    NotFound,
    Conflict,
    Processing,
    Incomplete,
    Transient,
    Exception,
    Timeout,
    Throttled,
    Informational,
}

impl IssueCode {
    /// All codes.
    pub const ALL: [IssueCode; 17] = [
        IssueCode::Invalid,
        IssueCode::Structure,
        IssueCode::Required,
        IssueCode::Value,
        IssueCode::NotSupported,
        IssueCode::TooLong,
        IssueCode::Login,
        IssueCode::Forbidden,
        IssueCode::NotFound,
        IssueCode::Conflict,
        IssueCode::Processing,
        IssueCode::Incomplete,
        IssueCode::Transient,
        IssueCode::Exception,
        IssueCode::Timeout,
        IssueCode::Throttled,
        IssueCode::Informational,
    ];
}

/// One thing to be said. Neither its words nor its places repeat a value of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub severity: IssueSeverity,
    pub code: IssueCode,
    /// What is wrong and what mends it, in words.
    pub details: String,
    /// The elements at fault, such as `Bundle.entry[3].resource`.
    pub expression: Vec<String>,
    /// More for those who look after the program, such as the number of an incident.
    pub diagnostics: Option<String>,
}

impl Issue {
    /// An issue without a place.
    pub fn new(severity: IssueSeverity, code: IssueCode, details: impl Into<String>) -> Issue {
        Issue { severity, code, details: details.into(), expression: Vec::new(), diagnostics: None }
    }

    /// The same, at the element `path`.
    #[must_use]
    pub fn at(self, path: impl Into<String>) -> Issue {
        Issue { expression: vec![path.into()], ..self }
    }
}

/// What came of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
pub struct OperationOutcome {
    pub issue: Vec<OperationOutcomeIssue>,
}

/// One issue, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationOutcomeIssue {
    pub severity: IssueSeverity,
    pub code: IssueCode,
    pub details: CodeableConcept,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expression: Vec<String>,
}

/// The issues as a resource, in their order. Beyond `ISSUES_MAX` they are counted; where there is none,
/// that is said, since a resource without an issue is not allowed.
pub fn operation_outcome(issues: impl IntoIterator<Item = Issue>) -> OperationOutcome {
    let mut issues = issues.into_iter();
    let mut kept: Vec<OperationOutcomeIssue> =
        issues.by_ref().take(ISSUES_MAX).map(written).collect();
    let information = |text: String| {
        written(Issue::new(IssueSeverity::Information, IssueCode::Informational, text))
    };
    let more = issues.count();
    if more > 0 {
        kept.push(information(format!("{more} more issues are not listed")));
    }
    if kept.is_empty() {
        kept.push(information("nothing is wrong".to_owned()));
    }
    OperationOutcome { issue: kept }
}

fn written(issue: Issue) -> OperationOutcomeIssue {
    let Issue { severity, code, details, expression, diagnostics } = issue;
    // An empty text is not allowed anywhere in FHIR.
    let expression = expression.into_iter().filter(|path| !path.is_empty()).collect();
    let diagnostics = diagnostics.filter(|text| !text.is_empty());
    let details =
        CodeableConcept::words(if details.is_empty() { "no details".into() } else { details });
    OperationOutcomeIssue { severity, code, details, diagnostics, expression }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_are_written_with_their_places_up_to_a_limit() {
        let issue = Issue::new(IssueSeverity::Error, IssueCode::TooLong, "longer than 1024 bytes");
        let one = operation_outcome([issue.clone().at("Bundle.entry[3].resource.id")]);
        assert_eq!(
            serde_json::to_string(&one).unwrap(),
            "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"code\":\"too-long\",\
             \"details\":{\"text\":\"longer than 1024 bytes\"},\
             \"expression\":[\"Bundle.entry[3].resource.id\"]}]}"
        );
        let many = operation_outcome(vec![issue; ISSUES_MAX + 7]);
        assert_eq!(many.issue.len(), ISSUES_MAX + 1);
        let last = many.issue.last().and_then(|issue| issue.details.text.clone());
        assert_eq!(last.as_deref(), Some("7 more issues are not listed"));
        assert_eq!(operation_outcome([]).issue.len(), 1, "a resource has an issue");
    }
}
