//! That nobody can be found in what is released: the rules, and an attacker who knows linear algebra.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use prodrome::trend::{
    Cell, FigureKind, Frame, Group, KeyName, Release, Table, Tally, carry, suppress,
};

use super::attack::{Form, Knowledge, Quantity, Unknowns, has_hits, recovered};
use super::population::{World, careless, is_small, masked};

/// A world, its table, and what the export holds a period later.
fn drawn(seed: u64) -> (World, Table, Table) {
    let mut rng = fastrand::Rng::with_seed(seed);
    // A large one from time to time: elimination takes the third power of the cells.
    let cells_max = if seed.is_multiple_of(40) { 75 } else { 27 };
    let world = World::draw(&mut rng, cells_max);
    let periods = rng.usize(2..=3);
    let table = world.table(&mut rng, periods);
    let later = world.later(&mut rng, &table);
    (world, table, later)
}

#[test]
fn nothing_suppressed_is_recovered_from_two_releases() {
    let (mut attacked, mut of_careless, mut hidden) = (0, 0, 0);
    for seed in 0..300 {
        let (world, table, later) = drawn(seed);
        let first = world.release(&table);
        let second = carry(&first, world.release(&later)).unwrap();
        for period in 0..second.periods.len() {
            let found = recovered(&[&first, &second], period);
            assert!(found.is_empty(), "seed {seed}, period {period}: {found:?}");
            hidden += Unknowns::new(&second).sorted(period).1.len();
            attacked += 1;
        }
        let rolled = world.roll(&table);
        let careless = world.show(&rolled, &careless(&world, &rolled));
        of_careless += recovered(&[&careless], 0).len();
    }
    eprintln!("{attacked} tables with {hidden} hidden quantities: 0 recovered");
    eprintln!("without complementary suppression {of_careless} recovered from 300 of the tables");
    assert!(attacked >= 900 && hidden > 10_000, "there was something to recover");
    assert!(of_careless > 500, "the attack works: {of_careless}");
}

/// What follows of one period from two releases, if the later one is shown anew: the people who came
/// late are unknowns of their own, in the places that are known to have got some.
fn recovered_anew(first: &Release, anew: &Release, late: &BTreeSet<Group>) -> usize {
    let before = Unknowns::new(first);
    let came = Unknowns::new(first).behind(&before);
    let mut shown = before.ties();
    shown.extend(came.ties());
    let no_one_came = |group: &Group| !late.contains(group);
    for cell in came.cells.iter().filter(|cell| no_one_came(cell)) {
        for measure in 0..2 {
            let parts = [Quantity::Hits, Quantity::WithoutHit, Quantity::Unmeasured, Quantity::Sum];
            shown.extend(parts.map(|part| came.form(cell, measure, part)));
        }
    }
    let (of_first, hidden) = before.sorted(0);
    let (of_anew, hidden_anew) = Unknowns::new(anew).sorted(0);
    shown.extend(of_first);
    shown.extend(of_anew.into_iter().map(|form| {
        let arrivals: Form = form.iter().map(|(at, one)| (at + before.count(), *one)).collect();
        form.into_iter().chain(arrivals).collect()
    }));
    let knowledge = Knowledge::new(2 * before.count(), shown);
    // What the second release shows of groups to whom nobody came is no recovery.
    let hidden_anew: BTreeSet<_> = hidden_anew.into_iter().collect();
    let both = hidden.into_iter().filter(|hidden| hidden_anew.contains(hidden));
    both.filter(|(group, measure, quantity)| {
        knowledge.gives(&before.form(group, *measure, *quantity))
    })
    .count()
}

