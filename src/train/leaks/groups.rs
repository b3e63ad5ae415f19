//! Pure groups: patients who have something, or lack it, and are all of one outcome.

use std::f64::consts::LN_10;

use super::area::{Base, Rows};
use super::chance::Draw;
use super::finding::{LeakFinding, LeakKind, LeakVerdict, three};
use crate::train::small_cell::nearest_ten;

/// Smaller groups are not tried.
pub(super) const PATIENTS_MIN: u64 = 30;
/// A pure group is a finding where chance would make one, among all that were tried, more seldom.
const P_MAX: f64 = 1e-6;

/// What the members of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Common {
    Has,
    Lacks,
    Missing,
    NotMissing,
}

impl Common {
    fn words(self) -> &'static str {
        match self {
            Common::Has => "with it",
            Common::Lacks => "without it",
            Common::Missing => "of whom it is missing",
            Common::NotMissing => "of whom it is known",
        }
    }
}

/// The name of a group, and the feature behind it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub name: String,
    pub feature: Option<String>,
    /// Whether a feature of the task can read it.
    pub is_read: bool,
}

struct Pure {
    named: Named,
    common: Common,
    label: bool,
    patients: u64,
    ln_p: f64,
}

/// Groups that were tried, and those found pure.
#[derive(Default)]
pub(super) struct Groups {
    /// Each counts twice, once for either outcome.
    pub tried: usize,
    pure: Vec<Pure>,
}

impl Groups {
    /// Tries the group of `members` (rising rows) among the patients of `base`.
    ///
    /// A patient may have several rows, and they are no independent witnesses. So each patient counts
    /// once, and as having the outcome when any of the patient's rows has it: for a random group that
    /// is at least as likely as that all of its rows in the group have it, and p is never too small.
    pub(super) fn try_one(
        &mut self,
        rows: &Rows,
        members: &[u32],
        base: Base,
        common: Common,
        named: &Named,
    ) {
        let patients = rows.patients_in(members.iter().copied());
        if patients < PATIENTS_MIN {
            return;
        }
        self.tried += 2;
        let Some(label) = rows.one_class(members) else { return };
        let with = if label { base.with } else { base.without };
        let draw = Draw { all: base.patients, with, of: patients };
        let Some(ln_p) = draw.ln_at_least(patients) else { return };
        self.pure.push(Pure { named: named.clone(), common, label, patients, ln_p });
    }

    /// Tries those who have something, and those who lack it, among all patients.
    pub(super) fn try_both(&mut self, rows: &Rows, members: &[u32], named: &Named) {
        self.try_one(rows, members, rows.base, Common::Has, named);
        let left = rows.base.patients - rows.patients_in(members.iter().copied());
        let with = rows.class(members.iter().copied(), true).rows;
        let mixed = rows.with.rows > with && rows.without.rows > members.len() - with;
        // Most often both outcomes are left, and whose they are does not matter.
        if left >= PATIENTS_MIN && mixed {
            self.tried += 2;
        } else {
            self.try_one(rows, &rows.others(members), rows.base, Common::Lacks, named);
        }
    }

    pub(super) fn add(&mut self, other: Groups) {
        self.tried += other.tried;
        self.pure.extend(other.pure);
    }

    /// The groups that chance does not explain: Fisher's p, times the number tried (Bonferroni).
    pub(super) fn findings(self) -> Vec<LeakFinding> {
        let tried = (self.tried.max(1) as f64).ln();
        let found = self.pure.into_iter().filter(|pure| pure.ln_p + tried < P_MAX.ln());
        found.map(|pure| pure.finding(tried)).collect()
    }
}

impl Pure {
    fn finding(self, ln_tried: f64) -> LeakFinding {
        let Pure { named, common, label, patients, ln_p } = self;
        let patients = nearest_ten(patients);
        let log10_p = (ln_p + ln_tried) / LN_10;
        let who = if label { "all" } else { "none" };
        let found = format!(
            "of about {patients} patients {} {who} had the outcome (p below 1e{:.0})",
            common.words(),
            log10_p.ceil()
        );
        let mut finding = LeakFinding::new(LeakKind::PureGroup, &named.name, found)
            .of_feature(named.feature.as_deref());
        finding.patients_about = Some(patients);
        finding.log10_p = Some(three(log10_p));
        // A group at a low risk may well be without the outcome, and a model that cannot read of it
        // learns nothing; but nobody is at such a risk that all have it.
        if !label && !named.is_read {
            finding.verdict = LeakVerdict::Warns;
        }
        finding
    }
}
