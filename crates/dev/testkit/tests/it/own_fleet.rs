//! Services that nobody here wrote: a database over raw TCP, a web server that runs already.

use bartizan_testkit::{Deadline, Up, free_ports, get, listening, wait_for};
use std::process::{Child, Command, Stdio};

struct Stopped(Child);
impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_web_server_that_runs_already_and_a_database_are_guarded() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(4);
    let (web, redis, app, edge) = (ports[0], ports[1], ports[2], ports[3]);
    std::fs::write(folder.path().join("hello.txt"), "hello from a stranger\n").unwrap();
    // Runs already: not started by bartizan.
    let _web = Stopped(
        Command::new("python3")
            .args(["-m", "http.server", &web.to_string(), "--bind", "127.0.0.1", "--directory"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is installed"),
    );
    wait_for("the web server", Deadline::default(), || listening(web).then_some(()));
    let fleet = folder.path().join("fleet.yaml");
    // `app` stands for a program that calls a database: a relay from its own port to wherever REDIS_ADDR points.
    let relay = "import os, socket, sys, threading\n\
        host, port = os.environ['REDIS_ADDR'].split(':')\n\
        server = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n\
        def pump(a, b):\n\
        \x20   while True:\n\
        \x20       data = a.recv(65536)\n\
        \x20       if not data:\n\
        \x20           break\n\
        \x20       b.sendall(data)\n\
        \x20   b.shutdown(socket.SHUT_WR)\n\
        while True:\n\
        \x20   client, _ = server.accept()\n\
        \x20   upstream = socket.create_connection((host, int(port)))\n\
        \x20   threading.Thread(target=pump, args=(client, upstream), daemon=True).start()\n\
        \x20   threading.Thread(target=pump, args=(upstream, client), daemon=True).start()\n";
    std::fs::write(folder.path().join("relay.py"), relay).unwrap();
    let text = format!(
        "fleet: mine\ntrust_domain: mine.test\nservices:\n  web:\n    at: 127.0.0.1:{web}\n    protocol: http\n    owner: me\n  redis:\n    run: [redis-server, --port, \"{redis}\", --bind, 127.0.0.1, --save, \"\", --dir, \"${{data}}\"]\n    listen: 127.0.0.1:{redis}\n    protocol: tcp\n    owner: me\n  app:\n    run: [python3, relay.py, \"{app}\"]\n    listen: 127.0.0.1:{app}\n    protocol: tcp\n    owner: me\n    calls: [redis]\ngateway:\n  listen: 127.0.0.1:{edge}\n  routes:\n    - {{ path: /**, to: web }}\n"
    );
    std::fs::write(&fleet, text).unwrap();
    let mut up = Up::start(&fleet, &[]);

    let answer = get(&format!("https://127.0.0.1:{edge}/hello.txt"), Some(&up.ca()));
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello from a stranger\n"), "{answer:?}");

    let redis_cli = |args: &[&str]| {
        let output = up.inside("app", "redis-cli").args(["-p", &app.to_string()]).args(args).output();
        String::from_utf8_lossy(&output.expect("redis-cli is installed: `apt-get install redis-tools`").stdout)
            .trim()
            .to_owned()
    };
    assert_eq!(redis_cli(&["SET", "money", "42"]), "OK", "{}", up.log());
    assert_eq!(redis_cli(&["GET", "money"]), "42");
    wait_for("the connection's event", Deadline::default(), || {
        let text = up.say(&["events", "--service", "redis", "--json"]);
        text.lines().any(|l| l.contains("spiffe://mine.test/svc/app") && l.contains("connect")).then_some(())
    });
    assert!(up.interrupt().success());
    assert!(listening(web), "what bartizan did not start, it does not stop");
    assert!(!listening(redis));
}

#[test]
fn a_port_that_is_taken_is_named_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let fleet = folder.path().join("fleet.yaml");
    let text = format!(
        "fleet: mine\ntrust_domain: mine.test\nservices:\n  web:\n    run: [python3, -m, http.server, \"{port}\"]\n    listen: 127.0.0.1:{port}\n    protocol: http\n    isolate: false\n"
    );
    std::fs::write(&fleet, text).unwrap();
    let up = Up::launch(&fleet, &[]);
    wait_for("the error", Deadline::default(), || (!bartizan_testkit::alive(up.pid())).then_some(()));
    assert!(up.log().contains(&port.to_string()) && up.log().contains("in use"), "{}", up.log());
}

#[test]
fn a_port_that_is_taken_on_the_machine_is_free_in_a_program_s_own_network() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let fleet = folder.path().join("fleet.yaml");
    let text = format!(
        "fleet: mine\ntrust_domain: mine.test\nservices:\n  web:\n    run: [python3, -m, http.server, \"{port}\"]\n    listen: 127.0.0.1:{port}\n    protocol: http\n"
    );
    std::fs::write(&fleet, text).unwrap();
    let up = Up::start(&fleet, &[]);
    let own = up.get_inside("web", &format!("http://127.0.0.1:{port}/"));
    assert_eq!(own.status, 200, "{own:?}");
}
