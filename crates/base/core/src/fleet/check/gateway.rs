//! Checks the gateway and its routes.

use super::super::raw::{RawGateway, RawGatewayRoute};
use super::super::reader::{At, Field, Read, Report, Reported, did_you_mean};
use super::super::{Gateway, GatewayRoute, Other};
use super::ports::Ports;
use super::{Known, required};
use crate::name::ServiceName;
use crate::path::PathPattern;
use std::collections::{BTreeMap, HashMap};

/// Those who may show a certificate.
type Clients = BTreeMap<ServiceName, Other>;

pub(super) fn check(
    report: &mut Report<'_>,
    known: &Known,
    clients: Option<&Clients>,
    ports: &mut Ports,
    gateway: At<RawGateway>,
) -> Result<Gateway, Reported> {
    let At { value: RawGateway { listen, routes }, spot } = gateway;
    let listen = required(report, listen, &spot, "listen", "say where clients connect, such as `127.0.0.1:8443`")
        .and_then(|at| ports.anywhere(report, &at));
    let routes =
        required(report, routes, &spot, "routes", "say what it opens, or delete `gateway`").and_then(|routes| {
            if routes.value.is_empty() {
                return Err(report.refuse(&routes.spot, "there is no route", "add one, or delete `gateway`"));
            }
            let mut lines = HashMap::new();
            let routes: Vec<_> =
                routes.value.into_iter().map(|route| check_route(report, known, clients, &mut lines, route?)).collect();
            routes.into_iter().collect::<Result<_, _>>()
        });
    Ok(Gateway { listen: listen?, routes: routes? })
}

/// `lines` holds the line of each pattern that came before.
fn check_route(
    report: &mut Report<'_>,
    known: &Known,
    clients: Option<&Clients>,
    lines: &mut HashMap<String, u64>,
    route: RawGatewayRoute,
) -> Result<GatewayRoute, Reported> {
    let RawGatewayRoute { path, to, from, auth, spot } = route;
    let path = required(report, path, &spot, "path", "give a pattern, such as `/api/accounts/**`").and_then(|at| {
        if let Some(line) = lines.insert(at.value.clone(), at.spot.place.line) {
            let problem = format!("the pattern is there already, in line {line}");
            return Err(report.refuse_value(&at, problem, "keep one of the two"));
        }
        PathPattern::parse(&at.value)
            .map_err(|e| report.refuse_value(&at, format!("not a path pattern: {}", e.why()), ""))
    });
    let to = required(report, to, &spot, "to", "name the service that gets the requests").and_then(|at| {
        if known.is_tcp(&at.value) {
            let problem = "it speaks tcp, and the gateway forwards HTTP";
            return Err(report.refuse_value(&at, problem, "route to a service with `protocol: http` or `grpc`"));
        }
        known.resolve(report, &at, "declare it under services, or delete the route")
    });
    let auth = auth.optional().and_then(|at| match at {
        Some(at) if at.value != "none" => {
            // A route that looks protected and is not would be worse than no route.
            let problem = "the gateway does not check users' tokens yet, and what cannot be enforced is refused";
            Err(report.refuse_value(&at, problem, "write `auth: none` or delete the line where everybody may come in"))
        }
        _ => Ok(()),
    });
    let from = check_from(report, clients, to.as_ref().ok(), from);
    let route = GatewayRoute { path: path?, to: to?, from: from? };
    auth.map(|()| route)
}

/// `clients` is `None` where they made no sense themselves, which was reported.
fn check_from(
    report: &mut Report<'_>,
    clients: Option<&Clients>,
    to: Option<&ServiceName>,
    from: Field<Vec<Read<String>>>,
) -> Result<Vec<ServiceName>, Reported> {
    let Some(from) = from.optional()? else { return Ok(Vec::new()) };
    if from.value.is_empty() {
        return Err(report.refuse(&from.spot, "nobody may use it", "name somebody, or delete the route"));
    }
    let mut checked: Vec<Result<ServiceName, Reported>> = Vec::new();
    for client in from.value {
        checked.push(client.and_then(|at| {
            let name = ServiceName::parse(&at.value)
                .map_err(|e| report.refuse_value(&at, format!("not a name: {}", e.why), ""))?;
            let (Some(clients), Some(to)) = (clients, to) else { return Ok(name) };
            match clients.get(&name) {
                Some(client) if client.calls.contains(to) => Ok(name),
                Some(_) => {
                    let way_out = format!("add `{to}` to its `calls`");
                    Err(report.refuse_value(&at, format!("it does not call `{to}`"), way_out))
                }
                None => {
                    let near = report.nearest(&at.value, clients.keys().map(ServiceName::as_str));
                    let way_out = did_you_mean(near, "name a workload with `calls`, of this trust domain or another");
                    Err(report.refuse_value(&at, "no such client", way_out))
                }
            }
        }));
    }
    checked.into_iter().collect()
}
