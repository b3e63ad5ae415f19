//! A flag as a row: what is sealed, and what is not.

use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::StoreError;
use super::keys::Keys;
use super::sql::{Sql, signed, unsigned};
use crate::bundle::Sufficiency;
use crate::flag::{Action, Dismissal, Flag, FlagId, FlagState, Held, Memory, Place, Standing};
use crate::record::Time;

/// The columns of a flag, in the order in which they are written.
const COLUMNS: [&str; 35] = [
    "id",
    "patient_key",
    "sealed_patient_id",
    "sealed_reasons",
    "sealed_course",
    "key_id",
    "task",
    "facility",
    "unit",
    "team",
    "state",
    "tier",
    "tier_rank",
    "is_provisional",
    "is_synthetic",
    "is_falling",
    "probability",
    "raised_probability",
    "horizon_days",
    "index_time",
    "raised_time",
    "expires_time",
    "scored_time",
    "history_used_until",
    "sufficiency",
    "model_version",
    "bundle_digest",
    "assignee",
    "snoozed_until",
    "dismissal",
    "action",
    "held",
    "changed_time",
    "version",
    "change_number",
];

/// The columns for a statement that calls the table of flags `f`.
pub(super) fn columns() -> String {
    COLUMNS.map(|column| format!("f.{column}")).join(", ")
}

/// What a sealed column of a flag is sealed for.
fn place(column: &str, id: FlagId) -> String {
    format!("flag/{column}/{id}")
}

/// Writes a flag, new or changed.
///
/// # Errors
/// A flag that cannot be sealed.
pub(super) fn upsert(
    keys: &Keys,
    flag: &Flag,
    memory: &Memory,
    patient_key: &str,
) -> Result<Sql, StoreError> {
    let seal = |column: &str, text: &[u8]| keys.seal(&place(column, flag.id), text);
    let updates = COLUMNS.iter().skip(1).map(|column| format!("{column} = excluded.{column}"));
    let updates = updates.collect::<Vec<_>>().join(", ");
    let sql = Sql::new(&format!("INSERT INTO flag ({}) VALUES (", COLUMNS.join(", ")))
        .value(flag.id.to_string())
        .next(patient_key.to_owned())
        .next(seal("patient_id", flag.patient_id.as_bytes())?)
        .next(seal("reasons", &json(&flag.reasons)?)?)
        .next(seal("course", &json(&flag.course)?)?)
        .next(keys.id().to_owned());
    let sql = open_columns(sql, flag, memory);
    Ok(sql.text(&format!(") ON CONFLICT (id) DO UPDATE SET {updates}")))
}

/// The columns that anybody reads who has the store.
fn open_columns(sql: Sql, flag: &Flag, memory: &Memory) -> Sql {
    sql.next(flag.task.clone())
        .next(flag.place.facility.clone())
        .next(flag.place.unit.clone())
        .next(flag.place.team.clone())
        .next(flag.state.name())
        .next(flag.tier.clone())
        .next(i64::from(flag.tier_rank))
        .next(i64::from(flag.is_provisional))
        .next(i64::from(flag.is_synthetic))
        // Not to be raised now, whether its risk falls or its record does not suffice.
        .next(i64::from(memory.holds_back(flag)))
        .next(flag.probability)
        .next(flag.raised_probability)
        .next(i64::from(flag.horizon_days))
        .next(flag.index_time.micros())
        .next(flag.raised_time.micros())
        .next(flag.expires_time.micros())
        .next(flag.scored_time.micros())
        .next(flag.history_used_until.map(Time::micros))
        .next(flag.sufficiency.letter())
        .next(flag.model_version.clone())
        .next(flag.bundle_digest.clone())
        .next(flag.assignee.clone())
        .next(flag.snoozed_until.map(Time::micros))
        .next(flag.dismissal.map(Dismissal::name))
        .next(flag.action.map(Action::name))
        .next(flag.held.map(Held::name))
        .next(flag.changed_time.micros())
        .next(signed(flag.version))
        .next(signed(flag.change_number))
}

/// # Errors
/// A value that JSON has no words for.
fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|_| StoreError::Refused("json".to_owned()))
}

/// The memory as it is stored.
///
/// # Errors
/// A number that JSON has no words for.
pub(super) fn memory_text(memory: &Memory) -> Result<String, StoreError> {
    serde_json::to_string(memory).map_err(|_| StoreError::Refused("json".to_owned()))
}

/// The standing in a row of `columns` and `memory`, each of which may be missing.
///
/// # Errors
/// A row that is damaged.
pub(super) fn standing(keys: &Keys, row: &AnyRow) -> Result<Standing, StoreError> {
    let id: Option<String> = row.try_get("id")?;
    let flag = id.map(|_| flag(keys, row)).transpose()?;
    let text: Option<String> = row.try_get("memory")?;
    let memory = text.map(|text| serde_json::from_str(&text)).transpose();
    let memory = memory.map_err(|_| match &flag {
        Some(flag) => StoreError::Damaged { flag: flag.id, column: "memory" },
        None => StoreError::Refused("memory".to_owned()),
    })?;
    Ok(Standing { flag, memory: memory.unwrap_or_default() })
}

/// The flag in a row of `columns`.
///
/// # Errors
/// A row that is damaged, or whose key is not in the key file.
pub(super) fn flag(keys: &Keys, row: &AnyRow) -> Result<Flag, StoreError> {
    let id: String = row.try_get("id")?;
    let id = FlagId::parse(&id).map_err(|_| StoreError::Refused("flag id".to_owned()))?;
    sound(keys, row, id).map_err(|error| match error {
        // A value of another type than was written.
        StoreError::Refused(_) => StoreError::Damaged { flag: id, column: "row" },
        error => error,
    })
}