/// Why periods are taken over: two careful releases of one period are careless together.
#[test]
fn a_period_that_is_shown_twice_can_be_seen_through() {
    let mut found = 0;
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(9_000 + seed);
        let world = World::draw(&mut rng, 20);
        let table = world.table(&mut rng, 1);
        let mut later = table.clone();
        let place = world.places()[0].clone();
        later.periods[0].entry(place.clone()).or_default().join(&world.cell(&mut rng, 3));
        let (first, anew) = (world.release(&table), world.release(&later));
        let keys: Vec<KeyName> = first.keys.iter().map(|key| key.name).collect();
        let values = place.iter().map(|value| format!("v{value}"));
        let late = BTreeSet::from([Group(keys.into_iter().zip(values).collect())]);
        found += recovered_anew(&first, &anew, &late);
        let carried = carry(&first, anew).unwrap();
        assert_eq!(carried.series, first.series, "and that is why it is shown once");
        assert!(recovered(&[&first, &carried], 0).is_empty());
    }
    eprintln!("two releases of one period, without taking it over: {found} recovered");
    assert!(found > 0);
}

/// By rule: small counts are suppressed, also where a complement is, and what hangs on them.
#[test]
fn everything_small_is_suppressed_and_sums_of_suppressed_parts_are_not_small() {
    let (mut small, mut sums) = (0, 0);
    for seed in 0..300 {
        let (world, table, _) = drawn(seed);
        let rolled = world.roll(&table);
        let masks = suppress(&rolled, &world.kinds);
        for period in 0..rolled.period_count() {
            for ((grouping, coordinates), cell) in rolled.period(period) {
                let shown = masks.shown(period, *grouping, coordinates);
                assert!(!(shown.people && is_small(cell.people)));
                small += usize::from(is_small(cell.people));
                for ((tally, may), kind) in
                    cell.tallies.iter().zip(&shown.measures).zip(&world.kinds)
                {
                    let rest = cell.people - tally.measured;
                    assert!(!(may.measured && (is_small(tally.measured) || is_small(rest))));
                    assert!(shown.people || !may.measured);
                    assert!(may.measured || !may.hits && !may.figure);
                    let without = tally.measured - tally.hits;
                    if has_hits(*kind) {
                        assert!(!(may.hits && (is_small(tally.hits) || is_small(without))));
                        assert_eq!(may.hits, may.figure);
                    } else {
                        assert!(!may.hits);
                        assert_eq!(may.measured, may.figure);
                    }
                }
            }
            sums += check_sums(&world, &rolled, &masked(&masks), period);
        }
    }
    assert!(small > 1_000 && sums > 1_000, "{small} small counts, {sums} sums");
}

type Layer = fn(&Cell) -> (u64, u64);

/// Asserts that the suppressed parts of no shown group have a small sum; how many sums there were.
fn check_sums(
    world: &World,
    rolled: &prodrome::trend::Rolled,
    shown: &dyn Fn(usize, &(usize, Vec<u16>)) -> prodrome::trend::Shown,
    period: usize,
) -> usize {
    let of_people: Layer = |cell| (cell.people, 0);
    let of_measured: [Layer; 2] = [
        |cell| (cell.tallies[0].measured, cell.people - cell.tallies[0].measured),
        |cell| (cell.tallies[1].measured, cell.people - cell.tallies[1].measured),
    ];
    let of_hits: [Layer; 2] = [
        |cell| (cell.tallies[0].hits, cell.tallies[0].measured - cell.tallies[0].hits),
        |cell| (cell.tallies[1].hits, cell.tallies[1].measured - cell.tallies[1].hits),
    ];
    let may = |layer: usize, place: &(usize, Vec<u16>)| {
        let shown = shown(period, place);
        match layer {
            0 => shown.people,
            1 | 2 => shown.measures[layer - 1].measured,
            _ => shown.measures[layer - 3].hits,
        }
    };
    let layers = [of_people, of_measured[0], of_measured[1], of_hits[0], of_hits[1]];
    let mut count = 0;
    for (layer, value) in layers.iter().enumerate() {
        if layer > 2 && !has_hits(world.kinds[layer - 3]) {
            continue;
        }
        let mut sums: BTreeMap<(usize, usize, Vec<u16>), (u64, u64)> = BTreeMap::new();
        for (place, cell) in rolled.period(period).filter(|(place, _)| !may(layer, place)) {
            let keys = &world.frame.groupings[place.0];
            for (coarse, of_coarse) in world.frame.groupings.iter().enumerate() {
                if coarse == place.0 || !of_coarse.iter().all(|key| keys.contains(key)) {
                    continue;
                }
                let position = |key| keys.iter().position(|own| own == key).unwrap();
                let whole = of_coarse.iter().map(|key| place.1[position(key)]).collect();
                if may(layer, &(coarse, Vec::clone(&whole))) {
                    let sum = sums.entry((place.0, coarse, whole)).or_default();
                    let (one, rest) = value(cell);
                    *sum = (sum.0 + one, sum.1 + rest);
                }
            }
        }
        assert!(sums.values().all(|(sum, rest)| !is_small(*sum) && !is_small(*rest)), "{sums:?}");
        count += sums.len();
    }
    count
}

