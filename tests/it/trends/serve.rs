//! Releases at the server: what is asked for is answered, a page at a time; a file that may not be shown
//! is refused with its place, and what was read before stays.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use prodrome::registry::{Releases, TrendSettings, read_release};
use prodrome::rpc::proto::population_trends_client::PopulationTrendsClient;
use prodrome::rpc::proto::{self, TrendKey, TrendKeyValue};
use prodrome::rpc::{Limits, serve};
use prodrome::service::Service;
use prodrome::trend::Release;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use super::sample;
use crate::serve::process::{Server, Setup};
use crate::support::{models, one_task};

pub(super) fn written(folder: &Path, name: &str, release: &Release) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, serde_json::to_vec(release).unwrap()).unwrap();
    path
}

/// A service that shows these files.
pub(super) fn showing(files: Vec<PathBuf>) -> Arc<Service> {
    let releases = Arc::new(Releases::open(TrendSettings { files }));
    Arc::new(Service::new(models(one_task(), false)).with_trends(releases))
}

async fn channel(service: Arc<Service>) -> Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, service, Limits::default(), std::future::pending()));
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

async fn ask(
    channel: &Channel,
    request: proto::GetTrendsRequest,
) -> Result<proto::GetTrendsResponse, Status> {
    let mut client = PopulationTrendsClient::new(channel.clone());
    client.get_trends(request).await.map(tonic::Response::into_inner)
}

fn of_key(key: TrendKey, value: &str) -> TrendKeyValue {
    TrendKeyValue { key: key.into(), value: value.into() }
}

#[tokio::test]
async fn figures_and_statements_are_found_by_what_they_are_about() {
    let folder = tempfile::tempdir().unwrap();
    let release = sample::release();
    let channel = channel(showing(vec![written(folder.path(), "a.json", &release)])).await;
    let base = proto::GetTrendsRequest::default;
    let all = ask(&channel, base()).await.unwrap();
    assert_eq!((all.total_statements, all.total_series), (2, release.series.len() as u64));
    assert_eq!((all.statements.len(), all.series.len()), (2, release.series.len()));
    assert_eq!((all.next_page_token.as_str(), all.releases.len()), ("", 1));
    assert!(all.privacy_note.contains("1 to 10"));
    let shown = &all.releases[0];
    assert_eq!((shown.name.as_str(), shown.synthetic), ("blood_pressure", true));
    assert_eq!((shown.periods.len(), shown.keys.len(), shown.measures.len()), (5, 3, 2));
    for (sent, series) in all.series.iter().zip(&release.series) {
        assert_eq!(sent.measure, series.measure);
        for (sent, point) in sent.points.iter().zip(&series.points) {
            assert_eq!(
                (sent.people, sent.measured, sent.hits),
                (point.people, point.measured, point.hits)
            );
            assert_eq!(sent.suppressed, point.hits.is_none());
            let estimate = sent.figure.as_ref().map(|figure| figure.estimate);
            assert_eq!(estimate, point.figure.map(|figure| figure.estimate));
        }
    }
    let hidden = all.series.iter().flat_map(|series| &series.points);
    assert!(hidden.filter(|point| point.suppressed).count() > 10, "the sample hides something");

    let men = vec![of_key(TrendKey::Sex, "male"), of_key(TrendKey::AgeBand, "60-69")];
    let asked = proto::GetTrendsRequest { group: men.clone(), ..base() };
    let found = ask(&channel, asked.clone()).await.unwrap();
    assert_eq!((found.total_statements, found.total_series), (1, 8), "with each region");
    let alone = proto::GetTrendsRequest { only_these_keys: true, ..asked };
    let found = ask(&channel, alone).await.unwrap();
    assert_eq!((found.total_statements, found.total_series), (0, 2));
    let everybody = proto::GetTrendsRequest { only_these_keys: true, ..base() };
    let found = ask(&channel, everybody).await.unwrap();
    assert!(found.series.iter().all(|series| series.group.is_empty()));
    assert_eq!((found.total_statements, found.total_series), (1, 2));
    let one = proto::GetTrendsRequest {
        measure: "raised_bp".into(),
        concept: "systolic_bp".into(),
        release: "blood_pressure".into(),
        first_day: "2021-01-01".into(),
        last_day: "2023-12-31".into(),
        ..base()
    };
    let found = ask(&channel, one.clone()).await.unwrap();
    assert_eq!((found.total_statements, found.total_series), (0, 28), "its statement is of 2024");
    let names: Vec<&str> = found.series[0].points.iter().map(|p| p.period.as_str()).collect();
    assert_eq!(names, ["2021", "2022", "2023"]);
    let open = proto::GetTrendsRequest { last_day: String::new(), ..one.clone() };
    assert_eq!(ask(&channel, open).await.unwrap().total_statements, 1);
    let few = proto::GetTrendsRequest { statements_only: true, ..base() };
    let found = ask(&channel, few).await.unwrap();
    assert_eq!((found.statements.len(), found.series.len(), found.total_series), (2, 0, 0));
    let outside = proto::GetTrendsRequest { last_day: "2019-12-31".into(), ..base() };
    let found = ask(&channel, outside).await.unwrap();
    assert_eq!((found.total_statements, found.total_series), (0, 0));
}

