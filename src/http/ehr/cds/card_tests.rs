//! Cards: when there is one, what it says, and what it never says.

use proptest::prelude::*;
use serde_json::json;

use super::card::{Answer as CardAnswer, Card, Indicator};
use super::card_id::CardId;
use super::cards::{ModelWords, Scene, cards};
use crate::access::Classes;
use crate::bundle::Sufficiency;
use crate::flag::{FlagId, FlagState, Held, Sighted};
use crate::record::Time;
use crate::score::{Reason, Score};
use crate::service::{Answer, Assessment, AssessmentFlag, NotEligible};

const SCENE: Scene<'_> = Scene {
    hook_instance: "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    worklist_url: Some("https://prodrome.example/"),
    missing: &[],
};

fn words() -> ModelWords<'static> {
    ModelWords {
        title: "Unplanned readmission within 30 days",
        outcome: "an unplanned inpatient stay that begins within 30 days after the end of this one",
        tiers: vec!["high", "moderate", "low"],
        usual: Some(0.112),
        is_not_validated: false,
    }
}

fn score(tier: &str, probability: f64) -> Score {
    let time = |text| Time::parse(text).unwrap();
    Score {
        index_time: time("2026-11-23T09:30:00Z"),
        history_used_until: Some(time("2026-11-22T07:00:00Z")),
        is_provisional: true,
        assumptions: vec!["the inpatient stay is open: scored as if discharged now".into()],
        probability: Some(probability),
        interval: Some([0.27, 0.354]),
        horizon_days: 30,
        tier: Some(tier.into()),
        flag_threshold: 0.3,
        reference_percentile: Some(93.0),
        sufficiency: Sufficiency::B,
        sufficiency_notes: vec!["data carrying 30% of the model's weight are missing".into()],
        veiled_notes: Vec::new(),
        notes_classes: Classes::NONE,
        baseline: -2.0,
        reasons: vec![Reason {
            text: "three earlier stays <b>within</b> a year, the latest on 2026-08-01 \
                   (associated with a higher risk)"
                .into(),
            ..Reason::default()
        }],
        explanation_failed: false,
        other_contribution: 0.0,
        published: Vec::new(),
        change: None,
    }
}

fn assessment(score: Score) -> Assessment {
    Assessment {
        task: "readmit30".into(),
        task_digest: "t".into(),
        model_version: "3".into(),
        bundle_digest: "sha256:b".into(),
        synthetic_training_data: false,
        outcome: Answer::Score(Box::new(score)),
        flag: None,
        peer: None,
    }
}

fn sighted(state: Option<FlagState>, held: Option<Held>) -> Option<AssessmentFlag> {
    let flag = Some(FlagId::from_random([7; 16]));
    Some(AssessmentFlag::Seen(Sighted { flag, state, place: None, change: None, held }))
}

fn card(assessment: &Assessment) -> Option<Card> {
    cards(&[(assessment, words())], SCENE).pop()
}

