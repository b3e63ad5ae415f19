//! The terms of the report in plain words.

use crate::page::Section;

const TERMS: [(&str, &str); 26] = [
    (
        "Alerts per 100",
        "How many of 100 index times would be flagged: the work that acting on the score makes.",
    ),
    (
        "AUROC (c statistic)",
        "The chance that, of one index time with the outcome and one without, the one with it has the \
         higher probability. 50% is chance, 100% perfect. It says nothing about whether probabilities \
         are right.",
    ),
    (
        "Average precision (AUPRC)",
        "Going down from the highest probability, the share with the outcome among those met so far, \
         averaged over those with the outcome. Chance gives the event rate.",
    ),
    ("Blend", "The average of the calibrated log-odds of several models."),
    (
        "Brier score",
        "The mean squared distance between probability and outcome (1 or 0). Lower is better; what can \
         be reached depends on how frequent the outcome is, which the scaled Brier score allows for.",
    ),
    (
        "Calibration in the large",
        "By how much all log-odds would have to be shifted for the mean to be right; 0 is best.",
    ),
    (
        "Calibration slope",
        "By what the log-odds would have to be multiplied to fit the outcomes. 1 is best; below 1 the \
         probabilities are too extreme, above 1 too timid.",
    ),
    (
        "Censored",
        "Not followed to the end of the time at risk, and without the outcome until then: nobody knows \
         what came.",
    ),
    (
        "Cross-validation",
        "Patients are split into parts; each part is predicted by a model fitted on the others.",
    ),
    (
        "Cut, tier",
        "A cut is the probability from which one acts; a tier is the range between two cuts.",
    ),
    ("Event rate", "The share of index times with the outcome, also called prevalence."),
    (
        "Held-out patients",
        "Patients who were set aside before anything was learned, to judge the finished model once.",
    ),
    (
        "ICI, E50, E90",
        "Distance between the probabilities and the calibration curve: the mean (integrated \
         calibration index), the median and the 90th percentile (Austin and Steyerberg 2019).",
    ),
    (
        "Index time",
        "The moment at which a patient is scored: what is known by then may be used, what comes after \
         is to be foretold.",
    ),
    (
        "Interval (95%)",
        "Where the figure lies when patients are drawn anew again and again, leaving out the 2.5% \
         lowest and highest: how much chance there is in it.",
    ),
    (
        "Log loss",
        "The mean surprise at the outcomes, given the probabilities. Lower is better; being sure and \
         wrong costs most. Models were chosen by it.",
    ),
    (
        "Log-odds",
        "The logarithm of p / (1 \u{2212} p). Contributions to a score add up on this scale.",
    ),
    (
        "Net benefit",
        "Outcomes found, less false alarms at the price that the cut puts on them, per index time.",
    ),
    (
        "Observed / expected",
        "Outcomes that came for each one that was expected; 1 is best, above 1 the model says too \
         little.",
    ),
    (
        "Population stability index",
        "How far the distribution of a column is from what it was; below 0.1 alike, from 0.25 on \
         unlike.",
    ),
    (
        "Number needed to evaluate",
        "Flagged patients that are looked at for each with the outcome: 1 / PPV.",
    ),
    ("PPV (precision)", "Of those flagged, the share with the outcome."),
    ("ROC curve", "For every cut, the share of outcomes found against the share of false alarms."),
    ("Sensitivity (recall)", "Of those with the outcome, the share that is flagged."),
    ("SMD", "Standardised mean difference: how far two groups lie apart, in standard deviations."),
    ("Specificity", "Of those without the outcome, the share that is not flagged."),
];

pub(super) fn section() -> Section {
    let mut section = Section::new("glossary", "The terms in plain words");
    let term = |(word, meaning): &(&str, &str)| ((*word).to_owned(), (*meaning).to_owned());
    section.terms(TERMS.iter().map(term).collect());
    section
}
