//! The server's configuration: layers, origins, secrets.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Parser;
use prodrome::config::{self, Arguments, ConfigError, Fault, Settings};

fn load(flags: &[&str], environment: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let program = ["prodrome-server"];
    let arguments = Arguments::try_parse_from(program.iter().chain(flags)).unwrap();
    let variable = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
    config::load(&arguments, environment.iter().map(variable))
}

fn faults(flags: &[&str], environment: &[(&str, &str)]) -> Vec<Fault> {
    match load(flags, environment) {
        Err(ConfigError::Faults(faults)) => faults,
        other => panic!("{other:?}"),
    }
}

fn file(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("prodrome.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The line of `settings` that sets `key`.
fn line<'a>(settings: &'a Settings, key: &str) -> &'a str {
    let of_key = |line: &&str| line.split(" = ").next() == Some(key);
    settings.to_toml().lines().find(of_key).unwrap_or_else(|| panic!("{}", settings.to_toml()))
}

#[test]
fn the_later_layer_holds_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        folder.path(),
        "[limits]\nconnections_max = 7\ncall_seconds = 11\nidle_seconds = 12\n[http]\nlisten = \"\"\n",
    );
    let path = path.to_str().unwrap();
    let environment = [
        ("PRODROME_LIMITS__CALL_SECONDS", "21"),
        ("PRODROME_LIMITS__IDLE_SECONDS", "22"),
        ("PRODROME_MODELS__CONCEPTS", "a.toml, b.toml"),
        ("PRODROME_LISTEN__PLAINTEXT_ON_NETWORK", "true"),
        ("HOME", "/nowhere"),
    ];
    let flags = ["--config", path, "--connections-max", "31", "--listen", "0.0.0.0:9"];
    let settings = load(&flags, &environment).unwrap();
    assert_eq!(settings.limits.connections_max, 31);
    assert_eq!(settings.limits.call_max, Duration::from_secs(21));
    assert_eq!(settings.limits.drain_max, Duration::from_secs(25));
    assert_eq!(settings.http, None);
    assert_eq!(settings.models.concepts, [PathBuf::from("a.toml"), PathBuf::from("b.toml")]);
    assert_eq!(settings.listen.address.to_string(), "0.0.0.0:9");
    for (key, ending) in [
        ("connections_max", "= 31  # flag --connections-max".to_owned()),
        ("call_seconds", "= 21  # environment PRODROME_LIMITS__CALL_SECONDS".to_owned()),
        ("drain_seconds", "= 25  # default".to_owned()),
        ("plaintext_on_network", "# environment PRODROME_LISTEN__PLAINTEXT_ON_NETWORK".to_owned()),
    ] {
        let line = line(&settings, key);
        assert!(line.ends_with(&ending), "{line}");
    }
    let shown = settings.to_toml();
    assert!(shown.contains(&format!("[http]\nlisten = \"\"  # file {path}")), "{shown}");
}

#[test]
fn what_is_printed_reads_back_as_the_same_settings() {
    let folder = tempfile::tempdir().unwrap();
    let given = load(
        &["--log-json", "--demo", "--concepts", "a \"b\".toml", "--drain-seconds", "3"],
        &[("PRODROME_HTTP__LISTEN", "127.0.0.1:0"), ("PRODROME_LIMITS__QUEUE_MILLISECONDS", "9")],
    )
    .unwrap();
    let path = file(folder.path(), given.to_toml());
    let again = load(&["--config", path.to_str().unwrap()], &[]).unwrap();
    assert_eq!(again.limits, given.limits);
    assert_eq!((&again.models, &again.listen), (&given.models, &given.listen));
    assert_eq!((again.http, &again.telemetry), (given.http, &given.telemetry));
    let without_origins = |settings: &Settings| -> Vec<String> {
        settings.to_toml().lines().map(|l| l.split("  # ").next().unwrap().to_owned()).collect()
    };
    assert_eq!(without_origins(&again), without_origins(&given));
}

