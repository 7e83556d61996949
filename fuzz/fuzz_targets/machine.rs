//! Proofs of machines: no chain and no answer makes checking panic, nothing is believed without a path and a key, and edits of
//! a good certificate name nobody.
#![no_main]

use bartizan_core::{ServiceName, Timestamp, TrustDomain};
use bartizan_crypto::forge::{Forged, Recipe};
use bartizan_identity::machine::{MachineRoots, Question, answer};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

struct Good {
    roots: MachineRoots,
    leaf: Forged,
    domain: TrustDomain,
    name: ServiceName,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let root = Recipe::ca("machines", NOW).self_signed();
    let recipe = Recipe::leaf("", NOW).with(|it| {
        it.uris.clear();
        it.dns_names = vec!["edge-3.nodes.bank.example".to_owned()];
    });
    Good {
        leaf: recipe.signed_by(&root),
        roots: MachineRoots::new(vec![root.der], "nodes.bank.example").expect("the root is good"),
        domain: TrustDomain::parse("bank.test").expect("a good name"),
        name: ServiceName::parse("edge-3").expect("a good name"),
    }
});

fuzz_target!(|data: &[u8]| {
    let Good { roots, leaf, domain, name } = &*GOOD;
    let question = Question { domain, name, challenge: b"challenge", csr: b"request" };
    let answered = answer(&leaf.key, &question).expect("it can be signed");
    // As a chain of pieces, as an answer, and as an issuer beside a good leaf.
    let pieces: Vec<&[u8]> = data.chunks(usize::from(data.first().copied().unwrap_or(1)).max(1)).collect();
    assert!(roots.check(&pieces, &answered, &question, NOW).is_err(), "believed a chain from nowhere");
    assert!(roots.check(&[&leaf.der], data, &question, NOW).is_err(), "believed an answer from nowhere");
    let other = Question { challenge: data, ..question };
    assert!(
        data == b"challenge" || roots.check(&[&leaf.der], &answered, &other, NOW).is_err(),
        "for another challenge"
    );

    let mut edited = leaf.der.clone();
    for edit in data.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % edited.len();
        edited[at] = edit[2];
    }
    let believed = roots.check(&[&edited], &answered, &question, NOW).is_ok();
    assert_eq!(believed, edited == leaf.der, "an altered certificate was believed");
});
