//! What programs, collectors and machines hand in: OTLP, syslog, lines of JSON, audit records of Kubernetes.
//!
//! In: bytes from clients who proved who they are, or are on this machine. Out: events of the class `telemetry` in the pipeline, where they
//! are redacted and stored like all others.
//! How much: messages, records and attributes by [`bartizan_telemetry::limits`], records a second by client, and the queue before the store.
//! `received = stored + refused + dropped + waiting` for each door, at every moment.
//! Absent on purpose: sampling. What is too much is refused, what is about security last.

mod counts; // what became of records, door by door
mod desk; // start here: from records to events
mod grpc; // messages of gRPC
mod http; // what is posted
mod keep; // as long as the fleet file says
mod rates; // how much one client may bring
mod streams; // syslog and lines of JSON over TCP
mod udp; // syslog over UDP
mod who; // who hands in

pub(crate) use counts::Counts;
pub(crate) use keep::keep;
