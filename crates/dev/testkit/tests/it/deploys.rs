//! Services that come, go and change by a reload, while the rest of the fleet runs and is called.

use bartizan_testkit::{Deadline, Kind, Load, Target, Up, alive, free_ports, get, wait_for};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// Says its name and version, or the number of a request that has one; asks for `/?URL` what is there, and for `/$NAME` at the URL in a variable, and hands it on.
const PROGRAM: &str = "import http.server, os, sys, urllib.error, urllib.request\n\
    class It(http.server.BaseHTTPRequestHandler):\n\
    \x20   protocol_version = 'HTTP/1.1'\n\
    \x20   def do_GET(self):\n\
    \x20       status, body = 200, f'{sys.argv[1]} {os.environ.get(\"VERSION\", \"\")}'.encode()\n\
    \x20       if 'x-number' in self.headers:\n\
    \x20           body = f'{self.path} {self.headers[\"x-number\"]}'.encode()\n\
    \x20       url = self.path.split('?', 1)[1] if '?' in self.path else None\n\
    \x20       if self.path.startswith('/$'):\n\
    \x20           url = os.environ.get(self.path[2:], 'http://nowhere.test/')\n\
    \x20       if url:\n\
    \x20           try:\n\
    \x20               body = urllib.request.urlopen(url, timeout=10).read()\n\
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
    host, port = os.environ['BARTIZAN_LISTEN'].split(':')\n\
    http.server.ThreadingHTTPServer((host, int(port)), It).serve_forever()\n";

struct Place {
    folder: TempDir,
    ports: Vec<u16>,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), ports: free_ports(4) };
        std::fs::write(place.folder.path().join("it.py"), PROGRAM).unwrap();
        place
    }

    /// Of each service its name and more keys; the first is the gateway's.
    fn write(&self, services: &[(&str, &str)]) -> PathBuf {
        let mut text = "fleet: shop\ntrust_domain: shop.test\nservices:\n".to_owned();
        for (number, (name, more)) in services.iter().enumerate() {
            let port = self.ports[number + 1];
            text += &format!(
                "  {name}: {{ run: [python3, it.py, {name}], listen: \"127.0.0.1:{port}\", protocol: http, owner: me{more} }}\n"
            );
        }
        let (at, first) = (self.at(), services[0].0);
        text += &format!("gateway:\n  listen: {at}\n  routes: [{{ path: /**, to: {first} }}]\n");
        let file = self.folder.path().join("fleet.yaml");
        std::fs::write(&file, text).unwrap();
        file
    }

    fn at(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[0]))
    }

    fn says(&self, up: &Up, path: &str) -> (u16, String) {
        let answer = get(&format!("https://{}{path}", self.at()), Some(&up.ca()));
        (answer.status, answer.body)
    }

    fn load(&self, up: &Up) -> Load {
        let target = Target::new(self.at(), &up.ca(), "/");
        Load::begin(&target, &[(Kind::Kept, 2), (Kind::New, 2), (Kind::Http2, 1)], Duration::from_millis(10))
    }
}

fn nothing_failed(load: Load, up: &Up) {
    let sum = load.end();
    println!("{:?}", sum.kinds);
    assert_eq!(sum.failed, 0, "{:#?}\n{}", sum.failures, up.log());
}

fn programs(up: &Up, name: &str) -> Vec<u32> {
    up.find(&[&format!("it.py {name}")])
}

#[test]
fn a_service_is_added_found_and_removed_and_nobody_else_is_started_anew() {
    let place = Place::new();
    let mut up = Up::start(&place.write(&[("web", ", capture: true")]), &[]);
    let web = programs(&up, "web");
    let load = place.load(&up);
    for round in ["1", "2"] {
        place.write(&[
            ("web", ", capture: true, calls: [till]"),
            ("till", &format!(", env: {{ VERSION: \"{round}\" }}")),
        ]);
        let told = up.say(&["reload"]);
        assert!(told.contains("added, and started now: till") && !told.contains("anew, one"), "{told}");
        wait_for("the new service to be found by name", Deadline::default(), || {
            (place.says(&up, "/?http://till/") == (200, format!("till {round}"))).then_some(())
        });
        let till = programs(&up, "till");
        assert_eq!(programs(&up, "web"), web, "it was told without a start");
        assert!(up.say(&["status"]).contains("till"));

        place.write(&[("web", ", capture: true")]);
        let told = up.say(&["reload"]);
        assert!(told.contains("removed, and stopped once callers know: till"), "{told}");
        wait_for("it to be gone", Deadline::default(), || till.iter().all(|pid| !alive(*pid)).then_some(()));
        wait_for("its guard to be gone", Deadline::default(), || {
            up.find(&["bartizan-proxy", "--service till"]).is_empty().then_some(())
        });
        let (status, why) = place.says(&up, "/?http://till/");
        assert!(status == 403 || status == 502, "{status} {why}");
    }
    nothing_failed(load, &up);
    assert!(up.interrupt().success(), "{}", up.log());
    assert!(up.log().contains("nothing is left"), "{}", up.log());
}

