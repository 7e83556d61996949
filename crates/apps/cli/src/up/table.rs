//! The live table: what it says of each service, and how that is laid out. No terminal in here: rows in, text out.

use super::board::{Parts, Phase};
use super::part::Part;
use crate::render::{left, micros, rate, table};
use bartizan_core::fleet::Fleet;
use bartizan_core::plan::Isolation;
use bartizan_core::snapshot::{Freshness, Mode};
use bartizan_core::status::{ProxyStatus, Status};
use bartizan_core::{Member, Role, ServiceName, SpiffeId, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// From this many columns on there is room for whole SPIFFE IDs; below, for their paths.
const WIDE: u16 = 110;

/// One service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    member: Member,
    /// `None` without a guard.
    id: Option<SpiffeId>,
    /// Life left of its certificate.
    left: Option<Duration>,
    /// `None` where nobody knows.
    figures: Option<Figures>,
    state: String,
    /// Whether all is well; what is not goes to the top where there is not room for all.
    well: bool,
}

/// Figures of one service over the last seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Figures {
    calls_per_s: f64,
    denied_per_s: f64,
    /// Time that the proxy adds to a call: median and 99th percentile.
    added_p50_us: Option<u64>,
    added_p99_us: Option<u64>,
}

impl Figures {
    fn of(proxy: &ProxyStatus) -> Self {
        Self {
            calls_per_s: proxy.calls_per_s,
            denied_per_s: proxy.denied_per_s,
            added_p50_us: proxy.added_p50_us,
            added_p99_us: proxy.added_p99_us,
        }
    }
}

/// What the table says now.
///
/// `status` is `None` while control is away: then nobody knows certificates and figures, and the table says so.
pub(crate) fn rows(
    fleet: &Fleet,
    mode: Mode,
    isolation: &BTreeMap<ServiceName, Isolation>,
    parts: &Parts,
    status: Option<&Status>,
    now: Timestamp,
) -> Vec<Row> {
    let edge = fleet.gateway.as_ref().filter(|_| mode != Mode::Off).map(|_| ServiceName::gateway());
    let bare = |member: &Member| mode != Mode::Off && !fleet.has_guard(member.service());
    // Control knows of instances that were added; without guards there is one of each.
    let known: Vec<Member> = match status {
        Some(status) => status.proxies.iter().map(ProxyStatus::member).chain(fleet.instances().filter(bare)).collect(),
        None => {
            fleet.instances().filter(|it| mode != Mode::Off || it.number() == 1).chain(edge.map(Member::from)).collect()
        }
    };
    let row = |member: Member| {
        let proxy = status.and_then(|s| s.proxies.iter().find(|p| p.member() == member));
        let (mut state, well) = state(&member, mode, parts, proxy, status.is_some());
        if bare(&member) {
            state.push_str(", no guard");
        } else if mode != Mode::Off && matches!(isolation.get(member.service()), Some(Isolation::Shared { .. })) {
            state.push_str(", not isolated");
        }
        Row {
            id: (!bare(&member)).then(|| SpiffeId::of(&fleet.trust_domain, &Role::Service(member.service().clone()))),
            left: proxy.and_then(|p| p.svid_not_after).map(|end| end.since(now)),
            figures: proxy.map(Figures::of),
            member,
            state,
            well,
        }
    };
    known.into_iter().map(row).collect()
}

fn state(member: &Member, mode: Mode, parts: &Parts, proxy: Option<&ProxyStatus>, control: bool) -> (String, bool) {
    let is_gateway = *member.service() == ServiceName::gateway();
    let guard = if is_gateway { Part::Gateway } else { Part::Sidecar(member.clone()) };
    let program = parts.get(&Part::Program(member.clone()));
    let sidecar = parts.get(&guard);
    let restarts = program.map_or(0, |p| p.deaths) + sidecar.map_or(0, |p| p.deaths);
    let note = match restarts {
        0 => String::new(),
        1 => ", 1 restart".to_owned(),
        n => format!(", {n} restarts"),
    };

    for (part, word) in [(program, "program"), (sidecar, if guard == Part::Gateway { "gateway" } else { "sidecar" })] {
        match part.map(|part| part.phase) {
            Some(Phase::Down) => return (format!("{word} down{note}"), false),
            Some(Phase::Starting) if !control && word != "program" => {
                return (format!("{word} waits for control{note}"), false);
            }
            Some(Phase::Starting) => return (format!("{word} starting{note}"), false),
            Some(Phase::Stopped) => return ("stopped".to_owned(), false),
            Some(Phase::Ready) | None => {}
        }
    }
    if mode != Mode::Off {
        if !control {
            return (format!("ready, control away{note}"), false);
        }
        if let Some(proxy) = proxy {
            if let Some((kind, _)) = proxy.refused.first_key_value() {
                return (format!("refused {}{note}", kind.as_str()), false);
            }
            match proxy.freshness {
                Some(Freshness::Stale) => return (format!("stale{note}"), false),
                Some(Freshness::Degraded) => return (format!("degraded{note}"), false),
                Some(Freshness::Expired) => return (format!("expired{note}"), false),
                Some(Freshness::Fresh) | None => {}
            }
        }
    }
    (format!("ready{note}"), true)
}

