//! `extract`: the one way from a view to feature values.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::params::{LearnedFrom, Window};
use super::scene::{Facts, Scene, Sink, Token};
use super::spec::{Feature, Source, Spec};
use super::{condition, measurement, utilization};
use crate::published::evaluate;
use crate::record::{Code, Entry, EventKind, Evidence, Sex, View};

/// Characters of an ATC code that name the chemical subgroup (WHO Collaborating Centre for Drug
/// Statistics Methodology: ATC, structure and principles; level 4).
const ATC_CLASS_LENGTH: usize = 5;

/// All feature values of `view`, and with `with_evidence` the dated facts behind them.
pub fn extract(view: &View<'_>, spec: &Spec, with_evidence: bool) -> Facts {
    let scene = Scene {
        view,
        stay: view.stay(),
        entries: view.seen().entries().collect(),
        earlier: view.earlier_encounters().collect(),
    };
    let mut facts = Facts::default();
    let mut learned = 0;
    for feature in spec.features() {
        if let Source::Learned { of, window, .. } = feature.source {
            let missing = !tokens(&scene, of, window, learned, with_evidence, &mut facts.tokens);
            facts.learned_missing.push(missing);
            learned += 1;
        } else if scene.is_observed(feature) {
            fixed(&scene, feature, &mut Sink { facts: &mut facts, with_evidence });
        } else {
            facts.values.extend(feature.columns.iter().map(|_| f32::NAN));
        }
    }
    facts
}

fn fixed(scene: &Scene<'_, '_>, feature: &Feature, sink: &mut Sink<'_>) {
    match &feature.source {
        Source::Age => sink.column(scene.view.age_years().map_or(f64::NAN, f64::from), None),
        Source::Sex => {
            let value = match scene.view.sex() {
                Sex::Female => 1.0,
                Sex::Male => 0.0,
                Sex::Other | Sex::Unknown => f64::NAN,
            };
            sink.column(value, None);
        }
        Source::StayDays => utilization::stay_days(scene, sink),
        Source::StayCode { field, levels } => utilization::stay_code(scene, *field, levels, sink),
        Source::Encounters { classes, window_days, sent_as } => {
            match sent_as.and_then(|concept| measurement::sent_in_stay(scene, concept)) {
                Some((number, evidence)) => sink.column(number, Some(evidence)),
                None => utilization::count(scene, classes, *window_days, sink),
            }
        }
        Source::DaysSinceEncounter { classes, window_days } => {
            utilization::days_since(scene, classes, *window_days, sink);
        }
        Source::Events { concepts, window } => condition::count(scene, concepts, *window, sink),
        Source::DaysSinceEvent { concepts, window } => {
            condition::days_since(scene, concepts, *window, sink);
        }
        Source::Measurement(of) => measurement::values(scene, of, sink),
        Source::Published { formula } => {
            let number = evaluate(scene.view, formula).number();
            sink.column(number.unwrap_or(f64::NAN), None);
        }
        Source::StayCount { concept, counted } => {
            measurement::stay_count(scene, *concept, counted, sink);
        }
        Source::Concepts { concepts, window, kinds, principal, missing_without_any } => {
            let of = condition::Presence {
                kinds,
                principal: *principal,
                missing_without_any: *missing_without_any,
            };
            condition::presence(scene, concepts, *window, &of, sink);
        }
        Source::ConceptCount { concepts, window, kinds, missing_without_any } => {
            let of = condition::Presence {
                kinds,
                principal: false,
                missing_without_any: *missing_without_any,
            };
            condition::present_count(scene, concepts, *window, &of, sink);
        }
        Source::DistinctCodes { kinds, window } => {
            condition::distinct_codes(scene, kinds, *window, sink);
        }
        Source::DrugChanges { concepts, change, recent_days, before_days } => {
            let days = (*recent_days, *before_days);
            condition::drug_changes(scene, concepts, *change, days, sink);
        }
        Source::CodedCount { concepts, window, coded } => {
            condition::coded_count(scene, concepts, *window, coded, sink);
        }
        Source::CodedLevels { concept, window, levels } => {
            condition::coded_levels(scene, *concept, *window, levels, sink);
        }
        // Laid out by the vocabulary.
        Source::Learned { .. } => {}
    }
}

/// Adds the tokens of one learned feature; false when there is nothing to learn from in this view.
fn tokens(
    scene: &Scene<'_, '_>,
    of: LearnedFrom,
    window: Window,
    learned: usize,
    with_evidence: bool,
    tokens: &mut Vec<Token>,
) -> bool {
    let mut places: HashMap<String, usize, RandomState> = HashMap::default();
    let mut token = |text: String| {
        *places.entry(text).or_insert_with_key(|text| {
            tokens.push(Token { learned, text: text.clone(), evidence: Vec::new() });
            tokens.len() - 1
        })
    };
    let text: fn(&Entry) -> Option<String> = match of {
        LearnedFrom::Service => {
            let Some(stay) = scene.stay else { return false };
            let service = stay.service().map(str::trim).filter(|name| !name.is_empty());
            let Some(name) = service else { return false };
            let evidence = if with_evidence { vec![stay.discharge()] } else { Vec::new() };
            tokens.push(Token { learned, text: name.to_owned(), evidence });
            return true;
        }
        LearnedFrom::DiagnosisCategory | LearnedFrom::PrincipalCategory => category,
        LearnedFrom::Procedure => |entry| Some(entry.code.to_string()),
        LearnedFrom::Drug => |entry| Some(drug(entry)),
    };
    // The text of a code is made once, however many events share it.
    let mut met: HashMap<*const Code, Option<usize>, RandomState> = HashMap::default();
    let mut facts: Vec<(usize, Evidence)> = Vec::new();
    let mut any = false;
    for entry in scene.within(window).filter(|entry| is_learned_from(entry, of)) {
        any = true;
        let known = met.entry(Arc::as_ptr(&entry.code));
        let place = *known.or_insert_with(|| text(entry).map(&mut token));
        if let Some(place) = place.filter(|_| with_evidence) {
            facts.push((place, scene.view.evidence(entry)));
        }
    }
    for (place, evidence) in facts {
        if let Some(token) = tokens.get_mut(place) {
            token.evidence.push(evidence);
        }
    }
    any
}

fn is_learned_from(entry: &Entry, of: LearnedFrom) -> bool {
    match of {
        LearnedFrom::DiagnosisCategory => condition::is_diagnosis(entry, false),
        LearnedFrom::PrincipalCategory => condition::is_diagnosis(entry, true),
        LearnedFrom::Procedure => entry.kind == EventKind::Procedure,
        LearnedFrom::Drug => entry.kind.is_drug(),
        LearnedFrom::Service => false,
    }
}

fn category(entry: &Entry) -> Option<String> {
    entry.code.icd_category().map(|category| format!("{}//{category}", entry.code.system))
}

/// The drug's class where its code has one.
fn drug(entry: &Entry) -> String {
    let code = &entry.code;
    let class = code.code.get(..ATC_CLASS_LENGTH).filter(|_| code.system == "ATC");
    format!("{}//{}", code.system, class.unwrap_or(&code.code))
}
