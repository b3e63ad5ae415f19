//! A certificate authority for tests, with certificates and revocation lists of any kind.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use rustls::pki_types::CertificateDer;

use super::write_secret;

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(crate) struct Certified {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
    pub(crate) key: KeyPair,
}

/// What a certificate says.
pub(crate) struct Says<'a> {
    pub(crate) dns: &'a [&'a str],
    pub(crate) uris: &'a [&'a str],
    /// The years between which it is valid.
    pub(crate) years: (i32, i32),
    pub(crate) serial: u64,
}

impl Default for Says<'_> {
    fn default() -> Self {
        Says { dns: &["localhost"], uris: &[], years: (2020, 2090), serial: 1 }
    }
}

impl Says<'_> {
    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        let dns = self.dns.iter().map(|name| SanType::DnsName((*name).try_into().unwrap()));
        let uris = self.uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names = dns.chain(uris).collect();
        params.not_before = date_time_ymd(self.years.0, 1, 1);
        params.not_after = date_time_ymd(self.years.1, 1, 1);
        params.serial_number = Some(SerialNumber::from(self.serial));
        params
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(crate) fn issue(&self, says: &Says<'_>) -> Certified {
        let key = KeyPair::generate().unwrap();
        let certificate = says.params().signed_by(&key, &self.0).unwrap();
        Certified { pem: certificate.pem(), certificate: certificate.der().clone(), key }
    }

    /// A list that revokes certificates by number, valid to the start of `until_year`.
    pub(crate) fn revoke(&self, serials: &[u64], until_year: i32) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until_year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

/// A certificate that vouches for itself.
pub(crate) fn self_signed(says: &Says<'_>) -> Certified {
    let key = KeyPair::generate().unwrap();
    let certificate = says.params().self_signed(&key).unwrap();
    Certified { pem: certificate.pem(), certificate: certificate.der().clone(), key }
}

impl Certified {
    /// Writes the certificate and its key into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
        std::fs::write(&certificate, &self.pem).unwrap();
        write_secret(&key, &self.key.serialize_pem());
        (certificate, key)
    }
}
