//! Shared counts of limits, in a Redis that all guards of the fleet know: told and asked a few times a second, beside the requests.

mod client; // a connection
mod keep; // start here
mod resp; // its protocol, as far as it is needed

pub use keep::{KeepError, keep};
pub use resp::{Reply, RespError, command, reply};
