//! What the address of the trends page asks for.

use crate::http::worklist::form::{Fault, Fields};
use crate::service::TrendQuery;
use crate::trend::{Group, KeyName};

/// What is asked for: by name, and by the values that a group has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) release: Option<String>,
    pub(super) measure: Option<String>,
    pub(super) group: Group,
    /// Where the page of statements begins, and how many stand before it.
    pub(super) page: Option<(String, u64)>,
}

impl Asked {
    /// Reads what `address` writes.
    ///
    /// # Errors
    /// A name that is too long, or a number that is none.
    pub(super) fn read(fields: &Fields) -> Result<Asked, Fault> {
        let mut group = Group::default();
        for key in KeyName::ALL {
            if let Some(value) = fields.name(key.name())? {
                group.0.insert(key, value);
            }
        }
        Ok(Asked {
            release: fields.name("release")?,
            measure: fields.name("measure")?,
            group,
            page: fields.page()?,
        })
    }

    /// Whether it leaves anything out.
    pub(super) fn is_set(&self) -> bool {
        self.release.is_some() || self.measure.is_some() || !self.group.0.is_empty()
    }

    /// The address that asks for it.
    pub(super) fn address(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let names = [("release", &self.release), ("measure", &self.measure)];
        for (name, value) in names {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        for (key, value) in &self.group.0 {
            query.append_pair(key.name(), value);
        }
        if let Some((token, before)) = &self.page {
            query.append_pair("page", token).append_pair("before", &before.to_string());
        }
        let query = query.finish();
        if query.is_empty() { super::PATH.to_owned() } else { format!("{}?{query}", super::PATH) }
    }

    /// The groups with these values, and all groups that divide them further.
    pub(super) fn query(&self) -> TrendQuery {
        let group = self.group.0.iter().map(|(key, value)| (*key, value.clone()));
        TrendQuery {
            release: self.release.clone(),
            measure: self.measure.clone(),
            group: group.collect(),
            ..TrendQuery::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_is_read() {
        let mut group = Group::default();
        group.0.insert(KeyName::Region, "<021> & co".to_owned());
        group.0.insert(KeyName::AgeBand, "80+".to_owned());
        let asked = Asked {
            release: Some("a".to_owned()),
            measure: Some("b=c".to_owned()),
            group,
            page: Some(("0f.15".to_owned(), 15)),
        };
        let written = asked.address();
        assert!(written.is_ascii() && !written.contains('<'), "{written}");
        let fields = Fields::read(written.trim_start_matches("/trends?").as_bytes());
        assert_eq!(Asked::read(&fields), Ok(asked.clone()));
        assert!(asked.is_set() && !Asked::default().is_set());
        assert_eq!(Asked::default().address(), "/trends");
        let plain = Fields::read(b"measure=&sex=&odd=1");
        assert_eq!(Asked::read(&plain), Ok(Asked::default()), "a choice of all asks for nothing");
        let long = format!("region={}", "x".repeat(129));
        assert!(Asked::read(&Fields::read(long.as_bytes())).is_err());
        assert!(Asked::read(&Fields::read(b"page=x&before=-1")).is_err());
    }
}
