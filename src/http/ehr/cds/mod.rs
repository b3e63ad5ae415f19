//! CDS Hooks 2.0: services that an EHR calls while somebody looks at a patient or plans a discharge.
//!
//! - `hook`: the services, and what each says of itself
//! - `request`, `feedback`: what an EHR sends, read and checked; `json`: how
//! - `templates`: what a service asks the EHR to send along; `pieces`: what of it came
//! - `handler`: the addresses; `gather`: the data of a call, prefetched or fetched
//! - `cards`: what is said; `card`: its parts; `escape`: texts that no client takes for markup

mod card;
mod card_id;
#[cfg(test)]
mod card_tests;
mod cards;
mod escape;
mod feedback;
mod gather;
mod handler;
mod hook;
mod json;
mod pieces;
mod request;
#[cfg(test)]
mod template_tests;
mod templates;

pub(super) use handler::{call, feedback, services};
pub(super) use hook::Hook;
