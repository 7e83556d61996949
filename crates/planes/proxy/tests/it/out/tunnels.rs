//! What is declared works, is counted and is told of; what stops being declared ends.

use super::{Origin, Out, get_over_tls, rules};
use crate::client::{hear, hear_until, plain, status};
use crate::world::World;
use bartizan_core::egress::Refusal;
use bartizan_core::event::Outcome;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_declared_name_is_reached_over_tls_that_nobody_opens() {
    let world = World::new();
    let origin = Origin::tls(&world, &["api.partner.test"]).await;
    let out =
        Out::start(&world, rules("[{ host: api.partner.test, ports: [{0}], addresses: [127.0.0.1] }]", &[&origin]))
            .await;
    let authority = format!("api.partner.test:{}", origin.addr.port());
    for round in 0..2 {
        let mut tunnel = out.tunnel(&authority).await.unwrap();
        let client = super::web(&world).connect(&mut tunnel, "api.partner.test", crate::world::PATIENCE).await;
        let mut stream = client.unwrap();
        stream.write_all(b"GET /x HTTP/1.1\r\nhost: api.partner.test\r\n\r\n").await.unwrap();
        assert!(hear_until(&mut stream, "hello").await.starts_with("HTTP/1.1 200"));
        drop(stream);
        drop(tunnel);
        let closed = out.event(|it| it.outcome == Outcome::Closed).await;
        assert_eq!((closed.host.as_deref(), closed.port), (Some("api.partner.test"), origin.addr.port()));
        assert_eq!((closed.address, &*closed.protocol), (Some(origin.addr.ip()), "https"));
        assert!(closed.bytes_up > 100 && closed.bytes_down > 100 && !closed.learned, "{closed:?}");
        let opened = out.event(|it| it.outcome == Outcome::Opened).await;
        assert!(opened.first, "the first time it is new, at once ({round})");
    }
    let stats = out.guard.proxy.egress.stats();
    assert_eq!((stats.destinations, stats.lookups), (1, 0), "one destination, and its addresses are in the file");
    assert_eq!(origin.heard().len(), 2);
}

#[tokio::test]
async fn plain_http_is_read_request_by_request() {
    let world = World::new();
    let origin = Origin::plain().await;
    let egress = "[{ host: updates.test, protocol: http, ports: [{0}], addresses: [127.0.0.1], methods: [GET], paths: [/v1/**] }]";
    let out = Out::start(&world, rules(egress, &[&origin])).await;
    let port = origin.addr.port();
    let mut stream = plain(out.side.proxy).await;
    let get = |host: &str, path: &str| {
        format!(
            "GET http://{host}:{port}{path} HTTP/1.1\r\nHost: {host}:{port}\r\nProxy-Connection: keep-alive\r\nX-Kept: 1\r\n\r\n"
        )
    };
    stream.write_all(get("updates.test", "/v1/list?page=2").as_bytes()).await.unwrap();
    assert!(hear_until(&mut stream, "hello").await.starts_with("HTTP/1.1 200"));
    for (why, request, reason) in [
        ("another host on the same connection", get("evil.test", "/v1/x"), "undeclared"),
        ("another path", get("updates.test", "/v2/x"), "method_or_path"),
        ("a path that two readers read in two ways", get("updates.test", "/v1/%2e%2e/v2"), "method_or_path"),
        ("another method", get("updates.test", "/v1/x").replace("GET ", "DELETE "), "method_or_path"),
    ] {
        stream.write_all(request.as_bytes()).await.unwrap();
        let heard = hear_until(&mut stream, "reason\":\"").await;
        assert!(heard.contains(reason), "{why}: {heard}");
    }
    let heard = origin.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let request = heard[0].to_lowercase();
    assert!(request.starts_with("get /v1/list?page=2 http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: updates.test:{port}\r\n")) && request.contains("x-kept: 1"), "{request}");
    assert!(!request.contains("proxy-connection"), "{request}");
    let closed = out.event(|it| it.outcome == Outcome::Closed).await;
    assert!(closed.bytes_down as usize == super::HELLO.len() && closed.error.is_none(), "{closed:?}");
}