/// A table as a region has it: few very old people, few in small places, a share that rises with age.
fn realistic(regions: u16, periods: usize, measures: usize) -> (World, Table) {
    let frame = Frame {
        sizes: vec![10, 2, regions],
        groupings: vec![vec![], vec![0, 1], vec![2], vec![1], vec![0], vec![0, 1, 2]],
    };
    let kind = |at: usize| if at % 2 == 0 { FigureKind::Share } else { FigureKind::Mean };
    let world = World { frame, kinds: (0..measures).map(kind).collect() };
    let mut rng = fastrand::Rng::with_seed(7);
    let mut table = Table::default();
    for _ in 0..periods {
        let mut cells = BTreeMap::new();
        for place in world.places() {
            let size = 4000.0 / (1.0 + f64::from(place[2]) * 20.0 / f64::from(regions)).powf(1.5);
            let people =
                (size * (1.0 - 0.095 * f64::from(place[0])) * (0.8 + 0.4 * rng.f64())) as u64;
            let tallies = (0..measures).map(|measure| {
                let measured = (people as f64 * (0.5 + 0.2 * rng.f64())) as u64;
                let share = 0.02 + 0.04 * f64::from(place[0]) / (1.0 + measure as f64);
                let hits = (measured as f64 * share * (0.7 + 0.6 * rng.f64())) as u64;
                Tally { measured, hits, ..Tally::default() }
            });
            let tallies = tallies.collect();
            cells.insert(place, Cell { people, tallies });
        }
        table.periods.push(cells);
    }
    (world, table)
}

#[test]
fn what_is_suppressed_beside_stays_a_sane_part() {
    let (world, table) = realistic(20, 2, 2);
    let masks = suppress(&world.roll(&table), &world.kinds);
    let privacy = masks.privacy(0);
    eprintln!("10 bands, 2 sexes, 20 regions, 2 years: {privacy:?}");
    assert!(privacy.suppressed_small > 0);
    assert!(privacy.suppressed_beside <= 2 * privacy.suppressed_small);
    assert!(privacy.suppressed_small + privacy.suppressed_beside < privacy.points / 2);
    let everybody = masks.shown(0, 0, &vec![]);
    assert!(everybody.people && everybody.measures.iter().all(|measure| measure.figure));
}

#[test]
fn a_large_table_is_decided_in_seconds() {
    let (world, table) = realistic(200, 10, 5);
    let rolled = world.roll(&table);
    let start = Instant::now();
    let masks = suppress(&rolled, &world.kinds);
    eprintln!("200 regions, 10 bands, 2 sexes, 10 periods, 5 measures: {:?}", start.elapsed());
    let privacy = masks.privacy(0);
    eprintln!("{privacy:?}");
    assert_eq!(privacy.points, 5 * 10 * (1 + 20 + 200 + 2 + 10 + 4000));
    let everybody = masks.shown(9, 0, &vec![]);
    assert!(everybody.people, "everybody is shown");
}

