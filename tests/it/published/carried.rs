//! Where published scores are seen: as a feature, in a bundle that carries its formulas, in a fit
//! with a site's own formula, and in the answer over gRPC.

use std::path::Path;

use prodrome::bundle::{Bundle, Files, formula_file, sealed};
use prodrome::command::{self, CheckRequest, FitRequest, TaskSource};
use prodrome::feature::{FeatureParams, Spec, extract};
use prodrome::import::Meter;
use prodrome::registry::{self, Promotion, Stage};
use prodrome::rpc::proto::risk_scoring_client::RiskScoringClient;
use prodrome::rpc::proto::{self, assessment, score_request};
use prodrome::rpc::{Limits, serve};
use prodrome::score::score;
use prodrome::service::Service;
use prodrome::task::Task;

use super::site::SITE;
use super::*;
use crate::parity::{history, timestamp};
use crate::support::{discharge, fit_request, patient, root, shipped_files, task_folder};

#[test]
fn a_published_score_is_a_feature_and_missing_where_it_gives_nothing() {
    #[derive(serde::Deserialize)]
    struct File {
        feature: Vec<FeatureParams>,
    }
    let file = |id: &str| {
        let text = format!(
            "[[feature]]\nname = \"score\"\ntext = \"{{value}} points\"\n\
             from.published = {{ score = \"{id}\" }}"
        );
        toml::from_str::<File>(&text).unwrap().feature
    };
    let value = |id: &str, record: &Record| {
        let spec = Spec::check(&file(id), &known()).unwrap();
        assert_eq!(spec.fixed_columns()[0].name, "score");
        let built = History::build(record, &known(), &KnownAfter::default()).unwrap();
        extract(&built.history.view(index_time()), &spec, true).values
    };
    let mut record = inpatient(5, "emergency");
    record.events = vec![diagnosis("ICD10CM//I50.9")];
    assert_eq!(value("lace", &record), [9.0]);
    record.encounters[0].admission_type = None;
    assert!(value("lace", &record)[0].is_nan());
    let error = Spec::check(&file("lase"), &known()).unwrap_err().to_string();
    assert!(error.contains("feature score") && error.contains("did you mean `lace`?"), "{error}");
}

/// The shipped task with published scores, on the concepts of the repository.
fn task_text(scores: &str) -> String {
    let text = std::fs::read_to_string(task_folder().join("task.toml")).unwrap();
    format!("published = [{scores}]\n{text}")
}

/// The shipped bundle, its task naming `scores`.
fn bundle_files(scores: &str) -> Files {
    let mut files = shipped_files();
    let task = Task::parse(&task_text(scores), &concepts()).unwrap();
    files.insert("concepts.toml".into(), concepts().to_toml().unwrap().into_bytes());
    files.insert("task.toml".into(), task.to_toml().unwrap().into_bytes());
    for (id, text) in task.formula_files() {
        files.insert(formula_file(&id), text.into_bytes());
    }
    let mut manifest = Bundle::open(&shipped_files()).unwrap().manifest().clone();
    manifest.task_digest = task.digest().to_owned();
    sealed(manifest, files).unwrap()
}

#[test]
fn a_task_names_formulas_that_are_there_each_once() {
    let fault =
        |scores: &str| Task::parse(&task_text(scores), &concepts()).unwrap_err().to_string();
    assert!(fault("\"hospitl\"").contains("published: formula hospitl"));
    assert!(fault("\"hospitl\"").contains("did you mean `hospital`?"));
    assert!(fault("\"lace\", \"lace\"").contains("named twice"));
}

