//! Limits of the node, each with its unit and the reason for the number.

use bartizan_core::limits::SERVICES_MAX;
use std::time::Duration;

/// Tickets kept at once, used ones included, a count: one for each proxy of the largest fleet, and as many again for those
/// that are just being replaced.
pub const TICKETS_MAX: usize = 2 * SERVICES_MAX;
/// Longest ticket in bytes; ours have 43.
pub const TICKET_BYTES_MAX: usize = 256;
/// Largest public key taken from a proxy, in bytes of DER; a P-256 key has 91.
pub const SPKI_BYTES_MAX: usize = 256;
/// Largest proxy binary, in bytes: one built for debugging has about 300 MiB.
pub const BINARY_BYTES_MAX: usize = 1 << 30;
/// Longest file with a machine's certificates or key, in bytes.
pub const PROOF_FILE_BYTES_MAX: usize = 64 << 10;
/// Longest trust bundle file in bytes: some dozens of roots.
pub const BUNDLE_BYTES_MAX: usize = 256 << 10;
/// Largest cache in bytes: the largest snapshot, and 8 KiB for each of the most entries: the entry twice, chain and key.
pub const CACHE_BYTES_MAX: usize = bartizan_core::limits::SNAPSHOT_BYTES_MAX + ENTRIES_MAX * (8 << 10);
/// Shortest time from a change to when the cache is written: changes come in groups.
pub const CACHE_PAUSE: Duration = Duration::from_millis(200);
/// Time for one call of `JoinNode`. Signing takes a millisecond; the rest is for a machine that is starting everything.
pub const JOIN_WITHIN: Duration = Duration::from_secs(10);
/// First pause before control is tried again.
pub const RETRY_FIRST: Duration = Duration::from_millis(200);
/// Longest pause before control is tried again.
pub const RETRY_MAX: Duration = Duration::from_secs(5);
/// Messages to control that wait for the network, a count.
pub const UP_QUEUE_MAX: usize = 64;
/// Questions to control that wait for the stream, a count; who asks more waits.
pub const ASKS_MAX: usize = 256;
/// Time for control's answer to a question. Signing takes a millisecond; the rest is for a machine under load.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Registration entries taken from control, a count: the most that a fleet has.
pub const ENTRIES_MAX: usize = bartizan_core::workload::WORKLOADS_MAX;
/// Certificates asked for at once, a count.
pub const ISSUES_AT_ONCE: usize = 32;
/// Longest pause before control is asked again for a certificate that it did not give.
pub const SVID_RETRY_MAX: Duration = Duration::from_secs(30);
/// How often the node looks which certificates are due.
pub const KEEPER_LOOK: Duration = Duration::from_millis(500);

/// How often a caller that listens is looked at again: for so long at most, a process that became another program goes on
/// listening.
pub const ATTEST_EVERY: Duration = Duration::from_secs(3);
/// Time a caller has to read what it is sent.
pub const SEND_WITHIN: Duration = Duration::from_secs(30);
/// Connections to the workload socket of one process, a count: Envoy holds one or two.
pub const CONNECTIONS_PER_PID_MAX: u32 = 64;
/// The same of one user: a quarter of all, so that three more users find room beside one that takes what it can.
pub const CONNECTIONS_PER_UID_MAX: u32 = 1_024;
/// Calls open at once of one process, a count.
pub const STREAMS_PER_PID_MAX: u32 = 64;
/// The same of one user.
pub const STREAMS_PER_UID_MAX: u32 = 2_048;
/// Calls and messages of one process within a second, a count.
pub const CALLS_PER_S: u32 = 50;
/// The same at once, after a pause.
pub const CALLS_BURST: u32 = 200;
/// Processes whose calls are counted, a count.
pub const RATES_MAX: usize = 16_384;
/// Secrets that one request may name, a count.
pub const SECRET_NAMES_MAX: usize = 32;
/// Largest executable of a workload that is hashed, in bytes; a larger one matches no `sha256`.
pub const WORKLOAD_BINARY_BYTES_MAX: usize = 512 << 20;
/// Hashes of executables that are kept, a count.
pub const HASHES_MAX: usize = 1_024;
/// Longest text read from a file of `/proc`, in bytes.
pub const CGROUP_BYTES_MAX: u64 = 16 << 10;
/// Time for the container engine to say what it knows of one container: two local requests.
pub const ENGINE_WITHIN: Duration = Duration::from_secs(2);
/// How long what it said is relied on: a container keeps its image for life.
pub const IMAGE_TTL: Duration = Duration::from_secs(60);
/// Containers whose image is remembered, a count.
pub const CONTAINERS_MAX: usize = 1_024;
/// How often the clock is looked at while waiting for the time to renew: a machine that slept must not oversleep.
pub const CLOCK_LOOK: Duration = Duration::from_secs(10);
/// How long a node whose clock went back tries with a certificate that has not begun: control sees the same of its own within seconds.
pub const AHEAD_TRIES: Duration = Duration::from_secs(10);
/// Longest file with the roots of the API server, or with the token for it, in bytes.
pub const KUBERNETES_FILE_BYTES_MAX: usize = 64 << 10;
/// How long a list of pods counts for a caller whose container is in it, and how long nobody is asked after no answer came.
pub const PODS_TTL: Duration = Duration::from_secs(2);
/// How old a list may be where the caller's container is not in it: so often a flood of unknown ones makes us ask.
pub const PODS_FRESH: Duration = Duration::from_millis(500);
/// How long the last list counts for callers that were attested before, while the API server does not answer: it may restart
/// meanwhile, and a pod that was taken from somebody is not his for long.
pub const PODS_KEPT: Duration = Duration::from_secs(60);
/// Callers that wait for the list at once, a count: each takes a thread, and tokio has 512 of them for all.
pub const PODS_WAITING_MAX: usize = 64;
/// What is passed on of what `nft` says, in bytes: its first line and the rule that is meant, within a message of the beginning.
pub const NFT_WORDS_BYTES_MAX: usize = 300;
/// Processes that a porter makes sockets for at once, a count: the guard, its successor, who started it, and room.
pub const PORTER_ASKERS_MAX: usize = 16;
