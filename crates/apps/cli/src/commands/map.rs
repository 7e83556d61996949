//! `bartizan map`: who calls whom.

use super::{place, print, print_json, unanswered};
use crate::args::MapArgs;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::render::{grouped, rate, table};
use bartizan_core::ServiceName;
use bartizan_core::overview::{EdgeSafety, FleetMap, MapEdge, MapKind, ReachEdge, ReachStatus};
use bartizan_runtime::local;
use std::fmt::Write as _;

/// Columns of the table; names are long, and terminals wrap.
const WIDTH: u16 = u16::MAX;

/// Shows it as a table, as JSON, or as a graph.
pub(crate) async fn run(args: &MapArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    if let (Some(service), true) = (&args.service, args.reach) {
        return reach(args, &data, service).await;
    }
    let asked: Result<FleetMap, _> = local::get(&data.control_socket(), "/v1/map").await;
    let mut map = asked.map_err(|error| unanswered(&data, &error))?;
    if let Some(service) = &args.service {
        narrow(&mut map, service.as_str())?;
    }
    match (args.data.json, args.dot) {
        (true, _) => print_json(&map),
        (false, true) => print(&dot(&map)),
        (false, false) => print(&text(&map)),
    }
}

async fn reach(args: &MapArgs, data: &DataDir, service: &ServiceName) -> Result<(), Failure> {
    let path = format!("/v1/reach?service={service}");
    let asked: Result<ReachStatus, _> = local::get(&data.control_socket(), &path).await;
    let reach = asked.map_err(|error| unanswered(data, &error))?;
    if args.data.json {
        return print_json(&reach);
    }
    let mut text = String::new();
    for (title, edges) in [("may reach it", &reach.inward), ("it may reach", &reach.out)] {
        let _ = writeln!(text, "{service}: {title}"); // a String takes everything
        if edges.is_empty() {
            text.push_str("  nobody\n");
        }
        edges.iter().for_each(|edge| text.push_str(&reached(edge)));
    }
    print(&text)
}

fn reached(edge: &ReachEdge) -> String {
    let mut text = format!("  {}\n", edge.peer);
    if edge.policies.is_empty() {
        text.push_str("    NOTHING permits it\n");
    }
    let policies = edge.policies.iter().map(|it| ("by", it)).chain(edge.forbidding.iter().map(|it| ("but not", it)));
    for (how, it) in policies {
        let routes = if it.routes.is_empty() { String::new() } else { format!(", routes {}", it.routes.join(" ")) };
        let _ = writeln!(text, "    {how} {} ({}:{}){routes}", it.policy, it.file, it.line);
    }
    text
}

fn narrow(map: &mut FleetMap, service: &str) -> Result<(), Failure> {
    if !map.services.iter().any(|it| it.name == service) {
        return Err(Failure::new(format!("there is no service `{service}`; `bartizan map` lists all")));
    }
    map.edges.retain(|edge| edge.from == service || edge.to == service);
    let edges = &map.edges;
    map.services.retain(|it| it.name == service || edges.iter().any(|edge| edge.from == it.name || edge.to == it.name));
    Ok(())
}

fn text(map: &FleetMap) -> String {
    let row = |it: &MapEdge| {
        let algorithm = it.group.clone().unwrap_or_default();
        let declared = if it.declared { "" } else { "NOT DECLARED" };
        vec![
            it.from.clone(),
            it.to.clone(),
            rate(it.calls_per_s),
            grouped(it.calls),
            grouped(it.denied),
            grouped(it.failed),
            it.mtls.as_str().to_owned(),
            algorithm,
            declared.to_owned(),
        ]
    };
    let headers = ["FROM", "TO", "CALLS/s", "CALLS", "DENIED", "FAILED", "MTLS", "KEY EXCHANGE", ""];
    let table = table(&headers, map.edges.iter().map(row).collect(), WIDTH);
    let alone =
        map.services.iter().filter(|it| !map.edges.iter().any(|edge| edge.from == it.name || edge.to == it.name));
    let alone: Vec<&str> = alone.map(|it| it.name.as_str()).collect();
    let rest = if alone.is_empty() { String::new() } else { format!("on their own: {}\n", alone.join(", ")) };
    format!("{}\n{rest}", table.trim_end())
}

