//! Bearer tokens: JWT (RFC 7519) under an issuer's signature.
//!
//! A token never chooses how it is proved: its algorithm must be one of the settings' and one that
//! the issuer's key of that name is for; keys and addresses inside a token are not used. Where an EHR's
//! token names the address of its keys (`jku`), it must be the one that is known.

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
use super::name::{NAME_BYTES_MAX, is_name, places};
use super::settings::{CdsClientSettings, JwtAlgorithm, JwtSettings, Replay};
use super::token_cache::{Proved, ProvedTokens, Use, UsedTokens};
use super::unique_json;
use crate::access::{Caller, Scope};

/// The longest token, in bytes; a call's headers together are no longer.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// The most that clocks may differ, in seconds.
const LEEWAY_SECONDS_MAX: u32 = 300;
/// The longest time between two fetches of the issuer's keys, in seconds: a day.
const REFRESH_SECONDS_MAX: u32 = 86_400;

/// Proves tokens.
pub(super) struct Tokens {
    settings: JwtSettings,
    /// Whose tokens they are, where they say nothing of it themselves: one-time assertions of an EHR.
    asserted: Option<Arc<Caller>>,
    issuer: Issuer,
    proved: ProvedTokens,
    used: UsedTokens,
}

impl Tokens {
    /// Access tokens of an issuer.
    pub(super) fn open(settings: &JwtSettings) -> Result<Tokens, IdentityError> {
        let wrong = |reason: &str| {
            let (setting, reason) = ("jwt.audiences".to_owned(), reason.to_owned());
            Err(IdentityError::Setting { setting, reason })
        };
        if settings.audiences.is_empty() || settings.audiences.iter().any(String::is_empty) {
            return wrong("must hold what the tokens' `aud` says of this server");
        }
        Tokens::of(settings.clone(), None, "jwt")
    }

    /// One-time assertions of an EHR, by the section `place` of the settings.
    pub(super) fn of_cds_client(
        client: &CdsClientSettings,
        place: &str,
    ) -> Result<Tokens, IdentityError> {
        let client = client.clone();
        if !is_name(&client.issuer) || !client.roles.iter().all(|role| is_name(role)) {
            let reason = "the issuer or a role is empty or longer than 256 bytes".to_owned();
            return Err(IdentityError::Setting { setting: place.to_owned(), reason });
        }
        let scope = Scope {
            facilities: places(client.facilities),
            units: places(client.units),
            teams: places(client.teams),
        };
        let name = client.issuer.clone();
        let caller = Arc::new(Caller { name, roles: client.roles, scope });
        let settings = JwtSettings {
            issuer: client.issuer,
            jwks_file: client.jwks_file,
            jwks_url: client.jwks_url,
            jwks_ca_file: client.jwks_ca_file,
            refresh_seconds: client.refresh_seconds,
            refetch_seconds: client.refetch_seconds,
            algorithms: client.algorithms,
            leeway_seconds: client.leeway_seconds,
            replay: Replay::Refuse,
            ..JwtSettings::default()
        };
        Tokens::of(settings, Some(caller), place)
    }

    fn of(
        settings: JwtSettings,
        asserted: Option<Arc<Caller>>,
        place: &str,
    ) -> Result<Tokens, IdentityError> {
        check(&settings, place)?;
        let issuer = Issuer::open(&settings, place)?;
        let (proved, used) = (ProvedTokens::default(), UsedTokens::default());
        Ok(Tokens { settings, asserted, issuer, proved, used })
    }

    /// The issuer whose tokens these are.
    pub(super) fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    pub(super) fn reload(&self) -> Result<Option<PathBuf>, IdentityError> {
        self.issuer.reload()
    }

    /// The caller that a token names; where `audience` is given, the token must be for it alone.
    pub(super) fn caller(
        &self,
        token: &str,
        audience: Option<&str>,
        now_seconds: i64,
    ) -> Result<Arc<Caller>, AuthError> {
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
        let Validity { from_seconds, until_seconds } =
            claims.check(&self.settings, audience, now_seconds)?;
        let caller = match &self.asserted {
            Some(caller) => {
                claims.check_assertion()?;
                Arc::clone(caller)
            }
            None => Arc::new(claims.caller(&self.settings)?),
        };
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
        let is_typed = header.get("typ").map_or(self.asserted.is_none(), is_token);
        if !is_typed {
            return Err(malformed("its type is not JWT"));
        }
        self.check_key_address(header.get("jku"))?;
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

    /// Whether an EHR's token names the address of keys that is known. It is never asked because a token
    /// says so; where the keys come from a file, they are those of the file whatever it says.
    fn check_key_address(&self, named: Option<&Value>) -> Result<(), AuthError> {
        let known = self.settings.jwks_url.as_deref().filter(|_| self.asserted.is_some());
        match (named, known) {
            (Some(named), Some(known)) if named.as_str() != Some(known) => {
                Err(AuthError::TokenKeyAddress)
            }
            _ => Ok(()),
        }
    }

    /// The algorithm of the settings that the header names.
    fn algorithm(&self, named: Option<&Value>) -> Result<JwtAlgorithm, AuthError> {
        let named = named.and_then(Value::as_str).ok_or(AuthError::TokenAlgorithm)?;
        let mut taken = self.settings.algorithms.iter().copied();
        taken.find(|algorithm| algorithm.name() == named).ok_or(AuthError::TokenAlgorithm)
    }
}

/// The issuer that a token claims to be of, which is not proved by that.
pub(super) fn claimed_issuer(token: &str) -> Option<String> {
    let payload = token.get(..token.len().min(TOKEN_BYTES_MAX))?.split('.').nth(1)?;
    part(payload)?.get("iss")?.as_str().map(str::to_owned)
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
fn check(settings: &JwtSettings, place: &str) -> Result<(), IdentityError> {
    let wrong = |key: &str, reason: &str| {
        let (setting, reason) = (format!("{place}{key}"), reason.to_owned());
        Err(IdentityError::Setting { setting, reason })
    };
    if settings.issuer.is_empty() {
        return wrong(".issuer", "must be what the tokens' `iss` says");
    }
    if settings.algorithms.is_empty() {
        return wrong(".algorithms", "must hold one of RS256, RS384, ES256, ES384");
    }
    if settings.leeway_seconds > LEEWAY_SECONDS_MAX {
        return wrong(".leeway_seconds", "must be 300 or less: put the clocks right instead");
    }
    if !(1..=REFRESH_SECONDS_MAX).contains(&settings.refresh_seconds) {
        return wrong(".refresh_seconds", "must be 1 to 86400");
    }
    if !(1..=settings.refresh_seconds).contains(&settings.refetch_seconds) {
        return wrong(".refetch_seconds", "must be 1 to refresh_seconds");
    }
    let JwtSettings { name_claim, roles_claim, facilities_claim, units_claim, teams_claim, .. } =
        settings;
    let claims = [name_claim, roles_claim, facilities_claim, units_claim, teams_claim];
    if !claims.into_iter().all(|claim| is_name(claim)) {
        return wrong("", "the name of a claim is empty or longer than 256 bytes");
    }
    Ok(())
}
