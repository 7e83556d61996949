//! Bundle documents of other trust domains, and what their identities may be called here.

use crate::{Fleet, NOW, service, slices};
use bartizan_core::TrustDomain;
use bartizan_core::event::HandshakeFailure;
use bartizan_core::path::PathPattern;
use bartizan_core::snapshot::{Bundles, JwtKey};
use bartizan_crypto::base64;
use bartizan_crypto::forge::Recipe;
use bartizan_crypto::jws::TokenKey;
use bartizan_identity::federation::{Document, DocumentError, write};
use bartizan_identity::jwt_svid::{JwtError, JwtKeys, kid, sign};
use bartizan_identity::limits::{BUNDLE_DOCUMENT_BYTES_MAX, BUNDLE_KEYS_MAX};
use bartizan_identity::{TrustBundles, verify_peer};
use proptest::prelude::*;
use serde_json::{Value, json};

fn domain() -> TrustDomain {
    TrustDomain::parse("partner.test").unwrap()
}

/// A bundle with a root and a key, and its document.
fn good() -> (Bundles, Value) {
    let fleet = Fleet::new("partner.test");
    let key = TokenKey::generate().unwrap();
    let spki = key.public_spki();
    let mut bundles = fleet.bundles.snapshot();
    bundles.jwt_keys.insert(domain(), vec![JwtKey { kid: kid(spki), spki: base64::encode(spki) }]);
    let text = write(&bundles, &domain(), 7, 60).unwrap();
    (bundles, serde_json::from_str(&text).unwrap())
}

fn read(document: &Value) -> Result<Document, DocumentError> {
    Document::read(&domain(), document.to_string().as_bytes())
}

