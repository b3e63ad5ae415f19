//! `FilePattern`: which files of an export a mapping means.

/// A file name with `*` for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilePattern(pub(super) String);

impl FilePattern {
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
        assert!(fits("*b*c*", "abxc") && !fits("*b*c*", "acb"));
    }
}
