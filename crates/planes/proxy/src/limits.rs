//! Every number that bounds the proxy, with its unit and why it is that number.

use std::time::Duration;

// What one request may look like.

/// Longest HTTP/1.1 request head in bytes (request line and headers): twice what large cookies and tokens need.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most header lines in a head or trailer section, a count: what common servers take.
pub const HEADERS_MAX: usize = 100;
/// Longest request target in bytes, query included: what common programs accept.
pub const TARGET_BYTES_MAX: usize = 8 << 10;
/// Longest method in bytes: the longest registered one has 17 (`UPDATEREDIRECTREF`).
pub const METHOD_BYTES_MAX: usize = 32;
/// Longest chunk size line in bytes, extension included: nobody uses extensions, attackers do.
pub const CHUNK_LINE_BYTES_MAX: usize = 256;
/// Most bytes of chunk extensions in one body: bounds what a body of one-byte chunks can carry beside the data.
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 4 << 10;
/// Longest trailer section in bytes: checksums and status need some hundred.
pub const TRAILER_BYTES_MAX: usize = 16 << 10;
/// Largest request body in bytes. It is streamed, never held; a `grpc` service streams without this bound.
pub const BODY_BYTES_MAX: u64 = 16 << 20;
/// Longest HTTP/2 header list in bytes, as RFC 9113 section 6.5.2 counts it.
pub const H2_HEADER_LIST_BYTES_MAX: u32 = 64 << 10;
/// Longest head of a program's response in bytes; a longer one is answered 502.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 128 << 10;

// What is held against an API's document.

/// Largest request body in bytes that is read whole to be judged by a document; a larger one is answered 413.
pub const API_REQUEST_BYTES_MAX: usize = 1 << 20;
/// Largest response body in bytes that is read whole to be judged by a document. Lists of services are longer than what clients send.
pub const API_RESPONSE_BYTES_MAX: usize = 4 << 20;
/// How long a body that is read whole may take to come.
pub const API_BODY_TIME: Duration = Duration::from_secs(30);

// Signed events.

/// How long the body of a signed event may take to come: whoever sends it is not known before.
pub const EVENT_BODY_TIME: Duration = Duration::from_secs(10);
/// Bytes that are held at once of events whose sender is not known yet, by all threads together; further ones are answered 503.
pub const EVENTS_UNJUDGED_BYTES_MAX: usize = 64 << 20;
/// Events of one sender that are remembered so that each counts once, a count; some 40 bytes each. Half of it may come within the
/// sender's tolerance: at five minutes 180 a second. Beyond that its events are answered 503.
pub const EVENTS_REMEMBERED_MAX: usize = 131_072;
/// After how many seconds a sender is told to try again.
pub const EVENT_RETRY_S: u32 = 5;

// How much at once.

/// Connections of the ledger that are looked at in one go, a count: some hundred microseconds.
pub const LEDGER_CHUNK: usize = 500;
/// How often the ledger looks for connections whose time is over.
pub const LEDGER_LOOK: Duration = Duration::from_millis(250);
/// How long before its deadline a connection gets nothing new and is asked to end by itself.
pub const WIND_DOWN_TIME: Duration = Duration::from_secs(5);
/// How long an idle connection of HTTP/1.1 then waits for a request that is on its way, before it is closed.
pub const LAST_WORD_TIME: Duration = Duration::from_secs(1);

