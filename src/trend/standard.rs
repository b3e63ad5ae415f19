//! Direct standardisation by age and sex: what a figure would be if all groups had the ages of one
//! published population and as many men as women.
//!
//! It is found from released figures alone, and only where every stratum it needs is shown. Women and
//! men count alike; people of another or unknown sex are in no stratum, because no standard population
//! has a share of them. Where the specification's ages do not span all ages, the standard's weights
//! are used of the bands there are; bands need not be its groups of five years. Surveys get none: their strata share sampling units, and how the
//! figures of strata go together is not in the release.

use std::collections::BTreeMap;

use thiserror::Error;

use super::chance::{around, at_the_end, gamma_quantile, wilson};
use super::estimate::within;
use super::params::{KeyName, StandardName};
use super::release::{Figure, FigureKind, Group, Key, KeyValue, Point, Release};

/// The width of a standard population's age groups.
const GROUP_YEARS: u32 = 5;
/// Up to here, without this year itself, the last group of a population is taken to reach.
const OPEN_END_YEARS: u32 = 100;

/// WHO World Standard 2000-2025, percent from 0-4 to 100 and over; Ahmad et al. 2001, Age
/// standardization of rates: a new WHO standard, GPE Discussion Paper 31, table 4. As printed it adds
/// up to 100.035.
const WHO_2000: [f64; 21] = [
    8.86, 8.69, 8.60, 8.47, 8.22, 7.93, 7.61, 7.15, 6.59, 6.04, 5.37, 4.55, 3.72, 2.96, 2.21, 1.52,
    0.91, 0.44, 0.15, 0.04, 0.005,
];

/// European Standard Population 2013, of 100,000 from 0-4 to 95 and over; Eurostat 2013, Revision of
/// the European Standard Population. Its groups under 1 (1,000) and 1-4 (4,000) are together here.
const EUROPE_2013: [f64; 20] = [
    5000.0, 5500.0, 5500.0, 5500.0, 6000.0, 6000.0, 6500.0, 7000.0, 7000.0, 7000.0, 7000.0, 6500.0,
    6000.0, 5500.0, 5000.0, 4000.0, 2500.0, 1500.0, 800.0, 200.0,
];

/// United States standard million 2000 from 0-4 to 85 and over; Klein and Schoenborn 2001, Age
/// adjustment using the 2000 projected U.S. population, Healthy People Statistical Notes 20. Its
/// groups under 1 (13,818) and 1-4 (55,317) are together here.
const US_2000: [f64; 18] = [
    69135.0, 72533.0, 73032.0, 72169.0, 66478.0, 64529.0, 71044.0, 80762.0, 81851.0, 72118.0,
    62716.0, 48454.0, 38793.0, 34264.0, 31773.0, 26999.0, 17842.0, 15508.0,
];

/// The sexes that a standard has, each with half of its people.
const SEXES: [&str; 2] = ["female", "male"];

/// Why a standard population cannot be used with the age bands of a specification.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StandardError {
    #[error("standardisation needs the key `age_band` in a group, and `age_band_starts_years`")]
    NoBands,
    #[error("age band `{band}` has no ages that the standard population has")]
    Ages { band: String },
}

fn groups(population: StandardName) -> &'static [f64] {
    match population {
        StandardName::Who2000 => &WHO_2000,
        StandardName::Europe2013 => &EUROPE_2013,
        StandardName::Us2000 => &US_2000,
    }
}

/// Whether the age bands, values of the key `age_band`, can be weighted by the population.
///
/// # Errors
/// No bands, or the first one, by name, whose ages are unknown or beyond those of the population.
pub fn check_bands(population: StandardName, bands: &[KeyValue]) -> Result<(), StandardError> {
    if bands.is_empty() {
        return Err(StandardError::NoBands);
    }
    bands.iter().try_for_each(|band| weight(population, band).map(|_| ()))
}

