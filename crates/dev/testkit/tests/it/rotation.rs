//! The root of a running bank is replaced: under load, over kills of control, with a stopped sidecar, with a bad canary.

use bartizan_core::Timestamp;
use bartizan_crypto::forge::Recipe;
use bartizan_crypto::{base64, cert};
use bartizan_runtime::clock;
use bartizan_testkit::{Bank, Deadline, kill_hard, wait_for};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What the load clients have seen.
#[derive(Debug, Default)]
struct Seen {
    rounds: u32,
    done: u64,
}

/// Runs `during` while `bank load` runs again and again, each round with the roots of its moment. Not one call may fail.
fn under_load<T>(bank: &Bank, during: impl FnOnce() -> T) -> (T, Seen) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut seen = Seen::default();
            while !over.load(Ordering::Relaxed) || seen.rounds == 0 {
                let load = bank.load(&["--users", "2", "--accounts", "8", "--duration", "2", "--concurrency", "4"]);
                let report: Value = serde_json::from_slice(&load.stdout).unwrap_or_default();
                let nothing = |key: &str| report[key].as_u64() == Some(0);
                let errors = report["errors"].as_object().is_some_and(serde_json::Map::is_empty);
                let good = load.status.success() && nothing("refused") && nothing("unresolved") && nothing("retries");
                assert!(good && errors, "a call failed: {report} {}", String::from_utf8_lossy(&load.stderr));
                seen.rounds += 1;
                seen.done += report["done"].as_u64().unwrap_or(0);
            }
            seen
        });
        // Also where `during` panics, the load has to end.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(during));
        over.store(true, Ordering::Relaxed);
        let seen = load.join().unwrap();
        (outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), seen)
    })
}

fn rotation(bank: &Bank) -> Option<Value> {
    let output = bank.up.cli(&["ca", "status", "--json"]);
    let status: Value = serde_json::from_slice(&output.stdout).ok()?;
    status["rotation"].is_object().then(|| status["rotation"].clone())
}

fn until_phase(bank: &Bank, phase: &str) -> Value {
    wait_for(&format!("phase {phase}"), Deadline(Duration::from_secs(120)), || {
        rotation(bank).filter(|it| it["phase"] == phase)
    })
}

fn roots(bank: &Bank) -> String {
    std::fs::read_to_string(bank.up.ca()).unwrap()
}

/// Handshakes that failed anywhere in the fleet because of a certificate.
fn failed_handshakes(bank: &Bank) -> u64 {
    let status = bank.up.status().unwrap();
    let proxies = status["proxies"].as_array().unwrap().iter();
    let causes = ["untrusted_issuer", "expired", "not_yet_valid", "bad_svid"];
    proxies.flat_map(|it| causes.map(|cause| it["handshakes"]["failed"][cause].as_u64().unwrap_or(0))).sum()
}

/// What control has recorded within a second of `at_ms`.
fn events_around(bank: &Bank, at_ms: u64) -> String {
    let (since, until) = (at_ms.saturating_sub(500), at_ms + 500);
    let mut curl = Command::new("curl");
    curl.arg("-s").arg("--unix-socket").arg(bank.up.data.join("control.sock"));
    let url = format!("http://control/v1/events?limit=10000&since_ms={since}&until_ms={until}");
    String::from_utf8_lossy(&curl.arg(url).output().unwrap().stdout).into_owned()
}

