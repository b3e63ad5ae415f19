//! Encrypted connections: what is refused on either side, what is accepted, and what happens when
//! files change.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use prodrome::identity::{ClientCertificates, Tls, TlsSettings, peer_name};
use rustls::pki_types::CertificateDer;

use super::authority::{Authority, Certified, Says, self_signed};
use super::handshake::{Client, answer, meet};
use super::hello::{BROKEN_CIPHERS, GOOD_CIPHER, client_hello};
use super::{NOW_SECONDS, write_secret};

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const FATAL: u8 = 2;

pub(super) fn settings(folder: &Path, server: &Certified) -> TlsSettings {
    let (certificate, key) = server.write(folder);
    TlsSettings {
        certificate_file: Some(certificate),
        key_file: Some(key),
        ..TlsSettings::default()
    }
}

/// Settings that ask clients for certificates of `clients`.
fn asking(folder: &Path, server: &Certified, clients: &Authority) -> TlsSettings {
    let authorities = folder.join("clients.pem");
    std::fs::write(&authorities, clients.pem()).unwrap();
    TlsSettings {
        client_ca_file: Some(authorities),
        client_certificates: ClientCertificates::Required,
        ..settings(folder, server)
    }
}

fn open(settings: &TlsSettings) -> Tls {
    Tls::open(settings, NOW_SECONDS).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn only_tls_1_3_and_1_2_with_good_ciphers_are_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("site");
    let tls = open(&settings(folder.path(), &authority.issue(&Says::default())));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = Client { version, ..Client::trusting(authority.der()) };
        let met = meet(tls.config(), &client).unwrap();
        assert_eq!((met.peer, met.protocol), (None, Some(b"h2".to_vec())));
    }
    let good = answer(tls.config(), &client_hello(0x0303, &[GOOD_CIPHER]));
    assert_eq!(good[0], HANDSHAKE, "the message is well-formed: {good:?}");
    for version in [0x0300, 0x0301, 0x0302] {
        let refused = answer(tls.config(), &client_hello(version, &[GOOD_CIPHER]));
        assert_eq!((refused[0], refused[5]), (ALERT, FATAL), "{version:x}");
    }
    for cipher in BROKEN_CIPHERS {
        let refused = answer(tls.config(), &client_hello(0x0303, &[cipher]));
        assert_eq!((refused[0], refused[5]), (ALERT, FATAL), "{cipher:x}");
    }
    let refused = answer(tls.config(), &client_hello(0x0303, &BROKEN_CIPHERS));
    assert_eq!(refused[0], ALERT);
}

#[test]
fn grpc_and_http_do_not_take_each_others_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("site");
    let tls = open(&settings(folder.path(), &authority.issue(&Says::default())));
    let speaking = |protocols| Client { protocols, ..Client::trusting(authority.der()) };
    let http = &["http/1.1"];
    assert!(meet(tls.config(), &speaking(http)).is_err());
    assert!(meet(tls.http_config(), &speaking(&["h2"])).is_err());
    let both = meet(tls.http_config(), &speaking(&["h2", "http/1.1"])).unwrap();
    assert_eq!(both.protocol, Some(b"http/1.1".to_vec()));
}

