//! Who is logged in: tickets in cookies, kept as hashes, in memory alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::access::{Caller, Purpose};
use crate::identity::Credentials;

/// Random bytes of a ticket and of the key of forms.
const SECRET_BYTES: usize = 32;
/// Their length in a cookie.
const TICKET_CHARS: usize = 43;
/// People logged in at once; one more logs off who has done nothing for longest.
const SESSIONS_MAX: usize = 1_000;

/// What somebody logged in with: kept so that it can be looked at again at each request.
#[derive(Debug)]
pub(super) enum Credential {
    /// The certificate of the connection.
    Certificate,
    ApiKey(SecretString),
    Bearer(SecretString),
}

impl Credential {
    /// As the identities take it; `peer` is the name in the certificate of the connection.
    pub(super) fn shown<'a>(&'a self, peer: Option<&'a str>) -> Credentials<'a> {
        match self {
            Credential::Certificate => Credentials { peer, ..Credentials::default() },
            Credential::ApiKey(key) => {
                Credentials { peer, api_key: Some(key.expose_secret()), bearer: None }
            }
            Credential::Bearer(token) => {
                Credentials { peer, bearer: Some(token.expose_secret()), api_key: None }
            }
        }
    }
}

/// What is tried at a login, as failures are counted by it.
#[derive(Clone, Copy)]
pub(super) struct Tried<'a> {
    /// Whose it is said to be: of an API key the part with its id, of a token all of it.
    pub(super) name: &'a str,
    pub(super) whole: &'a str,
}

impl Credential {
    /// What is tried by it; `peer` as above.
    pub(super) fn tried<'a>(&'a self, peer: Option<&'a str>) -> Tried<'a> {
        let whole = match self {
            Credential::Certificate => peer.unwrap_or_default(),
            Credential::ApiKey(secret) | Credential::Bearer(secret) => secret.expose_secret(),
        };
        // `pk_<id>_<secret>`.
        let end = whole.match_indices('_').nth(1).filter(|_| matches!(self, Credential::ApiKey(_)));
        let name = end.and_then(|(end, _)| whole.get(..end)).unwrap_or(whole);
        Tried { name, whole }
    }
}

/// Somebody who is logged in.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) credential: Credential,
    /// As recognised at the login.
    pub(super) caller: Arc<Caller>,
    pub(super) purpose: Purpose,
}

/// What a browser holds: random, of no meaning but to this process.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Ticket(String);

impl Ticket {
    /// A new one.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub(super) fn draw() -> Result<Ticket, getrandom::Error> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Ticket(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The one that a cookie holds; `None` for what was never one.
    pub(super) fn read(text: &str) -> Option<Ticket> {
        let is_character = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_ticket = text.len() == TICKET_CHARS && text.bytes().all(is_character);
        is_ticket.then(|| Ticket(text.to_owned()))
    }

    /// For the cookie.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

/// Why nobody is logged in by a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// There is no such session.
    Unknown,
    /// Nothing was done for too long.
    Idle,
    /// The time of a session is over.
    Old,
}

struct Open {
    session: Arc<Session>,
    began: Instant,
    used: Instant,
}

/// A key that nobody else has, for as long as the program runs.
///
/// # Errors
/// The machine gives no random bytes.
pub(super) fn drawn_key() -> Result<Hmac<Sha256>, getrandom::Error> {
    let mut key = [0; SECRET_BYTES];
    getrandom::fill(&mut key)?;
    // A key of any length does.
    Hmac::new_from_slice(&key).map_err(|_| getrandom::Error::UNEXPECTED)
}

/// All who are logged in.
pub(super) struct Sessions {
    open: Mutex<HashMap<[u8; 32], Open>>,
    forms: Hmac<Sha256>,
    idle_max: Duration,
    age_max: Duration,
}