/// The people of the population in an age band, of as many as the population has; only to be compared
/// with each other.
///
/// A band that begins or ends inside a group takes a part of it, split evenly by single years: 18-39
/// takes two fifths of 15-19. The last, open group counts as evenly spread up to 99 years, or over
/// five years where it begins at 100.
fn weight(population: StandardName, band: &KeyValue) -> Result<f64, StandardError> {
    let none = || StandardError::Ages { band: band.name.clone() };
    if (band.age_years_min, band.age_years_max) == (None, None) {
        return Err(none());
    }
    let groups = groups(population);
    let start = band.age_years_min.unwrap_or(0);
    let end = band.age_years_max.map_or(u32::MAX, |oldest| oldest.saturating_add(1));
    let mut people = 0.0;
    for (from, (place, group)) in (0..).step_by(GROUP_YEARS as usize).zip(groups.iter().enumerate())
    {
        let closed = from + GROUP_YEARS;
        let until = if place + 1 == groups.len() { closed.max(OPEN_END_YEARS) } else { closed };
        let years = end.min(until).saturating_sub(start.max(from));
        people += group * f64::from(years) / f64::from(until - from);
    }
    if people > 0.0 { Ok(people) } else { Err(none()) }
}

/// Gives every point of a series without the key `age_band` its standardised figure, where all strata
/// are shown; takes away what was there before.
pub(super) fn standardise(release: &mut Release) {
    let found = release.standard.and_then(|population| all(release, population));
    let mut found = found.unwrap_or_default().into_iter();
    for series in &mut release.series {
        let mut figures = found.next().unwrap_or_default().into_iter();
        for point in &mut series.points {
            point.standardised = figures.next().flatten();
        }
    }
}

/// For each series the figures of its points, none for one that is not standardised.
fn all(release: &Release, population: StandardName) -> Option<Vec<Vec<Option<Figure>>>> {
    let key = |name: KeyName| release.keys.iter().find(|key| key.name == name);
    let bands = weights(population, key(KeyName::AgeBand)?)?;
    let has_sexes = key(KeyName::Sex)
        .is_some_and(|key| SEXES.iter().all(|sex| key.values.iter().any(|v| v.name == *sex)));
    let points: BTreeMap<(&str, &Group), &[Point]> = release
        .series
        .iter()
        .map(|series| ((series.measure.as_str(), &series.group), series.points.as_slice()))
        .collect();
    let kinds: BTreeMap<&str, FigureKind> =
        release.measures.iter().map(|measure| (measure.name.as_str(), measure.kind)).collect();
    let figures = |series: &super::release::Series| {
        let measure = series.measure.as_str();
        let kind = *kinds.get(measure)?;
        if series.group.0.contains_key(&KeyName::AgeBand) {
            return None;
        }
        // Sex counts where it is crossed with the rest; a group of one sex is standardised by age.
        let is_mixed = has_sexes && !series.group.0.contains_key(&KeyName::Sex);
        let by_both = is_mixed.then(|| strata(&series.group, &bands, &SEXES));
        let by_age = strata(&series.group, &bands, &[]);
        let shown = |strata: &[(Group, f64)]| -> Option<Vec<(&[Point], f64)>> {
            let of = |(group, weight): &(Group, f64)| {
                points.get(&(measure, group)).map(|points| (*points, *weight))
            };
            strata.iter().map(of).collect()
        };
        let strata = by_both.and_then(|both| shown(&both)).or_else(|| shown(&by_age))?;
        Some((0..series.points.len()).map(|period| direct(&strata, period, kind)).collect())
    };
    Some(release.series.iter().map(|series| figures(series).unwrap_or_default()).collect())
}

/// The name and the weight of each age band; they add up to 1.
fn weights(population: StandardName, key: &Key) -> Option<Vec<(String, f64)>> {
    let weighed: Result<Vec<(String, f64)>, StandardError> = key
        .values
        .iter()
        .map(|band| weight(population, band).map(|weight| (band.name.clone(), weight)))
        .collect();
    let weighed = weighed.ok()?;
    let sum: f64 = weighed.iter().map(|(_, weight)| weight).sum();
    Some(weighed.into_iter().map(|(name, weight)| (name, weight / sum)).collect())
}