#[test]
fn an_unknown_key_is_named_with_its_origin_and_its_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let text = "call_seconds = 3\n[limits]\ncal_seconds = 3\n[limit]\n[http.listen]\nport = 1\n";
    let path = file(folder.path(), text);
    let path = path.to_str().unwrap();
    let environment =
        [("PRODROME_LIMITS__DRAIN_SECOND", "3"), ("PRODROME_SERVICE_PORT", "tcp://10.0.0.1:1")];
    let found = faults(&["--config", path], &environment);
    let expect = [
        ("call_seconds", "did you mean `limits.call_seconds`?"),
        ("limit", "did you mean `limits`?"),
        ("limits.cal_seconds", "did you mean `limits.call_seconds`?"),
        ("limits.drain_second", "did you mean `limits.drain_seconds`?"),
    ];
    assert_eq!(found.len(), expect.len(), "{found:?}");
    for (fault, (path, reason)) in found.iter().zip(expect) {
        assert_eq!(fault.path, path);
        assert!(fault.reason.ends_with(reason), "{fault:?}");
    }
    assert_eq!(found[0].origin, format!("file {path}"));
    assert_eq!(found[3].origin, "environment PRODROME_LIMITS__DRAIN_SECOND");
    let nothing_near = faults(&[], &[("PRODROME_TELEMETRY__ZZZZZZZZ", "1")]);
    assert!(nothing_near[0].reason.contains("known here: log, log_format, otlp_endpoint"));
    // One `_` too few would otherwise be passed over in silence.
    let slip = faults(&[], &[("PRODROME_LIMITS_CALL_SECONDS", "3")]);
    assert!(slip[0].reason.contains("did you mean `PRODROME_LIMITS__CALL_SECONDS`?"), "{slip:?}");
}

#[test]
fn values_of_the_wrong_kind_or_size_are_refused_with_origin_and_mend() {
    let folder = tempfile::tempdir().unwrap();
    for (text, path, reason) in [
        (
            "[limits]\ncall_seconds = \"30\"",
            "limits.call_seconds",
            "whole number, 0 or more, found text",
        ),
        ("[limits]\ncall_seconds = -1", "limits.call_seconds", "whole number"),
        ("[limits]\ncall_seconds = 0", "limits.call_seconds", "0 is outside 1 to 3600"),
        ("[limits]\nmessage_bytes_max = 999999999", "limits.message_bytes_max", "is outside"),
        ("limits = 3", "limits", "a section, not a value"),
        ("[listen]\naddress = \"somewhere\"", "listen.address", "socket address"),
        ("[http]\nlisten = \"9464\"", "http.listen", "127.0.0.1:9464"),
        ("[telemetry]\nlog = \"a=b=c\"", "telemetry.log", "no log filter"),
        ("[telemetry]\nlog_format = \"jsn\"", "telemetry.log_format", "did you mean `json`?"),
    ] {
        let file = file(folder.path(), text);
        let found = faults(&["--config", file.to_str().unwrap()], &[]);
        assert_eq!((found.len(), found[0].path.as_str()), (1, path), "{found:?}");
        assert!(found[0].reason.contains(reason), "{found:?}");
        assert_eq!(found[0].origin, format!("file {}", file.display()), "{found:?}");
    }
    // All of them at once.
    let many = [("PRODROME_LIMITS__CALL_SECONDS", "0"), ("PRODROME_HTTP__LISTEN", "x")];
    assert_eq!(faults(&[], &many).len(), 2);
    for text in ["[limits", "a = 1\na = 2", "\u{0}"] {
        let file = file(folder.path(), text);
        let error = load(&["--config", file.to_str().unwrap()], &[]).unwrap_err().to_string();
        assert!(error.contains("prodrome.toml: line "), "{error}");
    }
    let missing = load(&["--config", "/nowhere/prodrome.toml"], &[]).unwrap_err().to_string();
    assert!(missing.starts_with("settings file /nowhere/prodrome.toml: "), "{missing}");
}

