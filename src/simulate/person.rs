//! `Person`: who a simulated patient is, and which lasting conditions the record knows from when on.

use super::random::Random;
use super::settings::Settings;
use crate::record::{AuditAttributes, PartialDate, Sex, Time};

/// Regions as prefixes of postal codes.
const REGIONS: [&str; 12] =
    ["021", "100", "191", "303", "331", "441", "482", "606", "770", "850", "941", "981"];
/// The region where the blood pressure of men from 60 to 69 rises.
pub const TREND_REGION: &str = "606";
/// The regions that more patients leave early.
const LEFT_REGIONS: [&str; 3] = ["100", "331", "941"];
const FACILITIES: [&str; 4] = ["north", "south", "east", "west"];

/// Why and whether a person's blood pressure is measured. Nobody is in two courses, so that each
/// known risk stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// Known and treated hypertension, seen twice a year.
    Treated,
    /// No hypertension yet, seen every fifteen months.
    Free,
    /// Never measured outside the hospital.
    Unmeasured,
}

/// A lasting condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    HeartFailure,
    LungDisease,
    Diabetes,
    KidneyDisease,
    Cancer,
    Depression,
    Hypertension,
}

impl Condition {
    /// Its code in ICD-10-CM, and in SNOMED CT where one is used (from memory).
    pub(super) fn codes(self) -> (&'static str, Option<&'static str>) {
        match self {
            Condition::HeartFailure => ("I509", Some("84114007")),
            Condition::LungDisease => ("J449", None),
            Condition::Diabetes => ("E119", Some("44054006")),
            Condition::KidneyDisease => ("N183", None),
            Condition::Cancer => ("C189", None),
            Condition::Depression => ("F339", None),
            Condition::Hypertension => ("I10", Some("59621000")),
        }
    }
}

/// A condition, from when on somebody has it, and from when on the record says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub condition: Condition,
    pub onset_day: i64,
    pub recorded: Time,
}

/// What a record says of smoking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Smoking {
    Current,
    Former,
    Never,
}

pub(super) struct Person {
    pub birth_date: Option<PartialDate>,
    pub sex: Sex,
    pub region: &'static str,
    pub facility: &'static str,
    pub course: Course,
    /// The day from which on the source sees the care.
    pub covered_from_day: i64,
    pub smoking: Smoking,
    pub bmi: f64,
    pub haemoglobin: f64,
    pub creatinine: f64,
    /// Systolic, mm Hg.
    pub pressure: f64,
    pub conditions: Vec<Known>,
    pub audit_attributes: AuditAttributes,
}

/// The instant `minute` minutes after the midnight (UTC) that begins `day`.
pub(super) fn instant(day: i64, minute: i64) -> Time {
    Time::from_micros((day * 1_440 + minute) * 60_000_000)
}

impl Person {
    pub(super) fn draw(random: &mut Random, settings: &Settings) -> Person {
        let (start, end) = (settings.start_day(), settings.end_day());
        let is_child = random.chance(0.03);
        let age = if is_child { random.between(6.0, 17.0) } else { adult_age(random) };
        let birth_day = start - (age * 365.25) as i64;
        let sex = random.pick([Sex::Female, Sex::Male]);
        let course = random.weighted([
            (Course::Free, if is_child { 0.0 } else { 0.52 }),
            (Course::Treated, if is_child { 0.0 } else { 0.36 }),
            (Course::Unmeasured, 1.0),
        ]);
        // Some join later; never so late that no index time is left.
        let late = random.chance(0.15);
        let covered_from_day = if late { random.whole(start, end - 420) } else { start };
        let heavier = if course == Course::Treated { 2.0 } else { 0.0 };
        let mut person = Person {
            birth_date: PartialDate::parse(
                instant(birth_day, 0).to_string().split('T').next().unwrap_or_default(),
            ),
            sex,
            region: random.pick(REGIONS),
            facility: random.pick(FACILITIES),
            course,
            covered_from_day,
            smoking: random.weighted([
                (Smoking::Current, 0.18),
                (Smoking::Former, 0.25),
                (Smoking::Never, 0.57),
            ]),
            bmi: random.normal(27.0 + heavier, 4.5).clamp(17.0, 48.0),
            haemoglobin: random.normal(if sex == Sex::Male { 14.2 } else { 13.0 }, 1.0),
            creatinine: random.normal(0.95, 0.15).clamp(0.6, 1.5),
            pressure: match course {
                Course::Treated => random.normal(136.0, 9.0).clamp(112.0, 165.0),
                _ => random.normal(118.0 + 0.12 * (age - 50.0), 7.0).clamp(98.0, 131.0),
            },
            conditions: Vec::new(),
            audit_attributes: audit_attributes(random, age),
        };
        person.draw_conditions(random, age, settings);
        person
    }

