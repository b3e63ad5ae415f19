//! From a mapping file to a checked `StayTable`: every rule a file can break is named here.

use super::check_event::check_earlier_rows;
use super::file::{
    AnchorFile, AuditFile, BirthFile, CodedFile, ExcludeFile, LabelFile, StayFile, TableFile,
};
use super::stay_table::{
    Anchor, AuditColumns, Birth, CodedColumn, ColumnRef, Earlier, Exclusion, LabelMap, RowOrder,
    StayMap, StayTable,
};
use crate::import::csv_rows::Dialect;
use crate::import::file_pattern::FilePattern;
use crate::import::mapping::MappingError;
use crate::record::{Sex, TEXT_BYTES_MAX, Time};
use crate::strict_toml;

const COVERAGE_DAYS_MAX: i64 = 36_525;

impl StayTable {
    /// Reads a mapping file and checks it.
    ///
    /// # Errors
    /// Syntax, an unknown key with the nearest known one, or the place of a rule that is broken.
    pub(in crate::import) fn parse(text: &str) -> Result<StayTable, MappingError> {
        let file: TableFile = strict_toml::parse(text).map_err(MappingError::Syntax)?;
        Check { columns: Vec::new(), missing: file.missing.clone() }.mapping(file)
    }
}

/// What a check needs of the whole file, and the columns it has met.
pub(super) struct Check {
    columns: Vec<String>,
    missing: Vec<String>,
}

pub(super) fn invalid<T>(place: &str, reason: impl Into<String>) -> Result<T, MappingError> {
    Err(MappingError::Invalid { place: place.to_owned(), reason: reason.into() })
}

impl Check {
    fn mapping(mut self, file: TableFile) -> Result<StayTable, MappingError> {
        let files = FilePattern::parse(&file.files).or_else(|reason| invalid("files", reason))?;
        let Some(dialect) = Dialect::new(file.delimiter, true) else {
            let reason = "must be one ASCII character that is no letter, digit or quote";
            return invalid("delimiter", reason);
        };
        if file.coverage_days.is_some_and(|days| !(1..=COVERAGE_DAYS_MAX).contains(&days)) {
            return invalid("coverage_days", format!("must be 1 to {COVERAGE_DAYS_MAX}"));
        }
        if !(1..=TEXT_BYTES_MAX).contains(&file.subject.id_bytes_max) {
            return invalid("subject.id_bytes_max", format!("must be 1 to {TEXT_BYTES_MAX}"));
        }
        let anchor = self.anchor(file.anchor)?;
        let subject_id = self.column("subject.id", &file.subject.id)?;
        let group = self.optional("subject.group", file.subject.group.as_deref())?;
        let earlier_rows = self.row_order(group, file.subject.earlier_rows_by.as_deref())?;
        let birth = file.subject.birth.map(|birth| self.birth(birth)).transpose()?;
        let sex = file.subject.sex.map(|sex| self.sex(sex)).transpose()?;
        let stay = self.stay(file.stay)?;
        let exclusions =
            file.exclude.into_iter().map(|one| self.exclusion(one)).collect::<Result<_, _>>()?;
        let mut earlier: Vec<Earlier> = Vec::new();
        for one in file.earlier {
            let count = self.column("earlier.count", &one.count)?;
            if earlier.iter().any(|other| other.count == count) {
                return invalid("earlier.count", format!("`{}` is counted twice", one.count));
            }
            earlier.push(Earlier { class: one.class, count });
        }
        let mut events = Vec::new();
        for (place, event) in file.event.into_iter().enumerate() {
            self.event(&format!("event[{place}]"), event, &mut events)?;
        }
        check_earlier_rows(earlier_rows.is_some(), &events)?;
        let label = file.label.map(|label| self.label(label)).transpose()?;
        let audit = self.audit(&file.audit_attributes)?;
        Ok(StayTable {
            source: file.source,
            files,
            dialect,
            missing: self.missing,
            columns: self.columns,
            id_bytes_max: file.subject.id_bytes_max,
            anchor,
            subject_id,
            group,
            earlier_rows,
            birth,
            sex,
            exclusions,
            stay,
            coverage_days: file.coverage_days,
            earlier,
            events,
            label,
            audit,
        })
    }

    pub(super) fn column(&mut self, place: &str, name: &str) -> Result<ColumnRef, MappingError> {
        if name.trim().is_empty() || name.trim() != name {
            return invalid(place, "a column name must not be empty or begin or end with a space");
        }
        let known = self.columns.iter().position(|column| column == name);
        Ok(ColumnRef(known.unwrap_or_else(|| {
            self.columns.push(name.to_owned());
            self.columns.len() - 1
        })))
    }

    fn optional(
        &mut self,
        place: &str,
        name: Option<&str>,
    ) -> Result<Option<ColumnRef>, MappingError> {
        name.map(|name| self.column(place, name)).transpose()
    }

    fn row_order(
        &mut self,
        group: Option<ColumnRef>,
        by: Option<&str>,
    ) -> Result<Option<RowOrder>, MappingError> {
        let place = "subject.earlier_rows_by";
        match (group, by) {
            (_, None) => Ok(None),
            (Some(group), Some(by)) => Ok(Some(RowOrder { group, by: self.column(place, by)? })),
            (None, Some(_)) => {
                invalid(place, "needs `group`: it says which rows are of one person")
            }
        }
    }

