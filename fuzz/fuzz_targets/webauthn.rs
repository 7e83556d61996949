//! What browsers and authenticators send for passkeys: refused or read whole, never believed without a signature.
#![no_main]

use bartizan_crypto::raw_key::RawKey;
use bartizan_crypto::hash;
use bartizan_tokens::webauthn::{Assertion, Expected, Known, Registration, check, read_cbor, register};
use libfuzzer_sys::fuzz_target;

/// Base64url of sixteen zeros.
const CLIENT_DATA: &str = r#"{"type":"webauthn.create","challenge":"AAAAAAAAAAAAAAAAAAAAAA","origin":"https://a.test"}"#;
/// RFC 8032, section 7.1, test 2: nobody here has its private half.
const KEY: [u8; 32] = [
    0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc, 0x9c, 0x98, 0x2c,
    0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c,
];

fuzz_target!(|data: &[u8]| {
    if let Some(rest) = read_cbor(data) {
        assert!(rest < data.len());
        assert_eq!(read_cbor(&data[..data.len() - rest]), Some(0), "the same without what stands behind");
    }
    let expected = Expected { challenge: &[0; 16], origin: "https://a.test", rp_id: "a.test", verified: true };
    let _ = register(&Registration { client_data: data, attestation: data }, &expected);
    if let Ok(made) = register(&Registration { client_data: CLIENT_DATA.as_bytes(), attestation: data }, &expected) {
        assert!(made.verified && !made.id.is_empty() && (made.backup_eligible || !made.backed_up));
        assert_eq!(RawKey::from_bytes(made.key.bytes()).as_ref(), Ok(&made.key));
    }
    // The data of an authenticator alone, so that its reader is reached at once.
    let auth_data = [&hash::sha256(b"a.test")[..], data].concat();
    let said = CLIENT_DATA.replace("create", "get");
    let key = RawKey::ed25519(&KEY).expect("a key");
    let known = Known { key: &key, counter: 0, backup_eligible: false };
    let sent = Assertion { client_data: said.as_bytes(), auth_data: &auth_data, signature: data };
    assert!(check(&sent, &known, &expected).is_err(), "nobody can sign for it");
});
