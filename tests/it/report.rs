//! The report and the card: whole, well-formed, self-contained, escaped, the same every time, and
//! silent about few.

pub(crate) mod page;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use prodrome::command::{self, EvaluateRequest, FitRequest, Source, TaskSource};
use prodrome::import::Meter;
use prodrome::model::Family;
use prodrome::train::{HeldOut, Search};
use roxmltree::Node;

use page::{check, named, parsed, words};

use crate::support::{fit_request, root, task_file, task_folder, task_text};

/// What a fit writes for people.
struct Written {
    folder: PathBuf,
    report: String,
    card: String,
}

fn sample_folder() -> PathBuf {
    root().join("tests/data/diabetes130")
}

fn written(request: &FitRequest) -> Written {
    let fitted = command::fit(request, &Meter::default(), &|_| {}).unwrap();
    let read = |name: &str| fs::read_to_string(fitted.bundle.join(name)).unwrap();
    Written { report: read("report.html"), card: read("card.md"), folder: fitted.bundle }
}

/// A quick fit on `export`.
fn request(export: PathBuf, models: &Path) -> FitRequest {
    let search = Search { families: vec![Family::Logistic], trials: 1 };
    FitRequest { search, ..fit_request(export, models.to_owned()) }
}

/// The shipped task fitted on the sample.
fn on_sample() -> &'static Written {
    static FITTED: OnceLock<(tempfile::TempDir, Written)> = OnceLock::new();
    let (_, fitted) = FITTED.get_or_init(|| {
        let models = tempfile::tempdir().unwrap();
        let fitted = written(&request(sample_folder(), models.path()));
        (models, fitted)
    });
    fitted
}

/// Judges the version in `bundle` on `export`; the report.
fn judged(bundle: &Path, export: PathBuf, only_held_out: bool) -> String {
    let out = tempfile::tempdir().unwrap();
    let mapping = Some(task_folder().join("diabetes130.toml"));
    let request = EvaluateRequest {
        bundle: bundle.to_owned(),
        source: Source { mapping, ..Source::new(export) },
        concepts: Vec::new(),
        out: out.path().to_owned(),
        only_held_out,
    };
    command::evaluate(&request, &Meter::default()).unwrap();
    fs::read_to_string(out.path().join("report.html")).unwrap()
}

#[test]
fn the_report_of_a_fit_is_whole_and_needs_nothing_else() {
    let Written { folder, report, card } = on_sample();
    check(report);
    let told = words(parsed(report).root_element());
    for words in ["another inpatient stay, for any cause", "Decision curve.", "sha256"] {
        assert!(told.contains(words), "{words}");
    }
    for needle in ["task.toml", "concepts.toml", "logistic.json"] {
        assert!(told.contains(&format!("File {needle} (sha256)")), "{needle}");
    }
    let manifest = fs::read_to_string(folder.join("manifest.json")).unwrap();
    assert!(manifest.contains("\"report.html\""), "the report is sealed with the bundle");
    assert!(card.contains("| logistic (in use) | held-out patients | "), "{card}");
}

#[test]
fn the_card_answers_both_checklists_or_names_the_blank() {
    let card = &on_sample().card;
    let (_, attributes) = card.split_once("## Source attributes (HTI-1)").unwrap();
    let (attributes, tripod) = attributes.split_once("## TRIPOD+AI checklist").unwrap();
    let rows = |text: &str| -> Vec<Vec<String>> {
        let lines = text.lines().filter(|line| line.starts_with("| ") && !line.contains("---"));
        lines.map(|line| line.split(" | ").map(str::to_owned).collect()).collect()
    };
    let numbered = rows(attributes)
        .into_iter()
        .filter(|row| row[0].trim_start_matches("| ").parse::<u32>().is_ok());
    let numbered: Vec<Vec<String>> = numbered.collect();
    assert_eq!(numbered.len(), 31, "attributes of the rule");
    assert!(numbered.iter().all(|row| row[2].trim_end_matches(" |").len() > 10), "{numbered:?}");
    assert_eq!(rows(tripod).len(), 53, "items of the checklist, and the titles");
    let blank = "to be filled by the developer: funding source (funding)";
    assert_eq!(card.matches(blank).count(), 2, "asked for by both");
}

#[test]
fn an_evaluation_writes_the_same_report_every_time() {
    let fitted = on_sample();
    let [one, other] = [(); 2].map(|()| judged(&fitted.folder, sample_folder(), true));
    assert_eq!(one, other);
    check(&one);
    let told = words(parsed(&one).root_element());
    assert!(
        told.contains("Report of an evaluation") && told.contains("population stability index")
    );
}

#[test]
fn two_fits_of_the_same_records_write_the_same_report() {
    let models = tempfile::tempdir().unwrap();
    let threads =
        command::with_threads(Some(1), || written(&request(sample_folder(), models.path())));
    let again = threads.unwrap();
    assert!(again.report == on_sample().report, "the same bytes");
    assert!(again.card == on_sample().card, "the same bytes");
}

