//! How late people learn of what happens: from a denied call to its event on a page of the console, and from the breach of a rule to the
//! alert at a webhook. A fleet of real processes on this machine.
//!
//! `cargo build --release --workspace --bins && cargo run --release -p bartizan-testkit --example how_late`, with `--calls N` for another number of
//! denied calls than 1,000 and `--breaches N` for another number of breaches than 20, each at a service of its own: an incident pages once in
//! ten minutes. Calls are made at random moments; the page listens as the console does, signed in, to the same stream. Both are measured
//! from before the call is sent, by the clock of one machine. Ends with 1 where that took longer than is promised.
#![allow(clippy::unwrap_used, missing_docs)]

use bartizan_crypto::random;
use bartizan_testkit::{Connection, Deadline, Echo, Kind, Target, Up, free_ports, request, wait_for};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio, exit};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What is promised of the 99th percentile from call to page, in milliseconds.
const SEEN_WITHIN_MS: u64 = 500;
/// What is promised of every alert, in milliseconds.
const TOLD_WITHIN_MS: u64 = 1_000;
/// Refused handshakes that are a breach, as the rule says, a count.
const BREACH: usize = 5;
/// Longest pause before a call, in milliseconds; the shortest is none.
const PAUSE_MS: u64 = 60;
/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let (calls, breaches) = (option("--calls", 1_000), option("--breaches", 20));
    let place = Place::start(breaches + 1);
    let (seen, sent) = until_seen(&place, calls);
    println!("`cargo run --release -p bartizan-testkit --example how_late -- --calls {calls} --breaches {breaches}`\n");
    println!("| {} guards, one control | p50 | p99 | longest | of |\n|---|---|---|---|---|", breaches + 2);
    println!("{}", row("from the event's own time to the page", &seen));
    println!("{}", row("from before the call was sent to the page", &sent));
    let told = until_told(&place, breaches);
    println!("{}", row("from before the handshake that breaches a rule began to the webhook", &told));
    let late = quantile(&sent, 0.99) >= SEEN_WITHIN_MS || quantile(&told, 1.0) >= TOLD_WITHIN_MS;
    if late {
        eprintln!("later than {SEEN_WITHIN_MS} ms (page, 99th percentile) or {TOLD_WITHIN_MS} ms (alert)");
        exit(1);
    }
}

/// Milliseconds from each event's own time, and from before its call was sent, until the page had it; in order.
fn until_seen(place: &Place, calls: usize) -> (Vec<u64>, Vec<u64>) {
    let page = Page::open(&place.up);
    let mut client = place.client();
    let mut sent = Vec::with_capacity(calls);
    for _ in 0..calls {
        std::thread::sleep(Duration::from_millis(random::u64() % PAUSE_MS));
        sent.push(now_ms());
        assert_eq!(client.get("/s0/secret", &[]), Ok(403));
    }
    let mut seen: Vec<(u64, u64)> = Vec::with_capacity(calls);
    while seen.len() < calls {
        let (events, at) = page.next("events");
        let denied = events.as_array().unwrap().iter().filter(|event| {
            event["unmapped"]["bartizan"]["denial"] == true && event["http_request"]["url"]["path"] == "/s0/secret"
        });
        seen.extend(denied.map(|event| (event["time"].as_u64().unwrap(), at)));
    }
    assert_eq!(seen.len(), calls, "each call is one event");
    // One call after the other on one connection: their events are in the same order.
    seen.sort_unstable();
    let mut from_sent: Vec<u64> = seen.iter().zip(&sent).map(|((_, at), sent)| at.saturating_sub(*sent)).collect();
    let mut from_event: Vec<u64> = seen.iter().map(|(time, at)| at.saturating_sub(*time)).collect();
    from_sent.sort_unstable();
    from_event.sort_unstable();
    (from_event, from_sent)
}

/// Milliseconds from before the handshake that makes the rule true began, until its page was at the webhook; in order.
fn until_told(place: &Place, breaches: usize) -> Vec<u64> {
    let mesh = place.up.plan()["mesh"].clone();
    let mut told = Vec::with_capacity(breaches);
    for n in 1..=breaches {
        let service = format!("s{n}");
        // A stranger without an identity: its guard ends the handshake.
        let guard = format!("https://{}/", mesh[&service].as_str().unwrap());
        let deny = || assert_eq!(request("GET", &guard, None, &[], None).status, 0);
        (1..BREACH).for_each(|_| deny());
        std::thread::sleep(Duration::from_millis(random::u64() % PAUSE_MS));
        let before = Instant::now();
        deny();
        let mut others = Vec::new();
        let at = loop {
            let came = place.told.recv_timeout(PATIENCE);
            let (body, at) = came.unwrap_or_else(|error| {
                let alerts = place.up.cli(&["alerts", "--json"]);
                panic!("{service}: {error}; of others came {others:?}; there is {alerts:?}")
            });
            let alerts = body["data"]["alerts"].as_array().cloned().unwrap_or_default();
            if alerts.iter().any(|alert| alert["rule"] == "Burst" && alert["service"] == *service) {
                break at;
            }
            others.push(body);
        };
        told.push(u64::try_from(at.saturating_duration_since(before).as_millis()).unwrap());
    }
    told.sort_unstable();
    told
}

/// A running fleet whose services nobody may ask for their secrets.
struct Place {
    up: Up,
    edge: u16,
    /// What came to the webhook, and when.
    told: Receiver<(Value, Instant)>,
    _programs: Vec<Echo>,
    _folder: tempfile::TempDir,
}

