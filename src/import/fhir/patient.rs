//! Patient: who somebody is, and the attributes for figures by subgroup.

use serde::Deserialize;

use super::element::{Coding, Concept, Many, Meta, Text, text};
use super::resource::{Context, Fault, Told, fits_id, last_updated, parse, softly};
use crate::import::RegionFrom;
use crate::import::fact::{Content, Doubt, Item, Kind, Person};
use crate::record::{AuditAttributes, PartialDate, Sex, TEXT_BYTES_MAX, Time, TimePrecision};

/// How much of a postal code makes the region: three characters name an area, not a neighbourhood.
const REGION_CHARS: usize = 3;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Patient<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
    #[serde(borrow)]
    birth_date: Option<Text<'a>>,
    #[serde(borrow)]
    gender: Option<Text<'a>>,
    #[serde(borrow)]
    deceased_date_time: Option<Text<'a>>,
    deceased_boolean: Option<bool>,
    #[serde(borrow, default)]
    address: Many<Address<'a>>,
    #[serde(borrow, default)]
    communication: Many<Communication<'a>>,
    #[serde(borrow, default)]
    extension: Many<Extension<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address<'a> {
    #[serde(borrow)]
    postal_code: Option<Text<'a>>,
    #[serde(borrow)]
    district: Option<Text<'a>>,
    #[serde(borrow)]
    state: Option<Text<'a>>,
    #[serde(borrow)]
    country: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Communication<'a> {
    #[serde(borrow)]
    language: Option<Concept<'a>>,
    preferred: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extension<'a> {
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow, default)]
    extension: Many<Part<'a>>,
    #[serde(borrow)]
    value_codeable_concept: Option<Concept<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow)]
    value_string: Option<Text<'a>>,
    #[serde(borrow)]
    value_coding: Option<Coding<'a>>,
}

pub(super) fn patient(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    let patient: Patient<'_> = parse(json)?;
    let id = text(&patient.id).or(context.known_as).ok_or(Fault::at("id", "missing"))?;
    fits_id("id", Some(id))?;
    let mut doubts = Vec::new();
    let birth_date = birth_date(text(&patient.birth_date), &mut doubts);
    let mut death_time = death_time(&patient, context, &mut doubts);
    let birth = birth_date.and_then(PartialDate::earliest);
    if birth.zip(death_time).is_some_and(|(birth, death)| death < birth) {
        doubts.push(Doubt { path: "deceasedDateTime".into(), reason: "before birthDate" });
        death_time = None;
    }
    let person = Person {
        birth_date,
        sex: text(&patient.gender).map(Sex::parse),
        death_time,
        region: region(&patient, context.reading.region_from),
        audit_attributes: AuditAttributes {
            race: attribute(&patient, "us-core-race"),
            ethnicity: attribute(&patient, "us-core-ethnicity"),
            language: language(&patient).map(str::to_owned),
            insurance: None,
            gender_identity: attribute(&patient, "genderIdentity"),
        },
    };
    let updated = softly("meta.lastUpdated", last_updated(&patient.meta), context, &mut doubts);
    Ok(Told::Item(Box::new(Item {
        patient: id.to_owned(),
        kind: Kind::Patient,
        id: Some(id.to_owned()),
        updated: updated.map(|moment| moment.time),
        content: Content::Person(Box::new(person)),
        doubts,
    })))
}

fn region(patient: &Patient<'_>, from: RegionFrom) -> Option<String> {
    let part = |address: &'_ Address<'_>| {
        let field = match from {
            RegionFrom::PostalPrefix | RegionFrom::PostalCode => &address.postal_code,
            RegionFrom::District => &address.district,
            RegionFrom::State => &address.state,
            RegionFrom::Country => &address.country,
            RegionFrom::Nothing => return None,
        };
        let chars = if from == RegionFrom::PostalPrefix { REGION_CHARS } else { TEXT_BYTES_MAX };
        let whole = text(field).filter(|whole| whole.len() <= TEXT_BYTES_MAX)?;
        Some(whole.chars().take(chars).collect())
    };
    patient.address.0.iter().find_map(part)
}

fn birth_date(given: Option<&str>, doubts: &mut Vec<Doubt>) -> Option<PartialDate> {
    // Some exports write a dateTime here: its day is the date.
    let given = given?;
    let date = PartialDate::parse(given.split('T').next().unwrap_or(given));
    let believable = |date: &PartialDate| date.earliest().is_some_and(Time::is_believable);
    let reason = match date {
        Some(date) if believable(&date) => return Some(date),
        Some(_) => crate::import::moment::OUTSIDE,
        None => "not a date YYYY, YYYY-MM or YYYY-MM-DD",
    };
    doubts.push(Doubt { path: "birthDate".into(), reason });
    None
}

/// When the patient died: noon where only the day is known, as for every outcome of a day.
fn death_time(
    patient: &Patient<'_>,
    context: Context<'_>,
    doubts: &mut Vec<Doubt>,
) -> Option<Time> {
    let given = text(&patient.deceased_date_time);
    let moment = softly("deceasedDateTime", given, context, doubts);
    let doubt = match moment.map(|moment| (moment.time, moment.precision)) {
        Some((time, TimePrecision::Instant)) => return Some(time),
        Some((time, TimePrecision::Day)) => return Some(time.plus_hours(12)),
        Some(_) => ("deceasedDateTime", "known to the month or year only: not used"),
        None if given.is_none() && patient.deceased_boolean == Some(true) => {
            ("deceasedBoolean", "deceased, but no date says when")
        }
        None => return None,
    };
    doubts.push(Doubt { path: doubt.0.into(), reason: doubt.1 });
    None
}

/// A US Core attribute in words: its text, else what its categories are called.
fn attribute(patient: &Patient<'_>, name: &str) -> Option<String> {
    let named = |url: &Option<Text<'_>>| text(url).is_some_and(|url| url.ends_with(name));
    let extension = patient.extension.0.iter().find(|extension| named(&extension.url))?;
    let parts = &extension.extension.0;
    let of = |url: &'static str| parts.iter().filter(move |part| text(&part.url) == Some(url));
    let words = of("text").find_map(|part| text(&part.value_string));
    let category = |part: &'_ Part<'_>| {
        let coding = part.value_coding.as_ref()?;
        text(&coding.display).or_else(|| text(&coding.code)).map(str::to_owned)
    };
    let categories: Vec<String> = of("ombCategory").filter_map(category).collect();
    let value = extension.value_codeable_concept.as_ref().and_then(Concept::words);
    let named = words.or(value).map(str::to_owned);
    named.or_else(|| Some(categories.join(", ")).filter(|joined| !joined.is_empty()))
}

fn language<'t>(patient: &'t Patient<'_>) -> Option<&'t str> {
    let all = &patient.communication.0;
    let preferred = all.iter().find(|spoken| spoken.preferred == Some(true));
    let language = preferred.or(all.first())?.language.as_ref()?;
    language.codes().next().or_else(|| language.words())
}
