//! Sensitive classes at the door of the running server: what an answer shows to a role that may see a
//! class, and to one that may not; called and streamed. And what a comparison may ask for.

use prodrome::access::PROTECTED;
use prodrome::rpc::proto::assessment::Outcome;
use prodrome::rpc::proto::event_ref::Place;
use prodrome::rpc::proto::risk_scoring_client::RiskScoringClient;
use prodrome::rpc::proto::score_request::Record;
use prodrome::rpc::proto::score_stream_response::Result as Answered;
use prodrome::rpc::proto::{self, ScoreOptions, ScoreStreamRequest};
use tonic::Code;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use super::site::{API_KEY, Door, Site, TREATMENT, connect, score, with};
use crate::parity::{history, timestamp};
use crate::serve::process::Setup;
use crate::support::{discharge, patient};

/// The patient with one more diagnosis, and its place.
fn asked(code: &str, labels: &[&str]) -> (proto::ScoreRequest, u32) {
    let mut history = history(&patient());
    let mut event = history.events[0].clone();
    code.clone_into(&mut event.code);
    event.rank = Some(3);
    event.security_labels = labels.iter().map(|&label| label.to_owned()).collect();
    history.events.push(event);
    let place = history.events.len() as u32 - 1;
    let asked = proto::ScoreRequest {
        record: Some(Record::History(history)),
        prediction_time: Some(timestamp(discharge().plus_hours(1))),
        options: Some(ScoreOptions { max_reasons: 50, ..Default::default() }),
        ..Default::default()
    };
    (asked, place)
}

fn score_of(response: &proto::ScoreResponse) -> &proto::Score {
    match &response.assessments[0].outcome {
        Some(Outcome::Score(score)) => score,
        other => panic!("{other:?}"),
    }
}

/// The answer by a call and by a stream, which are the same.
async fn answers(channel: &Channel, key: &str, request: proto::ScoreRequest) -> proto::Score {
    let words = [(API_KEY, key), TREATMENT];
    let called = score(channel, request.clone(), &words).await.unwrap().into_inner();
    let item = ScoreStreamRequest { request: Some(request) };
    let items = with(tokio_stream::iter([item]), &words);
    let mut client = RiskScoringClient::new(channel.clone());
    let mut answers = client.score_stream(items).await.unwrap().into_inner();
    let streamed = answers.message().await.unwrap().unwrap().result;
    let Some(Answered::Response(streamed)) = streamed else { panic!("{streamed:?}") };
    assert_eq!(score_of(&called), score_of(&streamed));
    score_of(&called).clone()
}

fn names(score: &proto::Score, place: u32) -> bool {
    let mut facts = score.reasons.iter().flat_map(|reason| &reason.events);
    facts.any(|fact| fact.place == Some(Place::EventIndex(place)))
}

fn log_odds(score: &proto::Score) -> f64 {
    let listed: f64 = score.reasons.iter().map(|reason| reason.contribution).sum();
    score.baseline + listed + score.other_contribution
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_sees_the_classes_of_its_rows_and_a_comparison_is_checked() {
    let mut site = Site::new(Door::Plain);
    let plain = site.key("svc-scorer", "scorer", None);
    let psychiatry = site.key("svc-psychiatry", "psychiatry", None);
    let server = site.start(&[], &Setup::default());
    let channel = connect(&server).await;
    for (code, labels, is_mental) in
        [("F32.1", vec![], true), ("I10", vec!["PSY"], true), ("I10", vec!["HIV"], false)]
    {
        let (asked, place) = asked(code, &labels);
        let hidden = answers(&channel, &plain, asked.clone()).await;
        let shown = answers(&channel, &psychiatry, asked.clone()).await;
        assert!(!names(&hidden, place), "{code} {labels:?}");
        assert_eq!(names(&shown, place), is_mental, "{code} {labels:?} {shown:?}");
        assert_eq!(hidden.probability, shown.probability);
        assert!((log_odds(&hidden) - log_odds(&shown)).abs() < 1e-9);
        let merged: Vec<_> = hidden.reasons.iter().filter(|r| r.theme == PROTECTED).collect();
        assert_eq!(merged.len(), 1);
        assert!(merged[0].events.is_empty() && merged[0].features.is_empty());
        let said = format!("{hidden:?}").to_lowercase();
        for word in ["f32", "mental", "hiv", "psych", "i10"] {
            assert!(!said.contains(word), "{word} in {said}");
        }
    }

    let (mut asked, _) = asked("I10", &[]);
    let now = asked.prediction_time;
    let compare_to_time = now;
    asked.options = Some(ScoreOptions { compare_to_time, ..Default::default() });
    let words = [(API_KEY, plain.as_str()), TREATMENT];
    let status = score(&channel, asked.clone(), &words).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let field = &details.bad_request().unwrap().field_violations[0].field;
    assert_eq!(field, "options.compare_to_time");
    let compare_to_version = "9".to_owned();
    asked.options = Some(ScoreOptions { compare_to_version, ..Default::default() });
    asked.tasks = vec![proto::TaskRef { task: super::site::TASK.into(), ..Default::default() }];
    let status = score(&channel, asked.clone(), &words).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    // Some minutes before, the same stay had been over for as long: nothing has changed.
    let compare_to_time =
        now.map(|now| prost_types::Timestamp { seconds: now.seconds - 600, ..now });
    asked.options = Some(ScoreOptions { compare_to_time, ..Default::default() });
    let same = score(&channel, asked, &words).await.unwrap().into_inner();
    let change = score_of(&same).change.as_ref().unwrap();
    assert_eq!(change.probability, score_of(&same).probability);
    assert_eq!((change.not_comparable.as_str(), change.reasons.len()), ("", 0));
    assert!(change.text.starts_with("the risk is as it was"), "{}", change.text);
    drop(channel);
    let (status, _) = tokio::task::spawn_blocking(|| server.end()).await.unwrap();
    assert!(status.success());
}
