//! The report and the card: whole, well-formed, self-contained, escaped, the same every time, and
//! silent about few.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use prodrome::command::{self, EvaluateRequest, FitRequest, Source, TaskSource};
use prodrome::import::Meter;
use prodrome::model::Family;
use prodrome::train::{HeldOut, Search};
use roxmltree::{Document, Node, ParsingOptions};

use crate::support::{fit_request, root, task_file, task_folder, task_text};

/// The sections of every report, in order.
const SECTIONS: [&str; 19] = [
    "summary",
    "uses",
    "people",
    "outcome",
    "table-one",
    "making",
    "discrimination",
    "calibration",
    "usefulness",
    "published",
    "subgroups",
    "over-time",
    "features",
    "leaks",
    "size",
    "drift",
    "not-told",
    "versions",
    "glossary",
];

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

fn parsed(report: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(report, options).unwrap()
}

fn named<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.descendants().filter(move |node| node.has_tag_name(name))
}

fn words(node: Node<'_, '_>) -> String {
    node.descendants().filter_map(|node| node.is_text().then(|| node.text())?).collect()
}

/// What holds for every report, whatever it tells.
fn check(report: &str) {
    let document = parsed(report);
    let page = document.root_element();
    assert_eq!(page.attribute("lang"), Some("en"));
    let sections: Vec<&str> = named(page, "section").filter_map(|s| s.attribute("id")).collect();
    assert_eq!(sections, SECTIONS);
    for section in named(page, "section") {
        let told = words(section).split_whitespace().count();
        assert!(told > 10, "{:?} says something", section.attribute("id"));
    }
    check_fetches_nothing(page, report);
    check_is_accessible(page);
    let mut panels = 0;
    for svg in named(page, "svg") {
        let drawn: Vec<usize> = svg
            .descendants()
            .filter(|node| node.attribute("class") == Some("panel"))
            .map(check_panel)
            .collect();
        assert!(drawn.is_empty() || drawn.iter().sum::<usize>() > 0, "an empty plot");
        panels += drawn.len();
        check_texts(svg);
    }
    assert_eq!(report.matches("class=\"frame\"").count(), panels, "every frame was looked at");
    assert!(!report.contains("NaN") && !report.contains(">inf"), "figures are finite");
}

fn check_fetches_nothing(page: Node<'_, '_>, report: &str) {
    for word in ["url(", "@import", "@font-face", "javascript:"] {
        assert!(!report.contains(word), "{word}");
    }
    for node in page.descendants() {
        let tag = node.tag_name().name();
        let fetches =
            ["script", "link", "img", "image", "iframe", "object", "embed", "use", "base"];
        assert!(!fetches.contains(&tag), "<{tag}>");
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.starts_with("on") && name != "src", "{name} in <{tag}>");
            assert!(!value.contains("//"), "{name}=\"{value}\"");
            if name == "href" {
                let id = value.strip_prefix('#').unwrap();
                let is_there = page.descendants().any(|node| node.attribute("id") == Some(id));
                assert!(is_there, "#{id} leads somewhere");
            }
        }
    }
}

fn check_is_accessible(page: Node<'_, '_>) {
    let mut ids: Vec<&str> = page.descendants().filter_map(|node| node.attribute("id")).collect();
    let known = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), known, "no id twice");
    for node in page.descendants().filter(|node| node.has_attribute("aria-labelledby")) {
        for id in node.attribute("aria-labelledby").unwrap().split_whitespace() {
            assert!(ids.binary_search(&id).is_ok(), "{id}");
        }
    }
    let mut before = 0;
    for node in page.descendants() {
        let tag = node.tag_name().name();
        let Some(level) = tag.strip_prefix('h').and_then(|level| level.parse::<u32>().ok()) else {
            continue;
        };
        assert!(level <= before + 1, "<{tag}> comes after <h{before}>");
        before = level;
    }
    assert!(named(page, "th").all(|cell| cell.has_attribute("scope")));
    assert!(named(page, "table").count() > 5);
    for table in named(page, "table") {
        let rows = named(table, "tr").map(|row| {
            row.children().filter(Node::is_element).fold(0, |sum, cell| {
                sum + cell.attribute("colspan").map_or(1, |span| span.parse::<usize>().unwrap())
            })
        });
        let mut widths: Vec<usize> = rows.collect();
        widths.dedup();
        assert_eq!(widths.len(), 1, "rows of one table are equally long: {}", words(table));
    }
    for svg in named(page, "svg") {
        assert_eq!(svg.attribute("role"), Some("img"));
        for part in ["title", "desc"] {
            assert!(named(svg, part).any(|node| !words(node).trim().is_empty()));
        }
    }
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    let value: f64 = node.attribute(name).unwrap().parse().unwrap();
    assert!(value.is_finite());
    value
}

