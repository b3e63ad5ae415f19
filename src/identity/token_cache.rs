//! Tokens that were proved before, and one-time tokens that were used: both bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::access::Caller;

/// Tokens that are remembered; a full memory is emptied of what expired, then of everything.
const TOKENS_MAX: usize = 10_000;
/// One-time tokens that are remembered until they expire.
const USED_MAX: usize = 100_000;

/// A proved token.
#[derive(Clone)]
pub(super) struct Proved {
    pub(super) caller: Arc<Caller>,
    /// The first second at which it is valid, and the first at which it is no longer.
    pub(super) from_seconds: i64,
    pub(super) until_seconds: i64,
    /// The key set that proved it.
    pub(super) key_set: [u8; 32],
}

impl Proved {
    fn holds(&self, now_seconds: i64) -> bool {
        (self.from_seconds..self.until_seconds).contains(&now_seconds)
    }
}

/// Proved tokens by the sha256 of their text: nobody who sees this memory can use them.
#[derive(Default)]
pub(super) struct ProvedTokens(RwLock<HashMap<[u8; 32], Proved>>);

impl ProvedTokens {
    /// The caller of a token that was proved by this key set and is valid now.
    pub(super) fn find(
        &self,
        token: &[u8; 32],
        key_set: &[u8; 32],
        now_seconds: i64,
    ) -> Option<Arc<Caller>> {
        let tokens = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = tokens.get(token)?;
        let holds = found.key_set == *key_set && found.holds(now_seconds);
        holds.then(|| Arc::clone(&found.caller))
    }

    pub(super) fn insert(&self, token: [u8; 32], proved: Proved, now_seconds: i64) {
        let mut tokens = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= TOKENS_MAX {
            tokens.retain(|_, old| old.holds(now_seconds) && old.key_set == proved.key_set);
        }
        if tokens.len() >= TOKENS_MAX {
            tokens.clear();
        }
        tokens.insert(token, proved);
    }
}

/// How a one-time token comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    First,
    Again,
    /// There is no room to remember it: it must not be taken.
    Full,
}

/// Used one-time tokens by the sha256 of their `jti`, with the second at which they expire.
#[derive(Default)]
pub(super) struct UsedTokens(Mutex<HashMap<[u8; 32], i64>>);

impl UsedTokens {
    pub(super) fn claim(&self, jti: [u8; 32], until_seconds: i64, now_seconds: i64) -> Use {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains_key(&jti) {
            return Use::Again;
        }
        if used.len() >= USED_MAX {
            used.retain(|_, until| *until > now_seconds);
        }
        if used.len() >= USED_MAX {
            return Use::Full;
        }
        used.insert(jti, until_seconds);
        Use::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Scope;

    fn key(number: usize) -> [u8; 32] {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn the_memory_of_tokens_is_bounded_and_forgets_what_expired() {
        let tokens = ProvedTokens::default();
        let caller = Arc::new(Caller { name: "a".into(), roles: vec![], scope: Scope::default() });
        let proved = |until_seconds| Proved {
            caller: Arc::clone(&caller),
            from_seconds: 0,
            until_seconds,
            key_set: [1; 32],
        };
        for number in 0..3 * TOKENS_MAX {
            tokens.insert(key(number), proved(100), 50);
            assert!(tokens.0.read().unwrap().len() <= TOKENS_MAX);
        }
        tokens.insert(key(0), proved(100), 50);
        assert!(tokens.find(&key(0), &[1; 32], 99).is_some());
        assert!(tokens.find(&key(0), &[1; 32], 100).is_none(), "expired");
        assert!(tokens.find(&key(0), &[1; 32], -1).is_none(), "the clock went back");
        assert!(tokens.find(&key(0), &[2; 32], 50).is_none(), "the issuer has other keys now");
    }

    #[test]
    fn a_full_memory_of_used_tokens_refuses_rather_than_forgets() {
        let used = UsedTokens::default();
        for number in 0..USED_MAX {
            assert_eq!(used.claim(key(number), 100, 50), Use::First);
        }
        assert_eq!(used.claim(key(USED_MAX), 100, 50), Use::Full);
        assert_eq!(used.claim(key(7), 100, 50), Use::Again);
        assert_eq!(used.claim(key(USED_MAX), 200, 100), Use::First, "the others have expired");
    }
}
