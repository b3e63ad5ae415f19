//! `Reading`: what a source's fields leave open and the person who reads them decides.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::record::{Record, Time};

/// How fields are read that a source leaves open.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    pub region_from: RegionFrom,
    pub timezone: Timezone,
    /// Until when the source holds data: coverage that is open, or ends later, ends there.
    pub data_until: Option<Time>,
}

impl Reading {
    /// Ends the coverage of `record` where the data end: whoever is insured still was not followed
    /// after the day of the export.
    pub(super) fn close(&self, record: &mut Record) {
        let Some(until) = self.data_until else { return };
        record.coverage.retain(|period| period.start.is_none_or(|start| start <= until));
        for period in &mut record.coverage {
            period.end = Some(period.end.map_or(until, |end| end.min(until)));
        }
    }
}

/// The part of an address that is the patient's region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegionFrom {
    /// The first three characters of the postal code: coarse enough for most of the US, where an
    /// area of three digits has 20,000 people or more.
    #[default]
    PostalPrefix,
    PostalCode,
    /// FHIR `district`: the county.
    District,
    State,
    Country,
    /// No region at all.
    Nothing,
}

impl RegionFrom {
    /// All ways, under the names they have on the command line.
    pub const NAMES: [(&'static str, RegionFrom); 6] = [
        ("postal-prefix", RegionFrom::PostalPrefix),
        ("postal-code", RegionFrom::PostalCode),
        ("district", RegionFrom::District),
        ("state", RegionFrom::State),
        ("country", RegionFrom::Country),
        ("none", RegionFrom::Nothing),
    ];

    /// Reads one of `NAMES`.
    pub fn parse(name: &str) -> Option<RegionFrom> {
        RegionFrom::NAMES.iter().find(|(known, _)| *known == name).map(|(_, way)| *way)
    }

    /// Its name among `NAMES`.
    pub fn name(self) -> &'static str {
        RegionFrom::NAMES.iter().find(|(_, way)| *way == self).map_or("none", |(name, _)| *name)
    }
}

/// The zone of times that come without one; `None` where each must have one.
#[derive(Debug, Clone, PartialEq)]
pub struct Timezone(Option<TimeZone>);

impl Default for Timezone {
    fn default() -> Timezone {
        Timezone(Some(TimeZone::UTC))
    }
}

impl Timezone {
    /// Reads an IANA name such as `Europe/Berlin`. The rules come with the program, so that the same
    /// export gives the same instants on every machine.
    pub fn parse(name: &str) -> Option<Timezone> {
        TimeZone::get(name).ok().map(|zone| Timezone(Some(zone)))
    }

    /// None: a time without a zone is no time.
    pub fn required() -> Timezone {
        Timezone(None)
    }

    /// Whether a time must have a zone of its own.
    pub fn is_required(&self) -> bool {
        self.0.is_none()
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        self.0.as_ref().and_then(TimeZone::iana_name).unwrap_or("UTC")
    }

    /// The instant of a wall clock's time; of an hour that occurs twice the first, and of one that a
    /// change of the clock left out the same time after it.
    pub fn instant(&self, civil: DateTime) -> Option<Time> {
        let instant = self.0.as_ref()?.to_ambiguous_timestamp(civil).compatible().ok()?;
        Some(Time::from_micros(instant.as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_clock_times_get_the_zone_of_the_source() {
        let noon: DateTime = "2020-07-01T12:00:00".parse().unwrap();
        let at = |zone: &str| Timezone::parse(zone).unwrap().instant(noon).unwrap().to_string();
        assert_eq!(at("UTC"), "2020-07-01T12:00:00Z");
        assert_eq!(at("Europe/Berlin"), "2020-07-01T10:00:00Z");
        assert_eq!(at("America/New_York"), "2020-07-01T16:00:00Z");
        assert_eq!(Timezone::parse("Mars/Olympus"), None);
        assert_eq!(Timezone::default(), Timezone::parse("UTC").unwrap());
    }
}
