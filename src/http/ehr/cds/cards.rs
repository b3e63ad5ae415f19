//! From assessments to cards: one for each score that lies above its task's lowest tier and that nobody
//! has answered yet. A card holds no id, name or birth date of a patient.

use super::card::{Card, Coding, Indicator, Link, LinkKind, OverrideReason, Source, TOPIC_SYSTEM};
use super::card_id::CardId;
use super::escape::{cut, escaped};
use crate::bundle::{Bundle, Sufficiency};
use crate::flag::{FlagId, FlagState, Held};
use crate::score::Score;
use crate::service::{Answer, Assessment, AssessmentFlag};

/// CDS Hooks: fewer than 140 characters.
const SUMMARY_CHARS_MAX: usize = 139;
/// What is shown of one text, in characters.
const TEXT_CHARS_MAX: usize = 400;
/// How many reasons, and how many notes of a kind.
const REASONS_MAX: usize = 8;
const NOTES_MAX: usize = 6;

/// What a model says of itself on a card.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ModelWords<'a> {
    /// Such as `30-day unplanned readmission`.
    pub(super) title: &'a str,
    /// What the probability is a probability of, as the end of a sentence.
    pub(super) outcome: &'a str,
    /// Names of the tiers, from the highest.
    pub(super) tiers: Vec<&'a str>,
    /// Share of the development cohort that had the outcome.
    pub(super) usual: Option<f64>,
    /// Whether the definition was never checked by people who know the records.
    pub(super) is_not_validated: bool,
}

impl<'a> ModelWords<'a> {
    /// Those of a bundle.
    pub(super) fn of(bundle: &'a Bundle) -> ModelWords<'a> {
        let (params, manifest) = (bundle.task().params(), bundle.manifest());
        let fitted = manifest.development.as_ref().map(|of| (of.outcomes, of.index_times));
        let moved = manifest.recalibrated.as_ref().map(|of| (of.outcomes, of.index_times));
        let counts = moved.or(fitted).filter(|(_, index_times)| *index_times > 0);
        ModelWords {
            title: &params.title,
            outcome: &params.outcome_text,
            tiers: manifest.tiers.iter().map(|tier| tier.name.as_str()).collect(),
            usual: counts.map(|(outcomes, index_times)| outcomes as f64 / index_times as f64),
            is_not_validated: params.not_validated,
        }
    }
}

/// What all cards of one call have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    /// Of the call.
    pub(super) hook_instance: &'a str,
    /// Where people find the work list, such as `https://prodrome.example`.
    pub(super) worklist_url: Option<&'a str>,
    /// What was missing from the data of the call, in words.
    pub(super) missing: &'a [String],
}

