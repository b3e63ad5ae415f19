//! Who may do what, at the door of the running server: certificates, tokens, keys, policy and rates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use prodrome::rpc::proto;
use prodrome::rpc::proto::model_catalog_client::ModelCatalogClient;
use prodrome::rpc::proto::score_request::Record;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

use super::site::{
    API_KEY, BREAK_GLASS, Door, PEER, PURPOSE, Site, TASK, TREATMENT, calls, connect, score,
    verify, wait_until, with,
};
use crate::identity::authority::{Authority, Says};
use crate::identity::handshake::Client;
use crate::identity::signer::Signer;
use crate::pages::exposition::Exposition;
use crate::pages::get;
use crate::serve::process::{Server, Setup, request};
use crate::support::root;

/// A patient who is in that facility now, and was in another before.
fn patient_in(facility: &str) -> proto::ScoreRequest {
    let mut asked = request(20);
    if let Some(Record::History(history)) = &mut asked.record {
        let mut before = history.encounters[0].clone();
        let earlier = |time: &mut Option<prost_types::Timestamp>| {
            time.as_mut().unwrap().seconds -= 86_400 * 40;
        };
        earlier(&mut before.start);
        earlier(&mut before.end);
        (before.id, before.facility) = ("before".into(), "another".into());
        history.encounters[0].facility = facility.into();
        history.encounters.push(before);
    }
    asked
}

fn of_task(task: &str) -> proto::ScoreRequest {
    let task = proto::TaskRef { task: task.into(), version: String::new() };
    proto::ScoreRequest { tasks: vec![task], ..request(20) }
}

