//! The policy file: roles, rows of what they may do, and peers known by certificate. What no row
//! allows is refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, de};

use super::name::{is_name, places};
use super::policy::{Policy, Reach, Row, Rules, Tasks};
use crate::access::{Caller, Classes, Method, Purpose, Scope};
use crate::strict_toml;

/// The longest policy file, in bytes.
pub(super) const POLICY_BYTES_MAX: u64 = 1 << 20;
/// The most rows; a call looks at each.
const ROWS_MAX: usize = 1_000;

/// What is wrong with a policy file.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("{0}")]
    Toml(String),
    #[error("is not UTF-8")]
    Utf8,
    #[error("`{setting}`: {reason}")]
    Setting { setting: &'static str, reason: String },
    #[error("row {row} of [[allow]]: {reason}")]
    Row { row: usize, reason: String },
    #[error("peer {peer} of [[peers]]: {reason}")]
    Peer { peer: usize, reason: String },
}

/// The policy file, unchecked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    /// Each role with a line that says who that is.
    roles: BTreeMap<String, String>,
    allow: Vec<RowParams>,
    #[serde(default)]
    peers: Vec<PeerParams>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowParams {
    role: String,
    methods: Vec<Method>,
    /// Names of tasks, or `*`.
    tasks: Vec<String>,
    /// Only for methods that touch patients; those need one at least.
    #[serde(default, deserialize_with = "purposes")]
    purposes: Vec<Purpose>,
    scope: Option<Reach>,
    #[serde(default)]
    break_glass: bool,
    /// The classes of sensitive content that the answers may show.
    #[serde(default)]
    classes: Classes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerParams {
    /// As the certificate has it: its first URI, or else its first DNS name.
    name: String,
    roles: Vec<String>,
    #[serde(default)]
    facilities: Vec<String>,
    #[serde(default)]
    units: Vec<String>,
    #[serde(default)]
    teams: Vec<String>,
}

/// By name or by HL7 code, as everywhere else.
fn purposes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Purpose>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let purpose = |text: &String| {
        Purpose::parse(text).ok_or_else(|| {
            let known = Purpose::ALL.map(|purpose| format!("`{}`", purpose.name())).join(", ");
            de::Error::custom(format!("unknown variant `{text}`, expected one of {known}"))
        })
    };
    texts.iter().map(purpose).collect()
}

impl Policy {
    /// Reads the text of a policy file.
    ///
    /// # Errors
    /// The line, row or peer that is wrong, and how to mend it.
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        let PolicyFile { roles, allow, peers } =
            strict_toml::parse(text).map_err(PolicyError::Toml)?;
        if roles.is_empty() || !roles.keys().all(|role| is_name(role)) {
            let reason = "must name each role: nurse = \"ward nurses\"".to_owned();
            return Err(PolicyError::Setting { setting: "roles", reason });
        }
        if allow.len() > ROWS_MAX {
            let reason = format!("has more than {ROWS_MAX} rows");
            return Err(PolicyError::Setting { setting: "allow", reason });
        }
        let row = |(at, row): (usize, RowParams)| {
            row.check(&roles).map_err(|reason| PolicyError::Row { row: at + 1, reason })
        };
        let rows: Vec<Row> = allow.into_iter().enumerate().map(row).collect::<Result<_, _>>()?;
        let mut callers = HashMap::new();
        for (at, peer) in peers.into_iter().enumerate() {
            let wrong = |reason| PolicyError::Peer { peer: at + 1, reason };
            let caller = Arc::new(peer.check(&roles).map_err(wrong)?);
            if callers.insert(caller.name.clone(), caller).is_some() {
                return Err(wrong("its name stands twice".into()));
            }
        }
        Ok(Policy::new(Rules::Rows { roles: roles.into_keys().collect(), rows }, callers))
    }
}

/// The fault of a role that `[roles]` does not hold.
fn known(roles: &BTreeMap<String, String>, role: &str) -> Result<(), String> {
    if roles.contains_key(role) {
        return Ok(());
    }
    let distance = |known: &&String| strsim::damerau_levenshtein(role, known);
    let nearest = roles.keys().min_by_key(distance);
    let hint = nearest.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(format!("role `{role}` is not in [roles]{hint}"))
}

impl RowParams {
    fn check(self, roles: &BTreeMap<String, String>) -> Result<Row, String> {
        let RowParams { role, methods, tasks, purposes, scope, break_glass, classes } = self;
        known(roles, &role)?;
        if methods.is_empty() {
            return Err("`methods` is empty: the row allows nothing".into());
        }
        let of_patients = methods.iter().filter(|method| method.touches_patients()).count();
        if of_patients > 0 && of_patients < methods.len() {
            return Err("methods that bring a patient's record and methods that do not need two \
                        rows: only the first have purposes and a scope"
                .into());
        }
        let touches_patients = of_patients > 0;
        if !touches_patients
            && (!purposes.is_empty() || scope.is_some() || break_glass || !classes.is_empty())
        {
            return Err("its methods bring no patient's record: leave out `purposes`, `scope`, \
                        `break_glass` and `classes`"
                .into());
        }
        if touches_patients && purposes.is_empty() && !break_glass {
            return Err("`purposes` is empty: the row allows nothing".into());
        }
        if purposes.contains(&Purpose::EmergencyTreatment) {
            return Err(
                "EMERGENCY_TREATMENT goes by `break_glass = true`, which asks for a reason".into(),
            );
        }
        let reach = match scope {
            Some(reach) => reach,
            None if touches_patients => {
                return Err("`scope` is missing: facility, unit, team or any".into());
            }
            None => Reach::Any,
        };
        let tasks = match &*tasks {
            [] => return Err("`tasks` is empty: the row allows nothing".into()),
            [one] if one == "*" => Tasks::All,
            names if names.iter().all(|name| is_name(name) && !name.contains('*')) => {
                Tasks::Named(tasks)
            }
            _ => return Err("`tasks` must be [\"*\"] or whole names of tasks".into()),
        };
        Ok(Row { role, methods, tasks, purposes, reach, break_glass, classes })
    }
}

impl PeerParams {
    fn check(self, roles: &BTreeMap<String, String>) -> Result<Caller, String> {
        let PeerParams { name, roles: own, facilities, units, teams } = self;
        if !is_name(&name) {
            return Err("`name` must be 1 to 256 printable bytes".into());
        }
        if own.is_empty() {
            return Err("`roles` is empty".into());
        }
        own.iter().try_for_each(|role| known(roles, role))?;
        let scope =
            Scope { facilities: places(facilities), units: places(units), teams: places(teams) };
        Ok(Caller { name, roles: own, scope })
    }
}
