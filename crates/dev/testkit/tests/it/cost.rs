//! What guards cost, as each measures it itself; and the lighter mode, which changes nothing for those who call.

use bartizan_testkit::{Deadline, Up, free_ports, get, wait_for};
use serde_json::Value;

/// More than what is enough to judge by.
const CALLS: usize = 150;

fn fleet(ports: &[u16], protocol: &str) -> String {
    let service = |name: &str, port: u16, protocol: &str, more: &str| {
        format!(
            "  {name}: {{ run: [python3, -m, http.server, \"{port}\", --bind, 127.0.0.1, --protocol, HTTP/1.1], listen: \"127.0.0.1:{port}\", protocol: {protocol}, owner: me{more} }}\n"
        )
    };
    let calls = format!(
        ", calls: [{{ to: catalogue, via: \"127.0.0.1:{}\" }}, {{ to: accounts, via: \"127.0.0.1:{}\" }}]",
        ports[3], ports[4]
    );
    format!(
        "fleet: shop\ntrust_domain: shop.test\nisolate: false\nbudget: {{ guard_p99_us: 50 }}\nservices:\n{}{}{}",
        service("web", ports[0], "http", &calls),
        service("catalogue", ports[1], protocol, ""),
        service("accounts", ports[2], "http", ", data: [pii]"),
    )
}

#[test]
fn a_dear_guard_is_named_and_a_lighter_one_changes_nothing_for_its_callers() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(5);
    std::fs::write(folder.path().join("hello"), "hello").unwrap();
    let file = folder.path().join("fleet.yaml");
    std::fs::write(&file, fleet(&ports, "http")).unwrap();
    let up = Up::start(&file, &[]);
    let (catalogue, accounts) =
        (format!("http://127.0.0.1:{}/hello", ports[3]), format!("http://127.0.0.1:{}/hello", ports[4]));
    let call = |url: &str| assert_eq!(get(url, None).body, "hello", "{url}");

    let report = std::thread::scope(|scope| {
        let cost = scope.spawn(|| up.say(&["cost", "--seconds", "4", "--json"]));
        for _ in 0..CALLS {
            call(&catalogue);
            call(&accounts);
        }
        serde_json::from_str::<Value>(&cost.join().unwrap()).unwrap()
    });
    assert_eq!((&report["budget_us"], report["guards"].as_array().unwrap().len()), (&50.into(), 3), "{report}");
    let of = |name: &str| report["guards"].as_array().unwrap().iter().find(|it| it["service"] == name).unwrap().clone();
    for name in ["catalogue", "accounts"] {
        let it = of(name);
        assert!(it["calls"].as_u64().unwrap() > 10 && it["calls_per_s"].as_f64().unwrap() > 1.0, "{it}");
        assert!(it["added_p50_us"].as_u64().unwrap() <= it["added_p99_us"].as_u64().unwrap(), "{it}");
        assert!(it["cpu_us_per_call"].as_f64().unwrap() > 1.0 && it["cores"].as_f64().unwrap() > 0.0, "{it}");
        assert!(it["resident_bytes"].as_u64().unwrap() > 1 << 20, "{it}");
    }
    assert_eq!(of("web")["calls"], 0, "nobody calls it");
    // Both are over so small a budget; one of them handles data of persons.
    assert_ne!(of("accounts")["advice"], "lighter", "{report}");
    let text = up.say(&["cost", "--seconds", "1"]);
    assert!(text.contains("budget 50 µs at p99") && text.contains("all guards:"), "{text}");

    // The lighter mode, by the fleet file and one command: same address, same answer, judged by connection from now on.
    std::fs::write(&file, fleet(&ports, "tcp")).unwrap();
    up.say(&["reload"]);
    wait_for("calls by connection", Deadline::default(), || {
        // While one guard has it and the other has not, a call may fail.
        get(&catalogue, None);
        let events = up.say(&["events", "--json", "--limit", "200", "--service", "catalogue"]);
        events.lines().any(|line| line.contains("fleet:calls/web->catalogue") && line.contains("connect")).then_some(())
    });
    (0..20).for_each(|_| call(&catalogue));
}
