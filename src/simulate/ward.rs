//! A hospital stay as it is written down: diagnoses, procedures, laboratory values, drugs, transfers.

use super::chart::{Drug, Lab};
use super::life::Life;
use super::person::{Condition, Course, instant};
use crate::record::{EncounterClass, Time};

/// Why somebody is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Unplanned,
    /// Unplanned, on the day of a discharge, for something else than before.
    SameDay,
    Psychiatric,
    /// An elective operation.
    Operation,
    Chemotherapy,
    Rehabilitation,
    Delivery,
}

/// Where a patient goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposition {
    Home,
    HomeHealth,
    Nursing,
    Rehabilitation,
    AgainstAdvice,
    Hospice,
    Died,
}

impl Disposition {
    /// Its FHIR code, or the UB-04 one where FHIR has none.
    fn code(self) -> &'static str {
        match self {
            Disposition::Home => "home",
            Disposition::HomeHealth => "06",
            Disposition::Nursing => "snf",
            Disposition::Rehabilitation => "rehab",
            Disposition::AgainstAdvice => "aadvice",
            Disposition::Hospice => "hosp",
            Disposition::Died => "exp",
        }
    }
}

/// UB-04's code for a discharge to another acute hospital.
const TRANSFERRED: &str = "02";

/// How an episode ended, and what of it bears on the risk after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    pub end: Time,
    pub disposition: Disposition,
    pub by_emergency: bool,
    /// Whether stays for such a reason are index stays of the readmission task.
    pub is_index_reason: bool,
    pub haemoglobin: Option<f64>,
    pub sodium: Option<f64>,
    pub creatinine: Option<f64>,
}

/// One stay on the way through an episode.
#[derive(Debug, Clone, Copy)]
struct Stay {
    start: Time,
    end: Time,
    reason: Reason,
    admission: &'static str,
    source: &'static str,
    facility: &'static str,
    principal: &'static str,
}

