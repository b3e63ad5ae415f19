//! What forms and addresses bring: read into closed words, everything else a fault with its field.

use super::words::Moment;
use crate::flag::{Action, Dismissal, Feedback, FlagQuery, FlagState, FlagUpdate, PageToken};
use crate::record::Time;

/// The most fields of a form or an address: none of ours has so many.
const FIELDS_MAX: usize = 40;
/// Longest name of a team, a unit, a task or somebody.
const NAME_CHARS_MAX: usize = 128;
/// Flags of one page.
const PAGE_FLAGS: u32 = 25;
/// The most pages of a longer list that an address can ask to be one.
const PAGE_FLAGS_MAX: u32 = 50;
/// When a snooze until a day ends, in hours after its midnight: before the morning's work.
const MORNING_HOURS: i64 = 6;

/// The fields of a form or of an address.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn read(encoded: &[u8]) -> Fields {
        let each = form_urlencoded::parse(encoded).into_owned();
        Fields(each.take(FIELDS_MAX).collect())
    }

    /// The first of that name, without blanks around it; none where it is empty.
    pub(super) fn get(&self, name: &'static str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The same as `get`, of what is a name.
    ///
    /// # Errors
    /// A name that is too long to be one.
    pub(super) fn name(&self, field: &'static str) -> Result<Option<String>, Fault> {
        match self.get(field) {
            Some(text) if text.chars().count() > NAME_CHARS_MAX => {
                Err(Fault::new(field, "The address asks for a name that is too long."))
            }
            text => Ok(text.map(str::to_owned)),
        }
    }

    fn number(&self, field: &'static str) -> Result<Option<u64>, Fault> {
        match self.get(field).map(str::parse::<u64>) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(Fault::new(field, "The address holds a number that is none.")),
        }
    }

    /// Where a page of a longer list begins, and how much of the list stands before it.
    ///
    /// # Errors
    /// A number that is none.
    pub(super) fn page(&self) -> Result<Option<(String, u64)>, Fault> {
        let before = self.number("before")?.unwrap_or_default();
        Ok(self.get("page").map(|token| (token.to_owned(), before)))
    }
}

/// What is wrong with a field, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The id of the field.
    pub(super) field: &'static str,
    pub(super) text: String,
}

impl Fault {
    pub(super) fn new(field: &'static str, text: impl Into<String>) -> Fault {
        Fault { field, text: text.into() }
    }
}

/// What somebody wants to do with a flag.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    Update(FlagUpdate),
    Feedback(Feedback),
}

/// The fields that make a wish, for doing it again.
pub(super) const WISH_FIELDS: [&str; 5] = ["do", "assignee", "until", "reason", "action"];

impl Wish {
    /// What a form of `me` asks for.
    ///
    /// # Errors
    /// What is missing or no such thing, by its field.
    pub(super) fn read(fields: &Fields, me: &str, moment: &Moment) -> Result<Wish, Fault> {
        let days = |days| FlagUpdate::Snooze { until: moment.now.plus_days(days) };
        let update = match fields.get("do").unwrap_or_default() {
            "acknowledge" => FlagUpdate::Acknowledge,
            "take" => FlagUpdate::Assign(Some(me.to_owned())),
            "release" => FlagUpdate::Assign(None),
            "assign" => {
                let name = fields.get("assignee");
                let name =
                    name.ok_or_else(|| Fault::new("assignee", "Name the person or role."))?;
                FlagUpdate::Assign(Some(name.to_owned()))
            }
            "snooze-1" => days(1),
            "snooze-3" => days(3),
            "snooze-7" => days(7),
            "snooze" => FlagUpdate::Snooze { until: until(fields, moment)? },
            "dismiss" => {
                let reason = fields.get("reason").and_then(Dismissal::parse);
                let missing = || Fault::new("reason", "Choose the reason for dismissing the flag.");
                FlagUpdate::Dismiss(reason.ok_or_else(missing)?)
            }
            "act" => {
                let action = fields.get("action").and_then(Action::parse);
                let missing = || Fault::new("action", "Choose what was done.");
                FlagUpdate::Act(action.ok_or_else(missing)?)
            }
            "reopen" => FlagUpdate::Reopen,
            other => {
                let unknown = || Fault::new("answer", "Choose what to do with the flag.");
                return Feedback::parse(other).map(Wish::Feedback).ok_or_else(unknown);
            }
        };
        Ok(Wish::Update(update))
    }
}

