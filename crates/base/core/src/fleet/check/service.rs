//! Checks one service.

use super::super::placeholder::{self, Part, Placeholder, PlaceholderError};
use super::super::raw::{RawCall, RawService};
use super::super::raw_api::RawApi;
use super::super::raw_edge::RawInstance;
use super::super::raw_limit::RawLimit;
use super::super::raw_slow_down::RawSlowDown;
use super::super::reader::{At, Field, Named, Read, Report, Reported, Spot, did_you_mean, dot};
use super::super::{Call, Capture, Instances, Isolate, NamedRoute, Program, Protocol, Service};
use super::edge::RawEdge;
use super::ports::{Network, Ports};
use super::{
    Known, api, capture, edge, egress, guards, instances, isolate, limits, narrow, os_text, required, slow_down,
    software, versions,
};
use crate::api::ApiCheck;
use crate::edge::Edge;
use crate::limit::Limit;
use crate::name::{GATEWAY, ServiceName, UNAUTHENTICATED};
use crate::path::PathPattern;
use crate::slow_down::SlowDown;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

/// Methods that a named route may be for: those of the action classes `read` and `write`.
pub(super) const METHODS: &[&str] = &["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
/// Longest owner or class of data in bytes: a cell of a table.
const LABEL_BYTES_MAX: usize = 100;

/// What the fleet says for all its services.
#[derive(Clone, Copy)]
pub(super) struct OfAll {
    pub(super) isolate: Isolate,
    pub(super) capture: Capture,
    /// Whether some route of the gateway asks for users.
    pub(super) users: bool,
    /// Whether it says where shared counts lie.
    pub(super) counts: bool,
}

pub(super) fn check(
    report: &mut Report<'_>,
    known: &Known,
    ports: &mut Ports,
    all: OfAll,
    name: &At<String>,
    body: Read<RawService>,
) -> Result<(ServiceName, Service), Reported> {
    let parsed = check_name(report, name);
    let unasked = match &body {
        Ok(body) => guards::refuse_without(report, known, &name.value, &body.value),
        Err(bad) => Err(*bad),
    };
    let guarded = known.has_guard(&name.value);
    let RawService {
        run,
        env,
        dir,
        mesh,
        listen,
        at,
        instances,
        zones,
        protocol,
        owner,
        data,
        version,
        image,
        calls,
        routes,
        isolate,
        capture,
        ext_authz,
        egress,
        mtls,
        split,
        mirror,
        limits,
        slow_down,
        api,
    } = body?.value;
    let callees = callees(&calls);
    let isolate = isolate::of_service(report, isolate, all.isolate, !matches!(run, Field::Absent));
    // The Envoy that asks has to reach the program, and stands outside unless somebody took care of that; so does whoever calls a
    // program without a guard.
    let isolate = isolate.map(|isolate| match isolate {
        Isolate::WhereItCan if !guarded || !matches!(ext_authz, Field::Absent) => Isolate::Never,
        isolate => isolate,
    });
    let capture = isolate.and_then(|isolate| capture::of_service(report, capture, all.capture, isolate));
    let network = match isolate {
        Ok(Isolate::Never) | Err(_) => Network::Host,
        Ok(Isolate::WhereItCan | Isolate::Required) => Network::Own(name.value.clone()),
    };
    let raw = RawProgram { run, env, dir, listen, at, instances, zones, mesh: &mesh };
    let program = check_program(report, known, &callees, &name.spot, raw, ports, &network);
    let mesh = mesh.optional().and_then(|at| at.map(|at| ports.anywhere(report, &at)).transpose());
    // Loopback: who asks there is believed about who calls.
    let ext_authz =
        ext_authz.optional().and_then(|at| at.map(|at| ports.loopback(report, &at, &Network::Host)).transpose());
    let protocol = check_protocol(report, &name.spot, protocol);
    let owner = check_owner(report, &name.spot, owner);
    let data = check_data(report, data);
    let software = software::check(report, version, image);
    let calls = check_calls(report, known, ports, &network, (&name.value, all.users), calls);
    let routes = check_routes(report, protocol.as_ref().ok(), routes);
    let egress =
        egress.optional().and_then(|at| at.map(|at| egress::check(report, known, ports, &network, at)).transpose());
    let versions = versions::check(report, known, &name.value, protocol.as_ref().ok().copied(), split, mirror);
    let mtls = versions::check_mtls(report, mtls);
    let limits = check_limits(report, protocol.as_ref().ok(), all, limits);
    let slow_down = check_slow_down(report, protocol.as_ref().ok(), all, slow_down);
    let api = check_api(report, protocol.as_ref().ok(), api);

    let Checked { program, listen, mesh: own_mesh, instances } = program?;
    unasked?;
    let service = Service {
        program,
        mesh: mesh?.or(own_mesh),
        listen,
        protocol: protocol?,
        owner: owner?,
        data: data?,
        software: software?,
        calls: calls?,
        routes: routes?,
        guarded,
        isolate: isolate?,
        capture: capture?,
        ext_authz: ext_authz?,
        egress: egress?,
        instances,
        versions: versions?,
        mtls: mtls?,
        limits: limits?,
        slow_down: slow_down?,
        api: api?,
    };
    warn_of_unreachable(report, &name.spot, &service);
    Ok((parsed?, service))
}

fn check_name(report: &mut Report<'_>, name: &At<String>) -> Result<ServiceName, Reported> {
    if name.value == UNAUTHENTICATED {
        let problem = "the name is taken: policies know callers without mutual TLS by it";
        return Err(report.refuse(&name.spot, problem, "call the service something else"));
    }
    if name.value == GATEWAY {
        let problem = "the name is taken: it is the gateway's own identity";
        return Err(report.refuse(&name.spot, problem, "call the service something else"));
    }
    ServiceName::parse(&name.value)
        .map_err(|e| report.refuse(&name.spot, format!("not a service name: {}", e.why), "rename it"))
}

/// The keys that say how a program comes to run.
struct RawProgram<'a> {
    run: Field<Vec<Read<String>>>,
    env: Field<Named<Read<String>>>,
    dir: Field<String>,
    listen: Field<String>,
    at: Field<Vec<Result<RawInstance, Reported>>>,
    instances: Field<String>,
    zones: Field<Vec<Read<String>>>,
    mesh: &'a Field<String>,
}

