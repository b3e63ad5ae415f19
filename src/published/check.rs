//! Checking a formula file: names are found, numbers kept in their limits, test vectors computed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::FormulaError;
use super::check_form;
use super::formula::{Form, Formula, Input, Presence, Range, Source};
use super::params::{
    Absent, BandParams, ExcludeParams, FormulaParams, InputParams, RangeParams, SourceParams,
    VectorParams,
};
use crate::record::{ConceptId, ConceptSet, EventKind, Window};

/// The most entries that any list of a formula may have.
const LIST_MAX: usize = 256;
/// The most formulas that one formula may read.
const FORMULAS_MAX: usize = 8;
/// The longest horizon a formula may have, in days: a hundred years.
const HORIZON_DAYS_MAX: u32 = 36_525;
/// How far a formula may be from its own test vectors; of results above 1 the share.
const TOLERANCE: f64 = 1e-4;
/// The most inputs of one formula that may be unknown within bounds: each doubles the work.
const BETWEEN_MAX: usize = 4;

/// Finds a formula that another one reads.
pub(super) type Resolve<'a> = &'a dyn Fn(&str) -> Result<Arc<Formula>, FormulaError>;

/// What a formula's names are looked up in.
pub(super) struct Finder<'a> {
    pub concepts: &'a ConceptSet,
    pub resolve: Resolve<'a>,
}

impl Finder<'_> {
    fn concept(&self, name: &str) -> Result<ConceptId, String> {
        self.concepts.find(name).ok_or_else(|| {
            let near = self.concepts.nearest(name).unwrap_or("-");
            format!("no concept `{name}`; did you mean `{near}`?")
        })
    }

    fn all(&self, names: &[String]) -> Result<Vec<ConceptId>, String> {
        if names.is_empty() {
            return Err("needs at least one concept".into());
        }
        names.iter().map(|name| self.concept(name)).collect()
    }

    pub(super) fn presence(
        &self,
        concepts: &[String],
        kinds: &[EventKind],
        window: Window,
    ) -> Result<Presence, String> {
        if kinds.is_empty() {
            return Err("needs at least one kind of event".into());
        }
        if !window.is_limited() {
            return Err(format!("a window has 1 to {} days", Window::DAYS_MAX));
        }
        let concepts = self.all(concepts)?;
        let (kinds, principal, absent) = (kinds.to_vec(), false, Absent::No);
        Ok(Presence { concepts, kinds, window, principal, absent })
    }

    /// Of `inputs` the one called `name`.
    pub(super) fn input(inputs: &[Input], name: &str) -> Result<usize, String> {
        inputs.iter().position(|input| input.name == name).ok_or_else(|| {
            let near = inputs.iter().map(|input| input.name.as_str());
            let near = near.min_by_key(|known| strsim::damerau_levenshtein(known, name));
            format!("no input `{name}`; did you mean `{}`?", near.unwrap_or("-"))
        })
    }
}

impl Formula {
    /// Checks the formula read from `text`.
    pub(super) fn check(
        params: FormulaParams,
        text: &str,
        finder: &Finder<'_>,
    ) -> Result<Formula, FormulaError> {
        let id = params.id.clone();
        checked(params, text, finder).map_err(|reason| FormulaError { formula: id, reason })
    }
}

