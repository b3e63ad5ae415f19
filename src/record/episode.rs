//! Episodes: hospital stays joined by rule, so that a transfer is one stay and not a readmission.

use serde::Serialize;

use super::{ConceptId, ConceptSet, Encounter, EncounterCode, Time};

/// An open stay older than this was not closed in the record: it takes in no later stay, and no
/// patient is taken to be in it still.
pub const OPEN_STAY_DAYS_MAX: i64 = 180;
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

/// How often encounters of a whole record were joined to a stay, and by which rule; for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Joined {
    /// Stays that began before the stay they were joined to had ended, or at its end.
    pub overlapping: u32,
    /// Stays that lay within the one they were joined to.
    pub nested: u32,
    /// Stays that began on the day of a transfer or the day after.
    pub transfers: u32,
    /// Emergency and observation contacts that ran into a stay, or lay within one.
    pub leading_contacts: u32,
}

impl Joined {
    /// Counts of several records together.
    pub fn add(&mut self, other: Joined) {
        self.overlapping += other.overlapping;
        self.nested += other.nested;
        self.transfers += other.transfers;
        self.leading_contacts += other.leading_contacts;
    }
}

/// For each encounter, given the concepts of its coded fields, whether its discharge is in the
/// concept called `name`.
pub(super) fn discharged_to(
    name: &str,
    field_concepts: &[[Vec<ConceptId>; 3]],
    concepts: &ConceptSet,
) -> Vec<bool> {
    let wanted = concepts.find(name);
    let discharge = EncounterCode::DischargeDisposition as usize;
    let is_in = |of: &[Vec<ConceptId>; 3]| wanted.is_some_and(|id| of[discharge].contains(&id));
    field_concepts.iter().map(is_in).collect()
}

/// Joins the stays among `encounters` (sorted by start) into episodes, as seen at `as_of`: what
/// began later is not there, and what ended later is open.
///
/// Stays are one episode when they overlap or touch, or when the next begins on the same or the
/// next calendar day after a discharge to another acute hospital (`transfers`, one for each
/// encounter). An emergency or observation contact that runs into a stay, or lies within one, belongs
/// to its episode. Synthetic encounters are never joined.
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
    let mut before = None;
    for episode in &mut episodes {
        attach_contacts(episode, before, encounters, as_of);
        before = Some(episode.start);
    }
    episodes
}

