//! The work list from outside: a nurse with a keyboard in headless Chromium, and what the list leaves
//! behind. `.ci/run` brings the browser and its driver.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use prodrome::rpc::proto;

use super::flags::discharged;
use super::site::{API_KEY, Door, Site, TREATMENT, calls, connect, score, wait_until};
use crate::identity::write_secret;
use crate::serve::process::{PATIENCE, Server, Setup};
use crate::support::root;

/// How many flags the nurse finds; the browser's script knows it, too.
const FLAGS: usize = 31;
/// The id of one patient, in the eyes of a page that does not escape.
const MARKUP: &str = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>";

/// Says that there is no browser here; where there must be one, that is a failure.
fn skip(what: &str) {
    assert!(
        std::env::var_os("PRODROME_CI").is_none(),
        "{what}: .ci/run must bring it, and a skip is a failure there"
    );
    eprintln!("SKIPPED: {what}");
}

/// The Python that drives the browser.
pub(crate) fn python() -> Option<std::ffi::OsString> {
    let Some(python) = std::env::var_os("PRODROME_PYTHON") else {
        skip("PRODROME_PYTHON names no Python with playwright");
        return None;
    };
    let asked = ["-c", "import playwright, axe_playwright_python"];
    let has_driver = Command::new(&python).args(asked).output().is_ok_and(|o| o.status.success());
    let browser = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    if !has_driver || !Path::new(&browser).exists() {
        skip(
            "no playwright with axe-playwright-python in PRODROME_PYTHON, or no Chromium (CHROMIUM)",
        );
        return None;
    }
    Some(python)
}

/// A server with a work list, and the key of its nurse.
pub(super) struct Ward {
    pub(super) site: Site,
    pub(super) server: Server,
    pub(super) nurse: String,
}

impl Ward {
    pub(super) fn open(idle_seconds: &str, more: &[(&str, &str)]) -> Ward {
        Ward::of(Site::new(Door::Plain), idle_seconds, more)
    }

    /// The same at a site that has been made.
    pub(super) fn of(mut site: Site, idle_seconds: &str, more: &[(&str, &str)]) -> Ward {
        let nurse = site.key("nurse", "clinician", Some(&["north"]));
        let store = site.store();
        let own = [
            ("FLAGS__STORE", store.as_str()),
            ("WORKLIST__LISTEN", "127.0.0.1:0"),
            ("WORKLIST__IDLE_SECONDS", idle_seconds),
        ];
        let settings: Vec<_> = own.iter().chain(more).copied().collect();
        let setup = Setup { log: "info", is_heard: true, ..Setup::default() };
        let server = site.start(&settings, &setup);
        Ward { site, server, nurse }
    }

    fn address(&self) -> String {
        format!("http://{}", self.server.worklist.expect("a work list"))
    }

    /// Raises flags of so many patients, who have been on two wards.
    pub(super) async fn fill(&self, flags: usize) {
        let channel = connect(&self.server).await;
        for place in 0..flags {
            let id = if place == 0 { MARKUP.to_owned() } else { format!("MRN-{place:03}") };
            let mut request = discharged(&id, "north", 6 + (place % 3) as i64);
            if let Some(proto::score_request::Record::History(history)) = &mut request.record {
                for stay in &mut history.encounters {
                    stay.service = format!("Ward {}", 1 + place % 2);
                }
            }
            let words = [(API_KEY, self.nurse.as_str()), TREATMENT];
            let answer = score(&channel, request, &words).await.unwrap().into_inner();
            let flag = answer.assessments[0].flag.as_ref().expect("flags are kept");
            assert_eq!(flag.state(), proto::FlagState::Raised, "{place}");
        }
    }