#[test]
fn clients_refuse_a_server_that_is_not_who_it_should_be() {
    let (authority, other) = (Authority::new("site"), Authority::new("other"));
    let good = Says::default();
    for (what, server, then) in [
        ("another name", authority.issue(&Says { dns: &["other.example"], ..good }), NOW_SECONDS),
        ("another authority", other.issue(&Says::default()), NOW_SECONDS),
        ("none at all", self_signed(&Says::default()), NOW_SECONDS),
        // Good when the server read it, in 2021; since then expired.
        (
            "expired",
            authority.issue(&Says { years: (2020, 2022), ..Says::default() }),
            1_620_000_000,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let tls = Tls::open(&settings(folder.path(), &server), then);
        let tls = tls.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(meet(tls.config(), &Client::trusting(authority.der())).is_err(), "{what}");
    }
}

#[test]
fn clients_are_taken_by_a_good_certificate_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, clients) = (Authority::new("site"), Authority::new("clients"));
    let server = authority.issue(&Says::default());
    let crl = folder.path().join("revoked.crl");
    std::fs::write(&crl, clients.revoke(&[7], 2090)).unwrap();
    let asked = TlsSettings { crl_files: vec![crl], ..asking(folder.path(), &server, &clients) };
    let tls = open(&asked);
    let ehr = Says { dns: &["ehr.example"], uris: &["spiffe://site/ehr"], ..Says::default() };
    let good = clients.issue(&Says { serial: 8, ..ehr });
    let revoked = clients.issue(&Says { serial: 7, ..Says::default() });
    let expired = clients.issue(&Says { years: (2020, 2022), ..Says::default() });
    let early = clients.issue(&Says { years: (2089, 2090), ..Says::default() });
    let unknown = authority.issue(&Says::default());
    let own = self_signed(&Says::default());
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let with = |own| Client { own, version, ..Client::trusting(authority.der()) };
        let met = meet(tls.config(), &with(Some(&good))).unwrap();
        assert_eq!(met.peer.as_deref(), Some("spiffe://site/ehr"));
        assert!(meet(tls.config(), &with(None)).is_err(), "none was shown");
        for (what, own) in [
            ("revoked", &revoked),
            ("expired", &expired),
            ("not valid yet", &early),
            ("of another authority", &unknown),
            ("self-signed", &own),
        ] {
            let met = meet(tls.config(), &with(Some(own)));
            assert!(met.is_err(), "{what}: {met:?}");
        }
    }
    let optional = TlsSettings { client_certificates: ClientCertificates::Optional, ..asked };
    let tls = open(&optional);
    let with = |own| Client { own, ..Client::trusting(authority.der()) };
    assert_eq!(meet(tls.config(), &with(None)).unwrap().peer, None);
    assert!(meet(tls.config(), &with(Some(&good))).unwrap().peer.is_some());
    assert!(meet(tls.config(), &with(Some(&revoked))).is_err(), "a bad one is worse than none");
}

#[test]
fn a_client_is_named_by_its_first_uri_or_else_its_first_dns_name() {
    let authority = Authority::new("site");
    let name = |says: &Says<'_>| peer_name(&[authority.issue(says).certificate]);
    let both =
        Says { dns: &["a.example"], uris: &["spiffe://x/1", "spiffe://x/2"], ..Says::default() };
    assert_eq!(name(&both).as_deref(), Some("spiffe://x/1"));
    let dns = Says { dns: &["a.example", "b.example"], ..Says::default() };
    assert_eq!(name(&dns).as_deref(), Some("a.example"));
    let none = Says { dns: &[], ..Says::default() };
    assert_eq!(name(&none), None);
    let long = format!("spiffe://x/{}", "l".repeat(300));
    assert_eq!(name(&Says { uris: &[&long], ..Says::default() }), None, "no name for a log");
    assert_eq!(peer_name(&[]), None);
    assert_eq!(peer_name(&[CertificateDer::from(vec![0x30, 0x82, 0xff])]), None);
}

