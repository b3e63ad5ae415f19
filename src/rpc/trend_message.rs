//! Trends and peers as messages.

use super::from_wire::Faults;
use super::proto;
use super::to_wire::timestamp;
use crate::record::{PartialDate, Violation};
use crate::service::{
    FoundRelease, FoundSeries, FoundStatement, PRIVACY_NOTE, Peer, PeerStanding, TrendAnswer,
    TrendQuery,
};
use crate::trend::{
    CodingChange, Direction, Figure, FigureKind, Group, KeyName, Measure, Period, Point,
    StandardName, StatementKind,
};

const PAGE_SIZE_DEFAULT: u32 = 100;
const PAGE_SIZE_MAX: u32 = 500;
/// A token has 16 characters and a number.
const TOKEN_BYTES_MAX: usize = 64;
/// There are no more keys.
const KEYS_MAX: usize = 8;
/// Characters of a day, such as `2020-01-01`.
const DAY_CHARS: usize = 10;

/// What a request asks for.
///
/// # Errors
/// The fields that cannot be used.
pub(super) fn query(request: proto::GetTrendsRequest) -> Result<TrendQuery, Vec<Violation>> {
    let proto::GetTrendsRequest {
        release,
        measure,
        task,
        concept,
        group,
        only_these_keys,
        first_day,
        last_day,
        statements_only,
        page_size,
        page_token,
    } = request;
    let mut faults = Faults::default();
    let mut name = |field: &str, text: String| {
        faults.name(&text, || field.to_owned());
        Some(text).filter(|text| !text.is_empty())
    };
    let [release, measure, task, concept] =
        [("release", release), ("measure", measure), ("task", task), ("concept", concept)]
            .map(|(field, text)| name(field, text));
    let group = values(group, &mut faults);
    let first_day = day("first_day", first_day, &mut faults);
    let last_day = day("last_day", last_day, &mut faults);
    if first_day.as_ref().zip(last_day.as_ref()).is_some_and(|(first, last)| first > last) {
        faults.at(|| "last_day".into(), "before first_day");
    }
    if page_size > PAGE_SIZE_MAX {
        faults.at(|| "page_size".into(), "more than 500");
    }
    if page_token.len() > TOKEN_BYTES_MAX {
        faults.at(|| "page_token".into(), "not one that this server gave");
    }
    faults.end()?;
    let page_size = if page_size == 0 { PAGE_SIZE_DEFAULT } else { page_size };
    Ok(TrendQuery {
        release,
        measure,
        task,
        concept,
        group,
        only_these_keys,
        first_day,
        last_day,
        statements_only,
        page_size: page_size as usize,
        page_token: Some(page_token).filter(|token| !token.is_empty()),
    })
}

fn values(group: Vec<proto::TrendKeyValue>, faults: &mut Faults) -> Vec<(KeyName, String)> {
    if group.len() > KEYS_MAX {
        faults.at(|| "group".into(), "more than 8 keys");
        return Vec::new();
    }
    let mut found: Vec<(KeyName, String)> = Vec::new();
    for (place, proto::TrendKeyValue { key, value }) in group.into_iter().enumerate() {
        let path = |field: &str| format!("group[{place}].{field}");
        if value.is_empty() {
            faults.at(|| path("value"), "missing");
        }
        faults.name(&value, || path("value"));
        match proto::TrendKey::try_from(key).ok().and_then(key_of) {
            None => faults.at(|| path("key"), "missing, or not a value of its enum"),
            Some(key) if found.iter().any(|(known, _)| *known == key) => {
                faults.at(|| path("key"), "a second time");
            }
            Some(key) => found.push((key, value)),
        }
    }
    found
}

fn day(field: &str, text: String, faults: &mut Faults) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    if text.len() != DAY_CHARS || PartialDate::parse(&text).is_none() {
        faults.at(|| field.to_owned(), "not a day such as 2020-01-01");
    }
    Some(text)
}