#[test]
fn sections_with_tables_inside_are_read_checked_and_printed() {
    let folder = tempfile::tempdir().unwrap();
    let good = "[rates]\nburst = 7\n[rates.callers.\"spiffe://site.example/ehr\"]\n\
                calls_per_second = 2.5\nburst = 3\n\
                [identity.jwt]\nissuer = \"https://issuer\"\naudiences = [\"prodrome\"]\n";
    let path = file(folder.path(), good);
    let settings = load(&["--config", path.to_str().unwrap()], &[]).unwrap();
    assert_eq!(settings.rates.callers["spiffe://site.example/ehr"].burst, 3);
    assert_eq!(settings.identity.jwt.as_ref().unwrap().audiences, ["prodrome"]);
    let path = file(folder.path(), settings.to_toml());
    let again = load(&["--config", path.to_str().unwrap()], &[]).unwrap();
    assert_eq!((again.rates, again.identity), (settings.rates, settings.identity));

    for (text, path, reason) in [
        ("[identity.jwt]\nissuers = \"x\"", "identity.jwt.issuers", "did you mean `issuer`?"),
        ("[identity.jwt]\nalgorithms = [\"HS256\"]", "identity.jwt.algorithms.0", "RS256"),
        ("[rates.callers.ehr]\nbrst = 1", "rates.callers.ehr.brst", "did you mean `burst`?"),
        ("[audit]\nfolder = \"x\"\nretention_days = 0", "audit.retention_days", "1 to 36500"),
    ] {
        let file = file(folder.path(), text);
        let found = faults(&["--config", file.to_str().unwrap()], &[]);
        assert_eq!(found[0].path, path, "{found:?}");
        assert!(found[0].reason.contains(reason), "{found:?}");
        assert_eq!(found[0].origin, format!("file {}", file.display()), "{found:?}");
    }
    let audiences = ("PRODROME_IDENTITY__JWT__AUDIENCES", "[\"a\", \"b\"]");
    let settings = load(&[], &[audiences]).unwrap();
    assert_eq!(settings.identity.jwt.unwrap().audiences, ["a", "b"]);
}

#[test]
fn plaintext_on_the_network_needs_a_word() {
    let found = faults(&["--listen", "0.0.0.0:50051"], &[]);
    assert_eq!(
        (found[0].path.as_str(), found[0].origin.as_str()),
        ("listen.address", "flag --listen")
    );
    assert!(found[0].reason.contains("--plaintext-on-network"), "{found:?}");
    load(&["--listen", "0.0.0.0:50051", "--plaintext-on-network"], &[]).unwrap();
    load(&["--listen", "[::1]:0"], &[]).unwrap();
}

#[test]
fn traces_need_a_build_that_exports_them() {
    let found = load(&[], &[("PRODROME_TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:4317")]);
    assert_eq!(found.is_ok(), cfg!(feature = "otel"), "{found:?}");
    faults(&[], &[("PRODROME_TELEMETRY__OTLP_ENDPOINT", "http://user:secret@host:4317")]);
}

fn server(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_prodrome-server"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_program_checks_and_prints_its_settings_without_serving() {
    let models = crate::support::one_task().to_str().unwrap();
    let (code, printed, _) =
        server(&["--print-config", "--models", models], &[("PRODROME_LIMITS__CALL_SECONDS", "9")]);
    assert_eq!(code, Some(0));
    assert!(printed.contains("call_seconds = 9  # environment PRODROME_LIMITS__CALL_SECONDS"));
    assert!(printed.contains("# flag --models") && printed.contains("# otlp_endpoint is not set"));

    let (code, said, _) = server(&["--check-config", "--models", models], &[]);
    assert_eq!((code, said.as_str()), (Some(0), "the settings, and what they name, can be used\n"));
    let (code, _, error) = server(&["--check-config", "--models", "/nowhere"], &[]);
    assert_eq!(code, Some(2));
    assert!(error.contains("/nowhere"), "{error}");
    let (code, _, error) = server(&["--check-config"], &[("PRODROME_LIMITS__CAL_SECONDS", "9")]);
    assert_eq!(code, Some(2));
    assert!(error.contains("did you mean `limits.call_seconds`?"), "{error}");
}

#[test]
fn the_settings_of_the_readme_are_settings() {
    let readme = std::fs::read_to_string(crate::support::root().join("README.md")).unwrap();
    let from = readme.find("```toml\n[listen]").unwrap() + "```toml\n".len();
    let length = readme[from..].find("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &readme[from..from + length]);
    let settings = load(&["--config", path.to_str().unwrap()], &[]).unwrap();
    assert!(settings.audit.is_some() && settings.identity.jwt.is_some());
    assert!(!settings.tls.is_off());
}
