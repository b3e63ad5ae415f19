//! Writers that are killed at any moment, and disks that are full: what was acknowledged is there, and
//! nothing half.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use prodrome::flag::{ChangeKind, FlagId, FlagState, FlagUpdate, Reach};
use prodrome::flag_store::{FlagSettings, FlagStore, StoreError};

use super::made::{all, block_on, hours, in_folder, score, settings, start};
use super::postgres;

const CHILD_STORE: &str = "PRODROME_TEST_FLAG_STORE";
const CHILD_KEY: &str = "PRODROME_TEST_FLAG_KEY";
const CHILD_ROUND: &str = "PRODROME_TEST_FLAG_ROUND";

/// Not a test: the program that is killed below. It prints each write once it is acknowledged.
#[test]
#[ignore = "run as a child process by the tests below"]
fn writes_until_it_is_killed() {
    let Ok(store) = std::env::var(CHILD_STORE) else { return };
    let key_file = std::env::var_os(CHILD_KEY).map(PathBuf::from);
    let round: i64 = std::env::var(CHILD_ROUND).unwrap().parse().unwrap();
    let settings = FlagSettings { key_file, ..settings(store) };
    block_on(async {
        let store = FlagStore::open(&settings, start()).await.unwrap();
        let reach = Reach::everything();
        let say = |line: String| {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
        };
        for at in 0.. {
            // The same patients again and again: half of the scores change a flag that is there.
            let patient_id = format!("p{}", (round * 7 + at) % 40);
            let now = start().plus_hours(round).plus_hours(at / 1_000);
            let now = prodrome::record::Time::from_micros(now.micros() + at);
            let sighting = score(&patient_id, now, 0.3);
            let seen = store.sight(&[sighting], now).await.unwrap().remove(0);
            let id = seen.flag.unwrap();
            say(format!("scored {id} {}", now.micros()));
            if at % 3 == 0 {
                let flag = store.get(id, &reach).await.unwrap().unwrap();
                let assign = FlagUpdate::Assign(Some(format!("{round} {at}")));
                let done =
                    store.update(id, flag.version, &assign, "ada", &reach, now).await.unwrap();
                say(format!("version {id} {}", done.version));
            }
        }
    });
}

/// What a killed writer had been told is on disk.
#[derive(Default)]
struct Acknowledged {
    scored: BTreeMap<FlagId, i64>,
    version: BTreeMap<FlagId, u64>,
    writes: u64,
}

impl Acknowledged {
    fn hear(&mut self, line: &str) {
        // The first line has the test's name before it.
        let words: Vec<&str> = line.split(' ').collect();
        let [.., kind, id, number] = words[..] else { return };
        let (Ok(id), Ok(number)) = (FlagId::parse(id), number.parse::<u64>()) else { return };
        self.writes += 1;
        if kind.ends_with("scored") {
            self.scored.insert(id, number as i64);
        } else {
            self.version.insert(id, number);
        }
    }
}

/// Kills a writer `kills` times at any moment; looks at the store after each.
fn kill_the_writer(settings: &FlagSettings, kills: i64) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut heard = Acknowledged::default();
    for round in 0..kills {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "flags::store_kill::writes_until_it_is_killed"])
            .args(["--ignored", "--nocapture"])
            .env(CHILD_STORE, settings.store.as_deref().unwrap())
            .env(CHILD_ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(key_file) = &settings.key_file {
            command.env(CHILD_KEY, key_file);
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let writes = heard.writes;
        while heard.writes == writes {
            heard.hear(&lines.next().expect("a writer that writes").unwrap());
        }
        let wait = Duration::from_micros(random.u64(0..100_000));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(wait);
            child.kill().unwrap();
            child.wait().unwrap()
        });
        lines.map_while(Result::ok).for_each(|line| heard.hear(&line));
        killer.join().unwrap();
        block_on(check(settings, &heard));
    }
    assert!(heard.writes > kills as u64, "{} acknowledged", heard.writes);
}

/// Nothing acknowledged is lost, and nothing is there twice or half.
async fn check(settings: &FlagSettings, heard: &Acknowledged) {
    let begun = Instant::now();
    let store = FlagStore::open(settings, start()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "it opens at once");
    let reach = Reach::everything();
    let page = store.list(&all(500), &reach, hours(0)).await.unwrap();
    let patients: BTreeSet<&str> = page.flags.iter().map(|flag| flag.patient_id.as_str()).collect();
    assert_eq!(patients.len(), page.flags.len(), "no patient has two flags");
    let flags: BTreeMap<FlagId, _> = page.flags.iter().map(|flag| (flag.id, flag)).collect();
    for (id, scored) in &heard.scored {
        assert!(flags[id].scored_time.micros() >= *scored, "an acknowledged score is there");
    }
    for (id, version) in &heard.version {
        assert!(flags[id].version >= *version, "an acknowledged update is there");
    }
    let mut raises = BTreeSet::new();
    let (mut number, mut versions) = (0, BTreeMap::<FlagId, u64>::new());
    loop {
        let looked = store.changes_after(number, 1_000, &reach).await.unwrap();
        for change in &looked.changes {
            number += 1;
            assert_eq!(change.number, number, "no change is missing");
            *versions.entry(change.flag.id).or_default() += 1;
            if change.kind == ChangeKind::Raised {
                assert!(raises.insert(change.flag.id), "raised once");
            }
        }
        if looked.changes.is_empty() {
            break;
        }
    }
    for flag in &page.flags {
        assert_eq!(versions[&flag.id], flag.version, "each version has its change");
        assert_eq!(flag.state, FlagState::Raised);
    }
    store.close().await;
}

fn on_both(kills: i64) {
    let folder = tempfile::tempdir().unwrap();
    let settings = in_folder(folder.path());
    kill_the_writer(&settings, kills);
    if let Some(server) = postgres::server() {
        kill_the_writer(&server.database(), kills);
    }
}

#[test]
fn a_kill_loses_no_acknowledged_write_and_raises_nothing_twice() {
    on_both(25);
}

#[test]
#[ignore = "long: 500 kills of each kind of store"]
fn five_hundred_kills_lose_no_acknowledged_write() {
    on_both(500);
}

#[test]
#[ignore = "mounts a file system of 2 MB: needs the right to"]
fn a_full_disk_refuses_whole_writes_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let run = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
    };
    if !run("mount", &["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", place]) {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    }
    block_on(async {
        let settings = in_folder(folder.path());
        let store = FlagStore::open(&settings, start()).await.unwrap();
        let ballast = folder.path().join("ballast");
        fs::write(&ballast, vec![1; 1 << 20]).unwrap();
        let (mut at, mut kept, mut refused) = (0, 0_u64, 0);
        while refused < 20 {
            let sighting = score(&format!("p{at}"), hours(0), 0.3);
            match store.sight(&[sighting], hours(0)).await {
                Ok(_) => kept += 1,
                Err(error) => {
                    assert!(matches!(error, StoreError::Full), "{error}");
                    refused += 1;
                }
            }
            at += 1;
        }
        assert!(kept > 3, "{kept}");
        let reach = Reach::everything();
        let page = store.list(&all(1), &reach, hours(0)).await.unwrap();
        assert_eq!((page.count, page.change_number), (kept, kept), "it can still be read");
        fs::remove_file(ballast).unwrap();
        let again = score("p0", hours(1), 0.3);
        assert!(store.sight(&[again], hours(1)).await.is_ok(), "by itself");
        assert_eq!(store.last_change().await.unwrap(), kept + 1);
        store.close().await;
    });
    assert!(run("umount", &["-l", place]));
}
