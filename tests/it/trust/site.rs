//! A site: its policy, callers, issuer, certificates and access log, and a server that has them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prodrome::access::{Caller, Scope};
use prodrome::identity::NewApiKey;
use prodrome::rpc::proto;
use prodrome::rpc::proto::risk_scoring_client::RiskScoringClient;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tonic::metadata::{AsciiMetadataKey, MetadataMap};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Response, Status};

use crate::identity::authority::{Authority, Certified, Says};
use crate::identity::signer::{Signer, key_set};
use crate::identity::write_secret;
use crate::serve::process::{PATIENCE, Server, Setup};

/// The task that all servers of these tests have.
pub(super) const TASK: &str = "readmit30_diabetes";
/// The name in the certificate of the peer that the policy knows.
pub(super) const PEER: &str = "spiffe://site.example/ward-board";
pub(super) const API_KEY: &str = "x-api-key";
pub(super) const PURPOSE: &str = "prodrome-purpose";
pub(super) const BREAK_GLASS: &str = "prodrome-break-glass";
pub(super) const TREATMENT: (&str, &str) = (PURPOSE, "TREATMENT");
const ISSUER: &str = "https://issuer.example";

const POLICY: &str = r#"
[roles]
clinician = "care, in the caller's own facilities"
scorer = "scores of everybody"
other_task = "scores of a task that is not asked for here"
psychiatry = "scores of everybody, with what is about mental health"
bystander = "nothing at all"
operator = "runs this server"

[[allow]]
role = "clinician"
methods = ["Score", "ScoreStream"]
tasks = ["*"]
purposes = ["TREATMENT"]
scope = "facility"
break_glass = true

[[allow]]
role = "clinician"
methods = ["ListFlags", "UpdateFlag", "WatchFlags", "RecordFeedback"]
tasks = ["*"]
purposes = ["TREATMENT"]
scope = "facility"
break_glass = true

[[allow]]
role = "scorer"
methods = ["Score", "ScoreStream"]
tasks = ["readmit30_diabetes"]
purposes = ["TREATMENT", "OPERATIONS"]
scope = "any"

[[allow]]
role = "psychiatry"
methods = ["Score", "ScoreStream"]
tasks = ["readmit30_diabetes"]
purposes = ["TREATMENT"]
scope = "any"
classes = ["mental_health"]

[[allow]]
role = "other_task"
methods = ["Score"]
tasks = ["ed72"]
purposes = ["TREATMENT"]
scope = "any"

[[allow]]
role = "other_task"
methods = ["GetTrends"]
tasks = ["ed72"]

[[allow]]
role = "operator"
methods = ["ListModels", "GetModelCard", "ReloadModels", "GetTrends"]
tasks = ["*"]

[[peers]]
name = "spiffe://site.example/ward-board"
roles = ["scorer"]
"#;

/// What the server of a site asks for at its door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Plain,
    Encrypted,
    /// Encrypted, and whoever has a certificate may show it.
    Certified,
}

pub(super) struct Site {
    folder: tempfile::TempDir,
    /// Tables for the end of the settings file.
    pub(super) more: String,
    door: Door,
    pub(super) authority: Authority,
    pub(super) issuer: Signer,
    keys: String,
}