#[tokio::test]
async fn pages_together_are_the_whole_and_hold_for_their_query() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = sample::release();
    other.name = "another".into();
    other.statements[0].strength = 0.7;
    let files = vec![
        written(folder.path(), "a.json", &sample::release()),
        written(folder.path(), "b.json", &other),
    ];
    let channel = channel(showing(files)).await;
    let base = || proto::GetTrendsRequest { page_size: 500, ..Default::default() };
    let whole = ask(&channel, base()).await.unwrap();
    let strengths: Vec<f64> = whole.statements.iter().map(|each| each.strength).collect();
    assert_eq!(strengths, [0.7, 0.2, 0.2, 0.2]);
    assert_eq!((whole.statements[0].release.as_str(), whole.series.len()), ("another", 112));
    for page_size in [1, 3, 7, 100] {
        let (mut statements, mut series, mut token) = (Vec::new(), Vec::new(), String::new());
        let mut pages = 0;
        loop {
            let asked = proto::GetTrendsRequest { page_size, page_token: token, ..base() };
            let page = ask(&channel, asked).await.unwrap();
            assert_eq!(page.releases.is_empty(), pages > 0);
            assert_eq!((page.total_statements, page.total_series), (4, 112));
            statements.extend(page.statements);
            series.extend(page.series);
            pages += 1;
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(pages, 116_u32.div_ceil(page_size));
        assert_eq!((&statements, &series), (&whole.statements, &whole.series));
    }
    let first = proto::GetTrendsRequest { page_size: 2, ..base() };
    let token = ask(&channel, first).await.unwrap().next_page_token;
    let of_another = proto::GetTrendsRequest {
        page_token: token.clone(),
        measure: "raised_bp".into(),
        ..base()
    };
    let made_up = proto::GetTrendsRequest { page_token: format!("{token}x"), ..base() };
    for asked in [of_another, made_up] {
        let status = ask(&channel, asked).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.get_error_details().error_info().unwrap().reason, "TREND_TOKEN");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_cannot_be_meant_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "a.json", &sample::release());
    let channel = channel(showing(vec![file])).await;
    let base = proto::GetTrendsRequest::default;
    let named = |release: &str, measure: &str, task: &str, concept: &str| proto::GetTrendsRequest {
        release: release.into(),
        measure: measure.into(),
        task: task.into(),
        concept: concept.into(),
        ..base()
    };
    let valued = |key, value| proto::GetTrendsRequest { group: vec![of_key(key, value)], ..base() };
    for (asked, says) in [
        (named("blood_presure", "", "", ""), "did you mean `blood_pressure`?"),
        (named("", "raised_pb", "", ""), "did you mean `raised_bp`?"),
        (named("", "", "readmit", ""), "no measure of a task called `readmit`"),
        (named("", "", "", "systolic_pb"), "did you mean `systolic_bp`?"),
        (valued(TrendKey::AgeBand, "60-68"), "did you mean `60-69`?"),
        (valued(TrendKey::Facility, "north"), "no group with facility `north`"),
    ] {
        let status = ask(&channel, asked).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{status:?}");
        assert!(status.message().contains(says), "{status:?}");
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "UNKNOWN_TREND");
        assert!(details.resource_info().is_some());
    }
    let sex = || of_key(TrendKey::Sex, "male");
    let asked = proto::GetTrendsRequest {
        measure: "x".repeat(129),
        group: vec![sex(), sex(), of_key(TrendKey::Unspecified, "")],
        first_day: "2024-01-01".into(),
        last_day: "2023".into(),
        page_size: 501,
        page_token: "x".repeat(65),
        ..base()
    };
    let status = ask(&channel, asked).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let fields: Vec<&str> =
        details.bad_request().unwrap().field_violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "measure",
            "group[1].key",
            "group[2].value",
            "group[2].key",
            "last_day",
            "last_day",
            "page_size",
            "page_token"
        ]
    );
}

