//! Every number that bounds control.

use crate::people::Rule;
use bartizan_crypto::password::Cost;
use std::time::Duration;

/// Silence after which an instance counts as gone for good: a supervisor starts one that died long before.
pub(crate) const GONE_AFTER: Duration = Duration::from_secs(10);
/// How often it is looked who is gone; who comes or leaves is seen at once.
pub(crate) const PRESENCE_EVERY: Duration = Duration::from_millis(500);
/// Shortest time between two publications of who is there.
pub(crate) const PRESENCE_PAUSE: Duration = Duration::from_millis(100);

/// How long a node has to answer a challenge. It answers at once; the rest is for a machine that is starting everything.
pub const CHALLENGE_TTL: Duration = Duration::from_secs(30);
/// Answered challenges that are remembered, a count: more nodes than the largest fleet has services, all within
/// [`CHALLENGE_TTL`]. Those that nobody answered take no memory.
pub const ANSWERED_MAX: usize = 16_384;
/// Proofs that are checked at once, a count: each may cost a hundred signatures or a question to Kubernetes, and strangers may
/// send them.
pub const ATTESTATIONS_AT_ONCE: usize = 4;

/// Longest body of a request to the authorization server, in bytes: the longest subject token and its parameters.
pub const AUTHORIZATION_BODY_BYTES_MAX: usize = 24 << 10;
/// Requests to the authorization server by one client that showed its certificate, a second: it keeps a token for minutes.
pub const CLIENT_REQUESTS_PER_S: u32 = 200;
/// Those by one address without a certificate, a second: apps and browsers of an office behind one address.
pub const STRANGER_REQUESTS_PER_S: u32 = 50;
/// Requests by one address that are remembered for a minute (RFC 9126), a second.
pub const PUSHES_PER_S: u32 = 20;
/// Devices by one address that begin, a second: each is remembered for ten minutes.
pub const DEVICES_PER_S: u32 = 2;
/// Codes that are remembered, a count: for an hour after they were redeemed, 70 sign-ins a second.
pub const CODES_MAX: usize = 262_144;
/// Requests that were pushed and not used, a count; each has 3 KiB at most.
pub const PUSHED_MAX: usize = 8_192;
/// Devices that wait, a count.
pub const DEVICES_MAX: usize = 32_768;
/// Wrong codes of devices that one person may type within ten minutes, a count: of 34 bits, with 32,768 devices waiting, one guess in
/// 800,000 is right.
pub const DEVICE_GUESSES_MAX: u32 = 5;
/// People whose guesses are counted, a count.
pub const DEVICE_GUESSERS_MAX: usize = 65_536;
/// Longest address that a browser carries while somebody signs in, in bytes.
pub const CARRIED_BYTES_MAX: usize = 4 << 10;
/// How long somebody has to sign in and allow.
pub const CARRIED_TTL: Duration = Duration::from_secs(30 * 60);
/// Tries to store a family where others change it at the same time, a count.
pub const FAMILY_TRIES: usize = 8;
/// Largest file with the key of refresh tokens, in bytes.
pub const REFRESH_KEY_BYTES_MAX: usize = 256;
/// Longest body of a registration, in bytes.
pub const REGISTRATION_BYTES_MAX: usize = 16 << 10;
/// Most values in it, a count.
pub const REGISTRATION_VALUES_MAX: usize = 256;
/// How long a log-in at an app is remembered, so that the app can be told when its session is over: sessions live for less, and those
/// that are renewed in the same browser mostly do.
pub const LOGIN_KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Time for telling an app that a session is over, with dialling and handshake.
pub const TELL_WITHIN: Duration = Duration::from_secs(10);
/// Longest answer that is read of it, in bytes: what counts is its status.
pub const TELL_ANSWER_BYTES_MAX: usize = 64 << 10;
/// Pauses after tries that failed; after the last one nobody tries any more, and an event says so. An app that is put up anew is there
/// again within minutes.
pub const TELL_PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];
/// How often it is looked whether somebody is to be told, where nobody says so.
pub const TELL_LOOK: Duration = Duration::from_secs(60);
/// Sessions that ended and whose tokens are still to be taken back, a count; what does not fit ends when it is renewed.
pub const ENDED_WAITING_MAX: usize = 16_384;
/// Whose requests are counted at once, a count; beyond it, whoever is new waits.
pub const REQUESTERS_MAX: usize = 16_384;
/// How long the gateway waits for an answer about somebody who logs in: two questions to a provider.
pub const LOGIN_WITHIN: Duration = Duration::from_secs(20);
/// Questions of a gateway about people who log in that are worked on at once, a count; further ones are refused.
pub const LOGIN_ASKS_MAX: usize = 256;
/// Longest such question, in bytes: a code and what was kept for it.
pub const LOGIN_ASK_BYTES_MAX: usize = 32 << 10;
/// Longest answer of a provider's token endpoint, in bytes: three tokens.
pub const LOGIN_ANSWER_BYTES_MAX: usize = 64 << 10;
/// Longest token of a provider that is kept for a session, in bytes.
pub const LOGIN_TOKEN_BYTES_MAX: usize = 4 << 10;
/// Sessions of the gateway that can be renewed, a count; each takes up to 10 KiB. Those beyond go on to their own end as they are.
pub const LOGIN_SESSIONS_MAX: usize = 65_536;
/// How long before an access token ends somebody's session is renewed.
pub const LOGIN_RENEW_LEAD: Duration = Duration::from_secs(60);
/// Shortest time between two renewals of a session.
pub const LOGIN_RENEW_LEAST: Duration = Duration::from_secs(5);
/// Pause before a provider that could not be asked is asked again about a session.
pub const LOGIN_RENEW_RETRY: Duration = Duration::from_secs(60);
/// Longest secret of the gateway at a provider, in bytes.
pub const LOGIN_SECRET_BYTES_MAX: usize = 1_024;
/// How long new cookies of sessions are made with one key.
pub const COOKIE_KEY_USED: Duration = Duration::from_secs(24 * 3600);
/// How long before it is used a key of cookies is given out: gateways ask far more often.
pub const COOKIE_KEY_LEAD: Duration = Duration::from_secs(3600);
/// Largest file with keys of cookies, in bytes: some keys.
pub const COOKIE_KEYS_FILE_BYTES_MAX: usize = 16 << 10;
/// How often it is looked whether the authorization server's certificate is to be renewed.
pub const WEB_CERTIFICATE_LOOK: Duration = Duration::from_secs(5);

