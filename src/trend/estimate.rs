//! From counts to a figure: the estimate of a group, its standard error and its 95% interval.
//!
//! All kinds are one ratio, sum y / sum x over people, so that there is one variance: that of a ratio
//! by Taylor linearisation, over people, or of a survey over the sampling units of its strata (Cochran
//! 1977, Sampling Techniques, chapters 6 and 11). How an interval is made of it is the kind's.

use std::collections::{BTreeMap, BTreeSet};

use super::chance::{around, at_the_end, garwood, two_sided_quantile, wilson};
use super::release::{Figure, FigureKind};
use super::tally::{Amount, Tally};
use crate::model::{logit, sigmoid};

/// Rates are told per so many person-years.
pub(super) const PERSON_YEARS: f64 = 1000.0;

/// The figure of what was counted, in the unit of its kind; `None` where there is nothing to make it
/// of. `design`: by the survey's weights and sampling units, with all units (stratum and primary sampling
/// unit) that anybody of the population is from, in this group or not.
///
/// - Shares: Wilson; exact (Clopper-Pearson) at 0 and 1.
/// - Outcomes, of which a person may have several: Wilson by the number of independent ones that has
///   the same variance.
/// - Rates per 1,000 person-years: exact Poisson, by the number of contacts with the same variance
///   where people differ more than Poisson has them differ.
/// - Means and risks: Student's t. Surveys: Student's t, of shares and outcomes on the log-odds.
pub fn estimate(
    tally: &Tally,
    kind: FigureKind,
    design: Option<&BTreeSet<(i64, i64)>>,
) -> Option<Figure> {
    let figure = match design {
        Some(units) => of_survey(tally, kind, units)?,
        None => of_people(tally, kind)?,
    };
    let Figure { estimate, low, high, standard_error, .. } = figure;
    let numbers = [estimate, low, high, standard_error];
    numbers.iter().all(|number| number.is_finite()).then_some(figure)
}

fn of_people(tally: &Tally, kind: FigureKind) -> Option<Figure> {
    let people = tally.measured as f64;
    let (y, x) = (tally.y.value(), tally.x.value());
    if people < 1.0 || x <= 0.0 {
        return None;
    }
    let ratio = y / x;
    let variance = linearised(tally, ratio);
    match kind {
        FigureKind::Share => {
            let standard_error = (ratio * (1.0 - ratio) / people).max(0.0).sqrt();
            Some(figure(ratio, standard_error, share_bounds(ratio, people, people)))
        }
        FigureKind::Outcome => {
            let binomial = (ratio * (1.0 - ratio)).max(0.0);
            // People whose outcomes balance each other give no more than so many independent ones.
            let variance = variance.unwrap_or(0.0).max(binomial / x);
            let independent = if variance > 0.0 { binomial / variance } else { people };
            let bounds = share_bounds(ratio, independent, people);
            Some(figure(ratio, variance.sqrt(), bounds))
        }
        FigureKind::Rate => {
            let poisson = y / (x * x);
            let variance = variance.unwrap_or(0.0).max(poisson);
            let dispersion = if poisson > 0.0 { variance / poisson } else { 1.0 };
            let (low, high) = garwood(y / dispersion);
            let unit = PERSON_YEARS * dispersion / x;
            let standard_error = PERSON_YEARS * variance.sqrt();
            Some(figure(PERSON_YEARS * ratio, standard_error, (unit * low, unit * high)))
        }
        FigureKind::Mean | FigureKind::Risk => {
            let standard_error = variance?.sqrt();
            let bounds = around(ratio, standard_error, people - 1.0);
            Some(figure(ratio, standard_error, within(kind, bounds)))
        }
    }
}

/// The variance of the ratio over people; `None` of one person.
fn linearised(tally: &Tally, ratio: f64) -> Option<f64> {
    let people = tally.measured as f64;
    let (yy, xy, xx) = (tally.yy.value(), tally.xy.value(), tally.xx.value());
    let squares = yy - 2.0 * ratio * xy + ratio * ratio * xx;
    // What is left of sums of this size by rounding is nothing.
    let noise = 1e-13 * (yy + ratio * ratio * xx);
    let squares = if squares > noise { squares } else { 0.0 };
    (people > 1.0).then(|| people / (people - 1.0) * squares / tally.x.value().powi(2))
}

