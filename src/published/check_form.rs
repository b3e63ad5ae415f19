//! Checking how the inputs become one number: points, weights of conditions, or a linear sum.

use super::check::Finder;
use super::formula::{Factor, Form, Group, Input, Item, Model, Source, Term};
use super::params::{FactorParams, FormParams, GroupParams, ItemParams, Link, ModelParams};
use crate::record::EventKind;

/// The most items, groups, factors or terms.
const LIST_MAX: usize = 256;

/// Checks the form; marks the inputs it reads as required, and adds those of its own.
pub(super) fn form(
    params: &FormParams,
    inputs: &mut Vec<Input>,
    finder: &Finder<'_>,
) -> Result<Form, String> {
    match params {
        FormParams::Points { item } => {
            check_length("items", item.len())?;
            let items: Result<Vec<Item>, String> =
                item.iter().map(|item| self::item(item, inputs)).collect();
            Ok(Form::Points(items?))
        }
        FormParams::Comorbidity { kinds, group } => {
            check_length("groups", group.len())?;
            if !inputs.is_empty() {
                return Err("the groups of a comorbidity index are its inputs".into());
            }
            groups(kinds, group, inputs, finder).map(Form::Comorbidity)
        }
        FormParams::Linear { link, factor, model } => {
            check_length("models", model.len())?;
            check_link(*link)?;
            let named: Result<Vec<(String, Factor)>, String> =
                factor.iter().map(|factor| self::factor(factor, inputs)).collect();
            linear(*link, named?, model, inputs)
        }
    }
}

fn check_length(of: &str, length: usize) -> Result<(), String> {
    match (1..=LIST_MAX).contains(&length) {
        true => Ok(()),
        false => Err(format!("form: needs 1 to {LIST_MAX} {of}")),
    }
}

fn require(inputs: &mut [Input], name: &str) -> Result<usize, String> {
    let place = Finder::input(inputs, name)?;
    if let Some(input) = inputs.get_mut(place) {
        input.required = true;
    }
    Ok(place)
}

fn item(params: &ItemParams, inputs: &mut [Input]) -> Result<Item, String> {
    let fault = |reason: &str| Err(format!("form: item `{}`: {reason}", params.input));
    let input = require(inputs, &params.input).map_err(|reason| format!("form: {reason}"))?;
    let rising = params.cuts.windows(2).all(|pair| pair[0] < pair[1]);
    if !rising || params.cuts.iter().any(|cut| !cut.is_finite()) {
        return fault("cuts must be finite and rise");
    }
    if params.cuts.len() > LIST_MAX || params.points.len() != params.cuts.len() + 1 {
        return fault("needs one number of points more than cuts");
    }
    if params.points.iter().any(|points| !points.is_finite()) {
        return fault("points must be finite");
    }
    Ok(Item { input, cuts: params.cuts.clone(), points: params.points.clone() })
}

fn groups(
    kinds: &[EventKind],
    params: &[GroupParams],
    inputs: &mut Vec<Input>,
    finder: &Finder<'_>,
) -> Result<Vec<Group>, String> {
    for group in params {
        let fault = |reason| format!("form: group `{}`: {reason}", group.name);
        let presence = finder.presence(&group.concepts, kinds, group.window).map_err(fault)?;
        if group.name.is_empty() || inputs.iter().any(|known| known.name == group.name) {
            return Err(fault("needs a name of its own".into()));
        }
        if !group.weight.is_finite() {
            return Err(fault("the weight must be finite".into()));
        }
        inputs.push(Input {
            name: group.name.clone(),
            sources: vec![Source::Concepts(presence)],
            between: None,
            required: true,
        });
    }
    let mut groups: Vec<Group> = params
        .iter()
        .enumerate()
        .map(|(input, group)| Group { input, weight: group.weight, replaced_by: Vec::new() })
        .collect();
    for (place, group) in params.iter().enumerate() {
        for milder in &group.replaces {
            let milder = Finder::input(inputs, milder)
                .map_err(|reason| format!("form: group `{}`: {reason}", group.name))?;
            if milder == place {
                return Err(format!("form: group `{}` replaces itself", group.name));
            }
            if let Some(milder) = groups.get_mut(milder) {
                milder.replaced_by.push(place);
            }
        }
    }
    Ok(groups)
}

