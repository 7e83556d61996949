//! Events that their senders signed: by the examples of those who send them, and everything that has to be refused.

use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::jose::{JwkSet, json};
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{base64, hash};
use bartizan_tokens::Replays;
use bartizan_tokens::limits::EVENT_AGE_MAX;
use bartizan_tokens::signed::{EventError, Form, Message, Sender, Verified, sign_message};
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
    sender.verify(&message, Timestamp::from_secs(now), EVENT_AGE_MAX)
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
        assert_eq!(good.signed_at.is_some(), sender.is_timed());
        if sender.is_timed() {
            assert_eq!(
                verify(&sender, &shown, body, last + 1).unwrap_err(),
                EventError::Old { age_s: 301, max_s: 300 }
            );
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

#[test]
fn what_has_several_signatures_counts_once_whichever_is_shown() {
    let (old, new) = ("the old secret of this sender", "the new secret of this sender");
    let tag = |secret: &str| hash::hex(&hash::hmac_sha256(secret.as_bytes(), &[b"1492774577.{}"]));
    let both = secret(Form::Stripe, &format!("{old}\n{new}"));
    let mut replays = Replays::new(100, EVENT_AGE_MAX);
    let shown = |tags: &str| fields(&[("stripe-signature", &format!("t=1492774577,{tags}"))]);
    let (a, b) = (format!("v1={}", tag(old)), format!("v1={}", tag(new)));
    let at = Timestamp::from_secs(1_492_774_577);
    let mut take = |tags: &str| {
        let event = verify(&both, &shown(tags), b"{}", 1_492_774_577).unwrap();
        (event.key.clone(), event.take(&mut replays, at))
    };
    assert_eq!(take(&format!("{b},{a}")), ("2".to_owned(), Ok(())));
    for tags in [a.clone(), b.clone(), format!("{a},{b}")] {
        assert_eq!(take(&tags).1, Err(EventError::Replayed), "{tags}");
    }

    // One message with two signatures: who takes one of them away does not show another message.
    let signer = Signer(TokenKey::generate_ed25519().unwrap());
    let (sender, digest) = (signer.sender("EdDSA"), digest(BODY));
    let [one, two] = [NOW, NOW - 5].map(|at| signer.sign(&lines(&digest, ""), &format!(";created={at};keyid=\"k1\"")));
    let label = |n: usize, fields: &Fields| fields[n].1.replacen("sig=", "x=", 1);
    let mut all = one.clone();
    for n in [1, 2] {
        all[n].1 = format!("{}, {}", one[n].1, label(n, &two));
    }
    let mut replays = Replays::new(100, EVENT_AGE_MAX);
    let event = verify(&sender, &all, BODY, NOW).unwrap();
    assert_eq!(event.signed_at, Some(NOW - 5), "the older counts");
    assert_eq!(event.take(&mut replays, Timestamp::from_secs(NOW)), Ok(()));
    for shown in [&one, &two, &all] {
        let event = verify(&sender, shown, BODY, NOW).unwrap();
        assert_eq!(event.take(&mut replays, Timestamp::from_secs(NOW)), Err(EventError::Replayed), "{shown:?}");
    }
}

/// Of a signature of ECDSA anybody can make another one that is good as well: `n - s` in the place of `s`.
#[test]
fn another_signature_of_the_same_does_not_make_it_another_event() {
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let signer = Signer(TokenKey::generate().unwrap());
    let (sender, digest) = (signer.sender("ES256"), digest(BODY));
    let good = signer.sign(&lines(&digest, ""), &format!(";created={NOW};keyid=\"k1\""));
    let text = good[2].1.strip_prefix("sig=:").and_then(|text| text.strip_suffix(':')).unwrap();
    let mut signature = base64::decode(text).unwrap();
    let mut borrow = 0;
    for at in (0..32).rev() {
        let left = i32::from(N[at]) - i32::from(signature[32 + at]) - borrow;
        borrow = i32::from(left < 0);
        signature[32 + at] = u8::try_from(left.rem_euclid(256)).unwrap();
    }
    let mut other = good.clone();
    other[2].1 = format!("sig=:{}:", base64::encode(&signature));
    assert_ne!(good, other);
    let (mut replays, at) = (Replays::new(100, EVENT_AGE_MAX), Timestamp::from_secs(NOW));
    assert_eq!(verify(&sender, &good, BODY, NOW).unwrap().take(&mut replays, at), Ok(()));
    let again = verify(&sender, &other, BODY, NOW).unwrap();
    assert_eq!(again.take(&mut replays, at), Err(EventError::Replayed));
    again.give_back(&mut replays);
    assert_eq!(again.take(&mut replays, at), Ok(()), "what came to nothing may be sent again");
}

#[test]
fn what_we_sign_as_a_sender_is_taken() {
    for form in Form::ALL {
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed = form.sign(&Secret::new(text.to_owned()), ("msg_1", NOW), BODY).unwrap();
        let shown: Fields = signed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert!(verify(&secret(form, text), &shown, BODY, NOW).is_ok(), "{form:?} {shown:?}");
        assert_eq!(shown.last().map(|(name, _)| name.as_str()), Some(form.field()));
    }
    let standard = |secret: &str, id| Form::Standard.sign(&Secret::new(secret.to_owned()), (id, NOW), BODY);
    assert!(standard("no prefix", "a").is_none() && standard("whsec_MfKQ9r8GKYqr", "a b").is_none());
    for (key, alg) in [(TokenKey::generate().unwrap(), "ES256"), (TokenKey::generate_ed25519().unwrap(), "EdDSA")] {
        let signer = Signer(key);
        for target in ["/hooks?a=b", "/hooks", "/"] {
            let nothing = |_: &str| Vec::new();
            let message = Message {
                method: "PUT",
                scheme: "https",
                authority: "hooks.bank.test",
                target,
                field: &nothing,
                body: BODY,
            };
            let signed = sign_message((&signer.0, "k1"), &message, (NOW, "n-1")).unwrap();
            let shown: Fields = signed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let verified = verify_to(&signer.sender(alg), ("PUT", target), &shown, BODY, NOW);
            assert_eq!(verified.as_ref().map(|it| it.key.as_str()), Ok("k1"), "{shown:?}");
            assert!(sign_message((&signer.0, "k\""), &message, (NOW, "n")).is_err());
        }
    }
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
            (format!(";created={};keyid=\"k1\"", NOW - 301), EventError::Old { age_s: 301, max_s: 300 }),
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
