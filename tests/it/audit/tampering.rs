//! Whoever changes the log after the fact: the first bad record is named, whatever was done.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use prodrome::audit::{AuditSettings, Evidence, Fault, FaultKind, Verdict, verify};
use proptest::prelude::*;
use serde_json::Value;

use super::{calls, check, path, settings, write};

/// A log of one file, as lines, to be tampered with.
struct Sample {
    folder: tempfile::TempDir,
    lines: Vec<Vec<u8>>,
}

const CALLS: u64 = 60;

impl Sample {
    fn new() -> Sample {
        let folder = tempfile::tempdir().unwrap();
        write(&settings(folder.path()), 0..CALLS);
        let lines = fs::read(path(folder.path(), 1)).unwrap();
        let lines = lines.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        Sample { folder, lines }
    }

    /// What a check finds, with the secret and without, once the log is `lines`.
    fn faults(&self, lines: &[Vec<u8>]) -> [Option<Fault>; 2] {
        fs::write(path(self.folder.path(), 1), lines.concat()).unwrap();
        let without = verify(&self.folder.path().join("audit"), &Evidence::default()).unwrap();
        [check(self.folder.path()).fault, without.fault]
    }

    /// Both checks name record `seq` (from 1; it is on that line).
    fn assert_named(&self, lines: &[Vec<u8>], seq: usize, what: &str) {
        for fault in self.faults(lines) {
            let fault = fault.unwrap_or_else(|| panic!("{what} at {seq} was not seen"));
            let named = (fault.seq, fault.line);
            assert_eq!(named, (Some(seq as u64), seq as u64), "{what} at {seq}: {fault:?}");
        }
    }
}

/// An edit that a person would make: another caller, another outcome, another patient ...
fn edited(line: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut line = line.to_vec();
    // Not the line end: a line without one is another fault, with its own name.
    let at = random.usize(0..line.len() - 1);
    loop {
        let byte = random.u8(b' '..=b'~');
        if byte != line[at] {
            line[at] = byte;
            return line;
        }
    }
}

fn tamper(rounds: usize) {
    let sample = Sample::new();
    let mut random = fastrand::Rng::with_seed(42);
    let lines = &sample.lines;
    let count = lines.len();
    assert_eq!(sample.faults(lines), [None, None], "as it was written");
    for _ in 0..rounds {
        let at = random.usize(0..count);
        let (seq, mut changed) = (at + 1, lines.clone());
        changed.remove(at);
        sample.assert_named(&changed, seq, "removing");

        let mut changed = lines.clone();
        let other = (at + random.usize(1..count)) % count;
        changed.swap(at, other);
        sample.assert_named(&changed, at.min(other) + 1, "swapping");

        let mut changed = lines.clone();
        changed[at] = edited(&lines[at], &mut random);
        let [with, without] = sample.faults(&changed);
        let fault = with.expect("seen");
        assert_eq!((fault.seq, fault.line), (Some(seq as u64), seq as u64), "{fault:?}");
        // Without the secret, a record and what the next one says of it have one witness.
        let line = without.expect("seen").line;
        assert!(line == seq as u64 || line + 1 == seq as u64, "line {line} for {seq}");

        let bytes = lines.concat();
        let cut = random.usize(1..bytes.len());
        let whole = bytes[..cut].split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec);
        let whole: Vec<Vec<u8>> = whole.collect();
        let is_torn = bytes[cut - 1] != b'\n';
        let missing = whole.len() + usize::from(!is_torn);
        sample.assert_named(&whole, missing, "cutting");

        let mut changed = lines.clone();
        changed.insert(at, forged(lines, at));
        let [with, without] = sample.faults(&changed);
        assert_eq!(with.map(|fault| fault.line), Some(seq as u64), "forging");
        // Without the secret it is seen by what the record after it says.
        assert!(without.is_some_and(|fault| (seq..seq + 2).contains(&(fault.line as usize))));
    }
    // At the end, where no record comes after it, the secret alone tells.
    let mut changed = lines.clone();
    changed.push(forged(lines, count));
    let [with, without] = sample.faults(&changed);
    assert_eq!(
        with.map(|fault| (fault.kind, fault.line)),
        Some((FaultKind::Seal, count as u64 + 1))
    );
    assert_eq!(without, None);
}

