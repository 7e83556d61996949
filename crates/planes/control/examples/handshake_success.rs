//! Handshakes that succeed while the root is replaced three times: completed of attempted, and why the others failed.
//!
//! `cargo run --release -p bartizan-control --example handshake_success [handshakes] [services]`
//!
//! Control is the real one with its real rotations; services are stand-ins that speak its real stream: they take bundles up,
//! acknowledge, renew when they are told to. Each handshake is a full mutual TLS 1.3 handshake between two of them with what each
//! shows and trusts at that moment, the client expecting exactly that service.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code, unused_imports)]

#[path = "../tests/it/support/mod.rs"]
mod support;

use crate::support::{Member, Place, Running, wait_for};
use bartizan_core::event::HandshakeFailure;
use bartizan_core::rotation::{CaStatus, Phase, Rotate, Rotated};
use bartizan_core::{Role, SpiffeId};
use bartizan_crypto::{KeyPair, random};
use bartizan_identity::{expect_peer, verify_peer};
use bartizan_runtime::tls::{self, ClientAuth, Judge, JudgeError};
use bartizan_runtime::{clock, process};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROTATIONS: u64 = 3;
/// Handshakes under way at once.
const AT_ONCE: usize = 4;
const WITHIN: Duration = Duration::from_secs(5);

fn main() {
    let number = |at: usize, default: u64| std::env::args().nth(at).map_or(default, |text| text.parse().unwrap());
    let (wanted, services) = (number(1, 1_000_000), number(2, 20));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(wanted, usize::try_from(services).unwrap()));
}

