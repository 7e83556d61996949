//! What a service may reach outside the fleet, and how an outgoing connection is judged. Pure: names, ports and addresses go
//! in, the rule that allows them or a [`Refusal`] comes out.
//!
//! A connection is let out where everything that says where it goes agrees: the name that was asked for, the name in its
//! TLS handshake or `Host`, and the one address that is dialled.

mod address; // ranges, and addresses that nobody means by accident
mod host; // names and patterns
mod refusal; // the closed list of reasons
mod rule; // start here: the allow-list
mod suggest; // the smallest allow-list for what was seen

pub use crate::host::HOST_BYTES_MAX;
pub use address::{Range, RangeError, Special, special};
pub use host::{HostError, HostName, HostPattern};
pub use refusal::Refusal;
pub use rule::{Destination, Egress, HeaderFrom, HttpRule, Originate, Outside, TokenFor};
pub use suggest::{Seen, suggestion};
