//! The certificate of a FHIR server: without one that is trusted nothing is said to it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream};

use super::tests::{FHIR, budget, limits};
use super::{FetchError, FhirServers, FhirServersSettings};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"1"}"#;

/// Serves one resource over TLS as `localhost`; the port, the certificate in PEM, and what was asked.
fn serve() -> (u16, String, Arc<Mutex<Vec<String>>>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let (config, pem) = (Arc::new(config), made.cert.pem());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::clone(&asked);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = Stream::new(&mut connection, &mut socket);
            let mut head = [0; 4096];
            let Ok(count) = stream.read(&mut head) else { continue };
            heads.lock().unwrap().push(String::from_utf8_lossy(&head[..count]).into_owned());
            let length = PATIENT.len();
            let _ = write!(stream, "{FHIR}\r\ncontent-length: {length}\r\n\r\n{PATIENT}");
        }
    });
    (port, pem, asked)
}

fn get(base: &str, authorities: Option<&Path>) -> Result<Vec<Vec<u8>>, FetchError> {
    let settings = FhirServersSettings {
        fhir_servers: vec![base.to_owned()],
        fhir_ca_file: authorities.map(Path::to_owned),
        ..Default::default()
    };
    let server = FhirServers::new(&settings).unwrap().find(base).unwrap();
    server.get("Patient/1", Some("secret-token"), &budget(&limits()))
}

#[test]
fn a_server_is_asked_only_under_a_certificate_of_its_name_that_is_trusted() {
    let (port, pem, asked) = serve();
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("ca.pem");
    std::fs::write(&authorities, &pem).unwrap();
    let base = format!("https://localhost:{port}/fhir");
    assert_eq!(get(&base, None), Err(FetchError::NotTrusted), "not among those of the machine");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let others = folder.path().join("others.pem");
    std::fs::write(&others, other.cert.pem()).unwrap();
    assert_eq!(get(&base, Some(&others)), Err(FetchError::NotTrusted), "another's signature");
    let by_number = format!("https://127.0.0.1:{port}/fhir");
    assert_eq!(get(&by_number, Some(&authorities)), Err(FetchError::NotTrusted), "another name");
    assert!(asked.lock().unwrap().is_empty(), "nothing was said before the certificate was seen");
    assert_eq!(get(&base, Some(&authorities)).unwrap(), [PATIENT.as_bytes()]);
    assert!(asked.lock().unwrap()[0].contains("secret-token"));
}
