//! Every cell of the policy: role x method x task x purpose x place, by the policy and by a slow
//! reading of the file itself.

use prodrome::access::{Caller, Classes, Method, Purpose, Scope, SensitiveClass};
use prodrome::flag::Place;
use prodrome::identity::{Ask, Permit, Policy};
use toml::Table;

const PLACES: [Option<&str>; 3] = [None, Some("own"), Some("other-canary")];
const TASKS: [&str; 4] = ["readmit30", "ed72", "htn_incident", "unknown-canary"];

/// Methods that no place is refused, and which see what lies within the scope.
const FLAG_METHODS: [&str; 4] = ["ListFlags", "UpdateFlag", "WatchFlags", "RecordFeedback"];

/// Whether the file allows it, row by row, as it is written.
struct Reading<'a>(&'a Table);

impl Reading<'_> {
    fn rows(&self) -> impl Iterator<Item = &Table> {
        self.0["allow"].as_array().unwrap().iter().map(|row| row.as_table().unwrap())
    }

    fn holds(row: &Table, list: &str, word: &str) -> bool {
        let list = row.get(list).and_then(|list| list.as_array());
        list.is_some_and(|list| list.iter().any(|item| item.as_str() == Some(word)))
    }

    fn is_in_scope(row: &Table, caller: &Caller, ask: &Ask<'_>) -> bool {
        let (own, asked) = match row["scope"].as_str().unwrap() {
            "any" => return true,
            "facility" => (&caller.scope.facilities, ask.facility),
            "unit" => (&caller.scope.units, ask.unit),
            "team" => (&caller.scope.teams, ask.team),
            other => panic!("{other}"),
        };
        own.is_none() || asked.is_some_and(|asked| own.as_ref().unwrap().contains(&asked.into()))
    }

    fn allows(&self, caller: &Caller, ask: &Ask<'_>) -> bool {
        self.allows_there(caller, ask, !FLAG_METHODS.contains(&ask.method.name()))
    }

    /// The same, where `by_scope` says whether the place of the call decides.
    fn allows_there(&self, caller: &Caller, ask: &Ask<'_>, by_scope: bool) -> bool {
        let touches_patients = ["Score", "ScoreStream"].contains(&ask.method.name())
            || FLAG_METHODS.contains(&ask.method.name());
        let emergency = ask.purpose == Some(Purpose::EmergencyTreatment);
        if touches_patients {
            match (ask.break_glass, ask.purpose) {
                (None, None) => return false,
                (None, Some(_)) if emergency => return false,
                (Some(_), Some(_)) if !emergency => return false,
                (Some(reason), _) if reason.trim().is_empty() => return false,
                _ => {}
            }
        }
        let fits = |row: &Table, task: Option<&str>| {
            let by_task = task.is_none_or(|task| {
                Self::holds(row, "tasks", "*") || Self::holds(row, "tasks", task)
            });
            let by_purpose = if !touches_patients {
                true
            } else if ask.break_glass.is_some() {
                row.get("break_glass").and_then(|value| value.as_bool()).unwrap_or(false)
            } else {
                Self::holds(row, "purposes", ask.purpose.unwrap().name())
                    && (!by_scope || Self::is_in_scope(row, caller, ask))
            };
            caller.roles.iter().any(|role| row["role"].as_str() == Some(role))
                && Self::holds(row, "methods", ask.method.name())
                && by_task
                && by_purpose
        };
        let allowed = |task| self.rows().any(|row| fits(row, task));
        if ask.tasks.is_empty() {
            return allowed(None);
        }
        ask.tasks.iter().all(|task| allowed(Some(*task)))
    }
}

/// Compares every cell; the number of cells and of those that are allowed.
fn compare(text: &str, roles: &[Vec<String>]) -> (usize, usize) {
    let policy = Policy::parse(text).unwrap();
    let table: Table = text.parse().unwrap();
    let reading = Reading(&table);
    let purposes: Vec<Option<Purpose>> = [None].into_iter().chain(Purpose::ALL.map(Some)).collect();
    let task_lists: [&[&str]; 6] =
        [&[], &TASKS[..1], &TASKS[1..2], &TASKS[2..3], &TASKS[3..], &[TASKS[1], TASKS[0]]];
    let places = PLACES.iter().flat_map(|facility| {
        PLACES.iter().flat_map(move |unit| PLACES.iter().map(move |team| (*facility, *unit, *team)))
    });
    let places: Vec<_> = places.collect();
    let own = || Some(vec!["own".to_owned()]);
    let scopes = [
        Scope { facilities: own(), units: own(), teams: own() },
        Scope { facilities: Some(vec![]), units: own(), teams: None },
    ];
    let (mut cells, mut allowed) = (0, 0);
    for roles in roles {
        for scope in &scopes {
            let caller = Caller { name: "c".into(), roles: roles.clone(), scope: scope.clone() };
            for method in Method::ALL {
                for (purpose, break_glass) in purposes
                    .iter()
                    .flat_map(|p| [None, Some(" "), Some("canary")].map(|reason| (*p, reason)))
                {
                    for &(facility, unit, team) in &places {
                        for tasks in task_lists {
                            let ask =
                                Ask { method, tasks, purpose, break_glass, facility, unit, team };
                            cells += 1;
                            allowed += usize::from(cell(&policy, &reading, &caller, &ask));
                        }
                    }
                }
            }
        }
    }
    (cells, allowed)
}

