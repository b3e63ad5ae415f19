//! The arguments of `prodrome-train api-key`.

use clap::Args;
use prodrome::command::ApiKeyRequest;

#[derive(Debug, Args)]
pub(crate) struct ApiKeyArguments {
    /// The caller's name, for the audit log and for rates.
    #[arg(long)]
    name: String,
    /// A role of the policy file; may be given more than once.
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<String>,
    /// A facility in which the caller may act; may be given more than once, `*` is any.
    #[arg(long = "facility", value_name = "NAME")]
    facilities: Vec<String>,
    /// A unit, as for facilities.
    #[arg(long = "unit", value_name = "NAME")]
    units: Vec<String>,
    /// A team, as for facilities.
    #[arg(long = "team", value_name = "NAME")]
    teams: Vec<String>,
    /// When the key ends, such as 2027-01-31T00:00:00Z; never without it.
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
}

impl ApiKeyArguments {
    pub(crate) fn request(self) -> ApiKeyRequest {
        let ApiKeyArguments { name, roles, facilities, units, teams, expires } = self;
        ApiKeyRequest { name, roles, facilities, units, teams, expires }
    }
}
