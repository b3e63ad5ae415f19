//! What a card must say and no record or figure can tell: the developer's own words.

use serde::{Deserialize, Serialize};

/// A question to the developer, by its key under `[card.statements]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statement {
    /// Who made the model, and whom to write to.
    Developer,
    Funding,
    ConflictsOfInterest,
    /// What is known of unequal care and outcomes in these patients.
    HealthInequalities,
    /// Whether the records are like the setting in which the model is to be used.
    Relevance,
    /// How fairness was thought of while the model was made.
    FairnessApproach,
    /// What is done about bias that was found.
    BiasManagement,
    /// Where and by whom the model was judged on other records.
    ExternalValidation,
    /// Studies of what use of the model did to outcomes.
    OutcomeStudies,
    /// How and how often its validity is watched in use.
    ValidityMonitoring,
    /// What that found at the sites that use it.
    LocalValidity,
    /// How and how often its fairness is watched in use.
    FairnessMonitoring,
    /// What that found at the sites that use it.
    LocalFairness,
    /// How and how often it is refitted.
    Updates,
    /// How and how often a model that does worse is corrected.
    Corrections,
    /// Who approved the use of the records.
    Ethics,
    Protocol,
    Registration,
    DataSharing,
    CodeSharing,
    /// How patients and the public took part.
    PatientInvolvement,
    /// Treatments that patients received at or after the index time.
    Treatments,
    /// How those who recorded the outcome were kept from knowing the features.
    OutcomeAssessment,
    /// What users need to know and have to use it well.
    UserTraining,
    /// What is to be done next.
    NextSteps,
}

impl Statement {
    /// The question, as the card puts it where there is no answer.
    pub fn question(self) -> &'static str {
        match self {
            Statement::Developer => "developer and contact",
            Statement::Funding => "funding source",
            Statement::ConflictsOfInterest => "conflicts of interest",
            Statement::HealthInequalities => "known health inequalities in these patients",
            Statement::Relevance => "relevance of the records to the setting of use",
            Statement::FairnessApproach => "approach to fairness while the model was made",
            Statement::BiasManagement => "what is done about bias that is found",
            Statement::ExternalValidation => {
                "external validation: records, setting, who did it and how"
            }
            Statement::OutcomeStudies => "studies of what its use did to outcomes",
            Statement::ValidityMonitoring => "how and how often its validity is watched in use",
            Statement::LocalValidity => "its validity at the sites that use it",
            Statement::FairnessMonitoring => "how and how often its fairness is watched in use",
            Statement::LocalFairness => "its fairness at the sites that use it",
            Statement::Updates => "how and how often it is refitted",
            Statement::Corrections => "how and how soon a model that does worse is corrected",
            Statement::Ethics => "ethical approval",
            Statement::Protocol => "study protocol",
            Statement::Registration => "registration",
            Statement::DataSharing => "availability of the records",
            Statement::CodeSharing => "availability of the analysis code",
            Statement::PatientInvolvement => "involvement of patients and the public",
            Statement::Treatments => "treatments received at or after the index time",
            Statement::OutcomeAssessment => {
                "who assessed the outcome, and whether they knew the predictors"
            }
            Statement::UserTraining => "interaction and expertise that its use asks for",
            Statement::NextSteps => "next steps",
        }
    }

    /// Its key in a task file.
    pub fn key(self) -> &'static str {
        match self {
            Statement::Developer => "developer",
            Statement::Funding => "funding",
            Statement::ConflictsOfInterest => "conflicts_of_interest",
            Statement::HealthInequalities => "health_inequalities",
            Statement::Relevance => "relevance",
            Statement::FairnessApproach => "fairness_approach",
            Statement::BiasManagement => "bias_management",
            Statement::ExternalValidation => "external_validation",
            Statement::OutcomeStudies => "outcome_studies",
            Statement::ValidityMonitoring => "validity_monitoring",
            Statement::LocalValidity => "local_validity",
            Statement::FairnessMonitoring => "fairness_monitoring",
            Statement::LocalFairness => "local_fairness",
            Statement::Updates => "updates",
            Statement::Corrections => "corrections",
            Statement::Ethics => "ethics",
            Statement::Protocol => "protocol",
            Statement::Registration => "registration",
            Statement::DataSharing => "data_sharing",
            Statement::CodeSharing => "code_sharing",
            Statement::PatientInvolvement => "patient_involvement",
            Statement::Treatments => "treatments",
            Statement::OutcomeAssessment => "outcome_assessment",
            Statement::UserTraining => "user_training",
            Statement::NextSteps => "next_steps",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Statement;

    #[test]
    fn keys_are_as_they_are_read_and_a_misspelt_one_is_told() {
        type Statements = BTreeMap<Statement, String>;
        let read = |text: &str| crate::strict_toml::parse::<Statements>(text);
        let wrong = read("fundng = \"x\"").unwrap_err();
        assert!(wrong.contains("did you mean `funding`?"), "{wrong}");
        let known = wrong.split("expected one of ").nth(1).unwrap().split('`').skip(1).step_by(2);
        let known: Vec<&str> = known.take_while(|key| *key != "funding?").collect();
        let mut met = 0;
        for key in known.iter().take(25) {
            let statements = read(&format!("{key} = \"x\"")).unwrap();
            assert_eq!(statements.keys().map(|one| one.key()).collect::<Vec<_>>(), [*key]);
            met += 1;
        }
        assert_eq!(met, 25);
    }
}
