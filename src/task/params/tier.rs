//! Tiers as a task file gives them: their names, and the rule by which each begins.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A tier as the file gives it: its name and one rule. The last tier takes the rest and has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    pub name: String,
    /// Share of the development cohort in this tier and those above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_share: Option<f64>,
    /// At most so many flags per 100 index times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags_per_100: Option<f64>,
    /// At most so many flags a day, at as many index times a day as the records have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags_per_day: Option<f64>,
    /// At least this share of the flagged have the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppv_min: Option<f64>,
    /// A missed outcome costs as much as so many needless flags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_ratio: Option<f64>,
}

impl Tier {
    /// The rules that the file gives; a checked task has one for every tier but the last.
    pub fn rules(&self) -> Vec<TierRule> {
        let Tier { name: _, top_share, flags_per_100, flags_per_day, ppv_min, cost_ratio } = self;
        let given = [
            top_share.map(TierRule::TopShare),
            flags_per_100.map(TierRule::FlagsPer100),
            flags_per_day.map(TierRule::FlagsPerDay),
            ppv_min.map(TierRule::PpvMin),
            cost_ratio.map(TierRule::CostRatio),
        ];
        given.into_iter().flatten().collect()
    }
}

/// Where a tier begins. Index times in it and in the tiers above it are flagged from it upwards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TierRule {
    /// About this share of the development cohort.
    TopShare(f64),
    /// At most so many flags per 100 index times.
    #[serde(rename = "flags_per_100")]
    FlagsPer100(f64),
    /// At most so many flags a day.
    FlagsPerDay(f64),
    /// At least this share of the flagged have the outcome.
    PpvMin(f64),
    /// A missed outcome costs as much as so many needless flags: flagged is from the probability at
    /// which both ways cost the same, 1 / (1 + ratio) (Vickers and Elkin 2006).
    CostRatio(f64),
}

impl TierRule {
    /// No team follows up more a day.
    const FLAGS_PER_DAY_MAX: f64 = 100_000.0;
    /// Nobody holds a missed outcome for worse than so many needless flags.
    const COST_RATIO_MAX: f64 = 10_000.0;

    /// Its key in a task file.
    pub fn key(self) -> &'static str {
        match self {
            TierRule::TopShare(_) => "top_share",
            TierRule::FlagsPer100(_) => "flags_per_100",
            TierRule::FlagsPerDay(_) => "flags_per_day",
            TierRule::PpvMin(_) => "ppv_min",
            TierRule::CostRatio(_) => "cost_ratio",
        }
    }

    /// What is asked, in the unit of the rule.
    pub fn value(self) -> f64 {
        match self {
            TierRule::TopShare(value)
            | TierRule::FlagsPer100(value)
            | TierRule::FlagsPerDay(value)
            | TierRule::PpvMin(value)
            | TierRule::CostRatio(value) => value,
        }
    }

    /// The same rule that asks for something else.
    pub fn with_value(self, value: f64) -> TierRule {
        match self {
            TierRule::TopShare(_) => TierRule::TopShare(value),
            TierRule::FlagsPer100(_) => TierRule::FlagsPer100(value),
            TierRule::FlagsPerDay(_) => TierRule::FlagsPerDay(value),
            TierRule::PpvMin(_) => TierRule::PpvMin(value),
            TierRule::CostRatio(_) => TierRule::CostRatio(value),
        }
    }

    /// What is wrong with the number, as the end of a sentence; `None` where nothing is.
    pub fn fault(self) -> Option<String> {
        let (most, is_open) = match self {
            TierRule::TopShare(_) | TierRule::PpvMin(_) => (1.0, true),
            TierRule::FlagsPer100(_) => (100.0, true),
            TierRule::FlagsPerDay(_) => (Self::FLAGS_PER_DAY_MAX, false),
            TierRule::CostRatio(_) => (Self::COST_RATIO_MAX, false),
        };
        let value = self.value();
        // Written so that a NaN fails.
        let fits = value > 0.0 && (value < most || (value == most && !is_open));
        let most = if is_open { format!("below {most}") } else { format!("at most {most}") };
        (!fits).then(|| format!("{} must be above 0 and {most}", self.key()))
    }

    /// Whether it gives a cut only where it is known how many index times a day there are.
    pub fn needs_rate(self) -> bool {
        matches!(self, TierRule::FlagsPerDay(_))
    }

    /// Whether a larger number makes the tier larger.
    pub(in crate::task) fn widens(self) -> bool {
        !matches!(self, TierRule::PpvMin(_))
    }
}

impl fmt::Display for TierRule {
    /// What it asks for, in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TierRule::TopShare(share) => {
                write!(f, "the {}% with the highest probabilities", short(100.0 * share))
            }
            TierRule::FlagsPer100(flags) => {
                write!(f, "at most {} flags per 100 index times", short(*flags))
            }
            TierRule::FlagsPerDay(flags) => write!(f, "at most {} flags a day", short(*flags)),
            TierRule::PpvMin(share) => write!(f, "PPV at least {}%", short(100.0 * share)),
            TierRule::CostRatio(ratio) => {
                write!(f, "a missed outcome costs as much as {} needless flags", short(*ratio))
            }
        }
    }
}

/// With at most four decimals, and no zeros at the end.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
