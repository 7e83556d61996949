//! Checks the gateway and its routes.

use super::super::raw::{RawGateway, RawGatewayRoute};
use super::super::raw_gateway::RawGatewayCall;
use super::super::reader::{At, Field, Read, Report, Reported, did_you_mean};
use super::super::{Auth, Gateway, GatewayRoute, Other};
use super::edge::{self, RawEdge};
use super::ports::Ports;
use super::routes::{self, Seen};
use super::{Known, addresses, api, cors, headers, limits, login, required, senders, slow_down};
use crate::api_key::is_scope;
use crate::edge::Edge;
use crate::gateway::{Conditions, Overrule};
use crate::limits::ROUTES_MAX;
use crate::name::ServiceName;
use crate::path::PathPattern;
use crate::signed::EventRule;
use std::collections::BTreeMap;

/// A list of words, as the file has it.
type Words = Field<Vec<Read<String>>>;
/// Those who may show a certificate.
type Clients = BTreeMap<ServiceName, Other>;

/// What the rest of the file says.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) known: &'a Known,
    /// `None` where they made no sense themselves, which was reported.
    pub(super) clients: Option<&'a Clients>,
    /// Whether anybody's tokens are believed.
    pub(super) knows_users: bool,
    /// Whether the fleet says where shared counts lie.
    pub(super) counts: bool,
    /// What is known of those who sign people in.
    pub(super) login: login::Context<'a>,
}

pub(super) fn check(
    report: &mut Report<'_>,
    context: Context<'_>,
    ports: &mut Ports,
    gateway: At<RawGateway>,
) -> Result<Gateway, Reported> {
    let At { value, spot } = gateway;
    let RawGateway {
        listen,
        routes,
        calls,
        adaptive,
        cors,
        headers,
        addresses,
        trusted_proxies,
        proxy_protocol,
        login,
        senders,
    } = value;
    let senders = senders::check(report, senders);
    let listen = required(report, listen, &spot, "listen", "say where clients connect, such as `127.0.0.1:8443`")
        .and_then(|at| ports.anywhere(report, &at));
    // Where it makes no sense itself, nothing is said of what would follow from that.
    let knows_login = !matches!(login, Field::Absent);
    let at = listen.as_ref().ok().copied();
    let login = login.optional().and_then(|it| it.map(|it| login::check(report, context.login, at, it)).transpose());
    let routes =
        required(report, routes, &spot, "routes", "say what it opens, or delete `gateway`").and_then(|routes| {
            if routes.value.is_empty() {
                return Err(report.refuse(&routes.spot, "there is no route", "add one, or delete `gateway`"));
            }
            if routes.value.len() > ROUTES_MAX {
                let problem =
                    format!("{} routes, more than the {ROUTES_MAX} of the largest gateway", routes.value.len());
                return Err(report.refuse(&routes.spot, problem, "join some by `*` and `**`"));
            }
            let mut seen = Seen::default();
            let routes: Vec<_> = routes
                .value
                .into_iter()
                .map(|route| check_route(report, context, knows_login, &mut seen, senders.as_ref().ok(), route?))
                .collect();
            routes.into_iter().collect::<Result<_, _>>()
        });
    let calls = check_calls(report, routes.as_ref().ok(), calls);
    let adaptive = check_adaptive(report, adaptive);
    let cors = cors::check(report, cors);
    let headers = headers::check(report, headers);
    let addresses = addresses::check(report, addresses);
    let proxies = addresses::check_proxies(report, trusted_proxies, proxy_protocol);
    let (trusted_proxies, proxy_protocol) = proxies?;
    Ok(Gateway {
        listen: listen?,
        routes: routes?,
        calls: calls?,
        adaptive: adaptive?,
        cors: cors?.and_then(Overrule::these),
        headers: headers?.and_then(Overrule::these),
        addresses: addresses?,
        trusted_proxies,
        proxy_protocol,
        login: login?,
        senders: senders?,
    })
}

