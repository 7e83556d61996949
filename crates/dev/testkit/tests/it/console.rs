//! The pages of the console in a real browser, against fleets that are made up: `console/test/run.mjs` says what is looked at. What a page
//! says is wrong fails it: a violation of its policy, an address outside, a serious fault of accessibility.

use std::path::Path;
use std::process::Command;

#[test]
fn console_pages() {
    let root = std::path::absolute(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")).unwrap();
    let judges = root.join("target/judges/node_modules");
    assert!(
        judges.join("playwright-core").exists(),
        "judges are not there; run `sh xtask/judges.sh` (`make needs` does)"
    );
    let mut node = Command::new("node");
    let output = node.arg(root.join("console/test/run.mjs")).env("JUDGES", judges).output().expect("node is installed");
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{why}");
    let last: serde_json::Value =
        serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!((&last["judge"], &last["failed"]), (&"chromium".into(), &0.into()), "{said}");
    assert!(last["parts"].as_u64() >= Some(8), "{said}");
}
