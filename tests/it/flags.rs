//! Flags: the policy, the store, and what they must never do.

pub(crate) mod made;
mod policy;
mod policy_paths;
pub(crate) mod postgres;
mod store;
mod store_keys;
mod store_kill;
mod store_pages;
mod store_time;
