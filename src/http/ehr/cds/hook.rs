//! The services, one for each hook, and what each says of itself.

use std::collections::BTreeMap;

use serde::Serialize;

use super::templates::Template;
use crate::task::IndexRule;

/// A moment in an EHR's work at which this server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::http::ehr) enum Hook {
    /// Somebody opens a patient's record.
    PatientView,
    /// Somebody plans a discharge from a stay.
    EncounterDischarge,
}

impl Hook {
    /// All of them.
    pub(super) const ALL: [Hook; 2] = [Hook::PatientView, Hook::EncounterDischarge];

    /// Its name in CDS Hooks.
    pub(super) fn name(self) -> &'static str {
        match self {
            Hook::PatientView => "patient-view",
            Hook::EncounterDischarge => "encounter-discharge",
        }
    }

    /// The id of its service, which is the last part of its address.
    pub(in crate::http::ehr) fn service_id(self) -> &'static str {
        match self {
            Hook::PatientView => "prodrome-patient-view",
            Hook::EncounterDischarge => "prodrome-encounter-discharge",
        }
    }

    /// The hook of a service's id.
    pub(super) fn of_service(id: &str) -> Option<Hook> {
        Hook::ALL.into_iter().find(|hook| hook.service_id() == id)
    }

    /// Whether its service scores a task with this rule of index times: at a discharge those of stays, in a
    /// patient's record those of contacts and of the calendar.
    pub(super) fn scores(self, rule: &IndexRule) -> bool {
        match rule {
            IndexRule::EpisodeEnd | IndexRule::InStay { .. } => self == Hook::EncounterDischarge,
            IndexRule::Contact { .. } | IndexRule::MonthStart => self == Hook::PatientView,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Hook::PatientView => "Prodrome: early signs in this patient's record",
            Hook::EncounterDischarge => "Prodrome: risk of coming back after this discharge",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Hook::PatientView => {
                "Estimates how likely this patient is to meet one of the outcomes that this site watches \
                 for, and shows a card where the risk lies above the lowest tier, with what it rests on"
            }
            Hook::EncounterDischarge => {
                "Estimates how likely this patient is to come back unplanned after the stay, as if the \
                 discharge were now, and shows a card where the risk lies above the lowest tier, with \
                 what it rests on"
            }
        }
    }

    fn usage_requirements(self) -> &'static str {
        match self {
            Hook::PatientView => {
                "FHIR R4. Works on prefetched data alone; what is not prefetched is asked of the FHIR \
                 server that the call names, where this site has allowed it."
            }
            Hook::EncounterDischarge => {
                "FHIR R4. Works on prefetched data alone; what is not prefetched is asked of the FHIR \
                 server that the call names, where this site has allowed it. Call it while the stay is \
                 open or shortly after its end."
            }
        }
    }
}

/// What a service says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Service {
    hook: &'static str,
    title: &'static str,
    description: &'static str,
    id: &'static str,
    prefetch: BTreeMap<&'static str, String>,
    usage_requirements: &'static str,
}

/// What `GET /cds-services` answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Discovery {
    services: Vec<Service>,
}

/// What `GET /cds-services` answers of services with these templates.
pub(super) fn discovery(services: &[(Hook, Vec<Template>)]) -> Discovery {
    let service = |(hook, templates): &(Hook, Vec<Template>)| Service {
        hook: hook.name(),
        title: hook.title(),
        description: hook.description(),
        id: hook.service_id(),
        prefetch: templates.iter().map(|each| (each.key.name(), each.query.clone())).collect(),
        usage_requirements: hook.usage_requirements(),
    };
    Discovery { services: services.iter().map(service).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::templates::Key;
    use super::*;

    #[test]
    fn each_task_belongs_to_one_service() {
        let contact = IndexRule::Contact {
            classes: Vec::new(),
            with: Vec::new(),
            apart_days: 0,
            merge_hours: 0,
        };
        for (rule, hook) in [
            (IndexRule::EpisodeEnd, Hook::EncounterDischarge),
            (IndexRule::InStay { first_hours: 24 }, Hook::EncounterDischarge),
            (contact, Hook::PatientView),
            (IndexRule::MonthStart, Hook::PatientView),
        ] {
            let of: Vec<Hook> = Hook::ALL.into_iter().filter(|hook| hook.scores(&rule)).collect();
            assert_eq!(of, [hook], "{rule:?}");
        }
    }

    #[test]
    fn discovery_has_what_the_specification_asks_for() {
        let template =
            Template { key: Key::Patient, query: "Patient/{{context.patientId}}".into() };
        let services = Hook::ALL.map(|hook| (hook, vec![template.clone()]));
        let found = serde_json::to_value(discovery(&services)).unwrap();
        let services = found["services"].as_array().unwrap();
        assert_eq!(services.len(), 2);
        for (service, hook) in services.iter().zip(Hook::ALL) {
            assert_eq!(service["hook"], hook.name());
            assert_eq!(service["id"], hook.service_id());
            assert_eq!(Hook::of_service(service["id"].as_str().unwrap()), Some(hook));
            assert_eq!(service["prefetch"], json!({"patient": "Patient/{{context.patientId}}"}));
            for name in ["title", "description", "usageRequirements"] {
                assert!(service[name].as_str().is_some_and(|text| text.len() > 20), "{name}");
            }
        }
        assert_eq!(Hook::of_service("prodrome"), None);
        assert_eq!(serde_json::to_value(discovery(&[])).unwrap(), json!({"services": []}));
    }
}
