//! Limits of this crate alone. Those of a token's text stand in `bartizan_crypto::limits`.

use std::time::Duration;

/// How far an issuer's clock may be from ours, either way.
pub const SKEW: Duration = bartizan_core::limits::CLOCK_SKEW;
/// Life of an access token that we issue: as long as a revocation that somebody missed could matter.
pub const ACCESS_TTL: Duration = Duration::from_secs(300);
/// Longest life of an access token that is believed, whoever issued it: a day.
pub const ACCESS_LIFE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most issuers whose tokens are believed, a count: one for each identity provider and trust domain.
pub const ISSUERS_MAX: usize = 256;
/// Longest text of a claim that is looked at (issuer, subject, client, audience), in bytes: a SPIFFE ID.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// Longest `jti`, `txn` and the like, in bytes; a UUID has 36.
pub const ID_BYTES_MAX: usize = 256;
/// Longest body of a request with parameters, in bytes: the longest token in it, escaped where that is needed.
pub const FORM_BYTES_MAX: usize = 24 << 10;
/// Most parameters of a request, a count; the longest grant has a dozen.
pub const FORM_FIELDS_MAX: usize = 32;
/// Most audiences of one token, a count.
pub const AUDIENCES_MAX: usize = bartizan_core::limits::AUDIENCES_MAX;
/// Most scopes of one token, a count.
pub const SCOPES_MAX: usize = 128;
/// Longest scope in bytes.
pub const SCOPE_BYTES_MAX: usize = 256;
/// Most revocations held at once, a count; about 10 MiB of names. More at once is a revocation of whole subjects or issuers.
pub const REVOCATIONS_MAX: usize = 100_000;
/// Tokens that one worker remembers as good, a count.
pub const CACHE_ENTRIES_MAX: usize = 16_384;
/// Bytes of the texts of those tokens. What is held of each takes about four times its text.
pub const CACHE_BYTES_MAX: usize = 16 << 20;
/// Oldest proof of possession that counts: a request on its way, and a client that made its proof before a retry.
pub const PROOF_AGE_MAX: Duration = Duration::from_secs(60);
/// Proofs that are remembered where nothing else is said, a count: 270 requests with a proof in each second, for as long as one
/// could be shown again.
pub const PROOFS_MAX: usize = 65_536;
/// Oldest signed event that counts, where it says when it was signed and nothing else is said: what senders of webhooks advise.
pub const EVENT_AGE_MAX: Duration = Duration::from_secs(bartizan_core::signed::TOLERANCE_S as u64);
/// How long an event that does not say when it was signed is remembered, so that it counts once.
pub const EVENT_REMEMBERED: Duration = Duration::from_secs(3600);
/// Shortest secret of a sender of events, in bytes.
pub const EVENT_SECRET_BYTES_MIN: usize = 16;
/// Longest header field with a signature or a digest, in bytes.
pub const EVENT_FIELD_BYTES_MAX: usize = 4_096;
/// Signatures of one event that are looked at, a count: a sender that changes its secret sends two.
pub const EVENT_SIGNATURES_MAX: usize = 8;
/// Parts of a message that one signature may cover, a count.
pub const EVENT_COMPONENTS_MAX: usize = 32;
/// Life of a transaction token, and the longest that is believed: a chain of calls, with a retry or two.
pub const TXN_TTL: Duration = Duration::from_secs(60);
/// Longest delegation of minting: the life of a leaf certificate, since it is as good as one.
pub const DELEGATION_LIFE_MAX: Duration = bartizan_core::limits::LEAF_TTL;
/// Delegations that are held, a count: each gateway has one or two.
pub const DELEGATIONS_MAX: usize = 1_024;
/// How often a transaction token may be narrowed, a count; each link takes about 400 bytes and 35 microseconds.
pub const NARROWINGS_MAX: usize = 8;
/// Most actors in a chain, a count: a call that goes further than eight hops goes in circles.
pub const ACTORS_MAX: usize = 8;
/// Life of an ID token: an app looks at it once.
pub const ID_TTL: Duration = Duration::from_secs(3600);
/// Longest life of an ID token that is believed, whoever issued it: a day. It is looked at once, when it comes.
pub const ID_LIFE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Life of the logout tokens that we make, as their specification recommends.
pub const LOGOUT_TTL: Duration = Duration::from_secs(120);
/// Longest life of a logout token that is believed; its specification recommends two minutes. For as long its name is remembered.
pub const LOGOUT_LIFE_MAX: Duration = Duration::from_secs(600);
/// Logout tokens that are remembered, a count: eight in each second.
pub const LOGOUTS_MAX: usize = 10_000;
/// Longest `state` of a request, in bytes: apps seal what they have to remember into it.
pub const STATE_BYTES_MAX: usize = 1_536;
/// Longest `nonce`, `login_hint` or `acr_values` of a request, in bytes.
pub const HINT_BYTES_MAX: usize = 256;
/// Life of a request that was pushed (RFC 9126 section 2.2): a redirect.
pub const PUSHED_TTL: Duration = Duration::from_secs(60);
/// How long one nonce for proofs is given out; it counts for as long again.
pub const NONCE_PERIOD: Duration = Duration::from_secs(120);
/// Life of an authorization code: a redirect and one request. OAuth 2.1 allows ten minutes and recommends less.
pub const CODE_TTL: Duration = Duration::from_secs(60);
/// How long it is remembered what came of a code, so that a second use ends it.
pub const CODE_REMEMBERED: Duration = Duration::from_secs(3600);
/// Within this time the refresh token before the last gets the same answer again: a lost answer and its retry, two tabs.
pub const REFRESH_AGAIN: Duration = Duration::from_secs(10);
/// How long a refresh token may lie unused: two weeks, a holiday.
pub const REFRESH_IDLE: Duration = Duration::from_secs(14 * 24 * 3600);
/// Life of a family, however often it is used; then somebody logs in again.
pub const FAMILY_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// Time for somebody to type a device's code.
pub const DEVICE_TTL: Duration = Duration::from_secs(600);
/// How long a device waits between two questions (RFC 8628 section 3.2).
pub const DEVICE_INTERVAL: Duration = Duration::from_secs(5);
/// How much longer it has to wait after each question that came too soon (RFC 8628 section 3.5).
pub const SLOW_DOWN: Duration = Duration::from_secs(5);
/// Digits of a code of an authenticator app, a count: what every app shows.
pub const TOTP_DIGITS: u32 = 6;
/// How long such a code is shown, in seconds.
pub const TOTP_PERIOD_S: u64 = 30;
/// Codes before and after that of now which count too, a count: a clock that is half a minute away, or slow fingers.
pub const TOTP_WINDOW: u64 = 1;
/// Longest client data of a passkey, in bytes: type, challenge, an origin, and what browsers add.
pub const CLIENT_DATA_BYTES_MAX: usize = 4 << 10;
/// Longest data of an authenticator, in bytes: the longest name of a credential, a key, some extensions.
pub const AUTH_DATA_BYTES_MAX: usize = 4 << 10;
/// Longest attestation object, in bytes: that, with a format and an empty statement around.
pub const ATTESTATION_BYTES_MAX: usize = 8 << 10;
/// Longest name of a credential, in bytes (WebAuthn level 3, section 4).
pub const CREDENTIAL_ID_BYTES_MAX: usize = 1023;
/// Longest signature of a passkey, in bytes: one of P-256 in DER has 72.
pub const SIGNATURE_BYTES_MAX: usize = 128;
/// Deepest nesting of CBOR, a count: an attestation with its statement takes two, CTAP allows four.
pub const CBOR_DEPTH_MAX: usize = 4;
/// Most values in CBOR, a count: a key has eleven.
pub const CBOR_ITEMS_MAX: usize = 64;
