//! An authenticator of our own, which does everything right until it is told otherwise.

use super::{Assertion, Expected, Known, Registered, Registration, WebauthnError, check, register};
use bartizan_crypto::raw_key::RawKey;
use bartizan_crypto::{KeyPair, base64, hash};
use proptest::prelude::*;

const CHALLENGE: &[u8] = b"0123456789abcdef0123456789abcdef";
const ORIGIN: &str = "https://auth.shop.test";
const EXPECTED: Expected<'_> =
    Expected { challenge: CHALLENGE, origin: ORIGIN, rp_id: "auth.shop.test", verified: true };

fn client_data(kind: &str) -> String {
    let challenge = base64::encode_url(CHALLENGE);
    format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{ORIGIN}","crossOrigin":false}}"#)
}

struct Device {
    pair: KeyPair,
    flags: u8,
    counter: u32,
    rp_id: &'static str,
}

impl Device {
    fn new() -> Self {
        Self { pair: KeyPair::generate().unwrap(), flags: 0b101, counter: 0, rp_id: EXPECTED.rp_id }
    }

    fn key(&self) -> RawKey {
        let point = &self.pair.public_spki()[27..];
        RawKey::p256(point[..32].try_into().unwrap(), point[32..].try_into().unwrap()).unwrap()
    }

    fn cose(&self) -> Vec<u8> {
        let point = self.pair.public_spki()[27..].to_vec();
        let head = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        [&head[..], &point[..32], &[0x22, 0x58, 0x20], &point[32..]].concat()
    }

    fn auth_data(&self, more: &[u8]) -> Vec<u8> {
        let flags = if more.is_empty() { self.flags } else { self.flags | 1 << 6 };
        let hashed = hash::sha256(self.rp_id.as_bytes());
        [&hashed[..], &[flags], &self.counter.to_be_bytes(), more].concat()
    }

    fn made(&self) -> Vec<u8> {
        [&[0; 16][..], &[0, 4], b"name", &self.cose()].concat()
    }

    fn attestation(&self) -> Vec<u8> {
        attestation("none", &[0xa0], &self.auth_data(&self.made()))
    }

    fn registered(&self) -> Registered {
        let (client_data, attestation) = (client_data("webauthn.create"), self.attestation());
        let sent = Registration { client_data: client_data.as_bytes(), attestation: &attestation };
        register(&sent, &EXPECTED).unwrap()
    }

    fn sign(&self, auth_data: &[u8], client_data: &str) -> Vec<u8> {
        self.pair.sign(&[auth_data, &hash::sha256(client_data.as_bytes())].concat()).unwrap()
    }

    fn known<'a>(&self, key: &'a RawKey) -> Known<'a> {
        Known { key, counter: 0, backup_eligible: false }
    }
}

fn attestation(format: &str, statement: &[u8], auth_data: &[u8]) -> Vec<u8> {
    let text = |text: &str| [&[0x60 + text.len() as u8], text.as_bytes()].concat();
    // In as few bytes as it fits in.
    let head = match u8::try_from(auth_data.len()) {
        Ok(len) => vec![0x58, len],
        Err(_) => [&[0x59][..], &(auth_data.len() as u16).to_be_bytes()].concat(),
    };
    let bytes = [&head[..], auth_data].concat();
    [&[0xa3][..], &text("fmt"), &text(format), &text("attStmt"), statement, &text("authData"), &bytes].concat()
}

fn refused(client_data: &str, attestation: &[u8]) -> WebauthnError {
    register(&Registration { client_data: client_data.as_bytes(), attestation }, &EXPECTED).unwrap_err()
}