/// How a program comes to run, and where its instances are.
struct Checked {
    program: Program,
    listen: SocketAddr,
    mesh: Option<SocketAddr>,
    instances: Instances,
}

fn check_program(
    report: &mut Report<'_>,
    known: &Known,
    callees: &HashSet<String>,
    service: &Spot,
    raw: RawProgram<'_>,
    ports: &mut Ports,
    network: &Network,
) -> Result<Checked, Reported> {
    let RawProgram { run, env, dir, listen, at, instances, zones, mesh } = raw;
    let runs = !matches!(run, Field::Absent);
    let together = check_exclusive(report, &run, &listen, &at).and_then(|()| check_one_mesh(report, &at, mesh));
    let spare = if runs { Ok(()) } else { check_needs_run(report, &env, &dir) };
    let spare = if runs { spare } else { spare.and(instances::refuse_without_run(report, &instances, &zones)) };

    let missing = if runs {
        "say where the program listens, such as `listen: 127.0.0.1:7102`"
    } else {
        "give `listen` with the address of the program, or `at` where it runs already"
    };
    let placed = match at.optional()? {
        Some(at) => instances::check_at(report, ports, at),
        None => required(report, listen, service, "listen", missing)
            .and_then(|at| ports.loopback(report, &at, network))
            .and_then(|listen| match runs {
                true => Ok((listen, None, instances::check_run(report, instances, zones, mesh)?)),
                false => Ok((listen, None, Instances::default())),
            }),
    };
    let argv = run.optional().and_then(|run| run.map(|run| check_argv(report, known, callees, run)).transpose());
    let env = env.optional().and_then(|env| check_env(report, known, callees, env));
    let dir = dir.optional().and_then(|dir| dir.map(|dir| os_text(report, dir)).transpose());

    together.and(spare)?;
    let program = match argv? {
        Some(argv) => Program::Run { argv, env: env?, dir: dir? },
        None => Program::Already,
    };
    let (listen, mesh, instances) = placed?;
    Ok(Checked { program, listen, mesh, instances })
}

