//! `bartizan bench`: a fleet of the user's own, measured without guards, with mutual TLS, and with everything.

mod fleet; // one run of it
mod load;
mod spent; // CPU, by kind of process
mod targets;

pub(crate) use targets::example;

use super::cost::{self, Cost};
use super::{print, print_json};
use crate::args::{BenchArgs, ModeArg};
use crate::failure::{Failure, chain};
use crate::limits::{BENCH_BODY_BYTES_MAX, BENCH_BUDGET_US, BENCH_WARM};
use crate::render::{grouped, micros, rate, table};
use bartizan_runtime::files;
use bartizan_runtime::https::Asking;
use load::{Loaded, Pace};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use targets::Target;

/// Columns of the tables; the second one ends with a sentence.
const WIDTH: u16 = u16::MAX;

/// What is measured: a fleet file in a mode, under a name.
#[derive(Clone, Debug)]
struct Measured {
    name: &'static str,
    file: PathBuf,
    mode: ModeArg,
    targets: Vec<Target>,
}

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
    /// What each guard cost, and what to do about it.
    services: Vec<Cost>,
}

impl Row {
    fn cpu_us(&self) -> f64 {
        self.programs_us + self.guards_us + self.control_us
    }
}

/// Goes through the modes in rounds (A B C A B C, so that a machine that grows slower does so for all) and prints a row each.
pub(super) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let what = Arc::new(asking(args)?);
    let measured = measured(args)?;
    let mut rounds: Vec<Row> = Vec::new();
    for _ in 0..args.rounds {
        for one in &measured {
            rounds.push(measure(args, one, &what)?);
        }
    }
    let rows: Vec<Row> = measured.iter().filter_map(|one| median(one.name, &rounds)).collect();
    let paths: Vec<&str> = measured.first().iter().flat_map(|it| &it.targets).map(|it| it.path.as_str()).collect();
    if args.json {
        let said = serde_json::json!({
            "method": &args.method, "paths": paths, "connections": args.connections, "rate": args.rate, "modes": rows,
        });
        return print_json(&said);
    }
    print(&format!("{}{}", told(&rows, &paths, args), advice(&rows)))
}

/// Every mode that was asked for, and the second fleet.
fn measured(args: &BenchArgs) -> Result<Vec<Measured>, Failure> {
    let of = |file: &Path| {
        let (fleet, _) = files::load_fleet(file).map_err(|error| Failure::new(chain(&error)))?;
        targets::of(&fleet, &args.path, &args.method)
    };
    let targets = of(&args.fleet)?;
    let mut all: Vec<Measured> = Vec::new();
    for &mode in &args.modes {
        let name = if mode == ModeArg::Full && args.full.is_some() { "policy" } else { word(mode) };
        all.push(Measured { name, file: args.fleet.clone(), mode, targets: targets.clone() });
    }
    if let Some(file) = &args.full {
        all.push(Measured { name: word(ModeArg::Full), file: file.clone(), mode: ModeArg::Full, targets: of(file)? });
    }
    Ok(all)
}

/// What each request is, beside its path.
fn asking(args: &BenchArgs) -> Result<Asking, Failure> {
    let field = |text: &String| {
        let (name, value) = text.split_once(':').ok_or_else(|| {
            Failure::new(format!("`{text}` is no header; write it as `--header 'content-type: application/json'`"))
        })?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    };
    let fields = args.header.iter().map(field).collect::<Result<Vec<_>, Failure>>()?;
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let body = match args.body.as_deref().map(|text| text.strip_prefix('@').ok_or(text)) {
        None => Vec::new(),
        Some(Err(text)) => text.as_bytes().to_vec(),
        Some(Ok(file)) => files::read_bounded(Path::new(file), BENCH_BODY_BYTES_MAX)
            .map_err(|error| Failure::new(format!("cannot read the body in `{file}`: {error}")))?,
    };
    Asking::new(&args.method, &fields, body).map_err(Failure::new)
}

