//! Events on their way out: files, OTLP, Elasticsearch, webhooks, syslog, and Kafka where the feature is on; and our own metrics, by remote write.
//!
//! In: what lies in the store, from where each output was. Out: bytes to receivers that the fleet file names, at least once, in the order in
//! which events were stored.
//! How much: an output holds one block of events and one request. A receiver that is slow or away holds up its own output alone; what is
//! not sent lies in the store, and goes there when it goes.
//! Absent on purpose: queues of their own.

mod counts;
mod cursor; // where an output was
mod file; // lines in files that follow each other
#[cfg(feature = "kafka")]
mod kafka; // a cluster, and the partitions of a topic
mod keep; // start here: as long as the fleet file says
mod line; // syslog on a connection
mod remote_write; // our own metrics, to a Prometheus
mod sender; // the other end
mod wire; // a connection, with or without TLS

pub(crate) use counts::Counts;
pub(crate) use keep::keep;
pub(crate) use remote_write::Writes;
