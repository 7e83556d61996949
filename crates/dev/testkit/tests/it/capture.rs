//! Programs that know nothing but the names of their callees: what they open there is redirected to their guard.

use bartizan_testkit::{Deadline, Up, alive, free_ports, get, wait_for};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;

/// Says its name; asks for `/?URL` what is there, and hands it on with its status. Reads no variable but its own address.
const PROGRAM: &str = "import http.server, os, sys, urllib.error, urllib.request\n\
    class It(http.server.BaseHTTPRequestHandler):\n\
    \x20   protocol_version = 'HTTP/1.1'\n\
    \x20   def do_GET(self):\n\
    \x20       status, body = 200, sys.argv[1].encode()\n\
    \x20       if '?' in self.path:\n\
    \x20           try:\n\
    \x20               body = urllib.request.urlopen(self.path.split('?', 1)[1], timeout=10).read()\n\
    \x20           except urllib.error.HTTPError as error:\n\
    \x20               status, body = error.code, error.read()\n\
    \x20           except Exception as error:\n\
    \x20               status, body = 502, str(error).encode()\n\
    \x20       self.send_response(status)\n\
    \x20       self.send_header('content-length', str(len(body)))\n\
    \x20       self.end_headers()\n\
    \x20       self.wfile.write(body)\n\
    \x20   def log_message(self, *_):\n\
    \x20       pass\n\
    for name in [name for name in os.environ if name.startswith('CALLEE_') or name.lower().endswith('_proxy')]:\n\
    \x20   del os.environ[name]\n\
    host, port = os.environ['BARTIZAN_LISTEN'].split(':')\n\
    http.server.ThreadingHTTPServer(('0.0.0.0', int(port)), It).serve_forever()\n";

/// All programs listen at the same port.
struct Place {
    folder: TempDir,
    ports: Vec<u16>,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), ports: free_ports(3) };
        std::fs::write(place.folder.path().join("it.py"), PROGRAM).unwrap();
        place
    }

    /// `head` stands before the services, `more` among the keys of `caller`, which listens at `port`.
    fn write_with(&self, head: &str, more: &str, port: u16) -> PathBuf {
        let service = |name: &str, port: u16, more: &str| {
            format!(
                "  {name}: {{ run: [python3, it.py, {name}], listen: \"127.0.0.1:{port}\", protocol: http, owner: me{more} }}\n"
            )
        };
        let shared = self.ports[0];
        let text = format!(
            "fleet: two\ntrust_domain: two.test\n{head}services:\n{}{}{}gateway:\n  listen: 127.0.0.1:{}\n  routes: [{{ path: /**, to: caller }}]\n",
            service("caller", port, &format!(", calls: [callee]{more}")),
            service("callee", shared, ", instances: 2"),
            service("stranger", shared, ""),
            self.ports[1],
        );
        let file = self.folder.path().join("fleet.yaml");
        std::fs::write(&file, text).unwrap();
        file
    }

    fn write(&self, more: &str) -> PathBuf {
        self.write_with("", more, self.ports[0])
    }

    /// What the caller finds at `url`.
    fn finds(&self, up: &Up, url: &str) -> (u16, String) {
        let answer = get(&format!("https://127.0.0.1:{}/?{url}", self.ports[1]), Some(&up.ca()));
        (answer.status, answer.body)
    }

    fn finds_the_callee(&self, up: &Up, url: &str) {
        assert_eq!(self.finds(up, url), (200, "callee".to_owned()), "{url}\n{}", up.log());
    }
}

#[test]
fn callees_are_found_by_name_and_whoever_is_none_is_refused_by_name() {
    let place = Place::new();
    let up = Up::start(&place.write(", instances: 2"), &[]);
    let shared = place.ports[0];
    // A service that is not declared: in what it speaks, with a reason, and with an event that names it.
    for url in [format!("http://stranger:{shared}/x"), "http://stranger.two.test/x".to_owned()] {
        let (status, why) = place.finds(&up, &url);
        assert!(status == 403 && why.contains("\"reason\":\"undeclared\""), "{url}: {status} {why}");
    }
    let event = |word: &'static str| {
        wait_for(&format!("an event with {word}"), Deadline::default(), || {
            let events = up.say(&["events", "--service", "caller", "--deny", "--json"]);
            events.lines().find(|line| line.contains(word)).map(str::to_owned)
        })
    };
    assert!(event("undeclared").contains("stranger"));
    // One that speaks no HTTP is closed, and an address that stands for nobody as well.
    let bytes = "import socket, sys\ns = socket.create_connection((sys.argv[1], 5432), 5)\ns.settimeout(5)\ns.sendall(b'\\x00\\x01')\nprint(s.recv(1))";
    for at in ["stranger", "127.98.200.1"] {
        let read = up.inside("caller", "python3").args(["-c", bytes, at]).output().unwrap();
        let said = String::from_utf8_lossy(&read.stdout).into_owned() + &String::from_utf8_lossy(&read.stderr);
        assert!(said.contains("b''") || said.contains("reset"), "{at}: {said}");
    }
    event("undeclared_destination");
    // Whoever else there is, is not there, as before.
    let (status, why) = place.finds(&up, "http://192.0.2.7:8081/");
    assert!(status == 502 && why.contains("unreachable"), "{why}");

    for url in [
        "http://callee/".to_owned(),
        format!("http://callee:{shared}/"), // where the caller itself listens too
        "http://callee:9999/anything".to_owned(),
        "http://callee.two.test/".to_owned(),
    ] {
        place.finds_the_callee(&up, &url);
    }
    // Its own name is itself.
    let own = up.get_inside("caller", &format!("http://caller:{shared}/"));
    assert_eq!((own.status, own.body.as_str()), (200, "caller"));
    // By its guard, under its identity, from each instance to each instance.
    let by_second = up.inside("caller.2", "curl").args(["-s", "http://callee/"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&by_second.stdout), "callee", "{by_second:?}");
    wait_for("events of both instances", Deadline::default(), || {
        place.finds_the_callee(&up, "http://callee/");
        let events = up.say(&["events", "--service", "callee", "--json"]);
        events.contains("spiffe://two.test/svc/caller").then_some(())
    });
    // A guard is replaced, and takes over what is redirected too.
    up.say(&["upgrade", "caller"]);
    place.finds_the_callee(&up, "http://callee/");
    assert_eq!(place.finds(&up, "http://stranger/").0, 403);
}

