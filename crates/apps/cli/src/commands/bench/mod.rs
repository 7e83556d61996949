//! `bartizan bench`: a fleet of the user's own, measured without guards, with mutual TLS, and with everything.

mod fleet; // one run of it
mod load;
mod spent; // CPU, by kind of process
mod targets;

use super::{print, print_json};
use crate::args::{BenchArgs, ModeArg};
use crate::failure::{Failure, chain};
use crate::limits::BENCH_WARM;
use crate::render::{rate, table};
use bartizan_runtime::files;
use load::Loaded;
use serde::Serialize;
use std::time::Duration;
use targets::Target;

/// Columns of the table.
const WIDTH: u16 = 200;

/// What one mode came to, medians over the rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Row {
    mode: &'static str,
    requests: u64,
    /// Answers with a status of 400 and more, by the program or by a guard.
    refused: u64,
    /// No answer, or a broken one.
    failed: u64,
    per_second: f64,
    p50_us: u64,
    p99_us: u64,
    /// CPU for each request, in microseconds: of the programs, of the guards, of control and node.
    programs_us: f64,
    guards_us: f64,
    control_us: f64,
}

/// Goes through the modes in rounds (A B C A B C, so that a machine that grows slower does so for all) and prints a row each.
pub(super) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let (fleet, _) = files::load_fleet(&args.fleet).map_err(|error| Failure::new(chain(&error)))?;
    let targets = targets::of(&fleet, &args.path)?;
    let mut rounds: Vec<(ModeArg, Row)> = Vec::new();
    for _ in 0..args.rounds {
        for mode in &args.modes {
            rounds.push((*mode, measured(args, *mode, &targets)?));
        }
    }
    let rows: Vec<Row> = args.modes.iter().filter_map(|mode| median(*mode, &rounds)).collect();
    if args.json {
        let paths: Vec<_> = targets.iter().map(|target| &target.path).collect();
        return print_json(&serde_json::json!({ "paths": paths, "connections": args.connections, "modes": rows }));
    }
    print(&told(&rows, &targets, args))
}

fn measured(args: &BenchArgs, mode: ModeArg, targets: &[Target]) -> Result<Row, Failure> {
    let fleet = fleet::Running::start(&args.fleet, word(mode))?;
    let roots = if mode == ModeArg::Off { None } else { Some(fleet.roots()?) };
    let doors = targets::doors(targets, roots.is_some());
    let run = |span| super::waiting_for(load::run(&doors, roots.as_deref(), args.connections, span));
    run(BENCH_WARM)?;
    let before = spent::below(fleet.pid());
    let Loaded { mut took_us, refused, failed, seconds } = run(Duration::from_secs(args.seconds))?;
    // What was under way, events for one, costs CPU too.
    std::thread::sleep(BENCH_WARM / 2);
    let spent = spent::below(fleet.pid()).since(&before);
    took_us.sort_unstable();
    let requests = took_us.len() as u64;
    let at = |share: f64| took_us.get((took_us.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or(0);
    let each = |us: u64| us as f64 / requests.max(1) as f64;
    Ok(Row {
        mode: word(mode),
        requests,
        refused,
        failed,
        per_second: requests as f64 / seconds,
        p50_us: at(0.5),
        p99_us: at(0.99),
        programs_us: each(spent.programs_us),
        guards_us: each(spent.guards_us),
        control_us: each(spent.control_us),
    })
}

fn word(mode: ModeArg) -> &'static str {
    match mode {
        ModeArg::Off => "off",
        ModeArg::Mtls => "mtls",
        ModeArg::Full => "full",
    }
}

/// The round of a mode that is in the middle by CPU: one that was, rather than figures of several put together.
fn median(mode: ModeArg, rounds: &[(ModeArg, Row)]) -> Option<Row> {
    let mut rows: Vec<_> = rounds.iter().filter(|(of, _)| *of == mode).map(|(_, row)| row).collect();
    let cpu = |row: &Row| row.programs_us + row.guards_us + row.control_us;
    rows.sort_by(|a, b| cpu(a).total_cmp(&cpu(b)));
    rows.get(rows.len() / 2).map(|row| (*row).clone())
}

fn told(rows: &[Row], targets: &[Target], args: &BenchArgs) -> String {
    let headers = [
        "MODE",
        "REQUESTS",
        "≥ 400",
        "FAILED",
        "REQ/s",
        "P50 ms",
        "P99 ms",
        "CPU µs/REQ",
        "PROGRAMS",
        "GUARDS",
        "CONTROL",
        "× OFF",
    ];
    let cpu = |row: &Row| row.programs_us + row.guards_us + row.control_us;
    let off = rows.iter().find(|row| row.mode == "off").map(cpu).filter(|us| *us > 0.0);
    let row = |it: &Row| {
        vec![
            it.mode.to_owned(),
            it.requests.to_string(),
            it.refused.to_string(),
            it.failed.to_string(),
            rate(it.per_second),
            format!("{:.2}", it.p50_us as f64 / 1e3),
            format!("{:.2}", it.p99_us as f64 / 1e3),
            format!("{:.0}", cpu(it)),
            format!("{:.0}", it.programs_us),
            format!("{:.0}", it.guards_us),
            format!("{:.0}", it.control_us),
            off.map_or("-".to_owned(), |off| format!("{:.2}", cpu(it) / off)),
        ]
    };
    let paths: Vec<_> = targets.iter().map(|target| target.path.as_str()).collect();
    format!(
        "GET {} from {} connections, {} s in each mode; the client runs on the same machine and is not counted\n{}\n",
        paths.join(" "),
        args.connections,
        args.seconds,
        table(&headers, rows.iter().map(row).collect(), WIDTH).trim_end()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_in_the_middle_is_told_whole() {
        let row = |guards_us: f64, p99_us| Row {
            mode: "full",
            requests: 10,
            refused: 0,
            failed: 0,
            per_second: 1.0,
            p50_us: 1,
            p99_us,
            programs_us: 10.0,
            guards_us,
            control_us: 0.0,
        };
        let rounds = [(ModeArg::Full, row(90.0, 1)), (ModeArg::Full, row(30.0, 2)), (ModeArg::Full, row(50.0, 3))];
        assert_eq!(median(ModeArg::Full, &rounds).unwrap().p99_us, 3);
        assert_eq!(median(ModeArg::Off, &rounds), None);
    }
}
