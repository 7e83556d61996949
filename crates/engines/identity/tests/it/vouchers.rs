//! Vouchers: every field changed, every signer but a node, every age but now is refused; and the second use.

use crate::{Fleet, Member, NOW, later, node, service};
use bartizan_core::event::HandshakeFailure;
use bartizan_core::limits::VOUCHER_TTL;
use bartizan_core::{Role, SpiffeId, Timestamp};
use bartizan_crypto::{KeyPair, base64, hash};
use bartizan_identity::limits::{NONCES_MAX, VOUCHER_BYTES_MAX};
use bartizan_identity::voucher::{self, NonceError, Nonces, Vouched, VoucherError};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::LazyLock;
use std::time::Duration;

struct Scene {
    fleet: Fleet,
    node: Member,
    workload: KeyPair,
    text: String,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let fleet = Fleet::new("bank.test");
    let node = fleet.member(&node("local"));
    let workload = KeyPair::generate().unwrap();
    let id = fleet.id(&service("accounts"));
    let text = voucher::make(&node.key, &node.svid.chain, &id, workload.public_spki(), [9; 16], NOW).unwrap();
    Scene { fleet, node, workload, text }
});

fn check_at(text: &str, now: Timestamp) -> Result<Vouched, VoucherError> {
    voucher::check(text, &SCENE.fleet.bundles, &SCENE.fleet.domain, now)
}

fn check(text: &str) -> Result<Vouched, VoucherError> {
    check_at(text, NOW)
}

/// The voucher with one of its outer fields changed.
fn with(field: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(&SCENE.text).unwrap();
    change(&mut value[field]);
    value.to_string()
}

/// The voucher with one field of the signed text changed, under the old signature.
fn with_claim(field: &str, to: Value) -> String {
    with("claim", |claim| {
        let mut inner: Value = serde_json::from_str(claim.as_str().unwrap()).unwrap();
        assert!(inner.get(field).is_some(), "there is no field `{field}`");
        inner[field] = to;
        *claim = inner.to_string().into();
    })
}

/// A text that a node signs although it is no voucher that [`voucher::make`] would make.
fn signed_by_node(claim: &str) -> String {
    let message = [b"bartizan voucher v1\n", claim.as_bytes()].concat();
    let signature = base64::encode(&SCENE.node.key.sign(&message).unwrap());
    let chain: Vec<String> = SCENE.node.svid.chain.iter().map(|der| base64::encode(der)).collect();
    serde_json::json!({ "claim": claim, "signature": signature, "chain": chain }).to_string()
}

#[test]
fn refuses_every_changed_field() {
    check(&SCENE.text).unwrap();
    let claims = [
        with_claim("service", "spiffe://bank.test/svc/payment".into()),
        with_claim("key_sha256", base64::encode(&hash::sha256(b"another key")).into()),
        with_claim("nonce", base64::encode(&[8; 16]).into()),
        with_claim("expires", (NOW.as_millis() + 59_000).into()),
        with("claim", |claim| *claim = format!("{} ", claim.as_str().unwrap()).into()),
    ];
    for text in claims {
        assert_eq!(check(&text), Err(VoucherError::Signature), "{text}");
    }
    let other = SCENE.workload.sign(b"something").unwrap();
    assert_eq!(check(&with("signature", |s| *s = base64::encode(&other).into())), Err(VoucherError::Signature));
    assert!(matches!(check(&with("signature", |s| *s = "?".into())), Err(VoucherError::Malformed(_))));
    assert!(matches!(check(&with("chain", |c| *c = vec!["?"].into())), Err(VoucherError::Malformed(_))));

    let failure = |text: &str| match check(text) {
        Err(VoucherError::Signer(refusal)) => refusal.failure,
        other => panic!("{other:?}"),
    };
    assert_eq!(failure(&with("chain", |c| *c = Value::Array(vec![]))), HandshakeFailure::NoCertificate);
    let without_issuer = with("chain", |c| drop(c.as_array_mut().unwrap().pop()));
    assert_eq!(failure(&without_issuer), HandshakeFailure::UntrustedIssuer);
    let reversed = with("chain", |c| c.as_array_mut().unwrap().reverse());
    assert_eq!(failure(&reversed), HandshakeFailure::BadSvid);
}