/// Connections served at once on one listener, a count; further clients wait in the kernel's accept queue.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Descriptors that are not for connections, a count: listeners, the control stream, files, what libraries need.
pub const DESCRIPTORS_KEPT: u64 = 128;
/// Streams at once on one HTTP/2 connection, a count: the value that RFC 9113 section 6.5.2 advises at least.
pub const H2_STREAMS_MAX: u32 = 100;
/// Reset streams that hyper remembers before it ends an HTTP/2 connection, a count ("rapid reset").
pub const H2_RESETS_MAX: usize = 20;
/// Window of one HTTP/2 stream and of the whole connection, in bytes: bounds what a slow reader makes us hold.
pub const H2_WINDOW_BYTES: u32 = 256 << 10;
/// Bytes hyper may hold for one HTTP/2 stream that its reader does not take.
pub const H2_SEND_BYTES_MAX: usize = 128 << 10;
/// Points that an HTTP/2 client has at most; see [`crate::flood`]. A reset costs 16 and its request gives 8: two thousand requests that
/// are given up at once, where none is answered.
pub const H2_FLOOD_POINTS: u32 = 16 << 10;
/// Points that time gives back in a second: pings and settings of a client that is merely careful.
pub const H2_FLOOD_POINTS_PER_SECOND: u32 = 50;
/// Bytes written to the client that give back one point: a small message and the answer to a ping.
pub const H2_FLOOD_BYTES: usize = 32;
/// How often time is given back.
pub const H2_FLOOD_LOOK: Duration = Duration::from_millis(100);
/// Bytes that are gathered on an HTTP/2 connection in one turn of its task before they are written: four full TLS records.
pub const GATHERED_BYTES_MAX: usize = 64 << 10;
/// A buffer for that larger than this many bytes is given back once it is empty.
pub const GATHERED_KEEP_BYTES: usize = 16 << 10;
/// HTTP/2 connections that one worker keeps to one peer, a count: at [`H2_STREAMS_MAX`] streams each, 800 calls.
pub const H2_CONNECTIONS_PER_PEER_MAX: usize = 8;
/// Idle HTTP/1.1 connections that one worker keeps to one target, a count.
pub const POOL_IDLE_MAX: usize = 64;
/// Bytes read ahead while a protocol switch is undecided; a client has no business sending more before the answer.
pub const AHEAD_BYTES_MAX: usize = 16 << 10;
/// Bytes of a callee's greeting that are held while it is not known yet what its caller speaks: more wait in its socket.
pub const GREETING_BYTES: usize = 4 << 10;
/// Bytes moved at once in a relayed connection, through room of the thread, and the most that one direction keeps of them while its
/// reader takes less than comes: four TLS records.
pub const RELAY_BYTES: usize = 64 << 10;
/// Threads that serve traffic, a count: beyond four a sidecar takes more from its program than it gives.
pub const WORKERS_MAX: usize = 4;
/// Event batches sent to control and not confirmed yet, a count; further events wait in the queue.
pub const UNCONFIRMED_BATCHES_MAX: usize = 8;
/// Messages that wait for the control stream, a count: acknowledgements and statistics are few and small.
pub const UP_QUEUE_MAX: usize = 32;
/// Distinct callers or callees that are counted apart, a count; more share the name `(others)`.
pub const EDGES_MAX: usize = 10_000;
/// Callers whose share of added time is told apart, a count: 2 KB of memory in each worker, and some 250 bytes a second to control.
pub const EDGES_TIMED_MAX: usize = 128;

/// Longest header of the PROXY protocol, in bytes: addresses, and extras such as the name and certificate data that balancers add.
pub const PROXY_HEADER_BYTES_MAX: usize = 1 << 10;
/// Bytes that wait to be written on one HTTP/1.1 connection before more of a body is taken.
pub const WRITE_AHEAD_BYTES: usize = 64 << 10;
/// Longest frame with a head on a leg, in bytes: the longest head, its target and the numbers between.
pub const LEG_HEAD_BYTES_MAX: usize = RESPONSE_HEAD_BYTES_MAX + TARGET_BYTES_MAX + (4 << 10);
/// Most fields of a head or of trailers on a leg, a count: what may come, and what two guards add of their own.
pub const LEG_HEADERS_MAX: usize = HEADERS_MAX + 16;
/// Longest piece of a body in one frame of a leg, in bytes: one TLS record.
pub const LEG_DATA_BYTES_MAX: usize = 16 << 10;
/// Bytes that each direction of a stream on a leg may be ahead of its reader.
pub const LEG_WINDOW_BYTES: u32 = 64 << 10;
/// Streams at once on one leg, a count; with [`LEG_WINDOW_BYTES`] it bounds what the other end can make us hold: 16 MiB.
pub const LEG_STREAMS_MAX: usize = 256;
/// Bytes that wait to be written on a leg before bodies have to wait.
pub const LEG_WAITING_BYTES_MAX: usize = 256 << 10;
/// A buffer of a leg larger than this many bytes is given back once it is empty; a smaller one once the leg is quiet.
pub const LEG_KEEP_BYTES: usize = 128 << 10;
/// Points that the other end of a leg has at most; see `leg/meter.rs`. Each frame that carries nothing costs one or two.
pub const LEG_FLOOD_POINTS: u32 = 16 << 10;
/// Bytes written to the other end of a leg that give back one point.
pub const LEG_FLOOD_BYTES: usize = 32;
/// Requests on a leg that whoever asked gave up unanswered, beyond as many as were answered, a count: at so many it is cut, as on
/// HTTP/2 after two thousand resets. A guard that asks leaves the leg at half of it, so that no client can end what others share.
pub const LEG_GIVEN_UP_MAX: u32 = 2048;
/// Interim responses of one request that are passed on, a count: hints come once, progress (102) a few times.
pub const INTERIM_MAX: usize = 8;
/// Names and values of one of them, in bytes: a page of hints. What a client does not read of them is held, for each of its requests.
pub const INTERIM_BYTES_MAX: usize = 8 << 10;
/// Reads from one leg in a row, a count; then others are served.
pub const LEG_READS_MAX: usize = 8;