/// The interval of a share: `independent` people's, at 0 and 1 that of the `people` there are.
fn share_bounds(share: f64, independent: f64, people: f64) -> (f64, f64) {
    if share <= 0.0 || share >= 1.0 {
        at_the_end(share, people)
    } else {
        wilson(share, independent)
    }
}

fn figure(estimate: f64, standard_error: f64, (low, high): (f64, f64)) -> Figure {
    Figure { estimate, low, high, standard_error, freedom: None }
}

/// The bounds within what the kind can be.
pub(super) fn within(kind: FigureKind, (low, high): (f64, f64)) -> (f64, f64) {
    match kind {
        FigureKind::Mean => (low, high),
        FigureKind::Rate => (low.max(0.0), high),
        FigureKind::Share | FigureKind::Outcome | FigureKind::Risk => (low.max(0.0), high.min(1.0)),
    }
}

fn of_survey(tally: &Tally, kind: FigureKind, all: &BTreeSet<(i64, i64)>) -> Option<Figure> {
    let (y, x) = tally
        .design
        .values()
        .fold((0.0, 0.0), |(of_y, of_x), (y, x)| (of_y + y.value(), of_x + x.value()));
    // Of one sampling unit nothing says how units differ.
    if x <= 0.0 || tally.design.len() < 2 {
        return None;
    }
    let ratio = y / x;
    let freedom = freedom(tally);
    let standard_error = between_units(tally, all, ratio, x).sqrt();
    let is_share = matches!(kind, FigureKind::Share | FigureKind::Outcome);
    let bounds = if is_share && (ratio <= 0.0 || ratio >= 1.0) {
        at_the_end(ratio, tally.measured as f64)
    } else if is_share {
        let reach = two_sided_quantile(0.05, freedom as f64) * standard_error;
        let reach = reach / (ratio * (1.0 - ratio));
        (sigmoid(logit(ratio) - reach), sigmoid(logit(ratio) + reach))
    } else {
        within(kind, around(ratio, standard_error, freedom as f64))
    };
    let scale = if kind == FigureKind::Rate { PERSON_YEARS } else { 1.0 };
    Some(Figure {
        estimate: scale * ratio,
        low: scale * bounds.0,
        high: scale * bounds.1,
        standard_error: scale * standard_error,
        freedom: u32::try_from(freedom).ok(),
    })
}

/// Degrees of freedom of a group's standard error: the units with anybody of the group less the strata
/// with anybody (Johnson et al. 2013, NHANES: analytic guidelines 1999-2010, Vital Health Stat 2(161)).
fn freedom(tally: &Tally) -> usize {
    let strata: BTreeSet<i64> = tally.design.keys().map(|(stratum, _)| *stratum).collect();
    tally.design.len().saturating_sub(strata.len()).max(1)
}

