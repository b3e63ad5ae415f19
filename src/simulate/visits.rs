//! Ambulatory care: when the blood pressure is measured, and what else is written at such a contact.
//!
//! Contacts come in clusters: one contact, which is an index time, and one or two within the 80 days
//! after it, which are none (index times lie 90 days apart). How far the clusters lie apart keeps the
//! windows of one index time to the one cluster that decides it.

use super::chart::Lab;
use super::life::Life;
use super::person::{Condition, Course, instant};
use crate::record::{EncounterClass, Time};

/// How many days a contact waits for the patient to be out of hospital.
const WAIT_DAYS_MAX: i64 = 40;
/// No contact lies within so many days of a death, so that no index time's window holds one.
const BEFORE_DEATH_DAYS: i64 = 370;
/// Days from the first contact of a cluster to the others.
const FOLLOW_UP_DAYS: [i64; 2] = [9, 78];
/// The least days between the contacts of a cluster.
const APART_DAYS: i64 = 8;

/// The days of the contacts of one cluster, in order.
pub(super) type Cluster = Vec<i64>;

/// One day's blood pressure: the lowest systolic and diastolic value, in mm Hg.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pressure {
    /// When the last reading of the day was.
    pub time: Time,
    pub systolic: i64,
    pub diastolic: i64,
}

/// How the clusters of a course lie.
struct Rhythm {
    first: [i64; 2],
    gap: [i64; 2],
    /// More days from one cluster to the next end the course.
    gap_max: i64,
}

impl Rhythm {
    fn of(course: Course) -> Rhythm {
        match course {
            // The cluster after an index time lies wholly 90 to 365 days after it, and the one after
            // that wholly later.
            Course::Treated => Rhythm { first: [130, 165], gap: [205, 235], gap_max: 275 },
            // No contact lies 80 to 365 days after an index time: a mean over a year, which a rise
            // would need, is never there.
            _ => Rhythm { first: [20, 280], gap: [455, 485], gap_max: 560 },
        }
    }
}

