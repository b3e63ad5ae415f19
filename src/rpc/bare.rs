//! A Score call without transport, from bytes to bytes: for measuring and for fuzzing.

use prost::Message;
use prost::bytes::Bytes;
use tonic::Status;

use super::codec::Read;
use super::request::ScoreRequest;
use super::{from_wire, status, to_wire};
use crate::record::{Record, Time};
use crate::service::Service;

/// The answer to the message of a Score call.
///
/// # Errors
/// As the call itself.
pub fn score_message(service: &Service, message: Bytes, now: Time) -> Result<Vec<u8>, Status> {
    let read = from_wire::score_request(&ScoreRequest::read(message)?);
    let (request_id, origin, request) = read.map_err(|violations| status::invalid(&violations))?;
    let response = service.score(&request, now);
    let response = response.map_err(|error| status::of(&origin.error(error)))?;
    Ok(to_wire::score_response(request_id, response, &origin).encode_to_vec())
}

/// The record and the prediction time in the message of a Score call.
///
/// # Errors
/// As the call itself.
pub fn read_record(message: Bytes) -> Result<(Record, Option<Time>), Status> {
    let read = from_wire::score_request(&ScoreRequest::read(message)?);
    let (_, _, request) = read.map_err(|violations| status::invalid(&violations))?;
    Ok((request.record, request.prediction_time))
}
