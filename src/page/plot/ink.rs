//! The inks of a plot: each has a colour, a line style and a mark of its own.

/// What something is drawn with. The colours are those of Okabe and Ito 2008.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Solid, circles: the model.
    Blue,
    /// Dashed, squares.
    Vermilion,
    /// Dotted, diamonds.
    Green,
    /// Dashes and dots, triangles.
    Purple,
    /// Long dashes, triangles upside down.
    Orange,
    /// Thin and solid: what others are compared with.
    Black,
    /// Thin and dashed: what would be ideal, or tell nothing.
    Grey,
}

impl Ink {
    /// The inks for things of one kind, in turn.
    pub const OTHERS: [Ink; 4] = [Ink::Vermilion, Ink::Green, Ink::Purple, Ink::Orange];

    pub(super) fn colour(self) -> &'static str {
        match self {
            Ink::Blue => "#0072b2",
            Ink::Vermilion => "#d55e00",
            Ink::Green => "#00795a",
            Ink::Purple => "#a8518a",
            Ink::Orange => "#b87800",
            Ink::Black => "#1b1f24",
            Ink::Grey => "#6b747d",
        }
    }

    /// The attributes of a line.
    pub(super) fn line(self) -> String {
        let (width, dashes) = match self {
            Ink::Blue => (2.2, ""),
            Ink::Vermilion => (2.0, "7 3"),
            Ink::Green => (2.2, "2 3"),
            Ink::Purple => (2.0, "8 3 2 3"),
            Ink::Orange => (2.0, "12 4"),
            Ink::Black => (1.2, ""),
            Ink::Grey => (1.2, "4 3"),
        };
        let dashes = match dashes {
            "" => String::new(),
            dashes => format!(" stroke-dasharray=\"{dashes}\""),
        };
        format!("fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"{dashes}", self.colour())
    }

    /// A mark of about 8 units across; its middle is its place.
    pub(super) fn mark(self, x: f64, y: f64) -> String {
        let colour = self.colour();
        let shape = |points: [(f64, f64); 4]| {
            let points = points.map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy));
            format!("<polygon points=\"{}\" fill=\"{colour}\"/>", points.join(" "))
        };
        match self {
            Ink::Blue | Ink::Black | Ink::Grey => {
                format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.6\" fill=\"{colour}\"/>")
            }
            Ink::Vermilion => shape([(-3.3, -3.3), (3.3, -3.3), (3.3, 3.3), (-3.3, 3.3)]),
            Ink::Green => shape([(0.0, -4.6), (4.6, 0.0), (0.0, 4.6), (-4.6, 0.0)]),
            Ink::Purple => shape([(0.0, -4.6), (4.2, 3.4), (-4.2, 3.4), (0.0, -4.6)]),
            Ink::Orange => shape([(0.0, 4.6), (4.2, -3.4), (-4.2, -3.4), (0.0, 4.6)]),
        }
    }
}