fn checked(params: FormulaParams, text: &str, finder: &Finder<'_>) -> Result<Formula, String> {
    check_words(&params)?;
    let mut inputs = Vec::new();
    for input in &params.input {
        let checked = self::input(input, &inputs, finder)
            .map_err(|reason| format!("input `{}`: {reason}", input.name))?;
        inputs.push(checked);
    }
    let form = check_form::form(&params.form, &mut inputs, finder)?;
    let ranges: Result<Vec<Range>, String> =
        params.validity.range.iter().map(|range| self::range(range, &mut inputs)).collect();
    let exclude = |exclude: &ExcludeParams| {
        let ExcludeParams { concepts, kinds, window, text } = exclude;
        Ok((finder.presence(concepts, kinds, *window)?, text.clone()))
    };
    let excludes: Result<Vec<_>, String> = params.validity.exclude.iter().map(exclude).collect();
    require_parts(&mut inputs);
    check_bounds(&inputs, &form)?;
    check_bands(&params.band)?;
    let formula = Formula {
        id: params.id,
        title: params.title,
        outcome: params.outcome,
        horizon_days: params.horizon_days,
        citations: params.citations,
        notes: params.notes,
        needs_stay: params.validity.needs_stay,
        ranges: ranges.map_err(|reason| format!("validity: {reason}"))?,
        excludes: excludes.map_err(|reason| format!("validity: {reason}"))?,
        inputs,
        form,
        bands: params.band,
        text: text.to_owned(),
    };
    if params.test.is_empty() {
        return Err("needs at least one test vector ([[test]])".into());
    }
    for (place, vector) in params.test.iter().enumerate() {
        let fault = |reason| format!("test vector {}: {reason}", place + 1);
        check_vector(&formula, vector).map_err(fault)?;
    }
    Ok(formula)
}

fn check_words(params: &FormulaParams) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if params.id.is_empty() || params.id.len() > 64 || !params.id.chars().all(plain) {
        return Err("id has 1 to 64 lower case letters, digits and _ only".into());
    }
    if params.title.is_empty() || params.outcome.is_empty() {
        return Err("needs a title and an outcome".into());
    }
    if params.citations.iter().all(|citation| citation.trim().is_empty()) {
        return Err("needs a citation: where its numbers are from".into());
    }
    if params.horizon_days.is_some_and(|days| !(1..=HORIZON_DAYS_MAX).contains(&days)) {
        return Err(format!("horizon_days must be 1 to {HORIZON_DAYS_MAX}"));
    }
    let lists = [params.input.len(), params.test.len(), params.band.len()];
    let validity = [params.validity.range.len(), params.validity.exclude.len()];
    if lists.iter().chain(&validity).any(|length| *length > LIST_MAX) {
        return Err(format!("no list may have more than {LIST_MAX} entries"));
    }
    // Before any is read: each may read as many again.
    let sources =
        params.input.iter().flat_map(|input| [Some(&input.from), input.otherwise.as_ref()]);
    let formulas = sources.flatten().filter(|source| matches!(source, SourceParams::Formula(_)));
    if formulas.count() > FORMULAS_MAX {
        return Err(format!("reads more than {FORMULAS_MAX} formulas"));
    }
    Ok(())
}

/// Checks one input; it may read those before it.
fn input(params: &InputParams, before: &[Input], finder: &Finder<'_>) -> Result<Input, String> {
    if params.name.is_empty() || params.name.contains('*') {
        return Err("needs a name without *".into());
    }
    if before.iter().any(|known| known.name == params.name) {
        return Err("the name is used twice".into());
    }
    let mut sources = vec![source(&params.from, before, finder)?];
    if let Some(otherwise) = &params.otherwise {
        sources.push(source(otherwise, before, finder)?);
    }
    let made = |source: &Source| matches!(source, Source::AnyOf(_) | Source::Difference(..));
    if sources.len() > 1 && sources.iter().any(made) {
        return Err("an input made from others has no `otherwise`".into());
    }
    if params.between.is_some_and(|[low, high]| !(low < high && (high - low).is_finite())) {
        return Err("between needs two finite rising numbers".into());
    }
    Ok(Input { name: params.name.clone(), sources, between: params.between, required: false })
}

