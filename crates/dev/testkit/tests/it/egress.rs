//! Out of the fleet, as a whole: a service learns where it goes, its list is enforced, what it did still works, and what somebody
//! planted in it does not. The world outside is another network of this machine, with servers of Python.

use bartizan_testkit::{Deadline, Up, free_ports, wait_for};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Address of everybody outside: nobody's here, and no inner one.
const OUTSIDE: &str = "11.22.33.44";

/// HTTP, HTTPS and bytes, and a file with everything that was heard.
const WORLD: &str = r#"
import socket, ssl, sys, threading
folder = sys.argv[1]
log = open(folder + '/heard', 'a', buffering=1)
def serve(port, context):
    server = socket.create_server(('11.22.33.44', port))
    def one(c):
        try:
            c.settimeout(20)
            if context:
                c = context.wrap_socket(c, server_side=True)
            data = b''
            while b'\n' not in data:
                more = c.recv(4096)
                if not more:
                    break
                data += more
            log.write(f'{port} {data!r}\n')
            c.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello')
            c.close()
        except OSError as error:
            log.write(f'{port} {error}\n')
    while True:
        threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(folder + '/cert.pem', folder + '/key.pem')
for port, context in [(80, None), (443, tls), (9000, None), (9001, None), (9002, None)]:
    threading.Thread(target=serve, args=(port, context), daemon=True).start()
threading.Event().wait()
"#;

/// Does what stands in the file of jobs, a line each, and writes down how it went.
const SHOP: &str = r#"
import os, socket, ssl, sys, threading, time, urllib.request
folder = sys.argv[1]
host, port = os.environ['BARTIZAN_LISTEN'].split(':')
server = socket.create_server((host, int(port)))
context = ssl._create_unverified_context()
def tunnel(to):
    proxy = os.environ['HTTPS_PROXY'].split('//')[1].split(':')
    s = socket.create_connection((proxy[0], int(proxy[1])), 10)
    s.sendall(f'CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n'.encode())
    head = s.recv(4096)
    if b' 200 ' not in head:
        raise OSError(head)
    return s
def fetch(s, host):
    s.sendall(f'GET /secret HTTP/1.1\r\nHost: {host}\r\n\r\n'.encode())
    return s.recv(4096).decode()
def ask(name):
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.settimeout(10)
    u.connect(('192.0.2.53', 53))
    u.send(bytes.fromhex('abcd01000001000000000000') + b''.join(bytes([len(l)]) + l.encode() for l in name.split('.')) + b'\0\0\1\0\1')
    answer = u.recv(999)
    if answer[3] & 15 or not answer[7]:
        raise OSError('no such name')
    return socket.inet_ntoa(answer[-4:])
def do(job):
    kind, rest = job.split(' ', 1)
    if kind == 'get':
        return urllib.request.urlopen(rest, timeout=10, context=context).read().decode()
    if kind == 'tunnel':
        return fetch(tunnel(rest), 'x')
    if kind == 'captured': # name and address, past all that the program was told
        name, address = rest.split(' ')
        address = ask(name) if address == 'ask' else address
        return fetch(context.wrap_socket(socket.create_connection((address, 443), 10), server_hostname=name), name)
    if kind == 'raw':
        address, port = rest.split(':')
        return fetch(socket.create_connection((address, int(port)), 10), 'x')
    if kind == 'ask':
        return ask(rest)
done = 0
while True:
    jobs = open(folder + '/jobs').read().splitlines()
    for job in jobs[done:]:
        try:
            outcome = 'ok ' + repr(do(job))
        except Exception as error:
            outcome = 'no ' + repr(error)
        open(folder + '/done', 'a').write(job + ' -> ' + outcome + '\n')
        done += 1
    time.sleep(0.05)
"#;

