//! A client of the FHIR server that an EHR names: a closed list of servers, no way around it, an end to all.
