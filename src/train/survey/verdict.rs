//! Whether a task can be trained on the records: its attrition, criteria that cannot work, and in
//! plain words why there are no or few samples.

use std::collections::HashSet;

use serde::Serialize;

use super::codes::Codes;
use super::content::Content;
use super::footprint::Mark;
use super::matches::{Matches, Why};
use crate::record::{ConceptId, ConceptSet, EncounterCode, History, RecordError, Time};
use crate::task::{Criterion, IndexRule, Rule, Task};
use crate::train::attrition::{Attrition, ShownAttrition};
use crate::train::cohort::Case;
use crate::train::report::EACH_CLASS_MIN;
use crate::train::small_cell::Tally;

/// How one adds codes of one's own.
const ADD_CODES: &str = "add your codes with --concepts FILE";

/// What was counted for one task.
#[derive(Debug)]
pub(super) struct TaskSurvey<'a> {
    task: &'a Task,
    attrition: Attrition,
    patients: HashSet<u64>,
}

/// What a task finds in the records.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskFinding {
    pub task: String,
    pub verdict: Verdict,
    pub attrition: ShownAttrition,
    /// Criteria that can never hold on these records: the task would train on the wrong people.
    pub faults: Vec<String>,
    /// Criteria that could hold and never did, and other doubts.
    pub doubts: Vec<String>,
    /// Why there are no or few samples.
    pub why: Vec<String>,
}

/// Whether a task can be trained on the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There are samples enough with and without the outcome.
    Trainable,
    /// There are samples, but fewer than a fit needs.
    TooFew,
    /// There is no sample.
    NoCohort,
    /// A criterion cannot work.
    WrongPeople,
}

impl Verdict {
    /// The verdict as a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Verdict::Trainable => "can be trained on these records",
            Verdict::TooFew => "cannot be trained: too few index times with or without the outcome",
            Verdict::NoCohort => "finds no cohort",
            Verdict::WrongPeople => "must not be trained: a criterion cannot work on these records",
        }
    }
}

/// What was seen in all of the export.
#[derive(Clone, Copy)]
pub(super) struct Seen<'s> {
    pub concepts: &'s ConceptSet,
    pub subjects: u64,
    pub content: &'s Content,
    pub codes: &'s Codes,
    pub matches: &'s Matches,
}

/// What a criterion can do on these records.
enum Ability {
    Works,
    /// It could hold, and never did.
    Doubtful(String),
    /// It can never hold.
    Never(String),
}

impl<'a> TaskSurvey<'a> {
    pub(super) fn new(task: &'a Task) -> TaskSurvey<'a> {
        TaskSurvey { task, attrition: Attrition::default(), patients: HashSet::new() }
    }

    pub(super) fn task(&self) -> &'a Task {
        self.task
    }

    /// The history of `case` as the task sees it.
    pub(super) fn history(
        &self,
        case: &Case,
        concepts: &ConceptSet,
    ) -> Result<History, RecordError> {
        let known_after = &self.task.params().known_after;
        History::build(&case.record, concepts, known_after).map(|built| built.history)
    }

    pub(super) fn add(&mut self, mark: Mark, case: &Case, history: &History) {
        let index_times: Vec<(Time, Option<bool>)> = case.index_times(history, self.task);
        for (time, given) in index_times {
            if self.attrition.add(&case.group, history, self.task, time, given).is_some() {
                self.patients.insert(mark.patient);
            }
        }
    }

    pub(super) fn finding(mut self, seen: Seen<'_>) -> TaskFinding {
        self.attrition.patients = self.patients.len() as u64;
        let (mut faults, mut doubts) = (Vec::new(), Vec::new());
        let include = self.task.include().iter().map(|criterion| ("inclusion", criterion));
        let exclude = self.task.exclude().iter().map(|criterion| ("exclusion", criterion));
        for (role, criterion) in include.chain(exclude) {
            let named = |why: String| format!("{role} `{}`: {why}", criterion.name);
            match ability(&criterion.rule, seen) {
                Ability::Works => {}
                Ability::Doubtful(why) => doubts.push(named(why)),
                Ability::Never(why) => faults.push(named(why)),
            }
        }
        let outcomes = self.attrition.outcomes.count();
        let samples = self.attrition.samples.count();
        let least = outcomes.min(samples - outcomes);
        let verdict = match (faults.is_empty(), samples) {
            (false, _) => Verdict::WrongPeople,
            (true, 0) => Verdict::NoCohort,
            (true, _) if least < EACH_CLASS_MIN as u64 => Verdict::TooFew,
            (true, _) => Verdict::Trainable,
        };
        let mut why = self.why(seen);
        if verdict == Verdict::TooFew {
            why.push(format!(
                "a fit needs {EACH_CLASS_MIN} index times with and {EACH_CLASS_MIN} without the \
                 outcome among the patients it learns from"
            ));
        }
        let task = self.task.params().name.clone();
        TaskFinding { task, verdict, attrition: self.attrition.shown(), faults, doubts, why }
    }

