//! Control's own identity: what it shows to proxies and signs snapshots with.

use crate::ca::{Authority, CaError};
use bartizan_core::{Role, SpiffeId, Timestamp};
use bartizan_crypto::KeyPair;
use bartizan_identity::Svid;
use bartizan_runtime::{control_stream, tls};

/// A key with its certificate, for one hour.
pub(crate) struct OwnIdentity {
    pub(crate) key: KeyPair,
    pub(crate) svid: Svid,
}

impl OwnIdentity {
    /// A fresh key and an identity for it.
    pub(crate) fn issue(authority: &Authority, now: Timestamp) -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        let id = SpiffeId::of(authority.domain(), &Role::Control);
        let svid = authority.issue(key.public_spki(), &id, now)?;
        Ok(Self { key, svid })
    }

    /// The TLS end that shows it. Clients may come without a certificate: a proxy's first contact has none yet.
    pub(crate) fn server(&self) -> Result<tls::Server, CaError> {
        let identity = tls::Identity::new(&self.svid.chain, &self.key)?;
        Ok(tls::Server::new(&identity, tls::ClientAuth::Optional, control_stream::ALPN)?)
    }
}

impl std::fmt::Debug for OwnIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnIdentity({})", self.svid.serial)
    }
}
