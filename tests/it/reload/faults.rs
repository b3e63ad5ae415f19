//! Whatever is wrong with a version on disk, it is refused for one clear reason, soon and without
//! filling memory, and the version in memory goes on answering.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prodrome::bundle::{Bundle, Manifest, sealed};
use prodrome::registry::Models;
use prodrome::service::Service;

use super::small::{Folder, asked, changed, expected, files, reasons};
use crate::support::shipped_files;

/// No fault may hold a reload up for longer.
const RELOAD_MAX: Duration = Duration::from_secs(5);
const STABLE_2: &str = "{ \"stable\": \"2\" }";

/// A server of version 1, which is asked after every fault.
struct Serving {
    folder: Folder,
    models: Arc<Models>,
    service: Service,
}

impl Serving {
    fn start() -> Serving {
        let folder = Folder::new(&[1, 2]);
        folder.promote(1);
        let models = folder.models();
        let service = Service::new(Arc::clone(&models));
        fs::write(folder.stages(), STABLE_2).unwrap();
        Serving { folder, models, service }
    }

    /// Why version 2 is refused, while version 1 answers.
    fn refused(&self) -> String {
        let began = Instant::now();
        let report = self.models.reload();
        assert!(began.elapsed() < RELOAD_MAX, "{:?}", began.elapsed());
        let reasons = [reasons(&report), report.fault.unwrap_or_default()].concat();
        assert_eq!(asked(&self.service, &[None]).unwrap(), [expected_1()], "{reasons}");
        assert!(!reasons.is_empty(), "it must be refused");
        reasons
    }

    /// Damages version 2, or its stages, and puts them right again.
    fn damaged(&self, why: &str, damage: impl FnOnce(&Folder)) {
        damage(&self.folder);
        let reason = self.refused();
        assert!(reason.contains(why), "`{reason}` does not say `{why}`");
        let _ = fs::remove_file(self.folder.version(2));
        self.folder.write(2, &files(2));
        let _ = fs::remove_file(self.folder.stages());
        fs::write(self.folder.stages(), STABLE_2).unwrap();
    }

    /// The same for a damage inside the version folder.
    fn damaged_inside(&self, why: &str, damage: impl FnOnce(&Path)) {
        self.damaged(why, |folder| damage(&folder.version(2)));
    }
}

