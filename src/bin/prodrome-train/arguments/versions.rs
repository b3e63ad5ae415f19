//! The arguments of the commands that decide about versions.

use std::path::PathBuf;

use clap::Args;
use prodrome::command::{PromoteRequest, SignRequest, VerifyRequest};
use prodrome::registry::{Stage, VERSIONS_KEPT};

#[derive(Debug, Args)]
pub(crate) struct PromoteArguments {
    /// Make it the demonstration version instead, which only `prodrome-server --demo` serves. Versions
    /// fitted on a simulated population can be nothing else.
    #[arg(long)]
    demo: bool,
    /// The task's name.
    #[arg(long)]
    task: String,
    /// The version's number.
    #[arg(long)]
    version: String,
    /// The models folder.
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// The comparison.json of a `compare --only-held-out` of this version (first) with the one in
    /// service (second): the gate refuses a version that is worse.
    #[arg(long, value_name = "FILE")]
    comparison: Option<PathBuf>,
    /// How many earlier versions stay beside it: a request may name them, and a server that starts
    /// falls back to them.
    #[arg(long, value_name = "VERSIONS", default_value_t = VERSIONS_KEPT)]
    keep: usize,
    /// An ed25519 private key (PKCS#8 PEM, mode 0600) to sign the decision with: servers that ask for
    /// signatures take no other.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Promote it although the gate says no; the reason is kept in stages.json and shown.
    #[arg(long, requires = "reason")]
    force: bool,
    /// Why it is to be in service all the same.
    #[arg(long, value_name = "TEXT", requires = "force")]
    reason: Option<String>,
}

impl PromoteArguments {
    pub(crate) fn request(self) -> PromoteRequest {
        let PromoteArguments { demo, task, version, models, comparison, keep, key, force, reason } =
            self;
        let stage = if demo { Stage::Demo } else { Stage::Stable };
        let force = reason.filter(|_| force);
        PromoteRequest { models, task, version, stage, comparison, force, kept: keep, key }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SignArguments {
    /// A version folder, such as models/readmit30_diabetes/1.
    #[arg(long)]
    bundle: PathBuf,
    /// An ed25519 private key (PKCS#8 PEM, mode 0600): openssl genpkey -algorithm ed25519.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

impl SignArguments {
    pub(crate) fn request(self) -> SignRequest {
        let SignArguments { bundle, key } = self;
        SignRequest { bundle, key }
    }
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// A version folder, such as models/readmit30_diabetes/1.
    #[arg(long)]
    bundle: PathBuf,
    /// An ed25519 public key (PEM): openssl pkey -pubout. May be given more than once: one of them must
    /// have signed it.
    #[arg(long = "public-key", value_name = "FILE", required = true)]
    public_keys: Vec<PathBuf>,
}

impl VerifyArguments {
    pub(crate) fn request(self) -> VerifyRequest {
        let VerifyArguments { bundle, public_keys } = self;
        VerifyRequest { bundle, public_keys }
    }
}
