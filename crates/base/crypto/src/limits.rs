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

/// Longest token that is looked at, in bytes: ordinary access tokens have 1 KiB, those with many groups 8 KiB.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;
/// Longest header of a token, in bytes of JSON: `alg`, `typ`, `kid`, and for a proof a public key, are below 1.5 KiB.
pub const TOKEN_HEADER_BYTES_MAX: usize = 4 << 10;
/// Deepest nesting of a token's JSON, a count: nested actors take one level each, details of an authorization three.
pub const TOKEN_JSON_DEPTH_MAX: usize = 16;
/// Most values in a token's JSON, a count, those inside others among them.
pub const TOKEN_JSON_VALUES_MAX: usize = 2_048;
/// Longest `kid` in bytes; thumbprints have 43.
pub const KID_BYTES_MAX: usize = 256;
/// Longest JWK set in bytes: [`JWKS_KEYS_MAX`] RSA keys of 4096 bits with their certificates beside them.
pub const JWKS_BYTES_MAX: usize = 512 << 10;
/// Most keys in a JWK set, a count, those that are passed over among them.
pub const JWKS_KEYS_MAX: usize = 128;
/// Shortest RSA modulus in bits (RFC 7518 section 3.3).
pub const RSA_BITS_MIN: usize = 2_048;
/// Longest RSA modulus in bits: the time of a check grows with the square of it, and whoever shows a proof chooses its key.
pub const RSA_BITS_MAX: usize = 4_096;
/// Longest RSA exponent in bytes: 65537 takes three.
pub const RSA_EXPONENT_BYTES_MAX: usize = 4;
/// Longest password that is hashed, in bytes: 128 characters of four bytes.
pub const PASSWORD_BYTES_MAX: usize = 512;
/// Most memory that a stored hash of a password may ask for, in KiB.
pub const PASSWORD_HASH_MEMORY_KIB_MAX: u32 = 256 << 10;
/// Most passes that it may ask for, a count.
pub const PASSWORD_HASH_PASSES_MAX: u32 = 16;
