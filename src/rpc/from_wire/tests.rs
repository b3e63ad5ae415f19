//! Requests of which every fault is named, and requests that prost reads the same.

use prost::Message;

use super::*;

fn at(seconds: i64, nanos: i32) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos })
}

fn request(history: proto::PatientHistory) -> proto::ScoreRequest {
    let record = Some(proto::score_request::Record::History(history));
    proto::ScoreRequest { record, ..Default::default() }
}

/// The message as it would come.
fn sent(request: &proto::ScoreRequest) -> request::ScoreRequest {
    request::ScoreRequest::new(request.encode_to_vec().into())
}

fn faults(request: proto::ScoreRequest) -> Vec<(String, &'static str)> {
    let violations = score_request(&sent(&request)).unwrap_err();
    violations.into_iter().map(|v| (v.path, v.reason)).collect()
}

#[test]
fn every_fault_is_named_by_its_path() {
    let good = proto::Event { kind: 1, time: at(-86_400, 0), ..Default::default() };
    let bad = proto::Event {
        comparator: "~".into(),
        time_precision: 77,
        recorded_time: at(i64::MAX, 0),
        ..Default::default()
    };
    let found = faults(request(proto::PatientHistory {
        birth_date: "1950-13".into(),
        sex: 9,
        coverage: vec![proto::Period { start: at(0, -1), end: None }],
        encounters: vec![proto::Encounter { class: "BED".into(), ..Default::default() }],
        events: vec![good, bad],
        ..Default::default()
    }));
    let expected = [
        ("history.birth_date", "not a date YYYY, YYYY-MM or YYYY-MM-DD"),
        ("history.sex", NOT_A_VALUE),
        ("history.coverage[0].start", "nanos outside 0 to 999999999"),
        ("history.encounters[0].class", "not a known v3-ActCode"),
        ("history.encounters[0].start", MISSING),
        ("history.events[1].kind", MISSING),
        ("history.events[1].time_precision", NOT_A_VALUE),
        ("history.events[1].comparator", "not one of <, <=, >= and >"),
        ("history.events[1].recorded_time", OUTSIDE),
    ];
    assert_eq!(found, expected.map(|(path, reason)| (path.to_owned(), reason)));
}

#[test]
fn a_request_without_a_record_or_with_too_much_is_refused() {
    let tasks = vec![proto::TaskRef::default(); 65];
    let options = Some(proto::ScoreOptions { max_reasons: 51, ..Default::default() });
    let found = faults(proto::ScoreRequest { tasks, options, ..Default::default() });
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["tasks", "options.max_reasons", "history"]);
}

#[test]
fn a_bad_record_gets_a_short_answer() {
    let events = vec![proto::Event::default(); 5_000];
    let history = proto::PatientHistory { events, ..Default::default() };
    assert_eq!(faults(request(history)).len(), Faults::MAX);
}

#[test]
fn absent_fields_take_their_defaults() {
    let (id, _, meant) = score_request(&sent(&request(proto::PatientHistory::default()))).unwrap();
    assert_eq!(id, "");
    assert_eq!(meant.record, Record::default());
    assert_eq!(meant.options.reasons_max, 5);
    assert_eq!((meant.tasks.len(), meant.prediction_time), (0, None));
}

fn text(random: &mut fastrand::Rng) -> String {
    let texts = ["", "a", "IMP", "LOINC", "8480-6", "1950-02-03", "\u{e9}\u{20ac}", "<"];
    random.choice(texts).unwrap_or_default().to_owned()
}

fn time(random: &mut fastrand::Rng) -> Option<Timestamp> {
    let seconds = [0, -1, 1_700_000_000, i64::MAX, -9_000_000_000];
    let (seconds, nanos) = (random.choice(seconds).unwrap_or(0), random.i32(-1..3));
    random.bool().then_some(Timestamp { seconds, nanos })
}

fn labels(random: &mut fastrand::Rng) -> Vec<String> {
    let labels = ["", "R", "hiv", "ETH", "PSY", "N", "\u{e9}"];
    (0..random.usize(0..3)).filter_map(|_| random.choice(labels)).map(str::to_owned).collect()
}

fn event_drawn(random: &mut fastrand::Rng) -> proto::Event {
    proto::Event {
        id: text(random),
        kind: random.i32(-1..12),
        time: time(random),
        end_time: time(random),
        recorded_time: time(random),
        time_precision: random.i32(0..6),
        system: text(random),
        code: text(random),
        value: match random.u8(0..4) {
            0 => Some(proto::event::Value::Number(random.f64())),
            1 => Some(proto::event::Value::Coded(text(random))),
            2 => Some(proto::event::Value::Text(text(random))),
            _ => None,
        },
        comparator: text(random),
        unit: text(random),
        encounter_id: text(random),
        rank: random.bool().then(|| random.u32(0..4)),
        status: text(random),
        security_labels: labels(random),
    }
}

fn encounter_drawn(random: &mut fastrand::Rng) -> proto::Encounter {
    proto::Encounter {
        id: text(random),
        class: text(random),
        start: time(random),
        end: time(random),
        admission_type: text(random),
        admission_source: text(random),
        discharge_disposition: text(random),
        service: text(random),
        facility: text(random),
        planned: random.bool().then(|| random.bool()),
        synthetic: random.bool(),
        security_labels: labels(random),
    }
}

