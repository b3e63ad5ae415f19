//! The trends page: by plain requests and in a browser, who sees it, and what it says of what is kept
//! back.

use prodrome::trend::{KeyName, Release};

use super::site::{Door, Site};
use super::worklist::{Ward, python};
use crate::trends::sample;

const MARKUP: &str = "<script>window.ran = 1</script>";

/// The sample, with markup where a release has words.
fn marked() -> Release {
    let mut release = sample::release();
    release.title = format!("Blood pressure {MARKUP}");
    let values = release.keys.iter_mut().flat_map(|key| &mut key.values);
    let groups = release.series.iter_mut().map(|series| &mut series.group);
    values.filter(|value| value.name == "022").for_each(|value| value.name = MARKUP.to_owned());
    for group in groups {
        if let Some(region) = group.0.get_mut(&KeyName::Region).filter(|region| *region == "022") {
            *region = MARKUP.to_owned();
        }
    }
    release
}

/// A site whose server has these releases, where clinicians and planners may see them.
fn site(releases: &[Release]) -> Site {
    let mut site = Site::new(Door::Plain);
    let mut files: Vec<toml::Value> = Vec::new();
    for (place, release) in releases.iter().enumerate() {
        let path = site.path(&format!("release-{place}.json"));
        std::fs::write(&path, serde_json::to_vec(release).unwrap()).unwrap();
        files.push(path.to_str().unwrap().into());
    }
    site.more = format!("[trends]\nfiles = {}\n", toml::Value::Array(files));
    let policy = std::fs::read_to_string(site.path("policy.toml")).unwrap();
    let policy = policy.replacen("[roles]\n", "[roles]\nplanner = \"trends alone\"\n", 1);
    let may = |role: &str| {
        format!("\n[[allow]]\nrole = \"{role}\"\nmethods = [\"GetTrends\"]\ntasks = [\"*\"]\n")
    };
    let policy = policy + &may("clinician") + &may("planner");
    std::fs::write(site.path("policy.toml"), policy).unwrap();
    site
}

/// The page at `path` for whoever has `cookie`.
fn text(ward: &Ward, path: &str, cookie: &str) -> String {
    let page = ward.ask(path, cookie, None);
    assert_eq!(page.status, 200, "{path}: {}", page.text);
    assert!(page.text.len() <= 100_000, "{path}: {} bytes", page.text.len());
    page.text
}