/// One cell: whether it is allowed, by both readings.
fn cell(policy: &Policy, reading: &Reading<'_>, caller: &Caller, ask: &Ask<'_>) -> bool {
    let expected = reading.allows(caller, ask);
    match policy.decide(caller, ask) {
        Ok(permit) => {
            assert!(expected, "allowed: {caller:?} {ask:?}");
            for task in TASKS {
                let alone = Ask { tasks: &[task], ..*ask };
                assert_eq!(permit.allows(task), reading.allows(caller, &alone), "{task} {ask:?}");
            }
            let emergency = permit.purpose == Some(Purpose::EmergencyTreatment);
            assert_eq!(permit.break_glass, emergency, "an emergency is marked, and nothing else");
            if !ask.method.touches_patients() {
                assert!(!permit.break_glass);
            }
            if ask.method.is_about_flags() {
                sees_the_flags_in_scope(&permit, reading, caller, ask);
            }
        }
        Err(denied) => {
            assert!(!expected, "refused ({denied}): {caller:?} {ask:?}");
            let said = format!("{denied} {denied:?}");
            assert!(!said.contains("canary"), "nothing of the call is repeated: {said}");
        }
    }
    expected
}

/// Each flag, by task and place, is within reach exactly where a call about it would be allowed.
fn sees_the_flags_in_scope(permit: &Permit, reading: &Reading<'_>, caller: &Caller, ask: &Ask<'_>) {
    let reach = permit.flag_reach(&caller.scope);
    for task in TASKS {
        let there = Ask { tasks: &[task], ..*ask };
        let owned = |name: Option<&str>| name.map(str::to_owned);
        let place =
            Place { facility: owned(ask.facility), unit: owned(ask.unit), team: owned(ask.team) };
        let expected = reading.allows_there(caller, &there, true);
        assert_eq!(reach.covers(task, &place), expected, "{task} {caller:?} {ask:?}");
    }
}

#[test]
fn every_cell_of_the_sample_policy_is_as_the_file_says() {
    let text = std::fs::read_to_string(super::sample_policy()).unwrap();
    let table: Table = text.parse().unwrap();
    let names: Vec<String> = table["roles"].as_table().unwrap().keys().cloned().collect();
    let alone = names.iter().map(|role| vec![role.clone()]);
    let none = [vec![], vec!["not-a-role".to_owned()]];
    let pairs = names.windows(2).map(<[String]>::to_vec);
    let roles: Vec<_> = alone.chain(none).chain(pairs).collect();
    let (cells, allowed) = compare(&text, &roles);
    assert!(cells > 500_000 && allowed > 1_000 && allowed < cells / 2, "{allowed} of {cells}");
}

#[test]
fn every_cell_of_drawn_policies_is_as_the_file_says() {
    let mut rng = fastrand::Rng::with_seed(6);
    let roles = ["a", "b"].map(str::to_owned);
    for _ in 0..8 {
        let mut text = "[roles]\na = \"\"\nb = \"\"\n".to_owned();
        for _ in 0..rng.usize(1..8) {
            text += &drawn_row(&mut rng);
        }
        let (cells, _) = compare(&text, &[vec![roles[0].clone()], roles.to_vec()]);
        assert!(cells > 20_000);
    }
}

fn drawn_row(rng: &mut fastrand::Rng) -> String {
    fn some(rng: &mut fastrand::Rng, all: &[&str]) -> String {
        let mut chosen: Vec<&str> = all.iter().copied().filter(|_| rng.bool()).collect();
        if chosen.is_empty() {
            chosen.extend(all.first());
        }
        format!("{chosen:?}")
    }
    let role = if rng.bool() { "a" } else { "b" };
    let tasks = if rng.bool() { "[\"*\"]".to_owned() } else { some(rng, &TASKS[..3]) };
    let row = format!("[[allow]]\nrole = \"{role}\"\ntasks = {tasks}\n");
    if rng.bool() {
        let methods = some(rng, &["ListModels", "GetModelCard", "ReloadModels", "GetTrends"]);
        return format!("{row}methods = {methods}\n");
    }
    let methods = some(rng, &["Score", "ScoreStream", "ListFlags", "UpdateFlag", "WatchFlags"]);
    let purposes = some(rng, &["TREATMENT", "OPERATIONS", "RESEARCH"]);
    let scope = rng.choice(["any", "facility", "unit", "team"]).unwrap();
    let glass = rng.bool();
    format!(
        "{row}methods = {methods}\npurposes = {purposes}\nscope = \"{scope}\"\nbreak_glass = {glass}\n"
    )
}

