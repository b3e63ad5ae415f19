//! `RiskAssessment`: one score at one index time, with the reasons that it rests on.

use std::fmt;

use serde::Serialize;

use super::element::{Annotation, CodeableConcept, Coding, Extension, Meta, Period, Reference};
use super::reference::{self, References};
use super::{PROBABILITY, PROBABILITY_INTERVAL, author, id, notes};
use crate::bundle::Bundle;
use crate::record::{Encounter, EncounterClass, OPEN_STAY_DAYS_MAX, Record};
use crate::score::Score;

/// The most events that a resource refers to as its basis.
pub const BASIS_MAX: usize = 50;

/// The system of the likelihoods `low`, `moderate` and `high`.
const RISK_PROBABILITY: &str = "http://terminology.hl7.org/CodeSystem/risk-probability";

/// How many times as high a risk is as another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RelativeRisk<'a> {
    pub value: f64,
    /// What it is compared with, as the end of a sentence.
    pub compared_with: &'a str,
}

/// A score with what made it.
#[derive(Clone, Copy, PartialEq)]
pub struct Assessed<'a> {
    pub task: &'a str,
    /// What the task calls itself.
    pub title: &'a str,
    /// What the probability is a probability of, as the end of a sentence.
    pub outcome_text: &'a str,
    pub model_version: &'a str,
    pub bundle_digest: &'a str,
    /// By a model of simulated patients: for showing alone.
    pub is_synthetic: bool,
    /// As its reader may see it.
    pub score: &'a Score,
    /// The record that was scored.
    pub record: &'a Record,
    pub relative_risk: Option<RelativeRisk<'a>>,
    /// Where the resources of the record are, where their ids do not say it.
    pub references: Option<&'a References>,
}

impl<'a> Assessed<'a> {
    /// A score of `record` by `bundle`.
    pub fn by(bundle: &'a Bundle, record: &'a Record, score: &'a Score) -> Assessed<'a> {
        let (manifest, params) = (bundle.manifest(), bundle.task().params());
        Assessed {
            task: &manifest.task,
            title: &params.title,
            outcome_text: &params.outcome_text,
            model_version: &manifest.version,
            bundle_digest: bundle.digest(),
            is_synthetic: manifest.is_synthetic(),
            score,
            record,
            relative_risk: None,
            references: None,
        }
    }
}

/// A prediction for a patient.
#[derive(Clone, PartialEq, Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
pub struct RiskAssessment {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
    /// `final`, or `preliminary` for a score within an open stay or contact.
    pub status: &'static str,
    /// The model: its task and version as a code, its digest in words.
    pub method: CodeableConcept,
    /// What is assessed.
    pub code: CodeableConcept,
    pub subject: Reference,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encounter: Option<Reference>,
    pub occurrence_date_time: String,
    pub performer: Reference,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub basis: Vec<Reference>,
    pub prediction: Vec<RiskAssessmentPrediction>,
    pub note: Vec<Annotation>,
}

/// Without the patient, who belongs in no log; the id is made of the patient's.
impl fmt::Debug for RiskAssessment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RiskAssessment").field("code", &self.code).finish_non_exhaustive()
    }
}

/// The one outcome that a score speaks of.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RiskAssessmentPrediction {
    /// The probability from 0 to 1, bit for bit, and its interval.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extension: Vec<Extension>,
    pub outcome: CodeableConcept,
    /// In percent, from 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability_decimal: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qualitative_risk: Option<CodeableConcept>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative_risk: Option<f64>,
    pub when_period: Period,
    /// The reasons, one a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
}

/// Without risk and reasons, which belong in no log.
impl fmt::Debug for RiskAssessmentPrediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RiskAssessmentPrediction")
    }
}

