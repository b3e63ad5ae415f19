//! API keys: made by the trainer, kept as hashes, revoked by taking them out of their file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use prodrome::access::{Caller, Scope};
use prodrome::identity::{ApiKeys, AuthError, Identity, IdentitySettings, NewApiKey};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{NOW_SECONDS, key, sample_policy, write_secret};

/// A key and its entry, as the program prints them.
fn made(more: &[&str]) -> (String, String) {
    let program = env!("CARGO_BIN_EXE_prodrome-train");
    let arguments = ["api-key", "--name", "svc-ehr", "--role", "clinician", "--json"];
    let output = Command::new(program).args(arguments).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    (answer["key"].as_str().unwrap().into(), answer["entry"].as_str().unwrap().into())
}

fn settings(keys: &Path) -> IdentitySettings {
    let (policy_file, api_keys_file) = (Some(sample_policy()), Some(keys.to_owned()));
    IdentitySettings { policy_file, api_keys_file, ..IdentitySettings::default() }
}

#[test]
fn a_key_is_kept_as_a_hash_and_revoked_by_taking_it_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    let (first, entry) = made(&["--facility", "north", "--expires", "2027-01-01T00:00:00Z"]);
    let (second, other) = made(&["--facility", "*"]);
    let secret = first.splitn(3, '_').nth(2).unwrap();
    assert!(!entry.contains(secret) && secret.len() >= 40, "the file holds no secret");
    write_secret(&file, &format!("{entry}{other}"));
    let identity = Identity::open(&settings(&file)).unwrap();
    let caller = identity.authenticate(&key(&first), NOW_SECONDS).unwrap();
    assert_eq!((&*caller.name, &caller.roles[..]), ("svc-ehr", &["clinician".to_owned()][..]));
    assert_eq!(caller.scope.facilities, Some(vec!["north".into()]));
    assert_eq!(caller.scope.units, Some(vec![]), "nowhere, unless it is said where");
    let anywhere = identity.authenticate(&key(&second), NOW_SECONDS).unwrap();
    assert_eq!(anywhere.scope.facilities, None);
    let at_its_end = identity.authenticate(&key(&first), 1_798_761_600);
    assert_eq!(at_its_end.unwrap_err(), AuthError::ApiKeyExpired);

    write_secret(&file, &other);
    assert_eq!(identity.reload().changed.len(), 1);
    assert_eq!(identity.authenticate(&key(&first), NOW_SECONDS), Err(AuthError::ApiKey));
    assert!(identity.authenticate(&key(&second), NOW_SECONDS).is_ok());
    write_secret(&file, "[[keys]]");
    assert_eq!(identity.reload().faults.len(), 1);
    assert!(identity.authenticate(&key(&second), NOW_SECONDS).is_ok(), "the old file stays");
}

#[test]
fn every_other_key_is_refused_in_the_same_words() {
    let (right, entry) = made(&[]);
    let keys = ApiKeys::parse(&entry).unwrap();
    assert!(keys.caller(&right, NOW_SECONDS).is_ok());
    for at in 0..right.len() {
        let mut wrong = right.clone().into_bytes();
        wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
        let wrong = String::from_utf8(wrong).unwrap();
        assert_eq!(keys.caller(&wrong, NOW_SECONDS), Err(AuthError::ApiKey), "{at}");
        assert_eq!(keys.caller(&right[..at], NOW_SECONDS), Err(AuthError::ApiKey));
    }
    let (other, _) = made(&[]);
    let id = right.split('_').nth(1).unwrap();
    let secret = other.splitn(3, '_').nth(2).unwrap();
    let mixed = format!("pk_{id}_{secret}");
    assert_eq!(keys.caller(&mixed, NOW_SECONDS), Err(AuthError::ApiKey), "another key's secret");
    let long = right.clone() + &"A".repeat(1 << 20);
    assert_eq!(keys.caller(&long, NOW_SECONDS), Err(AuthError::ApiKey));
}

#[test]
fn an_entry_is_good_for_its_own_id_alone() {
    let (first, entry) = made(&[]);
    let (second, other) = made(&[]);
    let id = |key: &str| key.split('_').nth(1).unwrap().to_owned();
    let swapped = entry.replace(&id(&first), &id(&second));
    let keys = ApiKeys::parse(&swapped).unwrap();
    let under_the_other_id = first.replace(&id(&first), &id(&second));
    assert!(keys.caller(&under_the_other_id, NOW_SECONDS).is_err(), "the id is the hash's salt");
    assert!(ApiKeys::parse(&format!("{entry}{other}")).is_ok());
    assert!(ApiKeys::parse(&format!("{entry}{entry}")).err().unwrap().contains("stands twice"));
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    write_secret(&file, &made(&[]).1);
    for mode in [0o644, 0o640, 0o604, 0o666, 0o700] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let said = Identity::open(&settings(&file)).err().unwrap().to_string();
        assert!(said.contains(&format!("chmod 600 {}", file.display())), "{mode:o}: {said}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(Identity::open(&settings(&file)).is_ok());
}

#[test]
fn the_samples_are_as_the_server_reads_them() {
    let text = fs::read_to_string(crate::support::root().join("tests/data/identity/api_keys.toml"));
    let keys = ApiKeys::parse(&text.unwrap()).unwrap();
    let zero = format!("pk_6f1d0c55a2e94b37_{}", "A".repeat(43));
    assert_eq!(
        keys.caller(&zero, NOW_SECONDS),
        Err(AuthError::ApiKey),
        "nobody has the sample's key"
    );
}

#[test]
fn a_new_key_shows_in_no_debug_output_and_bad_names_make_none() {
    let caller =
        |name: &str| Caller { name: name.into(), roles: vec!["a".into()], scope: Scope::default() };
    let made = NewApiKey::generate(&caller("svc"), None).unwrap();
    let secret = made.key.expose_secret().splitn(3, '_').nth(2).unwrap().to_owned();
    assert!(!format!("{made:?}").contains(&secret));
    for (name, expires) in [("", None), ("a\nb", None), ("svc", Some("tomorrow"))] {
        assert!(NewApiKey::generate(&caller(name), expires).is_err(), "{name:?} {expires:?}");
    }
    let no_role = Caller { roles: vec![], ..caller("svc") };
    assert!(NewApiKey::generate(&no_role, None).err().unwrap().contains("roles"));
}
