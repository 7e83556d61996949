//! Less than all of it, from the same fleet file: a gateway without sidecars, and guards for some services only.

use bartizan_testkit::{Bank, Deadline, Up, alive, free_ports, get, listening, request, wait_for};
use serde_json::Value;
use std::path::Path;

/// Says in the bank's fleet file who has a guard.
fn guards(folder: &Path, line: &str) {
    let file = folder.join("fleet.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\nservices:\n", &format!("\nguards: {line}\n\nservices:\n"))).unwrap();
}

fn guarded(status: &Value) -> Vec<&str> {
    status["proxies"].as_array().unwrap().iter().map(|proxy| proxy["service"].as_str().unwrap()).collect()
}

/// Calls in plain that the guard of `from` counted to `to`; `None` where nobody counts.
fn counted(status: &Value, from: &str, to: &str) -> Option<u64> {
    let bare = status["unguarded"].as_array().unwrap().iter().find(|it| it["service"] == to);
    bare.unwrap_or_else(|| panic!("{to} has no line: {status}"))["callers"][from].as_u64()
}

fn works(bank: &Bank) {
    let load = bank.load(&["--users", "4", "--accounts", "8", "--count", "200", "--concurrency", "4"]);
    assert!(load.status.success(), "{load:?}\n{}", bank.up.log());
}

#[test]
fn a_gateway_without_sidecars_decides_at_the_edge_and_says_what_is_lost() {
    let bank = Bank::start_with(&[], |folder| guards(folder, "gateway"));
    // Refused at the edge, by the policies of the whole fleet.
    let denied = bank.call("POST", "/accounts/transfers", &[], Some("{}"));
    assert_eq!(denied.status, 403, "{denied:?}");
    let id = denied.json()["request_id"].as_str().unwrap().to_owned();
    let explained = wait_for("the decision to be explained", Deadline::default(), || {
        let output = bank.up.cli(&["explain", &id]);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    });
    assert!(explained.contains("forbid `no-direct-transfers` at money.cedar"), "{explained}");
    assert_eq!(bank.call("GET", "/nowhere", &[], None).status, 404);
    works(&bank);

    // What is lost is there to be seen: programs are on this machine, for everybody on it.
    let direct = format!("http://127.0.0.1:{}/accounts/transfers", bank.ports[1]);
    let past = request("POST", &direct, None, &["content-type: application/json"], Some("{}"));
    assert!(past.status > 0 && past.status != 403, "{past:?}");
    let status = wait_for("counters", Deadline::default(), || {
        bank.up.status().filter(|status| counted(status, "gateway", "accounts") > Some(0))
    });
    assert_eq!(guarded(&status), ["gateway"]);
    assert_eq!(counted(&status, "payment", "accounts"), None, "nobody sees those");
    let told = bank.up.say(&["status"]);
    assert!(
        told.contains("NO GUARD: users, which handles pii; called by") && told.contains("payment (not counted)"),
        "{told}"
    );
    assert!(bank.up.say(&["plaintext"]).contains("NO GUARD: accounts"));
    assert!(bank.up.say(&["cost", "--seconds", "1"]).contains("NO GUARD, and so no cost: accounts, notifications"));
    let metrics = bank.up.say(&["metrics"]);
    assert!(metrics.contains("bartizan_unguarded_services 5"), "{metrics}");
    assert!(metrics.contains("bartizan_unguarded_calls_total{from=\"gateway\",to=\"accounts\"}"), "{metrics}");
    let log = bank.up.log();
    assert!(log.contains("5 services (0 with a guard)") && log.contains("5 of 5 services have no guard"), "{log}");
    assert!(log.contains("is asked at the gateway alone") && log.contains("calls of `payment` go past it"), "{log}");
    wait_for("events that say so", Deadline::default(), || {
        let events = bank.up.say(&["events", "--service", "gateway", "--json"]);
        events.lines().any(|line| line.contains("\"plaintext\":true") && line.contains("/payments")).then_some(())
    });
}

