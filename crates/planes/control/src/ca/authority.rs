//! This process' issuing CA, with the roots that it leads to.

use crate::ca::{CaError, root};
use bartizan_core::fleet::Fleet;
use bartizan_core::gateway::certified_hosts;
use bartizan_core::limits::LEAF_TTL;
use bartizan_core::workload::Entry;
use bartizan_core::{Role, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::crl::RevokedCert;
use bartizan_crypto::{KeyPair, hash, random};
use bartizan_identity::{IssueError, IssuingCa, Svid, TrustBundles, verify_peer};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Issues identities. Its key is nowhere but in this process.
#[derive(Debug)]
pub(crate) struct Authority {
    issuing: Arc<IssuingCa>,
    bundles: TrustBundles,
    root_not_after: Timestamp,
}

impl Authority {
    /// Tries it out before anybody relies on it: what it issues has to be accepted by those who trust `bundles`.
    pub(super) fn new(
        issuing: IssuingCa,
        bundles: TrustBundles,
        roots: &Path,
        now: Timestamp,
    ) -> Result<Self, CaError> {
        let domain = issuing.domain().clone();
        let probe = issuing.issue(
            KeyPair::generate()?.public_spki(),
            &SpiffeId::of(&domain, &Role::Control),
            random::bytes(),
            now,
        )?;
        let chain: Vec<&[u8]> = probe.chain.iter().map(Vec::as_slice).collect();
        verify_peer(&chain, &bundles, now).map_err(|source| CaError::Untrusted { path: roots.to_owned(), source })?;
        let root_not_after = root::not_after(bundles.roots_of(domain.as_str()).unwrap_or_default(), now);
        Ok(Self { issuing: Arc::new(issuing), bundles, root_not_after })
    }

    /// The same issuer, with other roots for everybody to trust.
    pub(crate) fn trusting(&self, bundles: TrustBundles, now: Timestamp) -> Self {
        let root_not_after = root::not_after(bundles.roots_of(self.domain().as_str()).unwrap_or_default(), now);
        Self { issuing: Arc::clone(&self.issuing), bundles, root_not_after }
    }

    /// Its own certificate, DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        self.issuing.certificate()
    }

    /// SHA-256 of its own certificate, lower-case hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        hash::hex(&hash::sha256(self.certificate()))
    }

    /// Whether those who trust nobody but `roots` accept what it issues.
    pub(crate) fn is_below(&self, roots: &TrustBundles, now: Timestamp) -> bool {
        let Ok(key) = KeyPair::generate() else { return false };
        let id = SpiffeId::of(self.domain(), &Role::Control);
        let Ok(probe) = self.issue(key.public_spki(), &id, now) else { return false };
        let chain: Vec<&[u8]> = probe.chain.iter().map(Vec::as_slice).collect();
        verify_peer(&chain, roots, now).is_ok()
    }

    /// The trust domain.
    pub(crate) fn domain(&self) -> &TrustDomain {
        self.issuing.domain()
    }

    /// What everybody trusts.
    pub(crate) fn bundles(&self) -> &TrustBundles {
        &self.bundles
    }

    /// Validity of the issuing certificate.
    pub(crate) fn validity(&self) -> (Timestamp, Timestamp) {
        (self.issuing.not_before(), self.issuing.not_after())
    }

    /// End of validity of the root.
    pub(crate) fn root_not_after(&self) -> Timestamp {
        self.root_not_after
    }

    /// An identity for one hour. Whether the caller may have it was decided before.
    pub(crate) fn issue(&self, spki: &[u8], id: &SpiffeId, now: Timestamp) -> Result<Svid, IssueError> {
        self.issuing.issue(spki, id, random::bytes(), now)
    }

    /// The revocation list of what this CA has issued, DER.
    pub(crate) fn crl(&self, revoked: &[RevokedCert], now: Timestamp) -> Result<Vec<u8>, IssueError> {
        self.issuing.crl(revoked, now)
    }

    /// An identity for a workload beside the services. Whether the node may have it for somebody was decided before.
    pub(crate) fn issue_workload(&self, spki: &[u8], entry: &Entry, now: Timestamp) -> Result<Svid, IssueError> {
        let ttl = entry.ttl_s.map_or(LEAF_TTL, Duration::from_secs);
        self.issuing.issue_workload(spki, &entry.id, &entry.dns, ttl, random::bytes(), now)
    }

    /// The gateway's certificate for outside clients: names by which they reach it.
    pub(crate) fn issue_edge(
        &self,
        spki: &[u8],
        fleet: &Fleet,
        names: &[String],
        now: Timestamp,
    ) -> Result<Svid, IssueError> {
        let listen = fleet.gateway.as_ref().map(|gateway| gateway.listen.ip());
        let of_routes = fleet.gateway.as_ref().map(|gateway| certified_hosts(&gateway.routes));
        let names = [names, &of_routes.unwrap_or_default()].concat();
        self.issue_web(spki, &names, listen.as_slice(), now)
    }

    /// A certificate for clients that know no SPIFFE IDs: for this machine, and these names and addresses.
    pub(crate) fn issue_web(
        &self,
        spki: &[u8],
        names: &[String],
        at: &[IpAddr],
        now: Timestamp,
    ) -> Result<Svid, IssueError> {
        let mut names = [&["localhost".to_owned()], names].concat();
        names.sort();
        names.dedup();
        let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        for ip in at.iter().filter(|ip| !ip.is_unspecified()) {
            if !addresses.contains(ip) {
                addresses.push(*ip);
            }
        }
        self.issuing.issue_edge(spki, &names, &addresses, random::bytes(), now)
    }
}
