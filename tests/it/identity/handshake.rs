//! One encrypted connection between a server and a client in this process: no network.

use std::sync::Arc;
use std::time::Duration;

use prodrome::identity::peer_name;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Runtime;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::authority::Certified;

/// Longer than any handshake takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A client that trusts `root`.
pub(crate) struct Client<'a> {
    pub(crate) root: CertificateDer<'static>,
    pub(crate) own: Option<&'a Certified>,
    pub(crate) version: &'static SupportedProtocolVersion,
    pub(crate) protocols: &'a [&'a str],
}

impl Client<'_> {
    pub(crate) fn trusting(root: CertificateDer<'static>) -> Client<'static> {
        Client { root, own: None, version: &rustls::version::TLS13, protocols: &["h2"] }
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::try_from(own.key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![own.certificate.clone()], key).unwrap()
            }
        };
        config.alpn_protocols = self.protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        config
    }
}

/// What came of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Met {
    /// The client's name, as the server reads it.
    pub(super) peer: Option<String>,
    /// The certificate that the server showed.
    pub(super) server: CertificateDer<'static>,
    pub(super) protocol: Option<Vec<u8>>,
}

/// Shakes hands and lets the server send its greeting; what went wrong, on either side.
pub(super) fn meet(server: Arc<ServerConfig>, client: &Client<'_>) -> Result<Met, String> {
    let client = client.config();
    runtime().block_on(async move {
        let (near, far) = duplex(64 << 10);
        let serving = tokio::spawn(serve(server, far));
        let calling = call(client, near);
        let called = tokio::time::timeout(PATIENCE, calling).await.expect("the client ends");
        let served = tokio::time::timeout(PATIENCE, serving).await.expect("the server ends");
        let peer = served.unwrap()?;
        let (server, protocol) = called?;
        Ok(Met { peer, server, protocol })
    })
}

async fn serve(config: Arc<ServerConfig>, stream: DuplexStream) -> Result<Option<String>, String> {
    let stream = TlsAcceptor::from(config).accept(stream).await;
    let mut stream = stream.map_err(|error| format!("server: {error}"))?;
    let peer = stream.get_ref().1.peer_certificates().and_then(peer_name);
    let _ = stream.write_all(b"hello").await;
    let _ = stream.shutdown().await;
    Ok(peer)
}

type Called = (CertificateDer<'static>, Option<Vec<u8>>);

async fn call(config: ClientConfig, stream: DuplexStream) -> Result<Called, String> {
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let mut stream = stream.map_err(|error| format!("client: {error}"))?;
    let mut greeting = Vec::new();
    // In TLS 1.3 a client learns only here that its certificate was refused.
    stream.read_to_end(&mut greeting).await.map_err(|error| format!("client: {error}"))?;
    assert_eq!(greeting, b"hello");
    let connection = stream.get_ref().1;
    let server = connection.peer_certificates().unwrap()[0].clone();
    Ok((server.into_owned(), connection.alpn_protocol().map(<[u8]>::to_vec)))
}

/// What a server answers to these bytes: the first of its own.
pub(super) fn answer(server: Arc<ServerConfig>, bytes: &[u8]) -> Vec<u8> {
    runtime().block_on(async move {
        let (mut near, far) = duplex(64 << 10);
        tokio::spawn(serve(server, far));
        near.write_all(bytes).await.unwrap();
        let mut answer = vec![0; 7];
        let reading = near.read_exact(&mut answer);
        tokio::time::timeout(PATIENCE, reading).await.expect("the server answers").unwrap();
        answer
    })
}
