//! Logins that failed: guesses are slow, and do not keep others at the same address out.
//!
//! Behind a proxy all people of a hospital come from one address, and log in within minutes of each
//! other when the shift changes. So failures alone count: each against what was tried at that address,
//! and, with more room, against the address. What logged in before is no guess and is always looked at.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::session::{Tried, drawn_key};

/// How many failures at once, and how long until one is forgotten.
#[derive(Debug, Clone, Copy)]
struct Share {
    burst: u32,
    forgotten_after: Duration,
}

/// For one key (by its id), token or certificate at one address.
const OF_ONE: Share = Share { burst: 10, forgotten_after: Duration::from_secs(5) };
/// For all of one address.
const OF_ADDRESS: Share = Share { burst: 60, forgotten_after: Duration::from_secs(1) };
/// Failures that are told apart at one time; those above share one count.
const COUNTS_MAX: usize = 10_000;
/// What logged in and is remembered as no guess, at one time.
const KNOWN_MAX: usize = 10_000;

/// What something is known by: a keyed hash, so that memory holds nothing that anybody tried.
type Mark = [u8; 32];

/// Too much was tried that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// The failures of late.
pub(super) struct Attempts {
    key: Hmac<Sha256>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// When all failures of a mark will be forgotten.
    until: HashMap<Mark, Instant>,
    known: HashSet<Mark>,
}

/// A login that is tried. It counts as failed until it is said to have succeeded, so that a hundred at
/// once have no more tries than a hundred one after the other.
pub(super) struct Attempt {
    whole: Mark,
    /// Against what it counts.
    counted: Vec<(Mark, Share)>,
}

impl Attempts {
    /// No failures yet.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub(super) fn new() -> Result<Attempts, getrandom::Error> {
        Ok(Attempts { key: drawn_key()?, counts: Mutex::default() })
    }

    /// A try of `tried` from `address`.
    ///
    /// # Errors
    /// Too many of late failed.
    pub(super) fn begin(
        &self,
        address: &str,
        tried: Tried<'_>,
        now: Instant,
    ) -> Result<Attempt, TooMany> {
        let whole = self.mark(&["whole", tried.whole]);
        let mut counts = self.counts();
        if counts.known.contains(&whole) {
            return Ok(Attempt { whole, counted: Vec::new() });
        }
        let one = counts.place(self.mark(&["one", address, tried.name]), now);
        let all = counts.place(self.mark(&["address", address]), now);
        let counted = vec![(one, OF_ONE), (all, OF_ADDRESS)];
        if counted.iter().any(|(mark, share)| counts.is_spent(mark, *share, now)) {
            return Err(TooMany);
        }
        for (mark, share) in &counted {
            let until = counts.until.entry(*mark).or_insert(now);
            *until = (*until).max(now) + share.forgotten_after;
        }
        Ok(Attempt { whole, counted })
    }

    /// Notes that it succeeded.
    pub(super) fn succeeded(&self, attempt: &Attempt) {
        self.forgive(attempt);
        let mut counts = self.counts();
        if counts.known.len() < KNOWN_MAX {
            counts.known.insert(attempt.whole);
        }
    }

    /// Takes it back: nothing can be said of what was tried.
    pub(super) fn forgive(&self, attempt: &Attempt) {
        let mut counts = self.counts();
        for (mark, share) in &attempt.counted {
            if let Some(until) = counts.until.get_mut(mark) {
                *until = until.checked_sub(share.forgotten_after).unwrap_or(*until);
            }
        }
    }

    /// Notes that it failed: what logged in before does so no more.
    pub(super) fn failed(&self, attempt: &Attempt) {
        self.counts().known.remove(&attempt.whole);
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, parts: &[&str]) -> Mark {
        let mut mac = self.key.clone();
        for part in parts {
            mac.update(&part.len().to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

impl Counts {
    fn is_spent(&self, mark: &Mark, share: Share, now: Instant) -> bool {
        let left =
            self.until.get(mark).map_or(Duration::ZERO, |u| u.saturating_duration_since(now));
        left + share.forgotten_after > share.forgotten_after * share.burst
    }

    /// Where failures of `mark` are counted.
    fn place(&mut self, mark: Mark, now: Instant) -> Mark {
        let has_room =
            |counts: &Counts| counts.until.len() < COUNTS_MAX || counts.until.contains_key(&mark);
        if !has_room(self) {
            self.until.retain(|_, until| *until > now);
        }
        if has_room(self) { mark } else { Mark::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(whole: &str) -> Tried<'_> {
        Tried { name: whole.get(..4).unwrap_or(whole), whole }
    }

    fn fails(attempts: &Attempts, address: &str, whole: &str, now: Instant) -> bool {
        let attempt = attempts.begin(address, tried(whole), now);
        attempt.is_ok_and(|attempt| {
            attempts.failed(&attempt);
            true
        })
    }

    #[test]
    fn guesses_at_one_key_are_slow_and_keep_no_other_key_out() {
        let (attempts, now) = (Attempts::new().unwrap(), Instant::now());
        let guessed = (0..30).filter(|n| fails(&attempts, "a", &format!("ana_{n}"), now)).count();
        assert_eq!(guessed, 10, "ten at once");
        let later = now + Duration::from_secs(11);
        let guessed = (0..30).filter(|n| fails(&attempts, "a", &format!("ana_{n}"), later)).count();
        assert_eq!(guessed, 2, "and one each five seconds");
        assert!(fails(&attempts, "b", "ana_1", now), "of another address");
        for _ in 0..200 {
            // As while the keys of an issuer cannot be fetched.
            attempts.forgive(&attempts.begin("a", tried("eva_right"), now).unwrap());
        }
        for nurse in 0..200 {
            let key = format!("{nurse:04}_right");
            let attempt = attempts.begin("a", tried(&key), now).unwrap();
            attempts.succeeded(&attempt);
        }
    }

    #[test]
    fn an_address_has_a_share_which_binds_nobody_who_logged_in_before() {
        let (attempts, now) = (Attempts::new().unwrap(), Instant::now());
        attempts.succeeded(&attempts.begin("far", tried("ana_right"), now).unwrap());
        let guessed = (0..99).filter(|n| fails(&attempts, "a", &format!("{n:04}"), now)).count();
        assert_eq!(guessed, 60);
        assert!(attempts.begin("a", tried("bob_right"), now).is_err());
        let attempt = attempts.begin("a", tried("ana_right"), now).unwrap();
        attempts.succeeded(&attempt);
        // Until the key is taken back: then it is a guess as any other.
        attempts.failed(&attempts.begin("a", tried("ana_right"), now).unwrap());
        assert!(attempts.begin("a", tried("ana_right"), now).is_err());
        assert!(attempts.begin("a", tried("bob_right"), now + Duration::from_secs(2)).is_ok());
    }

    #[test]
    fn counts_are_bounded_and_those_above_share_one() {
        let (attempts, now) = (Attempts::new().unwrap(), Instant::now());
        for n in 0..COUNTS_MAX + 100 {
            fails(&attempts, &format!("a{n}"), "ana", now);
        }
        assert!(attempts.counts().until.len() <= COUNTS_MAX + 2);
        let later = now + Duration::from_secs(100_000);
        assert!(fails(&attempts, "a", "ana", later));
        assert!(attempts.counts().until.len() <= 3, "what is forgotten makes room");
    }
}