#[test]
fn new_connections_get_new_certificates_and_broken_files_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, clients) = (Authority::new("site"), Authority::new("clients"));
    let first = authority.issue(&Says::default());
    let crl = folder.path().join("revoked.crl");
    std::fs::write(&crl, clients.revoke(&[], 2090)).unwrap();
    let crl_files = vec![crl.clone()];
    let tls = open(&TlsSettings { crl_files, ..asking(folder.path(), &first, &clients) });
    let own = clients.issue(&Says { serial: 9, ..Says::default() });
    let client = Client { own: Some(&own), ..Client::trusting(authority.der()) };
    let shown = || meet(tls.config(), &client).map(|met| met.server);
    assert_eq!(shown().unwrap(), first.certificate);
    assert!(!tls.reload(NOW_SECONDS).unwrap(), "nothing changed");

    let second = authority.issue(&Says { serial: 2, ..Says::default() });
    let key = folder.path().join("server.key");
    std::fs::write(folder.path().join("server.pem"), &second.pem).unwrap();
    let said = tls.reload(NOW_SECONDS).unwrap_err().to_string();
    assert!(said.contains("server.key: does not go with"), "half of a renewal: {said}");
    assert_eq!(shown().unwrap(), first.certificate);
    assert!(!tls.reload(NOW_SECONDS).unwrap(), "each fault is told once");
    write_secret(&key, &second.key.serialize_pem());
    assert!(tls.reload(NOW_SECONDS).unwrap());
    assert_eq!(shown().unwrap(), second.certificate);

    let expired = authority.issue(&Says { years: (2020, 2022), ..Says::default() });
    expired.write(folder.path());
    assert!(tls.reload(NOW_SECONDS).unwrap_err().to_string().contains("has expired"));
    second.write(folder.path());
    assert!(tls.reload(NOW_SECONDS).unwrap());
    std::fs::remove_file(&key).unwrap();
    assert!(tls.reload(NOW_SECONDS).unwrap_err().to_string().contains("server.key: "));
    assert_eq!(shown().unwrap(), second.certificate);
    second.write(folder.path());
    assert!(tls.reload(NOW_SECONDS).unwrap());

    std::fs::write(&crl, clients.revoke(&[9], 2090)).unwrap();
    assert!(tls.reload(NOW_SECONDS).unwrap());
    assert!(shown().is_err(), "revoked while the server runs");
}

#[test]
fn settings_and_files_at_fault_are_named_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let authority = Authority::new("site");
    let server = authority.issue(&Says::default());
    let good = asking(path, &server, &authority);
    let said = |settings: &TlsSettings| Tls::open(settings, NOW_SECONDS).err().unwrap().to_string();
    let none = TlsSettings { client_certificates: ClientCertificates::None, ..good.clone() };
    assert!(said(&none).contains("say \"required\" or \"optional\""), "{}", said(&none));
    let no_authority = TlsSettings { client_ca_file: None, ..good.clone() };
    assert!(said(&no_authority).contains("tls.client_ca_file: must name"));
    let no_key = TlsSettings { key_file: None, ..good.clone() };
    assert!(said(&no_key).contains("tls.key_file: must name"));
    assert!(TlsSettings::default().is_off() && !no_key.is_off());
    let junk = path.join("junk");
    std::fs::write(&junk, "-----BEGIN JUNK-----").unwrap();
    let no_list = TlsSettings { crl_files: vec![junk.clone()], ..good.clone() };
    assert!(said(&no_list).contains("junk: holds no list"), "{}", said(&no_list));
    std::fs::write(&junk, authority.revoke(&[], 2022)).unwrap();
    assert!(said(&no_list).contains("out of date"), "{}", said(&no_list));
    let not_a_certificate = TlsSettings { certificate_file: Some(junk), ..good.clone() };
    assert!(said(&not_a_certificate).contains("holds no certificate"));
    let folder_named = TlsSettings { certificate_file: Some(path.into()), ..good.clone() };
    assert!(said(&folder_named).contains("not a plain file"));

    let key = good.key_file.clone().unwrap();
    for mode in [0o644, 0o640, 0o660, 0o606] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let expected = format!("chmod 600 {}", key.display());
        assert!(said(&good).contains(&expected), "{mode:o}: {}", said(&good));
    }
    let secret = server.key.serialize_pem();
    write_secret(&key, &secret.replace("PRIVATE KEY", "PRIVATE KEX"));
    let message = said(&good);
    assert!(message.contains("holds no private key"), "{message}");
    let line = secret.lines().nth(1).unwrap();
    assert!(!message.contains(line), "nothing of a key is told");
    let nameless = authority.issue(&Says { dns: &[], ..Says::default() });
    nameless.write(path);
    assert!(said(&good).contains("no subjectAltName"));
}
