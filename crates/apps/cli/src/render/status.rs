//! `bartizan status` for people.

use super::{grouped, left, megabytes, micros, rate, table, utc};
use crate::commands::console::told;
use bartizan_core::group::GroupStatus;
use bartizan_core::plan::Isolation;
use bartizan_core::snapshot::{Freshness, Kind, Mode};
use bartizan_core::status::{EdgeTls, EgressSummary, EventsHeld, NodeStatus, ProxyStatus, Status, Unguarded};
use bartizan_core::{ServiceName, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Wide enough for every column; who has a narrow terminal can scroll or use `--json`.
const WIDTH: u16 = 200;
/// Edges that are named in a line, a count.
const EDGES_SHOWN: usize = 4;

/// The controls that keep one state, and who of them is missing.
fn members(group: &GroupStatus) -> String {
    let GroupStatus { member, term, others, state_bytes, leader: _, applied: _ } = group;
    let away: Vec<String> = others.iter().filter(|it| it.away).map(|it| it.member.to_string()).collect();
    let lag: Vec<String> = others
        .iter()
        .filter(|it| !it.away && it.behind > 0)
        .map(|it| format!("{} lacks {} changes", it.member, grouped(it.behind)))
        .collect();
    let mut text = format!(
        "group: member {member} of {} leads, term {term}, {} MiB kept",
        others.len() + 1,
        megabytes(*state_bytes)
    );
    if !away.is_empty() {
        text.push_str(&format!("; AWAY: {}", away.join(", ")));
    }
    if !lag.is_empty() {
        text.push_str(&format!("; {}", lag.join(", ")));
    }
    text
}

/// Everything, control first.
pub(crate) fn text(status: &Status) -> String {
    let Status {
        fleet,
        trust_domain,
        mode,
        fleet_file: _,
        now,
        control,
        epochs,
        proxies,
        nodes,
        store,
        events,
        ledger,
        issued,
        clocks,
        issuers,
        providers,
        no_tokens,
        drift,
        promotion,
        tls,
        over_budget,
        egress,
        guard_p99_us: _,
        unguarded,
    } = status;
    let mode = match mode {
        Mode::Off => "off",
        Mode::Mtls => "mtls",
        Mode::Full => "full",
    };
    let ends = [("issuing CA", control.issuing_not_after), ("root", control.root_not_after)];
    let ends: Vec<_> = ends.iter().map(|(what, end)| format!("{what} {} left", left(end.since(*now)))).collect();
    let epochs_text: Vec<_> = epochs.iter().map(|(kind, epoch)| format!("{} {}", kind.as_str(), epoch.0)).collect();
    let mut text = format!("fleet {fleet}, trust domain {trust_domain}, mode {mode}\n");
    let _ = writeln!(text, "control {} since {}; {}", control.version, utc(control.started_at), ends.join(", "));
    if let Some(group) = &control.group {
        let _ = writeln!(text, "{}", members(group));
    }
    let _ = writeln!(text, "{}", told(&control.console));
    let _ = writeln!(text, "epochs in force: {}", epochs_text.join(", "));
    let lost = match store.lost_total() {
        0 => "none lost".to_owned(),
        n => format!("{} LOST{}", grouped(n), store.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()),
    };
    let _ = writeln!(text, "events: {} stored, {} waiting, {lost}", grouped(store.stored), grouped(store.waiting));
    text.push_str(&held(events));
    match &ledger.reason {
        Some(why) => {
            let _ =
                writeln!(text, "THE LEDGER CANNOT BE WRITTEN, {} events are not in it: {why}", grouped(ledger.lost));
        }
        None if ledger.entries > 0 => {
            let lost = if ledger.lost > 0 { format!(", {} NOT IN IT", grouped(ledger.lost)) } else { String::new() };
            let archive = match (&ledger.archive_failed, ledger.bytes_max) {
                (Some(why), _) => format!(", CANNOT BE ARCHIVED: {why}"),
                (None, Some(_)) => format!(", {} files archived", grouped(ledger.archived)),
                (None, None) => String::new(),
            };
            let root: String = ledger.root.chars().take(16).collect();
            let _ = writeln!(text, "ledger: {} entries, root {root}…{lost}{archive}", grouped(ledger.entries));
        }
        None => {}
    }
    text.push('\n');

    if let Some(why) = &issued.reason {
        let _ = writeln!(text, "NO CERTIFICATES ARE ISSUED ({} refused): {why}\n", grouped(issued.refused));
    } else if let Some(why) = &issued.database {
        let waiting = grouped(issued.waiting);
        let _ = writeln!(text, "the database is away, {waiting} certificates wait in the journal: {why}\n");
    }

    if let Some(why) = no_tokens {
        let _ = writeln!(text, "APPS GET NO TOKENS: {why}\n");
    }

    if let Some(drift) = drift {
        let what = drift.what.join(", ");
        let _ = writeln!(text, "DRIFT since {}: {what}; `bartizan reload` puts the files in force\n", utc(drift.since));
    }

    if let Some(it) = promotion.as_ref().filter(|it| !it.locks.is_empty() || !it.held.is_empty()) {
        text.push_str(&super::promotion(it));
        text.push('\n');
    }

    text.push_str(&tls_lines(tls));
    text.push_str(&egress_lines(egress, *now));
    proxies.iter().for_each(|proxy| text.push_str(&trouble_lines(proxy)));
    text.push_str(&unguarded_lines(unguarded));
    for it in over_budget {
        let (added, budget) = (grouped(it.added_p99_us), grouped(it.budget_us));
        let _ = writeln!(text, "OVER BUDGET: the guard of {} adds {added} µs at p99, {budget} are allowed", it.service);
    }
    for it in issuers.iter().filter(|it| it.failure.is_some()) {
        let what =
            if it.has_keys { "those that are held go on" } else { "none is held, so none of its tokens is believed" };
        let why = it.failure.as_deref().unwrap_or_default();
        let _ = writeln!(text, "ISSUER {}: its keys are not renewed; {what}: {why}", it.issuer);
    }
    for (name, it) in providers {
        let Some(why) = &it.failure else { continue };
        let since = it.failing_since.map(|at| format!(" since {}", utc(at))).unwrap_or_default();
        let _ = writeln!(
            text,
            "PROVIDER {name} is away{since}: nobody can sign in with it; who is signed in stays so: {why}"
        );
    }
    for clock in clocks {
        let way = if clock.ahead_s < 0 { "behind" } else { "ahead of" };
        let _ = writeln!(
            text,
            "CLOCK of {} is {} s {way} control's: certificates count too early or too late there",
            clock.of,
            clock.ahead_s.unsigned_abs()
        );
    }

    let headers = [
        "SERVICE",
        "IDENTITY",
        "STATE",
        "ENFORCES",
        "CERT LEFT",
        "CALLS",
        "DENIED",
        "FAILED",
        "CALLS/s",
        "P50 µs",
        "P99 µs",
        "MiB",
        "EVENTS LOST",
    ];
    text.push_str(&table(&headers, proxies.iter().map(|proxy| cells(proxy, status)).collect(), WIDTH));
    text.push('\n');
    for node in nodes {
        text.push_str(&node_line(node, status));
    }
    text.push_str(&isolation_lines(proxies));
    for proxy in proxies {
        for (kind, why) in &proxy.refused {
            let _ = writeln!(text, "{} refused {}: {why}", proxy.service, kind.as_str());
        }
    }
    text
}

/// One line for each reason that programs are not kept apart.
fn isolation_lines(proxies: &[ProxyStatus]) -> String {
    let mut by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for proxy in proxies {
        if let Some(Isolation::Shared { why }) = &proxy.isolation {
            let (services, service) = (by.entry(why).or_default(), proxy.service.as_str());
            // Instances stand together, and share the reason.
            if services.last() != Some(&service) {
                services.push(service);
            }
        }
    }
    by.iter().fold(String::new(), |mut text, (why, services)| {
        let _ = writeln!(text, "NOT ISOLATED, {}: {why}", services.join(", "));
        text
    })
}

/// Nothing where no program has a way out: then there is nothing to look at.
fn egress_lines(egress: &EgressSummary, now: Timestamp) -> String {
    let EgressSummary { programs, forced, told, new } = egress;
    if forced + told == 0 && new.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "way out: of {programs} programs {forced} have none but their guard, {told} are told of it; `bartizan egress list`\n"
    );
    for it in new.iter().take(EDGES_SHOWN) {
        let (ago, learned) = (
            left(now.since(it.first_seen).max(std::time::Duration::from_secs(1))),
            if it.learned { ", learned" } else { "" },
        );
        let (to, bytes) = (it.destination(), grouped(it.bytes_up));
        let _ =
            writeln!(text, "NEW DESTINATION of {}: {to}, first seen {ago} ago, {bytes} bytes up{learned}", it.service);
    }
    text.push('\n');
    text
}

