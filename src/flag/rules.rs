//! The rules by which flags are raised, kept, cleared and held back: as a file gives them, and
//! checked.

use serde::{Deserialize, Serialize};

use super::Sighting;
use crate::bundle::TierCut;
use crate::strict_toml::SettingFault;

/// The rules, unchecked. The defaults are choices of this project, made so that a risk that swings
/// around its cut by 15% from day to day gives one flag in 60 days; no source gives better ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlagRulesParams {
    /// How many tiers, from the highest, raise flags; the lowest tier of a task never does.
    pub raising_tiers: u8,
    /// Where a flag may end, as a share of where it begins: cleared below `clear_ratio` times the
    /// cut it was raised at.
    pub clear_ratio: f64,
    /// All scores of so many hours must lie below that before a flag is cleared or its tier falls.
    pub clear_after_hours: u32,
    /// A flag is there for so many hours at least, so that somebody can see it.
    pub dwell_hours_min: u32,
    /// So long after a flag was cleared nothing raises another one but a higher tier or a risk that
    /// rose materially twice over; twice as long when the risk came back to where it had not been
    /// cleared. After a flag expired the same holds for scores of the same index time.
    pub cool_down_days: u32,
    /// The odds ratio that counts as a material rise: against the risk when the flag was answered,
    /// dismissed, snoozed or cleared, or against the cut where that is higher.
    pub material_rise: f64,
    /// How many flags a day (UTC) may be raised for one team; 0 is no limit. The highest tier is
    /// never held back by it, and counts.
    pub raises_a_day_per_team: u32,
    /// A score about a time longer ago than this by the server's clock, in hours, raises nothing; one
    /// about a time to come does not either, but for 10 minutes by which clocks may differ.
    pub fresh_hours: u32,
    /// How many days of a risk's course are kept with its flag.
    pub course_days: u32,
    /// The most points of a course; the oldest go.
    pub course_points_max: u32,
}

impl Default for FlagRulesParams {
    fn default() -> FlagRulesParams {
        FlagRulesParams {
            raising_tiers: 1,
            clear_ratio: 0.8,
            clear_after_hours: 48,
            dwell_hours_min: 24,
            cool_down_days: 30,
            material_rise: 1.5,
            raises_a_day_per_team: 0,
            fresh_hours: 24,
            course_days: 30,
            course_points_max: 60,
        }
    }
}

/// The rules, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagRules {
    pub(super) params: FlagRulesParams,
    /// Whether scores of simulated patients raise flags: in a store for showing alone.
    pub(super) is_demonstration: bool,
}

impl FlagRules {
    /// The rules of `params`; synthetic scores raise only where `is_demonstration`.
    ///
    /// # Errors
    /// All values that make no sense.
    pub fn new(
        params: &FlagRulesParams,
        is_demonstration: bool,
    ) -> Result<FlagRules, Vec<SettingFault>> {
        let mut faults = Vec::new();
        let mut within = |key: &'static str, value: f64, from: f64, to: f64| {
            if !(from..=to).contains(&value) {
                let reason = format!("{value}: must be {from} to {to}");
                faults.push(SettingFault { key, reason });
            }
        };
        within("raising_tiers", params.raising_tiers.into(), 1.0, 16.0);
        within("clear_ratio", params.clear_ratio, 0.1, 1.0);
        within("clear_after_hours", params.clear_after_hours.into(), 0.0, 2_160.0);
        within("dwell_hours_min", params.dwell_hours_min.into(), 0.0, 2_160.0);
        within("cool_down_days", params.cool_down_days.into(), 0.0, 365.0);
        within("material_rise", params.material_rise, 1.0, 100.0);
        within("raises_a_day_per_team", params.raises_a_day_per_team.into(), 0.0, 1_000_000.0);
        within("fresh_hours", params.fresh_hours.into(), 1.0, 8_760.0);
        within("course_days", params.course_days.into(), 1.0, 365.0);
        within("course_points_max", params.course_points_max.into(), 1.0, 500.0);
        if params.raises_a_day_per_team > 0 && params.raising_tiers == 1 {
            let reason =
                "the highest tier is never held back, and no other tier raises flags: set \
                          raising_tiers to 2 or more, or leave this at 0"
                    .to_owned();
            faults.push(SettingFault { key: "raises_a_day_per_team", reason });
        }
        match faults.is_empty() {
            true => Ok(FlagRules { params: params.clone(), is_demonstration }),
            false => Err(faults),
        }
    }

    /// How many flags a day may be raised for one team; `None` is no limit.
    pub fn raises_a_day_per_team(&self) -> Option<u32> {
        Some(self.params.raises_a_day_per_team).filter(|limit| *limit > 0)
    }

    /// The tiers that raise flags, of a task's tiers from the highest. The lowest begins at 0, and
    /// somebody is always in it.
    pub(super) fn raising<'a>(&self, cuts: &'a [TierCut]) -> &'a [TierCut] {
        let of_risk = cuts.iter().take_while(|tier| tier.from > 0.0).count();
        let count = usize::from(self.params.raising_tiers).min(of_risk);
        cuts.get(..count).unwrap_or_default()
    }

    /// Whether the score lies high enough for a flag.
    pub fn may_raise(&self, sighting: &Sighting) -> bool {
        let lowest = self.raising(&sighting.cuts).last();
        sighting.probability.zip(lowest).is_some_and(|(risk, tier)| risk >= tier.from)
    }

    /// Whether synthetic scores raise flags by these rules.
    pub fn is_demonstration(&self) -> bool {
        self.is_demonstration
    }
}

/// How much of a team's day is used up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DayUse {
    /// Flags raised for the team today, of whatever tier.
    pub raises: u32,
    /// Tier rank and probability of the first of the team's other flags that wait.
    pub first_waiting: Option<(u8, f64)>,
}

impl DayUse {
    /// Whether a flag of this tier and risk may be raised now: the highest tier always; another one
    /// while the day has room and nobody waits before it.
    pub(super) fn has_room(&self, rules: &FlagRules, tier_rank: u8, probability: f64) -> bool {
        let limit = rules.raises_a_day_per_team();
        let is_next = self.first_waiting.is_none_or(|(rank, risk)| {
            tier_rank < rank || (tier_rank == rank && probability >= risk)
        });
        tier_rank == 0 || limit.is_none_or(|limit| self.raises < limit && is_next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strict_toml;

    #[test]
    fn rules_read_strictly_and_are_checked() {
        let params: FlagRulesParams = strict_toml::parse("clear_ratio = 0.7").unwrap();
        assert!(FlagRules::new(&params, false).is_ok());
        let error = strict_toml::parse::<FlagRulesParams>("cool_down = 3").unwrap_err();
        assert!(error.contains("did you mean `cool_down_days`?"), "{error}");
        let params = FlagRulesParams {
            clear_ratio: f64::NAN,
            material_rise: 0.5,
            raises_a_day_per_team: 3,
            ..params
        };
        let faults = FlagRules::new(&params, false).unwrap_err();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["clear_ratio", "material_rise", "raises_a_day_per_team"]);
    }
}
