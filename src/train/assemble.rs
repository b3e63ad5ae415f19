//! Putting a bundle together: cuts, reference, column weights, golden inputs, files.

use super::Cohort;
use super::account::Account;
use super::alert_burden::index_times_per_day;
use super::cohort::Sample;
use super::interval::interval;
use super::judgement::drift_reference;
use super::metrics::Quantiles;
use super::report::{FitParams, Report, SourceNote, TrainError, headline};
use super::select::{Chosen, Finalist, Layout, Table};
use super::tier_cut::{CutRows, task_rules, tier_cuts};
use crate::bundle::{
    Bundle, BundleError, CARD, ColumnEntry, Development, FORMAT_VERSION, Files, Golden, METRICS,
    Manifest, MemberEntry, REPORT, formula_file, golden_rows, sealed,
};
use crate::feature::Column;
use crate::model::{Member, Weights};
use crate::record::ConceptSet;
use crate::task::Task;

/// How many rows the column weights are measured on.
const WEIGHT_ROWS: usize = 256;
/// The share of development rows that count as unusual, by how much of the model's weight lies outside
/// the range of its inputs.
const NOVEL_SHARE: f64 = 0.005;
/// How many golden inputs a bundle has.
const GOLDEN_ROWS: usize = 16;

/// What a bundle is made from, besides its models.
pub(super) struct Parts<'a> {
    pub cohort: &'a Cohort<'a>,
    pub table: &'a Table<'a>,
    pub layout: &'a Layout,
    pub columns: &'a [Column],
    pub params: &'a FitParams,
}

/// A bundle that predicts, without column weights, golden inputs and report.
pub(super) fn draft(
    parts: &Parts<'_>,
    finalists: &[Finalist],
    chosen: &Chosen,
) -> Result<(Files, Bundle), TrainError> {
    let task = parts.cohort.task();
    let mut files = described(task, parts.cohort.concepts())?;
    let mut members = Vec::new();
    let in_use = finalists.iter().zip(&chosen.shares).filter(|(_, share)| **share > 0.0);
    for (finalist, share) in in_use {
        let (file, bytes) = match &finalist.member {
            Member::Logistic(linear) => ("logistic.json", json(linear)?),
            Member::Forest(trees) => ("forest.bin", trees.to_bytes()),
            Member::Boosted(trees) => ("boosted.bin", trees.to_bytes()),
            Member::Published(score) => ("published.json", json(score)?),
        };
        files.insert(file.into(), bytes);
        members.push(MemberEntry {
            family: finalist.member.family(),
            file: file.into(),
            calibrator: finalist.calibrator.clone(),
            weight: *share,
            held_out: finalist.held_out.as_ref().map(headline),
        });
    }
    let features = task.spec().features();
    let columns = parts.columns.iter().map(|column| ColumnEntry {
        name: column.name.clone(),
        feature: column.feature,
        unit: features.get(column.feature).and_then(|feature| feature.unit.clone()),
        weight: 0.0,
    });
    let Table { labels, patients, .. } = parts.table;
    let (probabilities, seed) = (&chosen.probabilities, parts.params.seed);
    let cut_rows = CutRows {
        p: probabilities,
        y: labels,
        patients,
        weights: parts.table.weights(),
        index_times_per_day: index_times_per_day(parts.cohort.samples()),
    };
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        task: task.params().name.clone(),
        version: parts.params.version.clone(),
        task_digest: task.digest().to_owned(),
        seed: parts.params.seed,
        development: Some(development(parts)),
        recalibrated: None,
        columns: columns.collect(),
        vocabulary: parts.layout.vocabulary.clone(),
        input: parts.layout.input.clone(),
        held_out: None,
        members,
        tiers: tier_cuts(&task_rules(task), &cut_rows)?,
        drift_reference: Some(drift_reference(&parts.layout.matrix, patients, probabilities)),
        reference: reference(probabilities, parts.table.weights()),
        interval: interval(probabilities, labels, patients, parts.table.weights(), seed),
        novelty_usual: None,
        golden: Vec::new(),
        files: Default::default(),
    };
    let files = sealed(manifest, files)?;
    let bundle = Bundle::draft(&files)?;
    Ok((files, bundle))
}

