//! A plot of one number by another: lines, bands and points between two axes.

use super::Axis;
use super::ink::Ink;
use super::svg::{self, Anchor, TEXT};

/// Left of the frame, in units of the drawing: ticks and the label.
const LEFT: f64 = 62.0;
/// Right of it: half of the last tick's text.
const RIGHT: f64 = 26.0;
/// Below the frame: ticks and the label.
const BOTTOM: f64 = 44.0;
/// Height of a row of the legend.
const LEGEND_ROW: f64 = 19.0;
/// Width of a line in the legend.
const LEGEND_LINE: f64 = 30.0;

/// A plot between two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    pub title: String,
    /// What is to be seen, for those who do not see it.
    pub description: String,
    pub x: Axis,
    pub y: Axis,
    /// Drawn in this order.
    pub layers: Vec<Layer>,
    /// Whether it is half as wide as the page.
    pub is_narrow: bool,
}

/// Something drawn on a plot. What has a name is in the legend.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    Line { name: String, ink: Ink, points: Vec<(f64, f64)> },
    Band { ink: Ink, points: Vec<Band> },
    Points { name: String, ink: Ink, points: Vec<Point> },
}

/// A band at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    pub x: f64,
    pub low: f64,
    pub high: f64,
}

/// A point, with its interval where it has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub interval: Option<[f64; 2]>,
}

/// Where on the drawing the plot lies.
pub(super) struct Place<'a> {
    pub(super) plot: &'a Plot,
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Plot {
    pub(in crate::page) fn svg(&self, number: usize) -> String {
        let (width, height) = if self.is_narrow { (420.0, 320.0) } else { (720.0, 340.0) };
        let legend = self.legend(width);
        let top = 8.0 + legend.rows as f64 * LEGEND_ROW;
        let place = Place {
            plot: self,
            left: LEFT,
            top,
            width: width - LEFT - RIGHT,
            height: height - BOTTOM - 8.0,
        };
        let marks: String = self.layers.iter().map(|layer| place.layer(layer)).collect();
        let inner = format!(
            "{}<g class=\"panel\">{}{}<g class=\"marks\">{marks}</g></g>",
            legend.svg,
            place.axes(),
            svg::frame(place.left, place.top, place.width, place.height)
        );
        let size = (width, top + place.height + BOTTOM);
        svg::drawing(number, size, (&self.title, &self.description), &inner)
    }

    /// The named layers with a piece of each, in as many rows as they need.
    fn legend(&self, width: f64) -> Legend {
        let mut legend = Legend { svg: String::new(), rows: 0 };
        let mut x = f64::INFINITY;
        for layer in &self.layers {
            let (name, ink, is_line) = match layer {
                Layer::Line { name, ink, .. } => (name, *ink, true),
                Layer::Points { name, ink, .. } => (name, *ink, false),
                Layer::Band { .. } => continue,
            };
            if name.is_empty() {
                continue;
            }
            let name = svg::shortened(name, width - LEFT - LEGEND_LINE - 10.0);
            let wide = LEGEND_LINE + 6.0 + svg::width(&name) + 14.0;
            if x + wide > width {
                (x, legend.rows) = (LEFT, legend.rows + 1);
            }
            let y = legend.rows as f64 * LEGEND_ROW - 6.0;
            let piece = match is_line {
                true => svg::line((x, y), (x + LEGEND_LINE, y), &ink.line()),
                false => ink.mark(x + LEGEND_LINE / 2.0, y),
            };
            let text_x = x + LEGEND_LINE + 6.0;
            legend.svg += &piece;
            legend.svg += &svg::text(text_x, y + 0.35 * TEXT, Anchor::Start, "", &name);
            x += wide;
        }
        legend
    }
}

struct Legend {
    svg: String,
    rows: usize,
}

