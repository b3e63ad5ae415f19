//! The server's configuration: defaults, then a TOML file, then the environment, then flags; each
//! value knows where it came from.
//!
//! A section is a serde struct of the room that uses it, with a default for every key: it is one
//! line in `Sections`, one in `Settings` and one in `check`. Secrets do not belong here: a setting
//! names the file that holds one.

mod arguments;
mod error;
mod layer;
mod limits;
mod print;
mod sections;

use std::ffi::OsString;
use std::net::SocketAddr;

use figment::Figment;
use figment::value::{Dict, Value};
use serde::{Deserialize, Serialize};

pub use crate::strict_toml::SettingFault;
pub use arguments::{Arguments, Errand};
pub use error::{ConfigError, Fault};
pub use limits::LimitsSettings;
pub use sections::ListenSettings;

use crate::audit::{AuditError, AuditSettings};
use crate::flag_store::FlagSettings;
use crate::http::{
    EhrPlan, EhrSettings, HttpSettings, Surroundings, WorklistPlan, WorklistSettings,
};
use crate::identity::{IdentitySettings, RateSettings, TlsSettings};
use crate::registry::{ModelSettings, TrendSettings};
use crate::rpc::Limits;
use crate::telemetry::TelemetrySettings;
use layer::{Layer, Origin};

/// All sections as they are written, before they are checked.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sections {
    listen: ListenSettings,
    models: ModelSettings,
    limits: LimitsSettings,
    tls: TlsSettings,
    identity: IdentitySettings,
    rates: RateSettings,
    audit: AuditSettings,
    flags: FlagSettings,
    trends: TrendSettings,
    http: HttpSettings,
    worklist: WorklistSettings,
    ehr: EhrSettings,
    telemetry: TelemetrySettings,
}

/// The settings of a server, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: ListenSettings,
    pub models: ModelSettings,
    pub limits: Limits,
    pub tls: TlsSettings,
    pub identity: IdentitySettings,
    pub rates: RateSettings,
    /// `None` where no access log is kept.
    pub audit: Option<AuditSettings>,
    /// `None` where no flags are kept.
    pub flags: Option<FlagSettings>,
    pub trends: TrendSettings,
    /// Where `/metrics`, `/livez` and `/readyz` are; `None` for nowhere.
    pub http: Option<SocketAddr>,
    /// The work list; `None` for none.
    pub worklist: Option<WorklistPlan>,
    /// The door for EHRs; `None` for none.
    pub ehr: Option<EhrPlan>,
    pub telemetry: TelemetrySettings,
    shown: String,
}

impl Settings {
    /// All settings as a TOML file, each with its origin as a comment, secrets masked.
    pub fn to_toml(&self) -> &str {
        &self.shown
    }
}

/// The settings by `arguments`, the file they name and the variables of `environment`.
///
/// # Errors
/// A file that cannot be read; all keys that no section knows, each with the nearest known one; else
/// the first value that is no such value; else all values that make no sense. Each with its origin.
pub fn load(
    arguments: &Arguments,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Settings, ConfigError> {
    let known = tree_of(&Sections::default())?;
    let mut layers = vec![Layer { origin: Origin::Default, tree: known.clone() }];
    if let Some(file) = &arguments.config {
        layers.push(Layer::of_file(file)?);
    }
    layers.push(Layer::of_environment(environment, &known)?);
    layers.push(Layer { origin: Origin::Flag, tree: arguments.given() });
    let unknown: Vec<Fault> = layers.iter().flat_map(|layer| layer.unknown_keys(&known)).collect();
    if !unknown.is_empty() {
        return Err(ConfigError::Faults(unknown));
    }
    let layers = layers.into_iter().fold(Figment::new(), Figment::merge);
    let sections: Sections =
        layers.extract().map_err(|error| ConfigError::of_values(error, &layers))?;
    check(sections, &layers)
}

/// Checks each section.
fn check(sections: Sections, layers: &Figment) -> Result<Settings, ConfigError> {
    let known = tree_of(&Sections::default())?;
    let shown = print::as_toml(&tree_of(&sections)?, &known, layers);
    let mut faults = Vec::new();
    let mut found = |section: &str, of_section: Vec<SettingFault>| {
        faults.extend(of_section.into_iter().map(|fault| {
            let path = format!("{section}.{}", fault.key);
            let origin = Origin::of(layers.find_metadata(&path)).describe(&path);
            Fault { path, origin, reason: fault.reason }
        }));
    };
    sections.listen.check(!sections.tls.is_off()).unwrap_or_else(|faults| found("listen", faults));
    let limits = sections.limits.check().map_err(|faults| found("limits", faults));
    let http = sections.http.check().map_err(|faults| found("http", faults));
    let around = Surroundings {
        is_encrypted: !sections.tls.is_off(),
        plaintext_on_network: sections.listen.plaintext_on_network,
        is_anonymous: sections.identity.policy_file.is_none(),
        is_demonstration: sections.models.demo,
    };
    let worklist =
        sections.worklist.check(around).map_err(|faults| found("worklist", faults)).unwrap_or(None);
    let ehr = sections.ehr.check(around).map_err(|faults| found("ehr", faults)).unwrap_or(None);
    let telemetry = sections.telemetry.check().map_err(|faults| found("telemetry", faults));
    sections.flags.check().unwrap_or_else(|faults| found("flags", faults));
    sections.trends.check().unwrap_or_else(|faults| found("trends", faults));
    let audit = sections.audit.folder.is_some().then_some(&sections.audit);
    if let Some(Err(error)) = audit.map(AuditSettings::check) {
        let key = match &error {
            AuditError::Setting { key, .. } => key,
            _ => "folder",
        };
        found("audit", vec![SettingFault { key, reason: error.to_string() }]);
    }
    match (limits, http, telemetry) {
        (Ok(limits), Ok(http), Ok(())) if faults.is_empty() => {
            let Sections {
                listen,
                models,
                tls,
                identity,
                rates,
                audit,
                flags,
                trends,
                telemetry,
                ..
            } = sections;
            let audit = audit.folder.is_some().then_some(audit);
            let flags = flags.store.is_some().then_some(flags);
            Ok(Settings {
                listen,
                models,
                limits,
                tls,
                identity,
                rates,
                audit,
                flags,
                trends,
                http,
                worklist,
                ehr,
                telemetry,
                shown,
            })
        }
        _ => Err(ConfigError::Faults(faults)),
    }
}

fn tree_of(sections: &Sections) -> Result<Dict, ConfigError> {
    match Value::serialize(sections) {
        Ok(Value::Dict(_, tree)) => Ok(tree),
        Ok(_) => Ok(Dict::new()),
        Err(error) => Err(ConfigError::of_values(error, &Figment::new())),
    }
}
