//! Trends: what the releases hold of what somebody asks for, a page at a time.

mod found;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use found::{FoundRelease, FoundSeries, FoundStatement};

use super::{Service, ServiceError, Visit};
use crate::access::Method;
use crate::meters;
use crate::registry::{LoadedRelease, LoadedReleases, Releases};
use crate::strict_toml::nearest;
use crate::trend::{Group, KeyName, Measure, Period, key_title};

/// The most points of a page: what answers are sent in holds 4 MiB.
const POINTS_MAX: usize = 10_000;
/// How much of a hash a page token has, in characters.
const TOKEN_CHARS: usize = 16;

/// What is not shown, and why.
pub const PRIVACY_NOTE: &str = "Counts from 1 to 10 are not shown, nor what they could be found by. \
    Figures are of groups and say nothing of a single person.";

/// What somebody asks the releases for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrendQuery {
    /// Names; `None` for all.
    pub release: Option<String>,
    pub measure: Option<String>,
    pub task: Option<String>,
    pub concept: Option<String>,
    /// The group has all of these values, each key once.
    pub group: Vec<(KeyName, String)>,
    /// The group is made by no other keys.
    pub only_these_keys: bool,
    /// Periods that begin on this day (`2020-01-01`) or later, and end on that day or earlier.
    pub first_day: Option<String>,
    pub last_day: Option<String>,
    pub statements_only: bool,
    /// Statements and series together.
    pub page_size: usize,
    pub page_token: Option<String>,
}

impl Default for TrendQuery {
    /// All, the first hundred.
    fn default() -> TrendQuery {
        TrendQuery {
            release: None,
            measure: None,
            task: None,
            concept: None,
            group: Vec::new(),
            only_these_keys: false,
            first_day: None,
            last_day: None,
            statements_only: false,
            page_size: 100,
            page_token: None,
        }
    }
}

/// What a name that nothing has was to be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrendName {
    Release,
    Measure,
    Task,
    Concept,
    /// A key that no group is made by, or a value of it.
    Value(KeyName),
}

impl fmt::Display for TrendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrendName::Release => f.write_str("release"),
            TrendName::Measure => f.write_str("measure"),
            TrendName::Task => f.write_str("measure of a task called"),
            TrendName::Concept => f.write_str("measure of a concept called"),
            TrendName::Value(key) => write!(f, "group with {}", key_title(*key)),
        }
    }
}

/// One page.
#[derive(Debug, Clone)]
pub struct TrendAnswer {
    /// The releases that the answer is from; on the first page alone.
    pub releases: Vec<FoundRelease>,
    /// The strongest first.
    pub statements: Vec<FoundStatement>,
    /// By release, measure and group.
    pub series: Vec<FoundSeries>,
    /// `None` on the last page.
    pub next: Option<String>,
    /// All pages together.
    pub statements_count: usize,
    pub series_count: usize,
}

impl Service {
    /// The same with trends to show.
    #[must_use]
    pub fn with_trends(self, releases: Arc<Releases>) -> Service {
        Service { trends: releases, ..self }
    }

    /// Whether the settings name releases, whatever came of reading them.
    pub fn has_trends(&self) -> bool {
        !self.trends.is_off()
    }

    /// The releases as they are now.
    pub fn trends(&self) -> Arc<LoadedReleases> {
        self.trends.current()
    }

    /// The releases of this service, to be followed.
    pub fn releases(&self) -> &Arc<Releases> {
        &self.trends
    }

    /// Reads the releases now and swaps in what they hold. It blocks on the file system.
    pub fn reload_trends(&self) {
        let loaded = self.trends.reload();
        for release in loaded.releases() {
            tracing::info!(release = release.release().name, "trends read");
        }
        for refused in loaded.refused() {
            let (path, error) = (refused.path.display(), &refused.error);
            tracing::error!(%path, %error, "trends are refused; what was read before stays");
            meters::process().reload_failed();
        }
    }

