//! The server under fire, as the program that is shipped: limits, deadlines, overload, hostile frames,
//! drains. Short forms; the long ones run with `cargo test --release --test it serve -- --ignored`.

mod attacks;
mod clients;
mod deadlines;
mod drain;
mod frames;
pub(crate) mod load;
mod overload;
mod probes;
pub(crate) mod process;
mod streams;
#[cfg(feature = "otel")]
mod traces;
