//! The secret of the log: what patients are known by in it, and what seals each record.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::AuditError;
use crate::private_file;

type HmacSha256 = Hmac<Sha256>;

/// A patient in the log: HMAC-SHA256 under the log's secret of `patient/` and the patient's id.
/// Equal for equal ids; without the secret nobody can find it by trying ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PatientKey([u8; 32]);

impl fmt::Display for PatientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// The bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// What is derived from the secret.
#[derive(Clone)]
pub(super) struct Keys {
    patient: HmacSha256,
    record: HmacSha256,
    id: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads the secret.
    ///
    /// # Errors
    /// A file that is not there, that others may read, or that holds no key.
    pub(super) fn read(path: &Path) -> Result<Keys, AuditError> {
        let bytes = private_file::read_secret(path).map_err(AuditError::io(path))?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        let secret = private_file::from_hex(text).or_else(|| BASE64.decode(text).ok());
        let secret = secret.filter(|secret| secret.len() == 32);
        let secret = secret.ok_or_else(|| AuditError::NoKey { path: path.to_owned() })?;
        Keys::derive(&secret).ok_or_else(|| AuditError::NoKey { path: path.to_owned() })
    }

    /// Makes a secret, and the file that keeps it.
    ///
    /// # Errors
    /// A file that is there already, or cannot be written.
    pub(super) fn create(path: &Path) -> Result<Keys, AuditError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)
            .map_err(|error| AuditError::io(path)(io::Error::other(error.to_string())))?;
        if let Some(folder) = path.parent() {
            private_file::make_folder(folder).map_err(AuditError::io(folder))?;
        }
        let text = hex(&secret) + "\n";
        let written = private_file::create(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            path.parent().map_or(Ok(()), private_file::sync_folder)
        });
        written.map_err(AuditError::io(path))?;
        Keys::read(path)
    }

    fn derive(secret: &[u8]) -> Option<Keys> {
        let root = HmacSha256::new_from_slice(secret).ok()?;
        let of = |purpose: &str| root.clone().chain_update(purpose).finalize().into_bytes();
        Some(Keys {
            patient: root.clone().chain_update("patient/"),
            record: HmacSha256::new_from_slice(&of("record")).ok()?,
            id: hex(of("id").get(..8)?),
        })
    }

    /// Names the secret without telling anything about it.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn patient(&self, patient_id: &str) -> PatientKey {
        PatientKey(self.patient.clone().chain_update(patient_id).finalize().into_bytes().into())
    }

    /// The seal of a record.
    pub(super) fn seal(&self, body: &[u8]) -> String {
        hex(&self.record.clone().chain_update(body).finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_is_known_by_a_keyed_hash_that_other_tools_can_make() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        let secret: Vec<u8> = (0..32).collect();
        for text in [hex(&secret), format!("{}\n", BASE64.encode(&secret))] {
            private_file::write_atomically(&path, text.as_bytes()).unwrap();
            // printf 'patient/p-1' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1f
            let key = Keys::read(&path).unwrap().patient("p-1").to_string();
            assert_eq!(key, "b8feb0466dda63c775d830021dadbd0fd1ab54258258d736183e2361aa9db572");
        }
        private_file::write_atomically(&path, b"00ff").unwrap();
        assert!(Keys::read(&path).unwrap_err().to_string().contains("32 bytes"));
        assert!(Keys::create(&path).is_err(), "a key is never written over");
    }
}