/// `routes` is `None` where they made no sense themselves, which was reported.
fn check_calls(
    report: &mut Report<'_>,
    routes: Option<&Vec<GatewayRoute>>,
    calls: Field<Vec<Result<RawGatewayCall, Reported>>>,
) -> Result<BTreeMap<ServiceName, Edge>, Reported> {
    let (mut checked, mut wrong) = (BTreeMap::new(), None);
    for call in calls.optional()?.into_iter().flat_map(|at| at.value) {
        let one = call.and_then(|call| {
            let spot = call.spot.clone();
            let (edge, to) = RawEdge::of_gateway(call);
            let edge = edge::check(report, false, edge);
            let to = required(report, to, &spot, "to", "name the service that routes lead to")?;
            let Some(routes) = routes else { return edge.map(|_| ()) };
            let Some(route) = routes.iter().find(|route| route.to.as_str() == to.value) else {
                let near = report.nearest(&to.value, routes.iter().map(|route| route.to.as_str()));
                let way_out = did_you_mean(near, "name one that a route leads to, or delete it");
                return Err(report.refuse_value(&to, "no route leads there", way_out));
            };
            match checked.insert(route.to.clone(), edge?) {
                None => Ok(()),
                Some(_) => Err(report.refuse_value(&to, "named twice", "delete one")),
            }
        });
        wrong = one.err().or(wrong);
    }
    wrong.map_or(Ok(checked), Err)
}

fn check_adaptive(report: &mut Report<'_>, adaptive: Field<String>) -> Result<bool, Reported> {
    match adaptive.optional()? {
        None => Ok(false),
        Some(at) if at.value == "true" => Ok(true),
        Some(at) if at.value == "false" => Ok(false),
        Some(at) => Err(report.refuse_value(&at, "neither true nor false", "delete the line for: no")),
    }
}

fn check_route(
    report: &mut Report<'_>,
    Context { known, clients, knows_users, counts, login: _ }: Context<'_>,
    knows_login: bool,
    seen: &mut Seen,
    senders: Option<&senders::Senders>,
    route: RawGatewayRoute,
) -> Result<GatewayRoute, Reported> {
    let RawGatewayRoute {
        host,
        path,
        methods,
        match_headers,
        to,
        from,
        auth,
        login,
        scopes,
        limits,
        slow_down,
        cors,
        headers,
        addresses,
        api,
        graphql,
        events,
        event_bytes_max,
        spot,
    } = route;
    let events =
        check_events(report, senders, (&auth, &scopes), senders::OfRoute { events, bytes_max: event_bytes_max });
    let cors = cors::check(report, cors);
    let headers = headers::check(report, headers);
    let addresses = addresses::check(report, addresses);
    let host = routes::check_host(report, host);
    let methods = routes::check_methods(report, methods);
    let match_headers = routes::check_headers(report, match_headers);
    let path = required(report, path, &spot, "path", "give a pattern, such as `/api/accounts/**`").and_then(|at| {
        let path = PathPattern::parse(&at.value)
            .map_err(|e| report.refuse_value(&at, format!("not a path pattern: {}", e.why()), ""))?;
        if login::is_own_path(&path) {
            return Err(report.refuse_value(&at, "the gateway answers there itself", "give it another path"));
        }
        if let (Ok(host), Ok(methods), Ok(headers)) = (&host, &methods, &match_headers) {
            let asks = Conditions { methods: methods.as_slice().into(), headers: headers.as_slice().into() };
            seen.add(report, host.as_ref(), &at, &path, asks)?;
        }
        Ok(path)
    });
    let to = required(report, to, &spot, "to", "name the service that gets the requests").and_then(|at| {
        if known.is_tcp(&at.value) {
            let problem = "it speaks tcp, and the gateway forwards HTTP";
            return Err(report.refuse_value(&at, problem, "route to a service with `protocol: http` or `grpc`"));
        }
        known.resolve(report, &at, "declare it under services, or delete the route")
    });
    let auth = check_auth(report, knows_users, auth).map(|auth| match &events {
        Ok(None) => auth,
        // Where they make no sense themselves, nothing is said of what would follow from it.
        Ok(Some(_)) | Err(_) => Auth::Event,
    });
    let login = login::check_route(report, knows_login, auth.as_ref().ok(), login);
    let scopes = check_scopes(report, auth.as_ref().ok(), scopes);
    // Where either makes no sense, nothing more is said of what would follow from it.
    let (users, named) = (auth.as_ref().map_or(true, |auth| !auth.is_none()), !matches!(from, Field::Absent));
    let keys = auth.as_ref().map_or(true, |auth| auth.takes_key());
    let place = limits::Place::Gateway { users, keys, named, counts };
    let limits = limits::check(report, place, limits);
    let slow_down = slow_down::check(report, place, slow_down);
    let from = check_from(report, clients, to.as_ref().ok(), from);
    let (api, graphql) = (api::check(report, api), api::check_graphql(report, graphql));
    Ok(GatewayRoute {
        host: host?,
        path: path?,
        methods: methods?,
        match_headers: match_headers?,
        to: to?,
        from: from?,
        auth: auth?,
        login: login?,
        scopes: scopes?,
        limits: limits?,
        slow_down: slow_down?,
        cors: cors?,
        headers: headers?,
        addresses: addresses?,
        api: api?,
        graphql: graphql?,
        events: events?,
    })
}

