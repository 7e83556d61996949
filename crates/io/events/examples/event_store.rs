//! What the store of events bears, and how fast it finds: a table for `benches/results/`.
//!
//! `cargo run --release -p bartizan-events --example event_store -- [--events N] [--dir DIR]`
//!
//! Events are requests as a fleet of fifty services makes them, six of one request: gateway, three hops in and out. Each is redacted, gets
//! its context, becomes a record and is stored, in batches of 512 as guards send them. Times are of all cores, CPU of the whole process (the thread that
//! packs included).

#![allow(clippy::unwrap_used)]

use bartizan_core::event::{Class, Event, EventId, Judged, Request, SeenBy, Upshot, What};
use bartizan_core::fleet::{self, Fleet};
use bartizan_core::retention::Retention;
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Action, RequestId, ServiceName, SpiffeId, Timestamp, Verdict};
use bartizan_events::{Events, Filter, StoredEvent, record};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SERVICES: u64 = 50;
const HOPS: u64 = 6;
const BATCH: u64 = 512;
/// Time that all events span, so that an hour is a part of them.
const SPAN: Duration = Duration::from_secs(6 * 3_600);
const ROUNDS: u64 = 51;

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut events, mut dir) = (10_000_000, None);
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--events" => events = value.parse().unwrap(),
            "--dir" => dir = Some(PathBuf::from(value)),
            other => panic!("unknown: {other}"),
        }
    }
    let own = tempfile::tempdir().unwrap();
    let dir = dir.unwrap_or_else(|| own.path().join("events"));
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(measure(events, &dir));
}

async fn measure(count: u64, dir: &std::path::Path) {
    let world = World::new(count);
    let store = Events::open(dir, Retention::default()).await.unwrap();

    // Made before the clock starts, a part at a time, so that making them is not measured.
    let (mut wall, mut cpu, mut slowest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut next = 0;
    while next < count {
        let part: Vec<Vec<Event>> = (0..200)
            .map(|n| (next + n * BATCH..(next + (n + 1) * BATCH).min(count)).map(|n| world.event(n)).collect())
            .filter(|batch: &Vec<Event>| !batch.is_empty())
            .collect();
        next += 200 * BATCH;
        let (began, cpu_before) = (Instant::now(), cpu_time());
        for batch in part {
            let one = Instant::now();
            let records: Vec<StoredEvent> =
                batch.into_iter().map(|event| record::write(event, &world.fleet, Some("bench"))).collect();
            store.append(records).await.unwrap();
            slowest = slowest.max(one.elapsed());
        }
        wall += began.elapsed();
        cpu += cpu_time() - cpu_before;
    }
    let (began, cpu_before) = (Instant::now(), cpu_time());
    store.tend(Timestamp::from_secs(0)).await;
    let (packing, packing_cpu) = (began.elapsed(), cpu_time() - cpu_before);
    let held = store.status();
    let per_s = |time: Duration| count as f64 / time.as_secs_f64();
    let mut table = String::from("| | |\n|---|---|\n");
    let _ = writeln!(table, "| events | {count}, in {} partitions |", held.partitions);
    let _ = writeln!(table, "| stored, redacted and with context | {:.0} a second |", per_s(wall));
    let _ = writeln!(table, "| the same, by CPU of the whole process | {:.0} a second and core |", per_s(cpu));
    let _ = writeln!(table, "| slowest batch of {BATCH} | {:.1} ms |", slowest.as_secs_f64() * 1e3);
    let _ = writeln!(
        table,
        "| packing what was left | {:.2} s, {:.2} s of CPU |",
        packing.as_secs_f64(),
        packing_cpu.as_secs_f64()
    );
    let _ = writeln!(table, "| on disk | {:.1} bytes an event |", held.bytes as f64 / count as f64);
    let _ = writeln!(table, "| resident | {} MB |", resident_mb());

    let hour = world.at(count / 2);
    let until = hour.plus(Duration::from_secs(3_600));
    let identity = |n: u64| Some(world.identity(n).as_str().into());
    let in_hour = Filter { since: Some(hour), until: Some(until), ..Filter::default() };
    let cases: Vec<Case<'_>> = vec![
        (
            "chain of a request",
            Box::new(|n| Filter { request: Some(world.request(n * 7_919 * HOPS % count)), ..Filter::default() }),
        ),
        (
            "a request that is not there",
            Box::new(|n| Filter { request: RequestId::parse(&format!("{:032x}", n + 1)), ..Filter::default() }),
        ),
        (
            "an identity's hour, the newest 100",
            Box::new(|n| Filter { identity: identity(n), limit: Some(100), ..in_hour.clone() }),
        ),
        ("an identity's hour, 10,000 of them", Box::new(|n| Filter { identity: identity(n), ..in_hour.clone() })),
        (
            "an identity's denials of an hour, all",
            Box::new(|n| Filter { identity: identity(n), upshots: vec![Upshot::Denied], ..in_hour.clone() }),
        ),
        (
            "an identity that is not there, all time",
            Box::new(|n| Filter { identity: Some(format!("nobody-{n}").into()), ..Filter::default() }),
        ),
        (
            "a class that is not there, all time",
            Box::new(|_| Filter { classes: vec![Class::Egress], ..Filter::default() }),
        ),
        ("the newest 100 of all", Box::new(|_| Filter { limit: Some(100), ..Filter::default() })),
        (
            "a text, all time: an account's number",
            Box::new(|n| Filter {
                text: Some(format!("/accounts/{}/", 1_000_000 + n * 7_919 % 100_000)),
                limit: Some(100),
                ..Filter::default()
            }),
        ),
        (
            "a text that is not there, all time",
            Box::new(|n| Filter { text: Some(format!("xq{n}zw")), ..Filter::default() }),
        ),
    ];
    table.push_str("\n| query | found | p50 | p99 |\n|---|---|---|---|\n");
    for (name, filter) in cases {
        let (mut times, mut found) = (Vec::new(), 0);
        for n in 0..ROUNDS {
            let filter = filter(n);
            let began = Instant::now();
            let page = store.find(&filter).await.unwrap();
            times.push(began.elapsed());
            found = page.events.len();
        }
        times.sort();
        let ms = |at: usize| times[at].as_secs_f64() * 1e3;
        let _ = writeln!(table, "| {name} | {found} | {:.2} ms | {:.2} ms |", ms(times.len() / 2), ms(times.len() - 1));
    }
    let chain =
        store.find(&Filter { request: Some(world.request(count / 2)), ..Filter::default() }).await.unwrap().events;
    assert_eq!(chain.len() as u64, HOPS, "the whole chain");
    print!("{table}");

    let began = Instant::now();
    store.close().await;
    let again = Events::open(dir, Retention::default()).await.unwrap();
    println!("\nopened again in {:.0} ms, with {} events", began.elapsed().as_secs_f64() * 1e3, again.status().events);
}

