//! Limits of this crate alone.

/// Longest certificate request in bytes of DER: a P-256 request without names is about 200 bytes.
pub const CSR_BYTES_MAX: usize = 4 << 10;
/// Longest private key in bytes of PKCS#8: a P-256 key is 138 bytes.
pub const PKCS8_BYTES_MAX: usize = 1 << 10;
/// Longest PEM text with a private key, in bytes: the key, its parameters before it, and a comment.
pub const KEY_PEM_BYTES_MAX: usize = 16 << 10;
/// Most certificates in one PEM text, a count: a bundle in the middle of a rotation holds two or three.
pub const PEM_CERTS_MAX: usize = 64;
/// Longest PEM text in bytes: [`PEM_CERTS_MAX`] of the largest certificates, in base64.
pub const PEM_BYTES_MAX: usize = PEM_CERTS_MAX * bartizan_core::limits::CERT_BYTES_MAX * 3 / 2;
/// Memory of Argon2id in KiB: 64 MiB, the second recommendation of RFC 9106 section 4.
pub const ARGON2_MEMORY_KIB: u32 = 64 << 10;
/// Passes of Argon2id, a count, of the same recommendation: about 0.2 s on one core.
pub const ARGON2_PASSES: u32 = 3;
/// Lanes of Argon2id, a count. One: the passphrase is asked for once per start, by one thread.
pub const ARGON2_LANES: u32 = 1;
/// Longest passphrase in bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 1 << 10;
/// Slots of a PKCS#11 module that are looked at, a count; real ones have a few.
#[cfg(feature = "pkcs11")]
pub(crate) const HSM_SLOTS_MAX: usize = 256;
