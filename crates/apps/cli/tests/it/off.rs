//! `bartizan up --mode off`: programs alone, which needs neither proxies nor control, so the supervisor is tested by itself.

use crate::bartizan::command;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);

/// Listens where it is told to and answers each connection with the value of a variable.
const PROGRAM: &str = "\
import os, socket, sys
host, port = os.environ['BARTIZAN_LISTEN'].split(':')
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((host, int(port)))
s.listen()
print('up', flush=True)
while True:
    c, _ = s.accept()
    try:
        c.sendall((os.environ.get(sys.argv[1], '-') + ' ' + str(os.getpid())).encode())
    except OSError:
        pass  # who only looks whether we are there does not wait for an answer
    c.close()
";

/// Free for a moment; another process may take it, which the test would then report.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// What the shell around the second program does besides: waits for it, or hears nothing of being asked to end.
const POLITE: &str = "wait";
const DEAF: &str = "trap '' TERM; while :; do sleep 1; done";

/// A caller and a callee; the second is the child of a shell.
fn fleet(dir: &Path, web: u16, stock: u16, shell: &str) {
    std::fs::write(dir.join("program.py"), PROGRAM).unwrap();
    let text = format!(
        "fleet: shop
trust_domain: shop.test
services:
  web:
    run: [python3, program.py, STOCK_URL]
    listen: 127.0.0.1:{web}
    protocol: http
    owner: front
    calls: [stock]
  stock:
    run: [sh, -c, \"python3 program.py HERE & echo $$ >${{data}}/shell; {shell}\"]
    env: {{ HERE: \"${{data}}\" }}
    listen: 127.0.0.1:{stock}
    protocol: http
    owner: back
"
    );
    std::fs::write(dir.join("fleet.yaml"), text).unwrap();
}

/// A running `up`, its lines, and the certainty that it ends with the test.
struct Up {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Up {
    fn start(dir: &Path, more: &[&str]) -> Self {
        let args: Vec<_> = ["up", "fleet.yaml", "--mode", "off"].iter().chain(more).copied().collect();
        let mut child = command(dir, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tx, lines) = channel();
        for pipe in [
            Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
            Box::new(child.stderr.take().unwrap()),
        ] {
            let tx = tx.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = tx.send(line);
                }
            });
        }
        Self { child, lines, seen: Vec::new() }
    }

    fn until(&mut self, part: &str) -> String {
        let began = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(DEADLINE.saturating_sub(began.elapsed())) {
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
        panic!("no line with `{part}` in:\n{}", self.seen.join("\n"));
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(pid(self.child.id()), signal).unwrap();
    }

    fn end(&mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        while let Ok(line) = self.lines.recv_timeout(DEADLINE) {
            self.seen.push(line);
        }
        code
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid(id: u32) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

fn ask(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(addr(port)).ok()?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).ok()?;
    Some(text)
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < DEADLINE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn shell_of_stock(dir: &Path) -> u32 {
    let text = std::fs::read_to_string(dir.join(".bartizan/shop/services/stock/shell")).unwrap();
    text.trim().parse().unwrap()
}

/// Whether it runs; a dead one that nobody has waited for does not.
fn is_alive(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with('Z'))
}

#[test]
fn starts_restarts_and_stops_without_remains() {
    let temp = tempfile::tempdir().unwrap();
    let (web, stock) = (free_port(), free_port());
    fleet(temp.path(), web, stock, DEAF);
    let mut up = Up::start(temp.path(), &[]);
    up.until("ready in");
    let answer = ask(web).unwrap();
    assert!(
        answer.starts_with(&format!("http://127.0.0.1:{stock} ")),
        "a caller is told where its callee is: {answer}"
    );
    let data = ask(stock).unwrap();
    assert!(
        data.starts_with(temp.path().canonicalize().unwrap().to_str().unwrap()) && data.contains("services/stock"),
        "{data}"
    );

    // Killed programs come back.
    let victim: u32 = answer.rsplit(' ').next().unwrap().parse().unwrap();
    rustix::process::kill_process(pid(victim), rustix::process::Signal::KILL).unwrap();
    let down = up.until("web is down");
    assert!(down.contains("signal 9"), "{down}");
    up.until("web is ready again (1 restart)");
    assert!(ask(web).is_some());

    // A second `up` on the same folder is refused, and disturbs nothing.
    let second = crate::bartizan::run(temp.path(), &["up", "fleet.yaml", "--mode", "off"]);
    assert!(second.code == 1 && second.err.contains("another `bartizan up`"), "{second:?}");

    let shell = shell_of_stock(temp.path());
    up.signal(rustix::process::Signal::INT);
    assert_eq!(up.end(), Some(0), "{:?}", up.seen);
    let text = up.seen.join("\n");
    assert!(
        text.contains("stopped web") && text.contains("stopped stock") && text.contains("nothing is left"),
        "{text}"
    );
    assert_eq!((ask(web), ask(stock)), (None, None));
    assert!(!is_alive(shell), "the deaf shell goes on");
}

#[test]
fn what_was_started_ends_with_a_killed_up() {
    let temp = tempfile::tempdir().unwrap();
    let (web, stock) = (free_port(), free_port());
    fleet(temp.path(), web, stock, DEAF);
    let mut up = Up::start(temp.path(), &[]);
    up.until("ready in");
    let shell = shell_of_stock(temp.path());
    up.signal(rustix::process::Signal::KILL);
    assert_eq!(up.end(), None);
    // The shell is deaf to SIGTERM and has a child; neither the kernel's signal nor a pipe would end these.
    eventually("both ports are closed", || ask(web).is_none() && ask(stock).is_none());
    eventually("the deaf shell is gone", || !is_alive(shell));
    fleet(temp.path(), web, stock, POLITE);
    let mut again = Up::start(temp.path(), &[]);
    again.until("ready in");
    again.signal(rustix::process::Signal::TERM);
    assert_eq!(again.end(), Some(0));
}

#[test]
fn a_second_signal_kills_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let (web, stock) = (free_port(), free_port());
    fleet(temp.path(), web, stock, DEAF);
    let mut up = Up::start(temp.path(), &[]);
    up.until("ready in");
    let began = Instant::now();
    up.signal(rustix::process::Signal::INT);
    up.until("Ctrl-C once more");
    // Again and again: what comes right after the first counts as the same.
    eventually("it ends", || {
        up.signal(rustix::process::Signal::INT);
        up.child.try_wait().unwrap().is_some()
    });
    assert_eq!(up.end(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "the deaf shell would have taken five seconds: {:?}",
        began.elapsed()
    );
}

#[test]
fn once_ready_runs_a_command_and_ends_with_its_code() {
    let temp = tempfile::tempdir().unwrap();
    fleet(temp.path(), free_port(), free_port(), POLITE);
    for (script, code) in [("test -d \"$BARTIZAN_DATA\" && echo it ran", 0), ("exit 5", 5)] {
        let mut up = Up::start(temp.path(), &["--once-ready", script]);
        assert_eq!(up.end(), Some(code), "{:?}", up.seen);
        assert!(code != 0 || up.seen.iter().any(|line| line == "it ran"), "{:?}", up.seen);
        assert!(up.seen.iter().any(|line| line.contains("nothing is left")), "{:?}", up.seen);
    }
}

#[test]
fn what_does_not_come_up_is_said_with_its_last_words() {
    let temp = tempfile::tempdir().unwrap();
    let text = |run: &str| {
        format!(
            "fleet: shop\ntrust_domain: shop.test\nservices:\n  web:\n    {run}\n    protocol: http\n    owner: front\n"
        )
    };
    let port = free_port();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port();
    for (run, parts) in [
        (
            format!("run: [sh, -c, 'echo no database here >&2; exit 4']\n    listen: 127.0.0.1:{port}"),
            &["exit 4", "| no database here", "did not come up in 3 attempts", "web.log"][..],
        ),
        (
            format!("run: [no-such-program]\n    listen: 127.0.0.1:{port}"),
            &["services.web.run[0] = `no-such-program`", "PATH"],
        ),
        (
            format!("run: [sleep, '60']\n    listen: 127.0.0.1:{taken}"),
            &["service `web` cannot start", "in use", "stop what is in the way"],
        ),
        (format!("at: 127.0.0.1:{port}"), &["service `web` is said to run already", "start it first"]),
    ] {
        std::fs::write(temp.path().join("fleet.yaml"), text(&run)).unwrap();
        let mut up = Up::start(temp.path(), &[]);
        assert_eq!(up.end(), Some(1), "{run}: {:?}", up.seen);
        let said = up.seen.join("\n");
        for part in parts {
            assert!(said.contains(part), "{run}: `{part}` is missing in:\n{said}");
        }
    }
}

#[test]
fn a_data_folder_too_deep_for_sockets_is_refused_before_anything_starts() {
    let temp = tempfile::tempdir().unwrap();
    fleet(temp.path(), free_port(), free_port(), POLITE);
    let deep = "d".repeat(100);
    let refused = crate::bartizan::run(temp.path(), &["up", "fleet.yaml", "--mode", "off", "--data", &deep]);
    assert!(refused.code == 1 && refused.err.contains("shorter folder with --data"), "{refused:?}");
}

#[test]
fn a_program_that_is_reachable_from_outside_is_warned_about() {
    let temp = tempfile::tempdir().unwrap();
    let port = free_port();
    std::fs::write(temp.path().join("program.py"), PROGRAM.replace("s.bind((host,", "s.bind(('0.0.0.0',")).unwrap();
    let text = format!(
        "fleet: shop\ntrust_domain: shop.test\nservices:\n  web:\n    run: [python3, program.py, X]\n    listen: 127.0.0.1:{port}\n    protocol: http\n    owner: front\n"
    );
    std::fs::write(temp.path().join("fleet.yaml"), text).unwrap();
    let mut up = Up::start(temp.path(), &[]);
    let warning = up.until("WARNING");
    assert!(
        warning.contains("`web`") && warning.contains(&port.to_string()) && warning.contains("beyond loopback"),
        "{warning}"
    );
    up.signal(rustix::process::Signal::INT);
    assert_eq!(up.end(), Some(0));
}
