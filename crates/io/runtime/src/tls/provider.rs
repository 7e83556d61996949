//! The cryptography of every handshake, chosen here and nowhere by default of the process.

use bartizan_core::tls::{TlsGroup, TlsGroups};
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use std::sync::{Arc, LazyLock, OnceLock};

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

/// As [`OURS`], with these key exchanges alone.
pub(super) fn limited_to(groups: TlsGroups) -> Arc<CryptoProvider> {
    static LIMITED: [OnceLock<Arc<CryptoProvider>>; TlsGroups::SETS] = [const { OnceLock::new() }; TlsGroups::SETS];
    if groups.is_all() {
        return Arc::clone(&OURS);
    }
    let limited = LIMITED[groups.bits()].get_or_init(|| {
        let mut provider = (**OURS).clone();
        let group = |group| match group {
            TlsGroup::X25519Mlkem768 => kx_group::X25519MLKEM768,
            TlsGroup::X25519 => kx_group::X25519,
            TlsGroup::P256 => kx_group::SECP256R1,
        };
        provider.kx_groups = TlsGroup::ALL.into_iter().filter(|it| groups.has(*it)).map(group).collect();
        Arc::new(provider)
    });
    Arc::clone(limited)
}

/// Signatures that a peer may prove its key with; which keys a certificate may hold is the judge's matter.
pub(super) fn signatures() -> WebPkiSupportedAlgorithms {
    OURS.signature_verification_algorithms
}
