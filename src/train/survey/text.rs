//! What a survey found, for people: short sections with aligned columns.

use std::collections::BTreeMap;
use std::fmt;

use super::{ConceptMatch, Findings, Occurrence, TaskFinding, Unmatched, Why};

/// The most matched concepts, units and unmatched codes in the text; the JSON has more of them.
const CONCEPTS_MAX: usize = 60;
const UNITS_MAX: usize = 12;
const CODES_MAX: usize = 12;
const SYSTEMS_MAX: usize = 12;
/// How many of the latest years are told apart.
const YEARS_MAX: usize = 8;
/// The longest list of names on one line.
const NAMES_MAX: usize = 8;

/// A title with rows of cells under it.
#[derive(Debug, Clone, Default)]
pub struct Section {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Section {
    /// A section without rows.
    pub fn new(title: &str) -> Section {
        Section { title: title.to_owned(), rows: Vec::new() }
    }

    /// Adds a row. Cells of one column stand under each other; a row of one cell stands for itself.
    pub fn row<T: fmt::Display>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }

    fn occurrence(&mut self, name: &str, found: &Occurrence) {
        self.row([name.to_owned(), found.count.to_string(), found.subjects.to_string()]);
    }

    /// Adds the first of `items`, and says how many more there are.
    fn first<T>(&mut self, items: &[T], most: usize, what: &str, row: impl Fn(&T) -> Vec<String>) {
        items.iter().take(most).for_each(|item| self.row(row(item)));
        if items.len() > most {
            self.row([format!("{} more {what}: see --json", items.len() - most)]);
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let table = || self.rows.iter().filter(|row| row.len() > 1);
        let columns = table().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            table().filter_map(|row| Some(row.get(column)?.chars().count())).max().unwrap_or(0)
        };
        let is_number = |column: usize| {
            let counts = |cell: &String| {
                cell.starts_with(|c: char| c.is_ascii_digit() || c == '<')
                    || cell.starts_with("about")
            };
            let mut cells = table().skip(1).filter_map(|row| row.get(column)).peekable();
            column > 0 && cells.peek().is_some() && cells.all(counts)
        };
        let layout: Vec<(usize, bool)> = (0..columns).map(|c| (width(c), is_number(c))).collect();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (cell, (width, is_number)) in row.iter().zip(&layout) {
                line += &match is_number {
                    _ if row.len() == 1 => format!(" {cell}"),
                    true => format!(" {cell:>width$} "),
                    false => format!(" {cell:<width$} "),
                };
            }
            if row.len() == 1 && columns == 0 {
                line = format!("  {}", row[0]);
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl Findings {
    /// All that was found but what to look at, section by section.
    pub fn sections(&self) -> Vec<Section> {
        let mut sections = vec![self.people(), self.encounters(), self.events()];
        sections.extend(self.tasks.iter().map(task));
        let coverage = [self.matched(), self.gaps(), self.units(), self.unmatched()];
        sections.extend(coverage.into_iter().filter(|section| !section.rows.is_empty()));
        sections
    }

    /// What subjects are: patients, but for tables whose rows are stays.
    fn subjects_name(&self) -> &'static str {
        if self.subjects == self.patients { "patients" } else { "subjects" }
    }

    fn people(&self) -> Section {
        let mut section = Section::new("Patients");
        section.row(["patients".to_owned(), self.patients.to_string()]);
        if self.subjects != self.patients {
            section.row(["subjects (single stays)".to_owned(), self.subjects.to_string()]);
        }
        for (fact, both) in &self.content.people {
            if let Some(with) = both.get("with") {
                section.row([format!("with {fact}"), with.subjects.to_string()]);
            }
        }
        for (sex, found) in &self.content.sexes {
            section.row([format!("sex {sex}"), found.subjects.to_string()]);
        }
        if let Some(days) = self.content.coverage.median_days {
            section.row(["median coverage, days".to_owned(), days.to_string()]);
        }
        section
    }

    fn encounters(&self) -> Section {
        let found = &self.content.encounters;
        let mut section = Section::new("Encounters");
        section.row(["", "count", self.subjects_name()]);
        let total = format!("all{}", range(found.year_range));
        section.row([total, self.encounters.to_string()]);
        found.classes.iter().for_each(|(class, found)| section.occurrence(class, found));
        let odd = [
            ("without an end", &found.open),
            ("of no length", &found.zero_length),
            ("known as a yearly count only", &found.synthetic),
        ];
        let odd = odd.into_iter().filter(|(_, found)| found.count.to_string() != "0");
        odd.for_each(|(name, found)| section.occurrence(name, found));
        section.row(["inpatient stays".to_owned(), found.stays.to_string()]);
        section.row(["episodes they were joined into".into(), found.episodes_ended.to_string()]);
        section
    }

    fn events(&self) -> Section {
        let found = &self.content.events;
        let mut section = Section::new("Events");
        section.row(["", "count", self.subjects_name()]);
        section.row(["all".to_owned(), self.events.to_string()]);
        let used = format!("used{}", range(found.year_range));
        section.row([used, found.used.to_string()]);
        found.kinds.iter().for_each(|(kind, found)| section.occurrence(kind, found));
        section.occurrence("with an encounter", &found.with_encounter);
        section.occurrence("with a recorded time", &found.with_recorded_time);
        let systems: Vec<_> = self.codes.systems.iter().collect();
        section.first(&systems, SYSTEMS_MAX, "systems", |(name, found)| {
            vec![format!("system {name}"), found.count.to_string(), found.subjects.to_string()]
        });
        section.row([format!("values: {}", list(&found.values))]);
        section.row([format!("times known to the: {}", list(&found.time_precisions))]);
        let skipped = found.years.len().saturating_sub(YEARS_MAX);
        let years: Vec<String> = found.years.iter().skip(skipped).map(line).collect();
        let which = if skipped > 0 { "latest years" } else { "years" };
        section.row([format!("{which}: {}", years.join(", "))]);
        section
    }

    fn matched(&self) -> Section {
        let mut section = Section::new("Concepts that tasks read and records have");
        let matched = |concept: &&ConceptMatch| concept.why.as_ref().is_none_or(|w| !w.is_gap());
        let found: Vec<&ConceptMatch> = self.concepts_used.iter().filter(matched).collect();
        if found.is_empty() {
            return section;
        }
        let heading = ["", "events", self.subjects_name()];
        let is_counted = |concept: &&ConceptMatch| concept.why.is_some();
        let (counted, sent): (Vec<_>, Vec<_>) = found.into_iter().partition(is_counted);
        if !sent.is_empty() {
            section.row(heading.into_iter().chain(heading));
        }
        // Two concepts a row: there are many.
        let pairs: Vec<&[&ConceptMatch]> = sent.chunks(2).collect();
        section.first(&pairs, CONCEPTS_MAX / 2, "rows", |pair| {
            let cells = |concept: &&ConceptMatch| {
                let Occurrence { count, subjects } = &concept.matched;
                [concept.concept.clone(), count.to_string(), subjects.to_string()]
            };
            pair.iter().flat_map(cells).collect()
        });
        for concept in counted {
            let why = concept.why.as_ref().map(Why::text).unwrap_or_default();
            section.row([format!("{}: {why}", concept.concept)]);
        }
        section
    }

    /// Concepts that match nothing, by reason.
    fn gaps(&self) -> Section {
        let mut section = Section::new("Concepts that match nothing");
        let concepts = [("", &self.concepts_used), ("no task reads: ", &self.concepts_unused)];
        for (whose, concepts) in concepts {
            let mut by_reason: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for concept in concepts {
                if let Some(why) = concept.why.as_ref().filter(|why| Why::is_gap(why)) {
                    by_reason.entry(why.text()).or_default().push(&concept.concept);
                }
            }
            for (reason, names) in by_reason {
                section.row([format!("{whose}{}: {reason}", short_list(&names))]);
            }
        }
        section
    }

    fn units(&self) -> Section {
        let mut section = Section::new("Units of numbers");
        let all = self.concepts_used.iter().chain(&self.concepts_unused);
        let rows: Vec<Vec<String>> = all
            .flat_map(|concept| {
                let own = concept.unit.as_deref().unwrap_or_default();
                concept.units.iter().map(move |unit| {
                    let (numbers, lost) = (&unit.numbers.count, &unit.lost.count);
                    let name = format!("{} ({own})", concept.concept);
                    vec![name, unit.unit.clone(), numbers.to_string(), lost.to_string()]
                })
            })
            .collect();
        if !rows.is_empty() {
            section.row(["concept (its unit)", "came in", "numbers", "of them lost"]);
            section.first(&rows, UNITS_MAX, "units", Clone::clone);
        }
        section
    }

    fn unmatched(&self) -> Section {
        let mut section = Section::new("Frequent codes that belong to no concept");
        let codes = &self.codes.unmatched;
        if !codes.is_empty() {
            section.row(["", "kind", "count", self.subjects_name()]);
        }
        section.first(codes, CODES_MAX, "codes", |code: &Unmatched| {
            let Unmatched { kind, system, code, count, subjects } = code;
            vec![format!("{system}//{code}"), kind.clone(), count.to_string(), subjects.to_string()]
        });
        section
    }
}

fn task(found: &TaskFinding) -> Section {
    let mut section = Section::new(&format!("Task {}: {}", found.task, found.verdict.text()));
    let attrition = &found.attrition;
    section.row(["index times".to_owned(), attrition.index_times.to_string()]);
    for (criterion, count) in &attrition.left_out {
        section.row([format!("left out by {criterion}"), count.to_string()]);
    }
    section.row(["not followed to the end".to_owned(), attrition.censored.to_string()]);
    section.row(["in the cohort".to_owned(), attrition.samples.to_string()]);
    section.row(["of them with the outcome".to_owned(), attrition.outcomes.to_string()]);
    section.row(["patients".to_owned(), attrition.patients.to_string()]);
    section
}

fn range(years: Option<[i16; 2]>) -> String {
    match years {
        Some([first, last]) => format!(", {first} to {last}"),
        None => String::new(),
    }
}

fn line<N: fmt::Display>((name, found): (N, &Occurrence)) -> String {
    format!("{name} {}", found.count)
}

fn list(parts: &BTreeMap<&'static str, Occurrence>) -> String {
    parts.iter().map(line).collect::<Vec<_>>().join(", ")
}

fn short_list(names: &[&str]) -> String {
    let first = names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
