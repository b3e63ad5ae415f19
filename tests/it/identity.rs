//! Who may: TLS, tokens, keys, and every cell of the policy.