    /// Why there are no or few samples, the step that costs most first.
    fn why(&self, seen: Seen<'_>) -> Vec<String> {
        let Attrition { index_times, left_out, censored, samples, outcomes, .. } = &self.attrition;
        let all = index_times.count();
        if all == 0 {
            return vec![no_index_time(self.task, seen.content)];
        }
        let is_most = |tally: &Tally, of: u64| tally.count() * 2 > of;
        let mut why = Vec::new();
        for (name, tally) in left_out.iter().filter(|(_, tally)| is_most(tally, all)) {
            let task = self.task;
            let known = task.include().iter().chain(task.exclude()).find(|c| c.name == *name);
            let part = if tally.count() == all { "every" } else { "more than half of all" };
            let reason = known.map(|criterion| reason(criterion, seen)).unwrap_or_default();
            why.push(format!("{part} index times are left out by `{name}`{reason}"));
        }
        let eligible = censored.count() + samples.count();
        if is_most(censored, eligible) {
            let covered = seen.content.subjects_with("coverage");
            let cause = match covered {
                0 => "no patient has coverage, so nobody without the outcome counts as followed",
                _ => "coverage ends before the time at risk does, or does not hold the index time",
            };
            why.push(format!("most eligible index times are censored: {cause}"));
        }
        if samples.count() > 0 && outcomes.count() == 0 {
            why.push("no outcome follows an index time that is left".to_owned());
        }
        if samples.count() > 0 && outcomes.count() == samples.count() {
            why.push(
                "every index time that counts has the outcome: there is no negative".to_owned(),
            );
        }
        why
    }
}

fn no_index_time(task: &Task, content: &Content) -> String {
    let by_stay = match task.params().index.rule {
        IndexRule::EpisodeEnd | IndexRule::InStay { .. } => true,
        IndexRule::Contact { .. } | IndexRule::MonthStart => false,
    };
    match (content.encounters, content.stays, by_stay) {
        (0, ..) => "there is no encounter at all".to_owned(),
        (_, 0, true) => "there is no inpatient stay (class IMP, ACUTE or NONAC)".to_owned(),
        (_, _, true) => "no inpatient stay has an end".to_owned(),
        (_, _, false) => match task.params().index.rule {
            IndexRule::MonthStart => "no patient has coverage with a start".to_owned(),
            _ => "no contact of the task's classes has an end and all that must be measured in it"
                .to_owned(),
        },
    }
}

/// Why a criterion leaves out most index times, as the end of a sentence.
fn reason(criterion: &Criterion, seen: Seen<'_>) -> String {
    let unknown_ages = seen.content.subjects_with("birth date") * 2 < seen.subjects;
    match &criterion.rule {
        Rule::AgeYearsMin(_) | Rule::AgeYearsMax(_) if unknown_ages => {
            ": most ages are unknown".to_owned()
        }
        rule => {
            let gaps = rule.concepts().into_iter().filter_map(|concept| gap(concept, seen));
            gaps.map(|(name, why)| format!(": `{name}` is never met: {why}")).collect()
        }
    }
}

/// The concept's name and why it matches nothing, where it does not.
fn gap(concept: ConceptId, seen: Seen<'_>) -> Option<(String, String)> {
    let (id, name, found) = seen.concepts.iter().find(|(id, ..)| *id == concept)?;
    let why = seen.matches.why(id, found, seen.codes, seen.content)?;
    Some((name.to_owned(), why.text()))
}

