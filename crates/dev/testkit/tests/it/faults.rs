//! Parts that die, disks that fill, files that tear: nothing wrong is allowed, no money is lost, all comes back.

use crate::clock::join;
use bartizan_testkit::{Bank, Deadline, binary, kill_hard, wait_for};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

fn denied_still(bank: &Bank, when: &str) {
    let denied = bank.call("POST", "/accounts/transfers", &[], Some("{}"));
    assert_eq!(denied.status, 403, "{when}: {denied:?}");
}

#[test]
fn control_is_killed_and_the_data_plane_goes_on() {
    let bank = Bank::start(&[]);
    let before = bank.up.status().unwrap()["epochs"].clone();
    let control = bank.up.find_one(&["bartizan control "]);
    // Stopped, not killed, so that it stays away for as long as this test likes.
    let freeze = |signal: &str| {
        assert!(Command::new("kill").args([signal, &control.to_string()]).status().unwrap().success());
    };
    freeze("-STOP");
    denied_still(&bank, "control is away");
    let load = bank.load(&["--users", "2", "--accounts", "4", "--count", "50", "--concurrency", "2"]);
    assert!(load.status.success(), "control is away: {load:?}");

    // So does the node, from its cache; the sidecar below needs it.
    let node = bank.up.find_one(&["bartizan node "]);
    kill_hard(node);
    wait_for("the node to come back", Deadline::default(), || {
        bank.up.find(&["bartizan node "]).first().filter(|&&now| now != node).map(|_| ())
    });

    // A sidecar that dies meanwhile comes back from its disk, with the help of its node alone.
    let sidecar = bank.up.find_one(&["bartizan-proxy", "--service accounts"]);
    kill_hard(sidecar);
    wait_for("the sidecar to serve again", Deadline::default(), || {
        (bank.call("GET", "/accounts/1", &[], None).status < 500).then_some(())
    });
    assert_ne!(bank.up.find_one(&["bartizan-proxy", "--service accounts"]), sidecar);
    denied_still(&bank, "control is away and the sidecar started from disk");

    kill_hard(control);
    freeze_is_over(&bank, control);
    bank.wait_attached("accounts");
    assert_eq!(bank.up.status().unwrap()["epochs"], before, "a restart without a change keeps the epochs");
    denied_still(&bank, "control is back");
}

fn freeze_is_over(bank: &Bank, old: u32) {
    wait_for("control to come back", Deadline::default(), || {
        let now = bank.up.find(&["bartizan control "]);
        (!now.contains(&old) && bank.up.status().is_some()).then_some(())
    });
}

#[test]
fn sidecars_and_services_are_killed_under_load_and_no_money_is_lost() {
    let bank = Bank::start(&[]);
    let load = thread::scope(|scope| {
        let load =
            scope.spawn(|| bank.load(&["--users", "4", "--accounts", "10", "--duration", "8", "--concurrency", "4"]));
        for victim in [
            &["bartizan-proxy", "--service accounts"][..],
            &["bank accounts"],
            &["bartizan-proxy", "--service payment"],
            &["bank payment"],
            &["bartizan control "],
            &["bartizan node "],
        ] {
            let pid = bank.up.find_one(victim);
            kill_hard(pid);
            wait_for(&format!("{victim:?} to come back"), Deadline::default(), || {
                bank.up.find(victim).first().filter(|&&now| now != pid).map(|_| ())
            });
        }
        load.join().unwrap()
    });
    let said = String::from_utf8_lossy(&load.stdout).into_owned();
    assert!(load.status.success(), "money was made or lost: {said}\n{}", String::from_utf8_lossy(&load.stderr));
    for service in ["accounts", "payment", "gateway"] {
        bank.wait_attached(service);
    }
    denied_still(&bank, "after everything was killed once");
}