#[test]
fn what_was_made_elsewhere_or_for_something_else_is_refused() {
    let device = Device::new();
    let (good, attested) = (client_data("webauthn.create"), device.attestation());
    for (said, wanted) in [
        (client_data("webauthn.get"), WebauthnError::Type),
        (good.replace("MDEy", "MDEz"), WebauthnError::Challenge),
        (good.replace("\"challenge\"", "\"challange\""), WebauthnError::Challenge),
        (good.replace("https://auth.shop.test", "https://auth.shop.test.evil.test"), WebauthnError::Origin),
        (good.replace("https://auth.shop.test", "http://auth.shop.test"), WebauthnError::Origin),
        (good.replace("https://auth.shop.test", "https://auth.shop.test:444"), WebauthnError::Origin),
        (good.replace("false", "true"), WebauthnError::CrossOrigin),
        (good.replace("false", "\"false\""), WebauthnError::CrossOrigin),
        (good.replace("false}", "false,\"topOrigin\":\"https://evil.test\"}"), WebauthnError::CrossOrigin),
        (good.replace("false}", "false,\"type\":\"webauthn.create\"}"), WebauthnError::Malformed("client data")),
        (format!("{good} x"), WebauthnError::Malformed("client data")),
        (String::new(), WebauthnError::Malformed("client data")),
        (
            good.replace("false}", &format!("false,\"x\":\"{}\"}}", "x".repeat(8192))),
            WebauthnError::TooLong("client data"),
        ),
    ] {
        assert_eq!(refused(&said, &attested), wanted, "{said}");
    }
    let more = good.replace("false}", "false,\"other_keys_can_be_added_here\":\"x\"}");
    register(&Registration { client_data: more.as_bytes(), attestation: &attested }, &EXPECTED).unwrap();
}

#[test]
fn what_an_authenticator_must_not_say_is_refused() {
    let said = client_data("webauthn.create");
    let of = |change: fn(&mut Device)| {
        let mut device = Device::new();
        change(&mut device);
        refused(&said, &device.attestation())
    };
    assert_eq!(of(|it| it.rp_id = "shop.test"), WebauthnError::RelyingParty);
    assert_eq!(of(|it| it.flags = 0b100), WebauthnError::NotPresent);
    assert_eq!(of(|it| it.flags = 0b001), WebauthnError::NotVerified);
    assert_eq!(of(|it| it.flags = 0b10101), WebauthnError::Flags, "backed up, and never eligible");

    let device = Device::new();
    let (made, cose) = (device.made(), device.cose());
    let with = |auth_data: &[u8]| refused(&said, &attestation("none", &[0xa0], auth_data));
    assert_eq!(with(&device.auth_data(&[])), WebauthnError::Flags, "no key");
    assert_eq!(with(&device.auth_data(&[&made[..], &[0]].concat())), WebauthnError::Malformed("authenticator data"));
    assert_eq!(with(&device.auth_data(&made[..made.len() - 1])), WebauthnError::Malformed("authenticator data"));
    assert_eq!(
        with(&device.auth_data(&[&[0; 18][..], &cose].concat())),
        WebauthnError::Malformed("authenticator data")
    );
    let long = [&[0; 16][..], &1024_u16.to_be_bytes(), &[7; 1024], &cose].concat();
    assert_eq!(with(&device.auth_data(&long)), WebauthnError::Malformed("authenticator data"));
    assert_eq!(with(&[0; 36]), WebauthnError::Malformed("authenticator data"));
    for (at, byte, why) in [
        (2, 1, "another kind of key"),
        (4, 0x27, "another algorithm"),
        (6, 2, "another curve"),
        (40, cose[40] ^ 1, "beside the curve"),
    ] {
        let mut altered = cose.clone();
        altered[at] = byte;
        let made = [&[0; 16][..], &[0, 4], b"name", &altered].concat();
        assert_eq!(with(&device.auth_data(&made)), WebauthnError::Key, "{why}");
    }
    let more = [&[0xa6], &cose[1..], &[0x04, 0x01]].concat();
    let made = [&[0; 16][..], &[0, 4], b"name", &more].concat();
    assert_eq!(with(&device.auth_data(&made)), WebauthnError::Key, "a parameter more");

    let auth_data = device.auth_data(&device.made());
    for (format, statement) in [("packed", &[0xa0][..]), ("none", &[0xa1, 0x61, 0x78, 0x01]), ("", &[0xa0])] {
        assert_eq!(refused(&said, &attestation(format, statement, &auth_data)), WebauthnError::Attestation);
    }
    let whole = attestation("none", &[0xa0], &auth_data);
    assert_eq!(refused(&said, &[&whole[..], &[0]].concat()), WebauthnError::Malformed("attestation"));
    for cut in 0..whole.len() {
        assert_eq!(refused(&said, &whole[..cut]), WebauthnError::Malformed("attestation"), "cut at {cut}");
    }
    assert_eq!(refused(&said, &vec![0; 64 << 10]), WebauthnError::TooLong("attestation"));
}

