//! Temporary.
use crate::flag::*;
use crate::record::Time;
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("a")]
    NotFound,
    #[error("b")]
    Conflict { version: u64 },
    #[error("c")]
    Invalid(InvalidUpdate),
    #[error("d")]
    PageToken(&'static str),
    #[error("e")]
    Other,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    Score,
    Refuse,
}
#[derive(Debug)]
pub struct Event;
#[derive(Debug)]
pub struct FlagStore;
#[derive(Debug)]
pub struct R;
impl R {
    pub fn may_raise(&self, _: &Sighting) -> bool {
        todo!()
    }
}
impl FlagStore {
    pub fn rules(&self) -> &R {
        todo!()
    }
    pub fn on_failure(&self) -> OnFailure {
        todo!()
    }
    pub async fn sight(&self, _: &[Sighting], _: Time) -> Result<Vec<Sighted>, StoreError> {
        todo!()
    }
    pub async fn list(&self, _: &FlagQuery, _: &Reach, _: Time) -> Result<FlagPage, StoreError> {
        todo!()
    }
    pub async fn get(&self, _: FlagId, _: &Reach) -> Result<Option<Flag>, StoreError> {
        todo!()
    }
    pub async fn history(&self, _: FlagId, _: &Reach) -> Result<Vec<Event>, StoreError> {
        todo!()
    }
    pub async fn update(
        &self,
        _: FlagId,
        _: u64,
        _: &FlagUpdate,
        _: &str,
        _: &Reach,
        _: Time,
    ) -> Result<Flag, StoreError> {
        todo!()
    }
    pub async fn feedback(
        &self,
        _: FlagId,
        _: Feedback,
        _: &str,
        _: &Reach,
        _: Time,
    ) -> Result<Flag, StoreError> {
        todo!()
    }
    pub async fn changes_after(
        &self,
        _: u64,
        _: u32,
        _: &Reach,
    ) -> Result<(Vec<Change>, u64), StoreError> {
        todo!()
    }
    pub async fn last_change(&self) -> Result<u64, StoreError> {
        todo!()
    }
    pub fn changed(&self) -> tokio::sync::watch::Receiver<u64> {
        todo!()
    }
}