#[test]
fn the_root_is_replaced_under_load_without_a_failed_request() {
    let bank = Bank::start(&[]);
    let old = roots(&bank);
    let began = Instant::now();
    let (said, seen) =
        under_load(&bank, || bank.up.say(&["ca", "rotate", "root", "--canary", "notifications", "--watch"]));
    println!("root replaced in {:.1} s, {seen:?}\n{said}", began.elapsed().as_secs_f64());
    assert!(said.contains("canary notifications") && said.contains("retired"), "{said}");
    let new = roots(&bank);
    assert!(new.trim() != old.trim() && !new.contains(old.trim()), "the old root is gone");
    assert_eq!(failed_handshakes(&bank), 0);
    let status = bank.up.say(&["ca", "status"]);
    assert!(status.contains("rotation 1 of the root: retired") && status.contains("7 of 7 members"), "{status}");
    // Every step can be found again.
    for step in rotation(&bank).unwrap()["history"].as_array().unwrap() {
        let message = format!("rotation 1 of the root: {}", step["to"].as_str().unwrap());
        let at = step["at"].as_u64().unwrap();
        wait_for(&message, Deadline::default(), || events_around(&bank, at).contains(&message).then_some(()));
    }
    // And a sidecar that starts without control finds on its disk what it can check by the new root.
    let control = bank.up.find_one(&["bartizan control "]);
    assert!(Command::new("kill").args(["-STOP", &control.to_string()]).status().unwrap().success());
    kill_hard(bank.up.find_one(&["bartizan-proxy", "--service accounts"]));
    wait_for("the sidecar to serve from its disk", Deadline::default(), || {
        (bank.call("GET", "/accounts/1", &[], None).status < 500).then_some(())
    });
    kill_hard(control);
}

#[test]
fn control_is_killed_in_every_phase_and_the_rotation_comes_to_its_end() {
    let bank = Bank::start(&[]);
    let file = bank.up.data.join("rotation.json");
    let phase = || -> Option<String> {
        let state: Value = serde_json::from_str(&std::fs::read_to_string(&file).ok()?).ok()?;
        Some(state["rotation"]["phase"].as_str()?.to_owned())
    };
    let (killed, seen) = under_load(&bank, || {
        bank.up.say(&["ca", "rotate", "root", "--canary", "users", "--soak", "3"]);
        let mut killed = Vec::new();
        for wanted in ["prepared", "published", "acknowledged", "active", "retiring"] {
            let order = ["prepared", "published", "acknowledged", "active", "retiring", "retired"];
            let at = |phase: &str| order.iter().position(|it| *it == phase).unwrap_or(0);
            let found = wait_for(wanted, Deadline(Duration::from_secs(120)), || {
                phase().filter(|phase| at(phase) >= at(wanted))
            });
            if found == "retired" {
                break;
            }
            let control = bank.up.find_one(&["bartizan control "]);
            kill_hard(control);
            killed.push(found);
            wait_for("control to come back", Deadline::default(), || {
                let now = bank.up.find(&["bartizan control "]);
                (!now.contains(&control) && bank.up.status().is_some()).then_some(())
            });
        }
        until_phase(&bank, "retired");
        killed
    });
    println!("killed in {killed:?}, {seen:?}");
    assert!(killed.len() >= 4, "{killed:?}");
    assert_eq!(failed_handshakes(&bank), 0);
}

#[test]
fn a_stopped_sidecar_blocks_and_is_named() {
    let bank = Bank::start(&[]);
    let sidecar = bank.up.find_one(&["bartizan-proxy", "--service notifications"]).to_string();
    let signal = |signal: &str| assert!(Command::new("kill").args([signal, &sidecar]).status().unwrap().success());
    signal("-STOP");
    bank.up.say(&["ca", "rotate", "root", "--canary", "users", "--soak", "1"]);
    wait_for("the straggler to be named", Deadline::default(), || {
        let it = rotation(&bank)?;
        let waiting = it["waiting_for"].as_array()?;
        (it["phase"] == "published" && waiting.len() == 1 && waiting[0]["name"] == "notifications").then_some(())
    });
    let text = bank.up.say(&["ca", "retire"]);
    assert!(text.contains("notifications") && text.contains("then it refuses everybody"), "{text}");
    assert!(bank.up.say(&["ca", "status"]).contains("waiting for notifications"));
    let began = bank.up.status().unwrap()["now"].as_u64().unwrap();
    wait_for("the others to be heard for two seconds more", Deadline::default(), || {
        (bank.up.proxy("users")?["last_heard"].as_u64()? > began + 2_000).then_some(())
    });
    assert_eq!(rotation(&bank).unwrap()["phase"], "published", "it blocks for as long as it is stopped");
    signal("-CONT");
    let end = until_phase(&bank, "retired");
    assert!(end["forced"].as_array().unwrap().is_empty());
}