fn sound(keys: &Keys, row: &AnyRow, id: FlagId) -> Result<Flag, StoreError> {
    let reader = Reader { keys, row, id };
    let place = Place {
        facility: row.try_get("facility")?,
        unit: row.try_get("unit")?,
        team: row.try_get("team")?,
    };
    let sufficiency: String = row.try_get("sufficiency")?;
    Ok(Flag {
        id,
        patient_id: String::from_utf8(reader.unsealed("patient_id", "sealed_patient_id")?)
            .map_err(|_| StoreError::Damaged { flag: id, column: "patient_id" })?,
        task: row.try_get("task")?,
        place,
        state: reader.named("state", FlagState::parse)?,
        tier: row.try_get("tier")?,
        tier_rank: reader.small("tier_rank")?,
        is_provisional: reader.number("is_provisional")? != 0,
        is_synthetic: reader.number("is_synthetic")? != 0,
        probability: row.try_get("probability")?,
        raised_probability: row.try_get("raised_probability")?,
        horizon_days: reader.small("horizon_days")?,
        index_time: reader.time("index_time")?,
        raised_time: reader.time("raised_time")?,
        expires_time: reader.time("expires_time")?,
        scored_time: reader.time("scored_time")?,
        history_used_until: reader.optional_time("history_used_until")?,
        sufficiency: Sufficiency::parse(&sufficiency).unwrap_or(Sufficiency::D),
        model_version: row.try_get("model_version")?,
        bundle_digest: row.try_get("bundle_digest")?,
        reasons: reader.json("reasons", "sealed_reasons")?,
        course: reader.json("course", "sealed_course")?,
        assignee: row.try_get("assignee")?,
        snoozed_until: reader.optional_time("snoozed_until")?,
        dismissal: reader.optional("dismissal", Dismissal::parse)?,
        action: reader.optional("action", Action::parse)?,
        held: reader.optional("held", Held::parse)?,
        changed_time: reader.time("changed_time")?,
        version: unsigned(reader.number("version")?),
        change_number: unsigned(reader.number("change_number")?),
    })
}

/// A name in a column, as what it names; `None` where there is none.
///
/// # Errors
/// A name that this program does not know.
pub(super) fn optional_name<T>(
    row: &AnyRow,
    column: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.try_get(column)?;
    let read = |text: String| parse(&text).ok_or_else(|| StoreError::Refused(column.to_owned()));
    text.map(read).transpose()
}

/// As `optional_name`, where there must be one.
///
/// # Errors
/// None, or one that this program does not know.
pub(super) fn name<T>(
    row: &AnyRow,
    column: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, StoreError> {
    let named = optional_name(row, column, parse)?;
    named.ok_or_else(|| StoreError::Refused(column.to_owned()))
}

struct Reader<'r> {
    keys: &'r Keys,
    row: &'r AnyRow,
    id: FlagId,
}

impl Reader<'_> {
    fn unsealed(&self, column: &'static str, from: &str) -> Result<Vec<u8>, StoreError> {
        let sealed: String = self.row.try_get(from)?;
        let text = self.keys.unseal(&place(column, self.id), &sealed);
        text.ok_or(StoreError::Damaged { flag: self.id, column })
    }

    fn json<T: DeserializeOwned>(&self, column: &'static str, from: &str) -> Result<T, StoreError> {
        let text = self.unsealed(column, from)?;
        serde_json::from_slice(&text).map_err(|_| StoreError::Damaged { flag: self.id, column })
    }

    fn number(&self, column: &str) -> Result<i64, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    fn small<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        let damaged = StoreError::Damaged { flag: self.id, column };
        T::try_from(self.number(column)?).map_err(|_| damaged)
    }

    fn time(&self, column: &str) -> Result<Time, StoreError> {
        self.number(column).map(Time::from_micros)
    }

    fn optional_time(&self, column: &str) -> Result<Option<Time>, StoreError> {
        let micros: Option<i64> = self.row.try_get(column)?;
        Ok(micros.map(Time::from_micros))
    }

    fn named<T>(
        &self,
        column: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let damaged = StoreError::Damaged { flag: self.id, column };
        name(self.row, column, parse).map_err(|_| damaged)
    }

    fn optional<T>(
        &self,
        column: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let damaged = StoreError::Damaged { flag: self.id, column };
        optional_name(self.row, column, parse).map_err(|_| damaged)
    }
}

/// A flag's sealed columns, sealed once more with the first key.
///
/// # Errors
/// A row that is damaged, or whose key is not in the key file.
pub(super) fn reseal(keys: &Keys, row: &AnyRow) -> Result<Sql, StoreError> {
    let id: String = row.try_get("id")?;
    let id = FlagId::parse(&id).map_err(|_| StoreError::Refused("flag id".to_owned()))?;
    let reader = Reader { keys, row, id };
    let again = |column: &'static str, from: &str| {
        keys.seal(&place(column, id), &reader.unsealed(column, from)?)
    };
    let sql = Sql::new("UPDATE flag SET sealed_patient_id = ")
        .value(again("patient_id", "sealed_patient_id")?)
        .text(", sealed_reasons = ")
        .value(again("reasons", "sealed_reasons")?)
        .text(", sealed_course = ")
        .value(again("course", "sealed_course")?)
        .text(", key_id = ")
        .value(keys.id().to_owned());
    Ok(sql.text(" WHERE id = ").value(id.to_string()))
}
