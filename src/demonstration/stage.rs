//! Where the flags of a demonstration are while it lasts.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::DemonstrationError;
use crate::flag_store::FlagStore;
use crate::private_file;
use crate::record::Time;
use crate::service::Service;

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

    /// The same service with flags for showing, kept here.
    ///
    /// # Errors
    /// The store cannot be made.
    pub async fn furnish(
        &self,
        service: Service,
        now: Time,
    ) -> Result<Service, DemonstrationError> {
        let store = FlagStore::for_demonstration(&self.0, now).await?;
        Ok(service.with_flags(Arc::new(store)))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Nobody is in it: what cannot be removed now, the system removes with its other remains.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
