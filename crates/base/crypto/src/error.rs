//! What can go wrong, one variant per thing that the caller can do about it.

use bartizan_core::Timestamp;

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

    /// The cryptographic library refused to do what it was asked.
    #[error("{what} failed: {why}")]
    Library {
        /// The operation.
        what: &'static str,
        /// The library's words.
        why: String,
    },
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