/// Longest form of a page, in bytes: a way back, a password and its repetition, escaped.
pub const PAGE_FORM_BYTES_MAX: usize = 16 << 10;
/// Longest path with query that somebody is led back to after a sign-in, in bytes: sealed, it has to fit a request's head.
pub const WAY_BYTES_MAX: usize = 4 << 10;
/// For how long the form of a sign-in or a consent can be sent.
pub const WAY_TTL: Duration = Duration::from_secs(30 * 60);
/// For how long a link by which somebody sets a password can be used.
pub const LINK_TTL: Duration = Duration::from_secs(24 * 3600);
/// Fewest characters of a password, a count.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Most of them.
pub const PASSWORD_CHARS_MAX: usize = 128;
/// What a guess at a password costs: the second recommendation of OWASP's cheat sheet, 16 ms on one core.
pub const PASSWORD_COST: Cost = Cost { memory_kib: 19 << 10, passes: 2 };
/// Passwords that are hashed at once, a count at most: each takes the memory above; half of the machine's processors otherwise.
pub const HASHES_AT_ONCE_MAX: usize = 8;
/// Those that wait, a count: about half a second of one core.
pub const HASHES_WAITING_MAX: usize = 32;
/// How guesses at one account are slowed down: five at once, then a hundred a day.
pub(crate) const ACCOUNT_TRIES: Rule =
    Rule { free: 5, first: Duration::from_secs(2), most: Duration::from_secs(15 * 60) };
/// How wrong guesses from one address are slowed down, at whomever: an office behind one address has some an hour.
pub(crate) const ADDRESS_TRIES: Rule = Rule { free: 30, first: Duration::from_secs(1), most: Duration::from_secs(60) };
/// Whose guesses are counted at once, a count: about 6 MiB.
pub const TRIERS_MAX: usize = 65_536;
/// For how long a browser is known as one in which somebody signed in.
pub const KNOWN_TTL: Duration = Duration::from_secs(90 * 86_400);
/// Bytes of the secret that an authenticator app shares with the server: as long as its hash (RFC 4226 section 4, R6).
pub const TOTP_SECRET_BYTES: usize = 20;
/// Recovery codes, a count.
pub const RECOVERY_CODES: usize = 10;
/// Random bytes of each: beyond any guess, so that a plain hash of it may be kept.
pub const RECOVERY_BYTES: usize = 10;
/// Time between password and second factor.
pub const STEP_TTL: Duration = Duration::from_secs(5 * 60);
/// For how long after a sign-in factors may be added and taken away without another one.
pub const RECENT: Duration = Duration::from_secs(10 * 60);
/// Passkeys of one person, a count.
pub const PASSKEYS_EACH_MAX: usize = 16;
/// Longest name that a person gives a passkey, in bytes.
pub const LABEL_BYTES_MAX: usize = 64;
/// Answered challenges that are remembered, a count: all sign-ins by passkey within half an hour.
pub const CHALLENGES_MAX: usize = 65_536;
/// Sessions of one person, a count; beyond it, the one used longest ago ends.
pub const SESSIONS_EACH_MAX: usize = 32;
/// How often it is noted that a session is used.
pub const SESSION_SEEN_EVERY: Duration = Duration::from_secs(30);
/// Longest name of a browser that is kept of a session, in characters.
pub const AGENT_CHARS_MAX: usize = 200;
/// How often a change of a person is tried where others change the same, a count.
pub const PERSON_TRIES: usize = 16;
/// Largest file with the key of the server's own, in bytes.
pub const PEOPLE_KEY_FILE_BYTES_MAX: usize = 256;