#[test]
fn masks_do_not_depend_on_the_order_of_cells_or_on_threads() {
    for seed in 0..20 {
        let (world, table, _) = drawn(seed);
        let masks = suppress(&world.roll(&table), &world.kinds);
        // The same people, in two halves that come in the other order.
        let mut again = Table { periods: vec![BTreeMap::new(); table.periods.len()] };
        for (period, cells) in table.periods.iter().enumerate().rev() {
            for (place, cell) in cells.iter().rev() {
                let half = |count: u64, second: bool| count / 2 + u64::from(second) * (count % 2);
                for second in [true, false] {
                    let tally = |tally: &Tally| Tally {
                        measured: half(tally.measured, second),
                        hits: half(tally.hits, second),
                        ..Tally::default()
                    };
                    let tallies = cell.tallies.iter().map(tally).collect();
                    let part = Cell { people: half(cell.people, second), tallies };
                    again.periods[period].entry(place.clone()).or_default().join(&part);
                }
            }
        }
        assert_eq!(again, table);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| suppress(&world.roll(&again), &world.kinds)), masks);
    }
}

fn one_group(people: u64, measured: u64, hits: u64) -> (World, Table) {
    let frame = Frame { sizes: vec![1], groupings: vec![vec![], vec![0]] };
    let world = World { frame, kinds: vec![FigureKind::Share, FigureKind::Mean] };
    let tally = Tally { measured, hits, ..Tally::default() };
    let cell = Cell { people, tallies: vec![tally.clone(), tally] };
    (world, Table { periods: vec![BTreeMap::from([(vec![0], cell)])] })
}

#[test]
fn a_table_of_one_cell_is_shown_or_not() {
    for (people, measured, hits, expected) in [
        (100, 60, 30, [true, true, true]),
        (100, 60, 0, [true, true, true]),
        (100, 100, 100, [true, true, true]),
        (100, 60, 1, [true, true, false]),
        (100, 60, 50, [true, true, false]),
        (100, 90, 40, [true, false, false]),
        (100, 10, 0, [true, false, false]),
        (11, 11, 11, [true, true, true]),
        (10, 10, 0, [false, false, false]),
    ] {
        let (world, table) = one_group(people, measured, hits);
        let masks = suppress(&world.roll(&table), &world.kinds);
        for (grouping, place) in [(0, vec![]), (1, vec![0])] {
            let shown = masks.shown(0, grouping, &place);
            let [share, mean] = shown.measures[..] else { panic!("two measures") };
            assert_eq!(
                [shown.people, share.measured, share.hits],
                expected,
                "{people} {measured} {hits}"
            );
            assert_eq!((mean.figure, mean.hits), (expected[1], false));
        }
    }
}

#[test]
fn a_table_in_which_all_is_small_shows_nothing() {
    let frame = Frame { sizes: vec![2, 2], groupings: vec![vec![], vec![0], vec![0, 1]] };
    let world = World { frame, kinds: vec![FigureKind::Share] };
    let tallies = vec![Tally { measured: 2, hits: 1, ..Tally::default() }];
    let cell = Cell { people: 2, tallies };
    let cells = world.places().into_iter().map(|place| (place, cell.clone())).collect();
    let rolled = world.roll(&Table { periods: vec![cells] });
    let masks = suppress(&rolled, &world.kinds);
    for (place, _) in rolled.period(0) {
        let shown = masks.shown(0, place.0, &place.1);
        let measure = shown.measures[0];
        assert!(!shown.people && !measure.measured && !measure.hits && !measure.figure);
        assert!(measure.is_small);
    }
    let privacy = masks.privacy(0);
    assert_eq!((privacy.points, privacy.suppressed_small, privacy.suppressed_beside), (7, 7, 0));
    assert!(!masks.shown(1, 0, &vec![]).people, "nothing is shown of a period that is not there");
}
