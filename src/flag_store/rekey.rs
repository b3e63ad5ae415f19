//! The keys of a store, renewed: everything is sealed once more with the first key of the key file.

use serde::Serialize;
use sqlx::Row;

use super::damage::Damage;
use super::keys::IndexKey;
use super::row;
use super::sql::Sql;
use super::{FlagStore, StoreError};
use crate::record::Time;

/// So many flags at most in one transaction, so that servers that go on do not wait for long.
const BATCH: i64 = 200;

/// What was sealed anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rekeyed {
    /// Flags that another key had sealed.
    pub flags: u64,
    /// Flags that no key of the key file opens, or that are damaged: they stay as they are.
    pub damaged: u64,
    /// The name of the key that seals everything now: nothing of the key itself.
    pub key_id: String,
}

impl FlagStore {
    /// Seals with the first key of the key file what another key of it had sealed; servers may go on
    /// meanwhile, if they have that key file, too. Stopped in between, it goes on when it is called
    /// again.
    ///
    /// # Errors
    /// A store that cannot be written to.
    pub async fn rekey(&self, now: Time) -> Result<Rekeyed, StoreError> {
        self.bounded(self.reseal_index(now)).await?;
        let mut flags = 0;
        // Until none is left: a server may write with the old key meanwhile.
        loop {
            let (mut resealed, mut last, mut damage) = (0, String::new(), Damage::default());
            while let Some(batch) =
                self.bounded(self.reseal_batch(now, &mut last, &mut damage)).await?
            {
                resealed += batch;
            }
            flags += resealed;
            if resealed == 0 {
                let key_id = self.keys.id().to_owned();
                return Ok(Rekeyed { flags, damaged: damage.tell(), key_id });
            }
        }
    }

    async fn reseal_index(&self, now: Time) -> Result<(), StoreError> {
        let mut writing = self.begin(now).await?;
        let row = Sql::new("SELECT sealed_index_key FROM flag_store").row(writing.connection());
        let sealed: String = row.await?.ok_or(StoreError::Schema)?.try_get(0)?;
        let index = IndexKey::open(&self.keys, &sealed).ok_or(StoreError::Schema)?;
        Sql::new("UPDATE flag_store SET sealed_index_key = ")
            .value(index.seal(&self.keys)?)
            .run(writing.connection())
            .await?;
        writing.commit().await
    }

    /// Seals anew a batch of what comes after the id `last`, and how many; nothing where there is none.
    async fn reseal_batch(
        &self,
        now: Time,
        last: &mut String,
        damage: &mut Damage,
    ) -> Result<Option<u64>, StoreError> {
        let mut writing = self.begin(now).await?;
        let rows = Sql::new(
            "SELECT id, sealed_patient_id, sealed_reasons, sealed_course FROM flag \
             WHERE key_id <> ",
        )
        .value(self.keys.id())
        .text(" AND id > ")
        .value(last.clone())
        .text(" ORDER BY id LIMIT ")
        .value(BATCH)
        .rows(writing.connection())
        .await?;
        let mut resealed = 0;
        for row in &rows {
            if let Some(sql) = damage.sound(row::reseal(&self.keys, row))? {
                resealed += sql.run(writing.connection()).await?;
            }
        }
        writing.commit().await?;
        let Some(end) = rows.last() else { return Ok(None) };
        *last = end.try_get("id")?;
        Ok(Some(resealed))
    }
}