/// Tokens that are revoked at once, a count: each is in every directory of the gateway until it would have ended.
pub const REVOKED_TOKENS_MAX: usize = 10_000;
/// Their file, in bytes: the most of them with the longest names, which have 2 KiB.
pub const REVOKED_FILE_BYTES_MAX: usize = 32 << 20;
/// The file of keys, in bytes: the most of them with the longest scopes and tenants that are usual.
pub const KEYS_FILE_BYTES_MAX: usize = 16 << 20;
/// Pause between two publications of tokens that clients revoked.
pub(crate) const REVOKED_PAUSE: Duration = Duration::from_millis(100);

/// Largest deny list on disk, in bytes: its most entries with the longest reasons.
pub const DENY_LIST_BYTES_MAX: usize = 16 << 20;

/// How often control looks whether the files on disk differ from what is in force.
pub const DRIFT_EVERY: Duration = Duration::from_secs(5);
/// Differences that are named, a count; further ones are counted.
pub const DRIFT_SHOWN_MAX: usize = 10;
/// Time for one look at the bundle endpoint of another trust domain.
pub const FEDERATION_FETCH_WITHIN: Duration = Duration::from_secs(10);
/// Pause after a look that failed; doubled each time.
pub const FEDERATION_RETRY: Duration = Duration::from_secs(2);
/// Longest such pause.
pub const FEDERATION_RETRY_MAX: Duration = Duration::from_secs(60);
/// Longest pause between two looks at the clock.
pub const FEDERATION_LOOK_MAX: Duration = Duration::from_secs(5);
/// Longest kept bundle in bytes: the longest document, escaped, and where it came from.
pub const KEPT_BUNDLE_BYTES_MAX: usize = 1 << 20;
/// Largest PEM file that the fleet file names for federation, in bytes: the roots of the web are about 230 KiB.
pub const WEB_ROOTS_BYTES_MAX: usize = 4 << 20;

/// Time for the first message of a stream. A proxy sends it at once; the rest is for a busy machine.
pub const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// Longest version text of a proxy in bytes.
pub const VERSION_BYTES_MAX: usize = 64;
/// Longest reason of a refused snapshot that is kept, in bytes; more is cut, since it is for people.
pub const REFUSED_BYTES_MAX: usize = 1 << 10;
/// Messages to one proxy that wait for the network, a count. Snapshots are the large ones, and there are three kinds.
pub const DOWN_QUEUE_MAX: usize = 16;
/// How long a proxy may leave that queue full before its stream is ended; it comes back and starts over.
pub const DOWN_WITHIN: Duration = Duration::from_secs(30);

/// Longest single event on the stream in bytes: a request with the longest path is about 5 KiB.
pub const EVENT_BYTES_MAX: usize = 16 << 10;
/// Events that wait to be stored, a count: about 30 MiB; several seconds of a busy fleet.
pub const EVENTS_WAITING_MAX: usize = 32_768;
/// Jobs that wait for the ledger, a count: each is what a batch of events has for it. The pipeline waits beyond that.
pub(crate) const LEDGER_QUEUE_MAX: usize = 64;
/// How often it is looked what of the ledger is beyond its bounds.
pub(crate) const LEDGER_ARCHIVE_EVERY: Duration = Duration::from_secs(5);
/// Files that share what the ledger may take in the data folder, a count: so much of it goes at once.
pub(crate) const LEDGER_FILES_MIN: u64 = 8;
/// Entries of the ledger that share one flush and one signature, a count.
pub(crate) const LEDGER_GROUP_MAX: usize = 8_192;
/// Events of one transaction, a count: large enough to share the cost of a commit, small enough to be confirmed soon.
pub const STORE_BATCH_MAX: usize = 2_048;
/// Longest counters of a proxy in bytes: 10,000 edges at about 90 bytes.
pub const STATS_BYTES_MAX: usize = 1 << 20;
/// Readings kept per proxy for rates, a count. One comes every [`bartizan_core::limits::TICK`] or so.
pub const READINGS_MAX: usize = 16;
/// Rates are taken over at least this long.
pub const RATE_OVER: Duration = Duration::from_secs(2);
/// Quantiles are taken over at least this long: fewer calls would make them jump.
pub const QUANTILE_OVER: Duration = Duration::from_secs(10);
/// A reading older than this says nothing about now.
pub const READING_TTL: Duration = Duration::from_secs(8);

