//! Bearer tokens: those that do, and every forgery that is known.

use std::path::Path;

use hmac::{Hmac, Mac};
use jsonwebtoken::Algorithm;
use prodrome::identity::{
    AuthError, AuthKind, Identity, IdentitySettings, JwtAlgorithm, JwtSettings, Replay,
};
use serde_json::{Value, json};

use super::signer::{Signer, base64, claims, claims_with, key_set};
use super::{NOW_SECONDS, bearer, sample_policy};

const DAY_SECONDS: i64 = 86_400;

pub(super) fn settings(jwt: JwtSettings) -> IdentitySettings {
    let issuer = "https://issuer.example".to_owned();
    let jwt = JwtSettings { issuer, audiences: vec!["prodrome".into()], ..jwt };
    IdentitySettings {
        policy_file: Some(sample_policy()),
        jwt: Some(jwt),
        ..IdentitySettings::default()
    }
}

fn open(folder: &Path, signers: &[&Signer], jwt: JwtSettings) -> Identity {
    let file = folder.join("keys.json");
    std::fs::write(&file, key_set(signers)).unwrap();
    Identity::open(&settings(JwtSettings { jwks_file: Some(file), ..jwt })).unwrap()
}

fn refusal(identity: &Identity, token: &str) -> AuthError {
    let error = identity.authenticate(&bearer(token), NOW_SECONDS).unwrap_err();
    assert_eq!(error.kind(), AuthKind::Unauthenticated, "{error}");
    error
}

#[test]
fn all_four_signatures_are_taken_and_name_their_caller() {
    let folder = tempfile::tempdir().unwrap();
    let signers = [
        Signer::rsa("r2", Algorithm::RS256),
        Signer::rsa("r3", Algorithm::RS384),
        Signer::es256("e2"),
        Signer::es384("e3"),
    ];
    let all: Vec<&Signer> = signers.iter().collect();
    let identity = open(folder.path(), &all, JwtSettings::default());
    for signer in &signers {
        let token = signer.token(&claims());
        for _ in 0..2 {
            let caller = identity.authenticate(&bearer(&token), NOW_SECONDS).unwrap();
            assert_eq!((&*caller.name, &*caller.roles), ("svc-ehr", &["clinician".to_owned()][..]));
            assert_eq!(caller.scope.facilities, Some(vec!["north".into()]));
            assert_eq!(caller.scope.units, Some(vec![]), "a claim that is missing gives nothing");
        }
    }
    let only = JwtSettings { algorithms: vec![JwtAlgorithm::ES384], ..JwtSettings::default() };
    let identity = open(folder.path(), &all, only);
    for signer in &signers {
        let token = signer.token(&claims());
        let is_taken = identity.authenticate(&bearer(&token), NOW_SECONDS).is_ok();
        assert_eq!(is_taken, signer.algorithm == Algorithm::ES384, "{:?}", signer.algorithm);
    }
}

#[test]
fn a_token_never_chooses_how_it_is_proved() {
    let folder = tempfile::tempdir().unwrap();
    let (rsa, curve) = (Signer::rsa("rsa", Algorithm::RS256), Signer::es256("ec"));
    let mut narrow = rsa.jwk();
    narrow["kid"] = "narrow".into();
    narrow["alg"] = "RS384".into();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, json!({"keys": [rsa.jwk(), curve.jwk(), narrow]}).to_string()).unwrap();
    let settings = settings(JwtSettings { jwks_file: Some(file), ..JwtSettings::default() });
    let identity = Identity::open(&settings).unwrap();
    let body = base64(claims().to_string());
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "RS512", "PS256", "EdDSA", "rs256"] {
        let header = base64(json!({"alg": alg, "kid": "rsa"}).to_string());
        for signature in ["", &base64("x")] {
            let error = refusal(&identity, &format!("{header}.{body}.{signature}"));
            assert_eq!(error, AuthError::TokenAlgorithm, "{alg}");
        }
    }
    // The public key as a shared secret, in the forms that a library might be tricked into.
    let public = rsa.jwk()["n"].as_str().unwrap().to_owned();
    for secret in [public.clone(), rsa.jwk().to_string(), key_set(&[&rsa])] {
        let header = base64(json!({"alg": "HS256", "kid": "rsa"}).to_string());
        let signed = format!("{header}.{body}");
        let mut hash = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        hash.update(signed.as_bytes());
        let token = format!("{signed}.{}", base64(hash.finalize().into_bytes()));
        assert_eq!(refusal(&identity, &token), AuthError::TokenAlgorithm);
    }
    // A good signature under a key of another kind, or of another algorithm.
    for (alg, kid) in [("RS256", "ec"), ("ES256", "rsa"), ("ES384", "ec"), ("RS256", "narrow")] {
        let signer = if alg.starts_with('R') { &rsa } else { &curve };
        let token =
            signer.sign(&json!({"alg": alg, "kid": kid}).to_string(), &claims().to_string());
        assert_eq!(refusal(&identity, &token), AuthError::TokenAlgorithm, "{alg} {kid}");
    }
}