/// Counts of one limit whose keys strangers choose, such as addresses and users, a count: a mebibyte.
pub const LIMIT_ENTRIES: usize = 65_536;
/// Callers of one route or service of which it is known what is usual, where strangers choose their names, a count; 56 bytes each.
pub const SLOWED_CALLERS: usize = 32_768;
/// Requests that wait at once at one route or service for coming too often, a count: as many connections or streams, and no more.
pub const SLOWED_MAX: u32 = 1_024;
/// Clients of which the gateway remembers, for each service, how often they come, a count; 40 bytes each.
pub const OVERLOAD_CLIENTS: usize = 32_768;
/// For how long after a refusal nothing that comes is taken for usual.
pub const OVERLOAD_QUIET: Duration = Duration::from_secs(5);
/// Counts of one limit whose keys the fleet file names, a count.
pub const LIMIT_ENTRIES_KNOWN: usize = 4_096;

// How long.

/// The grain of deadlines that are kept for many; see [`crate::alarm`].
pub const ALARM_TICK: Duration = Duration::from_millis(100);
/// Tasks of a worker that wait for requests of legs, a count; each takes a few kilobytes.
pub const LEG_FREE_LANES_MAX: usize = 64;
/// Silence on a leg with requests under way before the other end is asked whether it is there; and how long it may take to answer.
pub const LEG_QUIET_TIME: Duration = Duration::from_secs(20);
/// How many times [`LEG_QUIET_TIME`] a leg may lie unused before whoever accepted it ends it, a count; whoever dialled does so
/// after [`POOL_PEER_IDLE`].
pub const LEG_SILENCES_MAX: u32 = 4;
/// Silence inside a response body: streams of events may be quiet for long.
pub const RESPONSE_STALL_TIME: Duration = Duration::from_secs(3600);
/// Addresses of callers without mutual TLS that are counted apart, a count; more are counted together.
pub const PLAINTEXT_ADDRESSES_MAX: usize = 1_000;
/// Largest request body that is held so that it can be sent again or copied, in bytes: most JSON documents.
pub const REPLAY_BYTES_MAX: usize = 64 << 10;
/// Copies under way at once in one worker, a count; while there are so many, further ones are left out.
pub const COPIES_MAX: usize = 64;

// How long.

/// How long a copy's answer is waited for.
pub const COPY_TIME: Duration = Duration::from_secs(10);
/// Longest pause before the first retry; doubles with each further one, and chance takes up to half of it away.
pub const TRY_AGAIN_FIRST: Duration = Duration::from_millis(10);
/// How long a client may be silent before it counts as one whose server speaks first, where plaintext is taken.
pub const PLAINTEXT_SILENCE: Duration = Duration::from_secs(1);

