//! Marks in the place of what tells of a patient, and the search for them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

/// Marks that were planted, each with its forms.
#[derive(Default)]
pub(super) struct Marks(RefCell<BTreeMap<String, Forms>>);

#[derive(Clone)]
struct Forms {
    /// In lower case: as it is, as hex, hashed without a key, and as bytes that somebody printed.
    lower: Vec<String>,
    base64: Vec<String>,
}

impl Marks {
    /// A word that stands nowhere else, for a place such as `region`.
    pub(super) fn word(&self, place: &str) -> String {
        self.text(&format!("zq{place}xkw"))
    }

    /// A text such as a date that stands nowhere else by its nature.
    pub(super) fn text(&self, text: &str) -> String {
        let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        let lower = vec![text.to_lowercase(), hex(text), printed(text), hash[..16].to_owned()];
        let forms = Forms { lower, base64: base64_forms(text) };
        self.0.borrow_mut().insert(text.to_owned(), forms);
        text.to_owned()
    }

    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// The same without some.
    pub(super) fn without(&self, known: &[String]) -> Marks {
        let mut kept = self.0.borrow().clone();
        kept.retain(|mark, _| !known.contains(mark));
        Marks(RefCell::new(kept))
    }

    /// The marks in `bytes`, in any of their forms and in either case.
    pub(super) fn found(&self, bytes: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        let lower = text.to_lowercase();
        let holds = |forms: &Forms| {
            forms.lower.iter().any(|form| lower.contains(form))
                || forms.base64.iter().any(|form| text.contains(form))
        };
        let marks = self.0.borrow();
        let found = marks.iter().filter(|(_, forms)| holds(forms));
        found.map(|(mark, _)| mark.clone()).collect()
    }

    /// The marks in the names and contents of all that is under `folder`.
    pub(super) fn found_under(&self, folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let mut told = |marks: Vec<String>| {
                    found.extend(marks.iter().map(|mark| format!("{mark} in {}", path.display())));
                };
                told(self.found(path.file_name().unwrap().as_encoded_bytes()));
                match path.is_dir() {
                    true => folders.push(path),
                    false => told(self.found(&std::fs::read(&path).unwrap())),
                }
            }
        }
        found
    }
}

fn hex(mark: &str) -> String {
    mark.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// As `{:?}` shows a slice of bytes.
fn printed(mark: &str) -> String {
    let numbers = format!("{:?}", mark.as_bytes());
    numbers.trim_matches(['[', ']']).to_owned()
}

/// What a mark gives in base64, by where it stands among other bytes.
fn base64_forms(mark: &str) -> Vec<String> {
    let forms = [0, 1, 2].map(|before| {
        let text = STANDARD_NO_PAD.encode([&vec![0; before], mark.as_bytes()].concat());
        // The characters at either end also hold bits of what stands beside the mark.
        let whole = text.get(if before == 0 { 0 } else { 4 }..text.len() - 2);
        whole.unwrap_or_default().to_owned()
    });
    // Short ones would be found by chance.
    forms.into_iter().filter(|form| form.len() >= 8).collect()
}

#[test]
fn a_mark_is_found_in_each_form() {
    let marks = Marks::default();
    let word = marks.word("region");
    let with = |before: &str| STANDARD_NO_PAD.encode(format!("{before}{word}and more"));
    let forms = [
        word.to_uppercase(),
        hex(&word),
        format!("{:x}", Sha256::digest(&word)),
        format!("{:?}", format!("a{word}b").as_bytes()),
        with(""),
        with("a"),
        with("ab"),
    ];
    for form in forms {
        assert_eq!(
            marks.found(format!("x {form} y").as_bytes()),
            std::slice::from_ref(&word),
            "{form}"
        );
    }
    assert!(marks.found(b"zqregion xkw").is_empty());
    assert!(marks.without(std::slice::from_ref(&word)).found(word.as_bytes()).is_empty());
}
