//! Reading messages: what cannot be read is the caller's fault (INVALID_ARGUMENT). tonic's own
//! codec says INTERNAL, which here means a fault of the server and wakes people up.

use std::marker::PhantomData;

use prost::Message;
use prost::bytes::{Buf, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

use super::request::{ScoreRequest, ScoreStreamRequest};
use super::{entries, status};
use crate::record::Violation;

/// What can be read from a whole message.
pub(super) trait Read: Sized {
    /// # Errors
    /// INVALID_ARGUMENT for what cannot be read.
    fn read(message: Bytes) -> Result<Self, Status>;
}

impl<M: Message + Default> Read for M {
    fn read(message: Bytes) -> Result<M, Status> {
        within_entries(&message)?;
        M::decode(message).map_err(|error| unreadable(&error.to_string()))
    }
}

impl Read for ScoreRequest {
    fn read(message: Bytes) -> Result<ScoreRequest, Status> {
        within_entries(&message)?;
        Ok(ScoreRequest::new(message))
    }
}

impl Read for ScoreStreamRequest {
    fn read(message: Bytes) -> Result<ScoreStreamRequest, Status> {
        let read = ScoreStreamRequest::read(&message);
        let read = read.map_err(|fault| status::invalid(&[fault.into()]))?;
        within_entries(read.request.bytes())?;
        Ok(read)
    }
}

/// The codec of the generated servers and clients: writes `T`, reads `U`.
#[derive(Debug)]
pub(super) struct ProstCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ProstCodec<T, U> {
    fn default() -> Self {
        ProstCodec(PhantomData)
    }
}

impl<T, U> Codec for ProstCodec<T, U>
where
    T: Message + Send + 'static,
    U: Read + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = MessageDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageDecoder(PhantomData)
    }
}

/// Reads one `U`.
#[derive(Debug)]
pub(super) struct MessageDecoder<U>(PhantomData<U>);

impl<U: Read> Decoder for MessageDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // tonic hands a whole message over in one piece, of which this is a part without a copy.
        U::read(buffer.copy_to_bytes(buffer.remaining())).map(Some)
    }
}

fn within_entries(message: &[u8]) -> Result<(), Status> {
    if entries::are_too_many(message) {
        let reason = "more than 250000 entries";
        return Err(status::invalid(&[Violation { path: String::new(), reason }]));
    }
    Ok(())
}

fn unreadable(error: &str) -> Status {
    let reason = if error.ends_with("data is not UTF-8 encoded") {
        "text that is not UTF-8"
    } else {
        "not valid protobuf"
    };
    status::invalid(&[Violation { path: field_path(error), reason }])
}

/// The path of fields in prost's message, without places in repeated fields. prost names the
/// innermost first, and after the path a cause, which is left out: it may hold a number made of the
/// caller's bytes.
fn field_path(error: &str) -> String {
    let rest = error.strip_prefix("failed to decode Protobuf message: ").unwrap_or_default();
    let fields = rest.split(": ").map_while(|part| part.split_once('.'));
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let names = fields.take_while(|(message, field)| is_name(message) && is_name(field));
    let mut path: Vec<&str> = names
        .map(|place| match place {
            // prost names the oneof; callers know its only member.
            ("ScoreRequest", "record") => "history",
            (_, field) => field,
        })
        .collect();
    path.reverse();
    path.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::proto::ScoreRequest;

    #[test]
    fn a_fault_names_its_field_and_no_value() {
        let path = |bytes: &[u8]| field_path(&ScoreRequest::decode(bytes).unwrap_err().to_string());
        assert_eq!(path(&[0x0a, 2, 0xff, 0xfe]), "request_id");
        assert_eq!(path(&[0x12, 4, 0x0a, 2, 0xff, 0xfe]), "history.patient_id");
        assert_eq!(path(&[0x0a, 9, b'a']), "request_id");
        assert_eq!(path(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "");
    }
}
