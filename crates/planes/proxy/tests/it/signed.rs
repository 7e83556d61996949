//! Signed events: whose are taken, once, and everything that is not.

use crate::client::{header, status, talk, tls};
use crate::programs;
use crate::users::Scene;
use crate::world::{Guard, name};
use bartizan_core::event::What;
use bartizan_core::fleet::{Auth, Protocol};
use bartizan_core::signed::{EventRule, EventSender, Scheme};
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::hash;
use bartizan_crypto::jws::TokenKey;
use bartizan_runtime::clock;
use bartizan_tokens::signed::{Form, Message, sign_message};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BILLING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT: &str = "whsec_C2FVsBQIhrscChlQIMV7b5sSYspob7oD";
const SHOP: &str = "whsec_c2hvcC1oYXMtYS1zZWNyZXQtdG9v";
const GITHUB: &str = "It's a Secret to Everybody";
const BODY: &str = r#"{"event":"paid"}"#;
/// Which sender may do what is for policies as well.
const POLICY: &str = r#"
@reason("for billing alone")
forbid (principal, action, resource in Service::"api")
when { context.path like "/private/own*" }
unless { context has user && context.user.issuer == "bartizan:events" && context.user.subject == "sender:billing" };
"#;

struct Edge {
    folder: TempDir,
    _scene: Scene,
    api: Guard,
    gateway: Guard,
    key: TokenKey,
}

impl Edge {
    /// A gateway whose route `/private/**` takes the events of all senders, and `/open/**` those of `shop`.
    async fn new() -> Self {
        Self::before(programs::http().await).await
    }

