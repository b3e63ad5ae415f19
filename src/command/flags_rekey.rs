//! `flags-rekey`: a flag store's content, encrypted with a new key, while servers go on that know it.

use std::path::PathBuf;

use serde::Serialize;

use super::CommandError;
use crate::flag_store::{FlagSettings, FlagStore, Rekeyed};
use crate::record::Time;

/// The longest wait for the store at one point, in milliseconds: servers have it most of the time.
const WAIT_MILLISECONDS: u64 = 60_000;

/// What `flags-rekey` is asked to do.
#[derive(Clone, PartialEq, Eq)]
pub struct FlagsRekeyRequest {
    /// The store, as the server's settings name it; it may hold a password.
    pub store: String,
    /// The key file: the new key in the first line, the old ones below.
    pub key_file: Option<PathBuf>,
}

/// What `flags-rekey` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlagsRekeyed {
    #[serde(flatten)]
    pub rekeyed: Rekeyed,
}

impl FlagsRekeyed {
    /// What was done, and when the old keys may go.
    pub fn summary(&self) -> String {
        let Rekeyed { flags, damaged, key_id } = &self.rekeyed;
        if *damaged > 0 {
            return format!(
                "{flags} flags are encrypted with key {key_id} now; {damaged} others cannot be \
                 decrypted and stay as they are: bring their key back as a further line of the key \
                 file, and run this again"
            );
        }
        format!(
            "everything in the store is encrypted with key {key_id} now ({flags} flags were not): \
             a server that runs without it cannot read them\n\
             The other lines of the key file may go once every server was restarted with the new \
             first line and this command, run again after that, finds 0 flags."
        )
    }
}

/// Encrypts a store's content with the first key of its key file; stopped, it goes on when it is
/// called again.
///
/// # Errors
/// A store that cannot be opened or written to, a key that is not in the key file.
pub fn flags_rekey(request: &FlagsRekeyRequest, now: Time) -> Result<FlagsRekeyed, CommandError> {
    let settings = FlagSettings {
        store: Some(request.store.clone()),
        key_file: request.key_file.clone(),
        wait_milliseconds: WAIT_MILLISECONDS,
        ..FlagSettings::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::Threads(error.to_string()))?;
    runtime.block_on(async {
        let store = FlagStore::open(&settings, now).await?;
        let rekeyed = store.rekey(now).await;
        store.close().await;
        Ok(FlagsRekeyed { rekeyed: rekeyed? })
    })
}
