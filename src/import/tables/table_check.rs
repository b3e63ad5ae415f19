//! From one `[[table]]` of a mapping file to a checked `Table`: every rule a file can break is named
//! here.

use std::collections::BTreeMap;

use super::check::{PARTS_MAX, dialect, formats, patterns};
use super::columns::{Columns, Lookups, invalid};
use super::file::{
    AuditFile, BirthFile, CoverageFile, EncounterFile, EventFile, FieldFile, OneOrMany, PersonFile,
    TableFile, TimeFile,
};
use super::table_set::{
    Birth, Cell, CodeTemplate, Condition, CoverageMap, EncounterMap, EventMap, Field, Form,
    PersonMap, Since, SystemPart, Table, Template, TimeFormat, TimeRule,
};
use crate::import::mapping::MappingError;
use crate::record::{Comparator, EncounterClass, EventKind, Sex, TEXT_BYTES_MAX, Time};

/// What the check of one table needs, and the columns it has met.
pub(super) struct TableCheck<'a> {
    lookups: &'a Lookups,
    formats: &'a [TimeFormat],
    own_formats: Vec<TimeFormat>,
    columns: Columns,
}

impl<'a> TableCheck<'a> {
    pub(super) fn new(lookups: &'a Lookups, formats: &'a [TimeFormat]) -> TableCheck<'a> {
        TableCheck { lookups, formats, own_formats: Vec::new(), columns: Columns::default() }
    }

    pub(super) fn table(mut self, place: &str, file: TableFile) -> Result<Table, MappingError> {
        self.own_formats = formats(&format!("{place}.time_formats"), &file.time_formats)?;
        let subject = self.cell(&format!("{place}.subject"), &file.subject)?;
        let gives = file.event.len() + file.encounter.len();
        if gives > PARTS_MAX {
            return invalid(place, format!("more than {PARTS_MAX} events and encounters"));
        }
        if gives == 0 && file.person.is_none() && file.coverage.is_none() {
            return invalid(place, "needs `person`, `encounter`, `event` or `coverage`");
        }
        let at = format!("{place}.person");
        let person = file.person.map(|one| self.person(&at, one)).transpose()?;
        let mut encounters = Vec::new();
        for (number, one) in file.encounter.into_iter().enumerate() {
            encounters.push(self.encounter(&format!("{place}.encounter[{number}]"), one)?);
        }
        let mut events = Vec::new();
        for (number, one) in file.event.into_iter().enumerate() {
            events.push(self.event(&format!("{place}.event[{number}]"), one)?);
        }
        let at = format!("{place}.coverage");
        let coverage = file.coverage.map(|one| self.coverage(&at, one)).transpose()?;
        let mut optional_columns = Vec::new();
        for name in &file.optional_columns {
            let known = self.columns.find(name);
            let place = format!("{place}.optional_columns");
            let unread = || invalid(&place, format!("`{name}` is read by no rule of this table"));
            optional_columns.push(known.map_or_else(unread, Ok)?);
        }
        let form = Form {
            files: patterns(place, &file.files)?,
            dialect: dialect(place, file.delimiter, file.quote)?,
            columns: self.columns.into_names(),
            optional_columns,
            optional: file.optional,
        };
        let midnight_is_day = file.midnight_is_day;
        Ok(Table { form, midnight_is_day, subject, person, encounters, events, coverage })
    }

    fn cell(&mut self, place: &str, text: &str) -> Result<Cell, MappingError> {
        self.columns.cell(place, text, self.lookups)
    }

    fn cells(&mut self, place: &str, texts: &OneOrMany) -> Result<Vec<Cell>, MappingError> {
        if texts.0.len() > PARTS_MAX {
            return invalid(place, "too many cells");
        }
        texts.0.iter().map(|text| self.cell(place, text)).collect()
    }

    fn template(&mut self, place: &str, text: &str) -> Result<Template, MappingError> {
        self.columns.template(place, text, self.lookups)
    }

    fn field<T>(
        &mut self,
        place: &str,
        FieldFile(file): FieldFile,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Field<T>, MappingError> {
        let cells = self.cells(place, &file.from)?;
        let read = |text: &String| {
            let is_short = !text.is_empty() && text.len() <= TEXT_BYTES_MAX;
            let value = read(text).filter(|_| is_short && !text.chars().any(char::is_control));
            value.map_or_else(|| invalid(place, format!("`{text}` is no such value")), Ok)
        };
        if cells.is_empty() && file.otherwise.is_none() {
            return invalid(place, "needs `from` or `otherwise`");
        }
        if cells.is_empty() && !(file.values.is_empty() && file.unknown.is_empty()) {
            return invalid(place, "`values` and `unknown` need `from`");
        }
        let mut values = BTreeMap::new();
        for (key, text) in &file.values {
            values.insert(key.clone(), read(text)?);
        }
        let otherwise = file.otherwise.as_ref().map(read).transpose()?;
        Ok(Field { cells, values, unknown: file.unknown, otherwise })
    }

    fn words(
        &mut self,
        place: &str,
        name: &str,
        file: Option<FieldFile>,
    ) -> Result<Option<Field<String>>, MappingError> {
        let place = format!("{place}.{name}");
        file.map(|file| self.field(&place, file, |text| Some(text.to_owned()))).transpose()
    }

    fn time(
        &mut self,
        place: &str,
        name: &str,
        TimeFile(file): TimeFile,
    ) -> Result<TimeRule, MappingError> {
        let place = format!("{place}.{name}");
        let own = formats(&format!("{place}.formats"), &file.formats)?;
        let given = [&own[..], &self.own_formats, self.formats];
        let formats = match given.into_iter().find(|formats| !formats.is_empty()) {
            Some(formats) => formats.to_vec(),
            None => vec![TimeFormat::Iso],
        };
        let cells = self.cells(&place, &file.from)?;
        let clock = file.clock.map(|text| self.cell(&place, &text)).transpose()?;
        let since = match (file.since, file.since_time) {
            (None, None) => None,
            (Some(cell), None) => Some(Since::Cell(self.cell(&place, &cell)?)),
            (None, Some(text)) => match Time::parse(&text).filter(|time| time.is_believable()) {
                Some(time) => Some(Since::Fixed(time)),
                None => return invalid(&place, "`since_time` is no instant"),
            },
            _ => return invalid(&place, "needs either `since` or `since_time`"),
        };
        match (file.offset, file.unit, since, cells.len()) {
            (None, None, None, 1..) if clock.is_none() || cells.len() == 1 => {
                Ok(TimeRule::Cells { cells, clock, formats })
            }
            (Some(offset), Some(unit), Some(since), 0) if clock.is_none() => {
                let offset = self.cell(&place, &offset)?;
                Ok(TimeRule::Offset { offset, unit, since, formats })
            }
            _ => invalid(
                &place,
                "needs cells (with `clock`, one), or `offset`, `unit` and `since` or `since_time`",
            ),
        }
    }

    fn optional_time(
        &mut self,
        place: &str,
        name: &str,
        file: Option<TimeFile>,
    ) -> Result<Option<TimeRule>, MappingError> {
        file.map(|file| self.time(place, name, file)).transpose()
    }

    fn condition(
        &mut self,
        place: &str,
        needs: &[String],
        [only, except]: [BTreeMap<String, Vec<String>>; 2],
    ) -> Result<Condition, MappingError> {
        let mut condition = Condition::default();
        for text in needs {
            condition.needs.push(self.cell(&format!("{place}.needs"), text)?);
        }
        for (text, values) in only {
            condition.only.push((self.cell(&format!("{place}.only"), &text)?, values));
        }
        for (text, values) in except {
            condition.except.push((self.cell(&format!("{place}.except"), &text)?, values));
        }
        Ok(condition)
    }

    fn person(&mut self, place: &str, file: PersonFile) -> Result<PersonMap, MappingError> {
        let birth = file.birth.map(|birth| self.birth(&format!("{place}.birth"), birth));
        let read_sex = |text: &str| {
            let sex = Sex::parse(text);
            (sex != Sex::Unknown || text == "unknown").then_some(sex)
        };
        let sex = file.sex.map(|sex| self.field(&format!("{place}.sex"), sex, read_sex));
        let AuditFile { race, ethnicity, language, insurance, gender_identity } =
            file.audit_attributes;
        let audit = format!("{place}.audit_attributes");
        Ok(PersonMap {
            birth: birth.transpose()?,
            sex: sex.transpose()?,
            death_time: self.optional_time(place, "death_time", file.death_time)?,
            region: self.words(place, "region", file.region)?,
            race: self.words(&audit, "race", race)?,
            ethnicity: self.words(&audit, "ethnicity", ethnicity)?,
            language: self.words(&audit, "language", language)?,
            insurance: self.words(&audit, "insurance", insurance)?,
            gender_identity: self.words(&audit, "gender_identity", gender_identity)?,
        })
    }

    fn birth(&mut self, place: &str, file: BirthFile) -> Result<Birth, MappingError> {
        let mut cell = |text: Option<String>| text.map(|text| self.cell(place, &text)).transpose();
        let (year, month, day) = (cell(file.year)?, cell(file.month)?, cell(file.day)?);
        let age = cell(file.age_years)?;
        let date = self.optional_time(place, "date", file.date)?;
        let at = self.optional_time(place, "at", file.at)?;
        match (date, year, age, at) {
            (Some(date @ TimeRule::Cells { .. }), None, None, None) if month.is_none() => {
                Ok(Birth::Date(date))
            }
            (None, Some(year), None, None) => Ok(Birth::Parts { year, month, day }),
            (None, None, Some(age), Some(at)) if month.is_none() => Ok(Birth::AgeYears { age, at }),
            _ => invalid(place, "needs `date`, or `year`, or `age_years` and `at`"),
        }
    }

    fn encounter(
        &mut self,
        place: &str,
        file: EncounterFile,
    ) -> Result<EncounterMap, MappingError> {
        Ok(EncounterMap {
            condition: self.condition(place, &file.needs, [file.only, file.except])?,
            id: self.template(&format!("{place}.id"), &file.id)?,
            class: self.field(&format!("{place}.class"), file.class, EncounterClass::parse)?,
            start: self.time(place, "start", file.start)?,
            end: self.optional_time(place, "end", file.end)?,
            admission_type: self.words(place, "admission_type", file.admission_type)?,
            admission_source: self.words(place, "admission_source", file.admission_source)?,
            discharge_disposition: self.words(
                place,
                "discharge_disposition",
                file.discharge_disposition,
            )?,
            service: self.words(place, "service", file.service)?,
            facility: self.words(place, "facility", file.facility)?,
        })
    }

    fn event(&mut self, place: &str, file: EventFile) -> Result<EventMap, MappingError> {
        let at = |name: &str| format!("{place}.{name}");
        if file.code.0.is_empty() || file.code.0.len() > PARTS_MAX {
            return invalid(&at("code"), "needs a code");
        }
        let codes = file.code.0.iter().map(|text| self.code(&at("code"), text));
        let codes = codes.collect::<Result<_, _>>()?;
        if file.time.is_none() && file.encounter.is_none() {
            return invalid(place, "needs `time` or `encounter`");
        }
        if (file.comparator.is_some() || file.unit.is_some()) && file.number.is_none() {
            return invalid(place, "`comparator` and `unit` need a `number`");
        }
        let kind = self.field(&at("kind"), file.kind, event_kind)?;
        let comparator = file.comparator;
        let comparator =
            comparator.map(|one| self.field(&at("comparator"), one, Comparator::parse));
        let rank = file.rank.map(|one| self.field(&at("rank"), one, rank));
        let encounter = file.encounter.map(|text| self.template(&at("encounter"), &text));
        Ok(EventMap {
            condition: self.condition(place, &file.needs, [file.only, file.except])?,
            kind,
            codes,
            time: self.optional_time(place, "time", file.time)?,
            end_time: self.optional_time(place, "end_time", file.end_time)?,
            recorded_time: self.optional_time(place, "recorded_time", file.recorded_time)?,
            number: file.number.map(|text| self.cell(&at("number"), &text)).transpose()?,
            coded: self.words(place, "coded", file.coded)?,
            text: self.words(place, "text", file.text)?,
            comparator: comparator.transpose()?,
            unit: self.words(place, "unit", file.unit)?,
            encounter: encounter.transpose()?,
            rank: rank.transpose()?,
        })
    }

    fn code(&mut self, place: &str, text: &str) -> Result<CodeTemplate, MappingError> {
        let Some((system, code)) = text.split_once("//") else {
            return invalid(place, format!("`{text}` is not SYSTEM//code"));
        };
        let inner = system.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let system = match inner {
            Some(cell) => SystemPart::Cell(self.cell(place, cell)?),
            None if system.trim().is_empty() || system.contains(['{', '}']) => {
                return invalid(place, format!("`{text}`: a system is a name or one cell"));
            }
            None => SystemPart::Fixed(system.trim().to_owned()),
        };
        Ok(CodeTemplate { system, code: self.template(place, code)? })
    }

    fn coverage(&mut self, place: &str, file: CoverageFile) -> Result<CoverageMap, MappingError> {
        if file.start.is_none() && file.end.is_none() {
            return invalid(place, "needs `start` or `end`");
        }
        Ok(CoverageMap {
            start: self.optional_time(place, "start", file.start)?,
            end: self.optional_time(place, "end", file.end)?,
        })
    }
}

/// Reads a kind of event as files write it.
fn event_kind(text: &str) -> Option<EventKind> {
    use serde::Deserialize;
    use serde::de::value::{Error, StrDeserializer};
    EventKind::deserialize(StrDeserializer::<Error>::new(text)).ok()
}

/// No encounter has so many diagnoses: a larger number is an id or a code.
const RANK_MAX: u32 = 999;

/// Reads a rank, from 1.
pub(super) fn rank(text: &str) -> Option<u32> {
    text.parse().ok().filter(|rank| (1..=RANK_MAX).contains(rank))
}
