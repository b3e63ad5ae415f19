//! Who may: certificates, tokens and keys tell the caller, a policy file what the caller may do.
//!
//! - `tls`: the server's certificate and the clients', read again when their files change
//! - `token`, `key_set`, `issuer`: bearer tokens (JWT), the keys that prove them, where those come from; of
//!   an issuer's callers, and of the EHRs that call CDS Hooks
//! - `api_key`: keys for programs that have no certificate and no issuer; only their hashes are kept
//! - `policy`: what a role may call, for which tasks and purposes, and where
//! - `rates`: how often a caller may call
//!
//! This room reads files and, for an issuer's keys, one URL. It reads no clock: `now_seconds` reaches
//! it as an argument, in seconds since 1970-01-01T00:00Z.

mod api_key;
mod authenticate;
mod certificate;
mod claims;
mod error;
mod file;
mod issuer;
mod key_set;
mod name;
mod policy;
mod policy_file;
mod rates;
mod settings;
mod tls;
mod token;
mod token_cache;
mod unique_json;

pub use api_key::{ApiKeys, NewApiKey};
pub use authenticate::{ANONYMOUS, Credentials, Identity, Reloaded};
pub use certificate::peer_name;
pub use error::{AuthError, AuthKind, IdentityError, TlsError};
pub use file::FileError;
pub use policy::{Ask, Denied, Permit, Policy};
pub use policy_file::PolicyError;
pub use rates::{Rates, RatesError, TooOften};
pub use settings::{
    CallerRate, CdsClientSettings, ClientCertificates, IdentitySettings, JwtAlgorithm, JwtSettings,
    RateSettings, Replay, TlsSettings,
};
pub use tls::Tls;