fn source(params: &SourceParams, before: &[Input], finder: &Finder<'_>) -> Result<Source, String> {
    let lower = |texts: &[String]| texts.iter().map(|text| text.to_lowercase()).collect();
    Ok(match params {
        SourceParams::Age => Source::Age,
        SourceParams::Female => Source::Female,
        SourceParams::StayDays => Source::StayDays,
        SourceParams::Admission { yes, no } => {
            Source::Admission { yes: finder.all(yes)?, no: finder.all(no)? }
        }
        SourceParams::Encounters { classes, window_days } => {
            if classes.is_empty() || !Window::Days(*window_days).is_limited() {
                return Err("needs encounter classes and a window of at least a day".into());
            }
            Source::Encounters { classes: classes.clone(), window_days: *window_days }
        }
        SourceParams::Measurement { concept, unit, window } => {
            let id = finder.concept(concept)?;
            let given = finder.concepts.get(id).and_then(|concept| concept.unit.as_deref());
            if given != Some(unit.as_str()) {
                let given = given.unwrap_or("no unit");
                return Err(format!("is in `{unit}`, but concept `{concept}` has `{given}`"));
            }
            Source::Measurement { concept: id, window: *window }
        }
        SourceParams::Concepts { concepts, kinds, window, principal, absent } => {
            let presence = finder.presence(concepts, kinds, *window)?;
            Source::Concepts(Presence { principal: *principal, absent: *absent, ..presence })
        }
        SourceParams::Coded { concept, window, yes, no } => {
            let concept = finder.concept(concept)?;
            Source::Coded { concept, window: *window, yes: lower(yes), no: lower(no) }
        }
        SourceParams::AnyInStay { concept } => any_in_stay(concept, finder)?,
        SourceParams::Service { words } if words.is_empty() => {
            return Err("needs at least one word".into());
        }
        SourceParams::Service { words } => Source::Service { words: lower(words) },
        SourceParams::AnyOf(names) => {
            let places: Result<Vec<usize>, String> =
                names.iter().map(|name| Finder::input(before, name)).collect();
            Source::AnyOf(places?)
        }
        SourceParams::Difference([first, second]) => {
            Source::Difference(Finder::input(before, first)?, Finder::input(before, second)?)
        }
        SourceParams::Formula(id) => {
            Source::Formula((finder.resolve)(id).map_err(|error| error.to_string())?)
        }
    })
}

fn any_in_stay(name: &str, finder: &Finder<'_>) -> Result<Source, String> {
    let concept = finder.concept(name)?;
    let rule = finder.concepts.get(concept).and_then(|concept| concept.count.clone());
    let rule = rule.ok_or_else(|| format!("concept `{name}` has no count rule"))?;
    let except: Result<Vec<ConceptId>, String> =
        rule.except.iter().map(|name| finder.concept(name)).collect();
    // A count is no event to be counted.
    let except = except?.into_iter().chain(finder.concepts.with_count_rule()).collect();
    Ok(Source::AnyInStay { concept, kinds: rule.kinds, except })
}

fn range(params: &RangeParams, inputs: &mut [Input]) -> Result<Range, String> {
    let RangeParams { input, min, max, below, text } = params;
    let place = Finder::input(inputs, input)?;
    let ends = [min, max, below].into_iter().flatten();
    if ends.clone().count() == 0 || ends.into_iter().any(|end| !end.is_finite()) {
        return Err(format!("the range of `{input}` needs a finite min, max or below"));
    }
    if text.is_empty() {
        return Err(format!("the range of `{input}` needs a text"));
    }
    if let Some(input) = inputs.get_mut(place) {
        input.required = true;
    }
    Ok(Range { input: place, min: *min, max: *max, below: *below, text: text.clone() })
}

/// What is missing of a difference is one of its parts, which are named instead of it.
fn require_parts(inputs: &mut [Input]) {
    for place in (0..inputs.len()).rev() {
        let Some(input) = inputs.get_mut(place).filter(|input| input.required) else { continue };
        let Some(Source::Difference(first, second)) = input.sources.first() else { continue };
        let parts = [*first, *second];
        input.required = false;
        for part in parts {
            if let Some(part) = inputs.get_mut(part) {
                part.required = true;
            }
        }
    }
}