async fn code(channel: &Channel, request: proto::ScoreRequest, words: &[(&str, &str)]) -> Code {
    score(channel, request, words).await.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// Who called, by the access log of a server that has ended.
fn callers(site: &Site) -> Vec<String> {
    let records = calls(&site.log());
    records.iter().map(|record| record["caller"].as_str().unwrap().to_owned()).collect()
}

async fn end(server: Server) {
    let (status, _) = tokio::task::spawn_blocking(|| server.end()).await.unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_known_by_certificate_token_or_key_and_by_nothing_else() {
    let mut site = Site::new(Door::Certified);
    let key = site.key("svc-ehr", "scorer", None);
    let server = site.start(&[], &Setup::default());
    let clear = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let clear = clear.timeout(Duration::from_secs(10)).connect_lazy();
    let refused = score(&clear, request(20), &[(API_KEY, &key), TREATMENT]).await;
    assert!(refused.is_err(), "in the clear");

    let says = Says { dns: &[], uris: &[PEER], ..Says::default() };
    let own = site.authority.issue(&says);
    let known = site.connect(&server, Some(&own)).await.unwrap();
    assert_eq!(code(&known, request(20), &[TREATMENT]).await, Code::Ok);
    let stranger = site.authority.issue(&Says { dns: &["stranger.example"], ..Says::default() });
    let stranger = site.connect(&server, Some(&stranger)).await.unwrap();
    assert_eq!(code(&stranger, request(20), &[TREATMENT]).await, Code::Unauthenticated);
    let forged = Authority::new("site").issue(&says);
    let forged = site.connect(&server, Some(&forged)).await;
    // In TLS 1.3 a client learns only with its first call that its certificate was refused.
    let is_in = match &forged {
        Ok(channel) => code(channel, request(20), &[TREATMENT]).await == Code::Ok,
        Err(_) => false,
    };
    assert!(!is_in, "a certificate of another authority of that name");

    let anybody = site.connect(&server, None).await.unwrap();
    assert_eq!(code(&anybody, request(20), &[TREATMENT]).await, Code::Unauthenticated);
    let by = async |name: &str, value: &str| {
        code(&anybody, request(20), &[(name, value), TREATMENT]).await
    };
    assert_eq!(by(API_KEY, &key).await, Code::Ok);
    let bearer = |signer| format!("Bearer {}", site.token(signer, "svc-token", "scorer"));
    assert_eq!(by("authorization", &bearer(&site.issuer)).await, Code::Ok);
    let forger = Signer::es384(&site.issuer.id);
    assert_eq!(by("authorization", &bearer(&forger)).await, Code::Unauthenticated);
    assert_eq!(by(API_KEY, &key[..key.len() - 3]).await, Code::Unauthenticated);
    drop((clear, known, stranger, anybody, forged));
    end(server).await;
    let known: Vec<String> = callers(&site);
    for name in [PEER, "svc-ehr", "svc-token"] {
        assert_eq!(known.iter().filter(|caller| *caller == name).count(), 1, "{known:?}");
    }
    assert!(known.iter().all(|name| !name.contains("stranger")), "nobody who is not known");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_does_not_allow_is_refused() {
    let mut site = Site::new(Door::Plain);
    let nobody = site.key("svc-nobody", "bystander", None);
    let ward = site.key("svc-ward", "clinician", Some(&["north"]));
    let scorer = site.key("svc-scorer", "scorer", None);
    let models = root().join("models");
    let setup = Setup { models: &models, ..Setup::default() };
    let server = site.start(&[("MODELS__DEMO", "true")], &setup);
    let channel = connect(&server).await;
    let ask = async |request, key: &str, words: &[(&str, &str)]| {
        let words = [&[(API_KEY, key)], words].concat();
        score(&channel, request, &words).await.map(|answer| answer.into_inner().assessments)
    };
    let refused = async |request, key: &str, words: &[(&str, &str)]| {
        let refused = ask(request, key, words).await.unwrap_err();
        refused.get_error_details().error_info().map(|info| info.reason.clone()).unwrap()
    };
    assert_eq!(refused(request(20), &nobody, &[TREATMENT]).await, "DENIED");
    assert_eq!(refused(request(20), &scorer, &[]).await, "DENIED", "no purpose");
    assert_eq!(refused(request(20), &scorer, &[(PURPOSE, "RESEARCH")]).await, "DENIED");
    assert_eq!(refused(of_task("ed72"), &scorer, &[TREATMENT]).await, "DENIED");
    let made_up = refused(of_task("made-up"), &scorer, &[TREATMENT]).await;
    assert_eq!(made_up, "DENIED", "what is served is not for everybody to know");
    ask(of_task(TASK), &scorer, &[(PURPOSE, "HOPERAT")]).await.unwrap();

    let tasks = |answers: Vec<proto::Assessment>| {
        answers.into_iter().map(|each| each.task).collect::<Vec<_>>()
    };
    let few = ask(request(20), &scorer, &[TREATMENT]).await.unwrap();
    assert_eq!(tasks(few), [TASK], "of all that are served, those that are allowed");
    let all = ask(patient_in("north"), &ward, &[TREATMENT]).await.unwrap();
    assert!(tasks(all).len() > 1, "others are allowed more");
    assert_eq!(refused(patient_in("south"), &ward, &[TREATMENT]).await, "DENIED");
    assert_eq!(refused(patient_in(""), &ward, &[TREATMENT]).await, "DENIED", "nowhere");
    assert_eq!(refused(patient_in("another"), &ward, &[TREATMENT]).await, "DENIED");

    let glass = async || {
        let page = get(server.pages.unwrap(), "/metrics").await;
        let page = Exposition::parse(page.split_once("\r\n\r\n").unwrap().1);
        page.value("prodrome_break_glass_total", &[]).unwrap_or_default()
    };
    assert_eq!(glass().await, 0.0);
    let reason = [(BREAK_GLASS, "found unconscious")];
    ask(patient_in("south"), &ward, &reason).await.unwrap();
    assert_eq!(glass().await, 1.0);
    assert_eq!(refused(patient_in("south"), &ward, &[(BREAK_GLASS, " ")]).await, "DENIED");
    assert_eq!(refused(patient_in("south"), &scorer, &reason).await, "DENIED");
    assert_eq!(glass().await, 1.0, "only those who were let through");

    let mut catalog = ModelCatalogClient::new(channel.clone());
    let words = [(API_KEY, ward.as_str())];
    let listed = catalog.list_models(with(proto::ListModelsRequest {}, &words)).await;
    assert_eq!(listed.unwrap_err().code(), Code::PermissionDenied);
    let reloaded = catalog.reload_models(with(proto::ReloadModelsRequest {}, &words)).await;
    assert_eq!(reloaded.unwrap_err().code(), Code::PermissionDenied);
    drop((catalog, channel));
    end(server).await;
    let broken: Vec<_> = calls(&site.log())
        .into_iter()
        .filter(|record| record["break_glass"] == "found unconscious" && record["outcome"] == "OK")
        .collect();
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0]["purpose"], "EMERGENCY_TREATMENT", "{:?}", broken[0]);
    verify(&site.log()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_calls_too_often_is_told_when_to_come_again_and_no_other_is() {
    let mut site = Site::new(Door::Plain);
    let hasty = site.key("svc-hasty", "scorer", None);
    let other = site.key("svc-other", "scorer", None);
    site.more = "[rates.callers.\"svc-hasty\"]\ncalls_per_second = 0.1\nburst = 5\n".into();
    let server = site.start(&[], &Setup::default());
    let channel = connect(&server).await;
    let mut refused = 0;
    for number in 0..60 {
        let words = [(API_KEY, other.as_str()), TREATMENT];
        assert_eq!(code(&channel, request(20), &words).await, Code::Ok, "{number}");
        let words = [(API_KEY, hasty.as_str()), TREATMENT];
        let Err(status) = score(&channel, request(20), &words).await else { continue };
        assert_eq!(status.code(), Code::ResourceExhausted);
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "TOO_OFTEN");
        let wait = details.retry_info().and_then(|info| info.retry_delay).unwrap();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(10), "{wait:?}");
        refused += 1;
    }
    // Five at once, and one more each ten seconds.
    assert!((45..=55).contains(&refused), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_taken_back_opens_nothing_within_seconds() {
    let mut site = Site::new(Door::Plain);
    let key = site.key("svc-ehr", "scorer", None);
    let server = site.start(&[], &Setup::default());
    let channel = connect(&server).await;
    let words = [(API_KEY, key.as_str()), TREATMENT];
    assert_eq!(code(&channel, request(20), &words).await, Code::Ok);
    site.revoke_keys();
    let refused = async || code(&channel, request(20), &words).await == Code::Unauthenticated;
    let took = wait_until("the key is refused", refused).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_comes_into_use_without_a_failed_call() {
    let mut site = Site::new(Door::Encrypted);
    let key = site.key("svc-ehr", "scorer", None);
    let server = site.start(&[], &Setup::default());
    let staying = site.connect(&server, None).await.unwrap();
    let words = [(API_KEY, key.as_str()), TREATMENT];
    let is_changed = AtomicBool::new(false);
    let stay = async {
        let mut answered = 0;
        while !is_changed.load(Relaxed) || answered < 50 {
            score(&staying, request(20), &words).await.unwrap();
            answered += 1;
        }
    };
    let come = async {
        let first = shown_by(&site, &server).await;
        site.certify(2);
        let is_new = async || {
            let new = site.connect(&server, None).await.unwrap();
            score(&new, request(20), &words).await.unwrap();
            shown_by(&site, &server).await != first
        };
        wait_until("new connections get the new certificate", is_new).await;
        is_changed.store(true, Relaxed);
    };
    tokio::join!(stay, come);
}

/// The certificate that the server shows now.
async fn shown_by(site: &Site, server: &Server) -> CertificateDer<'static> {
    let config = Client::trusting(site.authority.der()).config();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn in_the_clear_it_does_not_listen_to_other_machines() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_prodrome-server"))
        .args(["--listen", "0.0.0.0:0", "--models"])
        .arg(crate::support::one_task())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("does not encrypt") && said.contains("--plaintext-on-network"), "{said}");
}
