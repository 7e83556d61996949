//! `bartizan top`: services and edges, live.

use super::{place, print, print_json, unanswered};
use crate::args::TopArgs;
use crate::failure::Failure;
use crate::render::{left, micros, rate, table};
use bartizan_core::overview::{FleetMap, MapEdge, MapKind, MapService};
use bartizan_runtime::local;
use std::io::IsTerminal;
use std::time::Duration;

/// Columns of tables where nobody says how many there are.
const WIDTH: u16 = 200;
/// Clears a terminal and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Shows it until Ctrl-C, or once.
pub(crate) async fn run(args: &TopArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let once = args.once || args.data.json || !std::io::stdout().is_terminal();
    loop {
        let asked: Result<FleetMap, _> = local::get(&data.control_socket(), "/v1/map").await;
        let map = asked.map_err(|error| unanswered(&data, &error))?;
        if args.data.json {
            return print_json(&map);
        }
        if once {
            return print(&text(&map));
        }
        print(&format!("{CLEAR}{}", text(&map)))?;
        tokio::time::sleep(Duration::from_secs(args.every.into())).await;
    }
}

/// The busiest first; what is denied or fails before what is not.
fn text(map: &FleetMap) -> String {
    let mut services: Vec<&MapService> = map.services.iter().filter(|it| it.kind != MapKind::Outside).collect();
    services.sort_by(|a, b| b.calls_per_s.total_cmp(&a.calls_per_s).then_with(|| a.name.cmp(&b.name)));
    let mut edges: Vec<&MapEdge> = map.edges.iter().collect();
    let trouble = |edge: &MapEdge| edge.denied_per_s + edge.failed_per_s;
    edges.sort_by(|a, b| {
        let by_trouble = trouble(b).total_cmp(&trouble(a));
        by_trouble
            .then_with(|| b.calls_per_s.total_cmp(&a.calls_per_s))
            .then_with(|| (&a.from, &a.to).cmp(&(&b.from, &b.to)))
    });
    let headers = ["SERVICE", "CALLS/s", "DENIED/s", "FAILED/s", "P99 µs", "CERT LEFT", "GUARDS"];
    let rows = services.iter().map(|it| service(it, map)).collect();
    let services = table(&headers, rows, WIDTH);
    let headers = ["FROM", "TO", "CALLS/s", "DENIED/s", "FAILED/s", "MTLS", ""];
    let rows = edges.iter().map(|it| edge(it)).collect();
    format!("{}\n\n{}\n", services.trim_end(), table(&headers, rows, WIDTH).trim_end())
}

fn service(it: &MapService, map: &FleetMap) -> Vec<String> {
    let guards = match (it.kind, it.attached) {
        (MapKind::Unguarded, _) => "none".to_owned(),
        (_, true) if it.instances == 1 => "there".to_owned(),
        (_, true) => format!("{} there", it.instances),
        (_, false) => "AWAY".to_owned(),
    };
    vec![
        it.name.clone(),
        rate(it.calls_per_s),
        rate(it.denied_per_s),
        rate(it.failed_per_s),
        it.added_p99_us.map_or_else(|| "-".to_owned(), micros),
        it.svid_not_after.map_or_else(|| "-".to_owned(), |end| left(end.since(map.now))),
        guards,
    ]
}

fn edge(it: &MapEdge) -> Vec<String> {
    vec![
        it.from.clone(),
        it.to.clone(),
        rate(it.calls_per_s),
        rate(it.denied_per_s),
        rate(it.failed_per_s),
        it.mtls.as_str().to_owned(),
        if it.declared { String::new() } else { "NOT DECLARED".to_owned() },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::map::tests::sample;

    #[test]
    fn trouble_comes_first_and_undeclared_calls_stand_out() {
        let text = text(&sample());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("ledger"), "the busiest: {text}");
        let edges = lines.iter().position(|line| line.starts_with("FROM")).unwrap();
        assert!(lines[edges + 1].starts_with("notify") && lines[edges + 1].contains("NOT DECLARED"), "{text}");
        let services = &lines[1..edges];
        assert!(
            !services.iter().any(|line| line.starts_with("outside")),
            "who is outside is nobody to watch over: {text}"
        );
    }
}
