//! Each program in a network namespace of its own: no way out but its guard, no way in but its guard.

use bartizan_testkit::{Deadline, Up, alive, free_ports, get, kill_hard, listening, wait_for};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Answers with its own name.
const NAME: &str = "import http.server, os, sys\n\
    class Name(http.server.BaseHTTPRequestHandler):\n\
    \x20   protocol_version = 'HTTP/1.1'\n\
    \x20   def do_GET(self):\n\
    \x20       body = os.environ['BARTIZAN_SERVICE'].encode()\n\
    \x20       self.send_response(200)\n\
    \x20       self.send_header('content-length', str(len(body)))\n\
    \x20       self.end_headers()\n\
    \x20       self.wfile.write(body)\n\
    \x20   def log_message(self, *_):\n\
    \x20       pass\n\
    host, port = os.environ['BARTIZAN_LISTEN'].split(':')\n\
    http.server.ThreadingHTTPServer((host, int(port)), Name).serve_forever()\n";

/// Tries every address that it is given, and says how each went.
const TRY: &str = "import errno, socket, sys\n\
    for what in sys.argv[1:]:\n\
    \x20   kind, host, port = what.split('|')\n\
    \x20   family = socket.AF_INET6 if ':' in host else socket.AF_INET\n\
    \x20   s = socket.socket(family, socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)\n\
    \x20   s.settimeout(5)\n\
    \x20   try:\n\
    \x20       s.connect((host, int(port)))\n\
    \x20       s.send(b'x')\n\
    \x20       print(what, 'REACHED')\n\
    \x20   except OSError as error:\n\
    \x20       print(what, errno.errorcode.get(error.errno, error))\n";

/// `caller` calls `callee`; both listen on the same address.
struct Place {
    folder: TempDir,
    shared: u16,
    edge: u16,
}

