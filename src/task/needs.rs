//! `LabelNeeds`: what of a record the labels of a task depend on, so that an import may pass over the rest.

use std::collections::BTreeSet;

use super::definition::{PartRule, Rule, Task};
use super::params::IndexRule;
use crate::record::{ConceptId, ConceptSet, EncounterClass};

/// The parts of a record without which index times, eligibility and labels could differ. Who the
/// person is, death and coverage are always needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelNeeds {
    /// Events of these concepts.
    pub concepts: BTreeSet<ConceptId>,
    /// Every procedure, because a rule asks for any.
    pub procedures: bool,
    /// Every principal diagnosis, because causes of stays are compared.
    pub principal_diagnoses: bool,
    /// Encounters of these classes; all when absent.
    pub classes: Option<BTreeSet<EncounterClass>>,
    /// The latest event of any kind, because index times end with it.
    pub latest_event: bool,
}

impl LabelNeeds {
    /// What the labels of `task` depend on.
    pub fn of(task: &Task, concepts: &ConceptSet) -> LabelNeeds {
        let same_cause = |rule: &PartRule| {
            matches!(rule, PartRule::Stay { same_day_same_cause_continues: true, .. })
        };
        let index = &task.params().index.rule;
        LabelNeeds {
            concepts: with_pairs(task.rule_concepts(), concepts),
            procedures: task.planned().iter().any(|rule| rule.any_procedure),
            principal_diagnoses: task.outcome().iter().any(|part| same_cause(&part.rule)),
            classes: classes(task, index),
            latest_event: matches!(index, IndexRule::MonthStart | IndexRule::InStay { .. }),
        }
    }

    /// What rules outside of any task depend on that read these concepts, and contacts of these classes
    /// (of all when absent).
    pub fn of_rules(
        needed: BTreeSet<ConceptId>,
        classes: Option<BTreeSet<EncounterClass>>,
        concepts: &ConceptSet,
    ) -> LabelNeeds {
        let classes = classes.map(|classes| classes.into_iter().chain(OF_EPISODES).collect());
        let (procedures, principal_diagnoses, latest_event) = (false, false, false);
        let concepts = with_pairs(needed, concepts);
        LabelNeeds { concepts, procedures, principal_diagnoses, classes, latest_event }
    }
}

/// Episodes are made of these, and events that name no encounter belong to one of them by time.
const OF_EPISODES: [EncounterClass; 5] = [
    EncounterClass::Inpatient,
    EncounterClass::Acute,
    EncounterClass::NonAcute,
    EncounterClass::Emergency,
    EncounterClass::Observation,
];

/// Values of a pair that contradict each other are cleared: both must be there.
fn with_pairs(mut needed: BTreeSet<ConceptId>, concepts: &ConceptSet) -> BTreeSet<ConceptId> {
    for (upper, lower) in concepts.above() {
        if needed.contains(upper) || needed.contains(lower) {
            needed.extend([*upper, *lower]);
        }
    }
    needed
}

/// The classes of encounters that are looked at, beyond saying of what class an event's encounter is.
fn classes(task: &Task, index: &IndexRule) -> Option<BTreeSet<EncounterClass>> {
    let mut classes = BTreeSet::from(OF_EPISODES);
    let in_stays = match index {
        IndexRule::EpisodeEnd => true,
        IndexRule::Contact { classes: of, .. } => {
            classes.extend(of);
            false
        }
        // The last encounter of any class may be the last thing that is recorded.
        IndexRule::MonthStart | IndexRule::InStay { .. } => return None,
    };
    for criterion in task.include().iter().chain(task.exclude()) {
        match &criterion.rule {
            // Without a stay the discharge is that of any contact that ends at the index time.
            Rule::Discharge(_) if !in_stays => return None,
            Rule::Contact { classes: of, .. } => classes.extend(of),
            _ => {}
        }
    }
    for part in task.outcome() {
        match &part.rule {
            PartRule::Contact { classes: of, .. } | PartRule::Stay { classes: of, .. } => {
                classes.extend(of);
            }
            PartRule::Events(_) | PartRule::Rise(_) => {}
        }
    }
    Some(classes)
}