/// Bounds instead of a value are for inputs that stand untransformed in a sum behind a probability:
/// only there do the least and the greatest result lie at the bounds.
fn check_bounds(inputs: &[Input], form: &Form) -> Result<(), String> {
    let bounded = inputs.iter().filter(|input| input.between.is_some()).count();
    if bounded > BETWEEN_MAX {
        return Err(format!("more than {BETWEEN_MAX} inputs have `between`"));
    }
    for (place, input) in inputs.iter().enumerate().filter(|(_, i)| i.between.is_some()) {
        let fault = |reason: &str| Err(format!("input `{}`: {reason}", input.name));
        if !form.gives_probability() {
            return fault("`between` is for forms that give a probability");
        }
        let Form::Linear { factors, models, .. } = form else { continue };
        let bent = factors.iter().enumerate().filter(|(_, factor)| {
            let plain = factor.at_least.is_none() && factor.at_most.is_none();
            factor.input == place && !(plain && !factor.ln && factor.power.is_none())
        });
        if bent.count() > 0 {
            return fault("`between` needs it untransformed in the sum");
        }
        let of_input = |factor: &usize| factors.get(*factor).is_some_and(|f| f.input == place);
        let mut terms = models.iter().flat_map(|model| &model.terms);
        if terms.any(|term| term.factors.iter().filter(|factor| of_input(factor)).count() > 1) {
            return fault("`between` needs it at most once in a product");
        }
    }
    let reads = |source: &Source| match source {
        Source::AnyOf(places) => places.clone(),
        Source::Difference(first, second) => vec![*first, *second],
        _ => Vec::new(),
    };
    let mut read = inputs.iter().flat_map(|input| &input.sources).flat_map(reads);
    if read.any(|place| inputs.get(place).is_some_and(|input| input.between.is_some())) {
        return Err("an input with `between` cannot be a part of another".into());
    }
    Ok(())
}

fn check_bands(bands: &[BandParams]) -> Result<(), String> {
    let rising = bands.windows(2).all(|pair| pair[0].from < pair[1].from);
    if !rising || bands.iter().any(|band| !band.from.is_finite() || band.name.is_empty()) {
        return Err("bands need names and rising finite `from`".into());
    }
    if bands.iter().filter_map(|band| band.probability).any(|p| !(0.0..=1.0).contains(&p)) {
        return Err("the probability of a band lies between 0 and 1".into());
    }
    Ok(())
}

fn check_vector(formula: &Formula, vector: &VectorParams) -> Result<(), String> {
    let given: BTreeMap<usize, f64> = vector
        .inputs
        .iter()
        .map(|(name, value)| Ok((Finder::input(&formula.inputs, name)?, *value)))
        .collect::<Result<_, String>>()?;
    let mut values: Vec<Option<f64>> = Vec::new();
    for (place, input) in formula.inputs.iter().enumerate() {
        let absent = matches!(formula.form, Form::Comorbidity(_)).then_some(0.0);
        let value = given.get(&place).copied().or_else(|| formula.derive(place, &values));
        let value = value.or(absent);
        if value.is_none() && input.required && input.between.is_none() {
            return Err(format!("`{}` has no value", input.name));
        }
        values.push(value);
    }
    let outcome = formula.calculate(&values).ok_or("the formula gives no number for it")?;
    let is_probability = formula.form.gives_probability();
    let single = (outcome.low == outcome.high).then_some(outcome.low);
    let band = single.and_then(|result| formula.band(result)).and_then(|(_, p)| p);
    let ranged = single.is_none().then_some(outcome);
    let pairs = [
        ("points", vector.points, single.filter(|_| !is_probability)),
        ("probability", vector.probability, if is_probability { single } else { band }),
        ("probability_low", vector.probability_low, ranged.map(|outcome| outcome.low)),
        ("probability_high", vector.probability_high, ranged.map(|outcome| outcome.high)),
    ];
    if pairs.iter().all(|(_, expected, _)| expected.is_none()) {
        return Err("says nothing of the result".into());
    }
    for (name, expected, got) in pairs {
        let Some(expected) = expected else { continue };
        // Written so that a NaN fails.
        let near =
            got.is_some_and(|got| (got - expected).abs() <= TOLERANCE * expected.abs().max(1.0));
        if !near {
            let got = got.map_or_else(|| "nothing".to_owned(), |got| format!("{got:.6}"));
            return Err(format!("{name} is {expected} there, but the formula gives {got}"));
        }
    }
    Ok(())
}