/// Counts what `join` made one in the whole of a record.
pub(super) fn joined(encounters: &[Encounter], transfers: &[bool]) -> Joined {
    let mut joined = Joined::default();
    for episode in join(encounters, transfers, Time::LATEST) {
        let members = episode.members.iter().filter_map(|place| encounters.get(*place));
        let (stays, contacts): (Vec<_>, Vec<_>) = members.partition(|e| e.class.is_stay());
        joined.leading_contacts += contacts.len() as u32;
        let Some((first, later)) = stays.split_first() else { continue };
        let mut end = first.end;
        for stay in later {
            let count = match (end, stay.end) {
                (Some(end), _) if stay.start > end => &mut joined.transfers,
                (None, _) => &mut joined.nested,
                (Some(end), Some(other)) if other <= end => &mut joined.nested,
                _ => &mut joined.overlapping,
            };
            *count += 1;
            if ends_later(stay.end, end) {
                end = stay.end;
            }
        }
    }
    joined
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

/// Adds the emergency and observation contacts of the episode, as far as they are known at `as_of`:
/// those that began shortly before it and had not ended before it began, and those within it. A
/// contact that began by the start of the episode `before` is that one's.
fn attach_contacts(
    episode: &mut Episode,
    before: Option<Time>,
    encounters: &[Encounter],
    as_of: Time,
) {
    use super::EncounterClass::{Emergency, Observation};
    let earliest = episode.start.plus_days(-LEADING_IN_DAYS_MAX);
    let from = encounters.partition_point(|encounter| {
        encounter.start < earliest || before.is_some_and(|before| encounter.start <= before)
    });
    let latest = episode.end.unwrap_or(episode.start.plus_days(OPEN_STAY_DAYS_MAX)).min(as_of);
    for (place, contact) in encounters.iter().enumerate().skip(from) {
        if contact.start > latest {
            break;
        }
        let end = contact.end.filter(|end| *end <= as_of);
        let belongs = match contact.start <= episode.start {
            true => end.is_none_or(|end| episode.start <= end),
            // While both last, the contact lies within the stay.
            false => episode.end.is_none_or(|latest| end.is_some_and(|end| end <= latest)),
        };
        if matches!(contact.class, Emergency | Observation) && belongs && !contact.synthetic {
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
        join(
            encounters,
            &discharged_to("discharge_acute_transfer", &fields, &concepts),
            Time::LATEST,
        )
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

    fn shape(episodes: &[Episode]) -> Vec<(&[usize], usize, usize)> {
        episodes.iter().map(|e| (e.members.as_slice(), e.first_stay, e.last_stay)).collect()
    }

    /// What was joined, with the dispositions in the encounters.
    fn counted(encounters: &[Encounter]) -> Joined {
        let is_transfer = |e: &Encounter| e.discharge_disposition.as_deref() == Some("02");
        let transfers: Vec<bool> = encounters.iter().map(is_transfer).collect();
        super::joined(encounters, &transfers)
    }

    fn contact(id: &str, class: EncounterClass, start: &str, end: &str) -> Encounter {
        Encounter { class, ..stay(id, start, end) }
    }

    fn transferred(id: &str, start: &str, end: &str) -> Encounter {
        Encounter { discharge_disposition: Some("02".into()), ..stay(id, start, end) }
    }

    #[test]
    fn stays_with_equal_times_are_one_and_the_later_id_is_the_one_left_from() {
        let list = [stay("a", "01T10:00", "03T12:00"), stay("b", "01T10:00", "03T12:00")];
        let episodes = joined(&list);
        assert_eq!(shape(&episodes), [(&[0, 1][..], 0, 1)]);
        assert_eq!(counted(&list), Joined { nested: 1, ..Joined::default() });
    }

    #[test]
    fn a_stay_of_no_length_is_an_episode_of_no_length_or_part_of_another() {
        let alone = [stay("a", "01T10:00", "01T10:00")];
        let episodes = joined(&alone);
        assert_eq!(episodes[0].end, Some(episodes[0].start));
        let at_the_end = [stay("a", "01T10:00", "03T12:00"), stay("b", "03T12:00", "03T12:00")];
        assert_eq!(shape(&joined(&at_the_end)), [(&[0, 1][..], 0, 1)]);
        let at_the_start = [stay("a", "01T10:00", "01T10:00"), stay("b", "01T10:00", "03T12:00")];
        let episodes = joined(&at_the_start);
        assert_eq!(shape(&episodes), [(&[0, 1][..], 0, 1)]);
        assert_eq!(episodes[0].end, at_the_start[1].end);
        assert_eq!(counted(&at_the_start).overlapping, 1);
    }

    #[test]
    fn three_transfers_are_one_episode_and_a_day_between_ends_it() {
        let mut chain = vec![
            transferred("a", "01T10:00", "03T12:00"),
            transferred("b", "03T15:00", "05T23:30"),
            transferred("c", "06T02:00", "08T09:00"),
            stay("d", "09T23:00", "12T10:00"),
        ];
        assert_eq!(shape(&joined(&chain)), [(&[0, 1, 2, 3][..], 0, 3)]);
        assert_eq!(counted(&chain), Joined { transfers: 3, ..Joined::default() });
        chain[3].start = Time::parse("2020-01-10T00:00:00Z").unwrap();
        assert_eq!(joined(&chain).len(), 2);
        assert_eq!(counted(&chain).transfers, 2);
    }

    #[test]
    fn a_transfer_inside_the_stay_that_outlasts_it_does_not_carry_on() {
        let list = [
            stay("a", "01T10:00", "05T12:00"),
            transferred("b", "02T10:00", "03T12:00"),
            stay("c", "05T18:00", "07T12:00"),
        ];
        assert_eq!(joined(&list).len(), 2, "the patient went home from the outer stay");
        assert_eq!(counted(&list), Joined { nested: 1, ..Joined::default() });
    }

    #[test]
    fn overlapping_stays_end_with_the_later_end() {
        let list = [
            stay("a", "01T10:00", "04T12:00"),
            stay("b", "02T10:00", "09T12:00"),
            stay("c", "03T10:00", "05T12:00"),
            stay("d", "09T12:00", "10T12:00"),
        ];
        let episodes = joined(&list);
        assert_eq!(shape(&episodes), [(&[0, 1, 2, 3][..], 0, 3)]);
        assert_eq!(episodes[0].end, list[3].end);
        assert_eq!(counted(&list), Joined { overlapping: 2, nested: 1, ..Joined::default() });
    }

    #[test]
    fn contacts_that_end_in_the_admission_or_lie_within_the_stay_belong_to_it() {
        use EncounterClass::{Ambulatory, Emergency, Observation};
        let list = [
            contact("early", Emergency, "01T08:00", "01T12:00"),
            contact("observed", Observation, "04T20:00", "05T10:00"),
            contact("came", Emergency, "04T22:00", "05T09:59"),
            stay("s", "05T10:00", "09T12:00"),
            contact("clinic", Ambulatory, "06T10:00", "06T11:00"),
            contact("within", Emergency, "07T10:00", "07T12:00"),
            contact("after", Emergency, "09T11:00", "10T02:00"),
        ];
        let episodes = joined(&list);
        assert_eq!(shape(&episodes), [(&[1, 3, 5][..], 3, 3)], "by the minute");
        assert_eq!(counted(&list), Joined { leading_contacts: 2, ..Joined::default() });
        let at = Time::parse("2020-01-07T11:00:00Z").unwrap();
        let open = join(&list, &[false; 7], at);
        assert_eq!(open[0].members, [1, 3, 5], "while both last");
    }

    #[test]
    fn a_contact_belongs_to_the_first_stay_it_ran_into() {
        let list = [
            contact("e", EncounterClass::Emergency, "01T08:00", "04T10:00"),
            stay("a", "01T10:00", "01T20:00"),
            stay("b", "03T10:00", "05T10:00"),
        ];
        let episodes = joined(&list);
        assert_eq!(shape(&episodes), [(&[0, 1][..], 1, 1), (&[2][..], 2, 2)]);
        assert_eq!(counted(&list).leading_contacts, 1);
    }
}