#[test]
fn a_changed_program_is_started_anew_one_instance_after_the_other_and_no_request_fails() {
    let place = Place::new();
    let web = |version: &str| format!(", instances: 2, env: {{ VERSION: \"{version}\" }}");
    let mut up = Up::start(&place.write(&[("web", &web("1"))]), &[]);
    let before = programs(&up, "web");
    let load = place.load(&up);
    place.write(&[("web", &web("2"))]);
    let told = up.say(&["reload"]);
    assert!(told.contains("started anew, one instance after the other: web"), "{told}");
    wait_for("both to be new", Deadline::default(), || {
        assert!(!programs(&up, "web").is_empty(), "one is always there");
        let new: Vec<_> = programs(&up, "web").into_iter().filter(|pid| !before.contains(pid)).collect();
        (new.len() == 2 && before.iter().all(|pid| !alive(*pid))).then_some(())
    });
    let seen = load.answered();
    wait_for("the load to go on with them", Deadline::default(), || {
        (load.went_on_since(&seen) || load.failed() > 0).then_some(())
    });
    nothing_failed(load, &up);
    assert_eq!(place.says(&up, "/"), (200, "web 2".to_owned()));
    assert!(up.say(&["reload"]).contains("nothing changed"));
    assert!(up.interrupt().success(), "{}", up.log());
}

#[test]
fn what_does_not_come_up_ends_the_roll_out_and_the_others_go_on() {
    let place = Place::new();
    let web = |more: &str| format!(", instances: 2{more}");
    let up = Up::start(&place.write(&[("web", &web(""))]), &[]);
    let before = programs(&up, "web");
    // Python takes no such seed, and ends at once.
    place.write(&[("web", &web(", env: { PYTHONWARNINGS: \"\", PYTHONHASHSEED: never }"))]);
    up.say(&["reload"]);
    wait_for("that to be said", Deadline::default(), || {
        up.log().contains("did not come up as the fleet file has it now").then_some(())
    });
    let stayed: Vec<_> = before.iter().filter(|pid| alive(**pid)).collect();
    assert_eq!(stayed.len(), 1, "{}", up.log());
    assert_eq!(place.says(&up, "/"), (200, "web ".to_owned()), "{}", up.log());
    place.write(&[("web", &web(", env: { VERSION: \"3\" }"))]);
    up.say(&["reload"]);
    wait_for("both to be as the file says", Deadline::default(), || {
        let all = (0..6).all(|_| place.says(&up, "/") == (200, "web 3".to_owned()));
        (all && before.iter().all(|pid| !alive(*pid)) && programs(&up, "web").len() == 2).then_some(())
    });
}

#[test]
fn who_finds_callees_by_variables_is_started_anew_for_a_new_one() {
    let place = Place::new();
    let up = Up::start(&place.write(&[("web", ", capture: false")]), &[]);
    let web = programs(&up, "web");
    place.write(&[("web", ", capture: false, calls: [till]"), ("till", ", instances: 2")]);
    let told = up.say(&["reload"]);
    assert!(told.contains("added, and started now: till") && told.contains("other: web"), "{told}");
    wait_for("it to be found by its variable", Deadline::default(), || {
        (place.says(&up, "/$TILL_URL") == (200, "till ".to_owned())).then_some(())
    });
    assert_ne!(programs(&up, "web"), web);
}

#[test]
fn what_cannot_change_while_the_fleet_runs_is_refused_and_nothing_changes() {
    let place = Place::new();
    let up = Up::start(&place.write(&[("web", ""), ("till", "")]), &[]);
    let programs_before = [programs(&up, "web"), programs(&up, "till")];
    for (services, why) in [
        (vec![("web", ""), ("till", ", isolate: false")], "what runs, and where"),
        (vec![("web", ", calls: [nobody]"), ("till", "")], "nobody"),
        (vec![("till", ""), ("web", "")], "what runs, and where"),
    ] {
        place.write(&services);
        let refused = up.cli(&["reload"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(why), "{said}");
    }
    assert_eq!([programs(&up, "web"), programs(&up, "till")], programs_before);
    assert_eq!(place.says(&up, "/"), (200, "web ".to_owned()));
}
