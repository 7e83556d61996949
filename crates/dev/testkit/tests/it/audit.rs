//! The ledger of a running fleet, verified on files alone, and what tampering looks like to whoever verifies.

use bartizan_testkit::{Bank, Deadline, binary, wait_for};
use std::path::Path;
use std::process::Command;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// A denied call, and then until it is in the ledger.
fn deny(bank: &Bank, nth: usize) {
    bank.call("POST", "/accounts/transfers", &[], Some("{}"));
    wait_for("the denial in the ledger", Deadline::default(), || {
        let shown = bank.up.say(&["audit", "show", "--limit", "100000"]);
        (shown.matches("no-direct-transfers").count() >= nth).then_some(())
    });
}

#[test]
fn the_ledger_of_a_fleet_is_verified_and_tampering_is_seen() {
    let bank = Bank::start(&[]);
    deny(&bank, 1);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let kept = path("kept.checkpoint");
    let said = bank.up.say(&["audit", "verify", "--remember", &kept]);
    assert!(
        said.contains("all of it is as it was signed") && said.contains("not compared with a checkpoint"),
        "{said}"
    );

    let early = path("early");
    copy(&bank.up.data.join("ledger"), Path::new(&early));
    deny(&bank, 2);
    let said = bank.up.say(&["audit", "verify", "--remember", &kept]);
    assert!(said.contains("it goes on from the checkpoint over"), "{said}");
    let key = bank.up.say(&["audit", "key"]);
    let key = key.trim();
    let json = bank.up.say(&["audit", "verify", "--json", "--key", key]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["good"], &report["findings"]), (&true.into(), &serde_json::json!([])), "{report}");
    assert_eq!(report["root"].as_str().map(str::len), Some(64), "{report}");
    let status = bank.up.status().unwrap();
    assert!(status["ledger"]["entries"].as_u64() >= report["entries"].as_u64(), "{status}");
    assert_eq!(status["ledger"]["key"], key);

    // An older state put in its place is good by itself, and not beside what was kept.
    let verify = |args: &[&str]| {
        let output = bank.up.cli(&[&["audit", "verify", "--key", key], args].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = verify(&["--ledger", &early]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = verify(&["--ledger", &early, "--checkpoint", &kept]);
    assert!(
        code == Some(1) && said.contains("WRONG  there are") && said.contains("the end is gone"),
        "{code:?}: {said}"
    );

    // One letter of one entry.
    let edited = path("edited");
    copy(Path::new(&early), Path::new(&edited));
    let mut files: Vec<_> = std::fs::read_dir(&edited).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut bytes = std::fs::read(&files[0]).unwrap();
    let needle = b"no-direct-transfers";
    let at = bytes.windows(needle.len()).position(|window| window == needle).expect("the denial is in it");
    bytes[at] = b'N';
    std::fs::write(&files[0], bytes).unwrap();
    let (code, said) = verify(&["--ledger", &edited]);
    assert!(code == Some(1) && said.contains("WRONG"), "{code:?}: {said}");

    // Nobody else's key, and no proof of what is not there.
    let other = key.replacen("/ledger+", "/ledgex+", 1);
    let refused = bank.up.cli(&["audit", "verify", "--key", &other]);
    assert!(
        !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("not the key"),
        "{refused:?}"
    );
    let refused = bank.up.cli(&["audit", "prove", "999999999"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no entry 999999999"), "{refused:?}");
    let proof: serde_json::Value = serde_json::from_str(&bank.up.say(&["audit", "prove", "0", "--json"])).unwrap();
    assert!(proof["checkpoint"].as_str().is_some_and(|note| note.contains("\n\n\u{2014} ")), "{proof}");

    proofs_are_checked_with_the_key_alone(&bank, key, dir.path());
}

/// By a copy of the program's word only: the file, the key, and for what came since the checkpoint that was kept.
fn proofs_are_checked_with_the_key_alone(bank: &Bank, key: &str, dir: &Path) {
    let path = |name: &str| dir.join(name).display().to_string();
    let shown = bank.up.say(&["audit", "show", "--limit", "100000"]);
    let denial = shown.lines().find(|line| line.contains("no-direct-transfers")).unwrap();
    let number = denial.split_whitespace().next().unwrap();
    let (proof, since, kept) = (path("denial.tlog-proof"), path("since.proof"), path("early.checkpoint"));
    std::fs::write(&proof, bank.up.say(&["audit", "prove", number])).unwrap();
    std::fs::write(&kept, bank.up.say(&["audit", "checkpoint"])).unwrap();
    deny(bank, 3);
    std::fs::write(&since, bank.up.say(&["audit", "prove", "--since", &kept])).unwrap();
    let check = |args: &[&str]| {
        let output = Command::new(binary("bartizan")).args(["audit", "check"]).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let other = bank.up.say(&["audit", "prove", "0"]);
    let text = std::fs::read_to_string(&proof).unwrap();
    let (_, its_entry) = text.split_once("extra ").unwrap();
    let its_entry = its_entry.split('\n').next().unwrap();
    let (_, foreign) = other.split_once("extra ").unwrap();
    for (what, altered) in [
        ("another entry", text.replace(its_entry, foreign.split('\n').next().unwrap())),
        ("another number", text.replacen("index ", "index 9", 1)),
        ("cut", text[..text.len() / 2].to_owned()),
        ("nothing", String::new()),
    ] {
        let file = path("altered");
        std::fs::write(&file, altered).unwrap();
        let (code, said, why) = check(&[&file, "--key", key]);
        assert!(code == Some(1) && said.is_empty() && why.contains("NOT PROVEN"), "{what}: {code:?} {said} {why}");
    }
    let stranger = "bank.example/ledger+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(check(&[&proof, "--key", stranger]).0, Some(1));
    assert_eq!(check(&[&since, "--key", key]).0, Some(1), "since when?");
    assert_eq!(check(&[&proof, "--since", &kept, "--key", key]).0, Some(1), "an entry is of no time");
    let (code, said, _) = check(&[&proof, "--key", key]);
    assert!(
        code == Some(0) && said.contains("proven: entry") && said.contains("no-direct-transfers"),
        "{code:?} {said}"
    );
    let (code, said, why) = check(&[&since, "--since", &kept, "--key", key, "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {code:?} {why}"));
    assert_eq!((code, &said["proven"]), (Some(0), &true.into()), "{said}");
    assert!(said["entries"].as_u64() > said["old"].as_u64(), "{said}");
}