fn until(fields: &Fields, moment: &Moment) -> Result<Time, Fault> {
    let wanted = "Give a day after today, such as 2027-01-31.";
    let day = fields.get("until").and_then(|date| moment.start_of(date));
    let until = day.map(|day| day.plus_hours(MORNING_HOURS)).filter(|until| *until > moment.now);
    until.ok_or_else(|| Fault::new("until", wanted))
}

/// What was done, as the address of the page after it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Acknowledged,
    Assigned,
    Released,
    Snoozed,
    Dismissed,
    Answered,
    Reopened,
    Feedback,
}

impl Done {
    const ALL: [Done; 8] = [
        Done::Acknowledged,
        Done::Assigned,
        Done::Released,
        Done::Snoozed,
        Done::Dismissed,
        Done::Answered,
        Done::Reopened,
        Done::Feedback,
    ];

    pub(super) fn of(wish: &Wish) -> Done {
        match wish {
            Wish::Feedback(_) => Done::Feedback,
            Wish::Update(FlagUpdate::Acknowledge) => Done::Acknowledged,
            Wish::Update(FlagUpdate::Assign(Some(_))) => Done::Assigned,
            Wish::Update(FlagUpdate::Assign(None)) => Done::Released,
            Wish::Update(FlagUpdate::Snooze { .. }) => Done::Snoozed,
            Wish::Update(FlagUpdate::Dismiss(_)) => Done::Dismissed,
            Wish::Update(FlagUpdate::Act(_)) => Done::Answered,
            Wish::Update(FlagUpdate::Reopen) => Done::Reopened,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Done::Acknowledged => "acknowledged",
            Done::Assigned => "assigned",
            Done::Released => "released",
            Done::Snoozed => "snoozed",
            Done::Dismissed => "dismissed",
            Done::Answered => "answered",
            Done::Reopened => "reopened",
            Done::Feedback => "feedback",
        }
    }

    /// For whoever did it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Done::Acknowledged => "The flag is acknowledged.",
            Done::Assigned => "The flag is assigned.",
            Done::Released => "The flag is given back to all.",
            Done::Snoozed => "The flag is snoozed.",
            Done::Dismissed => "The flag is dismissed.",
            Done::Answered => "The action is recorded.",
            Done::Reopened => "The flag is open again.",
            Done::Feedback => "Thank you: the feedback is recorded.",
        }
    }
}

/// What the list is asked to show, as its address says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) states: Vec<FlagState>,
    pub(super) task: Option<String>,
    pub(super) tier: Option<String>,
    pub(super) team: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) assignee: Option<String>,
    /// Flags of one page; the list's own number where none is asked for.
    pub(super) size: Option<u32>,
    /// Where the page begins, and how many flags stand before it.
    pub(super) page: Option<(String, u64)>,
}

impl Filter {
    /// Reads what `query` writes.
    ///
    /// # Errors
    /// A value that is none, in words.
    pub(super) fn read(fields: &Fields) -> Result<Filter, Fault> {
        let mut states = Vec::new();
        for name in fields.all("state") {
            let unknown =
                || Fault::new("state", "The address asks for a state that flags do not have.");
            let state = FlagState::parse(name).ok_or_else(unknown)?;
            if !states.contains(&state) {
                states.push(state);
            }
        }
        let size = fields.number("size")?.map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        Ok(Filter {
            states,
            task: fields.name("task")?,
            tier: fields.name("tier")?,
            team: fields.name("team")?,
            unit: fields.name("unit")?,
            assignee: fields.name("assignee")?,
            size: size.map(|size| size.clamp(1, PAGE_FLAGS_MAX)),
            page: fields.page()?,
        })
    }

    /// Whether it leaves anything out of the list of open flags.
    pub(super) fn is_set(&self) -> bool {
        let Filter { states, task, tier, team, unit, assignee, size: _, page: _ } = self;
        let texts = [task, tier, team, unit, assignee];
        !states.is_empty() || texts.into_iter().any(Option::is_some)
    }

