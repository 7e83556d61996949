//! One guard of a pair is killed in the middle of a request: what may be asked twice is, what may not is answered with a reason, and
//! no program gets anything that nobody asked it for.

use bartizan_testkit::{Answer, Deadline, Up, free_ports, get, kill_hard, request, wait_for};
use std::path::PathBuf;
use std::thread;
use tempfile::TempDir;

/// Writes each request down when it comes, with its own port, and answers once the file `go` is there.
const PROGRAM: &str = "import http.server, os, time\n\
    host, port = os.environ['BARTIZAN_LISTEN'].split(':')\n\
    class It(http.server.BaseHTTPRequestHandler):\n\
    \x20   protocol_version = 'HTTP/1.1'\n\
    \x20   def do_GET(self):\n\
    \x20       self.rfile.read(int(self.headers.get('content-length', 0)))\n\
    \x20       if self.path != '/api/ready':\n\
    \x20           with open('seen', 'a') as seen:\n\
    \x20               seen.write(f'{self.command} {self.path} {port}\\n')\n\
    \x20           until = time.time() + 60\n\
    \x20           while not os.path.exists('go') and time.time() < until:\n\
    \x20               time.sleep(0.01)\n\
    \x20       self.send_response(200)\n\
    \x20       self.send_header('content-length', '4')\n\
    \x20       self.end_headers()\n\
    \x20       self.wfile.write(b'done')\n\
    \x20   do_POST = do_GET\n\
    \x20   def log_message(self, *_):\n\
    \x20       pass\n\
    http.server.ThreadingHTTPServer((host, int(port)), It).serve_forever()\n";

struct Place {
    folder: TempDir,
    ports: Vec<u16>,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), ports: free_ports(2) };
        std::fs::write(place.folder.path().join("it.py"), PROGRAM).unwrap();
        place
    }

    /// A gateway before `count` instances of `api`.
    fn start(&self, count: u32) -> Up {
        let text = format!(
            "fleet: one\ntrust_domain: one.test\nservices:\n  api: {{ run: [python3, it.py], listen: \"127.0.0.1:{}\", protocol: http, \
             instances: {count}, owner: me }}\ngateway:\n  listen: 127.0.0.1:{}\n  routes: [{{ path: /api/**, to: api }}]\n",
            self.ports[0], self.ports[1]
        );
        let file = self.folder.path().join("fleet.yaml");
        std::fs::write(&file, text).unwrap();
        let up = Up::start(&file, &[]);
        self.wait_ready(&up);
        up
    }

    fn wait_ready(&self, up: &Up) {
        wait_for("the service to be reached", Deadline::default(), || {
            (get(&self.url("/api/ready"), Some(&up.ca())).status == 200).then_some(())
        });
    }

    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.ports[1])
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Requests that programs got for `path`, with the port of who got it.
    fn seen(&self, method: &str, path: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.file("seen")).unwrap_or_default();
        let start = format!("{method} {path} ");
        text.lines().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
    }

    /// Asks, has `kill` do its work once a program has the request, then lets programs answer.
    fn ask(&self, up: &Up, method: &str, path: &str, kill: impl FnOnce(&str)) -> Answer {
        let _ = std::fs::remove_file(self.file("go"));
        thread::scope(|scope| {
            let asking = scope.spawn(|| request(method, &self.url(path), Some(&up.ca()), &[], None));
            let port = wait_for("a program to have it", Deadline::default(), || self.seen(method, path).pop());
            kill(&port);
            std::fs::write(self.file("go"), "").unwrap();
            asking.join().unwrap()
        })
    }
}

fn guard_of(up: &Up, instance: &str) -> u32 {
    up.find_one(&["bartizan-proxy", "--service api", instance])
}

#[test]
fn what_may_not_be_asked_twice_is_answered_with_a_reason_and_asked_once() {
    let place = Place::new();
    let up = place.start(1);
    let answer = place.ask(&up, "POST", "/api/pay", |_| kill_hard(guard_of(&up, "")));
    assert_eq!(answer.status, 502, "{answer:?}");
    let said = answer.json();
    assert!(said["error"].is_string() && said["request_id"].is_string(), "{answer:?}");
    let id = said["request_id"].as_str().unwrap();
    let event = wait_for("the gateway's event", Deadline::default(), || {
        let events = up.say(&["events", "--service", "gateway", "--limit", "200", "--json"]);
        events.lines().find(|line| line.contains(id) && line.contains("502")).map(str::to_owned)
    });
    assert!(event.contains("upstream"), "it says why: {event}");
    place.wait_ready(&up);
    assert_eq!(place.seen("POST", "/api/pay").len(), 1, "it came once, and does not come again once the guard is back");
}

#[test]
fn what_may_be_asked_twice_goes_to_another_instance_and_no_further() {
    let place = Place::new();
    let up = place.start(2);
    let first = place.ports[0].to_string();
    let answer = place.ask(&up, "GET", "/api/read", |port| {
        kill_hard(guard_of(&up, if port == first { "--instance 1" } else { "--instance 2" }));
    });
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"), "{answer:?}");
    let seen = place.seen("GET", "/api/read");
    assert!(seen.len() == 2 && seen[0] != seen[1], "once at each: {seen:?}");

    // With a body that a program may have worked on it does not.
    place.wait_ready(&up);
    let answer = place.ask(&up, "POST", "/api/pay", |port| {
        kill_hard(guard_of(&up, if port == first { "--instance 1" } else { "--instance 2" }));
    });
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(place.seen("POST", "/api/pay").len(), 1);
}

#[test]
fn where_the_asking_guard_dies_the_request_ends_with_it_and_is_not_made_again() {
    let place = Place::new();
    let up = place.start(1);
    for method in ["GET", "POST"] {
        let answer =
            place.ask(&up, method, "/api/pay", |_| kill_hard(up.find_one(&["bartizan-proxy", "--service gateway"])));
        assert_eq!(answer.status, 0, "nobody is left who could answer: {answer:?}");
        place.wait_ready(&up);
        assert_eq!(place.seen(method, "/api/pay").len(), 1, "{method}");
    }
}