#[test]
fn keys_and_addresses_inside_a_token_are_not_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let (known, forger) = (Signer::es256("known"), Signer::es256("forged"));
    let identity = open(folder.path(), &[&known], JwtSettings::default());
    let claims = claims().to_string();
    let address = "http://127.0.0.1:1/keys";
    for more in [
        json!({"jwk": forger.jwk()}),
        json!({"jku": address}),
        json!({"x5u": address, "x5c": ["AAAA"]}),
    ] {
        let mut header = json!({"alg": "ES256", "kid": "forged"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let token = forger.sign(&header.to_string(), &claims);
        assert_eq!(refusal(&identity, &token), AuthError::TokenKey);
        header["kid"] = "known".into();
        let token = forger.sign(&header.to_string(), &claims);
        assert_eq!(refusal(&identity, &token), AuthError::TokenSignature);
    }
    for kid in ["../../known", "/etc/passwd", "known\0", "' or '1'='1", "known ", "KNOWN"] {
        let header = json!({"alg": "ES256", "kid": kid}).to_string();
        assert_eq!(refusal(&identity, &forger.sign(&header, &claims)), AuthError::TokenKey);
    }
    for kid in [json!(null), json!(1), json!(""), json!(["known"]), json!("k".repeat(10_000))] {
        let header = json!({"alg": "ES256", "kid": kid}).to_string();
        let error = refusal(&identity, &known.sign(&header, &claims));
        assert!(matches!(error, AuthError::TokenMalformed(_)), "{kid}: {error}");
    }
}

#[test]
fn issuer_audience_and_time_are_checked_with_a_minute_of_leeway() {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::es256("k");
    let identity = open(folder.path(), &[&signer], JwtSettings::default());
    let now = NOW_SECONDS;
    let claim = |name: &str| AuthError::TokenClaim { claim: name.into() };
    for (name, value, expected) in [
        ("iss", json!("https://issuer.example/"), Some(AuthError::TokenIssuer)),
        ("iss", json!(null), Some(AuthError::TokenIssuer)),
        ("iss", json!(["https://issuer.example"]), Some(AuthError::TokenIssuer)),
        ("aud", json!("other"), Some(AuthError::TokenAudience)),
        ("aud", json!(null), Some(AuthError::TokenAudience)),
        ("aud", json!(["other", 1]), Some(AuthError::TokenAudience)),
        ("aud", json!(["other", "prodrome"]), None),
        ("exp", json!(now - 59), None),
        ("exp", json!(now - 60), Some(AuthError::TokenExpired)),
        ("exp", json!(null), Some(claim("exp"))),
        ("exp", json!("tomorrow"), Some(claim("exp"))),
        ("exp", json!(1e300), None),
        ("exp", json!(-1e300), Some(AuthError::TokenExpired)),
        ("exp", json!(u64::MAX), None),
        ("nbf", json!(now + 60), None),
        ("nbf", json!(now + 61), Some(AuthError::TokenNotYet)),
        ("nbf", json!(null), None),
        ("nbf", json!({}), Some(claim("nbf"))),
        ("iat", json!(now + 61), Some(AuthError::TokenNotYet)),
        ("iat", json!(0.5), None),
        ("sub", json!(null), Some(claim("sub"))),
        ("sub", json!("a\nb"), Some(claim("sub"))),
        ("sub", json!("s".repeat(257)), Some(claim("sub"))),
        ("roles", json!({"a": 1}), Some(claim("roles"))),
        ("roles", json!(["a", 1]), Some(claim("roles"))),
        ("roles", json!(vec!["a"; 257]), Some(claim("roles"))),
        ("roles", json!(null), None),
    ] {
        let token = signer.token(&claims_with(name, value.clone()));
        let outcome = identity.authenticate(&bearer(&token), now);
        assert_eq!(outcome.err(), expected, "{name} = {value}");
    }
}

#[test]
fn a_token_that_was_taken_before_is_not_taken_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (signer, other) = (Signer::es256("k"), Signer::es256("k"));
    let identity = open(folder.path(), &[&signer], JwtSettings::default());
    let token = signer.token(&claims());
    let at = |now| identity.authenticate(&bearer(&token), now).err();
    assert_eq!(at(NOW_SECONDS), None);
    // The clock jumps, in both directions, and back.
    assert_eq!(at(NOW_SECONDS + 3_650 * DAY_SECONDS), Some(AuthError::TokenExpired));
    assert_eq!(at(NOW_SECONDS - 3 * DAY_SECONDS), Some(AuthError::TokenNotYet));
    assert_eq!(at(i64::MIN), Some(AuthError::TokenNotYet));
    assert_eq!(at(i64::MAX), Some(AuthError::TokenExpired));
    assert_eq!(at(NOW_SECONDS + 359), None);
    assert_eq!(at(NOW_SECONDS + 360), Some(AuthError::TokenExpired));
    // The issuer changes its key under the same name.
    let file = folder.path().join("keys.json");
    std::fs::write(&file, key_set(&[&other])).unwrap();
    assert_eq!(identity.reload().changed, std::slice::from_ref(&file));
    assert_eq!(at(NOW_SECONDS), Some(AuthError::TokenSignature));
    let renewed = other.token(&claims());
    assert!(identity.authenticate(&bearer(&renewed), NOW_SECONDS).is_ok());
    std::fs::write(&file, "{").unwrap();
    assert_eq!(identity.reload().faults.len(), 1);
    assert!(identity.authenticate(&bearer(&renewed), NOW_SECONDS).is_ok(), "the old keys stay");
}

