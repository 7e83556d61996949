//! Limits, through real guards: who is refused, what they are told, what an operator sees, and who is let through meanwhile.

use crate::client::{get, header, hear_until, mtls, plain, status, talk, tls, until};
use crate::programs;
use crate::world::{Guard, World};
use bartizan_core::Verdict;
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use bartizan_core::limit::{Limit, Measure, Per};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

fn limit(name: &str, per: &[Per], measure: Measure) -> Limit {
    Limit { name: name.into(), per: per.to_vec(), measure, cost: Default::default(), shared: false }
}

/// Too slow to come back while a test runs.
fn rate(burst: u32) -> Measure {
    Measure::Rate { count: burst, period_s: 24 * 3600, burst }
}

/// `api`, limited.
async fn api(world: &World, limits: Vec<Limit>, extra: &str) -> Guard {
    let mut api = world.sidecar_with("api", programs::http().await, Protocol::Http, extra).await;
    api.redirect(|directory| directory.own.inbound.as_mut().unwrap().limits = limits);
    api
}

async fn edge(gateway: &Guard, request: String) -> String {
    talk(tls(gateway.edge(), None, &["http/1.1"]).await.unwrap(), request).await
}

async fn gateway(world: &World, limits: Vec<Limit>) -> (Guard, Guard) {
    let api = api(world, Vec::new(), "").await;
    let mut gateway = world.gateway(&api, "").await;
    gateway.redirect(|directory| directory.own.gateway.as_mut().unwrap().routes[0].limits = limits);
    (gateway, api)
}

#[tokio::test]
async fn who_comes_too_often_is_told_when_to_come_again_and_the_operator_which_limit_it_was() {
    let world = World::new();
    let (gateway, api) = gateway(&world, vec![limit("per-address", &[Per::Address], rate(3))]).await;
    for left in [2, 1, 0] {
        let response = edge(&gateway, get("/api/x")).await;
        assert_eq!(status(&response), 200, "{response}");
        assert_eq!(header(&response, "ratelimit-policy"), Some("\"per-address\";q=3;w=86400"), "{response}");
        let told = header(&response, "ratelimit").unwrap();
        assert!(told.starts_with(&format!("\"per-address\";r={left};t=")), "{told}");
    }
    let response = edge(&gateway, get("/api/x")).await;
    assert_eq!(status(&response), 429, "{response}");
    let wait: u64 = header(&response, "retry-after").unwrap().parse().unwrap();
    assert!((28_790..=28_800).contains(&wait), "a third of a day: {wait}");
    assert!(header(&response, "ratelimit").unwrap().starts_with("\"per-address\";r=0;t="), "{response}");
    assert!(response.contains("rate_limited") && !response.contains("fleet:limits"), "{response}");

    let said = gateway
        .event(|event| match &event.what {
            What::Request(request) if request.status == 429 => request.decision.clone(),
            _ => None,
        })
        .await;
    assert_eq!((said.verdict, &*said.policies[0]), (Verdict::Deny, "fleet:limits"));
    let why = said.reason.unwrap();
    assert!(why.starts_with("over the limit `per-address` (3/d, 3 at once for each address); again in 28"), "{why}");
    assert_eq!(gateway.proxy.live().limits.stats()["/api/** per-address"].refused, 1);
    let calls = bartizan_proxy::counters::sum(&api.proxy.counters(), &api.proxy.events).inbound["gateway"].calls;
    assert_eq!(calls, 3, "what is refused at the edge goes no further");
    assert_eq!(status(&edge(&gateway, get("/down/x")).await), 502, "another route has limits of its own");
}

#[tokio::test]
async fn all_threads_of_a_guard_count_together() {
    let world = World::new();
    let api = api(&world, vec![limit("all", &[], rate(25))], "").await;
    let asked = (0..60).map(|_| async {
        let response = talk(mtls(&world, api.mesh(), "web").await, get("/a")).await;
        status(&response)
    });
    let mut answers = Vec::new();
    for asked in asked {
        answers.push(asked.await);
    }
    let passed = answers.iter().filter(|status| **status == 200).count();
    assert_eq!((passed, answers.iter().filter(|status| **status == 429).count()), (25, 35));
}

#[tokio::test]
async fn who_may_not_call_uses_nothing_up_that_others_share() {
    let world = World::new();
    let no = r#"@reason("not here") forbid (principal, action, resource) when { context.path == "/secret" };"#;
    let api = api(&world, vec![limit("all", &[], rate(1))], no).await;
    for _ in 0..5 {
        let response = talk(mtls(&world, api.mesh(), "web").await, get("/secret")).await;
        assert_eq!(status(&response), 403, "{response}");
        assert_eq!(header(&response, "ratelimit"), None, "{response}");
    }
    assert_eq!(status(&talk(mtls(&world, api.mesh(), "web").await, get("/a")).await), 200);
    assert_eq!(status(&talk(mtls(&world, api.mesh(), "web").await, get("/a")).await), 429);
}

