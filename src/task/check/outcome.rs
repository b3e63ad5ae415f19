//! Checking the outcome of a task file, and its rules of planned stays.

use super::{DAYS_MAX, Finder, in_limit, invalid};
use crate::record::EncounterClass;
use crate::task::definition::{Bound, Events, Hit, Part, PartRule, PlannedRule, Rise, TaskError};
use crate::task::params::{
    EventsParams, HitParams, OutcomeRuleParams, PlannedParams, RiseParams, TaskParams,
};

impl Finder<'_> {
    pub(super) fn outcome(&self, params: &TaskParams) -> Result<Vec<Part>, TaskError> {
        if params.outcome.is_empty() {
            return Err(invalid("outcome", "needs at least one [[outcome]]"));
        }
        let checked = params.outcome.iter().map(|part| {
            let place = format!("outcome `{}`", part.name);
            let rule = self.part_rule(&place, &part.rule, params)?;
            Ok(Part { name: part.name.clone(), rule })
        });
        checked.collect()
    }

    fn part_rule(
        &self,
        place: &str,
        rule: &OutcomeRuleParams,
        params: &TaskParams,
    ) -> Result<PartRule, TaskError> {
        Ok(match rule {
            OutcomeRuleParams::Stay(stay) => {
                if stay.unplanned && params.planned.is_none() {
                    return Err(invalid(place, "unplanned stays need a [planned] rule set"));
                }
                if stay.past_planned && !stay.unplanned {
                    return Err(invalid(place, "past_planned goes with `unplanned = true`"));
                }
                PartRule::Stay {
                    unplanned: stay.unplanned,
                    past_planned: stay.past_planned,
                    same_day_same_cause_continues: stay.same_day_same_cause_continues,
                    classes: stay.classes.clone(),
                }
            }
            OutcomeRuleParams::Contact { classes, except, merge_hours } => PartRule::Contact {
                classes: classes.clone(),
                except: self.all(place, except)?,
                merge_hours: i64::from(*merge_hours),
            },
            OutcomeRuleParams::Events(events) => PartRule::Events(self.events(place, events)?),
            OutcomeRuleParams::Rise(rise) => {
                PartRule::Rise(self.rise(place, rise, params.time_at_risk.horizon_days)?)
            }
        })
    }

    pub(super) fn events(&self, place: &str, events: &EventsParams) -> Result<Events, TaskError> {
        if events.any.is_empty() || !(1..=2).contains(&events.times) {
            return Err(invalid(place, "needs at least one of `any`, once or twice"));
        }
        let apart_days_max = events.apart_days_max.unwrap_or(DAYS_MAX);
        if events.apart_days_min > apart_days_max {
            return Err(invalid(place, "apart_days_min must be at most apart_days_max"));
        }
        let any: Result<Vec<Hit>, TaskError> =
            events.any.iter().map(|hit| self.hit(place, hit, &events.classes)).collect();
        Ok(Events {
            any: any?,
            classes: events.classes.clone(),
            twice: events.times == 2,
            apart_days_min: in_limit(place, events.apart_days_min)?.into(),
            apart_days_max: in_limit(place, apart_days_max)?.into(),
            in_different_contacts: events.in_different_contacts,
            days_from_stay_min: in_limit(place, events.days_from_stay_min)?.into(),
        })
    }

    fn hit(
        &self,
        place: &str,
        hit: &HitParams,
        classes: &[EncounterClass],
    ) -> Result<Hit, TaskError> {
        Ok(match hit {
            HitParams::Event { concepts, kinds, unless } => Hit::Event {
                concepts: self.some(place, concepts)?,
                kinds: kinds.clone(),
                unless: self.all(place, unless)?,
            },
            HitParams::Measured { concept, at_least, below, at_most_share, baseline_days } => {
                let bound = match (at_least, below, at_most_share, baseline_days) {
                    (Some(value), None, None, None) => Bound::AtLeast(self.number(place, value)?),
                    (None, Some(value), None, None) => Bound::Below(self.number(place, value)?),
                    (None, None, Some(share), Some(days)) if (0.0..=1.0).contains(share) => {
                        Bound::AtMostShare { share: *share, baseline_days: in_limit(place, *days)? }
                    }
                    _ => {
                        let reason = "measured needs one of `at_least`, `below`, or \
                                      `at_most_share` (0 to 1) with `baseline_days`";
                        return Err(invalid(place, reason));
                    }
                };
                Hit::Measured { readings: self.readings(place, concept, classes)?, bound }
            }
        })
    }

    fn rise(&self, place: &str, rise: &RiseParams, horizon_days: u32) -> Result<Rise, TaskError> {
        if rise.days_min == 0 || rise.from_days >= horizon_days {
            return Err(invalid(place, "needs days_min, and from_days before the horizon"));
        }
        Ok(Rise {
            baseline: self.measure(place, &rise.concept, &rise.classes, rise.baseline_days)?,
            days_min: rise.days_min as usize,
            from_days: rise.from_days.into(),
            by: self.number(place, &rise.by)?,
            to_at_least: self.number(place, &rise.to_at_least)?,
        })
    }

    pub(super) fn planned(&self, given: &PlannedParams) -> Result<Vec<PlannedRule>, TaskError> {
        let place = format!("planned `{}`", given.name);
        if given.rule.is_empty() {
            return Err(invalid(&place, "needs at least one [[planned.rule]]"));
        }
        let checked = given.rule.iter().map(|rule| {
            let positive = rule.said_planned
                || rule.any_procedure
                || ![&rule.admission, &rule.principal, &rule.procedure]
                    .iter()
                    .all(|c| c.is_empty());
            if !positive {
                return Err(invalid(&place, "a rule says something that must hold"));
            }
            Ok(PlannedRule {
                said_planned: rule.said_planned,
                admission: self.all(&place, &rule.admission)?,
                principal: self.all(&place, &rule.principal)?,
                principal_not: self.all(&place, &rule.principal_not)?,
                procedure: self.all(&place, &rule.procedure)?,
                any_procedure: rule.any_procedure,
            })
        });
        checked.collect()
    }
}
