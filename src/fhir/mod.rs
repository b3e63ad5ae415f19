//! FHIR R4 out: what the service says of a patient, as resources that an EHR stores and shows.
