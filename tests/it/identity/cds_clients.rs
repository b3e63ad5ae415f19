//! EHRs that call CDS Hooks: one-time tokens for the very address that is called, and all that is none.

use std::path::Path;

use jsonwebtoken::Algorithm;
use prodrome::identity::{
    ANONYMOUS, AuthError, AuthKind, CdsClientSettings, Credentials, Identity, IdentitySettings,
    JwtAlgorithm, JwtSettings,
};
use serde_json::{Value, json};

use super::signer::{Signer, base64, key_set};
use super::{NOW_SECONDS, bearer, sample_policy};

const ADDRESS: &str = "https://prodrome.example/cds-services/prodrome-patient-view";
const EHR: &str = "https://ehr.example";

/// Claims that do, with a name of their own.
fn claims(jti: &str) -> Value {
    json!({
        "iss": EHR, "aud": ADDRESS, "jti": jti, "tenant": "north",
        "iat": NOW_SECONDS - 10, "exp": NOW_SECONDS + 290,
    })
}

/// Those claims, with one of them set; `null` takes it out.
fn claims_with(jti: &str, name: &str, value: Value) -> Value {
    let mut claims = claims(jti);
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.into(), value),
    };
    claims
}

fn client(folder: &Path, signers: &[&Signer]) -> CdsClientSettings {
    let file = folder.join("ehr-keys.json");
    std::fs::write(&file, key_set(signers)).unwrap();
    CdsClientSettings {
        issuer: EHR.into(),
        jwks_file: Some(file),
        roles: vec!["clinician".into()],
        facilities: vec!["north".into()],
        teams: vec!["*".into()],
        ..CdsClientSettings::default()
    }
}

fn settings(clients: Vec<CdsClientSettings>) -> IdentitySettings {
    IdentitySettings {
        policy_file: Some(sample_policy()),
        cds_clients: clients,
        ..IdentitySettings::default()
    }
}

fn open(client: CdsClientSettings) -> Identity {
    Identity::open(&settings(vec![client])).unwrap()
}

fn refusal(identity: &Identity, token: &str) -> AuthError {
    let error = identity.authenticate_cds(&bearer(token), ADDRESS, NOW_SECONDS).unwrap_err();
    assert_eq!(error.kind(), AuthKind::Unauthenticated, "{error}");
    error
}

#[test]
fn an_ehr_is_the_caller_with_the_rights_of_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let signers = [
        Signer::rsa("r2", Algorithm::RS256),
        Signer::rsa("r3", Algorithm::RS384),
        Signer::es256("e2"),
        Signer::es384("e3"),
    ];
    let all: Vec<&Signer> = signers.iter().collect();
    let identity = open(client(folder.path(), &all));
    assert!(!identity.is_anonymous(), "EHRs alone are callers enough");
    for signer in &signers {
        let mut given = claims(&signer.id);
        given["sub"] = "somebody else".into();
        given["roles"] = json!(["operator"]);
        let token = signer.token(&given);
        let caller = identity.authenticate_cds(&bearer(&token), ADDRESS, NOW_SECONDS).unwrap();
        assert_eq!((&*caller.name, &*caller.roles), (EHR, &["clinician".to_owned()][..]));
        assert_eq!(caller.scope.facilities, Some(vec!["north".into()]));
        assert_eq!((&caller.scope.units, &caller.scope.teams), (&Some(vec![]), &None));
    }
    let only =
        CdsClientSettings { algorithms: vec![JwtAlgorithm::ES384], ..client(folder.path(), &all) };
    let identity = open(only);
    for signer in &signers {
        let token = signer.token(&claims("1"));
        let taken = identity.authenticate_cds(&bearer(&token), ADDRESS, NOW_SECONDS);
        assert_eq!(taken.is_ok(), signer.algorithm == Algorithm::ES384, "{:?}", signer.algorithm);
    }
}

