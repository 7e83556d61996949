//! The deny list: who gets onto it, what that does, and that it stays.

use crate::support::{Node, Place, Running, open, service, wait_for};
use bartizan_control::ControlError;
use bartizan_core::deny::{DenyList, Subject};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::status::{Restore, Revoke, Revoked};
use bartizan_crypto::{KeyPair, cert, csr, hash};
use bartizan_runtime::control_stream::Code;
use bartizan_runtime::local::LocalError;
use tokio_util::sync::CancellationToken;

async fn revoke(control: &Running, subject: &str, reason: &str) -> Result<Revoked, (u16, String)> {
    let wanted = Revoke { subject: subject.to_owned(), reason: reason.to_owned() };
    told(control.post("/v1/revoke", &wanted).await)
}

async fn restore(control: &Running, subject: &str) -> Result<Revoked, (u16, String)> {
    told(control.post("/v1/restore", &Restore { subject: subject.to_owned() }).await)
}

fn told(answer: Result<Revoked, LocalError>) -> Result<Revoked, (u16, String)> {
    answer.map_err(|error| match error {
        LocalError::Refused { status, body } => (status, body),
        other => panic!("{other:?}"),
    })
}

const PAYMENT: &str = "id:spiffe://bank.test/svc/payment";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_subject_or_is_needed_is_refused_and_nothing_changes() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let issuing = cert::read(&control.node().await.chain[1]).unwrap();
    let issuing = format!("issuer:{}", hash::hex(&hash::sha256(issuing.spki())));
    for (subject, reason, status) in [
        ("payment", "r", 400),
        ("id:payment", "r", 400),
        (PAYMENT, "", 422),
        (PAYMENT, "two\nlines", 422),
        ("id:spiffe://bank.test/bartizan/control", "r", 422),
        (issuing.as_str(), "r", 422),
    ] {
        let refused = revoke(&control, subject, reason).await.unwrap_err();
        assert_eq!(refused.0, status, "{subject} {reason:?}: {}", refused.1);
    }
    assert_eq!(restore(&control, PAYMENT).await.unwrap_err().0, 422, "it is not on the list");
    assert_eq!(control.status().await.epochs[&Kind::DenyList], Epoch(1));
    assert!(!place.data().join("denylist.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_service_is_sent_away_and_the_others_are_told_also_after_a_restart() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let (mut accounts, payment) = (control.proxy_of("accounts").await, control.proxy_of("payment").await);
    let done = revoke(&control, PAYMENT, "token in a public log").await.unwrap();
    assert_eq!((done.epoch, &done.services, &done.unplaced), (Epoch(2), &vec![service("payment")], &vec![]));
    assert_eq!(payment.stream.refusal().await.code(), Code::PermissionDenied);
    let (kind, epoch, envelope) = accounts.take_up(&control).await;
    assert_eq!((kind, epoch), (Kind::DenyList, Epoch(2)));
    let list = open::<DenyList>(&control, kind, &envelope).unwrap().payload;
    assert_eq!(
        (list.entries[0].subject.to_string().as_str(), list.entries[0].reason.as_str()),
        (PAYMENT, "token in a public log")
    );
    assert_eq!(control.get::<DenyList>("/v1/denied").await, list);
    wait_for("the record of it", async || {
        let events = control.events("?limit=100").await;
        events.iter().any(|event| event.to_string().contains("token in a public log")).then_some(())
    })
    .await;
    control.stop().await;

    let control = Running::start(&place).await;
    assert_eq!(control.get::<DenyList>("/v1/denied").await, list, "it outlives control");
    assert_eq!(control.status().await.epochs[&Kind::DenyList], Epoch(2));
    // Nor does it come in anew, however good the voucher.
    let (node, key) = (control.node().await, KeyPair::generate().unwrap());
    let mut hello = crate::support::hello("payment");
    (hello.voucher, hello.csr) = (node.vouch(&control, "payment", &key), csr::make(&key).unwrap());
    let stream = crate::support::Connection::open(&control, None).await;
    let stream = stream.attach(vec![crate::support::message(bartizan_runtime::control_v1::up::Message::Hello(hello))]);
    assert_eq!(stream.await.refusal().await.code(), Code::PermissionDenied);

    let done = restore(&control, PAYMENT).await.unwrap();
    assert_eq!((done.epoch, done.services), (Epoch(3), vec![]));
    control.proxy_of("payment").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_node_takes_with_it_what_it_vouched_for() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let bad = Node::join(&control, "bad", &control.token().await).await.unwrap();
    let theirs = crate::support::Proxy::come(&control, &bad, "payment").await;
    let mut accounts = control.proxy_of("accounts").await;
    let done = revoke(&control, "node:bad", "host taken over").await.unwrap();
    assert_eq!((&done.services, &done.unplaced), (&vec![service("payment")], &vec![]));
    assert_eq!(theirs.stream.refusal().await.code(), Code::PermissionDenied);
    let (kind, _, envelope) = accounts.take_up(&control).await;
    let list = open::<DenyList>(&control, kind, &envelope).unwrap().payload;
    let key = hash::hex(&hash::sha256(theirs.key.public_spki()));
    let subjects: Vec<_> = list.entries.iter().map(|entry| entry.subject.clone()).collect();
    assert_eq!(subjects, [Subject::Key(key), Subject::parse("node:bad").unwrap()]);
    // It gets no other identity, neither with the one it has nor with a new token.
    let token = control.token().await;
    assert!(Node::join(&control, "bad", &token).await.is_err());
    // Somebody else's entry that looks alike does not go with it.
    revoke(&control, "node:other", "vouched for by node `bad`: host taken over").await.unwrap();
    // The service itself is not denied: another node may vouch for it.
    control.proxy_of("payment").await;

    restore(&control, "node:bad").await.unwrap();
    let left = control.get::<DenyList>("/v1/denied").await.entries;
    let left: Vec<_> = left.iter().map(|entry| entry.subject.to_string()).collect();
    assert_eq!(left, ["node:other"], "what it brought goes with it, and nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_read_denies_the_start() {
    let place = Place::new();
    Running::start(&place).await.stop().await;
    let twice = r#"{"subject": "node:a", "reason": "r", "since": 1, "by": "x"}"#;
    for text in
        ["{", "{\"entries\": [{\"subject\": \"nobody\"}]}", "[]", &format!("{{\"entries\": [{twice}, {twice}]}}")]
    {
        std::fs::write(place.data().join("denylist.json"), text).unwrap();
        let error = bartizan_control::serve(place.options(), CancellationToken::new()).await.unwrap_err();
        assert!(matches!(error, ControlError::DenyList(_)), "{error:?}");
        assert!(error.to_string().contains("denylist.json"), "{error}");
    }
}

/// OpenSSL as a peer outside, which knows roots and a revocation list and nothing else.
fn openssl_accepts(dir: &std::path::Path, chain: &[Vec<u8>], crl: &str) -> bool {
    for (name, text) in
        [("leaf.pem", cert::pem(&chain[0])), ("issuing.pem", cert::pem(&chain[1])), ("list.pem", crl.to_owned())]
    {
        std::fs::write(dir.join(name), text).unwrap();
    }
    let file = |name: &str| dir.join(name).display().to_string();
    let done = std::process::Command::new("openssl")
        .args(["verify", "-crl_check", "-CRLfile", &file("list.pem"), "-CAfile", &file("roots.pem")])
        .args(["-untrusted", &file("issuing.pem"), &file("leaf.pem")])
        .output()
        .expect("openssl is installed; `make needs` sees to it");
    let said = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() || said.contains("certificate revoked"), "{said}");
    done.status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn outsiders_find_who_is_denied_in_a_revocation_list() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let (accounts, payment) = (control.proxy_of("accounts").await, control.proxy_of("payment").await);
    let empty = control.text("/v1/crl").await;
    assert!(openssl_accepts(&place.data(), &payment.chain, &empty));

    revoke(&control, PAYMENT, "stolen").await.unwrap();
    let serial = cert::read(&accounts.chain[0]).unwrap().serial_hex().to_owned();
    let list = control.text("/v1/crl").await;
    assert!(!openssl_accepts(&place.data(), &payment.chain, &list), "by identity");
    assert!(openssl_accepts(&place.data(), &accounts.chain, &list));
    revoke(&control, &format!("serial:{serial}"), "stolen too").await.unwrap();
    assert!(!openssl_accepts(&place.data(), &accounts.chain, &control.text("/v1/crl").await), "by number");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_what_counts() {
    let place = Place::new();
    let control = Running::start(&place).await;
    revoke(&control, PAYMENT, "stolen").await.unwrap();
    let file = place.data().join("denylist.json");
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "{").unwrap();
    assert_eq!(revoke(&control, "node:a", "r").await.unwrap_err().0, 503, "nothing is written over it");
    assert_eq!(control.reload().await.unwrap_err().0, 503);
    std::fs::write(&file, whole.replace("payment", "accounts")).unwrap();
    assert_eq!(control.reload().await.unwrap().changed, [Kind::DenyList]);
    assert!(control.get::<DenyList>("/v1/denied").await.entries[0].subject.to_string().ends_with("accounts"));
}