/// Each instance has a mesh address of its own.
fn check_one_mesh(
    report: &mut Report<'_>,
    at: &Field<Vec<Result<RawInstance, Reported>>>,
    mesh: &Field<String>,
) -> Result<(), Reported> {
    match (at.get(), mesh.get()) {
        (Some(at), Some(mesh)) if at.value.len() > 1 => {
            let way_out = "give each its own: `{ at: 127.0.0.1:7102, mesh: 0.0.0.0:15102 }`";
            Err(report.refuse_value(mesh, "one address for several instances", way_out))
        }
        _ => Ok(()),
    }
}

fn check_exclusive<T>(
    report: &mut Report<'_>,
    run: &Field<T>,
    listen: &Field<String>,
    at: &Field<Vec<Result<RawInstance, Reported>>>,
) -> Result<(), Reported> {
    let Some(at) = at.get() else { return Ok(()) };
    let first = at.value.iter().find_map(|it| it.as_ref().ok()?.at.get());
    let empty = At { value: String::new(), spot: at.spot.clone() };
    let at = first.unwrap_or(&empty);
    if !matches!(run, Field::Absent) {
        let way_out = "keep `run` (with `listen`) where bartizan is to start the program, `at` where it runs already";
        return Err(report.refuse_value(at, "`run` and `at` exclude each other", way_out));
    }
    if !matches!(listen, Field::Absent) {
        return Err(report.refuse_value(
            at,
            "`listen` and `at` exclude each other",
            "`at` says where it listens; delete `listen`",
        ));
    }
    Ok(())
}

/// Without `run`, whoever starts the program gives it its environment and folder; ours would be ignored.
fn check_needs_run<T>(report: &mut Report<'_>, env: &Field<T>, dir: &Field<String>) -> Result<(), Reported> {
    let (problem, way_out) = ("it says how to start a program, and there is no `run`", "add `run`, or delete it");
    let env = env.get().map_or(Ok(()), |at| Err(report.refuse(&at.spot, problem, way_out)));
    let dir = dir.get().map_or(Ok(()), |at| Err(report.refuse_value(at, problem, way_out)));
    env.and(dir)
}

fn check_argv(
    report: &mut Report<'_>,
    known: &Known,
    callees: &HashSet<String>,
    run: At<Vec<Read<String>>>,
) -> Result<Vec<String>, Reported> {
    if run.value.is_empty() {
        return Err(report.refuse(&run.spot, "there is no program", "name it, such as `run: [python3, server.py]`"));
    }
    let mut argv = Vec::with_capacity(run.value.len());
    for (i, argument) in run.value.into_iter().enumerate() {
        argv.push(argument.and_then(|at| match i {
            0 if at.value.is_empty() => Err(report.refuse_value(&at, "there is no program", "name it first")),
            _ => check_filled(report, known, callees, at),
        }));
    }
    argv.into_iter().collect()
}

fn check_env(
    report: &mut Report<'_>,
    known: &Known,
    callees: &HashSet<String>,
    env: Option<At<Named<Read<String>>>>,
) -> Result<BTreeMap<String, String>, Reported> {
    let mut checked = Vec::new();
    for (name, value) in env.into_iter().flat_map(|env| env.value) {
        let name = if name.value.is_empty() || name.value.contains(['=', '\0']) {
            Err(report.refuse(&name.spot, "not a name of a variable", "it must not be empty nor hold `=` or NUL"))
        } else {
            Ok(name.value)
        };
        let value = value.and_then(|at| check_filled(report, known, callees, at));
        checked.push(name.and_then(|name| Ok((name, value?))));
    }
    checked.into_iter().collect()
}

