//! Features of encounters: the index stay itself, and how care was used before it.

use super::scene::{Scene, Sink};
use crate::record::{ConceptId, Encounter, EncounterClass, EncounterCode, Evidence};

/// Length of the index stay in days, as nights are counted: the difference of the calendar days
/// (UTC) of its start and its end, which is now for an open stay.
pub(super) fn stay_days(scene: &Scene<'_, '_>, sink: &mut Sink<'_>) {
    let days = scene.stay.map(|stay| (scene.view.index_time().day() - stay.start.day()) as f64);
    sink.column(days.unwrap_or(f64::NAN), scene.stay.map(|stay| stay.admission()));
}

/// One column a level; all missing when the field is not recorded, or its code is in no level.
pub(super) fn stay_code(
    scene: &Scene<'_, '_>,
    field: EncounterCode,
    levels: &[ConceptId],
    sink: &mut Sink<'_>,
) {
    let found = scene.stay.map(|stay| stay.concepts(field)).unwrap_or_default();
    let known = levels.iter().any(|level| found.contains(level));
    let evidence = scene.stay.filter(|_| known).map(|stay| match field {
        EncounterCode::AdmissionType | EncounterCode::AdmissionSource => stay.admission(),
        EncounterCode::DischargeDisposition => stay.discharge(),
    });
    for level in levels {
        let value = if found.contains(level) { 1.0 } else { 0.0 };
        sink.column(if known { value } else { f64::NAN }, evidence);
    }
}

fn in_window<'s, 'h>(
    scene: &'s Scene<'_, 'h>,
    window_days: u32,
) -> impl Iterator<Item = &'s (&'h Encounter, Evidence)> {
    let from = scene.view.index_time().plus_days(-i64::from(window_days));
    scene
        .earlier
        .iter()
        .filter(move |(encounter, _)| encounter.start > from && encounter.counts_over(window_days))
}

/// How many encounters of `classes` began in the window. Missing when nothing shows that the source
/// would have seen one: no encounter at all in the window, and no coverage over it.
pub(super) fn count(
    scene: &Scene<'_, '_>,
    classes: &[EncounterClass],
    window_days: u32,
    sink: &mut Sink<'_>,
) {
    let observed = scene.view.is_covered(i64::from(window_days))
        || in_window(scene, window_days).next().is_some();
    let counted = in_window(scene, window_days)
        .filter(|(encounter, _)| classes.contains(&encounter.class))
        .map(|(_, evidence)| *evidence);
    let found: Vec<Evidence> = counted.collect();
    sink.column(if observed { found.len() as f64 } else { f64::NAN }, found);
}

/// Days since the latest end of an encounter of `classes` in the window; missing when there is none.
/// Synthetic encounters have no true dates and never count here.
pub(super) fn days_since(
    scene: &Scene<'_, '_>,
    classes: &[EncounterClass],
    window_days: u32,
    sink: &mut Sink<'_>,
) {
    let from = scene.view.index_time().plus_days(-i64::from(window_days));
    let ended = scene
        .earlier
        .iter()
        .filter(|(encounter, _)| !encounter.synthetic && classes.contains(&encounter.class))
        .filter_map(|(encounter, evidence)| Some((scene.view.end_of(encounter)?, *evidence)))
        .filter(|(end, _)| *end > from);
    let latest = ended.max_by_key(|(end, _)| *end);
    let days = latest.map(|(end, _)| scene.view.index_time().days_since(end));
    sink.column(days.unwrap_or(f64::NAN), latest.map(|(_, evidence)| evidence));
}
