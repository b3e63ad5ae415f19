//! Plain HTTP beside gRPC: `/metrics`, `/livez`, `/readyz`. Nothing of any patient.