#[test]
fn refuses_texts_that_are_no_voucher() {
    let unknown_field = SCENE.text.replacen('{', "{\"more\":1,", 1);
    let doubled = SCENE.text.replacen('{', "{\"signature\":\"\",", 1);
    for (text, why) in [
        ("", "empty"),
        ("{}", "fields missing"),
        ("null", "no object"),
        (&SCENE.text[..SCENE.text.len() - 1], "cut short"),
        (&format!("{} {{}}", SCENE.text), "something after it"),
        (&unknown_field, "an unknown field"),
        (&doubled, "a field twice"),
    ] {
        assert!(matches!(check(text), Err(VoucherError::Malformed(_))), "accepted, though {why}");
    }
    let large = format!("{}{}", SCENE.text, " ".repeat(VOUCHER_BYTES_MAX));
    assert!(matches!(check(&large), Err(VoucherError::TooLarge { .. })));
}

#[test]
fn refuses_claims_that_no_node_should_sign() {
    let claim = |service: &str, key: &[u8], nonce: &[u8], expires: Timestamp| {
        serde_json::json!({
            "service": service,
            "key_sha256": base64::encode(key),
            "nonce": base64::encode(nonce),
            "expires": expires,
        })
    };
    let good = claim("spiffe://bank.test/svc/accounts", &[1; 32], &[2; 16], later(60));
    check(&signed_by_node(&good.to_string())).unwrap();

    let more = good.to_string().replacen('{', "{\"more\":1,", 1);
    assert!(matches!(check(&signed_by_node(&more)), Err(VoucherError::Malformed(_))), "an unknown field");
    for (key, nonce) in [(&[1; 31][..], &[2; 16][..]), (&[1; 33], &[2; 16]), (&[1; 32], &[2; 15]), (&[], &[])] {
        let short = claim("spiffe://bank.test/svc/accounts", key, nonce, later(60)).to_string();
        assert!(matches!(check(&signed_by_node(&short)), Err(VoucherError::Malformed(_))));
    }
    for id in [
        "spiffe://other.test/svc/accounts",
        "spiffe://bank.test/bartizan/control",
        "spiffe://bank.test/bartizan/node/local",
        "spiffe://bank.test/accounts",
        "spiffe://bank.test",
    ] {
        let text = signed_by_node(&claim(id, &[1; 32], &[2; 16], later(60)).to_string());
        assert!(matches!(check(&text), Err(VoucherError::NotAService { .. })), "{id}");
    }
    let text = signed_by_node(&claim("spiffe://bank.test/svc/a", &[1; 32], &[2; 16], later(3600)).to_string());
    assert!(matches!(check(&text), Err(VoucherError::TooLong { .. })), "valid for an hour");
    let text = signed_by_node(&claim("accounts", &[1; 32], &[2; 16], later(60)).to_string());
    assert!(matches!(check(&text), Err(VoucherError::Malformed(_))), "no SPIFFE ID");

    // A signature of the same key over the same text, but not for the purpose of vouching.
    let claim = good.to_string();
    let bare = base64::encode(&SCENE.node.key.sign(claim.as_bytes()).unwrap());
    let mut value: Value = serde_json::from_str(&signed_by_node(&claim)).unwrap();
    value["signature"] = bare.into();
    assert_eq!(check(&value.to_string()), Err(VoucherError::Signature));
}

#[test]
fn refuses_signers_that_are_no_node_of_this_domain() {
    let fleet = &SCENE.fleet;
    let id = fleet.id(&service("accounts"));
    let by = |signer: &Member| {
        let spki = SCENE.workload.public_spki();
        voucher::make(&signer.key, &signer.svid.chain, &id, spki, [9; 16], NOW).unwrap()
    };
    for role in [service("accounts"), service("gateway"), Role::Control] {
        let result = check(&by(&fleet.member(&role)));
        assert!(matches!(result, Err(VoucherError::NotANode { .. })), "{role:?}: {result:?}");
    }
    let stranger = by(&Fleet::new("bank.test").member(&node("local")));
    assert!(matches!(check(&stranger), Err(VoucherError::Signer(r)) if r.failure == HandshakeFailure::UntrustedIssuer));

    let other = Fleet::new("other.test");
    let foreign = by(&other.member(&node("local")));
    assert!(matches!(check(&foreign), Err(VoucherError::Signer(r)) if r.failure == HandshakeFailure::ForeignDomain));
    // Also where the other domain is federated with: its nodes vouch for nobody here.
    let mut both = fleet.bundles.snapshot();
    both.roots.extend(other.bundles.snapshot().roots);
    let both = bartizan_identity::TrustBundles::read(&both).unwrap();
    let federated = voucher::check(&foreign, &both, &fleet.domain, NOW);
    assert!(matches!(federated, Err(VoucherError::NotANode { .. })));
}

