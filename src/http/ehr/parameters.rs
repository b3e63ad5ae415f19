//! What `$score` is asked: a Bundle with what else there is to say in the address, or `Parameters`.

use axum::body::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::refusal::Refusal;
use super::scoring::{Asked, Sent};
use crate::record::{Time, Violation};
use crate::service::{ScoreOptions, ScoreRequest, TaskRef};

/// The most parameters of one call.
const PARAMETERS_MAX: usize = 256;

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "resourceType", default)]
    resource_type: Option<std::borrow::Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Parameters<'a> {
    #[serde(borrow, default)]
    parameter: Vec<Parameter<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameter<'a> {
    name: String,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(alias = "valueCode", alias = "valueInstant", alias = "valueDateTime")]
    value_string: Option<String>,
    #[serde(alias = "valuePositiveInt", alias = "valueUnsignedInt")]
    value_integer: Option<i64>,
    value_boolean: Option<bool>,
}

/// What may be asked for in the address.
const NAMES: [&str; 6] = ["task", "predictionTime", "maxReasons", "peers", "noFlag", "team"];

/// The path of a parameter in the address. A name that is none of ours may be any text, and is not
/// repeated.
pub(super) fn query_path(name: &str, names: &[&str]) -> String {
    if names.contains(&name) { format!("query.{name}") } else { "query".to_owned() }
}

/// What one parameter says, whatever way it came.
enum Said<'a> {
    Text(&'a str),
    Number(i64),
    Is(bool),
}

impl<'a> Said<'a> {
    fn text(&self) -> Option<&'a str> {
        if let Said::Text(text) = self { Some(text) } else { None }
    }

    fn number(&self) -> Option<i64> {
        match self {
            Said::Number(number) => Some(*number),
            Said::Text(text) => text.parse().ok(),
            Said::Is(_) => None,
        }
    }

    fn is(&self) -> Option<bool> {
        match self {
            Said::Is(is) => Some(*is),
            Said::Text("true") => Some(true),
            Said::Text("false") => Some(false),
            Said::Text(_) | Said::Number(_) => None,
        }
    }
}

/// What is asked for so far, and what is wrong with it.
struct Reading {
    asked: Asked,
    faults: Vec<Violation>,
}

/// What a call sends and asks for.
pub(super) fn read(query: &str, body: &Bytes) -> Result<(Vec<Sent>, Asked), Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::at("", "not UTF-8"))?;
    let options =
        ScoreOptions { reasons_max: ScoreOptions::REASONS_DEFAULT, ..ScoreOptions::default() };
    let asked = Asked { options, ..Asked::default() };
    let mut reading = Reading { asked, faults: Vec::new() };
    for (name, value) in form_urlencoded::parse(query.as_bytes()).take(PARAMETERS_MAX) {
        reading.take(&name, &Said::Text(&value), &query_path(&name, &NAMES));
    }
    let typed: Typed<'_> = parse(text)?;
    let sent = match typed.resource_type.as_deref() {
        Some("Parameters") => reading.parameters(text, body)?,
        Some("Bundle") => {
            vec![Sent {
                path: "Bundle".into(),
                json: body.clone(),
                must_be_bundle: true,
                is_page_of_all: false,
            }]
        }
        _ => return Err(Refusal::at("resourceType", "must be Bundle or Parameters")),
    };
    match reading.faults.is_empty() {
        true => Ok((sent, reading.asked)),
        false => Err(Refusal::invalid(reading.faults)),
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Refusal> {
    if !text.trim_start().starts_with('{') {
        return Err(Refusal::at("", "not a JSON object"));
    }
    // The library's own text is not kept: it repeats values.
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Refusal::at("", "a field is not of its FHIR type, or stands twice")
        }
        _ => Refusal::at("", "not JSON, nested too deep, or a number out of range"),
    })
}

impl Reading {
    fn fault(&mut self, path: &str, reason: &'static str) {
        self.faults.push(Violation { path: path.to_owned(), reason });
    }

    /// The Bundles of a `Parameters`, and what else it asks for.
    fn parameters(&mut self, text: &str, body: &Bytes) -> Result<Vec<Sent>, Refusal> {
        let Parameters { parameter } = parse(text)?;
        if parameter.len() > PARAMETERS_MAX {
            return Err(Refusal::at("Parameters.parameter", "more than 256 parameters"));
        }
        let mut sent = Vec::new();
        for (place, given) in parameter.iter().enumerate() {
            let path = format!("Parameters.parameter[{place}]");
            let said = given.value_string.as_deref().map(Said::Text);
            let said = said.or(given.value_integer.map(Said::Number));
            match (said.or(given.value_boolean.map(Said::Is)), given.resource) {
                (None, Some(resource)) if given.name == "record" => sent.push(Sent {
                    path: format!("{path}.resource"),
                    json: body.slice_ref(resource.get().as_bytes()),
                    must_be_bundle: false,
                    is_page_of_all: false,
                }),
                (Some(said), None) => self.take(&given.name, &said, &path),
                _ => self.fault(&path, "must hold one value; a resource stands in `record` alone"),
            }
        }
        if sent.is_empty() {
            self.fault("Parameters.parameter", "no `record` with the patient's Bundle");
        }
        Ok(sent)
    }

