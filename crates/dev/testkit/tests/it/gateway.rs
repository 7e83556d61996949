//! The gateway of a whole fleet: its routes change under load, programs come in by keys.

use bartizan_testkit::{Deadline, Kind, Plan, Up, binary, free_ports, reload_under_load, request, wait_for};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Says who asks for whom; what begins with `/slow`, after two seconds, and with `/late` after fourteen.
const PROGRAM: &str = "import http.server, os, time\n\
    class It(http.server.BaseHTTPRequestHandler):\n\
    \x20   protocol_version = 'HTTP/1.1'\n\
    \x20   def do_GET(self):\n\
    \x20       time.sleep({'/slow': 2, '/late': 14}.get(self.path, 0))\n\
    \x20       body = str(self.headers).encode()\n\
    \x20       self.send_response(200)\n\
    \x20       self.send_header('content-length', str(len(body)))\n\
    \x20       self.end_headers()\n\
    \x20       self.wfile.write(body)\n\
    \x20   def log_message(self, *_):\n\
    \x20       pass\n\
    host, port = os.environ['BARTIZAN_LISTEN'].split(':')\n\
    http.server.ThreadingHTTPServer((host, int(port)), It).serve_forever()\n";
/// Reloads while requests come, a count; `cargo run --release -p bartizan-testkit --example reloads` makes a thousand, of 15,000 routes.
const RELOADS: usize = 100;
/// Routes at once, a count.
const ROUTES: usize = 60;

struct Place {
    folder: TempDir,
    ports: Vec<u16>,
}

impl Place {
    fn new() -> Self {
        let it = Self { folder: tempfile::tempdir().unwrap(), ports: free_ports(2) };
        std::fs::create_dir(it.folder.path().join("policies")).unwrap();
        std::fs::write(it.folder.path().join("it.py"), PROGRAM).unwrap();
        std::fs::write(
            it.folder.path().join("policies/own.cedar"),
            "@reason(\"for acme\")\nforbid (principal, action, resource == Service::\"web\")\nwhen { context.path like \"/acme/*\" }\n\
             unless { context has user && context.user has tenant && context.user.tenant == \"acme\" && context.user.subject == \"key:report\" };\n",
        )
        .unwrap();
        it
    }

    fn write(&self, routes: &str) -> PathBuf {
        let [web, edge] = self.ports[..] else { unreachable!() };
        let text = format!(
            "fleet: one\ntrust_domain: one.test\npolicies: policies\nservices:\n  \
             web: {{ run: [python3, it.py], listen: \"127.0.0.1:{web}\", protocol: http, owner: me }}\n\
             gateway:\n  listen: 127.0.0.1:{edge}\n  routes:\n    - {{ path: /acme/**, to: web, auth: key, scopes: [reports:read] }}\n{routes}"
        );
        let file = self.folder.path().join("fleet.yaml");
        std::fs::write(&file, text).unwrap();
        file
    }

    fn ask(&self, up: &Up, path: &str, fields: &[&str]) -> (u16, String) {
        let url = format!("https://127.0.0.1:{}{path}", self.ports[1]);
        let answer = request("GET", &url, Some(&up.ca()), fields, None);
        (answer.status, answer.body)
    }

    /// By a name that no DNS knows.
    fn ask_host(&self, up: &Up, host: &str) -> (i32, u16) {
        let (port, ca) = (self.ports[1], up.ca());
        let done = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20"])
            .args(["--resolve", &format!("{host}:{port}:127.0.0.1"), "--cacert"])
            .arg(ca)
            .arg(format!("https://{host}:{port}/by-host"))
            .output()
            .unwrap();
        (done.status.code().unwrap_or(-1), String::from_utf8_lossy(&done.stdout).parse().unwrap_or(0))
    }
}

