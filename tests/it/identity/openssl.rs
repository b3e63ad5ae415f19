//! The same matrix through OpenSSL's own client, where there is one: another implementation, which still
//! offers the versions and ciphers that must be refused.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use prodrome::identity::Tls;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::NOW_SECONDS;
use super::authority::{Authority, Says};
use super::tls::settings;

/// Takes connections and shakes hands with each; ends with its runtime.
fn start(tls: Tls) -> (tokio::runtime::Runtime, SocketAddr) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let tls = Arc::new(tls);
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(tls.config());
            let serving = async move {
                // Until the client goes: whoever is cut off would call a good handshake a failure.
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                    let _ = stream.shutdown().await;
                }
            };
            tokio::spawn(tokio::time::timeout(Duration::from_secs(10), serving));
        }
    });
    (runtime, address)
}

#[test]
fn openssl_is_refused_and_accepted_as_it_should_be() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIPPED: there is no openssl here; the same is tested byte by byte");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("site");
    let root = folder.path().join("root.pem");
    std::fs::write(&root, authority.pem()).unwrap();
    let tls = Tls::open(&settings(folder.path(), &authority.issue(&Says::default())), NOW_SECONDS);
    let (_runtime, address) = start(tls.unwrap_or_else(|error| panic!("{error}")));
    let is_met = |arguments: &[&str]| {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &address.to_string(), "-alpn", "h2", "-CAfile"])
            .arg(&root)
            .args(["-verify_return_error", "-servername", "localhost"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        output.status.success()
    };
    let name = ["-verify_hostname", "localhost"];
    assert!(is_met(&[&name[..], &["-tls1_3"]].concat()));
    assert!(is_met(&[&name[..], &["-tls1_2"]].concat()));
    assert!(is_met(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]));
    for arguments in [
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..],
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "NULL:@SECLEVEL=0"],
        &["-verify_hostname", "other.example"],
    ] {
        assert!(!is_met(arguments), "{arguments:?}");
    }
}