/// From a head's first byte to its last.
pub const HEAD_TIME: Duration = Duration::from_secs(10);
/// Silence between two requests on one connection.
pub const IDLE_TIME: Duration = Duration::from_secs(60);
/// Silence inside a request body.
pub const BODY_STALL_TIME: Duration = Duration::from_secs(30);
/// How long a client may leave a response unread.
pub const WRITE_STALL_TIME: Duration = Duration::from_secs(60);
/// From a request's head to the head of its response.
pub const REQUEST_TIME: Duration = Duration::from_secs(60);
/// The same where requests are gRPC streams: some are answered only once the client has said all.
pub const STREAM_REQUEST_TIME: Duration = Duration::from_secs(3600);
/// For a trusted proxy to send its header of the PROXY protocol, which it does right after it connected.
pub const PROXY_HEADER_TIME: Duration = Duration::from_secs(5);
/// A TLS handshake, from accept or connect to its end.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// A TCP connection to a program or to a peer's sidecar.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Silence in both directions of a relayed connection: databases keep idle connections for an hour and more.
pub const RELAY_IDLE_TIME: Duration = Duration::from_secs(2 * 3600);
/// How often relayed connections are looked at for silence.
pub const RELAY_LOOK: Duration = Duration::from_secs(30);
/// Idle time of a pooled connection to another sidecar; shorter than its [`IDLE_TIME`], so that we close first.
pub const POOL_PEER_IDLE: Duration = Duration::from_secs(45);
/// Idle time of a pooled connection to the own program: common servers close after 5 s (Node.js, uvicorn, Apache).
pub const POOL_PROGRAM_IDLE: Duration = Duration::from_secs(4);
/// How often pools drop what is idle for too long.
pub const POOL_SWEEP: Duration = Duration::from_secs(2);
/// How long an `auto` listener waits for the client to speak first; a server that speaks first is delayed by this.
pub const SNIFF_TIME: Duration = Duration::from_millis(50);
/// Pause between two looks at a connection whose first bytes do not tell its protocol yet.
pub const SNIFF_PAUSE: Duration = Duration::from_millis(2);
/// HTTP/2 ping interval, and how long the answer may take.
pub const H2_PING: Duration = Duration::from_secs(20);
/// Time for the last events to reach control after the drain.
pub const FLUSH_TIME: Duration = Duration::from_secs(1);
/// How long and how many bytes are read and thrown away after a refusal, so that the answer is not lost to a reset.
pub const LINGER_TIME: Duration = Duration::from_secs(1);
/// See [`LINGER_TIME`].
pub const LINGER_BYTES_MAX: usize = 1 << 20;
/// Pause after a failed accept (usually out of file descriptors), so that accepting again does not spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often it is reported that the process ran out of descriptors or ports; each time is counted.
pub const SHORTAGE_REPORT_EVERY: Duration = Duration::from_secs(10);
/// Longest event sent to control, in bytes; longer ones count as lost. A whole batch stays below 2 MiB, half of what control
/// takes in one message, so that no batch can end the stream again and again.
pub const RECORD_BYTES_MAX: usize = 4 << 10;
/// How often statistics go to control.
pub const STATS_EVERY: Duration = Duration::from_secs(1);
/// Age at which a guard has started in earnest, and gives back the code that it started with.
pub const CODE_FIRST_GIVEN_BACK: Duration = Duration::from_secs(10);
/// Time between two later times.
pub const CODE_GIVEN_BACK_EVERY: Duration = Duration::from_secs(600);
/// Longest wait of an event in the queue before it is sent.
pub const EVENTS_EVERY: Duration = Duration::from_millis(200);
/// First pause before control is tried again; doubles up to [`RETRY_MAX`].
pub const RETRY_FIRST: Duration = Duration::from_millis(200);
/// Longest pause before control is tried again.
pub const RETRY_MAX: Duration = Duration::from_secs(5);
/// How long a requested certificate may take before it is asked for again.
pub const RENEW_ANSWER_TIME: Duration = Duration::from_secs(10);
/// How often a listener that could not be bound is tried again.
pub const BIND_RETRY: Duration = Duration::from_secs(1);

// What is read at start.

/// Longest ticket line on standard input, in bytes.
pub const TICKET_BYTES_MAX: u64 = 4 << 10;
/// Largest trust bundle file in bytes: a few hundred roots.
pub const TRUST_BUNDLE_BYTES_MAX: usize = 1 << 20;
/// Largest sealed identity on disk in bytes: a chain of four certificates and a key.
pub const SEALED_BYTES_MAX: usize = 128 << 10;
/// Time for the parent to hand over the porter of the program's namespace, which it does right after the ticket.
pub const PORTER_TIME: Duration = Duration::from_secs(5);

// The way out of the fleet.

