//! Episodes: hospital stays joined by rule, so that a transfer is one stay and not a readmission.

use super::{ConceptId, ConceptSet, Encounter, EncounterCode, Time};

/// The concept whose codes say that a patient went on to another acute hospital.
const TRANSFER_CONCEPT: &str = "discharge_acute_transfer";
/// An open stay older than this was not closed in the record: it takes in no later stay, and no
/// patient is taken to be in it still.
const OPEN_STAY_DAYS_MAX: i64 = 180;
/// How long before a stay the contact that led into it may have begun.
const LEADING_IN_DAYS_MAX: i64 = 3;

/// One or more stays that count as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    pub start: Time,
    /// `None` while one of its stays is open.
    pub end: Option<Time>,
    /// Places of its encounters in the history, by start: stays, and the emergency or observation
    /// contacts that led into them.
    pub(super) members: Vec<usize>,
    /// The stay that began the episode.
    pub(super) first_stay: usize,
    /// The stay that ended it, or that is open.
    pub(super) last_stay: usize,
}

/// For each encounter, given the concepts of its coded fields, whether it ended with a transfer to
/// another acute hospital.
pub(super) fn transfers(
    field_concepts: &[[Vec<ConceptId>; 3]],
    concepts: &ConceptSet,
) -> Vec<bool> {
    let transfer = concepts.find(TRANSFER_CONCEPT);
    let discharge = EncounterCode::DischargeDisposition as usize;
    let is_transfer =
        |of: &[Vec<ConceptId>; 3]| transfer.is_some_and(|t| of[discharge].contains(&t));
    field_concepts.iter().map(is_transfer).collect()
}

/// Joins the stays among `encounters` (sorted by start) into episodes, as seen at `as_of`: what
/// began later is not there, and what ended later is open.
///
/// Stays are one episode when they overlap or touch, or when the next begins on the same or the
/// next calendar day after a discharge to another acute hospital (`transfers`, one for each
/// encounter). An emergency or observation contact that runs into a stay belongs to its episode.
/// Synthetic encounters are never joined.
pub(super) fn join(encounters: &[Encounter], transfers: &[bool], as_of: Time) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    let seen = encounters.iter().take_while(|encounter| encounter.start <= as_of);
    for (place, stay) in seen.enumerate() {
        if stay.synthetic || !stay.class.is_stay() {
            continue;
        }
        let end = stay.end.filter(|end| *end <= as_of);
        match episodes.last_mut() {
            Some(episode) if continues(episode, transfers, stay.start) => {
                episode.members.push(place);
                if ends_later(end, episode.end) {
                    episode.end = end;
                    episode.last_stay = place;
                }
            }
            _ => episodes.push(Episode {
                start: stay.start,
                end,
                members: vec![place],
                first_stay: place,
                last_stay: place,
            }),
        }
    }
    for episode in &mut episodes {
        attach_contacts(episode, encounters, as_of);
    }
    episodes
}

impl Episode {
    /// Whether the patient is taken to be in this stay at `as_of`.
    pub(super) fn is_open_at(&self, as_of: Time) -> bool {
        self.end.is_none() && as_of <= self.start.plus_days(OPEN_STAY_DAYS_MAX)
    }
}

/// Whether `end` is later than `other`, where no end is the latest; of two equal ends the later
/// encounter is taken, because it is the one the patient left from.
fn ends_later(end: Option<Time>, other: Option<Time>) -> bool {
    match (end, other) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(end), Some(other)) => end >= other,
    }
}

fn continues(episode: &Episode, transfers: &[bool], next_start: Time) -> bool {
    let Some(end) = episode.end else {
        return next_start <= episode.start.plus_days(OPEN_STAY_DAYS_MAX);
    };
    let next_day = next_start.day() - end.day() <= 1;
    next_start <= end || (transfers[episode.last_stay] && next_day)
}

/// Adds the emergency and observation contacts that ran into the episode: begun shortly before it,
/// and at `as_of` not known to have ended before it began.
fn attach_contacts(episode: &mut Episode, encounters: &[Encounter], as_of: Time) {
    use super::EncounterClass::{Emergency, Observation};
    let earliest = episode.start.plus_days(-LEADING_IN_DAYS_MAX);
    let from = encounters.partition_point(|encounter| encounter.start < earliest);
    for (place, contact) in encounters.iter().enumerate().skip(from) {
        if contact.start > episode.start {
            break;
        }
        let end = contact.end.filter(|end| *end <= as_of);
        let leads_in = matches!(contact.class, Emergency | Observation)
            && end.is_none_or(|end| episode.start <= end);
        if leads_in && !contact.synthetic {
            episode.members.push(place);
        }
    }
    episode.members.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::EncounterClass;

    fn stay(id: &str, start: &str, end: &str) -> Encounter {
        let time = |text: &str| Time::parse(&format!("2020-01-{text}:00Z"));
        Encounter::new(id, EncounterClass::Inpatient, time(start).unwrap(), time(end))
    }

    const TRANSFER: &str =
        "[concept.discharge_acute_transfer]\ntitle=\"t\"\ncodes=[\"DISCHARGE_DISPOSITION//02\"]";

    fn joined(encounters: &[Encounter]) -> Vec<Episode> {
        let concepts = ConceptSet::parse(TRANSFER).unwrap();
        let code = |e: &Encounter| e.code(EncounterCode::DischargeDisposition);
        let of = |e| code(e).map(|code| concepts.concepts_of(&code)).unwrap_or_default();
        let fields: Vec<_> = encounters.iter().map(|e| [vec![], vec![], of(e)]).collect();
        join(encounters, &transfers(&fields, &concepts), Time::LATEST)
    }

    #[test]
    fn overlap_and_transfer_join_but_a_return_home_does_not() {
        let mut first = stay("a", "01T10:00", "03T12:00");
        let inside = stay("b", "02T10:00", "03T09:00");
        let next_day = stay("c", "04T08:00", "06T12:00");
        let list = [first.clone(), inside.clone(), next_day.clone()];
        let episodes = joined(&list);
        assert_eq!(episodes.len(), 2, "a discharge home ends the episode");
        assert_eq!(episodes[0].last_stay, 0, "the contained stay does not end it");

        first.discharge_disposition = Some("02".into());
        let episodes = joined(&[first, inside, next_day]);
        assert_eq!(episodes.len(), 1);
        assert_eq!((episodes[0].first_stay, episodes[0].last_stay), (0, 2));
    }

    #[test]
    fn what_lies_after_the_time_of_asking_changes_nothing() {
        let mut first = stay("a", "01T10:00", "03T12:00");
        first.discharge_disposition = Some("02".into());
        let later = stay("c", "04T08:00", "06T12:00");
        let at = first.end.unwrap();
        assert_eq!(join(&[first.clone(), later], &[true, false], at), join(&[first], &[true], at));
    }

    #[test]
    fn synthetic_stays_are_no_episode_and_the_emergency_visit_joins() {
        let mut past = stay("p", "01T10:00", "01T11:00");
        past.synthetic = true;
        let mut visit = stay("e", "02T08:00", "02T10:00");
        visit.class = EncounterClass::Emergency;
        let episodes = joined(&[past, visit, stay("s", "02T09:30", "05T10:00")]);
        assert_eq!(episodes.len(), 1);
        assert_eq!(episodes[0].members, [1, 2]);
    }
}