#[test]
fn a_bundle_uses_the_formulas_it_carries_and_no_other() {
    let files = bundle_files("\"lace\"");
    let names: Vec<&String> = files.keys().filter(|name| name.starts_with("published/")).collect();
    assert_eq!(names, ["published/lace.toml", "published/lace_comorbidity.toml"]);
    let manifest = Bundle::open(&files).unwrap().manifest().clone();
    // An old formula of another title stays what it was.
    let mut old = files.clone();
    let name = formula_file("lace");
    let text = String::from_utf8(old[&name].clone()).unwrap();
    let text = text.replacen("title = \"LACE index\"", "title = \"LACE of old\"", 1);
    old.insert(name.clone(), text.into_bytes());
    let old = Bundle::open(&sealed(manifest.clone(), old).unwrap()).unwrap();
    assert_eq!(old.task().published()[0].title(), "LACE of old");
    let mut misnamed = files.clone();
    let lace = misnamed.remove(&name).unwrap();
    misnamed.insert(formula_file("lase"), lace);
    let error = Bundle::open(&sealed(manifest.clone(), misnamed).unwrap()).unwrap_err();
    assert!(error.to_string().contains("named after another"), "{error}");
    let mut without = files.clone();
    without.remove("published/lace_comorbidity.toml");
    let error = Bundle::open(&sealed(manifest, without).unwrap()).unwrap_err().to_string();
    assert!(error.contains("lace_comorbidity"), "{error}");
}

#[test]
fn published_scores_stand_beside_a_probability_and_without_one() {
    let bundle = Bundle::open(&bundle_files("\"lace\", \"hospital\"")).unwrap();
    let scored = |record: &Record| {
        let built = History::build(record, bundle.concepts(), &KnownAfter::default()).unwrap();
        score(&bundle, &built.history, discharge(), 0).unwrap()
    };
    let full = scored(&patient());
    assert!(full.probability.is_some());
    let ids: Vec<&str> = full.published.iter().map(|score| score.id.as_str()).collect();
    assert_eq!(ids, ["lace", "hospital"]);
    // Five nights 4, emergency 3, heart failure and diabetes 3, one visit 1.
    assert_eq!(full.published[0].points, Some(11.0));
    let mut empty = patient();
    for event in &mut empty.events {
        event.encounter_id = None;
        event.time = Some(time("2019-05-05T10:00:00Z"));
    }
    let empty = scored(&empty);
    assert_eq!((empty.probability, empty.published[0].points), (None, Some(11.0)));
}

#[tokio::test]
async fn the_answer_over_grpc_holds_the_published_scores() {
    let models = tempfile::tempdir().unwrap();
    let files = bundle_files("\"lace\", \"framingham_hypertension_4y\", \"egfr_ckd_epi_2021\"");
    registry::publish(models.path(), "readmit30_diabetes", "1", &files).unwrap();
    let promotion = Promotion::new("readmit30_diabetes", "1", Stage::Stable);
    registry::promote(models.path(), &promotion).unwrap();
    let models = crate::support::models(models.path(), false);
    assert_eq!(models.current().served().len(), 1, "{:?}", models.current().refused());
    let service = Arc::new(Service::new(models));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, service, Limits::default(), std::future::pending()));
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = RiskScoringClient::new(endpoint.connect().await.unwrap());
    let request = proto::ScoreRequest {
        record: Some(score_request::Record::History(history(&patient()))),
        prediction_time: Some(timestamp(discharge())),
        ..Default::default()
    };
    let answer = client.score(request).await.unwrap().into_inner();
    let Some(assessment::Outcome::Score(score)) = &answer.assessments[0].outcome else {
        panic!("{answer:?}");
    };
    let [lace, framingham, egfr] = score.published.as_slice() else { panic!("{score:?}") };
    assert_eq!(
        (lace.id.as_str(), lace.points, lace.band.as_deref()),
        ("lace", Some(11.0), Some("high"))
    );
    assert_eq!((lace.horizon_days, lace.applicable, &lace.reason), (Some(30), true, &None));
    assert!(!framingham.applicable);
    let reason = framingham.reason.as_deref().unwrap();
    assert!(reason.contains("ages 20 to 69") && reason.contains("without diabetes"), "{reason}");
    assert_eq!(egfr.missing_inputs, ["creatinine"]);
    assert_eq!((egfr.points, egfr.horizon_days), (None, None));
}