/// How many marks a panel has, all of them within its frame.
fn check_panel(panel: Node<'_, '_>) -> usize {
    let of_class = |class: &str| {
        let found = panel.descendants().find(|node| node.attribute("class") == Some(class));
        found.unwrap()
    };
    let frame = of_class("frame");
    let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| number(frame, name));
    // Coordinates are written with one decimal, and a mark reaches 5 units from its middle.
    let within = |at_x: f64, at_y: f64, reach: f64| {
        let is_in = at_x >= x - reach
            && at_x <= x + width + reach
            && at_y >= y - reach
            && at_y <= y + height + reach;
        assert!(is_in, "({at_x}, {at_y}) lies outside of {x} {y} {width} {height}");
    };
    let mut marks = 0;
    for node in of_class("marks").descendants().filter(Node::is_element) {
        let pairs = |text: &str| -> Vec<f64> {
            let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != '-');
            let numbers = numbers.filter(|number| !number.is_empty());
            numbers.map(|number| number.parse().unwrap()).collect()
        };
        match node.tag_name().name() {
            "circle" => within(number(node, "cx"), number(node, "cy"), 0.1),
            "line" => {
                within(number(node, "x1"), number(node, "y1"), 4.0);
                within(number(node, "x2"), number(node, "y2"), 4.0);
            }
            "rect" => {
                let [left, top] = ["x", "y"].map(|name| number(node, name));
                within(left, top, 0.1);
                let right = left + number(node, "width");
                within(right, top + number(node, "height"), 0.2);
            }
            "path" | "polygon" => {
                let (is_path, reach) = (node.has_tag_name("path"), 5.0);
                let points = node.attribute(if is_path { "d" } else { "points" }).unwrap();
                let numbers = pairs(points);
                assert!(numbers.len() >= 4 && numbers.len() % 2 == 0, "{points}");
                for pair in numbers.chunks(2) {
                    within(pair[0], pair[1], if is_path { 0.1 } else { reach });
                }
            }
            "g" => continue,
            other => panic!("<{other}> among the marks"),
        }
        marks += 1;
    }
    marks
}

/// Texts of a drawing begin and end within it, and no two on one line overlap.
fn check_texts(svg: Node<'_, '_>) {
    let view: Vec<f64> =
        svg.attribute("viewBox").unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
    let mut spans: Vec<(f64, f64, f64, String)> = Vec::new();
    for text in named(svg, "text").filter(|text| !text.has_attribute("transform")) {
        let [x, y, size] = ["x", "y", "font-size"].map(|name| number(text, name));
        let told = words(text);
        // Narrow letters: what overlaps by this measure overlaps on every screen.
        let width = 0.45 * size * told.chars().count() as f64;
        let left = match text.attribute("text-anchor") {
            Some("middle") => x - width / 2.0,
            Some("end") => x - width,
            _ => x,
        };
        assert!(left >= -1.0 && left + width <= view[2] + 1.0, "`{told}` is cut");
        assert!(y > 0.0 && y <= view[3], "`{told}` is cut");
        spans.push((y, left, left + width, told));
    }
    spans.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    for pair in spans.windows(2) {
        let [(y, _, end, one), (next_y, start, _, other)] = pair else { continue };
        assert!(y != next_y || end <= start, "`{one}` and `{other}` overlap");
    }
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
