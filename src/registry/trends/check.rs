//! Whether a file is a release: whole, of one piece, and without a count that may not be shown. A file
//! that was changed by hand, cut short or made by another program is not shown.

use std::collections::{BTreeMap, BTreeSet};

use crate::SMALL_CELL_PATIENTS;
use crate::record::PartialDate;
use crate::trend::{
    FORMAT_VERSION, Figure, FigureKind, Group, KeyName, Measure, PERIODS_MAX, PeerGroup, PeerScale,
    Period, Point, Release, Series, Statement, peer_class,
};

/// The longest name of a release, measure, key value, concept or task, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// The longest sentence or title, in bytes.
const TEXT_BYTES_MAX: usize = 2_000;
/// Characters of a day.
const DAY_CHARS: usize = 10;
const MEASURES_MAX: usize = 256;
/// Values of all keys together.
const VALUES_MAX: usize = 10_000;
const STATEMENTS_MAX: usize = 100_000;
const CAUTIONS_MAX: usize = 20;
const SCALES_MAX: usize = 100;

const SMALL: &str = "this file shows a count below 11";
const NO_NUMBER: &str = "not a finite number";
const BAD_NAME: &str = "needs 1 to 128 bytes without control characters";
const BAD_TEXT: &str = "longer than 2,000 bytes, or with control characters";

/// Why a file is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseFault {
    #[error(
        "format_version {0}, and this program reads {FORMAT_VERSION}: make the release anew with \
         `prodrome-train trends` of this version"
    )]
    Format(u32),
    #[error("line {line}, column {column}: no release of trends: make it anew")]
    Json { line: usize, column: usize },
    #[error("{place}: {reason}")]
    Content { place: String, reason: &'static str },
    #[error("a release of the same name is in a file before it: give each specification its name")]
    SameName,
}

type Checked = Result<(), ReleaseFault>;

fn fault(place: impl Into<String>, reason: &'static str) -> ReleaseFault {
    ReleaseFault::Content { place: place.into(), reason }
}

fn ensure(holds: bool, place: impl FnOnce() -> String, reason: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(fault(place(), reason)) }
}

fn check_name(name: &str, place: impl FnOnce() -> String) -> Checked {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    ensure(fits, place, BAD_NAME)
}

fn check_text(text: &str, place: impl FnOnce() -> String) -> Checked {
    let fits = text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control);
    ensure(fits, place, BAD_TEXT)
}

/// # Errors
/// The first fault, with its place in the file.
pub(super) fn check(release: &Release) -> Checked {
    if release.format_version != FORMAT_VERSION {
        return Err(ReleaseFault::Format(release.format_version));
    }
    check_name(&release.name, || "name".into())?;
    check_name(&release.spec_digest, || "spec_digest".into())?;
    check_text(&release.title, || "title".into())?;
    check_text(&release.source, || "source".into())?;
    ensure(release.false_discovery_rate.is_finite(), || "false_discovery_rate".into(), NO_NUMBER)?;
    let named = Named::of(release)?;
    let mut seen = BTreeSet::new();
    for (at, series) in release.series.iter().enumerate() {
        let place = || format!("series[{at}]");
        let measure = named.measure(&series.measure, place)?;
        named.group(&series.group, place)?;
        let is_new = seen.insert((&series.measure, &series.group));
        ensure(is_new, place, "the same measure and group a second time")?;
        let is_whole = series.points.len() == release.periods.len();
        ensure(is_whole, place, "not one point for each period")?;
        for (period, point) in series.points.iter().enumerate() {
            check_point(point, measure.kind, &|| format!("series[{at}].points[{period}]"))?;
        }
    }
    let few = release.statements.len() <= STATEMENTS_MAX;
    ensure(few, || "statements".into(), "more than 100,000")?;
    for (at, statement) in release.statements.iter().enumerate() {
        check_statement(statement, release, &named, &|| format!("statements[{at}]"))?;
    }
    let mut groups = BTreeSet::new();
    let people_shown = people_shown(release);
    for (at, peers) in release.peers.iter().enumerate() {
        let place = || format!("peers[{at}]");
        named.group(&peers.group, place)?;
        ensure(groups.insert(&peers.group), place, "the same group a second time")?;
        check_peers(peers, &place)?;
        let is_shown = people_shown.contains(&peers.group);
        ensure(is_shown, place, "peers of whom the last period does not show how many they are")?;
    }
    Ok(())
}

