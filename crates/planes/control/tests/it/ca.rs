//! The root: made once, kept sealed, and able to be elsewhere.

use crate::support::{Place, Running, wait_for};
use bartizan_control::ControlError;
use bartizan_control::ca::{self, CaError};
use bartizan_core::{Secret, TrustDomain};
use bartizan_crypto::cert;
use std::os::unix::fs::PermissionsExt;
use tokio_util::sync::CancellationToken;

fn passphrase(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn domain() -> TrustDomain {
    TrustDomain::parse("bank.test").unwrap()
}

#[test]
fn a_root_is_made_once_and_signs_only_with_its_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    ca::init(dir.path(), &passphrase("correct horse"), &domain()).unwrap();
    let mode = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("root.sealed"), mode("roots.pem")), (0o600, 0o644));
    let again = ca::init(dir.path(), &passphrase("correct horse"), &domain());
    assert!(matches!(again, Err(CaError::Exists { .. })));

    let request = bartizan_crypto::csr::make(&bartizan_crypto::KeyPair::generate().unwrap()).unwrap();
    let signed = ca::sign(dir.path(), &passphrase("correct horse"), &request).unwrap();
    assert!(cert::read(&cert::from_pem(&signed).unwrap()[0]).unwrap().is_ca());
    let wrong = ca::sign(dir.path(), &passphrase("battery staple"), &request);
    assert!(matches!(wrong, Err(CaError::Sealed { .. })));
    let garbage = ca::sign(dir.path(), &passphrase("correct horse"), b"no request");
    assert!(matches!(garbage, Err(CaError::Request { .. })));
    let sealed = std::fs::read_to_string(dir.path().join("root.sealed")).unwrap();
    assert!(!sealed.contains("PRIVATE KEY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn control_waits_for_an_offline_root() {
    let place = Place::new();
    let offline = tempfile::tempdir().unwrap();
    ca::init(offline.path(), &passphrase("kept in a safe"), &domain()).unwrap();
    std::fs::copy(offline.path().join("roots.pem"), place.data().join("roots.pem")).unwrap();
    // Left over from an earlier start: for a key that nobody has any more.
    let stale = bartizan_crypto::csr::make(&bartizan_crypto::KeyPair::generate().unwrap()).unwrap();
    let stale = ca::sign(offline.path(), &passphrase("kept in a safe"), &stale).unwrap();
    std::fs::write(place.data().join("issuing.pem"), stale).unwrap();

    let signing = async {
        let csr = place.data().join("issuing.csr");
        let request = wait_for("certificate request", async || std::fs::read(&csr).ok()).await;
        assert!(!place.socket().exists(), "not ready without an issuing CA");
        let signed = ca::sign(offline.path(), &passphrase("kept in a safe"), &request).unwrap();
        std::fs::write(place.data().join("issuing.pem"), signed).unwrap();
    };
    let (control, ()) = tokio::join!(Running::start(&place), signing);
    assert!(!place.data().join("root.sealed").exists() && !place.data().join("root.passphrase").exists());
    let mut proxy = control.proxy_of("accounts").await;
    assert!(proxy.stream.ticks().await, "identities lead to the offline root");
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_an_offline_root_ends_when_asked_to() {
    let place = Place::new();
    let offline = tempfile::tempdir().unwrap();
    ca::init(offline.path(), &passphrase("kept in a safe"), &domain()).unwrap();
    std::fs::copy(offline.path().join("roots.pem"), place.data().join("roots.pem")).unwrap();
    let stop = CancellationToken::new();
    let control = tokio::spawn(bartizan_control::serve(place.options(), stop.clone()));
    wait_for("certificate request", async || place.data().join("issuing.csr").exists().then_some(())).await;
    stop.cancel();
    control.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_cannot_be_used_is_named() {
    let start = async |place: &Place, passphrase_file: Option<&str>| {
        let mut options = place.options();
        options.root_passphrase_file = passphrase_file.map(|name| place.path(name));
        match bartizan_control::serve(options, CancellationToken::new()).await.unwrap_err() {
            ControlError::Ca(error) => error,
            other => panic!("{other:?}"),
        }
    };
    let place = Place::new();
    place.write("right.txt", "correct horse\nthe rest is not looked at\n");
    place.write("wrong.txt", "battery staple\n");
    place.write("empty.txt", "\n");
    ca::init(&place.data(), &passphrase("correct horse"), &domain()).unwrap();
    assert!(matches!(start(&place, Some("wrong.txt")).await, CaError::Sealed { .. }));
    assert!(matches!(start(&place, Some("empty.txt")).await, CaError::Passphrase { .. }));
    assert!(matches!(start(&place, Some("missing.txt")).await, CaError::File { .. }));
    assert!(matches!(start(&place, None).await, CaError::File { .. }), "none is made up for a root that has one");

    let sealed = std::fs::read(place.data().join("root.sealed")).unwrap();
    std::fs::write(place.data().join("root.sealed"), &sealed[..sealed.len() / 2]).unwrap();
    assert!(matches!(start(&place, Some("right.txt")).await, CaError::Sealed { .. }), "cut short");

    // Peers trust another root than the one that would sign.
    std::fs::write(place.data().join("root.sealed"), &sealed).unwrap();
    let other = tempfile::tempdir().unwrap();
    ca::init(other.path(), &passphrase("x"), &domain()).unwrap();
    std::fs::copy(other.path().join("roots.pem"), place.data().join("roots.pem")).unwrap();
    assert!(matches!(start(&place, Some("right.txt")).await, CaError::Untrusted { .. }));

    let foreign = Place::new();
    foreign.write("right.txt", "correct horse");
    ca::init(&foreign.data(), &passphrase("correct horse"), &TrustDomain::parse("shop.test").unwrap()).unwrap();
    assert!(matches!(start(&foreign, Some("right.txt")).await, CaError::ForeignRoot { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_makes_a_root_that_only_we_can_read() {
    let place = Place::new();
    let control = Running::start(&place).await;
    for (name, expected) in
        [("root.sealed", 0o600), ("root.passphrase", 0o600), ("roots.pem", 0o644), ("bartizan.db", 0o600)]
    {
        let mode = std::fs::metadata(place.data().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{name}");
    }
    let status = control.status().await;
    let (now, control_status) = (status.now, status.control);
    assert!(now < control_status.svid_not_after);
    assert!(control_status.svid_not_after < control_status.issuing_not_after);
    assert!(control_status.issuing_not_after < control_status.root_not_after);
}
