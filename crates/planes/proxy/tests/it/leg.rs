//! The leg between two guards: shared, bounded for each stream, and strict with whoever is at the other end.

use crate::client::{get, hear_until, plain, status, talk, tls, until};
use crate::programs;
use crate::world::{Guard, World, name};
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use bartizan_proxy::leg::frame;
use bartizan_proxy::limits;
use bartizan_proxy::live::ALPN_LEG;
use bartizan_proxy::message::{Fields, RequestHead};
use http::Method;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinSet;

async fn two(program: SocketAddr) -> (World, Guard, Guard) {
    let world = World::new();
    let callee = world.sidecar("api", program, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    (world, caller, callee)
}

/// Somebody who is `web` and speaks a leg by hand.
async fn by_hand(world: &World, guard: &Guard, frames: &[u8]) -> Vec<u8> {
    let mut stream = tls(guard.mesh(), Some(&world.shown("web")), &[ALPN_LEG]).await.unwrap();
    stream.write_all(frames).await.unwrap();
    let mut all = Vec::new();
    let _ =
        tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut all)).await.expect("the guard ends it");
    all
}

fn request(target: &str, pairs: &[(&str, &str)]) -> Vec<u8> {
    let (mut fields, mut out) = (Fields::default(), Vec::new());
    pairs.iter().for_each(|(name, value)| fields.append(name, value.as_bytes()));
    let head = RequestHead::new(Method::GET, target.as_bytes(), None, fields);
    frame::write_request(&mut out, 1, &head, Some(0), true);
    out
}

#[tokio::test]
async fn what_is_no_frame_or_no_request_ends_the_leg_with_an_event() {
    let (world, _caller, callee) = two(programs::http().await).await;
    let twice = [request("/", &[("host", "api")]), request("/", &[("host", "api")])].concat();
    let mut data = Vec::new();
    frame::write_data(&mut data, 9, b"for nobody", false);
    for (frames, what) in [
        (b"GET / HTTP/1.1\r\nhost: api\r\n\r\n".to_vec(), "another protocol"),
        (request("/", &[("host", "api"), ("x", "a\r\nsmuggled: 1")]), "a line end in a value"),
        (request("/", &[("host", "api"), ("X", "1")]), "an upper-case name"),
        (request("/a b", &[("host", "api")]), "a target that is two"),
        (twice, "a number used twice"),
        (data, "a stream that there is not"),
    ] {
        let before = bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events).refused;
        let heard = by_hand(&world, &callee, &frames).await;
        assert!(!String::from_utf8_lossy(&heard).contains("smuggled"), "{what}");
        let refused = || bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events).refused;
        until(what, async || refused() > before).await;
    }
    assert_eq!(callee.refused_rule().await, "leg");
}

#[tokio::test]
async fn what_breaks_a_rule_of_requests_is_answered_on_its_stream() {
    let (world, _caller, callee) = two(programs::http().await).await;
    for (pairs, rule) in [
        (&[("x", "1")][..], "host_missing"),
        (&[("host", "a"), ("host", "b")], "host_duplicate"),
        (&[("host", "a"), ("transfer-encoding", "chunked")], "transfer_encoding"),
        (&[("host", "a"), ("content_length", "5")], "lookalike_header"),
    ] {
        let mut stream = tls(callee.mesh(), Some(&world.shown("web")), &[ALPN_LEG]).await.unwrap();
        stream.write_all(&request("/", pairs)).await.unwrap();
        let answer = hear_until(&mut stream, rule).await;
        assert!(answer.contains("request_id"), "{answer}");
    }
}

#[tokio::test]
async fn more_data_than_there_is_room_for_ends_the_leg() {
    // The program reads nothing, so nothing makes room.
    let silent = programs::custom(async |stream| {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    });
    let (world, _caller, callee) = two(silent.await).await;
    let mut fields = Fields::default();
    fields.append("host", b"api");
    let (head, mut frames) = (RequestHead::new(Method::POST, b"/", None, fields), Vec::new());
    frame::write_request(&mut frames, 1, &head, None, false);
    // What the kernel and the connection to the program take beside the window is far below this.
    for _ in 0..2_000 {
        frame::write_data(&mut frames, 1, &[b'x'; 16 << 10], false);
    }
    let mut stream = tls(callee.mesh(), Some(&world.shown("web")), &[ALPN_LEG]).await.unwrap();
    let sent = tokio::time::timeout(Duration::from_secs(20), stream.write_all(&frames)).await;
    assert!(sent.is_ok_and(|sent| sent.is_err()), "the guard has to hang up");
    assert_eq!(callee.refused_rule().await, "leg");
}

