//! What a caller may do. The answer rests on the caller's rights and on the call alone, never on
//! what is known of a patient: a refusal tells nothing of whether there is one.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::access::{Caller, Classes, Method, Purpose, Scope};
use crate::flag;

/// The longest reason for breaking the glass, in characters.
const REASON_CHARS_MAX: usize = 500;

/// Who may do what.
pub struct Policy {
    rules: Arc<Rules>,
    peers: HashMap<String, Arc<Caller>>,
}

pub(super) enum Rules {
    /// Everybody may do everything: nothing is set up.
    Everything,
    Rows {
        roles: Vec<String>,
        rows: Vec<Row>,
    },
}

/// One row of the policy file, checked.
pub(super) struct Row {
    pub(super) role: String,
    pub(super) methods: Vec<Method>,
    pub(super) tasks: Tasks,
    pub(super) purposes: Vec<Purpose>,
    pub(super) reach: Reach,
    pub(super) break_glass: bool,
    pub(super) classes: Classes,
}

pub(super) enum Tasks {
    All,
    Named(Vec<String>),
}

impl Tasks {
    fn hold(&self, task: &str) -> bool {
        match self {
            Tasks::All => true,
            Tasks::Named(names) => names.iter().any(|name| name == task),
        }
    }
}

/// How far a row reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reach {
    /// The caller's own facilities.
    Facility,
    /// The caller's own units.
    Unit,
    /// The caller's own teams.
    Team,
    Any,
}

impl Reach {
    fn name(self) -> &'static str {
        match self {
            Reach::Facility => "facility",
            Reach::Unit => "unit",
            Reach::Team => "team",
            Reach::Any => "any",
        }
    }

    /// Whether the call is for a place of the caller's.
    fn holds(self, scope: &Scope, ask: &Ask<'_>) -> bool {
        let (own, asked) = match self {
            Reach::Facility => (&scope.facilities, ask.facility),
            Reach::Unit => (&scope.units, ask.unit),
            Reach::Team => (&scope.teams, ask.team),
            Reach::Any => return true,
        };
        match own {
            None => true,
            Some(own) => asked.is_some_and(|asked| own.iter().any(|name| name == asked)),
        }
    }
}

/// What a call asks for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub method: Method,
    /// The tasks that it names; none means those that are allowed (`Permit::allows`).
    pub tasks: &'a [&'a str],
    pub purpose: Option<Purpose>,
    /// The reason for acting outside the caller's scope.
    pub break_glass: Option<&'a str>,
    /// Where the patient is, as the call says.
    pub facility: Option<&'a str>,
    pub unit: Option<&'a str>,
    pub team: Option<&'a str>,
}

impl Ask<'_> {
    /// A call of `method` that says nothing else.
    pub fn new(method: Method) -> Ask<'static> {
        Ask {
            method,
            tasks: &[],
            purpose: None,
            break_glass: None,
            facility: None,
            unit: None,
            team: None,
        }
    }
}

/// A call that may go on.
#[derive(Clone)]
pub struct Permit {
    rules: Arc<Rules>,
    /// The rows that allow it, where there are rows.
    rows: Vec<u16>,
    /// What it is for; `None` where none was needed.
    pub purpose: Option<Purpose>,
    /// Whether the caller broke the glass: to be seen in the audit log and counted.
    pub break_glass: bool,
}

