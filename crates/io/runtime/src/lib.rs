//! Doors to the outside: TLS, the control stream, local APIs, files, signals, the clock.
//!
//! In: sockets, paths, signals. Out: streams whose peer was judged, bytes and values whose size was bounded.
//! How much: every wait, buffer and count has a name in [`limits`].
//! Absent on purpose: decisions. Who a peer may be is a closure of the caller's ([`tls::Judge`]), what a request
//! may do is a handler of the caller's; this crate imports `base` alone.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod clock;
pub mod control_stream; // gRPC between control and proxies, over `tls`
pub mod control_v1; // its generated messages
pub mod datagrams; // UDP
pub mod descriptors; // descriptors handed from process to process
pub mod exporter; // metrics over HTTP
pub mod ext_authz; // questions of Envoys: may this request go on
pub mod ext_authz_v3; // their messages, generated
pub mod files;
pub mod https; // one document, from or to another organisation
pub mod inside; // sockets in a program's network namespace
pub mod limits;
pub mod listen; // TCP listeners, and who holds a port
pub mod local; // JSON over HTTP on a Unix socket
pub mod logs;
pub mod places; // connections of one address
pub mod plain_http; // a router for programs of this machine
pub mod ports; // free ports for a fleet
pub mod process;
pub mod sds_v3; // Envoy's secret discovery, generated
pub mod stop; // signals, and a parent that went away
pub mod tls; // start here: handshakes, and what is known of the peer afterwards
pub mod web_api; // requests to one HTTPS server that is not of this fleet
pub mod workload_api; // gRPC on a Unix socket, both ends
pub mod workload_v1; // the SPIFFE Workload API, generated

pub mod proc_net; // TCP sockets of this machine, and who holds one
