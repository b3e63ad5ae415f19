//! Lists of flags, in pages that stay those of the moment of the first one.

use std::collections::HashMap;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::damage::Damage;
use super::row;
use super::sql::{Sql, signed, unsigned};
use super::{FlagStore, StoreError};
use crate::flag::{
    Flag, FlagId, FlagPage, FlagQuery, FlagState, PAGE_FLAGS_MAX, PageToken, Reach, ReachRow,
};
use crate::record::Time;

/// More names than this are no query of a person's list.
const VALUES_MAX: usize = 1_000;

/// How long the further pages of a list can be asked for.
pub(super) const PAGES_DAYS: i64 = 1;

/// A place in the list: after it comes what is later in the order.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    tier_rank: i64,
    rise_rank: f64,
    risk_rank: f64,
    flag_id: String,
}

/// Where a list goes on: the moment it is of, as the number of the last change, and the last place
/// shown.
#[derive(Debug, Clone, PartialEq)]
struct Mark {
    moment: i64,
    /// When that was, by the clock of the server that gave the first page.
    time: Time,
    key: Key,
}

impl FlagStore {
    /// One page of the flags that fit `query` and lie within `reach`.
    ///
    /// # Errors
    /// A token of another list, or of one that is more than a day old; a store that cannot be read.
    pub async fn list(
        &self,
        query: &FlagQuery,
        reach: &Reach,
        now: Time,
    ) -> Result<FlagPage, StoreError> {
        let values = size_of(query, reach);
        if values > VALUES_MAX {
            return Err(StoreError::QuerySize { max: VALUES_MAX });
        }
        let binding = binding(query, reach);
        let mark = match &query.page {
            Some(PageToken(token)) => {
                let text = self.index.open_token(token, &binding);
                Some(text.and_then(|text| Mark::read(&text)).ok_or(StoreError::PageToken)?)
            }
            None => None,
        };
        if mark.as_ref().is_some_and(|mark| now > mark.time.plus_days(PAGES_DAYS)) {
            return Err(StoreError::TooOld);
        }
        self.bounded(self.page(query, reach, mark, &binding, now)).await
    }

    async fn page(
        &self,
        query: &FlagQuery,
        reach: &Reach,
        mark: Option<Mark>,
        binding: &str,
        now: Time,
    ) -> Result<FlagPage, StoreError> {
        // One transaction: what is gone by the end of it was not gone when its rows were read.
        let mut reading = self.reader.begin().await?;
        let (moment, time) = match &mark {
            Some(mark) => (mark.moment, mark.time),
            None => {
                let last = Sql::new("SELECT last_change FROM flag_store");
                (last.number(&mut reading).await?, now)
            }
        };
        let limit = query.page_flags.clamp(1, PAGE_FLAGS_MAX);
        let count =
            self.filter(Sql::new("SELECT COUNT(*) FROM flag_position p"), query, reach, moment);
        let count = count.number(&mut reading).await?;
        let columns =
            "SELECT p.flag_id, p.tier_rank, p.rise_rank, p.risk_rank FROM flag_position p";
        let mut sql = self.filter(Sql::new(columns), query, reach, moment);
        if let Some(Mark { key, .. }) = &mark {
            sql = sql
                .text(" AND (p.tier_rank, p.rise_rank, p.risk_rank, p.flag_id) > (")
                .value(key.tier_rank)
                .next(key.rise_rank)
                .next(key.risk_rank)
                .next(key.flag_id.clone())
                .text(")");
        }
        let keys = sql
            .text(" ORDER BY p.tier_rank, p.rise_rank, p.risk_rank, p.flag_id LIMIT ")
            .value(i64::from(limit) + 1)
            .rows(&mut reading)
            .await?;
        let mut keys = keys.iter().map(Key::of).collect::<Result<Vec<Key>, _>>()?;
        let gone =
            Sql::new("SELECT positions_gone_to FROM flag_store").number(&mut reading).await?;
        if moment < gone {
            return Err(StoreError::TooOld);
        }
        let page_flags = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = keys.len() > page_flags;
        keys.truncate(page_flags);
        let mark = keys.last().filter(|_| has_more);
        let mark = mark.map(|key| Mark { moment, time, key: key.clone() }.write());
        let next = mark.map(|mark| self.index.seal_token(&mark, binding)).transpose()?;
        let next = next.map(PageToken);
        let flags = self.flags(&mut reading, keys, reach).await?;
        Ok(FlagPage { flags, next, count: unsigned(count), change_number: unsigned(moment) })
    }

