//! Whether a feature may know what came after the index time.

use super::Account;
use crate::page::Section;
use crate::train::leaks::LeakVerdict;

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("leaks", "Leak check");
    let Some(report) = account.fit() else {
        section.text(
            "The leak check is part of the fit; the report in the version's own folder tells of it.",
        );
        return section;
    };
    section.text(
        "A leak is a feature that knows what came after the index time: a model with one looks better \
         than it will be in use. A fit with a leak that nobody has looked into makes no model.",
    );
    section.text(format!("{}.", report.leaks.sentence()));
    for verdict in [LeakVerdict::Allowed, LeakVerdict::Warns] {
        section.list(report.leaks.of(verdict).map(|finding| finding.sentence()));
    }
    section
}
