//! The calls about flags.

use prodrome::rpc::proto;

use super::super::flags::discharged;
use super::super::site::{API_KEY, TREATMENT};
use super::Calls;
use crate::serve::process::{SCORE, framed};

/// Calls that raise flags, ask for them and answer them.
pub(super) fn of_flags(calls: &mut Calls<'_>) {
    use tonic::Code::{InvalidArgument, NotFound, Ok, PermissionDenied};
    let (marks, keys) = (calls.marks, calls.keys);
    let nurse = [(API_KEY, &*keys.clinician), TREATMENT];
    let id = marks.word("flagged");
    let raised = framed(&discharged(&id, "elsewhere", 7));
    calls.bare("a score that raises a flag", SCORE, raised, &nurse);
    calls.ends(Ok);
    let word = |place: &str| marks.word(place);
    let listed = |request: proto::ListFlagsRequest| framed(&request);
    let of_flag = |method: &str| format!("/prodrome.v1.RiskFlags/{method}");
    let all = listed(proto::ListFlagsRequest::default());
    calls.bare(
        "a list of flags, denied",
        &of_flag("ListFlags"),
        all,
        &[(API_KEY, &*keys.scorer), TREATMENT],
    );
    calls.ends(PermissionDenied);
    let strange = listed(proto::ListFlagsRequest {
        patient_id: word("askedfor"),
        assignee: word("assignee"),
        ..Default::default()
    });
    calls.bare("flags of somebody", &of_flag("ListFlags"), strange, &nurse);
    calls.ends(Ok);
    for bad in [
        proto::ListFlagsRequest { page_token: word("pagetoken"), ..Default::default() },
        proto::ListFlagsRequest { teams: vec![word("team").repeat(20)], ..Default::default() },
    ] {
        calls.bare("a bad list", &of_flag("ListFlags"), listed(bad), &nurse);
        calls.ends(InvalidArgument);
    }
    let assign = proto::AssignFlag { assignee: word("assigned") };
    let update = |flag_id: String| {
        let update = Some(proto::update_flag_request::Update::Assign(assign.clone()));
        framed(&proto::UpdateFlagRequest { flag_id, version: 1, update })
    };
    calls.bare("no flag", &of_flag("UpdateFlag"), update("0".repeat(32)), &nurse);
    calls.ends(NotFound);
    calls.bare("a bad flag", &of_flag("UpdateFlag"), update(word("flagid")), &nurse);
    calls.ends(InvalidArgument);
    let feedback = proto::RecordFeedbackRequest { flag_id: word("feedbackof"), feedback: 1 };
    calls.bare("bad feedback", &of_flag("RecordFeedback"), framed(&feedback), &nurse);
    calls.ends(InvalidArgument);
    let watch = proto::WatchFlagsRequest { resume_token: word("resume"), ..Default::default() };
    calls.bare("a bad watch", &of_flag("WatchFlags"), framed(&watch), &nurse);
    calls.ends(InvalidArgument);
}
