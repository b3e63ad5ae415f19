//! What changed in a population beyond chance, found from released figures alone.
//!
//! 1. `series`: each series' figures on a scale on which changes add up (log-odds, log, plain).
//! 2. `dispersion`: how much periods differ beyond the chance of people, by measure and set of keys.
//! 3. `finding`: for each series the best of a few shapes (`shape`) by regression (`fit`), with seasons.
//! 4. Here: the correction for all series that were tested (Benjamini and Hochberg 1995, J R Stat Soc B
//!    57:289), the limits below which a change is not worth a sentence, and the ranking.

mod dispersion;
mod finding;
mod fit;
mod series;
mod shape;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use self::dispersion::Moments;
use self::finding::{Change, Finding, finding};
use self::series::{Observed, Scale, observed, seasons};
pub(super) use self::series::{parts_of_a_year, worth};
use super::chance::two_sided_quantile;
use super::params::{ChangeParams, KeyName};
use super::release::{Direction, FigureKind, Group, Measure, Release, Series, Statement};
use super::{smooth, standard, statement};

/// So many units of log-odds are one standard deviation between people (pi / sqrt 3; Chinn 2000, Stat
/// Med 19:3127).
const LOG_ODDS_PER_DEVIATION: f64 = 1.81;
/// Letters of a statement's id.
const ID_LETTERS: usize = 12;

/// Finds all that is told of a release's figures: standardised and smoothed figures, and statements.
/// What was there of these is replaced; called again it gives the same.
pub fn tell(release: &mut Release, change: &ChangeParams) {
    standard::standardise(release);
    smooth::smooth(release);
    let rate = change.false_discovery_rate;
    release.false_discovery_rate = if rate.is_finite() { rate.clamp(0.0, 1.0) } else { 0.0 };
    let tests = tests(release);
    let (tested, statements) = (tests.len() as u64, statements(release, change, &tests));
    (release.tested, release.statements) = (tested, statements);
}

/// Where a group goes: by its statement; without one there is no clear change if it was tested.
pub fn direction(release: &Release, measure: &str, group: &Group) -> Direction {
    let is_told = |told: &&Statement| told.measure == measure && told.group == *group;
    if let Some(told) = release.statements.iter().find(is_told) {
        return told.direction;
    }
    let kind = release.measures.iter().find(|one| one.name == measure).map(|one| one.kind);
    let series = release.series.iter().find(|one| one.measure == measure && one.group == *group);
    let seen = kind.zip(series).and_then(|(kind, series)| observed(series, kind, seasons(release)));
    if seen.is_some() { Direction::NoClearChange } else { Direction::NotKnown }
}

/// One series that was tested.
struct Tested<'a> {
    measure: &'a Measure,
    series: &'a Series,
    observed: Observed,
    finding: Option<Finding>,
}

impl Tested<'_> {
    /// Of a series that can show no shape nothing speaks against chance.
    fn p_value(&self) -> f64 {
        self.finding.as_ref().map_or(1.0, |finding| finding.p_value)
    }
}

fn tests(release: &Release) -> Vec<Tested<'_>> {
    let measures: BTreeMap<&str, &Measure> =
        release.measures.iter().map(|measure| (measure.name.as_str(), measure)).collect();
    let seasons = seasons(release);
    let mut tests = Vec::new();
    let mut moments: BTreeMap<(&str, Vec<KeyName>), Moments> = BTreeMap::new();
    let mut of_measure: BTreeMap<&str, Moments> = BTreeMap::new();
    for series in &release.series {
        let name = series.measure.as_str();
        let Some(measure) = measures.get(name).copied() else { continue };
        let Some(observed) = observed(series, measure.kind, seasons) else { continue };
        let found = Moments::of(&observed);
        moments.entry((name, keys(series))).or_default().add(found);
        of_measure.entry(name).or_default().add(found);
        tests.push(Tested { measure, series, observed, finding: None });
    }
    for test in &mut tests {
        let name = test.series.measure.as_str();
        let own = moments.get(&(name, keys(test.series))).copied().unwrap_or_default();
        let all = of_measure.get(name).copied().unwrap_or_default();
        test.finding = finding(&test.observed, own.between(all));
    }
    tests
}

fn keys(series: &Series) -> Vec<KeyName> {
    series.group.0.keys().copied().collect()
}

