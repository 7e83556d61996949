//! HTTP/2 on connections that are accepted, by h2 itself: hyper has no way to send interim responses. Connections to programs
//! and peers of HTTP/2 are hyper's, in [`crate::upstream`].

mod ahead; // interim responses
mod inflow; // what comes of a request
mod pings; // whether the client is there
mod send; // a response on its way
mod server; // start here: one connection
mod websocket; // on one stream

pub use ahead::Ahead;
pub use inflow::Inflow;
pub use server::serve_http2;
