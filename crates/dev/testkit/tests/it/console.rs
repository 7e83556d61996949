//! The pages of the console in a real browser: against fleets that are made up (`console/test/run.mjs` says what is looked at), and
//! against the bank as it runs (`console/test/real.mjs`). What a page says is wrong fails it: a violation of its policy, an address
//! outside, a serious fault of accessibility.

use bartizan_testkit::Bank;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn root() -> PathBuf {
    std::path::absolute(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")).unwrap()
}

/// Runs a script of `console/test` to its end; the JSON of its last line.
fn run(script: &str, args: &[&str]) -> Value {
    let judges = root().join("target/judges/node_modules");
    assert!(
        judges.join("playwright-core").exists(),
        "judges are not there; run `sh xtask/judges.sh` (`make needs` does)"
    );
    let mut node = Command::new("node");
    node.arg(root().join("console/test").join(script)).args(args).env("JUDGES", judges);
    let output = node.output().expect("node is installed");
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}: {said}\n{why}");
    serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{script}: {said}"))
}

#[test]
fn console_pages() {
    let last = run("run.mjs", &[]);
    assert_eq!((last["judge"].as_str(), last["failed"].as_u64()), (Some("chromium"), Some(0)), "{last}");
    assert!(last["parts"].as_u64() >= Some(8), "{last}");
}

#[test]
fn console_pages_of_a_fleet_that_runs() {
    let bank = Bank::start(&[]);
    let said = |args: &[&str]| -> Value {
        let output = bank.up.cli(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"))
    };
    let status = said(&["console", "status", "--json"]);
    assert_eq!(status["built"].as_bool(), Some(true), "run `make console`, then build Bartizan again: {status}");
    let made = said(&["console", "link", "--role", "administrator", "--name", "ana", "--json"]);
    let link = made["link"].as_str().unwrap();
    std::thread::scope(|scope| {
        let browser = scope.spawn(|| run("real.mjs", &[link]));
        while !browser.is_finished() {
            // Somebody tries, again and again, what only payment may.
            bank.call("POST", "/accounts/transfers", &[], Some("{}"));
            std::thread::sleep(Duration::from_millis(200));
        }
        let last = browser.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert_eq!(last["judge"], "chromium", "{last}");
    });
}