#[tokio::test]
async fn a_server_without_releases_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, "{}").unwrap();
    for (files, code, reason) in [
        (Vec::new(), Code::Unimplemented, "NO_TRENDS"),
        (vec![bad], Code::Unavailable, "TRENDS_UNAVAILABLE"),
    ] {
        let is_named = !files.is_empty();
        let channel = channel(showing(files)).await;
        let status = ask(&channel, Default::default()).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert_eq!(status.get_error_details().error_info().unwrap().reason, reason);
        let service = "prodrome.v1.PopulationTrends".to_owned();
        let health = HealthClient::new(channel).check(HealthCheckRequest { service }).await;
        match is_named {
            true => {
                let status = health.unwrap().into_inner().status();
                assert_eq!(status, ServingStatus::NotServing);
            }
            false => assert_eq!(health.unwrap_err().code(), Code::NotFound),
        }
    }
}

type Damage = fn(&mut Value);

/// What may be wrong with a file, and what is then said.
const DAMAGES: [(Damage, &str); 31] = [
    (|r| r["format_version"] = json!(2), "format_version 2, and this program reads 1"),
    (|r| r["more"] = json!(1), "no release of trends"),
    (|r| r["name"] = json!(""), "name: needs 1 to 128 bytes"),
    (|r| r["title"] = json!("a\nb"), "title: longer than 2,000 bytes, or with control"),
    (|r| r["periods"] = json!([]), "periods: needs 1 to 600"),
    (|r| drop(r["periods"].as_array_mut().unwrap().pop()), "not one point for each period"),
    (|r| r["measures"][1]["name"] = json!("raised_bp"), "measures[1]: the same name a second"),
    (|r| r["keys"][1]["name"] = json!("age_band"), "keys[1]: the same key a second time"),
    (|r| r["series"][3]["measure"] = json!("other"), "series[3].measure: not one of `measures`"),
    (|r| r["series"][3]["group"]["region"] = json!("999"), "series[3].group: with a value that"),
    (|r| r["series"][1] = r["series"][0].clone(), "series[1]: the same measure and group"),
    (
        |r| r["series"][2]["points"][4]["hits"] = json!(10),
        "points[4]: this file shows a count below",
    ),
    (|r| r["series"][2]["points"][4]["people"] = json!(1), "series[2].points[4]: this file shows"),
    (
        |r| r["series"][0]["points"][0]["hits"] = json!(7_193),
        "series[0].points[0]: this file shows a count below 11",
    ),
    (|r| r["series"][0]["points"][0]["hits"] = json!(7_201), "more of the people than there are"),
    (
        |r| r["series"][0]["points"][0]["measured"] = json!(12_001),
        "more of the people than there are",
    ),
    (
        |r| r["series"][0]["points"][0]["people"] = json!(null),
        "a count beside one that is suppressed",
    ),
    (
        |r| r["series"][0]["points"][0]["hits"] = json!(null),
        "series[0].points[0]: a figure of a count that is suppressed",
    ),
    (|r| r["series"][0]["points"][0]["measured"] = json!(11_995), "this file shows a count below"),
    (|r| r["periods"][1] = r["periods"][0].clone(), "periods[1]: not after the period before it"),
    (|r| r["periods"][1]["last_day"] = json!("2021"), "periods[1]: needs days such as"),
    (|r| r["statements"][1]["last_period"] = json!(5), "statements[1]: periods that are not there"),
    (|r| r["statements"][0]["group"]["sex"] = json!("men"), "statements[0].group: with a value"),
    (|r| r["peers"][0]["group"] = json!({"sex": "male"}), "peers[0]: peers are of an age band and"),
    (|r| r["peers"][1]["group"] = r["peers"][0]["group"].clone(), "peers[1]: the same group"),
    (
        |r| {
            let peers = r["peers"][0]["group"].clone();
            r["series"].as_array_mut().unwrap().retain(|series| series["group"] != peers);
        },
        "peers[0]: peers of whom the last period does not show",
    ),
    (|r| r["peers"][0]["scales"][0]["people"] = json!(510), "scales[0]: people who are no class"),
    (|r| r["peers"][0]["scales"][0]["people"] = json!(200), "scales[0]: people who are no class"),
    (|r| r["peers"][0]["scales"][0]["quantiles"] = json!([]), "people who are no class"),
    (|r| r["peers"][0]["scales"][0]["quantiles"] = json!([2.0, 1.0]), "not in order"),
    (|r| r["measures"][0]["concepts"] = json!(["x".repeat(129)]), "measures[0]: needs 1 to 128"),
];