/// A record with the right number and hash, by somebody who has not the secret.
fn forged(lines: &[Vec<u8>], at: usize) -> Vec<u8> {
    let before = at.checked_sub(1).map(|before| lines[before].strip_suffix(b"\n").unwrap());
    let prev = before.map_or("0".repeat(64), |line| {
        use sha2::{Digest, Sha256};
        format!("{:x}", Sha256::digest(line))
    });
    let model = lines.iter().rev().find(|line| line.windows(6).any(|w| w == b"\"call\"")).unwrap();
    let mut record: serde_json::Map<String, Value> = serde_json::from_slice(model).unwrap();
    record.insert("seq".into(), (at + 1).into());
    record.insert("prev".into(), prev.into());
    if at == 0 {
        let first: Value = serde_json::from_slice(&lines[0]).unwrap();
        for key in ["kind", "log", "file", "patient_key_id"] {
            record.insert(key.into(), first[key].clone());
        }
    }
    let mac = record.remove("mac").unwrap();
    let text = serde_json::to_string(&record).unwrap();
    format!("{},\"mac\":{mac}}}\n", text.strip_suffix('}').unwrap()).into_bytes()
}

#[test]
fn the_first_bad_record_is_named() {
    tamper(200);
}

#[test]
#[ignore = "long: 1,000 places"]
fn the_first_bad_record_is_named_at_a_thousand_places() {
    tamper(1_000);
}

fn openssl(arguments: &[&str], folder: &Path) -> bool {
    let mut command = Command::new("openssl");
    let output = command.args(arguments).current_dir(folder).output();
    output.is_ok_and(|output| output.status.success())
}

/// A key pair in PEM: (private, mode 0600; public).
fn key_pair(folder: &Path) {
    use ed25519_dalek::SigningKey;
    use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
    use ed25519_dalek::pkcs8::{EncodePrivateKey, EncodePublicKey};
    use std::os::unix::fs::PermissionsExt;

    // As an operator makes it, where the tool is here.
    let made = openssl(&["genpkey", "-algorithm", "ed25519", "-out", "sign.pem"], folder)
        && openssl(&["pkey", "-in", "sign.pem", "-pubout", "-out", "public.pem"], folder);
    if !made {
        let key = SigningKey::from_bytes(&[7; 32]);
        let private = key.to_pkcs8_pem(LineEnding::LF).unwrap();
        fs::write(folder.join("sign.pem"), private.as_bytes()).unwrap();
        let public = key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
        fs::write(folder.join("public.pem"), public).unwrap();
    }
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.join("sign.pem"), mode).unwrap();
}

fn signed(folder: &Path) -> AuditSettings {
    key_pair(folder);
    let settings = settings(folder);
    AuditSettings { signing_key_file: Some(folder.join("sign.pem")), ..settings }
}