/// A text of `run` or `env` whose placeholders all stand for something.
fn check_filled(
    report: &mut Report<'_>,
    known: &Known,
    callees: &HashSet<String>,
    at: At<String>,
) -> Result<String, Reported> {
    if at.value.contains('\0') {
        return Err(report.refuse_value(&at, "has a NUL character", "no program can be given one"));
    }
    let checked = placeholder::fill(&at.value, |placeholder| match placeholder {
        Placeholder::Callee { name, part } => check_callee(report, known, callees, name, part),
        Placeholder::Data | Placeholder::Listen => Ok(String::new()),
    });
    match checked {
        Ok(_) => Ok(at.value),
        Err(Unfilled { problem, way_out }) => Err(report.refuse_value(&at, problem, way_out)),
    }
}

struct Unfilled {
    problem: String,
    way_out: String,
}

impl From<PlaceholderError> for Unfilled {
    fn from(error: PlaceholderError) -> Self {
        let way_out = match error {
            PlaceholderError::Open => "close it, or write `$${` for the two characters",
            PlaceholderError::Unknown(_) => {
                "known are `${data}`, `${listen}` and, of each callee, `${callee.url}`, `.addr`, `.host` and `.port`; `$${` is a plain `${`"
            }
        };
        Self { problem: error.to_string(), way_out: way_out.to_owned() }
    }
}

fn check_callee(
    report: &mut Report<'_>,
    known: &Known,
    callees: &HashSet<String>,
    name: &str,
    part: Part,
) -> Result<String, Unfilled> {
    if !callees.contains(name) {
        let near = report.nearest(name, callees.iter().map(String::as_str));
        let way_out = if known.has(name) { "add it to `calls`" } else { "name one of its `calls`" };
        let problem = format!("`{name}` is not among the calls of this service");
        return Err(Unfilled { problem, way_out: did_you_mean(near, way_out) });
    }
    if part == Part::Url && known.is_tcp(name) {
        let way_out = format!("use `${{{name}.addr}}`, or `.host` and `.port`");
        return Err(Unfilled { problem: format!("`{name}` speaks tcp and has no URL"), way_out });
    }
    Ok(String::new())
}

fn check_protocol(report: &mut Report<'_>, service: &Spot, protocol: Field<String>) -> Result<Protocol, Reported> {
    let Some(at) = protocol.optional()? else {
        let spot = Spot { place: service.place, key: dot(&service.key, "protocol") };
        let way_out = "say `http`, `grpc` or `tcp`, so that nobody has to guess and policies on routes can be enforced";
        report.warn(&spot, "left out, so each connection is looked at", way_out);
        return Ok(Protocol::Auto);
    };
    super::protocol(&at.value).ok_or_else(|| {
        let near = report.nearest(&at.value, ["http", "grpc", "tcp", "auto"].into_iter());
        report.refuse_value(&at, "no such protocol", did_you_mean(near, "known are `http`, `grpc`, `tcp` and `auto`"))
    })
}

fn check_owner(report: &mut Report<'_>, service: &Spot, owner: Field<String>) -> Result<Option<String>, Reported> {
    let Some(at) = owner.optional()? else {
        let spot = Spot { place: service.place, key: dot(&service.key, "owner") };
        report.warn(&spot, "left out", "say who answers for the service; alerts and findings go there");
        return Ok(None);
    };
    if at.value.trim().is_empty() || at.value.len() > LABEL_BYTES_MAX || at.value.chars().any(char::is_control) {
        let problem = format!("not an owner: expected 1 to {LABEL_BYTES_MAX} bytes on one line");
        return Err(report.refuse_value(&at, problem, "name a team, or delete the key"));
    }
    Ok(Some(at.value))
}

/// Classes of data, in one spelling, since policies compare them as texts.
fn check_data(report: &mut Report<'_>, data: Field<Vec<Read<String>>>) -> Result<Vec<String>, Reported> {
    let mut checked: Vec<Result<String, Reported>> = Vec::new();
    let mut seen = HashSet::new();
    for class in data.optional()?.into_iter().flat_map(|at| at.value) {
        checked.push(class.and_then(|at| {
            let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
            let begins_well = at.value.starts_with(|c: char| c.is_ascii_lowercase());
            if !begins_well || at.value.len() > LABEL_BYTES_MAX || !at.value.bytes().all(allowed) {
                let problem = "not a class of data: a lower-case letter, then lower-case letters, digits, `-` and `_`";
                return Err(report.refuse_value(&at, problem, "such as `pii` or `financial`"));
            }
            if !seen.insert(at.value.clone()) {
                return Err(report.refuse_value(&at, "named twice", "delete one"));
            }
            Ok(at.value)
        }));
    }
    checked.into_iter().collect()
}

