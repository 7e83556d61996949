//! A new version of a service, held against the old one while both get calls.

use bartizan_testkit::{Deadline, Up, free_ports, listening, wait_for};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Stopped(Child);
impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Answers with 200, but every fifth time with 500 while the file of the second argument is there.
const SERVER: &str = "import http.server, os, sys\n\
    class It(http.server.BaseHTTPRequestHandler):\n\
    \x20   protocol_version, count = 'HTTP/1.1', 0\n\
    \x20   def do_GET(self):\n\
    \x20       It.count += 1\n\
    \x20       bad = os.path.exists(sys.argv[2]) and It.count % 5 == 0\n\
    \x20       self.send_response(500 if bad else 200)\n\
    \x20       self.send_header('Content-Length', '2')\n\
    \x20       self.end_headers()\n\
    \x20       self.wfile.write(b'ok')\n\
    \x20   def log_message(self, *args):\n\
    \x20       pass\n\
    http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), It).serve_forever()\n";

fn serve(port: u16, bad: &Path) -> Stopped {
    let server = Command::new("python3")
        .args(["-c", SERVER, &port.to_string()])
        .arg(bad)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3 is installed");
    let server = Stopped(server);
    wait_for("a version", Deadline::default(), || listening(port).then_some(()));
    server
}

#[test]
fn a_version_that_does_as_well_is_good_and_one_that_fails_is_bad_and_somebody_is_paged() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new, edge] = free_ports(3)[..] else { panic!("three ports") };
    let (never, bad) = (folder.path().join("never"), folder.path().join("bad"));
    let _versions = [serve(old, &never), serve(new, &bad)];
    let service = |name: &str, port: u16, more: &str| {
        format!("  {name}:\n    at: 127.0.0.1:{port}\n    protocol: http\n    owner: me\n{more}")
    };
    let text = format!(
        "fleet: mine\ntrust_domain: mine.test\nservices:\n{}{}gateway:\n  listen: 127.0.0.1:{edge}\n  routes:\n    - {{ path: /**, to: api }}\n",
        service("api", old, "    split: { api: 50, api-v2: 50 }\n"),
        service("api-v2", new, ""),
    );
    let fleet = folder.path().join("fleet.yaml");
    std::fs::write(&fleet, text).unwrap();
    let up = Up::start(&fleet, &[]);
    let judged = || -> Option<Value> {
        let output = up.cli(&["versions", "--json"]);
        let all: Value = serde_json::from_slice(&output.stdout).ok()?;
        all["versions"].as_array()?.first().cloned()
    };
    let load = |calls: u32| {
        let done = Command::new("h2load")
            .args(["-n", &calls.to_string(), "-c", "4", "-m", "1", "--h1", &format!("https://127.0.0.1:{edge}/")])
            .output()
            .expect("h2load is installed");
        assert!(done.status.success(), "{done:?}");
    };
    let first = judged().expect("a version that has no calls yet");
    assert_eq!((&first["version"], &first["judgement"]), (&"api-v2".into(), &"not_yet".into()), "{first}");

    load(6_000);
    let long = Deadline(Duration::from_secs(60));
    let counted = wait_for("all calls", long, || {
        let it = judged()?;
        (it["old"]["calls"].as_u64()? + it["new"]["calls"].as_u64()? == 6_000).then_some(it)
    });
    assert!(counted["judgement"] != "bad" && counted["new"]["failed"] == 0, "{counted}");
    // Both are the same program: neither fails. Which of them a busy machine held up is chance.
    assert!(counted["fails_more"][1].as_f64().unwrap() < 0.005, "{counted}");

    std::fs::write(&bad, "").unwrap();
    load(2_000);
    let it = wait_for("a verdict", long, || judged().filter(|it| it["judgement"] == "bad"));
    assert!(it["why"].as_str().unwrap().contains("more of its calls fail"), "{it}");
    assert!(it["new"]["failed"].as_u64().unwrap() >= 100 && it["old"]["failed"] == 0, "{it}");
    wait_for("a page", long, || {
        let all: Value = serde_json::from_slice(&up.cli(&["alerts", "--json"]).stdout).ok()?;
        let page = all["alerts"].as_array()?.iter().find(|it| it["rule"] == "VersionWorse")?.clone();
        assert!(page["urgency"] == "page" && page["service"] == "api-v2", "{page}");
        Some(())
    });
    let said = up.say(&["versions"]);
    assert!(said.contains("BAD") && said.contains("api-v2"), "{said}");
}
