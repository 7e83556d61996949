//! `bartizan bench`: somebody's own fleet with guards and without, measured from outside.

use bartizan_testkit::{binary, free_ports};
use serde_json::Value;
use std::process::Command;

#[test]
fn a_fleet_is_measured_with_guards_and_without_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(2);
    std::fs::write(folder.path().join("hello"), "hello").unwrap();
    let (web, edge) = (ports[0], ports[1]);
    let fleet = format!(
        "fleet: shop\ntrust_domain: shop.test\nservices:\n  web: {{ run: [python3, -m, http.server, \"{web}\", --bind, 127.0.0.1, --protocol, HTTP/1.1], listen: \"127.0.0.1:{web}\", protocol: http, owner: me }}\n\
         gateway:\n  listen: 127.0.0.1:{edge}\n  routes: [{{ path: /**, to: web }}]\n"
    );
    std::fs::write(folder.path().join("fleet.yaml"), fleet).unwrap();
    let bench = |more: &[&str]| {
        let command = ["bench", "fleet.yaml", "--seconds", "1", "--connections", "2", "--json"];
        Command::new(binary("bartizan")).args(command).args(more).current_dir(folder.path()).output().unwrap()
    };
    let output = bench(&["--path", "/hello", "--path", "/missing", "--modes", "off,full"]);
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (off, full) = (&said["modes"][0], &said["modes"][1]);
    assert_eq!((&off["mode"], &full["mode"]), (&"off".into(), &"full".into()), "{said}");
    for row in [off, full] {
        let (requests, refused) = (row["requests"].as_u64().unwrap(), row["refused"].as_u64().unwrap());
        assert!(requests > 10 && refused.abs_diff(requests / 2) <= 2, "every other one is a 404: {row}");
        assert_eq!(row["failed"], 0, "{row}");
        assert!(
            row["programs_us"].as_f64().unwrap() > 1.0 && row["p50_us"].as_u64() <= row["p99_us"].as_u64(),
            "{row}"
        );
    }
    assert_eq!((&off["guards_us"], full["guards_us"].as_f64().unwrap() > 1.0), (&0.0.into(), true), "{said}");
    // Stopped, and nothing of it is left.
    assert!(std::net::TcpStream::connect(("127.0.0.1", web)).is_err() && !folder.path().join(".bartizan").exists());
    let refused = bench(&["--path", "no-path"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("`no-path`"), "{refused:?}");
}
