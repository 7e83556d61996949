//! Two instances of a service that count together, with a real Redis between their guards.

use bartizan_testkit::{Deadline, Up, free_ports, request, wait_for};
use std::process::{Child, Command, Stdio};

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const PROGRAM: &str = "import http.server, os\n\
    class It(http.server.BaseHTTPRequestHandler):\n\
    \x20   def do_GET(self):\n\
    \x20       self.send_response(200)\n\
    \x20       self.send_header('content-length', '0')\n\
    \x20       self.end_headers()\n\
    \x20   def log_message(self, *_):\n\
    \x20       pass\n\
    host, port = os.environ['BARTIZAN_LISTEN'].split(':')\n\
    http.server.ThreadingHTTPServer((host, int(port)), It).serve_forever()\n";

/// How many of 60 requests, 10 ms apart, are let through by two instances with a quota of 20.
fn let_through(shared: bool) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let [redis, web, edge] = free_ports(3)[..] else { unreachable!() };
    let server = Command::new("redis-server")
        .args(["--port", &redis.to_string(), "--bind", "127.0.0.1", "--save", "", "--requirepass", "secret"])
        .stdout(Stdio::null())
        .spawn();
    let _server = Killed(server.expect("redis-server is installed; see xtask/needs.sh"));
    std::fs::write(folder.path().join("it.py"), PROGRAM).unwrap();
    std::fs::write(folder.path().join("redis.password"), "secret\n").unwrap();
    let fleet = folder.path().join("fleet.yaml");
    let text = format!(
        "fleet: two\ntrust_domain: two.test\ncounts: {{ redis: \"127.0.0.1:{redis}\", password_file: redis.password }}\n\
         services:\n  web:\n    run: [python3, it.py]\n    listen: 127.0.0.1:{web}\n    protocol: http\n    owner: me\n    instances: 2\n    \
         limits: [{{ quota: 20/d, shared: {shared} }}]\n\
         gateway: {{ listen: \"127.0.0.1:{edge}\", routes: [{{ path: /**, to: web }}] }}\n"
    );
    std::fs::write(&fleet, text).unwrap();
    let up = Up::start(&fleet, &[]);
    wait_for("redis to be used", Deadline::default(), || {
        let clients = Command::new("redis-cli")
            .args(["-p", &redis.to_string(), "-a", "secret", "--no-auth-warning", "client", "list"])
            .output()
            .unwrap();
        let used = String::from_utf8_lossy(&clients.stdout).matches("cmd=eval").count();
        (!shared || used == 2).then_some(())
    });
    let url = format!("https://127.0.0.1:{edge}/");
    let ask = || {
        std::thread::sleep(std::time::Duration::from_millis(10));
        request("GET", &url, Some(&up.ca()), &[], None).status
    };
    let statuses: Vec<u16> = (0..60).map(|_| ask()).collect();
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 200).count()
}

#[test]
fn two_instances_let_through_what_one_would() {
    assert!(let_through(false) > 36, "each counts by itself");
    let together = let_through(true);
    // Exact but for what the other let through in a tenth of a second.
    assert!((20..=32).contains(&together), "{together}");
}
