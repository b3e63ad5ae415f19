//! Who may: TLS, tokens, keys, and every cell of the policy.

mod api_keys;
pub(crate) mod authority;
mod cds_clients;
pub(crate) mod handshake;
mod hello;
mod hostile;
mod issuer;
mod openssl;
mod policy;
pub(crate) mod signer;
mod tls;
mod tokens;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use prodrome::access::Classes;
use prodrome::identity::{Credentials, Identity, IdentitySettings};

/// 2026-11-23T12:00:00Z: tokens and keys need no true clock.
const NOW_SECONDS: i64 = 1_795_435_200;

/// Writes a file that its owner alone may read.
pub(crate) fn write_secret(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The policy of the sample.
fn sample_policy() -> PathBuf {
    crate::support::root().join("tests/data/identity/policy.toml")
}

fn bearer(token: &str) -> Credentials<'_> {
    Credentials { bearer: Some(token), ..Credentials::default() }
}

fn key(key: &str) -> Credentials<'_> {
    Credentials { api_key: Some(key), ..Credentials::default() }
}

#[test]
fn where_nothing_is_set_everybody_is_anonymous_and_may_do_everything() {
    use prodrome::access::{Method, Purpose};
    use prodrome::identity::{ANONYMOUS, Ask};
    let identity = Identity::open(&IdentitySettings::default()).unwrap();
    assert!(identity.is_anonymous());
    let caller = identity.authenticate(&bearer("whatever"), NOW_SECONDS).unwrap();
    assert_eq!(caller.name, ANONYMOUS);
    for method in Method::ALL {
        let permit = identity.decide(&caller, &Ask::new(method)).unwrap();
        assert!(
            permit.allows("any") && permit.classes("any") == Classes::ALL && !permit.break_glass
        );
    }
    let ask = Ask { break_glass: Some("found unconscious"), ..Ask::new(Method::Score) };
    let permit = identity.decide(&caller, &ask).unwrap();
    assert!(permit.break_glass, "marked here too");
    assert_eq!(permit.purpose, Some(Purpose::EmergencyTreatment));
}

#[test]
fn settings_by_which_nobody_could_do_anything_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    write_secret(&keys, "");
    let refused = |settings: &IdentitySettings| Identity::open(settings).err().unwrap().to_string();
    let no_policy = IdentitySettings { api_keys_file: Some(keys), ..Default::default() };
    assert!(refused(&no_policy).contains("identity.policy_file: is missing"));
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "allow = []\n[roles]\na = \"\"\n").unwrap();
    let nobody = IdentitySettings { policy_file: Some(policy), ..Default::default() };
    assert!(refused(&nobody).contains("no caller can be recognised"));
    let absent = IdentitySettings { policy_file: Some("/not/there".into()), ..Default::default() };
    assert!(refused(&absent).starts_with("/not/there: "));
}

#[test]
fn peers_are_known_by_the_name_of_their_certificate() {
    let settings = IdentitySettings { policy_file: Some(sample_policy()), ..Default::default() };
    let identity = Identity::open(&settings).unwrap();
    let by = |peer| {
        let credentials = Credentials { peer, ..Credentials::default() };
        identity.authenticate(&credentials, NOW_SECONDS).map_err(|error| error.to_string())
    };
    let board = by(Some("spiffe://north.example/ward-board")).unwrap();
    assert_eq!(board.roles, ["ward_board"]);
    assert_eq!(board.scope.units, Some(vec!["cardiology".into()]));
    assert_eq!(board.scope.teams, Some(vec![]), "nowhere, unless the file says where");
    assert_eq!(by(Some("scorer.north.example")).unwrap().scope.teams, None, "anywhere");
    assert!(by(Some("scorer.north.example.evil.example")).unwrap_err().contains("peers"));
    assert!(by(None).unwrap_err().contains("no credentials"));
    let token = Credentials { peer: Some("scorer.north.example"), ..bearer("x") };
    let refused = identity.authenticate(&token, NOW_SECONDS);
    assert!(refused.is_err(), "a bad token is no less bad for the connection's certificate");
}

#[test]
fn the_policy_is_read_again_and_a_broken_one_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    std::fs::copy(sample_policy(), &policy).unwrap();
    let settings = IdentitySettings { policy_file: Some(policy.clone()), ..Default::default() };
    let identity = Identity::open(&settings).unwrap();
    let peer = Credentials { peer: Some("scorer.north.example"), ..Credentials::default() };
    let known = || identity.authenticate(&peer, NOW_SECONDS).is_ok();
    assert!(known() && identity.reload().changed.is_empty(), "nothing changed");
    std::fs::write(&policy, "[roles").unwrap();
    let reloaded = identity.reload();
    assert!(reloaded.changed.is_empty());
    let fault = reloaded.faults.first().unwrap().to_string();
    assert!(fault.contains("policy.toml: line 1"), "{fault}");
    assert!(known(), "what was read before stays");
    assert!(identity.reload().faults.is_empty(), "each fault is told once");
    let text = std::fs::read_to_string(sample_policy()).unwrap();
    std::fs::write(&policy, text.replace("scorer.north", "scorer.south")).unwrap();
    assert_eq!(identity.reload().changed, std::slice::from_ref(&policy));
    assert!(!known());
    std::fs::set_permissions(&policy, std::fs::Permissions::from_mode(0o666)).unwrap();
    let faults = identity.reload().faults;
    assert!(faults.first().unwrap().to_string().contains("chmod o-w"), "{faults:?}");
}