    async fn before(program: std::net::SocketAddr) -> Self {
        let (scene, folder, key) = (Scene::new(), tempfile::tempdir().unwrap(), TokenKey::generate_ed25519().unwrap());
        let api = scene.world.sidecar_with("api", program, Protocol::Http, POLICY).await;
        scene.tell(&api);
        let gateway = scene.gateway(&api, &[]).await;
        let mut it = Self { folder, _scene: scene, api, gateway, key };
        let jwks = serde_json::json!({ "keys": [it.key.public_jwk().to_json()] });
        std::fs::write(it.file("partner"), jwks.to_string()).unwrap();
        for (name, secret) in [("billing", BILLING), ("shop", SHOP), ("github", GITHUB)] {
            std::fs::write(it.file(name), format!("{secret}\n")).unwrap();
        }
        let senders = [
            ("billing", Scheme::Standard),
            ("shop", Scheme::Standard),
            ("github", Scheme::Github),
            ("partner", Scheme::HttpSignatures),
        ];
        let senders = senders.map(|(sender, scheme)| {
            let file = it.file(sender).to_str().unwrap().to_owned();
            (name(sender), EventSender { scheme, file, tolerance_s: 300 })
        });
        it.gateway.redirect(|directory| {
            let gateway = directory.own.gateway.as_mut().unwrap();
            gateway.senders = senders.into();
            let all = gateway.senders.keys().cloned().collect();
            let rule = |from| Some(EventRule { from, bytes_max: 1000 });
            gateway.routes[0].events = rule(all);
            gateway.routes[1].events = rule(vec![name("shop")]);
            gateway.routes.iter_mut().for_each(|route| route.auth = Auth::Event);
        });
        it
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn send(&self, path: &str, fields: &[(&'static str, String)], body: &str) -> String {
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: api.test\r\ncontent-length: {length}\r\n{fields}connection: close\r\n\r\n"
        );
        talk(tls(self.gateway.edge(), None, &["http/1.1"]).await.unwrap(), head + body).await
    }

    async fn why(&self, part: &str) {
        let found = self.gateway.event(|e| match &e.what {
            What::Request(r) => {
                let decision = r.decision.as_ref()?;
                let by = decision.policies.iter().any(|policy| &**policy == "fleet:events");
                decision.reason.clone().filter(|reason| by && reason.contains(part))
            }
            _ => None,
        });
        found.await;
    }

    fn message(&self, path: &str, at_s: u64) -> Vec<(&'static str, String)> {
        let field = |_: &str| Vec::new();
        let message = Message {
            method: "POST",
            scheme: "https",
            authority: "api.test",
            target: path,
            field: &field,
            body: BODY.as_bytes(),
        };
        let kid = self.key.public_jwk().kid().unwrap().to_owned();
        sign_message((&self.key, &kid), &message, (at_s, "n1")).unwrap()
    }
}

/// A moment after the gateway began, whatever the second is.
fn soon() -> u64 {
    clock::now().as_secs() + 1
}

fn standard(secret: &str, id: &str, at_s: u64) -> Vec<(&'static str, String)> {
    Form::Standard.sign(&Secret::new(secret.to_owned()), (id, at_s), BODY.as_bytes()).unwrap()
}

fn without(fields: &[(&'static str, String)], name: &str) -> Vec<(&'static str, String)> {
    fields.iter().filter(|(of, _)| *of != name).cloned().collect()
}

#[tokio::test]
async fn what_nobody_signed_is_told_one_word_and_the_operator_which_check_it_was() {
    let edge = Edge::new().await;
    let now = soon();
    let good = standard(BILLING, "m1", now);
    let twice = [good.clone(), vec![good[2].clone()]].concat();
    let mut moved = good.clone();
    moved[1].1 = (now - 1).to_string();
    let github = vec![("x-hub-signature-256", format!("sha256={}", "00".repeat(32)))];
    let message = edge.message("/private/a", now);
    for (path, fields, body, part) in [
        ("/private/a", vec![], BODY, "it is not signed: there is no"),
        ("/private/a", vec![("signature", message[2].1.clone())], BODY, "or `signature-input`"),
        ("/private/a", without(&good, "webhook-id"), BODY, "there is no field `webhook-id`"),
        ("/private/a", twice, BODY, "field `webhook-signature` is there twice"),
        (
            "/private/a",
            good.clone(),
            r#"{"event":"paid" }"#,
            "sender `billing`: no signature is the sender's; sender `shop`",
        ),
        ("/private/a", moved, BODY, "no signature is the sender's"),
        ("/private/a", standard(NEXT, "m1", now), BODY, "no signature is the sender's"),
        ("/private/a", standard(BILLING, "m1", now - 400), BODY, "s ago, and counts for 300 s"),
        ("/private/a", standard(BILLING, "m1", now + 100), BODY, "it will be signed in"),
        ("/private/a", github, BODY, "sender `github`: no signature is the sender's"),
        ("/open/a", good.clone(), BODY, "sender `shop`: no signature is the sender's"),
        ("/open/a", message.clone(), BODY, "it is not signed: there is no `webhook-signature`"),
        ("/private/b", message.clone(), BODY, "sender `partner`: no signature is the sender's"),
        ("/private/a", message.clone(), "{}", "another digest"),
        ("/private/a", without(&message, "content-digest"), BODY, "the signature covers `content-digest`"),
    ] {
        let response = edge.send(path, &fields, body).await;
        assert_eq!(
            (status(&response), header(&response, "www-authenticate")),
            (401, Some("Signature")),
            "{part}: {response}"
        );
        assert!(response.contains("event_refused") && response.contains("request_id"), "{response}");
        for told in ["sender", "billing", "secret", "second", "digest"] {
            assert!(!response.contains(told), "{told}: {response}");
        }
        edge.why(part).await;
    }
    for (fields, body) in [(good.clone(), "x".repeat(1001)), (vec![], "x".repeat(1001))] {
        let response = edge.send("/private/a", &fields, &body).await;
        assert!(status(&response) == 413 && response.contains("body_too_large"), "{response}");
    }
    let chunked = format!(
        "POST /private/a HTTP/1.1\r\nhost: api.test\r\ntransfer-encoding: chunked\r\nwebhook-signature: v1,\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n",
        "x".repeat(1001)
    );
    let response = talk(tls(edge.gateway.edge(), None, &["http/1.1"]).await.unwrap(), chunked).await;
    assert_eq!(status(&response), 413, "{response}");
    assert_eq!(status(&edge.send("/private/a", &good, BODY).await), 200, "nothing of it used it up");
}

#[tokio::test]
async fn an_event_counts_once_as_its_sender_at_every_hop() {
    let edge = Edge::new().await;
    let now = soon();
    let github = vec![(
        "x-hub-signature-256",
        format!("sha256={}", hash::hex(&hash::hmac_sha256(GITHUB.as_bytes(), &[BODY.as_bytes()]))),
    )];
    for (sender, path, fields) in [
        ("billing", "/private/a?b=c", standard(BILLING, "m1", now)),
        ("shop", "/open/a", standard(SHOP, "m1", now)),
        ("github", "/private/a", github),
        ("partner", "/private/a?b=c", edge.message("/private/a?b=c", now)),
    ] {
        let response = edge.send(path, &fields, BODY).await;
        assert!(status(&response) == 200 && response.contains(BODY), "{sender}: {response}");
        let who = format!("sender:{sender} of bartizan:events");
        for guard in [&edge.gateway, &edge.api] {
            let seen = guard.event(|e| match &e.what {
                What::Request(r) if r.status == 200 => r.user.clone().filter(|user| **user == *who),
                _ => None,
            });
            seen.await;
        }
        // Connections go to both threads of the gateway.
        for _ in 0..6 {
            let response = edge.send(path, &fields, BODY).await;
            assert!(status(&response) == 401 && response.contains("event_refused"), "{sender}: {response}");
        }
        edge.why(&format!("sender `{sender}`, key `")).await;
    }
    edge.why("it was sent before").await;
    edge.why("signed with key `1`, no time").await;
    assert_eq!(
        status(&edge.send("/private/a", &standard(BILLING, "m1", now + 1), BODY).await),
        401,
        "the same, signed anew"
    );
    assert_eq!(status(&edge.send("/private/a", &standard(BILLING, "m2", now), BODY).await), 200);
    let shop = standard(SHOP, "m1", now);
    assert_eq!(status(&edge.send("/private/a", &shop, BODY).await), 401, "nor by another route");
}

#[tokio::test]
async fn policies_name_senders_and_whom_they_refuse_may_come_again() {
    let edge = Edge::new().await;
    let now = soon();
    let shop = standard(SHOP, "m1", now);
    for _ in 0..2 {
        let response = edge.send("/private/own", &shop, BODY).await;
        assert!(status(&response) == 403 && response.contains("for billing alone"), "{response}");
    }
    assert_eq!(status(&edge.send("/private/own", &standard(BILLING, "m1", now), BODY).await), 200);
    assert_eq!(status(&edge.send("/private/a", &shop, BODY).await), 200, "it came to nothing before");
    assert_eq!(status(&edge.send("/private/a", &shop, BODY).await), 401);
}

#[tokio::test]
async fn what_a_service_failed_to_do_may_be_sent_again_and_what_it_did_may_not() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let program = programs::custom(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            let mut read = Vec::new();
            while !String::from_utf8_lossy(&read).contains("paid") {
                assert!(stream.read_buf(&mut read).await.unwrap() > 0);
            }
            let status = if count.fetch_add(1, Relaxed) == 0 { "500 No" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let edge = Edge::before(program.await).await;
    let event = standard(BILLING, "m1", soon());
    for wanted in [500, 200, 401, 401] {
        let response = edge.send("/private/a", &event, BODY).await;
        assert_eq!(status(&response), wanted, "{response}");
    }
    assert_eq!(asked.load(Relaxed), 2);
}

#[tokio::test]
async fn secrets_are_replaced_by_replacing_their_file() {
    let mut edge = Edge::new().await;
    let ask = async |edge: &Edge, secret: &str, id: &str| {
        status(&edge.send("/private/a", &standard(secret, id, soon()), BODY).await)
    };
    assert_eq!((ask(&edge, BILLING, "1").await, ask(&edge, NEXT, "2").await), (200, 401));
    std::fs::write(edge.file("billing"), format!("{BILLING}\n{NEXT}\n")).unwrap();
    assert_eq!((ask(&edge, BILLING, "3").await, ask(&edge, NEXT, "4").await), (200, 200), "both, for a while");
    assert_eq!(ask(&edge, NEXT, "1").await, 401, "sent before, whichever key signs it");
    edge.why("signed with key `2`").await;
    std::fs::write(edge.file("new"), NEXT).unwrap();
    std::fs::rename(edge.file("new"), edge.file("billing")).unwrap();
    assert_eq!((ask(&edge, BILLING, "5").await, ask(&edge, NEXT, "6").await), (401, 200));
    std::fs::remove_file(edge.file("billing")).unwrap();
    let response = edge.send("/private/a", &standard(NEXT, "7", soon()), BODY).await;
    assert_eq!((status(&response), header(&response, "retry-after")), (503, Some("5")), "{response}");
    edge.why("cannot be used").await;
    std::fs::write(edge.file("billing"), "short").unwrap();
    assert_eq!(ask(&edge, NEXT, "8").await, 503);
    std::fs::write(edge.file("billing"), NEXT).unwrap();
    assert_eq!(ask(&edge, NEXT, "9").await, 200);

    // A sender that is taken out of the route, and one of another scheme, by a reload.
    edge.gateway.redirect(|directory| {
        let gateway = directory.own.gateway.as_mut().unwrap();
        gateway.routes[0].events.as_mut().unwrap().from = vec![name("partner")];
    });
    assert_eq!(ask(&edge, NEXT, "10").await, 401);
    let gateway = &mut edge.gateway;
    gateway.redirect(|directory| directory.own.gateway.as_mut().unwrap().senders.clear());
    assert_eq!(ask(&edge, NEXT, "11").await, 503, "a route without its senders takes nothing");
}

#[tokio::test]
async fn what_was_signed_before_the_memory_began_is_not_taken_but_may_be_signed_anew() {
    let mut edge = Edge::new().await;
    let now = soon();
    let before = standard(BILLING, "m1", now - 10);
    let response = edge.send("/private/a", &before, BODY).await;
    assert_eq!((status(&response), header(&response, "retry-after")), (503, Some("5")), "{response}");
    edge.why("before this gateway began to remember").await;
    let event = standard(BILLING, "m1", now);
    assert_eq!(status(&edge.send("/private/a", &event, BODY).await), 200);

    // Another directory, and another secret, forget nothing.
    edge.gateway.redirect(|directory| directory.own.gateway.as_mut().unwrap().adaptive = true);
    assert_eq!(status(&edge.send("/private/a", &event, BODY).await), 401);
    // A longer tolerance: what was too old a moment ago is not remembered, and so is not taken.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert!(clock::now() >= Timestamp::from_secs(now));
    edge.gateway.redirect(|directory| {
        let senders = &mut directory.own.gateway.as_mut().unwrap().senders;
        senders.get_mut(&name("billing")).unwrap().tolerance_s = 600;
    });
    assert_eq!(status(&edge.send("/private/a", &event, BODY).await), 503, "it may have come before");
    assert_eq!(status(&edge.send("/private/a", &standard(BILLING, "m2", soon()), BODY).await), 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_in_time_and_one_that_stops_is_refused() {
    let edge = Edge::new().await;
    let fields: String =
        standard(BILLING, "m1", soon()).iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("POST /private/a HTTP/1.1\r\nhost: api.test\r\ncontent-length: 16\r\n{fields}\r\n{{\"event\"");
    let mut stream = tls(edge.gateway.edge(), None, &["http/1.1"]).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let response = crate::client::hear(&mut stream).await;
    assert_eq!(status(&response), 408, "{response}");
    assert_eq!(status(&edge.send("/private/a", &standard(BILLING, "m1", soon()), BODY).await), 200, "not used up");
}
