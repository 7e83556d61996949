//! A bad version of one of the bank's programs is stopped at its canary's part, and taken back.

use bartizan_testkit::{Bank, Deadline, free_ports, wait_for};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const LONG: Deadline = Deadline(Duration::from_secs(90));
/// What users runs, and what its version does.
const OLD: &str = "users/users.py";
const NEW: &str = "users/users2.py";

/// The bank's fleet file, with a version of `users` that runs this program.
struct Fleet {
    file: std::path::PathBuf,
    plain: String,
    port: u16,
}

impl Fleet {
    fn of(folder: &Path) -> Self {
        let file = folder.join("fleet.yaml");
        let plain = std::fs::read_to_string(&file).unwrap();
        Self { file, plain, port: free_ports(1)[0] }
    }

    fn write(&self, users: &str, split: &str, version: &str) {
        let run =
            |program: &str| format!("run: [python3, {program}, --listen, \"${{listen}}\", --data, \"${{data}}\"]");
        let text = self.plain.replacen(&run(OLD), &format!("{}\n    split: {split}", run(users)), 1).replacen(
            "  accounts:\n",
            &format!(
                "  users-v2:\n    {}\n    listen: 127.0.0.1:{}\n    protocol: http\n    owner: customer-care\n    data: [pii]\n\n  accounts:\n",
                run(version),
                self.port
            ),
            1,
        );
        assert!(text.contains("users-v2:\n") && text.contains("split:"), "{text}");
        std::fs::write(&self.file, text).unwrap();
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_version_that_answers_errors_stays_at_its_canarys_part_until_somebody_says_why_and_can_be_taken_back() {
    let mut fleet = None;
    let bank = Bank::start_with(&[], |folder| {
        // Every fifth answer is an error: as bad as a version gets without a breaker that keeps calls from it.
        let good = std::fs::read_to_string(folder.join(OLD)).unwrap();
        let route = "    def route(self, body):\n";
        let bad = good.replacen(
            route,
            &format!(
                "    count = 0\n\n{route}        Handler.count += 1\n        if Handler.count % 5 == 0:\n            raise Refusal(500, \"broken\", \"a mistake\")\n"
            ),
            1,
        );
        assert_ne!(good, bad, "there is a place to break");
        std::fs::write(folder.join(NEW), bad).unwrap();
        let it = Fleet::of(folder);
        it.write(OLD, "{ users: 100, users-v2: 0 }", NEW);
        fleet = Some(it);
    });
    let fleet = fleet.unwrap();
    let reload = |users: &str, split: &str, version: &str| {
        fleet.write(users, split, version);
        bank.up.cli(&["reload"])
    };
    let refused = |users: &str, split: &str, words: &[&str]| {
        let output = reload(users, split, NEW);
        let why = said(&output);
        assert!(!output.status.success(), "{split}: {why}");
        for word in words.iter().chain(&["`users-v2` beside `users`", "slo override --why"]) {
            assert!(why.contains(word), "{split}: no `{word}` in {why}");
        }
    };
    let taken = |users: &str, split: &str, version: &str| {
        let output = reload(users, split, version);
        assert!(output.status.success(), "{split}: {}", said(&output));
    };
    let version = || -> Option<Value> {
        let all: Value = serde_json::from_slice(&bank.up.cli(&["versions", "--json"]).stdout).ok()?;
        all["versions"].as_array()?.first().cloned()
    };
    let load = |calls: u32| {
        let url = format!("{}/users/nobody", bank.gateway);
        let done = Command::new("h2load")
            .args(["-n", &calls.to_string(), "-c", "4", "-m", "1", "--h1", &url])
            .output()
            .expect("h2load is installed");
        assert!(done.status.success(), "{done:?}");
    };
    let held_by =
        |by: &str| wait_for(&format!("it is held back: {by}"), LONG, || version().filter(|it| it["held"]["by"] == by));

    // Before anything is known of it, it gets a canary's part and no more.
    refused(OLD, "{ users: 50, users-v2: 50 }", &["there is no verdict yet", "10 % at most", "no calls of both"]);
    refused(OLD, "{ users: 0, users-v2: 1 }", &["there is no verdict yet"]);
    taken(OLD, "{ users: 90, users-v2: 10 }", NEW);
    load(3_000);
    let it = held_by("bad");
    assert!(it["why"].as_str().is_some_and(|why| why.contains("more of its calls fail")), "{it}");
    assert!(it["part"] == 0.1 && it["new"]["failed"].as_u64() > Some(20) && it["old"]["failed"] == 0, "{it}");

    // It stays at it, whichever way it would come to more.
    let is_bad = &["it is bad", "more of its calls fail", "nothing was changed"];
    refused(OLD, "{ users: 85, users-v2: 15 }", is_bad);
    refused(OLD, "{ users: 0, users-v2: 100 }", is_bad);
    refused(NEW, "{ users: 90, users-v2: 10 }", is_bad);
    assert_eq!(version().unwrap()["part"], 0.1);
    let said_of = bank.up.say(&["versions"]);
    assert!(said_of.contains("BAD") && said_of.contains(" NO "), "{said_of}");
    let told: Value = serde_json::from_slice(&bank.up.cli(&["slo", "objectives", "--json"]).stdout).unwrap();
    assert_eq!(told["promotion"]["held"][0]["version"], "users-v2", "{told}");

    // Somebody says why, and that is on record.
    let why = "the mistake is known and hurts nobody";
    let overridden = bank.up.cli(&["slo", "override", "--why", why]);
    assert!(overridden.status.success(), "{}", said(&overridden));
    taken(OLD, "{ users: 50, users-v2: 50 }", NEW);
    assert_eq!(version().unwrap()["part"], 0.5);
    let on_record = wait_for("a record", LONG, || {
        let all = bank.up.say(&["events", "--class", "config", "--limit", "200", "--json"]);
        let of = |text: &str| all.lines().filter(|it| it.contains(text)).count();
        (of("a larger part in spite of") == 1).then(|| (of("held_back"), of(why)))
    });
    assert!(on_record.0 >= 5 && on_record.1 == 2, "refusals, and who said why twice: {on_record:?}");
    let ended = bank.up.cli(&["slo", "override", "--end"]);
    assert!(ended.status.success(), "{}", said(&ended));
    refused(OLD, "{ users: 40, users-v2: 60 }", is_bad);
    load(600);

    // Counted: once stopped in time, once not.
    wait_for("a failed roll-out", LONG, || {
        let all: Value = serde_json::from_slice(&bank.up.cli(&["slo", "--json"]).stdout).ok()?;
        let m9 = all["indicators"].as_array()?.iter().find(|it| it["id"] == "M9")?;
        let fleet = m9["places"].as_array()?.iter().find(|it| it["place"] == "fleet")?;
        let stopped = fleet["parts"].as_array()?.iter().find(|it| it["part"] == "stopped")?;
        (fleet["windows"][0]["bad"] == 1 && stopped["windows"][0]["bad"] == 1).then_some(())
    });

    // The way back is open, also by halves; what is mended is another program, and begins as a canary again.
    taken(OLD, "{ users: 80, users-v2: 20 }", NEW);
    taken(OLD, "{ users: 100, users-v2: 0 }", NEW);
    refused(OLD, "{ users: 99, users-v2: 1 }", is_bad);
    taken(OLD, "{ users: 90, users-v2: 10 }", OLD);
    let it = version().unwrap();
    assert!(it["part"] == 0.1 && it["judgement"] == "not_yet" && it["held"]["by"] == "not_yet", "{it}");
    fleet.write(OLD, "{ users: 50, users-v2: 50 }", OLD);
    let again = bank.up.cli(&["reload"]);
    assert!(!again.status.success() && said(&again).contains("there is no verdict yet"), "{}", said(&again));
}
