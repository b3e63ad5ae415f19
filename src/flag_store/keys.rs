//! The keys of a store: what its columns are sealed with, and what patients are looked up by.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::StoreError;
use crate::private_file;

type HmacSha256 = Hmac<Sha256>;

/// More keys than this are no rotation.
const KEYS_MAX: usize = 16;
/// In bytes.
const KEY_BYTES: usize = 32;
/// The digits that name a key: 8 bytes of a keyed hash.
const KEY_ID_CHARS: usize = 16;

/// One key, and its name in what it sealed.
struct Key {
    id: String,
    key: RandomizedNonceKey,
}

/// The keys of the key file; the first seals, all open.
pub(super) struct Keys {
    first: Key,
    others: Vec<Key>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("first", &self.first.id).finish_non_exhaustive()
    }
}

impl Key {
    fn new(secret: &[u8]) -> Option<Key> {
        let mut id = hashed(secret, "key id");
        id.truncate(KEY_ID_CHARS);
        Some(Key { id, key: RandomizedNonceKey::new(&AES_256_GCM, secret).ok()? })
    }

    /// Seals `text` for a place: moved to another place, it opens no more.
    fn seal(&self, place: &str, text: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut bytes = text.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(place), &mut bytes);
        let nonce = nonce.map_err(|_| StoreError::Refused("encryption".to_owned()))?;
        Ok([nonce.as_ref().as_slice(), &bytes].concat())
    }

    /// Opens what `seal` made for the same place; `None` for anything else.
    fn open(&self, place: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(place), &mut text).ok()?;
        Some(opened.to_vec())
    }
}

/// The keyed hash of a text, in hexadecimal.
fn hashed(secret: &[u8], text: &str) -> String {
    // A key of HMAC may have any length: there is always a hash.
    let mac = HmacSha256::new_from_slice(secret).map(|mac| mac.chain_update(text).finalize());
    mac.map(|mac| format!("{:x}", mac.into_bytes())).unwrap_or_default()
}

fn random_bytes() -> Result<[u8; KEY_BYTES], StoreError> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|_| StoreError::Unavailable("the system gives no random numbers"))?;
    Ok(bytes)
}

impl Keys {
    /// Reads the key file.
    ///
    /// # Errors
    /// A file that is not there, that others may read, or that holds anything but keys.
    pub(super) fn read(path: &Path) -> Result<Keys, StoreError> {
        let bytes = private_file::read_secret(path).map_err(StoreError::io(path))?;
        let no_key = || StoreError::NoKey { path: path.to_owned() };
        let text = std::str::from_utf8(&bytes).map_err(|_| no_key())?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys: Option<Vec<Key>> = lines
            .map(|line| {
                let secret = private_file::from_hex(line)?;
                (secret.len() == KEY_BYTES).then(|| Key::new(&secret))?
            })
            .collect();
        let mut keys = keys.filter(|keys| keys.len() <= KEYS_MAX).ok_or_else(no_key)?.into_iter();
        let first = keys.next().ok_or_else(no_key)?;
        Ok(Keys { first, others: keys.collect() })
    }

    /// Makes a key file of one random key.
    ///
    /// # Errors
    /// A file that is there already, or cannot be written.
    pub(super) fn create(path: &Path) -> Result<(), StoreError> {
        let digits =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        let (text, mut name) = (digits(&random_bytes()?), digits(&random_bytes()?));
        name.truncate(KEY_ID_CHARS);
        let write = |folder: &Path| {
            private_file::make_folder(folder)?;
            // Under another name first: a part of a key is never there under its own.
            let mut incoming = path.as_os_str().to_owned();
            incoming.push(format!(".{name}.incoming"));
            private_file::write_new(Path::new(&incoming), (text + "\n").as_bytes())?;
            let linked = fs::hard_link(&incoming, path);
            fs::remove_file(&incoming)?;
            linked.and_then(|()| private_file::sync_folder(folder))
        };
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => write(folder),
            _ => write(Path::new(".")),
        }
        .or_else(|error| match error.kind() {
            // Another server that starts at the same time made it.
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        })
        .map_err(StoreError::io(path))
    }

    /// The name of the key that seals.
    pub(super) fn id(&self) -> &str {
        &self.first.id
    }

    /// Seals `text` for a place in the store: moved to another place, it opens no more.
    ///
    /// # Errors
    /// A library that cannot.
    pub(super) fn seal(&self, place: &str, text: &[u8]) -> Result<String, StoreError> {
        let sealed = self.first.seal(place, text)?;
        Ok(format!("{}.{}", self.first.id, BASE64.encode(sealed)))
    }

    /// Opens what `seal` made for the same place; `None` for anything else, and where the key is
    /// not in the key file.
    pub(super) fn unseal(&self, place: &str, sealed: &str) -> Option<Vec<u8>> {
        let (id, text) = sealed.split_once('.')?;
        let key = std::iter::once(&self.first).chain(&self.others).find(|key| key.id == id)?;
        key.open(place, &BASE64.decode(text).ok()?)
    }
}

