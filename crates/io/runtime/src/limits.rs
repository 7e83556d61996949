//! Limits of this crate, each with its unit and the reason for the number.

use std::time::Duration;

use bartizan_core::limits::SNAPSHOT_BYTES_MAX;

/// Handshakes under way at once on the control stream's listener, a count. One holds about 20 KiB and at most
/// [`HANDSHAKE_WITHIN`]; further clients wait in the kernel's accept queue.
pub const HANDSHAKES_MAX: usize = 256;
/// Time for a handshake on the control stream. Ten times what a busy machine needs.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Time for a client that was refused to read the alert: a round trip across a continent.
pub const LINGER: Duration = Duration::from_millis(100);
/// Connections on the control stream at once, a count: one per proxy of the largest fleet, and as many again for
/// those that are just being replaced.
pub const CONTROL_CONNECTIONS_MAX: usize = 2 * bartizan_core::limits::SERVICES_MAX;
/// Time for the TCP connection to control; loopback and data centres answer in milliseconds.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Addresses of one control, a count: as many as ever take part in a vote.
pub const CONTROL_ADDRESSES_MAX: usize = 7;
/// Longest pause before the next address of control is tried, where not all of them have failed: spreads those over it who lost
/// the same control at the same moment, ten thousand of them at fifty a millisecond.
pub const NEXT_ADDRESS_WITHIN: Duration = Duration::from_millis(200);
/// Largest message from control to a proxy, in bytes: the largest snapshot envelope and 64 KiB of framing.
pub const DOWN_BYTES_MAX: usize = SNAPSHOT_BYTES_MAX + (64 << 10);
/// Largest message from a proxy to control, in bytes: a full batch of events at 8 KiB each. Smaller than the other
/// direction, since control holds one per proxy.
pub const UP_BYTES_MAX: usize = 4 << 20;
/// Calls open at once on one connection of the control stream, a count: Attach, and JoinNode beside it.
pub const STREAMS_MAX: u32 = 8;
/// Longest header list of a control call, in bytes; real ones are about 200.
pub const CONTROL_HEADER_BYTES_MAX: u32 = 8 << 10;
/// Bytes in flight per call of the control stream; a snapshot of some 100 KiB goes out without waiting.
pub const CONTROL_WINDOW_BYTES: u32 = 1 << 20;
/// Silence after which either end of the control stream asks whether the other is still there.
pub const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
/// Time for the answer to that question. With [`KEEPALIVE_EVERY`] a vanished machine is noticed in 10 s.
pub const KEEPALIVE_WITHIN: Duration = Duration::from_secs(5);
/// Time open connections get to end by themselves once a stop was asked for.
pub const DRAIN: Duration = Duration::from_secs(2);
/// Pause after a failed `accept`: usually file descriptors ran out, and trying again at once would spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Largest request body on a local API, in bytes: a batch of the supervisor's events is about 100 KiB.
pub const LOCAL_BODY_BYTES_MAX: usize = 1 << 20;
/// Largest answer of a local API that a client takes in, in bytes: the status of 10,000 services is about 10 MiB.
pub const LOCAL_ANSWER_BYTES_MAX: usize = 64 << 20;
/// Longest text of a refusal that a client keeps, in bytes; more is cut, since it is for people.
pub const LOCAL_REFUSAL_BYTES_MAX: usize = 64 << 10;
/// Longest line of a streamed answer, in bytes: an OCSF record is about 2 KiB.
pub const LOCAL_LINE_BYTES_MAX: usize = 1 << 20;
/// Lines of a streamed answer that wait for a slow reader, a count; then the server waits.
pub const LOCAL_LINES_WAITING_MAX: usize = 256;
/// Connections on a local API at once, a count: some consoles and one `up`.
pub const LOCAL_CONNECTIONS_MAX: usize = 256;
/// Longest request head on a local API, in bytes.
pub const LOCAL_HEAD_BYTES_MAX: usize = 16 << 10;
/// Time for a request head on a local API, and the longest a kept-alive connection idles.
pub const LOCAL_HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Time a client gives a local API to answer: a reload with 100,000 policies takes seconds.
pub const LOCAL_ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Time for an HTTPS server from elsewhere to answer, dialling and handshake included.
pub const HTTPS_WITHIN: Duration = Duration::from_secs(5);
/// Largest answer of such a server that is taken in, in bytes: a TokenReview is about 2 KiB.
pub const HTTPS_ANSWER_BYTES_MAX: usize = 64 << 10;
/// Addresses of such a server that are tried, a count.
pub const HTTPS_ADDRESSES_MAX: usize = 4;