fn ability(rule: &Rule, seen: Seen<'_>) -> Ability {
    match rule {
        Rule::AgeYearsMin(_) | Rule::AgeYearsMax(_)
            if seen.content.subjects_with("birth date") == 0 =>
        {
            Ability::Doubtful("no patient has a birth date".to_owned())
        }
        Rule::Event { concepts, .. } | Rule::Principal(concepts) => of_any_events(concepts, seen),
        Rule::MeasuredDays { .. } | Rule::MeanAtLeast { .. } | Rule::SpanDaysMin { .. } => {
            of_any_events(&rule.concepts(), seen)
        }
        Rule::AgeYearsMin(_)
        | Rule::AgeYearsMax(_)
        | Rule::StayClass(_)
        | Rule::StayDaysMin(_)
        | Rule::InStay
        | Rule::Contact { .. } => Ability::Works,
        Rule::Discharge(concepts) => of_discharges(concepts, seen),
        Rule::Died if seen.content.subjects_with("death time") > 0 => Ability::Works,
        Rule::Died => match seen.codes.dispositions() {
            (_, 0) => Ability::Never(
                "there is neither a death time nor a discharge disposition that any concept knows; \
                 export deaths"
                    .to_owned(),
            ),
            _ => Ability::Doubtful(
                "no patient has a death time: only discharge dispositions tell of deaths".to_owned(),
            ),
        },
    }
}

/// The best that any of the concepts can do.
fn of_any_events(concepts: &[ConceptId], seen: Seen<'_>) -> Ability {
    let mut best = None;
    for concept in concepts {
        match (of_events(*concept, seen), &best) {
            (Ability::Works, _) => return Ability::Works,
            (doubtful @ Ability::Doubtful(_), _) => best = Some(doubtful),
            (never, None) => best = Some(never),
            (_, Some(_)) => {}
        }
    }
    best.unwrap_or(Ability::Works)
}

fn of_events(concept: ConceptId, seen: Seen<'_>) -> Ability {
    let Some((id, name, found)) = seen.concepts.iter().find(|(id, ..)| *id == concept) else {
        return Ability::Works;
    };
    // A criterion asks for events alone: a code in a field of encounters does not meet it.
    let systems = found.systems();
    if systems.iter().any(|system| seen.codes.has_system(system)) {
        return match seen.matches.subjects(id) {
            0 => Ability::Doubtful(format!("concept `{name}` matches no event")),
            _ => Ability::Works,
        };
    }
    let why = if systems.is_empty() { Why::NoCodes } else { Why::SystemsAbsent(systems) };
    Ability::Never(format!("concept `{name}` cannot match: {}; {ADD_CODES}", why.text()))
}

fn of_discharges(concepts: &[ConceptId], seen: Seen<'_>) -> Ability {
    let named = seen.concepts.iter().filter(|(id, ..)| concepts.contains(id));
    let named: Vec<_> = named.collect();
    let names: Vec<String> = named.iter().map(|(_, name, _)| format!("`{name}`")).collect();
    let names = names.join(", ");
    let system = EncounterCode::DischargeDisposition.system();
    let lists_codes = named.iter().any(|(.., concept)| concept.systems().contains(system));
    let matched: u64 = concepts.iter().map(|concept| seen.matches.subjects(*concept)).sum();
    match seen.codes.dispositions() {
        (0, _) => Ability::Never(format!(
            "{names} cannot match: no encounter has a discharge disposition; export them, and if \
             they are in codes of your own, {ADD_CODES}"
        )),
        (_, 0) => Ability::Never(format!(
            "{names} cannot match: no concept knows any of the discharge dispositions sent; \
             {ADD_CODES}"
        )),
        _ if !lists_codes => {
            Ability::Never(format!("{names} cannot match: no {system} code is listed; {ADD_CODES}"))
        }
        (sent, known) if known * 2 < sent => Ability::Doubtful(format!(
            "concepts know {:.0}% of the discharge dispositions sent: the others are in codes of \
             your own or mean nothing; {ADD_CODES}",
            100.0 * known as f64 / sent as f64
        )),
        _ if matched == 0 => Ability::Doubtful(format!("{names} matches no discharge disposition")),
        _ => Ability::Works,
    }
}