/// Live events that wait for readers of `/v1/events?follow`, a count for all of them; slower ones miss some.
pub const FOLLOW_WAITING_MAX: usize = 4_096;
/// Lines that wait for one reader of `/v1/events?follow`, a count.
pub const FOLLOW_LINES_MAX: usize = 256;
/// Events of one `POST /v1/events`, a count.
pub const POSTED_EVENTS_MAX: usize = bartizan_core::limits::EVENT_BATCH_MAX;
/// Events of one request that `explain` and `trace` look at, a count: the longest chain of calls is far shorter.
pub const REQUEST_EVENTS_MAX: u32 = 1_000;
/// Events that `/v1/events` shows where no limit was asked for, a count.
pub const EVENTS_SHOWN: u32 = 100;

/// Requests to the console from one address, a second: a page that opens asks for some twenty things, and an office may be behind one.
pub const CONSOLE_REQUESTS_PER_S: u32 = 100;
/// How long whoever asked too often is told to wait.
pub const CONSOLE_REQUEST_PAUSE: Duration = Duration::from_secs(1);
/// Time until the head of an answer of the console: the longest search of events has 30 seconds at the socket.
pub const CONSOLE_ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Longest refusal that is told in JSON, in bytes: a fleet file may be wrong in a hundred places.
pub const CONSOLE_REFUSAL_BYTES_MAX: usize = 64 << 10;
/// How long a session of the console lasts at most: a working day.
pub const CONSOLE_SESSION_LIFE: Duration = Duration::from_secs(8 * 3600);
/// How long it lasts without being used.
pub const CONSOLE_IDLE: Duration = Duration::from_secs(30 * 60);
/// How often it is noted that it is used.
pub const CONSOLE_SEEN_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked whether the files of a certificate of the fleet file's changed.
pub const WEB_CERTIFICATE_EVERY: Duration = Duration::from_secs(2);
/// Sessions of the console, a count; beyond it, the one used longest ago ends.
pub const CONSOLE_SESSIONS_MAX: usize = 256;
/// Links that nobody has used yet, a count.
pub const CONSOLE_LINKS_MAX: usize = 64;
/// Largest file with both, in bytes: about 700 for a session.
pub const CONSOLE_FILE_BYTES_MAX: usize = 1 << 20;
/// Changes that `/v1/changes` shows where no limit was asked for, a count.
pub const CHANGES_SHOWN: usize = 100;
/// Most of them, a count.
pub const CHANGES_MAX: usize = 1_000;
/// Events of one look for changes, a count.
pub const CHANGES_LOOK_EVENTS: u32 = 1_000;
/// Looks for changes of one question, a count: beyond that it is said where to go on.
pub const CHANGES_LOOKS_MAX: usize = 20;
/// Points of a series, a count: more than a screen has columns.
pub const SERIES_POINTS_MAX: u64 = 1_500;
/// Time between two measurements of our own metrics: what a Prometheus is told to scrape at by most.
pub const SERIES_EVERY: Duration = Duration::from_secs(15);
/// For how long they are kept: a day, and an hour for rules that look a little further back.
pub const SERIES_FOR: Duration = Duration::from_secs(25 * 3600);
/// Samples of one request of remote write, a count: some 100 KB before they are compressed.
pub const REMOTE_WRITE_SAMPLES: usize = 2_000;
/// Time after which the book of alerts is told again of one that a rule in the form of Prometheus finds: as a Prometheus does.
pub const PROMETHEUS_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// For how long such an alert counts where nobody repeats it: a restart, and some measurements.
pub const PROMETHEUS_LASTS: Duration = Duration::from_secs(180);
/// Queries in PromQL that are answered at once, a count: each may take a thread for seconds, and 128 MiB for samples.
pub const QUERIES_AT_ONCE: usize = 2;
/// Queries that wait for their turn, a count: a board asks a dozen at once.
pub const QUERIES_WAITING_MAX: usize = 64;
/// For how long one waits.
pub const QUERY_WAITS: Duration = Duration::from_secs(10);
/// Points of the answer to one query, a count: some 20 MB of text.
pub const QUERY_POINTS_MAX: usize = 500_000;
/// Series that one question names, a count.
pub const SERIES_NAMES_MAX: usize = 10_000;
/// Events that a page is told a second, a count; of more it is told how many there were.
pub const STREAM_EVENTS_PER_S: u32 = 200;
/// Frames that wait for one page, a count. The map of a large fleet is some hundred kilobytes.
pub const STREAM_FRAMES_MAX: usize = 16;
/// Pause after a frame of events: what comes within it shares the next one.
pub const STREAM_BATCH_PAUSE: Duration = Duration::from_millis(50);
/// How often a page is shown the map, where it changed.
pub const STREAM_MAP_EVERY: Duration = Duration::from_secs(2);
/// How often it is shown the status, and looked whether its session goes on.
pub const STREAM_STATUS_EVERY: Duration = Duration::from_secs(5);
/// How often it hears that the connection is there.
pub const STREAM_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long a page may take nothing before its stream ends.
pub const STREAM_STALLED_AFTER: Duration = Duration::from_secs(30);
/// Time between two readings that quantiles of each edge are taken from: they are of this long, or twice as long, so that what is seen
/// is never older than 15 s.
pub const EDGE_QUANTILE_EVERY: Duration = Duration::from_secs(7);
/// Edges of one guard that rates are kept of, a count.
pub const RATED_EDGES_MAX: usize = 10_000;
/// Longest plan file in bytes: 10,000 services with ten callees each are about 6 MiB.
pub const PLAN_BYTES_MAX: usize = 32 << 20;
/// Longest passphrase file, certificate request or certificate that is read, in bytes.
pub const CA_FILE_BYTES_MAX: usize = 64 << 10;
/// How often control looks whether a signed issuing certificate has been put in place.
pub const ISSUING_POLL: Duration = Duration::from_millis(500);
/// Shortest pause between two attempts to renew an identity of our own, also after a failure.
pub const RENEW_PAUSE: Duration = Duration::from_secs(1);
/// How often the clock is looked at while waiting for the time to renew: after a machine slept, nobody can attach for so long.
pub const CLOCK_LOOK: Duration = Duration::from_secs(2);
/// Pause after an attempt that failed: half of what is left of a one-hour identity, in small steps.
pub const RENEW_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Time for events on their way to reach the store once a stop was asked for.
pub const DRAIN_WITHIN: Duration = Duration::from_secs(3);
/// How often a rotation looks whether it can take its next step.
pub const ROTATION_TICK: Duration = Duration::from_millis(250);
/// How often a rotation that cannot go on by itself says so in the log.
pub const ROTATION_TOLD_EVERY: Duration = Duration::from_secs(60);
/// Identities that a rotation has issued within a second, a count: each costs a signature here and a start of all
/// connections there.
pub const ROTATION_ISSUES_PER_S: u32 = 50;
/// Longest `rotation.json` in bytes: 10,000 members of 63 bytes twice, 256 steps.
pub const ROTATION_FILE_BYTES_MAX: usize = 4 << 20;
/// Batches of events of one proxy that are not confirmed yet, a count; a proxy keeps to 8 by itself.
pub const UNCONFIRMED_MAX: usize = 64;
/// Identities that one stream may ask for within [`RENEWALS_PER`], a count: each costs a signature.
pub const RENEWALS_MAX: u32 = 12;
/// Identities and tokens that one node's stream may ask for within [`RENEWALS_PER`], a count: all entries of the largest
/// fleet, twice.
pub const NODE_ISSUES_MAX: u32 = 20_000;
/// Longest path of a node's socket in bytes, as it is shown.
pub const SOCKET_BYTES_MAX: usize = 108;
/// For how long a key signs tokens.
pub const JWT_KEY_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How long before that the next key is published: twice as long as other trust domains may wait between two looks.
pub const JWT_KEY_LEAD: Duration = Duration::from_secs(2 * 3600);
/// How often control looks whether a step is due.
pub const JWT_KEY_LOOK: Duration = Duration::from_secs(30);
/// Largest file of public JWT keys in bytes: 64 keys at about 200 bytes.
pub const JWT_KEYS_FILE_BYTES_MAX: usize = 64 << 10;
/// Tokens for the outside that one stream may ask for within [`RENEWALS_PER`], a count: those of all its audiences at twice the
/// pace of the shortest life, and as many for a stream that breaks.
pub const OUTSIDE_TOKENS_MAX: u32 = 6 * bartizan_core::limits::EGRESS_AUDIENCES_MAX as u32;
/// See [`RENEWALS_MAX`].
pub const RENEWALS_PER: Duration = Duration::from_secs(60);
/// How long records of certificates gather in the journal before the database takes them in, so that they share a transaction.
pub const TAKE_IN_EVERY: Duration = Duration::from_millis(250);
/// Pause before records are offered again to a database that did not take them in.
pub const TAKE_IN_AGAIN: Duration = Duration::from_secs(1);
/// Edges, by key exchange and suite, of which it is counted what they use, a count: 10,000 services with two callers each.
pub const TLS_EDGES_MAX: usize = 20_000;
/// How often the cost of guards is looked at.
pub const BUDGET_EVERY: Duration = Duration::from_secs(2);
/// Looks in a row, a count, that have to agree before there is an alarm or an end of it.
pub const BUDGET_LOOKS: u32 = 3;
/// Names that a guard is told for what is redirected to it, a count. Above it the program's own callees are all that it is told, so that
/// directories do not grow with the square of the fleet: 60 KB for each guard at the most.
pub const CAPTURED_NAMES_MAX: usize = 1_000;
/// Records that `/v1/ca/issued` shows where no limit was asked for, a count.
pub const ISSUED_SHOWN: u32 = 100;
/// Destinations outside the fleet that are remembered, a count: ten for each of 1,000 services.
pub const EGRESS_DESTINATIONS_MAX: usize = 10_000;
/// Addresses of one of them that are remembered, a count.
pub const EGRESS_ADDRESSES_MAX: usize = 16;
/// How often they are written down.
pub const EGRESS_KEEP_EVERY: Duration = Duration::from_secs(2);
/// Largest file of them in bytes: about 600 each.
pub const EGRESS_BOOK_BYTES_MAX: usize = 32 << 20;
/// Operations of services that are remembered, a count: about 300 bytes each.
pub const INVENTORY_OPERATIONS_MAX: usize = 20_000;
/// Those of one service, a count, beside what its document describes: further ones count as one.
pub const INVENTORY_OPERATIONS_OF_SERVICE_MAX: usize = 500;
/// Callers of one of them that are remembered, a count.
pub const INVENTORY_CALLERS_MAX: usize = 16;
/// How often they are written down: what a process that is killed may forget.
pub const INVENTORY_KEEP_EVERY: Duration = Duration::from_secs(5);
/// Largest file of the indicators in bytes.
pub const INDICATORS_BYTES_MAX: usize = 256 << 20;
/// Time between two writings of it. What came in between is not lost: guards tell their totals again.
pub const INDICATORS_KEEP_EVERY: Duration = Duration::from_secs(15);
/// Largest file of them in bytes.
pub const INVENTORY_BOOK_BYTES_MAX: usize = 32 << 20;
/// After so long without a call one is forgotten.
pub const INVENTORY_FORGOTTEN_AFTER: Duration = Duration::from_secs(400 * 86_400);
/// Days without a call after which an operation that is declared is called a zombie, where nobody says another number.
pub const INVENTORY_UNSEEN_DAYS: u32 = 30;
/// The largest such number.
pub const INVENTORY_UNSEEN_DAYS_MAX: u32 = 365;
/// For how long a destination is called new.
pub const EGRESS_NEW_FOR: Duration = Duration::from_secs(3600);

