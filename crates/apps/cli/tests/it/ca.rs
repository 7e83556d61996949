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

/// `bartizan` with a SoftHSM of the test's own.
fn run_with_token(dir: &std::path::Path, args: &[&str]) -> std::process::Output {
    let conf = dir.join("softhsm2.conf");
    if !conf.exists() {
        let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", dir.display());
        std::fs::write(&conf, text).unwrap();
        let made = std::process::Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "ceremony", "--so-pin", "12345678", "--pin", "4711"])
            .env("SOFTHSM2_CONF", &conf)
            .output();
        assert!(made.expect("install `softhsm2`").status.success());
    }
    let mut bartizan = std::process::Command::new(env!("CARGO_BIN_EXE_bartizan"));
    bartizan.args(args).current_dir(dir).env("SOFTHSM2_CONF", &conf).output().unwrap()
}

#[test]
fn a_root_on_a_token_signs_with_its_pin_and_openssl_agrees() {
    let temp = tempfile::tempdir().unwrap();
    for (name, text) in [("pin", "4711\n"), ("wrong", "0000\n")] {
        std::fs::write(temp.path().join(name), text).unwrap();
    }
    let key = bartizan_crypto::KeyPair::generate().unwrap();
    std::fs::write(temp.path().join("issuing.csr"), bartizan_crypto::csr::make(&key).unwrap()).unwrap();
    let said = |args: &[&str]| {
        let output = run_with_token(temp.path(), args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let module = "/usr/lib/softhsm/libsofthsm2.so";
    let init = |token: &'static str, key: &'static str, pin: &'static str| {
        said(&[
            "ca",
            "init",
            "--trust-domain",
            "shop.test",
            "--dir",
            "ca",
            "--pkcs11-module",
            module,
            "--pkcs11-token",
            token,
            "--pkcs11-key",
            key,
            "--pin-file",
            pin,
        ])
    };
    for (token, key, pin, part) in [
        ("ceremony", "root-1", "wrong", "refuses the PIN"),
        ("nowhere", "root-1", "pin", "no token is labelled `nowhere`; there is `ceremony`"),
        ("ceremony", "root-1", "absent", "absent"),
    ] {
        let (code, _, err) = init(token, key, pin);
        assert!(code == Some(1) && err.contains(part), "{token} {pin}: {err}");
        assert!(!temp.path().join("ca/roots.pem").exists());
    }
    let (code, out, err) = init("ceremony", "root-1", "pin");
    assert!(code == Some(0) && out.contains("it cannot be copied"), "{out}{err}");
    assert!(init("ceremony", "root-2", "pin").2.contains("exists"), "one root in a folder");
    let whole = std::fs::read_to_string(temp.path().join("ca/root.token")).unwrap();
    assert!(!whole.contains("4711") && !whole.contains("PRIVATE"), "{whole}");

    let sign = |pin: &'static str| said(&["ca", "sign", "--dir", "ca", "--pin-file", pin, "--csr", "issuing.csr"]);
    let (code, out, err) = sign("wrong");
    assert!(code == Some(1) && out.is_empty() && err.contains("refuses the PIN"), "{err}");
    let (code, pem, err) = sign("pin");
    assert_eq!(code, Some(0), "{err}");
    std::fs::write(temp.path().join("issuing.pem"), pem).unwrap();
    let verified = std::process::Command::new("openssl")
        .args(["verify", "-CAfile", "ca/roots.pem", "issuing.pem"])
        .current_dir(temp.path())
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");

    // Another certificate than that key's, or nonsense, and nothing is signed.
    let altered = whole.replace("root-1", "root-9");
    for (text, part) in [(altered.as_str(), "no key pair labelled `root-9`"), ("{}", "does not say where")] {
        std::fs::write(temp.path().join("ca/root.token"), text).unwrap();
        let (code, out, err) = sign("pin");
        assert!(code == Some(1) && out.is_empty() && err.contains(part), "{part}: {err}");
    }
    // A PIN has no way in over the command line, and without a terminal there is nobody to ask.
    std::fs::write(temp.path().join("ca/root.token"), &whole).unwrap();
    let argv = said(&["ca", "sign", "--dir", "ca", "--pin", "4711", "--csr", "issuing.csr"]);
    assert!(argv.0 == Some(2) || argv.0 == Some(1), "{argv:?}");
    assert!(argv.1.is_empty());
}