/// The files that say what the task is: its own, its concepts, and the formulas it names.
pub(super) fn described(task: &Task, concepts: &ConceptSet) -> Result<Files, TrainError> {
    let mut files = Files::new();
    let text = task.to_toml().map_err(BundleError::from)?;
    files.insert("task.toml".into(), text.into_bytes());
    let concepts = concepts.to_toml().map_err(BundleError::from)?;
    files.insert("concepts.toml".into(), concepts.into_bytes());
    for (id, formula) in task.formula_files() {
        files.insert(formula_file(&id), formula.into_bytes());
    }
    Ok(files)
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, TrainError> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|error| TrainError::Json(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn development(parts: &Parts<'_>) -> Development {
    let Parts { table, params, .. } = parts;
    let mut patients = table.patients.clone();
    patients.dedup();
    let years = years(&params.source, &table.samples);
    Development {
        source: params.source.title.clone(),
        years,
        index_times: table.samples.len() as u64,
        patients: patients.len() as u64,
        outcomes: table.labels.iter().filter(|label| **label).count() as u64,
        held_out_part: params.held_out.to_string(),
        synthetic_training_data: params.source.synthetic,
    }
}

/// First and last year of the records: as the source says, else of the index times.
pub(super) fn years(source: &SourceNote, samples: &[&Sample]) -> [i32; 2] {
    source.years.unwrap_or_else(|| {
        let years = samples.iter().map(|s| i32::from(s.prediction_time.year()));
        let first = years.clone().min().unwrap_or_default();
        [first, years.max().unwrap_or_default()]
    })
}

/// The 1st to 99th percentile of the values.
pub(super) fn reference(values: &[f64], weights: Weights<'_>) -> Vec<f64> {
    let ranked = Quantiles::of(values, weights);
    (1..=99).map(|percent| ranked.at(f64::from(percent) / 100.0)).collect()
}

/// The finished bundle: the draft with column weights, golden inputs, figures and card.
pub(super) fn finish(
    parts: &Parts<'_>,
    (mut files, draft): (Files, Bundle),
    report: &Report,
) -> Result<(Files, Bundle), TrainError> {
    let mut manifest = draft.manifest().clone();
    manifest.held_out = report.held_out_evaluation.as_ref().map(|judged| headline(&judged.metrics));
    let weights = column_weights(parts, &draft);
    for (column, weight) in manifest.columns.iter_mut().zip(weights) {
        column.weight = weight;
    }
    manifest.novelty_usual = Some(novelty_usual(parts, &manifest));
    let seed = parts.params.seed;
    manifest.golden = golden_rows(&manifest.input, manifest.columns.len(), GOLDEN_ROWS, seed)
        .into_iter()
        .map(|row| Golden {
            probability: draft.predict(&row).probability,
            row: row.iter().map(|value| (!value.is_nan()).then_some(*value)).collect(),
        })
        .collect();
    files.insert(METRICS.into(), json(report)?);
    let account = Account::of_fit(parts.cohort.task(), &manifest, &parts.params.source, report);
    files.insert(CARD.into(), account.card().into_bytes());
    files.insert(REPORT.into(), account.html().into_bytes());
    let files = sealed(manifest, files)?;
    let bundle = Bundle::open(&files)?;
    Ok((files, bundle))
}

/// The share of the weight that lies outside the usual range in all but the most unusual rows: the
/// 99.5th percentile, or as far out as enough patients are.
fn novelty_usual(parts: &Parts<'_>, manifest: &Manifest) -> f64 {
    let rows = 0..parts.layout.matrix.rows();
    let mut shares: Vec<(f64, u32)> = rows
        .map(|row| (manifest.novelty(parts.layout.matrix.row(row)), parts.table.patients[row]))
        .collect();
    shares.sort_by(|a, b| b.0.total_cmp(&a.0));
    let beyond = (NOVEL_SHARE * shares.len() as f64) as usize;
    let mut seen = std::collections::BTreeSet::new();
    let usual = shares.iter().enumerate().find(|(place, (_, patient))| {
        seen.insert(*patient);
        *place >= beyond && seen.len() >= crate::SMALL_CELL_PATIENTS
    });
    usual.map_or(0.0, |(_, (share, _))| *share)
}

/// Each column's share of the mean absolute contribution, over a sample of development rows.
fn column_weights(parts: &Parts<'_>, bundle: &Bundle) -> Vec<f64> {
    use rayon::prelude::*;
    let rows = parts.layout.matrix.rows();
    let step = rows.div_ceil(WEIGHT_ROWS).max(1);
    let sampled: Vec<usize> = (0..rows).step_by(step).collect();
    let explained: Vec<Vec<f64>> = sampled
        .par_iter()
        .map(|row| bundle.explain(parts.layout.matrix.row(*row)).contributions)
        .collect();
    let mut sums = vec![0.0; parts.columns.len()];
    for (contributions, row) in explained.iter().zip(&sampled) {
        let weight = parts.table.weights().of(*row);
        sums.iter_mut().zip(contributions).for_each(|(sum, share)| *sum += weight * share.abs());
    }
    let total: f64 = sums.iter().sum();
    // A model that nothing moves leans on no column more than on another.
    let even = 1.0 / sums.len().max(1) as f64;
    sums.iter().map(|sum| if total > 0.0 { sum / total } else { even }).collect()
}
