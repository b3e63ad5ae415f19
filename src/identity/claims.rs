//! What a proved token says of its caller.

use serde_json::{Map, Value};

use super::error::AuthError;
use super::name::{is_name, places};
use super::settings::JwtSettings;
use crate::access::{Caller, Scope};

/// The longest list in a claim.
const LIST_MAX: usize = 256;
/// The longest life of a one-time assertion, in seconds: an hour.
const ASSERTION_SECONDS_MAX: i64 = 3_600;

/// The claims of a token whose signature is right.
pub(super) struct Claims(pub(super) Map<String, Value>);

/// When a token is valid.
pub(super) struct Validity {
    /// The first second at which it is, and the first at which it is no longer, leeway included.
    pub(super) from_seconds: i64,
    pub(super) until_seconds: i64,
}

impl Claims {
    /// Whether it is the right issuer's, for us (for `audience` alone, where one is given), and valid at
    /// `now_seconds`.
    pub(super) fn check(
        &self,
        settings: &JwtSettings,
        audience: Option<&str>,
        now_seconds: i64,
    ) -> Result<Validity, AuthError> {
        if self.0.get("iss").and_then(Value::as_str) != Some(&*settings.issuer) {
            return Err(AuthError::TokenIssuer);
        }
        let is_ours = |text: &str| match audience {
            Some(only) => text == only,
            None => settings.audiences.iter().any(|ours| ours == text),
        };
        let ours = |value: &Value| value.as_str().is_some_and(is_ours);
        let is_for_us = match self.0.get("aud") {
            Some(Value::Array(all)) => all.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        };
        if !is_for_us {
            return Err(AuthError::TokenAudience);
        }
        let leeway = i64::from(settings.leeway_seconds);
        let until = self.seconds("exp")?.ok_or_else(|| wrong("exp"))?.saturating_add(leeway);
        // A token from the future was not issued yet, whatever it says of its start.
        let from = self.seconds("nbf")?.max(self.seconds("iat")?).unwrap_or(i64::MIN);
        let from = from.saturating_sub(leeway);
        if now_seconds >= until {
            return Err(AuthError::TokenExpired);
        }
        if now_seconds < from {
            return Err(AuthError::TokenNotYet);
        }
        Ok(Validity { from_seconds: from, until_seconds: until })
    }

    /// Whether it is a one-time assertion as CDS Hooks has it: issued at a time, by a name, and for not
    /// longer than it takes to remember that it was used.
    pub(super) fn check_assertion(&self) -> Result<(), AuthError> {
        let issued = self.seconds("iat")?.ok_or_else(|| wrong("iat"))?;
        let until = self.seconds("exp")?.ok_or_else(|| wrong("exp"))?;
        if until.saturating_sub(issued) > ASSERTION_SECONDS_MAX {
            return Err(wrong("exp"));
        }
        if self.0.get("tenant").is_some_and(|tenant| !tenant.is_string()) {
            return Err(wrong("tenant"));
        }
        self.jti().map(|_| ())
    }

    /// Who calls.
    pub(super) fn caller(&self, settings: &JwtSettings) -> Result<Caller, AuthError> {
        let claim = &settings.name_claim;
        let name = self.find(claim).and_then(Value::as_str).filter(|name| is_name(name));
        let name = name.ok_or_else(|| wrong(claim))?.to_owned();
        let mut roles = self.list(&settings.roles_claim)?;
        if !settings.scope_roles.is_empty() {
            let scopes = self.list("scope")?;
            let given = settings.scope_roles.iter().filter(|(scope, _)| scopes.contains(scope));
            roles.extend(given.map(|(_, role)| role.clone()));
        }
        roles.sort_unstable();
        roles.dedup();
        let scope = Scope {
            facilities: places(self.list(&settings.facilities_claim)?),
            units: places(self.list(&settings.units_claim)?),
            teams: places(self.list(&settings.teams_claim)?),
        };
        Ok(Caller { name, roles, scope })
    }

    /// The name of a one-time token.
    pub(super) fn jti(&self) -> Result<&str, AuthError> {
        let jti = self.0.get("jti").and_then(Value::as_str).filter(|jti| !jti.is_empty());
        jti.ok_or_else(|| wrong("jti"))
    }

    /// A NumericDate in whole seconds; an `Err` where the claim is there and none.
    fn seconds(&self, claim: &str) -> Result<Option<i64>, AuthError> {
        let Some(value) = self.0.get(claim) else { return Ok(None) };
        let float = || value.as_f64().filter(|seconds| seconds.is_finite());
        // Fractions are allowed; the cast stops at the ends of the range.
        let seconds = value.as_i64().or_else(|| float().map(|seconds| seconds.floor() as i64));
        seconds.map(Some).ok_or_else(|| wrong(claim))
    }

    /// A claim by its whole name, or along the dots of it: `realm_access.roles`.
    fn find(&self, path: &str) -> Option<&Value> {
        if let Some(whole) = self.0.get(path) {
            return Some(whole);
        }
        let mut steps = path.split('.');
        let first = self.0.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.get(step))
    }

    /// A list of names, or words with spaces between; nothing where the claim is not there.
    fn list(&self, claim: &str) -> Result<Vec<String>, AuthError> {
        let names: Option<Vec<String>> = match self.find(claim) {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::String(words)) => {
                Some(words.split_ascii_whitespace().map(str::to_owned).collect())
            }
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
            }
            Some(_) => None,
        };
        let fits =
            |names: &Vec<String>| names.len() <= LIST_MAX && names.iter().all(|name| is_name(name));
        names.filter(fits).ok_or_else(|| wrong(claim))
    }
}

fn wrong(claim: &str) -> AuthError {
    AuthError::TokenClaim { claim: claim.to_owned() }
}
