//! The blend: a weighted mean of the members' calibrated log-odds, its shares chosen by log loss.

use rayon::prelude::*;

use super::table::Table;
use crate::model::{logit, sigmoid, softplus};

/// Shares are tried in steps of a tenth.
const STEPS: usize = 10;

/// A blend of tried candidates.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::train) struct Blend {
    /// One share for each member, summing to 1.
    pub shares: Vec<f64>,
    /// Out-of-fold probabilities; the shares used for a fold were chosen on the others.
    pub probabilities: Vec<f64>,
}

/// The best blend of `members`, each given by its out-of-fold calibrated probabilities; `None` for
/// fewer than two of them.
pub(in crate::train) fn blend(table: &Table<'_>, members: &[&[f64]]) -> Option<Blend> {
    if members.len() < 2 {
        return None;
    }
    let rows = table.labels.len();
    // Row by row, so that one pass over a row serves all its members.
    let logits: Vec<f64> =
        (0..rows).flat_map(|row| members.iter().map(move |p| logit(p[row]))).collect();
    let shares = simplex(members.len(), STEPS);
    let blended = |shares: &[f64], row: usize| -> f64 {
        let own = logits.iter().skip(row * members.len());
        own.zip(shares).map(|(logit, share)| logit * share).sum()
    };
    let losses: Vec<Vec<f64>> = shares
        .par_iter()
        .map(|shares| {
            let mut by_fold = vec![0.0; usize::from(table.folds_count)];
            for row in 0..rows {
                let z = blended(shares, row);
                let event = f64::from(u8::from(table.labels[row]));
                let loss = softplus(z) - event * z;
                by_fold[usize::from(table.folds[row])] += table.weights().of(row) * loss;
            }
            by_fold
        })
        .collect();
    // The loss of each choice of shares with one fold left out; `folds_count` leaves none out.
    let best_without = |fold: usize| {
        let loss = |place: &usize| -> f64 {
            let by_fold = losses[*place].iter().enumerate();
            by_fold.filter(|(other, _)| *other != fold).map(|(_, loss)| loss).sum()
        };
        (0..shares.len()).min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap_or(0)
    };
    let folds = usize::from(table.folds_count);
    let by_fold: Vec<usize> = (0..folds).map(best_without).collect();
    let probability = |row: usize| {
        let shares = &shares[by_fold[usize::from(table.folds[row])]];
        sigmoid(blended(shares, row))
    };
    let chosen = shares[best_without(folds)].clone();
    Some(Blend { shares: chosen, probabilities: (0..rows).map(probability).collect() })
}

/// All ways to deal `steps` steps to `members`, as shares.
fn simplex(members: usize, steps: usize) -> Vec<Vec<f64>> {
    fn deal(members: usize, left: usize, so_far: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
        if so_far.len() + 1 == members {
            let mut whole = so_far.clone();
            whole.push(left);
            found.push(whole);
            return;
        }
        for own in 0..=left {
            so_far.push(own);
            deal(members, left - own, so_far, found);
            so_far.pop();
        }
    }
    let mut found = Vec::new();
    deal(members, steps, &mut Vec::new(), &mut found);
    let share = |own: &usize| *own as f64 / steps as f64;
    found.iter().map(|dealt| dealt.iter().map(share).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_the_simplex() {
        let found = simplex(3, 10);
        assert_eq!(found.len(), 66);
        assert!(found.iter().all(|shares| (shares.iter().sum::<f64>() - 1.0).abs() < 1e-12));
        assert!(found.contains(&vec![0.0, 0.0, 1.0]) && found.contains(&vec![1.0, 0.0, 0.0]));
    }

    #[test]
    fn what_each_member_knows_is_put_together() {
        // Two members that know one half of the truth each, and one that knows nothing.
        let mut draw = crate::model::draws(5);
        let (mut known, mut labels): ([Vec<f64>; 3], Vec<bool>) = Default::default();
        for _ in 0..4000 {
            let (a, b) = (2.0 * draw() - 1.0, 2.0 * draw() - 1.0);
            labels.push(draw() < sigmoid(2.0 * a + 2.0 * b));
            known[0].push(sigmoid(2.0 * a));
            known[1].push(sigmoid(2.0 * b));
            known[2].push(0.5);
        }
        let folds = (0..labels.len()).map(|row| (row % 4) as u8).collect();
        let patients = (0..labels.len() as u32).collect();
        let samples = Vec::new();
        let table = Table { samples, labels, patients, weights: None, folds, folds_count: 4 };
        let members: Vec<&[f64]> = known.iter().map(Vec::as_slice).collect();
        let blended = blend(&table, &members).unwrap();
        assert!((blended.shares[0] - 0.5).abs() < 0.11 && (blended.shares[1] - 0.5).abs() < 0.11);
        let loss = |p: &[f64]| crate::train::log_loss(p, &table.labels, table.weights()).unwrap();
        assert!(members.iter().all(|p| loss(&blended.probabilities) < loss(p)));
        assert!(blend(&table, &members[..1]).is_none());
    }
}
