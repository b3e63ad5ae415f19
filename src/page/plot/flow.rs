//! Boxes from top to bottom, each with what left on the way to the next (the flow diagram of STROBE).

use super::svg::{self, Anchor, TEXT};

const WIDTH: f64 = 720.0;
/// Width of a box of the flow, and of one beside it.
const BOX: f64 = 280.0;
const ASIDE: f64 = 390.0;
const LINE: f64 = 17.0;
/// Around the text of a box.
const PAD: f64 = 8.0;
/// Between two boxes.
const GAP: f64 = 22.0;

/// A flow from the first step to the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    pub title: String,
    /// What is to be seen, for those who do not see it.
    pub description: String,
    pub steps: Vec<FlowStep>,
}

/// A step of a flow.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowStep {
    /// One line each, wrapped where they are too long.
    pub lines: Vec<String>,
    /// What left after this step; nothing where none did.
    pub aside: Vec<String>,
}

impl Flow {
    pub(in crate::page) fn svg(&self, number: usize) -> String {
        let mut inner = String::new();
        let mut y = 1.0;
        let last = self.steps.len().saturating_sub(1);
        for (place, step) in self.steps.iter().enumerate() {
            let (drawn, bottom) = boxed(1.0, y, BOX, &step.lines);
            inner += &drawn;
            y = bottom;
            if place == last {
                break;
            }
            let middle = BOX / 2.0;
            let mut next = bottom + GAP;
            if !step.aside.is_empty() {
                let left = WIDTH - ASIDE - 1.0;
                let (drawn, bottom) = boxed(left, y + GAP / 2.0, ASIDE, &step.aside);
                let from = y + GAP / 2.0 + (bottom - y - GAP / 2.0) / 2.0;
                inner += &drawn;
                inner += &arrow((middle, from), (left, from));
                next = bottom + GAP / 2.0;
            }
            inner += &arrow((middle, y), (middle, next));
            y = next;
        }
        svg::drawing(number, (WIDTH, y + 2.0), (&self.title, &self.description), &inner)
    }
}

/// A box with its text, and where it ends.
fn boxed(x: f64, y: f64, width: f64, lines: &[String]) -> (String, f64) {
    let wrapped = lines.iter().flat_map(|line| svg::wrapped(line, width - 2.0 * PAD));
    let lines: Vec<String> = wrapped.collect();
    let height = LINE * lines.len() as f64 + 2.0 * PAD;
    let mut out = format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"#f5f7f9\" \
         stroke=\"#5b6570\"/>"
    );
    for (place, line) in lines.iter().enumerate() {
        let at = y + PAD + LINE * place as f64 + TEXT;
        out += &svg::text(x + PAD, at, Anchor::Start, "", line);
    }
    (out, y + height)
}

/// A line that ends in an arrow, to the right or downwards.
fn arrow(from: (f64, f64), to: (f64, f64)) -> String {
    let (x, y) = to;
    let tip = if from.1 == y {
        [(x, y), (x - 8.0, y - 4.0), (x - 8.0, y + 4.0)]
    } else {
        [(x, y), (x - 4.0, y - 8.0), (x + 4.0, y - 8.0)]
    };
    let points = tip.map(|(x, y)| format!("{x:.1},{y:.1}")).join(" ");
    let line = svg::line(from, to, "stroke=\"#5b6570\" stroke-width=\"1.3\"");
    format!("{line}<polygon points=\"{points}\" fill=\"#5b6570\"/>")
}