#[test]
fn a_token_is_for_one_address_and_one_call() {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::es384("k");
    let identity = open(client(folder.path(), &[&signer]));
    let token = signer.token(&claims("1"));
    for other in [
        "https://prodrome.example/cds-services/prodrome-encounter-discharge",
        "https://prodrome.example/cds-services/prodrome-patient-view/feedback",
        "https://prodrome.example/cds-services/prodrome-patient-view/",
        "http://prodrome.example/cds-services/prodrome-patient-view",
        "https://prodrome.example",
        "",
    ] {
        let taken = identity.authenticate_cds(&bearer(&token), other, NOW_SECONDS);
        assert_eq!(taken.unwrap_err(), AuthError::TokenAudience, "{other}");
    }
    assert_eq!(
        identity.authenticate(&bearer(&token), NOW_SECONDS).unwrap_err(),
        AuthError::NoTokensTaken,
        "for no other part of the server"
    );
    assert!(identity.authenticate_cds(&bearer(&token), ADDRESS, NOW_SECONDS).is_ok());
    assert_eq!(refusal(&identity, &token), AuthError::TokenReplayed);
    let again = signer.token(&claims_with("1", "iat", json!(NOW_SECONDS - 20)));
    assert_eq!(refusal(&identity, &again), AuthError::TokenReplayed, "another token, the same jti");
    let several = signer.token(&claims_with("2", "aud", json!(["https://other.example", ADDRESS])));
    assert!(identity.authenticate_cds(&bearer(&several), ADDRESS, NOW_SECONDS).is_ok());
}

#[test]
fn claims_that_do_not_do_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::es384("k");
    let identity = open(client(folder.path(), &[&signer]));
    let claim = |name: &str| AuthError::TokenClaim { claim: name.to_owned() };
    for (name, value, error) in [
        ("aud", json!(null), AuthError::TokenAudience),
        ("aud", json!("prodrome"), AuthError::TokenAudience),
        ("aud", json!([]), AuthError::TokenAudience),
        ("exp", json!(null), claim("exp")),
        ("exp", json!("soon"), claim("exp")),
        ("exp", json!(NOW_SECONDS - 61), AuthError::TokenExpired),
        ("exp", json!(NOW_SECONDS + 86_400), claim("exp")),
        ("iat", json!(null), claim("iat")),
        ("iat", json!(NOW_SECONDS + 61), AuthError::TokenNotYet),
        ("nbf", json!(NOW_SECONDS + 61), AuthError::TokenNotYet),
        ("jti", json!(null), claim("jti")),
        ("jti", json!(""), claim("jti")),
        ("jti", json!(1), claim("jti")),
        ("tenant", json!({"id": 1}), claim("tenant")),
    ] {
        let token = signer.token(&claims_with("1", name, value.clone()));
        assert_eq!(refusal(&identity, &token), error, "{name} {value}");
    }
    // Whoever claims another issuer goes down the other road, on which this server takes nobody.
    for issuer in [json!("https://evil.example"), json!(null), json!([EHR]), json!("")] {
        let token = signer.token(&claims_with("1", "iss", issuer.clone()));
        assert_eq!(refusal(&identity, &token), AuthError::NoTokensTaken, "{issuer}");
    }
    let (body, header) =
        (claims("1").to_string(), json!({"typ": "JWT", "alg": "ES384", "kid": "k"}));
    let twice = body.replacen('{', &format!("{{\"iss\":\"{EHR}\","), 1);
    let token = signer.sign(&header.to_string(), &twice);
    assert_eq!(refusal(&identity, &token), AuthError::NoTokensTaken, "two readers, two issuers");
    assert!(
        identity
            .authenticate_cds(&bearer(&signer.token(&claims("1"))), ADDRESS, NOW_SECONDS)
            .is_ok()
    );
}