#[test]
fn selected_services_have_guards_and_the_others_are_called_in_plain() {
    let bank = Bank::start_with(&[], |folder| guards(folder, "[accounts, payment]"));
    let status = bank.up.status().unwrap();
    assert_eq!(guarded(&status), ["accounts", "payment", "gateway"]);
    let (mesh, programs) = (bank.up.plan()["mesh"].clone(), &bank.ports);
    // The guarded ones are as guarded as ever.
    assert!(!listening(programs[1]) && !listening(programs[2]), "in networks of their own");
    let plain = request("GET", &format!("http://{}/accounts/1", mesh["accounts"].as_str().unwrap()), None, &[], None);
    assert_eq!(plain.status, 0, "{plain:?}");
    let denied = bank.call("POST", "/accounts/transfers", &[], Some("{}"));
    assert_eq!(denied.status, 403, "{denied:?}");
    works(&bank);
    assert!(listening(programs[0]) && listening(programs[3]), "the others are on the machine");
    let status = wait_for("counters", Deadline::default(), || {
        let some = |status: &Value, from, to| counted(status, from, to) > Some(0);
        let both = |it: &Value| some(it, "payment", "transactions") && some(it, "accounts", "users");
        bank.up.status().filter(both)
    });
    assert_eq!(counted(&status, "transactions", "notifications"), None);
    // Whoever is to have a guard, or none any more, is told at a start: a reload would lead programs astray.
    for (line, why) in [("all", "without a guard"), ("[payment]", "without a guard")] {
        let file = bank.folder().join("fleet.yaml");
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, before.replace("guards: [accounts, payment]", &format!("guards: {line}"))).unwrap();
        let reload = bank.up.cli(&["reload"]);
        let said = String::from_utf8_lossy(&reload.stdout).into_owned() + &String::from_utf8_lossy(&reload.stderr);
        assert!(!reload.status.success() && said.contains(why), "{line}: {said}");
        std::fs::write(&file, before).unwrap();
    }
    // By name too.
    let users = bank.up.get_inside("accounts", &format!("http://users:{}/health", programs[0]));
    assert!(users.status > 0 && users.status < 500, "{users:?}");
    let stranger = bank.up.get_inside("accounts", "http://notifications/");
    assert_eq!(stranger.status, 403, "what is not declared is not called in plain either: {stranger:?}");
}

#[test]
fn a_caller_without_a_guard_is_refused_or_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(3);
    let program = "import http.server, os, urllib.request\n\
        class It(http.server.BaseHTTPRequestHandler):\n\
        \x20   def do_GET(self):\n\
        \x20       url = os.environ.get('CALLEE_URL')\n\
        \x20       body = urllib.request.urlopen(url + '/x').read() if url else str(self.headers).encode()\n\
        \x20       self.send_response(200)\n\
        \x20       self.end_headers()\n\
        \x20       self.wfile.write(body)\n\
        host, port = os.environ['BARTIZAN_LISTEN'].split(':')\n\
        http.server.ThreadingHTTPServer((host, int(port)), It).serve_forever()\n";
    std::fs::write(folder.path().join("it.py"), program).unwrap();
    let fleet = folder.path().join("fleet.yaml");
    let write = |more: &str| {
        let service = |name: &str, port: u16, more: &str| {
            format!(
                "  {name}: {{ run: [python3, it.py], listen: \"127.0.0.1:{port}\", protocol: http, owner: me{more} }}\n"
            )
        };
        let text = format!(
            "fleet: two\ntrust_domain: two.test\nguards: [callee]\nservices:\n{}{}gateway: {{ listen: \"127.0.0.1:{}\", routes: [{{ path: /**, to: caller }}] }}\n",
            service("caller", ports[0], ", calls: [callee]"),
            service("callee", ports[1], more),
            ports[2],
        );
        std::fs::write(&fleet, text).unwrap();
    };
    write("");
    let strict = Up::launch(&fleet, &[]);
    wait_for("bartizan up to end", Deadline::default(), || (!alive(strict.pid())).then_some(()));
    assert!(strict.log().contains("`caller` has no guard to speak it (`guards`)"), "{}", strict.log());
    assert!(strict.log().contains("or say `mtls: permissive` at `callee`"), "{}", strict.log());
    drop(strict);

    write(", mtls: permissive");
    let up = Up::start(&fleet, &[]);
    let answer = get(&format!("https://127.0.0.1:{}/a", ports[2]), Some(&up.ca()));
    assert_eq!(answer.status, 200, "{answer:?}\n{}", up.log());
    assert!(!answer.body.to_lowercase().contains("x-bartizan-peer"), "the callee is told nobody's name: {answer:?}");
    wait_for("the event of a caller of no name", Deadline::default(), || {
        let events = up.say(&["events", "--service", "callee", "--json"]);
        events.lines().any(|line| line.contains("\"plaintext\":true") && line.contains("unauthenticated")).then_some(())
    });
    wait_for("its call to be counted", Deadline::default(), || {
        up.say(&["status"]).contains("PERMISSIVE: callee takes calls without mutual TLS, 1 so far").then_some(())
    });
}