#[test]
fn routes_are_replaced_under_load_and_no_request_fails() {
    let lanes = vec![(Kind::Kept, 2), (Kind::New, 2), (Kind::Http2, 2)];
    let plan = Plan { reloads: RELOADS, routes: ROUTES, lanes, pause: Duration::from_millis(10) };
    let outcome = reload_under_load(&plan, |_| {});
    let load = &outcome.load;
    println!("{:?}; memory in KB {:?}", load.kinds, outcome.memory_kb);
    assert_eq!(load.failed, 0, "{:#?}", load.failures);
    for (kind, [lanes, sent, answered, connections]) in &load.kinds {
        assert_eq!(sent, answered, "{kind:?}: every request has its own answer");
        // Two of each lane in each reload, or the reloads would not have gone on.
        assert!(*answered >= 2 * lanes * RELOADS as u64, "{kind:?}: {answered} of {lanes} lanes in {RELOADS} reloads");
        match kind {
            // At the end each lane may have opened one more, and sent nothing on it.
            Kind::New => {
                let fits = (*sent..=sent + lanes).contains(connections);
                assert!(fits, "each on a new connection: {connections} for {sent} requests of {lanes} lanes");
            }
            Kind::Kept | Kind::Http2 => assert_eq!(connections, lanes, "{kind:?}: no reload ends a connection"),
        }
    }
    let [(first, second), _] = outcome.grew_kb();
    assert!(second <= first + first / 20 + 2048, "from {first} to {second} KB: {:?}", outcome.memory_kb);
}

#[test]
fn a_host_of_a_route_is_in_the_certificate_soon_after_a_reload() {
    let place = Place::new();
    let up = Up::start(&place.write("    - { path: /**, to: web }\n"), &[]);
    assert_eq!(place.ask_host(&up, "api.one.test").0, 60, "the certificate does not name it");
    place.write("    - { path: /**, host: api.one.test, to: web }\n");
    up.say(&["reload"]);
    wait_for("a certificate with the host", Deadline::default(), || {
        (place.ask_host(&up, "api.one.test") == (0, 200)).then_some(())
    });
    assert_eq!(place.ask(&up, "/by-host", &[]).0, 404, "no other host");
    assert_eq!(place.ask(&up, "/by-host", &["host: api.one.test"]).0, 200, "an address in the handshake is no name");
    let port = place.ports[1];
    let url = format!("https://localhost:{port}/by-host");
    assert_eq!(request("GET", &url, Some(&up.ca()), &["host: api.one.test"], None).status, 421);
}

#[test]
fn the_gateway_waits_for_a_service_as_long_as_its_call_says() {
    let place = Place::new();
    let route = "    - { path: /**, to: web }\n";
    let bounded = format!("{route}  calls:\n    - {{ to: web, timeout: 300ms, breaker: {{ failures: off }} }}\n");
    let up = Up::start(&place.write(&bounded), &[]);
    let (status, said) = place.ask(&up, "/slow", &[]);
    assert!(status == 504 && said.contains("timeout"), "{status} {said}");
    assert_eq!(place.ask(&up, "/fast", &[]).0, 200);

    place.write(route);
    up.say(&["reload"]);
    wait_for("the default to hold", Deadline::default(), || (place.ask(&up, "/slow", &[]).0 == 200).then_some(()));
}