    /// What the releases hold of what the visitor asks for and may see.
    ///
    /// # Errors
    /// What the visitor's rights lack; no releases; names that none of them has; a page token of another
    /// query.
    pub fn get_trends(
        &self,
        visit: &Visit,
        query: &TrendQuery,
    ) -> Result<TrendAnswer, ServiceError> {
        let tasks: Vec<&str> = query.task.as_deref().into_iter().collect();
        let permit = self.permit(visit, Method::GetTrends, &tasks)?;
        if self.trends.is_off() {
            return Err(ServiceError::NoTrends);
        }
        let loaded = self.trends();
        if loaded.releases().is_empty() {
            return Err(ServiceError::TrendsUnavailable);
        }
        answer(&loaded, query, &|measure: &Measure| {
            measure.task.as_ref().is_none_or(|task| permit.allows(task))
        })
    }
}

/// One page of what `loaded` holds of `query`, of the measures that are `allowed`.
fn answer(
    loaded: &LoadedReleases,
    query: &TrendQuery,
    allowed: &dyn Fn(&Measure) -> bool,
) -> Result<TrendAnswer, ServiceError> {
    let releases = named_releases(loaded, query)?;
    check_names(&releases, query, allowed)?;
    let mut statements: Vec<FoundStatement> = Vec::new();
    let mut series: Vec<FoundSeries> = Vec::new();
    for release in &releases {
        let sought = Sought::of(release, query, allowed);
        statements.extend(sought.statements());
        if !query.statements_only {
            series.extend(sought.series());
        }
    }
    let strength = |found: &FoundStatement| found.statement().map_or(0.0, |of| of.strength);
    // Stable: of one strength the order is that of the releases.
    statements.sort_by(|a, b| strength(b).total_cmp(&strength(a)));
    let mark = mark(&releases, query);
    let from = query.page_token.as_deref().map_or(Ok(0), |token| place_of(token, &mark))?;
    let (statements_count, series_count) = (statements.len(), series.len());
    let described = releases.into_iter().filter(|_| from == 0);
    let described = described.map(|release| FoundRelease::of(release, allowed));
    let mut page = TrendAnswer {
        releases: described.collect(),
        statements: statements.into_iter().skip(from).take(query.page_size).collect(),
        series: Vec::new(),
        next: None,
        statements_count,
        series_count,
    };
    let room = query.page_size.saturating_sub(page.statements.len());
    let mut points = 0;
    for found in series.into_iter().skip(from.saturating_sub(statements_count)).take(room) {
        points += found.periods.len();
        if points > POINTS_MAX && !page.series.is_empty() {
            break;
        }
        page.series.push(found);
    }
    let to = from + page.statements.len() + page.series.len();
    let is_more = to > from && to < statements_count + series_count;
    page.next = is_more.then(|| format!("{mark}.{to}"));
    Ok(page)
}

/// What a page token holds for: this query, of these releases.
fn mark(releases: &[Arc<LoadedRelease>], query: &TrendQuery) -> String {
    let query = TrendQuery { page_size: 0, page_token: None, ..query.clone() };
    let digests: Vec<&str> = releases.iter().map(|release| release.digest()).collect();
    let hash = format!("{:x}", Sha256::digest(format!("{query:?} {digests:?}")));
    hash.chars().take(TOKEN_CHARS).collect()
}

fn place_of(token: &str, mark: &str) -> Result<usize, ServiceError> {
    let place = token.strip_prefix(mark).and_then(|rest| rest.strip_prefix('.'));
    place.and_then(|place| place.parse().ok()).ok_or(ServiceError::TrendToken)
}

fn named_releases(
    loaded: &LoadedReleases,
    query: &TrendQuery,
) -> Result<Vec<Arc<LoadedRelease>>, ServiceError> {
    let Some(name) = &query.release else { return Ok(loaded.releases().to_vec()) };
    let known = loaded.releases().iter().map(|release| release.release().name.as_str());
    match loaded.find(name) {
        Some(release) => Ok(vec![Arc::clone(release)]),
        None => Err(unknown(TrendName::Release, name, known)),
    }
}

fn unknown<'a>(what: TrendName, name: &str, known: impl Iterator<Item = &'a str>) -> ServiceError {
    let nearest = nearest(name, known).map(str::to_owned);
    ServiceError::UnknownTrend { what, name: name.to_owned(), nearest }
}