fn expected_1() -> super::small::Said {
    static ONE: std::sync::OnceLock<super::small::Said> = std::sync::OnceLock::new();
    ONE.get_or_init(|| expected(1)).clone()
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_folder_that_is_no_bundle_is_refused_for_what_is_wrong_with_it() {
    let serving = Serving::start();
    let inside = |why, damage: &dyn Fn(&Path)| serving.damaged_inside(why, damage);
    inside("logistic.json is missing", &|v| fs::remove_file(v.join("logistic.json")).unwrap());
    inside("manifest.json is missing", &|v| fs::remove_file(v.join("manifest.json")).unwrap());
    inside("notes.txt is not in the manifest", &|v| fs::write(v.join("notes.txt"), "x").unwrap());
    inside("CARD.md is not in the manifest", &|v| fs::write(v.join("CARD.md"), "x").unwrap());
    inside("manifest.json cannot be read", &|v| fs::write(v.join("manifest.json"), "").unwrap());
    inside("card.md is not the one", &|v| fs::write(v.join("card.md"), "").unwrap());
    inside("not a plain file", &|v| {
        std::os::unix::fs::symlink("/dev/zero", v.join("link.md")).unwrap();
    });
    inside("not a plain file", &|v| {
        fs::remove_file(v.join("card.md")).unwrap();
        std::os::unix::fs::symlink(v.with_file_name("1").join("card.md"), v.join("card.md"))
            .unwrap();
    });
    inside("not a plain file", &|v| pipe(&v.join("pipe")));
    inside("not a plain file", &|v| fs::create_dir(v.join("folder")).unwrap());
    inside("larger than", &|v| {
        File::create(v.join("boosted.bin")).unwrap().set_len(10 << 30).unwrap();
    });
    inside("larger than", &|v| {
        File::options()
            .write(true)
            .open(v.join("manifest.json"))
            .unwrap()
            .set_len(1 << 33)
            .unwrap();
    });
    inside("more than 64 files", &|v| {
        (0..70).for_each(|number| fs::write(v.join(format!("{number}.md")), "x").unwrap());
    });
    inside("more than 1 GiB", &|v| {
        for number in 0..5 {
            let file = File::create(v.join(format!("{number}.bin"))).unwrap();
            file.set_len(if number == 0 { 1 } else { 256 << 20 }).unwrap();
        }
    });
    inside("No such file", &|v| fs::remove_dir_all(v).unwrap());
    inside("not a folder", &|v| {
        fs::remove_dir_all(v).unwrap();
        std::os::unix::fs::symlink(v.with_file_name("1"), v).unwrap();
    });
    // A file of another version, which was good where it came from.
    inside("logistic.json is not the one", &|v| {
        let other = v.with_file_name("1").join("logistic.json");
        fs::copy(other, v.join("logistic.json")).unwrap();
    });
    assert!(serving.models.reload().is_clean());
    assert_eq!(asked(&serving.service, &[None]).unwrap(), [expected(2)], "put right again");
}

#[test]
fn a_bundle_that_was_sealed_wrong_is_refused_for_what_is_wrong_with_it() {
    let serving = Serving::start();
    let sealed = |why, files| serving.damaged(why, |folder| folder.write(2, &files));
    let linear = |why, text: &'static str| {
        let edit = |_: &mut Manifest, files: &mut prodrome::bundle::Files| {
            files.insert("logistic.json".into(), text.as_bytes().to_vec());
        };
        sealed(why, changed(2, edit));
    };
    linear("out of range", r#"{"intercept": 0, "weights": [1e999], "means": [50]}"#);
    linear("not finite", r#"{"intercept": 0, "weights": [1e300], "means": [50]}"#);
    linear("cannot be read", r#"{"intercept": 0, "weights": [NaN], "means": [50]}"#);
    linear("not one weight", r#"{"intercept": 0, "weights": [1, 1], "means": [50, 50]}"#);
    linear("golden input 0", r#"{"intercept": 0, "weights": [1], "means": [50]}"#);
    let manifest = |why, edit: fn(&mut Manifest)| {
        sealed(why, changed(2, |manifest, _| edit(manifest)));
    };
    manifest("format version 2", |m| m.format_version = 2);
    manifest("the task file is of another task", |m| m.task = "other".into());
    manifest("not what its folder says", |m| m.version = "1".into());
    manifest("../logistic.json is missing", |m| m.members[0].file = "../logistic.json".into());
    manifest("/etc/passwd is missing", |m| m.members[0].file = "/etc/passwd".into());
    manifest("another probability than it must", |m| m.golden[0].probability += 1e-8);
    manifest("no golden input", |m| m.golden.clear());
    manifest("1,024 golden inputs", |m| m.golden = vec![m.golden[0].clone(); 1_025]);
    manifest("16 members", |m| m.members = vec![m.members[0].clone(); 17]);
    manifest("one value a column", |m| m.golden[0].row.push(None));
    manifest("the columns are not those of the task", |m| m.columns.clear());
    manifest("column weights must sum to 1", |m| m.columns[0].weight = 0.5);
    manifest("member weights must be shares", |m| m.members[0].weight = 0.5);
    // An older version in the place of a newer one: its manifest says what it is.
    sealed("version `1`, not what its folder says", files(1));
    assert!(serving.models.reload().is_clean());
}

#[test]
fn stages_that_no_promotion_writes_are_refused() {
    let serving = Serving::start();
    let stages = |why, text: &str| {
        serving.damaged(why, |folder| fs::write(folder.stages(), text).unwrap());
    };
    for version in ["../1", "/etc", "1/../2", "01", "-1", "", "2 ", "99999999999"] {
        let text = serde_json::json!({ "stable": version }).to_string();
        stages("a version must be a whole number", &text);
    }
    stages("a version must be a whole number", r#"{"stable": "1", "kept": [".."]}"#);
    stages("No such file", r#"{"stable": "9"}"#);
    stages("stabel", r#"{"stabel": "2"}"#);
    stages("EOF", "");
    stages("invalid type", r#"{"stable": 2}"#);
    let many: Vec<String> = (3..30).map(|version| version.to_string()).collect();
    stages("16 versions", &serde_json::json!({ "stable": "2", "kept": many }).to_string());
    stages("larger than 64 KiB", &" ".repeat(65 << 10));
    serving.damaged("not a plain file", |folder| {
        fs::remove_file(folder.stages()).unwrap();
        pipe(&folder.stages());
    });
    let aside = serving.folder.path().with_extension("aside");
    fs::rename(serving.folder.path(), &aside).unwrap();
    assert!(serving.refused().contains("No such file"), "the whole folder is gone");
    fs::rename(&aside, serving.folder.path()).unwrap();
    assert!(serving.models.reload().is_clean());
}

#[test]
fn a_file_cut_at_any_byte_is_refused_while_the_version_in_memory_answers() {
    let serving = Serving::start();
    let good = files(2);
    let mut cuts = 0;
    for (name, bytes) in &good {
        for length in 0..bytes.len() {
            fs::write(serving.folder.version(2).join(name), &bytes[..length]).unwrap();
            let report = serving.models.reload();
            let said = reasons(&report);
            assert!(said.contains(name.as_str()), "{name} cut at {length}: {said}");
            assert_eq!(report.tasks[0].after.as_ref().unwrap().version, "1");
            cuts += 1;
        }
        assert_eq!(asked(&serving.service, &[None]).unwrap(), [expected_1()]);
        fs::write(serving.folder.version(2).join(name), bytes).unwrap();
    }
    assert!(cuts > 3_000, "{cuts}");
    assert!(serving.models.reload().is_clean());
}

#[test]
fn damaged_trees_are_refused_or_score_the_golden_inputs_as_they_must_and_never_panic() {
    let files = shipped_files();
    let manifest: Manifest = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let mut rng = fastrand::Rng::with_seed(11);
    let trees = &files["boosted.bin"];
    let opened = |bytes: Vec<u8>| {
        let mut damaged = files.clone();
        damaged.insert("boosted.bin".into(), bytes);
        Bundle::open(&sealed(manifest.clone(), damaged).unwrap())
    };
    for _ in 0..12 {
        let cut = trees[..rng.usize(..trees.len())].to_vec();
        assert!(opened(cut).is_err());
        let mut flipped = trees.clone();
        flipped[rng.usize(..trees.len())] ^= 1 << rng.u8(..8);
        if let Ok(bundle) = opened(flipped) {
            let golden = &bundle.manifest().golden;
            let gap = |g: &prodrome::bundle::Golden| {
                (bundle.predict(&g.values()).probability - g.probability).abs()
            };
            assert!(golden.iter().all(|golden| gap(golden) <= 1e-9));
        }
    }
}
