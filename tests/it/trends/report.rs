//! The report of a release: whole, readable without eyes, and no larger than people can read.

use prodrome::page::Drawing;
use prodrome::trend::{CodingChange, Direction, KeyName, Release, Series, StatementKind, report};

use super::sample::{group, release, rising};
use crate::report::page::{check_page, named, parsed, words};

const SECTIONS: [&str; 6] = ["changes", "groups", "regions", "figures", "not-shown", "reading"];

fn checked(release: &Release) -> String {
    let html = report(release).html();
    check_page(&html, &SECTIONS);
    // For looking at it: PRODROME_SHOTS names a folder.
    if let Some(folder) = std::env::var_os("PRODROME_SHOTS") {
        let name = format!("trends-{}-{}.html", release.statements.len(), release.series.len());
        std::fs::write(std::path::Path::new(&folder).join(name), &html).unwrap();
    }
    html
}

#[test]
fn the_report_tells_what_rises_first_and_then_every_group() {
    let release = release();
    let html = checked(&release);
    let document = parsed(&html);
    let page = document.root_element();
    let findings: Vec<String> = page
        .descendants()
        .filter(|node| node.attribute("class") == Some("findings"))
        .flat_map(|list| list.children().filter(|node| node.has_tag_name("li")))
        .map(words)
        .collect();
    assert_eq!(findings.len(), release.statements.len());
    for (found, statement) in findings.iter().zip(&release.statements) {
        assert!(found.contains(&statement.text), "{found}");
        assert!(statement.cautions.iter().all(|caution| found.contains(caution)), "{found}");
    }
    assert!(
        findings[0].contains("Rising, for the worse.") && findings[0].contains("31.0% in 2020")
    );
    assert!(
        findings[0].contains("change +7.0 points, 95% interval 4.0 to 10.0"),
        "{}",
        findings[0]
    );
    assert!(words(page).contains("simulated people"), "a release of nobody says so");

    let plots = named(page, "svg").count();
    assert_eq!(plots, release.series.len(), "one plot for each group of a measure");
    let suppressed: usize = release
        .series
        .iter()
        .map(|series| {
            let kind = release.measure(&series.measure).unwrap().kind;
            series.points.iter().filter(|point| point.is_suppressed(kind)).count()
        })
        .sum();
    assert!(suppressed > 20);
    // Each is told once to who does not see the plot, and is in the figures' tables.
    let told = words(page).matches("not shown (fewer than 11)").count();
    assert!(told >= suppressed, "{told} of {suppressed}");
    let arrows = named(page, "polygon").count();
    assert_eq!(arrows, 2, "the bracket of each statement has an arrow");
}

#[test]
fn a_line_has_a_gap_where_a_figure_is_kept_back() {
    let mut release = release();
    release.series.retain(|series| series.group == group(&[(KeyName::Region, "other")]));
    let page = report(&release);
    let blocks = page.sections.iter().flat_map(|section| &section.blocks);
    let figures = blocks.filter_map(|block| match block {
        prodrome::page::Block::Figures(figures) => Some(figures),
        _ => None,
    });
    let mut panels = figures.flatten().flat_map(|figure| match &figure.drawing {
        Drawing::Multiples(multiples) => multiples.panels.clone(),
        _ => Vec::new(),
    });
    let panel = panels.next().unwrap();
    assert_eq!(panel.absent, [1, 2]);
    let runs: Vec<usize> = panel
        .layers
        .iter()
        .filter_map(|layer| match layer {
            prodrome::page::Layer::Line { points, .. } => Some(points.len()),
            _ => None,
        })
        .collect();
    assert_eq!(runs, [1, 2], "2020 alone, then 2023 and 2024");
}

/// The release with so many regions in place of its groups.
fn with_regions(count: usize) -> Release {
    let mut release = release();
    let points = release.series[0].points.clone();
    release.measures.truncate(1);
    let region = |at: usize| {
        let mut points = points.clone();
        points.iter_mut().for_each(|point| point.people = Some(1_000 + at as u64));
        let group = group(&[(KeyName::Region, &format!("r{at:04}"))]);
        Series { measure: "raised_bp".to_owned(), group, points }
    };
    release.series = (0..count).map(region).collect();
    release
}