    /// As the address of the list has it, with `done` at its end; empty for a plain list.
    pub(super) fn query(&self, done: Option<Done>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for state in &self.states {
            query.append_pair("state", state.name());
        }
        let Filter { task, tier, team, unit, assignee, .. } = self;
        let texts = [("task", task), ("tier", tier), ("team", team), ("unit", unit)];
        for (name, value) in texts.into_iter().chain([("assignee", assignee)]) {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        if let Some(size) = self.size {
            query.append_pair("size", &size.to_string());
        }
        if let Some((token, before)) = &self.page {
            query.append_pair("page", token).append_pair("before", &before.to_string());
        }
        if let Some(done) = done {
            query.append_pair("done", done.name());
        }
        let query = query.finish();
        if query.is_empty() { query } else { format!("?{query}") }
    }

    /// The same from its first page on.
    pub(super) fn first_page(&self) -> Filter {
        Filter { page: None, ..self.clone() }
    }

    pub(super) fn page_flags(&self) -> u32 {
        self.size.unwrap_or(PAGE_FLAGS)
    }

    pub(super) fn flag_query(&self) -> FlagQuery {
        let one = |name: &Option<String>| name.iter().cloned().collect::<Vec<_>>();
        let all = FlagQuery::default();
        FlagQuery {
            states: if self.states.is_empty() { all.states.clone() } else { self.states.clone() },
            tasks: one(&self.task),
            tiers: one(&self.tier),
            teams: one(&self.team),
            units: one(&self.unit),
            assignee: self.assignee.clone(),
            page_flags: self.page_flags(),
            page: self.page.clone().map(|(token, _)| PageToken(token)),
            ..all
        }
    }
}

/// What the address says was done.
pub(super) fn done(fields: &Fields) -> Option<Done> {
    let name = fields.get("done")?;
    Done::ALL.into_iter().find(|done| done.name() == name)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn moment() -> Moment {
        Moment { now: Time::parse("2026-11-23T10:00:00Z").unwrap(), zone: TimeZone::UTC }
    }

    fn wish(form: &str) -> Result<Wish, Fault> {
        Wish::read(&Fields::read(form.as_bytes()), "ana", &moment())
    }

    #[test]
    fn forms_become_wishes() {
        let time = |text: &str| Time::parse(text).unwrap();
        let assign = |name: &str| FlagUpdate::Assign(Some(name.to_owned()));
        for (form, update) in [
            ("do=acknowledge", FlagUpdate::Acknowledge),
            ("do=take", assign("ana")),
            ("do=release&assignee=x", FlagUpdate::Assign(None)),
            ("do=assign&assignee=+charge+nurse+", assign("charge nurse")),
            ("do=snooze-3", FlagUpdate::Snooze { until: time("2026-11-26T10:00:00Z") }),
            (
                "do=snooze&until=2026-11-24",
                FlagUpdate::Snooze { until: time("2026-11-24T06:00:00Z") },
            ),
            ("do=dismiss&reason=record_wrong", FlagUpdate::Dismiss(Dismissal::RecordWrong)),
            ("do=act&action=call", FlagUpdate::Act(Action::Call)),
            ("do=reopen", FlagUpdate::Reopen),
        ] {
            assert_eq!(wish(form), Ok(Wish::Update(update)), "{form}");
        }
        assert_eq!(wish("do=not_useful"), Ok(Wish::Feedback(Feedback::NotUseful)));
    }

    #[test]
    fn what_is_missing_is_told_at_its_field() {
        for (form, field) in [
            ("", "answer"),
            ("do=explode", "answer"),
            ("do=assign&assignee=+", "assignee"),
            ("do=snooze", "until"),
            ("do=snooze&until=2026-11-23", "until"),
            ("do=snooze&until=soon", "until"),
            ("do=dismiss", "reason"),
            ("do=dismiss&reason=dull", "reason"),
            ("do=act&action=", "action"),
        ] {
            assert_eq!(wish(form).err().map(|fault| fault.field), Some(field), "{form}");
        }
    }

    #[test]
    fn an_address_is_written_as_it_is_read() {
        let filter = Filter {
            states: vec![FlagState::Waiting, FlagState::Raised],
            team: Some("A & B?=<x>".to_owned()),
            size: Some(10),
            page: Some(("token/+=".to_owned(), 20)),
            ..Filter::default()
        };
        let written = filter.query(Some(Done::Snoozed));
        let fields = Fields::read(written.trim_start_matches('?').as_bytes());
        assert_eq!(Filter::read(&fields), Ok(filter.clone()));
        assert_eq!(done(&fields), Some(Done::Snoozed));
        assert_eq!(filter.first_page().page, None);
        assert!(written.is_ascii() && !written.contains('<'), "{written}");
        assert_eq!(Filter::default().query(None), "");
        assert!(!Filter::default().is_set() && filter.is_set());
        let long = format!("team={}", "x".repeat(NAME_CHARS_MAX + 1));
        for wrong in ["state=odd", "size=many", "page=x&before=-1", &long] {
            assert!(Filter::read(&Fields::read(wrong.as_bytes())).is_err(), "{wrong}");
        }
        let large = Filter::read(&Fields::read(b"size=99999999999")).unwrap();
        assert_eq!(large.page_flags(), PAGE_FLAGS_MAX);
    }
}
