//! Machines with certificates of an outside CA: which node one may become, and when it may not.

use crate::{NOW, later, slices};
use bartizan_core::limits::CHAIN_CERTS_MAX;
use bartizan_core::{ServiceName, TrustDomain};
use bartizan_crypto::forge::{Ca, ExtKeyUsage, Forged, KeyUsage, Recipe};
use bartizan_crypto::{KeyPair, PathError};
use bartizan_identity::limits::ROOTS_MAX;
use bartizan_identity::machine::{Machine, MachineError, MachineRoots, Question, answer};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const SUFFIX: &str = "nodes.bank.example";
/// Far above what 100 signature checks take, far below what trying every path would.
const BOUND: Duration = Duration::from_secs(2);

fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

/// What an honest machine is asked.
struct Asked {
    domain: TrustDomain,
    name: ServiceName,
    challenge: Vec<u8>,
    csr: Vec<u8>,
}

impl Asked {
    fn new() -> Self {
        let domain = TrustDomain::parse("bank.test").unwrap();
        Self { domain, name: name("edge-3"), challenge: vec![7; 37], csr: vec![1, 2, 3] }
    }

    fn question(&self) -> Question<'_> {
        Question { domain: &self.domain, name: &self.name, challenge: &self.challenge, csr: &self.csr }
    }
}

fn roots(root: &Forged) -> MachineRoots {
    MachineRoots::new(vec![root.der.clone()], SUFFIX).unwrap()
}

fn machine(dns: &[&str]) -> Recipe {
    Recipe::leaf("", NOW).with(|it| {
        (it.uris, it.ext_key_usage) = (Vec::new(), vec![ExtKeyUsage::ClientAuth]);
        it.dns_names = dns.iter().map(|&name| name.to_owned()).collect();
    })
}

fn edge_3() -> Recipe {
    machine(&["edge-3.nodes.bank.example"])
}

fn check(roots: &MachineRoots, chain: &[Vec<u8>], key: &KeyPair, asked: &Asked) -> Result<Machine, MachineError> {
    let answered = answer(key, &asked.question()).unwrap();
    roots.check(&slices(chain), &answered, &asked.question(), NOW)
}

#[test]
fn a_machine_is_the_node_that_its_certificate_names() {
    let root = Recipe::ca("machines", NOW).self_signed();
    let issuing = Recipe::ca("issuing", NOW).with(|it| it.ca = Ca::Below(0)).signed_by(&root);
    for (recipe, issuer) in [(edge_3(), &root), (machine(&["db.example", "EDGE-3.Nodes.Bank.example"]), &issuing)] {
        let leaf = recipe.signed_by(issuer);
        let chain = [leaf.der.clone(), issuing.der.clone()];
        let found = check(&roots(&root), &chain, &leaf.key, &Asked::new()).unwrap();
        assert_eq!(found.name, name("edge-3"));
        assert_eq!(found.issuers.len(), 1);
    }
}

#[test]
fn refuses_leaves_that_name_no_node_or_another_or_are_not_a_machines() {
    let root = Recipe::ca("machines", NOW).self_signed();
    for (recipe, why) in [
        (machine(&[]), "no name"),
        (machine(&["edge-3"]), "not below the suffix"),
        (machine(&["edge-3.bank.example"]), "below another suffix"),
        (machine(&["nodes.bank.example"]), "the suffix itself"),
        (machine(&[".nodes.bank.example"]), "no label"),
        (machine(&["edge-3nodes.bank.example"]), "no dot before the suffix"),
        (machine(&["x.edge-3.nodes.bank.example"]), "two labels"),
        (machine(&["*.nodes.bank.example"]), "a wildcard"),
        (machine(&["edge-3.nodes.bank.example", "edge-4.nodes.bank.example"]), "two nodes"),
        (machine(&["edge-3.nodes.bank.example."]), "a dot after it"),
        (machine(&["edge-3.nodes.bank.example.evil.example"]), "a suffix after the suffix"),
        (edge_3().with(|it| it.uris = vec!["spiffe://bank.test/workload/x".into()]), "an SVID"),
        (edge_3().with(|it| it.uris = vec!["SPIFFE://bank.test/x".into()]), "an SVID in other case"),
        (edge_3().with(|it| it.ca = Ca::Unlimited), "a CA"),
        (edge_3().with(|it| it.key_usage = vec![KeyUsage::KeyEncipherment]), "it may not sign"),
        (edge_3().with(|it| it.key_usage.push(KeyUsage::KeyCertSign)), "it may issue"),
    ] {
        let leaf = recipe.signed_by(&root);
        let refused = check(&roots(&root), &[leaf.der], &leaf.key, &Asked::new()).unwrap_err();
        assert!(matches!(refused, MachineError::Unfit(_)), "{why}: {refused}");
    }
    // Attestation verifies one document and trusts another: the name that is asked for is not what the leaf says.
    let leaf = machine(&["edge-4.nodes.bank.example"]).signed_by(&root);
    let refused = check(&roots(&root), &[leaf.der], &leaf.key, &Asked::new()).unwrap_err();
    assert!(matches!(refused, MachineError::OtherName { .. }), "{refused}");
}

