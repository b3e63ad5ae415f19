//! One person, period by period: in which group, and what happened.

use super::calendar::Span;
use super::params::{KeyName, ObservedBy};
use super::release::{OTHER, UNKNOWN};
use super::spec::{Rule, Spec};
use crate::bundle::Bundle;
use crate::record::{
    ConceptId, Dated, EncounterClass, Histories, History, Period, Record, RecordError, Sex, Time,
    View,
};
use crate::task::{CoverageBy, Label, Task, eligibility, index_times, label, may_have_index_times};

/// Gives the predicted probability at an index time; `None` where there is none.
pub type Scorer<'a> = &'a (dyn Fn(&Bundle, &History, Time) -> Option<f64> + Sync);

/// Days of a mean Gregorian year.
const YEAR_DAYS: f64 = 365.2425;

/// What one person is and does in one period.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Presence {
    pub period: usize,
    /// For each key of the specification the value.
    pub values: Vec<String>,
    /// For each measure numerator and denominator, where the person can be judged.
    pub amounts: Vec<Option<(f64, f64)>>,
    /// For each measure whether the person is treated for it by the end of the period.
    pub treated: Vec<bool>,
    /// In a survey: the weight, and the place in the design.
    pub weight: Option<(f64, (i64, i64))>,
    /// The code systems by which a measure is found, with the measure's place.
    pub systems: Vec<(usize, String)>,
    /// For each measurement of the specification's peers the latest value.
    pub latest: Vec<Option<f64>>,
}

/// Reads people.
pub(super) struct Reader<'g, 'a> {
    spec: &'g Spec<'a>,
    spans: &'g [Span],
    /// The end of the data: what comes later is not known.
    until: Time,
    scorer: Scorer<'g>,
    histories: Histories<'g>,
    /// For each measure that rests on a task's index times its histories.
    of_tasks: Vec<Option<(&'a Task, Option<&'a Bundle>, Histories<'g>)>>,
    /// People without a date of birth, where one is needed.
    pub(super) ageless: u64,
}

/// One person, read.
struct Person<'h> {
    record: &'h Record,
    view: View<'h>,
    dated: Vec<Dated<'h>>,
    /// When the person was observed, from and to.
    observed: Vec<(Time, Time)>,
}

