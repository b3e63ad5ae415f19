//! Small multiples: one line over the same periods for each of many groups, on the same axes, so that
//! they can be compared at a glance (Tufte 1983, The Visual Display of Quantitative Information).

use super::svg::{self, Anchor, TEXT};
use super::xy::Place;
use super::{Axis, Ink, Layer, Plot, Shows};

/// Left of the frame, in units of the drawing: the numbers.
const LEFT: f64 = 48.0;
/// Right of it.
const RIGHT: f64 = 12.0;
/// Below it: the names of the periods.
const BOTTOM: f64 = 22.0;
/// Height of a line of the title.
const TITLE_ROW: f64 = 16.0;
/// Room on both sides of the periods, as a share of the way from one to the next.
const SIDE: f64 = 0.3;
/// Titles are bold, and so wider than the text that widths are reckoned for.
const BOLD_SHARE: f64 = 0.84;
/// Half the arrow of a bracket.
const ARROW: f64 = 5.5;
/// Half the width of the cross of a period that is not shown.
const CROSS: f64 = 3.5;
const QUIET: &str = "stroke=\"#6b747d\" stroke-width=\"1.4\"";

/// Plots of one number over the same periods.
#[derive(Debug, Clone, PartialEq)]
pub struct Multiples {
    /// The periods by name: the places 0, 1, 2 ... of the plots.
    pub periods: Vec<String>,
    pub y: Axis,
    pub size: MultiplesSize,
    pub panels: Vec<Multiple>,
}

/// How large each of the plots is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultiplesSize {
    /// Several beside each other.
    Small,
    /// One that fills half a page.
    Large,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Multiple {
    pub title: String,
    /// What is to be seen, for those who do not see it.
    pub description: String,
    /// Drawn in this order.
    pub layers: Vec<Layer>,
    /// Periods that stand out, by a bracket at the top.
    pub spans: Vec<Span>,
    /// Periods that are not shown, by a cross at the bottom.
    pub absent: Vec<usize>,
}

/// From one period to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: usize,
    pub to: usize,
    /// Whether its arrow points up.
    pub is_rise: bool,
}

impl Multiples {
    /// Each plot as SVG, whose texts are escaped; `first` numbers the first of them on its page.
    pub fn svgs(&self, first: usize) -> Vec<String> {
        (first..).zip(&self.panels).map(|(number, panel)| self.svg(panel, number)).collect()
    }

    /// Width of a drawing, height of its frame, and the lines of its title.
    fn size(&self) -> (f64, f64, usize) {
        match self.size {
            MultiplesSize::Small => (250.0, 112.0, 2),
            MultiplesSize::Large => (420.0, 170.0, 2),
        }
    }

    fn svg(&self, panel: &Multiple, number: usize) -> String {
        let (width, height, title_rows) = self.size();
        let last = self.periods.len().saturating_sub(1) as f64;
        let plot = Plot {
            title: String::new(),
            description: String::new(),
            x: Axis::new("", Shows::Number, -SIDE, last + SIDE),
            y: self.y.clone(),
            layers: Vec::new(),
            is_narrow: true,
        };
        let top = title_rows as f64 * TITLE_ROW + 6.0;
        let place = Place { plot: &plot, left: LEFT, top, width: width - LEFT - RIGHT, height };
        let mut marks: String = panel.layers.iter().map(|layer| place.layer(layer)).collect();
        marks.extend(panel.spans.iter().map(|span| place.bracket(*span)));
        marks.extend(panel.absent.iter().map(|period| place.cross(*period)));
        let inner = format!(
            "{}{}<g class=\"panel\">{}<g class=\"marks\">{marks}</g></g>",
            title(&panel.title, width, title_rows),
            self.axes(&place),
            svg::frame(place.left, place.top, place.width, place.height),
        );
        let size = (width, top + height + BOTTOM);
        svg::drawing(number, size, (&panel.title, &panel.description), &inner)
    }

    fn axes(&self, place: &Place<'_>) -> String {
        let Place { plot, left, top, width, height } = place;
        let mut out = String::new();
        for (value, text) in plot.y.ticks(3) {
            let y = place.y(value);
            let grid = "stroke=\"#e3e7ea\" stroke-width=\"1\"";
            out += &svg::line((*left, y), (left + width, y), grid);
            out += &svg::text(left - 5.0, y + 0.35 * TEXT, Anchor::End, "", &text);
        }
        let y = top + height + 16.0;
        let last = self.periods.len().saturating_sub(1);
        let widest = self.periods.iter().map(|name| svg::width(name)).fold(1.0, f64::max);
        let fits = (width / (widest + 10.0)).floor().max(1.0) as usize;
        let step = last.div_ceil(fits.saturating_sub(1).max(1)).max(1);
        for (period, name) in self.periods.iter().enumerate() {
            // Both ends have their names; between them as many as there is room for.
            let is_end = period == 0 || period == last;
            if !is_end && (period % step != 0 || period + step > last) {
                continue;
            }
            let x = place.x(period as f64);
            let is_alone = last == 0;
            let half = svg::width(name) / 2.0;
            let (x, anchor) = match period {
                _ if is_alone => (x, Anchor::Middle),
                0 => ((x - half).max(1.0), Anchor::Start),
                _ if period == last => ((x + half).min(left + width + RIGHT - 1.0), Anchor::End),
                _ => (x, Anchor::Middle),
            };
            out += &svg::text(x, y, anchor, "", name);
        }
        out
    }
}