#[test]
fn without_held_out_patients_the_report_says_so() {
    let models = tempfile::tempdir().unwrap();
    let request =
        FitRequest { held_out: HeldOut::Nobody, ..request(sample_folder(), models.path()) };
    let Written { report, card, .. } = written(&request);
    check(&report);
    assert!(report.contains("No patients were held out of this fit"));
    assert!(card.contains("No patients were held out of this fit"));
}

#[test]
fn hostile_words_of_a_task_file_stay_words() {
    let hostile = "<script>alert(1)</script> & \"x\" ]]> <img src=x onerror=y> `a` | b";
    let quoted = format!("'''{hostile}'''");
    let mut text = task_text("readmit30_diabetes");
    for key in ["title", "outcome_text", "intended_use", "intended_users"] {
        let line = text.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        text = text.replace(line, &format!("{key} = {quoted}"));
    }
    let age = "text = \"under 18 years of age, or of unknown age\"";
    assert!(text.contains(age));
    text = text.replace(age, &format!("text = {quoted}"));
    text += &format!("\n[card.statements]\nfunding = {quoted}\nethics = \"none was needed\"\n");
    let folder = tempfile::tempdir().unwrap();
    let task = TaskSource::new(task_file(folder.path(), &text));
    let models = folder.path().join("fitted");
    let Written { report, card, .. } =
        written(&FitRequest { task, ..request(sample_folder(), &models) });
    check(&report);
    let told = words(parsed(&report).root_element());
    assert!(told.matches(hostile).count() >= 5, "told as it was written");
    assert!(!card.contains("<script") && !card.contains("<img"), "no markup in the card");
    assert!(card.contains("17 | ethical approval | none was needed |"));
}

/// The sample with its lines changed.
fn changed(folder: &Path, change: impl Fn(usize, &str) -> Option<String>) -> PathBuf {
    let text = fs::read_to_string(sample_folder().join("diabetic_data.sample.csv")).unwrap();
    let lines = text.lines().enumerate().filter_map(|(at, line)| match at {
        0 => Some(line.to_owned()),
        at => change(at, line),
    });
    let lines: Vec<String> = lines.collect();
    let export = folder.join("export");
    fs::create_dir_all(&export).unwrap();
    fs::write(export.join("diabetic_data.sample.csv"), lines.join("\n") + "\n").unwrap();
    export
}

/// The rows of the tables of a section, without their titles.
fn rows(report: &str, section: &str) -> Vec<Vec<String>> {
    let document = parsed(report);
    let root = document.root_element();
    let found = named(root, "section").find(|node| node.attribute("id") == Some(section)).unwrap();
    let bodies: Vec<Node<'_, '_>> = named(found, "tbody").collect();
    let rows = bodies.into_iter().flat_map(|body| named(body, "tr"));
    rows.map(|row| row.children().filter(Node::is_element).map(words).collect()).collect()
}

#[test]
fn a_group_of_one_outcome_and_a_group_of_few_show_nothing_they_should_not() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody of one group comes back; of another there are nine.
    let asians = std::cell::Cell::new(0);
    let export = changed(folder.path(), |_, line| {
        let line = match line.contains(",Hispanic,") {
            true => line.replace(",<30", ",NO").replace(",>30", ",NO"),
            false => line.to_owned(),
        };
        if line.contains(",Asian,") {
            asians.set(asians.get() + 1);
            return (asians.get() <= 9).then_some(line);
        }
        Some(line)
    });
    let report = judged(&on_sample().folder, export, false);
    check(&report);
    let groups = rows(&report, "subgroups");
    let of = |name: &str| groups.iter().find(|row| row[0] == name && row.len() == 6);
    let hispanic = of("Hispanic").expect("the group is large enough to be named");
    assert_eq!(hispanic[3..], ["not shown"; 3], "one outcome ranks nothing: {hispanic:?}");
    assert!(!report.contains("Asian"), "few patients are not even named");
}

#[test]
fn a_small_cohort_has_a_whole_report_and_no_count_of_few() {
    let folder = tempfile::tempdir().unwrap();
    // All who come back soon, and few others: the smallest cohort that can be fitted.
    let export = changed(folder.path(), |at, line| {
        let returns = line.contains(",<30");
        (returns || at % 12 == 0).then(|| line.to_owned())
    });
    let models = folder.path().join("models");
    let Written { report, card, .. } = written(&request(export, &models));
    check(&report);
    assert!(report.contains("all figures below are rough"), "few outcomes are warned of");
    for section in ["people", "subgroups", "size"] {
        for cell in rows(&report, section).into_iter().flatten() {
            let count = cell.trim_start_matches("about ").parse::<u64>();
            assert!(!count.is_ok_and(|count| (1..=10).contains(&count)), "{section}: {cell}");
        }
    }
    assert!(card.contains("## Source attributes (HTI-1)"));
}