/// Time for one request of an output, from dialling to the whole answer.
pub const OUTPUT_WITHIN: Duration = Duration::from_secs(15);
/// Longest answer of a receiver in bytes: a bulk request of 256 documents is answered with some hundred bytes for each.
pub const OUTPUT_ANSWER_BYTES_MAX: usize = 1 << 20;
/// Largest file with a secret of an output, in bytes.
pub const OUTPUT_FILE_BYTES_MAX: usize = 16 << 10;
/// Time that a receiver of syslog gets on a new connection to refuse our certificate, and what comes again: several times the way around
/// the earth.
pub const OUTPUT_SETTLE: Duration = Duration::from_secs(1);
/// How often an output that has sent everything looks whether there is more.
pub const OUTPUT_POLL: Duration = Duration::from_millis(100);
/// First pause after an attempt to send that failed; it doubles.
pub const OUTPUT_RETRY: Duration = Duration::from_millis(250);
/// Longest pause after one.
pub const OUTPUT_RETRY_MAX: Duration = Duration::from_secs(30);
/// How often it is written down where an output is: what is sent again after a kill.
pub const OUTPUT_CURSOR_EVERY: Duration = Duration::from_secs(1);
/// Clients whose records are counted by the second, a count: collectors and machines; further ones share one bucket.
pub const INTAKE_CLIENTS_MAX: usize = 1_024;
/// Seconds' worth of records that a client may bring at once.
pub const INTAKE_BURST_S: f64 = 2.0;
/// Messages of several records that are read at once, a count: each of 4 MiB may take forty while it is read.
pub const INTAKE_READING_MAX: usize = 4;
/// Connections with messages of syslog or lines of JSON at once, a count, for each door.
pub const INTAKE_STREAMS_MAX: usize = 512;
/// Connections of one address among them, a count: one that opens what it can must not keep the others out.
pub const INTAKE_STREAMS_EACH_MAX: usize = 128;
/// Messages of one of them that share a batch, a count.
pub const INTAKE_BATCH_MAX: u64 = 512;
/// Silence after which such a connection is closed: senders of syslog keep theirs for hours, and come again by themselves.
pub const INTAKE_IDLE: Duration = Duration::from_secs(3_600);
/// Largest file with a token, in bytes.
pub const INTAKE_TOKEN_BYTES_MAX: usize = 4_096;
/// Shortest token, in characters: 16 random bytes in hexadecimal digits.
pub const INTAKE_TOKEN_CHARS_MIN: usize = 32;

