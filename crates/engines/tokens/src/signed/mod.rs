//! Events that their senders signed: webhooks with a shared secret, and HTTP message signatures (RFC 9421) with a public key.
//!
//! Whoever sends is found by the route; this says whether they sent it, unchanged, lately, and for the first time.

mod digest; // of a body, in a header
mod error;
mod message; // HTTP message signatures
mod sign; // the sender's side
mod webhook; // by a secret

pub use error::EventError;
pub use sign::{SignError, sign_message};
pub use webhook::Form;

use crate::limits::EVENT_SECRET_BYTES_MIN;
use crate::replays::{Replays, Shown};
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::jose::{Alg, JwkSet, VerifyKey};
use std::time::Duration;

/// By what a sender's events are known.
#[derive(Debug)]
pub enum Sender {
    /// Secrets that we share; several, while one takes the place of another.
    Secrets {
        /// How they are written.
        form: Form,
        /// The secrets.
        secrets: Vec<Secret<Vec<u8>>>,
    },
    /// Public keys, by their names.
    Keys(Vec<Key>),
}

/// A public key of a sender.
#[derive(Debug)]
pub struct Key {
    id: String,
    alg: Alg,
    key: VerifyKey,
}

/// A request, as far as signatures cover it.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// The method.
    pub method: &'a str,
    /// `https` or `http`.
    pub scheme: &'a str,
    /// Host and port, as the client wrote them.
    pub authority: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The values of a field, in the order in which they came; its name is in lower case.
    pub field: &'a dyn Fn(&str) -> Vec<&'a [u8]>,
    /// The whole body.
    pub body: &'a [u8],
}

/// An event that its sender signed, and may have been shown before. [`Sender::verify`] is the only constructor.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What was signed, by each signature of the sender that it has, as hashes. Not the signatures: of some algorithms others can be made
    /// of one, and where there are several, each counts alone.
    ids: Vec<[u8; 32]>,
    /// The key: its name, or the place of the secret in its file, from 1.
    pub key: String,
    /// When it was signed, in seconds since 1970, where it says so; else it is to be remembered for longer.
    pub signed_at: Option<u64>,
}

impl Sender {
    /// A sender with secrets, as they stand in its file: one a line, several while one takes the place of another.
    ///
    /// # Errors
    /// [`EventError::Secret`].
    pub fn with_secrets(form: Form, text: &Secret<String>) -> Result<Self, EventError> {
        let lines = text.expose().lines().map(str::trim).filter(|line| !line.is_empty());
        let secrets: Vec<_> = lines.map(|line| form.secret(line)).collect::<Option<_>>().ok_or(EventError::Secret)?;
        let is_long = |secret: &Secret<Vec<u8>>| secret.expose().len() >= EVENT_SECRET_BYTES_MIN;
        if secrets.is_empty() || !secrets.iter().all(is_long) {
            return Err(EventError::Secret);
        }
        Ok(Self::Secrets { form, secrets })
    }

    /// A sender with public keys; each needs a name, and one algorithm that RFC 9421 knows.
    ///
    /// # Errors
    /// [`EventError::Keys`].
    pub fn with_keys(set: &JwkSet) -> Result<Self, EventError> {
        let mut keys = Vec::new();
        for jwk in &set.keys {
            let id = jwk.kid().ok_or(EventError::Keys("a key has no `kid`"))?;
            if keys.iter().any(|key: &Key| key.id == id) {
                return Err(EventError::Keys("two keys have one `kid`"));
            }
            let mut fit = jwk.algs().iter().copied().filter(|alg| message::name_of(*alg).is_some());
            let (Some(alg), None) = (fit.next(), fit.next()) else {
                return Err(EventError::Keys("a key needs an `alg` that says which of its algorithms is meant"));
            };
            let key = jwk.verify_key(alg).map_err(|_| EventError::Keys("a key cannot be used"))?;
            keys.push(Key { id: id.to_owned(), alg, key });
        }
        if keys.is_empty() { Err(EventError::Keys("there is none")) } else { Ok(Self::Keys(keys)) }
    }

    /// A sender as it stands in its file: secrets one a line where there is a `form`, else public keys (a JWK Set).
    ///
    /// # Errors
    /// [`EventError::Secret`], [`EventError::Keys`].
    pub fn read(form: Option<Form>, text: &Secret<String>) -> Result<Self, EventError> {
        match form {
            Some(form) => Self::with_secrets(form, text),
            None => {
                let set = JwkSet::parse(text.expose().as_bytes());
                Self::with_keys(&set.map_err(|_| EventError::Keys("it is no JWK Set"))?)
            }
        }
    }

    /// The field without which nothing is signed.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Secrets { form, .. } => form.field(),
            Self::Keys(_) => message::INPUT,
        }
    }

    /// Whether its events say when they were signed.
    pub fn is_timed(&self) -> bool {
        match self {
            Self::Secrets { form, .. } => form.is_timed(),
            Self::Keys(_) => true,
        }
    }

    /// Checks that the sender signed this message, whole, and within `age_max`.
    ///
    /// # Errors
    /// [`EventError`].
    pub fn verify(&self, message: &Message<'_>, now: Timestamp, age_max: Duration) -> Result<Verified, EventError> {
        let clock = Clock { now, age_max };
        match self {
            Self::Secrets { form, secrets } => form.verify(secrets, message, clock),
            Self::Keys(keys) => message::verify(keys, message, clock),
        }
    }
}

impl Verified {
    /// Takes it, where it is the first time that it is shown.
    ///
    /// # Errors
    /// [`EventError::Replayed`], [`EventError::NoRoom`].
    pub fn take(&self, replays: &mut Replays, now: Timestamp) -> Result<(), EventError> {
        let mut taken = Ok(());
        // Each is noted, whatever becomes of those before.
        for id in &self.ids {
            match (replays.note(id, now), &taken) {
                (Shown::Again, _) => taken = Err(EventError::Replayed),
                (Shown::NoRoom, Ok(())) => taken = Err(EventError::NoRoom),
                (Shown::NoRoom, Err(_)) | (Shown::First, _) => {}
            }
        }
        taken
    }

    /// It came to nothing, so that its sender may send it again.
    pub fn give_back(&self, replays: &mut Replays) {
        self.ids.iter().for_each(|id| replays.forget(id));
    }
}

/// When an event is judged, and how old it may be.
#[derive(Clone, Copy)]
struct Clock {
    now: Timestamp,
    age_max: Duration,
}

impl Message<'_> {
    /// The only value of a field that has to be there once.
    fn only(&self, name: &'static str) -> Result<&str, EventError> {
        let values = (self.field)(name);
        let [value] = values.as_slice() else {
            return Err(if values.is_empty() { EventError::Unsigned(name) } else { EventError::Twice(name) });
        };
        let value = std::str::from_utf8(value).map_err(|_| EventError::Unreadable(name))?;
        if value.len() > crate::limits::EVENT_FIELD_BYTES_MAX {
            return Err(EventError::Unreadable(name));
        }
        Ok(value.trim_matches([' ', '\t']))
    }
}

impl Clock {
    /// Whether something that was signed at `then` still counts.
    fn check(self, then_s: u64) -> Result<(), EventError> {
        let (now_s, skew_s) = (self.now.as_secs(), crate::limits::SKEW.as_secs());
        if then_s > now_s.saturating_add(skew_s) {
            return Err(EventError::Ahead(then_s - now_s));
        }
        let (age_s, max_s) = (now_s.saturating_sub(then_s), self.age_max.as_secs());
        if age_s > max_s { Err(EventError::Old { age_s, max_s }) } else { Ok(()) }
    }
}
