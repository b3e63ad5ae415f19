//! What runs the server in a site: unit, image and manifest say what the server takes, and give it no
//! more than it needs.

use std::fs;
use std::process::Command;

use crate::support::{one_task, root};

fn text(name: &str) -> String {
    fs::read_to_string(root().join(".deploy").join(name)).unwrap()
}

/// The values of `key=` in the unit.
fn unit(key: &str) -> Vec<String> {
    let text = text("prodrome-server.service");
    let values = text.lines().filter_map(|line| line.strip_prefix(&format!("{key}=")));
    values.map(str::to_owned).collect()
}

/// The `server.toml` of the Kubernetes manifest.
fn manifest_settings() -> String {
    let text = text("kubernetes.yaml");
    let (_, block) = text.split_once("server.toml: |\n").unwrap();
    let lines = block.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    lines.map(|line| line.trim_start().to_owned() + "\n").collect()
}

/// The number after `key` in a text.
fn number(text: &str, key: &str) -> u64 {
    let (_, after) = text.split_once(key).unwrap_or_else(|| panic!("no {key}"));
    let digits: String = after.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// The server takes these settings: a name it does not know would be an error. What they name is not
/// on this machine, so they are printed and not tried.
fn assert_taken(toml: &str, environment: &[(String, String)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    fs::write(&file, toml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_prodrome-server"));
    command.arg("--print-config").arg("--config").arg(&file);
    let output = command.envs(environment.iter().cloned()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn pairs(lines: &[String]) -> Vec<(String, String)> {
    let pairs = lines.iter().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

#[test]
fn the_unit_is_taken_and_gives_no_right_that_is_not_needed() {
    let environment = pairs(&unit("Environment"));
    assert_eq!(environment.len(), 3);
    let taken = assert_taken("", &environment);
    assert!(taken.contains("/var/lib/prodrome/audit"), "{taken}");
    let drain: u64 = environment
        .iter()
        .find(|(name, _)| name.ends_with("DRAIN_SECONDS"))
        .unwrap()
        .1
        .parse()
        .unwrap();
    assert!(unit("TimeoutStopSec")[0].parse::<u64>().unwrap() > drain + 1);
    for (key, value) in [
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("User", "prodrome"),
        ("MemoryDenyWriteExecute", "yes"),
        ("CapabilityBoundingSet", ""),
        ("StateDirectory", "prodrome"),
        ("LimitCORE", "0"),
    ] {
        assert_eq!(unit(key), [value], "{key}");
    }
    let analyze = |arguments: &[&str]| {
        let path = root().join(".deploy/prodrome-server.service");
        Command::new("systemd-analyze").args(arguments).arg(path).output().ok()
    };
    // 2.0 of 10: `systemd-analyze security` calls that OK; lower is better.
    let Some(judged) = analyze(&["security", "--offline=true", "--threshold=20"]) else {
        eprintln!("SKIPPED: no systemd-analyze here");
        return;
    };
    let said = String::from_utf8_lossy(&judged.stdout).into_owned();
    assert!(judged.status.success(), "{said}");
    let verified = analyze(&["verify", "--man=no"]).unwrap();
    let complaints = String::from_utf8_lossy(&verified.stderr).into_owned();
    // The program is not installed on a machine that only tests.
    let others = complaints.lines().filter(|line| line.contains("prodrome-server.service"));
    let others: Vec<&str> = others.filter(|line| !line.contains("is not executable")).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn the_image_is_taken_and_has_neither_root_nor_shell() {
    let text = text("Dockerfile");
    let (_, last) = text.rsplit_once("\nFROM ").unwrap();
    assert!(last.starts_with("gcr.io/distroless/") && last.contains("\nUSER 65532"), "{last}");
    assert!(last.contains("\nENTRYPOINT [") && !last.contains("\nRUN "), "{last}");
    let (_, environment) = last.split_once("\nENV ").unwrap();
    let (environment, _) = environment.split_once("\nVOLUME").unwrap();
    let lines: Vec<String> =
        environment.lines().map(|line| line.trim_end_matches('\\').to_owned()).collect();
    let mut environment = pairs(&lines);
    assert_eq!(environment.len(), 4);
    // As the image is: without a certificate it does not listen where others reach it.
    environment.push(("PRODROME_LISTEN__PLAINTEXT_ON_NETWORK".into(), "true".into()));
    assert!(assert_taken("", &environment).contains("0.0.0.0:9464"));
}

#[test]
fn the_manifest_is_taken_and_its_times_fit_together() {
    let (manifest, settings) = (text("kubernetes.yaml"), manifest_settings());
    let taken = assert_taken(&settings, &[]);
    assert!(taken.contains("0.0.0.0:9464") && taken.contains("/tls/tls.key"), "{taken}");
    let drain = number(&settings, "drain_seconds =");
    assert!(number(&manifest, "terminationGracePeriodSeconds:") > drain + 1);
    // Told not to be ready, it is out of the way before the drain is over.
    let (_, probe) = manifest.split_once("readinessProbe:").unwrap();
    let seconds = number(probe, "periodSeconds:") * number(probe, "failureThreshold:");
    assert!(seconds < drain, "{seconds}");
    for says in [
        "path: /readyz, port: http",
        "path: /livez, port: http",
        "containerPort: 9464",
        "runAsNonRoot: true",
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        "drop: [\"ALL\"]",
        "type: RuntimeDefault",
        "automountServiceAccountToken: false",
    ] {
        assert!(manifest.contains(says), "{says}");
    }
    assert!(!manifest.contains('\t'), "YAML has no tabs");
    let Some(python) = std::env::var_os("PRODROME_PYTHON") else {
        eprintln!("SKIPPED: PRODROME_PYTHON names no Python with PyYAML to read the manifest");
        return;
    };
    let read = "import sys, yaml; print(len(list(yaml.safe_load_all(sys.stdin))))";
    let manifest = fs::File::open(root().join(".deploy/kubernetes.yaml")).unwrap();
    let output = Command::new(python).args(["-c", read]).stdin(manifest).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "4");
}

#[test]
fn a_setting_that_the_server_does_not_know_would_be_seen() {
    let server = env!("CARGO_BIN_EXE_prodrome-server");
    let output = Command::new(server)
        .args(["--print-config", "--models"])
        .arg(one_task())
        .env("PRODROME_LIMITS__DRAIN_SECOND", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("drain_seconds"), "{said}");
}
