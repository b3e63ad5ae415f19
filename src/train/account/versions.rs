//! What exactly this is the report of.

use super::{Account, Occasion};
use crate::page::{Section, Table};

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("versions", "Versions and digests");
    let manifest = account.manifest;
    let mut table = Table::new("What this is the report of.", &["Name", "Value"], &[]);
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("Task", manifest.task.clone());
    row("Version", manifest.version.clone());
    row("Digest of the task (sha256)", manifest.task_digest.clone());
    row("Seed", manifest.seed.to_string());
    row("Format of the bundle", manifest.format_version.to_string());
    match account.occasion {
        Occasion::Fit(report) => {
            row("Held out", report.held_out_part.clone());
            row("Made by", concat!("prodrome ", env!("CARGO_PKG_VERSION")).to_owned());
        }
        Occasion::Evaluation { digest, .. } => {
            row("Digest of the bundle (sha256)", digest.to_owned());
            row("Judged by", concat!("prodrome ", env!("CARGO_PKG_VERSION")).to_owned());
        }
    }
    for (name, file) in &manifest.files {
        row(&format!("File {name} (sha256)"), file.sha256.clone());
    }
    section.table(table);
    section
}
