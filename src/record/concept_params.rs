//! A concept as a file gives it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::unit::Accepted;
use super::{Code, EventKind};
use crate::access::SensitiveClass;

/// A measurement that says how often something happened in a stay; a source that does not send it
/// has the events themselves, and they are counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountRule {
    pub kinds: Vec<EventKind>,
    /// Count each code once, however often it occurs.
    #[serde(default)]
    pub distinct_codes: bool,
    /// Events of these concepts are not counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// A concept as a file gives it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concept {
    /// What the concept is called in sentences.
    pub title: String,
    /// `SYSTEM//code`; `*` at the end stands for any rest, `A..B*` for the range of prefixes A to B.
    pub codes: Vec<String>,
    /// The unit (UCUM) that values are brought into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Values outside (both ends belong) are implausible and count as missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Values are rounded to a multiple of this after unit conversion: so coarse that a value sent
    /// in another unit with six digits gives the same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Further units and their conversions; they win over those that analytes and UCUM give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<Accepted>,
    /// The concept whose values lie below those of this one in the same reading, as the diastolic
    /// pressure lies below the systolic. A reading in which they lie above counts as missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<CountRule>,
    /// Whether care can change it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub modifiable: bool,
    /// What it is about, where several concepts are about one thing, such as `kidney function`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
    /// The class of sensitive content that it is of. Absent: what its codes say by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitive: Option<SensitiveClass>,
    /// Where the codes come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Code systems that could have codes of it and have none here, each with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub absent: BTreeMap<String, String>,
}

impl Concept {
    /// The code systems it has codes in, each once.
    pub fn systems(&self) -> BTreeSet<String> {
        // A pattern is read without its `*` and its range: neither is part of the system's name.
        let system = |pattern: &String| Some(Code::new(pattern.split_once("//")?.0, "").system);
        self.codes.iter().filter_map(system).collect()
    }
}
