//! Every built-in formula against its own vectors and the concepts that ship with it.

use super::Formulas;
use crate::record::ConceptSet;

#[test]
fn every_built_in_formula_gives_its_own_vectors() {
    let concepts = ConceptSet::parse(include_str!("../../models/concepts.toml")).unwrap();
    let formulas = Formulas::built_in();
    assert_eq!(formulas.ids().count(), 13);
    for id in formulas.ids() {
        let formula = formulas.resolve(id, &concepts).unwrap();
        assert_eq!(formula.id(), id);
        assert!(!formula.citations().is_empty() && !formula.outcome().is_empty());
        assert!(!formula.notes().is_empty(), "{id} says what was decided");
    }
}
