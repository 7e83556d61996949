//! The questions, each asked with nothing of the store in memory but what the store itself keeps there (the kernel's copies of its files are
//! dropped before each), and again at once.

use super::machine;
use super::world::{HOPS, World, mix};
use bartizan_core::Timestamp;
use bartizan_core::event::Upshot;
use bartizan_core::retention::Retention;
use bartizan_events::{Events, Filter};
use std::fmt::Write as _;
use std::path::Path;
use std::process::exit;
use std::time::{Duration, Instant};

const HOUR_MS: u64 = 3_600_000;
/// Events of a page of the console, a count.
const PAGE: u32 = 100;
/// As control asks for the chain of a request.
const CHAIN_MAX: u32 = 1_000;

/// A question by the number of its draw.
type Case<'a> = (&'a str, Box<dyn Fn(u64) -> Filter + 'a>);

/// Prints the table. Ends with the process of who asks where a chain is not whole.
pub(crate) async fn run(world: &World, dir: &Path, draws: u64) {
    machine::forget(dir);
    let opened = |began: Instant| format!("{:.2} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let store = Events::open(dir, Retention::default()).await.unwrap();
    let cold = opened(began);
    store.close().await;
    drop(store);
    let began = Instant::now();
    let store = Events::open(dir, Retention::default()).await.unwrap();
    let warm = opened(began);
    let held = store.status();
    println!("\n| {} events in {} partitions | |\n|---|---|", held.events, held.partitions);
    println!("| opened, its files read from the disk | {cold} |\n| opened again | {warm} |");
    println!("| resident after that | {} MB |\n", machine::resident_mb());
    if held.events != world.count() {
        eprintln!("{} events were stored, and {} are there", world.count(), held.events);
        exit(1);
    }

    let drawn = |n: u64| mix(n ^ 0x0d0d) % world.count();
    let in_hour = |n: u64| {
        let begin = world.at(drawn(n)).as_millis() / HOUR_MS * HOUR_MS;
        let (since, until) = (Timestamp::from_millis(begin), Timestamp::from_millis(begin + HOUR_MS));
        Filter { since: Some(since), until: Some(until), ..Filter::default() }
    };
    let page = Some(PAGE);
    let cases: Vec<Case<'_>> = vec![
        ("a request, its chain", Box::new(|n| Filter::of_request(world.request(drawn(n)), CHAIN_MAX))),
        (
            "a request that is not there",
            Box::new(|n| Filter::of_request(world.request((world.count() + n + 1) * HOPS), CHAIN_MAX)),
        ),
        (
            "a service's identity and an hour, the newest 100",
            Box::new(|n| Filter { identity: Some(world.identity(drawn(n)).into()), limit: page, ..in_hour(n) }),
        ),
        (
            "a service's identity and an hour, all pages",
            Box::new(|n| Filter { identity: Some(world.identity(drawn(n)).into()), ..in_hour(n) }),
        ),
        (
            "a person and an hour, all pages",
            Box::new(|n| Filter { identity: Some(world.user(drawn(n)).into()), ..in_hour(n) }),
        ),
        (
            "an identity that is not there, an hour",
            Box::new(|n| Filter { identity: Some(format!("nobody-{n}").into()), ..in_hour(n) }),
        ),
        (
            "an identity that is not there, all time",
            Box::new(|n| Filter { identity: Some(format!("nobody-{n}").into()), ..Filter::default() }),
        ),
        (
            "a service's denials of an hour, all pages",
            Box::new(|n| Filter {
                identity: Some(world.identity(drawn(n)).into()),
                upshots: vec![Upshot::Denied],
                ..in_hour(n)
            }),
        ),
        (
            "a text in an hour: an account's number",
            Box::new(|n| Filter { text: Some(world.account(drawn(n))), limit: page, ..in_hour(n) }),
        ),
        ("a text in an hour that is not there", Box::new(|n| Filter { text: Some(format!("xq{n}zw")), ..in_hour(n) })),
        ("the newest 100", Box::new(|_| Filter { limit: page, ..Filter::default() })),
        (
            "the newest 100 that were denied",
            Box::new(|_| Filter { limit: page, upshots: vec![Upshot::Denied], ..Filter::default() }),
        ),
    ];
    let mut table = format!(
        "| question, {draws} draws | found, median | cold p50 | cold max | read from the disk, p50 | again p50 | again max |\n|---|---|---|---|---|---|---|\n"
    );
    for (name, filter) in cases {
        let (mut cold, mut again, mut read, mut found) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for n in 0..draws {
            let filter = filter(n);
            machine::forget(dir);
            let before = machine::read_bytes();
            let (took, count) = ask(&store, &filter).await;
            read.push(machine::read_bytes() - before);
            cold.push(took);
            again.push(ask(&store, &filter).await.0);
            found.push(count);
            if name.ends_with("its chain") {
                assert_eq!(count as u64, HOPS, "the whole chain of draw {n}");
            }
        }
        [&mut cold, &mut again].into_iter().for_each(|times| times.sort());
        read.sort_unstable();
        found.sort_unstable();
        let middle = draws as usize / 2;
        let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        let longest = |times: &[Duration]| ms(times[times.len() - 1]);
        let _ = writeln!(
            table,
            "| {name} | {} | {} | {} | {} KiB | {} | {} |",
            found[middle],
            ms(cold[middle]),
            longest(&cold),
            read[middle] >> 10,
            ms(again[middle]),
            longest(&again)
        );
        eprintln!("asked: {name}");
    }
    print!("{table}");
    println!("\nresident at the end: {} MB", machine::resident_mb());
}

/// How long it took to have all pages, or as many as were asked for, and how many events there were.
async fn ask(store: &Events, filter: &Filter) -> (Duration, usize) {
    let (mut filter, mut found, began) = (filter.clone(), 0, Instant::now());
    loop {
        let page = store.find(&filter).await.unwrap();
        found += page.events.len();
        match page.next.filter(|_| filter.limit.is_none_or(|limit| (found as u32) < limit)) {
            Some(next) => filter.from = Some(next),
            None => return (began.elapsed(), found),
        }
    }
}
