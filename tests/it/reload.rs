//! Models that change under a running server: reload, faults of bundles, signatures.

mod faults;
mod load;
mod signatures;
mod small;

use std::sync::Arc;

use prodrome::registry::{Change, ModelSettings, Models};
use prodrome::service::{Service, ServiceError};

use small::{Folder, TASK, asked, expected, files, reasons};

#[test]
fn a_promotion_is_seen_and_swapped_in_and_the_version_before_can_still_be_named() {
    let folder = Folder::new(&[1, 2]);
    folder.promote(1);
    let models = folder.models();
    let service = Service::new(Arc::clone(&models));
    let generations = models.subscribe();
    assert!(!models.has_changed());
    assert_eq!(asked(&service, &[None]).unwrap(), [expected(1)]);

    folder.promote(2);
    assert!(models.has_changed());
    let report = models.reload();
    assert!(report.is_clean() && !models.has_changed());
    assert_eq!((report.generation, *generations.borrow()), (1, 1));
    let [task] = report.tasks.as_slice() else { panic!("{report:?}") };
    assert_eq!((task.task.as_str(), task.change()), (TASK, Change::Swapped));
    assert_eq!(task.before.as_ref().unwrap().version, "1");
    assert_eq!(task.after.as_ref().unwrap().digest, expected(2).1);
    assert_eq!(task.kept[0].version, "1");

    assert_eq!(asked(&service, &[None]).unwrap(), [expected(2)]);
    let both = asked(&service, &[Some("1"), None, Some("2")]).unwrap();
    assert_eq!(both, [expected(1), expected(2)], "each bundle once, as asked for");
    let unknown = asked(&service, &[Some("3")]).unwrap_err();
    assert!(matches!(unknown, ServiceError::UnknownVersion { .. }), "{unknown}");
    let shown = service.list_models().into_iter().map(|model| (model.version, model.is_default));
    assert_eq!(shown.collect::<Vec<_>>(), [("2".to_owned(), true), ("1".to_owned(), false)]);
}

#[test]
fn what_is_unchanged_is_used_again_and_what_is_swapped_out_is_freed_by_its_last_call() {
    let folder = Folder::new(&[1, 2]);
    folder.promote(1);
    let settings = ModelSettings { versions_kept: 0, ..folder.settings() };
    let models = Models::open(settings).unwrap();
    let held = models.current();
    let old = Arc::downgrade(&held.served()[0]);
    models.reload();
    assert!(Arc::ptr_eq(&held.served()[0], &models.current().served()[0]));
    // Written anew, with the same content.
    folder.write(1, &files(1));
    assert!(models.has_changed());
    models.reload();
    assert!(Arc::ptr_eq(&held.served()[0], &models.current().served()[0]));

    folder.promote(2);
    models.reload();
    assert!(old.upgrade().is_some(), "a call still holds it");
    drop(held);
    assert!(old.upgrade().is_none(), "nobody does");
}

#[test]
fn promotions_keep_as_many_versions_as_asked_for_and_going_back_is_a_promotion() {
    let folder = Folder::new(&[1, 2, 3, 4]);
    [1, 2, 3, 4].iter().for_each(|version| folder.promote(*version));
    let stages = || {
        let text = std::fs::read_to_string(folder.stages()).unwrap();
        let stages: serde_json::Value = serde_json::from_str(&text).unwrap();
        (stages["stable"].clone(), stages["kept"].clone())
    };
    assert_eq!(stages(), ("4".into(), serde_json::json!(["3", "2"])));
    folder.promote(3);
    assert_eq!(stages(), ("3".into(), serde_json::json!(["4", "2"])));
    let service = Service::new(folder.models());
    assert_eq!(asked(&service, &[None, Some("4")]).unwrap(), [expected(3), expected(4)]);
    assert!(asked(&service, &[Some("1")]).is_err(), "not kept any more");
}

#[test]
fn a_server_that_starts_with_a_damaged_version_takes_the_one_before_and_says_so() {
    let folder = Folder::new(&[1, 2]);
    folder.promote(1);
    folder.promote(2);
    let damaged = folder.version(2).join("logistic.json");
    std::fs::write(&damaged, b"{}").unwrap();
    let models = folder.models();
    let service = Service::new(Arc::clone(&models));
    assert_eq!(asked(&service, &[None]).unwrap(), [expected(1)]);
    let shown = service.list_models();
    assert_eq!((shown[0].version.as_str(), shown[0].is_default), ("1", true));
    let refused = shown[1].refused.as_ref().unwrap();
    assert_eq!(shown[1].version, "2");
    assert!(refused.contains("logistic.json is not the one the manifest names"), "{refused}");

    folder.write(2, &files(2));
    assert!(models.has_changed() && models.reload().is_clean());
    assert_eq!(asked(&service, &[None]).unwrap(), [expected(2)]);
}

