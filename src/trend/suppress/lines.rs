//! A shown group less its shown parts tells the sum of its suppressed parts: it must not be small.

use super::cells::{Cells, Layer, Line};
use super::cubes::Cube;
use super::is_small;

/// So many of the cheapest parts are tried, each with its cube.
const PARTS_MAX: usize = 4;

/// Suppresses more wherever the suppressed parts of a shown group have a small sum, or a small sum of
/// complements; whether there was any. More can make other sums small: call it until there is none.
pub(super) fn mend(cells: &Cells, layer: &mut Layer) -> bool {
    let mut is_changed = false;
    for line in &cells.lines {
        while !layer.suppressed[line.whole] {
            let (values, rests) = hidden(line, layer);
            if !is_small(values) && !is_small(rests) {
                break;
            }
            let cube = enough(cells, line, layer, is_small(values), is_small(rests));
            match cube {
                Some(cube) => layer.suppress(&cube),
                None => layer.protect(cells, line.whole),
            }
            is_changed = true;
        }
    }
    is_changed
}

/// The sums of the values and of the complements of all suppressed parts.
fn hidden(line: &Line, layer: &Layer) -> (u64, u64) {
    let parts = line.parts.iter().filter(|part| layer.suppressed[**part]);
    parts.fold((0, 0), |(values, rests), part| {
        (values + layer.values[*part], rests + layer.rests[*part])
    })
}

/// The cheapest cube of a shown part that is large enough where more is needed.
fn enough(
    cells: &Cells,
    line: &Line,
    layer: &Layer,
    needs_value: bool,
    needs_rest: bool,
) -> Option<Cube> {
    // A shown count is 0 or large.
    let helps =
        |part: usize| (needs_value && layer.values[part] > 0, needs_rest && layer.rests[part] > 0);
    let shown = || line.parts.iter().copied().filter(|part| !layer.suppressed[*part]);
    let mut parts: Vec<usize> =
        shown().filter(|part| helps(*part) == (needs_value, needs_rest)).collect();
    if parts.is_empty() {
        parts = shown().filter(|part| helps(*part) != (false, false)).collect();
    }
    parts.sort_by_key(|part| (layer.cost(*part), *part));
    let cubes = parts.into_iter().take(PARTS_MAX).map(|part| layer.cube(cells, part));
    cubes.min_by_key(|cube| cube.cost)
}
