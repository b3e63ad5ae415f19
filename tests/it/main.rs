//! All integration tests, in one program: one link step.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail so")]

mod audit;
mod bundle;
mod canary;
mod cases;
mod check;
mod cohort;
mod command;
mod concepts;
mod contract;
mod demo;
mod deploy;
mod features;
mod fhir;
mod formats;
mod framingham;
mod gate;
mod gather;
mod identity;
mod import;
mod intervals;
mod known_truth;
mod labels;
mod leaks;
mod meds;
mod pages;
mod parity;
mod properties;
mod published;
mod reasons;
mod recalibrate;
mod reload;
mod report;
mod rpc;
mod scoring;
mod serve;
mod settings;
mod shap;
mod simulate;
mod sufficiency;
mod support;
mod tables;
mod task_faults;
mod tidy;
mod units;