#[test]
fn a_half_written_snapshot_is_refused_and_the_one_before_is_used() {
    let bank = Bank::start(&[]);
    let state = find_file(&bank.up.data, "accounts", "policies.snap");
    // A second version, so that there is one before.
    let policies = bank.folder().join("policies/late.cedar");
    std::fs::write(&policies, "@id(\"late\")\nforbid (principal, action, resource == Service::\"users\") when { context.path == \"/late\" };\n").unwrap();
    let epoch = bank.up.status().unwrap()["epochs"]["policies"].as_u64().unwrap();
    bank.up.say(&["reload"]);
    wait_for("the new policies to be enforced", Deadline::default(), || {
        (bank.up.proxy("accounts")?["held"]["policies"].as_u64()? > epoch).then_some(())
    });

    let control = bank.up.find_one(&["bartizan control "]);
    assert!(Command::new("kill").args(["-STOP", &control.to_string()]).status().unwrap().success());
    let whole = std::fs::read(&state).unwrap();
    std::fs::write(&state, &whole[..whole.len() / 2]).unwrap();
    kill_hard(bank.up.find_one(&["bartizan-proxy", "--service accounts"]));
    wait_for("the sidecar to serve from the snapshot before", Deadline::default(), || {
        (bank.call("GET", "/accounts/1", &[], None).status < 500).then_some(())
    });
    denied_still(&bank, "with the policies before");
    kill_hard(control);
    bank.wait_attached("accounts");
    wait_for("the refusal to be recorded", Deadline::default(), || {
        let text = bank.up.say(&["events", "--deny", "--service", "accounts"]);
        text.lines().any(|line| line.contains("policies") && line.contains("refused")).then_some(())
    });
}

fn find_file(data: &Path, service: &str, name: &str) -> std::path::PathBuf {
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with(name) && path.to_string_lossy().contains(service) {
                return path;
            }
        }
    }
    panic!("no {name} of {service} below {}", data.display());
}

#[test]
fn a_full_disk_costs_events_and_no_decision() {
    let bank = Bank::start_on_small_disk(48);
    let lost = |bank: &Bank| {
        let store = bank.up.status()?["store"].clone();
        store["lost"]["disk_full"].as_u64().filter(|&n| n > 0).map(|_| store)
    };
    assert!(lost(&bank).is_none(), "nothing is lost while there is room");
    // Every byte of it, up to the last.
    let filler = bank.up.data.join("filler");
    let filled = Command::new("dd").args(["if=/dev/zero", "bs=4k"]).arg(format!("of={}", filler.display())).output();
    assert!(!filled.unwrap().status.success(), "the disk is full");

    let store = wait_for("the loss to be counted", Deadline::default(), || {
        denied_still(&bank, "the disk is full");
        let answer = bank.call("GET", "/accounts/acc-none", &[], None);
        assert_eq!(answer.status, 404, "allowed calls go on: {answer:?}");
        lost(&bank)
    });
    assert!(store["reason"].is_string(), "the reason is shown: {store}");
    // Nobody said how much events may take: the disk said so.
    wait_for("the alert of a full store", Deadline::default(), || {
        bank.up.say(&["alerts"]).contains("StoreFull").then_some(())
    });
    assert!(bank.up.say(&["status"]).contains(" LOST ("), "{}", bank.up.say(&["status"]));

    std::fs::remove_file(filler).unwrap();
    wait_for("events to be stored again", Deadline::default(), || {
        let id = bank.call("POST", "/accounts/transfers", &[], Some("{}")).json()["request_id"].as_str()?.to_owned();
        bank.up.cli(&["explain", &id]).status.success().then_some(())
    });
}

