//! How a bundle does on groups of patients, and how far each group is from the rest.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Rows;
use crate::train::metrics::{Core, DRAWS_OF_GROUPS, Estimate, PatientSums, Resampling, enough};
use crate::train::small_cell::nearest_ten;

/// The largest groups of an attribute that are judged; a source may have very many regions.
const GROUPS_MAX: usize = 16;

/// How a bundle did on one group of patients. A figure is `None` where too few patients stand behind
/// it, and where it would give such a figure of another group of the attribute away.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subgroup {
    pub attribute: &'static str,
    pub group: String,
    /// Index times to the nearest ten, so that no subtraction gives a group back that is not shown.
    pub samples_about: u64,
    /// Those with the outcome to the nearest ten.
    pub events_about: Option<u64>,
    /// Weighted share with the outcome, to two significant digits.
    pub prevalence: Option<f64>,
    pub auroc: Option<Estimate>,
    pub observed_over_expected: Option<Estimate>,
    pub calibration_slope: Option<Estimate>,
    /// Share of the group in the highest tier.
    pub flagged: Option<Estimate>,
    /// Share of those in the highest tier with the outcome.
    pub ppv: Option<Estimate>,
    /// Share of the outcomes of the group that the highest tier finds.
    pub sensitivity: Option<Estimate>,
    /// The group less all other patients of whom the attribute is known.
    pub gap: Gap,
}

/// How much higher the figures of a group are than those of the rest of its attribute.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Gap {
    pub auroc: Option<Estimate>,
    pub observed_over_expected: Option<Estimate>,
    pub calibration_slope: Option<Estimate>,
    pub flagged: Option<Estimate>,
    pub ppv: Option<Estimate>,
    pub sensitivity: Option<Estimate>,
}

/// What flagging from a cut upwards does in one group of patients. A figure is `None` where a
/// `Subgroup`'s would be, and where too few patients lie between it and the tier above.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupFlags {
    pub attribute: &'static str,
    pub group: String,
    /// Share of the group that is flagged.
    pub flagged: Option<Estimate>,
    /// Share of its flagged with the outcome.
    pub ppv: Option<Estimate>,
    /// Share of its outcomes that are found.
    pub sensitivity: Option<Estimate>,
    /// Share of its outcomes that are missed: 1 - `sensitivity`.
    pub missed: Option<Estimate>,
}

/// The shares that a cut makes, each with the rows that are counted in it and the rows that are not.
#[derive(Clone, Copy, PartialEq)]
enum Share {
    Prevalence,
    Flagged,
    Ppv,
    Sensitivity,
}

impl Share {
    /// On which side of the share a row is; `None` for one that has no say in it.
    fn side(self, flagged: bool, outcome: bool) -> Option<bool> {
        match self {
            Share::Prevalence => Some(outcome),
            Share::Flagged => Some(flagged),
            Share::Ppv => flagged.then_some(outcome),
            Share::Sensitivity => outcome.then_some(flagged),
        }
    }
}

/// The groups of one attribute.
struct Attribute<'a> {
    rows: &'a Rows<'a>,
    flag_from: f64,
    /// Where the tier above begins, if the same is told of it: what lies between can be had by
    /// subtraction.
    above: Option<f64>,
    /// Of each group its rows, the largest group first.
    groups: Vec<(&'a str, Vec<usize>)>,
    /// Rows of groups that are not named, and of patients of whom the attribute is not known.
    unnamed: Vec<usize>,
}

/// The groups of every attribute that enough patients stand behind, largest first.
pub(in crate::train) fn subgroups(rows: &Rows<'_>, flag_from: f64, seed: u64) -> Vec<Subgroup> {
    let resampling = Resampling::of(&rows.patients, seed);
    let each = grouped(rows).into_iter().flat_map(|(name, groups)| {
        Attribute::of(rows, groups, flag_from, None).judged(name, &resampling)
    });
    each.collect()
}

/// The same groups, with what flagging from `flag_from` upwards does in them; `above` is where the
/// tier above begins, if the same is told of it.
pub(in crate::train) fn group_flags(
    rows: &Rows<'_>,
    flag_from: f64,
    above: Option<f64>,
    seed: u64,
) -> Vec<GroupFlags> {
    let resampling = Resampling::of(&rows.patients, seed);
    let each = grouped(rows).into_iter().flat_map(|(name, groups)| {
        Attribute::of(rows, groups, flag_from, above).flags(name, &resampling)
    });
    each.collect()
}