#[test]
fn a_card_says_what_and_why_and_from_where() {
    let mut assessment = assessment(score("high", 0.31));
    assessment.flag = sighted(Some(FlagState::Raised), None);
    let card = card(&assessment).unwrap();
    let summary = "High risk of unplanned readmission within 30 days: 31% (usual: 11%)";
    assert_eq!((card.summary.as_str(), card.indicator), (summary, Indicator::Warning));
    for said in [
        "**31%** (about 31 in 100) for an unplanned inpatient stay",
        "27% to 35% (95% interval)",
        "Usual where the model was made: 11%.",
        "- the inpatient stay is open: scored as if discharged now\n",
        "- three earlier stays &lt;b&gt;within&lt;/b&gt; a year, the latest on 2026-08-01",
        "(grade B)",
        "- data carrying 30% of the model's weight are missing\n",
        "the latest fact is of 2026-11-22 (UTC)",
        "Scored as of 2026-11-23 (UTC) by the model of readmit30, version 3.",
    ] {
        assert!(card.detail.contains(said), "{said}: {}", card.detail);
    }
    assert!(!card.detail.contains("Demonstration"));
    let id = FlagId::from_random([7; 16]);
    assert_eq!(CardId::parse(&card.uuid), Some(CardId::Flag(id)));
    let json = serde_json::to_value(CardAnswer { cards: vec![card] }).unwrap();
    let links = json!([{
        "label": "Open in the work list", "type": "absolute",
        "url": "https://prodrome.example/flags/07070707070707070707070707070707",
    }]);
    let card = &json["cards"][0];
    assert_eq!((&card["links"], &card["indicator"]), (&links, &json!("warning")));
    assert_eq!(card["source"]["topic"]["code"], "readmit30");
    assert_eq!(card["overrideReasons"].as_array().unwrap().len(), 7);
    assert!(card["overrideReasons"][0]["code"].is_string());
    for absent in ["suggestions", "selectionBehavior", "systemActions"] {
        assert!(card.get(absent).is_none() && json.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn a_card_comes_only_where_there_is_something_to_say() {
    let is_shown = |assessment: &Assessment| card(assessment).is_some();
    let indicator = |tier| card(&assessment(score(tier, 0.2))).map(|card| card.indicator);
    assert_eq!(indicator("high"), Some(Indicator::Warning));
    assert_eq!(indicator("moderate"), Some(Indicator::Info));
    assert_eq!(indicator("low"), None, "the lowest tier says nothing");
    assert_eq!(indicator("unknown"), None);
    let without = Score { probability: None, tier: None, ..score("high", 0.3) };
    assert!(!is_shown(&assessment(without)), "not enough data");
    let not = NotEligible { criterion: "a".into(), text: "a".into(), classes: Classes::NONE };
    let not = Assessment { outcome: Answer::NotEligible(not), ..assessment(score("high", 0.3)) };
    assert!(!is_shown(&not));
    for state in FlagState::ALL {
        let flag = sighted(Some(state), None);
        let assessment = Assessment { flag, ..assessment(score("high", 0.3)) };
        let is_answered =
            matches!(state, FlagState::Snoozed | FlagState::Dismissed | FlagState::Answered);
        assert_eq!(is_shown(&assessment), !is_answered, "{state:?}");
    }
    for held in Held::ALL {
        let flag = sighted(None, Some(*held));
        let assessment = Assessment { flag, ..assessment(score("high", 0.3)) };
        let is_answered = matches!(held, Held::Snoozed | Held::Dismissed | Held::Answered);
        assert_eq!(is_shown(&assessment), !is_answered, "{held:?}");
    }
    let flag = Some(AssessmentFlag::NotRecorded);
    assert!(is_shown(&Assessment { flag, ..assessment(score("high", 0.3)) }), "the score stands");
}

#[test]
fn a_card_without_a_flag_has_a_name_of_its_own_and_no_link() {
    let card = card(&assessment(score("moderate", 0.05))).unwrap();
    assert!(matches!(CardId::parse(&card.uuid), Some(CardId::Score(_))));
    assert!(card.links.is_empty());
    assert_eq!(
        card.summary,
        "Moderate risk of unplanned readmission within 30 days: 5.0% (usual: 11%)"
    );
    let again = super::card_tests::card(&assessment(score("moderate", 0.05))).unwrap();
    assert_eq!(card.uuid, again.uuid);
}

#[test]
fn a_demonstration_says_so_at_the_beginning() {
    let assessment =
        Assessment { synthetic_training_data: true, ..assessment(score("high", 0.31)) };
    let card = card(&assessment).unwrap();
    assert!(card.summary.starts_with("Demonstration: High risk of "), "{}", card.summary);
    assert!(card.detail.starts_with("**Demonstration: "), "{}", card.detail);
}

#[test]
fn the_highest_tiers_come_first() {
    let all = [
        assessment(score("moderate", 0.9)),
        assessment(score("high", 0.3)),
        assessment(score("low", 0.1)),
        assessment(score("high", 0.6)),
    ];
    let told: Vec<_> = all.iter().map(|assessment| (assessment, words())).collect();
    let summaries: Vec<String> = cards(&told, SCENE).into_iter().map(|card| card.summary).collect();
    let begins = ["High risk of unplanned readmission within 30 days: 60%", "High", "Moderate"];
    assert_eq!(summaries.len(), begins.len());
    assert!(summaries.iter().zip(begins).all(|(summary, begin)| summary.starts_with(begin)));
}

#[test]
fn words_of_a_shipped_model_make_a_summary() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let bundle = crate::registry::open(&folder.join("readmit30_diabetes/1"), &[]).unwrap();
    let words = ModelWords::of(&bundle);
    let usual = words.usual.unwrap();
    assert!((0.01..0.5).contains(&usual), "{usual}");
    let tier = words.tiers[0].to_owned();
    let card = cards(&[(&assessment(score(&tier, 0.31)), words)], SCENE).pop().unwrap();
    let begin =
        "High risk of 30-day readmission after an inpatient stay of a person with diabetes: 31%";
    assert!(card.summary.starts_with(begin), "{}", card.summary);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_summary_is_always_short_enough(
        title in "\\PC{0,300}", tier in "\\PC{1,40}", probability in 0.0..1.0_f64,
        usual in prop::option::of(0.0..1.0_f64), is_demonstration in any::<bool>(),
    ) {
        let model = ModelWords { title: &title, tiers: vec![&tier, "zzz lowest"], usual, ..words() };
        let assessment = Assessment {
            synthetic_training_data: is_demonstration,
            ..assessment(score(&tier, probability))
        };
        for card in cards(&[(&assessment, model)], SCENE) {
            prop_assert!(card.summary.chars().count() < 140, "{}", card.summary);
            prop_assert!(card.summary.contains('%'), "{}", card.summary);
        }
    }

    #[test]
    fn texts_of_a_record_stay_in_their_lines(text in any::<String>()) {
        let mut score = score("high", 0.3);
        let plain = card(&assessment(score.clone())).unwrap().detail.lines().count();
        score.reasons[0].text.clone_from(&text);
        score.assumptions[0].clone_from(&text);
        score.sufficiency_notes[0].clone_from(&text);
        let detail = card(&assessment(score)).unwrap().detail;
        prop_assert_eq!(detail.lines().count(), plain, "{}", detail);
        prop_assert!(!detail.contains('<') && !detail.contains("://"), "{}", detail);
    }
}
