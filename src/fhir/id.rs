//! Ids of resources: a UUID made of what the resource is about, so that storing it twice is storing it
//! once.

use sha2::{Digest, Sha256};

/// What FHIR takes as an id: `[A-Za-z0-9\-.]{1,64}`.
pub(super) fn is_id(text: &str) -> bool {
    let is_of_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(is_of_id)
}

/// What FHIR takes as a code: words with single spaces between them.
pub(super) fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text.split(' ').all(|word| !word.is_empty() && !word.contains(char::is_whitespace))
}

/// A text of a site, or `instead` of a blank one, which FHIR does not take.
pub(super) fn said<'a>(text: &'a str, instead: &'a str) -> &'a str {
    if text.trim().is_empty() { instead } else { text }
}

/// The UUID (version 8, of RFC 9562) of the sha256 of these parts. No part holds a NUL.
pub(super) fn uuid(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
        digest.update([0]);
    }
    let bytes: Vec<u8> = digest.finalize().iter().take(16).copied().collect();
    let marked = bytes.iter().enumerate().map(|(place, byte)| match place {
        6 => byte & 0x0f | 0x80,
        8 => byte & 0x3f | 0x80,
        _ => *byte,
    });
    hyphenated(&marked.map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The 32 hexadecimal digits of a UUID in its usual form.
pub(super) fn hyphenated(digits: &str) -> String {
    let hyphen = |place: usize| matches!(place, 8 | 12 | 16 | 20);
    let mut text = String::with_capacity(digits.len() + 4);
    for (place, digit) in digits.chars().enumerate() {
        if hyphen(place) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_fhir_takes() {
        for id in ["a", "4711", "A-1.b", &"x".repeat(64)] {
            assert!(is_id(id), "{id}");
        }
        for id in ["", " ", "a_b", "a/b", "ä", "urn:uuid:1", &"x".repeat(65)] {
            assert!(!is_id(id), "{id}");
        }
    }

    #[test]
    fn a_code_has_no_spaces_but_single_ones_between_words() {
        for code in ["a", "very high", "ä"] {
            assert!(is_code(code), "{code}");
        }
        for code in ["", " ", " a", "a ", "a  b", "a\tb"] {
            assert!(!is_code(code), "{code}");
        }
        assert_eq!((said(" ", "b"), said("a", "b")), ("b", "a"));
    }

    #[test]
    fn a_uuid_is_of_its_parts_and_of_their_borders() {
        let one = uuid(&["ab", "c"]);
        assert_eq!(one, uuid(&["ab", "c"]));
        assert_ne!(one, uuid(&["a", "bc"]));
        assert_eq!(one.len(), 36);
        let places: Vec<usize> = one.match_indices('-').map(|(place, _)| place).collect();
        assert_eq!(places, [8, 13, 18, 23]);
        assert_eq!(&one[14..15], "8", "the version");
        assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"), "the variant");
    }
}