/// A page as a message.
pub(super) fn answer(answer: &TrendAnswer) -> proto::GetTrendsResponse {
    let releases = answer.releases.iter().map(release);
    proto::GetTrendsResponse {
        releases: releases.collect(),
        statements: answer.statements.iter().filter_map(statement).collect(),
        series: answer.series.iter().filter_map(series).collect(),
        next_page_token: answer.next.clone().unwrap_or_default(),
        total_statements: answer.statements_count as u64,
        total_series: answer.series_count as u64,
        privacy_note: PRIVACY_NOTE.to_owned(),
    }
}

fn release(found: &FoundRelease) -> proto::TrendRelease {
    let release = found.release.release();
    let period = |Period { name, first_day, last_day }: &Period| proto::TrendPeriod {
        name: name.clone(),
        first_day: first_day.clone(),
        last_day: last_day.clone(),
    };
    let keys = release.keys.iter().map(|key| proto::TrendKeyValues {
        key: key_message(key.name).into(),
        values: key.values.iter().map(|value| value.name.clone()).collect(),
    });
    let standard = release.standard.map(|standard| match standard {
        StandardName::Who2000 => "who2000",
        StandardName::Europe2013 => "europe2013",
        StandardName::Us2000 => "us2000",
    });
    proto::TrendRelease {
        name: release.name.clone(),
        title: release.title.clone(),
        source: release.source.clone(),
        synthetic: release.synthetic,
        spec_digest: release.spec_digest.clone(),
        periods: release.periods.iter().map(period).collect(),
        keys: keys.collect(),
        measures: found.measures().map(|each| measure(each, &release.periods)).collect(),
        standard: standard.map(str::to_owned),
        tested: release.tested,
        false_discovery_rate: release.false_discovery_rate,
        points: release.privacy.points,
        suppressed_small: release.privacy.suppressed_small,
        suppressed_beside: release.privacy.suppressed_beside,
    }
}

fn measure(measure: &Measure, periods: &[Period]) -> proto::TrendMeasure {
    let kind = match measure.kind {
        FigureKind::Share => proto::TrendFigureKind::Share,
        FigureKind::Mean => proto::TrendFigureKind::Mean,
        FigureKind::Rate => proto::TrendFigureKind::Rate,
        FigureKind::Outcome => proto::TrendFigureKind::Outcome,
        FigureKind::Risk => proto::TrendFigureKind::Risk,
    };
    let change = |CodingChange { period, from_system, to_system }: &CodingChange| {
        let period = period_name(periods, *period);
        let (from_system, to_system) = (from_system.clone(), to_system.clone());
        proto::TrendCodingChange { period, from_system, to_system }
    };
    proto::TrendMeasure {
        name: measure.name.clone(),
        title: measure.title.clone(),
        kind: kind.into(),
        unit: measure.unit.clone(),
        more_is_worse: measure.more_is_worse,
        task: measure.task.clone(),
        bundle_digest: measure.bundle_digest.clone(),
        concepts: measure.concepts.clone(),
        measured_in_part: measure.is_measured_in_part,
        coding_changes: measure.coding_changes.iter().map(change).collect(),
    }
}

fn period_name(periods: &[Period], place: usize) -> String {
    periods.get(place).map(|period| period.name.clone()).unwrap_or_default()
}

fn statement(found: &FoundStatement) -> Option<proto::TrendStatement> {
    let release = found.release.release();
    let statement = found.statement()?;
    let kind = match statement.kind {
        StatementKind::Trend => proto::TrendStatementKind::Trend,
        StatementKind::Turn => proto::TrendStatementKind::Turn,
        StatementKind::Latest => proto::TrendStatementKind::Latest,
    };
    Some(proto::TrendStatement {
        release: release.name.clone(),
        id: statement.id.clone(),
        measure: statement.measure.clone(),
        group: group_message(&statement.group),
        kind: kind.into(),
        direction: direction_message(statement.direction).into(),
        is_worse: statement.is_worse,
        first_period: period_name(&release.periods, statement.first_period),
        last_period: period_name(&release.periods, statement.last_period),
        before: statement.before,
        after: statement.after,
        change: statement.change,
        change_low: statement.change_low,
        change_high: statement.change_high,
        p_value: statement.p_value,
        q_value: statement.q_value,
        strength: statement.strength,
        text: statement.text.clone(),
        cautions: statement.cautions.clone(),
    })
}

