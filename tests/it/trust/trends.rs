//! Trends at the door of the running server: who may see which measures, and that nothing about them is
//! in the access log, which is about patients.

use prodrome::rpc::proto;
use prodrome::rpc::proto::population_trends_client::PopulationTrendsClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::site::{API_KEY, Door, Site, TASK, calls, connect, with};
use crate::serve::process::Setup;
use crate::trends::sample;

async fn ask(
    channel: &Channel,
    key: &str,
    request: proto::GetTrendsRequest,
) -> Result<proto::GetTrendsResponse, Status> {
    let mut client = PopulationTrendsClient::new(channel.clone());
    let answer = client.get_trends(with(request, &[(API_KEY, key)])).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_sees_the_measures_of_its_tasks() {
    let mut site = Site::new(Door::Plain);
    let operator = site.key("svc-operator", "operator", None);
    let other = site.key("svc-other", "other_task", None);
    let clinician = site.key("svc-clinician", "clinician", None);
    let mut release = sample::release();
    release.measures[1].task = Some(TASK.to_owned());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("release.json");
    std::fs::write(&path, serde_json::to_vec(&release).unwrap()).unwrap();
    site.more += &format!("[trends]\nfiles = [{path:?}]\n");
    let server = site.start(&[], &Setup::default());
    let channel = connect(&server).await;

    let all = ask(&channel, &operator, Default::default()).await.unwrap();
    assert_eq!((all.total_statements, all.total_series), (2, 56));
    let seen = ask(&channel, &other, Default::default()).await.unwrap();
    assert_eq!((seen.total_statements, seen.total_series), (1, 28));
    assert!(!format!("{seen:?}").contains("readmit"), "not even its name");
    let named = |measure: &str, task: &str| proto::GetTrendsRequest {
        measure: measure.into(),
        task: task.into(),
        ..Default::default()
    };
    for (key, asked, code) in [
        (&operator, named("readmit30", TASK), Code::Ok),
        (&other, named("readmit30", ""), Code::NotFound),
        (&other, named("", TASK), Code::PermissionDenied),
        (&clinician, named("", ""), Code::PermissionDenied),
    ] {
        let code_of =
            ask(&channel, key, asked.clone()).await.map_or_else(|s| s.code(), |_| Code::Ok);
        assert_eq!(code_of, code, "{asked:?}");
    }
    let status = ask(&channel, "made-up", Default::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    drop(channel);
    let (status, _) = tokio::task::spawn_blocking(|| server.end()).await.unwrap();
    assert!(status.success());
    assert_eq!(calls(&site.log()).len(), 0);
}
