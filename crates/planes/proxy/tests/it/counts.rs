//! Limits that several guards share, with a real Redis between them.

use crate::programs;
use crate::world::{Guard, World, free_addr};
use bartizan_core::counts::{Away, Counts};
use bartizan_core::fleet::Protocol;
use bartizan_core::limit::{Limit, Measure, Per};
use bartizan_proxy::counts::keep;
use bartizan_proxy::limiting::Asked;
use bartizan_runtime::clock;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A Redis of the test's own.
struct Redis {
    at: SocketAddr,
    child: Child,
}

impl Redis {
    fn start(at: SocketAddr, more: &[&str]) -> Self {
        let port = at.port().to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]).args(more);
        let child = command.stdout(Stdio::null()).spawn().expect("redis-server is installed; see xtask/needs.sh");
        let began = Instant::now();
        while std::net::TcpStream::connect(at).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { at, child }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shared(measure: Measure) -> Limit {
    Limit { name: "shared".into(), per: vec![Per::User], measure, cost: Default::default(), shared: true }
}

fn counts(redis: SocketAddr, away: Away) -> Counts {
    Counts { redis: redis.to_string(), roots: None, password: None, away }
}

/// A guard of the service `api`, which counts together with others.
struct One {
    guard: Guard,
    _stop: DropGuard,
}

impl One {
    async fn start(world: &World, limit: Limit, counts: Counts) -> Self {
        let mut guard = world.sidecar("api", programs::http().await, Protocol::Http).await;
        guard.redirect(|directory| {
            directory.counts = Some(counts);
            directory.own.inbound.as_mut().unwrap().limits = vec![limit];
        });
        let stop = CancellationToken::new();
        tokio::spawn(keep(guard.proxy.clone(), stop.clone()));
        Self { guard, _stop: stop.drop_guard() }
    }

    /// Whether a request of that user is let through; the error says whether nobody knows.
    fn take(&self, user: &str) -> Result<(), bool> {
        let user = bartizan_core::user::User { subject: user.to_owned(), ..Default::default() };
        let asked = Asked {
            caller: None,
            user: Some(&user),
            address: "127.0.0.1".parse().unwrap(),
            route: None,
            method: "GET",
        };
        let live = self.guard.proxy.live();
        let now = self.guard.proxy.clocks(clock::now());
        live.limits.service().unwrap().take(&asked, now).map(drop).map_err(|refused| refused.unknown)
    }
}

async fn three(limit: &Limit, counts: &Counts) -> Vec<One> {
    let world = World::new();
    let mut guards = Vec::new();
    for _ in 0..3 {
        guards.push(One::start(&world, limit.clone(), counts.clone()).await);
    }
    guards
}

async fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_guards_let_through_what_one_would_and_a_burst_each_at_first() {
    let redis = Redis::start(free_addr(), &[]);
    let (rate, burst) = (100, 20);
    let limit = shared(Measure::Rate { count: rate, period_s: 1, burst });
    let guards = three(&limit, &counts(redis.at, Away::Local)).await;
    let began = Instant::now();
    let (mut passed, mut asked) = (0, 0);
    while began.elapsed() < Duration::from_secs(4) {
        for guard in &guards {
            asked += 1;
            passed += u64::from(guard.take("alice").is_ok());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let came_back = began.elapsed().as_millis() as u64 * u64::from(rate) / 1000;
    let most = came_back + 3 * u64::from(burst) + 2;
    assert!(passed <= most, "{passed} of {asked}, at most {most}");
    // Alone each would let through as much as all of them may.
    assert!(passed >= came_back * 8 / 10, "{passed} of {asked}, and {came_back} came back");
    // What was too much at first was owed and given back, so over a while it is what one guard would let through.
    let (began, before) = (Instant::now(), passed);
    while began.elapsed() < Duration::from_secs(2) {
        passed += guards.iter().map(|guard| u64::from(guard.take("alice").is_ok())).sum::<u64>();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let came_back = began.elapsed().as_millis() as u64 * u64::from(rate) / 1000;
    let again = passed - before;
    assert!(again <= came_back * 13 / 10 + 3, "{again} where {came_back} came back");
    assert!(guards.iter().all(|guard| guard.take("bob").is_ok()), "others have their own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_at_one_guard_is_used_up_at_all() {
    let redis = Redis::start(free_addr(), &[]);
    let guards =
        three(&shared(Measure::Quota { count: 50, window_s: 24 * 3600 }), &counts(redis.at, Away::Local)).await;
    assert_eq!((0..60).filter(|_| guards[0].take("alice").is_ok()).count(), 50);
    // Nobody told the others of alice yet: the first of her requests there makes them look.
    let mut more = 0;
    wait_until("the others never hear of it", || {
        let passed = guards[1..].iter().filter(|guard| guard.take("alice").is_ok()).count();
        more += passed;
        passed == 0
    })
    .await;
    assert!(more <= 2 * 20, "{more} until both had looked");
    // And one that starts later.
    let world = World::new();
    let late =
        One::start(&world, shared(Measure::Quota { count: 50, window_s: 24 * 3600 }), counts(redis.at, Away::Local));
    let late = late.await;
    wait_until("the late one never hears of it", || late.take("alice").is_err()).await;
    let left = (0..60).filter(|_| late.take("alice").is_ok()).count();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_away_what_was_declared_holds() {
    let mut redis = Redis::start(free_addr(), &[]);
    let at = redis.at;
    let limit = shared(Measure::Rate { count: 1000, period_s: 1, burst: 1000 });
    let world = World::new();
    let local = One::start(&world, limit.clone(), counts(at, Away::Local)).await;
    let strict = One::start(&world, limit, counts(at, Away::Refuse)).await;
    assert_eq!((local.take("alice"), strict.take("alice")), (Ok(()), Ok(())));
    redis.child.kill().unwrap();
    redis.child.wait().unwrap();
    wait_until("it is not noticed", || strict.take("alice") == Err(true)).await;
    assert_eq!(local.take("alice"), Ok(()), "it goes on by itself");
    drop(redis);
    let _redis = Redis::start(at, &[]);
    wait_until("it is not taken up again", || strict.take("alice") == Ok(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_with_a_password_lets_in_who_has_it() {
    let redis = Redis::start(free_addr(), &["--requirepass", "correct horse"]);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let limit = shared(Measure::Rate { count: 1000, period_s: 1, burst: 1000 });
    let world = World::new();
    let counts = |password: Option<String>| Counts { password, ..counts(redis.at, Away::Refuse) };
    let none = One::start(&world, limit.clone(), counts(None)).await;
    let wrong = One::start(&world, limit.clone(), counts(Some(file("wrong", "battery staple\n")))).await;
    let missing = One::start(&world, limit.clone(), counts(Some("/nowhere".to_owned()))).await;
    let right = One::start(&world, limit, counts(Some(file("right", "correct horse\n")))).await;
    wait_until("they are let in", || [&none, &wrong, &missing].iter().all(|it| it.take("alice") == Err(true))).await;
    assert_eq!(right.take("alice"), Ok(()));
}
