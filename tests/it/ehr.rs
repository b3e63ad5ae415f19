//! The door for EHRs from outside: FHIR and CDS Hooks against the server's program.

pub(crate) mod asked;
mod clients;
mod fetch;
mod hooks;
mod hostile;
pub(crate) mod patients;
mod same_bits;

use crate::serve::process::{Server, Setup};
use crate::support::root;
use asked::Answer;
use serde_json::Value as Json;

/// The address of the discharge service, and of the one for a patient's record.
pub(crate) const DISCHARGE: &str = "/cds-services/prodrome-encounter-discharge";
pub(crate) const VIEW: &str = "/cds-services/prodrome-patient-view";
pub(crate) const SCORE: &str = "/fhir/RiskAssessment/$score";

/// A server with the demonstration models and a door for EHRs.
pub(crate) fn server(more: &[(&str, &str)]) -> Server {
    let models = root().join("models");
    let own = [("EHR__LISTEN", "127.0.0.1:0"), ("MODELS__DEMO", "true")];
    let settings: Vec<_> = own.iter().chain(more).copied().collect();
    let setup = Setup { settings: &settings, models: &models, is_heard: true, ..Setup::default() };
    Server::set_up(&setup)
}

/// The answer of `server` to a POST of `body`.
pub(crate) fn post(server: &Server, path: &str, body: &Json) -> Answer {
    asked::post(server.ehr.unwrap(), path, &[], body.to_string().as_bytes())
}
