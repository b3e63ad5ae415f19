//! `View`: what was there and known at the index time.

use std::cell::OnceCell;
use std::collections::HashMap;

use super::contact::{Contact, Taken};
use super::future::near_stay;
use super::seen::Layout;
use super::{
    ConceptId, Encounter, EncounterClass, EncounterCode, Entry, Episode, History, Joined, Period,
    Seen, Sex, Stay, Time, TimePrecision, episode,
};

/// Where in the record a fact comes from, and when it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Place of the event in the record's events; how much of its time is known.
    Event { index: usize, time: Time, precision: TimePrecision },
    /// Place of the encounter in the record's encounters.
    Encounter { index: usize, time: Time },
}

fn is_number_of(entry: &Entry, concept: ConceptId) -> bool {
    entry.number.is_some() && entry.concepts.contains(&concept)
}

/// A history cut at the index time.
#[derive(Debug, Clone)]
pub struct View<'a> {
    pub(super) history: &'a History,
    index_time: Time,
    episodes: Vec<Episode>,
    /// The episode the view stands at, among `episodes`.
    index: Option<usize>,
    /// For each encounter what it is to the episodes.
    parts: Vec<Part>,
    /// Laid out when somebody asks.
    seen: OnceCell<Layout>,
    /// The view beyond whose facts this one has none; `None` for what was known at the index time.
    pub(super) earlier: Option<Box<View<'a>>>,
}

/// What an encounter is to the episodes of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It stands for itself: no member of an episode, or the first stay of an earlier one.
    Alone,
    /// It was joined into an earlier episode, whose first stay stands for it.
    Joined,
    /// It belongs to the index stay.
    OfIndex,
}

/// An event with the time at which it counts as having happened to the record, and the class of the
/// encounter it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Dated<'a> {
    /// For diagnoses and problems when they were recorded, else when they happened.
    pub time: Time,
    pub entry: &'a Entry,
    /// Of the encounter it names, else of a stay or emergency contact that holds its time.
    pub class: Option<EncounterClass>,
}

/// The events in the order of the times at which they count.
pub(super) fn by_time<'a>(each: impl Iterator<Item = Dated<'a>>) -> Vec<Dated<'a>> {
    let mut dated: Vec<Dated<'a>> = each.collect();
    dated.sort_by_key(|dated| dated.time);
    dated
}

impl History {
    /// The history as it was there and known at `index_time`.
    pub fn view(&self, index_time: Time) -> View<'_> {
        self.cut(index_time, index_time)
    }

    /// The encounters as they were known at `known_at`, seen from `index_time`.
    pub(super) fn cut(&self, index_time: Time, known_at: Time) -> View<'_> {
        let episodes = episode::join(&self.encounters, &self.transfers, known_at);
        let open = episodes.iter().rposition(|episode| episode.is_open_at(index_time));
        let index = open.or_else(|| episodes.iter().rposition(|e| e.end == Some(index_time)));
        let mut parts = vec![Part::Alone; self.encounters.len()];
        for (place, episode) in episodes.iter().enumerate() {
            for member in &episode.members {
                parts[*member] = match Some(place) == index {
                    true => Part::OfIndex,
                    false if *member == episode.first_stay => Part::Alone,
                    false => Part::Joined,
                };
            }
        }
        let seen = OnceCell::new();
        View { history: self, index_time, episodes, index, parts, seen, earlier: None }
    }

    /// How often encounters of the whole record were joined, for reports; no feature may ask.
    pub fn joined(&self) -> Joined {
        episode::joined(&self.encounters, &self.transfers)
    }

    /// The end of every episode of the whole record, in order: the index times of a replay.
    pub fn episode_ends(&self) -> Vec<Time> {
        self.episode_spans().into_iter().filter_map(|(_, end)| end).collect()
    }

    /// Start and end of every episode of the whole record: for the index times of a replay.
    pub fn episode_spans(&self) -> Vec<(Time, Option<Time>)> {
        let episodes = episode::join(&self.encounters, &self.transfers, Time::LATEST);
        episodes.iter().map(|episode| (episode.start, episode.end)).collect()
    }

    /// The periods of coverage, in order: for the index times of a replay.
    pub fn coverage(&self) -> &[Period] {
        &self.coverage
    }

    /// The latest time of anything in the record: for the index times of a replay.
    pub fn latest_time(&self) -> Option<Time> {
        let begun = self.encounters.iter().map(|encounter| encounter.start).max();
        self.entries.iter().map(|entry| entry.time).max().max(begun)
    }

    /// The class of the encounter that `entry` names; where it names none, of a stay, emergency or
    /// observation contact that holds its time.
    ///
    /// `named` is the place of the encounter that it names.
    pub(super) fn class_of(&self, entry: &Entry, named: Option<usize>) -> Option<EncounterClass> {
        use EncounterClass::{Emergency, Observation};
        if let Some(place) = named {
            return self.encounters.get(place).map(|encounter| encounter.class);
        }
        let begun = self.encounters.partition_point(|encounter| encounter.start <= entry.time);
        let earliest = entry.time.plus_days(-episode::OPEN_STAY_DAYS_MAX);
        let recent = self.encounters[..begun].iter().rev();
        let holds = |e: &&Encounter| {
            let wanted = e.class.is_stay() || matches!(e.class, Emergency | Observation);
            wanted && !e.synthetic && e.end.is_none_or(|end| end >= entry.time)
        };
        let mut recent = recent.take_while(|encounter| encounter.start >= earliest);
        recent.find(holds).map(|encounter| encounter.class)
    }
}

