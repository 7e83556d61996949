//! Certificate requests of other makers than ourselves.

use bartizan_crypto::forge::{greedy_csr, p384_csr};
use bartizan_crypto::{CryptoError, KeyPair, csr};

#[test]
fn refuses_a_p384_key() {
    assert_eq!(csr::check(&p384_csr()), Err(CryptoError::UnsupportedKey));
}

#[test]
fn takes_nothing_but_the_key_from_a_request_that_asks_for_more() {
    let key = KeyPair::generate().unwrap();
    let der = greedy_csr(&key, "spiffe://bank.test/bartizan/control");
    assert!(der.windows(16).any(|window| window == b"bartizan control"), "it does ask for a name");
    let checked = csr::check(&der).unwrap();
    assert_eq!(checked.spki, key.public_spki());
}

#[test]
fn refuses_a_broken_signature() {
    let mut der = csr::make(&KeyPair::generate().unwrap()).unwrap();
    *der.last_mut().unwrap() ^= 1;
    assert_eq!(csr::check(&der), Err(CryptoError::Signature));
}
