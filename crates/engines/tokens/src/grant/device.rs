//! The device flow (RFC 8628): a device without a browser shows a short code, somebody types it elsewhere and agrees.

use super::family::Family;
use super::granted::{FamilyId, Granted};
use crate::limits::{CODE_REMEMBERED, DEVICE_INTERVAL, DEVICE_TTL, SLOW_DOWN};
use crate::scopes::Scopes;
use bartizan_core::Timestamp;
use bartizan_crypto::hash;
use bartizan_crypto::jose::json::Object;
use std::time::Duration;

/// Letters of a user code: no vowels, so that no words come of it, and nothing that looks like a digit (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters in a user code: 34 bits, enough for ten minutes and a handful of tries.
const USER_CODE_LETTERS: usize = 8;

/// What a device asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceRequest {
    /// The client.
    pub client_id: String,
    /// Where.
    pub audience: String,
    /// What.
    pub scopes: Scopes,
    /// The key of the proof that came with the request; its tokens are bound to it.
    pub key: Option<[u8; 32]>,
}

/// A device's request, from the short code until nobody could replay it. It is stored under the hashes of both codes.
#[derive(Clone, Debug, PartialEq)]
pub enum Device {
    /// Nobody has typed the code.
    Waiting {
        /// What is asked for.
        request: DeviceRequest,
        /// Its end.
        expires: Timestamp,
        /// How long the device has to wait between two questions.
        interval: Duration,
        /// When it asked last.
        asked: Option<Timestamp>,
    },
    /// Somebody agreed; the device has not asked since.
    Approved {
        /// To what.
        granted: Granted,
        /// Its end.
        expires: Timestamp,
    },
    /// Somebody said no.
    Denied {
        /// The client.
        client_id: String,
        /// Its end.
        expires: Timestamp,
    },
    /// The device has its tokens.
    Redeemed {
        /// The client.
        client_id: String,
        /// What came of it.
        family: FamilyId,
        /// When.
        at: Timestamp,
    },
}

/// Why a device gets nothing, yet or at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Nobody has typed the code yet.
    #[error("nobody has agreed yet")]
    Pending,
    /// The device asks more often than it may; from now on it has to wait this long.
    #[error("asked again too soon; the device has to wait {} s between two questions", .0.as_secs())]
    SlowDown(Duration),
    /// Somebody said no.
    #[error("the request was denied")]
    Denied,
    /// Nobody typed it in time, or the device did not ask.
    #[error("the code has run out")]
    Expired,
    /// Another client shows it.
    #[error("the code was made for another client")]
    OtherClient,
    /// It is bound to a key, and the proof is of another one, or there is none.
    #[error("the code is bound to another key than the proof's")]
    OtherKey,
    /// It was redeemed before; the caller revokes `family`.
    #[error("the code was redeemed before; what came of it (family `{family}`) has to be revoked")]
    Replayed {
        /// What came of it.
        family: FamilyId,
    },
    /// It waits for nobody's agreement any more.
    #[error("the code waits for nobody's answer")]
    NotWaiting,
    /// More is agreed to than was asked for.
    #[error("more scopes were agreed to than were asked for")]
    Scopes,
}

impl DeviceError {
    /// The `error` of the answer to the device (RFC 8628 section 3.5).
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Pending => "authorization_pending",
            Self::SlowDown(_) => "slow_down",
            Self::Denied => "access_denied",
            Self::Expired => "expired_token",
            _ => "invalid_grant",
        }
    }
}

impl Device {
    /// A request that waits for somebody.
    pub fn new(request: DeviceRequest, now: Timestamp) -> Self {
        Self::Waiting { request, expires: now.plus(DEVICE_TTL), interval: DEVICE_INTERVAL, asked: None }
    }

    /// `subject` agrees, to `scopes` of those that were asked for.
    ///
    /// # Errors
    /// [`DeviceError::Expired`], [`DeviceError::NotWaiting`], [`DeviceError::Scopes`]; the state stays.
    pub fn approve(
        self,
        subject: &str,
        scopes: &Scopes,
        claims: Object,
        now: Timestamp,
    ) -> (Self, Result<(), DeviceError>) {
        match self {
            Self::Waiting { expires, .. } if now >= expires => (self, Err(DeviceError::Expired)),
            Self::Waiting { ref request, .. } if !scopes.are_within(&request.scopes) => {
                (self, Err(DeviceError::Scopes))
            }
            Self::Waiting { request: DeviceRequest { client_id, audience, key, .. }, expires, .. } => {
                let (subject, scopes) = (subject.to_owned(), scopes.clone());
                let granted = Granted { client_id, subject, audience, further: Vec::new(), scopes, key, claims };
                (Self::Approved { granted, expires }, Ok(()))
            }
            other => (other, Err(DeviceError::NotWaiting)),
        }
    }

