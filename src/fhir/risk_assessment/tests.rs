//! What a risk assessment says, and what it does not.