#[test]
fn a_fit_takes_a_sites_formula_and_the_bundle_carries_it() {
    let models = tempfile::tempdir().unwrap();
    let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
    let site = models.path().join("frailty.toml");
    write(&site, SITE);
    let concepts = root().join("models/concepts.toml");
    std::fs::copy(concepts, models.path().join("concepts.toml")).unwrap();
    let task = models.path().join("readmit30_diabetes/task.toml");
    std::fs::create_dir(task.parent().unwrap()).unwrap();
    let feature = "[[feature]]\nname = \"charlson\"\ntext = \"{value} Charlson points\"\n\
                   from.published = { score = \"charlson_1987\" }\n[[tier]]";
    write(&task, &task_text("\"site_frailty\", \"lace\"").replacen("[[tier]]", feature, 1));
    let sample = root().join("tests/data/diabetes130");
    let request = |published| FitRequest {
        task: TaskSource { published, ..TaskSource::new(task.clone()) },
        ..fit_request(sample.clone(), models.path().to_owned())
    };
    let fit = |request: &FitRequest| command::fit(request, &Meter::default(), &|_| {});
    let error = fit(&request(Vec::new())).unwrap_err();
    assert!(error.to_string().contains("formula site_frailty: there is no such"), "{error}");
    assert_eq!(error.exit_code(), 2);
    let checked = command::check(
        &CheckRequest {
            source: request(Vec::new()).source,
            tasks: vec![task.clone()],
            models: models.path().to_owned(),
            concepts: Vec::new(),
            published: vec![site.clone()],
        },
        &Meter::default(),
    );
    assert!(checked.is_ok(), "{checked:?}");
    let fitted = fit(&request(vec![site])).unwrap();
    let bundle = registry::open(&fitted.bundle, &[]).unwrap();
    let names: Vec<String> =
        bundle.manifest().files.keys().filter(|n| n.starts_with("published/")).cloned().collect();
    let expected = ["charlson_1987", "charlson_2011", "lace", "lace_comorbidity", "site_frailty"];
    assert_eq!(names, expected.map(formula_file));
    let ids: Vec<&str> = bundle.task().published().iter().map(|formula| formula.id()).collect();
    assert_eq!(ids, ["site_frailty", "lace"]);
    assert!(bundle.columns().iter().any(|column| column.name == "charlson"));
}

#[test]
fn on_a_synthetic_fhir_population_the_formulas_for_outpatients_give_results() {
    let Some(folder) = crate::support::full_data("fhir-synthea-r4") else { return };
    let concepts = known();
    let ids =
        ["egfr_ckd_epi_2021", "prevent_cvd_10y", "framingham_hypertension_4y", "charlson_2011"];
    let formulas = ids.map(formula);
    let mut found = [0; 4];
    let mut reasons = std::collections::BTreeMap::new();
    crate::support::read_export(&folder, |subject| {
        let Ok(built) = History::build(&subject.record, &concepts, &KnownAfter::default()) else {
            return prodrome::import::Received::Skipped("not built".into());
        };
        let last = subject.record.events.iter().filter_map(|event| event.time).max();
        let view = built.history.view(last.unwrap_or(index_time()));
        for (count, formula) in found.iter_mut().zip(&formulas) {
            let score = evaluate(&view, formula);
            *count +=
                usize::from(score.points.or(score.probability_low).or(score.probability).is_some());
            let why = score.reason.unwrap_or_else(|| score.missing_inputs.join(" "));
            *reasons.entry((score.id, why)).or_insert(0) += 1;
        }
        prodrome::import::Received::Used
    })
    .unwrap();
    assert!(found.iter().all(|count| *count > 0), "{found:?} {reasons:#?}");
}
