//! An attacker who knows besides that people come in whole numbers, and never fewer than none: whether
//! there is another table, of true people, that shows the same.

use prodrome::trend::{Coordinates, Frame, Masks, Rolled, Table, Tally, suppress};

use super::attack::has_hits;
use super::population::{World, is_small};

/// A layer of counts: people, or of a measure the measured, or those with hits.
#[derive(Debug, Clone, Copy)]
enum Layer {
    People,
    Measured(usize),
    Hits(usize),
}

/// One period of a release, and the people behind it.
struct Period<'a> {
    frame: &'a Frame,
    table: &'a Table,
    rolled: &'a Rolled,
    masks: &'a Masks,
    places: &'a [Coordinates],
}

impl Period<'_> {
    fn is_shown(&self, layer: Layer, grouping: usize, place: &Coordinates) -> bool {
        let shown = self.masks.shown(0, grouping, place);
        match layer {
            Layer::People => shown.people,
            Layer::Measured(measure) => shown.measures[measure].measured,
            Layer::Hits(measure) => shown.measures[measure].hits,
        }
    }

    /// How many people of a cell count in a layer, and how many could count more.
    fn room(&self, layer: Layer, cell: &Coordinates) -> (u64, u64) {
        let Some(cell) = self.table.periods[0].get(cell) else { return (0, 0) };
        let of = |measure: usize| &cell.tallies[measure];
        match layer {
            Layer::People => (cell.people, 1),
            Layer::Measured(measure) => (of(measure).measured, cell.people - of(measure).measured),
            Layer::Hits(measure) => (of(measure).hits, of(measure).measured - of(measure).hits),
        }
    }

    /// Whether the count of a group can be one more, and one less, in a table that shows the same: by
    /// the cubes with a corner in the group.
    fn moves(&self, layer: Layer, grouping: usize, at: &Coordinates) -> (bool, bool) {
        let (mut more, mut less) = (false, false);
        let keys = &self.frame.groupings[grouping];
        let is_in = |place: &Coordinates| keys.iter().zip(at).all(|(key, own)| place[*key] == *own);
        for first in self.places.iter().filter(|place| is_in(place)) {
            // The opposite corner says which keys alternate: those in which it differs.
            for opposite in self.places {
                let alternating: Vec<usize> =
                    (0..first.len()).filter(|key| first[*key] != opposite[*key]).collect();
                let is_cube = alternating.iter().all(|key| keys.contains(key));
                if !is_cube || !self.is_hidden(layer, first, opposite, &alternating) {
                    continue;
                }
                let corners = corners(first, opposite, &alternating);
                let can = |(corner, rises): (&Coordinates, bool)| {
                    let (value, rest) = self.room(layer, corner);
                    if rises { rest > 0 } else { value > 0 }
                };
                more |= corners.iter().all(|(corner, is_even)| can((corner, *is_even)));
                less |= corners.iter().all(|(corner, is_even)| can((corner, !is_even)));
            }
        }
        (more, less)
    }

    /// Whether no count that is shown changes with the corners.
    fn is_hidden(
        &self,
        layer: Layer,
        first: &Coordinates,
        opposite: &Coordinates,
        alternating: &[usize],
    ) -> bool {
        let corners = corners(first, opposite, alternating);
        self.frame.groupings.iter().enumerate().all(|(grouping, keys)| {
            let is_still = !alternating.iter().all(|key| keys.contains(key));
            is_still
                || corners.iter().all(|(corner, _)| {
                    let place = keys.iter().map(|key| corner[*key]).collect();
                    !self.is_shown(layer, grouping, &place)
                })
        })
    }
}

/// The corners, and whether they differ from the first in an even number of keys.
fn corners(
    first: &Coordinates,
    opposite: &Coordinates,
    alternating: &[usize],
) -> Vec<(Coordinates, bool)> {
    let corner = |bits: u32| {
        let mut corner = first.clone();
        let second = alternating.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        second.for_each(|(_, key)| corner[*key] = opposite[*key]);
        (corner, bits.count_ones().is_multiple_of(2))
    };
    (0..1 << alternating.len()).map(corner).collect()
}

#[test]
fn small_counts_are_not_even_found_by_their_bounds() {
    let (mut counts, mut found) = ([0; 3], Vec::new());
    let mut rigid = [0; 3];
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(50_000 + seed);
        let world = World::draw(&mut rng, 27);
        let table = world.table(&mut rng, 1);
        let (rolled, places) = (world.roll(&table), world.places());
        let masks = suppress(&rolled, &world.kinds);
        let frame = &world.frame;
        let period =
            Period { frame, table: &table, rolled: &rolled, masks: &masks, places: &places };
        for ((grouping, at), cell) in period.rolled.period(0) {
            let shown = masks.shown(0, *grouping, at);
            let mut asked = vec![(0, Layer::People, cell.people, 0)];
            for (measure, (tally, kind)) in cell.tallies.iter().zip(&world.kinds).enumerate() {
                let Tally { measured, hits, .. } = *tally;
                if shown.people {
                    asked.push((1, Layer::Measured(measure), measured, cell.people - measured));
                }
                if shown.measures[measure].measured && has_hits(*kind) {
                    asked.push((2, Layer::Hits(measure), hits, measured - hits));
                }
            }
            for (kind, layer, value, rest) in asked {
                if is_small(value) || is_small(rest) {
                    counts[kind] += 1;
                    let (more, less) = period.moves(layer, *grouping, at);
                    rigid[kind] += usize::from(!more && !less);
                    if matches!(layer, Layer::People) && !(more && less) {
                        found.push((seed, *grouping, at.clone()));
                    }
                }
            }
        }
    }
    eprintln!(
        "small counts of people, measured, hits: {counts:?}; without a whole move: {rigid:?}"
    );
    assert!(counts.iter().all(|count| *count > 500), "there is something to ask");
    assert!(found.is_empty(), "small groups can have one more and one less: {found:?}");
    for kind in [1, 2] {
        assert!(10 * rigid[kind] < counts[kind], "most parts of larger groups can move");
    }
}
