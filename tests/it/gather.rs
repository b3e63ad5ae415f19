//! Large exports: facts spilled to disk and gathered again, the same whatever the road, and an import
//! that is killed half-way.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use prodrome::command::with_threads;
use prodrome::import::{Counts, Export, Meter, Received, Subject};

use crate::support::{root, task_folder};

/// Encounters and observations of made-up patients, spread over files in an order of their own.
fn write_export(folder: &Path, patients: usize, observations: usize) {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for patient in 0..patients {
        let mut add = |file: String, line: String| {
            writeln!(files.entry(file).or_default(), "{line}").unwrap();
        };
        add(
            "Patient.ndjson".to_owned(),
            format!(
                r#"{{"resourceType":"Patient","id":"p{patient}","gender":"female","birthDate":"19{}-05-01"}}"#,
                40 + patient % 50
            ),
        );
        add(
            format!("Encounter.{}.ndjson", patient % 3),
            format!(
                r#"{{"resourceType":"Encounter","id":"e{patient}","status":"finished","class":{{"code":"IMP"}},"subject":{{"reference":"Patient/p{patient}"}},"period":{{"start":"2020-03-01T10:00:00Z","end":"2020-03-05T12:00:00Z"}}}}"#
            ),
        );
        for place in 0..observations {
            let line = format!(
                r#"{{"resourceType":"Observation","id":"o{patient}-{place}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"2345-7"}}]}},"subject":{{"reference":"Patient/p{patient}"}},"encounter":{{"reference":"Encounter/e{patient}"}},"effectiveDateTime":"2020-03-02T{:02}:{:02}:00Z","valueQuantity":{{"value":{},"unit":"mg/dL","code":"mg/dL"}}}}"#,
                place / 60 % 24,
                place % 60,
                80 + (patient * 7 + place * 13) % 200
            );
            add(format!("Observation.{}.ndjson", (patient + place) % 4), line);
        }
    }
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn read_all(export: &Export, threads: usize) -> (Vec<Subject>, Counts) {
    let run = || {
        let mut subjects = Vec::new();
        let counts = export.read(&Meter::default(), |subject| {
            subjects.push(subject);
            Received::Used
        });
        (subjects, counts.unwrap())
    };
    with_threads(Some(threads), run).unwrap()
}

#[test]
fn memory_disk_and_any_number_of_threads_give_the_same_patients_in_the_same_order() {
    let folder = tempfile::tempdir().unwrap();
    write_export(folder.path(), 300, 20);
    let in_memory = Export::new(folder.path());
    let expected = read_all(&in_memory, 1);
    assert_eq!(expected.0.len(), 300);
    assert_eq!(expected.1.read(), 300 * 22);
    assert_eq!(expected.1.used(), 300 * 22);
    let work = tempfile::tempdir().unwrap();
    let on_disk = Export { work: Some(work.path().to_owned()), ..in_memory.clone() };
    for threads in [1, 2, 5] {
        assert!(read_all(&in_memory, threads) == expected, "in memory, {threads} threads");
        assert!(read_all(&on_disk, threads) == expected, "on disk, {threads} threads");
        assert_eq!(fs::read_dir(work.path()).unwrap().count(), 0, "nothing is left");
    }
}

#[test]
fn an_import_that_fails_leaves_nothing_and_a_work_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_export(folder.path(), 3, 2);
    let work = tempfile::tempdir().unwrap();
    let export = Export { work: Some(work.path().to_owned()), ..Export::new(folder.path()) };
    let mut inner = None;
    let counts = export.read(&Meter::default(), |_| {
        // The same import once more, while this one runs.
        let second = export.read(&Meter::default(), |_| Received::Used);
        inner.get_or_insert(second.unwrap_err().to_string());
        Received::Used
    });
    assert_eq!(counts.unwrap().used(), 3 * 4);
    assert!(inner.unwrap().contains("another run is using it"));
    let file = tempfile::NamedTempFile::new().unwrap();
    let export = Export { work: Some(file.path().to_owned()), ..Export::new(folder.path()) };
    let error = export.read(&Meter::default(), |_| Received::Used).unwrap_err().to_string();
    assert!(error.contains("the work folder cannot be used"), "{error}");
    assert_eq!(fs::read_dir(work.path()).unwrap().count(), 0);
}

fn score(export: &Path, work: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prodrome-train"));
    command.arg("score").arg("--bundle").arg(task_folder().join("1"));
    command.arg("--export").arg(export).arg("--work").arg(work).arg("--out").arg(out);
    command.current_dir(root()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The spill files in a work folder that are whole, and all files that others could read.
fn spills(work: &Path) -> (usize, Vec<String>) {
    let (mut whole, mut open) = (0, Vec::new());
    for folder in fs::read_dir(work).into_iter().flatten().flatten() {
        let mut check = |path: &Path| {
            let Ok(data) = fs::metadata(path) else { return };
            if data.permissions().mode() & 0o077 != 0 {
                open.push(path.display().to_string());
            }
        };
        check(&folder.path());
        for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            check(&file.path());
            whole += usize::from(file.path().extension().is_some_and(|end| end == "spill"));
        }
    }
    (whole, open)
}

#[test]
fn an_import_that_is_killed_goes_on_and_ends_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    write_export(folder.path(), 400, 120);
    let place = tempfile::tempdir().unwrap();
    let (work, quiet_work) = (place.path().join("work"), place.path().join("quiet"));
    let (out, quiet_out) = (place.path().join("a.parquet"), place.path().join("b.parquet"));
    assert!(score(folder.path(), &quiet_work, &quiet_out).status().unwrap().success());
    let mut kills_between = 0;
    for _ in 0..6 {
        let mut child =
            score(folder.path(), &work, &out).arg("--threads").arg("1").spawn().unwrap();
        let begun = Instant::now();
        let seen = spills(&work).0;
        // Killed as soon as one more file is whole.
        while spills(&work).0 <= seen && begun.elapsed() < Duration::from_secs(20) {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        let (whole, open) = spills(&work);
        assert!(open.is_empty(), "readable by others: {open:?}");
        kills_between += usize::from(running && whole > 0);
    }
    assert!(kills_between > 0, "at least one run was killed with work done");
    assert!(score(folder.path(), &work, &out).status().unwrap().success());
    assert!(fs::read(&out).unwrap() == fs::read(&quiet_out).unwrap(), "the same predictions");
    assert_eq!(fs::read_dir(&work).unwrap().count(), 0, "nothing is left");
}
