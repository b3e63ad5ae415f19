//! `evaluate`: the one way from a view and a formula to a published score.

use super::formula::{Form, Formula, Input, Source};
use super::gather::Scene;
use crate::access::{Classes, PROTECTED};
use crate::record::View;

/// What a published formula gives for one patient at one index time.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedScore {
    pub id: String,
    pub title: String,
    /// `None` when the formula gives a probability only, does not apply, or lacks an input.
    pub points: Option<f64>,
    /// The probability that the paper gives, not recalibrated.
    pub probability: Option<f64>,
    /// The least and the greatest probability where an input is unknown that has bounds;
    /// `probability` is then `None`.
    pub probability_low: Option<f64>,
    pub probability_high: Option<f64>,
    /// The paper's name for the band the result lies in, such as `high`.
    pub band: Option<String>,
    /// What the points or the probability stand for, in words.
    pub outcome: String,
    pub horizon_days: Option<u32>,
    /// Whether the formula holds for this patient.
    pub applicable: bool,
    /// Why it does not hold, in words without any value.
    pub reason: Option<String>,
    /// Names of the inputs without which there is no result (or only a range).
    pub missing_inputs: Vec<String>,
    /// The classes of sensitive content that the reason and the names of inputs tell of.
    pub classes: Classes,
}

impl PublishedScore {
    /// The same as somebody sees it who may see `allowed`. Results stay: a sum of points tells no more
    /// of its parts than the probability of the model.
    #[must_use]
    pub fn seen_by(self, allowed: Classes) -> PublishedScore {
        let mut seen = self;
        if !seen.classes.are_within(allowed) {
            seen.reason = seen.reason.map(|_| PROTECTED.to_owned());
            if !seen.missing_inputs.is_empty() {
                seen.missing_inputs = vec![PROTECTED.to_owned()];
            }
            seen.classes = Classes::NONE;
        }
        seen
    }

    /// The one number that a model or a figure reads: the points, else the single probability.
    pub fn number(&self) -> Option<f64> {
        self.points.or(self.probability)
    }

    /// The number to rank patients by: as `number`, and the lower end where an unknown input leaves a
    /// range.
    pub fn rank_number(&self) -> Option<f64> {
        self.number().or(self.probability_low)
    }
}

/// What `formula` gives for the patient as seen in `view`.
pub fn evaluate(view: &View<'_>, formula: &Formula) -> PublishedScore {
    evaluate_in(&Scene::of(view), formula)
}

/// As `evaluate`, for a view that is laid out already.
pub(super) fn evaluate_in(scene: &Scene<'_, '_>, formula: &Formula) -> PublishedScore {
    let values = scene.values(formula);
    let mut reasons = reasons(scene, formula, &values);
    let missing = |input: &Input, value: &Option<f64>| {
        value.is_none() && input.required && !input.sources.contains(&Source::Female)
    };
    let lacking: Vec<&Input> = formula
        .inputs
        .iter()
        .zip(&values)
        .filter_map(|(input, value)| missing(input, value).then_some(input))
        .collect();
    let complete = lacking.iter().all(|input| input.between.is_some());
    let mut score = PublishedScore {
        id: formula.id.clone(),
        title: formula.title.clone(),
        points: None,
        probability: None,
        probability_low: None,
        probability_high: None,
        band: None,
        outcome: formula.outcome.clone(),
        horizon_days: formula.horizon_days,
        applicable: true,
        reason: None,
        missing_inputs: names(formula, &lacking),
        classes: classes(scene, formula, &lacking),
    };
    if reasons.is_empty() && complete {
        match formula.calculate(&values) {
            Some(outcome) if outcome.low < outcome.high => {
                score.probability_low = Some(outcome.low);
                score.probability_high = Some(outcome.high);
            }
            Some(outcome) => fill(&mut score, formula, outcome.low),
            None => reasons.push("the formula gives no number for these inputs".to_owned()),
        }
    }
    if !reasons.is_empty() {
        score.applicable = false;
        score.reason = Some(reasons.join("; "));
    }
    score
}

fn fill(score: &mut PublishedScore, formula: &Formula, result: f64) {
    let band = formula.band(result);
    score.band = band.map(|(name, _)| name.to_owned());
    if formula.form.gives_probability() {
        score.probability = Some(result);
    } else {
        score.points = Some(result);
        score.probability = band.and_then(|(_, probability)| probability);
    }
}

/// What the reasons and the names of what is lacking tell of.
fn classes(scene: &Scene<'_, '_>, formula: &Formula, lacking: &[&Input]) -> Classes {
    let met = formula.excludes.iter().filter(|(presence, _)| scene.is_present(presence));
    let met = met.map(|(presence, _)| scene.classes_of(&presence.concepts));
    let lacking = match &formula.form {
        // They are named by no more than that they are diagnoses.
        Form::Comorbidity(_) => &[],
        _ => lacking,
    };
    let lacking = lacking.iter().map(|input| scene.classes_of(&input.concepts()));
    met.chain(lacking).fold(Classes::NONE, Classes::and)
}

/// The groups of an index go missing together: what is missing is the diagnoses.
fn names(formula: &Formula, lacking: &[&Input]) -> Vec<String> {
    match &formula.form {
        Form::Comorbidity(_) if !lacking.is_empty() => vec!["diagnoses".to_owned()],
        _ => lacking.iter().map(|input| input.name.clone()).collect(),
    }
}

/// Why the formula does not hold, in the order of its file; empty when it does.
fn reasons(scene: &Scene<'_, '_>, formula: &Formula, values: &[Option<f64>]) -> Vec<String> {
    let mut reasons = Vec::new();
    if formula.needs_stay && !scene.has_stay() {
        reasons.push("there is no inpatient stay at the index time".to_owned());
    }
    let unknown_sex = formula.inputs.iter().zip(values).any(|(input, value)| {
        value.is_none() && input.required && input.sources.contains(&Source::Female)
    });
    if unknown_sex {
        reasons.push("the formula is for female and male patients, by recorded sex".to_owned());
    }
    for range in &formula.ranges {
        let value = values.get(range.input).copied().flatten();
        if value.is_some_and(|value| !range.holds(value)) {
            reasons.push(range.text.clone());
        }
    }
    for (presence, text) in &formula.excludes {
        if scene.is_present(presence) {
            reasons.push(text.clone());
        }
    }
    reasons
}