/// Benjamini and Hochberg's q-values, in the order of the p-values.
fn q_values(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = p_values.iter().copied().enumerate().collect();
    order.sort_by(|one, other| other.1.total_cmp(&one.1));
    let mut q_values = vec![1.0; p_values.len()];
    let mut least = 1.0f64;
    for (below, (place, p_value)) in order.iter().enumerate() {
        let rank = p_values.len() - below;
        least = least.min(p_value * (p_values.len() as f64 / rank as f64));
        if let Some(q_value) = q_values.get_mut(*place) {
            *q_value = least;
        }
    }
    q_values
}

fn statements(release: &Release, change: &ChangeParams, tests: &[Tested<'_>]) -> Vec<Statement> {
    let p_values: Vec<f64> = tests.iter().map(Tested::p_value).collect();
    let q_values = q_values(&p_values);
    let allowed = release.false_discovery_rate;
    let is_found = |q_value: f64| q_value <= allowed && q_value < 1.0;
    let found = q_values.iter().filter(|q_value| is_found(**q_value)).count();
    // The share of errors among the intervals of what was chosen is kept by this level (Benjamini and
    // Yekutieli 2005, J Am Stat Assoc 100:71).
    let alpha = allowed * found as f64 / tests.len().max(1) as f64;
    let mut statements: Vec<Statement> = tests
        .iter()
        .zip(q_values)
        .filter(|(_, q_value)| is_found(*q_value))
        .filter_map(|(test, q_value)| {
            let finding = test.finding.as_ref()?;
            let is_worth = is_worth_telling(test.measure.kind, &finding.change, change);
            is_worth.then(|| statement_of(release, test, finding, q_value, alpha))
        })
        .collect();
    statements.sort_by(|one, other| {
        let by_strength = other.strength.total_cmp(&one.strength);
        by_strength.then(one.p_value.total_cmp(&other.p_value)).then(one.id.cmp(&other.id))
    });
    statements
}

/// Whether a change is beyond the limits of the specification.
fn is_worth_telling(kind: FigureKind, found: &Change, limits: &ChangeParams) -> bool {
    let size = (found.after - found.before).abs();
    match kind {
        FigureKind::Share | FigureKind::Outcome | FigureKind::Risk => {
            100.0 * size >= limits.points_min
        }
        FigureKind::Mean | FigureKind::Rate => size >= limits.relative_min * found.before.abs(),
    }
}

/// `alpha`: the level of the interval that the ranking goes by.
fn statement_of(
    release: &Release,
    test: &Tested<'_>,
    finding: &Finding,
    q_value: f64,
    alpha: f64,
) -> Statement {
    let found = &finding.change;
    let change = found.after - found.before;
    let reach = two_sided_quantile(0.05, found.freedom) * found.standard_error;
    let direction = if change > 0.0 { Direction::Rising } else { Direction::Falling };
    let is_rising = direction == Direction::Rising;
    let mut statement = Statement {
        id: id(release, test.series),
        measure: test.measure.name.clone(),
        group: test.series.group.clone(),
        kind: finding.shape.kind(),
        direction,
        is_worse: test.measure.more_is_worse.map(|more_is_worse| more_is_worse == is_rising),
        first_period: found.first_period,
        last_period: found.last_period,
        before: found.before,
        after: found.after,
        change,
        change_low: change - reach,
        change_high: change + reach,
        p_value: finding.p_value,
        q_value,
        strength: strength(&test.observed, found, alpha),
        text: String::new(),
        cautions: Vec::new(),
    };
    statement.text = statement::sentence(release, test.measure, &statement);
    statement.cautions = statement::cautions(release, test.measure, test.series, &statement);
    statement
}

/// The end nearer to no change of the change's interval, in log-odds or what compares with them.
fn strength(observed: &Observed, found: &Change, alpha: f64) -> f64 {
    let reach = two_sided_quantile(alpha, found.freedom) * found.linear_error;
    let least = (found.linear.abs() - reach).max(0.0);
    let unit = match (observed.scale, observed.deviation) {
        (Scale::Plain, Some(deviation)) => LOG_ODDS_PER_DEVIATION / deviation,
        _ => 1.0,
    };
    let strength = least * unit;
    if strength.is_finite() { strength } else { 0.0 }
}

/// The same for the same measure, group and last period of one specification.
fn id(release: &Release, series: &Series) -> String {
    let mut digest = Sha256::new();
    let last = release.periods.last().map_or("", |period| period.name.as_str());
    // Each part with its length, so that no two lists of parts read alike.
    let mut part = |text: &str| {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    };
    part(&release.spec_digest);
    part(&series.measure);
    part(last);
    part(&serde_json::to_string(&series.group).unwrap_or_default());
    let mut id = format!("{:x}", digest.finalize());
    id.truncate(ID_LETTERS);
    id
}
