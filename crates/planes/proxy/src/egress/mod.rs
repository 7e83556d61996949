//! The way out of the fleet: what the own program reaches outside, and the proof that it reaches nothing else.
//!
//! In: connections of the own program (to a forward proxy that it knows of, or captured on their way to anywhere) and its DNS
//! queries. Out: connections to exactly the addresses that were judged, with an event for each and for each refusal.
//! How much: [`crate::limits`], the part "The way out of the fleet".
//! Absent on purpose: decisions by content of TLS (nothing is opened), pooling (each request is judged and dialled anew), and any
//! way from a name to an address beside [`resolve`].
//!
//! A thread of its own serves it, so that a large download holds up no call between services, and a guard without a way
//! out has none of it.

pub mod client_hello; // the name in the first message of TLS; strict, pure
pub mod dns; // names, for the program
pub mod doors; // start here: sockets and thread, as the directory says

mod answers; // which addresses were given out for which names
mod body; // of an answer, counted to its end
mod capture; // sockets in the program's own network
mod captured; // connections that were on their way elsewhere
mod connect; // tunnels: CONNECT
mod counters;
mod credential; // headers that programs never hold
mod dial;
mod forward; // HTTP, request by request
mod hello; // reads the ClientHello off a connection
mod judge; // from a wish to the addresses that may be dialled
mod metered;
pub mod resolve; // the host's resolver
mod roots; // TLS on the program's behalf
mod serve; // one connection of the program
mod tokens; // that say outside who the service is
mod trip; // what it came to
mod way; // what all of them share

pub use counters::Counters;
pub use tokens::Tokens;
