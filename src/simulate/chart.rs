//! `Chart`: what is written into a simulated patient's record, with its faults.

use std::collections::HashSet;

use super::person::{Condition, Known, Person, Smoking, instant};
use super::random::Random;
use super::settings::Settings;
use crate::access::Classes;
use crate::record::{
    Code, Encounter, EncounterClass, Event, EventKind, EventStatus, Period, Record, Time,
    TimePrecision, Value,
};

/// The facility whose laboratory reports in units of the SI.
const SI_FACILITY: &str = "south";
/// mg/dL of creatinine in umol/L: its molar mass is 113.12 g/mol.
const CREATININE_SI: f64 = 88.42;

/// A laboratory test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lab {
    Creatinine,
    Haemoglobin,
    Sodium,
    Potassium,
    Hba1c,
    Glucose,
    TotalCholesterol,
    HdlCholesterol,
}

/// A drug as an RxNorm ingredient (numbers from memory).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drug {
    Lisinopril,
    Amlodipine,
    Hydrochlorothiazide,
    Losartan,
    Furosemide,
    Atorvastatin,
    Metformin,
    Insulin,
    Ceftriaxone,
    Paracetamol,
    Ondansetron,
}

impl Drug {
    fn code(self) -> &'static str {
        match self {
            Drug::Lisinopril => "29046",
            Drug::Amlodipine => "17767",
            Drug::Hydrochlorothiazide => "5487",
            Drug::Losartan => "52175",
            Drug::Furosemide => "4603",
            Drug::Atorvastatin => "83367",
            Drug::Metformin => "6809",
            Drug::Insulin => "5856",
            Drug::Ceftriaxone => "2193",
            Drug::Paracetamol => "161",
            Drug::Ondansetron => "26225",
        }
    }
}

/// How a value is written: the LOINC code, the unit, and the number.
struct Written {
    code: &'static str,
    unit: &'static str,
    number: f64,
}

pub(super) struct Chart {
    pub record: Record,
    wrong_units: f64,
    missing: f64,
    in_si: bool,
    events: u64,
}

impl Chart {
    /// The record of `person`, with nothing but the person in it.
    pub(super) fn new(number: u64, person: &Person, settings: &Settings) -> Chart {
        let record = Record {
            // An integer, so that it is the subject's id in every format.
            patient_id: (number + 1).to_string(),
            birth_date: person.birth_date,
            sex: person.sex,
            region: Some(person.region.to_owned()),
            audit_attributes: person.audit_attributes.clone(),
            ..Record::default()
        };
        let (wrong_units, missing) = (settings.wrong_units, settings.missing);
        let in_si = person.facility == SI_FACILITY;
        Chart { record, wrong_units, missing, in_si, events: 0 }
    }

    /// Says in which span the source sees the care.
    pub(super) fn cover(&mut self, from_day: i64, until: Time) {
        let start = Some(instant(from_day, 0));
        self.record.coverage = vec![Period { start, end: Some(until) }];
    }

    /// A new encounter; its id is what its events are written under.
    pub(super) fn encounter(
        &mut self,
        class: EncounterClass,
        start: Time,
        end: Time,
        facility: &str,
    ) -> (String, Option<&mut Encounter>) {
        let id = format!("{}-{}", self.record.patient_id, self.record.encounters.len() + 1);
        let mut encounter = Encounter::new(&id, class, start, Some(end));
        encounter.facility = Some(facility.to_owned());
        self.record.encounters.push(encounter);
        (id, self.record.encounters.last_mut())
    }

    fn next_id(&mut self) -> String {
        self.events += 1;
        format!("{}-e{}", self.record.patient_id, self.events)
    }

    fn event(
        &mut self,
        kind: EventKind,
        (system, code): (&str, &str),
        time: Time,
        encounter: Option<&str>,
    ) -> Event {
        Event {
            id: Some(self.next_id()),
            kind,
            time: Some(time),
            end_time: None,
            recorded_time: None,
            time_precision: TimePrecision::Instant,
            code: Code { system: system.to_owned(), code: code.to_owned() }.into(),
            value: None,
            comparator: None,
            unit: None,
            encounter_id: encounter.map(str::to_owned),
            rank: None,
            status: EventStatus::Counted,
            sensitive: Classes::NONE,
        }
    }