#[tokio::test]
async fn who_asks_and_does_not_read_is_not_listened_to_any_more() {
    let (world, caller, callee) = two(programs::http().await).await;
    let mut stream = tls(callee.mesh(), Some(&world.shown("web")), &[ALPN_LEG]).await.unwrap();
    let (mut fields, mut frames) = (Fields::default(), Vec::new());
    fields.append("host", b"api");
    fields.append("x", &[b'y'; 1000]);
    let head = RequestHead::new(Method::GET, b"/", None, fields);
    // More by far than sockets and the guard hold on both ways.
    for number in 1..=100_000 {
        frame::write_request(&mut frames, number, &head, Some(0), true);
    }
    let sent = tokio::time::timeout(Duration::from_secs(15), stream.write_all(&frames)).await;
    assert!(!sent.is_ok_and(|sent| sent.is_ok()), "all of {} bytes was taken", frames.len());
    let response = talk(plain(caller.outbound("api")).await, get("/")).await;
    assert_eq!(status(&response), 200, "others are served");
}

#[tokio::test]
async fn an_undeclared_caller_is_denied_on_a_leg_as_well() {
    let (world, _caller, callee) = two(programs::http().await).await;
    let mut stream = tls(callee.mesh(), Some(&world.shown("stranger")), &[ALPN_LEG]).await.unwrap();
    stream.write_all(&request("/", &[("host", "api")])).await.unwrap();
    hear_until(&mut stream, "denied by policy").await;
}

