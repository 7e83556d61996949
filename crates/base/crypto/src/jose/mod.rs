//! JSON Web Signatures, strictly: compact form alone, asymmetric algorithms alone, one text for one meaning.
//!
//! In: text from outside, and public keys. Out: bytes that a key has signed, or the reason why not.
//! A key carries its one algorithm ([`VerifyKey`]), so what a token says about its algorithm can only refuse it. Absent on
//! purpose: `none`, secrets as keys (`HS256`), encryption, the JSON forms, `crit`, and keys that come with the token,
//! but for proofs of possession, which have to bring one. What claims mean is for the engines to say.

pub mod alg;
pub mod compact; // start here: text to signed bytes
mod error;
mod header;
pub mod json; // objects without doubled keys
pub mod jwk;
pub mod jwk_set;
mod roca; // RSA keys that can be factored
mod verify_key;

pub use alg::Alg;
pub use compact::{Unverified, sign};
pub use error::JoseError;
pub use header::{EmbeddedKey, Header};
pub use jwk::{Jwk, JwkError};
pub use jwk_set::{JwkSet, JwkSetError};
pub use verify_key::VerifyKey;