impl Place<'_> {
    pub(super) fn x(&self, value: f64) -> f64 {
        self.left + self.plot.x.share(value) * self.width
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.top + (1.0 - self.plot.y.share(value)) * self.height
    }

    fn axes(&self) -> String {
        let Place { plot, left, top, width, height } = self;
        let (right, bottom) = (left + width, top + height);
        let grid = "stroke=\"#e3e7ea\" stroke-width=\"1\"";
        let mut out = String::new();
        for (value, text) in plot.x.ticks(if plot.is_narrow { 5 } else { 10 }) {
            let x = self.x(value);
            out += &svg::line((x, *top), (x, bottom), grid);
            out += &svg::text(x, bottom + 16.0, Anchor::Middle, "", &text);
        }
        for (value, text) in plot.y.ticks(5) {
            let y = self.y(value);
            out += &svg::line((*left, y), (right, y), grid);
            out += &svg::text(left - 6.0, y + 0.35 * TEXT, Anchor::End, "", &text);
        }
        let middle = left + width / 2.0;
        out += &svg::text(middle, bottom + 36.0, Anchor::Middle, "", &plot.x.label);
        let (x, y) = (14.0, top + height / 2.0);
        let turned = format!(" transform=\"rotate(-90 {x:.1} {y:.1})\"");
        out + &svg::text(x, y, Anchor::Middle, &turned, &plot.y.label)
    }

    pub(super) fn layer(&self, layer: &Layer) -> String {
        match layer {
            Layer::Line { ink, points, .. } => {
                let pieces = self.pieces(points);
                let piece = |piece: &Vec<(f64, f64)>| self.path(piece, &ink.line(), false);
                pieces.iter().map(piece).collect()
            }
            Layer::Band { ink, points } => {
                let within = |value: f64| value.clamp(self.plot.y.from, self.plot.y.to);
                let holds = |band: &&Band| self.plot.x.holds(band.x) && band.low <= band.high;
                let kept: Vec<&Band> = points.iter().filter(holds).collect();
                let there = kept.iter().map(|band| (band.x, within(band.high)));
                let back = kept.iter().rev().map(|band| (band.x, within(band.low)));
                let fill = format!("fill=\"{}\" fill-opacity=\"0.16\"", ink.colour());
                self.path(&there.chain(back).collect::<Vec<_>>(), &fill, true)
            }
            Layer::Points { ink, points, .. } => {
                points.iter().map(|point| self.point(point, *ink)).collect()
            }
        }
    }

    fn point(&self, point: &Point, ink: Ink) -> String {
        let Plot { x, y, .. } = self.plot;
        if !x.holds(point.x) || !y.holds(point.y) {
            return String::new();
        }
        let at = self.x(point.x);
        let whisker = point.interval.filter(|[low, high]| low <= high).map(|[low, high]| {
            let [low, high] = [low, high].map(|end| self.y(end.clamp(y.from, y.to)));
            let style = format!("stroke=\"{}\" stroke-width=\"1.3\"", ink.colour());
            svg::line((at, low), (at, high), &style)
        });
        whisker.unwrap_or_default() + &ink.mark(at, self.y(point.y))
    }

    fn path(&self, points: &[(f64, f64)], attributes: &str, is_closed: bool) -> String {
        if points.len() < 2 {
            return String::new();
        }
        let each = points.iter().map(|(x, y)| format!("{:.1} {:.1}", self.x(*x), self.y(*y)));
        let each: Vec<String> = each.collect();
        let end = if is_closed { " Z" } else { "" };
        format!("<path d=\"M{}{end}\" {attributes}/>", each.join(" L"))
    }

    /// The line through `points` as far as it lies between the ends of both axes.
    fn pieces(&self, points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
        let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
        let finite: Vec<(f64, f64)> =
            points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
        for pair in finite.windows(2) {
            let &[from, to] = pair else { continue };
            let Some((from, to)) = self.cut(from, to) else { continue };
            match pieces.last_mut() {
                Some(open) if open.last() == Some(&from) => open.push(to),
                _ => pieces.push(vec![from, to]),
            }
        }
        pieces
    }

    /// The part of a straight line that lies inside (Liang and Barsky 1984).
    fn cut(&self, from: (f64, f64), to: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
        let Plot { x, y, .. } = self.plot;
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let (mut begin, mut end) = (0.0_f64, 1.0_f64);
        let sides = [
            (-dx, from.0 - x.from),
            (dx, x.to - from.0),
            (-dy, from.1 - y.from),
            (dy, y.to - from.1),
        ];
        for (out, room) in sides {
            if out == 0.0 && room < 0.0 {
                return None;
            }
            let at = room / out;
            if out < 0.0 {
                begin = begin.max(at);
            } else if out > 0.0 {
                end = end.min(at);
            }
        }
        let at = |share: f64| match share {
            0.0 => from,
            1.0 => to,
            share => (from.0 + share * dx, from.1 + share * dy),
        };
        // What only touches a side is no line.
        (begin < end).then(|| (at(begin), at(end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Shows;

    #[test]
    fn what_reaches_over_an_end_is_cut_there_and_nothing_else_is() {
        let unit = || Axis::new("", Shows::Number, 0.0, 1.0);
        let plot = Plot {
            title: String::new(),
            description: String::new(),
            x: unit(),
            y: unit(),
            layers: Vec::new(),
            is_narrow: true,
        };
        let place = Place { plot: &plot, left: 0.0, top: 0.0, width: 1.0, height: 1.0 };
        let line = [(0.0, 0.5), (0.5, 1.5), (1.0, 0.5), (2.0, 0.5), (f64::NAN, 0.2)];
        let pieces = place.pieces(&line);
        let expected = [vec![(0.0, 0.5), (0.25, 1.0)], vec![(0.75, 1.0), (1.0, 0.5)]];
        assert_eq!(pieces[..2], expected, "{pieces:?}");
        let inside: Vec<(f64, f64)> = (0..5).map(|n| (f64::from(n) / 4.0, 0.3)).collect();
        assert_eq!(place.pieces(&inside), [inside]);
        assert_eq!(place.pieces(&[(0.5, 0.5)]), Vec::<Vec<(f64, f64)>>::new());
    }
}