#[test]
fn the_database_is_held_by_another_and_identities_go_on() {
    let bank = Bank::start(&[]);
    let issued = |args: &[&str]| {
        let text = bank.up.say(&[&["ca", "issued", "--limit", "1000", "--json"], args].concat());
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let count = |list: &serde_json::Value| list["issued"].as_array().unwrap().len();
    let before = count(&issued(&["--id", "spiffe://bank.example/svc/accounts"]));
    assert!(before > 0, "each guard's identity is on record");

    let script = "import sqlite3, sys\nheld = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)\n\
                  held.execute('BEGIN EXCLUSIVE')\nprint('held', flush=True)\nsys.stdin.read()";
    let mut holder = Command::new("python3")
        .args(["-c", script])
        .arg(bank.up.data.join("bartizan.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "held");

    // A guard without anything on its disk comes for an identity, and a node joins.
    let sidecar = bank.up.find_one(&["bartizan-proxy", "--service accounts"]);
    let state = find_file(&bank.up.data, "accounts", "policies.snap");
    std::fs::remove_dir_all(state.parent().unwrap()).unwrap();
    kill_hard(sidecar);
    let dir = tempfile::tempdir().unwrap();
    let token = bank.up.say(&["token", "node"]);
    let mut node = join(&bank, Command::new(binary("bartizan")), dir.path(), &token);
    wait_for("the node to join", Deadline::default(), || {
        let nodes = bank.up.status()?["nodes"].as_array()?.clone();
        nodes.iter().any(|node| node["name"] == "second" && node["attached"] == true).then_some(())
    });
    wait_for("the guard to come back", Deadline::default(), || {
        let now = bank.up.find(&["bartizan-proxy", "--service accounts"]);
        (!now.contains(&sidecar) && bank.up.proxy("accounts")?["attached"] == true).then_some(())
    });
    wait_for("the status to say so", Deadline::default(), || {
        bank.up.say(&["status"]).contains("the database is away").then_some(())
    });
    let away = issued(&["--node", "second"]);
    assert!(count(&away) == 1 && away["database"].is_string(), "{away}");
    denied_still(&bank, "the database is held");

    drop(holder.stdin.take());
    holder.wait().unwrap();
    wait_for("the database to take the records in", Deadline::default(), || {
        let list = issued(&["--id", "spiffe://bank.example/svc/accounts"]);
        (list["waiting"] == 0 && list["database"].is_null() && count(&list) > before).then_some(())
    });
    assert_eq!(count(&issued(&["--node", "second"])), 1);
    node.kill().unwrap();
    node.wait().unwrap();
}

#[test]
fn a_full_disk_means_that_nothing_is_issued_until_there_is_room() {
    let bank = Bank::start_on_small_disk(48);
    let filler = bank.up.data.join("filler");
    let filled = Command::new("dd").args(["if=/dev/zero", "bs=4k"]).arg(format!("of={}", filler.display())).output();
    assert!(!filled.unwrap().status.success(), "the disk is full");
    let attached = |wanted: bool| {
        let nodes = bank.up.status()?["nodes"].as_array()?.clone();
        (nodes.iter().any(|node| node["name"] == "second" && node["attached"] == true) == wanted).then_some(())
    };
    // What is left of the journal's last block takes a few records more.
    let (dir, mut tries) = (tempfile::tempdir().unwrap(), 0);
    let mut node = loop {
        let token = bank.up.say(&["token", "node"]);
        let mut node = join(&bank, Command::new(binary("bartizan")), dir.path(), &token);
        let refused = wait_for("a certificate or a refusal", Deadline::default(), || {
            let refused = bank.up.status()?["issued"]["refused"].as_u64()? > 0;
            (refused || attached(true).is_some()).then_some(refused)
        });
        if refused {
            break node;
        }
        node.kill().unwrap();
        node.wait().unwrap();
        wait_for("the node to be gone", Deadline::default(), || attached(false));
        tries += 1;
        assert!(tries < 60, "more than a block was written to a full disk");
    };
    let said = bank.up.say(&["status"]);
    assert!(said.contains("NO CERTIFICATES ARE ISSUED") && said.contains("No space left"), "{said}");
    denied_still(&bank, "nothing is issued");
    std::fs::remove_file(filler).unwrap();
    wait_for("the node to join after all, with the same token", Deadline::default(), || attached(true));
    node.kill().unwrap();
    node.wait().unwrap();
}
