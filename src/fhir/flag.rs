//! `Flag`: a raised tier, as an EHR shows it at the patient. What people wrote or did about it stays here.

use std::fmt;

use serde::Serialize;

use super::element::{CodeableConcept, Coding, Identifier, Meta, Period, Reference};
use super::{author, id, reference};
use crate::flag;

/// The system of a flag's category.
const FLAG_CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/flag-category";

/// A flag at a patient.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
pub struct Flag {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
    pub identifier: Vec<Identifier>,
    /// `active` while somebody should still look at it.
    pub status: &'static str,
    pub category: Vec<CodeableConcept>,
    /// The task and the tier.
    pub code: CodeableConcept,
    pub subject: Reference,
    /// When it was raised and, once it is over, when that came.
    pub period: Period,
    pub author: Reference,
}

/// Without the patient, who belongs in no log.
impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Flag { id, status, .. } = self;
        f.debug_struct("Flag").field("id", id).field("status", status).finish_non_exhaustive()
    }
}

/// The flag as a resource; `title` is what its task calls itself.
///
/// `active` are flags that are raised, in hand or snoozed. One that waits for its team to have room is
/// not shown to anybody yet, and those that are answered, dismissed, cleared or expired are over: all
/// these are `inactive`.
pub fn flag(flag: &flag::Flag, title: &str) -> Flag {
    let name = flag.id.to_string();
    let (title, tier) = (id::said(title, &flag.task), id::said(&flag.tier, "raised"));
    let text = match flag.is_provisional {
        true => format!("{title}: {tier} (the stay goes on)"),
        false => format!("{title}: {tier}"),
    };
    let coded = id::is_code(tier).then(|| Coding::ours("tier", tier.to_owned()));
    let coding = std::iter::once(Coding::ours("task", flag.task.clone())).chain(coded).collect();
    Flag {
        identifier: vec![Identifier::ours("flag", &name)],
        id: name,
        meta: flag.is_synthetic.then(Meta::of_test_data),
        status: if flag.state.is_open() { "active" } else { "inactive" },
        category: vec![CodeableConcept::of(Coding::known(FLAG_CATEGORY, "clinical", "Clinical"))],
        code: CodeableConcept { coding, text: Some(text) },
        subject: reference::patient(&flag.patient_id, None),
        period: period(flag),
        author: author(&flag.task, &flag.model_version),
    }
}

/// From when it was raised on; R4 leaves the end of an active flag open.
fn period(flag: &flag::Flag) -> Period {
    let end = match flag.state.is_live() {
        true => None,
        // What people say of a flag that is over changes it, but it was over by then.
        false => Some(flag.changed_time.min(flag.expires_time)),
    };
    Period::new(flag.raised_time, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Sufficiency;
    use crate::flag::{FlagId, FlagState, Place};
    use crate::record::Time;

    fn given(state: FlagState) -> flag::Flag {
        let time = |text| Time::parse(text).unwrap();
        let raised = time("2026-03-01T08:00:00Z");
        flag::Flag {
            id: FlagId::from_random([7; 16]),
            patient_id: "p".into(),
            task: "readmit30".into(),
            place: Place::default(),
            state,
            tier: "high".into(),
            tier_rank: 0,
            is_provisional: false,
            is_synthetic: false,
            probability: 0.4,
            raised_probability: 0.4,
            horizon_days: 30,
            index_time: raised,
            raised_time: raised,
            expires_time: raised.plus_days(30),
            scored_time: raised,
            history_used_until: None,
            sufficiency: Sufficiency::A,
            model_version: "1".into(),
            bundle_digest: "0123456789ab".into(),
            reasons: Vec::new(),
            course: Vec::new(),
            assignee: Some("nurse.jones".into()),
            snoozed_until: None,
            dismissal: None,
            action: None,
            held: None,
            changed_time: raised.plus_days(2),
            version: 1,
            change_number: 1,
        }
    }

    #[test]
    fn a_flag_is_active_while_it_is_open_and_ends_when_it_is_over() {
        for state in FlagState::ALL {
            let made = flag(&given(state), "30-day readmission");
            assert_eq!(made.status == "active", state.is_open(), "{state:?}");
            assert_eq!(made.period.end.is_none(), state.is_live(), "{state:?}");
        }
        let over = flag(&given(FlagState::Answered), "t");
        assert_eq!(over.period.end.as_deref(), Some("2026-03-03T08:00:00Z"));
        let raised = given(FlagState::Expired).raised_time;
        let late = flag::Flag { changed_time: raised.plus_days(90), ..given(FlagState::Expired) };
        assert_eq!(flag(&late, "t").period.end.as_deref(), Some("2026-03-31T08:00:00Z"));
        let early = flag::Flag { changed_time: raised.plus_days(-1), ..given(FlagState::Cleared) };
        let period = flag(&early, "t").period;
        assert_eq!(
            period.end.as_deref(),
            Some(period.start.as_str()),
            "no span ends before it starts"
        );
    }

    #[test]
    fn a_flag_says_its_task_and_tier_and_nothing_that_people_did() {
        let text =
            serde_json::to_string(&flag(&given(FlagState::Answered), "Readmission")).unwrap();
        assert!(text.starts_with("{\"resourceType\":\"Flag\",\"id\":\"07070707"), "{text}");
        assert!(
            text.contains("\"text\":\"Readmission: high\"") && !text.contains("jones"),
            "{text}"
        );
        assert!(!text.contains("HTEST"));
        let shown = flag::Flag { is_synthetic: true, ..given(FlagState::Raised) };
        assert!(serde_json::to_string(&flag(&shown, "t")).unwrap().contains("HTEST"));
    }
}