async fn run(wanted: u64, services: usize) {
    let (place, names) = place(services);
    let control = Running::start(&place).await;
    let node = control.node().await;
    let mut members = Vec::new();
    for name in &names {
        members.push(Member::start(&control, &node, name).await);
    }
    wait_for("identities", async || members.iter().all(Member::has_identity).then_some(())).await;
    let ends: Vec<End> = members.into_iter().map(End::new).collect();
    let meeting = Arc::new(Meeting { ends, count: Count::default(), wanted, over: AtomicBool::new(false) });
    let (began, cpu) = (Instant::now(), process::cpu_us());
    let shaking: Vec<_> = (0..AT_ONCE).map(|_| tokio::spawn(Arc::clone(&meeting).shake_on())).collect();

    let mut rotations = Vec::new();
    for number in 1..=ROTATIONS {
        // Spread over the run.
        let from = wanted * number / (ROTATIONS + 2);
        while meeting.count.attempted.load(Ordering::Relaxed) < from {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let before = meeting.count.attempted.load(Ordering::Relaxed);
        let begun = Instant::now();
        let rotate = Rotate { what: Rotated::Root, canary: None, wave_percent: None, soak_ms: Some(3_000) };
        control.post::<CaStatus>("/v1/ca/rotate", &rotate).await.unwrap();
        let phase = loop {
            let rotation = control.get::<CaStatus>("/v1/ca").await.rotation.unwrap();
            if matches!(rotation.phase, Phase::Retired | Phase::Reverted) {
                break rotation.phase;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let during = meeting.count.attempted.load(Ordering::Relaxed) - before;
        rotations.push((phase, begun.elapsed().as_secs_f64(), during));
        assert_eq!(phase, Phase::Retired, "rotation {number} was taken back");
    }
    for task in shaking {
        task.await.unwrap();
    }
    let (wall, cpu) = (began.elapsed().as_secs_f64(), (process::cpu_us() - cpu) as f64);
    meeting.over.store(true, Ordering::Relaxed);

    let (attempted, failed) = meeting.count.sums();
    let completed = attempted - failed.values().sum::<u64>();
    println!(
        "{services} services, {attempted} full mutual handshakes in {wall:.0} s, {ROTATIONS} rotations of the root in between"
    );
    for (at, (phase, took, during)) in rotations.iter().enumerate() {
        println!("rotation {}: {} after {took:.1} s, {during} handshakes meanwhile", at + 1, phase.as_str());
    }
    println!("completed {completed} of {attempted}: {:.4} %", 100.0 * completed as f64 / attempted as f64);
    for cause in HandshakeFailure::ALL {
        println!("failed, {}: {}", cause.as_str(), failed.get(&cause).copied().unwrap_or_default());
    }
    println!("{:.0} µs of CPU a handshake, both ends, with control and rotations in", cpu / attempted as f64);
    // What the stand-ins told control, as everybody reads it.
    let sum = async |name: &str| {
        let metrics = control.text("/v1/metrics").await;
        let lines = metrics.lines().filter(|line| line.starts_with(&format!("{name}{{")) && !line.contains("-control"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    wait_for("the counters in control's metrics", async || {
        (sum("bartizan_handshakes_attempted_total").await == attempted).then_some(())
    })
    .await;
    println!(
        "control's metrics: attempted {}, completed {}, failed {}",
        sum("bartizan_handshakes_attempted_total").await,
        sum("bartizan_handshakes_completed_total").await,
        sum("bartizan_handshakes_failed_total").await
    );
    control.stop().await;
    assert!(completed as f64 >= 0.9999 * attempted as f64, "below 99.99 %");
}

fn place(services: usize) -> (Place, Vec<String>) {
    let names: Vec<String> = (0..services).map(|n| format!("s{n:03}")).collect();
    let mut text = "fleet: many\ntrust_domain: bank.test\nservices:\n".to_owned();
    for (n, name) in names.iter().enumerate() {
        text += &format!("  {name}:\n    at: 127.0.0.1:{}\n    protocol: tcp\n    owner: many\n", 20_000 + n);
    }
    let place = Place::new();
    place.write("fleet.yaml", &text);
    // Nobody listens there: handshakes go over memory.
    let mesh = |n: usize| ([127, 0, 0, 1], 30_000 + u16::try_from(n).unwrap()).into();
    place.edit_plan(|plan| {
        plan.mesh = names.iter().enumerate().map(|(n, name)| (support::service(name).into(), mesh(n))).collect();
        plan.outbound.clear();
    });
    (place, names)
}

/// A member with the TLS ends that show its identity, made anew when that is a new one.
struct End {
    member: Member,
    shown: Mutex<Option<Shown>>,
}

#[derive(Clone)]
struct Shown {
    leaf: Vec<u8>,
    client: Arc<tls::Client>,
    server: Arc<tls::Server>,
}

impl End {
    fn new(member: Member) -> Self {
        Self { member, shown: Mutex::default() }
    }

    fn id(&self) -> SpiffeId {
        let name = self.member.state.lock().unwrap().name.clone();
        let domain = bartizan_core::TrustDomain::parse("bank.test").unwrap();
        SpiffeId::of(&domain, &Role::Service(support::service(&name)))
    }

    fn shown(&self) -> Shown {
        let state = self.member.state.lock().unwrap();
        let mut shown = self.shown.lock().unwrap();
        match &*shown {
            Some(shown) if shown.leaf == state.chain[0] => shown.clone(),
            _ => {
                let key = KeyPair::from_pkcs8(&state.key.pkcs8()).unwrap();
                let identity = tls::Identity::new(&state.chain, &key).unwrap();
                let client = tls::Client::new(Some(&identity), &["http/1.1"]).unwrap();
                let server = tls::Server::new(&identity, ClientAuth::Required, &["http/1.1"]).unwrap();
                let leaf = state.chain[0].clone();
                shown.insert(Shown { leaf, client: Arc::new(client), server: Arc::new(server) }).clone()
            }
        }
    }

    /// By what this one trusts now; `expected` where it is the client.
    fn judge(&self, expected: Option<SpiffeId>) -> Judge<()> {
        let bundles = Arc::clone(&self.member.state.lock().unwrap().bundles);
        Arc::new(move |chain| {
            let judged = verify_peer(chain, &bundles, clock::now());
            let judged = judged.and_then(|peer| match &expected {
                Some(expected) => expect_peer(peer, expected).map(drop),
                None => Ok(()),
            });
            judged.map_err(|refusal| JudgeError { failure: refusal.failure, detail: refusal.detail })
        })
    }
}

#[derive(Default)]
struct Count {
    attempted: AtomicU64,
    failed: Mutex<BTreeMap<HandshakeFailure, u64>>,
}

impl Count {
    fn sums(&self) -> (u64, BTreeMap<HandshakeFailure, u64>) {
        (self.attempted.load(Ordering::Relaxed), self.failed.lock().unwrap().clone())
    }
}

struct Meeting {
    ends: Vec<End>,
    count: Count,
    wanted: u64,
    over: AtomicBool,
}

impl Meeting {
    async fn shake_on(self: Arc<Self>) {
        while self.count.attempted.fetch_add(1, Ordering::Relaxed) < self.wanted {
            let (from, to) = self.pair();
            let failure = self.shake(from, to).await;
            let mut state = from.member.state.lock().unwrap();
            match failure {
                None => state.completed += 1,
                Some(failure) => {
                    state.failed += 1;
                    *self.count.failed.lock().unwrap().entry(failure).or_default() += 1;
                }
            }
        }
        // The one that was one too many.
        self.count.attempted.fetch_sub(1, Ordering::Relaxed);
    }

    fn pair(&self) -> (&End, &End) {
        let (count, random) = (self.ends.len() as u64, random::u64());
        let from = random % count;
        let to = (from + 1 + (random >> 32) % (count - 1)) % count;
        (&self.ends[from as usize], &self.ends[to as usize])
    }

    async fn shake(&self, from: &End, to: &End) -> Option<HandshakeFailure> {
        let (near, far) = tokio::io::duplex(32 << 10);
        let (client, server) = (from.shown().client, to.shown().server);
        let (one, other) = tokio::join!(
            client.connect(near, from.judge(Some(to.id())), WITHIN),
            server.accept(far, to.judge(None), WITHIN)
        );
        // Whoever refuses knows why; the other end only sees it end.
        let failures = [one.err().map(|e| e.failure), other.err().map(|e| e.failure)];
        let known = failures.iter().flatten().find(|failure| **failure != HandshakeFailure::Protocol);
        known.or(failures.iter().flatten().next()).copied()
    }
}
