//! What follows from flagging: at a cut, for a share of the rows, and along all cuts.

use serde::Serialize;

use super::estimate::Estimate;
use super::groups::{Crowd, enough};
use super::ranking::Ranked;
use super::resampling::{DRAWS, Resampling};
use super::usable;
use crate::model::Weights;

/// No curve has more points.
const POINTS_MAX: usize = 100;
/// No distribution has more bands.
const BANDS_MAX: usize = 20;

/// What follows from flagging every row at or above a cut, in weighted shares; a figure with too few
/// patients behind it is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThresholdRow {
    /// The cut, a probability.
    pub cut: f64,
    /// Share of rows that are flagged: a hundred times it is the alerts per 100 index times.
    pub flagged: Option<Estimate>,
    /// Share of flagged rows with the outcome (precision).
    pub ppv: Option<Estimate>,
    /// Share of rows with the outcome that are flagged (recall).
    pub sensitivity: Option<Estimate>,
    /// Share of rows without the outcome that are not flagged.
    pub specificity: Option<Estimate>,
    /// True flags per row less false flags per row, the latter times the odds of the cut (Vickers and
    /// Elkin 2006); `None` also for a cut of 1, which has no odds.
    pub net_benefit: Option<Estimate>,
}

/// What follows from flagging the share of the rows with the highest probabilities. Of rows that tie
/// at the cut the same part of each is flagged, which is what drawing lots among them gives on
/// average.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopShareRow {
    /// The share that is flagged: a hundred times it is the alerts per 100 index times.
    pub top_share: f64,
    /// The lowest probability that is flagged.
    pub cut: f64,
    /// Share of flagged rows with the outcome (precision).
    pub ppv: Estimate,
    /// Share of rows with the outcome that are flagged (recall).
    pub sensitivity: Estimate,
    /// Share of rows without the outcome that are not flagged.
    pub specificity: Estimate,
}

/// One cut of the curves: (1 - specificity, sensitivity) is a point of the ROC curve, (sensitivity,
/// ppv) one of precision by recall, (cut, net benefit) one of the decision curve. Between two
/// neighbouring cuts, and beyond the first and the last, stand at least eleven patients with the
/// outcome and eleven without, or nobody.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Rows at or above this probability are flagged.
    pub cut: f64,
    /// Share of rows that are flagged.
    pub flagged: f64,
    /// Share of flagged rows with the outcome.
    pub ppv: f64,
    /// Share of rows with the outcome that are flagged.
    pub sensitivity: f64,
    /// Share of rows without the outcome that are not flagged.
    pub specificity: f64,
    /// True flags per row less false flags per row, the latter times the odds of the cut (Vickers and
    /// Elkin 2006). Flagging nobody has 0.
    pub net_benefit: f64,
    /// The same of flagging everybody.
    pub net_benefit_of_all: f64,
}

/// How the probabilities lie by outcome: the rows from one probability to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScoreBand {
    /// The lowest probability of the band; 0 for the first.
    pub from: f64,
    /// Where the next one begins; 1 for the last.
    pub to: f64,
    /// Share of the rows with the outcome that lie in it.
    pub with_outcome: f64,
    /// Share of the rows without the outcome that lie in it.
    pub without_outcome: f64,
}

/// The rows that count, alone.
struct Counted {
    p: Vec<f64>,
    y: Vec<bool>,
    patients: Vec<u32>,
    weights: Option<Vec<f64>>,
}

impl Counted {
    fn of(p: &[f64], y: &[bool], patients: &[u32], weights: Weights<'_>) -> Option<Counted> {
        if !usable(p, y, weights) || p.len() != patients.len() {
            return None;
        }
        let rows = weights.counted(0..p.len());
        Some(Counted {
            p: rows.iter().map(|row| p[*row]).collect(),
            y: rows.iter().map(|row| y[*row]).collect(),
            patients: rows.iter().map(|row| patients[*row]).collect(),
            weights: weights.of_rows(&rows),
        })
    }

