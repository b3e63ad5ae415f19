//! `fit`: cross-validate, choose, fit on all development patients, judge once on the held-out ones.

use std::collections::BTreeMap;

use super::alert_burden::index_times_per_day;
use super::assemble::{self, Parts};
use super::censoring::FollowUp;
use super::cohort::{Cohort, Sample};
use super::evaluate::{Evaluation, Predicted, evaluation};
use super::judgement::{
    Description, HeldOutRows, LearningPoint, Population, SampleSize, description, learning_curve,
    relearnt,
};
use super::leaks;
use super::metrics::{self, Metrics};
use super::report::{Dump, EACH_CLASS_MIN, FitParams, Fitted, Report, TrainError};
use super::select::{
    Chosen, Contender, Finalist, Layout, Pace, Table, Tried, calibrator, choose, cross_validate,
    margins, simplest_first,
};
use super::small_cell::Count;
use super::split::{HeldOut, part_of};
use super::tier_cut::check_rates;
use crate::bundle::Bundle;
use crate::feature::{Column, Matrix};
use crate::model::{Family, InputSpec, Weights};

/// How many parts the development patients are cross-validated in.
const FOLDS: u8 = 4;

/// Fits and judges models of the cohort's task.
///
/// # Errors
/// A cohort too small to learn from, a leak, or a fault of a model library.
pub fn fit(cohort: &Cohort<'_>, params: &FitParams, pace: Pace<'_>) -> Result<Fitted, TrainError> {
    let params = &FitParams { held_out: held_out(cohort, params.held_out), ..params.clone() };
    let holds = |sample: &Sample| params.held_out.holds(&sample.group, sample.split);
    let held_out: Vec<bool> = cohort.samples().iter().map(holds).collect();
    let learns: Vec<bool> = held_out.iter().map(|held| !held).collect();
    let follow_up = FollowUp::of(cohort, &learns);
    let judged = Judged { cohort, patients: cohort.patient_numbers(), follow_up: &follow_up };
    let table = table(&judged, &held_out);
    check_size(cohort, &table)?;
    check_rates(cohort.task(), index_times_per_day(cohort.samples()))?;
    pace.step("leak check");
    let leaks = leaks::check(cohort, follow_up.weights(), params.held_out);
    if leaks.blocks() {
        return Err(TrainError::Leaks(Box::new(leaks)));
    }
    let spec = cohort.task().spec();
    let all: Vec<usize> = (0..table.samples.len()).collect();
    let layout = table.layout(spec, &all)?;
    let columns = layout.vocabulary.columns(spec);
    let weight = table.weights().sum(&all);
    let inputs = layout.input.inputs();
    let mut candidates = params.search.candidates(spec, &columns, weight, inputs, params.seed);
    candidates.retain(|candidate| candidate.has_inputs(&layout));
    let searched = cross_validate(&table, spec, &candidates, params.seed, pace)?;
    pace.step("final fit");
    let mut finalists = finalists(&table, &layout, searched.tried, params.seed)?;
    simplest_first(&table, &mut finalists);
    let chosen = choose(&table, &finalists);

    pace.step("judging");
    let matrix = layout.vocabulary.matrix(columns.len(), cohort.samples().iter().map(|s| &s.facts));
    let rows: Vec<usize> = (0..held_out.len()).filter(|row| held_out[*row]).collect();
    let rows = follow_up.weights().counted(rows);
    let judging = Judging { judged: &judged, rows: &rows, matrix: &matrix, layout: &layout };
    judging.finalists(&mut finalists, params.seed);
    let parts = Parts { cohort, table: &table, layout: &layout, columns: &columns, params };
    let drafted = assemble::draft(&parts, &finalists, &chosen)?;
    let held_out_evaluation = judging.evaluation(&drafted.1);
    let mut held_out_figures = figures(&finalists, |finalist| finalist.held_out.clone());
    let mut cross_validation = cross_validation(&table, &finalists, params.seed);
    if chosen.contender == Contender::Blend {
        let whole = held_out_evaluation.iter().map(|judged| judged.metrics.clone());
        held_out_figures.extend(whole.map(|metrics| (Contender::Blend, metrics)));
        let blended = development_figures(&table, &chosen.probabilities, params.seed);
        cross_validation.extend(blended.map(|metrics| (Contender::Blend, metrics)));
    }
    let report = Report {
        task: cohort.task().params().name.clone(),
        seed: params.seed,
        held_out_part: params.held_out.to_string(),
        attrition: cohort.attrition().shown(),
        development_samples: Count(table.samples.len() as u64),
        censoring: follow_up.report.clone(),
        leaks,
        chosen: chosen.contender,
        shares: chosen.shares_by_family(&finalists),
        candidates: searched.reports,
        cross_validation,
        held_out: held_out_figures,
        held_out_evaluation,
        description: Some(judging.description(&table, &drafted.1)),
        sample_size: sample_size(&table, &chosen, layout.input.inputs()),
        learning_curve: judging.learning_curve(&table, &finalists, params.seed, pace),
        unused_columns: unused(&columns, &layout.input),
    };
    let (files, bundle) = assemble::finish(&parts, drafted, &report)?;
    let dump = dump(&judged, &held_out, columns, matrix);
    Ok(Fitted { files, bundle, report, dump })
}

