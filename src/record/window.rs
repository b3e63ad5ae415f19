//! How far back something looks from the index time.

use serde::{Deserialize, Serialize};

use super::{Entry, View};

/// How far a feature or a formula looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The index stay.
    Stay,
    Days(u32),
    /// All that is known.
    Ever,
}

impl Window {
    /// The longest look-back, in days: a hundred years.
    pub const DAYS_MAX: u32 = 36_525;

    /// Whether the window has a length that can be meant.
    pub fn is_limited(self) -> bool {
        !matches!(self, Window::Days(days) if !(1..=Window::DAYS_MAX).contains(&days))
    }

    /// Whether `entry`, which `view` shows, lies in the window.
    pub fn holds(self, view: &View<'_>, entry: &Entry) -> bool {
        match self {
            Window::Stay => view.in_stay(entry),
            Window::Days(days) => view.within_days(entry, i64::from(days)),
            Window::Ever => true,
        }
    }
}