/// A leaf below an issuing CA that nobody knows, in the name of `payment`: chain and key as PEM files for curl.
fn below_a_bad_intermediate(bank: &Bank, now: Timestamp) -> (PathBuf, PathBuf) {
    let ca = Recipe::ca("CN=nobody", now).with(|it| it.uris = vec!["spiffe://bank.example".to_owned()]).self_signed();
    let leaf = Recipe::leaf("spiffe://bank.example/svc/payment", now).signed_by(&ca);
    let (chain, key) = (bank.folder().join("bad.pem"), bank.folder().join("bad.key"));
    std::fs::write(&chain, format!("{}{}", cert::pem(&leaf.der), cert::pem(&ca.der))).unwrap();
    let text = base64::encode(leaf.key.pkcs8().expose());
    std::fs::write(&key, format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")).unwrap();
    (chain, key)
}

#[test]
fn failing_handshakes_at_the_canary_halt_and_lead_back_and_the_rest_is_unharmed() {
    let bank = Bank::start(&[]);
    let old = roots(&bank);
    let plan: Value = serde_json::from_str(&std::fs::read_to_string(bank.up.data.join("plan.json")).unwrap()).unwrap();
    let mesh = plan["mesh"]["accounts"].as_str().unwrap().to_owned();
    let (chain, key) = below_a_bad_intermediate(&bank, clock::now());
    let (rotation, seen) = under_load(&bank, || {
        bank.up.say(&["ca", "rotate", "root", "--canary", "accounts", "--soak", "60"]);
        until_phase(&bank, "active");
        wait_for("the way back", Deadline(Duration::from_secs(60)), || {
            let mut curl = Command::new("curl");
            curl.args(["-sk", "--max-time", "2", "--cert"]).arg(&chain).arg("--key").arg(&key);
            assert!(!curl.arg(format!("https://{mesh}/")).status().unwrap().success(), "nobody of ours");
            rotation(&bank).filter(|it| it["phase"] != "active")
        });
        until_phase(&bank, "reverted")
    });
    println!("{} {seen:?}", rotation["halted"]);
    assert!(rotation["halted"].as_str().unwrap().contains("handshakes failed"), "{rotation}");
    assert_eq!(rotation["waves_begun"], 0, "only the canary was touched");
    assert_eq!(roots(&bank), old);
    wait_for("the halt to be recorded", Deadline::default(), || {
        let events = bank.up.say(&["events", "--deny", "--limit", "1000"]);
        events.contains("rotation 1 of the root: reverting").then_some(())
    });
}

#[test]
fn a_distrusted_issuing_ca_is_replaced_within_seconds_under_load() {
    let bank = Bank::start(&[]);
    let old = roots(&bank);
    let (took, seen) = under_load(&bank, || {
        let began = Instant::now();
        bank.up.say(&["ca", "distrust", "issuing"]);
        until_phase(&bank, "retired");
        began.elapsed()
    });
    println!("everybody issued anew and control too in {:.1} s, {seen:?}", took.as_secs_f64());
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!((roots(&bank), failed_handshakes(&bank)), (old, 0), "the root stays");
    let denied = bank.up.say(&["revoked"]);
    assert!(denied.contains("issuer:") && denied.contains("distrusted"), "{denied}");
    let still = bank.call("GET", "/users/health", &[], None);
    assert!(still.status < 500, "nobody alive is below it: {still:?}");
    let forecast = bank.up.say(&["expiry"]);
    assert!(forecast.contains("issuing") && forecast.contains("0 in danger"), "{forecast}");
}
