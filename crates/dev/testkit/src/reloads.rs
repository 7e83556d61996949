//! A gateway whose routes are replaced again and again, under load.

use crate::fleet::Up;
use crate::load::{Echo, Kind, Load, Sum, Target};
use crate::ports::free_ports;
use crate::wait::{Deadline, wait_for};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A path that a route is for in every turn.
const STAYS: &str = "/tenant-7/orders/1";
/// Reloads before memory is looked at for the first time, a count: until then it is still being touched for the first time.
pub const WARM: usize = 10;

/// How much there is of what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Reloads, a count, more than [`WARM`].
    pub reloads: usize,
    /// Routes, a count; all but two are others after each reload.
    pub routes: usize,
    /// Lanes of load, by kind.
    pub lanes: Vec<(Kind, usize)>,
    /// How long each lane pauses after an answer.
    pub pause: Duration,
}

/// What it came to.
#[derive(Debug)]
pub struct Outcome {
    /// From `bartizan reload` until the first request found a new route, for each reload.
    pub took: Vec<Duration>,
    /// Resident kilobytes of gateway and control after so many reloads, for each.
    pub memory_kb: Vec<(usize, i64, i64)>,
    /// What became of the load.
    pub load: Sum,
}

/// Starts a fleet and replaces its routes as `plan` says. In each reload every lane of load gets answers, or it does not go on;
/// `after` is told of each.
///
/// # Panics
/// Where a reload fails, or its routes are not in force within a minute, or a lane gets no answers any more.
pub fn reload_under_load(plan: &Plan, mut after: impl FnMut(usize)) -> Outcome {
    let place = Place::new();
    place.write(plan, 0);
    let up = Up::start(&place.file(), &[]);
    let asked = |path: &str| crate::get(&format!("https://{}{path}", place.edge), Some(&up.ca()));
    wait_for("the gateway to answer", Deadline::default(), || (asked(STAYS).status == 200).then_some(()));
    let gateway = up.find_one(&["bartizan-proxy", "--service gateway"]);
    let control = up.find_one(&["bartizan", "control", "--data"]);
    let load = Load::begin(&Target::new(place.edge, &up.ca(), STAYS), &plan.lanes, plan.pause);
    let (mut took, mut memory_kb) = (Vec::new(), Vec::new());
    for turn in 1..=plan.reloads {
        place.write(plan, turn);
        let (before, began) = (load.answered(), Instant::now());
        up.say(&["reload"]);
        let path = format!("/turn-{turn}/0/x");
        wait_for("the new routes", Deadline::default(), || (asked(&path).status == 200).then_some(()));
        took.push(began.elapsed());
        // What follows is no failure by itself, but a load that stands still would find none either.
        wait_for("every lane to get answers", Deadline::default(), || {
            (load.went_on_since(&before) || load.failed() > 0).then_some(())
        });
        memory_kb.push((turn, resident_kb(gateway), resident_kb(control)));
        after(turn);
    }
    let gone = asked(&format!("/turn-{}/0/x", plan.reloads - 1)).status;
    assert_eq!(gone, 404, "routes of the turn before are gone");
    Outcome { took, memory_kb, load: load.end() }
}

impl Outcome {
    /// Resident kilobytes of gateway and control, each from [`WARM`] reloads on: the mean of the first half of the reloads, and that of
    /// the second. One look alone says little: what is given back to the system, and when, is the allocator's affair.
    ///
    /// # Panics
    /// Where there were fewer.
    pub fn grew_kb(&self) -> [(i64, i64); 2] {
        let looks: Vec<_> = self.memory_kb.iter().filter(|(turn, ..)| *turn >= WARM).collect();
        let (first, second) = looks.split_at(looks.len() / 2);
        let of = |half: &[&(usize, i64, i64)], kb: fn(&(usize, i64, i64)) -> i64| {
            half.iter().map(|look| kb(look)).sum::<i64>() / i64::try_from(half.len().max(1)).unwrap_or(i64::MAX)
        };
        [(of(first, |look| look.1), of(second, |look| look.1)), (of(first, |look| look.2), of(second, |look| look.2))]
    }
}

struct Place {
    folder: TempDir,
    program: SocketAddr,
    edge: SocketAddr,
    _echo: Echo,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let ports = free_ports(2);
        let (program, edge) = (([127, 0, 0, 1], ports[0]).into(), ([127, 0, 0, 1], ports[1]).into());
        Self { folder, program, edge, _echo: Echo::start(program) }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("fleet.yaml")
    }

    fn write(&self, plan: &Plan, turn: usize) {
        let Self { program, edge, .. } = self;
        let mut text = format!(
            "fleet: reloads\ntrust_domain: reloads.test\nservices:\n  orders: {{ at: \"{program}\", protocol: http }}\n\
             gateway:\n  listen: {edge}\n  routes:\n    - {{ path: /tenant-7/orders/**, to: orders }}\n"
        );
        for n in 0..plan.routes.saturating_sub(1) {
            let _ = writeln!(text, "    - {{ path: /turn-{turn}/{n}/**, to: orders }}");
        }
        std::fs::write(self.file(), text).expect("the test's own folder is writable");
    }
}

/// Memory of a process, as the kernel counts it.
fn resident_kb(pid: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(-1)
}