/// Shortest time between two looks at another identity provider that somebody's token was the reason for.
pub const UPSTREAM_ASKED_AGAIN: Duration = Duration::from_secs(10);
/// Questions to other identity providers at once, a count: people who come back at the same moment.
pub const UPSTREAM_ASKED_MAX: usize = 64;
/// Longest answer of a token or userinfo endpoint, in bytes: three tokens with many groups.
pub const UPSTREAM_ANSWER_BYTES_MAX: usize = 64 << 10;
/// Longest secret of ours at another provider, in bytes.
pub const UPSTREAM_SECRET_BYTES_MAX: usize = 1 << 10;
/// Longest cookie that is carried meanwhile, in bytes: browsers keep 4,096 with its name.
pub const UPSTREAM_COOKIE_BYTES_MAX: usize = 3_800;
/// Words of another provider's `amr` that are kept, a count.
pub const UPSTREAM_AMR_MAX: usize = 16;
/// Longest of them, in bytes.
pub const UPSTREAM_WORD_BYTES_MAX: usize = 128;
/// Accounts elsewhere that one person may connect, a count.
pub const CONNECTED_EACH_MAX: usize = 16;
/// Sign-ins at one provider that are refused within [`SPIKE_WITHIN`], a count, with which operators are told: people mistype there, not here.
pub const SPIKE_REFUSALS: u32 = 20;
/// See [`SPIKE_REFUSALS`].
pub const SPIKE_WITHIN: Duration = Duration::from_secs(60);

