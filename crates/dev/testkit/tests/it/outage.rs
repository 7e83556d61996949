//! All of control is gone for half an hour, as certificates and tokens count it: nobody who calls notices, and once it is back
//! everybody gets a new certificate.

use bartizan_testkit::{BANK_SERVICES, Bank, Clock, Deadline, binary, kill_hard, wait_for};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// Before the half life of what was issued at the start, so that everything is as old as it gets while control is there.
const BEFORE: Duration = Duration::from_secs(25 * 60);
/// How often control is killed. `up` waits longer each time, so that guards hear nothing for more than the ten seconds after
/// which they are stale.
const KILLS: u32 = 7;
/// What the clock goes ahead by with each of them, after the first: half an hour in all.
const STEP: Duration = Duration::from_secs(5 * 60);

/// When each identity runs out, of guards and of the node, where all are attached; in milliseconds by the fleet's clock.
fn ends(bank: &Bank) -> Option<Vec<u64>> {
    let status = bank.up.status()?;
    let (proxies, nodes) = (status["proxies"].as_array()?, status["nodes"].as_array()?);
    let all = proxies.iter().chain(nodes).all(|it| it["attached"] == true);
    let ends: Vec<u64> = proxies.iter().filter_map(|proxy| proxy["svid_not_after"].as_u64()).collect();
    (all && ends.len() == BANK_SERVICES.len() + 1).then_some(ends)
}

/// `bank load` by the fleet's clock: one that slept less would take new certificates for such that do not count yet.
fn load(bank: &Bank, clock: &Clock, args: &[&str]) -> Value {
    let mut load = clock.command(binary("bank"));
    load.args(["load", "--json", "--url", &bank.gateway, "--ca"]).arg(bank.up.ca()).args(args);
    let load = load.output().unwrap();
    assert!(load.status.success(), "{load:?}");
    serde_json::from_slice(&load.stdout).unwrap()
}

fn assert_none_failed(said: &Value, when: &str) {
    assert_eq!(said["errors"].as_object().map(serde_json::Map::len), Some(0), "{when}: {said}");
    assert!(said["unresolved"] == 0 && said["refused"] == 0 && said["retries"] == 0, "{when}: {said}");
    assert!(said["done"].as_u64().is_some_and(|done| done > 0), "{when}: {said}");
}

#[test]
fn all_of_control_is_killed_for_half_an_hour_and_no_call_fails() {
    let (bank, clock) = Bank::start_by_clock();
    let before = wait_for("everybody to be there", Deadline::default(), || ends(&bank));
    clock.set_ahead(BEFORE);
    let (mut killed, mut last) = (0, 0);
    let quiet = ["--users", "2", "--accounts", "6", "--concurrency", "2", "--duration"];
    let (during, across) = thread::scope(|scope| {
        let during = scope.spawn(|| load(&bank, &clock, &[&quiet[..], &["12"]].concat()));
        let across = scope.spawn(|| load(&bank, &clock, &[&quiet[..], &["40"], &["--seed", "2"]].concat()));
        // Each that `up` starts anew is killed as soon as it is seen, which is long before it has opened its root.
        while killed < KILLS || !during.is_finished() {
            for control in bank.up.find(&["bartizan control "]) {
                kill_hard(control);
                if control != last {
                    (killed, last) = (killed + 1, control);
                    clock.set_ahead(BEFORE + STEP * (killed - 1).min(KILLS - 1));
                }
            }
            assert!(bank.up.status().is_none(), "control answered after it was killed {killed} times");
        }
        let during = during.join().unwrap();
        // It is let be from here on, and comes back under load.
        let renewed = wait_for("everybody to have a new certificate", Deadline(Duration::from_secs(120)), || {
            ends(&bank).filter(|now| now.iter().zip(&before).all(|(now, before)| now > before))
        });
        let least = (BEFORE + STEP * (KILLS - 1)).as_millis() as u64;
        assert!(
            renewed.iter().zip(&before).all(|(now, before)| now - before >= least - 60_000),
            "{before:?} {renewed:?}"
        );
        (during, across.join().unwrap())
    });
    assert!(STEP * (KILLS - 1) == 30 * MINUTE, "half an hour was asked for");
    assert_none_failed(&during, "while control was away");
    assert_none_failed(&across, "while it went and came back");
    let denied = clock
        .command("curl")
        .args(["--silent", "--max-time", "10", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"])
        .arg(bank.up.ca())
        .args(["--request", "POST", "--data", "{}", &format!("{}/accounts/transfers", bank.gateway)])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&denied.stdout), "403", "what is denied is denied still");
}

/// A way to control that can be shut, with all that goes through it.
struct Door {
    addr: SocketAddr,
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Door {
    fn to(control: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let held = Arc::clone(&open);
        thread::spawn(move || {
            for came in listener.incoming().flatten() {
                let Ok(onward) = TcpStream::connect(control) else { continue };
                let Some(ref mut all) = *held.lock().unwrap() else { return };
                for (from, to) in [(&came, &onward), (&onward, &came)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || relay(from, to));
                }
                all.extend([came, onward]);
            }
        });
        Self { addr, open }
    }

    /// Ends all that goes through it, and lets nobody in any more.
    fn shut(&self) {
        for stream in self.open.lock().unwrap().take().unwrap_or_default() {
            let _ = stream.shutdown(Shutdown::Both); // it may have ended by itself
        }
        let _ = TcpStream::connect(self.addr); // the one that it notices by
        wait_for("the door to be shut", Deadline::default(), || TcpStream::connect(self.addr).is_err().then_some(()));
    }

    fn streams(&self) -> usize {
        self.open.lock().unwrap().as_ref().map_or(0, Vec::len) / 2
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    for end in [from, to] {
        let _ = end.shutdown(Shutdown::Both); // it may have ended by itself
    }
}

#[test]
fn a_node_comes_by_the_other_door_where_one_is_shut() {
    let bank = Bank::start(&[]);
    let control: SocketAddr = bank.up.plan()["control"].as_str().unwrap().parse().unwrap();
    let (one, other) = (Door::to(control), Door::to(control));
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary("bartizan"));
    command.args(["node", "--keep-running", "--name", "second", "--trust-domain", "bank.example"]);
    command.args(["--control", &one.addr.to_string(), "--control", &other.addr.to_string()]);
    command.arg("--trust-bundle").arg(bank.up.ca()).arg("--socket").arg(dir.path().join("node.sock"));
    command.arg("--proxy-binary").arg(binary("bartizan-proxy"));
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    let mut node = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    node.stdin.take().unwrap().write_all(bank.up.say(&["token", "node"]).as_bytes()).unwrap();
    let attached = |wanted: &Door, what: &str| {
        wait_for(what, Deadline::default(), || {
            let nodes = bank.up.status()?["nodes"].as_array()?.clone();
            let there = nodes.iter().any(|node| node["name"] == "second" && node["attached"] == true);
            (there && wanted.streams() > 0).then_some(())
        });
    };
    attached(&one, "the node to come by the first door");
    assert_eq!(other.streams(), 0, "nobody needs the other one yet");
    one.shut();
    attached(&other, "the node to come by the other door");
    assert!(node.try_wait().unwrap().is_none(), "it is the same process");
    // Control itself dies, and the node finds the new one by the same door.
    let control = bank.up.find_one(&["bartizan control "]);
    let streams = other.streams();
    kill_hard(control);
    wait_for("the node to come again", Deadline::default(), || (other.streams() > streams).then_some(()));
    attached(&other, "the node to be attached again");
    node.kill().unwrap();
    node.wait().unwrap();
}