#[test]
fn refuses_documents_that_break_a_rule() {
    let (_, good) = good();
    read(&good).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut document = good.clone();
        change(&mut document);
        read(&document)
    };
    let leaf = base64::encode(&Recipe::leaf("spiffe://partner.test/svc/a", NOW).self_signed().der);
    let foreign = base64::encode(Fleet::new("bank.test").root.certificate());
    for (result, why) in [
        (with(&|d| d["keys"] = json!({})), "`keys` is no list"),
        (with(&|d| _ = d.as_object_mut().unwrap().remove("keys")), "no `keys`"),
        (with(&|d| d["spiffe_sequence"] = json!("7")), "the sequence is a text"),
        (with(&|d| d["spiffe_sequence"] = json!(-1)), "the sequence is negative"),
        (with(&|d| d["keys"][0]["x5c"] = json!([])), "no certificate"),
        (with(&|d| d["keys"][0]["x5c"] = json!([d["keys"][0]["x5c"][0], d["keys"][0]["x5c"][0]])), "two certificates"),
        (with(&|d| d["keys"][0]["x5c"] = json!(["AAAA"])), "no certificate in it"),
        (with(&|d| d["keys"][0]["x5c"] = json!([leaf])), "a leaf as root"),
        (with(&|d| d["keys"][0]["x5c"] = json!([foreign])), "the root names another trust domain"),
        (with(&|d| _ = d["keys"][1].as_object_mut().unwrap().remove("kid")), "a JWT key without `kid`"),
        (with(&|d| d["keys"][1]["x"] = json!("AAAA")), "half a point"),
        (with(&|d| d["keys"][1]["x"] = d["keys"][1]["y"].clone()), "a point beside the curve"),
        (with(&|d| d["keys"][1]["x"] = json!("====")), "no base64url"),
        (with(&|d| d["keys"] = json!(vec![d["keys"][1].clone(), d["keys"][1].clone()])), "one `kid` for two keys"),
        (with(&|d| d["keys"] = json!(vec![d["keys"][0].clone(); 17])), "too many roots"),
        (with(&|d| d["keys"] = json!([])), "no root at all"),
        (with(&|d| d["keys"] = json!(vec![json!({"kty": "x"}); BUNDLE_KEYS_MAX + 1])), "too many keys"),
    ] {
        assert!(result.is_err(), "accepted, though {why}");
    }
    let huge = format!("{}{good}", " ".repeat(BUNDLE_DOCUMENT_BYTES_MAX));
    assert!(matches!(Document::read(&domain(), huge.as_bytes()), Err(DocumentError::TooLarge(_))));
    assert!(Document::read(&domain(), br#"{"keys":[],"keys":[]}"#).is_err(), "a field twice");
}

#[test]
fn refuses_an_older_document() {
    let (_, document) = good();
    let numbered = |n: Option<u64>| Document { sequence: n, ..read(&document).unwrap() };
    let held = numbered(Some(7));
    assert_eq!(numbered(Some(6)).after(&held), Err(DocumentError::Rollback { found: 6, held: 7 }));
    assert_eq!(numbered(None).after(&held), Err(DocumentError::Rollback { found: 0, held: 7 }), "none after some");
    for newer in [Some(7), Some(8)] {
        numbered(newer).after(&held).unwrap();
    }
    numbered(Some(1)).after(&numbered(None)).unwrap();
}

#[test]
fn goes_out_and_comes_in_unchanged_and_passes_over_what_is_not_known() {
    let (bundles, mut document) = good();
    document["spiffe_new_thing"] = json!({"a": 1});
    document["keys"].as_array_mut().unwrap().extend([
        json!({"kty": "EC", "use": "wit-svid"}),
        json!({"kty": "RSA", "use": "jwt-svid", "kid": "r", "n": "AQAB", "e": "AQAB"}),
        json!({"kty": "EC", "crv": "P-384", "use": "jwt-svid", "kid": "p", "x": "AA", "y": "AA"}),
    ]);
    let read = read(&document).unwrap();
    assert_eq!((read.sequence, read.refresh_hint_s, read.passed_over), (Some(7), Some(60), 3));
    let mut again = Bundles::default();
    read.add_to(&mut again, &domain());
    assert_eq!(again, bundles);
}

#[test]
fn an_identity_outside_the_paths_of_its_domain_is_refused() {
    let theirs = Fleet::new("partner.test");
    let mut bundles = theirs.bundles.snapshot();
    let billing = theirs.member(&service("billing"));
    let admin = theirs.member(&service("admin"));
    let verify = |bundles: &Bundles, chain| {
        verify_peer(&slices(chain), &TrustBundles::read(bundles).unwrap(), NOW).map_err(|refusal| refusal.failure)
    };
    verify(&bundles, &admin.svid.chain).unwrap();
    bundles.paths.insert(domain(), vec![PathPattern::parse("/svc/billing").unwrap()]);
    let peer = verify(&bundles, &billing.svid.chain).unwrap();
    assert_eq!(verify(&bundles, &admin.svid.chain), Err(HandshakeFailure::ForeignDomain));
    assert_eq!(TrustBundles::read(&bundles).unwrap().snapshot().paths, bundles.paths);

    assert!(TrustBundles::read(&bundles).unwrap().still_trust(&peer));
    bundles.paths.insert(domain(), vec![PathPattern::parse("/other/**").unwrap()]);
    assert!(!TrustBundles::read(&bundles).unwrap().still_trust(&peer), "an open connection is judged alike");
    bundles.roots.clear();
    assert!(!TrustBundles::read(&bundles).unwrap().still_trust(&peer), "the domain is gone");
}

#[test]
fn a_token_outside_the_paths_of_its_domain_is_refused() {
    let key = TokenKey::generate().unwrap();
    let spki = key.public_spki();
    let mut bundles = Bundles::default();
    bundles.jwt_keys.insert(domain(), vec![JwtKey { kid: kid(spki), spki: base64::encode(spki) }]);
    bundles.paths.insert(domain(), vec![PathPattern::parse("/batch/*").unwrap()]);
    let keys = JwtKeys::read(&bundles).unwrap();
    let token = |path: &str| {
        let id = format!("spiffe://partner.test{path}").parse().unwrap();
        keys.validate(&sign(&key, &id, &["us".to_owned()], NOW).unwrap(), "us", NOW)
    };
    token("/batch/report").unwrap();
    assert!(matches!(token("/svc/report"), Err(JwtError::Path(_))));
}

proptest! {
    #[test]
    fn any_text_reads_or_is_refused(text in "\\PC{0,200}") {
        let _ = Document::read(&domain(), text.as_bytes());
    }

    #[test]
    fn a_changed_byte_is_refused_or_harmless(at in 0_usize..2000, byte in any::<u8>()) {
        let (_, document) = good();
        let mut text = document.to_string().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        if let Ok(read) = Document::read(&domain(), &text) {
            prop_assert!(TrustBundles::of(&domain(), read.roots).is_ok());
        }
    }
}
