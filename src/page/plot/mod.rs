//! Plots as SVG, by a small writer of our own: no script, no font, no address.
//!
//! What differs differs in colour (Okabe and Ito 2008, told apart by colour-blind people), in line
//! style and in mark. Marks lie inside their frame: what is not finite is left out, what reaches over
//! an end is cut there.

mod axis;
mod flow;
mod ink;
mod multiples;
mod strips;
mod svg;
mod xy;

pub use axis::{Axis, Shows};
pub use flow::{Flow, FlowStep};
pub use ink::Ink;
pub use multiples::{Multiple, Multiples, MultiplesSize, Span};
pub use strips::{Extent, Mark, Panel, Strip, Strips};
pub use xy::{Band, Layer, Plot, Point};