impl Life<'_> {
    /// Writes an episode that begins at `start`.
    pub(super) fn admit(&mut self, start: Time, reason: Reason) -> Left {
        let is_acute = matches!(reason, Reason::Unplanned | Reason::SameDay);
        let (admission, source) = match reason {
            Reason::Unplanned | Reason::SameDay | Reason::Psychiatric => {
                self.random.weighted([(("emergency", "emd"), 0.72), (("urgent", "gp"), 0.28)])
            }
            Reason::Delivery => ("routine", "outp"),
            _ => ("elective", "outp"),
        };
        let mut stay = Stay {
            start,
            end: self.stay_end(start, reason),
            reason,
            admission,
            source,
            facility: self.person.facility,
            principal: self.principal(start, reason),
        };
        if source == "emd" {
            self.lead_in(&stay);
        }
        let mut left = Left {
            end: stay.end,
            disposition: Disposition::Home,
            by_emergency: admission == "emergency",
            is_index_reason: is_acute || reason == Reason::Operation,
            haemoglobin: None,
            sodium: None,
            creatinine: None,
        };
        while is_acute && self.random.chance(0.05) {
            self.write_stay(&stay, TRANSFERRED, &mut left);
            let gap = self.random.whole(45, 600);
            let next = instant(0, stay.end.micros() / 60_000_000 + gap);
            let facility = if stay.facility == "north" { "west" } else { "north" };
            let end = self.stay_end(next, reason);
            (stay.start, stay.end, stay.facility) = (next, end, facility);
            stay.source = "hosp-trans";
        }
        left.end = stay.end;
        left.disposition = self.disposition(stay.end, reason);
        self.write_stay(&stay, left.disposition.code(), &mut left);
        left
    }

    fn stay_end(&mut self, start: Time, reason: Reason) -> Time {
        let age = self.person.age_years(start);
        let (mean, days_max) = match reason {
            Reason::Unplanned | Reason::SameDay => (2.6 + 0.035 * (age - 40.0).max(0.0), 21),
            Reason::Psychiatric => (7.0, 25),
            Reason::Rehabilitation => (10.0, 21),
            Reason::Operation => (2.4, 14),
            Reason::Chemotherapy | Reason::Delivery => (1.2, 6),
        };
        let nights = (self.random.wait(mean) + 0.6).round() as i64;
        let day = start.day() + nights.clamp(1, days_max);
        instant(day, self.random.whole(660, 1_080))
    }

    fn principal(&mut self, start: Time, reason: Reason) -> &'static str {
        let person = &self.person;
        match reason {
            Reason::Unplanned => {
                let known = |condition| person.is_known(condition, start);
                let of_heart = known(Condition::HeartFailure);
                let of_lung = known(Condition::LungDisease);
                match self.random.share() {
                    share if share < 0.30 && of_heart => "I5023",
                    share if share < 0.25 && of_lung => "J441",
                    _ => self
                        .random
                        .pick(["J189", "N390", "A419", "K922", "S72001A", "L03115", "E860", "R55"]),
                }
            }
            // Nobody comes for these at first, so that no stay continues for the same reason.
            Reason::SameDay => self.random.pick(["T8140XA", "R339", "I2699"]),
            Reason::Psychiatric => "F332",
            Reason::Operation => self.random.pick(["M1711", "M1611", "K409", "M4806"]),
            Reason::Chemotherapy => "Z5111",
            Reason::Rehabilitation => "Z5189",
            Reason::Delivery => "O80",
        }
    }

    fn disposition(&mut self, end: Time, reason: Reason) -> Disposition {
        let older = ((self.person.age_years(end) - 40.0) / 40.0).clamp(0.0, 1.2);
        match reason {
            Reason::Delivery | Reason::Chemotherapy | Reason::Rehabilitation => Disposition::Home,
            Reason::Operation => self.random.weighted([
                (Disposition::Rehabilitation, 0.08),
                (Disposition::HomeHealth, 0.25),
                (Disposition::Nursing, 0.08 * older),
                (Disposition::Home, 1.0),
            ]),
            Reason::Psychiatric => {
                self.random.weighted([(Disposition::AgainstAdvice, 0.06), (Disposition::Home, 1.0)])
            }
            Reason::Unplanned | Reason::SameDay => self.random.weighted([
                (Disposition::Died, 0.008 + 0.022 * older),
                (Disposition::Hospice, 0.016 * older),
                (Disposition::AgainstAdvice, 0.018),
                (Disposition::Nursing, 0.16 * older),
                (Disposition::HomeHealth, 0.18),
                (Disposition::Rehabilitation, 0.03),
                (Disposition::Home, 1.0),
            ]),
        }
    }

    /// The visit to the emergency room from which a stay begins.
    fn lead_in(&mut self, stay: &Stay) {
        let minutes = self.random.whole(60, 110);
        let start = instant(0, stay.start.micros() / 60_000_000 - minutes);
        let class = EncounterClass::Emergency;
        let _ = self.chart.encounter(class, start, stay.start, stay.facility);
    }

    fn write_stay(&mut self, stay: &Stay, disposition: &str, left: &mut Left) {
        let class = EncounterClass::Inpatient;
        let (id, encounter) = self.chart.encounter(class, stay.start, stay.end, stay.facility);
        if let Some(encounter) = encounter {
            encounter.admission_type = Some(stay.admission.to_owned());
            encounter.admission_source = Some(stay.source.to_owned());
            encounter.discharge_disposition = Some(disposition.to_owned());
            encounter.service = Some(service(stay.reason).to_owned());
        }
        self.chart.diagnosis(stay.principal, stay.end, &id, 1);
        let known: Vec<Condition> = self.person.known(stay.end).collect();
        for (rank, condition) in (2..).zip(&known) {
            self.chart.diagnosis(condition.codes().0, stay.end, &id, rank);
        }
        let morning = instant(stay.start.day() + 1, 600);
        let operated = morning.min(stay.end);
        match stay.reason {
            Reason::Operation => {
                let code = match stay.principal {
                    "M1611" => "0SR9019",
                    "K409" => "0YQ50ZZ",
                    "M4806" => "0SB20ZZ",
                    _ => "0SRC0J9",
                };
                self.chart.procedure(("ICD10PCS", code), operated, &id);
            }
            Reason::Chemotherapy => {
                self.chart.procedure(("ICD10PCS", "3E03305"), operated, &id);
            }
            Reason::Rehabilitation => {
                self.chart.procedure(("ICD10PCS", "F07Z9ZZ"), operated, &id);
            }
            Reason::Delivery => self.chart.procedure(("ICD10PCS", "10E0XZZ"), operated, &id),
            Reason::Unplanned if self.random.chance(0.3) => {
                self.chart.procedure(("CPT", "93306"), operated, &id);
            }
            _ => {}
        }
        self.drugs(stay, &known, &id);
        self.labs_of_stay(stay, &id, left);
    }

    fn drugs(&mut self, stay: &Stay, known: &[Condition], id: &str) {
        let at = instant(0, stay.start.micros() / 60_000_000 + 150).min(stay.end);
        self.chart.order(Drug::Paracetamol, at, id);
        if matches!(stay.principal, "J189" | "N390" | "A419" | "L03115") {
            self.chart.order(Drug::Ceftriaxone, at, id);
        }
        if stay.reason == Reason::Chemotherapy {
            self.chart.order(Drug::Ondansetron, at, id);
        }
        if known.contains(&Condition::Diabetes) {
            self.chart.order(Drug::Insulin, at, id);
        }
        // A diuretic lowers the blood pressure: those who have no hypertension yet get none.
        let may = self.person.course != Course::Free;
        if may && known.contains(&Condition::HeartFailure) {
            self.chart.order(Drug::Furosemide, at, id);
        }
        let pressure = (self.random.normal(132.0, 16.0), self.random.normal(76.0, 9.0));
        let systolic = (pressure.0.round() as i64).clamp(85, 210);
        let diastolic = (pressure.1.round() as i64).clamp(45, 110).min(systolic - 20);
        self.chart.pressure((systolic, diastolic), at, id);
    }

    fn labs_of_stay(&mut self, stay: &Stay, id: &str, left: &mut Left) {
        let is_ill = !matches!(stay.reason, Reason::Delivery | Reason::Psychiatric);
        let kidney = self.person.is_known(Condition::KidneyDisease, stay.end);
        let mut haemoglobin = self.person.haemoglobin - if is_ill { 1.6 } else { 0.4 };
        let mut creatinine = self.person.creatinine + if kidney { 0.8 } else { 0.05 };
        // In the mornings of the first day and of every third: always hours before a discharge.
        for day in (stay.start.day() + 1..=stay.end.day()).step_by(3) {
            let time = instant(day, 360);
            haemoglobin = self.random.normal(haemoglobin, 0.6).clamp(6.5, 17.5);
            creatinine = self.random.normal(creatinine, 0.12).clamp(0.5, 5.0);
            let sodium = self.random.normal(138.0, 3.2).clamp(122.0, 152.0);
            let potassium = self.random.normal(4.1, 0.4).clamp(2.8, 6.0);
            let glucose = self.random.normal(118.0, 28.0).clamp(60.0, 380.0);
            let (chart, random) = (&mut self.chart, &mut self.random);
            let found = chart.lab(random, Lab::Haemoglobin, haemoglobin, time, id);
            left.haemoglobin = found.or(left.haemoglobin);
            let found = chart.lab(random, Lab::Creatinine, creatinine, time, id);
            left.creatinine = found.or(left.creatinine);
            let found = chart.lab(random, Lab::Sodium, sodium, time, id);
            left.sodium = found.or(left.sodium);
            chart.lab(random, Lab::Potassium, potassium, time, id);
            chart.lab(random, Lab::Glucose, glucose, time, id);
        }
    }
}

fn service(reason: Reason) -> &'static str {
    match reason {
        Reason::Unplanned | Reason::SameDay => "Internal medicine",
        Reason::Psychiatric => "Psychiatry",
        Reason::Operation => "Orthopaedics",
        Reason::Chemotherapy => "Oncology",
        Reason::Rehabilitation => "Rehabilitation",
        Reason::Delivery => "Obstetrics",
    }
}
