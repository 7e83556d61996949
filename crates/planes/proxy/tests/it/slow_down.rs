//! Callers that come much more often than usual, through real guards: who waits, who is refused after that, and who notices nothing.

use crate::client::{get, header, mtls, plain, status, talk, tls, until};
use crate::programs;
use crate::world::{Guard, World};
use bartizan_core::Verdict;
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use bartizan_core::limit::{Limit, Measure, Per};
use bartizan_core::slow_down::SlowDown;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// One request in this time is what is usual here.
const EVERY: Duration = Duration::from_millis(60);
/// What anybody may come, in a second: more than twice what is usual, so that how fast the machine is makes no difference.
const LEAST: u32 = 50;

fn said(waiting: u32) -> SlowDown {
    let (window_ms, over_ms, delay_ms) = (100, 60_000, 1_000);
    SlowDown { window_ms, over_ms, least: LEAST, delay_ms, waiting, ..SlowDown::per(Per::Caller) }
}

async fn api(world: &World, said: SlowDown, limits: Vec<Limit>) -> Guard {
    let mut api = world.sidecar("api", programs::http().await, Protocol::Http).await;
    api.redirect(|directory| {
        let inbound = directory.own.inbound.as_mut().unwrap();
        (inbound.slow_down, inbound.limits) = (Some(said), limits);
    });
    api
}

/// Comes as usual for as long as it takes until that is known.
async fn come_as_usual(mut ask: impl AsyncFnMut() -> String) {
    // There are at most two in a window of 100 ms.
    for _ in 0..30 {
        let response = ask().await;
        assert_eq!(status(&response), 200, "{response}");
        assert_eq!(header(&response, "ratelimit"), None, "{response}");
        sleep(EVERY).await;
    }
}

/// As many requests as go through `lanes` connections in `time`, each as soon as the one before is answered.
async fn flood(web: &Guard, lanes: usize, time: Duration) -> Vec<String> {
    let (end, to) = (Instant::now() + time, web.outbound("api"));
    let lanes: JoinSet<Vec<String>> = (0..lanes)
        .map(|_| async move {
            let mut responses = Vec::new();
            while Instant::now() < end {
                responses.push(talk(plain(to).await, get("/a")).await);
            }
            responses
        })
        .collect();
    lanes.join_all().await.into_iter().flatten().collect()
}

fn is_slowed(response: &str) -> bool {
    status(response) == 200 && response.contains("ratelimit: \"slow_down\";r=0;t=")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_many_times_its_usual_rate_a_caller_waits_then_is_refused_and_others_notice_nothing() {
    let world = World::new();
    let api = api(&world, said(16), Vec::new()).await;
    let web = world.caller("web", &[(&api, Protocol::Http)]).await;
    let gateway = world.gateway(&api, "").await;
    let other = async || talk(tls(gateway.edge(), None, &["http/1.1"]).await.unwrap(), get("/api/x")).await;
    let to = web.outbound("api");
    tokio::join!(come_as_usual(async || talk(plain(to).await, get("/a")).await), come_as_usual(other));
    assert_eq!(api.proxy.live().limits.stats()["slow_down"].slowed, 0, "what is usual does not wait");

    let time = Duration::from_secs(3);
    let flooding = flood(&web, 40, time);
    let others = async {
        let (mut responses, end) = (Vec::new(), Instant::now() + time);
        while Instant::now() < end {
            responses.push(other().await);
            sleep(EVERY).await;
        }
        responses
    };
    let began = Instant::now();
    let (flooded, others) = tokio::join!(flooding, others);
    let took_ms = began.elapsed().as_millis() as usize;
    let slowed = flooded.iter().filter(|response| is_slowed(response)).count();
    let refused: Vec<_> = flooded.iter().filter(|response| status(response) == 429).collect();
    let passed = flooded.iter().filter(|response| status(response) == 200).count();
    assert_eq!(passed + refused.len(), flooded.len(), "nothing but these two");
    assert!(slowed > 20, "{slowed} of {} waited", flooded.len());
    // LEAST a second and no more, and what may come at once, and one.
    let most = LEAST as usize * (took_ms + 100) / 1000 + 1;
    assert!(passed <= most, "{passed} went on, of {most}");
    assert!(!refused.is_empty(), "of {}", flooded.len());
    for response in &refused {
        assert!(header(response, "retry-after").is_some(), "{response}");
        assert_eq!(header(response, "ratelimit-policy"), Some("\"slow_down\";q=50;w=1"), "{response}");
        assert!(header(response, "ratelimit").unwrap().starts_with("\"slow_down\";r=0;t="), "{response}");
        assert!(response.contains("rate_limited") && !response.contains("fleet:slow_down"), "{response}");
    }
    for response in &others {
        assert_eq!((status(response), header(response, "ratelimit")), (200, None), "{response}");
    }
    assert!(others.len() >= 5, "{} of others", others.len());
    let stats = api.proxy.live().limits.stats()["slow_down"];
    assert_eq!((stats.slowed as usize, stats.refused as usize), (slowed, refused.len()));
    for (verdict, status) in [(Verdict::Allow, 200), (Verdict::Deny, 429)] {
        let said = api
            .event(|event| match &event.what {
                What::Request(request) if request.status == status => request
                    .decision
                    .clone()
                    .filter(|judged| judged.policies.iter().any(|policy| &**policy == "fleet:slow_down")),
                _ => None,
            })
            .await;
        assert_eq!(said.verdict, verdict);
        let why = said.reason.unwrap();
        assert!(why.contains("more than 5 requests in 100 ms (2 times what is usual, 50/s at least"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_takes_nothing_that_others_share_and_who_goes_away_nothing_at_all() {
    let world = World::new();
    let one = Limit {
        name: "at-once".into(),
        per: Vec::new(),
        measure: Measure::Concurrency { most: 8 },
        cost: Default::default(),
        shared: false,
    };
    let slow = SlowDown { delay_ms: 15_000, least: 10, ..said(64) };
    let api = api(&world, slow, vec![one]).await;
    let ask = async || talk(mtls(&world, api.mesh(), "web").await, get("/a")).await;
    come_as_usual_slowly(ask).await;
    let waiting = || api.proxy.live().limits.pace().unwrap().waiting();
    let (mut streams, mut many) = (Vec::new(), JoinSet::new());
    for _ in 0..40 {
        streams.push(mtls(&world, api.mesh(), "web").await);
    }
    for stream in streams {
        many.spawn(async move { talk(stream, get("/a")).await });
    }
    until("most of them wait", async || waiting() >= 20).await;
    // There are eight places for all callers together, and those who wait hold none of them.
    let gateway = world.gateway(&api, "").await;
    let other = talk(tls(gateway.edge(), None, &["http/1.1"]).await.unwrap(), get("/api/x")).await;
    assert_eq!(status(&other), 200, "{other}");
    many.abort_all();
    until("nobody waits any more", async || waiting() == 0).await;
    // All that they would have used is there again: what comes now waits for moments, and not for seconds.
    let began = Instant::now();
    let response = timeout(Duration::from_secs(10), ask()).await.unwrap();
    assert_eq!(status(&response), 200, "{response} after {:?}", began.elapsed());
    assert_eq!(api.proxy.live().limits.stats()["slow_down"].refused, 0);
}

/// As [`come_as_usual`], for whom ten a second are usual.
async fn come_as_usual_slowly(mut ask: impl AsyncFnMut() -> String) {
    for _ in 0..14 {
        let response = ask().await;
        assert_eq!(status(&response), 200, "{response}");
        sleep(Duration::from_millis(101)).await;
    }
}
