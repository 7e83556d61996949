//! A token of the service's own identity: the guard shows it, over TLS that it speaks, to the destination it was made for, or nothing goes.

use super::{Origin, Out, roots, rules};
use crate::client::status;
use crate::world::World;
use bartizan_core::Timestamp;
use bartizan_core::egress::Refusal;
use bartizan_runtime::clock;
use bartizan_runtime::control_v1::OutsideToken;
use std::time::Duration;

const AUDIENCE: &str = "https://api.partner.test";

fn answer(token: &str, until: Timestamp) -> OutsideToken {
    OutsideToken { audience: AUDIENCE.into(), token: token.into(), until_ms: until.as_millis(), refused: String::new() }
}

/// What the guard asks control for at `now`.
fn asked(out: &Out, now: Timestamp) -> Vec<String> {
    let live = out.guard.proxy.live();
    let due = out.guard.proxy.tokens.due(live.directory.as_deref(), now);
    due.into_iter().map(|it| it.audience).collect()
}

#[tokio::test]
async fn without_a_token_that_counts_nothing_goes_and_with_one_nothing_else_is_shown() {
    let world = World::new();
    let third_party = Origin::tls(&world, &["api.partner.test"]).await;
    let dir = tempfile::tempdir().unwrap();
    let pem = dir.path().join("roots.pem");
    std::fs::write(&pem, roots(&world)).unwrap();
    let egress = |token: &str| {
        format!(
            "[{{ host: api.partner.test, https_originate: true, ports: [{{0}}], addresses: [127.0.0.1], roots: {}{token} }}]",
            pem.display()
        )
    };
    let with = rules(&egress(&format!(", token: \"{AUDIENCE}\"")), &[&third_party]);
    let mut out = Out::start(&world, with.clone()).await;
    let get = "GET http://api.partner.test/x HTTP/1.1\r\nhost: api.partner.test\r\nauthorization: Bearer guessed\r\n\
               Authorization: Basic guessed\r\nconnection: close\r\n\r\n";
    let tokens = || &out.guard.proxy.tokens;
    let now = clock::now();

    // Refusals first: never asked for, refused by control, for another audience, empty, too long, over, or nearly so.
    let refused = async |why: &str| {
        let answer = out.ask(get).await;
        assert!(status(&answer) == 503 && answer.contains("no_token"), "{why}: {answer}");
        out.refused(Refusal::NoToken).await;
    };
    refused("nobody asked control yet").await;
    tokens().given(answer("unasked", now.plus(Duration::from_secs(300))), now);
    refused("a token that was not asked for").await;
    assert_eq!(asked(&out, now), [AUDIENCE]);
    assert_eq!(asked(&out, now), [""; 0], "once, not at every look");
    let good = now.plus(Duration::from_secs(300));
    for (why, given) in [
        ("control says no", OutsideToken { refused: "no".into(), ..answer("refused", good) }),
        ("another audience", OutsideToken { audience: "https://other.test".into(), ..answer("other", good) }),
        ("no token", answer("", good)),
        ("no value of a header", answer("a\nb", good)),
        ("too long", answer(&"a".repeat(8 << 10 | 1), good)),
        ("over", answer("over", now.minus(Duration::from_secs(1)))),
        ("over when it arrives", answer("nearly", clock::now().plus(Duration::from_secs(3)))),
    ] {
        tokens().given(given, now);
        refused(why).await;
    }
    assert_eq!(third_party.bytes(), 0, "nothing was said outside");
    assert_eq!(asked(&out, now.plus(Duration::from_secs(6))), [AUDIENCE], "asked anew after a while");

    tokens().given(answer("first.one.x", good), now);
    let answered = out.ask(get).await;
    assert!(answered.starts_with("HTTP/1.1 200") && answered.ends_with("hello"), "{answered}");
    assert!(!answered.contains("first.one"), "the program is not told: {answered}");
    // The next one comes after half of its life, and counts from then on.
    assert_eq!(asked(&out, now.plus(Duration::from_secs(149))), [""; 0]);
    assert_eq!(asked(&out, now.plus(Duration::from_secs(151))), [AUDIENCE]);
    tokens().attached_again(now);
    assert_eq!(asked(&out, now), [""; 0], "one that counts outlives the stream that it came by");
    tokens().given(answer("second.one.x", now.plus(Duration::from_secs(450))), now);
    assert_eq!(status(&out.ask(get).await), 200);
    let heard = third_party.heard().join("\n");
    for part in ["authorization: Bearer first.one.x\r\n", "authorization: Bearer second.one.x\r\n"] {
        assert!(heard.contains(part), "no {part:?} in {heard}");
    }
    assert!(!heard.contains("guessed"), "what the program says there is not passed on: {heard}");

    // A destination without it gets none, and what no rule names any more is forgotten.
    out.change(rules(&egress(""), &[&third_party]));
    assert_eq!(asked(&out, now), [""; 0]);
    let bare = out
        .ask("GET http://api.partner.test/bare HTTP/1.1\r\nhost: api.partner.test\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(status(&bare), 200, "{bare}");
    let heard = third_party.heard().join("\n");
    let (_, last) = heard.split_once("GET /bare").unwrap();
    assert!(!last.contains("authorization"), "{last}");
    out.change(with);
    let answer = out.ask(get).await;
    assert!(answer.contains("no_token"), "{answer}");
}

#[tokio::test]
async fn a_header_of_ones_own_holds_the_bare_token_in_place_of_what_looks_the_same() {
    let world = World::new();
    let third_party = Origin::tls(&world, &["api.partner.test"]).await;
    let dir = tempfile::tempdir().unwrap();
    let pem = dir.path().join("roots.pem");
    std::fs::write(&pem, roots(&world)).unwrap();
    let egress = format!(
        "[{{ host: api.partner.test, https_originate: true, ports: [{{0}}], addresses: [127.0.0.1], roots: {}, token: {{ audience: \"{AUDIENCE}\", header: X-Workload-Token, life: 1m }} }}]",
        pem.display()
    );
    let out = Out::start(&world, rules(&egress, &[&third_party])).await;
    let now = clock::now();
    assert_eq!(asked(&out, now), [AUDIENCE]);
    out.guard.proxy.tokens.given(answer("one.two.three", now.plus(Duration::from_secs(60))), now);
    let get = "GET http://api.partner.test/x HTTP/1.1\r\nhost: api.partner.test\r\nX_Workload_Token: guessed\r\n\
               x-workload-token: guessed\r\nauthorization: Basic mine\r\nconnection: close\r\n\r\n";
    let answered = out.ask(get).await;
    assert_eq!(status(&answered), 200, "{answered}");
    let heard = third_party.heard().join("\n");
    assert!(heard.contains("x-workload-token: one.two.three\r\n") && !heard.contains("guessed"), "{heard}");
    assert!(heard.contains("authorization: Basic mine\r\n"), "another header is the program's own: {heard}");
}