/// The title in so many lines at most.
fn title(text: &str, width: f64, rows: usize) -> String {
    let limit = BOLD_SHARE * (width - 4.0);
    let mut lines = svg::wrapped(text, limit);
    if lines.len() > rows {
        let rest = lines.split_off(rows.saturating_sub(1)).join(" ");
        lines.push(svg::shortened(&rest, limit));
    }
    // A short title stands close to its plot.
    let above = rows.saturating_sub(lines.len());
    let line = |(row, line): (usize, &String)| {
        let y = (above + row + 1) as f64 * TITLE_ROW - 3.0;
        svg::text(2.0, y, Anchor::Start, " font-weight=\"600\"", line)
    };
    lines.iter().enumerate().map(line).collect()
}

impl Place<'_> {
    /// A bracket over the periods of `span`, with an arrow in its middle.
    fn bracket(&self, span: Span) -> String {
        let inside = |x: f64| x.clamp(self.left, self.left + self.width);
        let (from, to) = (inside(self.x(span.from as f64)), inside(self.x(span.to as f64)));
        let (top, y) = (self.top + 3.0, self.top + 6.0);
        let style = format!("stroke=\"{}\" stroke-width=\"2\"", Ink::Vermilion.colour());
        let (left, right) = (self.left + ARROW, self.left + self.width - ARROW);
        let middle = f64::midpoint(from, to).clamp(left, right);
        let (tip, base) = if span.is_rise { (top, top + 8.0) } else { (top + 8.0, top) };
        format!(
            "{}{}{}<polygon points=\"{middle:.1},{tip:.1} {:.1},{base:.1} {:.1},{base:.1}\" fill=\"{}\"/>",
            svg::line((from, y), (to, y), &style),
            svg::line((from, top), (from, y + 3.0), &style),
            svg::line((to, top), (to, y + 3.0), &style),
            middle + ARROW,
            middle - ARROW,
            Ink::Vermilion.colour()
        )
    }

    /// A cross at the bottom, where a period is not shown.
    fn cross(&self, period: usize) -> String {
        let (x, y) = (self.x(period as f64), self.top + self.height - 7.0);
        let (left, right) = (x - CROSS, x + CROSS);
        svg::line((left, y - CROSS), (right, y + CROSS), QUIET)
            + &svg::line((left, y + CROSS), (right, y - CROSS), QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(periods: usize, size: MultiplesSize, title: &str) -> String {
        let panel = Multiple {
            title: title.to_owned(),
            description: "d".to_owned(),
            layers: vec![Layer::Line {
                name: String::new(),
                ink: Ink::Blue,
                points: (0..periods).map(|at| (at as f64, 0.5)).collect(),
            }],
            spans: vec![Span { from: 0, to: periods - 1, is_rise: true }],
            absent: vec![0],
        };
        let multiples = Multiples {
            periods: (0..periods).map(|at| format!("{}-Q{}", 2015 + at / 4, 1 + at % 4)).collect(),
            y: Axis::new("", Shows::Percent, 0.0, 1.0),
            size,
            panels: vec![panel],
        };
        multiples.svgs(7).concat()
    }

    #[test]
    fn a_long_title_is_cut_and_markup_in_it_is_text() {
        let svg = drawn(5, MultiplesSize::Small, &"<script>&".repeat(20));
        assert!(svg.contains("figure-7-title") && svg.contains('…') && !svg.contains("<script"));
    }

    #[test]
    fn names_of_periods_keep_apart_however_many_there_are() {
        for (periods, size) in [1, 2, 3, 7, 40, 120]
            .into_iter()
            .flat_map(|n| [MultiplesSize::Small, MultiplesSize::Large].map(|size| (n, size)))
        {
            let svg = drawn(periods, size, "t");
            let names = svg.matches("-Q").count();
            assert!(
                (1..=12).contains(&names) && (periods == 1) == (names == 1),
                "{periods} {names}"
            );
        }
    }
}