/// Whether each name that is asked for is one that the releases have.
fn check_names(
    releases: &[Arc<LoadedRelease>],
    query: &TrendQuery,
    allowed: &dyn Fn(&Measure) -> bool,
) -> Result<(), ServiceError> {
    let measures = || {
        let all = releases.iter().flat_map(|release| &release.release().measures);
        all.filter(|measure| allowed(measure))
    };
    let check = |what, name: &Option<String>, known: &[&str]| match name {
        Some(name) if !known.contains(&name.as_str()) => {
            Err(unknown(what, name, known.iter().copied()))
        }
        _ => Ok(()),
    };
    let names: Vec<&str> = measures().map(|measure| measure.name.as_str()).collect();
    check(TrendName::Measure, &query.measure, &names)?;
    let names: Vec<&str> = measures().filter_map(|measure| measure.task.as_deref()).collect();
    check(TrendName::Task, &query.task, &names)?;
    let concepts = measures().flat_map(|measure| &measure.concepts);
    let names: Vec<&str> = concepts.map(String::as_str).collect();
    check(TrendName::Concept, &query.concept, &names)?;
    for (key, value) in &query.group {
        let keys = releases.iter().flat_map(|release| &release.release().keys);
        let values = keys.filter(|known| known.name == *key).flat_map(|known| &known.values);
        let names: Vec<&str> = values.map(|value| value.name.as_str()).collect();
        check(TrendName::Value(*key), &Some(value.clone()), &names)?;
    }
    Ok(())
}

/// What is sought in one release.
struct Sought<'a> {
    release: &'a Arc<LoadedRelease>,
    query: &'a TrendQuery,
    measures: Vec<&'a str>,
    periods: Range<usize>,
}

impl<'a> Sought<'a> {
    fn of(
        release: &'a Arc<LoadedRelease>,
        query: &'a TrendQuery,
        allowed: &dyn Fn(&Measure) -> bool,
    ) -> Sought<'a> {
        let is_wanted = |measure: &&Measure| {
            allowed(measure)
                && query.measure.as_ref().is_none_or(|name| *name == measure.name)
                && (query.task.is_none() || query.task == measure.task)
                && query.concept.as_ref().is_none_or(|name| measure.concepts.contains(name))
        };
        let measures = release.release().measures.iter().filter(is_wanted);
        let periods = &release.release().periods;
        // Days as ISO 8601 writes them are in order as texts are.
        let is_before = |p: &Period| query.first_day.as_ref().is_some_and(|day| p.first_day < *day);
        let is_within = |p: &Period| query.last_day.as_ref().is_none_or(|day| p.last_day <= *day);
        let from = periods.partition_point(is_before);
        let to = periods.partition_point(is_within).max(from);
        let measures = measures.map(|measure| measure.name.as_str()).collect();
        Sought { release, query, measures, periods: from..to }
    }

    fn wants(&self, measure: &str, group: &Group) -> bool {
        let TrendQuery { group: wanted, only_these_keys, .. } = self.query;
        self.measures.contains(&measure)
            && wanted.iter().all(|(key, value)| group.0.get(key) == Some(value))
            && !(*only_these_keys && group.0.len() != wanted.len())
    }

    fn statements(&self) -> impl Iterator<Item = FoundStatement> {
        let each = self.release.release().statements.iter().enumerate();
        let wanted = each.filter(|(_, statement)| {
            self.wants(&statement.measure, &statement.group)
                && self.periods.contains(&statement.last_period)
        });
        wanted.map(|(place, _)| FoundStatement { release: Arc::clone(self.release), place })
    }

    fn series(&self) -> impl Iterator<Item = FoundSeries> {
        let each = self.release.release().series.iter().enumerate();
        let wanted = each.filter(|(_, series)| self.wants(&series.measure, &series.group));
        let wanted = wanted.filter(|_| !self.periods.is_empty());
        wanted.map(|(place, _)| {
            let (release, periods) = (Arc::clone(self.release), self.periods.clone());
            FoundSeries { release, place, periods }
        })
    }
}
