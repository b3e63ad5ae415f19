//! The arguments of `flags-rekey`.

use std::path::PathBuf;

use clap::Args;
use prodrome::command::FlagsRekeyRequest;

#[derive(Debug, Args)]
pub(crate) struct FlagsRekeyArguments {
    /// The store, as the server's settings name it: a path, or postgres://user@host/database, whose
    /// password belongs into the file that PGPASSFILE names: others see the arguments of a program.
    #[arg(long, value_name = "URL")]
    store: String,
    /// The key file, with the new key in its first line and the old ones below; beside the store by
    /// default. A server reads it only when it starts, so: (1) give every server the new key as a
    /// further line, and restart it; (2) make that the first line everywhere, and restart every
    /// server; (3) run this command; (4) remove the old lines. One server alone needs no (1).
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl FlagsRekeyArguments {
    pub(crate) fn request(self) -> FlagsRekeyRequest {
        let FlagsRekeyArguments { store, key_file } = self;
        FlagsRekeyRequest { store, key_file }
    }
}
