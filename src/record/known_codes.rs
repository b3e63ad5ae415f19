//! `KnownCodes`: the concepts of the codes met so far, for building the histories of many records.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{Code, ConceptId, ConceptSet};

/// How many codes are remembered.
const CODES_MAX: usize = 100_000;

/// The concepts of codes, each looked up once. Of one set of concepts only.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownCodes(HashMap<Arc<Code>, Arc<[ConceptId]>, RandomState>);

impl KnownCodes {
    /// As `ConceptSet::concepts_of`.
    pub(super) fn concepts_of(
        &mut self,
        code: &Arc<Code>,
        concepts: &ConceptSet,
    ) -> Arc<[ConceptId]> {
        if let Some(known) = self.0.get(code) {
            return Arc::clone(known);
        }
        if self.0.len() >= CODES_MAX {
            self.0.clear();
        }
        let found: Arc<[ConceptId]> = concepts.concepts_of(code).into();
        self.0.insert(Arc::clone(code), Arc::clone(&found));
        found
    }
}
