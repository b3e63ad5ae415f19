//! `Formulas`: the formula files that tasks may name, built in or a site's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::FormulaError;
use super::check::Finder;
use super::formula::Formula;
use super::params::FormulaParams;
use crate::record::ConceptSet;
use crate::strict_toml;

/// The largest formula file, in bytes.
const FILE_BYTES_MAX: usize = 256 << 10;
/// How many formulas deep one may read another.
const DEPTH_MAX: usize = 4;

macro_rules! built_in {
    ($($id:literal),+ $(,)?) => {
        [$(($id, include_str!(concat!("../../models/published/", $id, ".toml")))),+]
    };
}

/// The formulas that come with the program, by id.
const BUILT_IN: [(&str, &str); 13] = built_in![
    "charlson_1987",
    "charlson_2011",
    "egfr_ckd_epi_2021",
    "framingham_hypertension_1y",
    "framingham_hypertension_2y",
    "framingham_hypertension_4y",
    "hospital",
    "hospital_1",
    "hospital_simplified",
    "lace",
    "lace_charlson",
    "lace_comorbidity",
    "prevent_cvd_10y",
];

/// Formula files by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Formulas {
    texts: BTreeMap<String, String>,
}

impl Formulas {
    /// The formulas that come with the program.
    pub fn built_in() -> Formulas {
        let each = BUILT_IN.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned()));
        Formulas { texts: each.collect() }
    }

    /// Adds a formula file; gives its id.
    ///
    /// # Errors
    /// A file that is too large or cannot be read, or one whose id another file has.
    pub fn add(&mut self, text: &str) -> Result<String, FormulaError> {
        let id = read(text)?.id;
        if self.texts.get(&id).is_some_and(|known| known != text) {
            let reason = "another formula has this id already; choose one of your own".to_owned();
            return Err(FormulaError { formula: id, reason });
        }
        self.texts.insert(id.clone(), text.to_owned());
        Ok(id)
    }

    /// The ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// The formula called `id`, checked against `concepts`.
    ///
    /// # Errors
    /// An id that is not here (with the nearest that is), an unknown key, concept or input, a number
    /// out of its limits, a test vector that the formula does not give.
    pub fn resolve(&self, id: &str, concepts: &ConceptSet) -> Result<Arc<Formula>, FormulaError> {
        self.resolve_within(id, concepts, DEPTH_MAX)
    }

    fn resolve_within(
        &self,
        id: &str,
        concepts: &ConceptSet,
        depth: usize,
    ) -> Result<Arc<Formula>, FormulaError> {
        let fault = |reason: String| FormulaError { formula: id.to_owned(), reason };
        let Some(text) = self.texts.get(id) else {
            let near = self.ids().min_by_key(|known| strsim::damerau_levenshtein(known, id));
            return Err(fault(match near {
                Some(near) => format!("there is no such formula; did you mean `{near}`?"),
                None => "there is no such formula".to_owned(),
            }));
        };
        let Some(depth) = depth.checked_sub(1) else {
            return Err(fault(format!("formulas read each other more than {DEPTH_MAX} deep")));
        };
        let params = read(text)?;
        let resolve = |other: &str| self.resolve_within(other, concepts, depth);
        Formula::check(params, text, &Finder { concepts, resolve: &resolve }).map(Arc::new)
    }
}

fn read(text: &str) -> Result<FormulaParams, FormulaError> {
    let fault = |reason| FormulaError { formula: "-".to_owned(), reason };
    if text.len() > FILE_BYTES_MAX {
        return Err(fault(format!("the file is larger than {FILE_BYTES_MAX} bytes")));
    }
    strict_toml::parse(text).map_err(fault)
}