/// Why a call may not go on: what the caller's own rights lack. Roles are named as the policy file
/// has them; nothing of what the call says is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("the caller has no role of this server's policy")]
    NoRole,
    #[error("the caller's roles ({}) do not allow {method}", roles.join(", "))]
    Method { roles: Vec<String>, method: Method },
    #[error("the call names no purpose; the caller's roles allow {method} for: {}", list(allowed))]
    PurposeMissing { method: Method, allowed: Vec<Purpose> },
    #[error(
        "the caller's roles do not allow {method} for this purpose, but for: {}",
        list(allowed)
    )]
    Purpose { method: Method, allowed: Vec<Purpose> },
    #[error("EMERGENCY_TREATMENT needs a reason, given as break-glass")]
    ReasonMissing,
    #[error("the reason for breaking the glass must be 1 to {REASON_CHARS_MAX} characters")]
    Reason,
    #[error("breaking the glass is for EMERGENCY_TREATMENT: name that purpose, or none")]
    BreakGlassPurpose,
    #[error("the caller's roles do not allow breaking the glass")]
    BreakGlass,
    #[error(
        "the caller's roles allow this within the caller's own {}; the call is for none of them",
        within.join(" or ")
    )]
    Scope { within: Vec<&'static str> },
    #[error("tasks[{index}]: the caller's roles do not allow {method} for this task")]
    Task { index: usize, method: Method },
}

fn list(purposes: &[Purpose]) -> String {
    if purposes.is_empty() {
        return "none (EMERGENCY_TREATMENT with a reason)".into();
    }
    purposes.iter().map(|purpose| purpose.name()).collect::<Vec<_>>().join(", ")
}

impl Policy {
    pub(super) fn new(rules: Rules, peers: HashMap<String, Arc<Caller>>) -> Policy {
        Policy { rules: Arc::new(rules), peers }
    }

    /// Everybody may do everything: for one machine, for trying out.
    pub(super) fn everything() -> Policy {
        Policy::new(Rules::Everything, HashMap::new())
    }

    /// The caller with a certificate of this name.
    pub(super) fn peer(&self, name: &str) -> Option<Arc<Caller>> {
        self.peers.get(name).cloned()
    }

    /// Whether any caller is known by certificate.
    pub(super) fn knows_peers(&self) -> bool {
        !self.peers.is_empty()
    }

    /// Whether the call may go on.
    ///
    /// # Errors
    /// What the caller's rights lack.
    pub fn decide(&self, caller: &Caller, ask: &Ask<'_>) -> Result<Permit, Denied> {
        let breaks_glass = breaks_glass(ask)?;
        let purpose = match ask.method.touches_patients() {
            true if breaks_glass => Some(Purpose::EmergencyTreatment),
            true => ask.purpose,
            false => None,
        };
        let (roles, rows) = match &*self.rules {
            Rules::Everything => {
                return Ok(self.permit(Vec::new(), purpose, breaks_glass));
            }
            Rules::Rows { roles, rows } => (roles, rows),
        };
        let own: Vec<&String> = roles.iter().filter(|role| caller.roles.contains(role)).collect();
        if own.is_empty() {
            return Err(Denied::NoRole);
        }
        let mut left: Vec<(u16, &Row)> = (0..).zip(rows).collect();
        left.retain(|(_, row)| own.contains(&&row.role) && row.methods.contains(&ask.method));
        let method = ask.method;
        if left.is_empty() {
            let roles = own.into_iter().cloned().collect();
            return Err(Denied::Method { roles, method });
        }
        if method.touches_patients() {
            if breaks_glass {
                left.retain(|(_, row)| row.break_glass);
                if left.is_empty() {
                    return Err(Denied::BreakGlass);
                }
            } else {
                for_purpose(&mut left, ask)?;
                if !method.is_about_flags() {
                    within_scope(&mut left, caller, ask)?;
                }
            }
        }
        let refused =
            ask.tasks.iter().position(|task| !left.iter().any(|(_, row)| row.tasks.hold(task)));
        if let Some(index) = refused {
            return Err(Denied::Task { index, method });
        }
        let rows = left.into_iter().map(|(at, _)| at).collect();
        Ok(self.permit(rows, purpose, breaks_glass))
    }

    fn permit(&self, rows: Vec<u16>, purpose: Option<Purpose>, break_glass: bool) -> Permit {
        Permit { rules: Arc::clone(&self.rules), rows, purpose, break_glass }
    }
}