    fn weights(&self) -> Weights<'_> {
        Weights::from(&self.weights)
    }

    /// Whether enough patients have a row in each of the four fields of a cut: flagged or not, with
    /// the outcome or without.
    fn fields(&self, cut: f64) -> [[bool; 2]; 2] {
        [true, false].map(|flagged| {
            [true, false].map(|with| {
                let inside = |row: &usize| (self.p[*row] >= cut) == flagged && self.y[*row] == with;
                enough((0..self.p.len()).filter(inside).map(|row| self.patients[row]))
            })
        })
    }
}

/// One line per cut, in the order of `cuts`; patients are drawn by `seed`.
pub fn threshold_table(
    p: &[f64],
    y: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    cuts: &[f64],
    seed: u64,
) -> Vec<ThresholdRow> {
    let Some(counted) = Counted::of(p, y, patients, weights) else { return Vec::new() };
    let (p, y, weights) = (&counted.p, &counted.y, counted.weights());
    let resampling = Resampling::of(&counted.patients, seed);
    let sums = resampling.sums(2 + 2 * cuts.len(), |row, sums| {
        let side = usize::from(!y[row]);
        sums[side] += weights.of(row);
        for (place, _) in cuts.iter().enumerate().filter(|(_, cut)| p[row] >= **cut) {
            sums[2 + 2 * place + side] += weights.of(row);
        }
    });
    let figures = resampling.figures(DRAWS, |times| {
        let sums = sums.drawn(times);
        let (with, without) = (sums[0], sums[1]);
        let found = sums[2..].chunks_exact(2).zip(cuts).flat_map(|(found, cut)| {
            let (flagged, all) = (found[0] + found[1], with + without);
            let benefit = (found[0] - found[1] * cut / (1.0 - cut)) / all;
            let specificity = 1.0 - found[1] / without;
            [flagged / all, found[0] / flagged, found[0] / with, specificity, benefit]
        });
        found.collect()
    });
    let line = |(place, cut): (usize, &f64)| {
        // A share is told if enough patients are in the part and in the rest: it gives its count
        // away to whoever knows the whole.
        let [flagged, others] = counted.fields(*cut);
        let side = |flagged: bool| {
            let inside = |row: &usize| (p[*row] >= *cut) == flagged;
            enough((0..p.len()).filter(inside).map(|row| counted.patients[row]))
        };
        let figure = |at: usize, told: bool| figures.estimate(5 * place + at).filter(|_| told);
        ThresholdRow {
            cut: *cut,
            flagged: figure(0, side(true) && side(false)),
            ppv: figure(1, flagged[0] && flagged[1]),
            sensitivity: figure(2, flagged[0] && others[0]),
            specificity: figure(3, flagged[1] && others[1]),
            net_benefit: figure(4, flagged[0] && flagged[1]),
        }
    };
    cuts.iter().enumerate().map(line).collect()
}

