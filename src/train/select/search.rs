//! What is tried: a short list of settings for each family, the likeliest first, wide apart.

use serde::{Deserialize, Serialize};

use super::candidate::Candidate;
use crate::SMALL_CELL_PATIENTS;
use crate::feature::{Column, Source, Spec};
use crate::model::{BoostedParams, Family, ForestParams, Scale};

/// How far the search goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The families to try; all when empty.
    pub families: Vec<Family>,
    /// Most settings of one family, 1 or more.
    pub trials: usize,
}

impl Default for Search {
    fn default() -> Search {
        Search { families: Vec::new(), trials: 8 }
    }
}

/// On Diabetes-130 fifty trees lose 0.002 of cross-validated AUROC against a hundred.
const TREES: usize = 100;
/// On Diabetes-130 leaves of fifty rows lose 0.002 of cross-validated AUROC against twenty.
const LEAF_ROWS_MIN: usize = 20;
/// Penalties as shares of the summed weight of the rows, so that a small export is held back as
/// strongly as a large one.
const ALPHA_SHARES: [f64; 3] = [0.02, 0.005, 0.0005];
/// The depths of forests.
const DEPTHS: [u16; 2] = [12, 20];
/// The first setting of the booster, and the ones around it that cross-validation on Diabetes-130
/// and on simulated populations told apart from it.
const LEAVES: [usize; 3] = [8, 16, 31];
const LEAF_ROWS: [usize; 3] = [40, 100, 250];
const FEATURES_SHARES: [f64; 3] = [0.3, 0.6, 1.0];
const L2S: [f64; 3] = [20.0, 5.0, 1.0];
const LEARNING_RATE: f64 = 0.05;
/// More rounds than any cohort so far has had use for.
pub(super) const ROUNDS_MAX: usize = 800;

impl Search {
    /// More settings of one family are no search but a lottery.
    pub const TRIALS_MAX: usize = 100;

    /// Whether a family is to be tried. Published scores always are: they cost nothing, and whoever
    /// fits one family wants to know whether a formula does as well.
    fn has(&self, family: Family) -> bool {
        self.families.is_empty() || self.families.contains(&family)
    }

    /// The settings to try; `weight` is the summed weight of the rows.
    pub(in crate::train) fn candidates(
        &self,
        spec: &Spec,
        columns: &[Column],
        weight: f64,
        inputs: usize,
        seed: u64,
    ) -> Vec<Candidate> {
        let logistic = ALPHA_SHARES.map(|share| Candidate::Logistic { alpha: share * weight });
        let forest = DEPTHS.map(|depth| {
            Candidate::Forest(ForestParams {
                trees: TREES,
                depth,
                leaf_rows_min: LEAF_ROWS_MIN,
                leaf_patients_min: SMALL_CELL_PATIENTS,
                features_per_split: (inputs as f64).sqrt().ceil() as usize,
            })
        });
        let mut found = Vec::new();
        let mut add = |family: Family, of: &mut dyn Iterator<Item = Candidate>| {
            if self.has(family) {
                found.extend(of.take(self.trials.max(1)));
            }
        };
        add(Family::Boosted, &mut boosted(seed).map(Candidate::Boosted));
        add(Family::Forest, &mut forest.into_iter());
        add(Family::Logistic, &mut logistic.into_iter());
        found.extend(published(spec, columns));
        found
    }
}

/// Settings of the booster without end: a likely one, then seeded draws around it, none twice in a
/// row.
fn boosted(seed: u64) -> impl Iterator<Item = BoostedParams> {
    let mut draws = fastrand::Rng::with_seed(seed);
    let mut drawn: Vec<[usize; 4]> = Vec::new();
    std::iter::from_fn(move || {
        let mut place = [0; 4];
        // 81 places: after many draws a repetition is no harm.
        for _ in 0..100 {
            if !drawn.contains(&place) {
                break;
            }
            place = [(); 4].map(|()| draws.usize(0..3));
        }
        drawn.push(place);
        let [leaves, rows, share, l2] = place;
        Some(BoostedParams {
            rounds: ROUNDS_MAX,
            leaves: LEAVES[leaves],
            leaf_rows_min: LEAF_ROWS[rows],
            features_per_tree: FEATURES_SHARES[share],
            l2: L2S[l2],
            learning_rate: LEARNING_RATE,
            ..BoostedParams::default()
        })
    })
}

/// One candidate for each published score among the columns, as it is, on the task's own outcome.
fn published(spec: &Spec, columns: &[Column]) -> Vec<Candidate> {
    let each = columns.iter().enumerate().filter_map(|(place, column)| {
        let Source::Published { formula } = &spec.features().get(column.feature)?.source else {
            return None;
        };
        let scale = if formula.gives_probability() { Scale::Rate } else { Scale::LogOdds };
        Some(Candidate::Published { column: place, scale })
    });
    each.collect()
}
