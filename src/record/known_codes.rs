//! `KnownCodes`: the concepts of the codes met so far, for building the histories of many records.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{Code, ConceptId, ConceptSet};
use crate::access::Classes;

/// How many codes are remembered.
const CODES_MAX: usize = 100_000;

/// What is known of a code.
#[derive(Debug, Clone)]
pub(super) struct KnownCode {
    /// The concepts that it belongs to, in order.
    pub concepts: Arc<[ConceptId]>,
    /// The classes of sensitive content that it is of.
    pub classes: Classes,
}

/// What is known of codes, each looked up once. Of one set of concepts only.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownCodes(HashMap<Arc<Code>, KnownCode, RandomState>);

impl KnownCodes {
    /// What `concepts` say of `code`.
    pub(super) fn of(&mut self, code: &Arc<Code>, concepts: &ConceptSet) -> KnownCode {
        if let Some(known) = self.0.get(code) {
            return known.clone();
        }
        if self.0.len() >= CODES_MAX {
            self.0.clear();
        }
        let found: Arc<[ConceptId]> = concepts.concepts_of(code).into();
        let classes = concepts.classes_of_code(code, &found);
        let known = KnownCode { concepts: found, classes };
        self.0.insert(Arc::clone(code), known.clone());
        known
    }
}
