//! `FilePattern`: which files of an export a mapping means.

/// A file name with `*` for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilePattern(pub(super) String);

impl FilePattern {
    /// A pattern for names inside a folder.
    ///
    /// # Errors
    /// An empty pattern, or one that leads out of the folder.
    pub(super) fn parse(text: &str) -> Result<FilePattern, &'static str> {
        if text.is_empty() || text.contains(['/', '\\']) {
            return Err("must be a file name inside the export folder, `*` for any part");
        }
        Ok(FilePattern(text.to_owned()))
    }

    /// Whether `name` fits in upper or lower case.
    pub(super) fn fits_in_any_case(&self, name: &str) -> bool {
        FilePattern(self.0.to_ascii_lowercase()).fits(&name.to_ascii_lowercase())
    }

    /// Whether `name` fits; `*` alone is special, and case counts.
    pub(super) fn fits(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == name };
        let Some(mut name) = name.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The earliest place for each part leaves the most room for the next.
        for part in middle.split('*') {
            match name.find(part) {
                Some(place) => name = name.get(place + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        name.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_file_name_stands_for_any_characters() {
        let fits = |pattern: &str, name: &str| FilePattern(pattern.to_owned()).fits(name);
        for name in ["diabetic_data.csv", "diabetic_data.train.csv.gz", "diabetic_data2.csv"] {
            assert!(fits("diabetic_data*.csv*", name), "{name}");
        }
        for name in ["IDs_mapping.csv", "diabetic_data.txt", "x_diabetic_data.csv", ""] {
            assert!(!fits("diabetic_data*.csv*", name), "{name}");
        }
        assert!(fits("a.csv", "a.csv") && !fits("a.csv", "a.csv.gz"));
        assert!(fits("*", "") && fits("a*a", "aa") && !fits("a*a", "a"));
        assert!(FilePattern("Person.*".to_owned()).fits_in_any_case("PERSON.csv"));
        assert!(fits("*b*c*", "abxc") && !fits("*b*c*", "acb"));
    }
}
