//! Who may: certificates, tokens and keys tell the caller, a policy file what the caller may do.
