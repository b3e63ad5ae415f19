//! A code in a coding system, in the one spelling that concepts are matched against.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A code and its system, as in MEDS `SYSTEM//code`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Code {
    pub system: String,
    pub code: String,
}

/// The short names under which FHIR's system URIs are known here.
const SYSTEM_NAMES: [(&str, &str); 19] = [
    ("http://hl7.org/fhir/sid/icd-9-cm", "ICD9CM"),
    ("http://hl7.org/fhir/sid/icd-10-cm", "ICD10CM"),
    ("http://hl7.org/fhir/sid/icd-10", "ICD10"),
    ("http://snomed.info/sct", "SNOMED"),
    ("http://loinc.org", "LOINC"),
    ("http://www.nlm.nih.gov/research/umls/rxnorm", "RXNORM"),
    ("http://www.whocc.no/atc", "ATC"),
    ("http://www.ama-assn.org/go/cpt", "CPT"),
    ("http://hl7.org/fhir/sid/icd-10-pcs", "ICD10PCS"),
    ("http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "HCPCS"),
    ("urn:oid:2.16.840.1.113883.6.285", "HCPCS"),
    ("urn:oid:2.16.840.1.113883.6.12", "CPT"),
    ("urn:oid:2.16.840.1.113883.6.88", "RXNORM"),
    ("urn:oid:2.16.840.1.113883.6.4", "ICD10PCS"),
    ("urn:oid:2.16.840.1.113883.6.104", "ICD9PCS"),
    ("urn:oid:2.16.840.1.113883.6.103", "ICD9CM"),
    ("urn:oid:2.16.840.1.113883.6.90", "ICD10CM"),
    ("urn:oid:2.16.840.1.113883.6.1", "LOINC"),
    ("urn:oid:2.16.840.1.113883.6.96", "SNOMED"),
];

impl Code {
    /// A code in the normal spelling: known system URIs become short upper-case names, spaces
    /// around the code go, and ICD codes lose their dot and their lower case. Categories of ICD-9-CM
    /// have three digits: one that a table kept as a number gets back the zeros that it lost.
    pub fn new(system: &str, code: &str) -> Code {
        let mut normal = Code::beginning(system, code);
        if normal.system == "ICD9CM" {
            normal.code.insert_str(0, lost_zeros(code.trim()));
        }
        normal
    }

    /// The beginning of codes in the normal spelling.
    pub(super) fn beginning(system: &str, code: &str) -> Code {
        let system = system.trim();
        let named = SYSTEM_NAMES.iter().find(|(uri, _)| uri.eq_ignore_ascii_case(system));
        let system = match named {
            Some((_, name)) => (*name).to_owned(),
            None if system.contains(':') => system.to_owned(),
            None => system.to_ascii_uppercase(),
        };
        let code = code.trim();
        let code = if system.starts_with("ICD") {
            code.chars().filter(|c| *c != '.').collect::<String>().to_ascii_uppercase()
        } else {
            code.to_owned()
        };
        Code { system, code }
    }

    /// Reads `SYSTEM//code`; `None` when one of the two parts is empty.
    pub fn parse(text: &str) -> Option<Code> {
        let (system, code) = text.split_once("//")?;
        let code = Code::new(system, code);
        (!code.system.is_empty() && !code.code.is_empty()).then_some(code)
    }

    /// FHIR's URI of a system that is known by a short name.
    pub fn uri_of(system: &str) -> Option<&'static str> {
        SYSTEM_NAMES.iter().find(|(_, name)| *name == system).map(|(uri, _)| *uri)
    }

    /// The three-character category of an ICD code (four for ICD-9-CM E codes); `None` in other
    /// systems, which have no such roll-up by prefix.
    pub fn icd_category(&self) -> Option<&str> {
        let length = match self.system.as_str() {
            "ICD9CM" if self.code.starts_with('E') => 4,
            "ICD9CM" | "ICD10CM" | "ICD10" => 3,
            _ => return None,
        };
        self.code.get(..length.min(self.code.len()))
    }
}

/// The zeros that are missing in front of the category: it is what stands before the dot, and a code
/// without a dot is as long as its category at least.
fn lost_zeros(code: &str) -> &'static str {
    let category = code.split('.').next().unwrap_or_default();
    let is_number = !category.is_empty() && category.bytes().all(|byte| byte.is_ascii_digit());
    match category.len() {
        1 if is_number => "00",
        2 if is_number => "0",
        _ => "",
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}//{}", self.system, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_dotted_lower_case_and_uri() {
        let plain = Code::new("ICD10CM", "E119");
        assert_eq!(Code::new("http://hl7.org/fhir/sid/icd-10-cm", " e11.9 "), plain);
        assert_eq!(Code::parse("icd10cm//E11.9"), Some(plain));
        let hcpcs = Code::new("http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "G0182");
        assert_eq!(hcpcs, Code::new("HCPCS", "G0182"));
        assert_eq!(Code::parse("LOINC//8480-6").map(|c| c.code).as_deref(), Some("8480-6"));
        assert_eq!(Code::parse("//x"), None);
        assert_eq!(Code::new("ICD9CM", "E849.0").icd_category(), Some("E849"));
        assert_eq!(Code::new("ICD9CM", "25").icd_category(), Some("025"));
        for (given, normal) in [("38.9", "0389"), ("8", "008"), ("250.13", "25013"), ("V57", "V57")]
        {
            assert_eq!(Code::new("ICD9CM", given).code, normal);
        }
        assert_eq!(Code::new("ICD9PROC", "38.9").code, "389", "procedures have two digits");
    }
}