fn history_drawn(random: &mut fastrand::Rng) -> proto::PatientHistory {
    proto::PatientHistory {
        patient_id: text(random),
        birth_date: text(random),
        sex: random.i32(0..6),
        death_time: time(random),
        region: text(random),
        coverage: (0..random.usize(0..3))
            .map(|_| proto::Period { start: time(random), end: time(random) })
            .collect(),
        encounters: (0..random.usize(0..3)).map(|_| encounter_drawn(random)).collect(),
        events: (0..random.usize(0..4)).map(|_| event_drawn(random)).collect(),
        audit_attributes: random.bool().then(|| proto::AuditAttributes {
            race: text(random),
            ethnicity: text(random),
            language: text(random),
            insurance: text(random),
            gender_identity: text(random),
        }),
    }
}

/// A message with every field of ours somewhere, drawn anew.
fn drawn(random: &mut fastrand::Rng) -> proto::ScoreRequest {
    proto::ScoreRequest {
        request_id: text(random),
        record: match random.u8(0..8) {
            0 => None,
            1 => Some(proto::score_request::Record::FhirBundleJson(b"{}".to_vec())),
            _ => Some(proto::score_request::Record::History(history_drawn(random))),
        },
        tasks: (0..random.usize(0..3))
            .map(|_| proto::TaskRef { task: text(random), version: text(random) })
            .collect(),
        prediction_time: time(random),
        options: random.bool().then(|| proto::ScoreOptions {
            max_reasons: random.u32(0..60),
            no_reasons: random.bool(),
            no_flag: random.bool(),
            peers: random.bool(),
            compare_to_time: time(random),
            compare_to_version: text(random),
        }),
        team: text(random),
    }
}

/// What is read of `bytes`, without the order of faults, which follows that of the bytes.
fn meaning(bytes: &[u8]) -> Result<String, Vec<(String, &'static str)>> {
    let read = score_request(&request::ScoreRequest::new(bytes.to_vec().into()));
    let read = read.map(|(id, origin, request)| format!("{id} {origin:?} {request:?}"));
    read.map_err(|found| {
        let mut faults: Vec<_> =
            found.into_iter().map(|fault| (fault.path, fault.reason)).collect();
        faults.sort();
        faults
    })
}

/// Whether prost reads `bytes` too; where it does, what is read is what prost has read.
fn agrees_with_prost(bytes: &[u8]) -> bool {
    let ours = meaning(bytes);
    match proto::ScoreRequest::decode(bytes) {
        Ok(theirs) => {
            let theirs = meaning(&theirs.encode_to_vec());
            let is_cut = |faults: &Vec<_>| faults.len() == Faults::MAX;
            if !theirs.as_ref().is_err_and(is_cut) {
                assert_eq!(ours, theirs, "{bytes:?}");
            }
            true
        }
        Err(_) => {
            let [(_, reason)] = ours.unwrap_err()[..] else { panic!("one fault: {bytes:?}") };
            assert!(["not valid protobuf", "text that is not UTF-8"].contains(&reason));
            false
        }
    }
}

#[test]
fn messages_mean_what_prost_reads_in_them() {
    let mut random = fastrand::Rng::with_seed(5);
    let (mut read, mut broken) = (0, 0);
    for _ in 0..4_000 {
        let mut bytes = drawn(&mut random).encode_to_vec();
        // Parts that come apart, of which later ones count or are put together.
        if random.u8(0..3) == 0 {
            bytes.extend(drawn(&mut random).encode_to_vec());
        }
        assert!(agrees_with_prost(&bytes));
        for _ in 0..4 {
            let mut changed = bytes.clone();
            match random.u8(0..5) {
                0 => changed.truncate(random.usize(..=bytes.len())),
                1 => changed.insert(random.usize(..=bytes.len()), random.u8(..)),
                2 => changed.extend((0..random.usize(1..6)).map(|_| random.u8(..))),
                _ if bytes.is_empty() => {}
                3 => drop(changed.remove(random.usize(..bytes.len()))),
                _ => changed[random.usize(..bytes.len())] ^= 1 << random.u8(0..8),
            }
            match agrees_with_prost(&changed) {
                true => read += 1,
                false => broken += 1,
            }
        }
    }
    assert!(read > 2_000 && broken > 2_000, "{read} {broken}");
}

#[test]
fn what_the_contract_does_not_have_is_passed_over() {
    let good = request(proto::PatientHistory { patient_id: "p".into(), ..Default::default() });
    // A number, eight bytes, a text, four bytes, and groups in a group.
    let unknown: [&[u8]; 5] = [
        &[0xf8, 0x01, 5],
        &[0xf9, 0x01, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xfa, 0x01, 1, 0xff],
        &[0xfd, 0x01, 1, 2, 3, 4],
        &[0xfb, 0x01, 0x0b, 0x0a, 1, 9, 0x0c, 0xfc, 0x01],
    ];
    for unknown in unknown {
        let bytes = [unknown, &good.encode_to_vec()].concat();
        assert!(agrees_with_prost(&bytes));
        assert_eq!(meaning(&bytes), meaning(&good.encode_to_vec()));
        assert!(!agrees_with_prost(&bytes[..unknown.len() - 1]));
    }
    // An end without a beginning, another group's end, and a group without an end.
    for broken in [&[0xfc, 0x01][..], &[0xfb, 0x01, 0x0c], &[0xfb, 0x01]] {
        assert!(!agrees_with_prost(broken));
    }
    let deep = [[0x0b; 101].as_slice(), [0x0c; 101].as_slice()].concat();
    let nested = [&[0xfb, 0x01][..], &deep, &[0xfc, 0x01]].concat();
    assert!(!agrees_with_prost(&nested));
}
