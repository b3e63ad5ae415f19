//! One road: what the trainer's `score` writes is what the server answers, bit for bit.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use prodrome::command::{self, ScoreFormat, ScoreRequest, Source};
use prodrome::import::{Meter, Subject};
use prodrome::record::{
    Comparator, Encounter, EncounterClass, Event, EventKind, Record, Sex, Time, TimePrecision,
    Value,
};
use prodrome::rpc::proto::risk_scoring_client::RiskScoringClient;
use prodrome::rpc::proto::{self, assessment, event, score_request};
use prodrome::rpc::{Limits, serve};
use prost_types::Timestamp;

use crate::support::{root, sample, service, task_folder};

pub(crate) fn timestamp(time: Time) -> Timestamp {
    let (seconds, micros) =
        (time.micros().div_euclid(1_000_000), time.micros().rem_euclid(1_000_000));
    Timestamp { seconds, nanos: micros as i32 * 1_000 }
}

fn text(given: &Option<String>) -> String {
    given.clone().unwrap_or_default()
}

fn encounter(given: &Encounter) -> proto::Encounter {
    let class = match given.class {
        EncounterClass::Inpatient => "IMP",
        EncounterClass::Emergency => "EMER",
        EncounterClass::Ambulatory => "AMB",
        other => panic!("{other:?} is not in the sample"),
    };
    proto::Encounter {
        id: given.id.clone(),
        class: class.into(),
        start: Some(timestamp(given.start)),
        end: given.end.map(timestamp),
        admission_type: text(&given.admission_type),
        admission_source: text(&given.admission_source),
        discharge_disposition: text(&given.discharge_disposition),
        service: text(&given.service),
        facility: text(&given.facility),
        planned: given.planned,
        synthetic: given.synthetic,
        security_labels: Vec::new(),
    }
}

fn wire_event(given: &Event) -> proto::Event {
    let kind = match given.kind {
        EventKind::Diagnosis => proto::EventKind::Diagnosis,
        EventKind::Problem => proto::EventKind::Problem,
        EventKind::Measurement => proto::EventKind::Measurement,
        EventKind::DrugOrder => proto::EventKind::DrugOrder,
        EventKind::Procedure => proto::EventKind::Procedure,
        other => panic!("{other:?} is not in the sample"),
    };
    assert_eq!(given.time_precision, TimePrecision::Instant);
    let comparator = match given.comparator {
        Some(Comparator::Less) => "<",
        Some(Comparator::Greater) => ">",
        Some(other) => panic!("{other:?} is not in the sample"),
        None => "",
    };
    proto::Event {
        id: text(&given.id),
        kind: kind.into(),
        time: given.time.map(timestamp),
        end_time: given.end_time.map(timestamp),
        recorded_time: given.recorded_time.map(timestamp),
        time_precision: proto::TimePrecision::Instant.into(),
        system: given.code.system.clone(),
        code: given.code.code.clone(),
        value: given.value.as_ref().map(|value| match value {
            Value::Number(number) => event::Value::Number(*number),
            Value::Coded(code) => event::Value::Coded(code.clone()),
            Value::Text(text) => event::Value::Text(text.clone()),
        }),
        comparator: comparator.into(),
        unit: text(&given.unit),
        encounter_id: text(&given.encounter_id),
        rank: given.rank,
        status: String::new(),
        security_labels: Vec::new(),
    }
}

/// A record as a client would send it.
pub(crate) fn history(record: &Record) -> proto::PatientHistory {
    let sex = match record.sex {
        Sex::Female => proto::Sex::Female,
        Sex::Male => proto::Sex::Male,
        _ => proto::Sex::Unknown,
    };
    let period = |period: &prodrome::record::Period| proto::Period {
        start: period.start.map(timestamp),
        end: period.end.map(timestamp),
    };
    proto::PatientHistory {
        patient_id: record.patient_id.clone(),
        birth_date: record.birth_date.map(|date| date.to_string()).unwrap_or_default(),
        sex: sex.into(),
        death_time: record.death_time.map(timestamp),
        region: text(&record.region),
        coverage: record.coverage.iter().map(period).collect(),
        encounters: record.encounters.iter().map(encounter).collect(),
        events: record.events.iter().map(wire_event).collect(),
        audit_attributes: None,
    }
}

fn request(subject: &Subject, no_reasons: bool) -> proto::ScoreRequest {
    proto::ScoreRequest {
        request_id: "parity".into(),
        record: Some(score_request::Record::History(history(&subject.record))),
        tasks: Vec::new(),
        prediction_time: Some(timestamp(subject.label.unwrap().prediction_time)),
        options: Some(proto::ScoreOptions { max_reasons: 50, no_reasons, ..Default::default() }),
        ..Default::default()
    }
}

/// Subject id to the bits of the probability, or the criterion that left the patient out.
type Answers = BTreeMap<i64, Result<u64, String>>;

fn offline(out: &Path) -> Answers {
    let request = ScoreRequest {
        bundle: task_folder().join("1"),
        source: Source {
            mapping: Some(task_folder().join("diabetes130.toml")),
            ..Source::new(root().join("tests/data/diabetes130"))
        },
        concepts: Vec::new(),
        out: out.to_owned(),
        format: ScoreFormat::Meds,
    };
    command::score(&request, &Meter::default()).unwrap();
    let reader = SerializedFileReader::new(File::open(out).unwrap()).unwrap();
    let names: Vec<String> = reader
        .metadata()
        .file_metadata()
        .schema_descr()
        .columns()
        .iter()
        .map(|c| c.name().into())
        .collect();
    let place = |name: &str| names.iter().position(|known| known == name).unwrap();
    let (id, probability) = (place("subject_id"), place("predicted_boolean_probability"));
    let not_eligible = place("not_eligible");
    let rows = reader.get_row_iter(None).unwrap().map(|row| {
        let row = row.unwrap();
        let answer = match row.get_double(probability) {
            Ok(probability) => Ok(probability.to_bits()),
            Err(_) => Err(row.get_string(not_eligible).unwrap().clone()),
        };
        (row.get_long(id).unwrap(), answer)
    });
    rows.collect()
}

/// What the server answers: the bits of the probability, or the criterion that left the patient out.
pub(crate) async fn ask(requests: Vec<proto::ScoreRequest>) -> Vec<Result<u64, String>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async { stopped.await.unwrap_or_default() };
    let server = tokio::spawn(serve(listener, service(), Limits::default(), shutdown));
    let channel =
        tonic::transport::Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    let mut client = RiskScoringClient::new(channel);
    let mut answers = Vec::new();
    for request in requests {
        let response = client.score(request).await.unwrap().into_inner();
        answers.push(match response.assessments[0].outcome.clone().unwrap() {
            assessment::Outcome::Score(score) => Ok(score.probability.unwrap().to_bits()),
            assessment::Outcome::NotEligible(not) => Err(not.criterion),
        });
    }
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    answers
}

async fn online() -> Answers {
    let each = sample().iter().enumerate();
    // With and without reasons the probability is the same.
    let answers =
        ask(each.map(|(place, subject)| request(subject, place % 5 != 0)).collect()).await;
    sample().iter().map(|subject| subject.subject_id).zip(answers).collect()
}

#[tokio::test]
async fn every_probability_of_the_command_line_is_the_server_s_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let offline = offline(&folder.path().join("predictions.parquet"));
    let online = online().await;
    assert_eq!(offline.len(), 2_000);
    let scored = offline.values().filter(|answer| answer.is_ok()).count();
    assert!((1_800..2_000).contains(&scored), "{scored} scored, the others not eligible");
    assert_eq!(offline, online);
}
