//! Flags: the policy, the store, and what they must never do.

mod made;
mod policy;
mod policy_paths;
mod postgres;
mod store;
mod store_keys;
mod store_kill;
mod store_pages;
mod store_time;