#[tokio::test]
async fn bytes_go_to_addresses_that_are_named() {
    let world = World::new();
    let origin = Origin::plain().await;
    let out = Out::start(&world, rules("[{ protocol: tcp, ports: [{0}], addresses: [127.0.0.1] }]", &[&origin])).await;
    let mut tunnel = out.tunnel(&origin.addr.to_string()).await.unwrap();
    tunnel.write_all(b"\x00binary").await.unwrap();
    assert!(hear_until(&mut tunnel, "binary").await.ends_with("binary"));
    let refused = out.tunnel(&format!("127.0.0.2:{}", origin.addr.port())).await.unwrap_err();
    assert!(refused.contains("inner_address"), "{refused}");
}

#[tokio::test]
async fn what_is_not_declared_any_more_ends() {
    let world = World::new();
    let origin = Origin::plain().await;
    let mut out =
        Out::start(&world, rules("[{ protocol: tcp, ports: [{0}], addresses: [127.0.0.1] }]", &[&origin])).await;
    let mut tunnel = out.tunnel(&origin.addr.to_string()).await.unwrap();
    tunnel.write_all(b"still there?").await.unwrap();
    hear_until(&mut tunnel, "there?").await;
    out.change(rules("[]", &[]));
    assert_eq!(hear(&mut tunnel).await, "");
    let closed = out.event(|it| it.outcome == Outcome::Closed).await;
    assert_eq!(closed.error.as_deref(), Some("undeclared"));
    let refused = out.tunnel(&origin.addr.to_string()).await.unwrap_err();
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
}

#[tokio::test]
async fn nobody_there_is_a_failure_and_no_refusal() {
    let world = World::new();
    let origin = Origin::plain().await;
    let egress = rules("[{ host: down.test, protocol: http, ports: [{0}], addresses: [127.0.0.1] }]", &[&origin]);
    let port = origin.addr.port();
    drop(origin);
    let out = Out::start(&world, egress).await;
    let request =
        format!("GET http://down.test:{port}/ HTTP/1.1\r\nhost: down.test:{port}\r\nconnection: close\r\n\r\n");
    let mut answer = out.ask(&request).await;
    for _ in 0..100 {
        if status(&answer) == 502 {
            break; // the server of the test took its time to go
        }
        answer = out.ask(&request).await;
    }
    assert_eq!(status(&answer), 502, "{answer}");
    let failed = out.event(|it| it.outcome == Outcome::Failed).await;
    assert!(failed.error.is_some(), "{failed:?}");
}

#[tokio::test]
async fn without_control_for_too_long_nothing_goes_out() {
    let world = World::new();
    let origin = Origin::tls(&world, &["a.test"]).await;
    let out = Out::start(&world, rules("[{ host: a.test, ports: [{0}], addresses: [127.0.0.1] }]", &[&origin])).await;
    let authority = format!("a.test:{}", origin.addr.port());
    let tunnel = out.tunnel(&authority).await.unwrap();
    assert!(get_over_tls(&world, tunnel, "a.test").await.unwrap().contains("hello"));
    out.guard.proxy.heard.ago(std::time::Duration::from_secs(2 * 86_400));
    let refused = out.tunnel(&authority).await.unwrap_err();
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    out.refused(Refusal::NotReady).await;
}

#[tokio::test]
async fn learning_lets_through_what_no_rule_names_and_says_so() {
    let world = World::new();
    let (listed, origin) = (Origin::tls(&world, &["listed.test"]).await, Origin::plain().await);
    let egress = "{ learn: true, to: [{ host: listed.test, ports: [{0}], addresses: [127.0.0.1] }] }";
    let out = Out::start(&world, rules(egress, &[&listed])).await;
    // Inner addresses are not reached while learning either: a name of outside is what may be new.
    let refused = out.tunnel(&origin.addr.to_string()).await.unwrap_err();
    assert!(refused.contains("inner_address"), "{refused}");
    out.names.set("sneaky.test", &["169.254.169.254"]);
    assert!(out.tunnel("sneaky.test:80").await.unwrap_err().contains("metadata"));
    // An outside address cannot be reached from a test: that it was tried is what counts.
    out.names.set("new.test", &["192.0.2.1"]);
    assert!(
        out.tunnel("new.test:443").await.unwrap_err().contains("inner_address"),
        "documentation addresses are nobody's"
    );
    let tunnel = out.tunnel(&format!("listed.test:{}", listed.addr.port())).await.unwrap();
    assert!(get_over_tls(&world, tunnel, "listed.test").await.unwrap().contains("hello"));
    assert_eq!(out.guard.proxy.egress.stats().learned, 0);
}
