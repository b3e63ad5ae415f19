//! One row for each of many things, with a figure or more beside its name: forest plots and bars.

use super::Axis;
use super::ink::Ink;
use super::svg::{self, Anchor, TEXT};

const WIDTH: f64 = 720.0;
/// Width of the names.
const NAMES: f64 = 190.0;
/// Width of the numbers beside each panel.
const NUMBERS: f64 = 128.0;
const ROW: f64 = 21.0;
/// Above the rows: the titles of the panels.
const TOP: f64 = 26.0;
/// Below the rows: the ticks.
const BOTTOM: f64 = 24.0;

/// Names with figures beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct Strips {
    pub title: String,
    /// What is to be seen, for those who do not see it.
    pub description: String,
    /// One or two.
    pub panels: Vec<Panel>,
    pub rows: Vec<Strip>,
}

/// A figure that is told of every row.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Its label is the title.
    pub axis: Axis,
    /// Where a line stands for comparison.
    pub reference: Option<f64>,
    pub ink: Ink,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Strip {
    pub name: String,
    /// One a panel; none for a title of the rows below it.
    pub marks: Vec<Option<Mark>>,
}

/// What stands in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mark {
    /// A point with its interval.
    Estimate(Extent),
    /// A bar from 0.
    Bar(f64),
}

/// A figure and how far it reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// Where a panel lies on the drawing.
struct Place<'a> {
    panel: &'a Panel,
    left: f64,
    width: f64,
    bottom: f64,
}

impl Strips {
    pub(in crate::page) fn svg(&self, number: usize) -> String {
        let bottom = TOP + ROW * self.rows.len() as f64;
        let each = (WIDTH - NAMES) / self.panels.len().max(1) as f64;
        let mut inner: String =
            self.rows.iter().enumerate().map(|(at, row)| name(at, row)).collect();
        for (place, panel) in self.panels.iter().enumerate() {
            let left = NAMES + each * place as f64 + 10.0;
            let drawn = Place { panel, left, width: each - NUMBERS - 10.0, bottom };
            let marks =
                self.rows.iter().enumerate().filter_map(|(at, row)| {
                    Some((at, row.marks.get(place)?.filter(Mark::is_finite)))
                });
            inner += &drawn.svg(marks);
        }
        let size = (WIDTH, bottom + BOTTOM);
        svg::drawing(number, size, (&self.title, &self.description), &inner)
    }
}

/// The middle of a row.
fn middle(at: usize) -> f64 {
    TOP + ROW * (at as f64 + 0.5)
}

fn name(at: usize, row: &Strip) -> String {
    let is_title = row.marks.is_empty();
    let (x, weight) = if is_title { (0.0, " font-weight=\"600\"") } else { (10.0, "") };
    let limit = if is_title { WIDTH } else { NAMES - 12.0 };
    let text = svg::shortened(&row.name, limit);
    svg::text(x, middle(at) + 0.35 * TEXT, Anchor::Start, weight, &text)
}

impl Mark {
    fn is_finite(&self) -> bool {
        match self {
            Mark::Estimate(Extent { value, low, high }) => {
                [value, low, high].iter().all(|end| end.is_finite())
            }
            Mark::Bar(value) => value.is_finite(),
        }
    }
}

impl Place<'_> {
    fn svg(&self, marks: impl Iterator<Item = (usize, Option<Mark>)>) -> String {
        let Place { panel, left, width, bottom } = self;
        let height = bottom - TOP;
        let mut drawn = String::new();
        let mut beside = String::new();
        for (at, mark) in marks {
            let text = mark.map_or_else(|| "not shown".to_owned(), |mark| self.words(mark));
            let y = middle(at);
            beside += &svg::text(left + width + 8.0, y + 0.35 * TEXT, Anchor::Start, "", &text);
            drawn += &mark.map_or_else(String::new, |mark| self.mark(mark, y));
        }
        let title =
            svg::text(*left, TOP - 10.0, Anchor::Start, " font-weight=\"600\"", &panel.axis.label);
        let mut ticks = String::new();
        for (value, text) in panel.axis.ticks(3) {
            let x = self.x(value);
            ticks += &svg::line((x, TOP), (x, *bottom), "stroke=\"#e3e7ea\" stroke-width=\"1\"");
            ticks += &svg::text(x, bottom + 16.0, Anchor::Middle, "", &text);
        }
        let reference = panel.reference.filter(|value| panel.axis.holds(*value)).map(|value| {
            let x = self.x(value);
            svg::line((x, TOP), (x, *bottom), &Ink::Grey.line())
        });
        format!(
            "{title}{ticks}{beside}<g class=\"panel\">{}{}<g class=\"marks\">{drawn}</g></g>",
            svg::frame(*left, TOP, *width, height),
            reference.unwrap_or_default()
        )
    }

    fn x(&self, value: f64) -> f64 {
        self.left + self.panel.axis.share(value).clamp(0.0, 1.0) * self.width
    }

    fn mark(&self, mark: Mark, y: f64) -> String {
        let Panel { axis, ink, .. } = self.panel;
        let colour = ink.colour();
        match mark {
            Mark::Estimate(Extent { value, low, high }) => {
                let style = format!("stroke=\"{colour}\" stroke-width=\"1.6\"");
                let line = svg::line((self.x(low), y), (self.x(high), y), &style);
                let end = |value: f64| {
                    let (x, is_over) = (self.x(value), !axis.holds(value));
                    // An interval that goes on beyond the frame has no end there.
                    let end = || svg::line((x, y - 3.5), (x, y + 3.5), &style);
                    if is_over { String::new() } else { end() }
                };
                let ends = end(low) + &end(high);
                let point =
                    if axis.holds(value) { ink.mark(self.x(value), y) } else { String::new() };
                line + &ends + &point
            }
            Mark::Bar(value) => {
                let (zero, end) = (self.x(0.0), self.x(value));
                let (x, width) = (zero.min(end), (zero - end).abs());
                format!(
                    "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
                    y - 0.32 * ROW,
                    0.64 * ROW
                )
            }
        }
    }

    /// The mark in words.
    fn words(&self, mark: Mark) -> String {
        let axis = &self.panel.axis;
        match mark {
            Mark::Estimate(Extent { value, low, high }) => {
                let [value, low, high] = [value, low, high].map(|figure| axis.figure(figure));
                format!("{value} ({low} to {high})")
            }
            Mark::Bar(value) => axis.figure(value),
        }
    }
}
