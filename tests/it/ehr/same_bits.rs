//! One patient by every door: as lines of an export, as a Bundle, by HTTP, by gRPC; the same bits.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use prodrome::bundle::Bundle;
use prodrome::fhir::PROBABILITY;
use prodrome::import::{Received, read_bundle};
use prodrome::record::{History, Record, Time};
use prodrome::registry;
use prodrome::rpc::proto::{self, score_request};
use prodrome::score::Score;
use prodrome::task::NotEligible;
use serde_json::{Value as Json, json};

use super::patients::{bundle, often_here};
use super::{SCORE, asked, server};
use crate::support::{full_data, read_export, root};

/// The probability that a RiskAssessment of `task` holds, bit for bit.
fn probability(answer: &Json, task: &str) -> Option<u64> {
    let resources = answer["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    let mut of_task = resources.filter(|resource| resource["code"]["coding"][0]["code"] == task);
    let prediction =
        &of_task.find(|each| each["resourceType"] == "RiskAssessment")?["prediction"][0];
    let extensions = prediction["extension"].as_array()?;
    let exact =
        extensions.iter().find(|each| each["url"] == PROBABILITY)?["valueDecimal"].as_f64()?;
    let percent = prediction["probabilityDecimal"].as_f64().unwrap();
    assert!((percent - 100.0 * exact).abs() < 1e-9 && percent <= 100.0, "{percent} {exact}");
    Some(exact.to_bits())
}

#[tokio::test(flavor = "multi_thread")]
async fn http_and_grpc_give_the_same_bits() {
    let server = server(&[]);
    let body = bundle("collection", &often_here());
    let prediction_time = prodrome::rpc::now();
    let at = prediction_time.to_string();
    let path = format!("{SCORE}?predictionTime={at}&task=readmit30&task=readmit30_diabetes%7C1");
    let by_http = asked::post(server.ehr.unwrap(), &path, &[], body.to_string().as_bytes());
    assert_eq!(by_http.status, 200, "{}", by_http.body);
    let parameters = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "record", "resource": body },
        { "name": "task", "valueString": "readmit30" },
        { "name": "task", "valueString": "readmit30_diabetes|1" },
        { "name": "predictionTime", "valueInstant": at },
    ] });
    let by_parameters =
        asked::post(server.ehr.unwrap(), SCORE, &[], parameters.to_string().as_bytes());
    assert_eq!(by_parameters.body, by_http.body);

    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address));
    let channel = endpoint.unwrap().connect().await.unwrap();
    let mut client = proto::risk_scoring_client::RiskScoringClient::new(channel);
    let micros = prediction_time.micros();
    let request = proto::ScoreRequest {
        record: Some(score_request::Record::FhirBundleJson(body.to_string().into_bytes())),
        prediction_time: Some(prost_types::Timestamp {
            seconds: micros.div_euclid(1_000_000),
            nanos: (micros.rem_euclid(1_000_000) * 1_000) as i32,
        }),
        ..Default::default()
    };
    let by_grpc = client.score(request).await.unwrap().into_inner();
    let mut compared = 0;
    for assessment in &by_grpc.assessments {
        let Some(proto::assessment::Outcome::Score(score)) = &assessment.outcome else { continue };
        let Some(expected) = score.probability.map(f64::to_bits) else { continue };
        if !["readmit30", "readmit30_diabetes"].contains(&assessment.task.as_str()) {
            continue;
        }
        let found = probability(&by_http.body, &assessment.task);
        assert_eq!(found, Some(expected), "{}", assessment.task);
        compared += 1;
    }
    assert!(compared > 0);
}

/// The lines of an export by patient, as entries of a Bundle.
fn bundles(folder: &Path) -> BTreeMap<String, Vec<Json>> {
    let mut patients: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_str().unwrap().ends_with(".ndjson.gz") {
            continue;
        }
        let lines = BufReader::new(flate2::read::GzDecoder::new(File::open(path).unwrap())).lines();
        for line in lines {
            let resource: Json = serde_json::from_str(&line.unwrap()).unwrap();
            let owner = match resource["resourceType"].as_str() {
                Some("Patient") => resource["id"].as_str(),
                _ => ["subject", "patient"].iter().find_map(|field| {
                    resource[*field]["reference"].as_str()?.strip_prefix("Patient/")
                }),
            };
            if let Some(owner) = owner.map(str::to_owned) {
                patients.entry(owner).or_default().push(resource);
            }
        }
    }
    patients
}

/// The scores of a record by all `models`, at the end of its last stay and at its last contact.
fn scores(record: &Record, models: &[Bundle]) -> Vec<Result<Score, NotEligible>> {
    let ends = record.encounters.iter().filter_map(|encounter| encounter.end);
    let times: Vec<Time> = ends.clone().max().into_iter().chain(ends.min()).collect();
    let mut found = Vec::new();
    for bundle in models {
        let known_after = &bundle.task().params().known_after;
        let history = History::build(record, bundle.concepts(), known_after).unwrap().history;
        for time in &times {
            found.push(prodrome::score::score(bundle, &history, *time, 5));
        }
    }
    found
}

fn models() -> Vec<Bundle> {
    let open = |name: &str| registry::open(&root().join("models").join(name), &[]).unwrap();
    let names =
        ["readmit30/1", "htn_incident/1", "htn_incident/2", "bp_rise/1", "readmit30_diabetes/1"];
    names.map(open).into()
}

#[test]
fn patients_of_the_synthetic_exports_score_the_same_from_a_bundle() {
    let models = models();
    for (folder, patients_min) in [("fhir-synthea-r4", 400), ("fhir-pysynthea", 90)] {
        let Some(folder) = full_data(folder) else {
            eprintln!("SKIPPED: no {folder} beside the checkout");
            continue;
        };
        let bundles = bundles(&folder);
        let mut compared = (0, 0);
        let counts = read_export(&folder, |subject| {
            let sent = bundle("collection", &bundles[&subject.source_id]);
            let read = read_bundle(&serde_json::to_vec(&sent).unwrap());
            let read = read.unwrap_or_else(|found| panic!("{:?}", found.first()));
            assert!(read.record == subject.record, "another record");
            let (by_export, by_bundle) =
                (scores(&subject.record, &models), scores(&read.record, &models));
            // Numbers are equal where their bits are; none of a score is 0 or missing by a NaN.
            assert!(by_export == by_bundle, "another score");
            compared.0 += 1;
            compared.1 += by_export.iter().flatten().count();
            Received::Used
        });
        counts.unwrap();
        assert!(compared.0 >= patients_min && compared.1 > 20, "{folder:?}: {compared:?}");
        eprintln!(
            "{}: {} patients, {} scores, the same bits",
            folder.display(),
            compared.0,
            compared.1
        );
    }
}