#[test]
fn what_goes_out_of_the_fleet_does_not_take_callees_along() {
    let place = Place::new();
    let more = ", egress: [{ host: example.org, protocol: http }]";
    let up = Up::start(&place.write(more), &[]);
    place.finds_the_callee(&up, "http://callee/");
    assert_eq!(place.finds(&up, "http://stranger/").0, 403);
    // With the variables of the way out too.
    let environ = std::fs::read(format!("/proc/{}/environ", up.find(&["it.py", "caller"])[0])).unwrap();
    let environ = String::from_utf8_lossy(&environ).into_owned();
    let not_out = environ.split('\0').find_map(|it| it.strip_prefix("NO_PROXY=")).unwrap();
    assert!(not_out.contains(",callee,callee.two.test") && !not_out.contains("stranger"), "{not_out}");
}

#[test]
fn it_takes_no_root_either() {
    let place = Place::new();
    let mut up = Up::launch_as_nobody(&place.write(", capture: true"), "", &[]);
    up.wait_ready();
    place.finds_the_callee(&up, "http://callee/");
}

/// Hides `nft` in a mount namespace of the test's own.
const NO_NFT: &str = "for it in /usr/sbin/nft /sbin/nft; do mount --bind /dev/null $it; done";

fn ended(up: &Up) -> String {
    wait_for("bartizan up to end", Deadline::default(), || (!alive(up.pid())).then_some(()));
    up.log()
}

#[test]
fn without_nftables_or_a_network_of_its_own_it_is_refused_or_said_aloud() {
    let place = Place::new();
    let log = ended(&Up::launch_as_nobody(&place.write(", capture: true"), NO_NFT, &[]));
    assert!(log.contains("`caller` is to find its callees by name") && log.contains("install nftables"), "{log}");
    let none = "echo 0 > /proc/sys/user/max_net_namespaces";
    let log = ended(&Up::launch_as_nobody(&place.write(", capture: true"), none, &[]));
    assert!(log.contains("`caller` is to find its callees by name") && log.contains("not possible here"), "{log}");
    let log = ended(&Up::launch(&place.write(", capture: true, isolate: false"), &[]));
    assert!(log.contains("only a program in a network of its own can be captured"), "{log}");

    let mut up = Up::launch_as_nobody(&place.write(""), NO_NFT, &[]);
    up.wait_ready();
    assert!(up.log().contains("note: programs find their callees by variables alone"), "{}", up.log());
    let out = up.plan()["outbound"]["caller"]["callee"].as_str().unwrap().to_owned();
    place.finds_the_callee(&up, &format!("http://{out}/"));
    assert_eq!(place.finds(&up, "http://callee/").0, 502);
}

#[test]
fn who_shares_the_network_of_the_machine_or_does_not_want_it_finds_nobody_by_name() {
    let place = Place::new();
    for more in [", isolate: false", ", capture: false"] {
        let up = Up::start(&place.write_with("", more, place.ports[2]), &[]);
        let (status, why) = place.finds(&up, "http://callee/");
        assert!(
            status == 502 && why.contains("Name or service not known") || why.contains("emporary failure"),
            "{why}"
        );
        assert!(up.plan()["captured"].get("caller").is_none() && up.plan()["captured"].get("stranger").is_some());
        let machine = std::fs::read_to_string("/etc/hosts").unwrap();
        assert!(!machine.contains("127.98."), "{machine}");
        let out = up.plan()["outbound"]["caller"]["callee"].as_str().unwrap().to_owned();
        place.finds_the_callee(&up, &format!("http://{out}/"));
    }
}