/// The names under `calls`, as they are written.
fn callees(calls: &Field<Vec<Result<RawCall, Reported>>>) -> HashSet<String> {
    let name = |call: &Result<RawCall, Reported>| match call {
        Ok(RawCall::Name(at)) => Some(at.value.clone()),
        Ok(RawCall::Via(via)) => via.to.get().map(|at| at.value.clone()),
        Err(_) => None,
    };
    calls.get().into_iter().flat_map(|calls| calls.value.iter().filter_map(name)).collect()
}

fn check_calls(
    report: &mut Report<'_>,
    known: &Known,
    ports: &mut Ports,
    network: &Network,
    (own, users): (&str, bool),
    calls: Field<Vec<Result<RawCall, Reported>>>,
) -> Result<Vec<Call>, Reported> {
    let mut checked = Vec::new();
    let mut seen = HashSet::new();
    for call in calls.optional()?.into_iter().flat_map(|at| at.value) {
        checked.push(call.and_then(|call| {
            let (to, via, edge, narrow) = match call {
                RawCall::Name(to) => (Ok(to), Ok(None), Ok(Edge::default()), Ok(None)),
                RawCall::Via(raw) => {
                    let spot = raw.spot.clone();
                    let (edge, to, via, narrow) = RawEdge::of(*raw);
                    let to = required(report, to, &spot, "to", "name the callee");
                    let is_tcp = to.as_ref().is_ok_and(|to| known.is_tcp(&to.value));
                    let narrow = narrow::check(report, (is_tcp, users), narrow);
                    (to, via.optional(), edge::check(report, is_tcp, edge), narrow)
                }
            };
            let to = to.and_then(|to| check_to(report, known, own, &mut seen, &to));
            let via = via.and_then(|via| via.map(|via| ports.loopback(report, &via, network)).transpose());
            Ok(Call { to: to?, via: via?, edge: edge?, narrow: narrow? })
        }));
    }
    checked.into_iter().collect()
}

fn check_to(
    report: &mut Report<'_>,
    known: &Known,
    own: &str,
    seen: &mut HashSet<String>,
    to: &At<String>,
) -> Result<ServiceName, Reported> {
    if to.value == own {
        return Err(report.refuse_value(
            to,
            "a service does not call itself",
            "delete it; what stays in the program needs no edge",
        ));
    }
    if !seen.insert(to.value.clone()) {
        return Err(report.refuse_value(to, "the call is declared twice", "delete one"));
    }
    known.resolve_callee(report, to)
}

fn check_routes(
    report: &mut Report<'_>,
    protocol: Option<&Protocol>,
    routes: Field<Named<Read<String>>>,
) -> Result<Vec<NamedRoute>, Reported> {
    let Some(routes) = routes.optional()? else { return Ok(Vec::new()) };
    // Over tcp there are no paths. With `auto` a caller that waits a moment is relayed as bytes, past every route.
    if let Some(protocol @ (Protocol::Tcp | Protocol::Auto)) = protocol {
        let spoken = if *protocol == Protocol::Tcp { "tcp" } else { "auto" };
        let problem = format!("a service with `protocol: {spoken}` has no routes that could be enforced");
        return Err(report.refuse(&routes.spot, problem, "say `protocol: http` or `grpc`, or delete the routes"));
    }
    let mut lines = HashMap::new();
    let mut checked = Vec::new();
    for (name, text) in routes.value {
        let parsed = ServiceName::parse(&name.value)
            .map_err(|e| report.refuse(&name.spot, format!("not a name of a route: {}", e.why), "rename it"));
        let route = text.and_then(|at| check_route(report, &mut lines, &at));
        checked.push(parsed.and_then(|name| route.map(|(method, path)| NamedRoute { name, method, path })));
    }
    checked.into_iter().collect()
}

