//! `bartizan ca`: a root that is made once, shown, and signs what asks properly.

use crate::bartizan::run;

#[test]
fn a_root_is_made_once_and_shown() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("pass"), "correct horse\n").unwrap();
    let init = ["ca", "init", "--trust-domain", "shop.test", "--dir", "ca", "--root-passphrase-file", "pass"];
    let made = run(temp.path(), &init);
    assert_eq!(made.code, 0, "{made:?}");
    let again = run(temp.path(), &init);
    assert!(again.code == 1 && again.err.contains("exists"), "{again:?}");

    let shown = run(temp.path(), &["ca", "show", "--dir", "ca"]);
    assert!(shown.code == 0 && shown.out.contains("CA spiffe://shop.test"), "{shown:?}");
    let json = run(temp.path(), &["ca", "show", "--pem", "ca/roots.pem", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value[0]["is_ca"], true);
}

#[test]
fn signs_only_with_the_right_passphrase_and_a_request() {
    let temp = tempfile::tempdir().unwrap();
    for (name, text) in [("pass", "correct horse"), ("wrong", "battery"), ("empty", "\n"), ("junk.csr", "hello")] {
        std::fs::write(temp.path().join(name), text).unwrap();
    }
    let key = bartizan_crypto::KeyPair::generate().unwrap();
    std::fs::write(temp.path().join("good.csr"), bartizan_crypto::csr::make(&key).unwrap()).unwrap();
    run(temp.path(), &["ca", "init", "--trust-domain", "shop.test", "--dir", "ca", "--root-passphrase-file", "pass"]);
    for (pass, csr, part) in [
        ("wrong", "good.csr", "root.sealed"),
        ("empty", "good.csr", "first line is empty"),
        ("absent", "good.csr", "absent"),
        ("pass", "junk.csr", "not a certificate request"),
        ("pass", "absent.csr", "absent.csr"),
    ] {
        let refused = run(temp.path(), &["ca", "sign", "--dir", "ca", "--root-passphrase-file", pass, "--csr", csr]);
        assert!(refused.code == 1 && refused.out.is_empty() && refused.err.contains(part), "{pass} {csr}: {refused:?}");
    }
    let signed =
        run(temp.path(), &["ca", "sign", "--dir", "ca", "--root-passphrase-file", "pass", "--csr", "good.csr"]);
    assert!(signed.code == 0 && signed.out.starts_with("-----BEGIN CERTIFICATE-----"), "{signed:?}");
}