/// A query by the number of its round, and its name.
type Case<'a> = (&'a str, Box<dyn Fn(u64) -> Filter + 'a>);

struct World {
    fleet: Fleet,
    names: Vec<ServiceName>,
    ids: Vec<SpiffeId>,
    count: u64,
}

impl World {
    fn new(count: u64) -> Self {
        let names: Vec<String> = (0..SERVICES).map(|n| format!("service-{n}")).collect();
        let mut file = "fleet: bench\ntrust_domain: bench.example\nservices:\n".to_owned();
        for (n, name) in names.iter().enumerate() {
            let _ = writeln!(
                file,
                "  {name}: {{ listen: \"127.0.0.1:{}\", protocol: http, owner: team-{}, data: [pii] }}",
                7_000 + n,
                n % 7
            );
        }
        let fleet = fleet::parse(&file, "fleet.yaml").unwrap();
        let ids = names.iter().map(|name| SpiffeId::parse(&format!("spiffe://bench.example/svc/{name}")).unwrap());
        Self {
            fleet,
            ids: ids.collect(),
            names: names.iter().map(|name| ServiceName::parse(name).unwrap()).collect(),
            count,
        }
    }

    fn at(&self, n: u64) -> Timestamp {
        let ms = u128::from(n) * SPAN.as_millis() / u128::from(self.count);
        Timestamp::from_secs(1_800_000_000).plus(Duration::from_millis(ms as u64))
    }

    fn identity(&self, n: u64) -> &SpiffeId {
        &self.ids[(n % SERVICES) as usize]
    }

    fn request(&self, n: u64) -> RequestId {
        let number = n / HOPS;
        let half = |salt: u64| number.wrapping_add(salt).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ salt;
        RequestId::parse(&format!("{:016x}{:016x}", half(1), half(2) | 1)).unwrap()
    }

    fn event(&self, n: u64) -> Event {
        let (number, hop) = (n / HOPS, n % HOPS);
        let service = ((number * 31 + hop.div_ceil(2) * 17) % SERVICES) as usize;
        let to = ((number * 31 + (hop / 2 + 1) * 17) % SERVICES) as usize;
        let inbound = hop % 2 == 1;
        let denied = number.is_multiple_of(200) && hop == HOPS - 1;
        let verdict = if denied { Verdict::Deny } else { Verdict::Allow };
        let decision = inbound.then(|| Judged {
            verdict,
            policies: vec![format!("fleet:calls/{}->{}", self.names[to], self.names[service]).into()],
            reason: None,
            epoch: Epoch(7),
        });
        let account = 1_000_000 + number % 100_000;
        let what = What::Request(Request {
            peer: inbound.then(|| self.ids[to].clone()),
            to: self.names[service].clone(),
            method: if number % 5 == 0 { "POST" } else { "GET" }.into(),
            path: format!("/accounts/{account}/entries/{number}").into(),
            route: Some("one-account".into()),
            action: Action::Read,
            decision,
            status: if denied { 403 } else { 200 },
            error: None,
            took_us: (700 + number % 900) as u32,
            added_us: 70,
            client: None,
            user: Some(format!("customer-{account}").into()),
            span: n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            parent_span: (n - 1.min(hop)).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        });
        let seen_by = if inbound { SeenBy::Inbound } else { SeenBy::Outbound };
        Event {
            id: EventId(service as u64 * 0x1234_5678_9abc_def1, n),
            at: self.at(n),
            service: Some(self.names[service].clone()),
            seen_by,
            request: Some(self.request(n)),
            what,
        }
    }
}

/// CPU of this process so far, of all threads: fields 14 and 15 of /proc/self/stat, in hundredths of a second (proc(5)).
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
