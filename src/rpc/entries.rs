//! How many entries a message would unfold to, counted before it is read. An event takes as little
//! as 2 bytes on the wire and some 300 in memory, so that a message within the byte limit could ask
//! for a gigabyte.

use prost::encoding::{WireType, decode_key, decode_varint};

/// The most entries of a message: a record's 200,000 events, its 20,000 encounters, and the rest.
pub(super) const ENTRIES_MAX: usize = 250_000;
/// Entries are fields of the message and of its fields; what is deeper repeats nothing.
const DEPTH_MAX: u32 = 1;

/// Whether `message` holds more than `ENTRIES_MAX` entries. The count stops at bytes that are no
/// protobuf, since reading stops there too.
pub(super) fn are_too_many(message: &[u8]) -> bool {
    let mut count = 0;
    walk(message, 0, &mut count);
    count > ENTRIES_MAX
}

/// Counts the length-delimited fields; `None` where the bytes cannot be read on.
fn walk(mut bytes: &[u8], depth: u32, count: &mut usize) -> Option<()> {
    while !bytes.is_empty() {
        let (_, wire_type) = decode_key(&mut bytes).ok()?;
        let length = match wire_type {
            WireType::Varint => {
                decode_varint(&mut bytes).ok()?;
                0
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => usize::try_from(decode_varint(&mut bytes).ok()?).ok()?,
            // The contract has no groups; the depth of unknown ones is limited when they are read.
            WireType::StartGroup | WireType::EndGroup => 0,
        };
        // A field cut short is read up to the cut, so its entries count up to there.
        let (content, rest) = bytes.split_at(length.min(bytes.len()));
        if wire_type == WireType::LengthDelimited {
            *count += 1;
            if *count > ENTRIES_MAX {
                return None;
            }
            if depth < DEPTH_MAX {
                // A text is walked too, and may stop anywhere: that ends this field alone.
                let _ = walk(content, depth + 1, count);
            }
        }
        bytes = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::rpc::proto::score_request::Record;
    use crate::rpc::proto::{Event, PatientHistory, ScoreRequest, TaskRef};

    fn message(events: usize, tasks: usize) -> Vec<u8> {
        let history =
            PatientHistory { events: vec![Event::default(); events], ..Default::default() };
        let record = Some(Record::History(history));
        let tasks = vec![TaskRef::default(); tasks];
        ScoreRequest { record, tasks, ..Default::default() }.encode_to_vec()
    }

    #[test]
    fn a_full_record_passes_and_a_swollen_one_does_not() {
        assert!(!are_too_many(&message(220_000, 64)));
        assert!(are_too_many(&message(ENTRIES_MAX, 0)));
        assert!(are_too_many(&message(0, ENTRIES_MAX + 1)));
        // Parts of one record, sent apart, are put together when they are read.
        assert!(are_too_many(&message(130_000, 0).repeat(2)));
        let mut cut = message(ENTRIES_MAX + 1, 0);
        cut.pop();
        assert!(are_too_many(&cut));
    }

    #[test]
    fn bytes_that_are_no_protobuf_end_the_count() {
        assert!(!are_too_many(&[0xff; 1_000]));
        assert!(!are_too_many(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x7f]));
    }
}