/// Longest ClientHello in bytes: eight times one with a hybrid key share.
pub const CLIENT_HELLO_BYTES_MAX: usize = 16 << 10;
/// Most extensions in a ClientHello, a count: browsers send about twenty.
pub const CLIENT_HELLO_EXTENSIONS_MAX: usize = 64;
/// Longest DNS query in bytes: the longest name, and EDNS with a few options.
pub const DNS_MESSAGE_BYTES_MAX: usize = 1 << 10;
/// Longest DNS datagram that is sent, in bytes: what goes through every network (RFC 9715).
pub const DNS_UDP_BYTES_MAX: u16 = 1232;
/// Most addresses in one DNS answer, a count.
pub const DNS_ANSWERS_MAX: usize = 16;
/// Connections out of the fleet at once, a count; further ones are refused.
pub const EGRESS_CONNECTIONS_MAX: usize = 1_024;
/// Names that are looked up at once, a count; further queries are answered as failed.
pub const EGRESS_LOOKUPS_MAX: usize = 64;
/// How long a lookup may take: what stub resolvers wait for one server.
pub const EGRESS_LOOKUP_TIME: Duration = Duration::from_secs(5);
/// Addresses of one name that are looked at, a count; where one of them is refused, all are.
pub const EGRESS_ADDRESSES_MAX: usize = 32;
/// Addresses of one name that are dialled, one after the other, a count.
pub const EGRESS_DIALS_MAX: usize = 4;
/// For how long a service may keep an address that it was given for a name, as it is told.
pub const EGRESS_ANSWER_TTL: Duration = Duration::from_secs(30);
/// For how long an address counts as one of a name after it was given out: programs keep them longer than they are told.
pub const EGRESS_ANSWER_KEPT: Duration = Duration::from_secs(600);
/// Names whose addresses are remembered, a count; the oldest is forgotten first.
pub const EGRESS_ANSWERS_MAX: usize = 4_096;
/// Destinations that are known as seen, a count; further ones are not called new any more.
pub const EGRESS_SEEN_MAX: usize = 4_096;
/// Names and sockets whose refusal was reported a moment ago, a count; see [`EGRESS_REPORT_EVERY`].
pub const EGRESS_REPORTED_MAX: usize = 1_024;
/// How often the refusal of one name, or of one socket's garbage, is reported; each is counted.
pub const EGRESS_REPORT_EVERY: Duration = Duration::from_secs(10);
/// From a request out of the fleet to the head of its answer: uploads are part of it.
pub const EGRESS_ANSWER_TIME: Duration = Duration::from_secs(300);
/// How often an open connection out of the fleet looks whether control was silent for too long.
pub const EGRESS_LOOK: Duration = Duration::from_secs(1);
/// What a token for the outside has to have left, so that it counts when it arrives.
pub const OUTSIDE_TOKEN_LEFT_MIN: Duration = Duration::from_secs(5);
/// How long a guard waits for such a token before it asks anew.
pub const OUTSIDE_TOKEN_RETRY: Duration = Duration::from_secs(5);
/// Longest such token, in bytes: an ID of 2 KiB and an audience of 512 bytes, in base64.
pub const OUTSIDE_TOKEN_BYTES_MAX: usize = 8 << 10;
/// Longest file with a credential, in bytes.
pub const CREDENTIAL_BYTES_MAX: usize = 8 << 10;
/// Largest file with roots of the web, in bytes: three times what distributions ship.
pub const WEB_ROOTS_BYTES_MAX: usize = 1 << 20;
/// DNS connections over TCP at once, a count.
pub const DNS_CONNECTIONS_MAX: usize = 32;
/// Silence on a DNS connection over TCP.
pub const DNS_IDLE_TIME: Duration = Duration::from_secs(10);
/// How long a captured connection to an address of no known name may keep silent: only what it says is waited for, not whether
/// it is let through.
pub const EGRESS_UNKNOWN_TIME: Duration = Duration::from_millis(500);
/// Time for a predecessor to hand over its listeners, and for a successor to serve on them: a start takes half a second.
pub const HANDOVER_TIME: Duration = Duration::from_secs(20);
/// Time that a guard goes on after a successor took over, for connections that are open: callers close what they do not use
/// after [`POOL_PEER_IDLE`], so by then only long relays and transfers are left.
pub const WIND_DOWN_AFTER_HANDOVER: Duration = Duration::from_secs(60);
/// Listeners of one guard, a count: one for each callee of a service that calls a thousand, and its own.
pub const LISTENERS_MAX: usize = 2_048;
/// Largest `/etc/resolv.conf` that is looked at, in bytes.
pub const RESOLV_CONF_BYTES_MAX: usize = 64 << 10;

