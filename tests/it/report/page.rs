//! What holds for every report: sections, headings, tables, plots, texts, and nothing fetched.

use roxmltree::{Document, Node, ParsingOptions};

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

pub(crate) fn parsed(report: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(report, options).unwrap()
}

pub(crate) fn named<'a, 'i>(
    node: Node<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.descendants().filter(move |node| node.has_tag_name(name))
}

pub(crate) fn words(node: Node<'_, '_>) -> String {
    node.descendants().filter_map(|node| node.is_text().then(|| node.text())?).collect()
}

/// What holds for every report of a model, whatever it tells.
pub(super) fn check(report: &str) {
    check_page(report, &SECTIONS);
    assert!(named(parsed(report).root_element(), "table").count() > 5);
}

/// What holds for every page with these sections.
pub(crate) fn check_page(report: &str, expected: &[&str]) {
    let document = parsed(report);
    let page = document.root_element();
    assert_eq!(page.attribute("lang"), Some("en"));
    let sections: Vec<&str> = named(page, "section").filter_map(|s| s.attribute("id")).collect();
    assert_eq!(sections, expected);
    for section in named(page, "section") {
        let told = words(section).split_whitespace().count();
        assert!(told > 8, "{:?} says something", section.attribute("id"));
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
