//! The arguments of `trends`.

use std::path::PathBuf;

use clap::Args;
use prodrome::command::{FlagsRekeyRequest, TrendsListRequest, TrendsRequest};

use super::Records;

#[derive(Debug, Args)]
pub(crate) struct TrendsArguments {
    #[command(flatten)]
    records: Records,
    /// The specification: what is counted, in whom, by which groups and periods.
    #[arg(long, value_name = "FILE")]
    spec: PathBuf,
    /// The folder with concepts.toml.
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// The release to write. A release of the same specification that stands there already is
    /// continued: its periods stay as they were released.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The release to continue, where it is not the one at --out.
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    previous: Option<PathBuf>,
    /// Write a page for people.
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    report: Option<PathBuf>,
    /// Write the figures as a table: FILE.csv or FILE.parquet.
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    table: Option<PathBuf>,
    /// List the people of this statement's group who are not yet treated, in the raw export: --out is
    /// then the Parquet file to write, which holds patient data.
    #[arg(long, value_name = "STATEMENT_ID", requires = "release")]
    list: Option<String>,
    /// With --list: the release that holds the statement.
    #[arg(long, value_name = "FILE", requires = "list")]
    release: Option<PathBuf>,
    /// With --list: leave out who has an open flag in this store (a path, or
    /// postgres://user@host/database).
    #[arg(long, value_name = "URL", requires = "list")]
    flags: Option<String>,
    /// With --flags: the store's key file; beside the store by default.
    #[arg(long, value_name = "FILE", requires = "flags")]
    key_file: Option<PathBuf>,
}

/// One of the two things that `trends` does.
pub(crate) enum TrendsCall {
    Release(TrendsRequest),
    List(TrendsListRequest),
}

impl TrendsArguments {
    pub(crate) fn call(self) -> TrendsCall {
        let TrendsArguments {
            records,
            spec,
            models,
            out,
            previous,
            report,
            table,
            list,
            release,
            flags,
            key_file,
        } = self;
        let (source, concepts) = records.parts();
        match list.zip(release) {
            None => TrendsCall::Release(TrendsRequest {
                source,
                spec,
                models,
                concepts,
                out,
                previous,
                report,
                table,
            }),
            Some((statement, release)) => TrendsCall::List(TrendsListRequest {
                source,
                spec,
                models,
                concepts,
                release,
                statement,
                out,
                flags: flags.map(|store| FlagsRekeyRequest { store, key_file }),
            }),
        }
    }
}
