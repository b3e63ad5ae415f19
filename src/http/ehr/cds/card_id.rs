//! The name of a card: where there is a flag, the flag's, so that feedback finds it.

use std::fmt;

use sha2::{Digest, Sha256};

use super::json::is_uuid;
use crate::flag::FlagId;

/// How the id of a card without a flag begins: a flag's random id begins so once in 4 billion.
const SCORE_MARK: u32 = 0x7072_6f64;
/// The places of a UUID's version and variant: 8, "of the vendor's own making" (RFC 9562 section 5.8).
const VERSION: (u128, u128) = (0xf << 76, 0x8 << 76);
const VARIANT: (u128, u128) = (0x3 << 62, 0x2 << 62);

/// The name of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CardId {
    /// The card is about this flag.
    Flag(FlagId),
    /// The card is about a score alone; the same for the same call.
    Score(u128),
}

impl CardId {
    /// The name of the card of one call about one model's score.
    pub(super) fn of_score(hook_instance: &str, bundle_digest: &str) -> CardId {
        let mut digest = Sha256::new();
        digest.update("prodrome/card/");
        digest.update(hook_instance.to_ascii_lowercase());
        digest.update("/");
        digest.update(bundle_digest);
        let digest: [u8; 32] = digest.finalize().into();
        let mut bits =
            digest.into_iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(byte));
        for (mask, value) in
            [(u128::from(u32::MAX) << 96, u128::from(SCORE_MARK) << 96), VERSION, VARIANT]
        {
            bits = bits & !mask | value;
        }
        CardId::Score(bits)
    }

    /// Reads a UUID.
    pub(super) fn parse(text: &str) -> Option<CardId> {
        if !is_uuid(text) {
            return None;
        }
        let digits = text.replace('-', "").to_ascii_lowercase();
        let bits = u128::from_str_radix(&digits, 16).ok()?;
        let is_score = bits >> 96 == u128::from(SCORE_MARK)
            && bits & VERSION.0 == VERSION.1
            && bits & VARIANT.0 == VARIANT.1;
        match is_score {
            true => Some(CardId::Score(bits)),
            false => FlagId::parse(&digits).ok().map(CardId::Flag),
        }
    }
}

/// As a UUID.
impl fmt::Display for CardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self {
            CardId::Flag(id) => id.to_string(),
            CardId::Score(bits) => format!("{bits:032x}"),
        };
        for (place, digit) in digits.chars().enumerate() {
            if matches!(place, 8 | 12 | 16 | 20) {
                f.write_str("-")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cards_name_says_whether_it_is_a_flags() {
        let flag = CardId::Flag(FlagId::from_random(*b"0123456789abcdef"));
        assert_eq!(flag.to_string(), "30313233-3435-3637-3839-616263646566");
        let score = CardId::of_score("D1577C69-dfbe-44ad-ba6d-3e05e953b2ea", "sha256:1");
        let again = CardId::of_score("d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "sha256:1");
        assert_eq!(score, again, "the same for the same call");
        assert_ne!(score, CardId::of_score("d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "sha256:2"));
        let text = score.to_string();
        assert!(text.starts_with("70726f64-") && text.as_bytes()[14] == b'8', "{text}");
        for id in [flag, score] {
            assert_eq!(CardId::parse(&id.to_string()), Some(id));
            assert_eq!(CardId::parse(&id.to_string().to_uppercase()), Some(id));
        }
        for wrong in [
            "",
            "30313233343536373839616263646566",
            "3031323-33435-3637-3839-616263646566",
            "g0313233-3435-3637-3839-616263646566",
            "30313233-3435-3637-3839-6162636465667",
        ] {
            assert_eq!(CardId::parse(wrong), None, "{wrong}");
        }
    }
}
