//! `bartizan up` on the example bank: everything works, and nothing is left behind.

use bartizan_testkit::{BANK_SERVICES, Bank, Deadline, alive, listening, request, tree, wait_for};

#[test]
fn the_bank_runs_behind_its_guards_and_leaves_nothing_behind() {
    let mut bank = Bank::start(&[]);
    let status = bank.up.status().unwrap();
    for service in BANK_SERVICES.iter().chain(&["gateway"]) {
        let proxy = bank.up.proxy(service).unwrap_or_else(|| panic!("{service} has no row in {status}"));
        assert_eq!(proxy["id"], format!("spiffe://bank.example/svc/{service}"));
        assert_eq!(proxy["attached"], true, "{service}");
        assert_eq!(proxy["held"], status["epochs"], "{service} enforces the newest epochs");
        assert!(proxy["resident_bytes"].as_u64().unwrap() > 0);
    }

    let health = bank.call("GET", "/users/health", &[], None);
    assert!(health.status > 0 && health.status < 500, "{health:?}");
    let load = bank.load(&["--users", "4", "--accounts", "8", "--count", "200", "--concurrency", "4"]);
    assert!(load.status.success(), "{load:?}\n{}", bank.up.log());

    // The three commands that the screen shows: they are there, and they do what it says.
    let log = bank.up.log();
    assert!(log.contains(&bank.gateway), "the gateway's address is shown: {log}");
    assert!(log.matches("curl").count() >= 3, "three commands to try are shown: {log}");

    let ports: Vec<u16> = bank.ports.iter().copied().chain([bank.gateway_port]).collect();
    let pids = tree(bank.up.pid());
    assert!(pids.len() > 18, "up, control, node, six proxies, five programs, five porters: {pids:?}");
    assert!(listening(bank.gateway_port));
    // Programs listen in namespaces of their own.
    assert!(bank.ports.iter().all(|&port| !listening(port)));
    assert!(bank.up.interrupt().success(), "{}", bank.up.log());
    assert!(pids.iter().all(|&pid| !alive(pid)), "a process was left behind: {}", bank.up.log());
    assert!(ports.iter().all(|&port| !listening(port)), "a port was left open");
}

#[test]
fn when_the_supervisor_is_killed_everything_it_started_ends() {
    let bank = Bank::start(&[]);
    let pids = tree(bank.up.pid());
    bartizan_testkit::kill_hard(bank.up.pid());
    wait_for("every process to end", Deadline::default(), || pids.iter().all(|&pid| !alive(pid)).then_some(()));
}

#[test]
fn ctrl_c_in_the_middle_of_the_start_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let port = bartizan_testkit::free_ports(1)[0];
    let fleet = folder.path().join("fleet.yaml");
    // The program never listens, so the start is still waiting when the signal comes.
    let text = format!(
        "fleet: slow\ntrust_domain: slow.test\nservices:\n  sleeper:\n    run: [sleep, \"1000\"]\n    listen: 127.0.0.1:{port}\n    protocol: http\n"
    );
    std::fs::write(&fleet, text).unwrap();
    let mut up = bartizan_testkit::Up::launch(&fleet, &[]);
    wait_for("the program to be started", Deadline::default(), || {
        (!up.find(&["sleep", "1000"]).is_empty()).then_some(())
    });
    let pids = tree(up.pid());
    up.interrupt();
    assert!(pids.iter().all(|&pid| !alive(pid)), "{}", up.log());
}

#[test]
fn a_call_is_allowed_denied_with_a_reason_or_refused_at_the_handshake() {
    let bank = Bank::start(&[]);
    let allowed = bank.call("POST", "/users", &[], Some(r#"{"name":"Ada"}"#));
    assert!((200..300).contains(&allowed.status), "{allowed:?}");
    assert!(allowed.header("x-request-id").is_some(), "{allowed:?}");

    // Straight to the transfers: only payment may.
    let denied = bank.call("POST", "/accounts/transfers", &[], Some("{}"));
    assert_eq!(denied.status, 403, "{denied:?}");
    let body = denied.json();
    assert!(body["reason"].as_str().is_some_and(|r| r.contains("payment")), "{body}");
    let id = body["request_id"].as_str().unwrap().to_owned();
    let explained = wait_for("the decision to be explained", Deadline::default(), || {
        let output = bank.up.cli(&["explain", &id]);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    });
    for part in
        ["forbid `no-direct-transfers` at money.cedar", "policy epoch 1", "route transfers", "owner core-banking"]
    {
        assert!(explained.contains(part), "`{part}` is missing: {explained}");
    }

    // The same path in other letters is the same path.
    let encoded = bank.call("POST", "/accounts/%74ransfers", &[], Some("{}"));
    assert_eq!(encoded.status, 403, "{encoded:?}");
    assert!(encoded.json()["reason"].as_str().is_some_and(|r| r.contains("go through payment")), "{encoded:?}");

    // A sidecar, without an identity: there is not even HTTP.
    let plan: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(bank.up.data.join("plan.json")).unwrap()).unwrap();
    let mesh = plan["mesh"]["accounts"].as_str().unwrap();
    let stranger = request("GET", &format!("https://{mesh}/accounts/1"), None, &[], None);
    assert_eq!(stranger.status, 0, "{stranger:?}");
    assert_ne!(stranger.curl, 0, "{stranger:?}");
    let plain = request("GET", &format!("http://{mesh}/accounts/1"), None, &[], None);
    assert_eq!(plain.status, 0, "plaintext is no way in: {plain:?}");
}

#[test]
fn the_three_modes_all_serve_and_only_full_decides() {
    for mode in ["mtls", "full"] {
        let bank = Bank::start(&["--mode", mode]);
        let denied = bank.call("POST", "/accounts/transfers", &[], Some("{}"));
        assert_eq!(denied.status == 403, mode == "full", "{mode}: {denied:?}");
        let load = bank.load(&["--users", "2", "--accounts", "4", "--count", "20", "--concurrency", "2"]);
        assert!(load.status.success(), "{mode}: {load:?}");
    }
    let bank = Bank::start(&["--mode", "off"]);
    assert!(!listening(bank.gateway_port), "nothing guards, so nothing stands at the gateway's address");
    assert!(listening(bank.ports[1]));
}
