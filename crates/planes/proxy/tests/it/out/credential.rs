//! A credential that the program never holds: the guard adds it, over TLS that the guard speaks, to one host alone.

use super::{Origin, Out, roots, rules};
use crate::client::status;
use crate::world::World;
use bartizan_core::egress::Refusal;

#[tokio::test]
async fn the_guard_speaks_tls_and_adds_what_the_program_never_holds() {
    let world = World::new();
    let third_party = Origin::tls(&world, &["api.partner.test"]).await;
    let dir = tempfile::tempdir().unwrap();
    let (token, pem) = (dir.path().join("token"), dir.path().join("roots.pem"));
    std::fs::write(&pem, roots(&world)).unwrap();
    let egress = format!(
        "[{{ host: api.partner.test, https_originate: true, ports: [{{0}}], addresses: [127.0.0.1], paths: [/v1/**], roots: {}, header: {{ name: Authorization, file: {}, prefix: \"Bearer \" }} }}]",
        pem.display(),
        token.display()
    );
    let out = Out::start(&world, rules(&egress, &[&third_party])).await;
    let get = |path: &str| {
        format!(
            "GET http://api.partner.test{path} HTTP/1.1\r\nhost: api.partner.test\r\nauthorization: guessed\r\nconnection: close\r\n\r\n"
        )
    };

    // Refusals first: without a credential nothing goes, nor to another path.
    let answer = out.ask(get("/v1/x")).await;
    assert!(status(&answer) == 502 && answer.contains("credential"), "{answer}");
    std::fs::write(&token, "of-monday\n").unwrap();
    assert_eq!(status(&out.ask(get("/v2/x")).await), 403);
    assert_eq!(third_party.bytes(), 0, "nothing was said outside");

    let answer = out.ask(get("/v1/x")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    std::fs::write(&token, "of-tuesday\n").unwrap();
    assert!(out.ask(get("/v1/x")).await.ends_with("hello"));
    let heard = third_party.heard().join("\n");
    let authority = format!("host: api.partner.test:{}", third_party.addr.port());
    for part in [
        "authorization: Bearer of-monday\r\n",
        "authorization: Bearer of-tuesday\r\n",
        &authority,
        "GET /v1/x HTTP/1.1",
    ] {
        assert!(heard.contains(part), "no {part:?} in {heard}");
    }
    assert!(!heard.contains("guessed"), "what the program says under that name does not count: {heard}");
    assert!(!answer.contains("of-monday"), "and it is not told");

    // A tunnel would go round it.
    let refused = out.tunnel(&format!("api.partner.test:{}", third_party.addr.port())).await.unwrap_err();
    assert!(refused.contains("protocol"), "{refused}");
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_gets_nothing() {
    let (world, other) = (World::new(), World::new());
    let dir = tempfile::tempdir().unwrap();
    let (token, pem) = (dir.path().join("token"), dir.path().join("roots.pem"));
    std::fs::write(&pem, roots(&world)).unwrap();
    std::fs::write(&token, "secret").unwrap();
    for (why, third_party) in [
        ("another name", Origin::tls(&world, &["other.partner.test"]).await),
        ("another root", Origin::tls(&other, &["api.partner.test"]).await),
        ("no TLS", Origin::plain().await),
    ] {
        let egress = format!(
            "[{{ host: api.partner.test, https_originate: true, ports: [{{0}}], addresses: [127.0.0.1], roots: {}, header: {{ name: x-key, file: {} }} }}]",
            pem.display(),
            token.display()
        );
        let out = Out::start(&world, rules(&egress, &[&third_party])).await;
        let answer = out
            .ask("GET http://api.partner.test/ HTTP/1.1\r\nhost: api.partner.test\r\nconnection: close\r\n\r\n")
            .await;
        assert_eq!(status(&answer), 502, "{why}: {answer}");
        assert!(!third_party.heard().join("").contains("secret"), "{why}");
    }
    // Roots that are none.
    std::fs::write(&pem, "nothing").unwrap();
    let third_party = Origin::tls(&world, &["api.partner.test"]).await;
    let egress = format!(
        "[{{ host: api.partner.test, https_originate: true, ports: [{{0}}], addresses: [127.0.0.1], roots: {} }}]",
        pem.display()
    );
    let out = Out::start(&world, rules(&egress, &[&third_party])).await;
    let answer =
        out.ask("GET http://api.partner.test/ HTTP/1.1\r\nhost: api.partner.test\r\nconnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 502, "{answer}");
    out.refused(Refusal::Credential).await;
}