/// The table as text, at most `width` columns wide and with at most `rows_max` rows of services.
pub(crate) fn draw(rows: &[Row], mode: Mode, width: u16, rows_max: usize) -> String {
    let mut order: Vec<&Row> = rows.iter().collect();
    if rows.len() > rows_max {
        // Stable: the well and the unwell each stay in the order of their names.
        order.sort_by_key(|row| row.well);
    }
    let headers: &[&str] = match mode {
        Mode::Off => &["SERVICE", "STATE"],
        Mode::Mtls | Mode::Full => {
            &["SERVICE", "IDENTITY", "CERT LEFT", "CALLS/s", "DENIED/s", "P50 µs", "P99 µs", "STATE"]
        }
    };
    let cells = order.iter().take(rows_max).map(|row| cells(row, mode, width)).collect::<Vec<_>>();
    let mut text = table(headers, cells, width);
    if rows.len() > rows_max {
        text.push_str(&format!("\n… and {} more; `bartizan status` shows all", rows.len() - rows_max));
    }
    text
}

fn cells(row: &Row, mode: Mode, width: u16) -> Vec<String> {
    if mode == Mode::Off {
        return vec![row.member.to_string(), row.state.clone()];
    }
    let shown = |figure: Option<String>| figure.unwrap_or_else(|| "-".to_owned());
    let figures = row.figures;
    vec![
        row.member.to_string(),
        shown(row.id.as_ref().map(|id| if width < WIDE { format!("…{}", id.path()) } else { id.to_string() })),
        shown(row.left.map(left)),
        shown(figures.map(|f| rate(f.calls_per_s))),
        shown(figures.map(|f| rate(f.denied_per_s))),
        shown(figures.and_then(|f| f.added_p50_us).map(micros)),
        shown(figures.and_then(|f| f.added_p99_us).map(micros)),
        row.state.clone(),
    ]
}

