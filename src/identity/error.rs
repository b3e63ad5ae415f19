//! What goes wrong with settings, files and credentials. No message holds a token, a key or a claim's
//! value.

use std::path::PathBuf;

use super::file::FileError;
use super::policy_file::PolicyError;

/// Why callers cannot be recognised as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}: {error}")]
    Policy { path: PathBuf, error: PolicyError },
    #[error("{path}: {reason}")]
    ApiKeys { path: PathBuf, reason: String },
    #[error("{path}: {reason}")]
    KeySet { path: PathBuf, reason: String },
    #[error("{setting}: {reason}")]
    Setting { setting: String, reason: String },
    #[error("the thread that fetches the issuer's keys cannot be started: {0}")]
    Thread(std::io::Error),
    #[error("the machine gives no random bytes")]
    Random,
}

/// Why connections cannot be encrypted as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}: {reason}")]
    Content { path: PathBuf, reason: String },
    #[error("{setting}: {reason}")]
    Setting { setting: &'static str, reason: String },
}

/// What an `AuthError` is for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthKind {
    /// The credentials do not do (UNAUTHENTICATED).
    Unauthenticated,
    /// They may do later (UNAVAILABLE): try again.
    Unavailable,
}

/// Why nobody was recognised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error(
        "the call brings no credentials: send a bearer token, an API key or a client certificate"
    )]
    NoCredentials,
    #[error("the call brings a bearer token and an API key: send one of them")]
    TwoCredentials,
    #[error("this server takes no bearer tokens")]
    NoTokensTaken,
    #[error("this server takes no API keys")]
    NoApiKeysTaken,
    #[error("the client certificate's name is not among the peers of the policy")]
    PeerUnknown,
    #[error("the API key is malformed, unknown or revoked")]
    ApiKey,
    #[error("the API key has expired")]
    ApiKeyExpired,
    #[error("the bearer token is longer than {bytes_max} bytes")]
    TokenTooLong { bytes_max: usize },
    #[error("the bearer token is no signed JWT: {0}")]
    TokenMalformed(&'static str),
    #[error("the bearer token's algorithm is not one that this server takes")]
    TokenAlgorithm,
    #[error(
        "the bearer token names a key that the issuer has not published; where it has just changed \
         its keys, try again in a minute"
    )]
    TokenKey,
    #[error("the bearer token names another address of keys (`jku`) than its issuer is known by")]
    TokenKeyAddress,
    #[error("the bearer token's signature is wrong")]
    TokenSignature,
    #[error("the bearer token is of another issuer")]
    TokenIssuer,
    #[error("the bearer token is for another audience")]
    TokenAudience,
    #[error("the bearer token has expired")]
    TokenExpired,
    #[error("the bearer token is not valid yet")]
    TokenNotYet,
    #[error("the bearer token was used before")]
    TokenReplayed,
    #[error("the bearer token's claim `{claim}` is missing or not as it should be")]
    TokenClaim { claim: String },
    #[error("the issuer's keys could not be fetched yet: try again")]
    NoKeysYet,
    #[error("too many one-time tokens are open: try again")]
    ReplayFull,
}

impl AuthError {
    /// What it is for the caller.
    pub fn kind(&self) -> AuthKind {
        match self {
            AuthError::NoKeysYet | AuthError::ReplayFull => AuthKind::Unavailable,
            AuthError::NoCredentials
            | AuthError::TwoCredentials
            | AuthError::NoTokensTaken
            | AuthError::NoApiKeysTaken
            | AuthError::PeerUnknown
            | AuthError::ApiKey
            | AuthError::ApiKeyExpired
            | AuthError::TokenTooLong { .. }
            | AuthError::TokenMalformed(_)
            | AuthError::TokenAlgorithm
            | AuthError::TokenKey
            | AuthError::TokenKeyAddress
            | AuthError::TokenSignature
            | AuthError::TokenIssuer
            | AuthError::TokenAudience
            | AuthError::TokenExpired
            | AuthError::TokenNotYet
            | AuthError::TokenReplayed
            | AuthError::TokenClaim { .. } => AuthKind::Unauthenticated,
        }
    }
}