#[test]
fn sensitive_classes_are_those_of_the_rows_that_allow_the_task() {
    let text = std::fs::read_to_string(super::sample_policy()).unwrap();
    let policy = Policy::parse(&text).unwrap();
    let roles = vec!["researcher".to_owned(), "quality".to_owned()];
    let caller = Caller { name: "c".into(), roles, scope: Scope::default() };
    let ask = Ask { purpose: Some(Purpose::Research), ..Ask::new(Method::Score) };
    let permit = policy.decide(&caller, &ask).unwrap();
    let mental_health = Classes::of(SensitiveClass::MentalHealth);
    assert_eq!(permit.classes("htn_incident"), mental_health);
    assert_eq!(permit.classes("readmit30"), Classes::NONE);
}

#[test]
fn a_refusal_names_what_the_caller_lacks() {
    let text = std::fs::read_to_string(super::sample_policy()).unwrap();
    let policy = Policy::parse(&text).unwrap();
    let scope = Scope { facilities: Some(vec!["north".into()]), ..Scope::default() };
    let roles = vec!["clinician".to_owned()];
    let caller = Caller { name: "c".into(), roles, scope };
    let said = |ask: Ask<'_>| policy.decide(&caller, &ask).err().unwrap().to_string();
    let score = Ask { purpose: Some(Purpose::Treatment), ..Ask::new(Method::Score) };
    assert_eq!(
        said(Ask::new(Method::ReloadModels)),
        "the caller's roles (clinician) do not allow ReloadModels"
    );
    assert_eq!(
        said(Ask::new(Method::Score)),
        "the call names no purpose; the caller's roles allow Score for: TREATMENT"
    );
    assert_eq!(
        said(Ask { facility: Some("south"), ..score }),
        "the caller's roles allow this within the caller's own facility; the call is for none of them"
    );
    let long = "x".repeat(501);
    for reason in ["", " \t", &long] {
        let said = said(Ask { purpose: None, break_glass: Some(reason), ..score });
        assert!(said.contains("1 to 500 characters"), "{said}");
    }
    let breaking = Ask { break_glass: Some("unconscious"), ..score };
    assert!(said(breaking).contains("name that purpose, or none"));
}

#[test]
fn a_fault_of_the_file_is_named_with_its_mend() {
    let row = |more: &str| format!("[roles]\nnurse = \"\"\n[[allow]]\nrole = \"nurse\"\n{more}\n");
    let score = "methods = [\"Score\"]\ntasks = [\"*\"]\n";
    for (text, expected) in [
        (row("method = []"), "did you mean `methods`?"),
        (row("methods = [\"Scor\"]"), "did you mean `Score`?"),
        (row("methods = []\ntasks = [\"*\"]"), "row 1 of [[allow]]: `methods` is empty"),
        (row(score), "`purposes` is empty"),
        (row(&format!("{score}purposes = [\"TREATMNT\"]")), "did you mean `TREATMENT`?"),
        (row(&format!("{score}purposes = [\"ETREAT\"]")), "break_glass = true"),
        (row(&format!("{score}purposes = [\"TREAT\"]")), "`scope` is missing"),
        (row(&format!("{score}purposes = [\"TREAT\"]\nscope = \"unt\"")), "did you mean `unit`?"),
        (row("methods = [\"Score\", \"ListModels\"]\ntasks = [\"*\"]"), "need two rows"),
        (row("methods = [\"ListModels\"]\ntasks = [\"*\"]\nscope = \"any\""), "leave out"),
        (row("methods = [\"ListModels\"]\ntasks = []"), "`tasks` is empty"),
        (row("methods = [\"ListModels\"]\ntasks = [\"re*\"]"), "whole names"),
        (row("").replace("\"nurse\"", "\"nurze\"") + score, "did you mean `nurse`?"),
        ("allow = []\nroles = {}".into(), "`roles`: must name each role"),
        (
            "allow = []\n[roles]\na = \"\"\n[[peers]]\nname = \"p\"\nroles = [\"b\"]".into(),
            "peer 1",
        ),
        ("[roles]\na = \"\"".into(), "missing field `allow`"),
    ] {
        let said = Policy::parse(&text).err().unwrap_or_else(|| panic!("{text}")).to_string();
        assert!(said.contains(expected), "{said}\nis not: {expected}\n{text}");
    }
}

#[test]
fn a_class_that_is_none_is_named_with_its_neighbour() {
    let text = |class: &str| {
        format!(
            "[roles]\na = \"\"\n[[allow]]\nrole = \"a\"\nmethods = [\"Score\"]\ntasks = [\"*\"]\n\
             purposes = [\"TREATMENT\"]\nscope = \"any\"\nclasses = [\"{class}\"]\n"
        )
    };
    for class in SensitiveClass::ALL {
        assert!(Policy::parse(&text(class.name())).is_ok());
    }
    for (typo, meant) in
        [("mental_helth", "mental_health"), ("HIV", "hiv"), ("substance", "substance_use")]
    {
        let error = Policy::parse(&text(typo)).err().unwrap().to_string();
        assert!(error.contains("line"), "{error}");
        assert!(error.contains(&format!("did you mean `{meant}`?")) || typo == "HIV", "{error}");
        assert!(error.contains("`reproductive`"), "all of them are named: {error}");
    }
}
