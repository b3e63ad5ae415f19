//! Who was left out on the way to a cohort, and why; and what came of the others.

use std::collections::BTreeMap;

use serde::Serialize;

use super::small_cell::{Shown, Tally, nearest_ten};
use crate::SMALL_CELL_PATIENTS;
use crate::record::{History, Time, View};
use crate::task::{Label, Outcome, PRIOR_OUTCOME, Task, WASHOUT, eligibility, label, latest_index};

/// An eligible index time with what came of it.
#[derive(Debug)]
pub(super) struct Joined<'h> {
    pub view: View<'h>,
    pub outcome: Outcome,
}

/// Who was left out on the way to the cohort.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attrition {
    pub index_times: Tally,
    /// Index times left out, by the criterion that did it.
    pub left_out: BTreeMap<String, Tally>,
    /// Index times without a full follow-up and without the outcome.
    pub censored: Tally,
    /// Died in the time at risk without the outcome; they count as without.
    pub competing_deaths: Tally,
    /// Index times of which the outcome is known.
    pub samples: Tally,
    pub outcomes: Tally,
    /// The outcomes by the part of the task's outcome that happened first.
    pub parts: BTreeMap<String, Tally>,
    pub patients: u64,
}

/// An attrition as it may be shown: where one count is too small to be told, all others are told to
/// the nearest ten, so that no subtraction gives it back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownAttrition {
    pub index_times: Shown,
    pub left_out: BTreeMap<String, Shown>,
    pub censored: Shown,
    pub competing_deaths: Shown,
    pub samples: Shown,
    pub outcomes: Shown,
    pub parts: BTreeMap<String, Shown>,
    pub patients: Shown,
    /// `None` where a count behind it is too small to be told.
    pub rates: Option<Rates>,
}

/// How often the outcome comes, by what is made of those who died before it. Of index times whose
/// outcome is known, each counting once: censoring is not weighed up here.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rates {
    /// Deaths count as without the outcome.
    pub outcome: f64,
    /// The outcome or death, whichever comes first.
    pub outcome_or_death: f64,
    /// Among those who did not die before it.
    pub outcome_of_survivors: f64,
}

impl Attrition {
    /// Counts one index time of the patient of `group`. What is seen there and its outcome (`given`,
    /// or what came after) come back when it belongs to the cohort, censored or not.
    pub(super) fn add<'h>(
        &mut self,
        group: &str,
        history: &'h History,
        task: &Task,
        prediction_time: Time,
        given: Option<bool>,
    ) -> Option<Joined<'h>> {
        self.index_times.add(group);
        let view = history.view(prediction_time);
        let eligible = latest_index(&view, task).and_then(|index| {
            let view = view.at(index.time);
            eligibility(&view, task)?;
            let outcome = match given {
                Some(value) => given_outcome(value, task),
                None => label(history, task, index.time)?,
            };
            Ok(Joined { view, outcome })
        });
        match eligible {
            Ok(joined) => {
                self.count(group, &joined.outcome, task);
                Some(joined)
            }
            Err(not) => {
                self.left_out.entry(not.criterion).or_default().add(group);
                None
            }
        }
    }

    fn count(&mut self, group: &str, outcome: &Outcome, task: &Task) {
        match outcome.label {
            Label::Censored => return self.censored.add(group),
            Label::CompetingDeath => self.competing_deaths.add(group),
            Label::Positive => {
                self.outcomes.add(group);
                let part = outcome.part.and_then(|part| task.outcome().get(part));
                if let Some(part) = part {
                    self.parts.entry(part.name.clone()).or_default().add(group);
                }
            }
            Label::Negative => {}
        }
        self.samples.add(group);
    }

    /// Adds the counts of index times that come after; patients are counted by whoever knows them.
    pub(super) fn join(&mut self, later: Attrition) {
        let Attrition {
            index_times,
            left_out,
            censored,
            competing_deaths,
            samples,
            outcomes,
            parts,
            patients: _,
        } = later;
        self.index_times.join(index_times);
        self.censored.join(censored);
        self.competing_deaths.join(competing_deaths);
        self.samples.join(samples);
        self.outcomes.join(outcomes);
        for (name, tally) in left_out {
            self.left_out.entry(name).or_default().join(tally);
        }
        for (name, tally) in parts {
            self.parts.entry(name).or_default().join(tally);
        }
    }

    /// The counts as they may be shown.
    pub fn shown(&self) -> ShownAttrition {
        let Attrition {
            index_times,
            left_out,
            censored,
            competing_deaths,
            samples,
            outcomes,
            parts,
            patients,
        } = self;
        let counts = left_out.values().chain(parts.values()).chain([censored, competing_deaths]);
        let rounded = counts.clone().any(Tally::is_small);
        let patients = match (*patients, rounded) {
            (0, _) => Shown::Exactly(0),
            (few, _) if few < SMALL_CELL_PATIENTS as u64 => Shown::Few,
            (many, true) => Shown::About(nearest_ten(many)),
            (many, false) => Shown::Exactly(many),
        };
        let each = |tallies: &BTreeMap<String, Tally>| {
            let shown = |(name, tally): (&String, &Tally)| (name.clone(), tally.shown(rounded));
            tallies.iter().map(shown).collect()
        };
        ShownAttrition {
            index_times: index_times.shown(rounded),
            left_out: each(left_out),
            censored: censored.shown(rounded),
            competing_deaths: competing_deaths.shown(rounded),
            samples: samples.shown(rounded),
            outcomes: outcomes.shown(rounded),
            parts: each(parts),
            patients,
            rates: self.rates(),
        }
    }

    fn rates(&self) -> Option<Rates> {
        let Attrition { competing_deaths, samples, outcomes, .. } = self;
        let told = [competing_deaths, samples, outcomes].iter().all(|tally| !tally.is_small());
        let (n, with) = (samples.count() as f64, outcomes.count() as f64);
        let died = competing_deaths.count() as f64;
        (told && n > died).then(|| Rates {
            outcome: with / n,
            outcome_or_death: (with + died) / n,
            outcome_of_survivors: with / (n - died),
        })
    }
}