#[test]
fn refuses_chains_that_do_not_lead_to_the_machines_roots_in_date() {
    let root = Recipe::ca("machines", NOW).self_signed();
    let other = Recipe::ca("machines", NOW).self_signed();
    let refused = |leaf: &Forged, rest: &[&Forged]| {
        let chain: Vec<_> = std::iter::once(leaf).chain(rest.iter().copied()).map(|it| it.der.clone()).collect();
        check(&roots(&root), &chain, &leaf.key, &Asked::new()).unwrap_err()
    };
    let path = |error: &MachineError| matches!(error, MachineError::Path(_));
    assert!(path(&refused(&edge_3().signed_by(&other), &[])), "another root of the same name");
    assert!(path(&refused(&edge_3().signed_by(&other), &[&other])), "that brings its own root along");
    assert!(path(&refused(&edge_3().self_signed(), &[])), "by itself");
    let expired = edge_3().with(|it| it.not_after = NOW.minus(Duration::from_secs(1))).signed_by(&root);
    assert!(matches!(refused(&expired, &[]), MachineError::Path(PathError::Expired { .. })));
    let early = edge_3().with(|it| it.not_before = later(10)).signed_by(&root);
    assert!(matches!(refused(&early, &[]), MachineError::Path(PathError::NotYetValid { .. })));
    let server = edge_3().with(|it| it.ext_key_usage = vec![ExtKeyUsage::ServerAuth]).signed_by(&root);
    assert!(path(&refused(&server, &[])), "for servers alone");
    // Another machine's leaf as an issuer, and a CA that may not issue.
    let neighbour = machine(&["edge-4.nodes.bank.example"]).signed_by(&root);
    assert!(matches!(refused(&edge_3().signed_by(&neighbour), &[&neighbour]), MachineError::Unfit(_)));
    let mute = Recipe::ca("mute", NOW).with(|it| it.key_usage = vec![KeyUsage::CrlSign]).signed_by(&root);
    assert!(matches!(refused(&edge_3().signed_by(&mute), &[&mute]), MachineError::Unfit(_)));

    let old = Recipe::ca("machines", NOW).with(|it| it.not_after = NOW.minus(Duration::from_secs(1))).self_signed();
    let leaf = edge_3().signed_by(&old);
    let refused = check(&roots(&old), &[leaf.der], &leaf.key, &Asked::new()).unwrap_err();
    assert!(matches!(refused, MachineError::NoRoots), "{refused}");
    let nobody = MachineRoots::new(Vec::new(), SUFFIX).unwrap();
    let leaf = edge_3().signed_by(&root);
    assert!(check(&nobody, &[leaf.der], &leaf.key, &Asked::new()).is_err(), "no roots trust nobody");
    assert!(roots(&root).check(&[], &[], &Asked::new().question(), NOW).is_err(), "no chain");
}