/// The groups of which the last period shows how many people they have.
fn people_shown(release: &Release) -> BTreeSet<&Group> {
    let is_shown =
        |series: &&Series| series.points.last().is_some_and(|point| point.people.is_some());
    release.series.iter().filter(is_shown).map(|series| &series.group).collect()
}

/// What a release names, to be looked up.
struct Named<'a> {
    measures: BTreeMap<&'a str, &'a Measure>,
    values: BTreeMap<KeyName, BTreeSet<&'a str>>,
}

impl<'a> Named<'a> {
    fn of(release: &'a Release) -> Result<Named<'a>, ReleaseFault> {
        let counts = (1..=PERIODS_MAX).contains(&release.periods.len());
        ensure(counts, || "periods".into(), "needs 1 to 600")?;
        check_periods(&release.periods)?;
        let counts = (1..=MEASURES_MAX).contains(&release.measures.len());
        ensure(counts, || "measures".into(), "needs 1 to 256")?;
        let mut measures = BTreeMap::new();
        for (at, measure) in release.measures.iter().enumerate() {
            let place = || format!("measures[{at}]");
            check_measure(measure, release.periods.len(), &place)?;
            let is_new = measures.insert(measure.name.as_str(), measure).is_none();
            ensure(is_new, place, "the same name a second time")?;
        }
        let mut values: BTreeMap<KeyName, BTreeSet<&str>> = BTreeMap::new();
        for (at, key) in release.keys.iter().enumerate() {
            let place = || format!("keys[{at}]");
            ensure(!values.contains_key(&key.name), place, "the same key a second time")?;
            let of_key = values.entry(key.name).or_default();
            for value in &key.values {
                check_name(&value.name, place)?;
                ensure(of_key.insert(&value.name), place, "the same value a second time")?;
            }
        }
        let all: usize = values.values().map(BTreeSet::len).sum();
        ensure(all <= VALUES_MAX, || "keys".into(), "more than 10,000 values")?;
        Ok(Named { measures, values })
    }

    fn measure(&self, name: &str, place: impl Fn() -> String) -> Result<&'a Measure, ReleaseFault> {
        let known = self.measures.get(name).copied();
        known.ok_or_else(|| fault(place() + ".measure", "not one of `measures`"))
    }

    fn group(&self, group: &Group, place: impl Fn() -> String) -> Checked {
        let is_known = |(key, value): (&KeyName, &String)| {
            self.values.get(key).is_some_and(|values| values.contains(value.as_str()))
        };
        let all = group.0.iter().all(is_known);
        ensure(all, || place() + ".group", "with a value that is not among `keys`")
    }
}

fn check_periods(periods: &[Period]) -> Checked {
    let mut before = "";
    for (at, period) in periods.iter().enumerate() {
        let place = || format!("periods[{at}]");
        let Period { name, first_day, last_day } = period;
        check_name(name, place)?;
        let is_day = |text: &str| text.len() == DAY_CHARS && PartialDate::parse(text).is_some();
        ensure(is_day(first_day) && is_day(last_day), place, "needs days such as 2024-01-01")?;
        // Days as ISO 8601 writes them are in order as texts are.
        let is_next = before < first_day.as_str() && first_day <= last_day;
        ensure(is_next, place, "not after the period before it")?;
        before = last_day;
    }
    Ok(())
}

