//! The access log: who asked for which patient's scores, and what came of it. Appended to and never
//! changed; each record holds the hash of the one before.