impl Life<'_> {
    /// When the clusters of the person's course are.
    pub(super) fn clusters(&mut self) -> Vec<Cluster> {
        let rhythm = Rhythm::of(self.person.course);
        let mut clusters: Vec<Cluster> = Vec::new();
        let mut wanted =
            self.person.covered_from_day + self.random.whole(rhythm.first[0], rhythm.first[1]);
        let death = self.death.map(|death| death.day() - BEFORE_DEATH_DAYS);
        let last_day = death.unwrap_or(i64::MAX).min(self.last_day());
        loop {
            let previous = clusters.last().and_then(|cluster| cluster.first()).copied();
            let Some(first) = self.free_day(wanted, &clusters) else { return clusters };
            if first > last_day || previous.is_some_and(|day| first - day > rhythm.gap_max) {
                return clusters;
            }
            let cluster = self.cluster(first);
            if cluster.len() < 2 {
                return clusters;
            }
            wanted = first + self.random.whole(rhythm.gap[0], rhythm.gap[1]);
            if clusters.is_empty() {
                // The first index time needs a year of coverage before it; those of the first cluster
                // have none.
                wanted = wanted.max(self.person.covered_from_day + 367);
            }
            clusters.push(cluster);
        }
    }

    /// The first day from `wanted` on that has room, and of which no earlier contact lies a year
    /// before to the day: whether that one is in the window would hang on minutes.
    fn free_day(&self, wanted: i64, clusters: &[Cluster]) -> Option<i64> {
        let at_the_edge =
            |day: i64| clusters.iter().flatten().any(|other| (364..=366).contains(&(day - other)));
        (wanted..wanted + WAIT_DAYS_MAX).find(|day| self.is_free(*day) && !at_the_edge(*day))
    }

    fn cluster(&mut self, first: i64) -> Cluster {
        let mut days = vec![first];
        let count = if self.random.chance(0.6) { 3 } else { 2 };
        for _ in 0..24 {
            let day = first + self.random.whole(FOLLOW_UP_DAYS[0], FOLLOW_UP_DAYS[1]);
            let apart = days.iter().all(|other| (day - other).abs() >= APART_DAYS);
            if apart && self.is_free(day) && days.len() < count {
                days.push(day);
            }
        }
        days.sort_unstable();
        days
    }

    /// Writes a contact on `day` with this lowest pressure of the day; its id and its end.
    pub(super) fn contact(&mut self, day: i64, lowest: (i64, i64)) -> (String, Time, Pressure) {
        let start_minute = self.random.whole(510, 930);
        let (start, end) = (instant(day, start_minute), instant(day, start_minute + 30));
        let class = self.random.weighted([
            (EncounterClass::Ambulatory, 0.90),
            (EncounterClass::Virtual, 0.06),
            (EncounterClass::HomeHealth, 0.04),
        ]);
        let (id, encounter) = self.chart.encounter(class, start, end, self.person.facility);
        if let Some(encounter) = encounter {
            encounter.service = Some("Primary care".to_owned());
        }
        let mut minute = start_minute + 5;
        // Where the first value is high for the place alone, it is measured again.
        if lowest.0 <= 126 && lowest.1 <= 84 && self.random.chance(0.2) {
            let more = (self.random.whole(3, 18), self.random.whole(0, 4));
            let first = (lowest.0 + more.0, lowest.1 + more.1);
            self.chart.pressure(first, instant(day, minute), &id);
            minute += 10;
        }
        let time = instant(day, minute);
        self.chart.pressure(lowest, time, &id);
        let pressure = Pressure { time, systolic: lowest.0, diastolic: lowest.1 };
        (id, end, pressure)
    }

    /// What is written at the first contact of a cluster besides the pressure; the body mass index,
    /// if it was measured.
    pub(super) fn examine(&mut self, day: i64, end: Time, id: &str) -> Option<f64> {
        let at = instant(day, end.micros() / 60_000_000 - day * 1_440 - 10);
        let measured = self.random.chance(0.75);
        let bmi = self.person.bmi + self.random.normal(0.0, 0.4);
        let bmi = measured.then_some((bmi * 10.0).round() / 10.0);
        if let Some(bmi) = bmi {
            self.chart.bmi(bmi, at, id);
        }
        self.chart.smoking(self.person.smoking, at, id);
        let diabetes = self.person.is_known(Condition::Diabetes, end);
        let kidney = self.person.is_known(Condition::KidneyDisease, end);
        let person = &self.person;
        let glucose = if diabetes { 150.0 } else { 96.0 };
        let panel = [
            (Lab::Creatinine, person.creatinine + if kidney { 0.7 } else { 0.0 }, 0.1, 0.9),
            (Lab::Haemoglobin, person.haemoglobin, 0.5, 0.8),
            (Lab::Sodium, 140.0, 2.0, 0.8),
            (Lab::Potassium, 4.2, 0.3, 0.8),
            (Lab::Glucose, glucose, 12.0, 0.8),
            (Lab::TotalCholesterol, 192.0, 32.0, 0.6),
            (Lab::HdlCholesterol, 52.0, 11.0, 0.6),
            (Lab::Hba1c, if diabetes { 7.4 } else { 5.5 }, 0.4, if diabetes { 0.9 } else { 0.2 }),
        ];
        for (lab, mean, deviation, asked_for) in panel {
            if self.random.chance(asked_for) {
                let value = self.random.normal(mean, deviation).max(mean * 0.5);
                self.chart.lab(&mut self.random, lab, value, at, id);
            }
        }
        self.chart.standing_orders(&self.person, at, id);
        bmi
    }

    /// Contacts at which no blood pressure is taken.
    pub(super) fn other_visits(&mut self) {
        let mut day = self.person.covered_from_day as f64;
        loop {
            day += self.random.wait(300.0).max(3.0);
            let at = day as i64;
            if at >= self.last_day() || self.death.is_some_and(|death| death.day() <= at) {
                return;
            }
            if !self.is_free(at) {
                continue;
            }
            let minute = self.random.whole(480, 960);
            let class = self
                .random
                .weighted([(EncounterClass::Ambulatory, 0.7), (EncounterClass::Virtual, 0.3)]);
            let (start, end) = (instant(at, minute), instant(at, minute + 20));
            let (id, _) = self.chart.encounter(class, start, end, self.person.facility);
            let code = self.random.pick(["J069", "M545", "L309", "H6123", "R05"]);
            self.chart.diagnosis(code, end, &id, 1);
            if self.person.course == Course::Unmeasured && self.random.chance(0.5) {
                self.examine(at, end, &id);
            }
        }
    }
}

/// The means of the day-lowest values within `days` days before `time`, systolic and diastolic.
pub(super) fn means(pressures: &[Pressure], time: Time, days: i64) -> (f64, f64) {
    let from = time.plus_days(-days);
    let within: Vec<&Pressure> =
        pressures.iter().filter(|p| p.time > from && p.time <= time).collect();
    let count = within.len().max(1) as f64;
    let sum = |of: fn(&Pressure) -> i64| within.iter().map(|p| of(p)).sum::<i64>() as f64;
    (sum(|p| p.systolic) / count, sum(|p| p.diastolic) / count)
}
