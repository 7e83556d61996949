//! Signed snapshots: whatever is changed, missing, old or signed by somebody else is refused whole.

use crate::{Fleet, Member, NOW, later, node, service};
use bartizan_core::event::HandshakeFailure;
use bartizan_core::limits::SNAPSHOT_BYTES_MAX;
use bartizan_core::snapshot::{Bundles, Envelope, Epoch, Kind, Policies, Signed};
use bartizan_core::{Role, Timestamp, TrustDomain};
use bartizan_crypto::base64;
use bartizan_identity::envelope::{self, EnvelopeError};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::LazyLock;
use std::time::Duration;

struct Scene {
    fleet: Fleet,
    control: Member,
    json: Vec<u8>,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let fleet = Fleet::new("bank.test");
    let control = fleet.member(&Role::Control);
    let json = envelope::to_json(&sign(&control, &policies(&fleet.domain, 7)));
    Scene { fleet, control, json }
});

fn policies(domain: &TrustDomain, epoch: u64) -> Signed<Policies> {
    let files = [("a.cedar".to_owned(), "permit(principal, action, resource);".to_owned())].into();
    let payload = Policies { files, ..Policies::default() };
    Signed { kind: Kind::Policies, epoch: Epoch(epoch), issued_at: NOW, trust_domain: domain.clone(), payload }
}

fn sign(signer: &Member, signed: &Signed<Policies>) -> Envelope {
    envelope::sign(signed, &signer.key, &signer.svid.chain).unwrap()
}

fn open_at(json: &[u8], newest_held: u64) -> Result<Signed<Policies>, EnvelopeError> {
    let Fleet { domain, bundles, .. } = &SCENE.fleet;
    envelope::open(json, Kind::Policies, domain, bundles, Epoch(newest_held))
}

fn open(json: &[u8]) -> Result<Signed<Policies>, EnvelopeError> {
    open_at(json, 0)
}

fn open_envelope(envelope: &Envelope) -> Result<Signed<Policies>, EnvelopeError> {
    open(&envelope::to_json(envelope))
}

/// The envelope with one field of its body changed, under the old signature.
fn with_body(field: &str, to: Value) -> Envelope {
    let mut envelope: Envelope = serde_json::from_slice(&SCENE.json).unwrap();
    let mut body: Value = serde_json::from_str(&envelope.body).unwrap();
    assert!(body.get(field).is_some(), "there is no field `{field}`");
    body[field] = to;
    envelope.body = body.to_string();
    envelope
}

/// A body that control signed although [`envelope::sign`] would not have made it.
fn signed_body(body: &str) -> Envelope {
    let envelope: Envelope = serde_json::from_slice(&SCENE.json).unwrap();
    let signature = base64::encode(&SCENE.control.key.sign(body.as_bytes()).unwrap());
    Envelope { body: body.to_owned(), signature, ..envelope }
}