#[test]
fn malformed_tokens_are_refused_whatever_is_wrong_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::es256("k");
    let identity = open(folder.path(), &[&signer], JwtSettings::default());
    let token = signer.token(&claims());
    let header = json!({"alg": "ES256", "kid": "k"}).to_string();
    let text = claims().to_string();
    let (open_text, _) = text.rsplit_once('}').unwrap();
    let twice = format!("{open_text},\"roles\":[\"operator\"]}}");
    let escaped = format!("{open_text},\"\\u0072oles\":[\"operator\"]}}");
    let deep = format!("{open_text},\"x\":{}{}}}", "[".repeat(2_000), "]".repeat(2_000));
    for wrong in [
        String::new(),
        ".".into(),
        "..".into(),
        format!("{token}.x"),
        format!(".{token}"),
        token.replace('.', ","),
        format!("{token}="),
        format!(" {token}"),
        signer.sign(&header, &twice),
        signer.sign(&header, &escaped),
        signer.sign(&header, &deep),
        signer.sign(&header, "[]"),
        signer.sign(&header, "\u{0}"),
        signer.sign("{\"alg\":\"none\",\"alg\":\"ES256\",\"kid\":\"k\"}", &text),
        signer.sign("{\"alg\":\"ES256\",\"kid\":\"k\",\"crit\":[\"exp\"]}", &text),
        signer.sign("{\"alg\":\"ES256\",\"kid\":\"k\",\"typ\":\"logout+jwt\"}", &text),
        signer.sign("[]", &text),
    ] {
        let said = refusal(&identity, &wrong).to_string();
        assert!(!said.contains("operator") && !said.contains("svc-ehr"), "{said}");
    }
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        refusal(&identity, &String::from_utf8(changed).unwrap());
        refusal(&identity, &token[..at]);
    }
    let long = refusal(&identity, &"A".repeat(1 << 20));
    assert_eq!(long, AuthError::TokenTooLong { bytes_max: 16_384 });
}

