//! The arguments of `audit-verify`.

use std::path::PathBuf;

use clap::Args;
use prodrome::audit::Evidence;
use prodrome::command::AuditVerifyRequest;

#[derive(Debug, Args)]
pub(crate) struct AuditVerifyArguments {
    /// The folder of the access log.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The log's secret: with it, forged records are seen wherever they stand.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The key that checkpoints are signed by, in PEM (openssl pkey -pubout).
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// A copy of checkpoint.json that was kept elsewhere: with it, a missing end is seen. The one
    /// beside the log by default, which whoever cuts the log can change too.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

impl AuditVerifyArguments {
    pub(crate) fn request(self) -> AuditVerifyRequest {
        let AuditVerifyArguments { folder, key_file, public_key, checkpoint } = self;
        AuditVerifyRequest { folder, evidence: Evidence { key_file, public_key, checkpoint } }
    }
}
