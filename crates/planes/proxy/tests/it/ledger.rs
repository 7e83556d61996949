//! Connections that are open when trust in them ends.

use crate::client::{get, header, hear, hear_until, mtls, plain, status, talk, tls, until};
use crate::programs;
use crate::websocket::SWITCH;
use crate::world::{Guard, PATIENCE, World, policies};
use bartizan_core::Verdict;
use bartizan_core::deny::{Denied, DenyList, Subject};
use bartizan_core::event::{Ended, Ending, HandshakeFailure, What};
use bartizan_core::fleet::Protocol;
use bartizan_core::limits::LEAF_TTL;
use bartizan_core::snapshot::Epoch;
use bartizan_crypto::forge::Recipe;
use bartizan_crypto::hash;
use bartizan_identity::DenyIndex;
use bartizan_policy::Engine;
use bartizan_proxy::counters;
use bartizan_runtime::{clock, tls};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::timeout;

/// A connection that is judged again ends within this: the ledger's own look, and a busy machine.
const SOON: Duration = Duration::from_secs(2);

pub fn deny(guard: &Guard, subjects: &[String]) {
    let entry = |text: &String| Denied {
        subject: Subject::parse(text).unwrap(),
        reason: "stolen".to_owned(),
        since: clock::now(),
        by: "test".to_owned(),
        with: None,
    };
    let list = DenyList { entries: subjects.iter().map(entry).collect() };
    let index = Arc::new(DenyIndex::read(&list, &guard.proxy.domain).unwrap());
    guard.proxy.change(|live| live.denied = Some(index));
}

fn set_policies(guard: &Guard, extra: &str) {
    let engine = Arc::new(Engine::compile(&policies(extra), Epoch(2)).unwrap());
    guard.proxy.change(|live| live.policies = Some(engine));
}

/// What a client shows that is `service` for `left` more; and the fingerprint of its key.
fn shown(world: &World, service: &str, left: Duration) -> (tls::Identity, String) {
    let now = clock::now();
    let (chain, key) =
        world.forge(&Recipe::leaf(world.id(service).as_str(), now).with(|leaf| leaf.not_after = now.plus(left)));
    (tls::Identity::new(&chain, &key).unwrap(), hash::hex(&hash::sha256(key.public_spki())))
}

async fn ended(guard: &Guard) -> Ended {
    guard
        .event(|event| match &event.what {
            What::Ended(it) => Some(it.clone()),
            _ => None,
        })
        .await
}

async fn closes(stream: &mut (impl AsyncRead + Unpin)) {
    timeout(SOON, hear(stream)).await.expect("the connection is still open");
}

async fn stays_open(stream: &mut (impl AsyncRead + Unpin)) {
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(600), stream.read(&mut byte)).await.is_err(), "it ended, or something came");
}

async fn db(world: &World) -> Guard {
    world.sidecar("db", programs::tcp_that_greets().await, Protocol::Tcp).await
}

async fn greeted(
    world: &World,
    db: &Guard,
    identity: &tls::Identity,
) -> impl AsyncRead + tokio::io::AsyncWrite + Unpin + use<> {
    let _ = world;
    let mut stream = tls(db.mesh(), Some(identity), &["bartizan-tcp"]).await.unwrap();
    hear_until(&mut stream, "hello\n").await;
    stream
}

#[tokio::test]
async fn a_denied_key_loses_its_connections_and_nobody_else_does() {
    let world = World::new();
    let db = db(&world).await;
    let ((stolen, key), (good, _)) = (shown(&world, "web", LEAF_TTL), shown(&world, "web", LEAF_TTL));
    let (mut bad, mut fine) = (greeted(&world, &db, &stolen).await, greeted(&world, &db, &good).await);
    deny(&db, &[format!("key:{key}")]);
    closes(&mut bad).await;
    stays_open(&mut fine).await;
    let ended = ended(&db).await;
    assert_eq!((ended.peer, ended.ending, ended.cut), (Some(world.id("web")), Ending::Revoked, 1));
    assert_eq!(ended.detail.as_deref(), Some("stolen"));
    assert_eq!(counters::sum(&db.proxy.counters(), &db.proxy.events).ended[&Ending::Revoked], 1);

    assert!(hear(&mut tls(db.mesh(), Some(&stolen), &["bartizan-tcp"]).await.unwrap()).await.is_empty());
    let failure = db.event(|event| match &event.what {
        What::Handshake(it) => it.failure,
        _ => None,
    });
    assert_eq!(failure.await, HandshakeFailure::Revoked);
    drop(greeted(&world, &db, &good).await);
}