fn check_limits(
    report: &mut Report<'_>,
    protocol: Option<&Protocol>,
    OfAll { users, counts, .. }: OfAll,
    limits: Field<Vec<Result<RawLimit, Reported>>>,
) -> Result<Vec<Limit>, Reported> {
    refuse_where_bytes(report, protocol, limits.get().map(|at| &at.spot), ("counted", "delete the limits"))?;
    limits::check(report, limits::Place::Service { users, counts }, limits)
}

fn check_slow_down(
    report: &mut Report<'_>,
    protocol: Option<&Protocol>,
    OfAll { users, counts, .. }: OfAll,
    said: Field<RawSlowDown>,
) -> Result<Option<SlowDown>, Reported> {
    refuse_where_bytes(report, protocol, said.get().map(|at| &at.spot), ("counted", "delete the line"))?;
    slow_down::check(report, limits::Place::Service { users, counts }, said)
}

fn check_api(
    report: &mut Report<'_>,
    protocol: Option<&Protocol>,
    said: Field<RawApi>,
) -> Result<Option<ApiCheck>, Reported> {
    let at = said.get().map(|at| &at.spot);
    if let (Some(at), Some(Protocol::Grpc)) = (at, protocol) {
        let problem = "it speaks grpc, and a document of OpenAPI describes JSON and forms";
        return Err(report.refuse(at, problem, "delete the line, or say `protocol: http` where it answers that too"));
    }
    refuse_where_bytes(report, protocol, at, ("looked at", "delete the line"))?;
    api::check(report, said)
}

/// Requests are looked at only where a guard sees them.
fn refuse_where_bytes(
    report: &mut Report<'_>,
    protocol: Option<&Protocol>,
    at: Option<&Spot>,
    (done, or): (&str, &str),
) -> Result<(), Reported> {
    let (Some(at), Some(protocol @ (Protocol::Tcp | Protocol::Auto))) = (at, protocol) else { return Ok(()) };
    let spoken = if *protocol == Protocol::Tcp { "tcp" } else { "auto" };
    let problem = format!("requests are {done}, and with `protocol: {spoken}` a guard may see bytes alone");
    Err(report.refuse(at, problem, format!("say `protocol: http` or `grpc`, or {or}")))
}

/// `lines` holds the line of each route of the service that came before.
fn check_route(
    report: &mut Report<'_>,
    lines: &mut HashMap<String, u64>,
    at: &At<String>,
) -> Result<(Option<String>, PathPattern), Reported> {
    let (method, path) = match at.value.split_once(' ') {
        Some((method, path)) => (Some(method), path),
        None => (None, at.value.as_str()),
    };
    if let Some(method) = method.filter(|method| !METHODS.contains(method)) {
        let way_out =
            format!("write `GET /path`, or the path alone for every method; known are {}", METHODS.join(", "));
        return Err(report.refuse_value(at, format!("`{method}` is no method of a route"), way_out));
    }
    let path = PathPattern::parse(path).map_err(|e| {
        report.refuse_value(at, format!("not a path pattern: {}", e.why()), "such as `GET /accounts/*/balance`")
    })?;
    if let Some(line) = lines.insert(at.value.clone(), at.spot.place.line) {
        // Which of the two names a policy means would be a matter of luck.
        return Err(report.refuse_value(
            at,
            format!("the same route has another name in line {line}"),
            "keep one of the two",
        ));
    }
    Ok((method.map(str::to_owned), path))
}

fn warn_of_unreachable(report: &mut Report<'_>, spot: &Spot, service: &Service) {
    // Where there is no guard, the program calls its callees by itself.
    if service.program != Program::Already || !service.guarded {
        return;
    }
    let lost: Vec<_> = service.calls.iter().filter(|call| call.via.is_none()).map(|call| call.to.as_str()).collect();
    if !lost.is_empty() {
        let spot = Spot { place: spot.place, key: dot(&spot.key, "calls") };
        let problem = format!("a program that is not started here cannot be told where to find {}", lost.join(", "));
        report.warn(&spot, problem, "give each a fixed place: `{ to: NAME, via: \"127.0.0.1:PORT\" }`");
    }
}
