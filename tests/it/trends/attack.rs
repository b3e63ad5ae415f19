//! An attacker who knows everything that releases show, and what everybody knows of how they are made,
//! and who draws from it by exact linear algebra all that can be drawn.

use std::collections::{BTreeMap, BTreeSet};

use prodrome::trend::{FigureKind, Group, Point, Release};

/// A linear form on the unknowns: its coefficients by unknown.
pub(crate) type Form = BTreeMap<usize, i64>;

pub(crate) fn sum(forms: &[Form]) -> Form {
    let mut all = Form::new();
    for (unknown, coefficient) in forms.iter().flatten() {
        *all.entry(*unknown).or_default() += coefficient;
    }
    all
}

fn minus(form: &Form, other: &Form) -> Form {
    let negative = other.iter().map(|(unknown, coefficient)| (*unknown, -coefficient)).collect();
    sum(&[form.clone(), negative])
}

/// All linear combinations of forms, modulo a prime: rows with a pivot each.
///
/// A form that is a combination over the rationals is one modulo P as well, unless P divides the
/// denominators; that two primes near 2^31 both do is out of the question for sums of zeros and ones
/// like these. So what is found in neither span is in no rational one.
struct Span<const P: u64> {
    rows: BTreeMap<usize, Vec<u64>>,
    unknowns: usize,
}

impl<const P: u64> Span<P> {
    fn new(unknowns: usize) -> Span<P> {
        Span { rows: BTreeMap::new(), unknowns }
    }

    /// What is left of a form when all that the rows say is taken from it.
    fn reduced(&self, form: &Form) -> Vec<u64> {
        let mut row = vec![0; self.unknowns];
        for (unknown, coefficient) in form {
            row[*unknown] = coefficient.rem_euclid(P as i64) as u64;
        }
        for (pivot, known) in &self.rows {
            let factor = row[*pivot];
            if factor != 0 {
                for (value, known) in row[*pivot..].iter_mut().zip(&known[*pivot..]) {
                    *value = (*value + (P - factor) * known) % P;
                }
            }
        }
        row
    }

    fn insert(&mut self, form: &Form) {
        let mut row = self.reduced(form);
        if let Some(pivot) = row.iter().position(|value| *value != 0) {
            let inverse = power::<P>(row[pivot], P - 2);
            row.iter_mut().for_each(|value| *value = *value * inverse % P);
            self.rows.insert(pivot, row);
        }
    }

    fn contains(&self, form: &Form) -> bool {
        self.reduced(form).iter().all(|value| *value == 0)
    }
}

fn power<const P: u64>(base: u64, exponent: u64) -> u64 {
    let square = |exponent| power::<P>(base * base % P, exponent);
    match exponent {
        0 => 1,
        odd if odd % 2 == 1 => base * square(odd / 2) % P,
        even => square(even / 2),
    }
}

/// All that follows from what was shown.
pub(crate) struct Knowledge(Span<2_147_483_647>, Span<2_147_483_629>);

impl Knowledge {
    pub(crate) fn new(unknowns: usize, shown: impl IntoIterator<Item = Form>) -> Knowledge {
        let mut known = Knowledge(Span::new(unknowns), Span::new(unknowns));
        for form in shown {
            known.0.insert(&form);
            known.1.insert(&form);
        }
        known
    }

    pub(crate) fn gives(&self, form: &Form) -> bool {
        self.0.contains(form) || self.1.contains(form)
    }
}

/// The cells of the full cross of all keys of a release, as the groups they are: everybody knows them.
pub(crate) fn cross(release: &Release) -> Vec<Group> {
    let mut cells = vec![Group::default()];
    for key in &release.keys {
        let with = |cell: &Group, name: &str| {
            let mut cell = cell.clone();
            cell.0.insert(key.name, name.to_owned());
            cell
        };
        cells = cells
            .iter()
            .flat_map(|cell| key.values.iter().map(move |value| with(cell, &value.name)))
            .collect();
    }
    cells
}

/// What can be asked about a measure in a group: people, measured, hits, those not measured, those
/// measured without a hit, and the sum behind a mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quantity {
    People,
    Measured,
    Hits,
    Unmeasured,
    WithoutHit,
    Sum,
}

/// The unknowns of one period: for each cell and measure people with a hit, measured without one, not
/// measured; and the sum of values of means.
pub(crate) struct Unknowns<'a> {
    pub(crate) cells: Vec<Group>,
    kinds: Vec<FigureKind>,
    release: &'a Release,
    /// So many unknowns stand before these.
    offset: usize,
}

const PER_MEASURE: usize = 4;

pub(crate) fn has_hits(kind: FigureKind) -> bool {
    !matches!(kind, FigureKind::Mean | FigureKind::Risk)
}

