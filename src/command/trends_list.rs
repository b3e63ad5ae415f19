//! `trends --list`: who in the group of a statement is not yet treated or flagged.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::records::{self, Source};
use super::trends::{Read, scorer, wanted};
use super::{CommandError, FlagsRekeyRequest};
use crate::flag::{FlagQuery, FlagState, PAGE_FLAGS_MAX, Reach};
use crate::flag_store::{FlagSettings, FlagStore};
use crate::import::{Column, ColumnType, Counts, Meter, ParquetWriter, Received};
use crate::record::Time;
use crate::registry;
use crate::train::Count;
use crate::trend::{ListReader, Lister, Spans};

/// What `trends --list` is asked to do.
#[derive(Clone, PartialEq)]
pub struct TrendsListRequest {
    pub source: Source,
    pub spec: PathBuf,
    pub models: PathBuf,
    pub concepts: Vec<PathBuf>,
    /// The release that holds the statement.
    pub release: PathBuf,
    /// The statement's id.
    pub statement: String,
    /// The Parquet file to write; it holds patient data.
    pub out: PathBuf,
    /// A store of flags: who has an open flag is left out.
    pub flags: Option<FlagsRekeyRequest>,
}

/// What `trends --list` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrendsListed {
    pub statement: String,
    pub out: PathBuf,
    pub lines: Counts,
    /// People of the group in the statement's last period.
    pub group: Count,
    /// Those of them who are listed, and those who are left out because they are treated or flagged.
    pub listed: Count,
    pub treated: Count,
    pub flagged: Count,
}

impl TrendsListed {
    /// What was found, in sentences.
    pub fn summary(&self) -> String {
        let TrendsListed { statement, out, lines, group, listed, treated, flagged } = self;
        format!(
            "{statement}\n{}\nof {group} people of the group in the last period {listed} are listed; {treated} \
             are treated already, {flagged} have an open flag\nwritten (patient data): {}",
            lines.sentence(),
            out.display()
        )
    }
}

/// Somebody on the list.
struct Row {
    subject_id: i64,
    patient_id: String,
    value: f64,
}

#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    group: u64,
    treated: u64,
}

/// Lists the people of a statement's group who could be looked after.
///
/// # Errors
/// As `trends`; also no such statement, a store of flags that cannot be read.
pub fn trends_list(
    request: &TrendsListRequest,
    now: Time,
    meter: &Meter,
) -> Result<TrendsListed, CommandError> {
    let read = Read::new(&request.source, &request.spec, &request.models, &request.concepts)?;
    let spec = read.spec(&request.spec)?;
    let release = registry::read_release(&request.release)?;
    let spans = Spans::new(&spec, read.until);
    let lister = Lister::new(&spec, &release, &request.statement, &spans, &scorer)
        .map_err(|error| CommandError::Usage(error.to_string()))?;
    let flagged =
        request.flags.as_ref().map(|store| flagged(store, lister.task(), now)).transpose()?;
    let export = records::export(&request.source)?;
    let wanted = wanted(&spec, &read.concepts);
    let begin = |_| (lister.reader(), Found::default());
    let (parts, lines) = export.fold(meter, &wanted, begin, |(reader, found), subject| {
        let reader: &mut ListReader<'_, '_> = reader;
        match lister.look(reader, &subject.record) {
            Ok(None) => {}
            Ok(Some(listed)) => {
                found.group += 1;
                found.treated += u64::from(listed.is_treated);
                // Nobody calls the dead.
                let is_alive = subject.record.death_time.is_none_or(|time| time > read.until);
                if listed.is_listed && is_alive {
                    let patient_id = subject.record.patient_id;
                    let (subject_id, value) = (subject.subject_id, listed.value);
                    found.rows.push(Row { subject_id, patient_id, value });
                }
            }
            Err(error) => return Received::Quarantined(error.to_string()),
        }
        Received::Used
    })?;
    let mut all = Found::default();
    for (_, found) in parts {
        all.rows.extend(found.rows);
        (all.group, all.treated) = (all.group + found.group, all.treated + found.treated);
    }
    let before = all.rows.len();
    let flagged = flagged.unwrap_or_default();
    all.rows.retain(|row| !flagged.contains(&row.patient_id));
    all.rows.sort_by_key(|row| row.subject_id);
    write(&request.out, &all.rows)?;
    let said = release.statements.iter().find(|statement| statement.id == request.statement);
    Ok(TrendsListed {
        statement: said.map_or(String::new(), |statement| statement.text.clone()),
        out: request.out.clone(),
        lines,
        group: Count(all.group),
        listed: Count(all.rows.len() as u64),
        treated: Count(all.treated),
        flagged: Count((before - all.rows.len()) as u64),
    })
}

fn write(path: &std::path::Path, rows: &[Row]) -> Result<(), CommandError> {
    let columns = [
        ("subject_id", ColumnType::Integer),
        ("patient_id", ColumnType::Text),
        ("value", ColumnType::Double),
    ];
    let mut writer = ParquetWriter::create(path, &columns)?;
    let subjects: Vec<i64> = rows.iter().map(|row| row.subject_id).collect();
    let ids: Vec<_> = rows.iter().map(|row| Some(row.patient_id.as_str())).collect();
    let values: Vec<_> = rows.iter().map(|row| Some(row.value)).collect();
    writer.append(&[Column::Integer(&subjects), Column::Text(&ids), Column::Double(&values)])?;
    Ok(writer.finish()?)
}

/// The patients who have an open flag, or one that waits; of the task, where there is one.
fn flagged(
    store: &FlagsRekeyRequest,
    task: Option<&str>,
    now: Time,
) -> Result<BTreeSet<String>, CommandError> {
    let settings = FlagSettings {
        store: Some(store.store.clone()),
        key_file: store.key_file.clone(),
        ..FlagSettings::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::Threads(error.to_string()))?;
    runtime.block_on(async {
        let store = FlagStore::open(&settings, now).await?;
        let mut query = FlagQuery {
            states: FlagState::ALL.into_iter().filter(|state| state.is_live()).collect(),
            tasks: task.map(str::to_owned).into_iter().collect(),
            page_flags: PAGE_FLAGS_MAX,
            ..FlagQuery::default()
        };
        let mut patients = BTreeSet::new();
        loop {
            let page = store.list(&query, &Reach::everything(), now).await?;
            patients.extend(page.flags.into_iter().map(|flag| flag.patient_id));
            match page.next {
                Some(next) => query.page = Some(next),
                None => break,
            }
        }
        store.close().await;
        Ok(patients)
    })
}