    fn anchor(&mut self, file: AnchorFile) -> Result<Anchor, MappingError> {
        match (file.time, file.column) {
            (Some(time), None) => match Time::parse(&time).filter(|time| time.is_believable()) {
                Some(time) => Ok(Anchor::Fixed(time)),
                None => invalid("anchor.time", "not an instant such as 2005-01-01T12:00:00Z"),
            },
            (None, Some(column)) => Ok(Anchor::Column(self.column("anchor.column", &column)?)),
            _ => invalid("anchor", "needs either `time` or `column`"),
        }
    }

    fn birth(&mut self, file: BirthFile) -> Result<Birth, MappingError> {
        match (file.age_band, file.age_years) {
            (Some(column), None) => {
                Ok(Birth::AgeBand(self.column("subject.birth.age_band", &column)?))
            }
            (None, Some(column)) => {
                Ok(Birth::AgeYears(self.column("subject.birth.age_years", &column)?))
            }
            _ => invalid("subject.birth", "needs either `age_band` or `age_years`"),
        }
    }

    fn sex(&mut self, file: CodedFile) -> Result<CodedColumn<Sex>, MappingError> {
        let place = "subject.sex";
        let coded = self.coded(place, file)?;
        let read = |text: String| match text.as_str() {
            "female" | "male" | "other" | "unknown" => Ok(Sex::parse(&text)),
            _ => invalid(place, format!("`{text}` is not female, male, other or unknown")),
        };
        let Some(given) = coded.values else {
            return invalid(place, "needs `values`");
        };
        let values = given.into_iter().map(|(key, text)| Ok((key, read(text)?)));
        let values = Some(values.collect::<Result<_, MappingError>>()?);
        Ok(CodedColumn { column: coded.column, values, unknown: coded.unknown })
    }

    fn coded(&mut self, place: &str, file: CodedFile) -> Result<CodedColumn<String>, MappingError> {
        let column = self.column(place, &file.column)?;
        let listed = file.values.keys().chain(&file.unknown);
        self.distinct(place, listed.map(String::as_str))?;
        if let Some(text) = file.values.values().find(|text| !is_record_text(text)) {
            return invalid(
                place,
                format!("`{text}` is empty, too long or holds a control character"),
            );
        }
        let values = (!file.values.is_empty()).then_some(file.values);
        Ok(CodedColumn { column, values, unknown: file.unknown })
    }

    /// That no value is listed twice, or listed although it is read as missing before.
    pub(super) fn distinct<'a>(
        &self,
        place: &str,
        values: impl Iterator<Item = &'a str>,
    ) -> Result<(), MappingError> {
        let mut seen = std::collections::BTreeSet::new();
        for value in values {
            if value.trim() != value {
                return invalid(
                    place,
                    format!("`{value}` begins or ends with a space: no cell does"),
                );
            }
            if self.missing.iter().any(|missing| missing == value) {
                return invalid(place, format!("`{value}` stands in `missing` as well"));
            }
            if !seen.insert(value) {
                return invalid(place, format!("`{value}` is listed twice"));
            }
        }
        Ok(())
    }

    fn exclusion(&mut self, file: ExcludeFile) -> Result<Exclusion, MappingError> {
        let column = self.column("exclude.column", &file.column)?;
        if file.values.is_empty() || file.reason.trim().is_empty() {
            return invalid("exclude", "needs `values` and a `reason`");
        }
        Ok(Exclusion { column, values: file.values, reason: file.reason })
    }

    fn stay(&mut self, file: StayFile) -> Result<StayMap, MappingError> {
        if !file.class.is_stay() {
            return invalid("stay.class", "must be a hospital stay: IMP, ACUTE or NONAC");
        }
        let mut coded = |place: &str, file: Option<CodedFile>| {
            file.map(|file| self.coded(place, file)).transpose()
        };
        let admission_type = coded("stay.admission_type", file.admission_type)?;
        let admission_source = coded("stay.admission_source", file.admission_source)?;
        let discharge_disposition =
            coded("stay.discharge_disposition", file.discharge_disposition)?;
        let service = coded("stay.service", file.service)?;
        Ok(StayMap {
            class: file.class,
            id: self.column("stay.id", &file.id)?,
            length_days: self.column("stay.length_days", &file.length_days)?,
            admission_type,
            admission_source,
            discharge_disposition,
            service,
        })
    }

    fn label(&mut self, file: LabelFile) -> Result<LabelMap, MappingError> {
        let column = self.column("label.column", &file.column)?;
        if file.positive.is_empty() || file.negative.is_empty() {
            return invalid("label", "needs `positive` and `negative` values");
        }
        let listed = file.positive.iter().chain(&file.negative);
        self.distinct("label", listed.map(String::as_str))?;
        let LabelFile { positive, negative, column_optional, column: _ } = file;
        Ok(LabelMap { column, positive, negative, column_optional })
    }

    fn audit(&mut self, file: &AuditFile) -> Result<AuditColumns, MappingError> {
        let mut column = |name: &Option<String>| self.optional("audit_attributes", name.as_deref());
        Ok(AuditColumns {
            race: column(&file.race)?,
            ethnicity: column(&file.ethnicity)?,
            language: column(&file.language)?,
            insurance: column(&file.insurance)?,
            gender_identity: column(&file.gender_identity)?,
        })
    }
}

/// Whether a record may hold `text` in a coded field.
pub(super) fn is_record_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control)
}
