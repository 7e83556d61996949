//! The guard beside each service, and the gateway of the fleet: binary `bartizan-proxy`.
//!
//! In: connections (mutual TLS from other sidecars, plain from the own program, TLS from outside), and from control an
//! identity and signed snapshots. Out: requests that were allowed, answers for those that were not, an event for each.
//! How much: every size, count and time has a name in [`limits`].
//! Absent on purpose: storage, decisions of its own (they are `policy`'s and `identity`'s), bodies in memory, and any way
//! to go on when a check cannot be made.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod limits;

// A connection comes in:
pub mod capture; // redirected on its way to a name
pub mod conn; // what is known of one connection
pub mod ext_authz; // questions of an Envoy in front of the program
pub mod gateway; // from outside
pub mod inbound; // from other sidecars
pub mod inside; // in the program's network namespace
pub mod outbound; // from the own program
pub mod plaintext; // from callers that are not in the mesh yet
pub mod sniff;
pub mod worker; // the threads, and accepting // what a plain connection speaks

// One HTTP request:
pub mod access; // from where clients may come
pub mod answer; // what the proxy says itself
pub mod apis; // documents of APIs, compiled
pub mod balance; // which instance, and whether to try again; pure
pub mod filter; // the list of filters
pub mod flood; // of HTTP/2: frames that only make work; pure
pub mod forward; // head to head: filters, next hop, answer
pub mod forwarded_for; // who the client is, by the word of proxies in front; pure
pub mod framing; // where it begins and ends, strictly; pure
pub mod gathered; // writes of HTTP/2, together
pub mod http1; // both ends of HTTP/1.1
pub mod http2; // HTTP/2 that comes in
pub mod inspect; // bodies, held against the document of an API
pub mod interim; // responses ahead of the response
pub mod leg; // many on one connection between guards
pub mod limiting; // how often, how many at once, how much a day
pub mod login; // people with a browser
pub mod message; // as it stands between two connections
pub mod overload; // what a service bears, and who goes first
pub mod proxy_header; // what a balancer says of the client; pure
pub mod record; // what it came to
pub mod reply; // what is made of the head of an answer
pub mod respond; // the way back
pub mod routes; // of the gateway, ready to be found
pub mod sending; // to a callee: versions, instances, tries
pub mod signed; // events that their senders signed
pub mod slowing; // who comes more often than usual waits
pub mod upstream; // connections to the next hop
pub mod users; // on whose behalf

// Out of the fleet:
pub mod egress;

// What is no HTTP:
pub mod relay;
pub mod switched; // to WebSocket
pub mod tcp;

// What all of it goes by:
pub mod alarm; // deadlines for many
pub mod aside; // what is hardly ever ready, beside what is polled for each request
pub mod counters;
pub mod counts; // of limits that several guards share
pub mod event_queue;
pub mod ledger; // open connections, judged again as it changes
pub mod live; // the picture of this moment
pub mod predictions; // of policies that are tried out
pub mod program_text; // what is resident of it
pub mod shortage; // of descriptors and ports

// Where that comes from:
pub mod attach; // the stream to control
pub mod batches; // events on it
pub mod disk; // what survives a restart
pub mod doors; // the listeners that are served
pub mod handover; // from one process to the next
pub mod identity_slot; // certificates
pub mod intake; // snapshots
pub mod listeners; // sockets that the directory asks for
pub mod vouch; // the first contact

pub mod run; // all of it, from options to end
