//! Readings in which the upper value lies below the lower: the two were swapped on entry.

use super::issue::{IssueKind, Issues};
use super::{ConceptId, ConceptSet, Entry, Time, TimePrecision};

/// What makes values one reading: taken at one instant in one encounter, and known at one time.
///
/// The last is there because a view must not change with what became known after it: were a
/// systolic value cleared for a diastolic one that came in a day later, its absence would tell of
/// that day.
type Reading = (Time, Option<usize>, Time);

/// One value of a pair of concepts: its place among the entries, and whether it is the upper one.
struct Part {
    reading: Reading,
    is_upper: bool,
    number: f64,
    place: usize,
}

/// Clears the values of a pair of concepts (`Concept::above`) that contradict each other in one
/// reading, whatever the order of the events. Where a reading holds several values of a concept,
/// each is held against all of the other.
pub(super) fn clear(entries: &mut [Entry], concepts: &ConceptSet, issues: &mut Issues) {
    for pair in concepts.above() {
        let mut parts = parts(entries, *pair);
        // By reading and then by place: the entries stand in the order of their content.
        parts.sort_by_key(|part| (part.reading, part.place));
        for reading in parts.chunk_by(|a, b| a.reading == b.reading) {
            let of = |upper| reading.iter().filter(move |part| part.is_upper == upper);
            let highest_lower = of(false).map(|part| part.number).reduce(f64::max);
            let lowest_upper = of(true).map(|part| part.number).reduce(f64::min);
            let (Some(highest_lower), Some(lowest_upper)) = (highest_lower, lowest_upper) else {
                continue;
            };
            for part in reading {
                let contradicts = match part.is_upper {
                    true => part.number < highest_lower,
                    false => part.number > lowest_upper,
                };
                let Some(entry) = entries.get_mut(part.place).filter(|_| contradicts) else {
                    continue;
                };
                entry.number = None;
                let source = entry.source;
                issues.count(IssueKind::SwappedPressure, || format!("events[{source}].value"));
            }
        }
    }
}

/// The values of the two concepts that were taken at a known instant and are no mere bounds.
fn parts(entries: &[Entry], (upper, lower): (ConceptId, ConceptId)) -> Vec<Part> {
    let part = |(place, entry): (usize, &Entry)| {
        let is_upper = entry.concepts.contains(&upper);
        let is_value = entry.precision == TimePrecision::Instant
            && entry.comparator.is_none()
            && (is_upper != entry.concepts.contains(&lower));
        let reading = (entry.time, entry.encounter, entry.known);
        let number = entry.number.filter(|_| is_value)?;
        Some(Part { reading, is_upper, number, place })
    };
    entries.iter().enumerate().filter_map(part).collect()
}
