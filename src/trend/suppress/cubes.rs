//! Finds the cheapest cube that makes a move of a count: a bounded search, complete only in that it
//! always finds one. `super` says what a cube is and why it protects.

use super::cells::{Cells, Code, Layer, with_key};

/// So many of the places of the cross in a group are tried as its corner.
const CORNERS_MAX: usize = 8;

/// So many partners are tried for each key, by how many keys have one.
const PARTNERS_MAX: [usize; 6] = [1, 16, 12, 8, 4, 3];

/// A cube by the groups into which its corners fall.
pub(super) struct Cube {
    pub(super) cost: u64,
    groups: Vec<usize>,
}

impl Layer {
    /// Suppresses the count of a group and of the corners of the cheapest cube with it.
    pub(super) fn protect(&mut self, cells: &Cells, number: usize) {
        let cube = self.cube(cells, number);
        self.suppress(&cube);
    }

    pub(super) fn suppress(&mut self, cube: &Cube) {
        for group in &cube.groups {
            self.suppressed[*group] = true;
            self.is_proven[*group] = true;
        }
    }

    /// The cheapest cube with a corner in this group, of those that alternate the most of its keys.
    pub(super) fn cube(&self, cells: &Cells, number: usize) -> Cube {
        let (grouping, _) = cells.places[number];
        let keys = &cells.groupings[grouping].keys;
        for left_out in 0..keys.len() {
            let subsets = (0..1_u32 << keys.len())
                .filter(|bits| bits.count_ones() as usize == keys.len() - left_out);
            let found = subsets
                .filter_map(|bits| {
                    let chosen = keys.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
                    let chosen: Vec<usize> = chosen.map(|(_, key)| *key).collect();
                    Search::new(self, cells, number, chosen).best()
                })
                .min_by_key(|cube| cube.cost);
            if let Some(cube) = found {
                return cube;
            }
        }
        // No key alternates: one place of the cross, in all groupings.
        let alone = Search::new(self, cells, number, Vec::new()).best();
        alone.unwrap_or(Cube { cost: 0, groups: vec![number] })
    }
}

/// The search for the partners of one group along these keys.
struct Search<'a> {
    layer: &'a Layer,
    cells: &'a Cells,
    number: usize,
    keys: Vec<usize>,
    /// The groupings that hold all keys, by place.
    groupings: Vec<usize>,
    best: Option<Cube>,
}

impl<'a> Search<'a> {
    fn new(layer: &'a Layer, cells: &'a Cells, number: usize, keys: Vec<usize>) -> Search<'a> {
        let groupings = (0..cells.groupings.len())
            .filter(|at| keys.iter().all(|key| cells.groupings[*at].keys.contains(key)))
            .collect();
        Search { layer, cells, number, keys, groupings, best: None }
    }

    /// What it costs to suppress the groups into which `corner` falls; `None` where one of them has
    /// nobody: that it has nobody is shown, so nothing can move there.
    fn cost(&self, corner: Code) -> Option<u64> {
        self.groupings.iter().try_fold(0, |cost, grouping| {
            let group = self.cells.groupings[*grouping].at(corner)?;
            Some(cost + self.layer.cost(group))
        })
    }

    fn best(mut self) -> Option<Cube> {
        let seen = self.groupings.iter().fold(0, |mask, at| mask | self.cells.groupings[*at].mask);
        let mut corners: Vec<Code> =
            self.cells.under[self.number].iter().map(|place| place & seen).collect();
        corners.sort_unstable();
        corners.dedup();
        let mut corners: Vec<(u64, Code)> =
            corners.into_iter().filter_map(|corner| Some((self.cost(corner)?, corner))).collect();
        corners.sort_unstable();
        for (cost, corner) in corners.into_iter().take(CORNERS_MAX) {
            let partners: Vec<Vec<(u64, Code)>> =
                self.keys.iter().map(|key| self.partners(corner, *key)).collect();
            self.extend(&partners, cost, &mut vec![corner]);
            if self.best.as_ref().is_some_and(|best| best.cost == 0) {
                break;
            }
        }
        self.best
    }

    /// The cheapest corners that differ from `corner` by `key` alone.
    fn partners(&self, corner: Code, key: usize) -> Vec<(u64, Code)> {
        let (own, code) = self.cells.places[self.number];
        let siblings = self.cells.groupings[own].along(code, key).iter();
        let most = PARTNERS_MAX.get(self.keys.len()).copied().unwrap_or(2);
        let (mut partners, mut free) = (Vec::new(), 0);
        for sibling in siblings.filter(|sibling| **sibling != self.number) {
            let partner = with_key(corner, key, self.cells.places[*sibling].1);
            let Some(cost) = self.cost(partner) else { continue };
            partners.push((cost, partner));
            // No others can be cheaper.
            free += usize::from(cost == 0);
            if free == most {
                break;
            }
        }
        partners.sort_unstable();
        partners.truncate(most);
        partners
    }

    /// Tries all partners for the keys from the first of `partners` on, given the corners so far.
    fn extend(&mut self, partners: &[Vec<(u64, Code)>], cost: u64, corners: &mut Vec<Code>) {
        if self.best.as_ref().is_some_and(|best| best.cost <= cost) {
            return;
        }
        let Some((candidates, further)) = partners.split_first() else {
            let groups = corners
                .iter()
                .flat_map(|corner| self.groupings.iter().map(move |at| (*at, *corner)))
                .filter_map(|(at, corner)| self.cells.groupings[at].at(corner))
                .collect();
            self.best = Some(Cube { cost, groups });
            return;
        };
        let key = self.keys[self.keys.len() - partners.len()];
        let before = corners.len();
        for (cost_of_first, partner) in candidates {
            let mut total = Some(cost + cost_of_first);
            for at in 0..before {
                let corner = with_key(corners[at], key, *partner);
                if at > 0 {
                    total = total.and_then(|total| Some(total + self.cost(corner)?));
                }
                corners.push(corner);
            }
            if let Some(total) = total {
                self.extend(further, total, corners);
            }
            corners.truncate(before);
            if self.best.as_ref().is_some_and(|best| best.cost == 0) {
                return;
            }
        }
    }
}