#[tokio::test]
async fn identities_serials_and_issuers_are_denied_too() {
    let world = World::new();
    let db = db(&world).await;
    let issuer = bartizan_crypto::cert::read(world.ca.certificate()).unwrap();
    for subject in [format!("id:{}", world.id("web")), format!("issuer:{}", hash::hex(&hash::sha256(issuer.spki())))] {
        deny(&db, &[]);
        let mut stream = greeted(&world, &db, &shown(&world, "web", LEAF_TTL).0).await;
        deny(&db, &[subject]);
        closes(&mut stream).await;
    }
    deny(&db, &[]);
    let (svid, key) = world.svid(&world.id("web"));
    let mut stream = greeted(&world, &db, &tls::Identity::new(&svid.chain, &key).unwrap()).await;
    deny(&db, &[format!("serial:{}", svid.serial)]);
    closes(&mut stream).await;
}

#[tokio::test]
async fn a_guard_that_is_denied_itself_serves_nobody() {
    let world = World::new();
    let db = db(&world).await;
    let mut stream = greeted(&world, &db, &world.shown("web")).await;
    deny(&db, &[format!("id:{}", world.id("db"))]);
    closes(&mut stream).await;
    assert_eq!(ended(&db).await.ending, Ending::OwnRevoked);
    assert!(tls(db.mesh(), Some(&world.shown("web")), &["bartizan-tcp"]).await.is_err());
}

#[tokio::test]
async fn a_caller_leaves_a_callee_that_is_denied() {
    let world = World::new();
    let db = db(&world).await;
    let web = world.caller("web", &[(&db, Protocol::Tcp)]).await;
    let mut stream = plain(web.outbound("db")).await;
    hear_until(&mut stream, "hello\n").await;
    deny(&web, &[format!("id:{}", world.id("db"))]);
    closes(&mut stream).await;
    assert_eq!(ended(&web).await.ending, Ending::Revoked);
    let mut again = plain(web.outbound("db")).await;
    assert_eq!(hear(&mut again).await, "", "nothing is sent to it any more");
}

#[tokio::test]
async fn connections_below_a_root_that_is_gone_end() {
    let (world, other) = (World::new(), World::new());
    let db = db(&world).await;
    let mut stream = greeted(&world, &db, &world.shown("web")).await;
    db.proxy.change(|live| live.bundles = Some(Arc::clone(&other.bundles)));
    closes(&mut stream).await;
    assert_eq!(ended(&db).await.ending, Ending::Untrusted);
}

#[tokio::test]
async fn silence_of_control_ends_what_is_open() {
    let world = World::new();
    let db = db(&world).await;
    let mut stream = greeted(&world, &db, &world.shown("web")).await;
    db.proxy.heard.expire_after(30);
    db.proxy.heard.ago(Duration::from_secs(29));
    stays_open(&mut stream).await;
    db.proxy.heard.ago(Duration::from_secs(31));
    closes(&mut stream).await;
    assert_eq!(ended(&db).await.ending, Ending::SnapshotsExpired);
}

#[tokio::test]
async fn a_connection_does_not_outlive_the_certificate_but_for_the_grace() {
    let world = World::new();
    let mut db = db(&world).await;
    let mut stream = greeted(&world, &db, &shown(&world, "web", Duration::from_secs(2)).0).await;
    closes_within(&mut stream, Duration::from_secs(1), Duration::from_secs(4)).await;
    let ended = ended(&db).await;
    assert_eq!((ended.peer, ended.ending), (Some(world.id("web")), Ending::PeerExpired));

    db.redirect(|directory| directory.trust.grace_s = 3);
    let mut stream = greeted(&world, &db, &shown(&world, "web", Duration::from_secs(2)).0).await;
    closes_within(&mut stream, Duration::from_secs(4), Duration::from_secs(7)).await;
}

async fn closes_within(stream: &mut (impl AsyncRead + Unpin), least: Duration, most: Duration) {
    let began = Instant::now();
    timeout(most, hear(stream)).await.expect("the connection outlived its certificate");
    // Certificates end with whole seconds.
    assert!(began.elapsed() >= least.saturating_sub(Duration::from_secs(1)), "it ended {:?} early", began.elapsed());
}

