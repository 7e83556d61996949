//! What can go wrong, one variant per thing that the caller can do about it.

use bartizan_core::Timestamp;
use std::path::PathBuf;

/// Why an operation on keys, signatures or sealed bytes failed. Retrying cannot help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The bytes are not what they claim to be; they are refused whole.
    #[error("not a readable {what}: {why}")]
    Malformed {
        /// What was expected, such as `certificate request`.
        what: &'static str,
        /// Where it broke.
        why: String,
    },

    /// More bytes than the named limit; nothing was parsed.
    #[error("{what} of {bytes} bytes is longer than {max}")]
    TooLarge {
        /// What was too long.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },

    /// A key of another kind than ECDSA P-256.
    #[error("only ECDSA P-256 keys are accepted; make one with `openssl ecparam -name prime256v1 -genkey`")]
    UnsupportedKey,

    /// The signature does not fit message and key.
    #[error("the signature is wrong")]
    Signature,

    /// The sealed bytes were altered, or key or context is another one. Which of these cannot be told.
    #[error("cannot be unsealed: altered, or sealed with another key or for another use")]
    Unseal,

    /// A token refused.
    #[error(transparent)]
    Token(#[from] HsmError),

    /// The cryptographic library refused to do what it was asked.
    #[error("{what} failed: {why}")]
    Library {
        /// The operation.
        what: &'static str,
        /// The library's words.
        why: String,
    },
}

/// Why a key on a PKCS#11 token cannot be used. Nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HsmError {
    /// The module is no library, or does not start.
    #[error("cannot use the PKCS#11 module `{}`: {why}", path.display())]
    Module {
        /// Which.
        path: PathBuf,
        /// The loader's or the module's words.
        why: String,
    },
    /// There is no token of that label.
    #[error("no token is labelled `{token}`; there {}", listed(found))]
    NoToken {
        /// The label.
        token: String,
        /// Labels of those that are there.
        found: Vec<String>,
    },
    /// Two tokens bear that label.
    #[error("more than one token is labelled `{token}`; take the other one out")]
    ManyTokens {
        /// The label.
        token: String,
    },
    /// The PIN is wrong.
    #[error("token `{token}` refuses the PIN; after a few tries it locks itself")]
    Pin {
        /// Its label.
        token: String,
    },
    /// The PIN was wrong too often.
    #[error("token `{token}` is locked after too many wrong PINs; its security officer can set a new one")]
    PinLocked {
        /// Its label.
        token: String,
    },
    /// There is no key of that label.
    #[error("the token holds no key pair labelled `{key}`")]
    NoKey {
        /// The label.
        key: String,
    },
    /// Several keys bear that label.
    #[error("{count} keys of the token are labelled `{key}`; give the others another label")]
    ManyKeys {
        /// The label.
        key: String,
        /// How many.
        count: usize,
    },
    /// A key bears that label. Nothing was made.
    #[error("the token holds a key labelled `{key}` already; choose another label")]
    Exists {
        /// The label.
        key: String,
    },
    /// Another kind of key.
    #[error("key `{key}` of the token is no ECDSA P-256 key that may sign")]
    WrongKind {
        /// Its label.
        key: String,
    },
    /// The token would let the key out.
    #[error(
        "key `{key}` can be read out of its token, so it is no better than one in a file; make another with `bartizan ca init`"
    )]
    Extractable {
        /// Its label.
        key: String,
    },
    /// The token was taken away, or lost what it held.
    #[error("the token, or the key on it, is gone ({what}); put it back and try again")]
    Gone {
        /// What was being done.
        what: &'static str,
    },
    /// The token failed otherwise.
    #[error("the token failed while {what}: {why}")]
    Failed {
        /// What was being done.
        what: &'static str,
        /// The token's words.
        why: String,
    },
}

fn listed(labels: &[String]) -> String {
    match labels {
        [] => "is none that was initialised".to_owned(),
        labels => format!("is `{}`", labels.join("`, `")),
    }
}

/// Why a certificate could not be read. Retrying cannot help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertError {
    /// Longer than `bartizan_core::limits::CERT_BYTES_MAX`; it was not parsed.
    #[error("certificate of {bytes} bytes is longer than {max}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Not an X.509 version 3 certificate in DER, or one of its extensions is broken or there twice.
    #[error("not a readable certificate: {why}")]
    Malformed {
        /// Where it broke.
        why: String,
    },
}

/// Why no path leads from a certificate to a root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There was no certificate at all.
    #[error("no certificate was sent")]
    Empty,
    /// More certificates than `bartizan_core::limits::CHAIN_CERTS_MAX`; none was looked at.
    #[error("chain of {certs} certificates is longer than {max}")]
    TooMany {
        /// How many there were.
        certs: usize,
        /// The limit.
        max: usize,
    },
    /// One of them is too large; nothing was parsed.
    #[error("certificate of {bytes} bytes is longer than {max}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A certificate of the path has run out.
    #[error("certificate ran out {} s ago", now.since(*not_after).as_secs())]
    Expired {
        /// Its end.
        not_after: Timestamp,
        /// The moment of asking.
        now: Timestamp,
    },
    /// A certificate of the path is not valid yet.
    #[error("certificate becomes valid only in {} s; compare the clocks of both hosts", not_before.since(*now).as_secs())]
    NotYetValid {
        /// Its start.
        not_before: Timestamp,
        /// The moment of asking.
        now: Timestamp,
    },
    /// A signature is wrong, or nobody among roots and intermediates issued it.
    #[error("no path to a trusted root: {why}")]
    Untrusted {
        /// The library's words.
        why: String,
    },
    /// A certificate breaks a rule for its place in the path: a CA as leaf, a leaf as CA, too many below a CA,
    /// another purpose.
    #[error("certificate does not fit its place in the path: {why}")]
    Misused {
        /// The library's words.
        why: String,
    },
    /// A certificate or a root cannot be read, or has a critical extension that nobody here knows.
    #[error("not a readable certificate: {why}")]
    Malformed {
        /// The library's words.
        why: String,
    },
}
