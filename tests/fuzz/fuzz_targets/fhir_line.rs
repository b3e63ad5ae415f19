//! Any bytes as a line of a FHIR export, and the same bytes as a Bundle.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prodrome::import::{probe, read_bundle};

fuzz_target!(|bytes: &[u8]| {
    let tally = probe::fhir_line(bytes);
    assert_eq!(tally.lines, 1);
    assert!(tally.items + tally.faults <= 1);
    let _ = read_bundle(bytes);
});