impl Place {
    fn new() -> Self {
        let ports = free_ports(2);
        let place = Self { folder: tempfile::tempdir().unwrap(), shared: ports[0], edge: ports[1] };
        std::fs::write(place.path("name.py"), NAME).unwrap();
        place
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// `head` stands before the services, `more` among the keys of `callee`.
    fn write(&self, callee_port: u16, head: &str, more: &str) -> PathBuf {
        let service = |name: &str, port: u16, more: &str| {
            format!(
                "  {name}: {{ run: [python3, name.py], listen: \"127.0.0.1:{port}\", protocol: http, owner: me{more} }}\n"
            )
        };
        let text = format!(
            "fleet: two\ntrust_domain: two.test\n{head}services:\n{}{}gateway:\n  listen: 127.0.0.1:{}\n  routes:\n    - {{ path: /caller, to: caller }}\n    - {{ path: /callee, to: callee }}\n",
            service("caller", self.shared, ", calls: [callee]"),
            service("callee", callee_port, more),
            self.edge
        );
        let file = self.path("fleet.yaml");
        std::fs::write(&file, text).unwrap();
        file
    }

    fn calls_work(&self, up: &Up) {
        for name in ["caller", "callee"] {
            let answer = get(&format!("https://127.0.0.1:{}/{name}", self.edge), Some(&up.ca()));
            assert_eq!((answer.status, answer.body.as_str()), (200, name), "{answer:?}\n{}", up.log());
        }
        let out = up.plan()["outbound"]["caller"]["callee"].as_str().unwrap().to_owned();
        let called = up.get_inside("caller", &format!("http://{out}/"));
        assert_eq!((called.status, called.body.as_str()), (200, "callee"), "{called:?}");
    }
}

/// The program that is in the same namespace as the porter of `caller`.
fn caller(up: &Up) -> u32 {
    let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    let own = namespace(porter(up, "caller"));
    up.find(&["name.py"]).into_iter().find(|pid| namespace(*pid) == own).unwrap()
}

fn porter(up: &Up, service: &str) -> u32 {
    let note = std::fs::read(up.data.join("porters").join(service)).unwrap();
    let note: serde_json::Value = serde_json::from_slice(&note).unwrap();
    u32::try_from(note["pid"].as_u64().unwrap()).unwrap()
}

/// How each address went, from inside the namespace of `service`.
fn tried(up: &Up, service: &str, what: &[String]) -> String {
    let output = up.inside(service, "python3").args(["-c", TRY]).args(what).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn outside_address() -> String {
    // Nothing is sent: connecting a UDP socket only asks the kernel which address it would use.
    let probe = UdpSocket::bind("0.0.0.0:0").unwrap();
    probe.connect("192.0.2.1:9").expect("this machine has an address besides loopback");
    probe.local_addr().unwrap().ip().to_string()
}

fn port_of(addr: &serde_json::Value) -> u16 {
    addr.as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn a_program_has_no_way_but_its_guard_and_nobody_has_a_way_to_it() {
    let place = Place::new();
    let other = free_ports(1)[0];
    let up = Up::start(&place.write(other, "", ""), &[]);
    let (plan, outside) = (up.plan(), outside_address());
    let (mesh, own_mesh, control) =
        (port_of(&plan["mesh"]["callee"]), port_of(&plan["mesh"]["caller"]), port_of(&plan["control"]));
    let mut forbidden: Vec<String> = Vec::new();
    for port in [other, mesh, own_mesh, control, place.edge, 22, 53] {
        // Another program, guards, control, the gateway; by loopback, by the machine's address, by IPv6, by UDP where it tells.
        forbidden.push(format!("tcp|127.0.0.1|{port}"));
        forbidden.push(format!("tcp|::1|{port}"));
        forbidden.push(format!("tcp|{outside}|{port}"));
    }
    for host in [outside.as_str(), "192.0.2.1", "8.8.8.8", "2001:db8::1", "fe80::1"] {
        forbidden.push(format!("udp|{host}|53"));
        forbidden.push(format!("tcp|{host}|443"));
    }
    let tried = tried(&up, "caller", &forbidden);
    assert_eq!(tried.lines().count(), forbidden.len(), "{tried}");
    for line in tried.lines() {
        let refused = ["ECONNREFUSED", "ENETUNREACH", "EINVAL", "EHOSTUNREACH"].iter().any(|it| line.ends_with(it));
        assert!(refused, "{line}\n{tried}");
    }

    // Nor does it get into another namespace: that of the host, that of the other program.
    let programs = up.find(&["name.py"]);
    assert_eq!(programs.len(), 2, "{programs:?}");
    for pid in programs.into_iter().chain([up.pid(), 1]).filter(|pid| *pid != caller(&up)) {
        let entered = up.inside("caller", "nsenter").args(["--net", "--target", &pid.to_string(), "true"]).output();
        assert!(!entered.unwrap().status.success(), "it entered the network of process {pid}");
    }

    assert!(!listening(place.shared) && !listening(other), "the programs are not on this machine's loopback");
    for name in ["caller", "callee"] {
        assert_eq!(up.proxy(name).unwrap()["isolation"], serde_json::json!({"network": "own"}));
    }
    place.calls_work(&up);
}

#[test]
fn two_services_listen_on_the_same_address() {
    let place = Place::new();
    let mut up = Up::start(&place.write(place.shared, "", ""), &[]);
    place.calls_work(&up);
    assert!(up.interrupt().success());
    assert!(up.log().contains("nothing is left"), "{}", up.log());
}

#[test]
fn a_killed_porter_takes_its_namespace_along_and_all_comes_back() {
    let place = Place::new();
    let up = Up::start(&place.write(place.shared, "", ""), &[]);
    let porter = porter(&up, "callee");
    kill_hard(porter);
    wait_for("another porter, guard and program", Deadline::default(), || {
        let back = up.log().contains("porter of callee is ready again")
            && up.log().contains("sidecar of callee is ready again")
            && up.log().contains("callee is ready again (1 restart)");
        back.then_some(())
    });
    assert!(!alive(porter));
    let answer = wait_for("calls", Deadline::default(), || {
        let answer = get(&format!("https://127.0.0.1:{}/callee", place.edge), Some(&up.ca()));
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(answer.body, "callee");
    place.calls_work(&up);
}

#[test]
fn what_is_not_isolated_is_said_and_why() {
    let place = Place::new();
    let other = free_ports(1)[0];
    let up = Up::start(&place.write(other, "", ", isolate: false"), &[]);
    assert!(listening(other) && !listening(place.shared));
    let row = up.proxy("callee").unwrap();
    assert_eq!(row["isolation"]["network"], "shared", "{row}");
    assert!(up.say(&["status"]).contains("NOT ISOLATED, callee: the fleet file says `isolate: false`"));
    place.calls_work(&up);
    let refused = up.inside("callee", "true").output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no network namespace"), "{refused:?}");
}

/// Of what a kernel may refuse, here for the test's own user namespace alone.
const NO_NAMESPACES: &str = "echo 0 > /proc/sys/user/max_net_namespaces";

fn ended(up: &Up) -> String {
    wait_for("bartizan up to end", Deadline::default(), || (!alive(up.pid())).then_some(()));
    up.log()
}

#[test]
fn where_the_kernel_gives_no_namespace_it_is_refused_or_said_aloud() {
    let place = Place::new();
    let other = free_ports(1)[0];
    let required = Up::launch_as_nobody(&place.write(other, "isolate: true\n", ""), NO_NAMESPACES, &[]);
    let log = ended(&required);
    assert!(log.contains("is to be isolated (`isolate: true`), which is not possible here"), "{log}");
    let shared = Up::launch_as_nobody(&place.write(place.shared, "", ""), NO_NAMESPACES, &[]);
    let log = ended(&shared);
    assert!(log.contains("which takes a network namespace for each, and there is none here"), "{log}");

    let mut up = Up::launch_as_nobody(&place.write(other, "", ""), NO_NAMESPACES, &[]);
    up.wait_ready();
    assert!(up.log().contains("WARNING: programs are NOT ISOLATED"), "{}", up.log());
    assert!(listening(other));
    // From the file: to control we are nobody, since its user namespace does not know us.
    let why = up.plan()["isolation"]["callee"]["why"].as_str().unwrap().to_owned();
    assert!(why.contains("the kernel gives no network"), "{why}");
    let answer = get(&format!("https://127.0.0.1:{}/callee", place.edge), Some(&up.ca()));
    assert_eq!(answer.body, "callee");
}

#[test]
fn it_takes_no_root() {
    let place = Place::new();
    let mut up = Up::launch_as_nobody(&place.write(place.shared, "isolate: true\n", ""), "", &[]);
    up.wait_ready();
    assert!(!listening(place.shared));
    place.calls_work(&up);
    assert!(up.interrupt().success());
}

#[test]
fn who_left_its_group_is_found_by_its_namespace() {
    let place = Place::new();
    let script = format!("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\n{NAME}");
    std::fs::write(place.path("name.py"), script).unwrap();
    let mut up = Up::start(&place.write(place.shared, "", ""), &[]);
    assert!(up.interrupt().success());
    let log = up.log();
    assert!(log.contains("that `caller` started have left its group and go on"), "{log}");
    for pid in left(place.folder.path()) {
        kill_hard(pid);
    }
}

/// Processes that run in `folder`.
fn left(folder: &Path) -> Vec<u32> {
    let found = Command::new("pgrep").args(["-f", "name.py"]).output().unwrap();
    let pids = String::from_utf8(found.stdout).unwrap();
    let ours = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder);
    pids.lines().filter_map(|pid| pid.parse().ok()).filter(ours).collect()
}