/// The score as a resource.
///
/// R4 says of `probability[x]` that decimals are percentages (at most 100: `ras-2`). So
/// `probabilityDecimal` is 100 times the probability; the probability itself, from 0 to 1, stands beside
/// it in an extension of the prediction, with digits that give the same bits when they are read, and so
/// do the ends of its interval. Without a probability there is none of them, and `note` says why.
///
/// The id is made of patient, task, bundle and index time: the same score stored twice is one resource.
/// Whoever knows these can compute it, so it is for no place where the patient's id is not.
pub fn risk_assessment(assessed: &Assessed<'_>) -> RiskAssessment {
    let Assessed { task, title, model_version, bundle_digest, score, record, .. } = *assessed;
    let (title, index_time) = (id::said(title, task), score.index_time.to_string());
    let parts =
        ["prodrome/risk-assessment/1", &record.patient_id, task, bundle_digest, &index_time];
    let model = Coding {
        version: Some(model_version.to_owned()),
        display: Some(title.to_owned().into()),
        ..Coding::ours("model", task.to_owned())
    };
    let text = format!("Prodrome {task} version {model_version}, bundle sha256 {bundle_digest}");
    RiskAssessment {
        id: id::uuid(&parts),
        meta: assessed.is_synthetic.then(Meta::of_test_data),
        status: if score.is_provisional { "preliminary" } else { "final" },
        method: CodeableConcept { coding: vec![model], text: Some(text) },
        code: CodeableConcept {
            coding: vec![Coding::ours("task", task.to_owned())],
            text: Some(title.to_owned()),
        },
        subject: reference::patient(&record.patient_id, assessed.references),
        encounter: index_encounter(score, record)
            .and_then(|place| reference::encounter(place, record, assessed.references)),
        occurrence_date_time: index_time,
        performer: author(task, model_version),
        basis: basis(assessed),
        prediction: vec![prediction(assessed)],
        note: notes::of(assessed).into_iter().map(|text| Annotation { text }).collect(),
    }
}

/// The resources behind the listed reasons, each once, in the order of the reasons.
fn basis(assessed: &Assessed<'_>) -> Vec<Reference> {
    let mut found: Vec<Reference> = Vec::new();
    let facts = assessed.score.reasons.iter().flat_map(|reason| &reason.events);
    for fact in facts {
        let Some(reference) = reference::fact(fact, assessed.record, assessed.references) else {
            continue;
        };
        if found.len() == BASIS_MAX {
            break;
        }
        if !found.contains(&reference) {
            found.push(reference);
        }
    }
    found
}

/// The place of the stay or contact that the index time belongs to: the one that ends there or, for a
/// score within one that is open, the one that is open there; a stay before an emergency before others.
fn index_encounter(score: &Score, record: &Record) -> Option<usize> {
    let at = score.index_time;
    let stands = |encounter: &Encounter| match score.is_provisional {
        true => {
            let is_open = encounter.end.is_none_or(|end| end > at);
            let earliest = at.plus_days(-OPEN_STAY_DAYS_MAX);
            is_open && (earliest..=at).contains(&encounter.start)
        }
        false => encounter.end == Some(at),
    };
    let each = record.encounters.iter().enumerate();
    let found = each.filter(|(_, encounter)| !encounter.synthetic && stands(encounter));
    let weight = |(_, encounter): &(usize, &Encounter)| {
        let is_emergency = encounter.class == EncounterClass::Emergency;
        (encounter.class.is_stay(), is_emergency, encounter.start)
    };
    found.max_by_key(weight).map(|(place, _)| place)
}

fn prediction(assessed: &Assessed<'_>) -> RiskAssessmentPrediction {
    let score = assessed.score;
    let end = score.index_time.plus_days(i64::from(score.horizon_days));
    let relative = assessed.relative_risk.filter(|_| score.probability.is_some());
    let tier = score.tier.as_deref().filter(|tier| !tier.trim().is_empty());
    let texts: Vec<&str> = score.reasons.iter().map(|reason| reason.text.as_str()).collect();
    RiskAssessmentPrediction {
        extension: extensions(score),
        outcome: CodeableConcept::words(id::said(assessed.outcome_text, assessed.task)),
        probability_decimal: score.probability.map(|probability| 100.0 * probability),
        qualitative_risk: tier.map(qualitative_risk),
        relative_risk: relative.map(|relative| relative.value).filter(|value| value.is_finite()),
        when_period: Period::new(score.index_time, Some(end)),
        rationale: (!texts.is_empty()).then(|| texts.join("\n")),
    }
}

fn extensions(score: &Score) -> Vec<Extension> {
    let interval = score.interval.map(|[low, high]| {
        let ends = vec![Extension::decimal("low", low), Extension::decimal("high", high)];
        Extension::of(PROBABILITY_INTERVAL, ends)
    });
    let probability = score.probability.map(|value| Extension::decimal(PROBABILITY, value));
    probability.into_iter().chain(interval).collect()
}

/// The tier, with the code of the likelihood of that name where there is one.
fn qualitative_risk(tier: &str) -> CodeableConcept {
    let (code, display) = match tier {
        "low" => ("low", "Low likelihood"),
        "moderate" => ("moderate", "Moderate likelihood"),
        "high" => ("high", "High likelihood"),
        _ => return CodeableConcept::words(tier),
    };
    let coding = vec![Coding::known(RISK_PROBABILITY, code, display)];
    CodeableConcept { coding, text: Some(tier.to_owned()) }
}

#[cfg(test)]
mod tests;
