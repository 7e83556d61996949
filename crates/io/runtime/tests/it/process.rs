//! A process that must not outlive its parent, in real processes: a shell, and this test binary as its child.

use crate::pki::LONG;
use bartizan_runtime::process::die_with_parent;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;

/// Set where this binary was started as the child.
const AS_CHILD: &str = "BARTIZAN_TEST_AS_CHILD";

#[test]
fn a_child_ends_when_its_parent_is_killed() {
    if std::env::var_os(AS_CHILD).is_some() {
        die_with_parent().unwrap();
        println!("\nready {}", std::process::id());
        loop {
            std::thread::park();
        }
    }
    let mut shell = Command::new("sh")
        .args(["-c", "\"$0\" \"$@\" & wait"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "process::a_child_ends_when_its_parent_is_killed", "--nocapture"])
        .env(AS_CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The child holds the pipe too: its end comes when both are gone.
    let output = BufReader::new(shell.stdout.take().unwrap());
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || output.lines().for_each(|line| tx.send(line.unwrap()).unwrap()));
    let child = loop {
        let line = rx.recv_timeout(LONG).expect("the child says that it is ready");
        if let Some(pid) = line.strip_prefix("ready ") {
            break Pid::from_raw(pid.parse().unwrap()).unwrap();
        }
    };
    shell.kill().unwrap();
    shell.wait().unwrap();
    let end = rx.recv_timeout(LONG);
    if end != Err(mpsc::RecvTimeoutError::Disconnected) {
        kill_process(child, Signal::KILL).unwrap();
        panic!("the child lives on without its parent");
    }
}