fn series(found: &FoundSeries) -> Option<proto::TrendSeries> {
    let (series, kind) = (found.series()?, found.measure()?.kind);
    Some(proto::TrendSeries {
        release: found.release.release().name.clone(),
        measure: series.measure.clone(),
        group: group_message(&series.group),
        points: found.points().map(|(period, of)| point(period, of, kind)).collect(),
    })
}

fn point(period: &Period, point: &Point, kind: FigureKind) -> proto::TrendPoint {
    proto::TrendPoint {
        period: period.name.clone(),
        people: point.people,
        measured: point.measured,
        hits: point.hits,
        figure: point.figure.map(figure),
        standardised: point.standardised.map(figure),
        smoothed: point.smoothed,
        suppressed: point.is_suppressed(kind),
    }
}

fn figure(figure: Figure) -> proto::TrendFigure {
    let Figure { estimate, low, high, standard_error, freedom } = figure;
    proto::TrendFigure { estimate, low, high, standard_error, freedom }
}

/// A patient among peers, as a message.
pub(super) fn peer(peer: Peer) -> proto::Peer {
    let Peer { risk, measurements, notes, not_available, .. } = peer;
    proto::Peer {
        risk: risk.map(standing),
        measurements: measurements.into_iter().map(standing).collect(),
        notes,
        not_available: not_available.unwrap_or_default(),
    }
}

fn standing(found: PeerStanding) -> proto::PeerStanding {
    proto::PeerStanding {
        concept: found.concept.unwrap_or_default(),
        title: found.title,
        value: found.value,
        unit: found.unit,
        time: Some(timestamp(found.time)),
        group: group_message(&found.group),
        group_text: found.group_text,
        people: found.people,
        percentile: found.standing.percentile,
        percentile_low: found.standing.low,
        percentile_high: found.standing.high,
        direction: direction_message(found.direction).into(),
        text: found.text,
        release: found.release,
        period: found.period,
    }
}

fn group_message(group: &Group) -> Vec<proto::TrendKeyValue> {
    let each = group.0.iter().map(|(key, value)| proto::TrendKeyValue {
        key: key_message(*key).into(),
        value: value.clone(),
    });
    each.collect()
}

fn direction_message(direction: Direction) -> proto::TrendDirection {
    match direction {
        Direction::Rising => proto::TrendDirection::Rising,
        Direction::Falling => proto::TrendDirection::Falling,
        Direction::NoClearChange => proto::TrendDirection::NoClearChange,
        Direction::NotKnown => proto::TrendDirection::NotKnown,
    }
}

fn key_message(key: KeyName) -> proto::TrendKey {
    match key {
        KeyName::AgeBand => proto::TrendKey::AgeBand,
        KeyName::Sex => proto::TrendKey::Sex,
        KeyName::Region => proto::TrendKey::Region,
        KeyName::Facility => proto::TrendKey::Facility,
        KeyName::Race => proto::TrendKey::Race,
        KeyName::Ethnicity => proto::TrendKey::Ethnicity,
        KeyName::Language => proto::TrendKey::Language,
        KeyName::Insurance => proto::TrendKey::Insurance,
    }
}

fn key_of(key: proto::TrendKey) -> Option<KeyName> {
    match key {
        proto::TrendKey::Unspecified => None,
        proto::TrendKey::AgeBand => Some(KeyName::AgeBand),
        proto::TrendKey::Sex => Some(KeyName::Sex),
        proto::TrendKey::Region => Some(KeyName::Region),
        proto::TrendKey::Facility => Some(KeyName::Facility),
        proto::TrendKey::Race => Some(KeyName::Race),
        proto::TrendKey::Ethnicity => Some(KeyName::Ethnicity),
        proto::TrendKey::Language => Some(KeyName::Language),
        proto::TrendKey::Insurance => Some(KeyName::Insurance),
    }
}
