//! The arguments of `audit-verify` and `audit-export`.

use std::path::PathBuf;

use clap::Args;
use prodrome::audit::Evidence;
use prodrome::command::{AuditExportRequest, AuditVerifyRequest};
use prodrome::record::{PartialDate, Time};

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

#[derive(Debug, Args)]
pub(crate) struct AuditExportArguments {
    /// The folder of the access log.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The file to write, as FHIR NDJSON. It holds who asked for whom, and is readable by you alone.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Leave out calls that ended before: a time such as 2026-03-01T08:00:00Z, or a day (UTC).
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Time>,
    /// Leave out calls that ended then or later.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Time>,
}

impl AuditExportArguments {
    pub(crate) fn request(self) -> AuditExportRequest {
        let AuditExportArguments { folder, out, since, until } = self;
        AuditExportRequest { folder, out, since, until }
    }
}

fn time(text: &str) -> Result<Time, String> {
    let day = || PartialDate::parse(text).filter(|_| text.trim().len() == "2026-03-01".len());
    let time = Time::parse(text).or_else(|| day()?.earliest());
    time.ok_or_else(|| "must be a time such as 2026-03-01T08:00:00Z, or a day".to_owned())
}