/// The key of the store itself, which stays when the keys of the key file change: patients are found
/// by it, and tokens of pages are sealed with a key that is made of it.
pub(super) struct IndexKey(Vec<u8>);

impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexKey")
    }
}

/// What the index key is sealed for.
const INDEX_KEY_PLACE: &str = "flag_store/sealed_index_key";

impl IndexKey {
    /// A new one, sealed.
    ///
    /// # Errors
    /// A system without random numbers.
    pub(super) fn generate(keys: &Keys) -> Result<String, StoreError> {
        keys.seal(INDEX_KEY_PLACE, &random_bytes()?)
    }

    /// The one that is kept in `sealed`; `None` where the key file does not open it.
    pub(super) fn open(keys: &Keys, sealed: &str) -> Option<IndexKey> {
        keys.unseal(INDEX_KEY_PLACE, sealed).map(IndexKey)
    }

    /// Sealed once more, with the first key.
    ///
    /// # Errors
    /// A library that cannot.
    pub(super) fn seal(&self, keys: &Keys) -> Result<String, StoreError> {
        keys.seal(INDEX_KEY_PLACE, &self.0)
    }

    /// What a patient is looked up by.
    pub(super) fn patient_key(&self, patient_id: &str) -> String {
        hashed(&self.0, &format!("patient/{patient_id}"))
    }

    /// The text as a token that nobody else can make, and that says nothing of the text.
    ///
    /// # Errors
    /// A library that cannot.
    pub(super) fn seal_token(&self, text: &str, bound_to: &str) -> Result<String, StoreError> {
        let no_key = || StoreError::Refused("encryption".to_owned());
        let sealed = self.token_key().ok_or_else(no_key)?.seal(bound_to, text.as_bytes())?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The text that `seal_token` was given for the same `bound_to`.
    pub(super) fn open_token(&self, token: &str, bound_to: &str) -> Option<String> {
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        String::from_utf8(self.token_key()?.open(bound_to, &sealed)?).ok()
    }

    fn token_key(&self) -> Option<Key> {
        Key::new(&private_file::from_hex(&hashed(&self.0, "key of page tokens"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(folder: &Path, lines: &[&str]) -> Result<Keys, StoreError> {
        let path = folder.join("flags.key");
        private_file::write_atomically(&path, lines.join("\n").as_bytes()).unwrap();
        Keys::read(&path)
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = ("a1".repeat(32), "b2".repeat(32));
        let old = keys(folder.path(), &[&a]).unwrap();
        let sealed = old.seal("flag/reasons/1", b"text").unwrap();
        assert_ne!(sealed, old.seal("flag/reasons/1", b"text").unwrap(), "no nonce twice");
        let new = keys(folder.path(), &[&b, "", &a]).unwrap();
        assert_eq!(new.unseal("flag/reasons/1", &sealed).unwrap(), b"text");
        assert_eq!(new.unseal("flag/reasons/2", &sealed), None, "moved to another place");
        assert_eq!(old.unseal("flag/reasons/1", &new.seal("flag/reasons/1", b"").unwrap()), None);
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let tampered = String::from_utf8(bytes).unwrap();
            assert_eq!(old.unseal("flag/reasons/1", &tampered), None, "byte {at}");
        }
        for bad in [vec![], vec!["00ff"], vec![&a[..], "zz"], vec![&a[..]; 17]] {
            let error = keys(folder.path(), &bad).unwrap_err().to_string();
            assert!(error.contains("64 hexadecimal digits"), "{error}");
        }
    }

    #[test]
    fn a_token_holds_for_what_it_was_made_for() {
        let key = IndexKey(vec![7; 32]);
        let token = key.seal_token("12.0", "query").unwrap();
        assert_eq!(key.open_token(&token, "query").as_deref(), Some("12.0"));
        assert_eq!(key.open_token(&token, "another query"), None);
        assert_eq!(IndexKey(vec![8; 32]).open_token(&token, "query"), None);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        assert!(!bytes.windows(4).any(|window| window == b"12.0"), "it says nothing");
        assert_ne!(token, key.seal_token("12.0", "query").unwrap());
        for forged in ["", "a", "####", &URL_SAFE_NO_PAD.encode("12.0/00")] {
            assert_eq!(key.open_token(forged, "query"), None, "{forged}");
        }
    }
}
