//! A PostgreSQL server of the tests' own: its folder, its port and its processes end with it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use prodrome::flag_store::FlagSettings;

use super::made;

/// The user whom Debian's package makes; root may run no server.
const USER: &str = "postgres";
const PASSWORD: &str = "of the tests alone";

/// Runs a server until its input ends, also because whoever started it was killed.
const RUN: &str = r#""$0" "$@" & server=$!; read -r _; kill -INT $server; wait $server"#;

/// A running server. It is stopped when it is dropped.
pub(super) struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    process: Child,
    databases: AtomicU32,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The server that all tests share while one of them runs; `None`, and a word of it, where there is
/// no program.
pub(super) fn server() -> Option<Arc<Server>> {
    static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = running.upgrade() {
        return Some(server);
    }
    let Some(programs) = programs() else {
        assert!(std::env::var_os("PRODROME_CI").is_none(), "no PostgreSQL here");
        eprintln!("SKIPPED on PostgreSQL: no initdb in /usr/lib/postgresql (apt: postgresql)");
        return None;
    };
    let server = Arc::new(Server::start(programs));
    *running = Arc::downgrade(&server);
    Some(server)
}

/// The newest programs on this machine.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    folders.filter(|folder| folder.join("initdb").exists()).max()
}

fn id(option: &str) -> u32 {
    let output = Command::new("id").args([option, USER]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// A program that runs as somebody who may run a server.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

impl Server {
    fn start(programs: PathBuf) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        if is_root() {
            let (user, group) = (id("-u"), id("-g"));
            for path in [folder.path(), &password] {
                std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
            }
        }
        let made = as_user(&programs.join("initdb"))
            .current_dir(folder.path())
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"])
            .args(["--username", USER, "--pwfile"])
            .arg(&password)
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = as_user(Path::new("sh"))
            .current_dir(folder.path())
            .args(["-c", RUN])
            .arg(programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-c", "max_connections=200", "-p", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let databases = AtomicU32::new(0);
        let server = Server { programs, folder, port, process, databases };
        let begun = Instant::now();
        while !server.ask("pg_isready", &[]).0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Runs one of the clients' programs; whether it did well, and what it said.
    pub(super) fn ask(&self, program: &str, arguments: &[&str]) -> (bool, Vec<u8>) {
        let output = Command::new(self.programs.join(program))
            .args(["-h", "127.0.0.1", "-U", USER, "-p", &self.port.to_string()])
            .args(arguments)
            .env("PGPASSWORD", PASSWORD)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        (output.status.success(), output.stdout)
    }

    /// The settings of a store in a new, empty database, with a key of its own.
    pub(super) fn database(&self) -> FlagSettings {
        let name = format!("flags_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        assert!(self.ask("createdb", &[&name]).0);
        let key_file = self.folder.path().join(format!("{name}.key"));
        made::write_keys(&key_file, &["5e".repeat(32)]);
        let password = PASSWORD.replace(' ', "%20");
        let store = format!("postgres://{USER}:{password}@127.0.0.1:{}/{name}", self.port);
        FlagSettings { key_file: Some(key_file), ..made::settings(store) }
    }

    /// All that a store's database holds, as SQL.
    pub(super) fn dump(&self, settings: &FlagSettings) -> Vec<u8> {
        let name = settings.store.as_deref().unwrap().rsplit('/').next().unwrap();
        let (is_done, text) = self.ask("pg_dump", &[name]);
        assert!(is_done && !text.is_empty());
        text
    }

    /// Runs a statement in a store's database, past the store.
    pub(super) fn run(&self, settings: &FlagSettings, statement: &str) {
        let name = settings.store.as_deref().unwrap().rsplit('/').next().unwrap();
        assert!(self.ask("psql", &["-q", "-d", name, "-c", statement]).0, "{statement}");
    }
}
