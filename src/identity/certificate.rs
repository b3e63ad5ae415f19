//! What a certificate or a list of revoked ones says of itself.

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::name::is_name;

/// Who a client is by its certificate: the leaf's first URI among the subject's alternative names (a
/// SPIFFE id, for one), or else the first DNS name. The certificate was checked before; here it is
/// only read.
pub fn peer_name(chain: &[CertificateDer<'_>]) -> Option<String> {
    let (_, leaf) = X509Certificate::from_der(chain.first()?.as_ref()).ok()?;
    let names = leaf.subject_alternative_name().ok()??;
    let names = &names.value.general_names;
    let uri = names.iter().find_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let dns = || {
        names.iter().find_map(|name| match name {
            GeneralName::DNSName(dns) => Some(*dns),
            _ => None,
        })
    };
    uri.or_else(dns).filter(|name| is_name(name)).map(str::to_owned)
}

/// What the server's own certificate says.
pub(super) struct Own {
    /// The first and the last second at which it is valid.
    pub(super) begins_seconds: i64,
    pub(super) expires_seconds: i64,
    /// Whether it names a host, an address or (SPIFFE) a URI: without one, every client refuses it.
    pub(super) is_named: bool,
}

/// Reads the server's own certificate; `None` where it is none.
pub(super) fn own(certificate: &CertificateDer<'_>) -> Option<Own> {
    let (_, leaf) = X509Certificate::from_der(certificate.as_ref()).ok()?;
    let named = |name: &GeneralName<'_>| {
        matches!(name, GeneralName::DNSName(_) | GeneralName::IPAddress(_) | GeneralName::URI(_))
    };
    let is_named = leaf
        .subject_alternative_name()
        .ok()
        .flatten()
        .is_some_and(|names| names.value.general_names.iter().any(named));
    let validity = leaf.validity();
    Some(Own {
        begins_seconds: validity.not_before.timestamp(),
        expires_seconds: validity.not_after.timestamp(),
        is_named,
    })
}

/// When a list of revoked certificates is to be replaced, if it says so; `None` where it is none.
pub(super) fn next_update_seconds(list: &CertificateRevocationListDer<'_>) -> Option<Option<i64>> {
    let (_, list) = CertificateRevocationList::from_der(list.as_ref()).ok()?;
    Some(list.next_update().map(|time| time.timestamp()))
}
