//! Whether the server can be trusted, as the program that is shipped: no patient in anything that it
//! says, one record of each call, nobody let in who may not, and an end in order. Short forms; the long
//! ones run with `cargo test --release --test it trust -- --ignored`.

mod callers;
mod canaries;
mod commands;
mod ehr;
mod flag_faults;
mod flags;
mod life;
mod marked;
mod marks;
mod protected;
mod records;
mod site;
mod trends;
mod trends_pages;
mod worklist;
mod worklist_pages;

pub(crate) use worklist::python as python_with_browser;
