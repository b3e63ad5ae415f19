//! Where the flags of a demonstration are while it lasts.

use std::io;
use std::path::{Path, PathBuf};

use crate::flag::FlagRulesParams;
use crate::flag_store::{FlagStore, StoreError};
use crate::private_file;
use crate::record::Time;

/// A folder with the flags of simulated patients, removed when it is dropped.
#[derive(Debug)]
pub struct Stage(PathBuf);

impl Stage {
    /// Makes the folder within `temporary`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn build(temporary: &Path) -> io::Result<Stage> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!("prodrome-demonstration-{:016x}", u64::from_be_bytes(id));
        let folder = temporary.join(name);
        private_file::make_empty_folder(&folder)?;
        Ok(Stage(folder))
    }

    /// A new store in it.
    ///
    /// # Errors
    /// The store cannot be made.
    pub async fn store(&self, now: Time) -> Result<FlagStore, StoreError> {
        // Two tiers raise flags, and a team has a small share of them a day: so there are both, and some
        // wait.
        let few =
            FlagRulesParams { raising_tiers: 2, raises_a_day_per_team: 1, ..Default::default() };
        FlagStore::for_demonstration(&self.0, few, now).await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Nobody is in it: what cannot be removed now, the system removes with its other remains.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
