//! Any bytes as rows under the header of the shipped table mapping, and as one cell of a good row.
#![no_main]

use std::cell::RefCell;
use std::fs;

use libfuzzer_sys::fuzz_target;
use prodrome::import::{Export, Mapping, Meter, Received};
use tempfile::TempDir;

const MAPPING: &str = include_str!("../../../models/readmit30_diabetes/diabetes130.toml");
const SAMPLE: &str = include_str!("../../data/diabetes130/diabetic_data.sample.csv");

thread_local! {
    static EXPORT: RefCell<Option<(TempDir, Export)>> = const { RefCell::new(None) };
}

fn export() -> (TempDir, Export) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mapping = Mapping::parse(MAPPING).expect("the shipped mapping");
    let export = Export { mapping: Some(mapping), ..Export::new(folder.path()) };
    (folder, export)
}

fuzz_target!(|bytes: &[u8]| {
    let mut lines = SAMPLE.lines();
    let (header, good) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut text = header.as_bytes().to_vec();
    text.push(b'\n');
    if let Some((place, cell)) = bytes.split_first() {
        let cells = good.split(',').enumerate().map(|(at, old)| {
            if at == usize::from(*place) % 50 { cell } else { old.as_bytes() }
        });
        text.extend(cells.collect::<Vec<_>>().join(&b','));
        text.push(b'\n');
        text.extend_from_slice(cell);
    }
    EXPORT.with_borrow_mut(|open| {
        let (folder, export) = open.get_or_insert_with(export);
        let file = folder.path().join("diabetic_data.csv");
        fs::write(file, text).expect("a file in the temporary folder");
        let counts = export.read(&Meter::default(), |_| Received::Used);
        if let Ok(counts) = counts {
            let skipped: u64 = counts.skipped().values().sum();
            assert_eq!(counts.read(), counts.used() + skipped + counts.quarantined());
        }
    });
});
