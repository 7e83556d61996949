//! What the store of events bears, and how fast it finds: tables for `benches/results/`.
//!
//! `cargo run --release -p bartizan-events --example event_store -- [--events N] [--days D] [--dir DIR] [--draws N] [--reopen N] [--keep | --ask]`
//!
//! Events are requests as a fleet of four hundred services makes them for two hundred thousand people, six of one request: gateway, three hops in and
//! out, over D days (30), more by day than by night. Each is redacted, gets its context, becomes a record and is stored, in batches of
//! 512 as guards send them; partitions are closed and packed as control does it. Then a process of its own opens the store and asks, each question with nothing of its files in the
//! kernel's memory, and again at once. `--keep` leaves the files, `--ask` asks in files that were kept (with the same N and D).
//! Times are of all cores, CPU of the whole process (the thread that packs included).

#![allow(clippy::unwrap_used)]

mod asking;
mod machine;
mod world;

use bartizan_core::Timestamp;
use bartizan_core::event::Event;
use bartizan_core::retention::Retention;
use bartizan_events::{Events, StoredEvent, record};
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::time::{Duration, Instant};
use world::World;

/// Events of one batch, a count.
const BATCH: u64 = 512;
/// Batches that are made before the clock goes on, a count.
const PART: u64 = 200;
/// Most that an event takes on disk, in bytes, with the partition that is being packed; more than was ever measured.
const EVENT_BYTES: u64 = 120;
/// What is left to everybody else on the disk, in bytes.
const SPARE_BYTES: u64 = 8 << 30;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(10);

const HELP: &str = "Measures the store of events, and prints tables.

usage: event_store [--events N] [--days D] [--dir DIR] [--draws N] [--reopen N] [--keep | --ask]

  --events N   events to store (10000000): about 102 bytes each on disk
  --days D     over so many days (30)
  --draws N    how often each question is asked (51)
  --reopen N   close the store and open it again after each N events, whatever it packs then
  --dir DIR    an empty folder for the store; without it, one that is removed at the end
  --keep       leave the files there
  --ask        only ask, in files that were kept with the same N and D

examples:
  event_store --events 1000000
  event_store --events 100000000 --dir /var/tmp/events --keep
  event_store --events 100000000 --dir /var/tmp/events --ask --draws 101";

struct Options {
    events: u64,
    days: u64,
    draws: u64,
    reopen: Option<u64>,
    dir: Option<PathBuf>,
    keep: bool,
    ask: bool,
}

fn main() {
    let options = options();
    let own = tempfile::tempdir().unwrap();
    let dir = options.dir.clone().unwrap_or_else(|| own.path().join("events"));
    let world = World::new(options.events, options.days);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if options.ask {
        return runtime.block_on(asking::run(&world, &dir, options.draws));
    }
    std::fs::create_dir_all(&dir).unwrap();
    if std::fs::read_dir(&dir).unwrap().next().is_some() {
        eprintln!("{} is not empty: name another folder, or --ask in what is there", dir.display());
        exit(1);
    }
    let (free, needed) = (machine::free_bytes(&dir), options.events * EVENT_BYTES + SPARE_BYTES);
    if free < needed {
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        eprintln!("{:.1} GiB are free in {}, {:.1} are needed: fewer --events", gib(free), dir.display(), gib(needed));
        exit(1);
    }
    runtime.block_on(write(&world, &dir, options.reopen));
    // A process of its own: what the writer left in memory is not there, as after a start of control.
    let asked = Command::new(std::env::current_exe().unwrap())
        .args(["--events", &options.events.to_string(), "--days", &options.days.to_string()])
        .args(["--draws", &options.draws.to_string(), "--ask", "--dir"])
        .arg(&dir)
        .status()
        .unwrap();
    if !options.keep {
        std::fs::remove_dir_all(&dir).unwrap();
    }
    if !asked.success() {
        exit(1);
    }
}

