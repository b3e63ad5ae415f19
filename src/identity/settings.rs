//! What the settings file says of certificates, callers and rates, before it is checked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The server's certificate, and what it asks of its clients'.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// PEM: the server's certificate, then those between it and the root.
    pub certificate_file: Option<PathBuf>,
    /// PEM: its private key; mode 0600 or 0400.
    pub key_file: Option<PathBuf>,
    pub client_certificates: ClientCertificates,
    /// PEM: the authorities whose client certificates are taken.
    pub client_ca_file: Option<PathBuf>,
    /// PEM or DER: lists of revoked client certificates, one for each issuer in their chains.
    pub crl_files: Vec<PathBuf>,
}

impl TlsSettings {
    /// Whether nothing is set: connections are not encrypted.
    pub fn is_off(&self) -> bool {
        *self == TlsSettings::default()
    }
}

/// What is asked of a client's certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    None,
    /// One that is shown must be good.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// How callers are recognised, and what they may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentitySettings {
    /// TOML: roles, rows of what they may do, peers known by certificate.
    pub policy_file: Option<PathBuf>,
    /// TOML: API keys, hashed, as `prodrome-train api-key` prints them; mode 0600 or 0400.
    pub api_keys_file: Option<PathBuf>,
    /// Bearer tokens of an issuer.
    pub jwt: Option<JwtSettings>,
    /// EHRs that call CDS Hooks, each by its own one-time tokens.
    pub cds_clients: Vec<CdsClientSettings>,
}

/// Bearer tokens (JWT, RFC 7519), as OAuth 2.0 servers and SMART Backend Services issue them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JwtSettings {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must hold one of.
    pub audiences: Vec<String>,
    /// The issuer's keys (JWK Set, RFC 7517) in a file.
    pub jwks_file: Option<PathBuf>,
    /// Or at an https address; http only on this machine.
    pub jwks_url: Option<String>,
    /// PEM: the authorities that address is checked by; those of the machine without it.
    pub jwks_ca_file: Option<PathBuf>,
    /// Seconds after which the keys are fetched again.
    pub refresh_seconds: u32,
    /// Seconds between two fetches at least, however many tokens name an unknown key.
    pub refetch_seconds: u32,
    /// The signatures that are taken.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Seconds by which the issuer's clock may differ.
    pub leeway_seconds: u32,
    /// Whether a token may come twice.
    pub replay: Replay,
    /// The claim that names the caller.
    pub name_claim: String,
    /// The claims with the caller's roles and whereabouts; `a.b` is `b` inside `a`.
    pub roles_claim: String,
    pub facilities_claim: String,
    pub units_claim: String,
    pub teams_claim: String,
    /// The role that a scope such as `system/RiskAssessment.rs` gives.
    pub scope_roles: BTreeMap<String, String>,
}

impl Default for JwtSettings {
    fn default() -> JwtSettings {
        JwtSettings {
            issuer: String::new(),
            audiences: Vec::new(),
            jwks_file: None,
            jwks_url: None,
            jwks_ca_file: None,
            refresh_seconds: 300,
            refetch_seconds: 60,
            algorithms: JwtAlgorithm::ALL.to_vec(),
            leeway_seconds: 60,
            replay: Replay::Allow,
            name_claim: "sub".into(),
            roles_claim: "roles".into(),
            facilities_claim: "facilities".into(),
            units_claim: "units".into(),
            teams_claim: "teams".into(),
            scope_roles: BTreeMap::new(),
        }
    }
}

/// An EHR that calls CDS Hooks, and shows who it is by a one-time token (JWT) for the very address it
/// calls. Who is at the EHR it does not prove: the EHR itself is the caller, with these rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CdsClientSettings {
    /// What `iss` must be; also the caller's name.
    pub issuer: String,
    /// The EHR's keys (JWK Set, RFC 7517) in a file.
    pub jwks_file: Option<PathBuf>,
    /// Or at an https address; http only on this machine. A token that names another one is refused.
    pub jwks_url: Option<String>,
    /// PEM: the authorities that address is checked by; those of the machine without it.
    pub jwks_ca_file: Option<PathBuf>,
    /// Seconds after which the keys are fetched again.
    pub refresh_seconds: u32,
    /// Seconds between two fetches at least, however many tokens name an unknown key.
    pub refetch_seconds: u32,
    /// The signatures that are taken.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Seconds by which the EHR's clock may differ.
    pub leeway_seconds: u32,
    /// The caller's roles in the policy.
    pub roles: Vec<String>,
    /// Where the caller is: `*` for anywhere, nothing for nowhere.
    pub facilities: Vec<String>,
    pub units: Vec<String>,
    pub teams: Vec<String>,
}

impl Default for CdsClientSettings {
    fn default() -> CdsClientSettings {
        let JwtSettings { refresh_seconds, refetch_seconds, leeway_seconds, .. } =
            JwtSettings::default();
        CdsClientSettings {
            issuer: String::new(),
            jwks_file: None,
            jwks_url: None,
            jwks_ca_file: None,
            refresh_seconds,
            refetch_seconds,
            algorithms: JwtAlgorithm::ALL.to_vec(),
            leeway_seconds,
            roles: Vec::new(),
            facilities: Vec::new(),
            units: Vec::new(),
            teams: Vec::new(),
        }
    }
}

/// A signature that only the issuer can make. Those by a shared secret (HS256) are not among them:
/// whoever can check one can forge one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JwtAlgorithm {
    RS256,
    RS384,
    ES256,
    ES384,
}

impl JwtAlgorithm {
    /// All of them.
    pub const ALL: [JwtAlgorithm; 4] =
        [JwtAlgorithm::RS256, JwtAlgorithm::RS384, JwtAlgorithm::ES256, JwtAlgorithm::ES384];

    /// Its name in a token's header.
    pub fn name(self) -> &'static str {
        match self {
            JwtAlgorithm::RS256 => "RS256",
            JwtAlgorithm::RS384 => "RS384",
            JwtAlgorithm::ES256 => "ES256",
            JwtAlgorithm::ES384 => "ES384",
        }
    }
}

/// Whether a token may come twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Replay {
    /// Until it expires, as access tokens do.
    #[default]
    Allow,
    /// Each `jti` once, as one-time assertions do.
    Refuse,
}

/// How often one caller may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateSettings {
    /// Calls a second, on average.
    pub calls_per_second: f64,
    /// Calls at once.
    pub burst: u32,
    /// Callers with a rate of their own, by name.
    pub callers: BTreeMap<String, CallerRate>,
}

impl Default for RateSettings {
    /// About what one core answers at most: a limit against runaway clients, not a quota.
    fn default() -> RateSettings {
        RateSettings { calls_per_second: 5_000.0, burst: 10_000, callers: BTreeMap::new() }
    }
}

/// The rate of one caller.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerRate {
    /// Calls a second, on average.
    pub calls_per_second: f64,
    /// Calls at once.
    pub burst: u32,
}
