//! The ledger of a running fleet, verified on files alone, and what tampering looks like to whoever verifies.

use bartizan_testkit::{Bank, Deadline, wait_for};
use std::path::Path;

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
}