impl Sessions {
    /// Nobody yet.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub(super) fn new(idle_max: Duration, age_max: Duration) -> Result<Sessions, getrandom::Error> {
        Ok(Sessions { open: Mutex::default(), forms: drawn_key()?, idle_max, age_max })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<[u8; 32], Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs somebody in, under a new ticket.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub(super) fn begin(
        &self,
        session: Session,
        now: Instant,
    ) -> Result<(Ticket, Arc<Session>), getrandom::Error> {
        let ticket = Ticket::draw()?;
        let session = Arc::new(session);
        let mut open = self.open();
        open.retain(|_, each| self.ended(each, now).is_none());
        if open.len() >= SESSIONS_MAX {
            let idlest = open.iter().min_by_key(|(_, each)| each.used).map(|(hash, _)| *hash);
            idlest.and_then(|hash| open.remove(&hash));
        }
        let each = Open { session: Arc::clone(&session), began: now, used: now };
        open.insert(ticket.hash(), each);
        Ok((ticket, session))
    }

    /// Who holds `ticket`; it counts as used.
    ///
    /// # Errors
    /// Why nobody does, or does no more.
    pub(super) fn find(&self, ticket: &Ticket, now: Instant) -> Result<Arc<Session>, Ended> {
        let hash = ticket.hash();
        let mut open = self.open();
        let each = open.get_mut(&hash).ok_or(Ended::Unknown)?;
        if let Some(ended) = self.ended(each, now) {
            open.remove(&hash);
            return Err(ended);
        }
        each.used = now;
        Ok(Arc::clone(&each.session))
    }

    /// Who holds `ticket`, and for how long without further use: to look is no use, or a second tab
    /// that looks by itself would keep somebody logged in who left.
    ///
    /// # Errors
    /// Why nobody does, or does no more.
    pub(super) fn look(
        &self,
        ticket: &Ticket,
        now: Instant,
    ) -> Result<(Arc<Session>, Duration), Ended> {
        let open = self.open();
        let each = open.get(&ticket.hash()).ok_or(Ended::Unknown)?;
        if let Some(ended) = self.ended(each, now) {
            return Err(ended);
        }
        let idle = self.idle_max.saturating_sub(now.saturating_duration_since(each.used));
        let age = self.age_max.saturating_sub(now.saturating_duration_since(each.began));
        Ok((Arc::clone(&each.session), idle.min(age)))
    }

    /// Logs off who holds `ticket`.
    pub(super) fn end(&self, ticket: &Ticket) {
        self.open().remove(&ticket.hash());
    }

    fn ended(&self, each: &Open, now: Instant) -> Option<Ended> {
        if now.saturating_duration_since(each.began) >= self.age_max {
            return Some(Ended::Old);
        }
        (now.saturating_duration_since(each.used) >= self.idle_max).then_some(Ended::Idle)
    }