#[test]
fn an_answer_is_for_one_challenge_request_name_domain_and_key() {
    let root = Recipe::ca("machines", NOW).self_signed();
    let leaf = edge_3().signed_by(&root);
    let asked = Asked::new();
    let answered = answer(&leaf.key, &asked.question()).unwrap();
    let judge = |answered: &[u8], asked: &Asked| roots(&root).check(&[&leaf.der], answered, &asked.question(), NOW);
    judge(&answered, &asked).unwrap();
    for (changed, why) in [
        (Asked { challenge: vec![8; 37], ..Asked::new() }, "another challenge"),
        (Asked { challenge: Vec::new(), ..Asked::new() }, "no challenge"),
        (Asked { csr: vec![1, 2], ..Asked::new() }, "another request"),
        (Asked { domain: TrustDomain::parse("shop.test").unwrap(), ..Asked::new() }, "another fleet's control"),
    ] {
        assert_eq!(judge(&answered, &changed).unwrap_err(), MachineError::Proof, "{why}");
    }
    let other = answer(&KeyPair::generate().unwrap(), &asked.question()).unwrap();
    assert_eq!(judge(&other, &asked).unwrap_err(), MachineError::Proof, "another key");
    assert_eq!(judge(b"", &asked).unwrap_err(), MachineError::Proof, "no answer");
    let handshake = leaf.key.sign(&asked.challenge).unwrap();
    assert_eq!(judge(&handshake, &asked).unwrap_err(), MachineError::Proof, "signed for something else");
}

#[test]
fn hostile_chains_cost_bounded_time() {
    // Every root and every intermediate is called `x`, so each may have issued each; none of the signatures fits.
    let all: Vec<Forged> = (0..ROOTS_MAX).map(|_| Recipe::ca("x", NOW).self_signed()).collect();
    let roots = MachineRoots::new(all.iter().map(|root| root.der.clone()).collect(), SUFFIX).unwrap();
    let issuers: Vec<Forged> = (1..CHAIN_CERTS_MAX).map(|_| Recipe::ca("x", NOW).self_signed()).collect();
    let leaf = edge_3().signed_by(&issuers[0]);
    let mut chain = vec![leaf.der.clone()];
    chain.extend(issuers.iter().map(|it| it.der.clone()));
    let names: Vec<_> = (0..2_000).map(|i| format!("{i}.example")).collect();
    let wide = machine(&names.iter().map(String::as_str).collect::<Vec<_>>()).signed_by(&all[0]);
    let large = edge_3().with(|it| it.padding_bytes = 1 << 20).signed_by(&all[0]);
    for (chain, key, why) in [
        (chain.clone(), &leaf.key, "a tangle"),
        ([chain, vec![issuers[0].der.clone()]].concat(), &leaf.key, "one certificate too many"),
        (vec![wide.der], &wide.key, "thousands of names"),
        (vec![large.der], &large.key, "a megabyte"),
    ] {
        let began = Instant::now();
        let refused = check(&roots, &chain, key, &Asked::new()).unwrap_err();
        let took = began.elapsed();
        println!("{why}: {took:?} ({refused})");
        assert!(took < BOUND, "{why}: took {took:?} to find: {refused}");
    }
}

#[test]
fn roots_and_suffix_are_looked_at() {
    for suffix in ["", ".", "a..b", ".a", "a.", "Nodes.example", "*.example", "a b", &"a".repeat(254)] {
        let refused = MachineRoots::new(Vec::new(), suffix);
        assert!(matches!(refused, Err(MachineError::Suffix(_))), "{suffix:?}");
    }
    let leaf = edge_3().self_signed();
    assert!(matches!(MachineRoots::new(vec![leaf.der], SUFFIX), Err(MachineError::Roots(_))), "no CA");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_altered_is_believed(at in any::<prop::sample::Index>(), flip in 1..=255_u8, of_answer in any::<bool>()) {
        let root = Recipe::ca("machines", NOW).self_signed();
        let leaf = edge_3().signed_by(&root);
        let asked = Asked::new();
        let (mut der, mut answered) = (leaf.der.clone(), answer(&leaf.key, &asked.question()).unwrap());
        let altered = if of_answer { &mut answered } else { &mut der };
        let at = at.index(altered.len());
        altered[at] ^= flip;
        prop_assert!(roots(&root).check(&[&der], &answered, &asked.question(), NOW).is_err());
    }

    #[test]
    fn any_bytes_are_refused_without_panic(chain in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6), answered in prop::collection::vec(any::<u8>(), 0..100)) {
        let nobody = MachineRoots::new(Vec::new(), SUFFIX).unwrap();
        prop_assert!(nobody.check(&slices(&chain), &answered, &Asked::new().question(), NOW).is_err());
    }
}