#[test]
fn a_key_that_was_registered_signs_in_and_no_other() {
    let mut device = Device::new();
    let Registered { id, key, counter, backup_eligible, .. } = device.registered();
    assert_eq!((id.as_slice(), counter, backup_eligible), (&b"name"[..], 0, false));
    let (said, known) = (client_data("webauthn.get"), device.known(&key));
    let auth_data = device.auth_data(&[]);
    let signature = device.sign(&auth_data, &said);
    let sent = Assertion { client_data: said.as_bytes(), auth_data: &auth_data, signature: &signature };
    let asserted = check(&sent, &known, &EXPECTED).unwrap();
    assert!(asserted.verified && !asserted.backed_up && asserted.counter == 0);

    let other = Device::new().key();
    assert_eq!(check(&sent, &Known { key: &other, ..known }, &EXPECTED), Err(WebauthnError::Signature));
    let created = client_data("webauthn.create");
    let wrong = Assertion { client_data: created.as_bytes(), ..sent };
    assert_eq!(check(&wrong, &known, &EXPECTED), Err(WebauthnError::Type), "a registration is no sign-in");
    let wrong = Assertion { signature: &signature[1..], ..sent };
    assert_eq!(check(&wrong, &known, &EXPECTED), Err(WebauthnError::Signature));
    let wrong = Assertion { signature: &[0; 256], ..sent };
    assert_eq!(check(&wrong, &known, &EXPECTED), Err(WebauthnError::TooLong("signature")));
    let eligible = Known { backup_eligible: true, ..known };
    assert_eq!(check(&sent, &eligible, &EXPECTED), Err(WebauthnError::Flags), "it never changes");
    let with_key = device.auth_data(&device.made());
    let signature = device.sign(&with_key, &said);
    let wrong = Assertion { auth_data: &with_key, signature: &signature, ..sent };
    assert_eq!(check(&wrong, &known, &EXPECTED), Err(WebauthnError::Flags));

    device.flags = 1;
    let present = device.auth_data(&[]);
    let signature = device.sign(&present, &said);
    let sent = Assertion { auth_data: &present, signature: &signature, ..sent };
    assert_eq!(check(&sent, &known, &EXPECTED), Err(WebauthnError::NotVerified));
    assert!(check(&sent, &known, &Expected { verified: false, ..EXPECTED }).is_ok(), "as a second factor");
}

#[test]
fn a_counter_that_does_not_grow_is_a_copy() {
    let mut device = Device::new();
    let (key, said) = (device.key(), client_data("webauthn.get"));
    for (held, shown, good) in [(0, 0, true), (0, 1, true), (1, 2, true), (5, 5, false), (5, 4, false), (5, 0, false)] {
        device.counter = shown;
        let auth_data = device.auth_data(&[]);
        let signature = device.sign(&auth_data, &said);
        let sent = Assertion { client_data: said.as_bytes(), auth_data: &auth_data, signature: &signature };
        let known = Known { counter: held, ..device.known(&key) };
        let checked = check(&sent, &known, &EXPECTED).map(|it| it.counter);
        let wanted = if good { Ok(shown) } else { Err(WebauthnError::Counter) };
        assert_eq!(checked, wanted, "{held} {shown}");
    }
}

proptest! {
    #[test]
    fn whatever_is_altered_is_refused(at in 0usize..4096, bit in 0u8..8, which in 0usize..3) {
        let device = Device::new();
        let (key, said) = (device.key(), client_data("webauthn.get"));
        let auth_data = device.auth_data(&[]);
        let signature = device.sign(&auth_data, &said);
        let mut parts = [said.clone().into_bytes(), auth_data, signature];
        let at = at % parts[which].len();
        parts[which][at] ^= 1 << bit;
        let sent = Assertion { client_data: &parts[0], auth_data: &parts[1], signature: &parts[2] };
        prop_assert!(check(&sent, &device.known(&key), &EXPECTED).is_err());
    }

    #[test]
    fn any_bytes_are_refused_without_panic(
        said in proptest::collection::vec(any::<u8>(), 0..200), attested in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let refused = register(&Registration { client_data: &said, attestation: &attested }, &EXPECTED);
        prop_assert!(refused.is_err());
        let good = client_data("webauthn.create");
        let refused = register(&Registration { client_data: good.as_bytes(), attestation: &attested }, &EXPECTED);
        prop_assert!(refused.is_err());
        let auth_data = [&hash::sha256(EXPECTED.rp_id.as_bytes())[..], &attested].concat();
        let wrapped = attestation("none", &[0xa0], &auth_data);
        let _ = register(&Registration { client_data: good.as_bytes(), attestation: &wrapped }, &EXPECTED);
    }
}