impl<'g, 'a: 'g> Reader<'g, 'a> {
    pub(super) fn new(
        spec: &'g Spec<'a>,
        spans: &'g [Span],
        until: Time,
        scorer: Scorer<'g>,
    ) -> Reader<'g, 'a> {
        let of_tasks = spec.measures.iter().map(|counted| match counted.rule {
            Rule::Outcome(task) => {
                let by = Histories::by(spec.concepts, &task.params().known_after);
                Some((task, None, by))
            }
            Rule::Risk(bundle) => {
                let task = bundle.task();
                let by = Histories::by(bundle.concepts(), &task.params().known_after);
                Some((task, Some(bundle), by))
            }
            Rule::Share { .. } | Rule::Mean(_) | Rule::Contacts(_) => None,
        });
        let histories = Histories::by(spec.concepts, &spec.known_after);
        Reader { spec, spans, until, scorer, histories, of_tasks: of_tasks.collect(), ageless: 0 }
    }

    /// The periods in which the person belongs to the population, in order.
    ///
    /// # Errors
    /// When the record cannot become a history.
    pub(super) fn read(&mut self, record: &Record) -> Result<Vec<Presence>, RecordError> {
        let history = self.histories.build(record)?.history;
        if record.birth_date.is_none() && self.spec.needs_age() {
            self.ageless += 1;
            return Ok(Vec::new());
        }
        // Trends look back on what is over: all that is known of it counts.
        let view = history.view(Time::LATEST);
        let dated = view.dated();
        let mut person = Person { record, view, dated, observed: Vec::new() };
        person.observed = observed(self.spec, &history, &person);
        let mut presences: Vec<Presence> = Vec::new();
        for (period, span) in self.spans.iter().enumerate() {
            presences.extend(self.presence(period, span, &person));
        }
        if !presences.is_empty() {
            self.add_index_times(record, &mut presences)?;
        }
        Ok(presences)
    }

    fn presence(&self, period: usize, span: &Span, person: &Person<'_>) -> Option<Presence> {
        let inside = person.inside(span);
        let contacts = || {
            let begun = |start: Time| start >= span.start && start < span.end;
            person.record.encounters.iter().any(|e| !e.synthetic && begun(e.start))
        };
        let days = match self.spec.params.observed.by {
            ObservedBy::Contact if inside.is_empty() && !contacts() => 0.0,
            _ => person.observed_days(span),
        };
        if days < self.spec.params.observed.share_min * span.days() {
            return None;
        }
        if !self.spec.population.is_empty() && !person.had(&self.spec.population, span.end) {
            return None;
        }
        let values = self.values(span, person)?;
        let measures = &self.spec.measures;
        let amount = |rule: &Rule<'_>| amount(rule, person, inside, span, days / YEAR_DAYS);
        let mut systems = Vec::new();
        for (place, counted) in measures.iter().enumerate() {
            if let Rule::Share { coded_by, .. } = &counted.rule {
                let coded = inside.iter().filter(|dated| dated.entry.is_any_of(coded_by));
                let mut of: Vec<&str> = coded.map(|d| d.entry.code.system.as_str()).collect();
                of.sort_unstable();
                of.dedup();
                systems.extend(of.into_iter().map(|system| (place, system.to_owned())));
            }
        }
        let is_last = period + 1 == self.spans.len();
        let latest = self.spec.peers.iter().filter(|_| is_last);
        Some(Presence {
            period,
            values,
            amounts: measures.iter().map(|counted| amount(&counted.rule)).collect(),
            treated: measures
                .iter()
                .map(|counted| person.had(&counted.treated, span.end))
                .collect(),
            weight: self.weight(inside),
            systems,
            latest: latest.map(|(_, values)| values.latest(inside)).collect(),
        })
    }

    /// The values of all keys; `None` for somebody who is of no age of the population.
    fn values(&self, span: &Span, person: &Person<'_>) -> Option<Vec<String>> {
        let record = person.record;
        // Who is born in the period is of age 0.
        let age = record.birth_date.and_then(|birth| {
            let born = birth.earliest().is_none_or(|born| born < span.end);
            born.then(|| birth.age_years_at(span.start).max(0) as u32)
        });
        let population = &self.spec.params.population;
        if population.age_years_min.is_some_and(|min| age.is_none_or(|age| age < min))
            || population.age_years_max.is_some_and(|max| age.is_none_or(|age| age > max))
        {
            return None;
        }
        let attributes = &record.audit_attributes;
        let each = self.spec.keys.iter().map(|key| {
            Some(match key {
                KeyName::AgeBand => {
                    let age = age?;
                    let bands = &self.spec.age_bands;
                    let band = bands.iter().rfind(|band| band.age_years_min <= Some(age))?;
                    band.name.clone()
                }
                KeyName::Sex => match record.sex {
                    Sex::Female => "female".to_owned(),
                    Sex::Male => "male".to_owned(),
                    Sex::Other | Sex::Unknown => OTHER.to_owned(),
                },
                KeyName::Region => self.region(record.region.as_deref()),
                KeyName::Facility => named(person.facility(span.end)),
                KeyName::Race => named(attributes.race.as_deref()),
                KeyName::Ethnicity => named(attributes.ethnicity.as_deref()),
                KeyName::Language => named(attributes.language.as_deref()),
                KeyName::Insurance => named(attributes.insurance.as_deref()),
            })
        });
        each.collect()
    }

    /// A region as coarse as it may be told: a postal code is cut.
    fn region(&self, region: Option<&str>) -> String {
        region_shown(region, self.spec.params.region.digits_max as usize)
    }

    fn weight(&self, inside: &[Dated<'_>]) -> Option<(f64, (i64, i64))> {
        let survey = self.spec.survey?;
        let number = |concept: ConceptId| {
            let of = |dated: &&Dated<'_>| dated.entry.concepts.contains(&concept);
            inside.iter().rev().find(of).and_then(|dated| dated.entry.number)
        };
        let weight = number(survey.weight).filter(|weight| *weight > 0.0)?;
        let unit = |concept: Option<ConceptId>| match concept {
            None => Some(0),
            Some(concept) => number(concept).map(|number| number.round() as i64),
        };
        Some((weight, (unit(survey.stratum)?, unit(survey.psu)?)))
    }

    /// Adds what rests on index times: outcomes of all of a period, the risk at the latest.
    fn add_index_times(
        &mut self,
        record: &Record,
        presences: &mut [Presence],
    ) -> Result<(), RecordError> {
        for (place, of_task) in self.of_tasks.iter_mut().enumerate() {
            let Some((task, bundle, histories)) = of_task else { continue };
            if !may_have_index_times(record, task) {
                continue;
            }
            let history = histories.build(record)?.history;
            let times = index_times(&history, task);
            for presence in &mut *presences {
                let Some(span) = self.spans.get(presence.period) else { continue };
                let from = times.partition_point(|time| *time < span.start);
                let to = times.partition_point(|time| *time < span.end);
                let inside = times.get(from..to).unwrap_or_default();
                let amount = match bundle {
                    None => outcomes(&history, task, inside, self.until),
                    Some(bundle) => {
                        let risk = |time: &Time| (self.scorer)(bundle, &history, *time);
                        inside.last().and_then(risk).map(|risk| (risk, 1.0))
                    }
                };
                if let Some(slot) = presence.amounts.get_mut(place) {
                    *slot = amount;
                }
            }
        }
        Ok(())
    }
}

