//! Three controls that keep one state: any of them is killed, stopped or left out, and nobody who calls notices; what was confirmed
//! stays, whoever leads.

use bartizan_testkit::{BANK_SERVICES, Bank, Deadline, free_ports, kill_hard, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::Command;
use std::thread;
use std::time::Duration;

const ALL: [u64; 3] = [1, 2, 3];
/// Time for another one to lead, and for `up` to start what was killed; on a busy machine.
const PATIENCE: Deadline = Deadline(Duration::from_secs(90));

struct Trio(Bank);

impl Trio {
    fn start() -> Self {
        let ports = free_ports(6);
        Self(Bank::start_with(&[], |folder| {
            let mut fleet = std::fs::File::options().append(true).open(folder.join("fleet.yaml")).unwrap();
            writeln!(fleet, "\ncontrol:\n  members:").unwrap();
            for (number, ports) in ALL.iter().zip(ports.chunks(2)) {
                let [listen, group] = [ports[0], ports[1]].map(|port| format!("\"127.0.0.1:{port}\""));
                writeln!(fleet, "    {number}: {{ listen: {listen}, group: {group} }}").unwrap();
            }
        }))
    }

    /// What whoever leads says of the group, where somebody does.
    fn group(&self) -> Option<Value> {
        let status = self.0.up.status()?;
        status["control"].get("group").cloned()
    }

    fn leader(&self) -> Option<u64> {
        self.group()?["member"].as_u64()
    }

    /// The process of a member.
    fn process(&self, member: u64) -> Option<u32> {
        self.0.up.find(&[&format!("--member {member} --group-key")]).first().copied()
    }

    fn kill(&self, member: u64) {
        kill_hard(wait_for("the member to be there", PATIENCE, || self.process(member)));
    }

    fn term(&self) -> u64 {
        wait_for("a leader", PATIENCE, || self.group()?["term"].as_u64())
    }

    /// Waits until somebody leads anew, who may be the same that did: `up` starts it again at once.
    fn led_after(&self, term: u64) {
        wait_for("another term", PATIENCE, || self.group()?["term"].as_u64().filter(|now| *now > term));
    }

    fn whole(&self) {
        wait_for("all members to be there", PATIENCE, || {
            let group = self.group()?;
            let others = group["others"].as_array()?;
            others.iter().all(|it| it["away"] == false && it["behind"] == 0).then_some(())
        });
    }

    /// Denies an identity; the answer is what counts.
    fn deny(&self, name: &str) -> bool {
        let subject = format!("id:spiffe://bank.example/svc/{name}");
        self.0.up.cli(&["revoke", &subject, "--reason", "test"]).status.success()
    }

    fn denied(&self) -> BTreeSet<String> {
        let said = wait_for("an answer", PATIENCE, || {
            let said = self.0.up.cli(&["revoked", "--json"]);
            said.status.success().then_some(said.stdout)
        });
        let said: Value = serde_json::from_slice(&said).unwrap();
        let entries = said["entries"].as_array().unwrap_or_else(|| panic!("{said}"));
        let name = |entry: &Value| entry["subject"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        entries.iter().map(name).collect()
    }

    fn load(&self, seconds: &str, seed: &str) -> Value {
        let load = self.0.load(&[
            "--users",
            "2",
            "--accounts",
            "6",
            "--concurrency",
            "2",
            "--duration",
            seconds,
            "--seed",
            seed,
        ]);
        assert!(load.status.success(), "{load:?}");
        serde_json::from_slice(&load.stdout).unwrap()
    }
}

fn assert_none_failed(said: &Value) {
    assert_eq!(said["errors"].as_object().map(serde_json::Map::len), Some(0), "{said}");
    assert!(said["unresolved"] == 0 && said["refused"] == 0 && said["retries"] == 0, "{said}");
    assert!(said["done"].as_u64().is_some_and(|done| done > 0), "{said}");
}

fn signal(process: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

#[test]
fn leaders_are_killed_under_load_and_no_call_fails_and_nothing_that_was_confirmed_is_lost() {
    let trio = Trio::start();
    trio.whole();
    let certificates = |trio: &Trio| -> Option<Vec<u64>> {
        let status = trio.0.up.status()?;
        let proxies = status["proxies"].as_array()?;
        let ends: Vec<u64> = proxies.iter().filter_map(|proxy| proxy["svid_not_after"].as_u64()).collect();
        (ends.len() == BANK_SERVICES.len() + 1).then_some(ends)
    };
    let before = wait_for("all guards to be there", PATIENCE, || certificates(&trio));
    let (mut leaders, mut confirmed) = (BTreeSet::new(), BTreeSet::new());
    let said = thread::scope(|scope| {
        let load = scope.spawn(|| trio.load("45", "1"));
        let mut round = 0;
        while !load.is_finished() || round < 3 || leaders.len() < 2 {
            let (leader, term) = (wait_for("a leader", PATIENCE, || trio.leader()), trio.term());
            leaders.insert(leader);
            let name = format!("gone{round}");
            // At once after the answer: what it says is on two disks at the least.
            let process = trio.process(leader);
            if trio.deny(&name) {
                confirmed.insert(name);
            }
            process.into_iter().for_each(kill_hard);
            trio.led_after(term);
            let denied = trio.denied();
            assert!(confirmed.is_subset(&denied), "{confirmed:?} were confirmed, {denied:?} are there");
            trio.whole();
            round += 1;
        }
        load.join().unwrap()
    });
    assert_none_failed(&said);
    assert!(leaders.len() >= 2 && confirmed.len() >= 2, "{leaders:?} {confirmed:?}");
    // A guard that begins anew gets its certificate from whoever leads.
    let guard = trio.0.up.find_one(&["bartizan-proxy", "--service", "payment"]);
    kill_hard(guard);
    trio.0.wait_attached("payment");
    let now = wait_for("all guards to be there", PATIENCE, || certificates(&trio));
    assert_eq!(now.iter().zip(&before).filter(|(now, before)| now < before).count(), 0, "{before:?} {now:?}");
    // By an identity that was issued before any of these led.
    assert_eq!(trio.0.call("GET", "/accounts/none/balance", &[], None).status, 404);
}

#[test]
fn one_of_three_may_be_away_and_with_two_away_nothing_changes_but_calls_go_on() {
    let trio = Trio::start();
    trio.whole();
    let leader = wait_for("a leader", PATIENCE, || trio.leader());
    let others: Vec<u64> = ALL.into_iter().filter(|member| *member != leader).collect();
    let processes: Vec<u32> = others.iter().filter_map(|member| trio.process(*member)).collect();
    signal(processes[0], "-STOP");
    assert!(trio.deny("first"), "two of three are a majority");
    let alert = |trio: &Trio| -> Option<()> {
        let alerts: Value = serde_json::from_slice(&trio.0.up.cli(&["alerts", "--json"]).stdout).ok()?;
        alerts["alerts"].as_array()?.iter().any(|alert| alert["rule"] == "MemberAway").then_some(())
    };
    wait_for("the alert", PATIENCE, || alert(&trio));
    let said = trio.0.up.say(&["status"]);
    assert!(said.contains(&format!("AWAY: {}", others[0])), "{said}");
    let socket = trio.0.up.data.join("control.sock");
    let own =
        Command::new("curl").arg("--unix-socket").arg(socket).args(["--silent", "http://control/v1/group"]).output();
    let own: Value = serde_json::from_slice(&own.unwrap().stdout).unwrap();
    assert_eq!((&own["member"], &own["leader"]), (&leader.into(), &leader.into()), "{own}");
    assert_eq!(own["others"].as_array().map(Vec::len), Some(2), "{own}");
    let said = trio.0.up.say(&["metrics"]);
    assert!(said.contains(&format!("bartizan_group_member_away{{member=\"{}\"}} 1", others[0])), "{said}");

    signal(processes[1], "-STOP");
    // Whoever led knows within its lease that it may not answer any more.
    let answered = trio.deny("second");
    assert!(!answered, "one of three confirmed a change");
    assert_none_failed(&trio.load("5", "2"));
    wait_for("nobody to lead", PATIENCE, || trio.leader().is_none().then_some(()));
    let own = trio.0.up.cli(&["status"]);
    let why = String::from_utf8_lossy(&own.stderr).into_owned();
    assert!(!own.status.success() && why.contains("nobody leads it now"), "{why}");
    assert_none_failed(&trio.load("5", "3"));

    processes.iter().for_each(|process| signal(*process, "-CONT"));
    let _ = wait_for("somebody to lead again", PATIENCE, || trio.leader());
    let denied = trio.denied();
    assert!(denied.contains("first"), "{denied:?}");
    wait_for("a change to be confirmed", PATIENCE, || trio.deny("third").then_some(()));
    assert!(trio.denied().contains("third"));
    trio.whole();
    wait_for("every guard to enforce it", PATIENCE, || {
        let status = trio.0.up.status()?;
        let epoch = status["epochs"]["denylist"].as_u64()?;
        let proxies = status["proxies"].as_array()?;
        proxies.iter().all(|it| it["held"]["denylist"].as_u64() == Some(epoch)).then_some(())
    });
}

#[test]
fn a_member_whose_log_is_lost_comes_back_empty_and_has_everything() {
    let trio = Trio::start();
    trio.whole();
    assert!(trio.deny("kept"));
    let leader = wait_for("a leader", PATIENCE, || trio.leader());
    let lost = ALL.into_iter().find(|member| *member != leader).unwrap();
    let folder = trio.0.up.data.join(format!("members/{lost}"));
    // So fast that it does not start in between.
    let process = trio.process(lost).unwrap();
    signal(process, "-STOP");
    std::fs::remove_dir_all(folder.join("group")).unwrap();
    kill_hard(process);
    trio.whole();
    // It alone and one more: what it was told counts.
    let term = trio.term();
    trio.kill(leader);
    trio.led_after(term);
    assert!(trio.denied().contains("kept"));
}

#[test]
fn what_cannot_be_a_group_is_refused_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let bartizan = bartizan_testkit::binary("bartizan");
    let run = |args: &[&str]| {
        let said = Command::new(&bartizan).args(args).current_dir(dir.path()).output().unwrap();
        (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned())
    };
    let fleet = |members: &str| {
        let text = format!(
            "fleet: f\ntrust_domain: f.example\nservices:\n  a: {{ at: \"127.0.0.1:1\" }}\ncontrol:\n  members: {members}\n"
        );
        std::fs::write(dir.path().join("fleet.yaml"), text).unwrap();
    };
    let place = |port: u16| format!("{{ listen: \"127.0.0.1:{port}\", group: \"127.0.0.1:{}\" }}", port + 1);
    for (members, why) in [
        (format!("{{ 1: {}, 2: {} }}", place(10), place(20)), "take 1, 3, 5 or 7"),
        (format!("{{ a: {} }}", place(10)), "not a number from 1 to 255"),
        (format!("{{ 0: {} }}", place(10)), "not a number from 1 to 255"),
        (format!("{{ 1: {}, 2: {}, 3: {} }}", place(10), place(20), place(10)), "127.0.0.1:10"),
        ("{ 1: { listen: \"127.0.0.1:10\" } }".to_owned(), "group"),
        ("{ 1: { listen: \"0.0.0.0:10\", group: \"127.0.0.1:11\" } }".to_owned(), "not an address that can be dialled"),
        ("{}".to_owned(), "take 1, 3, 5 or 7"),
    ] {
        fleet(&members);
        let (went, said) = run(&["check", "fleet.yaml"]);
        assert!(!went && said.contains(why), "{members}: {said}");
    }
    fleet(&format!("{{ 1: {} }}", place(10)));
    assert!(run(&["ca", "group", "group.key"]).0);
    let (went, said) = run(&["ca", "group", "group.key"]);
    assert!(!went && said.contains("is there already"), "{said}");
    let base = ["control", "--fleet", "fleet.yaml", "--plan", "plan.json", "--data", "d", "--group-key", "group.key"];
    let (went, said) = run(&[&base[..], &["--member", "2"]].concat());
    assert!(!went && said.contains("no member 2"), "{said}");
    std::fs::write(dir.path().join("group.key"), "no key").unwrap();
    let (went, said) = run(&[&base[..], &["--member", "1"]].concat());
    assert!(!went && said.contains("is no key of a group"), "{said}");
}