fn check_link(link: Link) -> Result<(), String> {
    match link {
        Link::Weibull { time, scale } if !(time > 0.0 && scale > 0.0 && time.is_finite()) => {
            Err("form: weibull needs a time and a scale above 0".into())
        }
        _ => Ok(()),
    }
}

fn factor(params: &FactorParams, inputs: &mut [Input]) -> Result<(String, Factor), String> {
    let fault = |reason: &str| format!("form: factor `{}`: {reason}", params.name);
    let input = Finder::input(inputs, &params.input).map_err(|reason| fault(&reason))?;
    if params.name.is_empty() || params.name.contains('*') {
        return Err(fault("needs a name without *"));
    }
    let FactorParams { at_least, at_most, minus, over, ln, power, .. } = params;
    let numbers = [*at_least, *at_most, Some(*minus), Some(*over), *power];
    if *over == 0.0 || numbers.iter().flatten().any(|number| !number.is_finite()) {
        return Err(fault("needs finite numbers, and `over` not 0"));
    }
    let factor = Factor {
        input,
        at_least: *at_least,
        at_most: *at_most,
        minus: *minus,
        over: *over,
        ln: *ln,
        power: *power,
    };
    Ok((params.name.clone(), factor))
}

fn linear(
    link: Link,
    named: Vec<(String, Factor)>,
    params: &[ModelParams],
    inputs: &mut [Input],
) -> Result<Form, String> {
    check_length("factors", named.len() + inputs.len())?;
    let mut names: Vec<String> = Vec::new();
    let mut factors = Vec::new();
    for (name, factor) in named {
        if names.contains(&name) || inputs.iter().any(|input| input.name == name) {
            return Err(format!("form: factor `{name}`: the name is used twice"));
        }
        names.push(name);
        factors.push(factor);
    }
    // An input stands in a term by its own name too, as it is.
    for (input, of) in inputs.iter().enumerate() {
        names.push(of.name.clone());
        let (at_least, at_most, power) = (None, None, None);
        factors.push(Factor { input, at_least, at_most, minus: 0.0, over: 1.0, ln: false, power });
    }
    let mut models = Vec::new();
    for model in params {
        models.push(self::model(model, &names, &factors, inputs)?);
    }
    let sexes: Vec<_> = params.iter().map(|model| model.sex).collect();
    let whole = match sexes.as_slice() {
        [None] => true,
        [Some(first), Some(second)] => first != second,
        _ => false,
    };
    match whole {
        true => Ok(Form::Linear { link, factors, models }),
        false => Err("form: needs one model for all, or one for each sex".into()),
    }
}

fn model(
    params: &ModelParams,
    names: &[String],
    factors: &[Factor],
    inputs: &mut [Input],
) -> Result<Model, String> {
    check_length("terms", params.terms.len())?;
    let sex = match params.sex {
        Some(sex) => {
            let said_by = inputs.iter().position(|i| i.sources.contains(&Source::Female));
            let said_by = said_by.ok_or("form: models by sex need an input from `female`")?;
            if let Some(input) = inputs.get_mut(said_by) {
                input.required = true;
            }
            Some((said_by, sex))
        }
        None => None,
    };
    let mut terms = Vec::new();
    for (product, coefficient) in &params.terms {
        let mut places = Vec::new();
        for name in product.split('*').map(str::trim) {
            let place = names.iter().position(|known| known == name).ok_or_else(|| {
                let near = names.iter().min_by_key(|n| strsim::damerau_levenshtein(n, name));
                let near = near.map_or("-", String::as_str);
                format!("form: term `{product}`: no factor `{name}`; did you mean `{near}`?")
            })?;
            if let Some(input) = factors.get(place).and_then(|f| inputs.get_mut(f.input)) {
                input.required = true;
            }
            places.push(place);
        }
        terms.push(Term { coefficient: *coefficient, factors: places });
    }
    if !params.constant.is_finite() || terms.iter().any(|term| !term.coefficient.is_finite()) {
        return Err("form: constants and coefficients must be finite".into());
    }
    Ok(Model { sex, constant: params.constant, terms })
}