#[tokio::test]
async fn many_requests_share_one_connection_and_each_gets_its_own_answer() {
    let (_world, caller, callee) = two(programs::http().await).await;
    let mut clients = JoinSet::new();
    let addr = caller.outbound("api");
    for client in 0..600 {
        clients.spawn(async move {
            let body = format!("{client:0>width$}", width = 1 + client * 37 % 9_000);
            let request = format!(
                "POST /{client} HTTP/1.1\r\nhost: api\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let response = talk(plain(addr).await, request).await;
            assert!(
                response.contains(&format!("POST /{client}\n")) && response.ends_with(&format!("\n{body}")),
                "{response}"
            );
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    let stats = bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events);
    assert_eq!(stats.inbound["web"].calls, 600);
    // One leg for each of two threads, or two where more than its streams were wanted at once.
    assert!((1..=6).contains(&stats.handshakes_completed), "{} handshakes", stats.handshakes_completed);
}

/// Answers `/big` with [`BIG`] bytes, and everything else with `ok`.
const BIG: usize = 24 << 20;

async fn big() -> SocketAddr {
    programs::custom(async |mut stream| {
        let mut head = [0; 2048];
        while let Ok(n) = stream.read(&mut head).await {
            let is_big = head[..n].starts_with(b"GET /big");
            let length = if is_big { BIG } else { 2 };
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes()).await;
            let body = if is_big { vec![b'x'; BIG] } else { b"ok".to_vec() };
            if n == 0 || stream.write_all(&body).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn who_does_not_read_stops_nobody_else() {
    let (_world, caller, _callee) = two(big().await).await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut stream = plain(caller.outbound("api")).await;
        stream.write_all(b"GET /big HTTP/1.1\r\nhost: api\r\n\r\n").await.unwrap();
        hear_until(&mut stream, "200 OK").await;
        slow.push(stream); // and no more of it is read
    }
    for _ in 0..20 {
        let answer = talk(plain(caller.outbound("api")).await, get("/small"));
        let response = tokio::time::timeout(Duration::from_secs(10), answer).await.expect("others are served");
        assert!(response.ends_with("ok"), "{response}");
    }
    // All of it is there for whoever reads on.
    let mut last = slow.pop().unwrap();
    let (mut left, mut bytes) = (BIG - 4096, vec![0; 64 << 10]);
    while left > 0 {
        left = left.saturating_sub(last.read(&mut bytes).await.unwrap());
    }
}

#[tokio::test]
async fn events_are_passed_on_as_they_come() {
    let program = programs::custom(async |mut stream| {
        let mut head = [0; 2048];
        let _ = stream.read(&mut head).await;
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).await.unwrap();
        for n in 0..3 {
            stream.write_all(format!("9\r\ndata: {n}\n\n\r\n").as_bytes()).await.unwrap();
            stream.read_u8().await.unwrap_or_default(); // never comes; the test ends it
        }
    });
    let (_world, caller, _callee) = two(program.await).await;
    let mut stream = plain(caller.outbound("api")).await;
    stream.write_all(b"GET /events HTTP/1.1\r\nhost: api\r\n\r\n").await.unwrap();
    hear_until(&mut stream, "data: 0\n").await;
}

/// Says hints and progress before its answer, `hints` times each.
async fn hinting(hints: usize) -> SocketAddr {
    programs::custom(move |mut stream| async move {
        let mut head = [0; 2048];
        while stream.read(&mut head).await.is_ok_and(|n| n > 0) {
            let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\nconnection: x-hop\r\nx-hop: 1\r\n\
                         content-length: 5\r\nx-bartizan-unsent: 1\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
                .repeat(hints);
            let answer = format!("{hints}HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn interim_responses_do_not_reach_whom_they_cannot() {
    let (world, caller, callee) = two(hinting(1).await).await;
    let old = talk(plain(caller.outbound("api")).await, "GET / HTTP/1.0\r\nhost: api\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.1 200") && !old.contains("HTTP/1.1 10"), "HTTP/1.0 knows none: {old}");

    // A guard that does not say that it understands them.
    let mut stream = tls(callee.mesh(), Some(&world.shown("web")), &[ALPN_LEG]).await.unwrap();
    stream.write_all(&request("/", &[("host", "api")])).await.unwrap();
    let mut held = Vec::new();
    let first = loop {
        assert!(stream.read_buf(&mut held).await.unwrap() > 0, "a response comes");
        if let Some((_, frame, _)) = frame::read(&held).unwrap() {
            break format!("{frame:?}");
        }
    };
    assert!(first.starts_with("Response(") && first.contains("200"), "{first}");

    let many = two(hinting(limits::INTERIM_MAX).await).await;
    let response = talk(plain(many.1.outbound("api")).await, get("/")).await;
    assert_eq!(response.matches("HTTP/1.1 10").count(), limits::INTERIM_MAX, "no more than so many: {response}");
    assert!(response.ends_with("\r\n\r\nabc"), "{response}");
}

#[tokio::test]
async fn interim_responses_pass_every_hop_ahead_of_the_response() {
    let (world, caller, callee) = two(hinting(1).await).await;
    let gateway = world.gateway(&callee, "").await;
    let request = "GET /api/x HTTP/1.1\r\nhost: api\r\n\r\n";
    let mut over_leg = plain(caller.outbound("api")).await;
    let mut from_outside = tls(gateway.edge(), None, &["http/1.1"]).await.unwrap();
    // The second time a connection to the program is used again.
    for _ in 0..2 {
        over_leg.write_all(request.as_bytes()).await.unwrap();
        from_outside.write_all(request.as_bytes()).await.unwrap();
        for heard in [hear_until(&mut over_leg, "abc").await, hear_until(&mut from_outside, "abc").await] {
            let heads: Vec<&str> = heard.split("\r\n\r\n").collect();
            let [hints, progress, response, "abc"] = heads.as_slice() else { panic!("{heard}") };
            assert_eq!(
                *hints, "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload",
                "what is for one hop is taken out"
            );
            assert!(progress.starts_with("HTTP/1.1 102 ") && response.starts_with("HTTP/1.1 200 "), "{heard}");
        }
    }
}

#[tokio::test]
async fn frames_that_carry_nothing_end_the_leg_once_they_are_too_many() {
    let (world, caller, callee) = two(programs::http().await).await;
    let many = |write: fn(&mut Vec<u8>)| {
        let mut frames = Vec::new();
        write(&mut frames);
        frames.repeat(2 * limits::LEG_FLOOD_POINTS as usize)
    };
    for (frames, what) in [
        (many(|out| frame::write_ping(out, true)), "pongs"),
        (many(|out| frame::write_ping(out, false)), "pings"),
        (many(|out| frame::write_credit(out, 0, 1)), "words of what it understands"),
        (many(|out| frame::write_reset(out, 0, frame::Reset::Cancelled)), "resets of what there is not"),
    ] {
        let mut stream = tls(callee.mesh(), Some(&world.shown("web")), &[ALPN_LEG]).await.unwrap();
        let refused = || bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events).refused;
        let before = refused();
        let _ = stream.write_all(&frames).await;
        until(what, async || refused() > before).await;
    }
    assert_eq!(callee.refused_rule().await, "leg");
    let response = talk(plain(caller.outbound("api")).await, get("/")).await;
    assert_eq!(status(&response), 200, "others are served");
}

/// Never answers, but for `/late` once that is `let_go`. Counts what came.
async fn silent() -> (SocketAddr, Arc<AtomicUsize>, Arc<Notify>) {
    let (came, let_go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, released) = (Arc::clone(&came), Arc::clone(&let_go));
    let program = programs::custom(move |mut stream| {
        let (came, let_go) = (Arc::clone(&count), Arc::clone(&released));
        async move {
            let mut head = [0; 2048];
            while let Ok(n @ 1..) = stream.read(&mut head).await {
                came.fetch_add(1, SeqCst);
                if head[..n].starts_with(b"GET /late ") {
                    let_go.notified().await;
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate").await;
                }
            }
        }
    });
    (program.await, came, let_go)
}

#[tokio::test]
async fn requests_that_are_given_up_without_end_end_the_leg() {
    let (program, _came, _let_go) = silent().await;
    let (world, _caller, callee) = two(program).await;
    let mut fields = Fields::default();
    fields.append("host", b"api");
    let head = RequestHead::new(Method::GET, b"/x", None, fields);
    // Fewer than streams that may be open, so that each is begun.
    const AT_ONCE: u32 = 64;
    let given_up = |batch: u32| {
        let mut frames = Vec::new();
        for id in batch * AT_ONCE + 1..=(batch + 1) * AT_ONCE {
            frame::write_request(&mut frames, id, &head, Some(0), true);
            frame::write_reset(&mut frames, id, frame::Reset::Cancelled);
        }
        frame::write_ping(&mut frames, false);
        frames
    };
    let mut stream = tls(callee.mesh(), Some(&world.shown("web")), &[ALPN_LEG]).await.unwrap();
    let mut batches = 0;
    while stream.write_all(&given_up(batches)).await.is_ok() && hear_pong(&mut stream).await {
        batches += 1;
        assert!(batches * AT_ONCE < limits::LEG_GIVEN_UP_MAX, "it goes on for ever");
    }
    assert_eq!((batches + 1) * AT_ONCE, limits::LEG_GIVEN_UP_MAX, "it goes on until then");
    assert_eq!(callee.refused_rule().await, "leg");
}

/// True once it comes, false where the leg ends before.
async fn hear_pong(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut heard = Vec::new();
    while stream.read_buf(&mut heard).await.is_ok_and(|n| n > 0) {
        let mut at = 0;
        while let Some((_, frame, bytes)) = frame::read(&heard[at..]).unwrap() {
            if matches!(frame, frame::Frame::Pong) {
                return true;
            }
            at += bytes;
        }
    }
    false
}

#[tokio::test]
async fn clients_that_give_up_without_end_get_other_legs_and_end_nobody_elses_request() {
    const AT_ONCE: usize = 50;
    let (program, came, let_go) = silent().await;
    let (_world, caller, callee) = two(program).await;
    let addr = caller.outbound("api");
    let mut other = plain(addr).await;
    other.write_all(get("/late").as_bytes()).await.unwrap();
    until("the other request to be there", async || came.load(SeqCst) == 1).await;
    let stats = || bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events);
    let legs = stats().handshakes_completed;

    // More than two threads may give up on a leg each.
    let rounds = 5 * limits::LEG_GIVEN_UP_MAX as usize / 2 / AT_ONCE;
    for round in 1..=rounds {
        let mut asked = Vec::new();
        for _ in 0..AT_ONCE {
            let mut stream = plain(addr).await;
            stream.write_all(get("/never").as_bytes()).await.unwrap();
            asked.push(stream);
        }
        until("all of them to be there", async || came.load(SeqCst) == 1 + round * AT_ONCE).await;
    }
    assert!(stats().handshakes_completed > legs, "another leg was taken");
    assert_eq!(stats().refused, 0, "nobody floods");
    let_go.notify_one();
    assert!(talk(other, "").await.ends_with("late"), "what was under way is answered");
}

#[tokio::test]
async fn trailers_pass_and_those_that_would_decide_something_are_left_out() {
    let program = programs::custom(async |mut stream| {
        let mut head = [0; 2048];
        let _ = stream.read(&mut head).await;
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\
                      trailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\ncontent-length: 9\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let (_world, caller, _callee) = two(program.await).await;
    let response = talk(plain(caller.outbound("api")).await, get("/")).await;
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(response.ends_with("3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"), "{response}");
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_request_with_it() {
    let (gone, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (in_program, seen_there) = (Arc::clone(&gone), Arc::clone(&seen));
    let program = programs::custom(move |mut stream| {
        let (gone, seen) = (Arc::clone(&in_program), Arc::clone(&seen_there));
        async move {
            let mut bytes = [0; 2048];
            while stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {
                seen.fetch_add(1, SeqCst);
            }
            gone.fetch_add(1, SeqCst);
        }
    });
    let (_world, caller, callee) = two(program.await).await;
    let mut stream = plain(caller.outbound("api")).await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: api\r\n\r\n").await.unwrap();
    until("the program has the request", async || seen.load(SeqCst) > 0).await;
    drop(stream);
    until("the program's connection is closed", async || gone.load(SeqCst) > 0).await;
    let word = callee.event(|e| match &e.what {
        What::Request(request) => request.error.clone(),
        _ => None,
    });
    assert_eq!(&*word.await, "client_gone");
}

#[tokio::test]
async fn a_program_that_dies_in_mid_request_gets_it_once_unless_asking_twice_does_no_harm() {
    for (method, times) in [("POST", 1), ("GET", 2)] {
        let seen = Arc::new(AtomicUsize::new(0));
        let in_program = Arc::clone(&seen);
        let program = programs::custom(move |mut stream| {
            let seen = Arc::clone(&in_program);
            async move {
                let mut bytes = [0; 2048];
                // The first request is answered, so that the connection is one that was used before.
                let n = stream.read(&mut bytes).await.unwrap_or(0);
                if bytes[..n].starts_with(b"GET /first") {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                    let _ = stream.read(&mut bytes).await;
                }
                seen.fetch_add(1, SeqCst);
            }
        });
        let (_world, caller, _callee) = two(program.await).await;
        let mut stream = plain(caller.outbound("api")).await;
        stream.write_all(b"GET /first HTTP/1.1\r\nhost: api\r\n\r\n").await.unwrap();
        hear_until(&mut stream, "ok").await;
        // On the same connection, hence by the same threads.
        let response = talk(stream, get("/").replacen("GET", method, 1)).await;
        assert_eq!(status(&response), 502, "{method}: {response}");
        assert_eq!(seen.load(SeqCst), times, "{method}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused_and_one_below_passes() {
    let (_world, caller, _callee) = two(programs::http().await).await;
    let body = "x".repeat(1 << 20);
    let chunked = format!(
        "PUT /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let response = talk(plain(caller.outbound("api")).await, chunked).await;
    assert!(response.ends_with(&body), "{} bytes", response.len());
    let mut stream = plain(caller.outbound("api")).await;
    let head = b"PUT /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let chunk = format!("{:x}\r\n{body}\r\n", body.len());
    for _ in 0..=limits::BODY_BYTES_MAX >> 20 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let response = hear_until(&mut stream, "\r\n\r\n").await;
    assert_eq!(status(&response), 413, "{response}");
}

#[tokio::test]
async fn a_guard_that_is_stopped_answers_what_is_under_way_on_its_legs() {
    let (asked, mut is_asked) = tokio::sync::mpsc::unbounded_channel();
    let program = programs::custom(move |mut stream| {
        let asked = asked.clone();
        async move {
            let mut head = [0; 2048];
            while stream.read(&mut head).await.is_ok_and(|n| n > 0) {
                let _ = asked.send(());
                tokio::time::sleep(Duration::from_millis(300)).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    });
    let (_world, caller, callee) = two(program.await).await;
    let mut stream = plain(caller.outbound("api")).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: api\r\n\r\n").await.unwrap();
    is_asked.recv().await.unwrap();
    let (answer, ()) = tokio::join!(hear_until(&mut stream, "ok"), callee.stopped());
    assert_eq!(status(&answer), 200);
    assert_eq!(callee.proxy.name, name("api"));
}

#[tokio::test]
async fn without_reuse_each_request_has_a_connection_of_its_own() {
    let (_world, mut caller, callee) = two(programs::http().await).await;
    let stats = || bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events);
    // One leg for each of two threads, where connections are kept; those of the last requests before are kept too.
    for (reuse, fewest, most) in [(true, 1, 2), (false, 8, 8), (true, 0, 2)] {
        caller.redirect(|directory| directory.tuning.reuse = reuse);
        let before = stats().handshakes_completed;
        for _ in 0..8 {
            let answer = talk(plain(caller.outbound("api")).await, get("/")).await;
            assert_eq!(status(&answer), 200, "{answer}");
        }
        let made = stats().handshakes_completed - before;
        assert!((fewest..=most).contains(&made), "{made} handshakes for 8 requests, reuse: {reuse}");
    }
    assert_eq!(stats().inbound["web"].calls, 24);
}