/// The cards of a call, those of the highest tiers first.
pub(super) fn cards(told: &[(&Assessment, ModelWords<'_>)], scene: Scene<'_>) -> Vec<Card> {
    let mut found: Vec<(usize, f64, Card)> = Vec::new();
    for (assessment, model) in told {
        let Answer::Score(score) = &assessment.outcome else { continue };
        let Some((rank, probability)) = worth_saying(score, model) else { continue };
        let Some(flag) = unanswered(assessment.flag.as_ref()) else { continue };
        let about = About { assessment, model, score, probability, rank, flag };
        found.push((rank, probability, about.card(scene)));
    }
    found.sort_by(|one, other| one.0.cmp(&other.0).then(other.1.total_cmp(&one.1)));
    found.into_iter().map(|(_, _, card)| card).collect()
}

/// The place of the tier from the highest, and the probability, of a score above the lowest tier.
fn worth_saying(score: &Score, model: &ModelWords<'_>) -> Option<(usize, f64)> {
    let (probability, tier) = (score.probability?, score.tier.as_deref()?);
    let rank = model.tiers.iter().position(|name| *name == tier)?;
    (rank + 1 < model.tiers.len()).then_some((rank, probability))
}

/// The flag, if there is one, of a score that nobody has answered; `None` where somebody has.
fn unanswered(flag: Option<&AssessmentFlag>) -> Option<Option<FlagId>> {
    let Some(AssessmentFlag::Seen(sighted)) = flag else { return Some(None) };
    let is_answered = match sighted.state {
        Some(FlagState::Snoozed | FlagState::Dismissed | FlagState::Answered) => true,
        Some(
            FlagState::Waiting
            | FlagState::Raised
            | FlagState::Acknowledged
            | FlagState::Cleared
            | FlagState::Expired,
        )
        | None => false,
    };
    let is_held = match sighted.held {
        Some(Held::Snoozed | Held::Dismissed | Held::Answered) => true,
        Some(
            Held::Capacity
            | Held::CoolDown
            | Held::NotEnoughData
            | Held::Synthetic
            | Held::NotOfNow
            | Held::OutOfOrder,
        )
        | None => false,
    };
    (!is_answered && !is_held).then_some(sighted.flag)
}

/// What one card is about.
struct About<'a> {
    assessment: &'a Assessment,
    model: &'a ModelWords<'a>,
    score: &'a Score,
    probability: f64,
    rank: usize,
    flag: Option<FlagId>,
}

impl About<'_> {
    fn card(&self, scene: Scene<'_>) -> Card {
        let of_score = || CardId::of_score(scene.hook_instance, &self.assessment.bundle_digest);
        let id = self.flag.map_or_else(of_score, CardId::Flag);
        let link = scene.worklist_url.zip(self.flag).map(|(base, flag)| Link {
            label: "Open in the work list",
            url: format!("{}/flags/{flag}", base.trim_end_matches('/')),
            kind: LinkKind::Absolute,
        });
        Card {
            uuid: id.to_string(),
            summary: self.summary(),
            detail: self.detail(scene),
            indicator: if self.rank == 0 { Indicator::Warning } else { Indicator::Info },
            source: Source {
                label: "Prodrome".to_owned(),
                url: scene.worklist_url.map(str::to_owned),
                topic: Coding {
                    system: TOPIC_SYSTEM,
                    code: self.assessment.task.clone(),
                    display: self.model.title.to_owned(),
                },
            },
            override_reasons: OverrideReason::ALL.map(OverrideReason::coding).to_vec(),
            links: link.into_iter().collect(),
        }
    }

    /// Such as `High risk of unplanned readmission within 30 days: 31% (usual: 11%)`.
    fn summary(&self) -> String {
        let lead = if self.assessment.synthetic_training_data { "Demonstration: " } else { "" };
        let tier = self.score.tier.as_deref().unwrap_or_default();
        let usual = self.model.usual.map(|usual| format!(" (usual: {})", percent(usual)));
        let figures = format!(": {}{}", percent(self.probability), usual.unwrap_or_default());
        // A tier's name may be as long as a title.
        let head = format!("{lead}{} risk of {}", capital(tier), uncapital(self.model.title));
        let room = SUMMARY_CHARS_MAX.saturating_sub(figures.chars().count());
        format!("{}{figures}", cut(&head, room))
    }

    fn detail(&self, scene: Scene<'_>) -> String {
        let mut out = String::new();
        if self.assessment.synthetic_training_data {
            out +=
                "**Demonstration: the model was made from simulated patients. Not for care.**\n\n";
        }
        out += &format!(
            "**{}** (about {}) for {}.",
            percent(self.probability),
            of_many(self.probability),
            text(self.model.outcome)
        );
        if let Some([low, high]) = self.score.interval {
            let (low, high) = (percent(low), percent(high));
            out +=
                &format!(" Among patients with such a score it is {low} to {high} (95% interval).");
        }
        if let Some(usual) = self.model.usual {
            out += &format!(" Usual where the model was made: {}.", percent(usual));
        }
        out += "\n";
        let assumed = self.score.assumptions.iter().map(String::as_str);
        section(&mut out, "What was assumed", assumed.take(NOTES_MAX));
        let reasons = self.score.reasons.iter().map(|reason| reason.text.as_str());
        section(&mut out, "What it rests on", reasons.take(REASONS_MAX));
        let data = self.data(scene.missing);
        section(&mut out, "How far the data suffice", data.iter().map(String::as_str));
        out += &format!(
            "\nScored as of {} (UTC) by the model of {}, version {}.",
            day(&self.score.index_time.to_string()),
            text(&self.assessment.task),
            text(&self.assessment.model_version)
        );
        if self.model.is_not_validated {
            out += " Its definition was never checked against records by people who know them.";
        }
        out += " It informs a decision and takes none.\n";
        out
    }

    fn data(&self, missing: &[String]) -> Vec<String> {
        let grade = match self.score.sufficiency {
            Sufficiency::A => "the record holds what the score needs (grade A)",
            Sufficiency::B => "some of what the score uses is missing from the record (grade B)",
            Sufficiency::C => {
                "the record holds little of what the score uses: take it with caution (grade C)"
            }
            Sufficiency::D => "not enough data (grade D)",
        };
        let mut lines = vec![grade.to_owned()];
        if let Some(until) = self.score.history_used_until {
            lines.push(format!("the latest fact is of {} (UTC)", day(&until.to_string())));
        }
        lines.extend(missing.iter().take(NOTES_MAX).cloned());
        lines.extend(self.score.sufficiency_notes.iter().take(NOTES_MAX).cloned());
        lines
    }
}

/// A list under a heading; nothing where it is empty.
fn section<'t>(out: &mut String, heading: &str, lines: impl Iterator<Item = &'t str>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        *out += &format!("\n**{heading}**\n\n");
    }
    for line in lines {
        *out += &format!("- {}\n", text(line));
    }
}

fn text(plain: &str) -> String {
    escaped(plain, TEXT_CHARS_MAX)
}

/// The day of a time in ISO 8601.
fn day(time: &str) -> String {
    time.chars().take(10).collect()
}

/// A probability in percent, with a decimal below ten.
fn percent(probability: f64) -> String {
    match probability * 100.0 {
        percent if percent < 0.1 => "under 0.1%".to_owned(),
        percent if percent < 9.95 => format!("{percent:.1}%"),
        percent if percent > 99.0 => "over 99%".to_owned(),
        percent => format!("{percent:.0}%"),
    }
}

/// The same as people count: people read counts better than percentages.
fn of_many(probability: f64) -> String {
    match probability {
        of if of >= 0.095 => format!("{:.0} in 100", of * 100.0),
        of if of >= 0.0095 => format!("{:.0} in 1000", of * 1_000.0),
        _ => "fewer than 10 in 1000".to_owned(),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// A title within a sentence; one that begins with an abbreviation stays as it is.
fn uncapital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(String::from).unwrap_or_default();
    let is_word = letters.clone().next().is_some_and(char::is_lowercase);
    let first = if is_word { first.to_lowercase() } else { first };
    first + letters.as_str()
}
