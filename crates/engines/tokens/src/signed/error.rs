//! Why an event is not believed, for operators; its sender learns that it is not.

use crate::limits::EVENT_SECRET_BYTES_MIN;

/// Why an event is not believed, or a sender not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It has no signature.
    #[error("there is no field `{0}`")]
    Unsigned(&'static str),
    /// It has two where one has to be.
    #[error("field `{0}` is there twice")]
    Twice(&'static str),
    /// A field is not what it has to be.
    #[error("field `{0}` cannot be read")]
    Unreadable(&'static str),
    /// No signature fits.
    #[error("no signature is the sender's")]
    Signature,
    /// The signature leaves out what has to be covered.
    #[error("the signature does not cover `{0}`")]
    Uncovered(&'static str),
    /// It covers something that cannot be told.
    #[error("the signature covers `{0}`, which this is no message to have, or in a way that is not known")]
    Component(String),
    /// It is by a key that is not the sender's.
    #[error("the signature is by key `{0}`, which the sender does not have")]
    UnknownKey(String),
    /// It says another algorithm than the key's.
    #[error("the signature says algorithm `{0}`, which is not the key's")]
    Algorithm(String),
    /// The body is not the one that was signed.
    #[error("the body has another digest than the one that was signed")]
    Digest,
    /// It was signed too long ago.
    #[error("it was signed {age_s} s ago, and counts for {max_s} s; compare the sender's clock")]
    Old {
        /// How long ago, in seconds.
        age_s: u64,
        /// How long it would count, in seconds.
        max_s: u64,
    },
    /// It says itself that it does not count any more.
    #[error("it ran out {0} s ago")]
    Over(u64),
    /// It was signed later than now.
    #[error("it will be signed in {0} s; compare the sender's clock")]
    Ahead(u64),
    /// It was shown before.
    #[error("it was sent before")]
    Replayed,
    /// Too many are remembered to tell whether it was.
    #[error("too many events; none can be remembered")]
    NoRoom,
    /// A sender's secret is none.
    #[error("a secret has to have at least {EVENT_SECRET_BYTES_MIN} bytes, in the way that its form writes it")]
    Secret,
    /// A sender's keys are none.
    #[error("the keys cannot be used: {0}")]
    Keys(&'static str),
}