/// One line for each of `shares` (rising, between 0 and 1) that enough patients stand behind: with and
/// without the outcome, among the flagged, among the others, and among those that a line takes in
/// beyond the line before.
pub fn top_shares(
    p: &[f64],
    y: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    shares: &[f64],
    seed: u64,
) -> Vec<TopShareRow> {
    let Some(counted) = Counted::of(p, y, patients, weights) else { return Vec::new() };
    let (p, y, weights) = (&counted.p, &counted.y, counted.weights());
    let quantiles = super::Quantiles::of(&p.iter().map(|p| -p).collect::<Vec<f64>>(), weights);
    let mut told: Vec<(f64, f64)> = Vec::new();
    for share in shares {
        let cut = -quantiles.at(*share - 1e-12);
        let before = told.last().map(|(_, cut)| *cut);
        let taken = |row: &usize| p[*row] >= cut && before.is_none_or(|before| p[*row] < before);
        let stands = |inside: &dyn Fn(&usize) -> bool| {
            [true, false].iter().all(|with| {
                let rows = (0..p.len()).filter(|row| inside(row) && y[*row] == *with);
                enough(rows.map(|row| counted.patients[row]))
            })
        };
        let same = before == Some(cut);
        if (same || stands(&taken)) && stands(&|row| p[*row] < cut) {
            told.push((*share, cut));
        }
    }
    let shares: Vec<f64> = told.iter().map(|(share, _)| *share).collect();
    let resampling = Resampling::of(&counted.patients, seed);
    let ranked = Ranked::of(p, y, weights, &resampling);
    let figures = resampling.figures(DRAWS, |times| {
        let found = ranked.descent(times, &shares);
        let lines = found.top.iter().flat_map(|top| {
            let flagged = top.with + top.without;
            [top.with / flagged, top.with / found.all.with, 1.0 - top.without / found.all.without]
        });
        lines.collect()
    });
    let line = |(place, (top_share, cut)): (usize, &(f64, f64))| {
        Some(TopShareRow {
            top_share: *top_share,
            cut: *cut,
            ppv: figures.estimate(3 * place)?,
            sensitivity: figures.estimate(3 * place + 1)?,
            specificity: figures.estimate(3 * place + 2)?,
        })
    };
    told.iter().enumerate().filter_map(line).collect()
}

/// Patients with and without the outcome.
#[derive(Default)]
struct Both([Crowd; 2]);

impl Both {
    fn meet(&mut self, patient: u32, outcome: bool) {
        let [with, without] = &mut self.0;
        if outcome { with.meet(patient) } else { without.meet(patient) }
    }

    fn is_enough(&self) -> bool {
        self.0.iter().all(Crowd::is_enough)
    }
}

/// The rows by falling probability, cut where enough patients stand between neighbouring cuts.
struct Ladder<'a> {
    counted: &'a Counted,
    order: Vec<usize>,
}

impl Ladder<'_> {
    /// How many rows from the top lie at or above `cut`.
    fn depth(&self, cut: f64) -> usize {
        self.order.partition_point(|row| self.counted.p[*row] >= cut)
    }

    fn is_enough(&self, from: usize, to: usize) -> bool {
        let mut met = Both::default();
        self.order.get(from..to).unwrap_or_default().iter().any(|row| {
            met.meet(self.counted.patients[*row], self.counted.y[*row]);
            met.is_enough()
        })
    }

    /// The depths between `from` and `to` (both left out), about `size` rows apart.
    fn between(&self, from: usize, to: usize, size: usize) -> Vec<usize> {
        let rows = self.order.get(from..to).unwrap_or_default();
        let met = |both: &mut Both, row: usize| {
            both.meet(self.counted.patients[row], self.counted.y[row]);
            both.is_enough()
        };
        let mut below = Both::default();
        let last = rows.iter().rposition(|row| met(&mut below, *row)).map_or(from, |at| from + at);
        let (mut found, mut open, mut start) = (Vec::new(), Both::default(), from);
        for (place, row) in rows.iter().enumerate() {
            let depth = from + place + 1;
            let stands = met(&mut open, *row) && depth >= start + size;
            let next = rows.get(place + 1);
            let ends_tie = next.is_some_and(|n| self.counted.p[*n] != self.counted.p[*row]);
            if stands && ends_tie && depth <= last {
                found.push(depth);
                (open, start) = (Both::default(), depth);
            }
        }
        found
    }

    /// Depths with their cuts, from the highest cut to the lowest; `first` are taken before others.
    fn cuts(&self, first: &[f64]) -> Vec<(usize, f64)> {
        let end = self.order.len();
        let mut chosen: Vec<(usize, f64)> = Vec::new();
        for cut in first {
            let depth = self.depth(*cut);
            let above = chosen.iter().map(|(at, _)| *at).filter(|at| *at <= depth).max();
            let below = chosen.iter().map(|(at, _)| *at).filter(|at| *at >= depth).min();
            let (above, below) = (above.unwrap_or(0), below.unwrap_or(end));
            if self.is_enough(above, depth) && self.is_enough(depth, below) {
                chosen.push((depth, *cut));
            }
        }
        chosen.sort_by_key(|(depth, _)| *depth);
        let size = end.div_ceil(POINTS_MAX.saturating_sub(first.len() + 1).max(1)).max(1);
        let mut bounds: Vec<usize> = chosen.iter().map(|(depth, _)| *depth).collect();
        bounds.insert(0, 0);
        bounds.push(end);
        let filled = bounds.windows(2).flat_map(|pair| self.between(pair[0], pair[1], size));
        let filled: Vec<(usize, f64)> =
            filled.map(|depth| (depth, self.counted.p[self.order[depth - 1]])).collect();
        chosen.extend(filled);
        chosen.sort_by_key(|(depth, _)| *depth);
        chosen
    }
}