    /// Takes one parameter.
    fn take(&mut self, name: &str, said: &Said<'_>, path: &str) {
        let taken = match name {
            "task" => self.task(said),
            "predictionTime" => {
                let time = said.text().and_then(Time::parse);
                self.asked.prediction_time = time.filter(|time| time.is_believable());
                let reason = "must be an instant with its zone, such as 2024-03-06T15:00:00Z";
                self.asked.prediction_time.map(|_| ()).ok_or(reason)
            }
            "maxReasons" => {
                let number = said.number().and_then(|number| usize::try_from(number).ok());
                let number = number.filter(|number| *number <= ScoreOptions::REASONS_MAX);
                self.asked.options.reasons_max = number.unwrap_or_default();
                number.map(|_| ()).ok_or("must be 0 to 50")
            }
            "peers" => {
                self.asked.options.peers = said.is().unwrap_or_default();
                said.is().map(|_| ()).ok_or("must be true or false")
            }
            "noFlag" => {
                self.asked.options.no_flag = said.is().unwrap_or_default();
                said.is().map(|_| ()).ok_or("must be true or false")
            }
            "team" => match said.text().map(|team| (team, TaskRef::fault_of_name(team))) {
                Some((team, None)) => {
                    self.asked.team = Some(team.to_owned()).filter(|team| !team.is_empty());
                    Ok(())
                }
                Some((_, Some(reason))) => Err(reason),
                None => Err("must be a text"),
            },
            _ => Err(
                "no such parameter: record, task, predictionTime, maxReasons, peers, noFlag, team",
            ),
        };
        if let Err(reason) = taken {
            self.fault(path, reason);
        }
    }

    /// A task, alone or with its version: `readmit30` or `readmit30|2`.
    fn task(&mut self, said: &Said<'_>) -> Result<(), &'static str> {
        let text = said.text().filter(|text| !text.is_empty());
        let text = text.ok_or("must be the name of a task")?;
        let (task, version) = match text.split_once('|') {
            Some((task, version)) => (task, Some(version.to_owned())),
            None => (text, None),
        };
        for name in std::iter::once(task).chain(version.as_deref()) {
            TaskRef::fault_of_name(name).map_or(Ok(()), Err)?;
        }
        if self.asked.tasks.len() == ScoreRequest::TASKS_MAX {
            return Err("more than 64 tasks");
        }
        self.asked.tasks.push(TaskRef { task: task.to_owned(), version });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(query: &str, body: &str) -> String {
        let refused = read(query, &Bytes::copy_from_slice(body.as_bytes())).unwrap_err();
        format!("{refused:?}")
    }

    #[test]
    fn a_bundle_and_parameters_ask_for_the_same() {
        let bundle = r#"{"resourceType":"Bundle","type":"collection"}"#;
        let query = "task=readmit30|2&task=bp_rise&predictionTime=2024-03-06T15:00:00Z&maxReasons=3&peers=true";
        let (sent, asked) = read(query, &Bytes::from_static(bundle.as_bytes())).unwrap();
        let parameters = format!(
            r#"{{"resourceType":"Parameters","parameter":[
            {{"name":"record","resource":{bundle}}},{{"name":"task","valueString":"readmit30|2"}},
            {{"name":"task","valueCode":"bp_rise"}},{{"name":"maxReasons","valueInteger":3}},
            {{"name":"predictionTime","valueDateTime":"2024-03-06T15:00:00Z"}},
            {{"name":"peers","valueBoolean":true}}]}}"#
        );
        let (also_sent, also) = read("", &Bytes::from(parameters)).unwrap();
        assert_eq!(format!("{asked:?}"), format!("{also:?}"));
        assert_eq!(asked.tasks.len(), 2);
        assert_eq!((sent[0].path.as_str(), &sent[0].json), ("Bundle", &also_sent[0].json));
        assert_eq!(also_sent[0].path, "Parameters.parameter[0].resource");
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_path() {
        let bundle = r#"{"resourceType":"Bundle"}"#;
        for (query, path) in [
            ("maxReasons=51", "query.maxReasons"),
            ("peers=perhaps", "query.peers"),
            ("predictionTime=2024-03-06T15:00:00", "query.predictionTime"),
            ("task=", "query.task"),
            ("unknown=1", "\"query\""),
        ] {
            assert!(faults(query, bundle).contains(path), "{query}");
        }
        assert!(faults("", "[]").contains("JSON object"));
        assert!(faults("", r#"{"resourceType":"Patient"}"#).contains("must be Bundle"));
        assert!(faults("", r#"{"resourceType":"Parameters"}"#).contains("no `record`"));
        let twice = r#"{"resourceType":"Parameters","parameter":[{"name":"task","valueString":"a","valueBoolean":true}]}"#;
        assert!(!faults("", twice).is_empty());
        let depths = ("[".repeat(500), "]".repeat(500));
        let deep =
            format!(r#"{{"resourceType":"Parameters","parameter":{}{}}}"#, depths.0, depths.1);
        assert!(!faults("", &deep).is_empty());
    }
}
