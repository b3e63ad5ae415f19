//! Reasons: one for each theme, in words that claim no cause, what is not recorded last.

use std::collections::BTreeSet;
use std::fs;

use prodrome::record::{ConceptSet, History};
use prodrome::score::{Score, score};
use prodrome::task::Task;

use crate::support::{discharge, patient, root, sample, shipped};

/// Words that would tell a reader that one thing brings about another.
const CAUSES: [&str; 9] = [
    "because",
    "due to",
    "cause",
    "leads to",
    "led to",
    "results in",
    "owing to",
    "brings about",
    "risk factor",
];

fn scores() -> Vec<Score> {
    let bundle = shipped();
    let known_after = &bundle.task().params().known_after;
    let scored = |record, at| {
        let built = History::build(record, bundle.concepts(), known_after).unwrap();
        score(bundle, &built.history, at, 50).ok()
    };
    let subjects = sample().iter().step_by(20);
    let all = subjects.map(|subject| (&subject.record, subject.label.unwrap().prediction_time));
    let mut scores: Vec<Score> = all.filter_map(|(record, at)| scored(record, at)).collect();
    scores.extend(scored(&patient(), discharge()));
    scores.retain(|score| score.probability.is_some());
    assert!(scores.len() > 50);
    scores
}

#[test]
fn a_theme_makes_one_reason_and_a_feature_is_in_one() {
    let mut joined = 0;
    for score in scores() {
        assert!(!score.explanation_failed && !score.reasons.is_empty());
        let mut features = BTreeSet::new();
        let mut themes = BTreeSet::new();
        let mut behind = false;
        let mut before = f64::INFINITY;
        for reason in &score.reasons {
            let missing = reason.text.contains("not recorded");
            assert!(themes.insert((missing, &reason.theme)), "{} twice", reason.theme);
            assert!(reason.features.iter().all(|feature| features.insert(feature)));
            joined += usize::from(reason.features.len() > 1);
            if reason.features.len() > 1 {
                assert!(reason.text.starts_with(&format!("{}: ", reason.theme)), "{}", reason.text);
                assert_eq!((reason.value, &reason.unit), (None, &None));
            }
            // The largest first, and what is not recorded behind all others.
            if missing && !behind {
                (behind, before) = (true, f64::INFINITY);
            }
            assert!(missing == behind && reason.contribution.abs() <= before, "{}", reason.text);
            before = reason.contribution.abs();
        }
    }
    assert!(joined > 50, "reasons of several features were among them");
}

#[test]
fn a_reason_says_what_goes_with_the_risk_and_never_what_causes_it() {
    for score in scores() {
        for reason in &score.reasons {
            let direction = if reason.contribution > 0.0 { "higher" } else { "lower" };
            let ending = format!("(associated with a {direction} risk)");
            assert!(reason.text.ends_with(&ending), "{}", reason.text);
            assert!(!reason.text.contains(['{', '}']), "{}", reason.text);
            claims_no_cause(&reason.text);
        }
        score.assumptions.iter().for_each(|text| claims_no_cause(text));
    }
}

fn claims_no_cause(text: &str) {
    let lower = text.to_lowercase();
    let found = CAUSES.iter().find(|word| lower.contains(**word));
    assert!(found.is_none(), "`{}` in: {text}", found.unwrap());
}

/// Every shipped task file that can be read alone.
fn tasks() -> Vec<Task> {
    let models = root().join("models");
    let concepts = fs::read_to_string(models.join("concepts.toml")).unwrap();
    let concepts = ConceptSet::parse(&concepts).unwrap();
    let folders = fs::read_dir(models).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.map(|folder| folder.join("task.toml")).filter(|file| file.exists());
    let tasks: Vec<Task> = files
        .map(|file| Task::parse(&fs::read_to_string(file).unwrap(), &concepts).unwrap())
        .collect();
    assert!(tasks.len() >= 5);
    tasks
}

#[test]
fn no_shipped_text_claims_a_cause() {
    for task in tasks() {
        for feature in task.spec().features() {
            let texts =
                [Some(&feature.text), feature.text_one.as_ref(), feature.text_none.as_ref()];
            texts.into_iter().flatten().for_each(|text| claims_no_cause(text));
            feature.level_titles.iter().for_each(|title| claims_no_cause(title));
        }
    }
}

#[test]
fn features_have_themes_of_their_source_their_concept_or_their_task_file() {
    let mut themes = BTreeSet::new();
    for task in tasks() {
        for feature in task.spec().features() {
            assert!(!feature.theme.trim().is_empty(), "{}", feature.name);
            themes.insert(feature.theme.clone());
        }
    }
    for theme in [
        "age and sex",
        "this stay",
        "earlier use of care",
        "diagnoses",
        "drugs",
        "blood pressure",
        "kidney function",
    ] {
        assert!(themes.contains(theme), "{theme} is not among {themes:?}");
    }

    let concepts = fs::read_to_string(root().join("models/concepts.toml")).unwrap();
    let concepts = ConceptSet::parse(&concepts).unwrap();
    let file = fs::read_to_string(root().join("models/readmit30/task.toml")).unwrap();
    let theme_of_age = |with: &str| {
        let text = file.replace("name = \"age_years\"\n", &format!("name = \"age_years\"\n{with}"));
        let task = Task::parse(&text, &concepts).map_err(|error| error.to_string())?;
        Ok::<String, String>(task.spec().features()[0].theme.clone())
    };
    assert_eq!(theme_of_age("").unwrap(), "age and sex");
    assert_eq!(theme_of_age("theme = \"how old\"\n").unwrap(), "how old");
    assert!(theme_of_age("theme = \" \"\n").unwrap_err().contains("theme needs words"));
}
