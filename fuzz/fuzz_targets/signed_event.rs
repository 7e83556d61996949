//! Fields of signed events: whatever stands in them, nothing counts that was not signed, and nothing panics.
#![no_main]

use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::jose::JwkSet;
use bartizan_tokens::signed::{Form, Message, Sender};
use bartizan_tokens::limits::EVENT_AGE_MAX;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SENDERS: LazyLock<Vec<Sender>> = LazyLock::new(|| {
    let secret = |form: Form| Sender::with_secrets(form, &Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()));
    let jwks = br#"{"keys":[{"kid":"k1","alg":"EdDSA","kty":"OKP","crv":"Ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}]}"#;
    let keys = Sender::with_keys(&JwkSet::parse(jwks).expect("a key set")).expect("a sender");
    Form::ALL.into_iter().map(|form| secret(form).expect("a secret")).chain([keys]).collect()
});

fuzz_target!(|input: (u8, Vec<Vec<u8>>, &[u8])| {
    let (which, values, body) = input;
    let sender = &SENDERS[usize::from(which) % SENDERS.len()];
    // Each name that is asked for gets the next value.
    let next = std::cell::Cell::new(0);
    let field = |_: &str| {
        let at = next.replace(next.get() + 1);
        values.get(at).map(|value| vec![value.as_slice()]).unwrap_or_default()
    };
    let message =
        Message { method: "POST", scheme: "https", authority: "a.test", target: "/h?q", field: &field, body };
    assert!(sender.verify(&message, Timestamp::from_secs(1_614_265_330), EVENT_AGE_MAX).is_err(), "a signature by chance");
});
