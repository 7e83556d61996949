//! Certificates as text.

use crate::NOW;
use bartizan_crypto::cert::{from_pem, pem};
use bartizan_crypto::forge::Recipe;
use bartizan_crypto::limits::{PEM_BYTES_MAX, PEM_CERTS_MAX};

#[test]
fn refuses_texts_without_certificates_and_with_bad_ones() {
    let good = pem(&Recipe::ca("CA", NOW).self_signed().der);
    let lines: Vec<&str> = good.lines().collect();
    let cut = lines[..lines.len() - 1].join("\n");
    let private = good.replace("CERTIFICATE", "PRIVATE KEY");
    let other_content = pem(b"these bytes are no certificate");
    let bad_after_good = format!("{good}{other_content}");
    for (text, why) in [
        ("", "empty"),
        ("no certificate", "no certificate"),
        (&cut, "no end line"),
        (&private, "a private key"),
        (&other_content, "not a certificate inside"),
        (&bad_after_good, "one bad certificate refuses all"),
    ] {
        assert!(from_pem(text).is_err(), "accepted, though {why}");
    }
}

#[test]
fn refuses_texts_beyond_its_limits() {
    let good = pem(&Recipe::ca("CA", NOW).self_signed().der);
    assert_eq!(from_pem(&good.repeat(PEM_CERTS_MAX)).unwrap().len(), PEM_CERTS_MAX);
    assert!(from_pem(&good.repeat(PEM_CERTS_MAX + 1)).is_err(), "too many");
    assert!(from_pem(&" ".repeat(PEM_BYTES_MAX + 1)).is_err(), "too long");
}

#[test]
fn reads_back_what_it_wrote() {
    let ders: Vec<Vec<u8>> = (0..3).map(|_| Recipe::ca("CA", NOW).self_signed().der).collect();
    let text: String = ders.iter().map(|der| format!("# a comment\n{}", pem(der))).collect();
    assert!(text.lines().all(|line| line.len() <= 64));
    assert_eq!(from_pem(&text).unwrap(), ders);
}