#[tokio::test]
async fn an_idle_http_connection_is_closed_before_its_time_and_no_request_is_lost() {
    let world = World::new();
    let api = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let (identity, _) = shown(&world, "web", Duration::from_secs(7));
    let mut stream = tls(api.mesh(), Some(&identity), &["http/1.1"]).await.unwrap();
    stream.write_all(kept("/orders/1").as_bytes()).await.unwrap();
    let answer = hear_until(&mut stream, "\r\n\r\n").await;
    assert!(!answer.contains("connection: close"), "{answer}");
    // The guard winds it down five seconds before the end.
    timeout(Duration::from_secs(5), hear(&mut stream)).await.expect("still open");
    assert!(!api.proxy.events.take().iter().any(|event| matches!(event.what, What::Ended(_))), "it was not cut off");
}

/// A request after which the connection may go on.
fn kept(path: &str) -> String {
    get(path).replace("connection: close\r\n", "")
}

/// One answer, with as much of a body as it says.
async fn whole_answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    loop {
        let n = timeout(SOON, stream.read_buf(&mut all)).await.expect("it is answered").unwrap();
        assert!(n > 0, "it ended without an answer: {:?}", String::from_utf8_lossy(&all));
        let text = String::from_utf8_lossy(&all);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = header(head, "content-length").map_or(0, |text| text.parse::<usize>().unwrap());
        if body.len() >= length {
            return head.to_owned();
        }
    }
}

#[tokio::test]
async fn every_request_on_a_connection_that_is_to_end_is_answered_and_the_last_one_says_so() {
    let world = World::new();
    let api = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let (identity, _) = shown(&world, "web", Duration::from_secs(7));
    let mut stream = tls(api.mesh(), Some(&identity), &["http/1.1"]).await.unwrap();
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(5), "nobody says that it is to end");
        stream.write_all(kept("/orders/1").as_bytes()).await.unwrap();
        let answer = whole_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        if answer.contains("connection: close") {
            break;
        }
        // It is idle for most of the time.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    closes(&mut stream).await;
}

#[tokio::test]
async fn policy_that_denies_now_ends_what_it_allowed() {
    let world = World::new();
    let db = db(&world).await;
    let mut stream = greeted(&world, &db, &world.shown("web")).await;
    set_policies(&db, "@reason(\"closed for the night\") forbid (principal, action, resource == Service::\"db\");");
    closes(&mut stream).await;
    let connection = db.event(|event| match &event.what {
        What::Connection(it) => Some(it.clone()),
        _ => None,
    });
    let connection = connection.await;
    let decision = connection.decision.unwrap();
    assert_eq!((decision.verdict, decision.epoch), (Verdict::Deny, Epoch(2)));
    assert_eq!(
        (decision.reason.as_deref(), connection.error.as_deref()),
        (Some("closed for the night"), Some("policy"))
    );
}

/// A program that begins an answer and then waits for ever, or does not even begin.
async fn slow(begins: bool) -> SocketAddr {
    programs::custom(move |mut stream| async move {
        hear_until(&mut stream, "\r\n\r\n").await;
        if begins {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbeginning").await.unwrap();
        }
        std::future::pending::<()>().await;
    })
    .await
}

const NO_READING: &str =
    "@reason(\"closed\") forbid (principal, action == Action::\"read\", resource == Service::\"api\");";

#[tokio::test]
async fn an_answer_under_way_is_cut_off_where_policy_denies_now() {
    let world = World::new();
    let api = world.sidecar("api", slow(true).await, Protocol::Http).await;
    let mut stream = mtls(&world, api.mesh(), "web").await;
    stream.write_all(get("/orders/1").as_bytes()).await.unwrap();
    hear_until(&mut stream, "beginning").await;
    set_policies(&api, "forbid (principal, action == Action::\"write\", resource == Service::\"api\");");
    stays_open(&mut stream).await; // another question
    set_policies(&api, NO_READING);
    closes(&mut stream).await;
    let request = api.event(|event| match &event.what {
        What::Request(it) => Some(it.clone()),
        _ => None,
    });
    let request = request.await;
    assert_eq!((request.error.as_deref(), request.decision.unwrap().verdict), (Some("policy"), Verdict::Deny));
}