#[tokio::test(flavor = "multi_thread")]
async fn trends_are_read_by_keyboard_in_a_browser() {
    let Some(python) = python() else { return };
    let ward = Ward::of(site(&[marked()]), "900", &[]);
    let said = ward.watch(&python, "trends", "900");
    assert!(said.matches("ok: ").count() >= 35, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_see_one_part_of_the_site_sees_that_alone() {
    let mut site = site(&[marked()]);
    let planner = site.key("planner", "planner", None);
    let scorer = site.key("scorer", "scorer", None);
    let ward = Ward::of(site, "900", &[]);
    assert_eq!(ward.ask("/trends", "", None).leads_to(), Some("/login"));

    let both = ward.log_in(&ward.nurse);
    let cookie = both.cookie().unwrap();
    for path in ["/", "/trends"] {
        let page = text(&ward, path, cookie);
        assert!(
            page.contains("href=\"/trends\"") && page.contains("aria-label=\"Parts\""),
            "{path}"
        );
    }

    let trends = ward.log_in(&planner);
    let cookie = trends.cookie().unwrap();
    assert_eq!(ward.ask("/", cookie, None).leads_to(), Some("/trends"), "the list is not for them");
    let page = text(&ward, "/trends", cookie);
    assert!(page.contains("rise of 7.0 points") && !page.contains("aria-label=\"Parts\""));

    let neither = ward.log_in(&scorer);
    let cookie = neither.cookie().unwrap();
    for path in ["/", "/trends"] {
        assert_eq!(ward.ask(path, cookie, None).status, 403, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_the_release_does_and_no_more() {
    let release = marked();
    let ward = Ward::of(site(std::slice::from_ref(&release)), "900", &[]);
    let logged_in = ward.log_in(&ward.nurse);
    let cookie = logged_in.cookie().unwrap();
    let page = text(&ward, "/trends?measure=raised_bp&region=other", cookie);
    assert!(page.contains("Share with raised blood pressure: Other regions"), "{page}");
    let rows: Vec<&str> = page.split("<th scope=\"row\">").skip(1).collect();
    assert_eq!(rows.len(), release.periods.len());
    let series = release
        .series
        .iter()
        .find(|series| series.group == sample::group(&[(KeyName::Region, "other")]))
        .unwrap();
    for ((row, period), point) in rows.iter().zip(&release.periods).zip(&series.points) {
        let row = row.split("</tr>").next().unwrap();
        assert!(row.starts_with(&format!("{}<", period.name)), "{row}");
        let kept_back = row.matches("not shown (fewer than 11)").count();
        match point.figure {
            Some(figure) => {
                let people = point.people.unwrap();
                let told = format!("{:.1}% (", 100.0 * figure.estimate);
                assert!(
                    row.contains(&told) && row.contains(&format!("<td>{people}</td>")),
                    "{row}"
                );
                assert_eq!(kept_back, 0, "{row}");
            }
            None => assert!(kept_back > 0 && !row.contains('%'), "{row}"),
        }
    }
    assert!(!page.contains(MARKUP), "markup of a release");
    // What is not in the release, or cannot be meant.
    for (path, status, word) in [
        ("/trends?measure=raised_bq", 404, "raised_bp"),
        ("/trends?sex=mole", 404, "male"),
        ("/trends?race=x", 404, "race"),
        ("/trends?page=nonsense", 400, "out of date"),
        ("/trends?page=x&before=-1", 400, "number"),
        (&*format!("/trends?region={}", "x".repeat(200)), 400, "too long"),
    ] {
        let page = ward.ask(path, cookie, None);
        assert_eq!(page.status, status, "{path}: {}", page.text);
        assert!(page.text.contains(word), "{path}: {}", page.text);
    }
    assert_eq!(ward.ask("/trends", cookie, Some("form=x")).status, 405);
}

/// A release as large as a region of many towns makes it.
fn large() -> Release {
    let mut release = sample::release();
    let (points, statement) = (release.series[0].points.clone(), release.statements[0].clone());
    release.measures.truncate(1);
    release.peers.clear();
    let names: Vec<String> = (0..900).map(|at| format!("region-with-a-name-{at:03}")).collect();
    let key = release.keys.iter_mut().find(|key| key.name == KeyName::Region).unwrap();
    let value = key.values[0].clone();
    key.values = names
        .iter()
        .map(|name| prodrome::trend::KeyValue { name: name.clone(), ..value.clone() })
        .collect();
    let of = |name: &str| sample::group(&[(KeyName::Region, name)]);
    release.series = names
        .iter()
        .map(|name| prodrome::trend::Series {
            measure: "raised_bp".to_owned(),
            group: of(name),
            points: points.clone(),
        })
        .collect();
    release.statements = names
        .iter()
        .take(100)
        .enumerate()
        .map(|(at, name)| prodrome::trend::Statement {
            id: format!("s{at}"),
            group: of(name),
            strength: 1.0 - at as f64 / 1_000.0,
            ..statement.clone()
        })
        .collect();
    release
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_of_statements_is_paged_and_each_is_shown_once() {
    let ward = Ward::of(site(&[large()]), "900", &[]);
    let logged_in = ward.log_in(&ward.nurse);
    let cookie = logged_in.cookie().unwrap();
    let mut path = "/trends".to_owned();
    let mut ways: Vec<String> = Vec::new();
    for _ in 0..20 {
        let page = text(&ward, &path, cookie);
        let links = page.split("<a class=\"button\" href=\"/trends?").skip(1);
        let links = links.filter_map(|rest| rest.split('"').next());
        ways.extend(links.filter(|link| link.contains("#figures")).map(str::to_owned));
        let next =
            page.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
        let Some(next) = next else { break };
        path = next.replace("&#38;", "&");
    }
    assert_eq!(ways.len(), 100);
    ways.sort_unstable();
    ways.dedup();
    assert_eq!(ways.len(), 100, "each once");
    assert!(text(&ward, &path, cookie).contains("91 to 100 of 100 changes"), "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_trends_says_so_and_has_no_link_to_them() {
    let ward = Ward::of(site(&[]), "900", &[]);
    let logged_in = ward.log_in(&ward.nurse);
    let cookie = logged_in.cookie().unwrap();
    assert!(text(&ward, "/trends", cookie).contains("shows no trends yet"));
    assert!(!text(&ward, "/", cookie).contains("href=\"/trends\""));
}