    /// The flags at these places, as they are now; those that left the reach since are left out,
    /// and so are those that are damaged.
    async fn flags(
        &self,
        connection: &mut sqlx::AnyConnection,
        keys: Vec<Key>,
        reach: &Reach,
    ) -> Result<Vec<Flag>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let columns = row::columns();
        let rows = Sql::new(&format!("SELECT {columns} FROM flag f WHERE f.id IN "))
            .list(keys.iter().map(|key| key.flag_id.clone()))
            .rows(connection)
            .await?;
        let (mut found, mut damage) = (HashMap::with_capacity(rows.len()), Damage::default());
        for row in &rows {
            if let Some(flag) = damage.sound(row::flag(&self.keys, row))? {
                found.insert(flag.id.to_string(), flag);
            }
        }
        damage.tell();
        let in_order = keys.iter().filter_map(|key| found.remove(&key.flag_id));
        Ok(in_order.filter(|flag| reach.holds(flag)).collect())
    }

    /// The positions of the moment that fit the query and lie within the reach.
    fn filter(&self, sql: Sql, query: &FlagQuery, reach: &Reach, moment: i64) -> Sql {
        let sql = sql.text(" WHERE p.from_change <= ").value(moment);
        let mut sql = sql.text(" AND p.until_change > ").value(moment);
        let is_live_alone = !query.states.is_empty() && query.states.iter().all(|s| s.is_live());
        if is_live_alone {
            sql = sql.text(" AND p.is_live = 1");
        }
        let states: Vec<&str> = query.states.iter().copied().map(FlagState::name).collect();
        sql = any_of(sql, "state", &states);
        sql = any_of(sql, "task", &query.tasks);
        sql = any_of(sql, "tier", &query.tiers);
        sql = any_of(sql, "team", &query.teams);
        sql = any_of(sql, "unit", &query.units);
        if let Some(patient_id) = &query.patient_id {
            sql = sql.text(" AND p.patient_key = ").value(self.index.patient_key(patient_id));
        }
        if let Some(assignee) = &query.assignee {
            sql = sql.text(" AND p.assignee = ").value(assignee.clone());
        }
        if let Some(since) = query.changed_since {
            sql = sql.text(" AND p.changed_time >= ").value(since.micros());
        }
        within(sql.text(" AND "), "p", reach)
    }

    /// The flag of that id; `None` also where it is out of reach.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn get(&self, id: FlagId, reach: &Reach) -> Result<Option<Flag>, StoreError> {
        self.bounded(async {
            let mut connection = self.reader.acquire().await?;
            let columns = row::columns();
            let row = Sql::new(&format!("SELECT {columns} FROM flag f WHERE f.id = "))
                .value(id.to_string())
                .row(&mut connection)
                .await?;
            let flag = row.map(|row| row::flag(&self.keys, &row)).transpose()?;
            Ok(flag.filter(|flag| reach.holds(flag)))
        })
        .await
    }
}

/// One of these names in a column; any where there are none.
fn any_of(sql: Sql, column: &str, names: &[impl AsRef<str>]) -> Sql {
    match names.is_empty() {
        true => sql,
        false => sql
            .text(&format!(" AND p.{column} IN "))
            .list(names.iter().map(|name| name.as_ref().to_owned())),
    }
}

/// The condition that a row of the table `table` lies within a reach.
pub(super) fn within(sql: Sql, table: &str, reach: &Reach) -> Sql {
    let mut sql = sql.text("(1 = 0");
    for ReachRow { tasks, facilities, units, teams } in &reach.rows {
        sql = sql.text(" OR (1 = 1");
        let columns = [("task", tasks), ("facility", facilities), ("unit", units), ("team", teams)];
        for (column, names) in columns {
            sql = match names {
                None => sql,
                Some(names) if names.is_empty() => sql.text(" AND 1 = 0"),
                Some(names) => {
                    sql.text(&format!(" AND {table}.{column} IN ")).list(names.iter().cloned())
                }
            };
        }
        sql = sql.text(")");
    }
    sql.text(")")
}

/// How many values a statement for this query and reach holds, about.
fn size_of(query: &FlagQuery, reach: &Reach) -> usize {
    let FlagQuery { states, tasks, tiers, teams, units, .. } = query;
    let asked = states.len() + tasks.len() + tiers.len() + teams.len() + units.len();
    let of_row = |row: &ReachRow| {
        let ReachRow { tasks, facilities, units, teams } = row;
        let each = [tasks, facilities, units, teams].into_iter().flatten().map(Vec::len);
        each.sum::<usize>().saturating_add(1)
    };
    asked + reach.rows.iter().map(of_row).sum::<usize>()
}

/// What a token holds for: this query, whatever its page and page size, by somebody of this reach.
fn binding(query: &FlagQuery, reach: &Reach) -> String {
    let FlagQuery {
        states, tasks, tiers, teams, units, patient_id, assignee, changed_since, ..
    } = query;
    format!(
        "{states:?}{tasks:?}{tiers:?}{teams:?}{units:?}{patient_id:?}{assignee:?}{:?}{reach:?}",
        changed_since.map(Time::micros)
    )
}

impl Key {
    fn of(row: &AnyRow) -> Result<Key, StoreError> {
        Ok(Key {
            flag_id: row.try_get(0)?,
            tier_rank: row.try_get(1)?,
            rise_rank: row.try_get(2)?,
            risk_rank: row.try_get(3)?,
        })
    }
}

impl Mark {
    /// As a text from which it is read again to the bit.
    fn write(&self) -> String {
        let Mark { moment, time, key: Key { tier_rank, rise_rank, risk_rank, flag_id } } = self;
        let (rise, risk) = (rise_rank.to_bits(), risk_rank.to_bits());
        format!("{moment}.{}.{tier_rank}.{rise:x}.{risk:x}.{flag_id}", time.micros())
    }

    fn read(text: &str) -> Option<Mark> {
        let mut parts = text.split('.');
        let moment = signed(parts.next()?.parse().ok()?);
        let time = Time::from_micros(parts.next()?.parse().ok()?);
        let tier_rank = parts.next()?.parse().ok()?;
        let mut bits = || u64::from_str_radix(parts.next()?, 16).ok().map(f64::from_bits);
        let (rise_rank, risk_rank) = (bits()?, bits()?);
        let flag_id = parts.next()?.to_owned();
        Some(Mark { moment, time, key: Key { tier_rank, rise_rank, risk_rank, flag_id } })
    }
}