    /// A diagnosis of an encounter in ICD-10-CM; rank 1 is the principal one.
    pub(super) fn diagnosis(&mut self, code: &str, time: Time, encounter: &str, rank: u32) {
        let system = ("ICD10CM", code);
        let mut event = self.event(EventKind::Diagnosis, system, time, Some(encounter));
        event.rank = Some(rank);
        self.record.events.push(event);
    }

    pub(super) fn procedure(&mut self, code: (&str, &str), time: Time, encounter: &str) {
        let event = self.event(EventKind::Procedure, code, time, Some(encounter));
        self.record.events.push(event);
    }

    /// An entry of the problem list, with the day it began and the time it was written down.
    pub(super) fn problem(&mut self, known: Known, in_snomed: bool) {
        let Known { condition, onset_day, recorded } = known;
        let (icd, snomed) = condition.codes();
        let code = match snomed.filter(|_| in_snomed) {
            Some(code) => ("SNOMED", code),
            None => ("ICD10CM", icd),
        };
        let mut event = self.event(EventKind::Problem, code, instant(onset_day, 0), None);
        event.recorded_time = Some(recorded);
        self.record.events.push(event);
    }

    /// All lasting conditions of `person`, a third of them in SNOMED CT where there is a code.
    pub(super) fn problems(&mut self, person: &Person, random: &mut Random) {
        for known in &person.conditions {
            let in_snomed = random.chance(0.35);
            self.problem(*known, in_snomed);
        }
    }

    pub(super) fn order(&mut self, drug: Drug, time: Time, encounter: &str) {
        let code = ("RXNORM", drug.code());
        let event = self.event(EventKind::DrugOrder, code, time, Some(encounter));
        self.record.events.push(event);
    }

    fn measurement(&mut self, written: &Written, time: Time, encounter: &str) -> Event {
        let code = ("LOINC", written.code);
        let mut event = self.event(EventKind::Measurement, code, time, Some(encounter));
        event.value = Some(Value::Number(written.number));
        event.unit = Some(written.unit.to_owned());
        event
    }

    /// One reading of the blood pressure in mm Hg: two events of one observation.
    pub(super) fn pressure(&mut self, reading: (i64, i64), time: Time, encounter: &str) {
        let unit = "mm[Hg]";
        let systolic = Written { code: "8480-6", unit, number: reading.0 as f64 };
        let systolic = self.measurement(&systolic, time, encounter);
        let diastolic = Written { code: "8462-4", unit, number: reading.1 as f64 };
        let mut diastolic = self.measurement(&diastolic, time, encounter);
        diastolic.id.clone_from(&systolic.id);
        self.record.events.extend([systolic, diastolic]);
    }

    pub(super) fn bmi(&mut self, bmi: f64, time: Time, encounter: &str) {
        let written = Written { code: "39156-5", unit: "kg/m2", number: bmi };
        let event = self.measurement(&written, time, encounter);
        self.record.events.push(event);
    }

    /// The smoking status by its SNOMED CT codes (from memory).
    pub(super) fn smoking(&mut self, smoking: Smoking, time: Time, encounter: &str) {
        let coded = match smoking {
            Smoking::Current => "77176002",
            Smoking::Former => "8517006",
            Smoking::Never => "266919005",
        };
        let code = ("LOINC", "72166-2");
        let mut event = self.event(EventKind::Measurement, code, time, Some(encounter));
        event.value = Some(Value::Coded(coded.to_owned()));
        self.record.events.push(event);
    }