#[test]
fn headers_that_do_not_do_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (signer, forger) = (Signer::es384("k"), Signer::es384("k"));
    let identity = open(client(folder.path(), &[&signer]));
    let body = claims("1").to_string();
    let with = |header: Value| signer.sign(&header.to_string(), &body);
    let malformed = |error: AuthError| matches!(error, AuthError::TokenMalformed(_));
    for alg in ["none", "HS256", "ES256", "RS384", "PS384", ""] {
        let header = json!({"typ": "JWT", "alg": alg, "kid": "k"});
        assert_eq!(refusal(&identity, &with(header)), AuthError::TokenAlgorithm, "{alg}");
    }
    let none = base64(json!({"typ": "JWT", "alg": "none", "kid": "k"}).to_string());
    let unsigned = format!("{none}.{}.", base64(&body));
    assert_eq!(refusal(&identity, &unsigned), AuthError::TokenAlgorithm);
    for typ in [json!(null), json!("JOSE"), json!(1)] {
        let mut header = json!({"alg": "ES384", "kid": "k"});
        if !typ.is_null() {
            header["typ"] = typ;
        }
        assert!(malformed(refusal(&identity, &with(header))));
    }
    assert!(malformed(refusal(&identity, &with(json!({"typ": "JWT", "alg": "ES384"})))));
    let unknown = json!({"typ": "JWT", "alg": "ES384", "kid": "other"});
    assert_eq!(refusal(&identity, &with(unknown)), AuthError::TokenKey);
    assert_eq!(refusal(&identity, &forger.token(&claims("1"))), AuthError::TokenSignature);
    // A key inside the token proves nothing.
    let mut header = json!({"typ": "JWT", "alg": "ES384", "kid": "k"});
    header["jwk"] = forger.jwk();
    assert_eq!(
        refusal(&identity, &forger.sign(&header.to_string(), &body)),
        AuthError::TokenSignature
    );
}

#[test]
fn a_token_that_names_another_address_of_keys_is_refused_and_the_address_not_asked() {
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let elsewhere = format!("http://{}/keys", trap.local_addr().unwrap());
    let signer = Signer::es384("k");
    let known = super::issuer::serve_keys(key_set(&[&signer]));
    let identity = open(CdsClientSettings {
        jwks_file: None,
        jwks_url: Some(known.clone()),
        ..client(tempfile::tempdir().unwrap().path(), &[])
    });
    let with = |jku: Value, jti: &str| {
        let header = json!({"typ": "JWT", "alg": "ES384", "kid": "k", "jku": jku}).to_string();
        signer.sign(&header, &claims(jti).to_string())
    };
    for jku in [json!(elsewhere), json!(format!("{known}/")), json!(""), json!(1)] {
        assert_eq!(refusal(&identity, &with(jku, "1")), AuthError::TokenKeyAddress);
    }
    assert!(trap.accept().is_err(), "nobody came");
    let take = |token: &str| identity.authenticate_cds(&bearer(token), ADDRESS, NOW_SECONDS);
    assert!(take(&with(json!(known), "1")).is_ok());
    assert!(take(&signer.token(&claims("2"))).is_ok(), "it need not name one");
}

#[test]
fn new_keys_in_the_file_are_taken_and_old_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Signer::es384("old"), Signer::es384("new"));
    let client = client(folder.path(), &[&old]);
    let file = client.jwks_file.clone().unwrap();
    let identity = open(client);
    let take = |signer: &Signer, jti: &str| {
        let token = signer.token(&claims(jti));
        identity.authenticate_cds(&bearer(&token), ADDRESS, NOW_SECONDS).map(|_| ())
    };
    assert_eq!(take(&old, "1"), Ok(()));
    assert_eq!(take(&new, "2"), Err(AuthError::TokenKey));
    std::fs::write(&file, "{}").unwrap();
    assert_eq!(identity.reload().faults.len(), 1);
    assert_eq!(take(&old, "3"), Ok(()), "a broken file changes nothing");
    std::fs::write(&file, key_set(&[&new])).unwrap();
    assert_eq!(identity.reload().changed, [file]);
    assert_eq!(take(&new, "4"), Ok(()));
    assert_eq!(take(&old, "5"), Err(AuthError::TokenKey));
    assert_eq!(take(&new, "1"), Err(AuthError::TokenReplayed), "what was used stays used");
}