/// The groups inside `group` by age band, and by sex where there are `sexes`, with their weights.
fn strata(group: &Group, bands: &[(String, f64)], sexes: &[&str]) -> Vec<(Group, f64)> {
    let mut strata = Vec::new();
    for (band, weight) in bands {
        let mut values = group.0.clone();
        values.insert(KeyName::AgeBand, band.clone());
        for sex in sexes {
            let mut values = values.clone();
            values.insert(KeyName::Sex, (*sex).to_owned());
            strata.push((Group(values), weight / sexes.len() as f64));
        }
        if sexes.is_empty() {
            strata.push((Group(values), *weight));
        }
    }
    strata
}

/// The weighted mean of the strata's figures in a period, with the interval of its kind: of shares
/// Wilson's with the number of people who give the same variance, of rates Fay and Feuer's (1997, Stat
/// Med 16:791), of means and risks the normal one.
fn direct(strata: &[(&[Point], f64)], period: usize, kind: FigureKind) -> Option<Figure> {
    let (mut estimate, mut variance, mut people, mut heaviest) = (0.0, 0.0, 0.0, 0.0f64);
    for (points, weight) in strata {
        let point = points.get(period)?;
        let (figure, measured) = (point.figure?, point.measured.filter(|measured| *measured > 0)?);
        if figure.freedom.is_some() {
            return None;
        }
        let measured = measured as f64;
        estimate += weight * figure.estimate;
        variance += weight * weight * spread(&figure, measured, kind);
        people += measured;
        heaviest = heaviest.max(weight * one_more(&figure));
    }
    let standard_error = variance.sqrt();
    let (low, high) = match kind {
        FigureKind::Share | FigureKind::Outcome if estimate <= 0.0 || estimate >= 1.0 => {
            at_the_end(estimate.clamp(0.0, 1.0), people)
        }
        FigureKind::Share | FigureKind::Outcome => {
            wilson(estimate, estimate * (1.0 - estimate) / variance)
        }
        FigureKind::Rate => fay_feuer(estimate, variance, heaviest),
        FigureKind::Mean | FigureKind::Risk => {
            within(kind, around(estimate, standard_error, f64::INFINITY))
        }
    };
    let numbers = [estimate, low, high, standard_error];
    let is_sound = numbers.iter().all(|number| number.is_finite());
    is_sound.then_some(Figure { estimate, low, high, standard_error, freedom: None })
}

/// The variance of a stratum's figure. A share that is 0 or 1 by chance still varies: it counts as if
/// half of a person more had been seen on either side.
fn spread(figure: &Figure, measured: f64, kind: FigureKind) -> f64 {
    let is_share = matches!(kind, FigureKind::Share | FigureKind::Outcome);
    if is_share && figure.standard_error <= 0.0 {
        let share = (figure.estimate * measured + 0.5) / (measured + 1.0);
        return share * (1.0 - share) / measured;
    }
    figure.standard_error.powi(2)
}

/// What one contact more adds to a rate: by how far it varies, or at 0 by how high it may be.
pub(super) fn one_more(rate: &Figure) -> f64 {
    if rate.estimate > 0.0 {
        rate.standard_error.powi(2) / rate.estimate
    } else {
        rate.high / gamma_quantile(1.0, 0.975)
    }
}

/// The interval of a weighted sum of Poisson rates; `heaviest`: what one contact more adds at most.
fn fay_feuer(rate: f64, variance: f64, heaviest: f64) -> (f64, f64) {
    let bound = |rate: f64, variance: f64, probability: f64| {
        if rate <= 0.0 || variance <= 0.0 {
            return 0.0;
        }
        variance / rate * gamma_quantile(rate * rate / variance, probability)
    };
    let low = bound(rate, variance, 0.025);
    (low, bound(rate + heaviest, variance + heaviest * heaviest, 0.975))
}

#[cfg(test)]
mod tests;
