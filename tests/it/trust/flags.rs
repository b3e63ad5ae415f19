//! Flags from outside: scores raise them, callers see and answer those within their scope, watchers
//! hear of every change, and each call has its record.

use std::time::{SystemTime, UNIX_EPOCH};

use prodrome::rpc::proto::risk_flags_client::RiskFlagsClient;
use prodrome::rpc::proto::update_flag_request::Update;
use prodrome::rpc::proto::{
    self, AssessmentFlag, Flag, FlagChangeKind, FlagHeld, FlagState, ListFlagsRequest,
    UpdateFlagRequest, WatchFlagsRequest,
};
use prost_types::Timestamp;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use super::site::{
    API_KEY, BREAK_GLASS, Door, Site, TREATMENT, calls, connect, score, verify, with,
};
use crate::serve::process::{PATIENCE, Server, Setup};

const DAY_SECONDS: i64 = 86_400;

fn now_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A person with diabetes who has just come home from one more stay, after so many in the last year.
pub(super) fn discharged(
    patient_id: &str,
    facility: &str,
    earlier_stays: i64,
) -> proto::ScoreRequest {
    let now = now_seconds();
    let at = |seconds: i64| Some(Timestamp { seconds, nanos: 0 });
    let stay = |id: String, end: i64| proto::Encounter {
        id,
        class: "IMP".into(),
        start: at(end - 6 * DAY_SECONDS),
        end: at(end),
        admission_type: "emergency".into(),
        admission_source: "emd".into(),
        facility: facility.into(),
        ..Default::default()
    };
    let earlier = (1..=earlier_stays).map(|n| stay(format!("s{n}"), now - 30 * n * DAY_SECONDS));
    let diagnosis = |code: &str| proto::Event {
        kind: proto::EventKind::Diagnosis.into(),
        time: at(now - 3 * DAY_SECONDS),
        system: "ICD10CM".into(),
        code: code.into(),
        encounter_id: "last".into(),
        ..Default::default()
    };
    let history = proto::PatientHistory {
        patient_id: patient_id.into(),
        birth_date: "1951-07-08".into(),
        encounters: earlier.chain([stay("last".into(), now - 60)]).collect(),
        events: ["E11.9", "I50.9", "N18.6", "J44.9"].map(diagnosis).into(),
        ..Default::default()
    };
    proto::ScoreRequest {
        record: Some(proto::score_request::Record::History(history)),
        ..Default::default()
    }
}

fn facility_of(request: &proto::ScoreRequest) -> &str {
    match &request.record {
        Some(proto::score_request::Record::History(history)) => &history.encounters[0].facility,
        _ => panic!("a history"),
    }
}

/// A server with flags, and callers by key.
struct Ward {
    site: Site,
    server: Server,
    channel: Channel,
    scorer: String,
    north: String,
    south: String,
}

impl Ward {
    async fn open() -> Ward {
        let mut site = Site::new(Door::Plain);
        let scorer = site.key("svc-scorer", "scorer", None);
        let north = site.key("nurse-north", "clinician", Some(&["north"]));
        let south = site.key("nurse-south", "clinician", Some(&["south"]));
        let server = start(&site);
        let channel = connect(&server).await;
        Ward { site, server, channel, scorer, north, south }
    }

    fn flags(&self) -> RiskFlagsClient<Channel> {
        RiskFlagsClient::new(self.channel.clone())
    }

    /// What a score does to the patient's flag.
    async fn score(&self, request: proto::ScoreRequest) -> Option<AssessmentFlag> {
        let key = match facility_of(&request) {
            "south" => &self.south,
            _ => &self.north,
        };
        let words = [(API_KEY, key.as_str()), TREATMENT];
        let answer = score(&self.channel, request, &words).await.unwrap().into_inner();
        assert_eq!(answer.assessments.len(), 1);
        answer.assessments[0].flag.clone()
    }

