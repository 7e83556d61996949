//! Keys on a real PKCS#11 module, SoftHSM: what is refused, and that the key stays there.

use bartizan_core::{Secret, TrustDomain};
use bartizan_crypto::error::HsmError;
use bartizan_crypto::hsm::{HsmKey, Place};
use bartizan_crypto::issue::{self, Issuer, Validity};
use bartizan_crypto::key::{Sign, verify};
use bartizan_crypto::{CryptoError, cert};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian puts it.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

fn softhsm(conf: &Path, args: &[&str]) {
    let done =
        Command::new("softhsm2-util").env("SOFTHSM2_CONF", conf).args(args).output().expect("install `softhsm2`");
    assert!(done.status.success(), "{args:?}: {done:?}");
}

/// Runs the test again in a process of its own whose SoftHSM keeps its tokens in a folder that ends with it. Gives that folder
/// there, nothing here.
fn in_own_process(test: &str) -> Option<PathBuf> {
    if let Some(tokens) = std::env::var_os("TEST_TOKENS") {
        return Some(tokens.into());
    }
    let dir = tempfile::tempdir().unwrap();
    let (tokens, conf) = (dir.path().join("tokens"), dir.path().join("softhsm2.conf"));
    std::fs::create_dir(&tokens).unwrap();
    std::fs::write(&conf, format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display()))
        .unwrap();
    softhsm(&conf, &["--init-token", "--free", "--label", "ceremony", "--so-pin", "12345678", "--pin", "4711"]);
    softhsm(&conf, &["--init-token", "--free", "--label", "other", "--so-pin", "12345678", "--pin", "4711"]);
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("SOFTHSM2_CONF", &conf)
        .env("TEST_TOKENS", &tokens)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout).into_owned() + &String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success() && said.contains("1 passed"), "{said}");
    None
}

fn place(key: &str) -> Place {
    Place { module: MODULE.into(), token: "ceremony".to_owned(), key: key.to_owned() }
}

fn pin(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[test]
fn what_cannot_be_used_is_refused_with_its_way_out() {
    let Some(_tokens) = in_own_process("hsm::what_cannot_be_used_is_refused_with_its_way_out") else { return };
    HsmKey::generate(&place("root"), &pin("4711"), [1; 16]).unwrap();
    let tool = |args: &[&str]| {
        let done = Command::new("pkcs11-tool")
            .args(["--module", MODULE, "--token-label", "ceremony", "--login", "--pin", "4711"])
            .args(args)
            .output();
        done.is_ok_and(|done| done.status.success())
    };
    let has_tool = tool(&["--keypairgen", "--key-type", "rsa:2048", "--label", "rsa"])
        && tool(&["--keypairgen", "--key-type", "EC:secp384r1", "--label", "p384"])
        && tool(&["--keypairgen", "--key-type", "EC:prime256v1", "--label", "loose", "--extractable"]);
    assert!(has_tool, "install `opensc`");

    let open = |place: Place, with: &str| HsmKey::open(&place, &pin(with)).unwrap_err();
    let other_token = Place { token: "nowhere".to_owned(), ..place("root") };
    let empty_token = Place { token: "other".to_owned(), ..place("root") };
    let no_module = Place { module: "/usr/lib/none.so".into(), ..place("root") };
    let no_library = Place { module: "/etc/passwd".into(), ..place("root") };
    for (error, part) in [
        (open(place("root"), "0000"), "refuses the PIN"),
        (open(place("root"), ""), "PIN"),
        (open(place("missing"), "4711"), "no key pair labelled `missing`"),
        (open(empty_token, "4711"), "no key pair labelled `root`"),
        (open(other_token, "4711"), "no token is labelled `nowhere`; there is `"),
        (open(place("rsa"), "4711"), "no ECDSA P-256 key"),
        (open(place("p384"), "4711"), "no ECDSA P-256 key"),
        (open(place("loose"), "4711"), "can be read out of its token"),
        (open(no_module, "4711"), "cannot use the PKCS#11 module"),
        (open(no_library, "4711"), "cannot use the PKCS#11 module"),
        (HsmKey::generate(&place("root"), &pin("4711"), [2; 16]).unwrap_err(), "choose another label"),
    ] {
        let text = error.to_string();
        assert!(text.contains(part), "expected `{part}`: {text}");
        assert!(!text.contains("4711") && text.len() < 300, "{text}");
    }
}

#[test]
fn a_key_signs_on_its_token_and_does_not_leave_it() {
    let Some(tokens) = in_own_process("hsm::a_key_signs_on_its_token_and_does_not_leave_it") else { return };
    let made = HsmKey::generate(&place("root"), &pin("4711"), [1; 16]).unwrap();
    let key = HsmKey::open(&place("root"), &pin("4711")).unwrap();
    assert_eq!(made.public_spki(), key.public_spki());
    for n in 0..64u8 {
        verify(key.public_spki(), &[n], &key.sign(&[n]).unwrap()).unwrap();
    }
    let read_out = Command::new("pkcs11-tool")
        .args(["--module", MODULE, "--token-label", "ceremony", "--login", "--pin", "4711"])
        .args(["--list-objects", "--type", "privkey"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&read_out.stdout);
    assert!(said.contains("sensitive, always sensitive, never extractable"), "{said}");

    let domain = TrustDomain::parse("bank.test").unwrap();
    let at = bartizan_core::Timestamp::from_secs;
    let validity = Validity { not_before: at(1_790_000_000), not_after: at(1_800_000_000) };
    let der = issue::root(&key, &domain, [1; 16], validity).unwrap();
    let issuer = Issuer::new(key, &der).unwrap();
    assert_eq!(cert::read(&der).unwrap().uris(), ["spiffe://bank.test"]);

    // The token is pulled out in the middle.
    std::fs::remove_dir_all(&tokens).unwrap();
    let subject = bartizan_crypto::KeyPair::generate().unwrap();
    let refused = issue::intermediate(&issuer, subject.public_spki(), &domain, [2; 16], validity).unwrap_err();
    assert!(matches!(&refused, CryptoError::Token(HsmError::Gone { .. } | HsmError::Failed { .. })), "{refused}");
    assert!(refused.to_string().contains("token"), "{refused}");
}
