//! Limits that more than one crate has to agree on. Limits of one crate alone stand in that crate's `limits.rs`.

use std::time::Duration;

/// Longest fleet file in bytes: 1,000 richly described services are about 400 KiB.
pub const FLEET_FILE_BYTES_MAX: usize = 4 << 20;
/// Most services in a fleet, a count.
pub const SERVICES_MAX: usize = 10_000;
/// Most instances of one service, a count: a caller's guard looks at each of them for each call.
pub const INSTANCES_MAX: usize = 100;
/// Longest name of a zone, in bytes.
pub const ZONE_BYTES_MAX: usize = 63;
/// Largest weight of an instance or a version.
pub const WEIGHT_MAX: u16 = 1000;
/// Longest time that may be set for an edge: an hour, the life of a leaf certificate.
pub const EDGE_TIME_MAX: Duration = Duration::from_secs(3600);
/// How long a guard that is stopped goes on with what is under way, where the fleet file does not say.
pub const DRAIN_TIME: Duration = Duration::from_secs(5);
/// Longest time that it may be given.
pub const DRAIN_MAX: Duration = Duration::from_mins(10);
/// Most retries of one request that may be asked for, a count.
pub const RETRIES_MAX: u8 = 10;
/// Most routes of the gateway, a count: about 60 bytes each in the fleet file and 200 in the gateway's index.
pub const ROUTES_MAX: usize = 20_000;
/// Most routes for one host and path, which differ by method and headers, a count: each is compared with each when checked.
pub const ROUTE_VARIANTS_MAX: usize = 256;
/// Longest policy file in bytes.
pub const POLICY_FILE_BYTES_MAX: usize = 1 << 20;
/// Most policies in force at once, a count: ten per service in the largest fleet.
pub const POLICIES_MAX: usize = 100_000;
/// Largest snapshot payload in bytes; one frame of the control stream holds it.
pub const SNAPSHOT_BYTES_MAX: usize = 64 << 20;
/// Life of a leaf certificate. Short, since it is the bound on what a stolen key is worth.
pub const LEAF_TTL: Duration = Duration::from_secs(3600);
/// Life of a JWT-SVID. Shorter than a certificate's: whoever reads one can use it.
pub const JWT_TTL: Duration = Duration::from_secs(300);
/// Most audiences of one JWT-SVID, a count.
pub const AUDIENCES_MAX: usize = 16;
/// Longest audience of a JWT-SVID, in bytes.
pub const AUDIENCE_BYTES_MAX: usize = 512;
/// How far a leaf's start lies in the past, so that a peer whose clock is slow accepts it.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// Life of a join token: long enough for a process to start, useless afterwards.
pub const JOIN_TOKEN_TTL: Duration = Duration::from_secs(300);
/// Life of a node's voucher for a proxy.
pub const VOUCHER_TTL: Duration = Duration::from_secs(60);
/// Longest certificate chain accepted, leaf included, a count: leaf, issuing CA, one intermediate more.
pub const CHAIN_CERTS_MAX: usize = 4;
/// Largest single certificate accepted, in bytes of DER.
pub const CERT_BYTES_MAX: usize = 16 << 10;
/// Most events in one batch on the control stream, a count.
pub const EVENT_BATCH_MAX: usize = 512;
/// Events that wait in a proxy for control; further ones are dropped and counted.
pub const EVENT_QUEUE_MAX: usize = 16_384;
/// Shortest time for which the fleet file can have events kept: a partition is an eighth of it.
pub const EVENTS_KEEP_MIN: Duration = Duration::from_secs(3_600);
/// Longest such time: ten years.
pub const EVENTS_KEEP_MAX: Duration = Duration::from_secs(3_650 * 86_400);
/// Fewest bytes that the fleet file can give to events.
pub const EVENTS_BYTES_MIN: u64 = 16 << 20;
/// Most of them.
pub const EVENTS_BYTES_MAX: u64 = 64 << 40;
/// Fewest bytes that the fleet file can give to the ledger in the data folder: eight files of 2 MiB.
pub const LEDGER_BYTES_MIN: u64 = 16 << 20;
/// Most of them.
pub const LEDGER_BYTES_MAX: u64 = 64 << 40;
/// Smallest and largest budget for a guard's share of a call, in microseconds: below the first, timers are all there is to measure.
pub const BUDGET_US_MIN: u32 = 50;
/// See [`BUDGET_US_MIN`].
pub const BUDGET_US_MAX: u32 = 10_000_000;
/// How often control speaks on an otherwise silent stream.
pub const TICK: Duration = Duration::from_secs(2);
/// Silence after which a proxy calls its snapshots stale.
pub const STALE_AFTER: Duration = Duration::from_secs(10);
/// Silence after which a proxy calls its snapshots degraded.
pub const DEGRADED_AFTER: Duration = Duration::from_secs(600);
/// Silence after which a proxy calls its snapshots expired and refuses new requests, where the fleet file says nothing less.
pub const EXPIRED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Longest time that an open connection may be allowed to outlive its certificates: another life of a leaf.
pub const GRACE_MAX: Duration = LEAF_TTL;
/// Shortest silence of control that may be called too long: a restart of control takes seconds.
pub const SILENCE_MIN: Duration = Duration::from_secs(30);
/// Entries of a deny list, a count: what a proxy searches and what control writes at each change.
pub const DENY_ENTRIES_MAX: usize = 10_000;
/// Longest reason on the deny list, in bytes.
pub const DENY_REASON_BYTES_MAX: usize = 200;
/// Destinations outside the fleet that one service may have, a count: what a guard walks for each connection.
pub const EGRESS_DESTINATIONS_MAX: usize = 256;
/// Audiences to which the guard of one service shows tokens outside, a count: each is a token that control signs again and again.
pub const EGRESS_AUDIENCES_MAX: usize = 16;
/// Shortest life of such a token: below it the way to control and back would be a good part of it.
pub const EGRESS_TOKEN_LIFE_MIN: Duration = Duration::from_secs(60);
/// Longest life of such a token, that of the certificate which stands for the same identity.
pub const EGRESS_TOKEN_LIFE_MAX: Duration = LEAF_TTL;
/// Ports, addresses, methods or paths of one such destination, a count each.
pub const EGRESS_ITEMS_MAX: usize = 64;
/// Longest document that describes an API, in bytes: the largest public ones have some three million.
pub const API_DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// Longest documents of a fleet together, in bytes: they travel in one snapshot with everything else a guard is told.
pub const API_DOCUMENTS_BYTES_MAX: usize = 16 << 20;
/// Largest file of objectives, in bytes: the most of them, with words.
pub const OBJECTIVES_FILE_BYTES_MAX: usize = 2 << 20;
/// Largest file of alert rules, in bytes.
pub const ALERT_RULES_FILE_BYTES_MAX: usize = 1 << 20;
/// Most alert rules of a fleet, a count: each is evaluated several times a second.
pub const ALERT_RULES_MAX: usize = 256;
/// Most files of alert rules, a count.
pub const ALERT_RULES_FILES_MAX: usize = 64;
/// Most labels that a rule adds, a count.
pub const ALERT_LABELS_MAX: usize = 16;
/// Longest name of a rule, a route or a label, in bytes.
pub const ALERT_WORDS_BYTES_MAX: usize = 64;
/// Longest time in which a rule counts or waits: a day.
pub const ALERT_WITHIN_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most rules in the form of Prometheus of a fleet, a count: each is asked with every measurement.
pub const PROMETHEUS_RULES_MAX: usize = 512;
/// Longest query of such a rule, in bytes: as long as one may be.
pub const PROMETHEUS_EXPR_BYTES_MAX: usize = 16 << 10;
/// Longest label or annotation of such a rule, in bytes: what an alert may carry.
pub const PROMETHEUS_TEXT_BYTES_MAX: usize = 1_024;
/// Most routes of alerts, a count: one or two for each person who is on call.
pub const ALERT_ROUTES_MAX: usize = 64;
/// Most mailboxes of one route, a count.
pub const ALERT_MAILBOXES_MAX: usize = 16;
/// Most rotations, and most escalations, a count.
pub const ROTATIONS_MAX: usize = 32;
/// Most members of a rotation, a count.
pub const ROTATION_MEMBERS_MAX: usize = 64;
/// Most overrides of a rotation, a count: two years of one a week.
pub const ROTATION_OVERRIDES_MAX: usize = 104;
/// Longest time between two hand-overs: a year.
pub const ROTATION_EVERY_MAX: Duration = Duration::from_secs(366 * 86_400);
/// Most levels of an escalation, a count.
pub const ESCALATION_LEVELS_MAX: usize = 5;
/// Most times in the fleet file in which nobody is paged, a count.
pub const MAINTENANCE_MAX: usize = 64;
