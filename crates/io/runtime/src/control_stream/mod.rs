//! gRPC between control and everything that it steers, over our own TLS.
//!
//! Both ends ping a silent connection, so that a vanished machine is noticed within about 10 s. The generated
//! messages are in [`crate::control_v1`]; tonic's words that a handler needs are passed on from here.

mod addresses;
mod client;
mod conn;
mod server;

pub use addresses::{Addresses, AddressesError, Pauses};
pub use client::{Client, ConnectError, connect};
pub use conn::PeerInfo;
pub use server::{OnFailure, serve};
pub use tonic::transport::Channel;
pub use tonic::{Code, Request, Response, Status, Streaming, async_trait};

/// The one application protocol of the control stream.
pub const ALPN: &[&str] = &["h2"];
