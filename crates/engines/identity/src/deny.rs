//! The deny list, ready to be asked about a peer.

use crate::machine::Machine;
use crate::peer::{Refusal, VerifiedPeer};
use bartizan_core::deny::{Denied, DenyError, DenyList, Subject};
use bartizan_core::event::HandshakeFailure;
use bartizan_core::{Role, SpiffeId, TrustDomain};
use bartizan_crypto::hash;
use std::collections::HashMap;

/// A deny list by what a verified peer can be found under. An answer takes four to seven look-ups, however long the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DenyIndex {
    entries: Vec<Denied>,
    ids: HashMap<SpiffeId, usize>,
    domains: HashMap<String, usize>,
    serials: HashMap<String, usize>,
    keys: HashMap<String, usize>,
    issuers: HashMap<String, usize>,
}

impl DenyIndex {
    /// Reads the list of trust domain `domain`.
    ///
    /// # Errors
    /// [`DenyError`] where the list breaks a rule; it is refused whole.
    pub fn read(list: &DenyList, domain: &TrustDomain) -> Result<Self, DenyError> {
        list.check()?;
        let mut index = Self { entries: list.entries.clone(), ..Self::default() };
        for (at, entry) in list.entries.iter().enumerate() {
            match &entry.subject {
                Subject::Id(id) => _ = index.ids.insert(id.clone(), at),
                // A node is known by its identity; what it vouched for stands on the list by key.
                Subject::Node(name) => _ = index.ids.insert(SpiffeId::of(domain, &Role::Node(name.clone())), at),
                Subject::Domain(domain) => _ = index.domains.insert(domain.to_string(), at),
                Subject::Serial(serial) => _ = index.serials.insert(serial.clone(), at),
                Subject::Key(key) => _ = index.keys.insert(key.clone(), at),
                Subject::Issuer(key) => _ = index.issuers.insert(key.clone(), at),
            }
        }
        Ok(index)
    }

    /// The entry that denies `peer`, where there is one.
    pub fn denies(&self, peer: &VerifiedPeer) -> Option<&Denied> {
        if self.entries.is_empty() {
            return None; // nearly always
        }
        let found = self
            .ids
            .get(peer.id())
            .or_else(|| self.domains.get(peer.id().domain()))
            .or_else(|| self.serials.get(peer.serial()))
            .or_else(|| self.keys.get(&hash::hex(peer.key())))
            .or_else(|| peer.issuers().iter().find_map(|key| self.issuers.get(&hash::hex(key))))
            .or_else(|| self.issuers.get(peer.issuer_sha256()?));
        found.map(|at| &self.entries[*at])
    }

    /// Passes `peer` on where nothing denies it.
    ///
    /// # Errors
    /// [`Refusal`] with [`HandshakeFailure::Revoked`].
    pub fn admit(&self, peer: VerifiedPeer) -> Result<VerifiedPeer, Refusal> {
        let Some(Denied { subject, reason, .. }) = self.denies(&peer) else { return Ok(peer) };
        let detail = format!("`{}` is on the deny list ({subject}): {reason}", peer.id());
        Err(Refusal { failure: HandshakeFailure::Revoked, detail })
    }

    /// The entry that denies a certificate of which only these are known: its name, and its serial number and the
    /// fingerprint of its key in lower-case hexadecimal. Whether its issuer is denied is not looked at.
    pub fn denies_certificate(&self, id: &SpiffeId, serial: &str, key: &str) -> Option<&Denied> {
        let found = self
            .ids
            .get(id)
            .or_else(|| self.domains.get(id.domain()))
            .or_else(|| self.serials.get(serial))
            .or_else(|| self.keys.get(key));
        found.map(|at| &self.entries[*at])
    }

    /// The entry that denies the certificate with which a machine came, or an issuer of it.
    pub fn denies_machine(&self, machine: &Machine) -> Option<&Denied> {
        let found = self.serials.get(&machine.serial).or_else(|| self.keys.get(&hash::hex(&machine.key)));
        let found = found.or_else(|| machine.issuers.iter().find_map(|key| self.issuers.get(&hash::hex(key))));
        found.map(|at| &self.entries[*at])
    }

    /// The entry that denies the identity `id`, whatever its certificate.
    pub fn denies_id(&self, id: &SpiffeId) -> Option<&Denied> {
        self.ids.get(id).or_else(|| self.domains.get(id.domain())).map(|at| &self.entries[*at])
    }

    /// The whole list.
    pub fn entries(&self) -> &[Denied] {
        &self.entries
    }
}