fn options() -> Options {
    match read(std::env::args().skip(1)) {
        Ok(Some(it)) => it,
        Ok(None) => {
            println!("{HELP}");
            exit(0);
        }
        Err(why) => {
            eprintln!("{why}\n\n{HELP}");
            exit(2);
        }
    }
}

/// `None` where help is asked for.
fn read(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut it = Options { events: 10_000_000, days: 30, draws: 51, reopen: None, dir: None, keep: false, ask: false };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("`{arg}` needs a value"));
        let count = |value: String| match value.parse() {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(format!("`{arg} {value}`: expected a number of at least 1")),
        };
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--keep" => it.keep = true,
            "--ask" => it.ask = true,
            "--events" => it.events = count(value()?)?,
            "--days" => it.days = count(value()?)?,
            "--draws" => it.draws = count(value()?)?,
            "--reopen" => it.reopen = Some(count(value()?)?),
            "--dir" => it.dir = Some(PathBuf::from(value()?)),
            _ => return Err(format!("`{arg}` is not known")),
        }
    }
    Ok(Some(it))
}

/// Stores everything, and prints what that took.
async fn write(world: &World, dir: &Path, reopen: Option<u64>) {
    let count = world.count();
    let mut store = Events::open(dir, Retention::default()).await.unwrap();
    // Events are made before the clock starts, a part at a time, so that making them is not measured.
    let (mut wall, mut cpu, mut slowest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut next, mut told, mut resident) = (0, Instant::now(), 0);
    while next < count {
        let part: Vec<Vec<Event>> = (0..PART)
            .map(|n| (next + n * BATCH..(next + (n + 1) * BATCH).min(count)).map(|n| world.event(n)).collect())
            .filter(|batch: &Vec<Event>| !batch.is_empty())
            .collect();
        next += PART * BATCH;
        let (began, cpu_before) = (Instant::now(), machine::cpu_time());
        for batch in part {
            let one = Instant::now();
            let records: Vec<StoredEvent> =
                batch.into_iter().map(|event| record::write(event, &world.fleet, Some("bench"))).collect();
            store.append(records).await.unwrap();
            slowest = slowest.max(one.elapsed());
        }
        wall += began.elapsed();
        cpu += machine::cpu_time() - cpu_before;
        resident = resident.max(machine::resident_mb());
        if reopen.is_some_and(|each| next / each > (next - PART * BATCH) / each) {
            store.close().await;
            store = Events::open(dir, Retention::default()).await.unwrap();
            assert_eq!(store.status().events, next.min(count), "after closing and opening");
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let free = machine::free_bytes(dir);
            eprintln!("{} of {count} stored, {} MB free", next.min(count), free >> 20);
            assert!(free > SPARE_BYTES / 2, "somebody else needs the disk: {free} bytes are free");
        }
    }
    let (began, cpu_before) = (Instant::now(), machine::cpu_time());
    store.tend(Timestamp::from_secs(0)).await;
    let (packing, packing_cpu) = (began.elapsed(), machine::cpu_time() - cpu_before);
    let held = store.status();
    store.close().await;
    let per_s = |time: Duration| count as f64 / time.as_secs_f64();
    println!("| events | {count}, in {} partitions |\n|---|---|", held.partitions);
    println!("| stored, redacted and with context | {:.0} a second |", per_s(wall));
    println!("| the same, by CPU of the whole process | {:.0} a second and core |", per_s(cpu));
    println!("| slowest batch of {BATCH} | {:.1} ms |", slowest.as_secs_f64() * 1e3);
    let (packing, packing_cpu) = (packing.as_secs_f64(), packing_cpu.as_secs_f64());
    println!("| packing what was left | {packing:.2} s, {packing_cpu:.2} s of CPU |");
    println!("| on disk | {:.1} bytes an event, {} MB |", held.bytes as f64 / count as f64, held.bytes / 1_000_000);
    println!("| resident while storing, at most | {resident} MB |");
}