#[test]
fn an_instance_that_goes_finishes_what_is_under_way_for_as_long_as_drain_says() {
    let place = Place::new();
    // Nothing is tried again, or who was cut off would be answered by the other one.
    let file = place.write("    - { path: /**, to: web }\n  calls: [{ to: web, retry: { attempts: 0 } }]\n");
    let alone = std::fs::read_to_string(&file).unwrap() + "drain: 30s\n";
    let two = alone.replace("owner: me }", "owner: me, instances: 2 }");
    std::fs::write(&file, &two).unwrap();
    let up = Up::start(&file, &[]);
    let second = up.find_one(&["bartizan-proxy", "--service web", "--instance 2"]);
    let answers: Vec<u16> = std::thread::scope(|scope| {
        // More than one each, so that either instance has some of them.
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| place.ask(&up, "/late", &[]).0)).collect();
        std::thread::sleep(Duration::from_secs(2)); // all are with a program by then, and none is answered
        std::fs::write(&file, &alone).unwrap();
        up.say(&["reload"]);
        std::thread::sleep(Duration::from_secs(8));
        assert!(bartizan_testkit::alive(second), "it goes on for longer than where nothing is said\n{}", up.log());
        asking.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(answers, [200; 8], "{}", up.log());
    wait_for("the guard to end once all is answered", Deadline::default(), || {
        (!bartizan_testkit::alive(second)).then_some(())
    });
}

#[test]
fn a_program_comes_in_by_its_key_until_that_is_revoked() {
    let place = Place::new();
    let file = place.write("    - { path: /**, to: web }\n");
    let checked = Command::new(binary("bartizan")).arg("check").arg(&file).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let up = Up::start(&file, &[]);
    let refused = up.cli(&["key", "add", "Bad Name"]);
    assert!(!refused.status.success());
    let refused = up.cli(&["key", "revoke", "report"]);
    assert!(
        !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("no key `report`"),
        "{refused:?}"
    );

    let key = up.say(&["key", "add", "report", "--scopes", "reports:read", "--tenant", "acme", "--expires", "1d"]);
    let key = key.trim();
    assert!(key.starts_with("bzk_") && key.len() == 76, "{key}");
    let bearer = format!("authorization: Bearer {key}");
    let (status, seen) = wait_for("the key to come through", Deadline::default(), || {
        Some(place.ask(&up, "/acme/x", &[&bearer])).filter(|(status, _)| *status == 200)
    });
    assert!(status == 200 && !seen.contains("bzk_"), "it stays at the edge: {seen}");
    assert_eq!(place.ask(&up, "/acme/x", &[&format!("x-api-key: {key}")]).0, 200);
    assert_eq!(place.ask(&up, "/acme/x", &[]).0, 401);
    let wrong = format!("authorization: Bearer {}{}", &key[..75], if key.ends_with('0') { "1" } else { "0" });
    assert_eq!(place.ask(&up, "/acme/x", &[&wrong]).0, 401);

    let other = up.say(&["key", "add", "other", "--scopes", "reports:read", "--tenant", "globex"]);
    let (status, why) = place.ask(&up, "/acme/x", &[&format!("x-api-key: {}", other.trim())]);
    assert!(status == 403 && why.contains("for acme"), "policies see tenant and name: {status} {why}");
    let weak = up.say(&["key", "add", "weak"]);
    assert_eq!(place.ask(&up, "/acme/x", &[&format!("x-api-key: {}", weak.trim())]).0, 403, "no scope");
    let again = up.cli(&["key", "add", "report"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("there is a key `report` already"), "{again:?}");

    let listed: Value = serde_json::from_str(&up.say(&["key", "list", "--json"])).unwrap();
    let names: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["report", "other", "weak"]);
    assert!(!up.say(&["key", "list"]).contains(key) && !listed.to_string().contains(&key[4..60]));
    let line = wait_for("the event", Deadline::default(), || {
        let events = up.say(&["events", "--service", "gateway", "--json"]);
        events.lines().find(|line| line.contains("key:report of bartizan:keys")).map(str::to_owned)
    });
    assert!(!line.contains(key), "{line}");

    let said = up.say(&["key", "revoke", "report"]);
    assert!(said.contains("refused at the gateway"), "{said}");
    assert_eq!(place.ask(&up, "/acme/x", &[&bearer]).0, 401);
    let data = up.ca().parent().unwrap().to_owned();
    let kept = std::fs::read_to_string(data.join("keys.json")).unwrap();
    assert!(kept.contains("\"other\"") && !kept.contains(other.trim()), "{kept}");
}