/// Whose events a route takes; then nobody else comes in by it.
fn check_events(
    report: &mut Report<'_>,
    senders: Option<&senders::Senders>,
    (auth, scopes): (&Words, &Words),
    said: senders::OfRoute,
) -> Result<Option<EventRule>, Reported> {
    if !matches!(said.events, Field::Absent) {
        for (field, problem) in [
            (auth, "the route takes signed events, and nothing else"),
            (scopes, "scopes are of users and keys, and the route takes signed events"),
        ] {
            if let Some(at) = field.get() {
                return Err(report.refuse(&at.spot, problem, "delete the line, or `events`"));
            }
        }
    }
    senders::check_route(report, senders, said)
}

fn check_auth(report: &mut Report<'_>, knows_users: bool, auth: Field<Vec<Read<String>>>) -> Result<Auth, Reported> {
    let Some(words) = auth.optional()? else { return Ok(Auth::None) };
    let alone = words.value.len() == 1;
    if words.value.is_empty() {
        return Err(report.refuse(&words.spot, "nobody is let in", "write `none`, `user`, `key` or `[user, key]`"));
    }
    let (mut auth, mut wrong) = (Auth::None, None);
    for word in words.value {
        let at = word?;
        match (at.value.as_str(), auth) {
            ("none", _) if alone => {}
            ("user", Auth::None) if knows_users => auth = Auth::User,
            ("key", Auth::None) => auth = Auth::Key,
            ("user", Auth::Key) if knows_users => auth = Auth::UserOrKey,
            ("key", Auth::User) => auth = Auth::UserOrKey,
            ("user", _) if !knows_users => {
                // A route that looks protected and is not would be worse than no route.
                let way_out =
                    "say under `users` whose tokens are believed, or write `auth: none` where everybody may come in";
                wrong = Some(report.refuse_value(&at, "nobody's tokens are known here", way_out));
            }
            ("user" | "key", _) => wrong = Some(report.refuse_value(&at, "named twice", "delete one")),
            _ => {
                let way_out = "write `none`, `user`, `key` or `[user, key]`";
                wrong = Some(report.refuse_value(&at, "not a way to let somebody in", way_out));
            }
        }
    }
    wrong.map_or(Ok(auth), Err)
}

/// `auth` is `None` where it made no sense itself, which was reported.
fn check_scopes(
    report: &mut Report<'_>,
    auth: Option<&Auth>,
    scopes: Field<Vec<Read<String>>>,
) -> Result<Vec<String>, Reported> {
    let Some(scopes) = scopes.optional()? else { return Ok(Vec::new()) };
    if scopes.value.is_empty() || auth == Some(&Auth::None) {
        let problem = if scopes.value.is_empty() {
            "there is none"
        } else {
            "scopes are of users and keys, and everybody is let in"
        };
        return Err(report.refuse(&scopes.spot, problem, "write `auth: user` or `key`, or delete the line"));
    }
    let mut checked = Vec::new();
    for scope in scopes.value {
        checked.push(scope.and_then(|at| {
            if !is_scope(&at.value) {
                return Err(report.refuse_value(&at, "not a scope: it has blanks, quotes or other characters", ""));
            }
            Ok(at.value)
        }));
    }
    checked.into_iter().collect()
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
