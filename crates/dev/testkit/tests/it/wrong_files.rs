//! Fleet files that are refused before anything starts, and how long it takes to say so.

use bartizan_testkit::binary;
use std::process::Command;
use std::time::Instant;

fn check(text: &str) -> (Option<i32>, String, std::time::Duration) {
    let folder = tempfile::tempdir().unwrap();
    let fleet = folder.path().join("fleet.yaml");
    std::fs::write(&fleet, text).unwrap();
    let begun = Instant::now();
    let output = Command::new(binary("bartizan")).arg("check").arg(&fleet).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), said, begun.elapsed())
}

#[test]
fn each_mistake_is_named_with_its_place_and_a_way_out() {
    let head = "fleet: f\ntrust_domain: f.test\nservices:\n";
    for (rest, wanted) in [
        ("  a:\n    listen: 127.0.0.1:4001\n    calls: [b]\n", &["fleet.yaml:6:", "`b`"][..]),
        ("  a:\n    listen: 127.0.0.1:4001\n    calls: [a]\n", &["fleet.yaml:6:", "itself"]),
        ("  a:\n    listen: 127.0.0.1:4001\n  b:\n    listen: 127.0.0.1:4001\n", &["4001"]),
        ("  a:\n    listen: 0.0.0.0:4001\n", &["fleet.yaml:5:", "loopback"]),
        ("  a:\n    listen: 127.0.0.1:4001\n    cals: []\n", &["cals", "calls"]),
        (
            "  a:\n    listen: 127.0.0.1:4001\ngateway:\n  listen: 127.0.0.1:4002\n  routes:\n    - { path: /x/**, to: c }\n",
            &["`c`"],
        ),
        ("  a:\n    listen: 127.0.0.1:4001\npolicies: nowhere/\n", &["nowhere"]),
    ] {
        let (code, said, _) = check(&format!("{head}{rest}"));
        assert_eq!(code, Some(1), "{rest}: {said}");
        for word in wanted {
            assert!(said.contains(word), "`{word}` is missing for {rest}: {said}");
        }
    }
}

/// The time is printed, not asserted: the build is a debug one and the machine is shared. `benches/results` has the release figure.
#[test]
fn a_thousand_services_are_checked() {
    let mut text = String::from("fleet: big\ntrust_domain: big.test\nservices:\n");
    for i in 0..1000 {
        let calls: Vec<String> = (1..=5).map(|k| format!("s{}", (i + k * 7) % 1000)).collect();
        text += &format!(
            "  s{i}:\n    listen: 127.0.0.1:{}\n    protocol: http\n    owner: team\n    calls: [{}]\n",
            20_000 + i,
            calls.join(", ")
        );
    }
    let (code, said, took) = check(&text);
    assert_eq!(code, Some(0), "{said}");
    println!("1,000 services checked in {took:?}");
}