    /// A laboratory value in the usual unit, as it comes: in units of the SI in some places, under
    /// the wrong unit or missing now and then. What a reader of the record can take from it is
    /// returned.
    pub(super) fn lab(
        &mut self,
        random: &mut Random,
        lab: Lab,
        value: f64,
        time: Time,
        encounter: &str,
    ) -> Option<f64> {
        if random.chance(self.missing) {
            // Half of what is missing was asked for and has no result.
            if random.chance(0.5) {
                let mut event = self.measurement(&plain(lab, value), time, encounter);
                (event.value, event.unit) = (None, None);
                self.record.events.push(event);
            }
            return None;
        }
        let (written, readable) = match (lab, self.in_si) {
            _ if may_be_wrong(lab) && random.chance(self.wrong_units) => {
                let number = in_si(lab, value).number;
                (Written { number, ..plain(lab, value) }, None)
            }
            (Lab::Creatinine, true) => {
                let written = in_si(lab, value);
                let back = rounded(written.number / CREATININE_SI, 2);
                (written, Some(back))
            }
            (Lab::Haemoglobin | Lab::Hba1c | Lab::Glucose, true) => {
                (in_si(lab, value), Some(plain(lab, value).number))
            }
            _ => (plain(lab, value), Some(plain(lab, value).number)),
        };
        let event = self.measurement(&written, time, encounter);
        self.record.events.push(event);
        readable
    }

    /// Drugs that the known conditions call for.
    pub(super) fn standing_orders(&mut self, person: &Person, time: Time, encounter: &str) {
        for condition in person.known(time) {
            match condition {
                Condition::Diabetes => self.order(Drug::Metformin, time, encounter),
                Condition::KidneyDisease | Condition::Hypertension if person.bmi > 30.0 => {
                    self.order(Drug::Atorvastatin, time, encounter);
                }
                _ => {}
            }
        }
    }

    /// Cuts the record at `until`: what is not over by then has not been seen.
    pub(super) fn cut(&mut self, until: Time) {
        let Record { encounters, events, death_time, .. } = &mut self.record;
        encounters.retain(|encounter| encounter.end.is_some_and(|end| end <= until));
        encounters.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
        let kept: HashSet<&str> =
            encounters.iter().map(|encounter| encounter.id.as_str()).collect();
        let known = |event: &Event| event.recorded_time.or(event.time);
        events.retain(|event| {
            let of_kept = event.encounter_id.as_deref().is_none_or(|id| kept.contains(id));
            of_kept && known(event).is_some_and(|time| time <= until)
        });
        events.sort_by_key(|event| event.time);
        *death_time = death_time.filter(|time| *time <= until);
    }
}

/// Whether a number under the wrong unit is out of all range, so that every reader sees the fault.
fn may_be_wrong(lab: Lab) -> bool {
    matches!(lab, Lab::Creatinine | Lab::Haemoglobin)
}

fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

fn plain(lab: Lab, value: f64) -> Written {
    let (code, unit, decimals) = match lab {
        Lab::Creatinine => ("2160-0", "mg/dL", 2),
        Lab::Haemoglobin => ("718-7", "g/dL", 1),
        Lab::Sodium => ("2951-2", "mmol/L", 0),
        Lab::Potassium => ("2823-3", "mmol/L", 1),
        Lab::Hba1c => ("4548-4", "%", 1),
        Lab::Glucose => ("2345-7", "mg/dL", 0),
        Lab::TotalCholesterol => ("2093-3", "mg/dL", 0),
        Lab::HdlCholesterol => ("2085-9", "mg/dL", 0),
    };
    Written { code, unit, number: rounded(value, decimals) }
}

/// The same in units of the SI, where one of the tests is ever reported so.
fn in_si(lab: Lab, value: f64) -> Written {
    let usual = plain(lab, value);
    let (code, unit, number) = match lab {
        Lab::Creatinine => ("14682-9", "umol/L", (usual.number * CREATININE_SI).round()),
        Lab::Haemoglobin => (usual.code, "g/L", (usual.number * 10.0).round()),
        // The master equation of NGSP and IFCC (ngsp.org), and the molar mass of glucose.
        Lab::Hba1c => (usual.code, "mmol/mol", ((usual.number - 2.15) / 0.0915).round()),
        Lab::Glucose => (usual.code, "mmol/L", rounded(usual.number / 18.016, 1)),
        _ => (usual.code, usual.unit, usual.number),
    };
    Written { code, unit, number }
}