/// Pause between two looks at an issuer's keys: a new key is shown for longer than that before it signs.
pub const ISSUER_LOOK: Duration = Duration::from_secs(60);
/// Time for one look.
pub const ISSUER_FETCH_WITHIN: Duration = Duration::from_secs(10);
/// First pause after a look that failed; it doubles.
pub const ISSUER_RETRY: Duration = Duration::from_secs(1);
/// Longest pause after one.
pub const ISSUER_RETRY_MAX: Duration = Duration::from_secs(60);
/// Longest pause until it is seen whose turn it is.
pub const ISSUER_PAUSE_MAX: Duration = Duration::from_secs(5);
/// Longest document of an issuer, in bytes: a hundred keys.
pub const ISSUER_DOCUMENT_BYTES_MAX: usize = 256 << 10;
/// Longest file with an issuer's keys, in bytes: those, escaped.
pub const ISSUER_KEYS_FILE_BYTES_MAX: usize = 1 << 20;

/// How often rules are held against what is measured.
pub(crate) const ALERTS_EVERY: Duration = Duration::from_millis(250);
/// Time over which a look at all budgets is spread, a multiple of what it takes: one in a hundred.
pub(crate) const ALERTS_BURN_SHARE: u32 = 100;
/// How often new versions of services are held against the old ones: it sums up an hour of each.
pub(crate) const ALERTS_VERSIONS_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked who does what attackers do: it sums up all of whom something is counted.
pub(crate) const ALERTS_SUSPECTS_EVERY: Duration = Duration::from_secs(2);
/// How often what is to be replaced is held against the clock: it reads every certificate of the fleet.
pub(crate) const ALERTS_CALENDAR_EVERY: Duration = Duration::from_secs(5);
/// How often the state of alerts is written down, where it changed.
pub(crate) const ALERTS_STATE_EVERY: Duration = Duration::from_secs(1);
/// For how long after a start what was there before stays, although nothing is measured yet: guards come back within seconds.
pub(crate) const ALERTS_SETTLED_AFTER: Duration = Duration::from_secs(90);
/// Time within which lost events count as lost now.
pub(crate) const EVENTS_LOST_WITHIN: Duration = Duration::from_secs(60);
/// Notices that wait for one route, a count.
pub(crate) const ALERT_QUEUE_MAX: usize = 1_000;
/// How long one try to send a notice may take.
pub(crate) const ALERT_SEND_WITHIN: Duration = Duration::from_secs(10);
/// Tries of one notice, a count; with the pauses below that is a quarter of an hour.
pub(crate) const ALERT_TRIES: u32 = 20;
/// Pause after the first try; each further one is twice as long.
pub(crate) const ALERT_RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest pause.
pub(crate) const ALERT_RETRY_MOST: Duration = Duration::from_secs(60);
/// How often an Alertmanager is told of what goes on.
pub(crate) const ALERTMANAGER_AGAIN: Duration = Duration::from_secs(60);
/// For how long it believes that: three of those, and a little.
pub(crate) const ALERTMANAGER_COUNTS_FOR: Duration = Duration::from_secs(200);
/// Longest answer to a notice that is read, in bytes.
pub(crate) const ALERT_ANSWER_BYTES_MAX: usize = 16 << 10;
/// Largest file with the secret of a webhook, in bytes.
pub(crate) const ALERT_SECRET_BYTES_MAX: usize = 4 << 10;
/// Largest file with a token, in bytes.
pub(crate) const ALERT_TOKEN_BYTES_MAX: usize = 4 << 10;
/// Longest line of a relay's answer, in bytes (RFC 5321, 4.5.3.1.5, with room).
pub(crate) const SMTP_LINE_BYTES_MAX: u64 = 4 << 10;
/// Lines of one answer, a count.
pub(crate) const SMTP_LINES_MAX: usize = 64;
/// Longest body that the API for Alertmanager's clients takes, in bytes.
pub(crate) const ALERTMANAGER_BODY_BYTES_MAX: usize = 4 << 20;
/// Alerts in one, a count.
pub(crate) const ALERTMANAGER_POSTED_MAX: usize = 20_000;
/// How often a port that was taken is tried again.
pub(crate) const ALERTS_LISTEN_LOOK: Duration = Duration::from_secs(2);
/// How often it is looked at whether an error budget locks promotion.
pub(crate) const PROMOTION_EVERY: Duration = Duration::from_secs(1);
/// Denials of one request for which it is tried out what would let them through, a count: each compiles all policies a few times.
pub(crate) const DENIALS_TRIED_MAX: usize = 2;
/// Largest file of legal holds, in bytes: all that there may be, with their texts.
pub(crate) const HOLDS_BYTES_MAX: usize = 1 << 20;
/// Largest file of what was in force and what locks, in bytes.
pub(crate) const PROMOTION_BYTES_MAX: usize = 4 << 20;
/// Indicators that a page or an escalation carries, a count.
pub(crate) const EVIDENCE_SLIS_MAX: usize = 12;
/// Largest file with the password of a relay, in bytes.
pub(crate) const SMTP_PASSWORD_BYTES_MAX: usize = 4 << 10;
/// Days of which is remembered how much came from whom, a count.
pub(crate) const INGEST_DAYS: usize = 31;
/// Sources of one day that are told apart, a count; the rest are one.
pub(crate) const INGEST_SOURCES_MAX: usize = 1_024;
/// How often that is written down: what a process that is killed may forget.
pub(crate) const INGEST_KEEP_EVERY: Duration = Duration::from_secs(15);
/// Largest file of it, in bytes: a month of sources with names of a hundred bytes.
pub(crate) const INGEST_BOOK_BYTES_MAX: usize = 8 << 20;
/// How long a hop may take to tell of a request that the gateway saw answered: guards tell within a second, and again after control was away.
pub(crate) const HOP_TOLD_WITHIN: Duration = Duration::from_secs(15);
/// Hops of that time that are remembered, a count: about 10 MB; where there are more, none counts as missing.
pub(crate) const HOPS_WATCHED_MAX: usize = 65_536;
/// For how long a hop that told nothing counts as missing.
pub(crate) const HOPS_MISSING_WITHIN: Duration = Duration::from_secs(300);

/// How often it is looked whether a week is over that has no report.
pub(crate) const WEEKLY_LOOK_EVERY: Duration = Duration::from_secs(15);
/// Reports of weeks that are kept, a count: two years.
pub(crate) const WEEKLY_KEPT: usize = 104;
/// Largest of them that is read, in bytes: all its rows, with long names.
pub(crate) const WEEKLY_BYTES_MAX: usize = 16 << 20;
/// Most rows of one part of a report, a count: more than anybody reads.
pub(crate) const WEEKLY_ROWS_MAX: usize = 512;
/// Most events of one kind that are looked at for a week, a count: a second or two of reading.
pub(crate) const WEEKLY_EVENTS_MAX: usize = 100_000;
/// Events that are read at once for it, a count.
pub(crate) const WEEKLY_PAGE_EVENTS: u32 = 2_000;
