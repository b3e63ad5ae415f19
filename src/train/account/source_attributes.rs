//! The source attributes that US certification asks of predictive decision support (HTI-1, 45 CFR
//! 170.315(b)(11)(iv)(B)): 31 in nine groups, each with what is known or a named blank.

use super::words::percent;
use super::{Account, calibration};
use crate::feature::Source;
use crate::page::{Section, Table};
use crate::task::{Statement, Task};

/// What this project measures of bias, whoever the developer is.
const FAIRNESS_MEASURED: &str = "Figures by age band, sex, region and recorded audit attributes, with \
                                 intervals and gaps, are part of every fit; a version with a group of \
                                 100 outcomes or more that is far off calibration is not promoted.";
/// How a version changes.
const VERSIONED: &str = "Versions do not change; a refit is a new version that passes the same checks \
                         before it is promoted.";

pub(super) fn section(task: &Task, account: Option<&Account<'_>>) -> Section {
    let mut section = Section::new("source-attributes", "Source attributes (HTI-1)");
    section.text(
        "As 45 CFR 170.315(b)(11)(iv)(B) asks of predictive decision support interventions. What is \
         to be filled by the developer is read from [card.statements] of the task file.",
    );
    let mut table = Table::new("", &["No.", "Attribute", "Value"], &[]);
    let mut number = 0;
    for (group, attributes) in groups(task, account) {
        table.group(group);
        for (attribute, value) in attributes {
            number += 1;
            table.row([number.to_string(), attribute.to_owned(), value]);
        }
    }
    section.table(table);
    section
}

/// What the developer states, or a blank that names the question and where to answer it.
pub(super) fn stated(task: &Task, statement: Statement) -> String {
    task.params().card.statements.get(&statement).cloned().unwrap_or_else(|| {
        format!("to be filled by the developer: {} ({})", statement.question(), statement.key())
    })
}

/// A fact with what the developer states beside it.
fn with_statement(fact: &str, task: &Task, statement: Statement) -> String {
    format!("{fact} {}", capital(&stated(task, statement)))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

type Group = (&'static str, Vec<(&'static str, String)>);

fn groups(task: &Task, account: Option<&Account<'_>>) -> Vec<Group> {
    [before_use(task, account), judged(task, account), in_use(task)].concat()
}

fn before_use(task: &Task, account: Option<&Account<'_>>) -> Vec<Group> {
    let params = task.params();
    let card = &params.card;
    let say = |statement| stated(task, statement);
    vec![
        (
            "Details and output",
            vec![
                ("developer and contact", say(Statement::Developer)),
                ("funding source", say(Statement::Funding)),
                ("value produced", value_produced(task, account)),
                ("kind of output", "A prediction, with the reasons for it.".to_owned()),
            ],
        ),
        (
            "Purpose",
            vec![
                ("intended use", card.intended_use.clone()),
                ("intended patients", intended_patients(task)),
                ("intended users", card.intended_users.clone()),
                (
                    "role in a decision",
                    "Informs: it gives a probability with reasons; people decide.".to_owned(),
                ),
            ],
        ),
        (
            "Cautioned out-of-scope use",
            vec![
                ("tasks, situations or populations warned of", card.not_for.join("; ")),
                ("known risks, wrong settings and limits", card.limits.join(" ")),
            ],
        ),
        (
            "Development and input features",
            vec![
                ("who is in the training records and who is not", exclusions(task, account)),
                ("demographic and social inputs", inputs(task)),
                ("how these are represented in the training records", representation(account)),
                (
                    "relevance of the training records to the setting of use",
                    say(Statement::Relevance),
                ),
            ],
        ),
        (
            "Fairness in development",
            vec![
                (
                    "approach to fairness",
                    with_statement(
                        "Race, ethnicity, language, insurance and gender identity are never features \
                         by themselves; they are kept apart for judging.",
                        task,
                        Statement::FairnessApproach,
                    ),
                ),
                (
                    "management of bias",
                    with_statement(FAIRNESS_MEASURED, task, Statement::BiasManagement),
                ),
            ],
        ),
    ]
}