/// The curves of ROC, precision by recall and net benefit in at most a hundred cuts from the highest
/// down; the cuts `first` are among them if enough patients stand around them.
pub fn curve(
    p: &[f64],
    y: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    first: &[f64],
) -> Vec<CurvePoint> {
    let Some(counted) = Counted::of(p, y, patients, weights) else { return Vec::new() };
    let mut order: Vec<usize> = (0..counted.p.len()).collect();
    order.sort_by(|a, b| counted.p[*b].total_cmp(&counted.p[*a]));
    let ladder = Ladder { counted: &counted, order };
    let weights = counted.weights();
    let sums = |rows: &[usize]| {
        let (with, without): (Vec<usize>, Vec<usize>) =
            rows.iter().partition(|row| counted.y[**row]);
        [weights.sum(&with), weights.sum(&without)]
    };
    let [events, others] = sums(&ladder.order);
    let (mut from, mut found) = (0, [0.0; 2]);
    let point = |(depth, cut): (usize, f64)| {
        let more = sums(ladder.order.get(from..depth).unwrap_or_default());
        from = depth;
        found = [found[0] + more[0], found[1] + more[1]];
        let [with, without] = found;
        let all = events + others;
        let odds = cut / (1.0 - cut);
        CurvePoint {
            cut,
            flagged: (with + without) / all,
            ppv: with / (with + without),
            sensitivity: with / events,
            specificity: 1.0 - without / others,
            net_benefit: (with - without * odds) / all,
            net_benefit_of_all: (events - others * odds) / all,
        }
    };
    // At a cut of 1 a false flag outweighs everything: there is no odds for it.
    ladder.cuts(first).into_iter().filter(|(_, cut)| *cut < 1.0).map(point).collect()
}

/// At most twenty bands between cuts of `curve`, about evenly wide; a distribution by outcome.
pub fn score_bands(curve: &[CurvePoint]) -> Vec<ScoreBand> {
    let (Some(highest), Some(lowest)) = (curve.first(), curve.last()) else { return Vec::new() };
    let width = (highest.cut - lowest.cut) / (BANDS_MAX - 2) as f64;
    let mut bounds: Vec<&CurvePoint> = vec![lowest];
    for point in curve.iter().rev() {
        let last = bounds.last().map_or(f64::INFINITY, |last| last.cut);
        if point.cut - last >= width && point.cut > last {
            bounds.push(point);
        }
    }
    // Shares at or above each bound, from all rows down to none.
    let all = (0.0, 1.0, 1.0);
    let each = bounds.iter().map(|point| (point.cut, point.sensitivity, 1.0 - point.specificity));
    let edges: Vec<(f64, f64, f64)> =
        [all].into_iter().chain(each).chain([(1.0, 0.0, 0.0)]).collect();
    let band = |pair: &[(f64, f64, f64)]| ScoreBand {
        from: pair[0].0,
        to: pair[1].0,
        with_outcome: pair[0].1 - pair[1].1,
        without_outcome: pair[0].2 - pair[1].2,
    };
    edges.windows(2).map(band).collect()
}
