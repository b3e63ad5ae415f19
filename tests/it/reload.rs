//! Models that change under a running server: reload, faults of bundles, signatures.
