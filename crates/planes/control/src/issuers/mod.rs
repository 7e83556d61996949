//! Keys of those whose tokens are believed, from their own servers (OpenID Connect Discovery 1.0), looked at again and again.
//!
//! In: the issuers of the fleet file that name no file with keys. Out: their keys, published with the directory.
//! How much: documents, time and pauses are bounded. What was fetched last lies on disk, so that users come in while an issuer, or
//! control itself, is away or starts anew.
//! Absent on purpose: keys of anybody who is not named, and anything over plain HTTP.

mod book; // what is held
mod fetch; // one look
mod keep; // start here

pub(crate) use book::Book;
pub(crate) use fetch::check;
pub(crate) use keep::keep;