/// Life of a transaction token: as long as the slowest call that it may cause.
pub const TXN_TTL: Duration = Duration::from_secs(60);
/// Traces whose tokens are remembered for certain, a count; twice as many at most, about two kilobytes each. At a thousand requests
/// of users a second, a program has eight seconds for its calls.
pub const CARRIED_MAX: usize = 8_192;
/// For so long the requests of a user go on with one transaction token.
pub const TXN_MINTED_FOR: Duration = Duration::from_secs(1);
/// Transaction tokens that one worker remembers as good, a count; twice as many at most, some hundred bytes each.
pub const TXN_MEMORY_MAX: usize = 4_096;
/// Pause between two looks at shared counts.
pub const COUNTS_PAUSE: Duration = Duration::from_millis(100);
/// After this long without an answer the place of shared counts is away.
pub const COUNTS_LOST: Duration = Duration::from_secs(2);
/// Time for a connection to it, and for each answer.
pub const COUNTS_ANSWER: Duration = Duration::from_secs(1);
/// Pause before it is tried again.
pub const COUNTS_RETRY: Duration = Duration::from_millis(500);
/// Counts in use at once of one limit that are shared, a count; further ones stay with their guard.
pub const COUNTS_ACTIVE_MAX: usize = 65_536;
/// Counts of one limit that are told and asked at once, a count: with more in use, each is looked at less often.
pub const COUNTS_BATCH_MAX: usize = 2_048;
/// Longest answer of the place of shared counts, in bytes.
pub const COUNTS_REPLY_BYTES_MAX: usize = 128 << 10;
/// Longest file with its password or roots, in bytes.
pub const COUNTS_FILE_BYTES_MAX: usize = 256 << 10;
/// Proofs of possession that one gateway remembers, a count; 20 MB at most. 4,300 requests with a proof in each second, for as long
/// as one could be shown again; beyond that, proofs are refused.
pub const PROOFS_MAX: usize = 1 << 20;
/// How long before its end another delegation is asked for.
pub const DELEGATION_LEAD: Duration = Duration::from_secs(1800);
/// How long after the stream to control was lost and found another one is asked for: until every guard has heard of the key by which it
/// counts.
pub const DELEGATION_SETTLE: Duration = Duration::from_secs(30);
/// How long until one is asked for again that did not come.
pub const DELEGATION_RETRY: Duration = Duration::from_secs(5);

/// Longest value of a cookie of ours, in bytes: browsers keep 4,096 of name, value and attributes.
pub const COOKIE_BYTES_MAX: usize = 3_900;
/// Keys of cookies that are held, a count: control gives out five at most.
pub const COOKIE_KEYS_MAX: usize = 16;
/// How often control is asked for the keys of cookies, which gives out each an hour before it is used.
pub const COOKIE_KEYS_EVERY: Duration = Duration::from_secs(600);
/// How long until they are asked for again where no answer came.
pub const COOKIE_KEYS_RETRY: Duration = Duration::from_secs(5);
/// How old a session's cookie becomes while it is used, or an eighth of the time that it may lie unused where that is less.
pub const SESSION_SEALED_EVERY: Duration = Duration::from_secs(60);
/// How long somebody has to log in at the provider.
pub const LOGIN_WITHIN: Duration = Duration::from_secs(15 * 60);
/// Log-ins under way in one browser, a count; with one more the others are forgotten. Each takes up to 2 KiB of the head of requests.
pub const LOGIN_STATES_MAX: usize = 4;
/// Longest path with query that somebody goes back to after a log-in, in bytes; a longer one is left out.
pub const LOGIN_TO_BYTES_MAX: usize = 1_024;
/// Longest `state` that is looked at, in bytes; ours have 43.
pub const LOGIN_STATE_BYTES_MAX: usize = 64;
/// Longest code of a provider, in bytes.
pub const LOGIN_CODE_BYTES_MAX: usize = 4_096;
/// Questions to control about people who log in that wait to be sent, a count.
pub const LOGIN_QUESTIONS_MAX: usize = 256;
/// How long an answer is waited for: control gives a provider 20 s.
pub const LOGIN_WAIT: Duration = Duration::from_secs(22);
/// How long until it is asked again what is to be said of somebody, where no answer came.
pub const LOGIN_RENEW_AGAIN: Duration = Duration::from_secs(30);
/// Sessions of which something is noted that is not in their cookie yet, a count; one takes up to 4 KiB.
pub const LOGIN_FRESH_MAX: usize = 8_192;
/// Words of providers about sessions that are over, checked at once, a count: whoever sends one is a stranger until then.
pub const LOGIN_STRANGERS_MAX: usize = 16;
/// Longest form with such a word, in bytes.
pub const LOGOUT_BODY_BYTES_MAX: usize = 16 << 10;
/// Time for it to arrive.
pub const LOGOUT_BODY_TIME: Duration = Duration::from_secs(10);

/// Policies that are tried out, times the edges on which they would decide otherwise, a count: some dozens of callers under
/// some policies. They travel to control every second: some 40 KB of it, and at most four times that with the longest names.
pub const PREDICTIONS_MAX: usize = 512;
/// How often an event tells what a policy that is tried out would have decided on an edge: a minute is soon enough for who
/// tries something out, and few events however many calls there are.
pub const PREDICTION_TOLD_EVERY: Duration = Duration::from_secs(60);