#[test]
fn without_any_good_version_a_server_starts_and_takes_the_first_that_comes() {
    let folder = Folder::new(&[1]);
    folder.promote(1);
    std::fs::remove_file(folder.version(1).join("manifest.json")).unwrap();
    let models = folder.models();
    let service = Service::new(Arc::clone(&models));
    assert!(matches!(asked(&service, &[]).unwrap_err(), ServiceError::NothingServed));
    assert!(
        service.list_models()[0].refused.as_ref().unwrap().contains("manifest.json is missing")
    );
    folder.write(1, &files(1));
    let report = models.reload();
    assert_eq!(report.tasks[0].change(), Change::Added);
    assert_eq!(asked(&service, &[]).unwrap(), [expected(1)]);
}

#[test]
fn a_task_ends_when_its_stages_say_so_and_not_when_its_folder_is_gone() {
    let folder = Folder::new(&[1]);
    folder.promote(1);
    let models = folder.models();
    let service = Service::new(Arc::clone(&models));
    let aside = folder.path().join("aside");
    std::fs::rename(folder.task(), &aside).unwrap();
    let report = models.reload();
    assert_eq!(report.tasks.iter().find(|t| t.task == TASK).unwrap().change(), Change::Unchanged);
    assert!(reasons(&report).contains("leave `stable` out"), "{}", reasons(&report));
    assert_eq!(asked(&service, &[None]).unwrap(), [expected(1)]);

    std::fs::rename(&aside, folder.task()).unwrap();
    std::fs::write(folder.stages(), "{}").unwrap();
    let report = models.reload();
    assert_eq!(report.tasks[0].change(), Change::Removed);
    assert!(asked(&service, &[None]).is_err() && service.list_models().is_empty());
}

#[test]
fn a_fault_of_what_all_tasks_share_leaves_everything_as_it_was() {
    let folder = Folder::new(&[1, 2]);
    folder.promote(1);
    let concepts = folder.path().join("site.toml");
    let text = "[concept.site]\ntitle = \"of the site\"\ncodes = [\"ICD10CM//J18*\"]\n";
    std::fs::write(&concepts, text).unwrap();
    let settings = ModelSettings { concepts: vec![concepts.clone()], ..folder.settings() };
    let models = Arc::new(Models::open(settings).unwrap());
    let service = Service::new(Arc::clone(&models));
    std::fs::remove_file(&concepts).unwrap();
    folder.promote(2);
    assert!(models.has_changed());
    let report = models.reload();
    assert!(report.fault.as_ref().unwrap().contains("site.toml"), "{report:?}");
    assert_eq!(asked(&service, &[None]).unwrap(), [expected(1)]);
    assert_eq!(service.list_models().len(), 2, "the one in service and why it stays");

    // Other concepts are another bundle in memory, although its digest is the same.
    std::fs::write(&concepts, text.replace("J18", "J13")).unwrap();
    let held = models.current();
    assert!(models.reload().is_clean());
    assert_eq!(asked(&service, &[None, Some("1")]).unwrap(), [expected(2), expected(1)]);
    let one = models.current();
    assert!(!Arc::ptr_eq(
        held.find(TASK, "1").unwrap().bundle(),
        one.find(TASK, "1").unwrap().bundle()
    ));
}

#[test]
fn a_card_is_shown_as_it_was_when_its_version_was_loaded_or_not_at_all() {
    let folder = Folder::new(&[1, 2]);
    folder.promote(1);
    folder.promote(2);
    let service = Service::new(folder.models());
    let card = service.model_card(TASK, None).unwrap();
    assert_eq!((card.version.as_str(), card.markdown.as_str()), ("2", "# Version 2\n"));
    assert_eq!(card.metrics_json.as_deref(), Some("{\"patients\": 1000}"));
    let card = service.model_card(TASK, Some("1")).unwrap();
    assert_eq!((card.markdown.as_str(), card.bundle_digest), ("# Version 1\n", expected(1).1));
    assert!(service.model_card("smal", None).unwrap_err().to_string().contains("did you mean"));
    assert!(service.model_card(TASK, Some("9")).is_err());
    std::fs::write(folder.version(1).join("card.md"), "# Version 7\n").unwrap();
    let error = service.model_card(TASK, Some("1")).unwrap_err();
    assert!(matches!(error, ServiceError::CardUnreadable { .. }), "{error}");
}