impl Place {
    fn start(services: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = free_ports(services + 1);
        let (edge, ports) = ports.split_first().unwrap();
        let (hook, told) = webhook();
        write_fleet(folder.path(), *edge, ports, hook);
        let programs = ports.iter().map(|port| Echo::start(([127, 0, 0, 1], *port).into())).collect();
        let up = Up::start(&folder.path().join("fleet.yaml"), &[]);
        let it = Self { up, edge: *edge, told, _programs: programs, _folder: folder };
        let mut client = it.client();
        for n in 0..services {
            wait_for("a service to answer, and to deny", Deadline::default(), || {
                (client.get(&format!("/s{n}/open"), &[]) == Ok(200)).then_some(())
            });
        }
        it
    }

    fn client(&self) -> Connection {
        let target = Target::new(([127, 0, 0, 1], self.edge).into(), &self.up.ca(), "/");
        Connection::open(&target, Kind::Kept).unwrap()
    }
}

fn write_fleet(folder: &Path, edge: u16, ports: &[u16], hook: u16) {
    let names = || (1..ports.len()).map(|n| format!("s{n}")).collect::<Vec<_>>().join(", ");
    let mut fleet = "fleet: late\ntrust_domain: late.test\npolicies: policies/\nservices:\n".to_owned();
    for (n, port) in ports.iter().enumerate() {
        let _ = writeln!(fleet, "  s{n}: {{ at: \"127.0.0.1:{port}\", protocol: http }}");
    }
    let _ = writeln!(fleet, "gateway:\n  listen: 127.0.0.1:{edge}\n  routes:");
    for n in 0..ports.len() {
        let _ = writeln!(fleet, "    - {{ path: /s{n}/**, to: s{n} }}");
    }
    let _ = writeln!(
        fleet,
        "alerts:\n  rules: alerts/\n  routes:\n    hook: {{ webhook: 'http://127.0.0.1:{hook}/', secret: hook, takes: page }}"
    );
    let policy = "@id(\"no-secrets\")\n@reason(\"secrets are for nobody\")\nforbid (principal == Workload::\"gateway\", action, resource)\n\
         when { context has path && context.path like \"*/secret\" };\n";
    let head = "summary: \"{value} calls of {service} were denied\"\n    owner: security\n    severity: high\n    urgency: page\n    \
                runbook: https://late.test/denied\n";
    let mut rules = format!(
        "version: 1\nrules:\n  - name: Burst\n    {head}    when: {{ events: {{ class: handshake }}, at_least: {BREACH}, \
         within: 10s }}\n    services: [{}]\n",
        names()
    );
    // Those of the product would make one incident of all of it, which pages once in ten minutes.
    for name in [
        "DeniesBurn",
        "DeniesLeak",
        "DeniedBurst",
        "PolicyViolations",
        "HandshakesBurn",
        "HandshakesLeak",
        "HandshakesFail",
    ] {
        let _ = write!(rules, "  - name: {name}\n    {head}    when: {{ measure: store_used, above: 0.99 }}\n");
    }
    for (file, text) in [
        ("fleet.yaml", fleet.as_str()),
        ("policies/own.cedar", policy),
        ("alerts/own.yaml", &rules),
        ("hook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ] {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// A webhook that takes everything, and its port.
fn webhook() -> (u16, Receiver<(Value, Instant)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                continue; // somebody went away
            }
            let at = Instant::now();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = reader.into_inner().write_all(answer); // whoever asked may have gone
            if tell.send((serde_json::from_slice(&body).unwrap(), at)).is_err() {
                return;
            }
        }
    });
    (port, told)
}

/// A page of the console that listens: a session by a link, and the stream.
struct Page {
    curl: Child,
    frames: Receiver<(String, Value, u64)>,
}

impl Page {
    fn open(up: &Up) -> Self {
        let made: Value =
            serde_json::from_str(&up.say(&["console", "link", "--role", "viewer", "--name", "late", "--json"]))
                .unwrap();
        let (origin, token) = made["link"].as_str().unwrap().split_once("/link#").unwrap();
        let said = format!("origin: {origin}");
        let body = json!({ "token": token }).to_string();
        let answer = request("POST", &format!("{origin}/sign-in/link"), None, &[&said], Some(&body));
        assert_eq!(answer.status, 200, "{answer:?}");
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let mut curl = Command::new("curl")
            .args(["--silent", "--no-buffer", "--header", &format!("cookie: {cookie}")])
            .arg(format!("{origin}/api/v1/stream"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, frames) = channel();
        let lines = BufReader::new(curl.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            let mut event = String::new();
            for line in lines.map_while(Result::ok) {
                if let Some(name) = line.strip_prefix("event: ") {
                    name.clone_into(&mut event);
                } else if let Some(data) = line.strip_prefix("data: ") {
                    let at = now_ms();
                    if tell.send((event.clone(), serde_json::from_str(data).unwrap(), at)).is_err() {
                        return;
                    }
                }
            }
        });
        let page = Self { curl, frames };
        page.next("hello");
        page
    }

    /// The data of the next such frame, and when it came.
    fn next(&self, wanted: &str) -> (Value, u64) {
        loop {
            let frame = self.frames.recv_timeout(PATIENCE);
            let (event, data, at) = frame.unwrap_or_else(|error| panic!("no `{wanted}` came: {error}"));
            assert_ne!(event, "missed", "the page could not keep up: {data}");
            if event == wanted {
                return (data, at);
            }
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn row(what: &str, sorted: &[u64]) -> String {
    let at = |share| quantile(sorted, share);
    format!("| {what} | {} ms | {} ms | {} ms | {} |", at(0.5), at(0.99), at(1.0), sorted.len())
}

fn quantile(sorted: &[u64], share: f64) -> u64 {
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}

fn option(name: &str, unsaid: usize) -> usize {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1).map_or(unsaid, |value| value.parse().unwrap_or_else(|_| panic!("{name}: not a number: {value}")))
}
