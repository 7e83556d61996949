//! The one door to cryptography: hashes, keys, signatures, sealing, X.509.
//!
//! In: bytes. Out: bytes, or types that hold only what passed a check ([`cert::Cert`], [`csr::CsrKey`]).
//! Sizes are bounded by [`limits`] and by `bartizan_core::limits` before anything is parsed.
//! Absent on purpose: clocks (`now` is an argument), files, sockets, and any choice of algorithm: our own
//! signatures are ECDSA P-256 with SHA-256 (tokens also Ed25519), those of outside issuers of tokens what [`jose`] lists, sealing is AES-256-GCM, passphrases go through Argon2id. Who may be trusted with what is
//! for `identity` to say. Name constraints are not issued: rustls-webpki refuses every URI below one.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod error; // what can go wrong, in the caller's terms
pub mod limits;

pub mod base64;
pub mod hash;
pub mod random;

#[cfg(feature = "pkcs11")]
pub mod hsm; // keys on PKCS#11 tokens
pub mod key; // P-256 key pairs and signatures
pub mod password; // Argon2id, for people
pub mod raw_key; // public keys as bare numbers
pub mod seal; // AES-256-GCM, Argon2id, HKDF

pub mod cert; // reads certificates, verifies paths
pub mod crl; // revocation lists, for outsiders
pub mod csr; // certificate requests: only the key counts
pub mod issue; // makes certificates
pub mod jose; // JSON Web Signatures and Keys, strictly
pub mod jws; // keys that sign tokens

#[cfg(feature = "forge")]
pub mod forge; // makes wrong ones, for tests

pub use error::{CertError, CryptoError, PathError};
pub use key::KeyPair;
