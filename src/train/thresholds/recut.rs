//! A version with the cut that a search found: the same models, and everything that follows from the
//! cut done anew.

use serde::Serialize;

use super::{Promise, ThresholdSearch, Thresholds, count};
use crate::bundle::{Bundle, CARD, Files, METRICS, Manifest, REPORT, Recut, TierBasis, sealed};
use crate::train::account::{recut_card, recut_page};
use crate::train::assemble::{json, years};
use crate::train::evaluate::{BOOTSTRAP_SEED, Evaluation, evaluation, predicted};
use crate::train::metrics::paired;
use crate::train::recalibrate::without_account;
use crate::train::report::{TrainError, headline};
use crate::train::tier_cut::CutFault;
use crate::train::versus::Beside;

/// Everything that is reported about a version with a new cut; its `metrics.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecutReport {
    pub task: String,
    pub thresholds: Thresholds,
    /// The new version on patients that the cut was not found on.
    pub held_out_evaluation: Option<Evaluation>,
    /// The new version less the one it was made from, on those patients: their probabilities are the
    /// same.
    pub beside: Option<Beside>,
}

/// A finished version with a new cut.
#[derive(Debug)]
pub struct RecutVersion {
    pub files: Files,
    pub bundle: Bundle,
    pub report: RecutReport,
}

impl ThresholdSearch<'_> {
    /// The bundle, whose files are `files`, with the new cut, as version `version`.
    ///
    /// # Errors
    /// A promise that the judged patients do not bear out; a cut beyond that of the tier above or below.
    pub fn recut(&self, files: &Files, version: &str) -> Result<RecutVersion, TrainError> {
        if self.report.promise != Promise::Kept {
            return Err(TrainError::PromiseNotKept);
        }
        let mut manifest = self.manifest(version)?;
        let parent_card = files.get(CARD).map(|card| String::from_utf8_lossy(card).into_owned());
        let mut files = without_account(files);
        let draft = Bundle::draft(&sealed(manifest.clone(), files.clone())?)?;
        let report = self.judged(&draft);
        let judged = report.held_out_evaluation.as_ref();
        manifest.held_out = judged.map(|of| headline(&of.metrics));
        files.insert(METRICS.into(), json(&report)?);
        let page = recut_page(&draft, &report, &self.params.source);
        files.insert(REPORT.into(), page.html().into_bytes());
        let card = recut_card(&draft, &report, &self.params.source, parent_card.as_deref());
        files.insert(CARD.into(), card.into_bytes());
        let files = sealed(manifest, files)?;
        let bundle = Bundle::open(&files)?;
        Ok(RecutVersion { files, bundle, report })
    }

    /// The parent's manifest with the new cut.
    fn manifest(&self, version: &str) -> Result<Manifest, TrainError> {
        let Thresholds { cut, rule, .. } = self.report;
        let params = &self.params;
        let mut manifest = self.bundle.manifest().clone();
        manifest.version = version.to_owned();
        let tiers = &manifest.tiers;
        let crossed = match (params.tier.checked_sub(1).and_then(|above| tiers.get(above)), tiers) {
            (Some(above), _) if cut > above.from => {
                Some(CutFault::Crosses { above: above.name.clone() })
            }
            (_, tiers) => tiers
                .get(params.tier + 1)
                .filter(|below| cut < below.from)
                .map(|below| CutFault::CrossesLower { below: below.name.clone() }),
        };
        if let Some(fault) = crossed {
            return Err(TrainError::Tier { tier: self.report.tier.clone(), rule, fault });
        }
        let on = count(&self.own);
        let recut = Recut {
            parent_version: self.report.version.clone(),
            parent_digest: self.report.digest.clone(),
            source: params.source.title.clone(),
            years: years(&params.source, &self.own.samples),
            index_times: on.index_times.0,
            patients: on.patients.0,
            outcomes: on.outcomes.0,
            held_out_part: self.report.held_out_part.clone(),
            synthetic_training_data: params.source.synthetic,
        };
        if let Some(tier) = manifest.tiers.get_mut(params.tier) {
            let index_times_per_day = self.report.index_times_per_day;
            let index_times_per_day = index_times_per_day.filter(|_| rule.needs_rate());
            tier.from = cut;
            tier.basis = Some(TierBasis { rule, index_times_per_day, recut: Some(recut) });
        }
        Ok(manifest)
    }

    fn judged(&self, draft: &Bundle) -> RecutReport {
        let rows = &self.judged;
        let judged = evaluation(draft, &predicted(rows, &rows.p)).map(|judged| Evaluation {
            index_times_per_day: self.report.index_times_per_day,
            ..judged
        });
        let (p, y, patients) = (&rows.p, &rows.y, &rows.patients);
        let comparison = paired(p, p, y, patients, rows.weights(), BOOTSTRAP_SEED);
        RecutReport {
            task: self.report.task.clone(),
            thresholds: self.report.clone(),
            held_out_evaluation: judged,
            beside: comparison.map(|comparison| Beside {
                version: self.report.version.clone(),
                digest: self.report.digest.clone(),
                comparison,
            }),
        }
    }
}
