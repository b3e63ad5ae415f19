//! A page as HTML: the skeleton is `templates/page.html`, which escapes every text.

use std::cell::Cell;

use askama::Template;

use super::{Block, Drawing, Figure, Page, Row, Table};

#[derive(Template)]
#[template(path = "page.html")]
struct Skeleton<'a> {
    page: &'a Page,
    /// How many figures have been drawn: each has a number of its own on the page.
    figures: Cell<usize>,
}

impl Skeleton<'_> {
    /// The drawing as SVG, whose texts are escaped.
    fn svg(&self, figure: &Figure) -> String {
        let number = self.figures.get() + 1;
        let drawn = if let Drawing::Multiples(of) = &figure.drawing { of.panels.len() } else { 1 };
        self.figures.set(self.figures.get() + drawn);
        match &figure.drawing {
            Drawing::Plot(plot) => plot.svg(number),
            Drawing::Strips(strips) => strips.svg(number),
            Drawing::Flow(flow) => flow.svg(number),
            Drawing::Multiples(multiples) => multiples.svgs(number).concat(),
        }
    }

    /// Whether it is drawn as several plots.
    fn is_many(&self, figure: &Figure) -> bool {
        matches!(figure.drawing, Drawing::Multiples(_))
    }

    /// Whether some figure needs the whole width.
    fn is_wide(&self, figures: &[Figure]) -> bool {
        let is_narrow =
            |figure: &Figure| matches!(&figure.drawing, Drawing::Plot(plot) if plot.is_narrow);
        !figures.iter().all(is_narrow)
    }
}

/// The page as one file.
pub(super) fn html(page: &Page) -> String {
    // Rendering to a String fails only where a text cannot be formatted: all of them are Strings.
    Skeleton { page, figures: Cell::new(0) }.render().unwrap_or_default()
}