/// A graph for `dot -Tsvg`.
fn dot(map: &FleetMap) -> String {
    let mut text = String::from("digraph fleet {\n  rankdir=LR;\n  node [shape=box];\n");
    for it in &map.services {
        let shape = match it.kind {
            MapKind::Service => "box",
            MapKind::Gateway => "house",
            MapKind::Outside => "ellipse",
            MapKind::Unguarded => "octagon",
        };
        let _ = writeln!(text, "  {} [shape={shape}];", quoted(&it.name));
    }
    for it in &map.edges {
        let style = match it.mtls {
            EdgeSafety::Strict => "solid",
            EdgeSafety::Permissive | EdgeSafety::Unseen => "dashed",
            EdgeSafety::Plain => "dotted",
        };
        let colour = if it.denied > 0 || !it.declared { "red" } else { "black" };
        let label = format!("{}/s, {}", rate(it.calls_per_s), it.mtls.as_str());
        let _ = writeln!(
            text,
            "  {} -> {} [style={style}, color={colour}, label={}];",
            quoted(&it.from),
            quoted(&it.to),
            quoted(&label)
        );
    }
    text.push_str("}\n");
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use bartizan_core::overview::MapService;

    /// Two services, calls from outside, and one call that nobody declared.
    pub(crate) fn sample() -> FleetMap {
        let service = |name: &str, kind, calls_per_s| MapService {
            name: name.to_owned(),
            kind,
            owner: None,
            data: Vec::new(),
            protocol: None,
            attached: true,
            freshness: None,
            instances: 1,
            calls_per_s,
            denied_per_s: 0.0,
            failed_per_s: 0.0,
            added_p99_us: Some(120),
            svid_not_after: None,
            firing: 0,
        };
        let edge = |from: &str, to: &str, declared, calls_per_s, denied| MapEdge {
            from: from.to_owned(),
            to: to.to_owned(),
            declared,
            calls_per_s,
            denied_per_s: f64::from(u8::from(denied > 0)),
            failed_per_s: 0.0,
            calls: 1000,
            denied,
            failed: 0,
            added_p50_us: None,
            added_p99_us: None,
            mtls: EdgeSafety::Strict,
            group: Some("X25519MLKEM768".to_owned()),
            suite: None,
            last: None,
        };
        FleetMap {
            now: Timestamp::from_secs(1000),
            services: vec![
                service("gateway", MapKind::Gateway, 5.0),
                service("ledger", MapKind::Service, 9.0),
                service("lone", MapKind::Service, 0.0),
                service("notify", MapKind::Service, 0.0),
                service("outside", MapKind::Outside, 0.0),
            ],
            edges: vec![
                edge("gateway", "ledger", true, 9.0, 0),
                edge("notify", "ledger", false, 0.5, 3),
                edge("outside", "gateway", true, 5.0, 0),
            ],
        }
    }

    #[test]
    fn every_edge_is_a_row_and_who_has_none_is_named() {
        let text = text(&sample());
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.ends_with("on their own: lone\n"), "{text}");
        assert!(text.lines().nth(2).unwrap().contains("NOT DECLARED"), "{text}");
    }

    #[test]
    fn a_graph_has_everybody_and_names_cannot_break_it() {
        let mut map = sample();
        map.edges[0].from = "a\"; x [".to_owned();
        let text = dot(&map);
        assert!(text.starts_with("digraph fleet {") && text.ends_with("}\n"), "{text}");
        assert!(text.contains("\"a\\\"; x [\" -> \"ledger\""), "{text}");
        assert!(text.contains("\"gateway\" [shape=house];") && text.contains("color=red"), "{text}");
    }

    #[test]
    fn one_service_has_its_own_edges_alone() {
        let mut map = sample();
        narrow(&mut map, "gateway").unwrap();
        assert_eq!(map.edges.len(), 2);
        assert_eq!(map.services.len(), 3, "itself and those at the other ends");
        assert!(narrow(&mut map, "nobody").is_err());
    }
}
