//! Where the record of a request came from, so that places in it are told as places in what the
//! caller sent.

use crate::import::{BundleRecord, read_bundle};
use crate::record::{Record, Violation};
use crate::service::ServiceError;

/// The request's field that holds a Bundle.
const BUNDLE: &str = "fhir_bundle_json";

/// What the caller sent.
#[derive(Debug, Default)]
pub(super) enum Origin {
    #[default]
    History,
    /// For each event and encounter of the record its entry, and the entry of the patient.
    Bundle { events: Vec<usize>, encounters: Vec<usize>, patient: Option<usize> },
}

impl Origin {
    /// The record of a Bundle.
    ///
    /// # Errors
    /// The places of the Bundle that cannot be used, with paths from the request on.
    pub(super) fn of_bundle(json: &[u8]) -> Result<(Origin, Record), Vec<Violation>> {
        let under = |Violation { path, reason }: Violation| {
            let dot = if path.is_empty() { "" } else { "." };
            Violation { path: format!("{BUNDLE}{dot}{path}"), reason }
        };
        let read = read_bundle(json);
        let read = read.map_err(|found| found.into_iter().map(under).collect::<Vec<_>>())?;
        let BundleRecord { record, events, encounters, patient } = read;
        Ok((Origin::Bundle { events, encounters, patient }, record))
    }

    /// The place of an event in what the caller sent.
    pub(super) fn event(&self, index: usize) -> usize {
        match self {
            Origin::History => index,
            Origin::Bundle { events, .. } => events.get(index).copied().unwrap_or(index),
        }
    }

    /// The place of an encounter in what the caller sent.
    pub(super) fn encounter(&self, index: usize) -> usize {
        match self {
            Origin::History => index,
            Origin::Bundle { encounters, .. } => encounters.get(index).copied().unwrap_or(index),
        }
    }

    /// A path such as `history.events[3].unit` as the caller knows it. In a Bundle it ends at the
    /// resource, because the fields of a record are not those of FHIR.
    pub(super) fn path(&self, path: &str) -> String {
        let Origin::Bundle { patient, .. } = self else { return path.to_owned() };
        let Some(inner) = path.strip_prefix("history.") else { return path.to_owned() };
        let index = |list: &str| -> Option<usize> {
            let (index, _) = inner.strip_prefix(list)?.split_once(']')?;
            index.parse().ok()
        };
        let event = index("events[").map(|index| self.event(index));
        let entry = event.or_else(|| index("encounters[").map(|index| self.encounter(index)));
        let field = match inner {
            "birth_date" => ".birthDate",
            "death_time" => ".deceasedDateTime",
            _ => "",
        };
        match entry.or(patient.filter(|_| !field.is_empty())) {
            Some(entry) => format!("{BUNDLE}.entry[{entry}].resource{field}"),
            None => BUNDLE.to_owned(),
        }
    }

    /// The error of a use case with paths as the caller knows them.
    pub(super) fn error(&self, error: ServiceError) -> ServiceError {
        let ServiceError::Invalid(violations) = error else { return error };
        let renamed = violations.into_iter().map(|Violation { path, reason }| {
            let path = self.path(&path);
            Violation { path, reason }
        });
        ServiceError::Invalid(renamed.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_the_record_are_told_as_entries() {
        let bundle =
            Origin::Bundle { events: vec![4, 4, 2], encounters: vec![9], patient: Some(1) };
        let told = |path: &str| bundle.path(path);
        assert_eq!(told("history.events[2].unit"), "fhir_bundle_json.entry[2].resource");
        assert_eq!(told("history.encounters[0].end"), "fhir_bundle_json.entry[9].resource");
        assert_eq!(told("history.birth_date"), "fhir_bundle_json.entry[1].resource.birthDate");
        assert_eq!(told("history.events"), "fhir_bundle_json");
        assert_eq!(told("prediction_time"), "prediction_time");
        assert_eq!(Origin::History.path("history.events[2].unit"), "history.events[2].unit");
    }
}