impl<'a> View<'a> {
    /// The time the view is cut at.
    pub fn index_time(&self) -> Time {
        self.index_time
    }

    /// When its facts were known: at the index time, or earlier (`View::seen_from`).
    pub(super) fn known_at(&self) -> Time {
        self.earlier.as_ref().map_or(self.index_time, |earlier| earlier.index_time)
    }

    pub fn sex(&self) -> Sex {
        self.history.sex
    }

    /// Completed years of age at the index time; `None` without a date of birth.
    pub fn age_years(&self) -> Option<i32> {
        self.history.birth_date.map(|date| date.age_years_at(self.index_time))
    }

    /// Whether the patient had died by the index time.
    pub fn is_dead(&self) -> bool {
        self.history.death_time.is_some_and(|time| time <= self.known_at())
    }

    /// The end of the latest episode that is over, in order of ends.
    pub fn latest_episode_end(&self) -> Option<Time> {
        self.episodes.iter().filter_map(|episode| episode.end).max()
    }

    /// The same history as it was at another time.
    pub fn at(self, index_time: Time) -> View<'a> {
        match &self.earlier {
            _ if index_time == self.index_time => self,
            Some(earlier) => earlier.seen_from(index_time),
            None => self.history.view(index_time),
        }
    }

    /// Whether an episode is open at the index time.
    pub fn has_open_episode(&self) -> bool {
        self.open_episode_start().is_some()
    }

    /// When the episode that is open at the index time began.
    pub fn open_episode_start(&self) -> Option<Time> {
        let open = self.episodes.iter().rfind(|episode| episode.is_open_at(self.index_time));
        open.map(|episode| episode.start)
    }

    /// Contacts of these classes that had begun by the index time, in order.
    pub fn contacts(&self, classes: &[EncounterClass]) -> impl Iterator<Item = Contact<'a>> {
        let begun = self.history.encounters.iter().enumerate();
        begun
            .take_while(|(_, encounter)| encounter.start <= self.known_at())
            .filter(|(_, encounter)| !encounter.synthetic && classes.contains(&encounter.class))
            .map(|(place, encounter)| Contact { encounter, end: self.end_of(encounter), place })
    }

    /// Where numbers of the concept were taken, of all that is visible: for asking many contacts.
    pub fn taken(&self, concept: ConceptId) -> Taken {
        let mut taken = Taken { places: HashMap::new(), loose: Vec::new() };
        for entry in self.entries().filter(|entry| is_number_of(entry, concept)) {
            match self.named(entry) {
                Some(place) => {
                    let known = taken.places.entry(place).or_insert(entry.known);
                    *known = entry.known.min(*known);
                }
                None => taken.loose.push((entry.time, entry.known)),
            }
        }
        taken.loose.sort_unstable();
        taken
    }

    /// The concepts of the discharge from the contact that ends at the index time and is no stay.
    pub fn contact_discharge(&self) -> &'a [ConceptId] {
        let ends = |e: &Encounter| self.end_of(e) == Some(self.index_time) && !e.class.is_stay();
        let place = self.history.encounters.iter().rposition(|e| ends(e) && !e.synthetic);
        let fields = place.and_then(|place| self.history.field_concepts.get(place));
        fields.map_or(&[], |f| f[EncounterCode::DischargeDisposition as usize].as_slice())
    }

    /// Visible events of which the day is known, by the time at which they count.
    pub fn dated(&self) -> Vec<Dated<'a>> {
        by_time(self.entries().filter_map(|entry| {
            let time = entry.dated.filter(|time| *time <= self.index_time)?;
            Some(Dated { time, entry, class: self.class_of(entry) })
        }))
    }

    /// The class of the encounter that `entry` names; where it names none, of a stay, emergency or
    /// observation contact that holds its time.
    pub fn class_of(&self, entry: &Entry) -> Option<EncounterClass> {
        self.history.class_of(entry, self.named(entry))
    }

    /// The place of the encounter that `entry` names. One that begins after the index time is not there
    /// yet: what names it (an order for an admission to come) names none.
    fn named(&self, entry: &Entry) -> Option<usize> {
        let begun = |place: &usize| {
            self.history.encounters.get(*place).is_some_and(|e| e.start <= self.known_at())
        };
        entry.encounter.filter(begun)
    }

    /// Whether `time` lies within so many days of a hospital stay.
    pub fn is_near_stay(&self, time: Time, days: i64) -> bool {
        near_stay(&self.episodes, time, days)
    }

    fn index_episode(&self) -> Option<&Episode> {
        self.index.and_then(|index| self.episodes.get(index))
    }

    /// The stay the view stands at: open at the index time, or ending there.
    pub fn stay(&self) -> Option<Stay<'a>> {
        let episode = self.index_episode()?;
        Some(Stay {
            start: episode.start,
            end: episode.end,
            history: self.history,
            first: episode.first_stay,
            last: episode.last_stay,
        })
    }

    /// Encounters that had begun before the index stay, or by the index time where there is none,
    /// with the evidence that names them. An earlier episode is there once, as its first stay.
    pub fn earlier_encounters(&self) -> impl Iterator<Item = (&'a Encounter, Evidence)> {
        let stay_start = self.index_episode().map(|episode| episode.start);
        let begun = self.history.encounters.iter().zip(&self.history.encounter_sources);
        begun
            .zip(&self.parts)
            .take_while(move |((encounter, _), _)| match stay_start {
                Some(start) => encounter.start < start,
                None => encounter.start <= self.known_at(),
            })
            .filter(|(_, part)| **part == Part::Alone)
            .map(|((encounter, source), _)| {
                (encounter, Evidence::Encounter { index: *source, time: encounter.start })
            })
    }

    /// The end of an encounter, if it had ended by the index time.
    pub fn end_of(&self, encounter: &Encounter) -> Option<Time> {
        encounter.end.filter(|end| *end <= self.known_at())
    }

    /// Events that were there and known at the index time, by time and content.
    pub fn entries(&self) -> impl Iterator<Item = &'a Entry> {
        self.history.entries.iter().filter(|entry| self.sees(entry))
    }

    /// The visible events laid out by concept: for asking after many concepts.
    pub fn seen(&self) -> Seen<'_, 'a> {
        let layout = self.seen.get_or_init(|| Layout::of(self, self.history));
        Seen { history: self.history, layout }
    }

    /// What names `entry` in the record.
    pub fn evidence(&self, entry: &Entry) -> Evidence {
        Evidence::Event { index: entry.source, time: entry.time, precision: entry.precision }
    }

    pub(super) fn sees(&self, entry: &Entry) -> bool {
        let day = self.index_time.day();
        let happened = match entry.precision {
            TimePrecision::Instant => entry.time <= self.index_time,
            // What belongs to the stay itself counts on its day; all else when that day is over
            // everywhere on earth, because the zone of a date is not known: noon of the next day.
            TimePrecision::Day if self.is_of_stay(entry) => entry.time.day() <= day,
            TimePrecision::Day => entry.time.plus_days(1) <= self.index_time,
            // The whole month or year must have passed.
            TimePrecision::Month => entry.time.plus_days(31).day() < day,
            TimePrecision::Year => entry.time.plus_days(366).day() < day,
        };
        let was_seen = || self.earlier.as_ref().is_none_or(|earlier| earlier.sees(entry));
        happened && entry.known <= self.index_time && was_seen()
    }

    fn is_of_stay(&self, entry: &Entry) -> bool {
        let part = entry.encounter.and_then(|place| self.parts.get(place));
        part == Some(&Part::OfIndex)
    }

    /// Whether `entry` belongs to the index stay: by its encounter, or where it names none by its
    /// time. Events known to the month or year only belong to none.
    pub fn in_stay(&self, entry: &Entry) -> bool {
        let Some(episode) = self.index_episode() else { return false };
        match (entry.precision, self.named(entry)) {
            (TimePrecision::Month | TimePrecision::Year, _) => false,
            (_, Some(_)) => self.is_of_stay(entry),
            (TimePrecision::Day, None) => entry.time.day() >= episode.start.day(),
            (TimePrecision::Instant, None) => entry.time >= episode.start,
        }
    }

    /// Whether `entry` happened in the last `days` days. Events known to the month or year only are
    /// in no such window.
    pub fn within_days(&self, entry: &Entry, days: i64) -> bool {
        entry.is_dated() && entry.time > self.index_time.plus_days(-days)
    }

    /// How many days the record goes back: to the start of the coverage that holds the index time, or
    /// to an earlier first encounter. `None` for coverage without a beginning, and where the source
    /// declares none at all: nobody can tell then whether the patient was seen elsewhere.
    pub fn recorded_days(&self) -> Option<i64> {
        let history = self.history;
        if history.coverage.is_empty() {
            return None;
        }
        let now = self.index_time;
        let holds =
            |p: &&Period| p.start.is_none_or(|t| t <= now) && p.end.is_none_or(|t| t >= now);
        let covered = history.coverage.iter().find(holds);
        let covered = covered.map_or(Some(now), |period| period.start)?;
        let first = history.encounters.first().map_or(covered, |encounter| encounter.start);
        Some(now.days_since(covered.min(first)).max(0.0) as i64)
    }

    /// Whether the source says that it would have seen the patient's care over all of the last
    /// `days` days.
    pub fn is_covered(&self, days: i64) -> bool {
        let (from, to) = (self.index_time.plus_days(-days), self.index_time);
        let spans = |p: &Period| {
            p.start.is_none_or(|start| start <= from) && p.end.is_none_or(|end| end >= to)
        };
        self.history.coverage.iter().any(spans)
    }
}