#[test]
fn refuses_vouchers_and_nodes_that_ran_out() {
    let end = NOW.plus(VOUCHER_TTL);
    check_at(&SCENE.text, Timestamp::from_millis(end.as_millis() - 1)).unwrap();
    assert!(matches!(check_at(&SCENE.text, end), Err(VoucherError::Expired { .. })));
    let result = check_at(&SCENE.text, later(4000));
    assert!(matches!(result, Err(VoucherError::Signer(r)) if r.failure == HandshakeFailure::Expired), "the node's own");

    // A clock behind the node's is forgiven for as long as it is for certificates.
    let slow = NOW.minus(Duration::from_secs(30));
    check_at(&SCENE.text, slow).unwrap();
}

#[test]
fn is_for_one_key() {
    let vouched = check(&SCENE.text).unwrap();
    assert_eq!(vouched.service, SpiffeId::parse("spiffe://bank.test/svc/accounts").unwrap());
    assert_eq!(vouched.nonce, [9; 16]);
    assert_eq!(vouched.node.id(), &SCENE.fleet.id(&node("local")));
    assert!(vouched.is_for(SCENE.workload.public_spki()));
    assert!(!vouched.is_for(KeyPair::generate().unwrap().public_spki()));
    assert!(!vouched.is_for(b""));
}

#[test]
fn counts_once() {
    let mut nonces = Nonces::default();
    let vouched = check(&SCENE.text).unwrap();
    nonces.take(&vouched, NOW).unwrap();
    assert_eq!(nonces.take(&vouched, NOW), Err(NonceError::Used));
    assert_eq!(nonces.take(&vouched, vouched.expires), Err(NonceError::Used), "as long as any clock may accept it");

    let mut second = vouched.clone();
    second.nonce = [10; 16];
    nonces.take(&second, later(30)).unwrap();
    assert_eq!(nonces.len(), 2);
    second.nonce = [11; 16];
    second.expires = later(400);
    nonces.take(&second, later(300)).unwrap();
    assert_eq!(nonces.len(), 1, "what ran out is forgotten");
}

#[test]
fn remembers_a_bounded_number() {
    let mut nonces = Nonces::default();
    let mut vouched = check(&SCENE.text).unwrap();
    let number = |n: usize| {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&n.to_le_bytes());
        nonce
    };
    for n in 0..NONCES_MAX {
        vouched.nonce = number(n);
        nonces.take(&vouched, NOW).unwrap();
    }
    vouched.nonce = number(NONCES_MAX);
    assert_eq!(nonces.take(&vouched, NOW), Err(NonceError::Full));
    vouched.nonce = number(1);
    assert_eq!(nonces.take(&vouched, NOW), Err(NonceError::Used), "still known when full");
    vouched.expires = later(1000);
    vouched.nonce = number(NONCES_MAX);
    nonces.take(&vouched, later(600)).unwrap();
    assert_eq!(nonces.len(), 1);
}

proptest! {
    #[test]
    fn any_changed_byte_is_refused_or_changes_nothing(at in any::<prop::sample::Index>(), byte in 0x20..0x7f_u8) {
        let mut bytes = SCENE.text.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(vouched) = check(&String::from_utf8(bytes).unwrap()) {
            prop_assert_eq!(vouched, check(&SCENE.text).unwrap());
        }
    }

    #[test]
    fn any_text_is_refused_without_panic(text in "\\PC{0,200}") {
        prop_assert!(check(&text).is_err());
    }
}
