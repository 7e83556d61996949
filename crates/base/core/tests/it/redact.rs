//! Planted secrets never come out; ordinary texts come out as they went in.

use bartizan_core::redact::{REDACTED, redact, redact_all, redact_event};
use proptest::prelude::*;
use std::borrow::Cow;
use std::time::{Duration, Instant};

#[test]
fn takes_out_credentials() {
    for (text, left) in [
        // Schemes.
        ("Authorization: Bearer abc.def-123", "Authorization: [redacted]"),
        ("got Bearer abcdefghijkl, why", "got Bearer [redacted], why"),
        ("BEARER   abc123def456", "BEARER   [redacted]"),
        ("/x/Bearer%20abc123def456", "/x/Bearer%20[redacted]"),
        ("Basic YWxhZGRpbjpvcGVuc2VzYW1l", "Basic [redacted]"),
        ("dpop eyJ0eXAiOiJkcG9w", "dpop [redacted]"),
        // Telling keys.
        ("password=hunter2", "password=[redacted]"),
        ("user=me&password=hunter2&x=1", "user=me&password=[redacted]&x=1"),
        ("/login/password=hunter2", "/login/password=[redacted]"),
        ("/login/password%3Dhunter2", "/login/password%3D[redacted]"),
        (r#"{"password": "hunter 2", "a": 1}"#, r#"{"password": "[redacted]", "a": 1}"#),
        (r#"{"password": "hun\"ter2", "a": 1}"#, r#"{"password": "[redacted]", "a": 1}"#),
        (r#"body {\"password\": \"hunter2\", \"a\": 1}"#, r#"body {\"password\": \"[redacted]\", \"a\": 1}"#),
        (r#"secret: "api_key": "hunter2", 1"#, r#"secret: "[redacted]", 1"#),
        ("PGPASSWORD='hunter2' psql", "PGPASSWORD='[redacted]' psql"),
        ("api_key: k1", "api_key: [redacted]"),
        ("X-Api-Key:k1", "X-Api-Key:[redacted]"),
        ("client_secret = k1", "client_secret = [redacted]"),
        ("aws_secret_access_key=abc/def+ghi", "aws_secret_access_key=[redacted]"),
        ("access_token=Bearer k1, next", "access_token=[redacted], next"),
        ("Cookie: a=b; c=\"d\"; e=f", "Cookie: [redacted]"),
        ("passphrase: word", "passphrase: [redacted]"),
        ("token=[abc", "token=[redacted]"),
        ("token=[redacted]abc", "token=[redacted]"),
        ("eyJhbGciOi.eyJzdWIi.token=abc", "[redacted][redacted]"),
        ("Cookie: [redacted]; a=b", "Cookie: [redacted]"),
        // Numbers of cards.
        ("paid by 4111 1111 1111 1111.", "paid by [redacted]."),
        ("token=4111111111111111", "token=[redacted]"),
        // Shapes.
        ("/callback/eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.", "/callback/[redacted]"),
        ("jwt eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2ln here", "jwt [redacted] here"),
        ("key AKIAIOSFODNN7EXAMPLE used", "key [redacted] used"),
        ("ghp_abcdefghijklmnopqrst", "[redacted]"),
        ("a -----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY----- b", "a [redacted] b"),
        ("a -----BEGIN PRIVATE KEY-----\nMIIB", "a [redacted]"),
        ("private_key: -----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY----- b", "private_key: [redacted] b"),
        ("\"key\": \"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\"", "\"key\": \"[redacted]\""),
        ("token=a-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY----- b", "token=[redacted] b"),
        ("Bearer a-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY----- b", "Bearer [redacted] b"),
        ("token=Bearer\tbearer k1 b", "token=[redacted] b"),
        ("a-----BEGIN PRIVATE KEY-----\nMIIB", "a[redacted]"),
        ("sha 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08!", "sha [redacted]!"),
        ("k=dGhpcyBpcyBhIDMyIGJ5dGUga2V5ISEhISEhISEhISE=.", "k=[redacted]."),
        ("/v/q1W2e3R4t5Y6u7I8o9P0a1S2d3F4g5H6/x", "/v/[redacted]/x"),
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "[redacted]"),
        ("postgres://bank:hunter2@127.0.0.1:5432/bank", "postgres://[redacted]@127.0.0.1:5432/bank"),
        ("https://ghp_abcdefghijklmnopqrst@git.example/x", "https://[redacted]@git.example/x"),
        ("https://sometoken:@git.example/x", "https://[redacted]@git.example/x"),
        ("postgres://bank:hunt@er2@db/bank", "postgres://[redacted]@db/bank"),
    ] {
        assert_eq!(redact(text), left, "{text}");
        assert_eq!(redact(left), left, "what is clean stays as it is");
    }
}

#[test]
fn leaves_ordinary_texts_alone() {
    for text in [
        "",
        "upstream `ledger` did not answer within 2000 ms",
        "payments may not read accounts/balance; ask core-banking",
        "/api/accounts/42/transactions/2024-05-01/receipt",
        "/api/V1/accounts/Transactions/2024/history/list/all/of/them",
        "/accounts/550e8400-e29b-41d4-a716-446655440000/balance",
        "request 4bf92f3577b34da6a3ce929d0e0e4736 was denied",
        "spiffe://bank.example/svc/accounts",
        "https://user@bank.example/x and http://[::1]:80/",
        "basic authentication is refused",
        "the bearer of this is unknown",
        "the tokenizer: fine; author: me; keyboard=us",
        "content_length_and_transfer_encoding_disagree_in_this_request",
        "this-is-a-rather-long-kebab-case-identifier-of-a-service",
        "/usr/lib/python3.12/site-packages/something/very/long/indeed/server.py",
        "certificate expired at 2024-05-01T12:00:00Z, now 2024-05-01T13:00:00Z",
        "-----BEGINNING of a story-----",
        "过去的事 ünïcödé",
        "%E4%BD%A0%E5%A5%BD%E4%B8%96%E7%95%8C",
    ] {
        assert!(matches!(redact(text), Cow::Borrowed(_)), "{text} became {}", redact(text));
    }
}

/// Texts made to send a careless scanner back again and again.
#[test]
fn time_is_linear() {
    let of = |unit: &str, bytes: usize| unit.repeat(bytes / unit.len());
    for unit in [
        "a",
        "a ",
        "-----BEGIN ",
        "://",
        "://a:b",
        "token=",
        "token ",
        "bearer ",
        "/",
        "/a",
        "eyJ.",
        "A1-",
        "\"' ",
        "AKIA-",
        "\\\"",
        "token=\"",
        "token\": \"",
        "\": \"",
        "=",
        "é",
        "a@a.",
        "%40",
        "@a.bc",
        "+49 ",
        "1-",
        "DE89 ",
        "tel:1",
        "dob=1.",
        "X1",
    ] {
        let (small, large) = (of(unit, 1 << 14), of(unit, 1 << 18));
        let time = |text: &str| {
            let once = |_| {
                let start = Instant::now();
                std::hint::black_box(redact_all(text));
                start.elapsed()
            };
            (0..3).map(once).min().unwrap()
        };
        let (small, large) = (time(&small), time(&large));
        // 16 times the text; 100 times the time leaves room for a busy machine, and a square would need 256.
        let allowed = small.max(Duration::from_millis(2)) * 100;
        assert!(large < allowed, "{unit:?}: {large:?} for 256 KiB, {small:?} for 16 KiB");
    }
}

#[test]
fn a_long_chain_of_values_does_not_eat_the_stack() {
    let text = format!("token{}", ": \"\"".repeat(500_000));
    assert!(redact(&text).len() < 100);
}

/// A secret of each kind; the marker in it must not be seen again.
fn planted() -> impl Strategy<Value = (String, String)> {
    let plain = "[a-zA-Z0-9]{8,24}";
    prop_oneof![
        (prop_oneof![Just("Bearer "), Just("bearer "), Just("Authorization: Bearer "), Just("authorization=Basic ")], plain)
            .prop_map(|(before, marker)| (format!("{before}{marker}"), marker)),
        "[A-Z][a-z][0-9][A-Za-z0-9]{9,24}".prop_map(|marker| (format!("Basic {marker}"), marker)),
        (
            "(db|x|my)?[_-]?(password|Passwd|PASSPHRASE|secret|client_secret|token|api_key|Api-Key|apikey|access-token)",
            prop_oneof![Just("="), Just(": "), Just(" = "), Just("%3D")],
            plain
        )
            .prop_map(|(key, separator, marker)| (format!("{key}{separator}{marker}"), marker)),
        "[a-zA-Z0-9 ]{8,24}".prop_map(|marker| (format!("{{\"secret\": \"{marker}\"}}"), marker)),
        "eyJ[a-zA-Z0-9_-]{10,20}\\.eyJ[a-zA-Z0-9_-]{10,20}\\.[a-zA-Z0-9_-]{10,20}".prop_map(|marker| (marker.clone(), marker)),
        "(AKIA|ASIA)[A-Z0-9]{16}".prop_map(|marker| (marker.clone(), marker)),
        "[0-9a-f]{33,80}".prop_map(|marker| (marker.clone(), marker)),
        "([a-z][A-Z][0-9]){11,30}=?".prop_map(|marker| (marker.clone(), marker)),
        "[a-zA-Z0-9/+]{8,200}".prop_map(|marker| {
            (format!("-----BEGIN EC PRIVATE KEY-----\n{marker}\n-----END EC PRIVATE KEY-----"), marker)
        }),
        plain.prop_map(|marker| (format!("amqp://bank:{marker}@mq/"), marker)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_planted_secret_never_survives((secret, marker) in planted(), before in "([a-z]{1,8}[ ,/]){0,4}", after in "([ ,][a-z]{1,8}){0,4}") {
        let text = format!("{before}{secret}{after}");
        let clean = redact(&text).into_owned();
        prop_assert!(!clean.contains(&marker), "{text} became {clean}");
        prop_assert!(clean.contains(REDACTED));
    }

    #[test]
    fn words_and_paths_stay_as_they_are(text in "([a-z]{1,12}|/[a-z]{1,8}[0-9]{0,4}|[0-9]{1,6})([ /][a-z]{1,12}){0,20}") {
        prop_assume!(!text.contains("bearer") && !text.contains("dpop"));
        prop_assert_eq!(redact(&text), text.as_str());
    }

    #[test]
    fn nothing_comes_out_that_was_not_there(text in "\\PC{0,200}") {
        let clean = redact(&text).into_owned();
        prop_assert!(clean.split(REDACTED).all(|kept| text.contains(kept)), "{text} became {clean}");
    }
}

/// Whatever kind of event a secret gets into, and whichever of its texts: it is gone before the event becomes a record.
#[test]
fn no_event_carries_a_planted_secret() {
    for secret in ["password=planted-marker", "Bearer planted-marker", "postgres://u:planted-marker@db/x"] {
        for mut event in crate::samples::all(secret) {
            let had = serde_json::to_string(&event).unwrap().contains("planted-marker");
            redact_event(&mut event);
            let text = serde_json::to_string(&event).unwrap();
            assert!(!text.contains("planted-marker"), "{text}");
            assert_eq!(text.contains(REDACTED), had);
        }
    }
}

#[test]
fn a_clean_event_is_left_as_it_is() {
    for event in crate::samples::all("text") {
        let mut same = event.clone();
        redact_event(&mut same);
        assert_eq!(same, event);
    }
}

#[test]
fn what_stands_under_the_key_of_a_secret_goes_whatever_it_looks_like() {
    let mut told = crate::samples::telemetry(bartizan_core::event::Signal::Log, "fine");
    told.attributes = [("db.password", "word"), ("http.request.header.cookie", "a=b"), ("note", "word")]
        .map(|(key, value)| (key.into(), value.into()))
        .to_vec();
    let mut event =
        crate::samples::event(bartizan_core::event::SeenBy::Intake, bartizan_core::event::What::Telemetry(told));
    redact_event(&mut event);
    let bartizan_core::event::What::Telemetry(told) = event.what else { panic!("it is what it was") };
    let values: Vec<&str> = told.attributes.iter().map(|(_, value)| &**value).collect();
    assert_eq!(values, [REDACTED, REDACTED, "word"]);
}