/// Whether the call breaks the glass; methods without patients have none.
fn breaks_glass(ask: &Ask<'_>) -> Result<bool, Denied> {
    if !ask.method.touches_patients() {
        return Ok(false);
    }
    let is_emergency = ask.purpose == Some(Purpose::EmergencyTreatment);
    match ask.break_glass {
        None if is_emergency => Err(Denied::ReasonMissing),
        None => Ok(false),
        Some(_) if !is_emergency && ask.purpose.is_some() => Err(Denied::BreakGlassPurpose),
        Some(reason) => {
            let is_too_long = reason.chars().nth(REASON_CHARS_MAX).is_some();
            if reason.trim().is_empty() || is_too_long { Err(Denied::Reason) } else { Ok(true) }
        }
    }
}

/// Keeps the rows for the call's purpose.
fn for_purpose(left: &mut Vec<(u16, &Row)>, ask: &Ask<'_>) -> Result<(), Denied> {
    let method = ask.method;
    let is_allowed = |wanted: Purpose| left.iter().any(|(_, row)| row.purposes.contains(&wanted));
    let allowed = || Purpose::ALL.into_iter().filter(|known| is_allowed(*known)).collect();
    let Some(purpose) = ask.purpose else {
        return Err(Denied::PurposeMissing { method, allowed: allowed() });
    };
    if !is_allowed(purpose) {
        return Err(Denied::Purpose { method, allowed: allowed() });
    }
    left.retain(|(_, row)| row.purposes.contains(&purpose));
    Ok(())
}

/// Keeps the rows that reach the call's place.
fn within_scope(left: &mut Vec<(u16, &Row)>, caller: &Caller, ask: &Ask<'_>) -> Result<(), Denied> {
    let mut within: Vec<&'static str> = left.iter().map(|(_, row)| row.reach.name()).collect();
    left.retain(|(_, row)| row.reach.holds(&caller.scope, ask));
    if left.is_empty() {
        within.sort_unstable();
        within.dedup();
        return Err(Denied::Scope { within });
    }
    Ok(())
}

impl Permit {
    /// Whether it holds for `task`: a call that names no task gets those for which it does.
    pub fn allows(&self, task: &str) -> bool {
        matches!(*self.rules, Rules::Everything) || self.allowing(task).next().is_some()
    }

    /// The classes of sensitive content that it lets the caller see in answers of `task`: those of all
    /// rows that allow the task.
    pub fn classes(&self, task: &str) -> Classes {
        if matches!(*self.rules, Rules::Everything) {
            return Classes::ALL;
        }
        self.allowing(task).fold(Classes::NONE, |all, row| all.and(row.classes))
    }

    /// The flags that it lets a caller with this scope see. Who breaks the glass sees those of every
    /// place.
    pub fn flag_reach(&self, scope: &Scope) -> flag::Reach {
        let Rules::Rows { rows, .. } = &*self.rules else { return flag::Reach::everything() };
        let own = self.rows.iter().filter_map(|at| rows.get(usize::from(*at)));
        let rows = own.map(|row| {
            let tasks = match &row.tasks {
                Tasks::All => None,
                Tasks::Named(names) => Some(names.clone()),
            };
            let mut reach = flag::ReachRow { tasks, ..flag::ReachRow::default() };
            match row.reach {
                _ if self.break_glass => {}
                Reach::Facility => reach.facilities.clone_from(&scope.facilities),
                Reach::Unit => reach.units.clone_from(&scope.units),
                Reach::Team => reach.teams.clone_from(&scope.teams),
                Reach::Any => {}
            }
            reach
        });
        flag::Reach { rows: rows.collect() }
    }

    fn allowing(&self, task: &str) -> impl Iterator<Item = &Row> {
        let all = match &*self.rules {
            Rules::Everything => &[],
            Rules::Rows { rows, .. } => rows.as_slice(),
        };
        let own = self.rows.iter().filter_map(|at| all.get(usize::from(*at)));
        own.filter(move |row| row.tasks.hold(task))
    }
}