    async fn list(&self, key: &str) -> proto::ListFlagsResponse {
        let words = [(API_KEY, key), TREATMENT];
        let listed = self.flags().list_flags(with(ListFlagsRequest::default(), &words)).await;
        listed.unwrap().into_inner()
    }

    async fn update(&self, key: &str, flag: &Flag, update: Update) -> Result<Flag, Status> {
        let words = [(API_KEY, key), TREATMENT];
        let request = UpdateFlagRequest {
            flag_id: flag.flag_id.clone(),
            version: flag.version,
            update: Some(update),
        };
        let updated = self.flags().update_flag(with(request, &words)).await?;
        Ok(updated.into_inner().flag.unwrap())
    }

    async fn watch(&self, key: &str, token: &str) -> Streaming<proto::WatchFlagsResponse> {
        let request = WatchFlagsRequest { resume_token: token.into(), ..Default::default() };
        let words = [(API_KEY, key), TREATMENT];
        self.flags().watch_flags(with(request, &words)).await.unwrap().into_inner()
    }
}

pub(super) fn start(site: &Site) -> Server {
    let store = site.store();
    site.start(&[("FLAGS__STORE", &store)], &Setup::default())
}

/// The next change that a watcher hears of, and the token to go on from it.
pub(super) async fn next(
    watch: &mut Streaming<proto::WatchFlagsResponse>,
) -> (proto::FlagChange, String) {
    loop {
        let answer = tokio::time::timeout(PATIENCE, watch.message()).await;
        let answer = answer.expect("no change came").unwrap().expect("the watch ended");
        if let Some(change) = answer.change {
            return (change, answer.resume_token);
        }
    }
}

