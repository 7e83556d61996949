//! Who is refused and why, with certificates made by our own CAs and with ones that are wrong on purpose.
#![allow(clippy::unwrap_used, missing_docs)]

mod authorities; // root and issuing CAs
mod bundles; // roots by trust domain
mod envelopes; // signed snapshots
mod federation; // other trust domains
mod hostile; // chains made to cost time
mod jwt_svids; // tokens
mod machines; // nodes with certificates from elsewhere
mod peer_memo;
mod peers; // X.509-SVIDs, good and bad
mod vouchers; // a node's word

use bartizan_core::{Role, ServiceName, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{KeyPair, csr, random};
use bartizan_identity::{IssuingCa, RootCa, Svid, TrustBundles};
use std::time::Duration;

/// 2026-09-10.
const NOW: Timestamp = Timestamp::from_secs(1_789_000_000);

fn later(s: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(s))
}

/// A trust domain with its authorities, all made at [`NOW`].
struct Fleet {
    domain: TrustDomain,
    root: RootCa,
    issuing: IssuingCa,
    bundles: TrustBundles,
}

/// An identity with its key.
struct Member {
    key: KeyPair,
    svid: Svid,
}

impl Fleet {
    fn new(domain: &str) -> Self {
        let domain = TrustDomain::parse(domain).unwrap();
        let root = RootCa::create(&domain, KeyPair::generate().unwrap(), random::bytes(), NOW).unwrap();
        let key = KeyPair::generate().unwrap();
        let request = csr::check(&csr::make(&key).unwrap()).unwrap();
        let certificate = root.sign_issuing(&request, random::bytes(), NOW).unwrap();
        let issuing = IssuingCa::new(key, &certificate, &domain).unwrap();
        let bundles = TrustBundles::of(&domain, vec![root.certificate().to_vec()]).unwrap();
        Self { domain, root, issuing, bundles }
    }

    fn id(&self, role: &Role) -> SpiffeId {
        SpiffeId::of(&self.domain, role)
    }

    fn member(&self, role: &Role) -> Member {
        let key = KeyPair::generate().unwrap();
        let svid = self.issuing.issue(key.public_spki(), &self.id(role), random::bytes(), NOW).unwrap();
        Member { key, svid }
    }
}

fn service(name: &str) -> Role {
    Role::Service(ServiceName::parse(name).unwrap())
}

fn node(name: &str) -> Role {
    Role::Node(ServiceName::parse(name).unwrap())
}

/// A chain as it comes out of a handshake.
fn slices(chain: &[Vec<u8>]) -> Vec<&[u8]> {
    chain.iter().map(Vec::as_slice).collect()
}