fn signer_failure(result: Result<Signed<Policies>, EnvelopeError>) -> HandshakeFailure {
    match result {
        Err(EnvelopeError::Signer(refusal)) => refusal.failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn opens_what_control_signed() {
    assert_eq!(open(&SCENE.json).unwrap(), policies(&SCENE.fleet.domain, 7));
}

#[test]
fn refuses_every_changed_field() {
    let payload = serde_json::to_value(Policies { schema: "entity X;".to_owned(), ..Policies::default() }).unwrap();
    assert_eq!(open_envelope(&with_body("payload", payload)), Err(EnvelopeError::Signature));
    assert_eq!(open_envelope(&with_body("epoch", 8.into())), Err(EnvelopeError::Signature));
    let moment = Value::from(NOW.as_millis() + 1);
    assert_eq!(open_envelope(&with_body("issued_at", moment)), Err(EnvelopeError::Signature));
    assert!(matches!(open_envelope(&with_body("kind", "bundles".into())), Err(EnvelopeError::WrongKind { .. })));
    let elsewhere = with_body("trust_domain", "other.test".into());
    assert!(matches!(open_envelope(&elsewhere), Err(EnvelopeError::WrongDomain { .. })));

    let good: Envelope = serde_json::from_slice(&SCENE.json).unwrap();
    let spaced = Envelope { body: format!("{} ", good.body), ..good.clone() };
    assert_eq!(open_envelope(&spaced), Err(EnvelopeError::Signature), "the bytes count, not their meaning");
    let other = base64::encode(&SCENE.control.key.sign(b"something else").unwrap());
    assert_eq!(open_envelope(&Envelope { signature: other, ..good.clone() }), Err(EnvelopeError::Signature));
    let empty = Envelope { signature: String::new(), ..good.clone() };
    assert_eq!(open_envelope(&empty), Err(EnvelopeError::Signature));
    for text in ["?", "AAA"] {
        let broken = Envelope { signature: text.to_owned(), ..good.clone() };
        assert!(matches!(open_envelope(&broken), Err(EnvelopeError::Malformed(_))), "signature {text:?}");
        let broken = Envelope { chain: vec![text.to_owned()], ..good.clone() };
        assert!(matches!(open_envelope(&broken), Err(EnvelopeError::Malformed(_))), "chain {text:?}");
    }
    let nobody = Envelope { chain: vec![], ..good.clone() };
    assert_eq!(signer_failure(open_envelope(&nobody)), HandshakeFailure::NoCertificate);
    let no_issuer = Envelope { chain: good.chain[..1].to_vec(), ..good };
    assert_eq!(signer_failure(open_envelope(&no_issuer)), HandshakeFailure::UntrustedIssuer);
}

#[test]
fn refuses_half_written_files() {
    for at in 0..SCENE.json.len() {
        let result = open(&SCENE.json[..at]);
        assert!(matches!(result, Err(EnvelopeError::Malformed(_))), "cut at {at}: {result:?}");
    }
    let zeroed = [&SCENE.json[..SCENE.json.len() / 2], &vec![0; SCENE.json.len() / 2]].concat();
    assert!(matches!(open(&zeroed), Err(EnvelopeError::Malformed(_))), "a tail of zeroes, as after a crash");
    let twice = SCENE.json.repeat(2);
    assert!(matches!(open(&twice), Err(EnvelopeError::Malformed(_))), "written twice");
}

#[test]
fn refuses_bodies_that_are_not_exactly_a_snapshot() {
    let good = serde_json::to_value(policies(&SCENE.fleet.domain, 7)).unwrap();
    open_envelope(&signed_body(&good.to_string())).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut body = good.clone();
        change(&mut body);
        open_envelope(&signed_body(&body.to_string()))
    };
    let malformed = |why: &str, change: &dyn Fn(&mut Value)| {
        let result = changed(change);
        assert!(matches!(result, Err(EnvelopeError::Malformed(_))), "{why}: {result:?}");
    };
    malformed("an unknown field", &|b| b["more"] = 1.into());
    malformed("an unknown field of the payload", &|b| b["payload"]["more"] = 1.into());
    malformed("a payload of another kind", &|b| {
        b["payload"] = serde_json::to_value(Bundles::default()).unwrap();
    });
    malformed("no payload", &|b| drop(b.as_object_mut().unwrap().remove("payload")));
    malformed("no epoch", &|b| drop(b.as_object_mut().unwrap().remove("epoch")));
    malformed("epoch 0", &|b| b["epoch"] = 0.into());
    malformed("a negative epoch", &|b| b["epoch"] = (-1).into());
    malformed("a kind that nobody knows", &|b| b["kind"] = "rules".into());
    malformed("a trust domain that is none", &|b| b["trust_domain"] = "Bank.test".into());

    let doubled = good.to_string().replacen('{', "{\"epoch\":9,", 1);
    assert!(matches!(open_envelope(&signed_body(&doubled)), Err(EnvelopeError::Malformed(_))), "a field twice");
    let outer = String::from_utf8(SCENE.json.clone()).unwrap().replacen('{', "{\"more\":1,", 1);
    assert!(matches!(open(outer.as_bytes()), Err(EnvelopeError::Malformed(_))), "an unknown field outside");
    let deep = "[".repeat(100_000);
    assert!(matches!(open(deep.as_bytes()), Err(EnvelopeError::Malformed(_))), "nested without end");
    assert!(matches!(open_envelope(&signed_body(&deep)), Err(EnvelopeError::Malformed(_))));
}

#[test]
fn refuses_to_go_back() {
    assert_eq!(open_at(&SCENE.json, 8), Err(EnvelopeError::Rollback { offered: Epoch(7), held: Epoch(8) }));
    open_at(&SCENE.json, 7).expect("the same one again, as after a restart");
    open_at(&SCENE.json, 6).unwrap();
}

#[test]
fn refuses_other_kinds_and_other_domains() {
    let Fleet { domain, bundles, .. } = &SCENE.fleet;
    let as_bundles = envelope::open::<Policies>(&SCENE.json, Kind::Bundles, domain, bundles, Epoch(0));
    assert!(matches!(as_bundles, Err(EnvelopeError::WrongKind { wanted: Kind::Bundles, found: Kind::Policies })));
    let other = Fleet::new("other.test");
    let elsewhere = envelope::open::<Policies>(&SCENE.json, Kind::Policies, &other.domain, bundles, Epoch(0));
    assert!(matches!(elsewhere, Err(EnvelopeError::WrongDomain { .. })));
    let unknown = envelope::open::<Policies>(&SCENE.json, Kind::Policies, domain, &other.bundles, Epoch(0));
    assert_eq!(signer_failure(unknown), HandshakeFailure::ForeignDomain);
}

#[test]
fn refuses_signers_other_than_control_of_this_domain() {
    let fleet = &SCENE.fleet;
    for role in [service("accounts"), service("gateway"), node("local")] {
        let result = open_envelope(&sign(&fleet.member(&role), &policies(&fleet.domain, 7)));
        assert!(matches!(result, Err(EnvelopeError::NotControl { .. })), "{role:?}: {result:?}");
    }
    let stranger = Fleet::new("bank.test").member(&Role::Control);
    let result = open_envelope(&sign(&stranger, &policies(&fleet.domain, 7)));
    assert_eq!(signer_failure(result), HandshakeFailure::UntrustedIssuer);

    // Control of another domain that is federated with signs nothing for this one.
    let other = Fleet::new("other.test");
    let mut both = fleet.bundles.snapshot();
    both.roots.extend(other.bundles.snapshot().roots);
    let both = bartizan_identity::TrustBundles::read(&both).unwrap();
    let json = envelope::to_json(&sign(&other.member(&Role::Control), &policies(&fleet.domain, 7)));
    let result = envelope::open::<Policies>(&json, Kind::Policies, &fleet.domain, &both, Epoch(0));
    assert!(matches!(result, Err(EnvelopeError::NotControl { .. })), "{result:?}");
}

#[test]
fn judges_the_signer_at_the_time_of_signing() {
    let at = |issued_at: Timestamp| {
        let signed = Signed { issued_at, ..policies(&SCENE.fleet.domain, 7) };
        open_envelope(&sign(&SCENE.control, &signed))
    };
    at(NOW).unwrap();
    at(later(3600)).expect("the last second of the signer's certificate");
    assert_eq!(signer_failure(at(later(3601))), HandshakeFailure::Expired);
    assert_eq!(signer_failure(at(NOW.minus(Duration::from_secs(61)))), HandshakeFailure::NotYetValid);
}

#[test]
fn a_bundle_snapshot_counts_under_the_bundles_that_are_held() {
    let (old, new) = (&SCENE.fleet, Fleet::new("bank.test"));
    let mut payload = old.bundles.snapshot();
    payload.roots.get_mut(&old.domain).unwrap().extend(new.bundles.snapshot().roots.remove(&new.domain).unwrap());
    let signed =
        Signed { kind: Kind::Bundles, epoch: Epoch(2), issued_at: NOW, trust_domain: old.domain.clone(), payload };
    let by = |signer: &Member| envelope::to_json(&envelope::sign(&signed, &signer.key, &signer.svid.chain).unwrap());
    let read = |json: &[u8]| envelope::open::<Bundles>(json, Kind::Bundles, &old.domain, &old.bundles, Epoch(1));
    assert_eq!(read(&by(&SCENE.control)).unwrap(), signed);
    let self_introduced = read(&by(&new.member(&Role::Control)));
    assert!(matches!(self_introduced, Err(EnvelopeError::Signer(_))), "a new root cannot introduce itself");
}

#[test]
fn refuses_epoch_0_and_large_files() {
    let Scene { fleet, control, .. } = &*SCENE;
    let none = envelope::sign(&policies(&fleet.domain, 0), &control.key, &control.svid.chain);
    assert!(matches!(none, Err(EnvelopeError::Malformed(_))));
    let blank = vec![b' '; SNAPSHOT_BYTES_MAX + 1];
    assert_eq!(open(&blank), Err(EnvelopeError::TooLarge { bytes: SNAPSHOT_BYTES_MAX + 1 }));
}

proptest! {
    #[test]
    fn any_changed_byte_is_refused_or_changes_nothing(at in any::<prop::sample::Index>(), byte: u8) {
        let mut json = SCENE.json.clone();
        let at = at.index(json.len());
        json[at] = byte;
        if let Ok(signed) = open(&json) {
            prop_assert_eq!(signed, policies(&SCENE.fleet.domain, 7));
        }
    }

    #[test]
    fn any_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(matches!(open(&bytes), Err(EnvelopeError::Malformed(_))));
    }
}