    fn draw_conditions(&mut self, random: &mut Random, age: f64, settings: &Settings) {
        let years = f64::from(settings.years);
        let older = ((age - 30.0) / 40.0).clamp(0.05, 1.6);
        // The share that has it at the start, and the yearly rate of those who do not, at age 70.
        let rates = [
            (Condition::HeartFailure, 0.06, 0.006),
            (Condition::LungDisease, 0.08, 0.006),
            (Condition::Diabetes, 0.14, 0.008),
            (Condition::KidneyDisease, 0.08, 0.008),
            (Condition::Cancer, 0.04, 0.006),
            (Condition::Depression, 0.08, 0.004),
        ];
        for (condition, share, rate) in rates {
            let since = if random.chance(share * older) {
                -random.between(30.0, 3_000.0)
            } else {
                random.wait(365.25 / (rate * older))
            };
            if since > years * 365.25 {
                continue;
            }
            let onset_day = self.covered_from_day + since as i64;
            let first = onset_day.max(self.covered_from_day);
            // A record learns of it late.
            let recorded = instant(first + random.whole(1, 60), random.whole(540, 960));
            self.conditions.push(Known { condition, onset_day, recorded });
        }
        if self.course == Course::Treated {
            let onset_day = self.covered_from_day - random.whole(200, 4_000);
            let recorded = instant(self.covered_from_day + random.whole(1, 20), 700);
            self.conditions.push(Known { condition: Condition::Hypertension, onset_day, recorded });
        }
    }

    /// Completed years of age at `time`.
    pub(super) fn age_years(&self, time: Time) -> f64 {
        self.birth_date.map_or(0.0, |birth| f64::from(birth.age_years_at(time)))
    }

    /// Whether the record knows of `condition` at `time`.
    pub(super) fn is_known(&self, condition: Condition, time: Time) -> bool {
        self.known(time).any(|known| known == condition)
    }

    /// The conditions that the record knows of at `time`.
    pub(super) fn known(&self, time: Time) -> impl Iterator<Item = Condition> {
        let known = self.conditions.iter().filter(move |known| known.recorded <= time);
        known.map(|known| known.condition)
    }

    /// Whether the person has, or ever gets, a heart failure: a reason of its own for drugs that also
    /// lower the blood pressure.
    pub(super) fn has_other_indication(&self) -> bool {
        self.conditions.iter().any(|known| known.condition == Condition::HeartFailure)
    }

    /// Whether the blood pressure of such persons rises more than that of others at `time`.
    pub(super) fn is_in_trend(&self, time: Time) -> bool {
        let decade = (60.0..70.0).contains(&self.age_years(time));
        self.region == TREND_REGION && self.sex == Sex::Male && decade
    }

    /// Whether more people of this person's region leave the source.
    pub(super) fn is_in_left_region(&self) -> bool {
        LEFT_REGIONS.contains(&self.region)
    }
}

fn adult_age(random: &mut Random) -> f64 {
    let (low, high) = random.weighted([
        ((20.0, 40.0), 0.28),
        ((40.0, 60.0), 0.34),
        ((60.0, 75.0), 0.27),
        ((75.0, 88.0), 0.11),
    ]);
    random.between(low, high)
}

fn audit_attributes(random: &mut Random, age: f64) -> AuditAttributes {
    let race = random.weighted([
        ("White", 0.62),
        ("Black or African American", 0.18),
        ("Asian", 0.08),
        ("Other Race", 0.12),
    ]);
    let ethnicity =
        random.weighted([("Not Hispanic or Latino", 0.82), ("Hispanic or Latino", 0.18)]);
    let insurance = match age >= 62.0 {
        true => random.weighted([("Medicare", 0.85), ("Commercial", 0.15)]),
        false => random.weighted([("Commercial", 0.66), ("Medicaid", 0.28), ("Self pay", 0.06)]),
    };
    AuditAttributes {
        race: Some(race.to_owned()),
        ethnicity: Some(ethnicity.to_owned()),
        language: Some(random.weighted([("en", 0.85), ("es", 0.15)]).to_owned()),
        insurance: Some(insurance.to_owned()),
        gender_identity: None,
    }
}