pub(super) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().unwrap().reason.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_high_score_raises_a_flag_that_people_answer() {
    let ward = Ward::open().await;
    let raised = ward.score(discharged("MRN-1", "north", 7)).await.expect("flags are kept");
    assert_eq!((raised.state(), raised.change()), (FlagState::Raised, FlagChangeKind::Raised));
    let low = ward.score(discharged("MRN-2", "north", 0)).await.unwrap();
    assert_eq!((low.flag_id, low.change), (None, 0), "a low score leaves nothing");

    let listed = ward.list(&ward.north).await;
    let [flag] = listed.flags.as_slice() else { panic!("one flag: {}", listed.flags.len()) };
    assert_eq!((Some(&flag.flag_id), listed.total_size), (raised.flag_id.as_ref(), 1));
    assert_eq!((flag.patient_id.as_str(), flag.facility.as_str()), ("MRN-1", "north"));
    assert_eq!((flag.tier.as_str(), flag.tier_rank, flag.provisional), ("high", 0, false));
    assert!(!flag.reasons.is_empty() && flag.reasons.iter().all(|r| !r.text.is_empty()));
    assert!(flag.probability > 0.2 && !flag.course.is_empty());

    let mut watch = ward.watch(&ward.north, &listed.resume_token).await;
    let role = proto::AssignFlag { assignee: "discharge nurse".into() };
    let assigned = ward.update(&ward.north, flag, Update::Assign(role)).await.unwrap();
    assert_eq!((assigned.assignee.as_str(), assigned.version), ("discharge nurse", 2));
    let stale = Update::Acknowledge(proto::AcknowledgeFlag {});
    let stale = ward.update(&ward.north, flag, stale).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "FLAG_CHANGED"));
    let call = proto::AnswerFlag { action: proto::FlagAction::Call.into() };
    let answered = ward.update(&ward.north, &assigned, Update::Answer(call)).await.unwrap();
    assert_eq!(answered.state(), FlagState::Answered);
    let again = ward.update(&ward.north, &assigned, Update::Answer(call)).await.unwrap();
    assert_eq!(again.version, answered.version, "sent again, it is made once");

    let (first, token) = next(&mut watch).await;
    assert_eq!((first.kind(), first.actor.as_str()), (FlagChangeKind::Assigned, "nurse-north"));
    drop(watch);
    let mut watch = ward.watch(&ward.north, &token).await;
    assert_eq!(next(&mut watch).await.0.kind(), FlagChangeKind::Answered, "nothing is missed");

    let feedback = proto::RecordFeedbackRequest {
        flag_id: answered.flag_id.clone(),
        feedback: proto::FlagFeedback::Useful.into(),
    };
    let words = [(API_KEY, ward.north.as_str()), TREATMENT];
    ward.flags().record_feedback(with(feedback, &words)).await.unwrap();
    assert_eq!(next(&mut watch).await.0.kind(), FlagChangeKind::Feedback);

    let quiet = ward.score(discharged("MRN-1", "north", 7)).await.unwrap();
    assert_eq!(quiet.held(), FlagHeld::Answered, "answered is answered");
    assert_eq!(ward.list(&ward.north).await.total_size, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_scope_is_neither_listed_nor_counted_nor_told_by_id() {
    let ward = Ward::open().await;
    ward.score(discharged("MRN-1", "north", 7)).await.unwrap();
    ward.score(discharged("MRN-2", "south", 7)).await.unwrap();
    let south = ward.list(&ward.south).await;
    assert_eq!((south.flags.len(), south.total_size), (1, 1));
    let theirs = &south.flags[0];
    assert_eq!(theirs.patient_id, "MRN-2");
    let none = Flag { flag_id: "0".repeat(32), ..theirs.clone() };
    let acknowledge = || Update::Acknowledge(proto::AcknowledgeFlag {});
    let out = ward.update(&ward.north, theirs, acknowledge()).await.unwrap_err();
    let absent = ward.update(&ward.north, &none, acknowledge()).await.unwrap_err();
    assert_eq!((out.code(), out.message()), (Code::NotFound, absent.message()));

    let mut watch = ward.watch(&ward.north, "0").await;
    assert_eq!(next(&mut watch).await.0.flag.unwrap().patient_id, "MRN-1");
    let words = [(API_KEY, ward.north.as_str()), (BREAK_GLASS, "cover for the south ward")];
    let all = ward.flags().list_flags(with(ListFlagsRequest::default(), &words)).await;
    assert_eq!(all.unwrap().into_inner().total_size, 2, "with a reason, and marked");
    let of_one = ListFlagsRequest { patient_id: "MRN-2".into(), ..Default::default() };
    let words = [(API_KEY, ward.north.as_str()), TREATMENT];
    let of_one = ward.flags().list_flags(with(of_one, &words)).await.unwrap().into_inner();
    assert_eq!((of_one.flags.len(), of_one.total_size), (0, 0));

    // Who may score and not list is told nothing of flags.
    let words = [(API_KEY, ward.scorer.as_str()), TREATMENT];
    let scored = score(&ward.channel, discharged("MRN-1", "north", 7), &words).await.unwrap();
    assert_eq!(scored.into_inner().assessments[0].flag, None);
    let words = [(API_KEY, ward.scorer.as_str()), TREATMENT];
    let denied = ward.flags().list_flags(with(ListFlagsRequest::default(), &words)).await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied, "who scores may not look");
    let (status, _) = ward.server.end();
    assert!(status.success());
    verify(&ward.site.log()).unwrap();
    let records = calls(&ward.site.log());
    let of = |method: &str| records.iter().filter(|record| record["method"] == method).count();
    let counted = ["Score", "ListFlags", "UpdateFlag", "WatchFlags"].map(of);
    assert_eq!(counted, [3, 4, 2, 1], "one record each, refused ones too");
    let keyed = |record: &&serde_json::Value| record["patient"].is_string();
    let updates = records.iter().filter(|record| record["method"] == "UpdateFlag");
    assert_eq!(updates.filter(keyed).count(), 0, "of a flag out of reach nobody knows whose it is");
    let glass = records.iter().find(|record| record["break_glass"].is_string()).unwrap();
    assert_eq!(glass["method"], "ListFlags");
    let text = serde_json::to_string(&records).unwrap();
    assert!(!text.contains("MRN-"), "patients by keyed hash alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_request_are_named_by_their_path() {
    let ward = Ward::open().await;
    let words = [(API_KEY, ward.north.as_str()), TREATMENT];
    let fields = |status: Status| -> Vec<String> {
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let details = status.get_error_details();
        let bad = details.bad_request().unwrap();
        bad.field_violations.iter().map(|violation| violation.field.clone()).collect()
    };
    let list = ListFlagsRequest {
        states: vec![99],
        teams: vec!["t".repeat(200)],
        page_size: 501,
        ..Default::default()
    };
    let listed = ward.flags().list_flags(with(list, &words)).await;
    assert_eq!(fields(listed.unwrap_err()), ["states[0]", "teams[0]", "page_size"]);
    let update = UpdateFlagRequest { flag_id: "x".into(), version: 0, update: None };
    let updated = ward.flags().update_flag(with(update, &words)).await;
    assert_eq!(fields(updated.unwrap_err()), ["flag_id", "version", "update"]);
    let snooze = Update::Snooze(proto::SnoozeFlag { until: None });
    let update = UpdateFlagRequest { flag_id: "0".repeat(32), version: 1, update: Some(snooze) };
    let updated = ward.flags().update_flag(with(update, &words)).await;
    assert_eq!(fields(updated.unwrap_err()), ["snooze.until"]);
    let watch = WatchFlagsRequest { resume_token: "no number".into(), ..Default::default() };
    let watched = ward.flags().watch_flags(with(watch, &words)).await;
    assert_eq!(fields(watched.unwrap_err()), ["resume_token"]);
    let list = ListFlagsRequest { page_token: "forged".into(), ..Default::default() };
    let listed = ward.flags().list_flags(with(list, &words)).await.unwrap_err();
    assert_eq!((listed.code(), reason(&listed).as_str()), (Code::InvalidArgument, "FLAG_TOKEN"));

    let request = || discharged("MRN-1", "north", 7);
    let options = proto::ScoreOptions { no_flag: true, ..Default::default() };
    let whatif = proto::ScoreRequest { options: Some(options), ..request() };
    assert_eq!(ward.score(whatif).await, None, "no flag was wanted");
    let options = proto::ScoreOptions { no_reasons: true, ..Default::default() };
    let bare = proto::ScoreRequest { options: Some(options), ..request() };
    assert!(ward.score(bare).await.unwrap().flag_id.is_some());
    let listed = ward.list(&ward.north).await;
    assert!(!listed.flags[0].reasons.is_empty(), "a flag has its reasons all the same");
    let yesterday = now_seconds() - 3 * DAY_SECONDS;
    let past = proto::ScoreRequest {
        prediction_time: Some(Timestamp { seconds: yesterday - 30 * DAY_SECONDS, nanos: 0 }),
        ..request()
    };
    let past = ward.score(past).await;
    assert!(past.is_none_or(|flag| flag.change == 0), "a score about the past changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_store_keeps_no_flags_and_says_so() {
    let mut site = Site::new(Door::Plain);
    let key = site.key("nurse", "clinician", Some(&["north"]));
    let server = site.start(&[], &Setup::default());
    let channel = connect(&server).await;
    let words = [(API_KEY, key.as_str()), TREATMENT];
    let listed = RiskFlagsClient::new(channel.clone())
        .list_flags(with(ListFlagsRequest::default(), &words))
        .await
        .unwrap_err();
    assert_eq!((listed.code(), reason(&listed).as_str()), (Code::Unimplemented, "NO_FLAGS"));
    let answer = score(&channel, discharged("MRN-1", "north", 7), &words).await.unwrap();
    assert_eq!(answer.into_inner().assessments[0].flag, None);
}
