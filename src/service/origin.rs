//! Where the record of a request came from, so that places in it are told as places in what the
//! caller sent.

use super::ServiceError;
use crate::import::{BundleRecord, EntryPlace, Part, PartRules, read_parts};
use crate::record::{DataIssue, IssueKind, Record, Violation};

/// What the caller sent.
#[derive(Debug, Default)]
pub enum Origin {
    #[default]
    History,
    Fhir(Sent),
}

/// Resources of FHIR that were sent together.
#[derive(Debug)]
pub struct Sent {
    /// For each event and encounter of the record its entry, and the entry of the patient.
    events: Vec<EntryPlace>,
    encounters: Vec<EntryPlace>,
    patient: Option<EntryPlace>,
    /// What the paths of the parts begin with.
    parts: Vec<String>,
}

impl Sent {
    /// What paths begin with that are about all that was sent.
    fn whole(&self) -> &str {
        match self.parts.as_slice() {
            [only] => only,
            _ => "",
        }
    }

    fn path(&self, place: EntryPlace, field: &str) -> String {
        let part = self.parts.get(place.part).map_or("", String::as_str);
        let all = [part, &place.path(), field];
        let said: Vec<&str> = all.into_iter().filter(|path| !path.is_empty()).collect();
        said.join(".")
    }
}

impl Origin {
    /// The record of Bundles and resources that were sent together, and what is known of its faults.
    ///
    /// # Errors
    /// The places that cannot be used.
    pub fn of_parts(
        parts: &[Part<'_>],
        rules: PartRules<'_>,
    ) -> Result<(Origin, Record, Vec<DataIssue>), Vec<Violation>> {
        let read = read_parts(parts, rules)?;
        let BundleRecord { record, events, encounters, patient, issues } = read;
        let parts = parts.iter().map(|part| part.path.to_owned()).collect();
        let sent = Sent { events, encounters, patient, parts };
        Ok((Origin::Fhir(sent), record, issues))
    }

    /// The place of an event in what the caller sent.
    pub fn event(&self, index: usize) -> usize {
        match self {
            Origin::History => index,
            Origin::Fhir(sent) => sent.events.get(index).map_or(index, |place| place.entry),
        }
    }

    /// The place of an encounter in what the caller sent.
    pub fn encounter(&self, index: usize) -> usize {
        match self {
            Origin::History => index,
            Origin::Fhir(sent) => sent.encounters.get(index).map_or(index, |place| place.entry),
        }
    }

    /// A path such as `history.events[3].unit` as the caller knows it. Of FHIR it ends at the
    /// resource, because the fields of a record are not those of FHIR.
    pub fn path(&self, path: &str) -> String {
        let Origin::Fhir(sent) = self else { return path.to_owned() };
        let Some(inner) = path.strip_prefix("history.") else { return path.to_owned() };
        let place = |list: &str, places: &[EntryPlace]| -> Option<EntryPlace> {
            let (index, _) = inner.strip_prefix(list)?.split_once(']')?;
            places.get(index.parse::<usize>().ok()?).copied()
        };
        let place =
            place("events[", &sent.events).or_else(|| place("encounters[", &sent.encounters));
        let field = match inner {
            "birth_date" => "birthDate",
            "death_time" => "deceasedDateTime",
            _ => "",
        };
        match place.or(sent.patient.filter(|_| !field.is_empty())) {
            Some(place) => sent.path(place, field),
            None => sent.whole().to_owned(),
        }
    }

    /// The first place of an issue as the caller knows it.
    pub fn issue_path(&self, issue: &DataIssue) -> String {
        match issue.kind {
            // Found in what was sent, and told so.
            IssueKind::PartialBundle | IssueKind::UnknownMedication => issue.first_path.clone(),
            _ => self.path(&format!("history.{}", issue.first_path)),
        }
    }

    /// The error of a use case with paths as the caller knows them.
    #[must_use]
    pub fn error(&self, error: ServiceError) -> ServiceError {
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
        let json = r#"{"resourceType":"Bundle","type":"batch-response","entry":[
            {"resource":{"resourceType":"Patient","id":"p","birthDate":"1950-02-03"}},
            {"resource":{"resourceType":"Bundle","type":"searchset","entry":[
                {"resource":{"resourceType":"Encounter","id":"e","status":"finished",
                    "class":{"code":"IMP"},"subject":{"reference":"Patient/p"},
                    "period":{"start":"2024-01-01T08:00:00Z"}}}]}},
            {"resource":{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"},
                "code":{"coding":[{"system":"http://snomed.info/sct","code":"38341003"}]},
                "onsetDateTime":"2020-01-01"}}]}"#;
        let part =
            Part { path: "fhir_bundle_json", json, must_be_bundle: true, is_page_of_all: false };
        let (bundle, _, issues) = Origin::of_parts(&[part], PartRules::default()).unwrap();
        assert!(issues.is_empty());
        let told = |path: &str| bundle.path(path);
        assert_eq!(told("history.events[0].unit"), "fhir_bundle_json.entry[2].resource");
        let inner = "fhir_bundle_json.entry[1].resource.entry[0].resource";
        assert_eq!(told("history.encounters[0].end"), inner);
        assert_eq!((bundle.event(0), bundle.encounter(0)), (2, 1));
        assert_eq!(told("history.birth_date"), "fhir_bundle_json.entry[0].resource.birthDate");
        assert_eq!(told("history.events"), "fhir_bundle_json");
        assert_eq!(told("prediction_time"), "prediction_time");
        assert_eq!(Origin::History.path("history.events[2].unit"), "history.events[2].unit");
    }
}