/// One line for those who have no terminal.
pub(crate) fn summary(rows: &[Row], mode: Mode) -> String {
    let well = rows.iter().filter(|row| row.well).count();
    let mut text = format!("{well} of {} ready", rows.len());
    if mode != Mode::Off {
        let sum = |figure: fn(Figures) -> f64| rows.iter().filter_map(|row| row.figures).map(figure).sum::<f64>();
        let (calls, denied) = (sum(|f| f.calls_per_s), sum(|f| f.denied_per_s));
        text.push_str(&format!(", {} calls/s, {} denied/s", rate(calls), rate(denied)));
    }
    for row in rows.iter().filter(|row| !row.well).take(5) {
        text.push_str(&format!("; {}: {}", row.member, row.state));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::board::PartState;
    use bartizan_core::TrustDomain;
    use bartizan_core::fleet::{Gateway, Program, Protocol, Service};

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn fleet() -> Fleet {
        let service = |port| Service {
            program: Program::Already,
            mesh: None,
            isolate: Default::default(),
            capture: Default::default(),
            guarded: true,
            listen: std::net::SocketAddr::from(([127, 0, 0, 1], port)),
            protocol: Protocol::Http,
            owner: None,
            data: Vec::new(),
            software: Default::default(),
            calls: Vec::new(),
            routes: Vec::new(),
            ext_authz: None,
            egress: None,
            instances: Default::default(),
            versions: Default::default(),
            mtls: Default::default(),
            limits: Vec::new(),
            slow_down: None,
            api: None,
        };
        Fleet {
            name: name("bank"),
            trust_domain: TrustDomain::parse("bank.example").unwrap(),
            services: BTreeMap::from([(name("accounts"), service(7101)), (name("ledger"), service(7102))]),
            gateway: Some(Gateway::new(std::net::SocketAddr::from(([127, 0, 0, 1], 8443)), Vec::new())),
            users: None,
            authorization: None,
            policies: None,
            trust: Default::default(),
            tls: Default::default(),
            tuning: Default::default(),
            drain_ms: None,
            guard_p99_us: None,
            events: Default::default(),
            ledger: None,
            objectives: None,
            alerts: Default::default(),
            intake: None,
            outputs: Default::default(),
            counts: None,
            console: Default::default(),
            control: Default::default(),
            profile: Default::default(),
            synthetic: Default::default(),
            workloads: Default::default(),
            others: Default::default(),
            federation: Default::default(),
            warnings: Vec::new(),
        }
    }

    fn part(phase: Phase, deaths: u32) -> PartState {
        PartState { phase, pid: Some(1), deaths, last_exit: None, tail: Vec::new() }
    }

    fn parts() -> Parts {
        Parts::from([
            (Part::Program(name("accounts").into()), part(Phase::Ready, 0)),
            (Part::Sidecar(name("accounts").into()), part(Phase::Ready, 1)),
            (Part::Program(name("ledger").into()), part(Phase::Down, 3)),
            (Part::Sidecar(name("ledger").into()), part(Phase::Ready, 0)),
            (Part::Gateway, part(Phase::Ready, 0)),
        ])
    }

    fn status(now: Timestamp) -> Status {
        let proxy = |service: &str, calls: f64| {
            serde_json::json!({
                "service": service, "id": format!("spiffe://bank.example/svc/{service}"), "attached": true, "instance": "1",
                "pid": 1, "version": "0.1.0", "freshness": "fresh", "last_heard": now,
                "svid_not_after": now.plus(Duration::from_secs(3000)), "held": {}, "refused": {}, "calls_per_s": calls,
                "denied_per_s": 0.25, "calls": 10, "denied": 1, "failed": 0, "input_refused": 0,
                "added_p50_us": 61, "added_p99_us": 1240, "handshakes": {"attempted": 0, "completed": 0, "failed": {}},
                "connections_open": 0, "resident_bytes": 0, "cpu_us": 0, "events": {"offered": 0, "dropped": 0, "delivered": 0}
            })
        };
        serde_json::from_value(serde_json::json!({
            "fleet": "bank", "trust_domain": "bank.example", "mode": "full", "now": now,
            "control": {"started_at": now, "version": "0.1.0", "listen": "127.0.0.1:1", "svid_not_after": now,
                        "issuing_not_after": now, "root_not_after": now,
                        "handshakes": {"attempted": 0, "completed": 0, "failed": {}}},
            "epochs": {},
            "proxies": [proxy("accounts", 812.4), proxy("ledger", 0.0), proxy("gateway", 99.95)],
            "store": {"offered": 0, "stored": 0, "known": 0, "lost": {}, "waiting": 0, "reason": null}
        }))
        .unwrap()
    }

    #[test]
    fn shows_every_service_with_its_figures_and_what_is_wrong() {
        let now = Timestamp::from_secs(1_000_000);
        let rows = rows(&fleet(), Mode::Full, &BTreeMap::new(), &parts(), Some(&status(now)), now);
        insta::assert_snapshot!("full", draw(&rows, Mode::Full, 120, 10));
        insta::assert_snapshot!("narrow_and_short", draw(&rows, Mode::Full, 80, 1));
        insta::assert_snapshot!(summary(&rows, Mode::Full), @"2 of 3 ready, 912 calls/s, 0.75 denied/s; ledger: program down, 3 restarts");
    }

    #[test]
    fn says_whose_program_is_not_isolated() {
        let now = Timestamp::from_secs(1_000_000);
        let shared = Isolation::Shared { why: "no".to_owned() };
        let isolation = BTreeMap::from([(name("accounts"), shared), (name("ledger"), Isolation::Own)]);
        let rows = rows(&fleet(), Mode::Full, &isolation, &parts(), Some(&status(now)), now);
        assert!(rows[0].state.ends_with(", not isolated"), "{rows:?}");
        assert!(rows[1..].iter().all(|row| !row.state.contains("isolated")), "{rows:?}");
    }

    #[test]
    fn invents_no_figures_while_control_is_away() {
        let now = Timestamp::from_secs(1_000_000);
        let rows = rows(&fleet(), Mode::Full, &BTreeMap::new(), &parts(), None, now);
        insta::assert_snapshot!("control_away", draw(&rows, Mode::Full, 120, 10));
    }

    #[test]
    fn mode_off_shows_programs_alone() {
        let now = Timestamp::from_secs(1_000_000);
        let parts = Parts::from([(Part::Program(name("accounts").into()), part(Phase::Starting, 0))]);
        let rows = rows(&fleet(), Mode::Off, &BTreeMap::new(), &parts, None, now);
        insta::assert_snapshot!("off", draw(&rows, Mode::Off, 80, 10));
    }
}
