//! From a trend to a programme: who in a group of a statement could be looked after.

use super::calendar::Span;
use super::params::KeyName;
use super::person::{Presence, Reader, Scorer};
use super::release::{FigureKind, OTHER, Release, Statement};
use super::spec::Spec;
use crate::record::{Record, RecordError, Time};

/// A statement that cannot be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    #[error("the release is of another specification, or of other tasks or bundles")]
    OtherSpec,
    #[error("no statement `{id}`; those of the release: {known}")]
    NoStatement { id: String, known: String },
    #[error("the period {0} of the statement is not over by --data-until")]
    NoPeriod(String),
}

/// Finds the people of a statement's group who are not yet treated, in its last period.
pub struct Lister<'g, 'a> {
    spec: &'g Spec<'a>,
    release: &'g Release,
    statement: &'g Statement,
    /// Place of the statement's measure, and of its last period among `spans`.
    measure: usize,
    period: usize,
    spans: &'g [Span],
    until: Time,
    scorer: Scorer<'g>,
    /// The group's figure in the period: means and risks are listed from it on.
    figure: f64,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Listed {
    /// Whether the person was found; the two below are of those alone.
    pub is_listed: bool,
    /// Why not: treated already.
    pub is_treated: bool,
    /// The person's own figure in the period: 1 for what happened, a mean, contacts, a risk.
    pub value: f64,
}

/// The periods that a list needs, kept by whoever asks.
pub struct Spans(Vec<Span>, Time);

impl Spans {
    /// Those of `spec` that are over by `until`.
    pub fn new(spec: &Spec<'_>, until: Time) -> Spans {
        Spans(spec.spans(until), until)
    }
}

impl<'g, 'a: 'g> Lister<'g, 'a> {
    /// A list for the statement with this id.
    ///
    /// # Errors
    /// A release of another specification, no such statement, a period that is not over.
    pub fn new(
        spec: &'g Spec<'a>,
        release: &'g Release,
        id: &str,
        spans: &'g Spans,
        scorer: Scorer<'g>,
    ) -> Result<Lister<'g, 'a>, ListError> {
        if release.spec_digest != spec.digest() {
            return Err(ListError::OtherSpec);
        }
        let statement = release.statements.iter().find(|statement| statement.id == id);
        let statement = statement.ok_or_else(|| {
            let known = release.statements.iter().take(20).map(|s| s.id.as_str());
            let known = known.collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            ListError::NoStatement { id: id.to_owned(), known }
        })?;
        let name = release.periods.get(statement.last_period).map_or("", |period| &period.name);
        let (spans, until) = (&spans.0, spans.1);
        let period = spans.iter().position(|span| span.name == name);
        let period = period.ok_or_else(|| ListError::NoPeriod(name.to_owned()))?;
        let named = |of: &str| spec.measures.iter().position(|counted| counted.params.name == of);
        let measure = named(&statement.measure).ok_or(ListError::OtherSpec)?;
        let of_it = |series: &&super::release::Series| {
            series.measure == statement.measure && series.group == statement.group
        };
        let series = release.series.iter().find(of_it);
        let figure = series
            .and_then(|series| series.points.get(statement.last_period)?.figure)
            .map_or(statement.after, |figure| figure.estimate);
        Ok(Lister { spec, release, statement, measure, period, spans, until, scorer, figure })
    }

    /// The task that the statement's measure rests on.
    pub fn task(&self) -> Option<&'g str> {
        let of_it = |measure: &&super::release::Measure| measure.name == self.statement.measure;
        self.release.measures.iter().find(of_it)?.task.as_deref()
    }

    /// What reads people for it.
    pub fn reader(&self) -> ListReader<'g, 'a> {
        ListReader(Reader::new(self.spec, self.spans, self.until, self.scorer))
    }

    /// Whether a person belongs on the list; `None` for somebody who is not in the group.
    ///
    /// # Errors
    /// When the record cannot become a history.
    pub fn look(
        &self,
        reader: &mut ListReader<'g, 'a>,
        record: &Record,
    ) -> Result<Option<Listed>, RecordError> {
        let presences = reader.0.read(record)?;
        let found = presences.iter().find(|presence| presence.period == self.period);
        Ok(found
            .filter(|presence| self.is_in_group(presence))
            .map(|presence| self.listed(presence)))
    }

    fn listed(&self, presence: &Presence) -> Listed {
        let amount = presence.amounts.get(self.measure).copied().flatten();
        let is_treated = presence.treated.get(self.measure).copied().unwrap_or(false);
        let Some((y, x)) = amount else {
            return Listed { is_listed: false, is_treated, value: 0.0 };
        };
        let counted = self.spec.measures.get(self.measure);
        let kind = counted.map_or(FigureKind::Share, |counted| counted.kind());
        // Of what is good those are listed to whom it did not happen.
        let less_is_worse = counted.is_some_and(|c| c.params.more_is_worse == Some(false));
        let is_affected = match kind {
            FigureKind::Share | FigureKind::Outcome | FigureKind::Rate => {
                (y > 0.0) != less_is_worse
            }
            FigureKind::Mean | FigureKind::Risk if less_is_worse => y / x <= self.figure,
            FigureKind::Mean | FigureKind::Risk => y / x >= self.figure,
        };
        Listed { is_listed: is_affected && !is_treated, is_treated, value: y / x }
    }

    /// Whether a person is of the statement's group, as the release tells groups.
    fn is_in_group(&self, presence: &Presence) -> bool {
        let is_of = |(key, value): (&KeyName, &String)| {
            let own = self.spec.keys.iter().position(|known| known == key);
            let Some(own) = own.and_then(|place| presence.values.get(place)) else { return false };
            own == value || (value == OTHER && !self.is_shown(*key, own))
        };
        self.statement.group.0.iter().all(is_of)
    }

    /// Whether the release shows a value by itself.
    fn is_shown(&self, key: KeyName, value: &str) -> bool {
        let key = self.release.keys.iter().find(|known| known.name == key);
        key.is_some_and(|key| key.values.iter().any(|known| known.name == value))
    }
}

/// Reads people for a list.
pub struct ListReader<'g, 'a>(Reader<'g, 'a>);
