//! Limits of this crate alone.

use std::time::Duration;

/// Life of a root. Ten years: replacing it is a planned act, and its key lies sealed.
pub const ROOT_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Life of an issuing CA. A week: its key is in the memory of a control process, which renews it on its own.
pub const ISSUING_TTL: Duration = Duration::from_secs(7 * 24 * 3600);
/// Life of the gateway's certificate for outside clients.
pub const EDGE_TTL: Duration = Duration::from_secs(24 * 3600);
/// How long a revocation list for outsiders may be used; what it lists would have run out by itself in as long.
pub const CRL_TTL: Duration = Duration::from_secs(3600);
/// Most trust domains in a bundle set, a count: the own one and those federated with.
pub const DOMAINS_MAX: usize = 1_000;
/// Most roots of one trust domain, a count: three are held in the middle of a rotation, the rest is room.
pub const ROOTS_MAX: usize = 16;
/// Longest bundle document of another trust domain in bytes: sixteen roots and sixty-four keys, and as much again.
pub const BUNDLE_DOCUMENT_BYTES_MAX: usize = 256 << 10;
/// Most keys in a bundle document, a count, those that are passed over among them.
pub const BUNDLE_KEYS_MAX: usize = 128;
/// Longest text of a process's cgroups that is looked at, in bytes: a dozen hierarchies with deep paths are about 4 KiB.
pub const CGROUP_BYTES_MAX: usize = 16 << 10;
/// Most join tokens that wait or are remembered, a count: each start of a node takes one.
pub const JOIN_TOKENS_MAX: usize = 1_024;
/// Longest join token in bytes: a prefix and 32 bytes in base64.
pub const JOIN_TOKEN_BYTES_MAX: usize = 64;
/// Longest JWT-SVID that is looked at, in bytes: ours have about 500, those with sixteen long audiences 12 KiB.
pub const JWT_BYTES_MAX: usize = bartizan_crypto::limits::TOKEN_BYTES_MAX;
/// Most JWT keys of one trust domain, a count: one signs, the others wait until what they signed has run out.
pub const JWT_KEYS_MAX: usize = 64;
/// Longest `kid` in bytes; ours have 32.
pub const KID_BYTES_MAX: usize = bartizan_crypto::limits::KID_BYTES_MAX;
/// Longest Kubernetes service account token that is passed on, in bytes; real ones have about 1 KiB.
pub const SERVICE_ACCOUNT_TOKEN_BYTES_MAX: usize = 16 << 10;
/// Longest TokenReview that is read, in bytes: the token twice, and some KiB about its bearer.
pub const REVIEW_BYTES_MAX: usize = 64 << 10;
/// Longest list of a node's pods that is read, in bytes: 110 pods, the most by default, take about 2 MiB.
pub const POD_LIST_BYTES_MAX: usize = 8 << 20;
/// Most pods of one node in which something runs, a count: four times as many as a kubelet runs by default, and more.
pub const PODS_MAX: usize = 512;
/// Longest name of Kubernetes in bytes: a DNS name.
pub const POD_NAME_BYTES_MAX: usize = 253;
/// Most labels of a pod, a count; a pod with more is passed over.
pub const POD_LABELS_MAX: usize = 256;
/// Longest label in bytes, name and value: 253 of a prefix, a slash, and 63 twice, with characters of four bytes.
pub const LABEL_BYTES_MAX: usize = 512;
/// Longest voucher in bytes: a full chain of ordinary certificates in base64, and 2 KiB of name twice.
pub const VOUCHER_BYTES_MAX: usize = 32 << 10;
/// Most voucher nonces remembered, a count: the largest fleet reconnecting six times within a voucher's life.
pub const NONCES_MAX: usize = 65_536;
/// Failed handshakes below which nothing is concluded, a count: a peer that went away in the middle is no alarm.
pub const FAILURES_MIN: u64 = 5;
/// The share of good handshakes below which a rotation stops, in thousandths.
pub const SUCCESS_PER_MILLE_MIN: u64 = 999;
/// Good handshakes of the canary that stand for the full time of its trial, a count.
pub const CANARY_HANDSHAKES: u64 = 20;
/// Shortest trial of a canary and of each wave: counters arrive once a second.
pub const TRIAL_MIN: Duration = Duration::from_secs(2);
/// Time for a renewal that was asked for; then it is asked for again.
pub const RENEWAL_PATIENCE: Duration = Duration::from_secs(5);
/// How late a renewal may be before it counts as a danger, as a share of the life: half life is early enough for some tries.
pub const RENEWAL_LATE_SHARE: f64 = 0.1;
/// The last share of a life in which something that nobody renews counts as a danger: a year of a root's ten.
pub const EXPIRY_WARN_SHARE: f64 = 0.1;
/// The last share of the life of a certificate in files in which it is to be replaced: a month of 90 days, as clients of ACME do.
pub const WEB_DUE_SHARE: f64 = 1.0 / 3.0;
/// The last share in which it is late: 18 days of 90, in which somebody can still do it by hand.
pub const WEB_LATE_SHARE: f64 = 0.2;

/// Verified chains that are remembered, a count; twice as many at most, a kilobyte each.
pub const PEER_MEMO_MAX: usize = 512;