#[test]
fn a_signed_checkpoint_kept_elsewhere_shows_a_missing_end() {
    let folder = tempfile::tempdir().unwrap();
    let settings = signed(folder.path());
    let (logs, log) = (folder.path().join("audit"), path(folder.path(), 1));
    write(&settings, 0..20);
    let short = (fs::read(&log).unwrap(), fs::read(logs.join("checkpoint.json")).unwrap());
    write(&settings, 20..40);
    let kept = folder.path().join("kept.json");
    fs::copy(logs.join("checkpoint.json"), &kept).unwrap();
    let public_key = Some(folder.path().join("public.pem"));
    let judge = |checkpoint: Option<&Path>| -> Verdict {
        let checkpoint = checkpoint.map(Path::to_owned);
        let evidence = Evidence { public_key: public_key.clone(), checkpoint, key_file: None };
        verify(&logs, &evidence).unwrap()
    };
    let whole = judge(Some(&kept));
    assert_eq!((whole.fault, whole.signed_seq), (None, Some(whole.last_seq)));

    // The end is cut off, and the checkpoint beside the log put back to match.
    fs::write(&log, &short.0).unwrap();
    let fault = judge(None).fault.unwrap();
    assert_eq!(fault.kind, FaultKind::End, "the checkpoint beside the log is the later one");
    fs::write(logs.join("checkpoint.json"), &short.1).unwrap();
    assert_eq!(judge(None).fault, None, "all that is beside the log fits together");
    let fault = judge(Some(&kept)).fault.unwrap();
    let lines = short.0.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!((fault.kind, fault.seq, fault.line), (FaultKind::End, Some(lines + 1), lines + 1));

    // Other ways to make it fit.
    let text = String::from_utf8(short.1.clone()).unwrap();
    fs::write(logs.join("checkpoint.json"), text.replace(":0", ":1")).unwrap();
    assert_eq!(judge(None).fault.unwrap().kind, FaultKind::Signature);
    fs::remove_file(logs.join("checkpoint.json")).unwrap();
    assert_eq!(judge(None).fault.unwrap().kind, FaultKind::NoCheckpoint);
    // Nor does a server go on from a log that was cut.
    fs::copy(&kept, logs.join("checkpoint.json")).unwrap();
    let error = prodrome::audit::AuditLog::open(&settings, super::later(50)).unwrap_err();
    assert!(error.to_string().contains("records are missing"), "{error}");
}

fn train(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_prodrome-train");
    Command::new(program).arg("audit-verify").args(arguments).output().unwrap()
}

#[test]
fn the_command_names_the_record_and_says_what_it_could_not_check() {
    let folder = tempfile::tempdir().unwrap();
    write(&signed(folder.path()), 0..5);
    let text = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (logs, key, public) = (text("audit"), text("audit.key"), text("public.pem"));
    let all = ["--folder", &logs, "--key-file", &key, "--public-key", &public];
    let good = train(&all);
    let said = String::from_utf8(good.stdout).unwrap();
    assert_eq!((good.status.code(), good.stderr.as_slice()), (Some(0), &b""[..]), "{said}");
    assert!(said.contains("of 5 calls in 1 files, all as they were written"), "{said}");
    let warned = String::from_utf8(train(&["--folder", &logs]).stderr).unwrap();
    assert!(warned.contains("--key-file") && warned.contains("--public-key"), "{warned}");

    let log = path(folder.path(), 1);
    let changed = fs::read_to_string(&log).unwrap().replacen("TREATMENT", "RESEARCH", 3);
    fs::write(&log, changed).unwrap();
    let bad = train(&[&all[..], &["--json"]].concat());
    assert_eq!(bad.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert_eq!((&found["fault"]["seq"], &found["fault"]["line"]), (&3.into(), &3.into()));
    assert!(found["reason"].as_str().unwrap().contains("changed after it was written"));
    assert_eq!(train(&["--folder", &text("nowhere")]).status.code(), Some(4));
    assert_eq!(train(&["--folder", folder.path().to_str().unwrap()]).status.code(), Some(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_make_the_reader_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        seq in any::<u64>(),
        after in "[ -~\n]{0,80}",
    ) {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("audit");
        fs::create_dir(&logs).unwrap();
        let first = format!(
            "{{\"seq\":{seq},\"prev\":\"\",\"time\":\"\",\"kind\":\"log\",\"log\":\"a\",\"file\":3,\
             \"patient_key_id\":\"\"}}\n{after}\n"
        );
        for text in [bytes.as_slice(), first.as_bytes()] {
            fs::write(path(folder.path(), 3), text).unwrap();
            let verdict = verify(&logs, &Evidence::default()).unwrap();
            prop_assert!(verdict.fault.is_some());
        }
        prop_assert_eq!(calls(folder.path()), Vec::<u64>::new());
    }
}
