//! The proxy as a whole: real sockets, real TLS, real policies; only control and node are made by hand.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod addresses; // from where
mod client; // what comes to a proxy
mod plain_callee;
mod plaintext;
mod programs;
mod resilience; // what stands behind one
mod stub; // a control process made by hand
mod world; // a trust domain, sidecars and gateways in it

mod control; // attached to a control process, restarted without one
mod cors; // who may read answers
mod counts; // several guards, one count
mod differential; // beside other readers
mod floods; // of HTTP/2
mod gateway;
mod http;
mod http2;
mod idle; // many who say nothing
mod injections; // requests within requests of HTTP/2
mod interim; // ahead of a response
mod keys; // of programs
mod leaving; // instances that end
mod ledger;
mod leg;
mod limits; // how often
mod openssl; // what of TLS is spoken
mod out; // out of the fleet
mod overload; // too much at once
mod peers; // who gets in
mod process; // the binary
mod routes; // of the gateway
mod schema; // documents of APIs
mod shortage; // of descriptors and ports
mod signed; // events that their senders signed
mod slow_down;
mod smuggling; // what does not get in
mod tcp;
mod tproxy; // led here by the kernel
mod users; // on whose behalf
mod websocket;
