//! Bearer tokens: JWT (RFC 7519) under an issuer's signature.
//!
//! A token never chooses how it is proved: its algorithm must be one of the settings' and one that
//! the issuer's key of that name is for; keys and addresses inside a token are not looked at.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::claims::{Claims, Validity};
use super::error::{AuthError, IdentityError};
use super::issuer::Issuer;
use super::key_set::KeySet;
use super::name::{NAME_BYTES_MAX, is_name};
use super::settings::{JwtAlgorithm, JwtSettings, Replay};
use super::token_cache::{Proved, ProvedTokens, Use, UsedTokens};
use super::unique_json;
use crate::access::Caller;

/// The longest token, in bytes; a call's headers together are no longer.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// The most that clocks may differ, in seconds.
const LEEWAY_SECONDS_MAX: u32 = 300;
/// The longest time between two fetches of the issuer's keys, in seconds: a day.
const REFRESH_SECONDS_MAX: u32 = 86_400;

/// Proves tokens.
pub(super) struct Tokens {
    settings: JwtSettings,
    issuer: Issuer,
    proved: ProvedTokens,
    used: UsedTokens,
}

impl Tokens {
    pub(super) fn open(settings: &JwtSettings) -> Result<Tokens, IdentityError> {
        check(settings)?;
        let issuer = Issuer::open(settings)?;
        let (proved, used) = (ProvedTokens::default(), UsedTokens::default());
        Ok(Tokens { settings: settings.clone(), issuer, proved, used })
    }

    pub(super) fn reload(&self) -> Result<Option<PathBuf>, IdentityError> {
        self.issuer.reload()
    }

    /// The caller that a token names.
    pub(super) fn caller(&self, token: &str, now_seconds: i64) -> Result<Arc<Caller>, AuthError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::TokenTooLong { bytes_max: TOKEN_BYTES_MAX });
        }
        let keys = self.issuer.keys().ok_or_else(|| {
            self.issuer.ask_again();
            AuthError::NoKeysYet
        })?;
        let digest: [u8; 32] = Sha256::digest(token).into();
        let is_reusable = self.settings.replay == Replay::Allow;
        if is_reusable && let Some(caller) = self.proved.find(&digest, &keys.digest, now_seconds) {
            return Ok(caller);
        }
        let claims = self.prove(token, &keys)?;
        let Validity { from_seconds, until_seconds } = claims.check(&self.settings, now_seconds)?;
        let caller = Arc::new(claims.caller(&self.settings)?);
        if is_reusable {
            let (caller, key_set) = (Arc::clone(&caller), keys.digest);
            let proved = Proved { caller, from_seconds, until_seconds, key_set };
            self.proved.insert(digest, proved, now_seconds);
        } else {
            let jti = Sha256::digest(claims.jti()?).into();
            match self.used.claim(jti, until_seconds, now_seconds) {
                Use::First => {}
                Use::Again => return Err(AuthError::TokenReplayed),
                Use::Full => return Err(AuthError::ReplayFull),
            }
        }
        Ok(caller)
    }

    /// The claims of a token, once its signature is right.
    fn prove(&self, token: &str, keys: &KeySet) -> Result<Claims, AuthError> {
        let malformed = AuthError::TokenMalformed;
        let three = malformed("it has not three parts with dots between");
        let (signed, signature) = token.rsplit_once('.').ok_or(three.clone())?;
        let (header, payload) = signed.split_once('.').ok_or(three.clone())?;
        if payload.contains('.') {
            return Err(three);
        }
        let header = part(header).ok_or(malformed("its header is no JSON object"))?;
        let algorithm = self.algorithm(header.get("alg"))?;
        if header.contains_key("crit") {
            // RFC 7515 section 4.1.11: who does not understand such an extension must refuse.
            return Err(malformed("its header asks for an extension"));
        }
        let is_token = |typ: &Value| {
            let typ = typ.as_str().unwrap_or_default().to_ascii_lowercase();
            // RFC 7515 section 4.1.9: `application/` may be left out.
            let typ = typ.strip_prefix("application/").unwrap_or(&typ);
            typ == "jwt" || typ == "at+jwt"
        };
        if header.get("typ").is_some_and(|typ| !is_token(typ)) {
            return Err(malformed("its type is not JWT"));
        }
        let id = header.get("kid").and_then(Value::as_str);
        let id = id.filter(|id| !id.is_empty() && id.len() <= NAME_BYTES_MAX);
        let id = id.ok_or(malformed("its header names no key (kid)"))?;
        if !keys.knows(id) {
            self.issuer.ask_again();
            return Err(AuthError::TokenKey);
        }
        let key = keys.find(id, algorithm).ok_or(AuthError::TokenAlgorithm)?;
        let (signed, algorithm) = (signed.as_bytes(), library_name(algorithm));
        let is_right = jsonwebtoken::crypto::verify(signature, signed, key, algorithm);
        if !is_right.unwrap_or(false) {
            return Err(AuthError::TokenSignature);
        }
        // Only now: what is not signed is not read.
        let claims = part(payload);
        let claims =
            claims.ok_or(malformed("its claims are no JSON object, or one stands twice"))?;
        Ok(Claims(claims))
    }

    /// The algorithm of the settings that the header names.
    fn algorithm(&self, named: Option<&Value>) -> Result<JwtAlgorithm, AuthError> {
        let named = named.and_then(Value::as_str).ok_or(AuthError::TokenAlgorithm)?;
        let mut taken = self.settings.algorithms.iter().copied();
        taken.find(|algorithm| algorithm.name() == named).ok_or(AuthError::TokenAlgorithm)
    }
}

fn part(text: &str) -> Option<serde_json::Map<String, Value>> {
    unique_json::object(&URL_SAFE_NO_PAD.decode(text).ok()?)
}

fn library_name(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::RS256 => Algorithm::RS256,
        JwtAlgorithm::RS384 => Algorithm::RS384,
        JwtAlgorithm::ES256 => Algorithm::ES256,
        JwtAlgorithm::ES384 => Algorithm::ES384,
    }
}

/// Refuses settings under which no token, or any, would do.
fn check(settings: &JwtSettings) -> Result<(), IdentityError> {
    let wrong =
        |setting, reason: &str| Err(IdentityError::Setting { setting, reason: reason.to_owned() });
    if settings.issuer.is_empty() {
        return wrong("jwt.issuer", "must be what the tokens' `iss` says");
    }
    if settings.audiences.is_empty() || settings.audiences.iter().any(String::is_empty) {
        return wrong("jwt.audiences", "must hold what the tokens' `aud` says of this server");
    }
    if settings.algorithms.is_empty() {
        return wrong("jwt.algorithms", "must hold one of RS256, RS384, ES256, ES384");
    }
    if settings.leeway_seconds > LEEWAY_SECONDS_MAX {
        return wrong("jwt.leeway_seconds", "must be 300 or less: put the clocks right instead");
    }
    if !(1..=REFRESH_SECONDS_MAX).contains(&settings.refresh_seconds) {
        return wrong("jwt.refresh_seconds", "must be 1 to 86400");
    }
    if !(1..=settings.refresh_seconds).contains(&settings.refetch_seconds) {
        return wrong("jwt.refetch_seconds", "must be 1 to refresh_seconds");
    }
    let JwtSettings { name_claim, roles_claim, facilities_claim, units_claim, teams_claim, .. } =
        settings;
    let claims = [name_claim, roles_claim, facilities_claim, units_claim, teams_claim];
    if !claims.into_iter().all(|claim| is_name(claim)) {
        return wrong("jwt", "the name of a claim is empty or longer than 256 bytes");
    }
    Ok(())
}