#[test]
fn a_one_time_token_is_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::es384("k");
    let once = JwtSettings { replay: Replay::Refuse, ..JwtSettings::default() };
    let identity = open(folder.path(), &[&signer], once);
    let token = signer.token(&claims());
    assert!(identity.authenticate(&bearer(&token), NOW_SECONDS).is_ok());
    assert_eq!(refusal(&identity, &token), AuthError::TokenReplayed);
    let again = signer.token(&claims_with("exp", json!(NOW_SECONDS + 100)));
    assert_eq!(refusal(&identity, &again), AuthError::TokenReplayed, "another token, the same jti");
    let next = signer.token(&claims_with("jti", json!("2")));
    assert!(identity.authenticate(&bearer(&next), NOW_SECONDS).is_ok());
    for jti in [json!(null), json!(""), json!(3)] {
        let error = refusal(&identity, &signer.token(&claims_with("jti", jti)));
        assert_eq!(error, AuthError::TokenClaim { claim: "jti".into() });
    }
}

#[test]
fn roles_come_from_nested_claims_and_from_smart_scopes() {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::rsa("k", Algorithm::RS384);
    let jwt = JwtSettings {
        roles_claim: "realm_access.roles".into(),
        name_claim: "https://site.example/name".into(),
        scope_roles: [("system/RiskAssessment.rs".to_owned(), "batch".to_owned())].into(),
        ..JwtSettings::default()
    };
    let identity = open(folder.path(), &[&signer], jwt);
    let mut claims = claims();
    claims["https://site.example/name"] = "epic".into();
    claims["realm_access"] = json!({"roles": "quality operator"});
    claims["scope"] = "openid system/RiskAssessment.rs system/Patient.rs".into();
    claims["teams"] = json!("*");
    let caller = identity.authenticate(&bearer(&signer.token(&claims)), NOW_SECONDS).unwrap();
    assert_eq!(caller.name, "epic");
    assert_eq!(caller.roles, ["batch", "operator", "quality"]);
    assert_eq!((&caller.scope.teams, &caller.scope.units), (&None, &Some(vec![])));
}

#[test]
fn key_sets_and_settings_that_prove_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let curve = Signer::es256("k").jwk();
    let with = |name: &str, value: Value| {
        let mut jwk = curve.clone();
        jwk[name] = value;
        json!({"keys": [jwk]})
    };
    let mut short = Signer::rsa("r", Algorithm::RS256).jwk();
    short["n"] = base64([0xff; 128]).into();
    for set in [
        json!({}),
        json!({"keys": []}),
        json!({"keys": [1, null, "x"]}),
        json!({"keys": [{"kty": "oct", "kid": "k", "k": "c2VjcmV0"}]}),
        json!({"keys": [short]}),
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("alg", json!("HS256")),
        with("alg", json!("ES384")),
        with("crv", json!("P-384")),
        with("x", json!("AA")),
        with("kid", json!(null)),
    ] {
        std::fs::write(&file, set.to_string()).unwrap();
        let jwt = JwtSettings { jwks_file: Some(file.clone()), ..JwtSettings::default() };
        let said = Identity::open(&settings(jwt)).err().unwrap_or_else(|| panic!("{set}"));
        assert!(said.to_string().contains("keys.json: "), "{said}");
    }
    for (url, expected) in [
        ("http://issuer.example/keys", "https://"),
        ("http://127.0.0.1.example/keys", "https://"),
        ("ftp://localhost/keys", "https://"),
        ("https://", "jwt.jwks_url"),
        ("https://u:p@issuer.example/keys", "password"),
        ("keys", "https://"),
    ] {
        let jwt = JwtSettings { jwks_url: Some(url.into()), ..JwtSettings::default() };
        let said = Identity::open(&settings(jwt)).err().unwrap().to_string();
        assert!(said.contains(expected) && !said.contains("u:p"), "{url}: {said}");
    }
    let neither = Identity::open(&settings(JwtSettings::default())).err().unwrap().to_string();
    assert!(neither.contains("jwks_file or jwks_url"), "{neither}");
}
