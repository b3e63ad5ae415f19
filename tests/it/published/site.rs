//! A site's own formula file: read, or refused with what is wrong.

use super::*;

pub(super) const SITE: &str = r#"
id = "site_frailty"
title = "our frailty score"
outcome = "a fall within 90 days"
horizon_days = 90
citations = ["our own table, 2023"]
notes = ["for tests"]

[validity]
range = [{ input = "age", min = 65, text = "the formula is for those of 65 and more" }]
exclude = [{ concepts = ["hospice_care"], kinds = ["diagnosis"], window = "ever", text = "in hospice care" }]

[[input]]
name = "age"
from = "age"
[[input]]
name = "pneumonia"
from.concepts = { concepts = ["dx_respiratory"], kinds = ["diagnosis"], window = "stay", principal = true }
[[input]]
name = "comorbidity"
from.formula = "charlson_2011"

[form.linear]
link = "logistic"
factor = [{ name = "squared", input = "age", minus = 65, over = 10, power = 2 }]
[[form.linear.model]]
constant = -2.0
terms = { squared = 0.1, "pneumonia*comorbidity" = 0.25 }

[[band]]
name = "fair"
from = 0
[[band]]
name = "poor"
from = 0.15

[[test]]
inputs = { age = 75, pneumonia = 1, comorbidity = 2 }
probability = 0.1978
"#;

fn with(text: &str) -> Result<Arc<Formula>, String> {
    let mut formulas = Formulas::built_in();
    formulas.add(text).map_err(|error| error.to_string())?;
    formulas.resolve("site_frailty", &known()).map_err(|error| error.to_string())
}

#[test]
fn a_sites_formula_is_read_and_computed() {
    let formula = with(SITE).unwrap();
    assert_eq!((formula.title(), formula.horizon_days()), ("our frailty score", Some(90)));
    assert_eq!(
        formula.files().keys().collect::<Vec<_>>(),
        ["charlson_2011", "site_frailty"],
        "what it reads travels with it"
    );
    let mut record = inpatient(5, "emergency");
    record.birth_date = prodrome::record::PartialDate::from_year(2024 - 75);
    record.events = vec![diagnosis("ICD10CM//J18.9"), diagnosis("ICD10CM//I50.9")];
    let score = |record: &Record| {
        let built = History::build(record, &known(), &KnownAfter::default()).unwrap();
        evaluate(&built.history.view(index_time()), &formula)
    };
    // The pneumonia is not the principal diagnosis yet.
    let expected = |sum: f64| 1.0 / (1.0 + (-sum).exp());
    assert!(close(score(&record).probability, expected(-1.9)));
    record.events[0].rank = Some(1);
    let found = score(&record);
    assert!(close(found.probability, expected(-1.4)), "{found:?}");
    assert_eq!(found.band.as_deref(), Some("poor"));
    record.events.push(diagnosis("ICD10CM//Z51.5"));
    assert_eq!(score(&record).reason.as_deref(), Some("in hospice care"));
}

#[test]
fn each_fault_of_a_formula_file_is_named() {
    let faults = [
        ("horizon_days = 90", "horizon_day = 90", "did you mean `horizon_days`?"),
        ("minus = 65", "minos = 65", "did you mean `minus`?"),
        (
            "input = \"age\", minus",
            "input = \"agee\", minus",
            "no input `agee`; did you mean `age`?",
        ),
        ("[\"dx_respiratory\"]", "[\"dx_respiratori\"]", "did you mean `dx_respiratory`?"),
        ("\"charlson_2011\"", "\"charlson_2012\"", "did you mean `charlson_2011`?"),
        ("\"charlson_2011\"", "\"site_frailty\"", "more than 4 deep"),
        ("squared = 0.1", "square = 0.1", "no factor `square`; did you mean `squared`?"),
        ("probability = 0.1978", "probability = 0.2", "test vector 1: probability is 0.2 there"),
        ("probability = 0.1978", "points = 1", "the formula gives nothing"),
        ("probability = 0.1978", "", "says nothing of the result"),
        ("pneumonia = 1, comorbidity = 2", "pneumonia = 1", "`comorbidity` has no value"),
        ("over = 10", "over = 0", "`over` not 0"),
        ("constant = -2.0", "constant = nan", "must be finite"),
        ("constant = -2.0", "sex = \"female\"\nconstant = -2.0", "input from `female`"),
        ("from = 0.15", "from = -1", "bands need names and rising"),
        ("id = \"site_frailty\"", "id = \"Site\"", "there is no such formula"),
        ("citations = [\"our own table, 2023\"]", "citations = []", "needs a citation"),
        ("min = 65, text", "text", "needs a finite min, max or below"),
        ("from = \"age\"", "from = \"age\"\nbetween = [60, 90]", "untransformed"),
        ("window = \"stay\"", "window = { days = 0 }", "a window has 1 to"),
        ("link = \"logistic\"", "link.weibull = { time = 0, scale = 1 }", "above 0"),
        ("name = \"comorbidity\"", "name = \"age\"", "the name is used twice"),
    ];
    for (from, to, expected) in faults {
        assert!(SITE.contains(from), "{from}");
        let error = with(&SITE.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(expected), "{to}: {error}");
    }
    let without_test = SITE.split("[[test]]").next().unwrap();
    assert!(with(without_test).unwrap_err().contains("at least one test vector"));
    let measured = SITE.replacen(
        "from = \"age\"",
        "from.measurement = { concept = \"sodium\", unit = \"mg/dL\", window = \"ever\" }",
        1,
    );
    assert!(with(&measured).unwrap_err().contains("concept `sodium` has `mmol/L`"));
}

#[test]
fn no_file_takes_the_name_of_another() {
    let mut formulas = Formulas::built_in();
    let error = formulas.add(&SITE.replacen("site_frailty", "lace", 1)).unwrap_err();
    assert!(error.to_string().contains("formula lace: another formula has this id"));
    formulas.add(SITE).unwrap();
    formulas.add(SITE).unwrap();
    assert!(formulas.add(&"x".repeat(300_000)).unwrap_err().to_string().contains("larger"));
}

#[test]
fn a_file_with_a_line_gone_or_a_number_grown_is_read_or_refused_without_a_panic() {
    let concepts = known();
    let (mut read, mut refused) = (0, 0);
    let lines: Vec<&str> = SITE.lines().collect();
    for place in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(place);
        let digits = lines[place].replace(|c: char| c.is_ascii_digit(), "9e99");
        let mut grown = lines.clone();
        grown[place] = &digits;
        let nan = lines[place].replace("0", "nan");
        let mut not_a_number = lines.clone();
        not_a_number[place] = &nan;
        for changed in [without, grown, not_a_number] {
            let mut formulas = Formulas::built_in();
            let id = formulas.add(&changed.join("\n"));
            match id.and_then(|id| formulas.resolve(&id, &concepts)) {
                Ok(_) => read += 1,
                Err(error) => {
                    assert!(!error.reason.is_empty());
                    refused += 1;
                }
            }
        }
    }
    assert!(read > 10 && refused > 30, "{read} {refused}");
}