    /// What forms shown to the holder of `ticket` bring back: nobody else's page can know it.
    pub(super) fn form_token(&self, ticket: &Ticket) -> String {
        let mac = self.forms.clone().chain_update(ticket.text());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Whether `given` is what a form shown to the holder of `ticket` brings back.
    pub(super) fn is_form_token(&self, ticket: &Ticket, given: &str) -> bool {
        if given.len() != TICKET_CHARS {
            return false;
        }
        let given = URL_SAFE_NO_PAD.decode(given);
        let mac = self.forms.clone().chain_update(ticket.text());
        // In constant time.
        given.is_ok_and(|given| mac.verify_slice(&given).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Scope;

    fn somebody(name: &str) -> Session {
        let caller = Caller { name: name.into(), roles: Vec::new(), scope: Scope::default() };
        let credential = Credential::ApiKey("secret".into());
        Session { credential, caller: Arc::new(caller), purpose: Purpose::Treatment }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_session_ends_without_use_and_with_age_and_when_somebody_leaves() {
        let sessions = Sessions::new(15 * MINUTE, 60 * MINUTE).unwrap();
        let start = Instant::now();
        let (ticket, _) = sessions.begin(somebody("ana"), start).unwrap();
        for minutes in [14, 28, 42, 56] {
            assert!(sessions.find(&ticket, start + minutes * MINUTE).is_ok(), "{minutes}");
        }
        assert_eq!(sessions.find(&ticket, start + 60 * MINUTE).err(), Some(Ended::Old));
        let (ticket, _) = sessions.begin(somebody("ana"), start).unwrap();
        assert_eq!(sessions.find(&ticket, start + 15 * MINUTE).err(), Some(Ended::Idle));
        assert_eq!(sessions.find(&ticket, start).err(), Some(Ended::Unknown), "gone for good");
        let (ticket, _) = sessions.begin(somebody("ana"), start).unwrap();
        sessions.end(&ticket);
        assert_eq!(sessions.find(&ticket, start).err(), Some(Ended::Unknown));
    }

    #[test]
    fn to_look_at_a_session_is_no_use_of_it() {
        let sessions = Sessions::new(15 * MINUTE, 60 * MINUTE).unwrap();
        let start = Instant::now();
        let (ticket, _) = sessions.begin(somebody("ana"), start).unwrap();
        let left = |minutes: u32| sessions.look(&ticket, start + minutes * MINUTE).map(|(_, t)| t);
        assert_eq!(left(5).unwrap(), 10 * MINUTE);
        assert_eq!(left(14).unwrap(), MINUTE);
        assert_eq!(left(15), Err(Ended::Idle));
        for minutes in [10, 20, 30, 40, 50] {
            assert!(sessions.find(&ticket, start + minutes * MINUTE).is_ok());
        }
        assert_eq!(left(52).unwrap(), 8 * MINUTE, "the session's time is over before");
        assert_eq!(left(60), Err(Ended::Old));
        assert_eq!(sessions.find(&ticket, start + 65 * MINUTE).err(), Some(Ended::Old));
        assert_eq!(left(5), Err(Ended::Unknown));
    }

    #[test]
    fn sessions_are_bounded_and_the_idlest_makes_room() {
        let sessions = Sessions::new(60 * MINUTE, 60 * MINUTE).unwrap();
        let start = Instant::now();
        let (first, _) = sessions.begin(somebody("first"), start).unwrap();
        let (second, _) = sessions.begin(somebody("second"), start).unwrap();
        assert!(sessions.find(&first, start + MINUTE).is_ok());
        for _ in 2..=SESSIONS_MAX {
            sessions.begin(somebody("more"), start + MINUTE).unwrap();
        }
        assert_eq!(sessions.open().len(), SESSIONS_MAX);
        assert!(sessions.find(&first, start + MINUTE).is_ok());
        assert_eq!(sessions.find(&second, start + MINUTE).err(), Some(Ended::Unknown));
    }

    #[test]
    fn a_form_token_is_of_one_ticket_and_nothing_else_passes() {
        let sessions = Sessions::new(MINUTE, MINUTE).unwrap();
        let (mine, other) = (Ticket::draw().unwrap(), Ticket::draw().unwrap());
        let token = sessions.form_token(&mine);
        assert!(sessions.is_form_token(&mine, &token));
        assert!(!sessions.is_form_token(&other, &token));
        assert!(!Sessions::new(MINUTE, MINUTE).unwrap().is_form_token(&mine, &token));
        for wrong in ["", "A", "ä", &token[1..], mine.text()] {
            assert!(!sessions.is_form_token(&mine, wrong), "{wrong}");
        }
        assert!(Ticket::read(mine.text()).is_some_and(|read| read == mine));
        for wrong in ["", "short", &"ü".repeat(22), &"/".repeat(TICKET_CHARS)] {
            assert!(Ticket::read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_somebody_logged_in_with_is_in_no_debug_output() {
        assert!(!format!("{:?}", somebody("ana")).contains("secret"));
    }
}
