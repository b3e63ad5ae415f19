//! Numbers made from a source's ids: the MEDS subject id, and the fold a group falls into.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sha2::{Digest, Sha256};

/// The MEDS subject id: the source's own id where that is an integer, else the first 63 bits of
/// sha256("prodrome/1/" + id).
pub fn subject_id(source_id: &str) -> i64 {
    let digits = source_id.strip_prefix('-').unwrap_or(source_id);
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| source_id.parse().ok());
    number.flatten().unwrap_or_else(|| (first_64_bits("prodrome/1/", source_id) >> 1) as i64)
}

fn first_64_bits(purpose: &str, text: &str) -> u64 {
    let digest = Sha256::new().chain_update(purpose).chain_update(text).finalize();
    digest.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
}

/// The number that patients of an export are sorted by: the same on every machine.
pub(super) fn patient_hash(source_id: &str) -> u64 {
    first_64_bits("prodrome/patient/1/", source_id)
}

/// Whether an id was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    New,
    Again,
    /// Another source id has the same subject id.
    Collision,
}

/// The ids seen so far. A fingerprint stands for each source id, so that many ids need little room.
#[derive(Debug, Default)]
pub(super) struct SeenIds(HashMap<i64, u64>);

impl SeenIds {
    pub(super) fn add(&mut self, subject_id: i64, source_id: &str) -> Seen {
        let fingerprint = first_64_bits("prodrome/seen/1/", source_id);
        match self.0.entry(subject_id) {
            Entry::Vacant(place) => {
                place.insert(fingerprint);
                Seen::New
            }
            Entry::Occupied(place) if *place.get() == fingerprint => Seen::Again,
            Entry::Occupied(_) => Seen::Collision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stay_and_other_ids_are_hashed_the_same_everywhere() {
        assert_eq!(subject_id("149190"), 149_190);
        assert_eq!(subject_id("-7"), -7);
        // First 16 digits of what `printf 'prodrome/1/patient-a' | sha256sum` prints.
        assert_eq!(subject_id("patient-a"), (0x5ae8_3fc4_226c_37dd_u64 >> 1) as i64);
        for odd in ["+7", "-", "", "1.5", "99999999999999999999"] {
            assert!(subject_id(odd) >= 0, "{odd} is hashed");
        }
    }

    #[test]
    fn two_ids_with_one_number_are_a_collision_and_not_a_repeat() {
        let mut seen = SeenIds::default();
        assert_eq!(seen.add(subject_id("7"), "7"), Seen::New);
        assert_eq!(seen.add(subject_id("7"), "7"), Seen::Again);
        assert_eq!(seen.add(subject_id("007"), "007"), Seen::Collision);
    }
}
