//! Events that their senders signed: by the examples of those who send them, and everything that has to be refused.

use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::jose::{JwkSet, json};
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{base64, hash};
use bartizan_tokens::Replays;
use bartizan_tokens::limits::EVENT_AGE_MAX;
use bartizan_tokens::signed::{EventError, Form, Message, Sender, Verified};
use proptest::prelude::*;

type Fields = Vec<(String, String)>;

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn verify(sender: &Sender, fields: &Fields, body: &[u8], now: u64) -> Result<Verified, EventError> {
    verify_to(sender, ("POST", "/hooks?a=b"), fields, body, now)
}

fn verify_to(
    sender: &Sender,
    (method, target): (&str, &str),
    fields: &Fields,
    body: &[u8],
    now: u64,
) -> Result<Verified, EventError> {
    let field = |name: &str| {
        let of = fields.iter().filter(|(of, _)| of == name);
        of.map(|(_, value)| value.as_bytes()).collect()
    };
    let message = Message { method, scheme: "https", authority: "Hooks.Bank.test:443", target, field: &field, body };
    sender.verify(&message, Timestamp::from_secs(now))
}

fn secret(form: Form, text: &str) -> Sender {
    Sender::with_secrets(form, &Secret::new(text.to_owned())).unwrap()
}

/// Form, secret, fields, body and moment, as those who send such events show them in their documentation.
fn examples() -> Vec<(Sender, Fields, &'static [u8], u64)> {
    let slack = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let stripe = hash::hex(&hash::hmac_sha256(b"whsec_0123456789abcdef", &[b"1492774577.{}"]));
    vec![
        (
            secret(Form::Github, "It's a Secret to Everybody"),
            fields(&[(
                "x-hub-signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            )]),
            b"Hello, World!",
            1_600_000_000,
        ),
        (
            secret(Form::Slack, "8f742231b10e8888abcd99yyyzzz85a5"),
            fields(&[
                ("x-slack-request-timestamp", "1531420618"),
                ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
            ]),
            slack.as_bytes(),
            1_531_420_618,
        ),
        (
            secret(Form::Standard, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            fields(&[
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                ("webhook-signature", "v1,bm9ldHU= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ]),
            br#"{"test": 2432232314}"#,
            1_614_265_330,
        ),
        (
            // Of Stripe there is no example with its secret: by the rule.
            secret(Form::Stripe, "whsec_0123456789abcdef"),
            fields(&[("stripe-signature", &format!("t=1492774577,v1={},v1={stripe},v0=00", "00".repeat(32)))]),
            b"{}",
            1_492_774_577,
        ),
    ]
}

#[test]
fn what_senders_show_is_taken_once_and_nothing_that_was_changed() {
    for (sender, shown, body, at) in examples() {
        let mut replays = Replays::new(100, EVENT_AGE_MAX);
        let now = Timestamp::from_secs(at);
        let good = verify(&sender, &shown, body, at).unwrap();
        assert_eq!(good.take(&mut replays, now), Ok(()));
        assert_eq!(verify(&sender, &shown, body, at).unwrap().take(&mut replays, now), Err(EventError::Replayed));
        assert_eq!(verify(&sender, &shown, &[body, b" "].concat(), at).unwrap_err(), EventError::Signature);
        assert_eq!(verify(&sender, &shown, b"", at).unwrap_err(), EventError::Signature);
        for n in 0..shown.len() {
            let mut without = shown.clone();
            without.remove(n);
            assert!(matches!(verify(&sender, &without, body, at), Err(EventError::Unsigned(_))), "{:?}", shown[n]);
            let twice = [shown.clone(), vec![shown[n].clone()]].concat();
            assert!(matches!(verify(&sender, &twice, body, at), Err(EventError::Twice(_))), "{:?}", shown[n]);
        }
        let last = at + EVENT_AGE_MAX.as_secs();
        assert!(verify(&sender, &shown, body, last).is_ok() && verify(&sender, &shown, body, at - 60).is_ok());
        if good.timed {
            assert_eq!(verify(&sender, &shown, body, last + 1).unwrap_err(), EventError::Old(301));
            assert_eq!(verify(&sender, &shown, body, at - 61).unwrap_err(), EventError::Ahead(61));
        }
    }
}

#[test]
fn a_moment_has_one_way_to_be_written() {
    let sender = secret(Form::Stripe, "0123456789abcdef");
    for at in ["+1492774577", "01492774577", "", "1492774577.0", "99999999999999999999", "1492774577 "] {
        let tag = hash::hex(&hash::hmac_sha256(b"0123456789abcdef", &[at.as_bytes(), b".{}"]));
        let shown = fields(&[("stripe-signature", &format!("t={at},v1={tag}"))]);
        assert_eq!(
            verify(&sender, &shown, b"{}", 1_492_774_577).unwrap_err(),
            EventError::Unreadable("stripe-signature"),
            "{at}"
        );
    }
    let two = fields(&[("stripe-signature", "t=1492774577,t=1492774578,v1=00")]);
    assert_eq!(verify(&sender, &two, b"{}", 1_492_774_577).unwrap_err(), EventError::Unreadable("stripe-signature"));
}

#[test]
fn secrets_that_are_short_or_none_are_no_secrets() {
    for (form, text) in [
        (Form::Github, ""),
        (Form::Github, "short"),
        (Form::Github, "long enough to be one\nshort"),
        (Form::Standard, "long enough, without its prefix"),
        (Form::Standard, "whsec_!!!!"),
        (Form::Standard, "whsec_c2hvcnQ="),
    ] {
        let made = Sender::with_secrets(form, &Secret::new(text.to_owned()));
        assert_eq!(made.unwrap_err(), EventError::Secret, "{form:?} {text}");
    }
    // While one takes the place of another, both count.
    let (_, shown, body, at) = examples().remove(0);
    let both = secret(Form::Github, "the next one of this sender\nIt's a Secret to Everybody\n");
    assert!(verify(&both, &shown, body, at).is_ok());
}

/// A sender with a key of its own, and messages that it signs.
struct Signer(TokenKey);

const NOW: u64 = 1_790_000_000;
const BODY: &[u8] = br#"{"event":"paid"}"#;

impl Signer {
    fn sender(&self, alg: &str) -> Sender {
        let mut jwk = self.0.public_jwk().to_json();
        jwk.insert("kid".to_owned(), "k1".into());
        jwk.insert("alg".to_owned(), alg.into());
        let set = serde_json::json!({ "keys": [jwk] }).to_string();
        Sender::with_keys(&JwkSet::parse(set.as_bytes()).unwrap()).unwrap()
    }

    /// Signs `lines`, which are the components with their values.
    fn sign(&self, lines: &[(&str, &str)], params: &str) -> Fields {
        let names: Vec<_> = lines.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let input = format!("({}){params}", names.join(" "));
        let mut base: String = lines.iter().map(|(name, value)| format!("\"{name}\": {value}\n")).collect();
        base.push_str(&format!("\"@signature-params\": {input}"));
        let signature = base64::encode(&self.0.sign(base.as_bytes()).unwrap());
        fields(&[
            ("content-digest", &digest(BODY)),
            ("signature-input", &format!("sig={input}")),
            ("signature", &format!("sig=:{signature}:")),
        ])
    }
}

fn digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", base64::encode(&hash::sha256(body)))
}

fn lines<'a>(digest: &'a str, without: &str) -> Vec<(&'a str, &'a str)> {
    let all = [
        ("@method", "POST"),
        ("@authority", "hooks.bank.test"),
        ("@path", "/hooks"),
        ("@query", "?a=b"),
        ("content-digest", digest),
    ];
    all.into_iter().filter(|(name, _)| *name != without).collect()
}

#[test]
fn a_message_counts_whole_lately_and_once() {
    for (signer, alg) in
        [(Signer(TokenKey::generate().unwrap()), "ES256"), (Signer(TokenKey::generate_ed25519().unwrap()), "EdDSA")]
    {
        let sender = signer.sender(alg);
        let digest = digest(BODY);
        let params = format!(";created={NOW};keyid=\"k1\"");
        let good = signer.sign(&lines(&digest, ""), &params);
        let mut replays = Replays::new(100, EVENT_AGE_MAX);
        let at = Timestamp::from_secs(NOW);
        assert_eq!(verify(&sender, &good, BODY, NOW).unwrap().take(&mut replays, at), Ok(()));
        assert_eq!(verify(&sender, &good, BODY, NOW).unwrap().take(&mut replays, at), Err(EventError::Replayed));

        assert_eq!(verify(&sender, &good, b"{}", NOW).unwrap_err(), EventError::Digest);
        for to in [("PUT", "/hooks?a=b"), ("POST", "/other?a=b"), ("POST", "/hooks?a=c"), ("POST", "/hooks")] {
            assert_eq!(verify_to(&sender, to, &good, BODY, NOW).unwrap_err(), EventError::Signature, "{to:?}");
        }
        for part in ["@method", "@path", "@query", "content-digest"] {
            let shown = signer.sign(&lines(&digest, part), &params);
            assert_eq!(verify(&sender, &shown, BODY, NOW).unwrap_err(), EventError::Uncovered(part));
        }
        let shown = signer.sign(&lines(&digest, "@authority"), &params);
        assert_eq!(verify(&sender, &shown, BODY, NOW).unwrap_err(), EventError::Uncovered("@target-uri"));
        for (params, refusal) in [
            (format!(";created={NOW}"), EventError::Uncovered("keyid")),
            (";keyid=\"k1\"".to_owned(), EventError::Uncovered("created")),
            (format!(";created={NOW};keyid=\"k2\""), EventError::UnknownKey("k2".to_owned())),
            (format!(";created={};keyid=\"k1\"", NOW - 301), EventError::Old(301)),
            (format!(";created={};keyid=\"k1\"", NOW + 61), EventError::Ahead(61)),
            (format!(";created={NOW};expires={NOW};keyid=\"k1\""), EventError::Over(0)),
            (
                format!(";created={NOW};keyid=\"k1\";alg=\"hmac-sha256\""),
                EventError::Algorithm("hmac-sha256".to_owned()),
            ),
            (";created=-1;keyid=\"k1\"".to_owned(), EventError::Unreadable("signature-input")),
            (";created=1.5;keyid=\"k1\"".to_owned(), EventError::Unreadable("signature-input")),
        ] {
            let shown = signer.sign(&lines(&digest, ""), &params);
            assert_eq!(verify(&sender, &shown, BODY, NOW).unwrap_err(), refusal, "{params}");
        }
        let forged = Signer(TokenKey::generate().unwrap()).sign(&lines(&digest, ""), &params);
        assert_eq!(verify(&sender, &forged, BODY, NOW).unwrap_err(), EventError::Signature);
        for (name, value) in [("@status", "200"), ("@query-param", "b"), ("x-missing", "y"), ("@method", "POST")] {
            let more = [lines(&digest, ""), vec![(name, value)]].concat();
            let shown = signer.sign(&more, &params);
            assert_eq!(verify(&sender, &shown, BODY, NOW).unwrap_err(), EventError::Component(name.to_owned()));
        }
    }
}

#[test]
fn keys_that_do_not_say_what_they_are_for_are_not_taken() {
    let jwk = TokenKey::generate().unwrap().public_jwk().to_json();
    let with = |change: fn(&mut json::Object)| {
        let mut jwk = jwk.clone();
        change(&mut jwk);
        let set = serde_json::json!({ "keys": [jwk] }).to_string();
        JwkSet::parse(set.as_bytes()).ok().map(|set| Sender::with_keys(&set).is_ok())
    };
    assert_eq!(with(|_| {}), Some(true), "a key of this curve has one algorithm, and its thumbprint as name");
    assert_eq!(with(|jwk| _ = jwk.remove("kid")), Some(false));
    let none = JwkSet { keys: Vec::new(), passed_over: Vec::new() };
    assert!(matches!(Sender::with_keys(&none), Err(EventError::Keys(_))));
}

proptest! {
    #[test]
    fn no_text_is_a_signature_by_chance(text in "[ -~]{0,200}", name in prop::sample::select(vec![
        "signature", "signature-input", "content-digest", "x-hub-signature-256", "stripe-signature", "webhook-signature", "x-slack-signature",
    ])) {
        let signer = Signer(TokenKey::generate_ed25519().unwrap());
        let digest = digest(BODY);
        let mut shown = signer.sign(&lines(&digest, ""), &format!(";created={NOW};keyid=\"k1\""));
        shown.retain(|(field, _)| field != name);
        shown.push((name.to_owned(), text));
        for sender in examples().into_iter().map(|(sender, ..)| sender).chain([signer.sender("EdDSA")]) {
            let is_other = !["signature", "signature-input", "content-digest"].contains(&name);
            let good = verify(&sender, &shown, BODY, NOW).is_ok();
            prop_assert!(!good || (is_other && matches!(sender, Sender::Keys(_))));
        }
    }
}
