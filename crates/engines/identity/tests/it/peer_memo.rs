//! What was verified once is verified again by its hash, and not one moment longer than it holds.

use crate::{NOW, later, slices};
use bartizan_core::event::HandshakeFailure as Failure;
use bartizan_core::snapshot::Bundles;
use bartizan_core::{Timestamp, TrustDomain};
use bartizan_crypto::base64;
use bartizan_crypto::forge::{Ca, Forged, Recipe};
use bartizan_identity::limits::PEER_MEMO_MAX;
use bartizan_identity::{PeerMemo, TrustBundles};
use std::sync::Arc;
use std::time::Duration;

struct Pki {
    root: Forged,
    issuing: Forged,
    bundles: Arc<TrustBundles>,
}

impl Pki {
    fn new(root: Recipe) -> Self {
        let root = root.self_signed();
        let issuing = Recipe::ca("issuing", NOW).with(|r| r.ca = Ca::Below(0)).signed_by(&root);
        let bundles = Self::trusting(&root);
        Self { root, issuing, bundles }
    }

    fn trusting(root: &Forged) -> Arc<TrustBundles> {
        let domain = TrustDomain::parse("bank.test").unwrap();
        let roots = [(domain, vec![base64::encode(&root.der)])].into();
        Arc::new(TrustBundles::read(&Bundles { roots, ..Bundles::default() }).unwrap())
    }

    fn chain(&self, name: &str) -> Vec<Vec<u8>> {
        let leaf = Recipe::leaf(&format!("spiffe://bank.test/svc/{name}"), NOW);
        vec![leaf.signed_by(&self.issuing).der, self.issuing.der.clone()]
    }

    fn ask(&self, memo: &PeerMemo, chain: &[Vec<u8>], now: Timestamp) -> Result<String, Failure> {
        let judged = memo.verify(&slices(chain), &self.bundles, now);
        judged.map(|peer| peer.id().to_string()).map_err(|refusal| refusal.failure)
    }
}

#[test]
fn one_altered_byte_anywhere_is_refused_although_the_rest_is_known() {
    let (pki, memo) = (Pki::new(Recipe::ca("root", NOW)), PeerMemo::default());
    let chain = pki.chain("accounts");
    assert!(pki.ask(&memo, &chain, NOW).is_ok());
    for cert in 0..2 {
        for at in 0..chain[cert].len() {
            let mut altered = chain.clone();
            altered[cert][at] ^= 1;
            assert!(pki.ask(&memo, &altered, NOW).is_err(), "byte {at} of certificate {cert}");
        }
    }
    assert!(pki.ask(&memo, &chain[..1], NOW).is_err(), "without its issuer");
    assert!(pki.ask(&memo, &[], NOW).is_err());
    assert!(pki.ask(&memo, &chain, NOW).is_ok());
}

#[test]
fn it_holds_as_long_as_chain_and_root_do_and_not_before() {
    let root = Recipe::ca("root", NOW).with(|r| r.not_after = later(600));
    let (pki, memo) = (Pki::new(root), PeerMemo::default());
    let chain = pki.chain("accounts");
    assert!(pki.ask(&memo, &chain, NOW).is_ok());
    assert!(pki.ask(&memo, &chain, later(599)).is_ok());
    assert_eq!(pki.ask(&memo, &chain, later(601)), Err(Failure::Expired), "the root");

    let (pki, memo) = (Pki::new(Recipe::ca("root", NOW)), PeerMemo::default());
    let chain = pki.chain("accounts");
    let peer = memo.verify(&slices(&chain), &pki.bundles, NOW).unwrap();
    let after = peer.not_after().plus(Duration::from_secs(1));
    assert_eq!(pki.ask(&memo, &chain, after), Err(Failure::Expired), "the leaf");
    let before = Timestamp::from_secs(NOW.as_secs() - 86_400);
    assert_eq!(pki.ask(&memo, &chain, before), Err(Failure::NotYetValid), "the clock was set back");
}

#[test]
fn other_roots_forget_everything() {
    let (old, new) = (Pki::new(Recipe::ca("root", NOW)), Pki::new(Recipe::ca("another", NOW)));
    let (chain, memo) = (old.chain("accounts"), PeerMemo::default());
    assert!(old.ask(&memo, &chain, NOW).is_ok());
    assert_eq!(new.ask(&memo, &chain, NOW), Err(Failure::UntrustedIssuer));
    // The same root in another set is another set.
    let again = Pki { bundles: Pki::trusting(&old.root), ..Pki::new(Recipe::ca("unused", NOW)) };
    assert!(again.ask(&memo, &chain, NOW).is_ok());
}

#[test]
fn many_peers_push_the_oldest_out_and_all_are_judged_right() {
    let (pki, memo) = (Pki::new(Recipe::ca("root", NOW)), PeerMemo::default());
    let chains: Vec<_> = (0..PEER_MEMO_MAX * 2 + 50).map(|n| pki.chain(&format!("s{n}"))).collect();
    for _ in 0..2 {
        for (n, chain) in chains.iter().enumerate() {
            assert_eq!(pki.ask(&memo, chain, NOW), Ok(format!("spiffe://bank.test/svc/s{n}")));
        }
    }
}
