//! The flags of `prodrome-server`, and the setting that each of them sets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Parser;
use figment::value::{Dict, Value};

use super::layer;

/// Serves risk scores over gRPC.
///
/// Settings come from defaults, then the file of --config, then the environment
/// (PRODROME_LIMITS__CALL_SECONDS=20 sets `call_seconds` of `[limits]`), then flags; the later one
/// holds. --print-config shows them all, with where each came from.
///
/// Exit codes: 0 done, 1 ended by a second signal, 2 usage or settings, 4 environment (a port in use
/// ...).
#[derive(Debug, Clone, Default, Parser)]
#[command(name = "prodrome-server", version)]
pub struct Arguments {
    /// Settings file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Check the settings and what they name, say what is wrong, and end
    #[arg(long)]
    pub(super) check_config: bool,
    /// Print all settings and where each came from, secrets masked, and end
    #[arg(long, conflicts_with = "check_config")]
    pub(super) print_config: bool,
    /// Address to listen on; port 0 picks a free one [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Folder of the models [default: models]
    #[arg(long, value_name = "FOLDER")]
    models: Option<PathBuf>,
    /// File of further concepts; may be given several times
    #[arg(long, value_name = "FILE")]
    concepts: Vec<PathBuf>,
    /// Public key (PEM) of which a signature makes a model good; may be given several times
    #[arg(long, value_name = "FILE")]
    require_signature: Vec<PathBuf>,
    /// Seconds that open calls have to end after SIGTERM or SIGINT [default: 25]
    #[arg(long, value_name = "SECONDS")]
    drain_seconds: Option<u64>,
    /// Open connections; further ones are refused [default: 1024]
    #[arg(long, value_name = "CONNECTIONS")]
    connections_max: Option<u64>,
    /// What to log: a level, or levels by module such as `info,prodrome::rpc=debug` [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Log in JSON, one object a line
    #[arg(long)]
    log_json: bool,
    /// Serve demonstration versions, fitted on a simulated population, where a task has one; never for
    /// patients
    #[arg(long)]
    demo: bool,
    /// Listen on an address that other machines reach, although nothing is encrypted
    #[arg(long)]
    plaintext_on_network: bool,
}

/// What a run of the server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    Serve,
    /// `--check-config`.
    CheckConfig,
    /// `--print-config`.
    PrintConfig,
}

/// The flag that sets a setting, by the setting's path.
const FLAGS: [(&str, &str); 10] = [
    ("listen.address", "--listen"),
    ("listen.plaintext_on_network", "--plaintext-on-network"),
    ("models.folder", "--models"),
    ("models.concepts", "--concepts"),
    ("models.demo", "--demo"),
    ("models.require_signature", "--require-signature"),
    ("limits.drain_seconds", "--drain-seconds"),
    ("limits.connections_max", "--connections-max"),
    ("telemetry.log", "--log"),
    ("telemetry.log_format", "--log-json"),
];

/// The flag that sets the setting at `path`.
pub(super) fn flag_of(path: &str) -> &'static str {
    FLAGS.iter().find(|(known, _)| *known == path).map_or("", |(_, flag)| flag)
}

impl Arguments {
    /// What this run is for.
    pub fn errand(&self) -> Errand {
        match (self.check_config, self.print_config) {
            (true, _) => Errand::CheckConfig,
            (_, true) => Errand::PrintConfig,
            _ => Errand::Serve,
        }
    }

    /// The settings that were given by flags.
    pub(super) fn given(&self) -> Dict {
        let text = |path: &Path| Value::from(path.to_string_lossy().into_owned());
        let texts = |paths: &[PathBuf]| {
            let texts: Vec<Value> = paths.iter().map(|path| text(path)).collect();
            (!texts.is_empty()).then(|| Value::from(texts))
        };
        let given = [
            ("listen.address", self.listen.map(|address| Value::from(address.to_string()))),
            ("listen.plaintext_on_network", self.plaintext_on_network.then(|| true.into())),
            ("models.folder", self.models.as_deref().map(text)),
            ("models.concepts", texts(&self.concepts)),
            ("models.require_signature", texts(&self.require_signature)),
            ("models.demo", self.demo.then(|| true.into())),
            ("limits.drain_seconds", self.drain_seconds.map(Value::from)),
            ("limits.connections_max", self.connections_max.map(Value::from)),
            ("telemetry.log", self.log.clone().map(Value::from)),
            ("telemetry.log_format", self.log_json.then(|| "json".into())),
        ];
        let mut tree = Dict::new();
        for (path, value) in given {
            if let Some(value) = value {
                layer::plant(&mut tree, path, value);
            }
        }
        tree
    }
}
