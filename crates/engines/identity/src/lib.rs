//! Decides who somebody is, and makes identities: SPIFFE X.509-SVIDs, their CAs, and everything that is signed with them.
//!
//! In: certificates, requests, tokens, vouchers and snapshots as bytes, with `now` and random bytes as arguments.
//! Out: a [`VerifiedPeer`] (only [`verify_peer`] makes one), a [`Refusal`] with its cause, or something newly signed.
//! How much: chains of `core::limits::CHAIN_CERTS_MAX` certificates, memories bounded by [`limits`].
//! Absent on purpose: sockets, files, clocks. Nobody is authorized here; that is for `policy`.
//!
//! One rule stands above the rest: the roots are picked by the trust domain in the peer's own certificate, so a root of
//! one domain never vouches for a name in another.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod limits;

mod peer; // start here: verify_peer
mod peer_memo; // chains that were verified before
mod svid; // what a certificate has to be to be an X.509-SVID

mod bundle; // roots by trust domain
pub mod ca; // root, issuing CA, leaves
mod deny; // who is not trusted any more
mod renew; // when to ask for the next one

pub mod container; // which container a process runs in
pub mod entry; // which registration entries a caller matches
pub mod federation;
pub mod pod; // which pod a container is part of // roots of other trust domains, as they travel

pub mod envelope; // signed snapshots
pub mod join; // single-use tokens for the first contact
pub mod jwt_svid; // tokens for workloads
pub mod machine; // nodes with a certificate from elsewhere
pub mod psat; // nodes that Kubernetes vouches for
pub mod voucher; // a node's word for a workload on its host

pub mod expiry; // what runs out, and who renews it
pub mod rotation; // another root or issuing CA, step by step

pub use bundle::{BundleError, TrustBundles};
pub use ca::{IssueError, IssuingCa, OpenError, RootCa, SealedRoot, Svid};
pub use deny::DenyIndex;
pub use peer::{Fingerprint, Refusal, VerifiedPeer, expect_peer, verify_peer};
pub use peer_memo::PeerMemo;
pub use renew::{is_from_ahead, renew_at};