#[test]
fn others_call_cds_hooks_as_they_call_everything_else() {
    let folder = tempfile::tempdir().unwrap();
    let (ehr, issuer) = (Signer::es384("k"), Signer::es256("k"));
    let keys = folder.path().join("issuer-keys.json");
    std::fs::write(&keys, key_set(&[&issuer])).unwrap();
    let jwt = JwtSettings {
        issuer: "https://issuer.example".into(),
        audiences: vec!["prodrome".into()],
        jwks_file: Some(keys),
        ..JwtSettings::default()
    };
    let settings =
        IdentitySettings { jwt: Some(jwt), ..settings(vec![client(folder.path(), &[&ehr])]) };
    let identity = Identity::open(&settings).unwrap();
    let take = |credentials: &Credentials<'_>| {
        identity
            .authenticate_cds(credentials, ADDRESS, NOW_SECONDS)
            .map(|caller| caller.name.clone())
    };
    let token = issuer.token(&super::signer::claims());
    assert_eq!(take(&bearer(&token)).unwrap(), "svc-ehr");
    assert_eq!(take(&bearer(&token)).unwrap(), "svc-ehr", "an access token may come twice");
    assert_eq!(take(&bearer(&ehr.token(&claims("1")))).unwrap(), EHR);
    let peer = Credentials { peer: Some("scorer.north.example"), ..Credentials::default() };
    assert!(take(&peer).is_ok());
    let both = Credentials { api_key: Some("x"), ..bearer(&token) };
    assert_eq!(take(&both), Err(AuthError::TwoCredentials));
    assert_eq!(take(&Credentials::default()), Err(AuthError::NoCredentials));
    // An issuer's key proves nothing of an EHR, nor the other way about.
    assert_eq!(take(&bearer(&issuer.token(&claims("2")))), Err(AuthError::TokenAlgorithm));
    let mut posing = super::signer::claims();
    posing["jti"] = "9".into();
    assert!(take(&bearer(&ehr.token(&posing))).is_err());
    let everybody = Identity::everybody();
    let caller = everybody.authenticate_cds(&bearer("whatever"), ADDRESS, NOW_SECONDS).unwrap();
    assert_eq!(caller.name, ANONYMOUS);
}

#[test]
fn settings_that_make_no_sense_are_refused_by_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::es384("k");
    let good = || client(folder.path(), &[&signer]);
    let refused = |settings: IdentitySettings| Identity::open(&settings).err().unwrap().to_string();
    for (client, said) in [
        (CdsClientSettings { issuer: String::new(), ..good() }, "cds_clients[0]: "),
        (CdsClientSettings { jwks_file: None, ..good() }, "cds_clients[0].jwks_file: "),
        (
            CdsClientSettings { jwks_url: Some("https://a.example/k".into()), ..good() },
            "cds_clients[0].jwks_file: ",
        ),
        (
            CdsClientSettings {
                jwks_file: None,
                jwks_url: Some("http://a.example/k".into()),
                ..good()
            },
            "cds_clients[0].jwks_url: ",
        ),
        (CdsClientSettings { algorithms: vec![], ..good() }, "cds_clients[0].algorithms: "),
        (CdsClientSettings { leeway_seconds: 301, ..good() }, "cds_clients[0].leeway_seconds: "),
        (CdsClientSettings { refresh_seconds: 0, ..good() }, "cds_clients[0].refresh_seconds: "),
        (CdsClientSettings { roles: vec![String::new()], ..good() }, "cds_clients[0]: "),
    ] {
        let text = refused(settings(vec![client]));
        assert!(text.starts_with(said), "{said}: {text}");
    }
    assert!(refused(settings(vec![good(), good()])).starts_with("cds_clients[1].issuer: "));
    assert!(refused(settings(vec![good(); 33])).contains("more than 32"));
    let alone = IdentitySettings { cds_clients: vec![good()], ..IdentitySettings::default() };
    assert!(refused(alone).starts_with("identity.policy_file: is missing"));
}

#[test]
fn the_settings_file_reads_them_and_names_unknown_keys() {
    let text = "[[cds_clients]]\nissuer = \"https://ehr.example\"\njwks_url = \"https://ehr.example/k\"\nroles = [\"clinician\"]\n";
    let read: IdentitySettings = toml::from_str(text).unwrap();
    assert_eq!(read.cds_clients[0].roles, ["clinician"]);
    assert_eq!(read.cds_clients[0].algorithms.len(), 4);
    let wrong = toml::from_str::<IdentitySettings>(&format!("{text}jku = \"x\"\n")).unwrap_err();
    assert!(wrong.to_string().contains("unknown field `jku`"), "{wrong}");
}
