//! The cryptography of every handshake, chosen here and nowhere by default of the process.

use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use std::sync::{Arc, LazyLock};

/// Key exchange: the hybrid first, so that what is recorded today cannot be read by a quantum computer later;
/// the classic ones for clients without it. AES-128 first, since it is the fastest where AES has instructions.
pub(super) static OURS: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1],
        ..aws_lc_rs::default_provider()
    })
});

/// Signatures that a peer may prove its key with; which keys a certificate may hold is the judge's matter.
pub(super) fn signatures() -> WebPkiSupportedAlgorithms {
    OURS.signature_verification_algorithms
}
