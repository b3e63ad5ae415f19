//! `Future`: what a history holds after the index time. Only `task::label` may ask for it.

use super::view::{Dated, by_time};
use super::{
    ConceptId, Encounter, EncounterClass, EncounterCode, Entry, Episode, EventKind, History,
    Period, Time, episode,
};

/// What a history holds after the index time.
#[derive(Debug, Clone)]
pub(crate) struct Future<'a> {
    history: &'a History,
    index_time: Time,
    /// The episodes of the whole record.
    episodes: Vec<Episode>,
}

/// An episode with all that is recorded of it, whenever that became known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaterStay<'f> {
    history: &'f History,
    episode: &'f Episode,
}

impl History {
    /// What came after `index_time`: for labels alone.
    pub(crate) fn future(&self, index_time: Time) -> Future<'_> {
        let episodes = episode::join(&self.encounters, &self.transfers, Time::LATEST);
        Future { history: self, index_time, episodes }
    }
}

impl<'a> Future<'a> {
    /// The episodes that began after the index time, in order; the episode the index time belongs to
    /// is none of them.
    pub(crate) fn stays(&self) -> impl Iterator<Item = LaterStay<'_>> {
        let later = self.episodes.iter().filter(|episode| episode.start > self.index_time);
        later.map(|episode| LaterStay { history: self.history, episode })
    }

    /// The episode that ends at the index time, or lasts over it.
    pub(crate) fn index_stay(&self) -> Option<LaterStay<'_>> {
        let holds = |episode: &&Episode| {
            episode.start <= self.index_time && episode.end.is_none_or(|end| end >= self.index_time)
        };
        let episode = self.episodes.iter().rfind(holds)?;
        Some(LaterStay { history: self.history, episode })
    }

    /// Encounters of these classes that began after the index time.
    pub(crate) fn contacts(
        &self,
        classes: &[EncounterClass],
    ) -> impl Iterator<Item = (usize, &'a Encounter)> {
        let each = self.history.encounters.iter().enumerate();
        each.filter(|(_, e)| {
            e.start > self.index_time && !e.synthetic && classes.contains(&e.class)
        })
    }

    /// All events of the record of which the day is known, by the time at which they count.
    pub(crate) fn dated_ever(&self) -> Vec<Dated<'a>> {
        by_time(self.history.entries.iter().filter_map(|entry| {
            let time = entry.dated?;
            Some(Dated { time, entry, class: self.history.class_of(entry, entry.encounter) })
        }))
    }

    /// Whether an encounter of the record (by place) holds an event of one of the concepts.
    pub(crate) fn encounter_has(&self, place: usize, concepts: &[ConceptId]) -> bool {
        let of = |entry: &&Entry| entry.encounter == Some(place);
        self.history.entries.iter().filter(of).any(|entry| entry.is_any_of(concepts))
    }

    /// Whether `time` lies within so many days of a hospital stay.
    pub(crate) fn is_near_stay(&self, time: Time, days: i64) -> bool {
        near_stay(&self.episodes, time, days)
    }

    /// When the patient died, if that was after the index time.
    pub(crate) fn death_time(&self) -> Option<Time> {
        self.history.death_time.filter(|time| *time > self.index_time)
    }

    /// Until when the source would have seen care without a gap from the index time on; `None` when
    /// no recorded coverage holds the index time.
    pub(crate) fn followed_until(&self) -> Option<Time> {
        let holds = |p: &&Period| {
            p.start.is_none_or(|start| start <= self.index_time)
                && p.end.is_none_or(|end| end >= self.index_time)
        };
        self.history.coverage.iter().filter(holds).map(|p| p.end.unwrap_or(Time::LATEST)).max()
    }
}

/// Whether `time` lies within so many days of one of the episodes.
pub(super) fn near_stay(episodes: &[Episode], time: Time, days: i64) -> bool {
    episodes.iter().any(|episode| {
        let end = episode.end.unwrap_or(episode.start);
        episode.start.plus_days(-days) <= time && time <= end.plus_days(days)
    })
}

impl<'f> LaterStay<'f> {
    pub(crate) fn start(&self) -> Time {
        self.episode.start
    }

    /// `None` when the record never closes it.
    pub(crate) fn end(&self) -> Option<Time> {
        self.episode.end
    }

    fn first(&self) -> Option<&'f Encounter> {
        self.history.encounters.get(self.episode.first_stay)
    }

    /// The class of the stay that began it.
    pub(crate) fn class(&self) -> Option<EncounterClass> {
        self.first().map(|first| first.class)
    }

    /// Whether the source says that it was planned.
    pub(crate) fn is_said_planned(&self) -> bool {
        self.first().and_then(|first| first.planned) == Some(true)
    }

    /// Whether it ended with the patient's death, by its discharge.
    pub(crate) fn ended_in_death(&self) -> bool {
        self.history.deaths.get(self.episode.last_stay) == Some(&true)
    }

    /// Where it began.
    pub(crate) fn facility(&self) -> Option<&'f str> {
        self.first()?.facility.as_deref()
    }

    /// Where it ended.
    pub(crate) fn last_facility(&self) -> Option<&'f str> {
        self.history.encounters.get(self.episode.last_stay)?.facility.as_deref()
    }

    /// The concepts of the type of admission.
    pub(crate) fn admission_type(&self) -> &'f [ConceptId] {
        let fields = self.history.field_concepts.get(self.episode.first_stay);
        fields.map_or(&[], |fields| fields[EncounterCode::AdmissionType as usize].as_slice())
    }

    /// What is recorded of it: by encounter, or where an event names none by its time.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &'f Entry> {
        let (start, end) = (self.episode.start, self.episode.end.unwrap_or(Time::LATEST));
        let members = &self.episode.members;
        self.history.entries.iter().filter(move |entry| match entry.encounter {
            Some(place) => members.contains(&place),
            None => start <= entry.time && entry.time <= end,
        })
    }

    /// Its principal diagnoses.
    pub(crate) fn principal(&self) -> impl Iterator<Item = &'f Entry> {
        self.entries().filter(|entry| entry.kind == EventKind::Diagnosis && entry.rank == Some(1))
    }

    /// Its procedures.
    pub(crate) fn procedures(&self) -> impl Iterator<Item = &'f Entry> {
        self.entries().filter(|entry| entry.kind == EventKind::Procedure)
    }
}