/// One line of the attrition table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttritionLine {
    /// The criterion's name, as programs see it.
    pub step: String,
    pub text: String,
    pub count: Shown,
}

impl ShownAttrition {
    /// The counts step by step: criteria of the task that left nobody out are there too.
    pub fn table(&self, task: &Task) -> Vec<AttritionLine> {
        let line = |step: &str, text: &str, count: Shown| AttritionLine {
            step: step.to_owned(),
            text: text.to_owned(),
            count,
        };
        let mut lines = vec![line("index_times", "index times", self.index_times)];
        let mut told: Vec<&str> = Vec::new();
        let criteria = task.include().iter().chain(task.exclude());
        let named = criteria.map(|criterion| (criterion.name.as_str(), criterion.text.as_str()));
        let washout = [(WASHOUT, "not covered by the source for long enough before")];
        let prior = task.params().prior_outcome.as_ref();
        let prior = prior.map(|prior| (PRIOR_OUTCOME, prior.text.as_str()));
        let washed = washout.into_iter().filter(|_| task.params().follow_up.washout_days > 0);
        for (name, text) in washed.chain(named).chain(prior) {
            told.push(name);
            let count = self.left_out.get(name).copied().unwrap_or(Shown::Exactly(0));
            lines.push(line(name, &format!("left out: {text}"), count));
        }
        for (name, count) in self.left_out.iter().filter(|(name, _)| !told.contains(&name.as_str()))
        {
            lines.push(line(name, &format!("left out: {}", name.replace('_', " ")), *count));
        }
        lines.push(line("censored", "not followed to the end of the time at risk", self.censored));
        lines.push(line("samples", "in the cohort", self.samples));
        lines.push(line("outcomes", "of them with the outcome", self.outcomes));
        for (name, count) in &self.parts {
            lines.push(line(
                name,
                &format!("of these first by: {}", name.replace('_', " ")),
                *count,
            ));
        }
        let died = "of them without, because they died before";
        lines.push(line("competing_deaths", died, self.competing_deaths));
        lines.push(line("patients", "patients in the cohort", self.patients));
        lines
    }
}

/// The outcome that is given: whoever gave it followed the patient to the end.
fn given_outcome(value: bool, task: &Task) -> Outcome {
    Outcome {
        label: if value { Label::Positive } else { Label::Negative },
        followed_days: f64::from(task.params().time_at_risk.horizon_days),
        part: None,
    }
}