/// A stand-in for `nft` on a kernel that takes no rules with `refused` in them; it says what the real one says there.
fn without(place: &Place, refused: &[&str]) -> String {
    let folder = place.folder.path();
    let found = ["/usr/sbin/nft", "/sbin/nft"].into_iter().find(|path| std::path::Path::new(path).exists());
    let (real, stands_in) = (folder.join("nft.real"), folder.join("nft.part"));
    std::fs::copy(found.expect("install nftables"), &real).unwrap();
    let cases: String = refused
        .iter()
        .map(|word| format!("*' {word} '*) echo 'Could not process rule: No such file or directory' >&2; exit 1;;\n"))
        .collect();
    let script = format!(
        "#!/bin/sh\nrules=$(cat)\ncase \"$rules\" in\n{cases}esac\nprintf '%s\\n' \"$rules\" | {} \"$@\"\n",
        real.display()
    );
    std::fs::write(&stands_in, script).unwrap();
    std::fs::set_permissions(&stands_in, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("mount --bind {} {}", stands_in.display(), found.unwrap())
}

#[test]
fn where_the_wanted_kind_of_rule_is_not_taken_nothing_is_started() {
    let place = Place::new();
    let log = ended(&Up::launch_as_nobody(&place.write(", capture: tproxy"), &without(&place, &["tproxy"]), &[]));
    for said in ["`caller` is to find its callees by name (`capture: tproxy`)", "by TPROXY", "No such file"] {
        assert!(log.contains(said), "no {said}: {log}");
    }
    let log = ended(&Up::launch_as_nobody(&place.write(", capture: redirect"), &without(&place, &["nat"]), &[]));
    assert!(log.contains("(`capture: redirect`)") && log.contains("cannot be redirected"), "{log}");
    let neither = without(&place, &["nat", "tproxy"]);
    let log = ended(&Up::launch_as_nobody(&place.write(", capture: true"), &neither, &[]));
    assert!(log.contains("cannot be redirected") && log.contains("by TPROXY"), "both are said: {log}");
    // Nobody has the right to lead: neither here nor in a user namespace of a program's own, since there are none.
    let no_right = "echo 0 > /proc/sys/user/max_user_namespaces && set -- setpriv --bounding-set=-net_admin \"$@\"";
    let log = ended(&Up::launch_as_nobody(&place.write(", capture: tproxy"), no_right, &[]));
    assert!(log.contains("(`capture: tproxy`)") && log.contains("takes CAP_NET_ADMIN"), "{log}");
    let log = ended(&Up::launch(&place.write(", capture: maybe"), &[]));
    assert!(log.contains("none of true, false, redirect and tproxy"), "{log}");
}

#[test]
fn without_nat_what_is_opened_to_names_is_led_to_guards_by_tproxy() {
    let place = Place::new();
    let mut up = Up::launch_as_nobody(&place.write(", instances: 2"), &without(&place, &["nat"]), &[]);
    up.wait_ready();
    let shared = place.ports[0];
    assert!(
        up.log().contains("note: what programs open to names is brought to their guards by tproxy"),
        "{}",
        up.log()
    );
    assert_eq!(place.finds(&up, "http://stranger/x").0, 403);
    let bytes = "import socket\ns = socket.create_connection(('127.98.200.1', 5432), 5)\ns.settimeout(5)\ns.sendall(b'\\x00\\x01')\nprint(s.recv(1))";
    let read = up.inside("caller", "python3").args(["-c", bytes]).output().unwrap();
    let said = String::from_utf8_lossy(&read.stdout).into_owned() + &String::from_utf8_lossy(&read.stderr);
    assert!(said.contains("b''") || said.contains("reset"), "an address that stands for nobody: {said}");
    for url in ["http://callee/".to_owned(), format!("http://callee:{shared}/"), "http://callee.two.test:9/".to_owned()]
    {
        place.finds_the_callee(&up, &url);
    }
    let own = up.get_inside("caller", &format!("http://caller:{shared}/"));
    assert_eq!((own.status, own.body.as_str()), (200, "caller"), "its own name is itself");
    // No address is changed on the way: the program sees the one that it dialled, and its guard the one that it dialled from.
    let ends =
        "import socket\ns = socket.create_connection(('callee', 80), 5)\nprint(s.getpeername(), s.getsockname()[0])";
    let seen = up.inside("caller.2", "python3").args(["-c", ends]).output().unwrap();
    let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
    assert!(seen.starts_with("('127.98.") && seen.contains("', 80)") && seen.contains("127.0.0.1"), "{seen}");
    // A guard is replaced, and what is led comes to the next one.
    up.say(&["upgrade", "caller"]);
    place.finds_the_callee(&up, "http://callee/");
    assert_eq!(place.finds(&up, "http://stranger/").0, 403);
}

#[test]
fn who_wants_tproxy_has_it_where_nat_is_there_too() {
    let place = Place::new();
    let up = Up::start(&place.write(", capture: tproxy, egress: [{ host: example.org, protocol: http }]"), &[]);
    assert!(!up.log().contains("note: what programs open"), "it was asked for: {}", up.log());
    place.finds_the_callee(&up, "http://callee/");
    assert_eq!(place.finds(&up, "http://stranger/").0, 403);
    let porters = |means: &str| up.find(&["bartizan porter", means]).len();
    assert_eq!((porters("--by tproxy"), porters("--by redirect")), (1, 3), "it is the caller's alone");
}
