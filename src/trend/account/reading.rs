//! What is kept back, and how all of it is to be read.

use super::words::{capital, count, measure_title, period_text, standard_title};
use crate::SMALL_CELL_PATIENTS;
use crate::page::Section;
use crate::trend::{FigureKind, Release};

/// What was kept back, in counts.
pub(super) fn not_shown(release: &Release) -> Section {
    let mut section = Section::new("not-shown", "What is not shown");
    let privacy = &release.privacy;
    section.text(format!(
        "A point is one measure in one group and period. Of {} points, {} are kept back because they \
         or their complement rest on 1 to {} people, and {} more so that those cannot be found by \
         subtraction. Small regions are told together.",
        count(privacy.points),
        count(privacy.suppressed_small),
        SMALL_CELL_PATIENTS - 1,
        count(privacy.suppressed_beside)
    ));
    if privacy.kept_periods > 0 {
        section.text(format!(
            "{} of the {} periods were released before and stand here as they stood then: a period is \
             released once, so that two releases together tell no more than one.",
            count(privacy.kept_periods),
            release.periods.len()
        ));
    }
    section
}

/// How the figures are to be read.
pub(super) fn section(release: &Release) -> Section {
    let mut section = Section::new("reading", "How to read it");
    let term = |word: &str, meaning: String| (word.to_owned(), meaning);
    let mut terms = vec![
        term("Period", format!("{}. Only periods that are over are told.", capital(&period_text(release)))),
        term(
            "People",
            "Those under observation in the period: the denominator of rates, and those of whom the \
             measured are a part."
                .to_owned(),
        ),
        term(
            "Measured",
            "Those who could be judged, such as by a value in the period. Where not everybody is \
             measured, the figure is of those who are: they may be the sicker ones, and a figure can \
             change because others are measured than before."
                .to_owned(),
        ),
    ];
    terms.extend(kinds(release));
    terms.push(term(
        "95% interval",
        "How much chance there is in the figure: of 100 such intervals about 95 hold what would be \
         found in endlessly many people."
            .to_owned(),
    ));
    terms.push(term("Standardised", standardised(release)));
    terms.push(term(
        "Smoothed",
        "The figure drawn towards the mean of the groups of the same kind, the more the fewer people \
         the group has (empirical Bayes): small groups look extreme by chance."
            .to_owned(),
    ));
    terms.push(term(
        "Not shown",
        format!(
            "Counts of 1 to {} people, and those whose complement is so small, are kept back, and with \
             them whatever would give them away.",
            SMALL_CELL_PATIENTS - 1
        ),
    ));
    terms.push(term(
        "False discovery rate",
        format!(
            "Many changes are tested at once, and some look like changes by chance. Of all statements \
             of this report no more than {:.0}% on average are such ones.",
            100.0 * release.false_discovery_rate
        ),
    ));
    terms.push(term(
        "Statement",
        "That a figure of a group changed by more than chance explains. It names no cause: people, \
         measuring, coding and care change as well. It says nothing about any single patient, and \
         being in the group is no reason for a treatment."
            .to_owned(),
    ));
    section.terms(terms);
    coding(&mut section, release);
    section
}

/// What each kind of figure in the release is.
fn kinds(release: &Release) -> Vec<(String, String)> {
    let holds = |kind: FigureKind| release.measures.iter().any(|measure| measure.kind == kind);
    let all = [
        (
            FigureKind::Share,
            "Share",
            "Of those measured, how many of 100 it happened to, or who have it.",
        ),
        (FigureKind::Mean, "Mean", "Over people, of each one's own mean in the period."),
        (
            FigureKind::Rate,
            "Rate",
            "How often it happened in 1,000 years of people under observation.",
        ),
        (
            FigureKind::Outcome,
            "Share of index times",
            "Of the times at which a task scores people, how many of 100 had the outcome; those who \
             were lost from sight are not counted.",
        ),
        (
            FigureKind::Risk,
            "Mean predicted risk",
            "What a model expects, not what was seen: it changes also when what is recorded does.",
        ),
    ];
    let told = all.into_iter().filter(|(kind, ..)| holds(*kind));
    told.map(|(_, word, meaning)| (word.to_owned(), meaning.to_owned())).collect()
}

fn standardised(release: &Release) -> String {
    match release.standard {
        Some(standard) => format!(
            "What the figure would be if ages and sexes were as frequent as in the {} (direct \
             standardisation): for comparing groups whose ages differ. It is no figure of anybody who \
             lives there.",
            standard_title(standard)
        ),
        None => "This release holds no standardised figures: groups of different age cannot be \
                 compared without minding that."
            .to_owned(),
    }
}

/// From when on the codes of a measure come from another system.
fn coding(section: &mut Section, release: &Release) {
    let changes = release.measures.iter().flat_map(|measure| {
        measure.coding_changes.iter().filter_map(move |change| {
            let period = release.periods.get(change.period)?;
            Some(format!(
                "{}: from {} on most codes come from {} and no longer from {}. A step there may be one \
                 of coding.",
                measure_title(measure),
                period.name,
                change.to_system,
                change.from_system
            ))
        })
    });
    section.list(changes.collect::<Vec<_>>());
}