    /// Somebody says no.
    ///
    /// # Errors
    /// [`DeviceError::NotWaiting`]; the state stays.
    pub fn deny(self) -> (Self, Result<(), DeviceError>) {
        match self {
            Self::Waiting { request, expires, .. } => (Self::Denied { client_id: request.client_id, expires }, Ok(())),
            other => (other, Err(DeviceError::NotWaiting)),
        }
    }

    /// The device asks. The next state is to be stored before the answer goes out, by one who sees that it was not stored
    /// meanwhile.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn ask(
        self,
        client_id: &str,
        proof_key: Option<&[u8; 32]>,
        family: FamilyId,
        now: Timestamp,
    ) -> (Self, Result<Family, DeviceError>) {
        if self.client_id() != client_id {
            return (self, Err(DeviceError::OtherClient));
        }
        match self {
            Self::Waiting { expires, .. } | Self::Approved { expires, .. } if now >= expires => {
                (self, Err(DeviceError::Expired))
            }
            Self::Waiting { request, expires, interval, asked } => {
                let is_soon = asked.is_some_and(|asked| now.since(asked) < interval);
                let interval = if is_soon { interval + SLOW_DOWN } else { interval };
                let answer = if is_soon { DeviceError::SlowDown(interval) } else { DeviceError::Pending };
                (Self::Waiting { request, expires, interval, asked: Some(now) }, Err(answer))
            }
            Self::Approved { ref granted, .. } if !is_key(granted.key.as_ref(), proof_key) => {
                (self, Err(DeviceError::OtherKey))
            }
            Self::Approved { granted, .. } => {
                let client_id = granted.client_id.clone();
                // A device that showed no key when it began shows one now.
                let key = granted.key.or(proof_key.copied());
                let begun = Family::begin(family, Granted { key, ..granted }, now);
                (Self::Redeemed { client_id, family, at: now }, Ok(begun))
            }
            Self::Denied { .. } => (self, Err(DeviceError::Denied)),
            Self::Redeemed { family, .. } => (self, Err(DeviceError::Replayed { family })),
        }
    }

    /// Whether nothing depends on it any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        match self {
            Self::Waiting { expires, .. } | Self::Approved { expires, .. } | Self::Denied { expires, .. } => {
                now >= *expires
            }
            Self::Redeemed { at, .. } => now >= at.plus(CODE_REMEMBERED),
        }
    }

    /// The client.
    pub fn client_id(&self) -> &str {
        match self {
            Self::Waiting { request, .. } => &request.client_id,
            Self::Approved { granted, .. } => &granted.client_id,
            Self::Denied { client_id, .. } | Self::Redeemed { client_id, .. } => client_id,
        }
    }
}

fn is_key(bound: Option<&[u8; 32]>, shown: Option<&[u8; 32]>) -> bool {
    match (bound, shown) {
        (None, _) => true,
        (Some(bound), Some(shown)) => hash::equal(bound, shown),
        (Some(_), None) => false,
    }
}

/// A code for somebody to type, such as `WDJB-MJHT`.
pub fn user_code(random: [u8; 16]) -> String {
    let mut rest = u128::from_be_bytes(random);
    let mut code = String::with_capacity(USER_CODE_LETTERS + 1);
    for at in 0..USER_CODE_LETTERS {
        if at == USER_CODE_LETTERS / 2 {
            code.push('-');
        }
        let letter = usize::try_from(rest % LETTERS.len() as u128).unwrap_or(0);
        code.push(char::from(LETTERS[letter]));
        rest /= LETTERS.len() as u128;
    }
    code
}

/// What somebody typed, as [`user_code`] writes it; `None` where it can be none. Case, spaces and dashes do not count. How often somebody
/// may try is for the caller to bound.
pub fn read_user_code(typed: &str) -> Option<String> {
    let letters = typed.chars().filter(|c| !matches!(c, ' ' | '-')).map(|c| c.to_ascii_uppercase());
    let letters: String = letters.take(USER_CODE_LETTERS + 1).collect();
    let is_code = letters.len() == USER_CODE_LETTERS && letters.bytes().all(|b| LETTERS.contains(&b));
    is_code.then(|| format!("{}-{}", &letters[..USER_CODE_LETTERS / 2], &letters[USER_CODE_LETTERS / 2..]))
}