fn check_measure(measure: &Measure, periods: usize, place: &dyn Fn() -> String) -> Checked {
    check_name(&measure.name, place)?;
    check_text(&measure.title, place)?;
    let names = measure.unit.iter().chain(&measure.task).chain(&measure.bundle_digest);
    names.chain(&measure.concepts).try_for_each(|name| check_name(name, place))?;
    let in_order = measure.coding_changes.iter().all(|change| change.period < periods);
    ensure(in_order, place, "a change of coding in a period that is not there")
}

/// Whether a count may be shown.
fn may_show(count: u64) -> bool {
    count == 0 || count >= SMALL_CELL_PATIENTS as u64
}

fn check_point(point: &Point, kind: FigureKind, place: &dyn Fn() -> String) -> Checked {
    let (people, measured, hits) = (point.people, point.measured, point.hits);
    let all = [people, measured, hits].into_iter().flatten().all(may_show);
    ensure(all, place, SMALL)?;
    // Who is not among them is as few people as they are.
    for (all, some) in [(people, measured), (measured, hits)] {
        let Some(some) = some else { continue };
        let all = all.ok_or_else(|| fault(place(), "a count beside one that is suppressed"))?;
        let rest = all.checked_sub(some);
        let rest = rest.ok_or_else(|| fault(place(), "more of the people than there are"))?;
        ensure(may_show(rest), place, SMALL)?;
    }
    let rests_on = if kind.counts_hits() { hits } else { measured };
    let is_told = point.figure.is_none() || rests_on.is_some();
    ensure(is_told, place, "a figure of a count that is suppressed")?;
    let figures = point.figure.iter().chain(&point.standardised);
    let finite = |figure: &Figure| {
        [figure.estimate, figure.low, figure.high, figure.standard_error]
            .into_iter()
            .all(f64::is_finite)
    };
    let all = figures.into_iter().all(finite) && point.smoothed.is_none_or(f64::is_finite);
    ensure(all, place, NO_NUMBER)
}

fn check_statement(
    statement: &Statement,
    release: &Release,
    named: &Named<'_>,
    place: &dyn Fn() -> String,
) -> Checked {
    named.measure(&statement.measure, place)?;
    named.group(&statement.group, place)?;
    check_name(&statement.id, place)?;
    check_text(&statement.text, place)?;
    ensure(statement.cautions.len() <= CAUTIONS_MAX, place, "more than 20 cautions")?;
    statement.cautions.iter().try_for_each(|caution| check_text(caution, place))?;
    let (first, last) = (statement.first_period, statement.last_period);
    let in_order = first <= last && last < release.periods.len();
    ensure(in_order, place, "periods that are not there, or not in order")?;
    let numbers = [
        statement.before,
        statement.after,
        statement.change,
        statement.change_low,
        statement.change_high,
        statement.p_value,
        statement.q_value,
        statement.strength,
    ];
    ensure(numbers.into_iter().all(f64::is_finite), place, NO_NUMBER)
}

fn check_peers(peers: &PeerGroup, place: &dyn Fn() -> String) -> Checked {
    let keys: Vec<KeyName> = peers.group.0.keys().copied().collect();
    let fits = keys == [KeyName::AgeBand, KeyName::Sex]
        || keys == [KeyName::AgeBand, KeyName::Sex, KeyName::Region];
    ensure(fits, place, "peers are of an age band and a sex, and of a region or not")?;
    ensure(peers.scales.len() <= SCALES_MAX, place, "more than 100 scales")?;
    let each = peers.scales.iter().enumerate();
    each.into_iter()
        .try_for_each(|(at, scale)| check_scale(scale, &|| format!("{}.scales[{at}]", place())))
}

fn check_scale(scale: &PeerScale, place: &dyn Fn() -> String) -> Checked {
    let quantiles = &scale.quantiles;
    ensure(quantiles.iter().all(|value| value.is_finite()), place, NO_NUMBER)?;
    ensure(quantiles.is_sorted(), place, "quantiles that are not in order")?;
    let is_class = peer_class(scale.people) == Some((scale.people, quantiles.len()));
    ensure(is_class, place, "people who are no class (50, 100, 200, 500 ...), or not its quantiles")
}