#[tokio::test]
async fn a_request_without_an_answer_yet_is_denied_where_policy_denies_now() {
    let world = World::new();
    let api = world.sidecar("api", slow(false).await, Protocol::Http).await;
    let stream = mtls(&world, api.mesh(), "web").await;
    let asking = tokio::spawn(talk(stream, get("/orders/1")));
    tokio::time::sleep(Duration::from_millis(300)).await;
    set_policies(&api, NO_READING);
    let answer = timeout(PATIENCE, asking).await.unwrap().unwrap();
    assert_eq!(status(&answer), 403, "{answer}");
    assert!(answer.contains("closed"), "{answer}");
}

#[tokio::test]
async fn requests_on_a_denied_connection_are_cut_off_with_it() {
    let world = World::new();
    let api = world.sidecar("api", slow(true).await, Protocol::Http).await;
    let (identity, key) = shown(&world, "web", LEAF_TTL);
    let mut stream = tls(api.mesh(), Some(&identity), &["http/1.1"]).await.unwrap();
    stream.write_all(get("/orders/1").as_bytes()).await.unwrap();
    hear_until(&mut stream, "beginning").await;
    deny(&api, &[format!("key:{key}")]);
    closes(&mut stream).await;
    assert_eq!(ended(&api).await.cut, 1);
    let error = api.event(|event| match &event.what {
        What::Request(it) => it.error.clone(),
        _ => None,
    });
    assert_eq!(&*error.await, "revoked");
}

#[tokio::test]
async fn a_websocket_ends_where_policy_denies_now() {
    let world = World::new();
    let api = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let web = world.caller("web", &[(&api, Protocol::Http)]).await;
    let mut stream = plain(web.outbound("api")).await;
    stream.write_all(SWITCH.as_bytes()).await.unwrap();
    assert_eq!(status(&hear_until(&mut stream, "\r\n\r\n").await), 101);
    stream.write_all(b"hello\n").await.unwrap();
    hear_until(&mut stream, "hello\n").await;
    set_policies(&api, NO_READING);
    closes(&mut stream).await;
    assert_eq!(counters::sum(&api.proxy.counters(), &api.proxy.events).ended[&Ending::Policy], 1);
}

#[tokio::test]
async fn a_websocket_ends_with_trust_in_the_callee() {
    let world = World::new();
    let api = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let web = world.caller("web", &[(&api, Protocol::Http)]).await;
    let mut stream = plain(web.outbound("api")).await;
    stream.write_all(SWITCH.as_bytes()).await.unwrap();
    hear_until(&mut stream, "\r\n\r\n").await;
    deny(&web, &[format!("id:{}", world.id("api"))]);
    closes(&mut stream).await;
    assert_eq!(ended(&web).await.ending, Ending::Revoked);
}

#[tokio::test]
async fn an_http2_connection_says_goodbye_before_its_time_and_finishes_what_is_under_way() {
    let world = World::new();
    let (go, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let program = {
        let (go, gone) = (Arc::clone(&go), Arc::clone(&gone));
        programs::custom(move |mut stream| {
            let (go, gone) = (Arc::clone(&go), Arc::clone(&gone));
            async move {
                hear_until(&mut stream, "\r\n\r\n").await;
                gone.notify_one();
                go.notified().await;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await.unwrap();
            }
        })
        .await
    };
    let api = world.sidecar("api", program, Protocol::Http).await;
    let end = clock::now().plus(Duration::from_secs(8));
    let (identity, _) = shown(&world, "web", Duration::from_secs(8));
    let stream = tls(api.mesh(), Some(&identity), &["h2"]).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = |path: &str| {
        let uri = format!("http://api{path}");
        http::Request::get(uri).body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap()
    };
    let under_way = tokio::spawn(sender.send_request(request("/orders/1")));
    gone.notified().await;
    // Goodbye is said five seconds before the end, while the request is under way.
    until("goodbye was said", async || clock::now() >= end.minus(Duration::from_secs(4))).await;
    go.notify_one();
    let response = timeout(SOON, under_way).await.unwrap().unwrap().unwrap();
    assert_eq!(response.status(), 200, "what was under way is finished");
    drop(response);
    timeout(SOON, connection).await.expect("the connection is closed").unwrap().unwrap();
    assert!(!api.proxy.events.take().iter().any(|event| matches!(event.what, What::Ended(_))), "it was not cut off");
}
