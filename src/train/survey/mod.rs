//! A survey of records before anything is fitted: what they hold, how well the concepts cover their
//! codes, and what cohort each task finds in them.
//!
//! Subjects pass by one after the other and none is kept: memory grows with the number of different
//! codes (up to a limit) and by a few bytes a patient. Counts behind which fewer than eleven patients
//! stand are not told, and neither are such codes, systems and units; totals are exact.

mod codes;
mod content;
mod footprint;
mod matches;
mod text;
mod verdict;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use codes::Codes;
pub use codes::{ShownCodes, Unmatched};
use content::Content;
pub use content::{ShownContent, ShownCoverage, ShownEncounters, ShownEvents};
use footprint::Mark;
pub use footprint::Occurrence;
use matches::Matches;
pub use matches::{ConceptMatch, ShownUnit, Why};
pub use text::Section;
use verdict::{Seen, TaskSurvey};
pub use verdict::{TaskFinding, Verdict};

use super::cohort::Case;
use super::small_cell::Shown;
use crate::record::{
    Built, ConceptSet, EncounterCode, Evidence, History, IssueKind, KnownAfter, RecordError, Time,
};
use crate::task::Task;

/// What stands for a count behind which too few patients stand.
const FEW: Shown = Shown::Few;

/// A survey under way.
#[derive(Debug)]
pub struct Survey<'a> {
    concepts: &'a ConceptSet,
    /// The code systems that concepts name.
    known_systems: BTreeSet<String>,
    tasks: Vec<TaskSurvey<'a>>,
    subjects: u64,
    patients: HashSet<u64>,
    content: Content,
    codes: Codes,
    matches: Matches,
    issues: BTreeMap<IssueKind, u64>,
}

/// What a survey found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Findings {
    pub patients: u64,
    /// Patients, or single stays where the rows of a table are stays.
    pub subjects: u64,
    pub encounters: u64,
    /// Events in the records; those left out of histories are among `issues`.
    pub events: u64,
    pub content: ShownContent,
    pub tasks: Vec<TaskFinding>,
    /// The concepts that the tasks read.
    pub concepts_used: Vec<ConceptMatch>,
    pub concepts_unused: Vec<ConceptMatch>,
    pub codes: ShownCodes,
    /// What histories left out or took with a doubt, by kind.
    #[serde(skip)]
    pub issues: BTreeMap<IssueKind, u64>,
}

impl<'a> Survey<'a> {
    /// A survey for `tasks`, which were checked against `concepts`.
    pub fn new(concepts: &'a ConceptSet, tasks: &'a [Task]) -> Survey<'a> {
        Survey {
            concepts,
            known_systems: concepts.iter().flat_map(|(.., concept)| concept.systems()).collect(),
            tasks: tasks.iter().map(TaskSurvey::new).collect(),
            subjects: 0,
            patients: HashSet::new(),
            content: Content::default(),
            codes: Codes::default(),
            matches: Matches::default(),
            issues: BTreeMap::new(),
        }
    }

    /// Adds one subject.
    ///
    /// # Errors
    /// When the record cannot become a history; nothing of it is counted then.
    pub fn add(&mut self, case: &Case) -> Result<(), RecordError> {
        let known_after = KnownAfter::default();
        let Built { history, issues } = History::build(&case.record, self.concepts, &known_after)?;
        let mut hasher = DefaultHasher::new();
        case.group.hash(&mut hasher);
        self.subjects += 1;
        let mark = Mark { subject: self.subjects, patient: hasher.finish() };
        self.patients.insert(mark.patient);
        for issue in issues {
            *self.issues.entry(issue.kind).or_default() += u64::from(issue.count);
        }
        self.content.add_person(mark, &case.record);
        self.content.add_encounters(mark, &case.record, &history);
        self.add_fields(mark, case);
        self.add_events(mark, case, &history);
        for survey in &mut self.tasks {
            if survey.task().params().known_after == known_after {
                survey.add(mark, case, &history);
            } else {
                let own = survey.history(case, self.concepts)?;
                survey.add(mark, case, &own);
            }
        }
        Ok(())
    }

    fn add_fields(&mut self, mark: Mark, case: &Case) {
        for encounter in &case.record.encounters {
            for field in EncounterCode::ALL {
                let found = self.codes.add_field(mark, encounter, field, self.concepts);
                found.into_iter().for_each(|concept| self.matches.add(mark, concept));
            }
        }
    }

    fn add_events(&mut self, mark: Mark, case: &Case, history: &History) {
        let Survey { content, codes, matches, concepts, known_systems, .. } = self;
        content.events += case.record.events.len() as u64;
        let view = history.view(Time::LATEST);
        for entry in view.entries() {
            let Evidence::Event { index, .. } = view.evidence(entry) else { continue };
            let Some(event) = case.record.events.get(index) else { continue };
            content.add_event(mark, entry, event);
            codes.add_event(mark, entry.kind, &entry.code, &entry.concepts, known_systems);
            matches.add_event(mark, entry, event, concepts);
        }
    }

    /// What was found. Call it after the last `add`.
    pub fn finish(self) -> Findings {
        let Survey { concepts, tasks, subjects, patients, content, codes, matches, .. } = self;
        let used: BTreeSet<_> = tasks.iter().flat_map(|survey| survey.task().concepts()).collect();
        let shown = |is_used: bool| {
            let chosen = concepts.iter().filter(|(id, ..)| used.contains(id) == is_used);
            chosen.map(|concept| matches.shown(concept, &codes, &content)).collect()
        };
        let seen = Seen { concepts, subjects, content: &content, codes: &codes, matches: &matches };
        Findings {
            patients: patients.len() as u64,
            subjects,
            encounters: content.encounters,
            events: content.events,
            concepts_used: shown(true),
            concepts_unused: shown(false),
            tasks: tasks.into_iter().map(|survey| survey.finding(seen)).collect(),
            content: content.shown(),
            codes: codes.shown(&self.known_systems),
            issues: self.issues,
        }
    }
}

impl Findings {
    /// Whether a criterion of a task cannot work on these records; of tasks that nobody `named`, only
    /// where that is so for all of them: not every task is for every source.
    pub fn is_blocked(&self, named: bool) -> bool {
        let mut tasks = self.tasks.iter().map(|task| !task.faults.is_empty());
        if named { tasks.any(|blocked| blocked) } else { tasks.len() > 0 && tasks.all(|b| b) }
    }

    /// What to look at, the worst first: faults, then what costs samples or values.
    pub fn look_at(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for TaskFinding { task, faults, .. } in &self.tasks {
            lines.extend(faults.iter().map(|fault| format!("task {task}: {fault}")));
        }
        for TaskFinding { task, why, verdict, .. } in &self.tasks {
            if matches!(verdict, Verdict::NoCohort | Verdict::TooFew) {
                lines.push(format!("task {task} {}", verdict.text()));
            }
            lines.extend(why.iter().map(|why| format!("task {task}: {why}")));
        }
        for TaskFinding { task, doubts, .. } in &self.tasks {
            lines.extend(doubts.iter().map(|doubt| format!("task {task}: {doubt}")));
        }
        let gaps = self.concepts_used.iter().filter_map(|concept| concept.why.as_ref());
        let gaps = gaps.filter(|why| why.is_gap()).count();
        if gaps > 0 {
            let all = self.concepts_used.len();
            lines
                .push(format!("{gaps} of {all} concepts that tasks read match nothing: see below"));
        }
        lines
    }
}