/// Connections on a workload socket at once, a count; who may hold how many of them is for the caller to say.
pub const WORKLOAD_CONNECTIONS_MAX: usize = 4_096;
/// Calls open at once on one connection of a workload socket, a count: Envoy opens one for each secret.
pub const WORKLOAD_CALLS_MAX: u32 = 64;
/// Largest message to a workload socket, in bytes: a token of 16 KiB, or an Envoy's description of itself.
pub const WORKLOAD_UP_BYTES_MAX: usize = 256 << 10;
/// Longest header list of a call on a workload socket, in bytes.
pub const WORKLOAD_HEADER_BYTES_MAX: u32 = 8 << 10;
/// Silence after which the server of a workload socket asks whether the other end is still there.
pub const WORKLOAD_KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
/// Largest answer of a workload socket that a client takes in, in bytes: all bundles of a thousand domains.
pub const WORKLOAD_DOWN_BYTES_MAX: usize = 16 << 20;

/// Connections on a bundle endpoint at once, a count: some hundred trust domains that look once a minute.
pub const DOCUMENT_CONNECTIONS_MAX: usize = 64;
/// Connections of one address among them, a count: a proxy in front of several fleets.
pub const DOCUMENT_CONNECTIONS_EACH_MAX: usize = 8;
/// Connections of HTTPS clients to a service of control at once, a count: some hundred workloads that keep theirs.
pub const SERVICE_CONNECTIONS_MAX: usize = 1_024;
/// Connections of one address among them, a count: all workloads of one machine.
pub const SERVICE_CONNECTIONS_EACH_MAX: usize = 256;
/// Longest life of such a connection: as long as somebody may have been denied without its being asked again, who shows nothing new.
pub const SERVICE_CONNECTION_LIFE: Duration = Duration::from_secs(300);
/// Connections of browsers at once, a count: six of each page, and one that is kept for what happens.
pub const BROWSER_CONNECTIONS_MAX: usize = 512;
/// Connections of one address among them, a count: everybody behind one proxy, or all on one machine.
pub const BROWSER_CONNECTIONS_EACH_MAX: usize = 128;
/// Largest body of a request of a browser, in bytes: forms with a few names.
pub const BROWSER_BODY_BYTES_MAX: usize = 64 << 10;
/// Requests at once on one HTTP/2 connection of a client that hands something in, a count: SDKs send one at a time, collectors some ten.
pub const EITHER_STREAMS_MAX: u32 = 64;
/// What the kernel is asked to keep of datagrams until they are read, in bytes: some ten thousand messages of syslog.
pub const DATAGRAM_BUFFER_BYTES: usize = 4 << 20;
/// Time for a connection on a bundle endpoint, from its first byte to its last.
pub const DOCUMENT_WITHIN: Duration = Duration::from_secs(10);

/// Messages from a parent that wait, a count: it says two things in a process's life.
pub const PARENT_MESSAGES_MAX: usize = 8;
/// Descriptors in one message between processes, a count; the kernel takes 253 (`SCM_MAX_FD`).
pub const DESCRIPTORS_PER_MESSAGE_MAX: usize = 32;
/// Longest message beside them, in bytes: the firewall rules of a service with a thousand callees.
pub const MESSAGE_BYTES_MAX: usize = 128 << 10;
/// Time for the porter of a network namespace to answer, which takes it some microseconds.
pub const PORTER_WITHIN: Duration = Duration::from_secs(5);
/// Sockets made ahead in a program's namespace, a count: connections that are opened at once before one waits for the porter.
pub const SOCKETS_IN_STOCK: u8 = 16;

/// Length of the kernel's queue of connections not accepted yet, a count; the kernel cuts it to `somaxconn`.
pub const ACCEPT_QUEUE: i32 = 4096;
/// Longest path of a Unix socket in bytes: `sun_path` has 108 with the closing NUL (unix(7)).
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Longest first line from a parent, in bytes: a ticket or a join token is about 60.
pub const FIRST_LINE_BYTES_MAX: usize = 4096;
/// Most policy files of a fleet, a count.
pub const POLICY_FILES_MAX: usize = 10_000;
/// Most bytes of policies of a fleet in all: they travel in one snapshot, where escaping adds to them.
pub const POLICIES_BYTES_MAX: usize = SNAPSHOT_BYTES_MAX / 4;

// External authorization, asked by Envoys of this machine.

/// Largest question in bytes: Envoy sends all headers of a request, 60 KiB at most unless told otherwise, and a certificate.
pub const EXT_AUTHZ_BYTES_MAX: usize = 128 << 10;
/// Largest head of a question that comes as plain HTTP, in bytes.
pub const EXT_AUTHZ_HEAD_BYTES_MAX: usize = 80 << 10;
/// Longest HTTP/2 header list of a question, in bytes.
pub const EXT_AUTHZ_HEADER_BYTES_MAX: u32 = 64 << 10;
/// Questions at once on one connection, a count: an Envoy asks as many as it has requests waiting, and opens more connections beyond.
pub const EXT_AUTHZ_STREAMS_MAX: u32 = 1024;
/// Silence after which an HTTP/1.1 connection is closed, and an HTTP/2 one asked whether it lives.
pub const EXT_AUTHZ_IDLE: Duration = Duration::from_secs(60);
/// Longest form with a query in PromQL, in bytes: as an address it has to find room in a head.
pub const QUERY_FORM_BYTES_MAX: usize = 12 << 10;
