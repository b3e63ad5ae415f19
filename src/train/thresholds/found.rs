//! What a search for a cut found, and what of it is told.

use serde::Serialize;

use crate::bundle::Bundle;
use crate::task::TierRule;
use crate::train::account::search_page;
use crate::train::alert_burden::AlertBurden;
use crate::train::attrition::ShownAttrition;
use crate::train::censoring::CensoringReport;
use crate::train::judgement::GroupFlags;
use crate::train::metrics::Estimate;
use crate::train::small_cell::Count;

/// How many rows and patients something rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PartCount {
    pub index_times: Count,
    pub patients: Count,
    pub outcomes: Count,
}

/// Where the number of index times a day comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RateFrom {
    /// All eligible index times of the export, by the days from the first to the last.
    Export,
    /// Whoever called.
    Caller,
}

/// What a rule, or a neighbouring one, does to the patients it was not found on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RuleFigures {
    pub rule: TierRule,
    /// Whether it is the one that was asked for.
    pub is_asked: bool,
    pub burden: AlertBurden,
}

/// Whether the patients the cut was not found on bear out what the rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// What was asked lies within the 95% interval, or on its good side.
    Kept,
    Broken,
    /// Too few patients to tell.
    NotJudged,
}

/// What a search for a cut found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Thresholds {
    pub task: String,
    /// The version whose tier it is, and its digest.
    pub version: String,
    pub digest: String,
    pub tier: String,
    pub rule: TierRule,
    /// `None` where nothing tells.
    pub index_times_per_day: Option<f64>,
    pub index_times_per_day_from: Option<RateFrom>,
    pub found_on: PartCount,
    pub judged_on: PartCount,
    pub held_out_part: String,
    pub attrition: ShownAttrition,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub censoring: Option<CensoringReport>,
    /// The cut of the rule that was asked for, a probability.
    pub cut: f64,
    pub promise: Promise,
    /// The rule that was asked for among its neighbours, from the highest cut down. A neighbour without
    /// a cut, or with too few patients between, is left out.
    pub rules: Vec<RuleFigures>,
    /// What the tier's present cut does to the same patients; `None` with too few patients between.
    pub as_it_is: Option<AlertBurden>,
    /// What the rule that was asked for does in each group.
    pub groups: Vec<GroupFlags>,
    /// What should be looked at before the cut is used.
    pub warnings: Vec<String>,
}

impl Promise {
    /// Whether the judged patients bear out what the rule asks for.
    pub(super) fn of(rule: TierRule, burden: &AlertBurden) -> Promise {
        let at_most = |of: Option<Estimate>, asked: f64| of.map(|of| of.interval[0] <= asked);
        let at_least = |of: Option<Estimate>, asked: f64| of.map(|of| of.interval[1] >= asked);
        let kept = match rule {
            TierRule::TopShare(share) => at_most(burden.flags_per_100, 100.0 * share),
            TierRule::FlagsPer100(flags) => at_most(burden.flags_per_100, flags),
            TierRule::FlagsPerDay(flags) => at_most(burden.flags_per_day, flags),
            TierRule::PpvMin(ppv_min) => at_least(burden.ppv, ppv_min),
            // Flagging at these costs is better than flagging nobody.
            TierRule::CostRatio(_) => at_least(burden.net_benefit_per_100, 0.0),
        };
        match kept {
            Some(true) => Promise::Kept,
            Some(false) => Promise::Broken,
            None => Promise::NotJudged,
        }
    }

    /// What it says, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Promise::Kept => {
                "What was asked for holds on the patients the cut was not found on: it lies within the \
                 95% interval, or on its good side."
            }
            Promise::Broken => {
                "What was asked for does not hold on the patients the cut was not found on: the whole \
                 95% interval lies on its bad side. Ask for less, or give more records."
            }
            Promise::NotJudged => {
                "Too few patients are left to tell whether what was asked for holds: judge it on more \
                 (--held-out), or give more records."
            }
        }
    }
}

/// A line of the table of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdLine {
    /// The rule in words, and whether it was asked for.
    pub name: String,
    pub burden: AlertBurden,
}

impl Thresholds {
    /// The rule among its neighbours, and the present cut where it can be told.
    pub fn lines(&self) -> Vec<ThresholdLine> {
        let name = |row: &RuleFigures| match row.is_asked {
            true => format!("asked for: {}", row.rule),
            false => row.rule.to_string(),
        };
        let rules =
            self.rules.iter().map(|row| ThresholdLine { name: name(row), burden: row.burden });
        let present = self.as_it_is.iter().map(|burden| ThresholdLine {
            name: format!("as it is in version {}", self.version),
            burden: *burden,
        });
        rules.chain(present).collect()
    }

    /// The report of the search alone, as a page.
    pub fn html(&self, bundle: &Bundle) -> String {
        search_page(bundle.task(), self).html()
    }
}