/// The variance of the ratio between the sampling units within strata, units drawn with replacement.
/// Of `all` units those without anybody of the group are in it with nothing: by chance the group might
/// have been there too (Cochran on domains of study).
fn between_units(tally: &Tally, all: &BTreeSet<(i64, i64)>, ratio: f64, x: f64) -> f64 {
    let mut parts: BTreeMap<(i64, i64), f64> = all.iter().map(|unit| (*unit, 0.0)).collect();
    let of_unit = |(y, of_x): &(Amount, Amount)| (y.value() - ratio * of_x.value()) / x;
    parts.extend(tally.design.iter().map(|(unit, sums)| (*unit, of_unit(sums))));
    let parts: Vec<(i64, f64)> =
        parts.into_iter().map(|((stratum, _), part)| (stratum, part)).collect();
    let mut variance = 0.0;
    for stratum in parts.chunk_by(|one, next| one.0 == next.0) {
        let units = stratum.len() as f64;
        let sum: f64 = stratum.iter().map(|(_, part)| part).sum();
        // The only unit of its stratum is held against the mean of all units, which is 0: its stratum
        // would else seem to vary by nothing.
        let (mean, scale) =
            if units < 2.0 { (0.0, 1.0) } else { (sum / units, units / (units - 1.0)) };
        let squares: f64 = stratum.iter().map(|(_, part)| (part - mean).powi(2)).sum();
        variance += scale * squares;
    }
    variance
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1e-6), "{found} {expected}");
    }

    fn tally(people: &[(f64, f64)]) -> Tally {
        let mut tally = Tally::default();
        people.iter().for_each(|(y, x)| tally.person(*y, *x));
        tally
    }

    fn units(tally: &Tally) -> BTreeSet<(i64, i64)> {
        tally.design.keys().copied().collect()
    }

    #[test]
    fn a_share_has_wilson_s_interval_and_at_the_ends_the_exact_one() {
        let mut people = vec![(1.0, 1.0); 3];
        people.extend([(0.0, 1.0); 17]);
        let found = estimate(&tally(&people), FigureKind::Share, None).unwrap();
        close(found.estimate, 0.15);
        assert!((found.low - 0.052_369).abs() < 1e-6 && (found.high - 0.360_419).abs() < 1e-6);
        close(found.standard_error, (0.15f64 * 0.85 / 20.0).sqrt());
        let none = estimate(&tally(&[(0.0, 1.0); 20]), FigureKind::Share, None).unwrap();
        assert!(none.low == 0.0 && (none.high - 0.168_433_5).abs() < 1e-6, "{none:?}");
        let all = estimate(&tally(&[(1.0, 1.0); 20]), FigureKind::Share, None).unwrap();
        assert!(all.high == 1.0 && (all.low - 0.831_566_5).abs() < 1e-6, "{all:?}");
    }

    #[test]
    fn outcomes_of_the_same_people_count_for_less() {
        let once = [vec![(1.0, 1.0); 40], vec![(0.0, 1.0); 60]].concat();
        let often = [vec![(4.0, 4.0); 10], vec![(0.0, 4.0); 15]].concat();
        let [once, often] = [once, often]
            .map(|people| estimate(&tally(&people), FigureKind::Outcome, None).unwrap());
        close(once.estimate, often.estimate);
        // A quarter of the people: twice the standard error (n - 1 aside).
        close(often.standard_error, (0.24f64 / 24.0).sqrt());
        assert!(often.high - often.low > 1.8 * (once.high - once.low));
    }

    #[test]
    fn rates_are_poisson_s_until_people_differ_more() {
        let even = [vec![(1.0, 1.0); 10], vec![(0.0, 1.0); 90]].concat();
        let found = estimate(&tally(&even), FigureKind::Rate, None).unwrap();
        close(found.estimate, 100.0);
        assert!((found.low - 47.953_89).abs() < 1e-3 && (found.high - 183.903_56).abs() < 1e-3);
        let uneven = [vec![(10.0, 1.0); 1], vec![(0.0, 1.0); 99]].concat();
        let wide = estimate(&tally(&uneven), FigureKind::Rate, None).unwrap();
        close(wide.estimate, 100.0);
        close(wide.standard_error, 100.0);
        assert!(wide.high - wide.low > 2.5 * (found.high - found.low), "{wide:?}");
        let none = estimate(&tally(&[(0.0, 0.5); 20]), FigureKind::Rate, None).unwrap();
        assert!(none.low == 0.0 && (none.high - 368.887_9).abs() < 1e-3, "{none:?}");
    }

    #[test]
    fn a_mean_has_student_s_interval() {
        let people: Vec<(f64, f64)> =
            [120.0, 130.0, 140.0, 150.0].map(|value| (value, 1.0)).to_vec();
        let found = estimate(&tally(&people), FigureKind::Mean, None).unwrap();
        close(found.estimate, 135.0);
        close(found.standard_error, (500.0f64 / 3.0 / 4.0).sqrt());
        // R: t.test(c(120, 130, 140, 150)): 114.4574 to 155.5426
        assert!((found.low - 114.457_4).abs() < 1e-3 && (found.high - 155.542_6).abs() < 1e-3);
        assert!(estimate(&tally(&people[..1]), FigureKind::Mean, None).is_none());
        let same = estimate(&tally(&[(131.7, 1.0); 7]), FigureKind::Mean, None).unwrap();
        assert!(same.standard_error == 0.0 && same.low == same.high);
    }

    #[test]
    fn nothing_gives_no_figure() {
        for kind in [FigureKind::Share, FigureKind::Rate, FigureKind::Mean] {
            assert!(estimate(&Tally::default(), kind, None).is_none());
            assert!(estimate(&Tally::default(), kind, Some(&BTreeSet::new())).is_none());
        }
    }

    /// Two strata of two units, by hand: z = +-0.05 and +-0.1, variance 2 * (2 * 0.05^2 + 2 * 0.1^2).
    #[test]
    fn a_survey_s_variance_is_between_units_within_strata() {
        let mut sample = Tally::default();
        for (stratum, unit, hits) in [(1, 1, 30), (1, 2, 10), (2, 1, 40), (2, 2, 0)] {
            for person in 0..50 {
                sample.weighted(f64::from(u8::from(person < hits)), 1.0, 2.0, (stratum, unit));
                sample.measured += 1;
            }
        }
        let found = estimate(&sample, FigureKind::Share, Some(&units(&sample))).unwrap();
        close(found.estimate, 0.4);
        close(found.standard_error, 0.05f64.sqrt());
        assert_eq!(found.freedom, Some(2));
        let alone: Tally = {
            let mut alone = sample.clone();
            alone.design.retain(|(stratum, unit), _| *stratum == 1 || *unit == 1);
            alone
        };
        let found = estimate(&alone, FigureKind::Share, Some(&units(&alone))).unwrap();
        assert!(found.standard_error > 0.0 && found.freedom == Some(1), "{found:?}");
    }

    /// A stratum of three units, of which the group is in two that have the same z = a, and one with
    /// z = -2 a in a stratum of two: by hand a^2 + 4 a^2. Without the empty units both would seem to
    /// vary less.
    #[test]
    fn units_without_anybody_of_the_group_are_in_its_variance() {
        let mut group = Tally::default();
        for (stratum, unit, hits) in [(1, 1, 15), (1, 2, 15), (2, 1, 0)] {
            for person in 0..50 {
                group.weighted(f64::from(u8::from(person < hits)), 1.0, 2.0, (stratum, unit));
                group.measured += 1;
            }
        }
        let mut all = units(&group);
        all.extend([(1, 3), (2, 2), (3, 1), (3, 2)]);
        let found = estimate(&group, FigureKind::Share, Some(&all)).unwrap();
        close(found.estimate, 0.2);
        let part: f64 = (15.0 - 50.0 * 0.2) / 150.0;
        close(found.standard_error, (5.0 * part * part).sqrt());
        assert_eq!(found.freedom, Some(1));
        let without = estimate(&group, FigureKind::Share, Some(&units(&group))).unwrap();
        close(without.standard_error, 2.0 * part);
    }

    /// Platelets per litre, and risks far below a thousandth, vary as numbers of any other size do.
    #[test]
    fn numbers_of_any_size_have_their_standard_error() {
        for (size, kind) in
            [(2.5e10, FigureKind::Mean), (5e-5, FigureKind::Risk), (1e-7, FigureKind::Risk)]
        {
            let people: Vec<(f64, f64)> =
                (0..100).map(|person| (size * [8.0, 12.0][person % 2], 1.0)).collect();
            let found = estimate(&tally(&people), kind, None).unwrap();
            assert!((found.estimate / (10.0 * size) - 1.0).abs() < 1e-12, "{found:?}");
            let expected = size * (4.0f64 / 99.0).sqrt();
            assert!((found.standard_error / expected - 1.0).abs() < 1e-9, "{found:?}");
        }
    }
}
