//! Events that their senders signed: webhooks with a shared secret, and HTTP message signatures (RFC 9421) with a public key.
//!
//! Whoever sends is found by the route; this says whether they sent it, unchanged, lately, and for the first time.

mod digest; // of a body, in a header
mod error;
mod message; // HTTP message signatures
mod webhook; // by a secret

pub use error::EventError;
pub use webhook::Form;

use crate::limits::EVENT_SECRET_BYTES_MIN;
use crate::replays::{Replays, Shown};
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::hash;
use bartizan_crypto::jose::{Alg, JwkSet, VerifyKey};

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
#[derive(Clone, Copy, Debug)]
pub struct Verified {
    id: [u8; 32],
    /// Whether it says when it was signed; else it is to be remembered for longer.
    pub timed: bool,
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

    /// Checks that the sender signed this message, whole, and lately.
    ///
    /// # Errors
    /// [`EventError`].
    pub fn verify(&self, message: &Message<'_>, now: Timestamp) -> Result<Verified, EventError> {
        let (signature, timed) = match self {
            Self::Secrets { form, secrets } => (form.verify(secrets, message, now)?, form.is_timed()),
            Self::Keys(keys) => (message::verify(keys, message, now)?, true),
        };
        Ok(Verified { id: hash::sha256(&signature), timed })
    }
}

impl Verified {
    /// Takes it, where it is the first time that it is shown.
    ///
    /// # Errors
    /// [`EventError::Replayed`], [`EventError::NoRoom`].
    pub fn take(self, replays: &mut Replays, now: Timestamp) -> Result<(), EventError> {
        match replays.note(&self.id, now) {
            Shown::First => Ok(()),
            Shown::Again => Err(EventError::Replayed),
            Shown::NoRoom => Err(EventError::NoRoom),
        }
    }
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

/// Whether something that was signed at `then` still counts.
fn check_age(then_s: u64, now: Timestamp) -> Result<(), EventError> {
    let (now_s, skew_s) = (now.as_secs(), crate::limits::SKEW.as_secs());
    if then_s > now_s.saturating_add(skew_s) {
        return Err(EventError::Ahead(then_s - now_s));
    }
    let age_s = now_s.saturating_sub(then_s);
    if age_s > crate::limits::EVENT_AGE_MAX.as_secs() { Err(EventError::Old(age_s)) } else { Ok(()) }
}
