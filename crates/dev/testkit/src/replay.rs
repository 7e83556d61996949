//! A replay of requests that a guard refuses, to be held against what it says of them afterwards: in counters, in events.

use crate::fleet::Up;
use crate::load::{Connection, Echo, Kind, Target};
use crate::ports::free_ports;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Connections that ask at once.
const LANES: u64 = 4;
/// Handshakes without a certificate, a count.
const STRANGERS: u64 = 5;
/// Requests with two lengths, a count, each on a connection of its own.
const SMUGGLED: u64 = 5;
/// Of so many requests one is allowed, and three are denied by a policy that expects it.
const OF: u64 = 10;

/// A request with both lengths at once, the classic of smuggling.
const TWO_LENGTHS: &[u8] =
    b"POST /open/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
/// How long counters and events may take to be there, and a millisecond more for each request.
const PATIENCE: Duration = Duration::from_secs(60);

const POLICIES: &str = "\
@id(\"no-vault\") forbid (principal, action, resource) when { context.path like \"/vault/*\" };\n\
@id(\"shelf\") @expected(\"the shelf is closed until spring\")\n\
forbid (principal, action, resource) when { context.path like \"/shelf/*\" };\n";

/// What was done, and what is said of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Requests that were answered 403 by a policy that nobody expects to deny.
    pub unexpected: u64,
    /// Requests that were answered 403 by one that says that it will.
    pub expected: u64,
    /// Requests that were let through.
    pub allowed: u64,
    /// Handshakes that came to nothing, for want of a certificate.
    pub strangers: u64,
    /// Requests that can be read in two ways.
    pub smuggled: u64,
    /// What is said of it.
    pub said: Said,
}

/// What counters and events say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// M8 of the fleet.
    pub m8: u64,
    /// M3 of the fleet: unexpected denials.
    pub m3_bad: u64,
    /// M3 of the fleet: the calls that they are of.
    pub m3_all: u64,
    /// Its part of expected denials.
    pub expected: u64,
    /// Its part of attacks.
    pub attack: u64,
    /// Stored events of requests with the decision `deny`.
    pub decisions: u64,
    /// Stored events of handshakes that were refused for who came.
    pub handshakes: u64,
    /// Events that guards dropped.
    pub dropped: u64,
}

impl Replay {
    /// Whether every number is what it has to be, and each of the two sources says the same.
    pub fn reconciles(&self) -> bool {
        let Self { unexpected, expected, allowed, strangers, smuggled, said } = *self;
        let right = Said {
            m8: unexpected + expected + strangers,
            m3_bad: unexpected,
            // What is let through counts at the gateway, and at the guard behind it.
            m3_all: unexpected + expected + 2 * allowed,
            expected,
            attack: smuggled,
            decisions: unexpected + expected,
            handshakes: strangers,
            dropped: 0,
        };
        said == right && said.m8 == said.decisions + said.handshakes
    }
}

/// Sends `count` requests to a fleet of its own and waits until everything that was told of them is there, or a while is over.
///
/// # Panics
/// Where a request is answered otherwise than policies say.
pub fn replay(count: u64) -> Replay {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let ports = free_ports(2);
    let [program, edge] = [ports[0], ports[1]].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let _echo = Echo::start(program);
    let file = folder.path().join("fleet.yaml");
    let text = format!(
        "fleet: replay\ntrust_domain: replay.test\npolicies: policies\n\
         services:\n  store: {{ at: \"{program}\", protocol: http, owner: me }}\n\
         gateway: {{ listen: \"{edge}\", routes: [{{ path: /**, to: store }}] }}\n"
    );
    std::fs::create_dir(folder.path().join("policies")).expect("the test's own folder is writable");
    std::fs::write(folder.path().join("policies/own.cedar"), POLICIES).expect("the test's own folder is writable");
    std::fs::write(&file, text).expect("the test's own folder is writable");
    let up = Up::start(&file, &[]);
    let target = Target::new(edge, &up.ca(), "/");
    let asked = &target;
    let mut it = Replay { strangers: STRANGERS, smuggled: SMUGGLED, ..Replay::default() };
    std::thread::scope(|scope| {
        let lanes: Vec<_> =
            (0..LANES).map(|lane| scope.spawn(move || ask(asked, (lane..count).step_by(LANES as usize)))).collect();
        for lane in lanes {
            let [unexpected, expected, allowed] = lane.join().expect("a lane does not panic");
            it.unexpected += unexpected;
            it.expected += expected;
            it.allowed += allowed;
        }
    });
    let mesh = up.plan()["mesh"]["store"].as_str().expect("it has a guard").to_owned();
    (0..STRANGERS).for_each(|_| drop(crate::get(&format!("https://{mesh}/"), None)));
    for _ in 0..SMUGGLED {
        let answer = target.say(TWO_LENGTHS).expect("the gateway answers what it refuses");
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let patience = PATIENCE + Duration::from_millis(count);
    let began = Instant::now();
    loop {
        it.said = said(&up);
        if it.reconciles() || began.elapsed() > patience {
            return it;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Sends the requests of these numbers, and counts what became of them.
fn ask(target: &Target, numbers: impl Iterator<Item = u64>) -> [u64; 3] {
    let mut connection = Connection::open(target, Kind::Kept).expect("the gateway takes connections");
    let mut counts = [0; 3];
    for number in numbers {
        let (shelf, status, which) = match number % OF {
            0 => ("open", 200, 2),
            1..=3 => ("shelf", 403, 1),
            _ => ("vault", 403, 0),
        };
        let answered = connection.get(&format!("/{shelf}/{number}"), &[]);
        assert_eq!(answered, Ok(status), "request {number}");
        counts[which] += 1;
    }
    counts
}

/// What is said by now.
fn said(up: &Up) -> Said {
    let slo: Value = serde_json::from_str(&up.say(&["slo", "--json"])).expect("it is JSON");
    let of = |id: &str| slo["indicators"].as_array().and_then(|all| all.iter().find(|it| it["id"] == id).cloned());
    let fleet =
        |id: &str| of(id).and_then(|it| it["places"].as_array()?.iter().find(|at| at["place"] == "fleet").cloned());
    let number = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or_default();
    let hour =
        |at: &Option<Value>, key: &str| number(at.as_ref().and_then(|at| at.pointer(&format!("/windows/0/{key}"))));
    let (m3, m8) = (fleet("M3"), fleet("M8"));
    let part = |name: &str| {
        let parts = m3.as_ref().and_then(|at| at["parts"].as_array());
        let part = parts.and_then(|parts| parts.iter().find(|part| part["part"] == name));
        number(part.and_then(|part| part.pointer("/windows/0/bad")))
    };
    let counted = |class: &str, what: &dyn Fn(&Value) -> bool| {
        let lines = up.say(&["events", "--all", "--deny", "--json", "--class", class]);
        let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("it is JSON"));
        events.filter(|event| what(&event["unmapped"]["bartizan"])).count() as u64
    };
    let status = up.status();
    let guards = status.as_ref().and_then(|status| status["proxies"].as_array()).into_iter().flatten();
    Said {
        m8: hour(&m8, "bad"),
        m3_bad: hour(&m3, "bad"),
        m3_all: hour(&m3, "all"),
        expected: part("expected"),
        attack: part("attack"),
        decisions: counted("request", &|own| own["decision"] == "deny"),
        handshakes: counted("handshake", &|own| own["reason"] == "no_certificate"),
        dropped: guards.map(|guard| number(guard.pointer("/events/dropped"))).sum(),
    }
}