    /// What the nurse in the browser sees, by `script`.
    pub(super) fn watch(
        &self,
        python: &std::ffi::OsStr,
        script: &str,
        idle_seconds: &str,
    ) -> String {
        let key_file = self.site.path("nurse.key");
        write_secret(&key_file, &self.nurse);
        let mut command = Command::new(python);
        command.arg(format!("tests/clients/{script}.py")).arg(self.address()).arg(key_file);
        command.arg(idle_seconds).args(std::env::var_os("PRODROME_SHOTS")).current_dir(root());
        // The scripts import each other, and leave nothing in the repository.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{said}\n{}", self.server.said());
        said
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nurse_works_the_list_by_keyboard_in_a_browser() {
    let Some(python) = python() else { return };
    let ward = Ward::open("900", &[]);
    ward.fill(FLAGS).await;
    let said = ward.watch(&python, "worklist", "900");
    assert!(said.matches("ok: ").count() >= 80, "{said}");

    let Ward { site, server, nurse } = ward;
    let (status, log) = server.end();
    assert!(status.success());
    for secret in [nurse.as_str(), "MRN-0", "window.ran", "charge nurse"] {
        assert!(!log.contains(secret), "in the log: {secret}");
    }
    let records = calls(&site.log());
    let of = |method: &str, outcome: &str| {
        let fits = |record: &&serde_json::Value| {
            (&record["method"], &record["outcome"]) == (&method.into(), &outcome.into())
                && record["caller"] == "nurse"
        };
        records.iter().filter(fits).count()
    };
    assert!(of("ListFlags", "OK") > 40, "each page has its record");
    assert_eq!(of("RecordFeedback", "OK"), 1);
    assert_eq!(of("UpdateFlag", "ABORTED"), 1, "the conflict");
    assert!(of("UpdateFlag", "OK") >= 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_nothing_is_logged_off() {
    let Some(python) = python() else { return };
    let ward = Ward::open("3", &[]);
    let said = ward.watch(&python, "worklist", "3");
    assert!(said.contains("ok: the server has forgotten the session"), "{said}");
}

impl Ward {
    pub(super) fn ask(&self, path: &str, cookies: &str, form: Option<&str>) -> Page {
        let address = self.server.worklist.unwrap();
        ask_at((address, &address.to_string()), path, cookies, form)
    }

    /// Logs in with `key`.
    pub(super) fn log_in(&self, key: &str) -> Page {
        let shown = self.ask("/login", "", None);
        let token = shown.token();
        let form = format!("form={token}&by=key&secret={key}&purpose=TREATMENT");
        self.ask("/login", shown.cookie().unwrap(), Some(&form))
    }
}

/// An answer of the work list: its status, its headers and its text.
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) headers: String,
    pub(super) text: String,
}

/// Asks for a page as a browser with `cookies` would, at `host`.
fn ask_at(at: (SocketAddr, &str), path: &str, cookies: &str, form: Option<&str>) -> Page {
    let (address, host) = at;
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let method = if form.is_some() { "POST" } else { "GET" };
    let body = form.unwrap_or_default();
    let kind = "application/x-www-form-urlencoded";
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookies}\r\nconnection: close\r\n\
         content-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (headers, text) = answer.split_once("\r\n\r\n").unwrap();
    let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
    Page { status, headers: headers.to_owned(), text: text.to_owned() }
}

impl Page {
    /// The cookie that it sets, as a browser sends it back.
    pub(super) fn cookie(&self) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix("set-cookie: "))?.split(';').next()
    }

    /// What its first form brings back.
    pub(super) fn token(&self) -> &str {
        let (_, rest) = self.text.split_once("name=\"form\" value=\"").unwrap();
        rest.split('"').next().unwrap()
    }

    pub(super) fn leads_to(&self) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix("location: "))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_as_good_as_its_key_and_a_form_as_its_token() {
    let mut ward = Ward::open("900", &[]);
    ward.fill(1).await;
    let nobody = ward.ask("/", "", None);
    assert_eq!((nobody.status, nobody.leads_to()), (303, Some("/login")));
    let logged_in = ward.log_in(&ward.nurse);
    assert_eq!((logged_in.status, logged_in.leads_to()), (303, Some("/")));
    assert!(logged_in.headers.contains("; Path=/; HttpOnly; SameSite=Strict"));
    let cookie = logged_in.cookie().unwrap();
    let list = ward.ask("/", cookie, None);
    assert!(list.text.contains("1 open flag<") && list.text.contains("&#60;script&#62;"));
    assert!(!list.text.contains("<script>window"), "markup of a patient's id");
    for header in ["content-security-policy: default-src 'none'", "cache-control: no-store"] {
        assert!(list.headers.contains(header), "{}", list.headers);
    }
    let (_, rest) = list.text.split_once("action=\"/flags/").unwrap();
    let path = format!("/flags/{}", &rest[..32]);
    let good = format!("form={}&version=1&do=acknowledge", list.token());
    for (cookies, form, status) in [
        (cookie, "version=1&do=acknowledge", 403),
        (cookie, &*good.replace("form=", "form=A"), 403),
        ("", &*good, 303),
        (cookie, &*good.replace("acknowledge", "explode"), 422),
        (cookie, &*good, 303),
        (cookie, &*good.replace("acknowledge", "snooze-1"), 409),
    ] {
        assert_eq!(ward.ask(&path, cookies, Some(form)).status, status, "{form}");
    }
    // The same address, somebody of another facility.
    let south = ward.site.key("nurse-south", "clinician", Some(&["south"]));
    wait_until("the new key is not taken", async || ward.log_in(&south).status == 303).await;
    let south = ward.log_in(&south);
    let south = south.cookie().unwrap();
    assert!(ward.ask("/", south, None).text.contains("0 open flags"));
    assert_eq!(ward.ask(&path, south, None).status, 404, "nor is it revealed by its id");

    ward.site.revoke_keys();
    let ended = async || ward.ask("/", cookie, None).leads_to() == Some("/login?ended=unknown");
    wait_until("the session outlives its key", ended).await;
    assert_eq!(ward.ask("/", cookie, None).leads_to(), Some("/login"), "for good");
}

#[test]
fn a_simulated_ward_has_flags_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let folder_name = folder.path().to_str().unwrap();
    let setup = Setup {
        settings: &[("MODELS__DEMO", "true")],
        models: &root().join("models"),
        variables: &[("TMPDIR", folder_name)],
        ..Setup::default()
    };
    let mut server = Server::set_up(&setup);
    let address = server.wait_for("work list on ");
    let address: SocketAddr = address.split("//").nth(1).unwrap().trim().parse().unwrap();
    let ask = |host: &str, path: &str| ask_at((address, host), path, "", None);
    let host = address.to_string();
    let list = ask(&host, "/?size=50");
    assert!(list.text.contains("Simulated patients."), "{}", list.text);
    assert!(list.text.contains("nobody has to log in"));
    assert!(list.text.matches("<h3").count() >= 10, "{}", list.text);
    assert!(
        list.text.contains("more wait") && list.text.contains("Provisional: "),
        "{}",
        list.text
    );
    assert!(list.text.len() <= 100_000, "{}", list.text.len());
    let over = ask(&host, "/?state=cleared&state=dismissed&state=answered&state=snoozed");
    for state in ["dismissed", "answered", "snoozed"] {
        assert!(over.text.contains(&format!("\"state\">{state}<")), "{state}");
    }
    assert_eq!(ask("evil.example", "/").status, 421, "a name that was made to lead here");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    server.terminate();
    assert!(server.ended().success());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