fn measure(args: &BenchArgs, one: &Measured, what: &Arc<Asking>) -> Result<Row, Failure> {
    let fleet = fleet::Running::start(&one.file, word(one.mode))?;
    let guarded = one.mode != ModeArg::Off;
    let roots = if guarded { Some(fleet.roots()?) } else { None };
    let doors = targets::doors(&one.targets, guarded);
    let pace = Pace { connections: args.connections, rate: args.rate };
    let run = |span| super::waiting_for(load::run(&doors, roots.as_deref(), what, pace, span));
    let look = || if guarded { super::waiting_for(cost::look(&fleet.data())).map(Some) } else { Ok(None) };
    run(BENCH_WARM)?;
    let (looked, before) = (look()?, spent::below(fleet.pid()));
    let Loaded { mut took_us, refused, failed, seconds } = run(Duration::from_secs(args.seconds))?;
    // What was under way, events for one, costs CPU too; and guards tell once a second what they count.
    std::thread::sleep(BENCH_WARM);
    let spent = spent::below(fleet.pid()).since(&before);
    let services = match (&looked, &look()?) {
        (Some(before), Some(after)) => cost::report(before, after, Some(BENCH_BUDGET_US)).guards,
        _ => Vec::new(),
    };
    took_us.sort_unstable();
    let requests = took_us.len() as u64;
    let at = |share: f64| took_us.get((took_us.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or(0);
    let each = |us: u64| us as f64 / requests.max(1) as f64;
    Ok(Row {
        mode: one.name,
        requests,
        refused,
        failed,
        per_second: requests as f64 / seconds,
        p50_us: at(0.5),
        p99_us: at(0.99),
        programs_us: each(spent.programs_us),
        guards_us: each(spent.guards_us),
        control_us: each(spent.control_us),
        services,
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
fn median(name: &str, rounds: &[Row]) -> Option<Row> {
    let mut rows: Vec<&Row> = rounds.iter().filter(|row| row.mode == name).collect();
    rows.sort_by(|a, b| a.cpu_us().total_cmp(&b.cpu_us()));
    rows.get(rows.len() / 2).map(|row| (*row).clone())
}

fn told(rows: &[Row], paths: &[&str], args: &BenchArgs) -> String {
    let mut headers = vec![
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
    headers.extend(args.core_hour.map(|_| "PER MILLION"));
    let off = rows.iter().find(|row| row.mode == "off").map(Row::cpu_us).filter(|us| *us > 0.0);
    let row = |it: &Row| {
        let mut row = vec![
            it.mode.to_owned(),
            it.requests.to_string(),
            it.refused.to_string(),
            it.failed.to_string(),
            rate(it.per_second),
            format!("{:.2}", it.p50_us as f64 / 1e3),
            format!("{:.2}", it.p99_us as f64 / 1e3),
            format!("{:.0}", it.cpu_us()),
            format!("{:.0}", it.programs_us),
            format!("{:.0}", it.guards_us),
            format!("{:.0}", it.control_us),
            off.map_or("-".to_owned(), |off| format!("{:.2}", it.cpu_us() / off)),
        ];
        row.extend(args.core_hour.map(|price| format!("{:.4}", per_million(it.cpu_us(), price))));
        row
    };
    format!(
        "{} {} from {} connections{}, {} s in each mode, {} rounds; the client runs on the same machine and is not counted\n{}\n",
        args.method,
        paths.join(" "),
        args.connections,
        args.rate.map_or(String::new(), |rate| format!(", {} requests/s", grouped(rate))),
        args.seconds,
        args.rounds,
        table(&headers, rows.iter().map(row).collect(), WIDTH).trim_end()
    )
}

/// What the CPU of a million requests costs.
fn per_million(cpu_us: f64, core_hour: f64) -> f64 {
    // A million requests at so many microseconds are as many seconds.
    cpu_us / 3_600.0 * core_hour
}

/// What each guard cost in each mode, and what to do about it: judged where there is most of it.
fn advice(rows: &[Row]) -> String {
    let Some(most) = rows.iter().rev().find(|row| !row.services.is_empty()) else { return String::new() };
    let guarded: Vec<&Row> = rows.iter().filter(|row| !row.services.is_empty()).collect();
    let mut headers = vec!["SERVICE".to_owned(), "DATA".to_owned(), "CALLS".to_owned()];
    headers.extend(guarded.iter().map(|row| format!("CPU µs/CALL {}", row.mode)));
    headers.extend(guarded.iter().map(|row| format!("P99 µs {}", row.mode)));
    headers.extend(["ADVICE", "WHY"].map(str::to_owned));
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let row = |it: &Cost| {
        let each = |tell: &dyn Fn(&Cost) -> Option<String>| -> Vec<String> {
            let of = |row: &&Row| row.services.iter().find(|other| other.service == it.service).and_then(tell);
            guarded.iter().map(|row| or_dash(of(row))).collect()
        };
        let data = or_dash((!it.data.is_empty()).then(|| it.data.join(",")));
        let mut row = vec![it.service.clone(), data, grouped(it.calls)];
        row.extend(each(&|it| it.cpu_us_per_call.map(|us| format!("{us:.0}"))));
        row.extend(each(&|it| it.added_p99_us.map(micros)));
        row.extend([it.advice.as_str().to_owned(), it.why.clone()]);
        row
    };
    let names: Vec<&str> = headers.iter().map(String::as_str).collect();
    let services = most.services.iter().map(row).collect();
    format!(
        "\nGuard by guard, by its own measure; advice is for `{}`\n{}\n",
        most.mode,
        table(&names, services, WIDTH).trim_end()
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
            services: Vec::new(),
        };
        let rounds = [row(90.0, 1), row(30.0, 2), row(50.0, 3)];
        assert_eq!(median("full", &rounds).unwrap().p99_us, 3);
        assert_eq!(median("off", &rounds), None);
        assert_eq!(advice(&rounds), "", "nothing is advised where nothing is guarded");
        // 60 µs each: a million are a minute of a core.
        assert!((per_million(60.0, 0.06) - 0.001).abs() < 1e-9);
    }
}
