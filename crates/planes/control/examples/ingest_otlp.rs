//! What taking in OTLP costs: logs in protobuf over HTTP, read, judged, redacted, put into their context, stored. A table for
//! `benches/results/`.
//!
//! `cargo run --release -p bartizan-control --example ingest_otlp -- [--seconds N] [--connections N] [--batch N]`
//!
//! Control is the real one with a fleet of three services; who sends is another process with ready-made messages, so that CPU is that of
//! control alone. Records have a text, eleven attributes and a trace, and one of ten has something that is taken out. At the end every
//! record that was confirmed has to be stored: where one is missing, there is no figure.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code, unused_imports)]

#[path = "../tests/it/support/mod.rs"]
mod support;

use crate::support::{Place, Running, wait_for};
use bartizan_core::balance::Balance;
use bartizan_runtime::ports::claim_loopback_ports;
use bartizan_runtime::{clock, process};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Different messages, so that nothing is packed better than it would be.
const MESSAGES: u64 = 64;
/// What is taken in before anything is measured.
const WARM_UP: Duration = Duration::from_secs(3);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "send") {
        return send(
            args[1].parse().unwrap(),
            args[2].parse().unwrap(),
            args[3].parse().unwrap(),
            args[4].parse().unwrap(),
        );
    }
    let (mut seconds, mut connections, mut batch) = (20, 4, 500);
    for pair in args.chunks(2) {
        let value = pair.get(1).unwrap_or_else(|| panic!("{} needs a value", pair[0])).parse().unwrap();
        match pair[0].as_str() {
            "--seconds" => seconds = value,
            "--connections" => connections = value,
            "--batch" => batch = value,
            other => panic!("unknown: {other}"),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(seconds, connections, batch));
}

async fn measure(seconds: u64, connections: u64, batch: u64) {
    let (place, claimed) = (Place::new(), claim_loopback_ports(1).unwrap());
    let port = claimed.ports[0];
    place.edit_fleet(
        "gateway:",
        &format!("intake: {{ otlp_http: \"127.0.0.1:{port}\", records_per_s: 1000000 }}\ngateway:"),
    );
    let control = Running::start(&place).await;
    wait_for("the door", async || TcpStream::connect(("127.0.0.1", port)).ok()).await;
    sent(port, connections, WARM_UP.as_secs(), batch).await;
    let before = stored(&control).await;
    let (began, cpu) = (Instant::now(), process::cpu_us());
    let confirmed = sent(port, connections, seconds, batch).await;
    let (wall, cpu) = (began.elapsed().as_secs_f64(), (process::cpu_us() - cpu) as f64 / 1e6);
    let count = stored(&control).await - before;
    assert_eq!(count, confirmed, "what was confirmed is stored");
    let bytes: usize = (0..MESSAGES).map(|n| message(n, batch).len()).sum::<usize>() / MESSAGES as usize;
    let count = count as f64;
    println!(
        "| records | a message has | bytes of a message | connections | wall s | records/s | CPU s of control | records/s and core |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    println!(
        "| {count} | {batch} | {bytes} | {connections} | {wall:.1} | {:.0} | {cpu:.1} | {:.0} |",
        count / wall,
        count / cpu
    );
    control.stop().await;
}

/// Records that the door has stored. Nothing may have become of one of them but that.
async fn stored(control: &Running) -> u64 {
    let balance: Balance = control.get("/v1/balance").await;
    assert!(balance.unequal().next().is_none(), "{balance:?}");
    let arrow = balance.arrows.into_iter().find(|it| it.arrow == "intake.otlp_http").unwrap();
    assert!(arrow.refused.is_empty() && arrow.dropped.is_empty() && arrow.waiting == 0, "{arrow:?}");
    arrow.stored
}

/// Has another process send; how many records were confirmed.
async fn sent(port: u16, connections: u64, seconds: u64, batch: u64) -> u64 {
    let args = [port.to_string(), connections.to_string(), seconds.to_string(), batch.to_string()];
    let sending = tokio::task::spawn_blocking(move || {
        let mut sender = Command::new(std::env::current_exe().unwrap());
        sender.arg("send").args(args).stderr(Stdio::inherit()).output().unwrap()
    });
    let done = sending.await.unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap().trim().parse().unwrap()
}

