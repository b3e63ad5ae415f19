//! Signatures: what a server that asks for them takes, and all that it refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use prodrome::registry::{self, ModelSettings, Models, Promotion, Stage};
use prodrome::service::Service;

use super::small::{Folder, TASK, asked, expected, files, reasons};

/// A pair of key files.
struct Keys {
    private: PathBuf,
    public: PathBuf,
}

/// The private key of RFC 8410, section 10.3, and its public key of section 10.1.
const RFC_8410: [&str; 2] = [
    "-----BEGIN PRIVATE KEY-----\n\
     MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
     -----END PRIVATE KEY-----\n",
    "-----BEGIN PUBLIC KEY-----\n\
     MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
     -----END PUBLIC KEY-----\n",
];

/// A key of 32 equal bytes, as openssl would write it.
fn pem(seed: u8) -> [String; 2] {
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
    let private =
        [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", &[seed; 32][..]];
    let head = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
    let public = [&head[..], key.as_bytes()];
    let wrapped = |what: &str, der: &[u8]| {
        format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", BASE64.encode(der))
    };
    [wrapped("PRIVATE KEY", &private.concat()), wrapped("PUBLIC KEY", &public.concat())]
}

fn keys(folder: &Path, name: &str, [private, public]: [&str; 2]) -> Keys {
    let keys = Keys { private: folder.join(format!("{name}.key")), public: folder.join(name) };
    fs::write(&keys.private, private).unwrap();
    fs::set_permissions(&keys.private, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&keys.public, public).unwrap();
    keys
}

fn promote(folder: &Folder, version: u32, key: &Keys) {
    let version = version.to_string();
    let promotion = Promotion::new(TASK, &version, Stage::Stable);
    registry::promote(folder.path(), &Promotion { key: Some(&key.private), ..promotion }).unwrap();
}

/// A folder of two signed versions, the first promoted by its key, and a server that asks for it.
struct Signed {
    folder: Folder,
    outside: tempfile::TempDir,
    key: Keys,
    other: Keys,
    settings: ModelSettings,
}

impl Signed {
    fn new() -> Signed {
        let folder = Folder::new(&[1, 2]);
        let outside = tempfile::tempdir().unwrap();
        let key = keys(outside.path(), "site", RFC_8410);
        let other = pem(7);
        let other = keys(outside.path(), "other", [&other[0], &other[1]]);
        for version in [1, 2] {
            registry::sign(&folder.version(version), &key.private).unwrap();
        }
        promote(&folder, 1, &key);
        let revoked_keys = Some(outside.path().join("revoked"));
        fs::write(outside.path().join("revoked"), "# none yet\n").unwrap();
        let require_signature = vec![key.public.clone()];
        let settings = ModelSettings { require_signature, revoked_keys, ..folder.settings() };
        Signed { folder, outside, key, other, settings }
    }

    fn start(&self) -> (Arc<Models>, Service) {
        let models = Arc::new(Models::open(self.settings.clone()).unwrap());
        (Arc::clone(&models), Service::new(models))
    }

    /// Why a server that starts now has nothing in service.
    fn refused(&self) -> String {
        let models = Models::open(self.settings.clone()).unwrap();
        let registry = models.current();
        assert!(registry.served().is_empty());
        registry.refused()[0].error.to_string()
    }
}

fn train(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_prodrome-train")).args(arguments).output().unwrap()
}

#[test]
fn a_version_is_signed_and_verified_by_command_and_its_digest_stays() {
    let folder = Folder::new(&[1, 2]);
    let outside = tempfile::tempdir().unwrap();
    let key = keys(outside.path(), "site", RFC_8410);
    let other = pem(7);
    let other = keys(outside.path(), "other", [&other[0], &other[1]]);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let sign = |version: u32, key: &Keys| {
        train(&["sign", "--bundle", &text(&folder.version(version)), "--key", &text(&key.private)])
    };
    let verify = |version: u32, key: &Keys| {
        let output = train(&[
            "verify",
            "--json",
            "--bundle",
            &text(&folder.version(version)),
            "--public-key",
            &text(&key.public),
        ]);
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), said)
    };
    let (code, said) = verify(1, &key);
    assert!(code == 1 && said.contains("not signed"), "{said}");
    fs::set_permissions(&key.private, fs::Permissions::from_mode(0o640)).unwrap();
    let open = sign(1, &key);
    let why = String::from_utf8(open.stderr).unwrap();
    assert!(open.status.code() == Some(4) && why.contains("chmod 600"), "{why}");
    fs::set_permissions(&key.private, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(sign(1, &key).status.code(), Some(0));
    let (code, said) = verify(1, &key);
    assert!(code == 0 && said.contains(&expected(1).1), "{said}");
    let (code, said) = verify(1, &other);
    assert!(code == 1 && said.contains("not among those trusted"), "{said}");
    // A second signature stands beside the first.
    assert_eq!(sign(1, &other).status.code(), Some(0));
    assert_eq!((verify(1, &key).0, verify(1, &other).0), (0, 0));
    // A signature is of its version alone.
    fs::copy(folder.version(1).join("signature.json"), folder.version(2).join("signature.json"))
        .unwrap();
    let (code, said) = verify(2, &key);
    assert!(code == 1 && said.contains("changed after it was signed"), "{said}");
    fs::write(folder.version(1).join("card.md"), "x").unwrap();
    let (code, said) = verify(1, &key);
    assert!(code == 1 && said.contains("card.md is not the one"), "{said}");
    let wrong = Keys { private: key.public.clone(), public: key.private.clone() };
    assert_eq!(verify(2, &wrong).0, 2, "no public key");
    folder.write(2, &files(2));
    fs::set_permissions(&wrong.private, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(sign(2, &wrong).status.code(), Some(2), "no private key");
    assert!(!folder.version(2).join("signature.json").exists());
}

#[test]
fn a_server_that_asks_for_signatures_takes_what_a_trusted_key_signed() {
    let signed = Signed::new();
    let (models, service) = signed.start();
    assert_eq!(asked(&service, &[None]).unwrap(), [expected(1)]);
    promote(&signed.folder, 2, &signed.key);
    assert!(models.has_changed() && models.reload().is_clean());
    assert_eq!(asked(&service, &[None, Some("1")]).unwrap(), [expected(2), expected(1)]);
    // A server that does not ask takes no notice of signatures.
    assert_eq!(asked(&Service::new(signed.folder.models()), &[None]).unwrap(), [expected(2)]);
}

#[test]
fn what_no_trusted_key_signed_is_refused() {
    let signed = Signed::new();
    let signature = signed.folder.version(1).join("signature.json");
    let good = fs::read(&signature).unwrap();
    fs::remove_file(&signature).unwrap();
    assert!(signed.refused().contains("not signed"), "{}", signed.refused());
    registry::sign(&signed.folder.version(1), &signed.other.private).unwrap();
    assert!(signed.refused().contains("not among those trusted"), "{}", signed.refused());
    fs::copy(signed.folder.version(2).join("signature.json"), &signature).unwrap();
    assert!(signed.refused().contains("changed after it was signed"), "{}", signed.refused());
    fs::write(&signature, "{}").unwrap();
    assert!(signed.refused().contains("cannot be read"), "{}", signed.refused());
    fs::write(&signature, " ".repeat(65 << 10)).unwrap();
    assert!(signed.refused().contains("larger than"), "{}", signed.refused());
    fs::write(&signature, &good).unwrap();
    fs::write(signed.outside.path().join("revoked"), {
        let text = String::from_utf8(good.clone()).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        file["signatures"][0]["key_id"].as_str().unwrap().to_owned()
    })
    .unwrap();
    assert!(signed.refused().contains("which is revoked"), "{}", signed.refused());
    fs::write(signed.outside.path().join("revoked"), "no id").unwrap();
    let error = Models::open(signed.settings.clone()).unwrap_err().to_string();
    assert!(error.contains("revoked: no key id"), "{error}");

    fs::write(signed.outside.path().join("revoked"), "").unwrap();
    signed.folder.promote(1);
    let reason = signed.refused();
    assert!(
        reason.contains("stages.json: not signed") && reason.contains("promote --key"),
        "{reason}"
    );
    promote(&signed.folder, 1, &signed.key);
    let text = fs::read_to_string(signed.folder.stages()).unwrap();
    fs::write(signed.folder.stages(), text.replacen("\"stable\": \"1\"", "\"stable\": \"2\"", 1))
        .unwrap();
    assert!(signed.refused().contains("changed after it was signed"), "{}", signed.refused());
}

#[test]
fn a_key_that_is_revoked_takes_its_versions_out_of_service_and_a_broken_key_file_takes_nothing() {
    let signed = Signed::new();
    registry::sign(&signed.folder.version(2), &signed.other.private).unwrap();
    promote(&signed.folder, 2, &signed.key);
    let (models, service) = signed.start();
    let public = fs::read(&signed.key.public).unwrap();
    fs::write(&signed.key.public, "damaged").unwrap();
    assert!(models.has_changed());
    assert!(models.reload().fault.unwrap().contains("no ed25519 public key"));
    assert_eq!(asked(&service, &[None]).unwrap(), [expected(2)]);
    // The site goes over to another key: what it did not sign is trusted no more.
    fs::copy(&signed.other.public, &signed.key.public).unwrap();
    let report = models.reload();
    assert!(reasons(&report).contains("not among those trusted"), "{report:?}");
    assert_eq!(asked(&service, &[None]).unwrap(), [expected(2)], "it bears both signatures");
    assert!(asked(&service, &[Some("1")]).is_err());
    fs::write(&signed.key.public, public).unwrap();
    promote(&signed.folder, 2, &signed.key);
    models.reload();

    let id = registry::verify(&signed.folder.version(1), std::slice::from_ref(&signed.key.public));
    let id = id.unwrap().key_ids[0].to_string();
    fs::write(signed.outside.path().join("revoked"), format!("# lost\n{id}\n")).unwrap();
    assert!(models.has_changed());
    let report = models.reload();
    assert!(reasons(&report).contains("which is revoked"), "{report:?}");
    assert!(asked(&service, &[None]).is_err(), "trust was withdrawn");
}

#[test]
fn an_older_decision_that_is_put_back_is_refused_and_a_promotion_goes_back() {
    let signed = Signed::new();
    let older = fs::read(signed.folder.stages()).unwrap();
    let (models, service) = signed.start();
    promote(&signed.folder, 2, &signed.key);
    models.reload();
    fs::write(signed.folder.stages(), older).unwrap();
    let report = models.reload();
    assert!(reasons(&report).contains("an older file was put back"), "{report:?}");
    assert_eq!(asked(&service, &[None]).unwrap(), [expected(2)]);
    promote(&signed.folder, 2, &signed.key);
    promote(&signed.folder, 1, &signed.key);
    assert!(models.reload().is_clean());
    assert_eq!(asked(&service, &[None]).unwrap(), [expected(1)]);
}

#[test]
fn a_flipped_bit_is_refused() {
    flipped(5, 200);
}

#[test]
#[ignore = "long: run with --release -- --ignored"]
fn a_bit_flipped_at_any_byte_of_the_manifest_is_refused() {
    flipped(1, 1_000);
}

/// Flips a bit at every `step`th byte of the manifest, and `others` elsewhere.
fn flipped(step: usize, others_max: usize) {
    let signed = Signed::new();
    let (models, _) = signed.start();
    promote(&signed.folder, 2, &signed.key);
    let mut rng = fastrand::Rng::with_seed(3);
    let mut refused = |path: &Path, good: &[u8], at: usize| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 1 << rng.u8(..8);
        fs::write(path, &bytes).unwrap();
        let report = models.reload();
        assert!(!report.is_clean(), "{path:?} at {at}");
        let in_service = &report.tasks[0].after.as_ref().unwrap().version;
        assert_eq!(in_service, "1", "{path:?} at {at}");
        fs::write(path, good).unwrap();
    };
    let version = signed.folder.version(2);
    let manifest = fs::read(version.join("manifest.json")).unwrap();
    for at in (0..manifest.len()).step_by(step) {
        refused(&version.join("manifest.json"), &manifest, at);
    }
    let others: Vec<(PathBuf, Vec<u8>)> = files(2)
        .into_iter()
        .filter(|(name, _)| name != "manifest.json")
        .map(|(name, bytes)| (version.join(name), bytes))
        .collect();
    let mut places = fastrand::Rng::with_seed(4);
    for _ in 0..others_max {
        let (path, good) = &others[places.usize(..others.len())];
        refused(path, good, places.usize(..good.len()));
    }
    assert!(models.reload().is_clean());
}
