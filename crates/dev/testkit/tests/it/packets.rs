//! What goes between guards, seen by somebody who sees every packet: TLS from the first byte of each connection, and no word of what
//! is said.

use bartizan_testkit::{BANK_SERVICES, Bank};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// Part of a name that a customer gives.
const WORD: &str = "Wiretap-Canary";

struct Sniffer(Child);

impl Sniffer {
    /// Sees everything from when this returns.
    fn start(mut command: Command, ports: &[u64]) -> (Self, BufReader<std::process::ChildStdout>) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/packets.py");
        command.arg(script).arg(WORD).args(ports.iter().map(u64::to_string));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "packets cannot be seen here: that takes root");
        (Self(child), out)
    }

    fn end(mut self, mut out: BufReader<std::process::ChildStdout>) -> Value {
        drop(self.0.stdin.take());
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        assert!(self.0.wait().unwrap().success());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

#[test]
fn who_sees_every_packet_between_guards_reads_nothing() {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "this test takes root, and CI has to have it");
        return eprintln!("not run: seeing packets takes root");
    }
    let bank = Bank::start(&[]);
    let plan = bank.up.plan();
    let mesh = |service: &str| -> u64 {
        let at = plan["mesh"][service].as_str().unwrap_or_else(|| panic!("{plan}"));
        at.rsplit_once(':').unwrap().1.parse().unwrap()
    };
    let mut ports: Vec<u64> = BANK_SERVICES.iter().map(|service| mesh(service)).collect();
    ports.push(bank.gateway_port.into());
    ports.push(plan["control"].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap());
    let (outside, said_outside) = Sniffer::start(Command::new("python3"), &ports);
    // The same eyes where the program is, behind its guard: there it has to be readable, or they are blind.
    let program: u64 = bank.ports[0].into();
    let (inside, said_inside) = Sniffer::start(bank.up.inside("users", "python3"), &[program]);

    for n in 0..5 {
        let body = format!("{{\"name\":\"{WORD} {n}\"}}");
        let made = bank.call("POST", "/users", &["content-type: application/json"], Some(&body));
        assert_eq!(made.status, 201, "{made:?}");
        assert!(made.body.contains(WORD), "{made:?}");
    }
    let load = bank.load(&["--users", "2", "--accounts", "6", "--concurrency", "2", "--duration", "3"]);
    assert!(load.status.success(), "{load:?}");

    let (outside, inside) = (outside.end(said_outside), inside.end(said_inside));
    assert!(inside["words"].as_u64().is_some_and(|words| words >= 5), "behind the guard: {inside}");
    assert!(
        outside["flows"].as_u64().is_some_and(|flows| flows > 5),
        "no connection was seen from its beginning: {outside}"
    );
    assert_eq!((&outside["words"], &outside["plain"]), (&0.into(), &Value::Array(Vec::new())), "{outside}");
    for (service, port) in BANK_SERVICES.iter().zip(&ports) {
        let bytes = outside["ports"][port.to_string()].as_u64().unwrap_or_default();
        assert!(bytes > 1_000, "{service} at {port} was hardly called: {outside}");
    }
}