#[tokio::test]
async fn a_limit_of_a_service_holds_for_calls_over_a_leg_and_callers_have_their_own() {
    let world = World::new();
    let api = api(&world, vec![limit("caller-rate", &[Per::Caller], rate(2))], "").await;
    let web = world.caller("web", &[(&api, Protocol::Http)]).await;
    let ask = async || talk(plain(web.outbound("api")).await, get("/a")).await;
    assert_eq!((status(&ask().await), status(&ask().await)), (200, 200));
    let refused = ask().await;
    assert_eq!(status(&refused), 429, "{refused}");
    assert!(header(&refused, "retry-after").is_some(), "{refused}");
    // The gateway is another caller.
    let gateway = world.gateway(&api, "").await;
    let response = edge(&gateway, get("/api/x")).await;
    assert_eq!(status(&response), 200, "{response}");
}

#[tokio::test]
async fn grpc_clients_get_a_status_of_theirs() {
    let world = World::new();
    let mut rpc = world.sidecar("rpc", programs::http2().await, Protocol::Grpc).await;
    rpc.redirect(|directory| directory.own.inbound.as_mut().unwrap().limits = vec![limit("all", &[], rate(1))]);
    let web = world.caller("web", &[(&rpc, Protocol::Grpc)]).await;
    let stream = TokioIo::new(plain(web.outbound("rpc")).await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let mut ask = async || {
        let request = Request::post("http://rpc.test/pkg.Service/Call").header("te", "trailers");
        let request = request.header("content-type", "application/grpc").body(Full::new(Bytes::from_static(b"m")));
        sender.send_request(request.unwrap()).await.unwrap()
    };
    let passed = ask().await.into_body().collect().await.unwrap();
    assert_eq!(passed.trailers().unwrap()["grpc-status"], "0");
    let refused = ask().await;
    assert_eq!(refused.status().as_u16(), 200, "the status of HTTP says nothing in gRPC");
    let fields = refused.headers();
    assert_eq!(
        (&fields["grpc-status"], &fields["content-type"]),
        (&"8".parse().unwrap(), &"application/grpc".parse().unwrap())
    );
    assert!(fields["grpc-retry-pushback-ms"].to_str().unwrap().parse::<u64>().unwrap() > 80_000_000);
    assert!(refused.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn only_so_many_at_once_and_one_more_once_one_is_through() {
    let world = World::new();
    let (waiting, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (there, gate) = (Arc::clone(&waiting), Arc::clone(&go));
    let slow = programs::custom(move |mut stream: tokio::net::TcpStream| {
        let (there, gate) = (Arc::clone(&there), Arc::clone(&gate));
        async move {
            hear_until(&mut stream, "\r\n\r\n").await;
            there.fetch_add(1, SeqCst);
            gate.acquire().await.unwrap().forget();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
        }
    })
    .await;
    let mut api = world.sidecar("api", slow, Protocol::Http).await;
    let limits = vec![limit("at-once", &[Per::Caller], Measure::Concurrency { most: 2 })];
    api.redirect(|directory| directory.own.inbound.as_mut().unwrap().limits = limits);
    let mut under_way = Vec::new();
    for _ in 0..2 {
        let stream = mtls(&world, api.mesh(), "web").await;
        under_way.push(tokio::spawn(async move { talk(stream, get("/a")).await }));
    }
    until("both are with the program", async || waiting.load(SeqCst) == 2).await;
    let refused = talk(mtls(&world, api.mesh(), "web").await, get("/a")).await;
    assert_eq!((status(&refused), header(&refused, "retry-after")), (429, Some("1")), "{refused}");
    go.add_permits(1);
    until("one is through", async || under_way.iter().any(tokio::task::JoinHandle::is_finished)).await;
    let stream = mtls(&world, api.mesh(), "web").await;
    let next = tokio::spawn(async move { talk(stream, get("/a")).await });
    until("the next one is let through", async || waiting.load(SeqCst) == 3).await;
    go.add_permits(10);
    assert_eq!(status(&next.await.unwrap()), 200);
    // A client that goes away gives its place back too.
    let gone = mtls(&world, api.mesh(), "web").await;
    drop(gone);
    assert_eq!(status(&talk(mtls(&world, api.mesh(), "web").await, get("/a")).await), 200);
}
