//! CDS Hooks 2.0: services that an EHR calls while somebody looks at a patient or plans a discharge.
