//! Processes and ports as the kernel shows them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The kernel takes this long at most to end a process that was killed.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Whether a process with this id exists and is no zombie.
pub fn alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// The process and all its descendants, children before grandchildren.
pub fn tree(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        if let Some((_, parent)) = stat(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        found.extend(children.get(&found[at]).into_iter().flatten());
        at += 1;
    }
    found
}

/// State letter and parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).ok()?;
    let mut rest = text.rsplit_once(')')?.1.split_whitespace();
    let state = rest.next()?.chars().next()?;
    Some((state, rest.next()?.parse().ok()?))
}

/// `kill -9`, then waits until the process holds no socket and no file any more.
///
/// # Panics
/// Where this is no process id.
pub fn kill_hard(pid: u32) {
    kill_all_hard(&[pid]);
}

/// [`kill_hard`] for all of them at once.
///
/// # Panics
/// Where one is no process id.
pub fn kill_all_hard(pids: &[u32]) {
    for &pid in pids {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        // The process may be gone already; the test looks at the outcome, not at this call.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    // No panic where one stays: this runs while tests that failed are unwinding.
    let end = Instant::now() + GONE_WITHIN;
    while pids.iter().any(|&pid| runs(pid)) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a thread of the process is left; the first one may be a zombie before the others have closed its files.
fn runs(pid: u32) -> bool {
    alive(pid) || std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|threads| threads.count() > 1)
}

/// Whether something accepts connections on this port of 127.0.0.1.
pub fn listening(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}
