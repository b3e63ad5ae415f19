//! Prodrome: predictive risk scores for health care, by one road from events to a score.
//!
//! # The road
//!
//! ```text
//! records -> History::build -> view(index_time) -> feature::extract -> Bundle::predict -> answer
//! ```
//!
//! Both programs walk it. `prodrome-train` replays past histories down it to fit and to judge
//! models; `prodrome-server` takes one history in a request down the same functions. There is no
//! second way to a feature, so what was trained and what is served cannot drift apart.
//!
//! # The rooms, in reading order
//!
//! 1. `record`: one patient as a source gives it, and the checked `History` built from it
//! 2. `published`: scores of the literature (LACE, PREVENT ...), formulas in files
//! 3. `feature`: from a `View` of the history to the row of numbers that models read
//! 4. `task`: who is scored, when, for what outcome; a TOML file, checked once
//! 5. `model`: fitting, storing, evaluating and explaining models; knows linfa and smartcore
//! 6. `bundle`: everything needed to score one task, sealed and checked
//! 7. `page`: documents with tables and plots, as HTML or Markdown; stands on no other room
//! 8. `score` and `train`: the two walks, pure; neither sees the other. `simulate`: a population of
//!    which the risks are known. `flag`: when a score raises a flag, and what people make of it. `trend`: what
//!    happens in a population, by group and period, fit to be shown
//! 9. `import` and `registry`: the rooms with files; `identity` and `audit`: who may, and who did;
//!    `flag_store`: the flags that last; `fhir_client`: what an EHR's own server is asked for
//! 10. `fhir`: what is said of a patient, as resources of FHIR R4
//! 11. `service` and `command`: the use cases of the server and of the trainer
//! 12. `rpc`, `http` and `telemetry`: gRPC, probes, the work list and the trends page, logs, thin; `demonstration`: a
//!     simulated ward to show them with
//! 13. `config`: the settings of all rooms above, from file, environment and flags
//!
//! Words and tools that stand on nothing: `access` (who calls, what for, how it ended), `meters` (what
//! is counted), `trace`, `signing`, `private_file` (files for their owner alone), `strict_toml`.
//!
//! Imports point down only, and never sideways inside a rank; `tests/it/tidy.rs` holds this.
//!
//! # What is absent, and why
//!
//! - No code outside `task::label` can see what came after an index time: a `History` shows nothing
//!   but through a `View`, and the way to the future is named in one file.
//! - No room below `import` touches a file, the clock, the environment or the network; randomness
//!   enters as a seed. Same seed, same records: same bits.
//! - No room but `rpc` knows protobuf or gRPC, and no room but `model` knows a model library.
//! - No patient's id, date, value or rare code is in a bundle, a log line or an error.

pub mod access;
pub mod audit;
pub mod bundle;
pub mod command;
pub mod config;
pub mod demonstration;
pub mod feature;
pub mod fhir;
pub mod fhir_client;
pub mod flag;
pub mod flag_store;
pub mod http;
pub mod identity;
pub mod import;
pub mod meters;
pub mod model;
pub mod page;
mod private_file;
pub mod published;
pub mod record;
pub mod registry;
pub mod rpc;
pub mod score;
pub mod service;
pub mod signing;
pub mod simulate;
mod strict_toml;
pub mod task;
pub mod telemetry;
pub mod trace;
pub mod train;
pub mod trend;

/// No figure, code or cut may rest on fewer patients than this (the small-cell rule of US federal
/// health statistics, which suppresses counts of 1 to 10).
pub const SMALL_CELL_PATIENTS: usize = 11;