/// The other process.
fn send(port: u16, connections: u64, seconds: u64, batch: u64) {
    let until = Instant::now() + Duration::from_secs(seconds);
    let requests: Vec<Vec<u8>> = (0..MESSAGES)
        .map(|n| {
            let body = message(n, batch);
            let head = format!(
                "POST /v1/logs HTTP/1.1\r\nhost: intake\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            [head.into_bytes(), body].concat()
        })
        .collect();
    let confirmed: u64 = std::thread::scope(|scope| {
        let one = |connection: u64| {
            let requests = &requests;
            scope.spawn(move || {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut confirmed, mut answer) = (0, [0; 4096]);
                for request in requests.iter().cycle().skip(connection as usize) {
                    if Instant::now() >= until {
                        break;
                    }
                    stream.write_all(request).unwrap();
                    let read = stream.read(&mut answer).unwrap();
                    let said = String::from_utf8_lossy(&answer[..read]);
                    assert!(said.starts_with("HTTP/1.1 200") && said.contains("content-length: 0"), "{said}");
                    confirmed += batch;
                }
                confirmed
            })
        };
        let all: Vec<_> = (0..connections).map(one).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!("{confirmed}");
}

/// `ExportLogsServiceRequest` of `batch` records of one service.
fn message(number: u64, batch: u64) -> Vec<u8> {
    let mut dice = Dice(number + 1);
    let now = clock::now().as_millis() * 1_000_000;
    let resource: Vec<u8> = [("service.name", "accounts"), ("service.version", "1.4.2"), ("host.name", "bank-7")]
        .iter()
        .flat_map(|(key, value)| field(1, &text(key, value)))
        .collect();
    let mut of_scope = field(1, &field(1, b"bank.accounts"));
    for n in 0..batch {
        of_scope.extend(field(2, &record(&mut dice, now + n)));
    }
    field(1, &[field(1, &resource), field(2, &of_scope)].concat())
}

fn record(dice: &mut Dice, at: u64) -> Vec<u8> {
    let account = dice.next() % 100_000;
    let body = match dice.next() % 10 {
        0 => format!("retry of transfer {account} with Authorization: Bearer {:032x}", dice.next()),
        1..4 => format!("account {account} read in {} us by the pool of readers", dice.next() % 5_000),
        _ => format!("transfer {:x} of account {account} was booked, the new balance is with the ledger", dice.next()),
    };
    let (method, status) = if dice.next().is_multiple_of(3) { ("POST", 201) } else { ("GET", 200) };
    let mut out = vec![1 << 3 | 1];
    out.extend(at.to_le_bytes());
    out.extend([2 << 3, 9]); // INFO
    out.extend(field(3, b"INFO"));
    out.extend(field(5, &field(1, body.as_bytes())));
    for (key, value) in [
        ("http.request.method", method),
        ("url.path", "/accounts/{id}/balance"),
        ("network.peer.address", "10.4.7.21"),
        ("thread.name", "worker-3"),
        ("code.function", "bank::accounts::book"),
        ("code.filepath", "src/book.rs"),
        ("user_agent.original", "bank-mobile/7.2 (Android 15; Pixel 9)"),
        ("bank.branch", "0042"),
    ] {
        out.extend(field(6, &text(key, value)));
    }
    for (key, value) in [("http.response.status_code", status), ("code.lineno", 217), ("bank.account", account)] {
        let mut number = vec![3 << 3];
        varint(&mut number, value);
        out.extend(field(6, &[field(1, key.as_bytes()), field(2, &number)].concat()));
    }
    let trace = [dice.next().to_be_bytes(), dice.next().to_be_bytes()].concat();
    out.extend(field(9, &trace));
    out.extend(field(10, &dice.next().to_be_bytes()));
    out
}

fn text(key: &str, value: &str) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat()
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    varint(&mut out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Numbers that look drawn, the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ (self.0 >> 29)
    }
}
