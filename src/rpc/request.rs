//! The message of a Score call, kept as the bytes it came in until it is scored: nothing is copied
//! before it is known what it means.

use prost::bytes::Bytes;

use super::wire::{Field, Fields, Unreadable};

/// Numbers of the fields that are looked at before a message is read as a whole.
const REQUEST_ID: u32 = 1;
const HISTORY: u32 = 2;
const FHIR_BUNDLE_JSON: u32 = 3;
const PATIENT_ID: u32 = 1;
const ENCOUNTERS: u32 = 7;
const EVENTS: u32 = 8;
/// About the least that an event of a Bundle takes: a component of an Observation.
const ENTRY_BYTES: usize = 64;

/// A `prodrome.v1.ScoreRequest`. It may be no protobuf at all: who reads it finds out.
#[derive(Clone, Default)]
pub(crate) struct ScoreRequest {
    message: Bytes,
    listed: Entries,
    /// Length of the Bundles in it.
    bundle_bytes: Option<usize>,
    request_id: Bytes,
    patient_id: Bytes,
}

/// How many entries a record has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Entries {
    pub(super) events: usize,
    pub(super) encounters: usize,
}

impl ScoreRequest {
    /// The request in `message`; of what cannot be read, what is known up to there.
    pub(super) fn new(message: Bytes) -> ScoreRequest {
        let mut request = ScoreRequest::default();
        let bytes = |field: Field<'_>| field.bytes("").map(|bytes| message.slice_ref(bytes));
        for field in Fields::of(&message) {
            match field.number {
                REQUEST_ID => request.request_id = bytes(field).unwrap_or_default(),
                FHIR_BUNDLE_JSON => {
                    let more = field.bytes("").map_or(0, <[u8]>::len);
                    request.bundle_bytes = Some(request.bundle_bytes.unwrap_or(0) + more);
                }
                HISTORY => {
                    for field in field.bytes("").map(Fields::of).into_iter().flatten() {
                        match field.number {
                            PATIENT_ID => request.patient_id = bytes(field).unwrap_or_default(),
                            EVENTS => request.listed.events += 1,
                            ENCOUNTERS => request.listed.encounters += 1,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        request.message = message;
        request
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.message
    }

    /// How many events and encounters its history lists.
    pub(super) fn listed(&self) -> Entries {
        self.listed
    }

    /// How many events and encounters it lists, or would list where its record is a Bundle.
    pub(super) fn entries(&self) -> usize {
        let Entries { events, encounters } = self.listed;
        events + encounters + self.bundle_bytes.unwrap_or(0) / ENTRY_BYTES
    }

    /// Whether its record is a Bundle.
    pub(super) fn is_bundle(&self) -> bool {
        self.bundle_bytes.is_some()
    }

    /// The caller's name for it; empty where it has none, and where it cannot be read.
    pub(super) fn request_id(&self) -> &str {
        std::str::from_utf8(&self.request_id).unwrap_or_default()
    }

    /// The sender's id of the patient, for the audit; `None` for a Bundle, and where there is none.
    pub(super) fn patient_id(&self) -> Option<&str> {
        std::str::from_utf8(&self.patient_id).ok().filter(|id| !id.is_empty())
    }
}

/// A `prodrome.v1.ScoreStreamRequest`.
#[derive(Clone, Default)]
pub(crate) struct ScoreStreamRequest {
    pub(super) request: ScoreRequest,
}

impl ScoreStreamRequest {
    /// The request in `message`; one that came in parts is put together, as protobuf has it.
    ///
    /// # Errors
    /// A message that cannot be read. What is wrong inside the request is for its reader to find.
    pub(super) fn read(message: &Bytes) -> Result<ScoreStreamRequest, Unreadable> {
        let mut parts = Vec::new();
        for field in Fields::of(message) {
            match field.number {
                1 => parts.push(field.bytes("request")?),
                _ => field.unknown()?,
            }
        }
        let request = match parts.as_slice() {
            [only] => message.slice_ref(only),
            parts => Bytes::from(parts.concat()),
        };
        Ok(ScoreStreamRequest { request: ScoreRequest::new(request) })
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::rpc::proto;

    fn history(patient_id: &str, events: usize, encounters: usize) -> proto::ScoreRequest {
        let history = proto::PatientHistory {
            patient_id: patient_id.into(),
            events: vec![proto::Event::default(); events],
            encounters: vec![proto::Encounter::default(); encounters],
            ..Default::default()
        };
        let record = Some(proto::score_request::Record::History(history));
        proto::ScoreRequest { record, ..Default::default() }
    }

    #[test]
    fn a_message_is_counted_before_it_is_read() {
        let mut message = history("p", 3, 2).encode_to_vec();
        message.extend(history("q", 4, 0).encode_to_vec());
        let request = ScoreRequest::new(message.clone().into());
        assert_eq!(request.listed(), Entries { events: 7, encounters: 2 });
        assert_eq!((request.entries(), request.patient_id()), (9, Some("q")));
        assert!(!request.is_bundle());
        let json = Some(proto::score_request::Record::FhirBundleJson(vec![b' '; 1_024]));
        let bundle = proto::ScoreRequest { record: json, ..Default::default() }.encode_to_vec();
        let request = ScoreRequest::new(bundle.into());
        assert_eq!((request.entries(), request.patient_id()), (1_024 / ENTRY_BYTES, None));
        assert!(request.is_bundle());
        // Bytes that are no protobuf say nothing, and do no harm.
        for cut in 0..message.len() {
            let request = ScoreRequest::new(message[..cut].to_vec().into());
            assert!(request.entries() <= 9);
        }
    }

    #[test]
    fn a_streamed_request_is_the_one_inside() {
        let inside = |id| history(id, 2, 1);
        let one = proto::ScoreStreamRequest { request: Some(inside("p")) }.encode_to_vec();
        let read = ScoreStreamRequest::read(&one.clone().into()).unwrap();
        assert_eq!((read.request.entries(), read.request.patient_id()), (3, Some("p")));
        let two = proto::ScoreStreamRequest { request: Some(inside("q")) }.encode_to_vec();
        let read = ScoreStreamRequest::read(&[one.clone(), two].concat().into()).unwrap();
        assert_eq!((read.request.entries(), read.request.patient_id()), (6, Some("q")));
        assert!(ScoreStreamRequest::read(&one[..one.len() - 1].to_vec().into()).is_err());
        assert!(ScoreStreamRequest::read(&Bytes::new()).unwrap().request.bytes().is_empty());
    }
}
