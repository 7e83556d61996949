//! Passkeys (WebAuthn level 3), narrowly: registration without attestation, ES256 and EdDSA, one origin.
//!
//! In: what a browser sent, and what it has to fit ([`Expected`]). Out: a credential to keep, or that somebody holds one.
//! Absent on purpose: attestation other than `none`, since nobody here decides by the maker of a key; extensions, whose outputs are
//! read past; frames of other origins; RSA.

mod assertion;
mod auth_data; // what the authenticator says
mod cbor; // strictly
mod client_data; // what the browser says
mod cose; // public keys
mod error;
mod registration;
#[cfg(test)]
mod tests;

pub use assertion::{Asserted, Assertion, Known, check};
pub use error::WebauthnError;
pub use registration::{Registered, Registration, register};

/// The first bytes of a message as CBOR and the rest; for those who test the reader from outside.
pub fn read_cbor(bytes: &[u8]) -> Option<usize> {
    cbor::read(bytes).ok().map(|(_, rest)| rest.len())
}

/// What an answer of a browser has to fit.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// What it was asked with, once.
    pub challenge: &'a [u8],
    /// Where the page is, such as `https://auth.bank.example`.
    pub origin: &'a str,
    /// The host of that: for whom credentials are.
    pub rp_id: &'a str,
    /// Whether the person has to have shown something to the authenticator (a finger, a PIN), not just touched it.
    pub verified: bool,
}
