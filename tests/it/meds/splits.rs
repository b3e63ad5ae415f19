//! The source's own splits: who is held out of a fit.

use prodrome::record::ConceptSet;
use prodrome::task::Task;
use prodrome::train::{
    self, Case, Cohort, FitParams, GivenLabel, HeldOut, Pace, Search, SourceNote, Split,
};

use crate::support::{concepts, sample, task_folder};

#[test]
fn a_source_that_splits_its_subjects_says_who_is_held_out() {
    let concepts: ConceptSet = concepts();
    let text = std::fs::read_to_string(task_folder().join("task.toml")).unwrap();
    let task = Task::parse(&text, &concepts).unwrap();
    let mut cohort = Cohort::new(&task, &concepts);
    for subject in sample() {
        let label = subject.label.unwrap();
        // All rows of a group in one part.
        let split = match subject.group.as_bytes().last() {
            Some(b'0' | b'1') => Split::HeldOut,
            Some(b'2') => Split::Tuning,
            _ => Split::Train,
        };
        let (prediction_time, boolean_value) = (label.prediction_time, label.boolean_value);
        let case = Case {
            subject_id: subject.subject_id,
            group: subject.group.clone(),
            record: subject.record.clone(),
            labels: Some(vec![GivenLabel { prediction_time, boolean_value }]),
            split: Some(split),
        };
        cohort.add(&case).unwrap();
    }
    cohort.finish();
    let params = FitParams {
        version: "1".into(),
        seed: 1,
        held_out: HeldOut::Part { part: 0, of: 5 },
        search: Search { trials: 2, ..Search::default() },
        source: SourceNote {
            title: "sample".into(),
            citation: None,
            years: None,
            synthetic: false,
        },
    };
    let fitted = train::fit(&cohort, &params, Pace::unwatched()).unwrap();
    assert_eq!(fitted.bundle.manifest().development.as_ref().unwrap().held_out_part, "source");
    assert_eq!(fitted.report.held_out_part, "source");
    for (sample, fold) in cohort.samples().iter().zip(&fitted.dump.folds) {
        assert_eq!(fold.is_none(), sample.split == Some(Split::HeldOut), "tuning counts as train");
    }
}
