//! What is rising and falling: the statements, or what size of change could have been seen.

use super::words::{change_text, count, measure_title, number, value_text};
use crate::page::{Finding, Section};
use crate::trend::chance::two_sided_quantile;
use crate::trend::statement::words;
use crate::trend::{Direction, FigureKind, Group, Measure, Release, Series, Statement};

/// The most that are told.
const TOLD_MAX: usize = 50;
/// The chance with which a change that could have been seen would have been.
const POWER: f64 = 0.8;

pub(super) fn section(release: &Release) -> Section {
    let mut section = Section::new("changes", "What is rising and falling");
    if release.synthetic {
        section.warning(
            "These are simulated people: nobody in these figures exists, and nothing here says \
             anything about a real population.",
        );
    }
    if release.statements.is_empty() {
        nothing(&mut section, release);
        return section;
    }
    section.text(format!(
        "{} of the {} changes that were tested are told apart from chance, the strongest first. Of \
         what stands here, about {} in 100 may be chance all the same. A change in measuring, in \
         coding or in who is observed is named beside it.",
        count(release.statements.len() as u64),
        count(release.tested),
        (100.0 * release.false_discovery_rate).round()
    ));
    let told = release.statements.iter().take(TOLD_MAX);
    section.findings(told.filter_map(|statement| finding(release, statement)).collect());
    let more = release.statements.len().saturating_sub(TOLD_MAX);
    if more > 0 {
        section
            .text(format!("{} weaker statements stand in the release alone.", count(more as u64)));
    }
    section
}

/// A statement with its figures and its cautions; `None` where `release` has no such measure.
pub fn finding(release: &Release, statement: &Statement) -> Option<Finding> {
    let kind = release.measure(&statement.measure)?.kind;
    let label = match (statement.direction, statement.is_worse) {
        (Direction::Rising, Some(true)) => "Rising, for the worse",
        (Direction::Rising, Some(false)) => "Rising, for the better",
        (Direction::Rising, None) => "Rising",
        (Direction::Falling, Some(true)) => "Falling, for the worse",
        (Direction::Falling, Some(false)) => "Falling, for the better",
        (Direction::Falling, None) => "Falling",
        (Direction::NoClearChange | Direction::NotKnown, _) => "Changed",
    };
    Some(Finding {
        label: label.to_owned(),
        text: statement.text.clone(),
        details: details(release, statement, kind),
        cautions: statement.cautions.clone(),
    })
}

/// Before and after, the change with its interval, and how sure it is.
fn details(release: &Release, statement: &Statement, kind: FigureKind) -> Vec<String> {
    let name = |period: usize| release.periods.get(period).map_or("", |period| &*period.name);
    let Statement { before, after, change, change_low, change_high, q_value, .. } = statement;
    let chance = match q_value {
        q if *q < 0.001 => "under 0.001".to_owned(),
        q => format!("{q:.3}"),
    };
    vec![
        format!("{} in {}", value_text(kind, *before), name(statement.first_period)),
        format!("{} in {}", value_text(kind, *after), name(statement.last_period)),
        format!(
            "change {}, 95% interval {} to {}",
            change_text(kind, *change),
            number(kind, *change_low),
            number(kind, *change_high)
        ),
        format!("false discovery rate at this statement {chance}"),
    ]
}

/// That no change was told from chance, and what that is worth.
fn nothing(section: &mut Section, release: &Release) {
    let tested = count(release.tested);
    if release.tested == 0 {
        section.text(
            "No change was tested: there are too few periods, or too few people, to tell a change \
             from chance. That is not to say that nothing changed.",
        );
        return;
    }
    section.text(format!(
        "None of the {tested} changes that were tested could be told from chance. That is not to say \
         that nothing changed: a smaller change than the following may be there and not be seen."
    ));
    let lines = release.measures.iter().filter_map(|measure| seen_from(release, measure));
    section.list(lines.collect::<Vec<_>>());
}

/// From what size on a change of `measure` between the first and the last period would have been seen.
fn seen_from(release: &Release, measure: &Measure) -> Option<String> {
    let all: Vec<&Series> = release.series_of(measure).collect();
    let everybody = all.iter().find(|series| series.group == Group::default());
    let everybody = everybody.and_then(|series| detectable(release, series));
    let mut groups: Vec<f64> = all
        .iter()
        .filter(|series| series.group != Group::default())
        .filter_map(|series| detectable(release, series))
        .collect();
    groups.sort_by(f64::total_cmp);
    let middle = groups.get(groups.len() / 2).copied();
    let size = |change: f64| change_text(measure.kind, change).trim_start_matches('+').to_owned();
    let sizes: Vec<String> = [
        everybody.map(|change| {
            format!("{} in {}", size(change), words(&Group::default()).to_lowercase())
        }),
        middle.map(|change| {
            format!("{} in the middle one of the {} groups", size(change), groups.len())
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!sizes.is_empty()).then(|| {
        format!(
            "{}: a change between the first and the last period of about {} would have been seen in \
             four of five such cases.",
            measure_title(measure),
            sizes.join(", or of "),
        )
    })
}

/// The change between the first and the last period that a two-sided test on normal deviates finds
/// with a chance of `POWER`, at the share of false statements divided among all that were tested: what
/// a single change has to pass (Benjamini and Hochberg 1995).
fn detectable(release: &Release, series: &Series) -> Option<f64> {
    let (first, last) = (series.points.first()?.figure?, series.points.last()?.figure?);
    if series.points.len() < 2 {
        return None;
    }
    let level = release.false_discovery_rate / release.tested.max(1) as f64;
    let normal = |alpha| two_sided_quantile(alpha, f64::INFINITY);
    let reach = normal(level) + normal(2.0 * (1.0 - POWER));
    let change = reach * first.standard_error.hypot(last.standard_error);
    (change.is_finite() && change > 0.0).then_some(change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trend::{Figure, PeriodUnit, Point, Privacy};

    /// 2.8 standard errors of a difference is the textbook size for one test at 5% with power 80%.
    #[test]
    fn what_could_have_been_seen_is_as_textbooks_have_it() {
        let figure =
            Figure { estimate: 0.3, low: 0.2, high: 0.4, standard_error: 0.03, freedom: None };
        let point = Point { figure: Some(figure), ..Point::default() };
        let series = Series {
            measure: "m".to_owned(),
            group: Group::default(),
            points: vec![point.clone(), point],
        };
        let mut release = Release {
            format_version: 1,
            name: String::new(),
            title: String::new(),
            spec_digest: String::new(),
            source: String::new(),
            synthetic: false,
            period_unit: PeriodUnit::Year,
            period_count: 1,
            periods: Vec::new(),
            region_digits_max: 3,
            keys: Vec::new(),
            measures: Vec::new(),
            standard: None,
            series: Vec::new(),
            statements: Vec::new(),
            tested: 1,
            false_discovery_rate: 0.05,
            peers: Vec::new(),
            privacy: Privacy::default(),
        };
        let one = detectable(&release, &series).unwrap();
        assert!((one / (0.03 * std::f64::consts::SQRT_2) - 2.8016).abs() < 1e-3, "{one}");
        release.tested = 100;
        assert!(detectable(&release, &series).unwrap() > 1.4 * one);
    }
}
