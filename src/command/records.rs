//! What every command reads: the task with its concepts, and the export.

use std::path::{Path, PathBuf};

use super::{CommandError, io_error};
use crate::bundle::Bundle;
use crate::import::{
    Counts, Export, Label, Labels, Mapping, Meter, Reading, Received, Subject, Wanted,
};
use crate::published::Formulas;
use crate::record::ConceptSet;
use crate::registry;
use crate::task::{PlannedParams, Task, TaskParams};
use crate::train::{Case, Cohort, Count, GivenLabel, SourceNote};

/// Where the records are, and how they are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub export: PathBuf,
    /// Tables need one; FHIR exports have none.
    pub mapping: Option<PathBuf>,
    pub reading: Reading,
    /// A folder for what does not fit into memory.
    pub work: Option<PathBuf>,
}

impl Source {
    /// The export in `export`, read without a mapping and in memory.
    pub fn new(export: PathBuf) -> Source {
        Source { export, mapping: None, reading: Reading::default(), work: None }
    }
}

pub(super) fn read_text(path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path).map_err(io_error(path))
}

/// The concepts for a task file: `concepts.toml` beside the task's folder, and the site's files.
pub(super) fn concepts(task: &Path, site: &[PathBuf]) -> Result<ConceptSet, CommandError> {
    let folder = task.parent().map(Path::to_owned).unwrap_or_default();
    let models =
        if folder.as_os_str().is_empty() { PathBuf::from("..") } else { folder.join("..") };
    concepts_in(&models, site)
}

/// The concepts of a models folder, and the site's files.
pub(super) fn concepts_in(models: &Path, site: &[PathBuf]) -> Result<ConceptSet, CommandError> {
    let path = models.join("concepts.toml");
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |error| CommandError::Concepts { path, error }
    };
    let mut concepts = ConceptSet::parse(&read_text(&path)?).map_err(fault(&path))?;
    for path in site {
        concepts = concepts.extended(&read_text(path)?).map_err(fault(path))?;
    }
    Ok(concepts)
}

/// The task in a file, with the formulas it may name and the site's own rules of planned stays.
pub(super) fn task(
    path: &Path,
    concepts: &ConceptSet,
    formulas: &Formulas,
    planned_rules: Option<&Path>,
) -> Result<Task, CommandError> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |error| CommandError::Task { path, error: Box::new(error) }
    };
    let mut params = TaskParams::parse(&read_text(path)?).map_err(fault(path))?;
    if let Some(path) = planned_rules {
        params.planned = Some(PlannedParams::parse(&read_text(path)?).map_err(fault(path))?);
    }
    Task::check(params, concepts, formulas).map_err(fault(path))
}

/// The formulas built in and those in a site's files.
pub(super) fn formulas(site: &[PathBuf]) -> Result<Formulas, CommandError> {
    let mut formulas = Formulas::built_in();
    for path in site {
        let added = formulas.add(&read_text(path)?);
        added.map_err(|error| CommandError::Published { path: path.clone(), error })?;
    }
    Ok(formulas)
}

/// The export that `source` names, with its mapping read.
pub(super) fn export(source: &Source) -> Result<Export, CommandError> {
    let mapping = source.mapping.as_deref().map(mapping).transpose()?;
    let Source { export, mapping: _, reading, work } = source;
    let (folder, reading, work) = (export.clone(), reading.clone(), work.clone());
    Ok(Export { folder, mapping, reading, work })
}

fn mapping(path: &Path) -> Result<Mapping, CommandError> {
    Mapping::parse(&read_text(path)?)
        .map_err(|error| CommandError::Mapping { path: path.to_owned(), error: Box::new(error) })
}

/// The bundle in a version folder, with the site's concepts added to its own.
pub(super) fn bundle(path: &Path, site: &[PathBuf]) -> Result<Bundle, CommandError> {
    let site: Vec<String> = site.iter().map(|path| read_text(path)).collect::<Result<_, _>>()?;
    Ok(registry::open(path, &site)?)
}

/// What the card says of the source.
pub(super) fn source_params(export: &Export) -> SourceNote {
    let synthetic = export.is_synthetic();
    let Some(mapping) = &export.mapping else {
        let title = export.title().to_owned();
        return SourceNote { title, citation: None, years: None, synthetic };
    };
    let source = mapping.source();
    SourceNote {
        title: source.title.clone(),
        citation: source.citation.clone(),
        years: source.years,
        synthetic,
    }
}

pub(super) fn case(subject: Subject) -> Case {
    let Subject { subject_id, source_id: _, group, record, label, split, file: _, line: _ } =
        subject;
    let labels = label.map(|label| vec![given_label(label)]);
    Case { subject_id, group, record, labels, split }
}

/// Reads the cohort of `task`, with the labels of a file where one is given.
pub(super) fn cohort<'a>(
    task: &'a Task,
    concepts: &'a ConceptSet,
    export: &Export,
    meter: &Meter,
    labels: Option<&Path>,
) -> Result<(Cohort<'a>, Counts, Vec<String>), CommandError> {
    let labels = labels.map(Labels::read).transpose()?;
    // Labels of a file stand at any time.
    let wanted = match &labels {
        Some(_) => Wanted::everything(),
        None => Wanted::for_index_times(task),
    };
    let begin = |parts| Cohort::part(task, concepts, parts);
    let (parts, counts) = export.fold(meter, &wanted, begin, |part, subject| {
        match part.add(&labelled_case(subject, labels.as_ref())) {
            Ok(()) => Received::Used,
            Err(error) => Received::Quarantined(error.to_string()),
        }
    })?;
    let cohort = Cohort::joined(task, concepts, parts);
    Ok((cohort, counts, label_warnings(labels)?))
}

/// The case of a subject; the labels of a file, where there is one, replace its own index times.
pub(super) fn labelled_case(subject: Subject, labels: Option<&Labels>) -> Case {
    let given = labels.map(|labels| labels.of(&subject));
    let mut case = case(subject);
    if let Some(given) = given {
        case.labels = Some(given.into_iter().map(given_label).collect());
    }
    case
}

/// What is doubtful about a label file, after all subjects were asked for.
pub(super) fn label_warnings(labels: Option<Labels>) -> Result<Vec<String>, CommandError> {
    let mut warnings = Vec::new();
    let Some(labels) = labels else { return Ok(warnings) };
    let (left, counts) = (labels.left(), labels.counts());
    if left > 0 && left == counts.used() {
        return Err(CommandError::Data(
            "no label is of a subject of the export: subject_id (or patient_id) must be the export's"
                .to_owned(),
        ));
    }
    if left > 0 {
        let left = Count(left);
        warnings.push(format!("{left} labels are of subjects that are not in the export"));
    }
    if labels.contradictory() > 0 {
        let count = Count(labels.contradictory());
        warnings.push(format!("{count} labels contradict another of the same subject and time"));
    }
    warnings.extend(counts.warnings().into_iter().map(|line| format!("labels: {line}")));
    Ok(warnings)
}

fn given_label(label: Label) -> GivenLabel {
    let Label { prediction_time, boolean_value } = label;
    GivenLabel { prediction_time, boolean_value }
}