/// Who is held out: a source that splits its subjects itself goes before a part.
fn held_out(cohort: &Cohort<'_>, asked: HeldOut) -> HeldOut {
    match asked {
        HeldOut::Part { .. } if cohort.is_split_by_source() => HeldOut::Source,
        asked => asked,
    }
}

/// The samples of a cohort with what is needed to judge on them.
struct Judged<'a> {
    cohort: &'a Cohort<'a>,
    /// Number of the patient of every sample.
    patients: Vec<u32>,
    follow_up: &'a FollowUp,
}

fn fold(group: &str) -> u8 {
    part_of("fold", group, u32::from(FOLDS)) as u8
}

fn table<'a>(judged: &Judged<'a>, held_out: &[bool]) -> Table<'a> {
    let development = (0..held_out.len()).filter(|row| !held_out[*row]);
    let rows = judged.follow_up.weights().counted(development);
    let samples: Vec<&Sample> = rows.iter().map(|row| &judged.cohort.samples()[*row]).collect();
    Table {
        labels: samples.iter().map(|sample| sample.boolean_value).collect(),
        patients: rows.iter().map(|row| judged.patients[*row]).collect(),
        weights: judged.follow_up.weights().uneven(&rows),
        folds: samples.iter().map(|sample| fold(&sample.group)).collect(),
        folds_count: FOLDS,
        samples,
    }
}

fn check_size(cohort: &Cohort<'_>, table: &Table<'_>) -> Result<(), TrainError> {
    if cohort.samples().is_empty() {
        let attrition = cohort.attrition().shown();
        let left_out = attrition.left_out.iter();
        let why: Vec<String> = left_out.map(|(name, count)| format!("{name} {count}")).collect();
        return Err(TrainError::EmptyCohort(format!(
            "{} index times, {} not followed to the end; left out: {}",
            attrition.index_times,
            attrition.censored,
            if why.is_empty() { "none".to_owned() } else { why.join(", ") }
        )));
    }
    let positives = table.labels.iter().filter(|label| **label).count();
    let negatives = table.labels.len() - positives;
    if positives.min(negatives) < EACH_CLASS_MIN {
        let (positives, negatives) = (Count(positives as u64), Count(negatives as u64));
        return Err(TrainError::TooFew { positives, negatives });
    }
    Ok(())
}

/// The best of each family, fitted on all development rows.
fn finalists(
    table: &Table<'_>,
    layout: &Layout,
    tried: Vec<Tried>,
    seed: u64,
) -> Result<Vec<Finalist>, TrainError> {
    let all: Vec<usize> = (0..table.samples.len()).collect();
    let fitted = best_of_each_family(tried).into_iter().map(|tried| {
        let candidate = tried.report.candidate;
        let member = candidate.fit(layout, &all, table, seed)?;
        let calibrator = calibrator(table, candidate, &tried.margins, &all)?;
        Ok(Finalist { tried, member, calibrator, held_out: None })
    });
    fitted.collect()
}

fn best_of_each_family(tried: Vec<Tried>) -> Vec<Tried> {
    let mut best: BTreeMap<Family, Tried> = BTreeMap::new();
    for one in tried {
        let family = one.report.candidate.family();
        if best.get(&family).is_none_or(|best| one.log_loss() < best.log_loss()) {
            best.insert(family, one);
        }
    }
    best.into_values().collect()
}

/// What the held-out rows are judged with.
struct Judging<'a> {
    judged: &'a Judged<'a>,
    rows: &'a [usize],
    /// The columns of every sample.
    matrix: &'a Matrix,
    layout: &'a Layout,
}