struct Place {
    folder: TempDir,
    port: u16,
    jobs: usize,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), port: free_ports(1)[0], jobs: 0 };
        for (file, text) in [("world.py", WORLD), ("shop.py", SHOP), ("jobs", ""), ("done", ""), ("heard", "")] {
            std::fs::write(place.path(file), text).unwrap();
        }
        let names = format!("127.0.0.1 localhost\n{OUTSIDE} api.partner.test updates.partner.test evil.test\n");
        std::fs::write(place.path("hosts"), names).unwrap();
        let (key, cert) = (place.path("key.pem"), place.path("cert.pem"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=partner",
                "-keyout",
            ])
            .args([key.as_path(), Path::new("-out"), cert.as_path()])
            .output()
            .expect("openssl is installed");
        assert!(made.status.success(), "{made:?}");
        place
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// `egress` as the fleet file has it, behind four spaces.
    fn write(&self, egress: &str) -> PathBuf {
        let folder = self.folder.path().display();
        let text = format!(
            "fleet: out\ntrust_domain: out.test\nservices:\n  shop:\n    run: [python3, shop.py, \"{folder}\"]\n    listen: 127.0.0.1:{}\n    protocol: tcp\n    owner: me\n{egress}",
            self.port
        );
        let file = self.path("fleet.yaml");
        std::fs::write(&file, text).unwrap();
        file
    }

    fn start(&self, egress: &str) -> Up {
        let setup = format!(
            "ip addr add {OUTSIDE}/32 dev lo\nmount --bind \"$1/hosts\" /etc/hosts\npython3 \"$1/world.py\" \"$1\" </dev/null >/dev/null 2>&1 &"
        );
        let mut up = Up::launch_in_a_world(&self.write(egress), &setup, &[]);
        up.wait_ready();
        up
    }

    /// Has the program do these, one after the other, and gives how each went.
    fn did(&mut self, jobs: &[&str]) -> Vec<String> {
        let mut all = std::fs::read_to_string(self.path("jobs")).unwrap();
        jobs.iter().for_each(|job| all.push_str(&format!("{job}\n")));
        std::fs::write(self.path("jobs.new"), all).unwrap();
        std::fs::rename(self.path("jobs.new"), self.path("jobs")).unwrap();
        let before = self.jobs;
        self.jobs += jobs.len();
        wait_for("the jobs to be done", Deadline::default(), || {
            let done = std::fs::read_to_string(self.path("done")).unwrap();
            let lines: Vec<_> = done.lines().skip(before).map(str::to_owned).collect();
            (lines.len() == jobs.len()).then_some(lines)
        })
    }

    fn heard(&self) -> String {
        std::fs::read_to_string(self.path("heard")).unwrap()
    }
}

/// What the service does in its ordinary life.
const TRAFFIC: &[&str] = &[
    "get https://api.partner.test/orders",
    "get http://updates.partner.test/list",
    "tunnel 11.22.33.44:9000",
    "captured api.partner.test ask",
    "captured api.partner.test 11.22.33.44",
];

/// What somebody planted in it, with the word by which it is flagged; none where the kernel refuses it.
const PLANTED: &[(&str, Option<&str>)] = &[
    ("get https://evil.test/steal", Some("undeclared")),
    ("get http://evil.test/steal", Some("undeclared")),
    ("get http://api.partner.test/steal", Some("undeclared")),
    ("tunnel 11.22.33.44:9001", Some("raw_address")),
    ("get http://169.254.169.254/latest/meta-data/", Some("metadata")),
    ("captured evil.test 11.22.33.44", Some("undeclared")),
    ("ask data-that-leaves.evil.test", Some("name_undeclared")),
    ("raw 11.22.33.44:443", Some("undeclared")),
    ("raw 11.22.33.44:9002", None),
];

#[test]
fn what_was_learned_is_enforced_without_a_break_and_stops_what_was_planted() {
    let mut place = Place::new();
    let up = place.start("    egress: learn\n");
    let forced = up.plan()["isolation"]["shop"]["network"] == "own";
    let traffic: Vec<&str> = TRAFFIC.iter().copied().filter(|job| forced || !job.starts_with("captured")).collect();

    for outcome in place.did(&traffic) {
        assert!(outcome.contains("-> ok") && outcome.contains("hello"), "{outcome}\n{}", up.log());
    }
    let suggested = wait_for("the suggestion", Deadline::default(), || {
        let text = up.say(&["egress", "suggest"]);
        let whole = ["api.partner.test", "updates.partner.test", "9000"].iter().all(|part| text.contains(part));
        whole.then_some(text)
    });
    let expected = format!(
        "services:\n  shop:\n    egress:\n      - {{ protocol: tcp, ports: [9000], addresses: [\"{OUTSIDE}\"] }}\n      - api.partner.test\n      - {{ host: \"updates.partner.test\", protocol: http, ports: [80] }}\n"
    );
    assert_eq!(suggested, expected, "no more and no less than what was used");
    let json: serde_json::Value = serde_json::from_str(&up.say(&["egress", "learn", "--json"])).unwrap();
    assert_eq!(json["shop"]["to"].as_array().map(Vec::len), Some(3), "{json}");
    let status = up.say(&["status"]);
    assert!(status.contains("NEW DESTINATION of shop: api.partner.test:443") && status.contains("learned"), "{status}");

    // Pasted as it is.
    place.write(suggested.trim_start_matches("services:\n  shop:\n"));
    up.say(&["reload"]);
    wait_for("the list to be in force", Deadline::default(), || {
        let refused = &place.did(&["tunnel 11.22.33.44:9001"])[0];
        refused.contains("-> no").then_some(())
    });
    let heard_before = place.heard().len();
    for outcome in place.did(&traffic) {
        assert!(outcome.contains("-> ok") && outcome.contains("hello"), "a break: {outcome}\n{}", up.log());
    }
    assert!(place.heard().len() > heard_before);

    let heard_before = place.heard();
    let inside = |job: &str| job.starts_with("captured") || job.starts_with("raw") || job.starts_with("ask");
    let planted: Vec<_> = PLANTED.iter().filter(|(job, _)| forced || !inside(job)).collect();
    let jobs: Vec<&str> = planted.iter().map(|(job, _)| *job).collect();
    for outcome in place.did(&jobs) {
        // What is no TLS is answered by the guard itself.
        assert!(outcome.contains("-> no") || outcome.contains("403 Forbidden"), "it got out: {outcome}");
    }
    assert_eq!(place.heard(), heard_before, "nobody outside heard a word");
    for (job, word) in planted {
        let Some(word) = word else { continue };
        wait_for(&format!("the event of {job}"), Deadline::default(), || {
            let events = up.say(&["events", "--deny", "--service", "shop", "--limit", "200"]);
            events.contains(&format!("({word}")).then_some(())
        });
    }
    let coverage = if forced { "bartizan_egress_coverage 1\n" } else { "bartizan_egress_coverage 0\n" };
    for part in [
        coverage,
        "bartizan_egress_refused_total{service=\"shop\",reason=\"undeclared\"}",
        "bartizan_egress_bytes_total{service=\"shop\",way=\"up\"}",
    ] {
        wait_for(part, Deadline::default(), || up.say(&["metrics"]).contains(part).then_some(()));
    }
    let list = up.say(&["egress", "list"]);
    assert!(list.contains("REFUSED undeclared") && list.contains("evil.test:443"), "{list}");
}