/// The rows of each group of each attribute.
fn grouped<'a>(rows: &'a Rows<'_>) -> BTreeMap<&'static str, BTreeMap<&'a str, Vec<usize>>> {
    let mut attributes: BTreeMap<&'static str, BTreeMap<&str, Vec<usize>>> = BTreeMap::new();
    for (row, sample) in rows.samples.iter().enumerate() {
        for (attribute, group) in &sample.attributes {
            attributes.entry(attribute).or_default().entry(group).or_default().push(row);
        }
    }
    attributes
}

impl<'a> Attribute<'a> {
    fn of(
        rows: &'a Rows<'a>,
        groups: BTreeMap<&'a str, Vec<usize>>,
        flag_from: f64,
        above: Option<f64>,
    ) -> Attribute<'a> {
        let patients = |of: &[usize]| of.iter().map(|row| rows.patients[*row]).collect::<Vec<_>>();
        let mut found: Vec<(&str, Vec<usize>)> = groups.into_iter().collect();
        found.sort_by_key(|(_, of)| std::cmp::Reverse(of.len()));
        // A group of few patients is not even named.
        found.retain(|(_, of)| enough(patients(of)));
        found.truncate(GROUPS_MAX);
        let mut named = vec![false; rows.p.len()];
        found.iter().flat_map(|(_, of)| of).for_each(|row| named[*row] = true);
        let unnamed = (0..rows.p.len()).filter(|row| !named[*row]).collect();
        Attribute { rows, flag_from, above, groups: found, unnamed }
    }

    /// Whether enough patients are on both sides of a share.
    fn stands(&self, share: Share, of: &[usize]) -> bool {
        [true, false].iter().all(|wanted| {
            let on_it = of.iter().filter(|row| {
                let flagged = self.rows.p[**row] >= self.flag_from;
                share.side(flagged, self.rows.y[**row]) == Some(*wanted)
            });
            enough(on_it.map(|row| self.rows.patients[*row]))
        }) && self.stands_apart(share, of)
    }

    /// Whether nobody or enough patients lie between the cut and the tier above, on each side of the
    /// share.
    fn stands_apart(&self, share: Share, of: &[usize]) -> bool {
        let Some(above) = self.above else { return true };
        let Rows { p, y, patients, .. } = self.rows;
        let between = |row: &&usize| p[**row] >= self.flag_from && p[**row] < above;
        let sides = match share {
            Share::Prevalence => return true,
            Share::Flagged => [None, None],
            Share::Ppv => [Some(true), Some(false)],
            Share::Sensitivity => [Some(true), Some(true)],
        };
        sides.iter().all(|side| {
            let on_it =
                of.iter().filter(between).filter(|row| side.is_none_or(|with| y[**row] == with));
            let mut on_it = on_it.map(|row| patients[*row]).peekable();
            on_it.peek().is_none() || enough(on_it)
        })
    }

    /// Of which groups a share is told. Whoever knows it of the whole could take the told groups away
    /// from it: what is left must be nobody or enough patients, else the smallest told group is left
    /// out as well.
    fn told(&self, share: Share) -> Vec<bool> {
        let mut told: Vec<bool> =
            self.groups.iter().map(|(_, of)| self.stands(share, of)).collect();
        loop {
            let hidden = self.groups.iter().zip(&told).filter(|(_, told)| !**told);
            let left: Vec<usize> =
                hidden.flat_map(|((_, of), _)| of).chain(&self.unnamed).copied().collect();
            let smallest = told.iter().rposition(|told| *told);
            match smallest {
                Some(place) if !left.is_empty() && !self.stands(share, &left) => {
                    told[place] = false
                }
                _ => return told,
            }
        }
    }

    fn judged(&self, name: &'static str, resampling: &Resampling) -> Vec<Subgroup> {
        let shares = [Share::Prevalence, Share::Flagged, Share::Ppv, Share::Sensitivity];
        let told = shares.map(|share| self.told(share));
        let known: Vec<bool> = {
            let mut known = vec![false; self.rows.p.len()];
            self.groups.iter().flat_map(|(_, of)| of).for_each(|row| known[*row] = true);
            known
        };
        let one = |(place, (group, of)): (usize, &(&str, Vec<usize>))| {
            let mut inside = vec![false; known.len()];
            of.iter().for_each(|row| inside[*row] = true);
            let rest: Vec<usize> =
                (0..known.len()).filter(|row| known[*row] && !inside[*row]).collect();
            let told_here = told.each_ref().map(|told| told[place]);
            let gaps = shares.map(|share| self.stands(share, &rest));
            self.subgroup(name, group, [of, &rest], told_here, gaps, resampling)
        };
        self.groups.iter().enumerate().map(one).collect()
    }

    fn flags(&self, name: &'static str, resampling: &Resampling) -> Vec<GroupFlags> {
        let told = [Share::Flagged, Share::Ppv, Share::Sensitivity].map(|share| self.told(share));
        let one = |(place, (group, of)): (usize, &(&str, Vec<usize>))| {
            let sums = self.sums(of, resampling);
            let figures =
                resampling.figures(DRAWS_OF_GROUPS, |times| shares(&sums.drawn(times)).to_vec());
            let figure = |at: usize| figures.estimate(at).filter(|_| told[at][place]);
            GroupFlags {
                attribute: name,
                group: (*group).to_owned(),
                flagged: figure(0),
                ppv: figure(1),
                sensitivity: figure(2),
                missed: figure(2).map(|found| found.falling(|found| 1.0 - found)),
            }
        };
        self.groups.iter().enumerate().map(one).collect()
    }

    /// Rows and flagged rows, and of them those with the outcome, ready to be drawn.
    fn sums(&self, of: &[usize], resampling: &Resampling) -> PatientSums {
        let Rows { p, y, .. } = self.rows;
        let weights = self.rows.weights();
        resampling.of_rows(of).sums(4, |place, sums| {
            let row = of[place];
            let (flagged, with) = (p[row] >= self.flag_from, y[row]);
            let counts = [true, flagged, with, flagged && with];
            for (sum, _) in sums.iter_mut().zip(counts).filter(|(_, counts)| *counts) {
                *sum += weights.of(row);
            }
        })
    }

    /// `of` are the rows of the group and those of the rest; which shares of prevalence, flagged, PPV
    /// and sensitivity are told of the group, and which stand in the rest.
    fn subgroup(
        &self,
        attribute: &'static str,
        group: &str,
        of: [&[usize]; 2],
        told: [bool; 4],
        gaps: [bool; 4],
        resampling: &Resampling,
    ) -> Subgroup {
        let Rows { p, y, .. } = self.rows;
        let weights = self.rows.weights();
        let cores = of.map(|rows| Core::of(rows, (p, y, weights), resampling));
        let sums = of.map(|rows| self.sums(rows, resampling));
        let figures = resampling.figures(DRAWS_OF_GROUPS, |times| {
            let side = |at: usize| {
                let core = cores[at].as_ref().map_or([f64::NAN; 4], |core| core.drawn(times));
                let shares = shares(&sums[at].drawn(times));
                [core[0], core[1], core[2], shares[0], shares[1], shares[2]]
            };
            let (group, rest) = (side(0), side(1));
            let gaps = group.iter().zip(rest).map(|(one, other)| one - other);
            group.iter().copied().chain(gaps).collect()
        });
        let figure = |place: usize, told: bool| figures.estimate(place).filter(|_| told);
        let [prevalence_told, flagged, ppv, sensitivity] = told;
        let events: Vec<usize> = of[0].iter().copied().filter(|row| y[*row]).collect();
        let prevalence = weights.sum(&events) / weights.sum(of[0]);
        Subgroup {
            attribute,
            group: group.to_owned(),
            samples_about: nearest_ten(of[0].len() as u64),
            events_about: prevalence_told.then(|| nearest_ten(events.len() as u64)),
            prevalence: prevalence_told.then(|| two_digits(prevalence)),
            auroc: figure(0, true),
            observed_over_expected: figure(1, true),
            calibration_slope: figure(2, true),
            flagged: figure(3, flagged),
            ppv: figure(4, ppv),
            sensitivity: figure(5, sensitivity),
            gap: Gap {
                auroc: figure(6, true),
                observed_over_expected: figure(7, true),
                calibration_slope: figure(8, true),
                flagged: figure(9, flagged && gaps[1]),
                ppv: figure(10, ppv && gaps[2]),
                sensitivity: figure(11, sensitivity && gaps[3]),
            },
        }
    }
}

/// Flagged, PPV and sensitivity of what `Attribute::sums` gives.
fn shares(sums: &[f64]) -> [f64; 3] {
    let [all, flagged, with, found] = sums else { return [f64::NAN; 3] };
    [flagged / all, found / flagged, found / with]
}

/// To two significant digits.
fn two_digits(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let unit = 10f64.powf(value.log10().floor() - 1.0);
    (value / unit).round() * unit
}