impl Judging<'_> {
    fn held_out(&self) -> HeldOutRows<'_> {
        let samples: Vec<&Sample> =
            self.rows.iter().map(|row| &self.judged.cohort.samples()[*row]).collect();
        HeldOutRows {
            y: samples.iter().map(|sample| sample.boolean_value).collect(),
            patients: self.rows.iter().map(|row| self.judged.patients[*row]).collect(),
            weights: self.judged.follow_up.weights().of_rows(self.rows),
            samples,
        }
    }

    /// What a finalist alone says of the held-out rows.
    fn probabilities(&self, finalist: &Finalist) -> Vec<f64> {
        let margins = margins(&finalist.member, &self.layout.input, self.matrix, self.rows);
        margins.into_iter().map(|margin| finalist.calibrator.apply(margin)).collect()
    }

    /// Notes the figures of each finalist alone.
    fn finalists(&self, finalists: &mut [Finalist], seed: u64) {
        let HeldOutRows { y, patients, weights, .. } = self.held_out();
        for finalist in finalists {
            let p = self.probabilities(finalist);
            finalist.held_out = Metrics::of(&p, &y, &patients, Weights::from(&weights), seed);
        }
    }

    /// What the first finalist's candidate makes of fewer patients.
    fn learning_curve(
        &self,
        table: &Table<'_>,
        finalists: &[Finalist],
        seed: u64,
        pace: Pace<'_>,
    ) -> Vec<LearningPoint> {
        let Some(first) = finalists.first().filter(|_| !(pace.is_over)()) else {
            return Vec::new();
        };
        let held_out = self.held_out();
        let spec = self.judged.cohort.task().spec();
        let candidate = first.tried.report.candidate;
        learning_curve((&table.patients, &table.labels), &held_out, seed, |share, rows| {
            pace.step(&format!("learning curve, {:.0}% of the patients", 100.0 * share));
            if share == 1.0 {
                return Some(self.probabilities(first));
            }
            relearnt(table, rows, share, spec, candidate, &held_out, seed).ok()
        })
    }

    /// What the development patients and the held-out ones were like.
    fn description(&self, table: &Table<'_>, bundle: &Bundle) -> Description {
        let all: Vec<usize> = (0..table.samples.len()).collect();
        let (y, patients) = (&table.labels, &table.patients);
        let development = Population { matrix: &self.layout.matrix, rows: &all, y, patients };
        let HeldOutRows { y, patients, .. } = self.held_out();
        let held_out =
            Population { matrix: self.matrix, rows: self.rows, y: &y, patients: &patients };
        let held_out = (!self.rows.is_empty()).then_some(&held_out);
        description(bundle, Some(&development), held_out)
    }

    /// The figures of the whole.
    fn evaluation(&self, bundle: &Bundle) -> Option<Evaluation> {
        let predicted = self.rows.iter().map(|row| Predicted {
            sample: &self.judged.cohort.samples()[*row],
            patient: self.judged.patients[*row],
            probability: bundle.predict(self.matrix.row(*row)).probability,
            weight: self.judged.follow_up.weights().of(*row),
        });
        let judged = evaluation(bundle, &predicted.collect::<Vec<_>>())?;
        let index_times_per_day = index_times_per_day(self.judged.cohort.samples());
        Some(Evaluation { index_times_per_day, ..judged })
    }
}

fn sample_size(table: &Table<'_>, chosen: &Chosen, inputs: usize) -> Option<SampleSize> {
    let (all, weights) = ((0..table.labels.len()).collect::<Vec<usize>>(), table.weights());
    let events: Vec<usize> = all.iter().copied().filter(|row| table.labels[*row]).collect();
    let prevalence = weights.sum(&events) / weights.sum(&all);
    let loss = metrics::log_loss(&chosen.probabilities, &table.labels, weights);
    SampleSize::of(inputs, prevalence, loss, weights.effective(&all))
}

fn cross_validation(
    table: &Table<'_>,
    finalists: &[Finalist],
    seed: u64,
) -> BTreeMap<Contender, Metrics> {
    figures(finalists, |finalist| development_figures(table, &finalist.tried.probabilities, seed))
}

fn development_figures(table: &Table<'_>, p: &[f64], seed: u64) -> Option<Metrics> {
    Metrics::of(p, &table.labels, &table.patients, table.weights(), seed)
}

fn figures(
    finalists: &[Finalist],
    of: impl Fn(&Finalist) -> Option<Metrics>,
) -> BTreeMap<Contender, Metrics> {
    let each = finalists.iter();
    each.filter_map(|f| Some((Contender::Family(f.member.family()), of(f)?))).collect()
}

fn unused(columns: &[Column], input: &InputSpec) -> Vec<String> {
    let kept = |place: usize| input.kept.iter().any(|column| column.index == place);
    let unused = columns.iter().enumerate().filter(|(place, _)| !kept(*place));
    unused.map(|(_, column)| column.name.clone()).collect()
}

fn dump(judged: &Judged<'_>, held_out: &[bool], columns: Vec<Column>, matrix: Matrix) -> Dump {
    let samples = judged.cohort.samples();
    let folds = samples.iter().zip(held_out).map(|(s, held)| (!held).then(|| fold(&s.group)));
    let weights = (0..samples.len()).map(|row| judged.follow_up.weights().of(row));
    Dump { columns, matrix, folds: folds.collect(), weights: weights.collect() }
}