#[test]
fn a_file_that_may_not_be_shown_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "release.json", &sample::release());
    assert_eq!(read_release(&path).unwrap(), sample::release());
    let whole = serde_json::to_value(sample::release()).unwrap();
    for (damage, says) in DAMAGES {
        let mut damaged = whole.clone();
        damage(&mut damaged);
        std::fs::write(&path, damaged.to_string()).unwrap();
        let said = read_release(&path).unwrap_err().to_string();
        assert!(said.contains(says), "{said}\nis not: {says}");
        assert!(said.contains("release.json"), "{said}");
    }
    let text = whole.to_string();
    for length in [0, 1, text.len() / 2, text.len() - 1] {
        std::fs::write(&path, &text[..length]).unwrap();
        assert!(read_release(&path).unwrap_err().to_string().contains("no release of trends"));
    }
    let infinite = text.replacen("\"strength\":0.2", "\"strength\":1e999", 1);
    std::fs::write(&path, infinite).unwrap();
    assert!(read_release(&path).is_err());
    std::fs::File::create(&path).unwrap().set_len((64 << 20) + 1).unwrap();
    assert!(read_release(&path).unwrap_err().to_string().contains("larger than 65536 KiB"));
}

#[test]
fn what_was_read_before_stays_until_something_better_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.json"), folder.path().join("b.json"));
    let titled = |title: &str| Release { title: title.into(), ..sample::release() };
    written(folder.path(), "a.json", &titled("one"));
    let releases = Releases::open(TrendSettings { files: vec![first.clone(), second.clone()] });
    let titles = || -> Vec<String> {
        let loaded = releases.current();
        loaded.releases().iter().map(|each| each.release().title.clone()).collect()
    };
    assert_eq!((titles(), releases.current().refused().len()), (vec!["one".to_owned()], 1));
    // The second takes the name of the first: it is refused, and the first is not touched.
    written(folder.path(), "b.json", &titled("two"));
    assert!(releases.has_changed());
    let loaded = releases.reload();
    assert_eq!((titles(), loaded.refused().len()), (vec!["one".to_owned()], 1));
    assert!(loaded.refused()[0].error.to_string().contains("a release of the same name"));
    assert!(!releases.has_changed());
    let before = releases.current();
    written(folder.path(), "b.json", &Release { name: "b".into(), ..titled("two") });
    assert!(releases.reload().refused().is_empty());
    assert_eq!(titles(), ["one", "two"]);
    let unchanged = Arc::ptr_eq(&before.releases()[0], &releases.current().releases()[0]);
    assert!(unchanged, "what did not change is not read again");
    std::fs::write(&first, "{").unwrap();
    std::fs::remove_file(&second).unwrap();
    assert_eq!(releases.reload().refused().len(), 2);
    assert_eq!(titles(), ["one", "two"]);
    assert!(releases.has_changed(), "a file that is gone is looked for again");
    written(folder.path(), "a.json", &titled("three"));
    releases.reload();
    assert_eq!(titles(), ["three", "two"]);
}

#[test]
fn the_program_tries_the_files_and_follows_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "release.json", &sample::release());
    let file = path.to_str().unwrap();
    let config = folder.path().join("prodrome.toml");
    let settings = |files: &str| std::fs::write(&config, format!("[trends]\n{files}\n")).unwrap();
    let tried = || {
        let mut program = Command::new(env!("CARGO_BIN_EXE_prodrome-server"));
        program.arg("--check-config").arg("--config").arg(&config).arg("--models").arg(one_task());
        let output = program.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    settings(&format!("files = [{file:?}]"));
    assert_eq!(tried(), (Some(0), String::new()));
    for (files, says) in [
        (format!("files = [{file:?}, {file:?}]"), "twice"),
        (format!("file = [{file:?}]"), "did you mean `trends.files`?"),
        ("files = [\"/nowhere/release.json\"]".to_owned(), "/nowhere/release.json"),
        (format!("files = {:?}", (0..17).map(|n| n.to_string()).collect::<Vec<_>>()), "at most 16"),
    ] {
        settings(&files);
        let (code, said) = tried();
        assert!(code == Some(2) && said.contains(says), "{code:?} {said}\nis not: {says}");
    }

    let server = Server::set_up(&Setup {
        settings: &[("TRENDS__FILES", file), ("MODELS__RELOAD_SECONDS", "1")],
        ..Setup::default()
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let address = format!("http://{}", server.address);
        let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
        let titled = |answer: proto::GetTrendsResponse| answer.releases[0].title.clone();
        let title = titled(ask(&channel, Default::default()).await.unwrap());
        assert_eq!(title, "Blood pressure and readmissions");
        written(
            folder.path(),
            "release.json",
            &Release { title: "new".into(), ..sample::release() },
        );
        for _ in 0..100 {
            if titled(ask(&channel, Default::default()).await.unwrap()) == "new" {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        panic!("the new release is not shown");
    });
}