/// For how long the run below goes on: no suite waits for the hour of its acceptance, `make bench-egress` does.
fn run_for() -> Duration {
    let said = std::env::var("BARTIZAN_EGRESS_SECONDS").ok();
    Duration::from_secs(said.map_or(10, |text| text.parse().expect("BARTIZAN_EGRESS_SECONDS: seconds")))
}

/// What events tell of the way out: attempts that went through to their end, and those that were refused.
#[derive(Debug, Default)]
struct Told {
    passed: usize,
    refused: usize,
}

/// Counts them, each with the workload whose it is.
fn told(up: &Up) -> Told {
    let mut told = Told::default();
    for line in up.say(&["events", "--all", "--class", "egress", "--json"]).lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let own = &event["unmapped"]["bartizan"];
        assert_eq!(
            (&event["src_endpoint"]["uid"], &own["owner"]),
            (&json!("spiffe://out.test/svc/shop"), &json!("me"))
        );
        assert_eq!(own["learned"], false, "a rule names it: {event}");
        match (event["action"].as_str().unwrap(), event["activity_name"].as_str().unwrap()) {
            ("Allowed", "Close") => told.passed += 1,
            ("Allowed", _) => {} // of the same attempt, when it opened
            ("Denied", _) => told.refused += 1,
            _ => panic!("neither let through nor refused: {event}"),
        }
    }
    told
}

#[test]
fn each_call_out_is_of_a_workload_and_by_a_rule_or_refused() {
    let mut place = Place::new();
    let rules = format!(
        "    egress:\n      - api.partner.test\n      - {{ host: updates.partner.test, protocol: http }}\n      - {{ protocol: tcp, addresses: [{OUTSIDE}], ports: [9000] }}\n"
    );
    let up = place.start(&rules);
    let forced = up.plan()["isolation"]["shop"]["network"] == "own";
    let inside = |job: &str| ["captured", "raw", "ask"].iter().any(|kind| job.starts_with(kind));
    let planted = PLANTED.iter().filter(|(job, _)| forced || !inside(job));
    // A name that is asked again and again is not told of each time.
    let flagged = planted.clone().filter(|(job, word)| word.is_some() && !job.starts_with("ask")).count();
    let jobs: Vec<&str> =
        TRAFFIC.iter().copied().filter(|job| forced || !inside(job)).chain(planted.map(|(job, _)| *job)).collect();

    let (until, mut rounds, pause) = (Instant::now() + run_for(), 0, Duration::from_millis(500).max(run_for() / 400));
    while rounds == 0 || Instant::now() < until {
        for outcome in place.did(&jobs) {
            let job = outcome.split(" -> ").next().unwrap();
            let passed = outcome.contains("-> ok") && !outcome.contains("403 Forbidden");
            assert_eq!(passed, TRAFFIC.contains(&job), "{outcome}\n{}", up.log());
        }
        rounds += 1;
        std::thread::sleep(pause);
    }
    // What nobody's event tells of would be heard outside all the same.
    let heard = place.heard().lines().count();
    assert!(heard > 0);
    let told = wait_for("as many events as were heard outside", Deadline::default(), || {
        let told = told(&up);
        (told.passed >= heard && told.refused >= rounds * flagged).then_some(told)
    });
    println!("{rounds} rounds: {heard} calls heard outside, {told:?}");
    assert_eq!(told.passed, heard, "none beside, and none twice");
}