/// One line for each agreement, with the edges where they are few: `--json` has them all.
fn tls_lines(edges: &[EdgeTls]) -> String {
    let mut by: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for edge in edges {
        let from = edge.from.as_deref().unwrap_or("outside");
        by.entry((&edge.group, &edge.suite)).or_default().push(format!("{from} to {}", edge.to));
    }
    let mut text = String::new();
    for ((group, suite), edges) in by {
        let shown = if edges.len() <= EDGES_SHOWN { format!(": {}", edges.join(", ")) } else { String::new() };
        let word = if edges.len() == 1 { "edge" } else { "edges" };
        let _ = writeln!(text, "TLS {group}, {suite}: {} {word}{shown}", edges.len());
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// What a guard does about callees in trouble, and who comes without mutual TLS.
fn trouble_lines(proxy: &ProxyStatus) -> String {
    let (mut text, from) = (String::new(), proxy.member());
    for (to, it) in &proxy.sending {
        if it.breakers_open > 0 {
            let _ = writeln!(
                text,
                "BREAKER OPEN from {from} to {to}: most calls failed, {} were answered by it",
                grouped(it.short_cut)
            );
        }
        if it.instances_out > 0 {
            let _ = writeln!(
                text,
                "OUT: {} of {to} failed again and again and get nothing from {from} now",
                it.instances_out
            );
        }
    }
    if !proxy.mtls.is_strict() {
        let calls: u64 = proxy.plaintext.values().map(|it| it.calls).sum();
        let calls = grouped(calls);
        let _ = writeln!(
            text,
            "PERMISSIVE: {from} takes calls without mutual TLS, {calls} so far; `bartizan plaintext` says whose"
        );
    }
    text
}

/// One line for each service without a guard: who calls it in plain, and how often, where somebody counts.
pub(crate) fn unguarded_lines(unguarded: &[Unguarded]) -> String {
    let mut text = String::new();
    for Unguarded { service, data, callers } in unguarded {
        let calls = |(caller, calls): (&ServiceName, &Option<u64>)| match calls {
            Some(calls) => format!("{caller} ({} calls in plain)", grouped(*calls)),
            None => format!("{caller} (not counted)"),
        };
        let callers: Vec<_> = callers.iter().map(calls).collect();
        let callers = if callers.is_empty() { "nobody that the file names".to_owned() } else { callers.join(", ") };
        let data = if data.is_empty() { String::new() } else { format!(", which handles {}", data.join(", ")) };
        let _ = writeln!(text, "NO GUARD: {service}{data}; called by {callers}");
    }
    text
}

/// One line: nodes are few, and what they hold is one kind.
fn node_line(node: &NodeStatus, status: &Status) -> String {
    let state = if node.attached { "attached" } else { "away" };
    let newest = status.epochs.get(&Kind::Bundles);
    let held = node.held.get(&Kind::Bundles);
    let bundles = match (held, newest) {
        (Some(held), Some(newest)) if held != newest => format!("bundles {} of {}", held.0, newest.0),
        (None, _) => "bundles of its start".to_owned(),
        _ => "newest bundles".to_owned(),
    };
    let socket = node.workload_socket.as_ref().map(|path| format!(", Workload API at {path}")).unwrap_or_default();
    let refused: String =
        node.refused.iter().map(|(kind, why)| format!(", REFUSED {}: {why}", kind.as_str())).collect();
    let workloads = if node.entries == 1 { "workload" } else { "workloads" };
    format!("node {}: {state}, {bundles}, {} {workloads}{socket}{refused}\n", node.name, node.entries)
}

fn cells(proxy: &ProxyStatus, status: &Status) -> Vec<String> {
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    vec![
        proxy.member().to_string(),
        proxy.id.to_string(),
        state(proxy),
        enforces(proxy, status),
        or_dash(proxy.svid_not_after.map(|end| left(end.since(status.now)))),
        grouped(proxy.calls),
        grouped(proxy.denied),
        grouped(proxy.failed),
        rate(proxy.calls_per_s),
        or_dash(proxy.added_p50_us.map(micros)),
        or_dash(proxy.added_p99_us.map(micros)),
        megabytes(proxy.resident_bytes),
        grouped(proxy.events.dropped),
    ]
}

fn state(proxy: &ProxyStatus) -> String {
    match proxy.freshness {
        None => "not seen yet",
        Some(Freshness::Fresh) if proxy.attached => "fresh",
        Some(Freshness::Fresh) => "away",
        Some(Freshness::Stale) => "stale",
        Some(Freshness::Degraded) => "degraded",
        Some(Freshness::Expired) => "expired",
    }
    .to_owned()
}

/// `newest`, or what is behind: `policies 3 of 5`.
fn enforces(proxy: &ProxyStatus, status: &Status) -> String {
    if proxy.held.is_empty() {
        return "nothing".to_owned();
    }
    let behind: Vec<_> = status
        .epochs
        .iter()
        .filter_map(|(kind, epoch)| {
            let held = proxy.held.get(kind).copied().unwrap_or_default();
            (held != *epoch).then(|| format!("{} {} of {}", kind.as_str(), held.0, epoch.0))
        })
        .collect();
    if !behind.is_empty() {
        return behind.join(", ");
    }
    let held: Vec<_> =
        Kind::ALL.iter().filter_map(|kind| proxy.held.get(kind)).map(|epoch| epoch.0.to_string()).collect();
    format!("newest ({})", held.join("/"))
}

/// What is kept of events, in a line; nothing where nothing is.
fn held(held: &EventsHeld) -> String {
    let EventsHeld {
        events, bytes, oldest_at, bytes_max, keep_s, keep_each_s, when_full, aged, displaced, holds, ..
    } = held;
    let Some(oldest) = oldest_at else { return String::new() };
    let of = bytes_max.map(|bytes| format!(" of {}", megabytes(bytes))).unwrap_or_default();
    let full = bytes_max.map(|_| format!(", when full: {}", when_full.as_str())).unwrap_or_default();
    let keep = keep_s.map(|keep| format!(", kept for {}", left(Duration::from_secs(keep)))).unwrap_or_default();
    let each = keep_each_s.iter().map(|(sort, keep)| format!(", {sort} for {}", left(Duration::from_secs(*keep))));
    let each: String = each.collect();
    let mut text =
        format!("held: {} since {}, in {}{of} MB{full}{keep}{each}", grouped(*events), utc(*oldest), megabytes(*bytes));
    for (count, why) in [(aged, "went by age"), (displaced, "MADE ROOM for newer ones")] {
        if *count > 0 {
            let _ = write!(text, "; {} {why}", grouped(*count));
        }
    }
    if *holds > 0 {
        let _ = write!(text, "; {holds} legal holds (`bartizan events holds`)");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_who_enforces_what() {
        let proxy = |service: &str, freshness: Option<&str>, policies: u64, refused: serde_json::Value| {
            serde_json::json!({
                "service": service, "id": format!("spiffe://bank.example/svc/{service}"), "owner": null, "attached": freshness == Some("fresh"),
                "instance": null, "pid": null, "version": null, "freshness": freshness, "last_heard": null,
                "svid_not_after": 1_003_000_000u64, "held": if policies > 0 { serde_json::json!({ "bundles": 1, "policies": policies }) } else { serde_json::json!({}) },
                "refused": refused, "calls_per_s": 81.24, "denied_per_s": 0.0, "calls": 12_345, "denied": 6, "failed": 0,
                "input_refused": 0, "added_p50_us": 61, "added_p99_us": null,
                "handshakes": {"attempted": 0, "completed": 0, "failed": {}}, "connections_open": 0, "resident_bytes": 9_437_184,
                "cpu_us": 0, "events": {"offered": 0, "dropped": 2, "delivered": 0}
            })
        };
        let none = serde_json::json!({});
        let status: Status = serde_json::from_value(serde_json::json!({
            "fleet": "bank", "trust_domain": "bank.example", "mode": "full", "now": 1_000_000_000u64,
            "control": {"started_at": 951_782_400_123u64, "version": "0.1.0", "listen": "127.0.0.1:1", "svid_not_after": 1_000_000_000u64,
                        "issuing_not_after": 1_086_400_000u64, "root_not_after": 900_000_000_000u64,
                        "handshakes": {"attempted": 0, "completed": 0, "failed": {}}},
            "epochs": {"bundles": 1, "policies": 5},
            "proxies": [
                proxy("accounts", Some("fresh"), 5, none.clone()),
                proxy("ledger", Some("stale"), 3, serde_json::json!({"policies": "the signature does not hold"})),
                proxy("users", None, 0, none),
            ],
            "store": {"offered": 12, "stored": 10, "known": 0, "lost": {"disk_full": 2}, "waiting": 0, "reason": "no space left on device"}
        }))
        .unwrap();
        insta::assert_snapshot!("status", text(&status));
    }
}
