//! CPU time of a fleet's processes, as the kernel tells it.

use std::collections::BTreeMap;

const NS_PER_US: u64 = 1000;
/// Microseconds in a tick of `/proc/PID/stat`: USER_HZ is 100 on every architecture that we build for.
const US_PER_TICK: u64 = 10_000;

/// CPU time so far, in microseconds, by kind of process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) programs_us: u64,
    pub(super) guards_us: u64,
    pub(super) control_us: u64,
}

impl Spent {
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            programs_us: self.programs_us.saturating_sub(before.programs_us),
            guards_us: self.guards_us.saturating_sub(before.guards_us),
            control_us: self.control_us.saturating_sub(before.control_us),
        }
    }
}

/// Of everything below process `root`. What cannot be read counts as nothing: a metric, so it fails open.
pub(super) fn below(root: u32) -> Spent {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && let Some(parent) = parent(pid)
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut spent, mut rest) = (Spent::default(), vec![root]);
    while let Some(pid) = rest.pop() {
        rest.extend(children.get(&pid).into_iter().flatten());
        let us = (living_ns(pid) / NS_PER_US).max(ticks(pid) * US_PER_TICK);
        match name(pid).as_str() {
            "bartizan-proxy" => spent.guards_us += us,
            "bartizan" => spent.control_us += us,
            _ => spent.programs_us += us,
        }
    }
    spent
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn name(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(program).rsplit('/').next().unwrap_or_default().to_owned()
}

/// User and system time, that of threads which have ended too, to a hundredth of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace().skip(11).take(2));
    fields.into_iter().flatten().filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// All threads that live, exactly.
fn living_ns(pid: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let one = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    threads.filter_map(one).sum()
}