impl<'a> Unknowns<'a> {
    pub(crate) fn new(release: &'a Release) -> Unknowns<'a> {
        let kinds = release.measures.iter().map(|measure| measure.kind).collect();
        Unknowns { cells: cross(release), kinds, release, offset: 0 }
    }

    /// Unknowns that stand behind those of `other`.
    pub(crate) fn behind(self, other: &Unknowns) -> Unknowns<'a> {
        Unknowns { offset: other.offset + other.count(), ..self }
    }

    pub(crate) fn count(&self) -> usize {
        self.cells.len() * self.kinds.len() * PER_MEASURE
    }

    /// A quantity of one cell.
    fn in_cell(&self, cell: usize, measure: usize, quantity: Quantity) -> Form {
        let first = self.offset + (cell * self.kinds.len() + measure) * PER_MEASURE;
        let parts: &[usize] = match quantity {
            Quantity::Hits => &[0],
            Quantity::WithoutHit => &[1],
            Quantity::Unmeasured => &[2],
            Quantity::Measured => &[0, 1],
            Quantity::People => &[0, 1, 2],
            Quantity::Sum => &[3],
        };
        parts.iter().map(|part| (first + part, 1)).collect()
    }

    /// A quantity of a group: of the cells that agree with it in all its keys.
    pub(crate) fn form(&self, group: &Group, measure: usize, quantity: Quantity) -> Form {
        let is_in =
            |cell: &Group| group.0.iter().all(|(key, value)| cell.0.get(key) == Some(value));
        let cells = self.cells.iter().enumerate().filter(|(_, cell)| is_in(cell));
        let forms: Vec<Form> =
            cells.map(|(cell, _)| self.in_cell(cell, measure, quantity)).collect();
        sum(&forms)
    }

    /// That the people of one measure are the people of every other.
    pub(crate) fn ties(&self) -> Vec<Form> {
        let mut ties = Vec::new();
        for cell in 0..self.cells.len() {
            let people = |measure| self.in_cell(cell, measure, Quantity::People);
            ties.extend((1..self.kinds.len()).map(|measure| minus(&people(0), &people(measure))));
        }
        ties
    }

    /// What a release shows of one period, and what it hides, each quantity of each group once.
    pub(crate) fn sorted(&self, period: usize) -> (Vec<Form>, Vec<(Group, usize, Quantity)>) {
        let (mut shown, mut hidden) = (Vec::new(), Vec::new());
        for series in &self.release.series {
            let names = self.release.measures.iter().map(|measure| &measure.name);
            let measure = names.into_iter().position(|name| *name == series.measure).unwrap();
            let point = &series.points[period];
            for (quantity, is_shown) in self.quantities(measure, point) {
                if is_shown {
                    shown.push(self.form(&series.group, measure, quantity));
                } else {
                    hidden.push((series.group.clone(), measure, quantity));
                }
            }
        }
        (shown, hidden)
    }

    fn quantities(&self, measure: usize, point: &Point) -> Vec<(Quantity, bool)> {
        let (people, measured) = (point.people.is_some(), point.measured.is_some());
        let hits = point.hits.is_some();
        let mut all = vec![
            (Quantity::People, people),
            (Quantity::Measured, measured),
            (Quantity::Unmeasured, people && measured),
        ];
        if has_hits(self.kinds[measure]) {
            // A figure tells the hits of those measured.
            let hits = hits || (measured && point.figure.is_some());
            all.extend([(Quantity::Hits, hits), (Quantity::WithoutHit, hits && measured)]);
        } else {
            all.push((Quantity::Sum, point.figure.is_some() && measured));
        }
        all
    }
}

/// The hidden quantities of one period that follow from all that these releases show of it.
pub(crate) fn recovered(
    releases: &[&Release],
    period: usize,
) -> BTreeSet<(Group, usize, Quantity)> {
    let last = Unknowns::new(releases[releases.len() - 1]);
    let mut shown = last.ties();
    let mut hidden: Option<BTreeSet<(Group, usize, Quantity)>> = None;
    for release in releases.iter().filter(|release| period < release.periods.len()) {
        let unknowns = Unknowns { release, ..Unknowns::new(releases[releases.len() - 1]) };
        let (more, also_hidden) = unknowns.sorted(period);
        shown.extend(more);
        let also_hidden: BTreeSet<_> = also_hidden.into_iter().collect();
        hidden = Some(match hidden {
            None => also_hidden,
            Some(hidden) => hidden.intersection(&also_hidden).cloned().collect(),
        });
    }
    let knowledge = Knowledge::new(last.count(), shown);
    let gives = |(group, measure, quantity): &(Group, usize, Quantity)| {
        knowledge.gives(&last.form(group, *measure, *quantity))
    };
    hidden.unwrap_or_default().into_iter().filter(gives).collect()
}