#[test]
fn of_many_groups_the_largest_are_drawn_and_the_rest_is_counted() {
    let release = with_regions(3_000);
    let html = checked(&release);
    assert_eq!(html.matches("<svg").count(), 60);
    assert!(html.contains("2940 more are in the table file"), "the rest is counted");
    assert!(html.contains(">Region r2999<") && !html.contains(">Region r2939<"));
    assert!(html.len() < 600_000, "{} bytes", html.len());
}

#[test]
fn without_a_statement_the_report_says_what_could_have_been_seen() {
    let mut release = release();
    release.statements.clear();
    let html = checked(&release);
    let text = words(parsed(&html).root_element());
    assert!(text.contains("None of the 60 changes that were tested could be told"), "{text}");
    // From 7,200 measured people with 31%: a standard error of 0.55 points each, 0.77 of the
    // difference; two-sided at 0.05 / 60 with a chance of 80%: 3.34 + 0.84 of them.
    assert!(text.contains("of about 3.2 points in everybody"), "{text}");
    release.tested = 0;
    assert!(checked(&release).contains("No change was tested"));
}

#[test]
fn words_of_others_are_text_and_a_change_of_coding_is_told() {
    const MARKUP: &str = "<script>window.ran = 1</script>";
    let mut release = release();
    release.title = MARKUP.to_owned();
    release.measures[0].title = MARKUP.to_owned();
    release.measures[0].coding_changes = vec![CodingChange {
        period: 2,
        from_system: "ICD9CM".to_owned(),
        to_system: "ICD10CM".to_owned(),
    }];
    for series in &mut release.series {
        if let Some(region) = series.group.0.get_mut(&KeyName::Region) {
            *region = format!("{MARKUP}{region}");
        }
    }
    release.statements[0].text = MARKUP.to_owned();
    let html = checked(&release);
    assert!(!html.contains("<script"));
    assert!(html.contains("from 2022 on most codes come from ICD10CM and no longer from ICD9CM"));
}

#[test]
fn statements_that_fit_no_period_or_measure_break_nothing() {
    let mut release = release();
    release.statements[0].first_period = 900;
    release.statements[0].last_period = usize::MAX;
    release.statements[1].measure = "gone".to_owned();
    release.series[0].points.truncate(1);
    release.series[0].measure = "gone".to_owned();
    checked(&release);
    release.periods.clear();
    release.series.clear();
    release.keys.clear();
    assert!(report(&release).html().contains("No figure of it may be shown."));
}

#[test]
fn fifty_statements_are_told_and_the_rest_is_counted() {
    let mut release = release();
    let one = release.statements[0].clone();
    release.statements = (0..70)
        .map(|at| {
            let mut statement = one.clone();
            statement.id = format!("s{at}");
            statement.kind = StatementKind::Turn;
            statement.direction = if at % 2 == 0 { Direction::Rising } else { Direction::Falling };
            statement
        })
        .collect();
    assert_eq!(release.statements[0].group, rising());
    let html = checked(&release);
    assert_eq!(html.matches("95% interval 4.0 to 10.0; ").count(), 50);
    assert!(html.contains("20 weaker statements"));
}

#[test]
fn ten_years_of_months_make_no_page_that_nobody_can_open() {
    let mut release = with_regions(200);
    let period = release.periods[0].clone();
    release.periods = (0..120)
        .map(|at| prodrome::trend::Period {
            name: format!("{}-{:02}", 2015 + at / 12, 1 + at % 12),
            ..period.clone()
        })
        .collect();
    for series in &mut release.series {
        series.points = series.points.iter().cycle().take(120).cloned().collect();
    }
    let html = checked(&release);
    assert!(html.contains("all figures lie between 31.0% and 31.0%"), "as a few words");
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
}