/// A name as it is shown; without one, that it is unknown.
fn named(text: Option<&str>) -> String {
    text.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(UNKNOWN).to_owned()
}

/// A region as coarse as it may be told: of a postal code of digits alone only the first are kept.
pub fn region_shown(region: Option<&str>, digits_max: usize) -> String {
    let text = named(region);
    let is_code = text.chars().all(|c| c.is_ascii_digit() || c == '-' || c == ' ')
        && text.chars().any(|c| c.is_ascii_digit());
    if is_code { text.chars().take(digits_max).collect() } else { text }
}

/// Of the index times that came out one way or the other, those with the outcome. Only those count of
/// which the whole time at risk was followed, those with an outcome too: an outcome is known at once,
/// and that there was none only at the end.
fn outcomes(history: &History, task: &Task, times: &[Time], until: Time) -> Option<(f64, f64)> {
    let (mut with, mut all) = (0.0, 0.0);
    let horizon_days = i64::from(task.params().time_at_risk.horizon_days);
    for time in times {
        let end = time.plus_days(horizon_days);
        if end > until || eligibility(&history.view(*time), task).is_err() {
            continue;
        }
        match label(history, task, *time).map(|outcome| outcome.label) {
            Ok(Label::Positive) if is_followed(history, task, end) => {
                (with, all) = (with + 1.0, all + 1.0);
            }
            Ok(Label::Negative | Label::CompetingDeath) => all += 1.0,
            Ok(Label::Positive | Label::Censored) | Err(_) => {}
        }
    }
    (all > 0.0).then_some((with, all))
}

/// Whether a person was still followed at `time`, or had died.
fn is_followed(history: &History, task: &Task, time: Time) -> bool {
    let holds = |period: &Period| {
        period.start.is_none_or(|start| start <= time) && period.end.is_none_or(|end| time <= end)
    };
    task.params().follow_up.coverage == CoverageBy::Assumed
        || history.view(time).is_dead()
        || history.coverage().iter().any(holds)
}

