//! The attributes of a patient by which figures are told apart; none of them is a feature by itself.

use crate::record::{AuditAttributes, Record, Sex};

/// The groups that a patient of this age belongs to, by attribute.
pub(super) fn attributes(record: &Record, age_years: Option<i32>) -> Vec<(&'static str, String)> {
    let sex = match record.sex {
        Sex::Female => "female",
        Sex::Male => "male",
        Sex::Other => "other",
        Sex::Unknown => "unknown",
    };
    let age_band = match age_years {
        Some(age) if age < 40 => "18-39",
        Some(age) if age < 60 => "40-59",
        Some(age) if age < 80 => "60-79",
        Some(_) => "80 and over",
        None => "unknown",
    };
    let mut found = vec![("sex", sex.to_owned()), ("age", age_band.to_owned())];
    let given = &record.audit_attributes;
    let AuditAttributes { race, ethnicity, language, insurance, gender_identity } = given;
    let named = [
        ("region", &record.region),
        ("race", race),
        ("ethnicity", ethnicity),
        ("language", language),
        ("insurance", insurance),
        ("gender identity", gender_identity),
    ];
    // An attribute that is not recorded makes no group: it would be everybody in most sources.
    let recorded = named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    found.extend(recorded);
    found
}