fn judged(task: &Task, account: Option<&Account<'_>>) -> Vec<Group> {
    let outside = || stated(task, Statement::ExternalValidation);
    let none = "not judged on patients it has not seen".to_owned();
    let evaluation = account.and_then(|account| account.evaluation);
    let validity = evaluation.map_or(none.clone(), |evaluation| {
        let metrics = &evaluation.metrics;
        let [low, high] = metrics.auroc_interval;
        format!(
            "Held-out patients of the same source: AUROC {:.4} ({low:.4} to {high:.4}), {}.",
            metrics.auroc,
            calibration::in_short(metrics)
        )
    });
    let fairness = evaluation.map_or(none, |evaluation| match evaluation.subgroups.len() {
        0 => "No group had enough patients to be shown.".to_owned(),
        many => format!("{many} groups judged: see \u{201c}Does it hold for all groups?\u{201d}."),
    });
    vec![
        (
            "External validation",
            vec![
                ("source and setting of the records", outside()),
                ("who did it", outside()),
                ("how these records represent patients", outside()),
                ("how it was done", outside()),
            ],
        ),
        (
            "Quantitative measures",
            vec![
                ("validity, records of the same source", validity),
                ("fairness, records of the same source", fairness),
                ("validity, other records", outside()),
                ("fairness, other records", outside()),
                ("studies of outcomes of its use", stated(task, Statement::OutcomeStudies)),
            ],
        ),
    ]
}

fn in_use(task: &Task) -> Vec<Group> {
    let say = |statement| stated(task, statement);
    vec![
        (
            "Ongoing maintenance",
            vec![
                ("process and frequency of watching validity", say(Statement::ValidityMonitoring)),
                ("validity in local records", say(Statement::LocalValidity)),
                ("process and frequency of watching fairness", say(Statement::FairnessMonitoring)),
                ("fairness in local records", say(Statement::LocalFairness)),
            ],
        ),
        (
            "Updates",
            vec![
                (
                    "process and frequency of updates",
                    with_statement(VERSIONED, task, Statement::Updates),
                ),
                (
                    "process and frequency of correcting performance",
                    with_statement(
                        "The command evaluate --recalibrate makes a version whose probabilities are \
                         fitted to other patients.",
                        task,
                        Statement::Corrections,
                    ),
                ),
            ],
        ),
    ]
}

fn value_produced(task: &Task, account: Option<&Account<'_>>) -> String {
    let params = task.params();
    if account.is_none() {
        let scores: Vec<&str> = task.published().iter().map(|formula| formula.title()).collect();
        return format!("What the published scores give: {}.", scores.join("; "));
    }
    format!(
        "A probability from 0 to 1 of {}, within {} days; a tier; the reasons for it.",
        params.outcome_text, params.time_at_risk.horizon_days
    )
}

pub(super) fn intended_patients(task: &Task) -> String {
    let criteria = task.include().iter().chain(task.exclude());
    let left: Vec<&str> = criteria.map(|criterion| criterion.text.as_str()).collect();
    match left.is_empty() {
        true => "All patients with an index time.".to_owned(),
        false => format!("Patients with an index time, except: {}.", left.join("; ")),
    }
}

pub(super) fn exclusions(task: &Task, account: Option<&Account<'_>>) -> String {
    let base = intended_patients(task);
    match account {
        Some(account) => format!(
            "{base} Of {} index times {} are in the cohort; the table above says why the others are \
             not.",
            account.attrition.index_times, account.attrition.samples
        ),
        None => format!("{base} Nothing was fitted."),
    }
}

/// Which of the attributes that the rule names are inputs.
pub(super) fn inputs(task: &Task) -> String {
    let features = task.spec().features();
    let has = |wanted: fn(&Source) -> bool| features.iter().any(|feature| wanted(&feature.source));
    let word = |is_input: bool| if is_input { "yes" } else { "no" };
    format!(
        "Sex: {}; age (from the date of birth): {}; health status (diagnoses, measurements, use of \
         care): {}; race, ethnicity, language, gender identity, insurance: no; sexual orientation and \
         social determinants: no, as the record has no place for them but codes (see the features of \
         the task). Inputs of published scores among the features are their own.",
        word(has(|source| matches!(source, Source::Sex))),
        word(has(|source| matches!(source, Source::Age))),
        word(has(|source| !matches!(source, Source::Sex | Source::Age))),
    )
}

fn representation(account: Option<&Account<'_>>) -> String {
    let Some(evaluation) = account.and_then(|account| account.evaluation) else {
        return "not told: nobody was held out, or nothing was fitted".to_owned();
    };
    let groups = evaluation.subgroups.iter().map(|group| {
        let with = group.prevalence.map(|share| format!(", {} with the outcome", percent(share)));
        format!(
            "{} {}: about {} index times{}",
            group.attribute,
            group.group,
            group.samples_about,
            with.unwrap_or_default()
        )
    });
    let groups: Vec<String> = groups.collect();
    match groups.is_empty() {
        true => "No group had enough patients to be shown.".to_owned(),
        false => format!("Held-out patients: {}.", groups.join("; ")),
    }
}