/// What a person adds to a measure in a period, of which `inside` are the events.
fn amount(
    rule: &Rule<'_>,
    person: &Person<'_>,
    inside: &[Dated<'_>],
    span: &Span,
    years: f64,
) -> Option<(f64, f64)> {
    match rule {
        Rule::Share { happening, measured_by, .. } => {
            let happened = happening.first(&person.view, &person.dated, inside).is_some();
            let is_measured =
                measured_by.is_empty() || happening.could_judge(&person.view, inside, measured_by);
            (happened || is_measured).then_some((f64::from(u8::from(happened)), 1.0))
        }
        Rule::Mean(values) => values.mean(inside).map(|mean| (mean, 1.0)),
        Rule::Contacts(classes) => {
            (years > 0.0).then(|| (person.contacts(classes, span) as f64, years))
        }
        // Index times come later, for all periods at once.
        Rule::Outcome(_) | Rule::Risk(_) => None,
    }
}

impl<'h> Person<'h> {
    /// The events of a period.
    fn inside(&self, span: &Span) -> &[Dated<'h>] {
        let from = self.dated.partition_point(|dated| dated.time < span.start);
        let to = self.dated.partition_point(|dated| dated.time < span.end);
        self.dated.get(from..to).unwrap_or_default()
    }

    fn observed_days(&self, span: &Span) -> f64 {
        let each = self.observed.iter().map(|(from, to)| {
            let (from, to) = ((*from).max(span.start), (*to).min(span.end));
            if to > from { to.days_since(from) } else { 0.0 }
        });
        each.sum()
    }

    /// Whether one of the concepts was on record before `until`.
    fn had(&self, concepts: &[ConceptId], until: Time) -> bool {
        let before = self.dated.partition_point(|dated| dated.time < until);
        let before = self.dated.get(..before).unwrap_or_default();
        !concepts.is_empty() && before.iter().any(|dated| dated.entry.is_any_of(concepts))
    }

    fn contacts(&self, classes: &[EncounterClass], span: &Span) -> usize {
        let contacts = self.view.contacts(classes).map(|contact| contact.encounter.start);
        // As the years, only while the person was observed.
        let observed =
            |start: &Time| self.observed.iter().any(|(from, to)| from <= start && start <= to);
        contacts.filter(|start| (span.start..span.end).contains(start)).filter(observed).count()
    }

    /// Where the latest contact before `until` was.
    fn facility(&self, until: Time) -> Option<&'h str> {
        let begun = self.record.encounters.iter().filter(|e| !e.synthetic && e.start < until);
        let latest = begun.filter(|e| e.facility.is_some()).max_by_key(|e| (e.start, &e.id));
        latest.and_then(|encounter| encounter.facility.as_deref())
    }
}

/// When a person was observed: nobody is after death.
fn observed(spec: &Spec<'_>, history: &History, person: &Person<'_>) -> Vec<(Time, Time)> {
    let until = person.record.death_time.unwrap_or(Time::LATEST);
    let whole = (Time::EARLIEST, until);
    match spec.params.observed.by {
        ObservedBy::Coverage => {
            let each = history.coverage().iter().map(|period| {
                let (start, end) = (period.start, period.end);
                (start.unwrap_or(Time::EARLIEST), end.unwrap_or(Time::LATEST).min(until))
            });
            each.collect()
        }
        ObservedBy::Contact => vec![whole],
        ObservedBy::Record => {
            let encounters = person.record.encounters.iter().filter(|e| !e.synthetic);
            let begun = encounters.clone().map(|encounter| encounter.start);
            let ended = encounters.filter_map(|encounter| encounter.end);
            let events = person.dated.iter().map(|dated| dated.time);
            let times: Vec<Time> = begun.chain(ended).chain(events).collect();
            let ends = times.iter().min().zip(times.iter().max());
            ends.map(|(first, last)| (*first, (*last).min(until))).into_iter().collect()
        }
    }
}