impl Site {
    pub(super) fn new(door: Door) -> Site {
        let site = Site {
            folder: tempfile::tempdir().unwrap(),
            more: String::new(),
            door,
            authority: Authority::new("site"),
            issuer: Signer::es384("site-1"),
            keys: String::new(),
        };
        std::fs::write(site.path("policy.toml"), POLICY).unwrap();
        write_secret(&site.path("keys.toml"), "");
        std::fs::write(site.path("issuer.json"), key_set(&[&site.issuer])).unwrap();
        std::fs::write(site.path("ca.pem"), site.authority.pem()).unwrap();
        site.certify(1);
        site
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the access log.
    pub(super) fn log(&self) -> PathBuf {
        self.path("audit")
    }

    /// Gives the server a new certificate with that number.
    pub(super) fn certify(&self, serial: u64) {
        self.authority.issue(&Says { serial, ..Says::default() }).write(self.folder.path());
    }

    /// A new key for a caller with a role.
    pub(super) fn key(&mut self, name: &str, role: &str, facilities: Option<&[&str]>) -> String {
        let facilities = facilities.map(|names| names.iter().map(|&name| name.into()).collect());
        let scope = Scope { facilities, ..Scope::default() };
        let caller = Caller { name: name.into(), roles: vec![role.into()], scope };
        let made = NewApiKey::generate(&caller, None).unwrap();
        self.keys.push_str(&made.entry);
        write_secret(&self.path("keys.toml"), &self.keys);
        made.key.expose_secret().to_owned()
    }

    /// Takes all keys back.
    pub(super) fn revoke_keys(&mut self) {
        self.keys.clear();
        write_secret(&self.path("keys.toml"), "");
    }

    /// A token of the issuer for a caller with a role, anywhere.
    pub(super) fn token(&self, signer: &Signer, name: &str, role: &str) -> String {
        let now_seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        signer.token(&json!({
            "iss": ISSUER, "aud": "prodrome", "sub": name, "jti": "1", "roles": [role],
            "facilities": ["*"], "iat": now_seconds - 10, "exp": now_seconds + 300,
        }))
    }

    /// Writes the settings file.
    pub(super) fn config(&self) -> PathBuf {
        let path = |name| toml::Value::from(self.path(name).to_str().unwrap()).to_string();
        let mut text = format!(
            "[audit]\nfolder = {}\n[identity]\npolicy_file = {}\napi_keys_file = {}\n\
             [identity.jwt]\nissuer = \"{ISSUER}\"\naudiences = [\"prodrome\"]\njwks_file = {}\n",
            path("audit"),
            path("policy.toml"),
            path("keys.toml"),
            path("issuer.json"),
        );
        if self.door != Door::Plain {
            let (certificate, key) = (path("server.pem"), path("server.key"));
            write!(text, "[tls]\ncertificate_file = {certificate}\nkey_file = {key}\n").unwrap();
        }
        if self.door == Door::Certified {
            let ca = path("ca.pem");
            write!(text, "client_ca_file = {ca}\nclient_certificates = \"optional\"\n").unwrap();
        }
        let file = self.path("prodrome.toml");
        std::fs::write(&file, text + &self.more).unwrap();
        file
    }

    /// The address of the site's store of flags.
    pub(super) fn store(&self) -> String {
        self.path("flags/flags.db").to_str().unwrap().to_owned()
    }

    /// Starts the server of this site, with pages.
    pub(super) fn start(&self, settings: &[(&str, &str)], setup: &Setup<'_>) -> Server {
        let pages = [
            ("HTTP__LISTEN", "127.0.0.1:0"),
            // A busy test machine is no slow disk.
            ("AUDIT__APPEND_WAIT_MILLISECONDS", "30000"),
        ];
        let settings: Vec<_> = pages.iter().chain(settings).copied().collect();
        let config = self.config();
        Server::set_up(&Setup { settings: &settings, config: Some(&config), ..*setup })
    }

    /// An encrypted connection to the server.
    pub(super) async fn connect(
        &self,
        server: &Server,
        own: Option<&Certified>,
    ) -> Result<Channel, tonic::transport::Error> {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.authority.pem()))
            .domain_name("localhost");
        if let Some(own) = own {
            tls = tls.identity(Identity::from_pem(&own.pem, own.key.serialize_pem()));
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", server.address)).unwrap();
        endpoint.connect_timeout(PATIENCE).tls_config(tls)?.connect().await
    }
}

/// A connection in the clear.
pub(super) async fn connect(server: &Server) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    endpoint.connect_timeout(PATIENCE).connect().await.unwrap()
}

/// A request with metadata.
pub(super) fn with<T>(message: T, words: &[(&str, &str)]) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let metadata: &mut MetadataMap = request.metadata_mut();
    for (name, value) in words {
        let name = AsciiMetadataKey::from_bytes(name.as_bytes()).unwrap();
        metadata.append(name, value.parse().unwrap());
    }
    request
}

/// Asks for a score with metadata.
pub(super) async fn score(
    channel: &Channel,
    request: proto::ScoreRequest,
    words: &[(&str, &str)],
) -> Result<Response<proto::ScoreResponse>, Status> {
    RiskScoringClient::new(channel.clone()).score(with(request, words)).await
}

/// Waits until something holds; the time that took.
pub(super) async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

/// The records of calls in an access log that is whole.
pub(super) fn calls(folder: &Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    let lines: Vec<String> = files
        .into_iter()
        .flat_map(|path| read(path).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let records = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["kind"] == "call").collect()
}

/// Checks an access log by the program for it; what that said where it found a fault.
pub(super) fn verify(folder: &Path) -> Result<(), String> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_prodrome-train"))
        .args(["audit-verify", "--folder"])
        .arg(folder)
        .arg("--key-file")
        .arg(folder.with_extension("key"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}
